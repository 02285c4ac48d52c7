"""Lesson of notebook 02: batch against layer axes, and all their relatives."""

import operator

import numpy as np

from normlib import batch_norm, layer_norm, standardize
from normlib.axes import count_sets, index_sets, parameter_shape
from normlib.lessons.checks import NotYet, call, shown
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.which_numbers_share_a_mean import (
    MAP_NORMS,
    FeatureMaps,
    NormCube,
    NormTable,
)

IMAGES = (32, 64, 16, 16)

QUESTIONS = {
    "add_16": Question(
        "In the table, column d=4 holds an 8 and zeros. Under batch norm you add 16 to "
        "the 8. What becomes of its result?",
        {
            "it grows": "That is its distance to the mean alone. The standard "
            "deviation, by which it is divided, grows as well.",
            "it shrinks": "The standard deviation grows, but so does its distance to "
            "the mean.",
            "it stays": "24 and zeros are 3 times the old column, so its distance to "
            "the mean and the standard deviation are both 3 times as large.",
        },
        right="it stays",
    ),
    "groups": Question(
        "Group norm with as many groups as channels is the same as ...",
        {
            "batch norm": "Group norm never mixes samples, however many groups.",
            "layer norm": "That is the other end: one group that holds all channels.",
            "instance norm": "Each group then holds one channel of one sample, at all "
            "its positions.",
        },
        right="instance norm",
    ),
    "contrast": Question(
        "The four feature maps of one digit have different spreads. After which norm "
        "do they still?",
        {
            "instance norm": "It gives every map of every digit a spread of its own.",
            "layer norm over (C, H, W)": "The maps of one digit share one mean and one "
            "standard deviation, so their relative spreads stay.",
            "both": "Instance norm does not: it standardizes each map alone.",
        },
        right="layer norm over (C, H, W)",
    ),
}


def _changed(norm, change, sample, feature):
    """Return which results differ after adding `change` to x[sample, feature]."""
    figure = NormTable()
    x = figure.table
    moved = x.copy()
    moved[sample, feature] += change
    function = {"batch": batch_norm, "layer": layer_norm}[norm]
    return ~np.isclose(function(moved)[0], function(x)[0], atol=5e-3)


def _outline(figure):
    """Return rows and columns of the cells that the figure outlines."""
    paths = figure.outlines[1][0].get_paths()
    centres = np.array([path.vertices[:4].mean(axis=0) for path in paths])
    return set(centres[:, 1].round().astype(int)), set(centres[:, 0].round())


TABLE = [
    Notice(
        "Add 16 to one number: under batch norm the results of *other digits* move.",
        {"norm": "batch", "change": 16},
        lambda figure: _changed("batch", 16, 2, 1)[:, 1].all(),
    ),
    Notice(
        "In column 4 all numbers but one are equal. Add 16 to that one: no result "
        "moves, because only its distance to the others changes, and the norm "
        "divides that distance away.",
        {"norm": "batch", "sample": 0, "feature": 4, "change": 16},
        lambda figure: not _changed("batch", 16, 0, 4).any(),
    ),
    Notice(
        "Under layer norm the numbers that share a mean form a row: one digit.",
        {"norm": "layer"},
        lambda figure: tuple(map(len, _outline(figure))) == (1, 5),
    ),
    Notice(
        "RMS norm divides a row by its root mean square and subtracts nothing: a 0 "
        "stays 0.",
        {"norm": "rms", "sample": 0, "feature": 1},
        lambda figure: figure.table[0, 1] == 0 and "becomes 0.00" in figure.sentence,
    ),
]


def _members(figure, name, **options):
    labels = index_sets(name, figure.shape, **options)
    picked = figure.values["sample"], figure.values["channel"], 0, 0
    return labels == labels[picked]


