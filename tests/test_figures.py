"""Every live figure over the range of its controls, in both sizes of type."""

import asyncio
import base64
import html
import inspect
import io
import itertools
import math
import re
import time
import warnings
from functools import cache
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
import pytest
from figure_checks import FIGURES, LabelCheck, has_nan, labels_of, opened
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from normlib import live
from normlib.lessons.lesson import Notice
from normlib.live import page, stamps, style
from normlib.live.asking import Notices
from normlib.live.controls import nearest, offered
from normlib.live.figure import LiveFigure
from normlib.live.touch import Start

AT_ONCE = 100  # settings of a figure beside its corners
IN_TURNS = 20  # the same where a figure trains networks
NAMES = sorted(FIGURES)


@pytest.fixture(params=[False, True], ids=["desk", "lecture"])
def lecture(request):
    before = live.lecture_mode()
    live.lecture_mode(request.param)
    yield request.param
    live.lecture_mode(before)


def settings(figure, rng):
    """Return the corners of a figure's controls, and settings between them."""
    values = {name: offered(control) for name, control in figure.controls.items()}
    if not inspect.isgeneratorfunction(figure.move):
        return corners(values), between(values, AT_ONCE, rng)
    # What a figure trains in turns it keeps: with one seed, which nobody chose, most
    # settings find their runs done. Only one corner has another, the lowest.
    one = {}
    if "seed" in values:
        one = {"seed": int(rng.choice(values["seed"][1:]))}
        values["seed"] = [values["seed"][0], one["seed"]]
    *ends, low = corners(values)
    inside = values | {name: [value] for name, value in one.items()}
    return [*ends, low | one], between(inside, IN_TURNS, rng)


def corners(values):
    """Return settings that hold every pair of extremes of two controls.

    All highest come first, then each control alone at its lowest, then all lowest.
    """
    low = {name: v[0] for name, v in values.items()}
    high = {name: v[-1] for name, v in values.items()}
    return [high, *(high | {name: low[name]} for name in values), low]


