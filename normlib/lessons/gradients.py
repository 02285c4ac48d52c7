"""Checks of notebook 05: the backward pass, step by step, by central differences."""

import numpy as np

from normlib import standardize, standardize_backward
from normlib.lessons.checks import NotYet, array, call, compare, report

EPS = 0.01  # large enough that leaving it out is seen
STEP = 1e-5
TOLERANCE = 1e-6


def through_affine(function):
    """Check ``(dy, x_hat, gamma) -> (d, dgamma, dbeta)`` for y = gamma x_hat + beta."""

    def check():
        rng, x, x_hat, _ = _setting()
        dy, gamma = rng.normal(size=x.shape), np.array([0.5, 2.0, -1.5])
        result = call(function, dy.copy(), x_hat.copy(), gamma.copy())
        if not isinstance(result, tuple) or len(result) != 3:
            raise NotYet("return three arrays: d, dgamma, dbeta.")
        shapes = {"d": x.shape, "dgamma": gamma.shape, "dbeta": gamma.shape}
        parts = {}
        for part, (name, shape) in zip(result, shapes.items(), strict=True):
            parts[name] = array(_giving(name, part), shape=shape)
        beta = np.zeros(3)
        expected = {
            "dgamma": _differences(lambda: (dy * (gamma * x_hat + beta)).sum(), gamma),
            "dbeta": _differences(lambda: (dy * (gamma * x_hat + beta)).sum(), beta),
            "d": _differences(lambda: (dy * (gamma * x_hat)).sum(), x_hat),
        }
        mistakes = {
            "dgamma": [
                ((dy * x_hat).mean(0), "dgamma is a sum over the samples, not a mean."),
                (dy.sum(0), "dgamma: gamma multiplies x_hat, so x_hat belongs in it."),
            ],
            "dbeta": [(dy.mean(0), "dbeta is a sum over the samples, not a mean.")],
            "d": [
                (dy, "d: x_hat reaches y multiplied by gamma."),
                (dy * x_hat, "d: the factor of x_hat in y is gamma, not x_hat."),
            ],
        }
        for name, value in expected.items():
            compare(name, parts[name], value, mistakes[name], TOLERANCE)
        return "all three agree with central differences."

    report(check)


def through_var(function):
    """Check ``(d, x, eps) -> dvar``, the mean held."""

    def check():
        rng, x, _, stats = _setting()
        d = rng.normal(size=x.shape)
        dvar = array(function, d.copy(), x.copy(), EPS, shape=(3,))
        c, var, inv_std = x - stats.mean, stats.var[0].copy(), stats.inv_std[0]
        expected = _differences(lambda: (d * c / np.sqrt(var + EPS)).sum(), var)
        total = (d * c).sum(0)
        mistakes = [
            (-expected, "the sign is wrong: a larger var makes x_hat smaller."),
            (2 * expected, "the derivative of v**-0.5 has the factor -1/2."),
            (-2 * expected, "the derivative of v**-0.5 has the factor -1/2."),
            (-0.5 * total * inv_std, "the power of (var + eps) is -3/2."),
            (-0.5 * total * var**-1.5, "eps is missing under the power."),
            (expected / len(x), "var is used by all samples: take the sum."),
            (
                -0.5 * (d * x).sum(0) * inv_std**3,
                "x_hat holds x - mean, not x.",
            ),
        ]
        compare("dvar", dvar, expected, mistakes, TOLERANCE)
        return "dvar agrees with central differences."

    report(check)


def through_mean(function):
    """Check ``(d, x, eps) -> dmean``."""

    def check():
        rng, x, _, stats = _setting()
        d = rng.normal(size=x.shape)
        dmean = array(function, d.copy(), x.copy(), EPS, shape=(3,))
        mean = stats.mean[0].copy()

        def loss():
            c = x - mean
            return (d * c / np.sqrt((c**2).mean(0) + EPS)).sum()

        expected = _differences(loss, mean)
        mistakes = [
            (-expected, "the sign is wrong: mean is subtracted."),
            (-d.sum(0), "x_hat is divided by the standard deviation."),
            (expected / len(x), "the mean is used by all samples: take the sum."),
            (
                -d.sum(0) / np.sqrt(x.var(0)),
                "eps is missing under the root.",
            ),
        ]
        compare("dmean", dmean, expected, mistakes, TOLERANCE)
        return "dmean agrees with central differences, its way through var included."

    report(check)


def backward(function):
    """Check ``(d, x, eps) -> dx``, all three paths together."""

    def check():
        rng, x, x_hat, stats = _setting()
        d = rng.normal(size=x.shape)
        dx = array(function, d.copy(), x.copy(), EPS, shape=x.shape)
        moved = x.copy()
        expected = _differences(
            lambda: (d * standardize(moved, 0, eps=EPS)[0]).sum(), moved
        )
        direct = d * stats.inv_std
        mean = -direct.mean(0) * np.ones_like(x)
        var = -stats.inv_std * x_hat * (d * x_hat).mean(0)
        n = len(x)
        mistakes = [
            (direct, "only the path through x is there."),
            (direct + var, "the path through the mean is missing."),
            (direct + mean, "the path through the variance is missing."),
            (direct + n * mean + var, "mean = sum(x) / N: dmean reaches x as 1/N."),
            (direct + mean + n * var, "var is a mean of squares: divide by N."),
            (direct + mean + var / 2, "the derivative of c**2 is 2 c."),
            (direct - mean + var, "the path through the mean has the wrong sign."),
            (direct + mean - var, "the path through the variance has the wrong sign."),
            (expected / stats.inv_std, "the factor inv_std is missing."),
            (
                standardize_backward(d, standardize(x, 0, eps=0)[0], stats.inv_std, 0),
                "x_hat without eps was used; divide by sqrt(var + eps).",
            ),
        ]
        compare("dx", dx, expected, mistakes, TOLERANCE)
        return "dx agrees with central differences for a random upstream gradient."

    report(check)


def _setting():
    rng = np.random.default_rng(11)
    x = 4 + np.array([0.3, 1.0, 2.0]) * rng.normal(size=(6, 3))
    return rng, x, *standardize(x, 0, eps=EPS)


def _differences(loss, values):
    """Return the gradient of `loss` in `values`, which it reads, measured."""
    gradient = np.empty_like(values)
    for index in np.ndindex(values.shape):
        kept = values[index]
        values[index] = kept + STEP
        above = loss()
        values[index] = kept - STEP
        gradient[index] = (above - loss()) / (2 * STEP)
        values[index] = kept
    return gradient


def _giving(name, part):
    """Return a function of a result's name that gives that result."""

    def given():
        return part

    given.__name__ = name
    return given
