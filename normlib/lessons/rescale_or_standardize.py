"""Lesson of notebook 01: what rescaling is for, and what it changes."""

import numpy as np

from normlib import standardize
from normlib.batch.rescaling import min_max, whiten
from normlib.batch.valley import covariance, steps_needed
from normlib.datasets import bimodal, skewed, uniform, with_outlier
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.rescale_or_standardize import (
    BEST,
    DATA,
    SCALINGS,
    Correlation,
    Divisor,
    Outlier,
    Rescaling,
    Valley,
    spread_kept,
)

QUESTIONS = {
    "valley": Question(
        "Feature 2 is now measured in smaller units: its numbers get 10 times as wide "
        "as in the figure. The model can say the same as before. How many gradient "
        "steps does it need?",
        {
            "as many": "The model at the minimum is the same, but not the way to it: "
            "one learning rate now has to serve two very different slopes.",
            "about 10 times as many": "The slope across grows with the width, but "
            "the curvature with its square.",
            "about 100 times as many": "The loss curves with the square of the width, "
            "and the learning rate has to suit the steepest direction. Along the "
            "other one the steps are then far too short.",
        },
        right="about 100 times as many",
    ),
    "bell": Question(
        "You standardize 400 skewed values: many small, few large. What does the "
        "histogram of the result look like?",
        {
            "a bell": "Nothing in the formula knows what a bell is.",
            "symmetric, but no bell": "A long tail to one side stays long: "
            "every distance is divided by the same number.",
            "as before, on another scale": "The same number is subtracted from every "
            "value, and every value is divided by the same number. That moves and "
            "stretches a picture, and does nothing else.",
        },
        right="as before, on another scale",
    ),
    "outlier": Question(
        "One of 20 values is a typing error, and both recipes squeeze the others. "
        "Which recipe leaves them more of their spread if there are 1000 values?",
        {
            "neither": "The error still sets the maximum alone, but its square is now "
            "one of 1000 in the variance.",
            "min-max": "The error is still the maximum, however many values there are.",
            "standardizing": "All values share the standard deviation, and one of 1000 "
            "swells it less than one of 20. The maximum is one value as before.",
        },
        right="standardizing",
    ),
    "divisor": Question(
        "`x` has standard deviation 0.5. You subtract the mean and divide by the "
        "*variance*. What is the standard deviation of the result?",
        {
            "0.5": "That would need a division by 1.",
            "1": "That is what dividing by the standard deviation gives.",
            "2": "The variance is 0.25, and 0.5 / 0.25 = 2. In general it is 1 / std.",
        },
        right="2",
    ),
    "correlation": Question(
        "Two features have correlation 0.8. You standardize both. The correlation is "
        "now ...",
        {
            "0": "That would be whitening, which mixes the features.",
            "0.8": "A correlation is the mean product of two standardized features. "
            "Standardizing what is standardized changes nothing.",
            "1": "That would make the two features equal.",
        },
        right="0.8",
    ),
}


def _needed(figure, **changes):
    """Return the steps that the figure's features need, and the standardized ones."""
    values = figure.values | changes
    return [
        steps_needed(
            covariance(width, values["correlation"]), np.zeros(2), BEST / (1.0, width)
        )
        for width in (values["std"], 1.0)
    ]


VALLEY = [
    Notice(
        "Standardized, the valley is round, and the steepest way leads straight to the "
        "minimum.",
        {"features": "standardized"},
        lambda figure: _needed(figure)[1] == 1,
    ),
    Notice(
        "10 times as wide as at first: the steps grow with the square of the width.",
        {"std": 10**1.5},
        lambda figure: 90 < _needed(figure)[0] / _needed(figure, std=10**0.5)[0] < 110,
    ),
    Notice(
        "With a correlation of 0.9 standardizing still helps, and still leaves a "
        "narrow valley: it does not see that the features move together.",
        {"features": "standardized", "std": 10.0, "correlation": 0.9},
        lambda figure: _needed(figure)[0] > 10 * _needed(figure)[1] > 100,
    ),
]


