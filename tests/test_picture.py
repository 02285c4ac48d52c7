"""The picture on the page: touch, pixels, errors, and what is on its way."""

import asyncio
import inspect
import io
import itertools
import signal
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from figure_checks import opened
from PIL import Image

from normlib import live
from normlib.live import controls
from normlib.live.figure import LiveFigure
from normlib.live.picture import Picture, encode
from normlib.live.touch import Touch, turn


class Point(LiveFigure):
    """A point that can be dragged, and a view that turns."""

    wrong = None

    def make_controls(self):
        return {
            "x": controls.slider("x", -2, 2, 0.0, 0.5),
            "kind": controls.choice("kind", ["dot", "none"], "dot"),
            "azimuth": controls.whole("view", -90, 90, 0, 5),
        }

    def draw(self, fig):
        self.ax = fig.add_axes((0.1, 0.2, 0.4, 0.6))
        self.ax.set(xlim=(-2, 2), ylim=(-1, 1))
        self.view = fig.add_axes((0.6, 0.2, 0.3, 0.6))
        (self.dot,) = self.ax.plot([0], [0], "o")
        return [self.dot]

    def move(self, x, kind, azimuth):
        if self.wrong is not None:
            raise self.wrong
        self.dot.set_xdata([x])
        return f"The point is at {x}, seen from {azimuth}."

    def touches(self):
        def drag(x, y, start):
            return {"x": x} if abs(start.y) < 0.5 else None

        return [
            Touch(self.ax, drag, "Drag the point."),
            turn(self.view, "azimuth", degrees=100),
        ]


def gesture(figure, touch, start, *places):
    """Press at data coordinates of a touch, and drag along."""
    figure.press(*touch.place(*start))
    for place in places:
        figure.drag(*touch.place(*place))
    figure.release()


def test_a_drag_moves_control_picture_and_sentence_together():
    figure = Point()
    before = figure.png
    gesture(figure, figure._touches[0], (0, 0), (0.6, 0), (1.4, 0.9))
    assert figure.values["x"] == 1.5  # the nearest step
    assert figure.sentence == "The point is at 1.5, seen from 0."
    assert figure.png != before
    assert list(figure.dot.get_xdata()) == [1.5]


def test_a_drag_out_of_the_axes_ends_at_the_end_of_the_control():
    figure = Point()
    gesture(figure, figure._touches[0], (0, 0), (17, 0))
    assert figure.values["x"] == 2


def test_a_press_elsewhere_or_one_that_is_declined_moves_nothing():
    figure = Point()
    gesture(figure, figure._touches[0], (0, 0.9), (1, 0))
    figure.press(0.01, 0.01)
    figure.drag(0.5, 0.5)
    figure.release()
    figure.drag(*figure._touches[0].place(1, 0))
    assert figure.values == Point().values


def test_a_view_turns_by_the_difference_from_the_press():
    figure = Point()
    figure.set(azimuth=30)
    gesture(figure, figure._touches[1], (0.9, 0.1), (0.7, 0.5))
    assert figure.values["azimuth"] == 50  # 0.2 of the width, 100 degrees over all


def test_a_touch_that_asks_for_the_same_values_makes_no_frame():
    figure = Point()
    frame = figure.picture.frame
    gesture(figure, figure._touches[0], (0, 0), (0.1, 0), (-0.2, 0))
    assert figure.picture.frame == frame


@pytest.mark.parametrize(
    ("control", "asked", "given"),
    [
        (controls.slider("", -2, 2, 0.0, 0.5), 9.0, 2.0),
        (controls.slider("", -2, 2, 0.0, 0.5), 0.74, 0.5),
        (controls.slider("", -2, 2, 0.0, 0.5), float("nan"), 0.0),
        (controls.whole("", 0, 9, 3), 4.6, 5),
        (controls.log_slider("", -2, 2, 1.0, 1.0), 30.0, 10.0),
        (controls.log_slider("", -2, 2, 1.0, 1.0), -5.0, 0.01),
        (controls.steps("", [1, 2, 4], 1), 3.4, 4),
        (controls.choice("", ["a", "b"], "a"), "b", "b"),
        (controls.choice("", ["a", "b"], "a"), "c", "a"),
        (controls.switch(""), True, True),
    ],
)
def test_a_control_takes_the_nearest_value_that_it_offers(control, asked, given):
    value = controls.nearest(control, asked)
    assert value == pytest.approx(given) if isinstance(given, float) else value == given
    control.value = value


def test_a_slider_that_stops_at_numbers_writes_them_as_the_sentences_do():
    slider = controls.steps("", [0.0, 1e-5, 0.3, 1.0, 10.0], 1.0)
    assert [label for label, _ in slider.options] == ["0", "1e-5", "0.3", "1", "10"]
    assert slider.value == 1.0


def message(figure, **content):
    figure.picture._on_message(figure.picture, content, [])