CUBE = [
    Notice(
        "Batch norm alone reaches into other samples. It alone needs a batch.",
        {"norm": "batch"},
        lambda figure: (
            _members(figure, "batch").any(axis=(1, 2, 3)).all()
            and all(
                _members(figure, name, **options).any(axis=(1, 2, 3)).sum() == 1
                for name, options in (
                    ("layer", {"axes": (1, 2, 3)}),
                    ("layer", {"axes": 1}),
                    ("instance", {}),
                    ("group", {"num_groups": 2}),
                    ("rms", {"axes": 1}),
                )
            )
        ),
    ),
    Notice(
        "Group norm with one group shares one mean per sample, as layer norm over "
        "`(C, H, W)` does.",
        {"norm": "group", "num_groups": 1},
        lambda figure: (
            _members(figure, "group", num_groups=1)
            == _members(figure, "layer", axes=(1, 2, 3))
        ).all(),
    ),
    Notice(
        "G is the *number* of groups, not their size: more groups, smaller sets.",
        {"norm": "group", "num_groups": 3},
        lambda figure: (
            _members(figure, "group", num_groups=3).sum()
            < _members(figure, "group", num_groups=2).sum()
        ),
    ),
    Notice(
        "Layer norm over `C` alone has one mean for each position of each sample. "
        "RMS norm uses the same sets.",
        {"norm": "layer (C)"},
        lambda figure: (
            _members(figure, "layer", axes=1) == _members(figure, "rms", axes=1)
        ).all(),
    ),
]


def _spreads(figure):
    sample, gain = figure.values["sample"], figure.values["gain"]
    x = figure.x.copy()
    x[sample] *= gain
    return MAP_NORMS[figure.values["norm"]](x)[sample].std(axis=(1, 2))


def _reach(figure):
    """Return by how much the factor changed this digit and the others."""
    sample = figure.values["sample"]
    x = figure.x.copy()
    x[sample] *= figure.values["gain"]
    norm = MAP_NORMS[figure.values["norm"]]
    change = np.abs(norm(x) - norm(figure.x))
    return change[sample].max(), np.delete(change, sample, axis=0).max()


MAPS = [
    Notice(
        "Instance norm: every map has mean 0 and spread 1. Which map was stronger is "
        "forgotten.",
        {"norm": "instance"},
        lambda figure: np.allclose(_spreads(figure), 1, atol=0.01),
    ),
    Notice(
        "Layer norm over `(C, H, W)`: the four maps share one scale. Their spreads "
        "still differ.",
        {"norm": "layer (C, H, W)"},
        lambda figure: np.ptp(_spreads(figure)) > 0.5,
    ),
    Notice(
        "Make the digit four times brighter. Under instance norm its result hardly "
        "moves, and no other digit notices.",
        {"norm": "instance", "gain": 4.0},
        lambda figure: _reach(figure)[0] < 0.01 and _reach(figure)[1] == 0,
    ),
    Notice(
        "Under batch norm the same factor changes the results of other digits.",
        {"norm": "batch", "gain": 4.0},
        lambda figure: _reach(figure)[1] > 0.1,
    ),
    Notice(
        "Layer norm over `C` alone standardizes each position across the four maps, "
        "so a faint edge becomes as loud as the ink.",
        {"norm": "layer (C)"},
        lambda figure: _faint_is_as_loud_as_ink(figure),
    ),
]


def _faint_is_as_loud_as_ink(figure):
    """Compare the spread across the maps, before and after, of each position."""
    x = figure.x[figure.values["sample"]]
    y = MAP_NORMS["layer (C)"](figure.x)[figure.values["sample"]]
    before, after = x.std(axis=0), y.std(axis=0)
    drawn = before > 0.05  # where all maps are alike, nothing is to be seen
    before, after = before[drawn], after[drawn]
    return before.max() > 4 * before.min() and np.allclose(after, 1, atol=0.01)


def layer_norm_with_batch_norm(x):
    """Return layer norm of a table by turning it."""
    y, cache = batch_norm(x.T)
    return y.T


def axes_by_name(norm):
    """Return the axes over which each norm takes its mean in (N, H, W, C)."""
    return {"batch": (0, 1, 2), "layer": (1, 2, 3), "instance": (1, 2)}[norm]


def _check_axes(function):
    n, h, w, c = shape = (2, 3, 3, 4)
    for norm in ("batch", "layer", "instance"):
        answer = call(function, norm)
        try:
            given = answer if np.iterable(answer) else (answer,)
            axes = {operator.index(axis) for axis in given}
        except TypeError:
            raise NotYet(
                f'for "{norm}" it is {shown(answer)}, not a tuple of axes.'
            ) from None
        if not axes <= set(range(-4, 4)):
            raise NotYet(f'for "{norm}" it is {shown(answer)}; x has axes 0, 1, 2, 3.')
        axes = {axis % 4 for axis in axes}
        if axes != set(axes_by_name(norm)):
            got = int(np.prod([shape[a] for a in range(4) if a not in axes]))
            options = {"axes": (1, 2, 3)} if norm == "layer" else {}
            means = count_sets(norm, (n, c, h, w), **options)
            raise NotYet(
                f"averaging over {tuple(sorted(axes))} gives {got} means for x of "
                f"shape {shape}; {norm} norm has {means}."
            )
    return "batch norm keeps only the channel axis, layer norm only the sample axis."


