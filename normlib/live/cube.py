"""The cube of Wu & He (2018): samples x channels x positions, drawn from index sets."""

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb

# Where one step along the sample axis goes on paper: back and up, to the right.
DEPTH = np.array([0.55, 0.42])
# Front, top and right side of a small cube, as light falls from above.
SHADES = (1.0, 1.25, 0.75)


def project(sample, channel, position):
    """Return the point on paper of a corner of the cube, shape (..., 2)."""
    sample = np.asarray(sample, dtype=float)[..., None]
    flat = np.stack(np.broadcast_arrays(channel, position), axis=-1)
    return flat + sample * DEPTH


def grid(shape):
    """Return the grid lines on the far walls of the cube, as a LineCollection."""
    n, c, p = shape
    lines = []
    for k in range(c + 1):  # floor and back wall
        lines += [[(0, k, 0), (n, k, 0)], [(n, k, 0), (n, k, p)]]
    for j in range(p + 1):  # back wall and left wall
        lines += [[(n, 0, j), (n, c, j)], [(0, 0, j), (n, 0, j)]]
    for i in range(n + 1):  # floor and left wall
        lines += [[(i, 0, 0), (i, c, 0)], [(i, 0, 0), (i, 0, p)]]
    corners = np.array(lines)
    paper = project(corners[..., 0], corners[..., 1], corners[..., 2])
    return LineCollection(paper, colors="#bbbbbb", linewidths=0.6, zorder=0)


def faces(members, color, picked=None, picked_color="#222222"):
    """Return the polygons and colours of the entries in `members`.

    Parameters
    ----------
    members : ndarray of bool of shape (N, C, P)
        The entries to draw as solid small cubes.
    color : str
        Their colour.
    picked : tuple of int, optional
        One entry in `picked_color`.

    Returns
    -------
    polygons : list of ndarray of shape (4, 2)
        Far ones first, so that near ones cover them.
    colors : list of tuple
        One colour per polygon.
    """
    far_first = sorted(np.argwhere(members).tolist(), key=lambda e: (-e[0], e[2], e[1]))
    polygons, colors = [], []
    for n, c, p in far_first:
        base = to_rgb(picked_color if (n, c, p) == picked else color)
        corners = (
            [(n, c, p), (n, c + 1, p), (n, c + 1, p + 1), (n, c, p + 1)],
            [
                (n, c, p + 1),
                (n, c + 1, p + 1),
                (n + 1, c + 1, p + 1),
                (n + 1, c, p + 1),
            ],
            [
                (n, c + 1, p),
                (n + 1, c + 1, p),
                (n + 1, c + 1, p + 1),
                (n, c + 1, p + 1),
            ],
        )
        for corner, shade in zip(corners, SHADES, strict=True):
            polygons.append(project(*np.array(corner).T))
            colors.append(tuple(min(1.0, v * shade) for v in base))
    return polygons, colors


def entry_at(x, y, shape):
    """Return (sample, channel) of the small cube seen at a point on paper, or None.

    The cube counts as solid: its front, its top and its right side can be seen.

    Examples
    --------
    >>> entry_at(2.5, 0.5, (4, 6, 6)), entry_at(-1, 0, (4, 6, 6))
    ((0, 2), None)
    """
    n, c, p = shape
    back = max(0.0, (x - c) / DEPTH[0], (y - p) / DEPTH[1])  # how far behind the front
    across, up = x - back * DEPTH[0], y - back * DEPTH[1]
    if not (back < n and 0 <= across <= c and 0 <= up <= p):
        return None
    return int(back), min(int(across), c - 1)


def draw(ax, shape):
    """Draw the empty cube on `ax` and return the PolyCollection to fill."""
    n, c, p = shape
    ax.add_collection(grid(shape))
    width, height = project(n, c, p)
    ax.set(xlim=(-1.2, width + 1.5), ylim=(-1.1, height + 0.4), aspect="equal")
    ax.axis("off")
    middle = project(0, c / 2, -0.25)
    ax.text(*middle, "channels C", ha="center", va="top")
    ax.text(-0.3, p / 2, "positions H, W", ha="right", va="center", rotation=90)
    ax.text(*(project(n / 2, c, 0) + (0.3, -0.15)), "samples N", ha="left", va="top")
    solid = PolyCollection([], edgecolors="white", linewidths=0.5)
    ax.add_collection(solid)
    return solid
