"""The few kinds of control that figures use, with labels that are not cut off."""

import numbers

import ipywidgets as widgets
import numpy as np

from normlib.live.style import as_in_prose

_WIDE = {"description_width": "initial"}


def slider(description, low, high, value, step=0.1, readout_format=".2f"):
    """Return a slider over real numbers from `low` to `high`."""
    return widgets.FloatSlider(
        description=description,
        min=low,
        max=high,
        value=value,
        step=step,
        readout_format=readout_format,
        style=_WIDE,
    )


def whole(description, low, high, value, step=1):
    """Return a slider over whole numbers from `low` to `high`."""
    return widgets.IntSlider(
        description=description,
        min=low,
        max=high,
        value=value,
        step=step,
        style=_WIDE,
    )


def log_slider(description, low, high, value, step=0.1):
    """Return a slider over powers of ten; `low` and `high` are exponents."""
    return widgets.FloatLogSlider(
        description=description,
        base=10,
        min=low,
        max=high,
        value=value,
        step=step,
        # Two digits, without zeros at the end: 0.01, 1, 10.
        readout_format=".0f" if low >= 0 and high >= 2 else ".2",
        style=_WIDE,
    )


def steps(description, options, value):
    """Return a slider that stops only at `options` (values, or (label, value))."""
    if all(isinstance(o, numbers.Real) for o in options):
        options = [(as_in_prose(f"{o:g}"), o) for o in options]  # 1, not 1.0
    return widgets.SelectionSlider(
        description=description, options=options, value=value, style=_WIDE
    )


def choice(description, options, value):
    """Return buttons of which one is pressed."""
    buttons = widgets.ToggleButtons(
        description=description, options=options, value=value, style=dict(_WIDE)
    )
    buttons.style.button_width = "auto"
    # Label and buttons in one line.
    buttons.layout.width = "max-content"
    buttons.layout.display = "flex"
    buttons.layout.flex_flow = "row nowrap"
    buttons.layout.grid_gap = "0 8px"
    return buttons


def switch(description, value=False):
    """Return a box to tick."""
    box = widgets.Checkbox(
        description=description, value=value, indent=False, style=_WIDE
    )
    box.layout.width = "max-content"
    return box


def seed(value=0):
    """Return the control that draws the random numbers afresh."""
    return whole("seed", 0, 99, value)


def widen(control):
    """Make a slider so wide on a page that its track has some 200 pixels."""
    if hasattr(control, "readout"):
        options = getattr(control, "options", None) or ()
        labels = [str(o[0] if isinstance(o, tuple) else o) for o in options]
        readout = max(map(len, labels), default=0)
        words = len(control.description) + max(readout, 7)
        control.layout.width = f"{250 + 7.5 * words:.0f}px"


def nearest(control, value):
    """Return the value that a control offers next to `value`.

    Parameters
    ----------
    control : ipywidgets.Widget
        Made by one of the functions above.
    value : object
        A number for a slider; what is neither offered nor a number stays away, and
        the control's present value is returned.
    """
    values = offered(control)
    if value in values:
        return value
    if not isinstance(value, numbers.Real) or not np.isfinite(value):
        return control.value
    if not all(isinstance(v, numbers.Real) for v in values):
        return control.value
    if isinstance(control, widgets.FloatLogSlider):
        floor = values[0] / 10
        return min(values, key=lambda v: abs(np.log(v / max(value, floor))))
    return min(values, key=lambda v: abs(v - value))


def offered(control):
    """Return the values that a control offers, from its lowest to its highest.

    Parameters
    ----------
    control : ipywidgets.Widget
        Made by one of the functions above.

    Returns
    -------
    list
        For a real slider, its steps.
    """
    options = getattr(control, "options", None)
    if options is not None:
        return [o[1] if isinstance(o, tuple) else o for o in options]
    if isinstance(control.value, bool):
        return [False, True]
    if isinstance(control, widgets.FloatLogSlider):
        powers = np.arange(control.min, control.max + control.step / 2, control.step)
        return [float(control.base ** min(p, control.max)) for p in powers]
    count = round((control.max - control.min) / control.step) + 1
    values = [control.min + k * control.step for k in range(count)]
    whole = isinstance(control, widgets.IntSlider)
    return values if whole else [min(v, control.max) for v in values]


def state(control, value):
    """Return what a page knows a control's `value` by: its place among options, or it.

    Parameters
    ----------
    control : ipywidgets.Widget
        Made by one of the functions above.
    value : object
        A value that it offers.
    """
    return offered(control).index(value) if hasattr(control, "options") else value


def beside(control, steps):
    """Return the value `steps` above a control's present one, or None past its end.

    Parameters
    ----------
    control : ipywidgets.Widget
        Made by one of the functions above.
    steps : int
        How many of its steps up, or down below 0.
    """
    values = offered(control)
    place = values.index(nearest(control, control.value)) + steps
    return values[place] if 0 <= place < len(values) else None