def test_every_touch_is_answered_by_its_number_even_if_it_fails():
    figure = Point()
    x, y = figure._touches[0].place(0, 0)
    message(figure, kind="touch", phase="press", x=x, y=y, number=1)
    x, y = figure._touches[0].place(1, 0)
    message(figure, kind="touch", phase="drag", x=x, y=y, number=2)
    assert (figure.picture.handled, figure.values["x"]) == (2, 1.0)
    figure._touched = None, None
    with pytest.raises(AttributeError):
        message(figure, kind="touch", phase="drag", x=x, y=y, number=3)
    assert figure.picture.handled == 3


def test_a_finger_that_scrolls_the_page_leaves_the_controls_as_they_were():
    figure = Point()
    before = figure.values
    for phase, x in (("press", 0.0), ("drag", 1.0)):
        x, y = figure._touches[0].place(x, 0)
        message(figure, kind="touch", phase=phase, x=x, y=y, number=1)
        moved = figure.values
    assert moved != before
    message(figure, kind="touch", phase="cancel", x=0, y=0, number=2)
    assert figure.values == before
    message(figure, kind="touch", phase="drag", x=x, y=y, number=3)
    assert figure.values == before


class Kept:
    """Catches the frames that a figure draws before they are asked for."""

    def __init__(self, figure):
        self.frames = []
        figure.picture.keep = lambda *frame: self.frames.append(frame)

    def ask(self, figure, control, by):
        """Return the frame beside the present setting, or None."""
        self.frames.clear()
        message(figure, kind="ahead", control=control, by=by)
        return self.frames[0] if self.frames else None


@pytest.mark.parametrize("name", sorted(live.figures()))
def test_what_is_drawn_ahead_is_what_then_comes(name, quick):
    figure = opened(name)
    before, pixels = figure.values, figure.as_image().tobytes()
    kept, long = Kept(figure), inspect.isgeneratorfunction(figure.move)
    for control, by in itertools.product(figure.controls, (1, -1)):
        value = controls.beside(figure.controls[control], by)
        ahead = kept.ask(figure, control, by)
        assert (ahead is None) is (long or value is None)
        # Nothing that a reader sees or a touch meets has changed.
        assert (figure.values, figure.as_image().tobytes()) == (before, pixels)
        if ahead is not None:
            figure.set(**{control: value})
            assert ahead == (figure.png, figure.sentence, figure.picture.at)
            figure.set(**before)
    del figure.picture.keep


@pytest.fixture
def quick(monkeypatch):
    """Take every frame of this machine for quick, however busy it is."""
    monkeypatch.setattr("normlib.live.figure.QUICK", 60)


def test_a_figure_draws_ahead_only_what_it_may(quick):
    figure = Point()
    kept = Kept(figure)
    assert kept.ask(figure, "x", 1)[1:] == (
        "The point is at 0.5, seen from 0.",
        {"x": 0.5, "kind": 0, "azimuth": 0},
    )
    figure.seconds = 61.0  # slow
    assert kept.ask(figure, "x", 1) is None
    figure.set(x=2.0)
    assert kept.ask(figure, "x", 1) is None  # its end
    assert kept.ask(figure, "x", -1)[1].startswith("The point is at 1.5")
    figure.function = print  # the reader's
    assert kept.ask(figure, "x", -1) is None


def test_a_setting_beside_that_cannot_be_drawn_leaves_no_trace(quick):
    figure = Point()
    kept, place = Kept(figure), figure.move
    before = figure.sentence, figure.png

    def move(x, **others):
        sentence = place(x, **others)
        if x > 0:
            raise ValueError("too far")
        return sentence

    figure.move = move
    assert kept.ask(figure, "x", 1) is None
    assert (figure.sentence, figure.png) == before
    assert list(figure.dot.get_xdata()) == [0]
    figure.set(x=0.5)
    assert figure.picture.at == {}  # the picture does not show this setting
    assert kept.ask(figure, "x", -1) is None


@pytest.fixture
def ratio_one():
    yield
    Picture.last_ratio = 1.0


@pytest.mark.parametrize("name", sorted(live.figures()))
def test_a_sharper_screen_gets_the_same_picture_with_more_pixels(name, ratio_one):
    figure = opened(name)
    before = figure.as_image().convert("L")
    figure._encode = bytes  # the pixels are looked at, not the PNG
    message(figure, kind="page", ratio=2)
    after = figure.as_image().convert("L")
    assert after.size == (2 * before.width, 2 * before.height)
    # Blurred, both show the same; text is set anew, so single letters may shift.
    small = [
        np.asarray(p.resize((90, 42), Image.Resampling.BOX)) for p in (before, after)
    ]
    difference = np.abs(np.subtract(*small, dtype=float))
    assert difference.mean() < 2, difference.mean()
    # A touch is found at the same place.
    assert figure.picture.spots == [touch.spot() for touch in figure._touches]
    del figure._encode
    message(figure, kind="page", ratio=1)
    assert np.array_equal(figure.as_image().convert("L"), before)


