"""One palette, one style sheet and one lecture switch for all figures."""

import contextlib
import os
import re
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.ticker import LogFormatterSciNotation
from matplotlib.transforms import ScaledTranslation

# Okabe & Ito's palette: distinct for every common form of colour blindness.
# A colour stands for one quantity in all notebooks, and never stands alone:
# a label, a marker or a hatch says the same.
BEFORE = "#7f7f7f"
AFTER = "#0072B2"
NONE = "#7f7f7f"
BATCH = "#D55E00"
LAYER = "#009E73"
RMS = "#AA4499"
GROUP = "#E69F00"
INSTANCE = "#56B4E9"
WARN = "#B3261E"
INK = "#222222"
FAINT = "#e8e8e8"

#: The ground of a word among dots.
CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 1}

#: The norms of the networks that most figures compare, by the word on the button.
NORMS = {"none": None, "batch": "batch", "layer": "layer"}

NORM_COLOR = {
    "none": NONE,
    "batch": BATCH,
    "layer": LAYER,
    "rms": RMS,
    "group": GROUP,
    "instance": INSTANCE,
}

# The one map of signed values: nearly black where most negative, a middle grey where
# most positive, if colour is lost; a dash marks each negative cell.
SIGNED = LinearSegmentedColormap.from_list(
    "normlib_signed", ["#3f1d6b", "#8c7cb8", "#f7f7f7", "#f5b35c", "#c76a00"]
)
SIGNED_KEY = "orange > 0, dashed < 0"

SHEET = Path(__file__).with_name("normlib.mplstyle")
DPI = 100
LECTURE_DPI = 160
LECTURE_TYPE = 1.2
LECTURE_TICKS = 12  # points: larger ones meet in the corners

_lecture = os.environ.get("NORMLIB_LECTURE", "") not in ("", "0")


def lecture_mode(on=None):
    """Say whether figures are drawn for a lecture hall, or switch it.

    Parameters
    ----------
    on : bool, optional
        True draws figures made from now on with large type and 1.6 times the
        pixels, False goes back, None only asks. The environment variable
        ``NORMLIB_LECTURE=1`` sets the start value.

    Returns
    -------
    bool
        The setting now.
    """
    global _lecture
    if on is not None:
        if not isinstance(on, bool):
            raise TypeError(f"on must be True, False or None, got {on!r}")
        _lecture = on
    return _lecture


@contextlib.contextmanager
def style(lecture):
    """Apply the style sheet, with type scaled by `LECTURE_TYPE` in lecture mode."""
    with mpl.rc_context(fname=SHEET):
        if lecture:
            for key in ("font.size", "axes.titlesize", "axes.labelsize"):
                mpl.rcParams[key] = float(mpl.rcParams[key]) * LECTURE_TYPE
            for key in ("xtick.labelsize", "ytick.labelsize"):
                mpl.rcParams[key] = LECTURE_TICKS
        yield


def moving_title(ax, words="", pad=8):
    """Return a title for `ax` whose words may change: a Text `pad` points above it.

    The title of `Axes.set_title` finds its height only in a full draw.
    """
    lift = ScaledTranslation(0, pad / 72, ax.figure.dpi_scale_trans)
    return ax.text(
        0,
        1,
        words,
        transform=ax.transAxes + lift,
        size=mpl.rcParams["axes.titlesize"],
        weight="bold",
    )


def cells(ax, shape, colors, low, high):
    """Return a grid of coloured cells whose values `set_array` changes.

    Row 0 is on top and the middle of cell (row, column) at x = column, y = row, as
    with `Axes.imshow`, which takes five times as long to draw a frame.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw; its limits are set to the grid.
    shape : tuple of int
        Rows and columns.
    colors : str or matplotlib.colors.Colormap
        The colour map.
    low, high : float
        Values with the first and the last colour.

    Returns
    -------
    matplotlib.collections.QuadMesh
        The grid.
    """
    rows, columns = shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    return ax.pcolormesh(*edges, np.zeros(shape), cmap=colors, vmin=low, vmax=high)


class SignedCells:
    """A grid of signed values: `SIGNED` from -limit to limit, a dash where negative.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw; its limits are set to the grid.
    shape : tuple of int
        Rows and columns.
    limit : float
        The value with the last colour.

    Attributes
    ----------
    artists : list of matplotlib.artist.Artist
        What moves.
    """

    def __init__(self, ax, shape, limit):
        self.limit = limit
        self.mesh = cells(ax, shape, SIGNED, -limit, limit)
        self.dashes = ax.add_collection(LineCollection([], linewidths=1.2))
        self.artists = [self.mesh, self.dashes]

    def get_array(self):
        """Return the values shown."""
        return self.mesh.get_array()

    def set_array(self, values, plain=None):
        """Show `values`; where `plain` is True no dash is drawn, for a number there."""
        self.mesh.set_array(values)
        negative = values < -0.02 * self.limit
        if plain is not None:
            negative &= ~plain
        rows, columns = np.nonzero(negative)
        ends = np.array([[-0.22, 0.0], [0.22, 0.0]])
        self.dashes.set_segments(np.stack([columns, rows], 1)[:, None] + ends)
        dark = values[rows, columns] < DARK * self.limit
        self.dashes.set_color(np.where(dark, "white", "black"))


def counted(number, noun):
    """Return a number with its noun, as in "1 step" and "2 steps"."""
    return f"{number} {noun}" if str(number) == "1" else f"{number} {noun}s"


def as_in_prose(words):
    """Return words with their numbers as the notebooks write them.

    Python's own 42%, 1e-05 and 2.0e+08 become 42 %, 1e-5 and 2e8.
    """
    words = re.sub(r"(?<=\d)%", " %", words)
    return re.sub(r"(?<=\d)(\.0)?e(-?)\+?0*(?=\d)", r"e\2", words)


def write_powers_plainly(fig):
    """Write 0.01 and 1e-8 at logarithmic axes: exponents would be below 11 points."""
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
                axis.set_major_formatter(lambda x, _: as_in_prose(f"{x:.5g}"))


def luminance(color):
    """Return how light a colour is, 0 to 1 (WCAG 2.2, relative luminance)."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink_on(color):
    """Return black or white, whichever is easier to read on `color`."""
    return "black" if luminance(color) > 0.179 else "white"


# Below this share of the limit, white is easier to read on a colour of SIGNED.
DARK = max(k for k in np.linspace(-1, 0, 201) if ink_on(SIGNED((k + 1) / 2)) == "white")


@lru_cache(maxsize=256)
def readable(color):
    """Return `color` dark enough for text on white, 4.5:1.

    Light colours stay: they stand on dark ground.

    Examples
    --------
    >>> bool(contrast(readable(LAYER), "white") >= 4.5), readable("white")
    (True, 'white')
    """
    if luminance(color) > 0.75:
        return color
    rgb = np.array(to_rgb(color))
    while contrast(rgb, "white") < 4.5:
        rgb = 0.97 * rgb
    return color if np.array_equal(rgb, to_rgb(color)) else tuple(map(float, rgb))
