"""Lesson of notebook 03: batch norm while it trains, on a real layer of digits."""

import numpy as np

from normlib import batch_norm, batch_norm_backward, layer_norm
from normlib.batch.rescaling import skewness
from normlib.lessons.checks import NotYet, array
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.batch_norm_details import OFFSETS, ORDERS, WAYS, computed_variances
from normlib.live.batch_norm_training import (
    Bias,
    Convolution,
    Epsilon,
    Order,
    Rounding,
    SmallBatches,
    Steps,
    Undo,
    Units,
)
from normlib.live.digits_layer import first_layer

QUESTIONS = {
    "gamma": Question(
        "You set gamma of a unit to -2. Its standard deviation is then ...",
        {
            "-2": "A standard deviation is a root; it is never negative.",
            "2": "Multiplying by gamma multiplies the standard deviation by |gamma|. A "
            "negative gamma also turns the order of the digits round.",
            "4": "That is the variance, gamma squared.",
            "1": "That is the standard deviation of x_hat, before gamma.",
        },
        right="2",
    ),
    "bias": Question(
        "You add 2 to the bias of one unit before the norm. After which norm does any "
        "output change?",
        {
            "batch norm": "The mean of the unit over the batch grows by 2 as well, and "
            "is subtracted.",
            "layer norm": "Only one of the 16 numbers of each digit grows, so their "
            "mean grows by 2/16 and the unit stands out.",
            "both": "Under batch norm the mean of the unit grows by 2, too, and is "
            "subtracted.",
            "neither": "Layer norm subtracts a mean over 16 units, and that grows by "
            "2/16 only.",
        },
        right="layer norm",
    ),
    "pair": Question(
        "In a batch of two digits a unit gives 0.3 and 1.1. What does batch norm "
        "return, before gamma and beta?",
        {
            "-0.4 and 0.4": "That is the distance to the mean, 0.7. It is still to be "
            "divided by the standard deviation.",
            "-1 and 1": "The mean is 0.7, the standard deviation 0.4. Any two "
            "different numbers end at -1 and 1, unless they are so close that eps "
            "matters.",
            "0 and 1": "That is min-max scaling.",
            "it depends on the other units": "Batch norm looks at one unit at a time.",
        },
        right="-1 and 1",
    ),
    "undo": Question(
        "Two networks give equal scores for all digits of a batch: one without norm, "
        "one with an undone batch norm. Both make one step of gradient descent on that "
        "batch, with the same rate. Are the scores still equal?",
        {
            "yes": "Equal outputs do not make equal gradients.",
            "no": "The same loss has other slopes with respect to gamma, beta and W "
            "than with respect to W alone.",
        },
        right="no",
    ),
    "eps": Question(
        "A unit has the standard deviation 0.001, and eps is 1e-5, inside the root. "
        "What standard deviation has its result?",
        {
            "about 1": "So it would be with eps outside: 0.001 / 0.00101 is 0.99.",
            "about 0.3": "The variance is 1e-6, the root of 1e-6 + 1e-5 is 0.0033, and "
            "0.001 / 0.0033 is 0.30.",
            "about 0.01": "The root of var + eps is 0.0033, not 0.1.",
        },
        right="about 0.3",
    ),
    "one_pass": Question(
        "The variance of a unit is near 0.1 and its mean 1000. In float32, "
        "mean(x^2) - mean(x)^2 gives ...",
        {
            "0.1, to two digits": "Both terms are near a million. Of their 7 digits "
            "one stands after the point, and that is uncertain.",
            "0.1, to one digit": "The spacing of floats near a million is 0.06, and "
            "each sum carries errors of that size.",
            "anything, also less than 0": "Near a million floats are 0.06 apart. The "
            "rounding of both terms is as large as the variance.",
        },
        right="anything, also less than 0",
    ),
    "convolution": Question(
        "One digit of the batch is moved by two pixels, and nothing is cut off. With "
        "one mean per channel, its result is ...",
        {
            "the same picture, moved": "The mean over all positions does not notice "
            "where the digit stands.",
            "another picture": "The channel's mean and deviation are over all "
            "positions: moving numbers about does not change them.",
        },
        right="the same picture, moved",
    ),
    "order": Question(
        "A large negative bias stands before both, the norm and ReLU. In which order "
        "does it switch a unit off for all digits?",
        {
            "norm, then ReLU": "The norm takes the bias away before ReLU sees it.",
            "ReLU, then norm": "ReLU sees only negative numbers and gives 0 for all. "
            "The norm cannot bring back what is gone.",
            "both": "In one of them the norm takes the bias away first.",
        },
        right="ReLU, then norm",
    ),
}