def between(values, count, rng):
    """Return every setting, or `count` in which each control goes over its values."""
    if math.prod(map(len, values.values())) <= count:
        every = itertools.product(*values.values())
        return [dict(zip(values, one, strict=True)) for one in every]
    turns = {
        name: rng.permutation(np.arange(count) * len(v) // count)
        for name, v in values.items()
    }
    return [
        {name: v[turns[name][k]] for name, v in values.items()} for k in range(count)
    ]


class Seen(NamedTuple):
    """What a figure shows at a setting, and what is wrong with it."""

    values: dict
    sentence: str
    wrong: list
    pixels: int | None


def look(figure, labels, values, keep=True):
    """Move a figure to a setting and return what is seen."""
    if figure.values != values:  # else it is seen as it opened
        figure.set(**values)
    wrong = labels.problems()
    wrong += ["not set"] * (figure.values != values)
    wrong += ["failed"] * (figure.failed is not None)
    wrong += ["NaN"] * has_nan(figure)
    wrong += ["says little"] * (len(figure.sentence) <= 20)
    pixels = hash(bytes(figure.canvas.buffer_rgba())) if keep else None
    return Seen(values, figure.sentence, wrong, pixels)


@cache
def swept(name, lecture):
    """Draw a figure as it opens, in its corners, between them and as it opens.

    At a desk only the corners: the larger type of a lecture is cut off first.
    """
    figure, rng = opened(name, lecture), np.random.default_rng(len(name))
    labels, opening = labels_of(figure), figure.values
    ends, rest = settings(figure, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure._encode = bytes  # a PNG takes longer than all else
        seen = [look(figure, labels, opening)]
        for k, at in enumerate(ends + rest * lecture):
            # Faults show in the artists and their words already; painting them takes
            # most of the time, and finds what only painting refuses in some settings.
            if lecture and k % 5:
                figure._frame = int
            seen.append(look(figure, labels, at, keep=not lecture))
            vars(figure).pop("_frame", None)
        del figure._encode
        figure.set(**opening)
        return [*seen, look(figure, labels, opening)]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_drawn(name):
    seen = swept(name, False) + swept(name, True)
    assert [one for one in seen if one.wrong] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_control_changes_the_picture_somewhere(name):
    """A slider that changes nothing visible is a bug."""
    figure, opening = opened(name), opened(name).values
    _, high, *lowered, _, _ = swept(name, False)
    for control, low in zip(opening, lowered, strict=True):
        if low.pixels == high.pixels or low.sentence == high.sentence:
            assert changes(figure, control), f"{control} never changes both"
            figure.set(**opening)


def changes(figure, control):
    """Return whether a control changes picture and sentence at some other setting."""
    rng = np.random.default_rng(0)
    ranges = {key: offered(c) for key, c in figure.controls.items()}
    values = ranges[control]
    for _ in range(40):
        others = {k: v[rng.integers(len(v))] for k, v in ranges.items()}
        figure.set(**others | {control: values[0]})
        first = figure.png, figure.sentence
        for value in (values[-1], values[len(values) // 2]):
            figure.set(**{control: value})
            if figure.png != first[0] and figure.sentence != first[1]:
                return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_every_touch_asks_for_controls_that_there_are_and_moves_one(name):
    figure = opened(name)
    for touch in figure.touches():
        spot, moved = touch.spot(), False
        places = [
            (spot["left"] + a * spot["width"], spot["top"] + b * spot["height"])
            for a, b in itertools.product(np.linspace(0.02, 0.98, 9), repeat=2)
        ]
        for press, end in zip(places, places[::-1], strict=True):
            start = Start(*touch.data(*press), figure.values)
            if touch.to_values(start.x, start.y, start) is None:
                continue
            for place in (press, end):
                wanted = touch.to_values(*touch.data(*place), start) or {}
                if touch.sideways:  # a finger may scroll the page
                    level = touch.data(place[0], press[1])
                    assert touch.to_values(*level, start) == wanted
                for key, value in wanted.items():
                    offer = nearest(figure.controls[key], value)
                    moved |= offer != figure.values[key]
        assert moved, touch.hint


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_written_as_in_the_notebooks(name):
    """42 %, 1e-5 and 2e8; Python itself writes 42%, 1e-05 and 2.0e+08."""
    figure = opened(name)
    options = [getattr(c, "options", None) or () for c in figure.controls.values()]
    words = [
        *(seen.sentence for seen in swept(name, True)),
        *(text.get_text() for text in figure.figure.findobj(Text)),
        *(str(o[0] if isinstance(o, tuple) else o) for o in itertools.chain(*options)),
    ]
    assert [w for w in words if re.search(r"\d%|\d(\.0)?e(\+|-?0)|\d\.0e", w)] == []


@pytest.mark.parametrize("name", NAMES)
def test_coming_back_gives_the_same_picture(name):
    """What is seen depends on the setting only, not on how one got there."""
    for lecture in (False, True):
        first, *_, last = swept(name, lecture)
        assert last == first


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_has_the_announced_size_and_ink(name):
    figure = opened(name)
    picture = np.asarray(Image.open(io.BytesIO(figure.png)).convert("L"))
    assert picture.shape == (round(figure.height * 100), round(figure.width * 100))
    assert picture.std() > 5


def outputs_of(monkeypatch, act):
    """Return the mime bundles that `act` displays."""
    bundles = []
    monkeypatch.setattr(page, "display", lambda bundle, raw: bundles.append(bundle))
    act()
    return bundles


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_shown_to_page_file_and_screen_reader(name, monkeypatch):
    figure = opened(name)
    static, view = outputs_of(monkeypatch, figure.show)
    assert static["text/plain"] == figure.sentence
    assert figure.sentence.endswith((".", "!", "?"))
    words = html.escape(figure.sentence)
    picture = re.search(r'<img alt="([^"]*)".*?base64,([^"]*)"', static["text/html"])
    assert picture[1] == words
    assert f">{words}</figcaption>" in static["text/html"]
    saved = Image.open(io.BytesIO(base64.b64decode(picture[2])))
    assert saved.size == (round(figure.width * 100), round(figure.height * 100))
    assert set(view) == {page.VIEW}


@pytest.mark.parametrize("on", ["text", 1, np.True_])
def test_lecture_mode_takes_no_other_word_for_yes(on):
    with pytest.raises(TypeError, match="on must be True, False or None, got "):
        live.lecture_mode(on)


def test_what_stands_below_is_shown_once(monkeypatch):
    figure, button = Line(), widgets.Button()

    def show():
        figure.show(below=[button], static_below="<p>below</p>")

    for _ in range(2):
        static, _ = outputs_of(monkeypatch, show)
        assert static["text/html"].count("<p>below</p>") == 1
        assert figure.widget.children[-1] is button
        assert len(figure.widget.children) == 3


def test_a_slide_has_a_kernel_and_needs_no_static_picture(monkeypatch, lecture):
    bundles = outputs_of(monkeypatch, Line().show)
    assert ("text/html" in bundles[0]) != lecture
    assert page.VIEW in bundles[-1]


class Line(LiveFigure):
    """The smallest figure: one slider, one line; it refuses 7."""

    def make_controls(self):
        return {
            "height": widgets.IntSlider(min=0, max=10, value=3),
            "kind": widgets.Dropdown(options=["up", "down"]),
            "on": widgets.Checkbox(value=True),
        }

    def draw(self, fig):
        ax = fig.add_axes((0.1, 0.1, 0.8, 0.8))
        ax.set(xlim=(0, 1), ylim=(-10, 10))
        (self.line,) = ax.plot([0, 1], [0, 0])
        return [self.line]

    def move(self, height, kind, on):
        if height == 7:
            raise ValueError("7 is not allowed here; choose another height.")
        sign = 1 if kind == "up" else -1
        self.line.set_ydata([0, sign * height * on])
        return f"The line ends at {sign * height * on}."


def test_a_slider_moves_picture_and_sentence():
    figure = Line()
    before = figure.png
    figure.controls["height"].value = 9
    assert figure.sentence == "The line ends at 9."
    assert figure.png != before
    assert figure.picture.png == figure.png
    assert figure.picture.sentence == figure.sentence


def test_a_refused_setting_keeps_the_readers_value_and_says_why():
    figure = Line()
    before = figure.png
    figure.controls["height"].value = 7
    assert figure.controls["height"].value == 7
    assert figure.png == before
    assert figure.sentence == "Not drawn: 7 is not allowed here; choose another height."
    figure.set(height=4)
    assert figure.sentence == "The line ends at 4."


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"height": 11}, "height=11 is outside the slider; choose 0 to 10."),
        ({"height": -1, "kind": "down"}, "height=-1 is outside the slider"),
        ({"height": "high"}, "height='high' is outside the slider"),
        ({"height": float("nan")}, "height=nan is outside the slider"),
        ({"kind": "left"}, "kind='left' is not offered; choose one of ['up', 'down']."),
        ({"on": 2}, "on=2 is no switch setting; choose True or False."),
    ],
)
def test_a_value_that_no_control_offers_changes_nothing(values, why):
    figure = Line()
    before, settings_before = figure.png, figure.values
    figure.set(**values)
    assert why in figure.sentence
    assert figure.values == settings_before
    assert figure.png == before


