"""Three ways to add up a variance, equal on paper and not in floating point."""

import numpy as np

from normlib._arguments import float_array

__all__ = ["one_pass_variance", "three_pass_variance", "two_pass_variance"]


def _mean(x):
    # One number after the other, so that the rounding is the same on any machine.
    return np.cumsum(x, axis=0)[-1] / x.dtype.type(len(x))


def one_pass_variance(x):
    """Return ``mean(x**2) - mean(x)**2``, computed in the float type of x.

    Parameters
    ----------
    x : ndarray of shape (N, ...)
        Data, averaged over the first axis.

    Returns
    -------
    ndarray of shape (...)
        What comes out: close to the variance while the mean is small against the
        standard deviation, else anything, also below 0.

    Notes
    -----
    Both terms are near ``mean**2``, and each carries a rounding error of about
    ``mean**2`` times the spacing of the floats (6e-8 for float32). The error
    swallows the variance where ``mean / std`` reaches some thousands.

    References
    ----------
    T. Chan, G. Golub and R. LeVeque (1983), "Algorithms for Computing the Sample
    Variance", The American Statistician 37(3).

    Examples
    --------
    >>> x = np.array([1.0, 3.0], dtype=np.float32)
    >>> float(one_pass_variance(x)), float(one_pass_variance(x + 10_000))
    (1.0, -8.0)
    """
    x = _numbers(x)
    return _mean(x * x) - _mean(x) ** 2


def two_pass_variance(x):
    """Return ``mean((x - mean(x))**2)``, computed in the float type of x.

    Parameters
    ----------
    x : ndarray of shape (N, ...)
        Data, averaged over the first axis.

    Returns
    -------
    ndarray of shape (...)
        Never below 0; too large by the squared rounding error of the mean.

    Notes
    -----
    With m the mean and m' the rounded one, ``mean((x - m')**2) = var + (m - m')**2``.

    References
    ----------
    T. Chan, G. Golub and R. LeVeque (1983), "Algorithms for Computing the Sample
    Variance", The American Statistician 37(3), the two-pass algorithm.

    Examples
    --------
    >>> x = np.array([1.0, 3.0], dtype=np.float32)
    >>> float(two_pass_variance(x)), float(two_pass_variance(x + 10_000))
    (1.0, 1.0)
    """
    x = _numbers(x)
    deviation = x - _mean(x)
    return _mean(deviation * deviation)


def three_pass_variance(x):
    """Return the variance with the deviations centred once more.

    Parameters
    ----------
    x : ndarray of shape (N, ...)
        Data, averaged over the first axis.

    Returns
    -------
    ndarray of shape (...)
        The variance of the numbers as they are stored. This is how normlib's own
        `standardize` does it.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(1e6, 0.5, size=64).astype(np.float32)
    >>> float(three_pass_variance(x) / x.astype(float).var()).__round__(4)
    1.0
    """
    x = _numbers(x)
    deviation = x - _mean(x)
    deviation -= _mean(deviation)
    return _mean(deviation * deviation)


def _numbers(x):
    x = float_array("x", x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"x must hold at least one row, got shape {x.shape}")
    return x
