"""Other ways to rescale columns of data, to compare standardizing with.

Standardizing itself is `normlib.standardize`. All maps here are affine; only
`whiten` mixes the columns.
"""

import numpy as np

from normlib._arguments import real, reals, takes

__all__ = ["min_max", "skewness", "whiten"]


@takes(x=reals, low=real, high=real)
def min_max(x, low=0.0, high=1.0):
    """Map every column of x so that its smallest value is low, its largest high.

    Parameters
    ----------
    x : ndarray of float, of shape (N,) or (N, D)
        Data, one sample per row.
    low, high : float, default 0 and 1
        The new limits, ``low < high``.

    Returns
    -------
    ndarray of x's shape
        ``low + (high - low) * (x - min) / (max - min)``; low where a column is
        constant.

    Examples
    --------
    >>> min_max(np.array([2.0, 4.0, 10.0]), -1, 1)
    array([-1. , -0.5,  1. ])
    """
    x = _columns(x)
    if not low < high:
        raise ValueError(
            f"low must be below high, got low={low} and high={high}; swap them"
        )
    smallest = x.min(axis=0)
    width = x.max(axis=0) - smallest
    return low + (high - low) * (x - smallest) / np.where(width > 0, width, 1.0)


@takes(x=reals)
def skewness(x):
    """Return the mean cube of the standardized values of every column.

    Parameters
    ----------
    x : ndarray of float, of shape (N,) or (N, D)
        Data, one sample per row.

    Returns
    -------
    float or ndarray of shape (D,)
        0 for a symmetric distribution, 2 for an exponential one; 0 where a column
        is constant.

    Notes
    -----
    ``mean((x - mean)**3) / std**3``, with 1/N. No map ``a * x + b`` with ``a > 0``
    changes it.

    Examples
    --------
    >>> float(skewness(np.array([1.0, 2.0, 3.0])))
    0.0
    """
    x = _columns(x)
    c = x - x.mean(axis=0)
    std = c.std(axis=0)
    return (c**3).mean(axis=0) / np.where(std > 0, std, 1.0) ** 3


@takes(x=reals)
def whiten(x):
    """Turn and stretch x so that its columns have variance 1 and no correlation.

    Parameters
    ----------
    x : ndarray of float, of shape (N, D)
        Data, one sample per row, of rank D after the mean is subtracted.

    Returns
    -------
    ndarray of shape (N, D)
        ``(x - mean) @ V @ diag(1 / sqrt(w)) @ V.T`` for the eigenvalues w and
        eigenvectors V of the covariance matrix (1/N). Of all white versions of x
        this one is nearest to x - mean.

    Raises
    ------
    ValueError
        If the covariance matrix of x is singular.

    References
    ----------
    A. Kessy, A. Lewin and K. Strimmer (2018), Optimal Whitening and
    Decorrelation, arXiv:1512.00809 (ZCA).

    Examples
    --------
    >>> z = whiten(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [1.0, 3.0]]))
    >>> bool(np.allclose(z.T @ z / 4, np.eye(2)))
    True
    """
    x = _columns(x)
    if x.ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {x.shape}; try x[:, None]")
    c = x - x.mean(axis=0)
    w, v = np.linalg.eigh(c.T @ c / len(c))
    if w[0] <= 1e-12 * w[-1]:
        raise ValueError(
            f"the covariance matrix of x, shape {x.shape}, is singular: a column is "
            "constant or depends on others; drop it first"
        )
    return c @ (v / np.sqrt(w)) @ v.T


def _columns(x):
    x = np.asarray(x, dtype=float)
    if x.size == 0:
        raise ValueError(f"x must not be empty, got shape {x.shape}")
    if x.ndim == 0:
        raise ValueError("x must have at least one axis, got a single number")
    return x
