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
            "nothing: the digits are still too bright": "The norm stands behind the "
            "first layer, and there it takes the brightness out.",
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
    "either": Question(
        "The table has six digits in rows and five pixels in columns. Which numbers "
        "do you average to normalize one of them?",
        {
            "its row": "That gives layer norm. There is another way.",
            "its column": "That gives batch norm. There is another way.",
            "either": "Its row gives layer norm, its column batch norm.",
        },
        right="either",
    ),
}


def _read(figure):
    """Return the shares of new digits that A and B read right."""
    return [bar.get_width() for bar in figure.bars]


TWO_NETWORKS = [
    Notice(
        "Press `batch`: both learn, and it no longer matters what scale the grey "
        "values have. The two lines become one.",
        {"norm": "batch"},
        lambda figure: min(_read(figure)) > 0.85 and np.ptp(_read(figure)) < 0.02,
        seeds=10,
    ),
    Notice(
        "Grey values up to 255, as in image files, and no norm: B is off the top at "
        "once.",
        {"scale": 255.0},
        lambda figure: (
            _read(figure)[1] < 0.2 and "off the top" in figure.labels[1].get_text()
        ),
        seeds=10,
    ),
    Notice(
        "First weights a tenth as large, no norm: now A does not learn either.",
        {"weights": 0.1},
        lambda figure: _read(figure)[0] < 0.2,
        seeds=10,
    ),
    Notice(
        "The same with batch norm: both learn well.",
        {"weights": 0.1, "norm": "batch"},
        lambda figure: min(_read(figure)) > 0.85,
        seeds=10,
    ),
]


TABLE = [
    Notice(
        "Press `layer`: the numbers that share a mean now form a row.",
        {"norm": "layer"},
        lambda figure: "its row n=2, 5 pixels" in figure.sentence,
    ),
    Notice(
        "Under `batch`, go to another digit: the column stays, and so do its mean and "
        "its standard deviation.",
        {"norm": "batch", "sample": 4},
        lambda figure: "with its column d=2, 6 digits" in figure.sentence,
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