def _last_row(figure):
    x = figure.after.get_xdata()[-64:]
    return x.mean(), x.std()


STEPS = [
    Notice(
        "Stop at each step: it only shifts or stretches. The gaps between the digits "
        "keep their proportions.",
        {"step": 2},
        lambda figure: np.isclose(
            abs(np.corrcoef(figure.after.get_xdata()[-64:], figure.before.get_xdata()))[
                0, 1
            ],
            1,
        ),
    ),
    Notice(
        "At the last step the mean is beta and the spread |gamma|, whatever the "
        "weights did before.",
        {"step": 4, "gamma": -2.0, "beta": -1.0, "unit": 4},
        lambda figure: np.allclose(_last_row(figure), (-1, 2), atol=0.01),
    ),
    Notice(
        "gamma = 0 breaks the unit: all digits get the same value, beta.",
        {"step": 4, "gamma": 0.0},
        lambda figure: _last_row(figure)[1] < 1e-12,
    ),
]


def _moved(figure):
    return np.abs(figure.dots.get_ydata() - figure.dots.get_xdata()).max()


def _gradients(figure):
    return figure.ends.get_ydata()


BIAS = [
    Notice(
        "Batch norm: the slider does nothing. All 16 gradients are 0, so training "
        "would never move this bias.",
        {"norm": "batch"},
        lambda figure: _moved(figure) < 1e-9 and abs(_gradients(figure)).max() < 1e-9,
    ),
    Notice(
        "Layer norm, one unit: the dots leave the line. This bias is not redundant.",
        {"norm": "layer", "where": "unit 11"},
        lambda figure: _moved(figure) > 0.5,
    ),
    Notice(
        "Layer norm, all units: nothing moves. Single gradients are not 0, their sum "
        "is.",
        {"norm": "layer", "where": "all units"},
        lambda figure: (
            _moved(figure) < 1e-9
            and abs(_gradients(figure)).max() > 0.01
            and abs(_gradients(figure).sum()) < 1e-9
        ),
    ),
]


def _results(figure):
    return figure.dots.get_ydata()


SMALL = [
    Notice(
        "With 8 digits no result passes the root of 7, 2.65.",
        {"size": 8},
        lambda figure: (
            np.abs(_results(figure)).max() <= np.sqrt(7)
            and f"{np.sqrt(7):.2f}" == "2.65"
        ),
    ),
    Notice(
        "From 64 down to 2 the band spreads out: the same x gets many values. With 2 "
        "it gets -1 or 1, but for pairs so close that eps matters.",
        {"size": 2},
        lambda figure: np.mean(np.abs(np.abs(_results(figure)) - 1) < 0.01) > 0.85,
    ),
    Notice(
        "With one digit and 1/N: all 0, silently.",
        {"size": 1, "variance": "1/N"},
        lambda figure: not _results(figure).any(),
    ),
    Notice(
        "With one digit normlib refuses.",
        {"size": 1, "variance": "normlib"},
        lambda figure: "refuses" in figure.sentence,
    ),
]


def _apart(figure):
    return np.abs(figure.dots.get_ydata() - figure.dots.get_xdata()).max()


UNDO = [
    Notice(
        "0 steps: all scores lie on the line, whatever the factor on W.",
        {"steps": 0, "factor": 3.0},
        lambda figure: _apart(figure) < 1e-9,
    ),
    Notice(
        "One step: they leave it.",
        {"steps": 1, "factor": 1.0, "lr": 0.3},
        lambda figure: _apart(figure) > 0.01,
    ),
    Notice(
        "The factor changes nothing that the network computes, yet it changes how it "
        "learns: with a third of the weights it is ahead after 30 steps ...",
        {"steps": 30, "lr": 0.3, "factor": 0.3},
        lambda figure: figure.norm.get_ydata()[-1] < figure.plain.get_ydata()[-1],
    ),
    Notice(
        "... and with three times the weights behind.",
        {"steps": 30, "lr": 0.3, "factor": 3.0},
        lambda figure: figure.norm.get_ydata()[-1] > figure.plain.get_ydata()[-1],
    ),
]


