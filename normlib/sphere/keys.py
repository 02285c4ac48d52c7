"""Which attention keys can win: those that stick out, and on a sphere all do."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, generator, integer
from normlib.sphere.geometry import project_on_sphere, projection_steps


class KeySelection(NamedTuple):
    """Random keys before and after normalization, and which can be selected.

    Attributes
    ----------
    raw, rms : ndarray of shape (K, 2)
        Gaussian keys in the plane, and the same keys scaled to a circle.
    layer : ndarray of shape (K, 3)
        Other Gaussian keys after layer norm: a circle in space.
    raw_selectable, rms_selectable, layer_selectable : ndarray of bool, shape (K,)
        Whether some query gives that key the highest score of all.
    """

    raw: np.ndarray
    rms: np.ndarray
    layer: np.ndarray
    raw_selectable: np.ndarray
    rms_selectable: np.ndarray
    layer_selectable: np.ndarray


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

    Raises
    ------
    TypeError, ValueError
        If ``points`` is not a finite float array of shape (K, 2).

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


def selectable_in_plane(keys):
    """Say which keys in the plane some query can give the highest score.

    Parameters
    ----------
    keys : ndarray of shape (K, 2)
        One key per row; the score of a query q is ``keys @ q``.

    Returns
    -------
    ndarray of bool, shape (K,)
        False for a key inside the hull of the others, or equal to another.

    Raises
    ------
    TypeError, ValueError
        If ``keys`` is not a finite float array of shape (K, 2).

    Notes
    -----
    A key can win strictly exactly if it is a corner of the convex hull.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582, section 3.2.

    Examples
    --------
    >>> selectable_in_plane(np.array([[0.0, 0], [2, 0], [1, 0.5], [1, 2]]))
    array([ True,  True, False,  True])
    """
    keys = _plane(keys)
    selectable = np.zeros(len(keys), dtype=bool)
    selectable[convex_hull(keys)] = True
    _, inverse, counts = np.unique(
        keys, axis=0, return_inverse=True, return_counts=True
    )
    return selectable & (counts[inverse.reshape(-1)] == 1)


def own_query_margin(keys):
    """Let each key be its own query, and return by how much it wins.

    Parameters
    ----------
    keys : ndarray of shape (K, n)
        At least two keys.

    Returns
    -------
    ndarray of shape (K,)
        ``k_i . k_i`` less the best of the other scores ``k_i . k_j``; above 0
        means that key i is selected by the query ``q = k_i``.

    Raises
    ------
    TypeError, ValueError
        If ``keys`` is not a finite float array of two or more rows.

    Notes
    -----
    On a sphere ``k_i . k_j <= |k_i| |k_j| = k_i . k_i`` by Cauchy-Schwarz, with
    equality only for ``k_j = k_i``: every key of a normalized set can win. A
    margin below 0 proves nothing for keys of different lengths: another query
    may still select them. Projecting keys to fewer dimensions after the norm
    loses the guarantee.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582, section 3.2.

    Examples
    --------
    >>> own_query_margin(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.5]]))
    array([-2.  ,  3.  ,  6.25])
    """
    keys = float_array("keys", keys, ndim=2)
    if len(keys) < 2:
        raise ValueError(f"keys must hold at least 2 keys, got shape {keys.shape}")
    scores = keys @ keys.T
    own = scores.diagonal().copy()
    np.fill_diagonal(scores, -np.inf)
    return own - scores.max(axis=1)


def select_keys(n_keys=10, *, rng=0):
    """Draw Gaussian keys, normalize them, and say which can be selected.

    Parameters
    ----------
    n_keys : int
        Number of keys, at least 3; default 10.
    rng : int or numpy.random.Generator
        Seed or generator; default 0.

    Returns
    -------
    KeySelection
        Keys and verdicts: raw keys by the convex hull, normalized keys by the
        query that proves it.

    Raises
    ------
    TypeError, ValueError
        If ``n_keys`` is below 3.

    Notes
    -----
    Layer norm is shown in three dimensions: in two it has only the outputs
    (1, -1) and (-1, 1).

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582, section 3.2.

    Examples
    --------
    >>> keys = select_keys(10, rng=0)
    >>> int(keys.raw_selectable.sum()), int(keys.rms_selectable.sum())
    (5, 10)
    """
    n_keys, rng = integer("n_keys", n_keys, minimum=3), generator(rng)
    raw = rng.standard_normal((n_keys, 2))
    rms = project_on_sphere(raw)
    layer = projection_steps(rng.standard_normal((n_keys, 3)), eps=0.0).scaled
    return KeySelection(
        raw,
        rms,
        layer,
        selectable_in_plane(raw),
        own_query_margin(rms) > 0,
        own_query_margin(layer) > 0,
    )


def select_projected_keys(n_keys=30, *, width=16, rng=0):
    """Project layer-normalized keys to a plane, and see the guarantee lost.

    Parameters
    ----------
    n_keys : int
        Number of keys, at least 3; default 30.
    width : int
        Features that layer norm sees, at least 3; default 16.
    rng : int or numpy.random.Generator
        Seed or generator; default 0.

    Returns
    -------
    keys : ndarray of shape (n_keys, 2)
        ``LN(x) W`` with a Gaussian W: the keys of a head of dimension 2.
    selectable : ndarray of bool, shape (n_keys,)
        Whether some query of dimension 2 gives that key the highest score.

    Raises
    ------
    TypeError, ValueError
        If a number is below 3.

    Notes
    -----
    Attention heads have fewer dimensions than the stream they read, so their
    keys are no longer on a sphere. The statement about unselectable keys is one
    about scores ``q . LN(x)`` with a query of full width.

    References
    ----------
    The limit of Brody, Alon, Yahav 2023, arXiv:2305.02582, section 3.2.

    Examples
    --------
    >>> keys, selectable = select_projected_keys(rng=0)
    >>> bool(selectable.mean() < 0.5)
    True
    """
    n_keys = integer("n_keys", n_keys, minimum=3)
    width, rng = integer("width", width, minimum=3), generator(rng)
    x = projection_steps(rng.standard_normal((n_keys, width)), eps=0.0).scaled
    keys = x @ rng.standard_normal((width, 2)) / np.sqrt(width)
    return keys, selectable_in_plane(keys)


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
            "for normalized keys in more dimensions use own_query_margin"
        )
    return points