def test_the_next_figure_opens_as_sharp_as_the_page_is(ratio_one):
    message(Point(), kind="page", ratio=3)
    assert Point().ratio == 2
    assert Image.open(io.BytesIO(Point().png)).size == (1800, 840)


def test_the_png_is_the_same_without_isal():
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 4), np.uint8)
    decoded = Image.open(io.BytesIO(encode(pixels)))
    assert np.array_equal(np.asarray(decoded), pixels)
    code = (
        "import sys; sys.modules['isal'] = sys.modules['isal.isal_zlib'] = None\n"
        "import io, numpy as np; from PIL import Image\n"
        "from normlib.live import picture\n"
        "assert picture.compress.__module__ == 'zlib'\n"
        "p = np.random.default_rng(0).integers(0, 255, (30, 40, 4), np.uint8)\n"
        "d = Image.open(io.BytesIO(picture.encode(p)))\n"
        "assert np.array_equal(np.asarray(d), p)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("error", [TypeError("no"), KeyboardInterrupt(), SystemExit()])
def test_any_error_becomes_a_sentence_and_the_next_move_draws_again(error):
    figure = Point()
    before = figure.png
    figure.wrong = error
    figure.controls["x"].value = 1.0
    assert figure.sentence.startswith("Not drawn: ")
    assert "The picture does not show this setting." in figure.sentence
    assert figure.failed is error
    assert figure.png == before
    figure.wrong = None
    figure.controls["x"].value = 0.5
    assert (figure.failed, figure.values["x"]) == (None, 0.5)
    assert figure.sentence == "The point is at 0.5, seen from 0."


class Growing(Point):
    """The same in turns."""

    def move(self, x, kind, azimuth):
        for k in range(4):
            self.dot.set_xdata([x * k / 4])
            yield k / 4
            if self.wrong is not None:
                raise self.wrong
        return f"The point has grown to {x}."


@pytest.mark.parametrize("error", [TypeError("no"), KeyboardInterrupt(), ValueError()])
def test_an_error_between_turns_takes_the_bar_away(error):
    async def run():
        figure = Growing()
        figure.wrong = error
        bars = []
        figure.picture.observe(lambda change: bars.append(change.new), "progress")
        figure.controls["x"].value = 1.0
        while figure._task is not None:
            await asyncio.sleep(0.001)
        assert (bars[0], bars[-1]) == (0, -1)
        return figure

    figure = asyncio.run(run())
    assert figure.sentence.startswith("Not drawn: ")


def test_an_interrupt_ends_work_in_turns_where_a_kernel_would_ignore_it():
    class Interrupted(Growing):
        def move(self, x, kind, azimuth):
            yield 0.5
            if x:
                signal.raise_signal(signal.SIGINT)
            return "Drawn to its end."

    async def run():
        figure = Interrupted()
        figure.controls["x"].value = 1.0
        while figure._task is not None:
            await asyncio.sleep(0.001)
        return figure

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        figure = asyncio.run(run())
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert figure.sentence.startswith("Not drawn: interrupted.")
    assert figure.picture.progress == -1


def test_long_work_sends_no_more_frames_than_the_page_shows(monkeypatch):
    """But the last, with the sentence, always; and the next work begins anew."""
    monkeypatch.setattr("normlib.live.figure.TURN", 0.0)

    async def run(page_is_there):
        figure = Growing()
        if page_is_there:
            message(figure, kind="shown", frame=figure.picture.frame)
        frames = []
        for x in (1.0, 2.0):
            before = figure.picture.frame
            figure.controls["x"].value = x
            while figure._task is not None:
                await asyncio.sleep(0.001)
            assert figure.picture.sentence == f"The point has grown to {x}."
            frames.append(figure.picture.frame - before)
        return frames

    assert asyncio.run(run(page_is_there=False)) == [5, 5]
    assert asyncio.run(run(page_is_there=True)) == [3, 3]  # two, and the last


def test_a_figure_that_cannot_be_drawn_yet_says_so_in_its_picture():
    class Waiting(Point):
        wrong = ValueError(r"your norm raised ValueError: $x_{$ is 0.")

    figure = Waiting()
    words = figure._waiting.get_text().replace("\n", " ")
    assert words == figure.sentence
    assert words.endswith(r"$x_{$ is 0.")
    empty = Point()
    assert np.asarray(empty.canvas.buffer_rgba())[195:225, 400:500].min() == 255
    assert np.asarray(figure.canvas.buffer_rgba())[195:225, 400:500].min() < 100
    figure.wrong = None
    figure.controls["x"].value = 0.5
    assert np.asarray(figure.canvas.buffer_rgba())[195:225, 400:500].min() == 255


def test_the_settings_of_a_reader_for_plots_of_their_own_change_no_figure():
    before = Point()
    theirs = {"figure.facecolor": "black", "figure.autolayout": True, "font.size": 20}
    with matplotlib.rc_context(theirs):
        assert Point().png == before.png
