"""Layer norms with a common mistake in them, to be told by the shape they make."""

import numpy as np

from normlib import layer_norm
from normlib._arguments import reals, takes

__all__ = ["WRONG_NORMS", "name_mistake"]


def _centred(x):
    return x - x.mean(axis=-1, keepdims=True)


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
WRONG_NORMS = {
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


@takes(y=reals)
def name_mistake(x, y):
    """Return the hint for the mistake that gives `y` from `x`, or an empty string.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 6.0]])
    >>> name_mistake(x, by_n_minus_1(x))[:32]
    'that variance has 1/(n - 1): the'
    """
    if _close(y, layer_norm(x)[0]):
        return ""
    return next((hint for f, hint in WRONG_NORMS.values() if _close(y, f(x))), "")


def _close(y, expected):
    return np.abs(y - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max())
