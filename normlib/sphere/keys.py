"""Which attention keys can win: those that stick out, and on a sphere all do."""

import numpy as np

from normlib._arguments import (
    choice,
    float_array,
    generator,
    integer,
    natural,
    real,
    takes,
)
from normlib.norms import layer_norm, rms_norm

NORMS = ("none", "layer, in the stream", "RMS, in the head")


@takes(n_keys=natural, width=natural)
def head_keys(norm, n_keys, size, *, width=32, rng=0):
    """Draw vectors of the stream, and make the keys of one head from them.

    Parameters
    ----------
    norm : {"none", "layer, in the stream", "RMS, in the head"}
        No norm; layer norm before the map to the head, as in every transformer
        with layer norm; RMS norm after that map, too, as with normalized keys.
    n_keys : int
        Number of keys.
    size : int
        Features of the head, at most `width`.
    width : int
        Features of the stream; default 32.
    rng : int or numpy.random.Generator
        Source of the stream, N(0, 1), and of the map, N(0, 1 / width).

    Returns
    -------
    ndarray of shape (n_keys, size)

    Examples
    --------
    >>> keys = head_keys("RMS, in the head", 3, 2)
    >>> (keys**2).mean(axis=1).round(4)
    array([1., 1., 1.])
    """
    choice("norm", norm, NORMS)
    if integer("size", size) > width:
        raise ValueError(f"size must be at most width={width}, got {size}")
    rng = generator(rng)
    x = rng.standard_normal((n_keys, width))
    weight = rng.standard_normal((width, width))[:, :size] / np.sqrt(width)
    if norm != "none":
        x = layer_norm(x, eps=0)[0]
    keys = x @ weight
    return rms_norm(keys, eps=0)[0] if norm == "RMS, in the head" else keys


@takes(tolerance=real)
def selectable(keys, tolerance=1e-9):
    """Say for each key whether some query gives it the highest score of all.

    Parameters
    ----------
    keys : ndarray of shape (K, n)
        One key per row; the score of a query q is ``keys @ q``.
    tolerance : float
        Shortest margin that counts, in units of the largest key.

    Returns
    -------
    ndarray of bool, shape (K,)
        False for a key that is a mean of the others, with weights that are not
        negative, or equal to another.

    Notes
    -----
    A query for which key i wins has ``q . (k_i - k_j) > 0`` for all j. There is
    one unless the hull of these differences holds 0 (Gordan's theorem). The
    point of that hull next to 0 is found by non-negative least squares, and is
    that query. Most keys that can win do so for the query that points at them from
    the mean of all, which is tried first.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582.

    Examples
    --------
    >>> selectable(np.array([[0.0, 0], [2, 0], [1, 0.5], [1, 2]]))
    array([ True,  True, False,  True])
    """
    keys = float_array("keys", keys, ndim=2)
    keys = keys / max(np.abs(keys).max(), 1e-300)

    def wins(query):
        return (differences @ query).min() > tolerance * np.linalg.norm(query)

    found, mean = [], keys.mean(axis=0)
    for i, key in enumerate(keys):
        differences = key - np.delete(keys, i, axis=0)
        found.append(wins(key - mean) or wins(nearest_to_zero(differences)))
    return np.array(found)


def nearest_to_zero(points):
    """Return the direction of the point of the hull of `points` next to 0.

    Parameters
    ----------
    points : ndarray of shape (m, n)
        The corners.

    Returns
    -------
    ndarray of shape (n,)
        0, but for rounding, if the hull holds 0.

    Notes
    -----
    Least squares for weights w >= 0 with ``points.T @ w = 0`` and ``sum(w) = 1``,
    by the active set: take in the corner that lowers the error most, solve, and
    let go of corners whose weight would become negative.

    References
    ----------
    Lawson, Hanson 1974, Solving Least Squares Problems, algorithm 23.10.

    Examples
    --------
    >>> nearest_to_zero(np.array([[1.0, 2.0], [1.0, -1.0]])).round(4)  # that of (1, 0)
    array([0.5, 0. ])
    """
    points = float_array("points", points, ndim=2)
    a = np.vstack([points.T, np.ones(len(points))])
    b = np.zeros(len(a))
    b[-1] = 1
    w = np.zeros(len(points))
    held = np.zeros(len(points), bool)
    for _ in range(3 * len(points)):
        gain = a.T @ (b - a @ w)
        gain[held] = -np.inf
        best = gain.argmax()
        if gain[best] <= 1e-10:
            break
        held[best] = True
        while True:
            new = np.zeros_like(w)
            new[held] = np.linalg.lstsq(a[:, held], b, rcond=None)[0]
            negative = held & (new <= 0)
            if not negative.any():
                w = new
                break
            share = (w[negative] / (w[negative] - new[negative])).min()
            w = w + share * (new - w)
            held &= w > 1e-12
            w[~held] = 0
    return points.T @ w


def convex_hull(points):
    """Return the corners of the convex hull of points in the plane.

    Parameters
    ----------
    points : ndarray of shape (K, 2)
        At least one point.

    Returns
    -------
    ndarray of int
        Indices of the corners, counter-clockwise from the leftmost. Points on
        an edge are left out, and of equal points one is kept.

    Notes
    -----
    Andrew's monotone chain: walk the points from left to right and drop the
    last corner as long as the walk does not turn left; then walk back.

    References
    ----------
    Andrew 1979, Information Processing Letters 9(5), 216-219.

    Examples
    --------
    >>> convex_hull(np.array([[0.0, 0], [2, 0], [1, 0.5], [1, 2]]))
    array([0, 1, 3])
    """
    points = _plane(points)
    # Sorted by x, then y; of equal points the first.
    _, order = np.unique(points, axis=0, return_index=True)
    lower, upper = _chain(points, order), _chain(points, order[::-1])
    corners = lower[:-1] + upper[:-1]
    return np.array(corners or lower)  # one point alone is its own hull


def _chain(points, order):
    """Return one side of the hull: the indices of ``order`` that turn left."""
    chain = []
    for index in order:
        while len(chain) > 1 and not _turns_left(points, chain[-2], chain[-1], index):
            chain.pop()
        chain.append(int(index))
    return chain


def _turns_left(points, first, second, third):
    (ax, ay), (bx, by) = points[second] - points[first], points[third] - points[first]
    return ax * by - ay * bx > 0


def _plane(points):
    points = float_array("points", points, ndim=2)
    if points.shape[1] != 2:
        raise ValueError(
            f"points must lie in the plane, shape (K, 2), got {points.shape}; "
            "selectable also takes more dimensions"
        )
    return points
