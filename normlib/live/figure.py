"""LiveFigure: draw once, then move a few artists for every slider step.

A full draw of axes, ticks and text costs about ten times more than moving the
data. So a figure draws everything that stands still once, keeps the pixels, and
for each new setting restores them, draws only the artists that move on top, and
sends the result as a PNG to an `ipywidgets.Image`.
"""

import asyncio
import base64
import html
import inspect
import io
import struct
import time
import zlib

import ipywidgets as widgets
import numpy as np
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from traitlets import Unicode

from normlib.live import controls, stamps, style

# Long work hands the page back after this many seconds, so that it stays alive.
TURN = 0.05


class Picture(widgets.Image):
    """An image whose `tooltip` is its text alternative.

    The page asks every widget with a tooltip for its description, and an
    `ipywidgets.Image` has none.
    """

    description = Unicode("").tag(sync=True)


class ReaderError(ValueError):
    """The reader's own function failed, or gave back something unusable."""


class LiveFigure:
    """Base of every live figure.

    A figure of the collection is a subclass with three methods:

    ``make_controls()``
        returns a dict from a control's name to its widget.
    ``draw(fig)``
        draws on a `matplotlib.figure.Figure`, called once, and returns the list
        of artists that move, in the order in which they are painted.
    ``move(**values)``
        computes with normlib for one value per control, sets the data of the
        moving artists, and returns the sentence that says what is seen. For work
        that takes longer than a frame it is a generator instead: it yields the
        finished fraction (0 to 1), as often as it likes, and returns the sentence.

    ``move`` raises ValueError for a setting that cannot be drawn. The figure then
    keeps its picture and the reader's setting, and its sentence says why.

    Attributes
    ----------
    controls : dict of str to ipywidgets.Widget
        The controls by name.
    sentence : str
        What is seen at the present setting, with its numbers.
    png : bytes
        The picture at the present setting.
    """

    width, height = 9.0, 4.2  # inches

    def __init__(self):
        lecture = style.lecture_mode()
        self.dpi = style.LECTURE_DPI if lecture else style.DPI
        self.lecture = lecture
        self.sentence = ""
        self.png = b""
        self._work = None
        self._task = None
        self._setting = False
        self.controls = self.make_controls()
        self.figure = Figure(figsize=(self.width, self.height), dpi=self.dpi)
        self.canvas = FigureCanvasAgg(self.figure)
        with style.style(lecture):
            self.moving = list(self.draw(self.figure))
            for artist in self.moving:
                artist.set_animated(True)
            self.redraw()
        self._build_widget()
        self._update()
        for control in self.controls.values():
            control.observe(self._on_change, names="value")

    # ---- what a subclass writes -------------------------------------------

    def make_controls(self):
        """Return a dict from the name of each control to its widget."""
        raise NotImplementedError

    def draw(self, fig):
        """Draw all artists once on `fig` and return those that move."""
        raise NotImplementedError

    def move(self, **values):
        """Set the moving artists for one setting and return the sentence."""
        raise NotImplementedError

    def helpers(self):
        """Return widgets to put beside the controls, such as a play button."""
        return []

    # ---- what a reader or a test uses -------------------------------------

    @property
    def values(self):
        """The present value of every control, by name."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values):
        """Move several controls at once, as the reader would.

        Parameters
        ----------
        **values
            New values by the name of the control. A value that a control does
            not offer is refused: nothing moves and the sentence says why.

        Raises
        ------
        ValueError
            If the figure has no control of that name.
        """
        for name in values:
            if name not in self.controls:
                raise ValueError(
                    f"this figure has no control {name!r}; "
                    f"it has {', '.join(map(repr, self.controls))}"
                )
        refused = [
            reason
            for name, value in values.items()
            if (reason := _refusal(name, self.controls[name], value))
        ]
        if refused:
            self._tell("Not changed: " + " ".join(refused))
            return
        self._setting = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._setting = False
        self.stop()
        self._update()

    def show(self, below=(), static_below=""):
        """Display the figure: its controls, its picture and its sentence.

        Parameters
        ----------
        below : sequence of ipywidgets.Widget
            Shown under the sentence.
        static_below : str
            HTML that says the same where no kernel runs.
        """
        self.widget.children = (*self.widget.children, *below)
        display(self)

    def save(self, path):
        """Write the picture at the present setting to `path` (.png or .svg)."""
        for artist in self.moving:
            artist.set_animated(False)
        try:
            with style.style(self.lecture):
                # Without a date, the same picture gives the same bytes.
                metadata = (
                    {"Date": None} if str(path).endswith(".svg") else {"Software": None}
                )
                self.figure.savefig(path, metadata=metadata)
        finally:
            for artist in self.moving:
                artist.set_animated(True)

    def stop(self):
        """Abandon work that is still running and keep what it has drawn."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._work is not None:
            self._work.close()
            self._work = None
            self._progress_row.layout.visibility = "hidden"

    def redraw(self):
        """Draw what stands still again; needed only after changing a fixed artist."""
        with style.style(self.lecture):
            self.canvas.draw()
        self._background = self.canvas.copy_from_bbox(self.figure.bbox)

    def _repr_mimebundle_(self, include=None, exclude=None):
        # The PNG is what GitHub, nbviewer and print show; the text is what nbval
        # compares and what a screen reader reads.
        bundle = self.widget._repr_mimebundle_()
        bundle["image/png"] = base64.b64encode(self._small_png()).decode("ascii")
        bundle["text/plain"] = self.sentence
        return bundle

    # ---- how a frame is made ----------------------------------------------

    def _build_widget(self):
        self._image = Picture(format="png")
        self._image.layout.width = f"{round(self.width * self.dpi)}px"
        self._image.layout.max_width = "100%"
        self._text = widgets.HTML()
        row = widgets.HBox([*self.controls.values(), *self.helpers()])
        row.layout.flex_flow = "row wrap"
        if not self.lecture:  # there the page gives widths and gaps
            row.layout.grid_gap = "0 24px"
            for control in self.controls.values():
                controls.widen(control)
        rows = [row, self._image, self._text]
        self._progress = widgets.FloatProgress(min=0, max=1)
        stop = widgets.Button(description="Stop", icon="stop")
        stop.on_click(self._on_stop)
        self._progress_row = widgets.HBox([self._progress, stop])
        self._progress_row.layout.visibility = "hidden"
        if inspect.isgeneratorfunction(self.move):
            rows.insert(1, self._progress_row)
        self.widget = widgets.VBox(rows)
        for widget, name in (
            (self.widget, "figure"),
            (row, "controls"),
            (self._image, "image"),
            (self._text, "sentence"),
        ):
            widget.add_class(f"normlib-{name}")

    def _frame(self):
        self.canvas.restore_region(self._background)
        for artist in self.moving:
            if isinstance(artist, Text):
                stamps.draw(artist, self.canvas.get_renderer())
            else:
                self.figure.draw_artist(artist)

    def _picture(self):
        return Image.frombuffer(
            "RGBA", self.canvas.get_width_height(), self.canvas.buffer_rgba()
        ).convert("RGB")

    def _encode(self):
        """Return the frame as a PNG without filters, half the time of Pillow's."""
        width, height = self.canvas.get_width_height()
        rows = np.zeros((height, 1 + 3 * width), np.uint8)  # filter 0, then RGB
        pixels = np.frombuffer(self._picture().tobytes(), np.uint8)
        rows[:, 1:] = pixels.reshape(height, -1)
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)

    def _publish(self):
        """Paint the moving artists and send picture and sentence to the page."""
        self._frame()
        self.png = self._encode()
        with self._image.hold_sync():
            self._image.value = self.png
            self._image.tooltip = self.sentence
        self._text.value = (
            f'<p role="status" aria-live="polite">{html.escape(self.sentence)}</p>'
        )

    def _small_png(self):
        """Return the picture with 256 colours, a third of the bytes, to be saved."""
        buffer = io.BytesIO()
        picture = self._picture().quantize(256, method=Image.Quantize.MAXCOVERAGE)
        picture.save(buffer, "png", optimize=True)
        return buffer.getvalue()

    def _tell(self, sentence):
        self.sentence = sentence
        self._publish()

    def _update(self):
        """Draw the present setting, to the end."""
        try:
            result = self.move(**self.values)
            if inspect.isgenerator(result):
                result = _exhaust(result)
        except ValueError as error:
            result = f"Not drawn: {error}"
        self._tell(result)

    def _on_change(self, change):
        if self._setting:
            return
        self.stop()
        loop = _running_loop()
        if loop is None or not inspect.isgeneratorfunction(self.move):
            self._update()
            return
        self._work = self.move(**self.values)
        self._task = loop.create_task(self._work_in_turns(self._work))

    async def _work_in_turns(self, work):
        self._progress_row.layout.visibility = "visible"
        self.sentence = "Computing: the picture grows as it goes."
        try:
            while True:
                until = time.perf_counter() + TURN
                while time.perf_counter() < until:
                    self._progress.value = next(work)
                self._publish()
                await asyncio.sleep(0.005)  # let the page's messages through
        except StopIteration as end:
            sentence = end.value
        except ValueError as error:
            sentence = f"Not drawn: {error}"
        self._work = self._task = None
        self._progress_row.layout.visibility = "hidden"
        self._tell(sentence)

    def _on_stop(self, button):
        if self._work is not None:
            self.stop()
            self._tell(
                f"Stopped at {self._progress.value:.0%}: the picture shows the work "
                "so far. Move a control to start again."
            )


