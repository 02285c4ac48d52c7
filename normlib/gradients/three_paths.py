"""The gradient of one standardized feature, path by path, and measured."""

import numpy as np

from normlib._arguments import float_array, real, reals, takes, vector
from normlib.norms import standardize

__all__ = ["measured_gradient", "path_gradients"]


@takes(d=reals)
def path_gradients(d, x, *, eps=1e-5):
    """Return what flows from x_hat back into x on each of its three paths.

    Parameters
    ----------
    d : ndarray of shape (N,)
        Gradient of the loss with respect to x_hat.
    x : ndarray of shape (N,)
        One feature of N samples, not constant.
    eps : float, default 1e-5
        Added to the variance, in its unit; 0 is allowed.

    Returns
    -------
    dict of str to ndarray of shape (N,)
        Under "x", "mean" and "var"; their sum is the gradient with respect to x.

    Notes
    -----
    ``dvar = -1/2 (var + eps)**(-3/2) sum(d * (x - mean))`` and
    ``dmean = -inv_std sum(d)``. The mean also acts through the variance, by
    ``dvar * mean(-2 (x - mean))``, which is 0.

    References
    ----------
    S. Ioffe and C. Szegedy (2015), arXiv:1502.03167, section 3, the equations
    after Algorithm 1.

    Examples
    --------
    >>> parts = path_gradients(np.array([1.0, 0.0, 0.0]), np.array([1.0, 2.0, 6.0]))
    >>> bool(abs(sum(parts.values()).sum()) < 1e-15)
    True
    """
    x = float_array("x", x, ndim=1)
    d = vector("d", d, len(x))
    _, stats = standardize(x, 0, eps=eps)
    centred, inv_std = x - stats.mean, stats.inv_std
    dvar = -0.5 * inv_std**3 * (d * centred).sum()
    dmean = -inv_std * d.sum()
    return {
        "x": d * inv_std,
        "mean": np.broadcast_to(dmean / len(x), x.shape),
        "var": dvar * 2 * centred / len(x),
    }


@takes(d=reals, x=reals, step=real)
def measured_gradient(d, x, *, eps=1e-5, step=1e-5):
    """Return the gradient of ``sum(d * x_hat)`` by central differences.

    Parameters
    ----------
    d : ndarray of shape (N,)
        Gradient of the loss with respect to x_hat.
    x : ndarray of shape (N,)
        One feature of N samples.
    eps : float, default 1e-5
        Added to the variance.
    step : float, default 1e-5
        How far each x is moved up and down, in its unit.

    Returns
    -------
    ndarray of shape (N,)

    Examples
    --------
    >>> d, x = np.array([1.0, 0.0, 0.0]), np.array([1.0, 2.0, 6.0])
    >>> parts = path_gradients(d, x)
    >>> bool(np.allclose(measured_gradient(d, x), sum(parts.values()), atol=1e-8))
    True
    """
    x = float_array("x", x, ndim=1)
    d = vector("d", d, len(x))
    moved = x + step * np.array([1.0, -1.0])[:, None, None] * np.eye(len(x))
    above, below = (d * standardize(moved, -1, eps=eps)[0]).sum(axis=-1)
    return (above - below) / (2 * step)
