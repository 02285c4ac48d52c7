"""Three-dimensional space on paper: a view, and the few shapes drawn in it.

Matplotlib's own 3-D axes redraw everything for one moved point. A parallel
projection is one product with a matrix, and its results go on ordinary axes. All
shapes here are points in space, shape (n, 3); `on_paper` says where they are seen.
"""

import numpy as np

ONES = np.ones(3)


def view(azimuth, elevation):
    """Return the rotation that a viewer sees from a direction.

    Parameters
    ----------
    azimuth : float
        Where the viewer stands, in degrees from the first axis towards the second.
    elevation : float
        How far above the horizon, in degrees; the third axis points up.

    Returns
    -------
    ndarray of shape (3, 3)
        Rows: to the right on paper, up on paper, towards the viewer.

    Examples
    --------
    >>> view(0, 0).round(3) + 0.0
    array([[0., 1., 0.],
           [0., 0., 1.],
           [1., 0., 0.]])
    """
    a, e = np.deg2rad((azimuth, elevation))
    right = (-np.sin(a), np.cos(a), 0.0)
    up = (-np.cos(a) * np.sin(e), -np.sin(a) * np.sin(e), np.cos(e))
    towards = (np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e))
    return np.array([right, up, towards])


def on_paper(points, turn):
    """Return where points in space, (..., 3), are seen on paper, (..., 2)."""
    return np.asarray(points) @ turn[:2].T


def nearness(points, turn):
    """Return how far points, (..., 3), stand in front of the origin, (...)."""
    return np.asarray(points) @ turn[2]


def plane_basis(normal):
    """Return two unit vectors, as rows, that span the plane orthogonal to `normal`.

    Examples
    --------
    >>> bool(abs(plane_basis(ONES) @ ONES).max() < 1e-15)
    True
    """
    normal = np.asarray(normal, dtype=float) / np.linalg.norm(normal)
    helper = np.eye(3)[np.argmin(np.abs(normal))]
    first = np.cross(normal, helper)
    first /= np.linalg.norm(first)
    return np.array([first, np.cross(normal, first)])


def circle(normal, radius=1.0, centre=(0.0, 0.0, 0.0), count=73):
    """Return a closed circle around `centre` in the plane orthogonal to `normal`.

    Filled, it is the disc that stands for the plane.

    Returns
    -------
    ndarray of shape (count, 3)
        The last point is the first.
    """
    angle = np.linspace(0, 2 * np.pi, count)
    flat = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    return np.asarray(centre) + flat @ plane_basis(normal)


def sphere_outline(turn, radius=1.0, count=73):
    """Return the circle that bounds a sphere around the origin for the viewer."""
    return circle(turn[2], radius, count=count)