def test_an_unknown_control_is_named():
    with pytest.raises(ValueError, match=r"no control 'width'.*'height', 'kind', 'on'"):
        Line().set(width=3)


def test_several_values_make_one_frame():
    figure = Line()
    frames = []
    figure.picture.observe(lambda change: frames.append(change), names="frame")
    figure.set(height=8, kind="down")
    assert len(frames) == 1
    assert figure.sentence == "The line ends at -8."


def test_a_cut_off_label_and_an_overlap_are_found():
    """The check of the labels can fail."""
    figure = Line()
    words = figure.figure.text(0.5, 0.5, "hello", size=20)
    figure.moving.append(words)
    labels = LabelCheck(figure)
    assert labels.problems() == []
    words.set_position((0.97, 0.5))
    assert labels.problems() == ["'hello' is cut off"]
    figure.figure.axes[0].set_title("over it")
    figure.redraw()
    title = figure.figure.axes[0].title.get_window_extent()
    words.set_position(figure.figure.transFigure.inverted().transform(title.min))
    assert LabelCheck(figure).problems() == ["'over it' and 'hello' overlap"]


def test_stamped_text_is_the_text_that_matplotlib_draws():
    """Pixel for pixel, up to the place of single letters within a word."""
    fig = Figure(figsize=(5, 3), dpi=100)
    canvas = FigureCanvasAgg(fig)
    texts = [
        fig.text(x / 500, y / 300, words, ha=ha, va=va, rotation=turn, color=color)
        for words, x, y, ha, va, turn, color in (
            ("-1.37", 50, 250, "left", "top", 0, "red"),
            ("12.5 pixels", 250, 250, "center", "center", 0, "blue"),
            ("mean", 450, 250, "right", "baseline", 0, "black"),
            ("upwards", 50, 100, "center", "center", 90, "green"),
            ("$x^2$", 250, 100, "left", "bottom", 0, "black"),
            ("two\nlines", 400, 100, "left", "bottom", 0, "black"),
        )
    ]
    canvas.draw()
    expected = np.asarray(canvas.buffer_rgba()).astype(int)
    renderer = canvas.get_renderer()
    renderer.clear()
    fig.patch.draw(renderer)
    for text in texts:
        stamps.draw(text, renderer)
    drawn = np.asarray(canvas.buffer_rgba()).astype(int)
    ink = (expected < 200).any(-1).sum()
    assert ink > 1000
    assert (np.abs(drawn - expected).max(-1) > 100).sum() < 0.05 * ink


class Slow(Line):
    """A figure whose work takes several turns."""

    finished = 0

    def move(self, height, kind, on):
        for k in range(1, 41):
            self.line.set_ydata([0, height * k / 40])
            time.sleep(0.005)
            yield k / 40
        self.finished += 1
        return f"The line has grown to {height}."