def _spreads(figure):
    """Return the standard deviation left by eps inside and outside, for the unit."""
    return figure.dots_in.get_xdata().std(), figure.dots_out.get_xdata().std()


EPS = [
    Notice(
        "Small weights: inside, the spread fades; outside, it is still nearly 1.",
        {"factor": 10**-2.5, "eps": 1e-5},
        lambda figure: _spreads(figure)[0] < 0.6 and _spreads(figure)[1] > 0.95,
    ),
    Notice(
        "Inside, eps bites below its root. Outside it bites only below eps itself: "
        "with weights of a millionth.",
        {"factor": 1e-6, "eps": 1e-5},
        lambda figure: _spreads(figure)[0] < 0.01 and _spreads(figure)[1] < 0.1,
    ),
    Notice(
        "Weights of ordinary size: no difference.",
        {"factor": 1.0, "eps": 1e-5},
        lambda figure: abs(_spreads(figure)[0] - _spreads(figure)[1]) < 1e-3,
    ),
]


def _ratios(figure):
    """Return computed over true variance, by the way it was computed."""
    unit, dtype = figure.values["unit"], figure.values["dtype"]
    true = first_layer().x[:, unit].var()
    found = computed_variances(unit, dtype)[:, figure.values["offset"]] / true
    return dict(zip(WAYS, found, strict=True))


ROUNDING = [
    Notice(
        "The bias that does nothing on paper: 1000 added, and one pass gives 4.2 times "
        "the variance of unit 11.",
        {"offset": OFFSETS.index(1e3), "unit": 11, "dtype": "float32"},
        lambda figure: f"{_ratios(figure)['one pass']:.1f}" == "4.2",
    ),
    Notice(
        "For unit 6 it is negative, which has no root.",
        {"offset": OFFSETS.index(1e3), "unit": 6, "dtype": "float32"},
        lambda figure: _ratios(figure)["one pass"] < 0,
    ),
    Notice(
        "At 500,000 two passes give 1.49 times the variance of unit 11, three passes "
        "0.99 times.",
        {"offset": OFFSETS.index(5e5), "unit": 11, "dtype": "float32"},
        lambda figure: (
            f"{_ratios(figure)['two passes']:.2f}" == "1.49"
            and f"{_ratios(figure)['three passes']:.2f}" == "0.99"
        ),
    ),
    Notice(
        "At ten million the numbers themselves are no longer stored well enough: three "
        "passes are off, too.",
        {"offset": OFFSETS.index(1e7), "unit": 11, "dtype": "float32"},
        lambda figure: abs(_ratios(figure)["three passes"] - 1) > 0.1,
    ),
    Notice(
        "float64 moves all limits out.",
        {"offset": OFFSETS.index(5e5), "unit": 11, "dtype": "float64"},
        lambda figure: abs(_ratios(figure)["one pass"] - 1) < 0.01,
    ),
]

CONVOLUTION = [
    Notice(
        "One mean per channel: the result moves with the digit, and nothing else "
        "changes.",
        {"mean": "channel", "shift": 2},
        lambda figure: "by at most 0.00" in figure.sentence,
    ),
    Notice(
        "One mean per channel and position: the result depends on where the digit "
        "stands. Where hardly another digit has ink, it is blown up: to 7.9, the root "
        "of 63.",
        {
            "mean": "channel and position",
            "channel": "edge across",
            "digit": 5,
            "shift": 2,
        },
        lambda figure: (
            "up to 7.9" in figure.sentence and "not 0 for 1 of 64" in figure.sentence
        ),
    ),
]

