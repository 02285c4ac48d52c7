"""LiveFigure: draw once, then move a few artists for every slider step.

A full draw of axes, ticks and text costs about ten times more than moving the
data. So a figure draws everything that stands still once, keeps the pixels, and
for each new setting restores them, draws only the artists that move on top, and
sends the result as a PNG to a `Picture`.
"""

import asyncio
import base64
import html
import inspect
import io
import textwrap
import time

import ipywidgets as widgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from normlib.live import controls, page, stamps, style
from normlib.live.kernel import in_main_thread, interruptible
from normlib.live.picture import Picture, encode
from normlib.live.touch import Start

# Long work hands the page back after this many seconds, so that it stays alive.
TURN = 0.05

# A frame that takes longer, in seconds, is not drawn before it is asked for.
QUICK = 0.1

# What may end `move`: any error, also the reader's interrupt.
STOPS = (Exception, KeyboardInterrupt, SystemExit)


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
    keeps its picture and the reader's setting, and its sentence says why. So it does
    for any other error, which is a fault: it is kept in `failed`.

    A figure that can be touched has a fourth, ``touches()``.

    Attributes
    ----------
    controls : dict of str to ipywidgets.Widget
        The controls by name.
    sentence : str
        What is seen at the present setting, with its numbers.
    png : bytes
        The picture at the present setting.
    failed : BaseException or None
        The error with which `move` ended, unless it was a ValueError.
    """

    width, height = 9.0, 4.2  # inches
    function = None  # the reader's own, in figures that take one

    def __init__(self):
        lecture = style.lecture_mode()
        self.dpi = style.LECTURE_DPI if lecture else style.DPI
        self.lecture = lecture
        self.sentence = ""
        self.png = b""
        self.failed = None
        self.ratio = 1.0  # pixels drawn for one of the figure's own
        self.seconds = 0.0  # that the last frame took
        self._drawn = False
        self._waiting = None
        self._touched = None
        self._work = None
        self._task = None
        self._setting = False
        self.controls = self.make_controls()
        with style.style(lecture):
            self.figure = Figure(figsize=(self.width, self.height), dpi=self.dpi)
            self.canvas = FigureCanvasAgg(self.figure)
            self.moving = list(self.draw(self.figure))
            style.write_powers_plainly(self.figure)
            for artist in self.moving:
                artist.set_animated(True)
            self._set_ratio(Picture.last_ratio)
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

    def touches(self):
        """Return what can be grabbed in the picture, a list of `Touch`."""
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
        self._set_controls(values)
        self.stop()
        self._update()

    def go(self, **values):
        """Move several controls at once; in a page, long work is done in turns."""
        self._set_controls(values)
        self._start()

    def show(self, below=(), static_below=""):
        """Display the figure: its controls, its picture and its sentence.

        Parameters
        ----------
        below : sequence of ipywidgets.Widget
            What stands right under the sentence.
        static_below : str
            HTML for the same place where no kernel runs.
        """
        self.widget.children = [*self._rows, *below]
        static = "" if self.lecture else self.static_html(static_below)
        page.show(self.widget, static, self.sentence)

    def _ipython_display_(self):
        self.show()

    def static_html(self, below=""):
        """Return the figure as HTML for a page without a kernel."""
        data = base64.b64encode(self._small_png()).decode("ascii")
        words = html.escape(self.sentence)
        width = round(self.width * self.dpi)
        # The picture scrolls rather than shrinks, as the live one does.
        return (
            '<figure style="margin: 0"><div style="overflow-x: auto">'
            f'<img alt="{words}" width="{width}" '
            f'style="max-width: 100%; min-width: {min(width, 600)}px" '
            f'src="data:image/png;base64,{data}"></div>'
            f'<figcaption style="max-width: 40em">{words}</figcaption></figure>'
            f"{below}<p><em>Run all cells to bring it to life.</em></p>"
        )

    def press(self, left, top):
        """Press a place in the picture, as fractions from its left and its top."""
        for touch in self._touches:
            if not touch.contains(left, top):
                continue
            start = Start(*touch.data(left, top), self.values)
            values = touch.to_values(start.x, start.y, start)
            if values is not None:
                self._touched = touch, start
                self._follow(values)
                return

    def drag(self, left, top):
        """Move what was pressed to another place."""
        if self._touched is not None:
            touch, start = self._touched
            values = touch.to_values(*touch.data(left, top), start)
            if values is not None:
                self._follow(values)

    def release(self):
        """Let go of what was pressed."""
        self._touched = None

    def cancel(self):
        """Let go, and go back to where the press found the controls."""
        if self._touched is not None:
            _, start = self._touched
            self._follow(start.values)
        self.release()

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

    def as_image(self):
        """Return the picture as it is now, as a PIL image."""
        return Image.frombuffer(
            "RGBA", self.canvas.get_width_height(), self.canvas.buffer_rgba()
        ).convert("RGB")

    def stop(self):
        """Abandon work that is still running and keep what it has drawn."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._work is not None:
            self._work.close()
            self._work = None
            self.picture.progress = -1

    def rest(self):
        """Stop all that moves by itself, once the page shows another in its place."""
        self.stop()
        for helper in self._helpers:
            if isinstance(helper, widgets.Play):
                helper.playing = False

    def redraw(self):
        """Draw what stands still again; needed only after changing a fixed artist."""
        for text in self.figure.findobj(Text):
            text.set_color(style.readable(text.get_color()))
        with style.style(self.lecture):
            self.canvas.draw()
        # All pixels: the box of the figure, 4.6 inches say, may end a rounding below.
        whole = Bbox.from_bounds(0, 0, *self.canvas.get_width_height())
        self._background = self.canvas.copy_from_bbox(whole)

    # ---- how a frame is made ----------------------------------------------

    def _build_widget(self):
        self._touches = self.touches()
        self.picture = Picture(
            round(self.width * self.dpi),
            round(self.height * self.dpi),
            self._on_ratio,
            self._on_touch,
            self._on_stop,
            self._on_ahead,
        )
        self.picture.controls = {
            name: control.model_id for name, control in self.controls.items()
        }
        self.picture.spots = [touch.spot() for touch in self._touches]
        self._helpers = self.helpers()
        touched = [*self.controls.values(), *self._helpers]
        for widget in (self.picture, *touched):
            in_main_thread(widget)
        row = widgets.HBox(touched)
        row.layout.flex_flow = "row wrap"
        if not self.lecture:  # there the page gives widths and gaps
            row.layout.grid_gap = "0 24px"
            for control in self.controls.values():
                controls.widen(control)
        self._rows = [row, self.picture]
        self.widget = widgets.VBox(self._rows)
        self.widget.add_class("normlib-figure")
        row.add_class("normlib-controls")

    def _set_ratio(self, ratio):
        self.ratio = ratio
        self.figure.set_dpi(self.dpi * ratio)
        self.redraw()

    def _frame(self):
        self.canvas.restore_region(self._background)
        for artist in self.moving:
            if isinstance(artist, Text):
                artist.set_color(style.readable(artist.get_color()))
                stamps.draw(artist, self.canvas.get_renderer())
            else:
                self.figure.draw_artist(artist)
        if self._waiting is not None:
            self.figure.draw_artist(self._waiting)

    def _encode(self):
        return encode(np.asarray(self.canvas.buffer_rgba()))

    def _paint(self):
        for artist in self.moving:
            if isinstance(artist, Text):
                artist.set_text(style.as_in_prose(artist.get_text()))
        self._frame()

    def _publish(self, at=()):
        """Paint the moving artists and send picture and sentence to the page."""
        self._paint()
        self.png = self._encode()
        self.picture.show(self.png, self.sentence, dict(at))

    def _states(self, **values):
        """Return the state of every control, as at present but for `values`."""
        return {
            name: controls.state(self.controls[name], value)
            for name, value in (self.values | values).items()
        }

    def _on_ahead(self, name, by):
        """Draw the setting beside the present one, for the page to keep.

        When the reader goes there the page shows it at once; the frame that then
        comes is the same, drawn anew. Not done where `move` takes long or runs the
        reader's function, which is for the reader to start.
        """
        value = controls.beside(self.controls[name], by)
        if value is None or not self._draws_ahead():
            return
        try:
            try:
                sentence = style.as_in_prose(self.move(**self.values | {name: value}))
                at = self._states(**{name: value})
                self._paint()
                self.picture.keep(self._encode(), sentence, at)
            except ValueError:
                pass  # it is told when the reader goes there
            self.move(**self.values)
            self._paint()
        except STOPS as error:
            self._fail(error)

    def _draws_ahead(self):
        quick = self.seconds < QUICK and not inspect.isgeneratorfunction(self.move)
        return quick and self.function is None and self.picture.at == self._states()

    def _small_png(self):
        """Return the picture with 96 colours, a quarter of the bytes, to be saved."""
        buffer = io.BytesIO()
        # k-means brings each colour to the middle of its pixels: else greys get a tint.
        picture = self.as_image().quantize(
            96, method=Image.Quantize.MAXCOVERAGE, kmeans=1000
        )
        picture.save(buffer, "png", optimize=True)
        return buffer.getvalue()

    def _tell(self, sentence, at=()):
        self.sentence = style.as_in_prose(sentence)
        self._publish(at)

    def _update(self):
        """Draw the present setting, to the end."""
        start = time.perf_counter()
        try:
            result = self.move(**self.values)
            if inspect.isgenerator(result):
                result = _exhaust(result)
        except STOPS as error:
            self._fail(error)
        else:
            self._finish(result)
        self.seconds = time.perf_counter() - start

    def _finish(self, sentence):
        self.failed, self._drawn, self._waiting = None, True, None
        self._tell(sentence, self._states())

    def _fail(self, error):
        """Say what went wrong; picture and controls no longer agree."""
        refused = isinstance(error, ValueError)
        self.failed = None if refused else error
        if refused:
            sentence = f"Not drawn: {error}"
        elif isinstance(error, KeyboardInterrupt):
            sentence = "Not drawn: interrupted. Move a control to try again."
        else:
            sentence = f"Not drawn: this figure failed, {named(error)}."
        if not self._drawn:
            self._wait(sentence)
        elif not refused:
            sentence += " The picture does not show this setting."
        self._tell(sentence)

    def _wait(self, sentence):
        """Write into a picture that shows nothing yet what it waits for."""
        self._waiting = self.figure.text(
            0.5,
            0.5,
            textwrap.fill(sentence, 60),
            parse_math=False,  # a reader's words may hold a dollar
            ha="center",
            va="center",
            size=13,
            bbox={"facecolor": "white", "edgecolor": style.WARN, "pad": 10},
            animated=True,
            zorder=100,
        )

    def _set_controls(self, values):
        self._setting = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._setting = False

    def _follow(self, values):
        """Move controls to the nearest values they offer, as a touch asks."""
        wanted = {
            name: controls.nearest(self.controls[name], value)
            for name, value in values.items()
        }
        if any(self.controls[name].value != value for name, value in wanted.items()):
            self._set_controls(wanted)
            self._start()

    def _on_ratio(self, ratio):
        if ratio != self.ratio:
            self._set_ratio(ratio)
            self._publish()

    def _on_touch(self, phase, left, top):
        if phase == "press":
            self.press(left, top)
        elif phase == "drag":
            self.drag(left, top)
        elif phase == "cancel":
            self.cancel()
        else:
            self.release()

    def _on_change(self, change):
        if not self._setting:
            self._start()

    def _start(self):
        """Draw the present setting, in turns with the page if it takes long."""
        self.stop()
        loop = _running_loop()
        if loop is None or not inspect.isgeneratorfunction(self.move):
            self._update()
            return
        self._work = self.move(**self.values)
        self._task = loop.create_task(self._work_in_turns(self._work))

    async def _work_in_turns(self, work):
        self.picture.begin()
        self.sentence = "Computing: the picture grows as it goes."
        error = None
        try:
            while True:
                until = time.perf_counter() + TURN
                with interruptible():
                    done = next(work)
                    while time.perf_counter() < until:
                        done = next(work)
                self.picture.progress = done
                if not self.picture.is_behind:
                    self._publish()
                await asyncio.sleep(0.005)  # let the page's messages through
        except StopIteration as end:
            sentence = end.value
        except STOPS as stop:
            error = stop
        self._work = self._task = None
        with self.picture.hold_sync():  # the bar goes as the last frame comes
            self.picture.progress = -1
            if error is None:
                self._finish(sentence)
            else:
                self._fail(error)

    def _on_stop(self):
        if self._work is not None:
            done = self.picture.progress
            with self.picture.hold_sync():
                self.stop()
                self._tell(
                    f"Stopped at {done:.0%}: the picture shows the work so far. "
                    "Move a control to start again."
                )


def named(error):
    """Return an error's kind, and its message if it has one."""
    kind = type(error).__name__
    return f"{kind}: {error}" if str(error) else kind


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
    except (Exception, SystemExit) as error:
        raise ReaderError(
            f"your {name} raised {named(error)}. Correct it and run the cell again."
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
