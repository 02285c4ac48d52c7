"""Gradient descent on a loss with two weights, whose features differ in size.

The loss of ``w @ x`` against ``y`` is, for data of mean 0, the quadratic
``(w - best) @ H @ (w - best) / 2`` above its minimum, with ``H`` the covariance of
the features. Its valley is as narrow as the features are unequal.
"""

import numpy as np

from normlib._arguments import float_array, integer, number, real, reals, takes, vector

__all__ = ["covariance", "descend", "excess", "steps_needed"]


def covariance(std, correlation):
    """Return the covariance of two features of standard deviations 1 and `std`.

    Examples
    --------
    >>> covariance(10.0, 0.0)
    array([[  1.,   0.],
           [  0., 100.]])
    """
    std = number("std", std, positive=True)
    correlation = number("correlation", correlation)
    if abs(correlation) >= 1:
        raise ValueError(f"correlation must lie between -1 and 1, got {correlation}")
    return np.array([[1.0, correlation * std], [correlation * std, std**2]])


def descend(h, start, best, steps):
    """Return the weights of gradient descent, shape (steps + 1, 2).

    The learning rate is 1 / (largest eigenvalue of h), half of the rate above which
    the loss grows (2 / largest). In the eigenvectors of h each step multiplies the
    distance to `best` by ``1 - eigenvalue / largest``.

    Parameters
    ----------
    h : ndarray of shape (2, 2)
        Symmetric, with positive eigenvalues.
    start, best : ndarray of shape (2,)
        Where descent starts, and the weights of the smallest loss.
    steps : int

    Examples
    --------
    >>> descend(np.diag([1.0, 2.0]), np.array([4.0, 4.0]), np.zeros(2), steps=2)
    array([[4., 4.],
           [2., 0.],
           [1., 0.]])
    """
    steps = integer("steps", steps, minimum=0)
    h, start, best = _valley(h, start=start, best=best)
    values, vectors = np.linalg.eigh(h)
    distance = vectors.T @ (start - best)
    shrink = 1 - values / values[-1]
    return best + (distance * shrink ** np.arange(steps + 1)[:, None]) @ vectors.T


def excess(w, h, best):
    """Return the loss above its minimum, for each row of w.

    Examples
    --------
    >>> excess(np.array([[1.0, 0.0], [0.0, 3.0]]), np.diag([1.0, 2.0]), np.zeros(2))
    array([0.5, 9. ])
    """
    h, best = _valley(h, best=best)
    w = float_array("w", w)
    if w.shape[-1:] != best.shape:
        raise ValueError(f"w must have rows of {len(best)} weights, got {w.shape}")
    away = w - best
    return 0.5 * ((away @ h) * away).sum(axis=-1)


@takes(h=reals, start=reals, best=reals, limit=real)
def steps_needed(h, start, best, part=0.01, limit=100_000):
    """Return after how many steps only `part` of the excess loss is left.

    Examples
    --------
    >>> start, best = np.zeros(2), np.array([1.0, 0.1])
    >>> steps_needed(covariance(10.0, 0.0), start, best)
    195
    """
    h, start, best = _valley(h, start=start, best=best)
    part = number("part", part, positive=True)
    values, vectors = np.linalg.eigh(h)
    terms = values * (vectors.T @ (start - best)) ** 2
    shrink = 1 - values / values[-1]

    def left(steps):
        return (terms * shrink ** (2 * steps)).sum() / terms.sum()

    low, high = 0, integer("limit", limit, minimum=1)
    while low < high:  # what is left falls with every step
        middle = (low + high) // 2
        low, high = (low, middle) if left(middle) <= part else (middle + 1, high)
    return low


def _valley(h, **points):
    """Return h and points as arrays of floats that fit."""
    h = float_array("h", h, ndim=2)
    if len(h) != h.shape[1]:
        raise ValueError(f"h must have as many rows as columns, got {h.shape}")
    return h, *(vector(name, point, len(h)) for name, point in points.items())