def _same_place(figure):
    """Return whether each value keeps its place between smallest and largest."""
    x = DATA[figure.values["data"]](np.random.default_rng(1), figure.values["strength"])
    y = SCALINGS[figure.values["scaling"]](x)
    return np.allclose(min_max(x), min_max(y), rtol=0, atol=1e-12)


RESCALING = [
    Notice(
        "Two heaps stay two heaps. The grey outline and the blue bars fill the frame "
        "in the same way; only the numbers under it differ.",
        {"data": "bimodal", "scaling": "standardize"},
        _same_place,
    ),
    Notice(
        "Grey values of one pixel of real digits, standardized: paper and ink are the "
        "two peaks at the ends, and no recipe melts them.",
        {"data": "digits", "scaling": "standardize"},
        _same_place,
    ),
    Notice(
        "Min-max scaling with one value far out: the other values share a small part "
        "of the range.",
        {"data": "outlier", "scaling": "min-max [0, 1]", "strength": 15},
        lambda figure: (
            np.ptp(min_max(DATA["outlier"](np.random.default_rng(1), 15))[:-1]) < 0.4
        ),
    ),
]


def _kept(figure):
    values = figure.values
    x = with_outlier(
        values["n"], np.random.default_rng(values["seed"]), values["strength"]
    )
    return spread_kept(x)


OUTLIER = [
    Notice(
        "20 values, one of them at distance 100: both recipes leave the others less "
        "than a tenth of their spread.",
        {"n": 20, "strength": 100.0},
        lambda figure: max(_kept(figure)) < 0.1,
        seeds=10,
    ),
    Notice(
        "1000 values: standardizing leaves the others at least three times as much as "
        "min-max. The extremes are two values, the standard deviation is shared by "
        "all.",
        {"n": 1000, "strength": 100.0},
        lambda figure: _kept(figure)[1] > 3 * _kept(figure)[0],
        seeds=10,
    ),
    Notice(
        "Distance matters as much: 1000 values and one at distance 1000, and "
        "standardizing is ruined too.",
        {"n": 1000, "strength": 1000.0},
        lambda figure: _kept(figure)[1] < 0.05,
        seeds=10,
    ),
]

DIVISOR = [
    Notice(
        "Divided by the variance, narrow data comes out wide.",
        {"divisor": "variance", "std": 0.25},
        lambda figure: figure.dot.get_ydata()[0] > 3.9,
    ),
    Notice(
        "And wide data comes out narrow.",
        {"divisor": "variance", "std": 4.0},
        lambda figure: figure.dot.get_ydata()[0] < 0.3,
    ),
    Notice(
        "Where the standard deviation of `x` is 1 the mistake cannot be seen. A test "
        "with such data finds nothing.",
        {"divisor": "variance", "std": 1.0},
        lambda figure: np.isclose(figure.dot.get_ydata()[0], 1),
    ),
]

CORRELATION = [
    Notice(
        "Standardized: both features have standard deviation 1, the ellipse stays an "
        "ellipse, and the correlation is what it was.",
        {"method": "standardize"},
        lambda figure: "the correlation was 0.80 and is 0.80" in figure.sentence,
    ),
    Notice(
        "Whitened: it becomes a circle. Each new feature is a mix of both old ones.",
        {"method": "whiten"},
        lambda figure: "and is 0.00" in figure.sentence,
    ),
]


def standardize_columns(x, eps=1e-5):
    """Return x with mean 0 and standard deviation 1 in each column."""
    mean = x.mean(axis=0)
    var = x.var(axis=0)
    return (x - mean) / np.sqrt(var + eps)


def _columns():
    rng = np.random.default_rng(7)
    x = rng.exponential(3.0, size=(8, 3)) + np.array([0.0, 5.0, -20.0])
    narrow = 1e-3 * rng.normal(size=(8, 2))  # here the place of eps shows
    return [(x,), (narrow,), (np.full((4, 2), 3.0),)]


def _centred(x):
    return x - x.mean(axis=0)