def _chunk(kind, data):
    """Return one chunk of a PNG: length, kind, data, checksum."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def call_reader(function, *args, **kwargs):
    """Call the reader's function and turn whatever goes wrong into one sentence.

    Raises
    ------
    ReaderError
        With the function's name, the kind of the error and its message.
    """
    name = getattr(function, "__name__", "function")
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise ReaderError(
            f"your {name} raised {type(error).__name__}: {error}. "
            "Correct it and run the cell again."
        ) from error


def _refusal(name, control, value):
    """Return why `control` cannot take `value`, or an empty string."""
    if hasattr(control, "options"):
        values = controls.offered(control)
        if value in values:
            return ""
        return f"{name}={value!r} is not offered; choose one of {values}."
    if isinstance(control, widgets.FloatLogSlider):
        low, high = control.base**control.min, control.base**control.max
    elif hasattr(control, "min"):
        low, high = control.min, control.max
    elif isinstance(control.value, bool):
        if isinstance(value, bool):
            return ""
        return f"{name}={value!r} is no switch setting; choose True or False."
    else:
        return ""
    try:
        # The tolerance admits the ends of a logarithmic slider.
        inside = low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high)
    except TypeError:
        inside = False
    if inside:
        return ""
    return f"{name}={value!r} is outside the slider; choose {low:g} to {high:g}."


def _exhaust(work):
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def _running_loop():
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
