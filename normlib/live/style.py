"""One palette, one style sheet and one lecture switch for all figures."""

import contextlib
import os
from pathlib import Path

import matplotlib as mpl
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
