"""The live figures of a lesson as pictures: one as it opens, one for each notice."""

import sys
from dataclasses import dataclass

from normlib.lessons import lessons
from normlib.live import style
from normlib.live.picture import Picture

RATIO = 2.0  # pixels drawn for one of the figure's own: sharp on every screen


@dataclass(frozen=True)
class State:
    """A figure at one setting: picture file, sentence, and all controls in words.

    `moved` tells, control by control, whether it is elsewhere than at the opening.
    """

    file: str
    sentence: str
    controls: list[str]
    moved: list[bool]


@dataclass(frozen=True)
class Pictures:
    """A figure at its opening setting and at that of each thing to notice."""

    width: int
    height: int
    states: list[State]


def draw(number, key, solved, folder):
    """Draw a figure at all its settings, write them to `folder`, return `Pictures`.

    With `solved`, a figure that waits for the reader's functions gets the solutions.
    """
    Picture.last_ratio = RATIO
    lesson = lessons()[number]
    shown = lesson.figures[key]
    functions = [lesson.exercises[name].solution for name in shown.solved]
    figure = shown.make(*functions if solved else ())
    opening, words = figure.values, _controls(figure)
    states = []
    for k, settings in enumerate([{}, *(notice.settings for notice in shown.notices)]):
        if settings:
            figure.set(**opening | settings)
        if figure.failed or figure.sentence.startswith(("Not changed", "Not drawn")):
            sys.exit(f"{number} {key} at {settings}: {figure.sentence}")
        file = f"{number}_{key}_{k}.webp"
        # Lossless is smaller than lossy: the pictures are lines on white.
        figure.as_image().save(folder / file, lossless=True, method=4)
        now = _controls(figure)
        moved = [a != b for a, b in zip(now, words, strict=True)]
        states.append(State(file, figure.sentence, now, moved))
    width, height = figure.width * figure.dpi, figure.height * figure.dpi
    return Pictures(round(width), round(height), states)


def _controls(figure):
    return [
        f"{control.description} {_value(control)}"
        for control in figure.controls.values()
    ]


def _value(control):
    """Return the value of a control as its readout says it."""
    if hasattr(control, "options"):
        return control.label
    if isinstance(control.value, bool):
        return "on" if control.value else "off"
    wanted = getattr(control, "readout_format", "")
    # Where no letter stands, the page drops zeros at the end, as Python does with "g".
    wanted += "" if wanted[-1:].isalpha() else "g"
    return style.as_in_prose(format(control.value, wanted))