ORDER = [
    Notice(
        "Norm first: the bias does nothing.",
        {"order": ORDERS[0], "bias": -2.0},
        lambda figure: figure.dots.get_ydata().std() > 0.3,
    ),
    Notice(
        "ReLU first: at bias -2 all 16 units give the same for all digits.",
        {"order": ORDERS[1], "bias": -2.0},
        lambda figure: "16 of 16 units" in figure.sentence,
    ),
    Notice(
        "Norm first: beta can switch units off.",
        {"order": ORDERS[0], "beta": -2.0},
        lambda figure: "units are the same for all digits" in figure.sentence,
    ),
    Notice(
        "With ReLU, what leaves can be negative only if the norm comes last.",
        {"order": ORDERS[1]},
        lambda figure: figure.dots.get_ydata().min() < 0,
    ),
]


def batch_norm_by_hand(x, gamma, beta, eps=1e-5):
    """Return batch norm of x, feature by feature."""
    mean = x.mean(axis=0)
    var = ((x - mean) ** 2).mean(axis=0)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta


def _forward_inputs():
    """Return two trials; the last feature hardly varies, so that eps shows."""
    rng = np.random.default_rng(7)
    x = rng.normal(2.0, [3.0, 1.0, 0.2, 0.002], size=(6, 4))
    gamma, beta = rng.uniform(0.5, 2.0, 4), rng.uniform(1.0, 2.0, 4)
    return [(x, gamma, beta), (x[:3], gamma, beta)]


def _mistake(change):
    """Return ``function(x, gamma, beta)`` that hands `change` the parts as well."""

    def function(x, gamma, beta):
        return change(x - x.mean(axis=0), x.var(axis=0), gamma, beta)

    return function


def _over_rows(x, gamma, beta):
    centred = x - x.mean(axis=1, keepdims=True)
    return gamma * centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) + beta


def _over_all(x, gamma, beta):
    return gamma * (x - x.mean()) / np.sqrt(x.var() + 1e-5) + beta


def _wider(x, gamma, beta):
    var = x.var(axis=0, ddof=1)
    return gamma * (x - x.mean(axis=0)) / np.sqrt(var + 1e-5) + beta


def _without_bracket(x, gamma, beta):
    return gamma * (x - x.mean(0) / np.sqrt(x.var(0) + 1e-5)) + beta


def variance_in_three_passes(x):
    """Return the variance of each column, centred twice."""
    deviation = x - x.mean(axis=0)
    deviation = deviation - deviation.mean(axis=0)
    return (deviation**2).mean(axis=0)


def _check_variance(function):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(64, 8)) * rng.uniform(0.3, 0.7, 8)
    x = (x + 1e6 * rng.uniform(1, 1.01, 8)).astype(np.float32)
    true = x.astype(float).var(axis=0)
    near = (x - x.astype(float).mean(axis=0)).astype(np.float32)
    if not np.allclose(array(function, near, shape=(8,)), near.var(0), rtol=1e-3):
        raise NotYet("that is no variance with 1/N, even for a mean near 0.")
    found = array(function, x.copy(), shape=(8,))
    if (found < 0).any() or np.allclose(found, (x * x).mean(0) - x.mean(0) ** 2):
        raise NotYet(
            "one pass: two large numbers nearly cancel, and their rounding is left."
        )
    if not np.allclose(found, true, rtol=1e-2):
        raise NotYet(
            f"at a mean of 1e6 the variances come out {np.max(found / true):.2f} times "
            "too large for one column. Is the mean of the deviations 0?"
        )
    return "the variances at a mean of 1e6 are those of the numbers as stored."


