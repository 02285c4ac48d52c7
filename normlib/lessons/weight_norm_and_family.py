"""Lesson of notebook 11: instance norm, weight norm, and what each norm ignores."""

import numpy as np

from normlib import group_norm, instance_norm, weight_norm
from normlib.datasets import load_digits
from normlib.family.images import relight
from normlib.family.invariances import CHANGES, NORMS, invariance_table
from normlib.family.weight_parametrizations import (
    weight_norm_descent,
    weight_standardization,
)
from normlib.gradients.effective_rate import same_trajectory
from normlib.lessons.checks import NotAttempted, NotYet, call
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.weight_norm_and_family import (
    LETTERS,
    Directions,
    Invariances,
    Length,
    Light,
    Rise,
    Start,
    Style,
)
from normlib.norms import group_norm_backward, instance_norm_backward

QUESTIONS = {
    "alike": Question(
        "Now all four images get the same new light. Which norm returns what it "
        "returned before?",
        {
            "batch norm": "It does. But the mean and the deviation of each image "
            "change along with it, too.",
            "instance norm": "It does, as for one image. But the mean and the "
            "deviation of the batch change along, too.",
            "both": "What all that share a mean and a deviation have in common is "
            "undone, for a batch as for an image.",
            "neither": "Mean and deviation change along with the pixels.",
        },
        right="both",
    ),
    "ink": Question(
        "The style is now white ink on green, the content dark ink on white. What does "
        "the result look like?",
        {
            "white ink on green": "Mean and deviation do not say which of ink and "
            "paper is the lighter one.",
            "dark ink on a lighter green": "A deviation has no sign: the content says "
            "that its paper is lighter than the mean, here the mean of the style.",
            "dark ink on white": "The white goes with the mean of the content, which "
            "is taken away.",
        },
        right="dark ink on a lighter green",
    ),
    "longer": Question(
        "Gradient descent takes a step on v. What can happen to the length of v?",
        {
            "it gets longer or shorter": "Shorter would need a step with a part along "
            "v. The loss does not change along v, so its gradient has none.",
            "it gets longer, or stays": "The step is at a right angle to v, and the "
            "longest side of a right triangle is the one opposite.",
            "it keeps its length": "Only on a circle. A straight step at a right angle "
            "leaves the circle to the outside.",
        },
        right="it gets longer, or stays",
    ),
    "fitted": Question(
        "Lengths and biases were fitted to one batch, so that each sum has deviation "
        "1. Now digits come that are 4 times as strong. What deviation have the sums "
        "in layer 10?",
        {
            "1, as fitted": "Nothing is measured any more: lengths and biases are "
            "fixed numbers now.",
            "4 or more": "Each layer hands the factor on, and the biases fit no "
            "longer.",
            "4 to the power 10": "A layer hands the factor on. It does not multiply "
            "with it once more.",
        },
        right="4 or more",
    ),
    "unit": Question(
        "Layer norm over 8 units. The weights into one of them are multiplied by 3. "
        "Whose outputs move?",
        {
            "none": "That holds for batch norm: there each unit has its own deviation. "
            "Here the 8 units of a case share one.",
            "those of that unit": "The other units are divided by the same deviation, "
            "and it has changed.",
            "those of all units": "All 8 share a mean and a deviation, and one large "
            "unit changes both.",
        },
        right="those of all units",
    ),
    "soon": Question(
        "Weight decay, and a W that starts 3 times as long as usual. How soon does a "
        "step turn it by the predicted sqrt(2 lr decay)?",
        {
            "at once": "A long W turns little. Decay has to shrink it first.",
            "after some hundred steps": "Decay shrinks W by the share lr times decay "
            "per step, here less than a hundredth.",
            "never": "Where it settles does not depend on where it began.",
        },
        right="after some hundred steps",
    ),
    "rise": Question(
        "Test the explanation: hold the length of W fixed, and let the learning rate "
        "fall to 0 in a line. What does the gradient of W do towards the end?",
        {
            "it gets smaller": "The steps do. The gradient does not follow the rate.",
            "it stays": "It would if only the length of W counted. The gradient at "
            "length 1 counts, too.",
            "it gets larger": "The length is the same all along, so it must be the "
            "gradient at length 1 that grows.",
        },
        right="it gets larger",
    ),
}

