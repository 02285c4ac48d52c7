"""Checks of notebook 03."""

import numpy as np

from normlib import batch_norm
from normlib.lessons.checks import NotYet, array, close, compare, report

EPS = 1e-5


def batch_norm_forward(function):
    """Check a batch norm ``function(x, gamma, beta)`` of x with shape (N, D)."""

    def check():
        rng = np.random.default_rng(7)
        # The last feature hardly varies, so that the place of eps shows.
        x = rng.normal(2.0, [3.0, 1.0, 0.2, 0.002], size=(6, 4))
        gamma, beta = rng.uniform(0.5, 2.0, 4), rng.uniform(1.0, 2.0, 4)
        given = x.copy()
        y = array(function, given, gamma.copy(), beta.copy(), shape=x.shape)
        if not np.array_equal(given, x):
            raise NotYet("your function changed x itself; compute on new arrays.")
        right = batch_norm(x, gamma, beta, eps=EPS)[0]
        compare("y", y, right, _mistakes(x, gamma, beta), tolerance=1e-7)
        again = array(function, x[:3].copy(), gamma, beta, shape=(3, 4))
        if not close(again, batch_norm(x[:3], gamma, beta, eps=EPS)[0], 1e-7):
            raise NotYet("right for 6 samples, wrong for 3; is N written as a number?")
        return "every feature has the mean beta and, but for eps, the spread gamma."

    report(check)


def _mistakes(x, gamma, beta):
    """Yield what each common mistake gives, and the hint for it."""
    mean, var, wide = x.mean(axis=0), x.var(axis=0), x.var(axis=0, ddof=1)
    rows = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    c = x - mean
    std = np.sqrt(var + EPS)
    yield gamma * c / (var + EPS) + beta, _VARIANCE
    yield gamma * c / var + beta, _VARIANCE
    yield (
        gamma * c / np.sqrt(wide + EPS) + beta,
        "that is the variance with 1/(N-1); batch norm normalizes with 1/N.",
    )
    yield (
        gamma * c / (np.sqrt(wide) + EPS) + beta,
        "two things: the variance has 1/(N-1), and eps is outside the root.",
    )
    yield (
        gamma * c / (np.sqrt(var) + EPS) + beta,
        "eps is outside the root; add it to the variance before you take the root.",
    )
    yield (
        gamma * c / np.sqrt(var) + beta,
        "eps is missing; without it a constant feature gives 0/0.",
    )
    yield (
        gamma * (x - rows[0]) / np.sqrt(rows[1] + EPS) + beta,
        "that averages over the features of a sample (layer norm); use axis=0.",
    )
    yield (
        gamma * (x - x.mean()) / np.sqrt(x.var() + EPS) + beta,
        "that is one mean of the whole table; each feature needs its own, axis=0.",
    )
    yield c / std, "x_hat is right; now scale it by gamma and add beta."
    yield c / std + beta, "gamma is missing: multiply x_hat by it."
    yield gamma * c / std, "beta is missing: add it at the end."
    yield gamma * (c / std + beta), "beta comes after gamma: gamma * x_hat + beta."
    yield gamma * x / std + beta, "the mean is not subtracted before dividing."
    yield gamma * c + beta, "nothing is divided by the standard deviation."
    yield (
        gamma * (x - mean / std) + beta,
        "a bracket is missing: (x - mean) / std, not x - mean / std.",
    )


_VARIANCE = "you divide by the variance; divide by its root, the standard deviation."
