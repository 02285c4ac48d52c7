"""One palette, one style sheet and one lecture switch for all figures."""

import contextlib
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
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

SHEET = Path(__file__).with_name("normlib.mplstyle")
DPI = 100
LECTURE_DPI = 160
LECTURE_TYPE = 1.2

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
        _lecture = bool(on)
    return _lecture


@contextlib.contextmanager
def style(lecture):
    """Apply the style sheet, with type scaled by `LECTURE_TYPE` in lecture mode."""
    with mpl.rc_context(fname=SHEET):
        if lecture:
            for key in (
                "font.size",
                "axes.titlesize",
                "axes.labelsize",
                "xtick.labelsize",
                "ytick.labelsize",
            ):
                mpl.rcParams[key] = float(mpl.rcParams[key]) * LECTURE_TYPE
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
    colors : str
        Name of a colour map.
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