def _rows(function):
    """Return a function of x that standardizes rows with `function`'s statistics."""
    return lambda x: (x - x.mean(1, keepdims=True)) / function(x)


EXERCISES = {
    "layer_norm": Exercise(
        solution=layer_norm_with_batch_norm,
        inputs=lambda: [
            (np.random.default_rng(7).normal(3.0, 2.0, size=(6, 5)),),
            (np.random.default_rng(8).normal(-1.0, 9.0, size=(3, 4)),),
            # So small a spread that eps counts.
            (np.random.default_rng(9).normal(0.1, 0.004, size=(4, 5)),),
        ],
        right="each row has its own mean, and batch norm of `x.T`, turned back, "
        "gives it.",
        hints=(
            "Batch norm works on columns. What turns rows into columns?",
            "Transpose, take the first result of `batch_norm`, transpose back.",
        ),
        mistakes={
            "that is batch norm of x: the table is not turned.": lambda x: batch_norm(
                x
            )[0],
            "the table is still turned: transpose the result back.": lambda x: (
                batch_norm(x.T)[0]
            ),
            "that shares one mean over the whole table; each row needs its own.": (
                lambda x: (x - x.mean()) / np.sqrt(x.var() + 1e-5)
            ),
            "the mean of the row is still in it: that is RMS norm.": lambda x: (
                x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-5)
            ),
            "the mean of the row is still in it; subtract it first.": lambda x: (
                x / x.std(1, keepdims=True)
            ),
            "each row has mean 0 now, but still its old spread; divide.": lambda x: (
                x - x.mean(1, keepdims=True)
            ),
            "that subtracts one mean of the whole table; each row needs its own, and "
            "its own spread.": lambda x: x - x.mean(),
            "right but for eps: `batch_norm` adds it inside the root.": _rows(
                lambda x: x.std(1, keepdims=True)
            ),
            "divide by the standard deviation, not by the variance.": _rows(
                lambda x: x.var(1, keepdims=True) + 1e-5
            ),
        },
    ),
    "axes_of": Exercise(
        solution=axes_by_name,
        check=_check_axes,
        hints=(
            "Which axes does one mean run over? What is left tells one mean from "
            "another.",
            "Batch norm keeps the channel, the last axis, so it averages over 0, 1 "
            "and 2.",
        ),
    ),
}


def _example():
    return np.random.default_rng(0).normal(2.0, 3.0, size=(8, 6, 4, 4))


def _one_sample_alone():
    x = _example()
    alone = layer_norm(x[:1], axes=(1, 2, 3))[0]
    return np.allclose(alone, layer_norm(x, axes=(1, 2, 3))[0][:1])


CARDS = {
    "group_one": Card(
        "GroupNorm with one group is LayerNorm, also with gamma and beta.",
        test=lambda: (
            parameter_shape("group", IMAGES, num_groups=1)
            == parameter_shape("layer", IMAGES, axes=(1, 2, 3))
        ),
        why="The statistics agree. But group norm has gamma of shape `(C,)`, layer "
        "norm over `(C, H, W)` has one gamma per entry, `(C, H, W)`.",
    ),
    "one_per_image": Card(
        "Layer norm on images always has one mean per image.",
        test=lambda: count_sets("layer", IMAGES, axes=1) == IMAGES[0],
        why="Over `(C, H, W)` it has one per image. Over `C` alone it has one for "
        "each position of each image.",
    ),
    "alone": Card(
        "Layer norm gives the same result for a sample whatever else is in the batch.",
        test=_one_sample_alone,
        why="No set of layer norm holds numbers of two samples. Batch norm fails this.",
    ),
    "instance_dense": Card(
        "Instance norm of a fully connected layer is the identity.",
        test=lambda: np.allclose(
            standardize(_example()[..., :1, :1], (2, 3))[0], _example()[..., :1, :1]
        ),
        why="Without positions each set holds one number. It equals its own mean, so "
        "the result is 0 whatever `x` is. normlib, like PyTorch, refuses.",
    ),
}

lesson = Lesson(
    "02",
    questions=QUESTIONS,
    figures={
        "table": Shown(NormTable, TABLE),
        "my_table": Shown(NormTable, solved=("layer_norm",)),
        "cube": Shown(NormCube, CUBE),
        "maps": Shown(FeatureMaps, MAPS),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