EXERCISES = {
    "standardize": Exercise(
        solution=standardize_columns,
        inputs=_columns,
        right="mean 0 and standard deviation 1 in each column, and 0 for a constant.",
        hints=(
            "Each column is a feature: which axis do its samples run along?",
            "Use `x.mean(axis=0)` and `x.var(axis=0)`; add `eps` to the variance, then "
            "take the root.",
        ),
        mistakes={
            "that divides by the variance; take its square root.": lambda x: (
                _centred(x) / (x.var(axis=0) + 1e-5)
            ),
            "eps is outside the root: a narrow column shows it. Add it to the variance "
            "first.": lambda x: _centred(x) / (x.std(axis=0) + 1e-5),
            "the mean is still there; subtract it first.": lambda x: (
                x / np.sqrt(x.var(axis=0) + 1e-5)
            ),
            "that has mean 0, but still its old spread; divide.": _centred,
            "that shares one mean over the whole table; each column needs its own, "
            "axis=0.": lambda x: (x - x.mean()) / np.sqrt(x.var() + 1e-5),
            "that standardizes rows; each column is a feature, axis=0.": lambda x: (
                standardize(x, 1, eps=1e-5)[0]
            ),
            "that divides by the sum of squares over N - 1; here it is 1/N.": (
                lambda x: _centred(x) / np.sqrt(x.var(axis=0, ddof=1) + 1e-5)
            ),
            "that is min-max to [0, 1].": min_max,
            "that is min-max to [-1, 1].": lambda x: min_max(x, -1, 1),
        },
    ),
}


def _shapes():
    rng = np.random.default_rng(0)
    return [uniform(400, rng), skewed(400, rng), bimodal(400, rng)]


def _all_need_a_gaussian():
    stds = [standardize(x, 0)[0].std() for x in _shapes()]
    return not np.allclose(stds, 1, atol=1e-4)


def _future_stays_inside():
    x = _shapes()[1]
    seen = x[:50]
    scaled = (x[50:] - seen.min()) / np.ptp(seen)
    return bool(((scaled >= 0) & (scaled <= 1)).all())


def _largest_of_ten():
    x = with_outlier(10, np.random.default_rng(0), 1e6)
    return standardize(x, 0)[0].max() <= 3


CARDS = {
    "gaussian": Card(
        "Mean 0 and standard deviation 1 after standardizing need Gaussian data.",
        test=_all_need_a_gaussian,
        why="Even, skewed and two-heaped data get there. Only a constant column does "
        "not.",
    ),
    "future": Card(
        "Min-max scaling to [0, 1] keeps every future value between 0 and 1.",
        test=_future_stays_inside,
        why="The limits come from the values at hand. Of 400 skewed values some lie "
        "outside the limits of the first 50.",
    ),
    "bound": Card(
        "Among 10 values, no standardized value is larger than 3.",
        test=_largest_of_ten,
        why="The largest possible is the root of N - 1 (Samuelson 1968). Put one value "
        "at any distance: it lands there at most.",
    ),
    "white": Card(
        "Standardized features are uncorrelated.",
        test=lambda: (
            abs(np.corrcoef(standardize(_pair(), 0)[0].T)[0, 1]) < 0.01
            and abs(np.corrcoef(whiten(_pair()).T)[0, 1]) < 0.01
        ),
        why="Standardizing looks at one feature at a time. Whitening removes "
        "correlations, and needs the covariance matrix of all features.",
    ),
}


def _pair():
    z = np.random.default_rng(0).normal(size=(300, 2))
    return z @ np.linalg.cholesky(covariance(1.0, 0.8)).T


lesson = Lesson(
    "01",
    questions=QUESTIONS,
    figures={
        "valley": Shown(Valley, VALLEY),
        "rescaling": Shown(Rescaling, RESCALING),
        "outlier": Shown(Outlier, OUTLIER),
        "divisor": Shown(Divisor, DIVISOR),
        "my_divisor": Shown(Divisor, solved=("standardize",)),
        "correlation": Shown(Correlation, CORRELATION),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
