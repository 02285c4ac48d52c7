"""The cube of Wu & He (2018): samples x channels x positions, drawn from index sets."""

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb

# Where one step along the sample axis goes on paper: back and up, to the right.
DEPTH = np.array([0.55, 0.42])
TURN = 50  # seen from the right, as far as it goes; -TURN from the left
# Front, top and side of a small cube, as light falls from above.
SHADES = (1.0, 1.25, 0.75)


def depth(turn):
    """Return where one step along the sample axis goes on paper."""
    return DEPTH * (turn / TURN, 1.0)


def project(sample, channel, position, turn=TURN, samples=0):
    """Return the point on paper of a corner of the cube, shape (..., 2).

    Parameters
    ----------
    sample, channel, position : float or ndarray
        The corner.
    turn : float
        From -TURN to TURN: from where the cube is seen.
    samples : int
        Of the whole cube, which turns around their middle.
    """
    sample = np.asarray(sample, dtype=float)[..., None] - samples / 2
    flat = np.stack(np.broadcast_arrays(channel, position), axis=-1)
    return flat + sample * depth(turn) + samples / 2 * DEPTH


def grid(shape, turn=TURN):
    """Return the grid lines on the far walls of the cube, pairs of points."""
    n, c, p = shape
    side = 0 if turn >= 0 else c
    lines = []
    for k in range(c + 1):  # floor and back wall
        lines += [[(0, k, 0), (n, k, 0)], [(n, k, 0), (n, k, p)]]
    for j in range(p + 1):  # back wall and side wall
        lines += [[(n, 0, j), (n, c, j)], [(0, side, j), (n, side, j)]]
    for i in range(n + 1):  # floor and side wall
        lines += [[(i, 0, 0), (i, c, 0)], [(i, side, 0), (i, side, p)]]
    return project(*np.moveaxis(np.array(lines), -1, 0), turn, n)


def faces(members, color, picked=None, picked_color="#222222", turn=TURN):
    """Return the polygons and colours of the entries in `members`.

    Parameters
    ----------
    members : ndarray of bool of shape (N, C, P)
        The entries to draw as solid small cubes.
    color : str
        Their colour.
    picked : tuple of int, optional
        One entry in `picked_color`.
    turn : float
        From where they are seen.

    Returns
    -------
    polygons : list of ndarray of shape (4, 2)
        Far ones first, so that near ones cover them.
    colors : list of tuple
        One colour per polygon.
    """
    right = turn >= 0
    far_first = sorted(
        np.argwhere(members).tolist(),
        key=lambda e: (-e[0], e[2], e[1] if right else -e[1]),
    )
    polygons, colors = [], []
    for n, c, p in far_first:
        base = to_rgb(picked_color if (n, c, p) == picked else color)
        side = c + right
        corners = (
            [(n, c, p), (n, c + 1, p), (n, c + 1, p + 1), (n, c, p + 1)],
            [
                (n, c, p + 1),
                (n, c + 1, p + 1),
                (n + 1, c + 1, p + 1),
                (n + 1, c, p + 1),
            ],
            [
                (n, side, p),
                (n + 1, side, p),
                (n + 1, side, p + 1),
                (n, side, p + 1),
            ],
        )
        for corner, shade in zip(corners, SHADES, strict=True):
            polygons.append(project(*np.array(corner).T, turn, len(members)))
            colors.append(tuple(min(1.0, v * shade) for v in base))
    return polygons, colors


def entry_at(x, y, shape, turn=TURN):
    """Return (sample, channel) of the small cube seen at a point on paper, or None.

    The cube counts as solid: its front, its top and one side can be seen.

    Examples
    --------
    >>> entry_at(2.5, 0.5, (4, 6, 6)), entry_at(-1, 0, (4, 6, 6))
    ((0, 2), None)
    """
    n, c, p = shape
    front, step = project(0, 0, 0, turn, n), depth(turn)
    across, up = np.subtract((x, y), front)
    back = max(0.0, (up - p) / step[1])  # how far behind the front
    if turn:
        back = max(back, (across - (c if turn > 0 else 0)) / step[0])
    across, up = (across, up) - back * step
    if not (back < n and 0 <= across <= c and 0 <= up <= p):
        return None
    return int(back), min(int(across), c - 1)


class Cube:
    """The cube on axes: empty, until `show` fills it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    shape : tuple of int
        Samples, channels, positions.

    Attributes
    ----------
    artists : list of matplotlib.artist.Artist
        What `show` moves.
    """

    def __init__(self, ax, shape):
        n, c, p = self.shape = shape
        width, height = project(n, c, p)
        ax.set(xlim=(-1.2, width + 1.5), ylim=(-1.1, height + 0.4), aspect="equal")
        ax.axis("off")
        self.grid = LineCollection([], colors="#bbbbbb", linewidths=0.6, zorder=0)
        self.solid = PolyCollection([], edgecolors="white", linewidths=0.5)
        for artist in (self.grid, self.solid):
            ax.add_collection(artist)
        self.channels = ax.text(0, 0, "channels C", ha="center", va="top")
        self.positions = ax.text(0, 0, "positions H, W", va="center", rotation=90)
        self.samples = ax.text(0, 0, "samples N", va="top")
        words = [self.channels, self.positions, self.samples]
        self.artists = [self.grid, self.solid, *words]
        self.show(np.zeros(shape, bool), "black")

    def show(self, members, color, picked=None, turn=TURN):
        """Fill the entries in `members`, as `faces` draws them."""
        n, c, p = self.shape
        right = turn >= 0
        polygons, colors = faces(members, color, picked, turn=turn)
        self.solid.set(verts=polygons, facecolor=colors)
        self.grid.set_segments(grid(self.shape, turn))
        self.channels.set_position(project(0, c / 2, -0.25, turn, n))
        behind, beside = ("left", "right") if right else ("right", "left")
        gap = 0.3 if right else -0.3
        place = project(0, 0 if right else c, p / 2, turn, n) - (gap, 0)
        self.positions.set(position=place, ha=beside)
        place = project(n / 2, c if right else 0, 0, turn, n) + (gap, -0.15)
        self.samples.set(position=place, ha=behind)
