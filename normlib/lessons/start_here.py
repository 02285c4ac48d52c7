"""Lesson of notebook 00: why anyone normalizes, and how a notebook works."""

import numpy as np

from normlib.lessons.lesson import Lesson, Notice, Question, Shown
from normlib.live.start_here import FirstTable, TwoNetworks

QUESTIONS = {
    "norm": Question(
        "A and B are the same network, with the same digits. But B gets grey values "
        "from 0 to 16, A from 0 to 1, and in the figure below B is stuck. What happens "
        "when you press `batch`, so that both get a norm?",
        {
            "B learns, too, but more slowly than A": "After its first norm, B works "
            "with the same numbers as A. What is left of the scale is too small to "
            "see.",
            "B learns just like A": "The norm divides by the spread of the numbers "
            "that arrive. 16 times as large, 16 times the spread: the result is the "
            "same.",
            "nothing: the digits are still too bright": "The first norm comes right "
            "after the first weights, and takes the brightness out there.",
        },
        right="B learns just like A",
    ),
    "slider": Question(
        "Look at the figure: do you see a slider, and does the picture follow it?",
        {
            "yes": "All is set.",
            "a picture, but no slider": "Choose Run, Run All Cells. If that changes "
            "nothing, the page lacks ipywidgets: see the README, Set-up.",
            "neither": "Choose Run, Run All Cells. If an error stands there, its last "
            "line says what is missing; the README, Set-up, says how to install it.",
        },
        right="yes",
    ),
    "one_digit": Question(
        "The table has six digits in rows and five pixels in columns. Batch norm gives "
        "each column a mean and a standard deviation of its own, layer norm each row. "
        "Suppose only one digit is left. After which norm can you still tell its "
        "pixels apart?",
        {
            "batch norm": "Alone in its column, a number is its own mean, and 0 is "
            "left of it. What batch norm does then is the question of 04.",
            "layer norm": "A digit is a row: its mean and its standard deviation need "
            "no other digit.",
            "both": "Not after batch norm: alone in its column, a number is its own "
            "mean, and 0 is left of it.",
        },
        right="layer norm",
    ),
}


def _read(figure):
    """Return the shares of new digits that A and B read right."""
    return [bar.get_width() for bar in figure.bars]


def _losses(figure):
    """Return the losses of A and B, step by step; none from where one diverged."""
    return [line.get_ydata() for line in figure.lines]


TWO_NETWORKS = [
    Notice(
        "Press `batch`: both learn, and it no longer matters what scale the grey "
        "values have. The two lines become one.",
        {"norm": "batch"},
        lambda figure: (
            min(_read(figure)) > 0.85
            and np.ptp(_read(figure)) < 0.02
            and np.ptp(np.log(_losses(figure)), axis=0).max() < 0.2
        ),
        seeds=10,
    ),
    Notice(
        "Grey values up to 255, as in image files, and no norm: B is off the top at "
        "once.",
        {"scale": 255.0},
        lambda figure: (
            _read(figure)[1] < 0.2
            and _losses(figure)[1][0] > 60
            and "off the top" in figure.labels[1].get_text()
        ),
        seeds=10,
    ),
    Notice(
        "Initial weights a tenth as large, no norm: now A stays at guessing. B "
        "gets a little further: its grey values make up for part of it.",
        {"weights": 0.1},
        lambda figure: (
            _read(figure)[0] < 0.2
            and np.abs(_losses(figure)[0] - np.log(10)).max() < 0.1
            and _losses(figure)[1].min() < _losses(figure)[0].min()
        ),
        seeds=10,
    ),
    Notice(
        "The same with batch norm: both learn well.",
        {"weights": 0.1, "norm": "batch"},
        lambda figure: min(_read(figure)) > 0.85,
        seeds=10,
    ),
    Notice(
        "Initial weights ten times as large, with batch norm: both learn, but more "
        "slowly. The norm mends the size of what the weights give, not their own: a "
        "step turns large weights less. See 05.",
        {"weights": 10.0, "norm": "batch"},
        lambda figure: 0.4 < min(_read(figure)) and max(_read(figure)) < 0.82,
        seeds=10,
    ),
]


TABLE = [
    Notice(
        "Press `layer`: the numbers that share a mean now form a row, and no other "
        "digit is needed.",
        {"norm": "layer"},
        lambda figure: "its row n=2, 5 pixels" in figure.sentence,
    ),
    Notice(
        "Under `batch`, go to another digit: the column stays, and so do its mean and "
        "its standard deviation.",
        {"norm": "batch", "sample": 4},
        lambda figure: (
            (
                f"the mean {figure.table[:, 2].mean():.2f} and the standard deviation "
                f"{figure.table[:, 2].std():.2f} with its column d=2, 6 digits"
            )
            in figure.sentence
        ),
    ),
]

lesson = Lesson(
    "00",
    questions=QUESTIONS,
    figures={
        "two_networks": Shown(TwoNetworks, TWO_NETWORKS),
        "table": Shown(FirstTable, TABLE),
    },
    exercises={},
    cards={},
)