LIGHT = [
    Notice(
        "Image 1 is dimmed: instance norm returns the picture as it was, batch norm "
        "does not.",
        {},
        lambda figure: figure.gaps[1][0] < 0.01 and figure.gaps[0][0] > 0.5,
    ),
    Notice(
        "Under batch norm the other three images change as well: they share the mean.",
        {"image": "1", "contrast": 0.3, "brightness": 0.6},
        lambda figure: figure.gaps[0][1] > 0.2 and figure.gaps[1][1] == 0,
    ),
    Notice(
        "All four in the same light: neither norm notices.",
        {"image": "all"},
        lambda figure: max(figure.gaps[0][0], figure.gaps[1][0]) < 0.01,
    ),
    Notice(
        "Contrast 0.1: a picture that can hardly be seen comes out as strong as the "
        "others.",
        {"contrast": 0.1, "brightness": 0.6},
        lambda figure: (
            figure.gaps[1][0] < 0.05 and np.ptp(figure.rows[0].values[:, 9:17]) < 0.11
        ),
    ),
]


def _channel_gap(figure, index=1):
    """Return how far mean and deviation of the result are from those of a picture."""
    spots = [d.get_offsets()[:, 0] for d in figure.dots]
    bars = [[np.ptp(s[:, 0]) for s in b.get_segments()] for b in figure.bars]
    gaps = [np.abs(np.subtract(part[2], part[index])).max() for part in (spots, bars)]
    return max(gaps)


STYLE = [
    Notice(
        "All of the style: each channel of the result has the mean and deviation of "
        "the style, and the shape is that of the content.",
        {"share": 1.0},
        lambda figure: (
            _channel_gap(figure) < 0.01
            and np.corrcoef(figure.result[1].ravel(), figure.pixels[3].ravel())[0, 1]
            < -0.99
        ),
    ),
    Notice(
        "Another digit as style, in the same colours: nearly the same result. The "
        "shape of the style does not count.",
        {"share": 1.0, "style": 2},
        lambda figure: np.abs(figure.result - _other(figure, style=7)).max() < 0.25,
    ),
    Notice(
        "White ink on green: the ink of the result is dark all the same. A deviation "
        "has no sign.",
        {"share": 1.0, "colours": "white on green"},
        lambda figure: (
            np.corrcoef(figure.result[1].ravel(), figure.pixels[3].ravel())[0, 1]
            < -0.99
        ),
    ),
]


def _other(figure, **settings):
    other = Style()
    other.set(**figure.values | settings)
    return other.result


def _grown(figure):
    return np.linalg.norm(figure.run.v, axis=1)


DIRECTIONS = [
    Notice(
        "The red arrow is at a right angle to v, wherever you drag v.",
        {"v0": -2.0, "v1": 1.0},
        lambda figure: abs(figure.run.v[0] @ figure.run.dv[0]) < 1e-12,
    ),
    Notice(
        "v on the same line as at first, 1.4 times as long: w is where it was, and the "
        "arrow is shorter by that factor.",
        {"v0": 2.1, "v1": -0.7},
        lambda figure: (
            np.allclose(figure.run.v[0], 1.4 * _at_first(figure).v[0])
            and figure.run.g[0] == _at_first(figure).g[0]
            and np.allclose(1.4 * figure.run.dv[0], _at_first(figure).dv[0])
        ),
    ),
    Notice(
        "Step on: w reaches its best place. v has grown, and only its direction is "
        "right.",
        {"step": 40},
        lambda figure: (
            np.isclose(figure.run.g[-1], 2, atol=0.05)
            and (np.diff(_grown(figure)) >= 0).all()
            and _grown(figure)[-1] < 1.8
        ),
    ),
    Notice(
        "A short v and a high rate: the first step throws v far out. Then it turns "
        "slowly.",
        {"v0": 0.3, "v1": -0.2, "lr": 1.0, "step": 40},
        lambda figure: _grown(figure)[1] > 5 * _grown(figure)[0],
    ),
]