def test_long_work_runs_to_its_end_outside_a_page():
    figure = Slow()
    assert (figure.sentence, figure.finished) == ("The line has grown to 3.", 1)
    figure.set(height=5)
    assert (figure.sentence, figure.finished) == ("The line has grown to 5.", 2)


def in_a_page(script):
    """Run `script(figure)` in an event loop, as a kernel does."""

    async def run():
        figure = Slow()
        figure.finished = 0
        await script(figure)
        return figure

    return asyncio.run(run())


def test_long_work_draws_as_it_goes_and_leaves_the_page_alive():
    frames, ticks = [], []

    async def script(figure):
        figure.picture.observe(lambda change: frames.append(change), names="frame")
        figure.controls["height"].value = 8
        assert figure.finished == 0, "the control came back before the work was done"
        while figure._task is not None:
            ticks.append(figure.picture.progress)
            await asyncio.sleep(0.001)

    figure = in_a_page(script)
    assert figure.sentence == "The line has grown to 8."
    assert len(frames) >= 3
    assert len(ticks) >= 3
    assert figure.picture.progress == -1


def test_a_thing_to_notice_leaves_the_page_alive_too():
    async def script(figure):
        notices = Notices([Notice("", {"height": 8}, bool)], figure)
        notices.buttons[0].click()
        assert figure.finished == 0, "the button came back after the work was done"
        while figure._task is not None:
            await asyncio.sleep(0.001)

    assert in_a_page(script).sentence == "The line has grown to 8."


def test_moving_a_control_again_abandons_the_work_no_longer_wanted():
    async def script(figure):
        figure.controls["height"].value = 8
        await asyncio.sleep(0.03)
        figure.controls["height"].value = 9
        while figure._task is not None:
            await asyncio.sleep(0.001)

    figure = in_a_page(script)
    assert figure.sentence == "The line has grown to 9."
    assert figure.finished == 1


def test_stop_keeps_what_was_drawn_and_says_so():
    async def script(figure):
        figure.controls["height"].value = 8
        await asyncio.sleep(0.03)
        figure._on_stop()
        await asyncio.sleep(0.1)

    figure = in_a_page(script)
    assert figure.finished == 0
    assert figure.sentence.startswith("Stopped at ")
    assert 0 < figure.line.get_ydata()[1] < 8
    assert figure.controls["height"].value == 8


def test_long_work_that_refuses_its_setting_says_why():
    class Refuses(Slow):
        def move(self, height, kind, on):
            yield 0.5
            raise ValueError("no such run.")

    async def run():
        figure = Refuses()
        figure.controls["height"].value = 8
        while figure._task is not None:
            await asyncio.sleep(0.001)
        return figure

    assert asyncio.run(run()).sentence == "Not drawn: no such run."


def test_the_png_holds_the_pixels_of_the_frame():
    figure = Line()
    decoded = Image.open(io.BytesIO(figure.png))
    assert decoded.format == "PNG"
    assert np.array_equal(np.asarray(decoded), figure.canvas.buffer_rgba())


@pytest.mark.parametrize("name", NAMES)
def test_every_word_has_enough_contrast_and_size(name):
    """On white, 4.5:1 and 11 points; light words stand on dark cells."""
    for figure in (opened(name), opened(name, True)):
        for text in figure.figure.findobj(Text):
            if text.get_text().strip() and text.get_visible():
                color = text.get_color()
                ratio = style.contrast(color, "white")
                light = style.luminance(color) > 0.75
                assert light or ratio >= 4.5, (text.get_text(), color, ratio)
                assert text.get_size() >= 11, text.get_text()
                assert "^" not in text.get_text(), "an exponent is smaller"


def test_the_sign_of_a_map_is_seen_without_colour():
    ax = Figure().add_subplot()
    cells = style.SignedCells(ax, (2, 2), 3.0)
    cells.set_array(np.array([[2.0, -2.0], [0.0, -0.01]]))
    ((start, end),) = cells.dashes.get_segments()  # one dash, upon the -2
    assert ((start + end) / 2).tolist() == [1, 0]
    cells.set_array(np.array([[2.0, -2.0], [-1.0, 0.0]]), plain=np.eye(2)[::-1] > 0)
    assert len(cells.dashes.get_segments()) == 0
    grey = [style.luminance(style.SIGNED(k)) for k in (0.0, 0.5, 1.0)]
    assert grey[0] < grey[2] - 0.15 < grey[1]
    for k in np.linspace(0, 1, 101):
        color = style.SIGNED(k)
        assert style.contrast(color, style.ink_on(color)) >= 4.5