EXERCISES = {
    "batch_norm": Exercise(
        solution=batch_norm_by_hand,
        inputs=_forward_inputs,
        right="every feature has the mean beta and, but for eps, the spread gamma.",
        hints=(
            "One mean and one variance per column: `axis=0`.",
            "`x_hat = (x - mean) / np.sqrt(var + eps)`, then `gamma * x_hat + beta`.",
        ),
        mistakes={
            "you divide by the variance; divide by its root, the standard deviation.": (
                _mistake(lambda c, var, gamma, beta: gamma * c / (var + 1e-5) + beta)
            ),
            "that is the variance with 1/(N-1); batch norm normalizes with 1/N.": (
                _wider
            ),
            "eps is outside the root; add it to the variance before you take the "
            "root.": (
                _mistake(
                    lambda c, var, gamma, beta: gamma * c / (np.sqrt(var) + 1e-5) + beta
                )
            ),
            "eps is missing; without it a constant feature gives 0/0.": _mistake(
                lambda c, var, gamma, beta: gamma * c / np.sqrt(var) + beta
            ),
            "that averages over the features of a sample (layer norm); use axis=0.": (
                _over_rows
            ),
            "that is one mean of the whole table; each feature needs its own, "
            "axis=0.": (_over_all),
            "x_hat is right; now scale it by gamma and add beta.": _mistake(
                lambda c, var, gamma, beta: c / np.sqrt(var + 1e-5)
            ),
            "gamma is missing: multiply x_hat by it.": _mistake(
                lambda c, var, gamma, beta: c / np.sqrt(var + 1e-5) + beta
            ),
            "beta is missing: add it at the end.": _mistake(
                lambda c, var, gamma, beta: gamma * c / np.sqrt(var + 1e-5)
            ),
            "beta comes after gamma: gamma * x_hat + beta.": _mistake(
                lambda c, var, gamma, beta: gamma * (c / np.sqrt(var + 1e-5) + beta)
            ),
            "the mean is not subtracted before dividing.": lambda x, gamma, beta: (
                gamma * x / np.sqrt(x.var(0) + 1e-5) + beta
            ),
            "nothing is divided by the standard deviation.": _mistake(
                lambda c, var, gamma, beta: gamma * c + beta
            ),
            "a bracket is missing: (x - mean) / std, not x - mean / std.": (
                _without_bracket
            ),
        },
    ),
    "variance": Exercise(
        solution=variance_in_three_passes,
        check=_check_variance,
        hints=(
            "What is the mean of `deviation`? On paper it is 0.",
            "Subtract it: `deviation - deviation.mean(axis=0)`, before the square.",
        ),
    ),
}


def _restored():
    x = first_layer().x
    return np.allclose(batch_norm(x, x.std(0), x.mean(0), eps=0)[0], x)


def _equal_gradient():
    x = first_layer().x
    dx, _, _ = batch_norm_backward(np.ones_like(x), batch_norm(x)[1])
    return bool(np.abs(dx).max() > 1e-9)


def _skewness_goes():
    x = first_layer(size=512).x
    x_hat, _ = batch_norm(x, eps=0)
    return not np.allclose(
        [skewness(column) for column in x.T], [skewness(column) for column in x_hat.T]
    )


CARDS = {
    "restore": Card(
        "After batch norm, gamma = std and beta = mean give back x exactly (eps = 0).",
        test=_restored,
        why="The function can be undone. The path of learning is another one.",
    ),
    "equal_gradient": Card(
        "A gradient that is equal for all digits reaches the weights before batch "
        "norm.",
        test=_equal_gradient,
        why="It asks for another mean, and only beta can give that.",
    ),
    "gaussian": Card(
        "Batch norm makes a skewed histogram of a unit symmetric.",
        test=_skewness_goes,
        why="Before gamma it moves each unit along a rising straight line: the shape "
        "of the histogram stays, and so do correlations between units (notebook 01).",
    ),
    "bias_layer": Card(
        "A bias before layer norm is redundant.",
        test=lambda: np.allclose(
            layer_norm(first_layer().x)[0],
            layer_norm(first_layer().x + 2 * np.eye(16)[3])[0],
        ),
        why="Batch norm subtracts it from its column. Layer norm averages over a row.",
    ),
}

lesson = Lesson(
    "03",
    questions=QUESTIONS,
    figures={
        "steps": Shown(Steps, STEPS),
        "units": Shown(Units, solved=("batch_norm",)),
        "bias": Shown(Bias, BIAS),
        "small_batches": Shown(SmallBatches, SMALL),
        "undo": Shown(Undo, UNDO),
        "epsilon": Shown(Epsilon, EPS),
        "rounding": Shown(Rounding, ROUNDING),
        "convolution": Shown(Convolution, CONVOLUTION),
        "order": Shown(Order, ORDER),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