def _at_first(figure):
    """Return the run at the opening setting."""
    return type(figure)().run


def _gap(figure, **changed):
    """Return how far outputs move at a setting that differs in what is given."""
    other = type(figure)()
    other.set(**figure.values | changed)
    return other.gap


START = [
    Notice(
        "Length 1: the sums shrink from layer to layer, to below 0.05 in layer 10.",
        {},
        lambda figure: (
            (np.diff(figure.found[0]) < 0).all() and figure.found[0][-1] < 0.05
        ),
        seeds=10,
    ),
    Notice(
        "Fitted: between 0.8 and 1.7 in each layer, on new digits too.",
        {"start": "fitted to a batch"},
        lambda figure: 0.8 < figure.found[0].min() and figure.found[0].max() < 1.7,
        seeds=10,
    ),
    Notice(
        "New digits times 4: weight norm hands it on. Batch norm measures anew.",
        {"start": "fitted to a batch", "times": 4},
        lambda figure: (
            figure.found[0].min() > 3.5 and abs(figure.found[1] - 1).max() < 0.01
        ),
        seeds=10,
    ),
]

INVARIANCES = [
    Notice(
        "Layer norm, C: all outputs move, those of the other units too.",
        {"norm": "layer", "change": 2, "strength": 3.0},
        lambda figure: (
            np.abs(np.subtract(*figure.dots.get_data())).reshape(12, 8).max(axis=0)
            > 1e-3
        ).all(),
    ),
    Notice(
        "Weight norm, D: the points leave the diagonal for a steeper line. Nothing in "
        "weight norm looks at the data.",
        {"norm": "weight", "change": 3, "strength": 3.0},
        lambda figure: np.allclose(
            figure.dots.get_ydata(), 3 * figure.dots.get_xdata()
        ),
    ),
    Notice(
        "RMS norm, B: it moves. Click the cell above: layer norm does not. That is "
        "what the mean is for.",
        {"norm": "rms", "change": 1, "strength": 3.0},
        lambda figure: (
            figure.gap > 0.1
            and _gap(figure, norm="layer") < 1e-9
            and len(figure.found) == 1  # the exercise below asks for the others
        ),
    ),
]


def _angles(figure, rule):
    return np.rad2deg(figure.runs[rule][:, 3])


LENGTH = [
    Notice(
        "Start 3 times as long: the step turns W by less than a degree at first, and "
        "needs some hundred steps to get to the dotted line.",
        {"start": 3.0},
        lambda figure: (
            np.median(_angles(figure, "decay")[:20]) < 1
            and np.median(_angles(figure, "decay")[80:120]) < 3
            and 6 < np.median(_angles(figure, "decay")[-100:]) < 8
        ),
    ),
    Notice(
        "Start 0.1 times as long: the first step throws W out, and then it is as "
        "before.",
        {"start": 0.1},
        lambda figure: (
            _angles(figure, "decay")[0] > 45
            and 6 < np.median(_angles(figure, "decay")[-100:]) < 8
        ),
    ),
    Notice(
        "Held fixed, any length at the start: on the line from the first step on.",
        {"rule": "both", "start": 3.0},
        lambda figure: np.abs(_angles(figure, "fixed length") - 7.2).max() < 0.2,
    ),
]

RISE = [
    Notice(
        "Decay, the rate to zero: the gradient ends at about twice what it was. W gets "
        "shorter by a fifth at most.",
        {"rate": "to zero"},
        lambda figure: 1.6 < figure.ratio < 2.6 and figure.product / figure.ratio > 0.8,
    ),
    Notice(
        "Decay times the rate, the proposed cure: W ends longer, and the gradient "
        "rises less.",
        {"rate": "to zero", "rule": "decay times the rate"},
        lambda figure: (
            1.3 < figure.ratio < 1.8 and figure.product / figure.ratio > 1.05
        ),
    ),
    Notice(
        "Length held fixed: nothing is left to shrink, and the gradient rises all the "
        "same.",
        {"rate": "to zero", "rule": "length held fixed"},
        lambda figure: figure.ratio > 1.5,
    ),
]


