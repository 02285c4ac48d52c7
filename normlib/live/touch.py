"""What a reader can grab in a picture, and the control values that it stands for."""

from collections.abc import Callable
from dataclasses import dataclass, field

from matplotlib.axes import Axes


@dataclass(frozen=True)
class Start:
    """Where a touch began.

    Attributes
    ----------
    x, y : float
        The place of the press in data coordinates of the touched axes.
    values : dict
        The value of every control at the press.
    """

    x: float
    y: float
    values: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Touch:
    """A part of a picture that a pointer can press and drag.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
        Where it may be pressed.
    to_values : callable
        ``to_values(x, y, start)`` is called at the press and while dragging, with
        the place in data coordinates of `ax` and the `Start`. It returns a dict of
        new values of controls, which the figure moves to the nearest that each
        control offers, or None: at the press that leaves the touch to the next in
        the list, later it changes nothing.
    hint : str
        One line for the reader, such as "Click a cell to pick it."
    cursor : str
        "grab" for what is dragged, "pointer" for what is clicked.
    sideways : bool
        Whether a drag up or down changes nothing: there a finger that moves so
        scrolls the page. Elsewhere two fingers do.
    """

    ax: Axes
    to_values: Callable
    hint: str = ""
    cursor: str = "grab"
    sideways: bool = False

    def spot(self):
        """Return the place of the axes in the picture, for the page."""
        box, page = self.ax.get_window_extent(), self.ax.figure.bbox
        return {
            "left": box.x0 / page.width,
            "top": 1 - box.y1 / page.height,
            "width": box.width / page.width,
            "height": box.height / page.height,
            "cursor": self.cursor,
            "hint": self.hint,
            "sideways": self.sideways,
        }

    def contains(self, left, top):
        """Return whether a place in the picture lies in the axes."""
        x, y = self._pixels(left, top)
        return bool(self.ax.get_window_extent().contains(x, y))

    def data(self, left, top):
        """Return a place in the picture, as fractions, in data coordinates."""
        x, y = self.ax.transData.inverted().transform(self._pixels(left, top))
        return float(x), float(y)

    def place(self, x, y):
        """Return data coordinates as fractions of the picture from left and top."""
        pixels = self.ax.transData.transform((x, y))
        page = self.ax.figure.bbox
        return float(pixels[0] / page.width), float(1 - pixels[1] / page.height)

    def _pixels(self, left, top):
        page = self.ax.figure.bbox
        return left * page.width, (1 - top) * page.height


def turn(ax, control, degrees=180.0, full=False, hint="Drag the view to turn it."):
    """Return a `Touch` that turns a view around its upright axis.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where the view is drawn.
    control : str
        Name of the control of the viewer's azimuth, in degrees.
    degrees : float
        Turn for a drag over the whole width of `ax`.
    full : bool
        Whether the control goes once around, 0 to 360, so that 361 is 1.
    hint : str
        One line for the reader.
    """

    def to_values(x, y, start):
        low, high = ax.get_xlim()
        angle = start.values[control] - degrees * (x - start.x) / (high - low)
        return {control: angle % 360 if full else angle}

    return Touch(ax, to_values, hint, sideways=True)
