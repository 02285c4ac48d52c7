"""Checks of notebook 06."""

import numpy as np

from normlib import layer_norm as normlib_layer_norm
from normlib.lessons.checks import NotYet, array, call, close, compare, report
from normlib.sphere.folding import fold_layer_norm


def no_mean(x, eps=1e-5):
    """Divide by the standard deviation and leave the mean in."""
    return x / np.sqrt(x.var(axis=-1, keepdims=True) + eps)


def by_variance(x, eps=1e-5):
    """Divide by the variance."""
    return _centred(x) / (x.var(axis=-1, keepdims=True) + eps)


def by_n_minus_1(x, eps=1e-5):
    """Take the variance with 1/(n - 1)."""
    return _centred(x) / np.sqrt(x.var(axis=-1, keepdims=True, ddof=1) + eps)


def eps_outside(x, eps=1e-5):
    """Add eps to the standard deviation, outside the root."""
    return _centred(x) / (x.std(axis=-1, keepdims=True) + eps)


# What a common mistake computes, and what it looks like.
MISTAKES = {
    "no mean": (
        no_mean,
        "the mean is still in it, so the points leave the plane. "
        "Subtract the mean of each row.",
    ),
    "/ variance": (
        by_variance,
        "that divides by the variance: lengths are not sqrt(n). Take the root.",
    ),
    "1/(n-1)": (
        by_n_minus_1,
        "that variance has 1/(n - 1): the radius is sqrt(n - 1), not sqrt(n). Use 1/n.",
    ),
    "eps outside": (
        eps_outside,
        "eps is added outside the root: only for tiny variances does it show, and "
        "there the points stay too far out. Use sqrt(var + eps).",
    ),
}


def hint_for(x, y):
    """Return the hint for the mistake that gives `y` from `x`, or an empty string."""
    if close(y, normlib_layer_norm(x)[0]):
        return ""
    return next((hint for f, hint in MISTAKES.values() if close(y, f(x))), "")


def layer_norm(function):
    """Check a layer norm ``function(x, eps)`` over the last axis, by its geometry."""

    def check():
        x = np.random.default_rng(6).normal(2.0, 1.5, size=(7, 3))
        # The second input is so small that the place of eps shows.
        for rows, eps in ((x, 1e-5), (1e-3 * x, 1e-5)):
            y = array(function, rows, eps, shape=rows.shape)
            table = (rows - rows.mean()) / np.sqrt(rows.var() + eps)
            centred = _centred(rows)
            unit = centred / np.linalg.norm(centred, axis=-1, keepdims=True)
            known = [(f(rows, eps), hint) for f, hint in MISTAKES.values()]
            known += [
                (centred, "that is on the plane, but not on the sphere yet; divide."),
                (unit, "those have length 1; the sphere has radius sqrt(n)."),
                (
                    table,
                    "that shares one mean over the whole array; use axis=-1 and "
                    "keepdims=True.",
                ),
            ]
            expected = normlib_layer_norm(rows, eps=eps)[0]
            compare("y", y, expected, known)
        return "on the plane, on the sphere, and inside it where eps matters."

    report(check)


def fold(function):
    """Check ``function(weight, bias, gamma, beta)`` -> (weight, bias), folded."""

    def check():
        rng = np.random.default_rng(6)
        weight, bias = rng.standard_normal((5, 4)), rng.standard_normal(4)
        gamma, beta = rng.normal(1.0, 0.5, 5), rng.standard_normal(5)
        new_weight, new_bias = _pair(function, weight, bias, gamma, beta)
        w, b = fold_layer_norm(weight, bias, gamma, beta)
        compare(
            "weight",
            _shaped("weight", new_weight, w.shape),
            w,
            [
                (weight, "the weight is unchanged: gamma scales what it reads."),
                (
                    weight / gamma[:, None],
                    "gamma divides there; it should multiply, as in the norm.",
                ),
            ],
        )
        compare(
            "bias",
            _shaped("bias", new_bias, b.shape),
            b,
            [
                (bias, "the bias is unchanged: beta passes through the weight too."),
                (
                    bias + beta @ w,
                    "beta went through the folded weight, so gamma scales it as "
                    "well; in the norm beta is added after gamma.",
                ),
                (beta @ weight, "the old bias got lost; add it."),
            ],
        )
        return "weight' = diag(gamma) weight and bias' = bias + beta weight."

    report(check)


def _centred(x):
    return x - x.mean(axis=-1, keepdims=True)


def _pair(function, *args):
    result = call(function, *args)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise NotYet(f"{function.__name__} has to return two arrays: weight, bias.")
    if any(part is ... for part in result):
        raise NotYet(
            f"{function.__name__} is not attempted; replace the ... by your code."
        )
    return result


def _shaped(name, value, shape):
    return array(_Named(name, value), shape=shape)


class _Named:
    """A finished value in the shape of a function, so that `array` can judge it."""

    def __init__(self, name, value):
        self.__name__, self.value = name, value

    def __call__(self):
        return self.value