def restyle(content, style):
    """Give content the mean and deviation of each channel of style."""
    axes = (1, 2)
    x = content - content.mean(axes, keepdims=True)
    x = x / content.std(axes, keepdims=True)
    return x * style.std(axes, keepdims=True) + style.mean(axes, keepdims=True)


def start(v, x):
    """Return lengths and biases for which the sums have mean 0 and deviation 1."""
    t = x @ (v / np.linalg.norm(v, axis=1, keepdims=True)).T
    return 1 / t.std(axis=0), -t.mean(axis=0) / t.std(axis=0)


def table():
    """Return for each norm the letters of the changes that it does not notice."""
    return {"batch": "ACDE", "weight": "AC", "layer": "ABDF", "rms": "ADF"}


def _pictures():
    rng = np.random.default_rng(8)
    return [(rng.random((3, 8, 8)), 2 * rng.random((3, 8, 8)))]


def _batches():
    rng = np.random.default_rng(9)
    return [(rng.normal(size=(4, 6)), 2 + 3 * rng.normal(size=(50, 6)))]


def _check_table(function):
    filled = call(function)
    if not isinstance(filled, dict) or set(filled) != set(NORMS):
        raise NotYet(f"return a dictionary with the four keys {', '.join(NORMS)}.")
    if all(value is ... for value in filled.values()):
        raise NotAttempted("replace each ... by letters, such as 'BF'.")
    measured = invariance_table().invariant
    for norm, row in zip(NORMS, measured, strict=True):
        letters = filled[norm]
        if not isinstance(letters, str) or not set(letters.upper()) <= set(LETTERS):
            raise NotYet(f"{norm}: write letters from A to F, such as 'BF'.")
        off = sum(
            (c in letters.upper()) != ok for c, ok in zip(LETTERS, row, strict=True)
        )
        if off:
            word = "cell is" if off == 1 else "cells are"
            raise NotYet(
                f"{norm}: {off} of {len(CHANGES)} {word} not as measured. Ask what the "
                "numbers that are divided by have in common."
            )
    return "all 24 cells are as measured."


EXERCISES = {
    "restyle": Exercise(
        solution=restyle,
        inputs=_pictures,
        right="content without its own mean and deviation, then those of the style.",
        hints=(
            "First take away what content has of its own, channel by channel: that is "
            "instance norm. Then put in what style has.",
            "`content.mean(axis=(1, 2), keepdims=True)` has shape (3, 1, 1). Subtract "
            "it, divide by the deviation, multiply by that of style, add its mean.",
        ),
        mistakes={
            "that uses the variance of style; multiply by its standard deviation.": (
                lambda c, s: (
                    (c - c.mean((1, 2), keepdims=True))
                    / c.std((1, 2), keepdims=True)
                    * s.var((1, 2), keepdims=True)
                    + s.mean((1, 2), keepdims=True)
                )
            ),
            "one mean and deviation for all channels keeps the colours of content; "
            "take them over axes (1, 2) only.": (
                lambda c, s: (c - c.mean()) / c.std() * s.std() + s.mean()
            ),
            "content still has its own mean and deviation; take them away first.": (
                lambda c, s: (
                    c * s.std((1, 2), keepdims=True) + s.mean((1, 2), keepdims=True)
                )
            ),
        },
    ),
    "start": Exercise(
        solution=start,
        inputs=_batches,
        right="with these, each sum has mean 0 and deviation 1 on this batch.",
        hints=(
            "Compute the sums t with weights of length 1 first: divide each row of v "
            "by its length.",
            "`g = 1 / t.std(axis=0)`. The bias is added after g, so it has to take "
            "away `g * t.mean(axis=0)`.",
        ),
        mistakes={
            "divide each row of v by its length first: weight norm will do so.": (
                lambda v, x: (
                    1 / (x @ v.T).std(axis=0),
                    -(x @ v.T).mean(axis=0) / (x @ v.T).std(axis=0),
                )
            ),
            "the bias comes after g: it has to take away g times the mean.": (
                lambda v, x: (start(v, x)[0], start(v, x)[1] / start(v, x)[0])
            ),
            "the bias has to take the mean away; its sign is the other one.": (
                lambda v, x: (start(v, x)[0], -start(v, x)[1])
            ),
        },
    ),
    "table": Exercise(
        solution=table,
        check=_check_table,
        hints=(
            "Go by what each norm divides by: batch norm the deviation of a unit over "
            "the cases, weight norm the length of the weights into a unit, layer and "
            "RMS norm a number per case.",
            "A factor is undone if all that share a divisor have it. A vector is "
            "undone if it adds the same number to all that share a mean.",
        ),
    ),
}


def _faint_or_strong():
    images = load_digits()[0][:50].reshape(-1, 1, 8, 8)
    faint = relight(images, 0.3, 0.2)
    return not np.allclose(instance_norm(faint)[0], instance_norm(images)[0], atol=0.01)


def _length_of_v():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(30, 3))
    run = weight_norm_descent(x, x @ rng.normal(size=3), rng.normal(size=3))
    return np.allclose(np.linalg.norm(run.v, axis=1), 1, atol=0.01)


def _two_names():
    weight = np.random.default_rng(3).normal(1.0, 1.0, size=(4, 9))
    standardized = weight_standardization(weight, eps=0.0)
    length = np.linalg.norm(standardized, axis=1)
    return np.allclose(weight_norm(weight, length)[0], standardized)


def _same_losses():
    runs = same_trajectory(5, factor=8.0, steps=30)
    return np.array_equal(runs.losses, runs.scaled_losses)


def _channel_sums():
    rng = np.random.default_rng(6)
    x, dy = rng.normal(size=(2, 4, 3, 3)), rng.normal(size=(2, 4, 3, 3))
    by_group = group_norm_backward(dy, group_norm(x, 2, eps=0)[1])[0]
    by_map = instance_norm_backward(dy, instance_norm(x, eps=0)[1])[0]
    assert np.allclose(by_map.sum(axis=(2, 3)), 0)
    return np.allclose(by_group.sum(axis=(2, 3)), 0)


CARDS = {
    "signal": Card(
        "A network that begins with an instance norm can learn to tell faint digits "
        "from strong ones.",
        test=_faint_or_strong,
        why="Both come out as the same numbers (up to eps), so nothing after them can "
        "tell.",
    ),
    "unit_vector": Card(
        "In weight norm, v is a vector of length 1.",
        test=_length_of_v,
        why="v has any length, and it grows. v / |v| has length 1.",
    ),
    "two_names": Card(
        "Weight standardization is another name for weight norm with a fixed length.",
        test=_two_names,
        why="It also subtracts the mean of the weights into a unit.",
    ),
    "channels": Card(
        "The gradient that comes back through group norm sums to 0 over each channel.",
        test=_channel_sums,
        why="Over each group. Over each channel it does so for instance norm.",
    ),
    "same_losses": Card(
        "Before batch norm (eps = 0): weights times 8 and their rate times 64 give the "
        "same losses, to the last bit.",
        test=_same_losses,
        why="Only lr / |w|² counts, and multiplying by a power of 2 rounds nothing.",
    ),
}

lesson = Lesson(
    "11",
    questions=QUESTIONS,
    figures={
        "light": Shown(Light, LIGHT),
        "style": Shown(Style, STYLE),
        "my_style": Shown(Style, solved=("restyle",)),
        "directions": Shown(Directions, DIRECTIONS),
        "start": Shown(Start, START),
        "invariances": Shown(Invariances, INVARIANCES),
        "length": Shown(Length, LENGTH),
        "rise": Shown(Rise, RISE),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
