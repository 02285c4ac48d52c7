"""Lesson of notebook 12: where a transformer normalizes, and what."""

import numpy as np

from normlib import rms_norm
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.transformers import (
    Centred,
    Curves,
    Hearing,
    Huge,
    Keys,
    Pointwise,
    QueryKey,
    Rates,
    Reverse,
    Start,
)
from normlib.transformers.attention import rotation_gap
from normlib.transformers.pointwise import freeze_rms
from normlib.transformers.task import accuracy, reversed_words, reverser, train

QUESTIONS = {
    "future": Question(
        "Batch norm takes the place of layer norm in this transformer. You change one "
        "token. Which outputs can move?",
        {
            "that token and those after it in its row": "That is what layer norm "
            "gives. Batch norm has one mean per feature, over all tokens of all rows.",
            "all of its row": "The other rows share the same means, so they move too.",
            "all outputs of all rows": "Each feature has one mean over all tokens of "
            "the batch, also over those that are still to be written.",
        },
        right="all outputs of all rows",
    ),
    "depth": Question(
        "Before training, with the norm in front of each branch: what does the mean "
        "square of the stream do over 16 blocks?",
        {
            "it stays": "A norm in front of a branch does not touch the stream itself. "
            "What the branch writes is added to it.",
            "it grows in a line": "Each branch reads vectors of one size, so each adds "
            "about the same.",
            "it doubles in every block": "That needs branches that read the grown "
            "stream. These read it through a norm.",
        },
        right="it grows in a line",
    ),
    "zero": Question(
        "In the table below, post and no norm fail at the rate 0.01. Now start the "
        "maps that write to the stream at 0, so that each block begins as x, and "
        "change nothing else. Which of the two learns?",
        {
            "neither": "At the start nothing is added yet, so nothing grows too fast, "
            "with or without a norm.",
            "post only": "Without a norm, too, each block begins as x: the stream "
            "does not grow before training makes it.",
            "both": "It was the start that made them fail. From 0, what is added "
            "grows as training makes it grow.",
        },
        right="both",
    ),
    "grow": Question(
        "Training makes all queries and keys 4 times as large. What happens to the "
        "scores, and to attention?",
        {
            "nothing: softmax divides it out": "Softmax ignores what is added to all "
            "scores, not what they are multiplied with.",
            "scores 4 times, attention a little sharper": "Both factors of the "
            "product grow.",
            "scores 16 times, attention on one key": "Query and key both grow, and "
            "softmax of large scores puts nearly all weight on the largest.",
        },
        right="scores 16 times, attention on one key",
    ),
    "select": Question(
        "20 keys in a head of 2 features, with layer norm in the stream, before the "
        "map to the head. Which of the keys can be the one that some query attends to "
        "most?",
        {
            "all of them: each is a corner": "They would be on a sphere in the head. "
            "This sphere is in the stream, and the map to 2 features flattens it.",
            "those at the corners of their hull": "The map flattens the sphere of the "
            "stream, and keys come to lie inside the hull of others.",
            "all of them, if the query is long": "A long query makes attention sharp. "
            "Which key has the largest product depends on its direction alone.",
        },
        right="those at the corners of their hull",
    ),
    "back": Question(
        "Of 64 features one is `M`, the others have spread 1. `M` grows from 20 to "
        "200. The gradient that comes back to the others ...",
        {
            "stays as it was": "On its way back it is divided by what divided the "
            "features on their way there.",
            "falls to about a tenth": "The root of 64 / (63 + 400) is 0.37, that of "
            "64 / (63 + 40000) is 0.040.",
            "falls to about a hundredth": "The square of `M` grows 100 times, but a "
            "root is taken.",
        },
        right="falls to about a tenth",
    ),
}

REVERSE = [
    Notice(
        "Each letter is written by reading the place where it stands: the steps of "
        "the stair go down to the first letter.",
        {"norm": "layer", "step": 100, "block": 1},
        lambda figure: (
            list(figure.cells.get_array().reshape(5, 10).argmax(axis=1))
            == [4, 3, 2, 1, 0]
        ),
    ),
    Notice(
        "Before training, attention is spread out and the letters are guesses.",
        {"norm": "layer", "step": 0},
        lambda figure: (
            figure.cells.get_array().max() < 0.9
            and "5 of 5" not in figure.sentence.split(".")[0]
        ),
    ),
    Notice(
        "Without a norm, four blocks learn nothing in these 100 steps.",
        {"norm": "none", "step": 100},
        lambda figure: figure.curve.get_ydata()[-20:].mean() < 0.4,
    ),
]

POINTWISE = [
    Notice(
        "DyT learns to reverse words as well, without a mean.",
        {"norm": "DyT", "step": 100},
        lambda figure: figure.curve.get_ydata()[-20:].mean() > 0.9,
    ),
    Notice(
        "So does Derf.",
        {"norm": "Derf", "step": 100},
        lambda figure: figure.curve.get_ydata()[-20:].mean() > 0.9,
    ),
]


def _moved(figure):
    return figure.cells.get_array().reshape(figure.words, -1) > 0.5


HEARING = [
    Notice(
        "Layer norm per token: only the token and those after it in its row move.",
        {"norm": "layer, per token", "word": 1, "place": 4},
        lambda figure: (
            np.array_equal(_moved(figure)[1], np.arange(10) >= 4)
            and _moved(figure).sum() == 6
        ),
    ),
    Notice(
        "One mean per sequence: earlier tokens hear of a later one. Such a network "
        "sees its own answer while it trains.",
        {"norm": "layer, per sequence", "word": 1, "place": 9},
        lambda figure: _moved(figure)[1].all() and _moved(figure).sum() == 10,
    ),
    Notice(
        "Batch norm: the other rows hear of it as well.",
        {"norm": "batch", "word": 0, "place": 9},
        lambda figure: _moved(figure).all(),
    ),
]


def _ends(figure):
    stream, gradient = (line.get_ydata() for line in figure.lines)
    return stream[-1] / stream[0], gradient[-1] / gradient[0], gradient.min()


def _steps(figure):
    return np.diff(figure.lines[0].get_ydata())


START = [
    Notice(
        "Pre: each block adds about the same, so the mean square grows in a line.",
        {"placement": "pre", "blocks": 16, "others": False},
        lambda figure: 0.6 < _steps(figure)[8:].sum() / _steps(figure)[:8].sum() < 1.5,
    ),
    Notice(
        "Post: the stream is brought to one size after each block.",
        {"placement": "post", "blocks": 16},
        lambda figure: np.allclose(figure.lines[0].get_ydata()[1:], 1, atol=0.01),
    ),
    Notice(
        "Peri grows in a line as well: a norm after the branch fixes what is added, "
        "not the sum.",
        {"placement": "peri", "blocks": 16, "others": True},
        lambda figure: 12 < _ends(figure)[0] < 24,
    ),
    Notice(
        "Scaled grows more slowly, because later branches read less.",
        {"placement": "scaled", "blocks": 16, "others": True},
        lambda figure: 2 < _ends(figure)[0] < 5,
    ),
    Notice(
        "Without a norm the stream grows by a factor per block, and leaves the frame.",
        {"placement": "none", "blocks": 16, "others": True},
        lambda figure: _ends(figure)[0] > 1e6 and _ends(figure)[2] > 200,
    ),
]


def _table(figure):
    return figure.cells.get_array().reshape(5, -1)


RATES = [
    Notice(
        "As usual: post and no norm fail where the other three learn.",
        {"start": "as usual"},
        lambda figure: (
            _table(figure)[[1, 4], 1].max() < 0.5
            and _table(figure)[[0, 2, 3], 1].min() > 0.8
        ),
    ),
    Notice(
        "Warming up helps post at the rate 0.01, and does not bring it level.",
        {"start": "rate warmed up"},
        lambda figure: 0.3 < _table(figure)[1, 1] < _table(figure)[0, 1],
    ),
    Notice(
        "If each branch starts at 0, all five learn at 0.003, with no norm too.",
        {"start": "branches start at 0"},
        lambda figure: _table(figure)[:, 0].min() > 0.75,
    ),
]

QUERY_KEY = [
    Notice(
        "Times 4, as they are: the scores are 16 times as large, and a query gives "
        "most of its weight to one key, on average over 0.7.",
        {"times": 4.0},
        lambda figure: (
            figure.maps[0].get_array().reshape(12, 12).max(axis=1).mean() > 0.7
        ),
        seeds=10,
    ),
    Notice(
        "With the norm, the factor changes nothing.",
        {"times": 8.0, "seed": 0},
        lambda figure: figure.under[1].get_text() == QueryKey().under[1].get_text(),
    ),
]

KEYS = [
    Notice(
        "A key inside the hull of the others never wins. Layer norm before the map "
        "does not help a head of 2 features.",
        {"norm": "layer, in the stream", "size": 2, "keys": 20},
        lambda figure: len(figure.lost.get_xdata()) > 0,
        seeds=10,
    ),
    Notice(
        "RMS norm in the head puts the keys on a circle. Each is a corner, so each "
        "can win.",
        {"norm": "RMS, in the head", "size": 2, "keys": 20},
        lambda figure: len(figure.lost.get_xdata()) == 0,
        seeds=10,
    ),
    Notice(
        "With 16 features and no norm, each of 20 keys can win: in many dimensions "
        "nearly all points are corners.",
        {"norm": "none", "size": 16, "keys": 20},
        lambda figure: len(figure.lost.get_xdata()) == 0,
        seeds=10,
    ),
]

HUGE = [
    Notice(
        "One entry of 100 among 64 leaves 0.080 of the others.",
        {"huge": 100, "size": 64, "norm": "RMS"},
        lambda figure: figure.number.get_text() == "0.080",
    ),
    Notice(
        "Layer norm does the same: a huge entry is a large spread too.",
        {"huge": 100, "size": 64, "norm": "layer"},
        lambda figure: abs(float(figure.number.get_text()) - 0.08) < 0.001,
    ),
]

CURVES = [
    Notice(
        "Here a straight line fits better than this tanh: all tokens of this small "
        "network have about the same spread.",
        {"place": "last", "curve": "tanh", "alpha": 0.4},
        lambda figure: _misses(figure)[1] < _misses(figure)[0],
    ),
    Notice(
        "Make alpha small: tanh becomes that line.",
        {"place": "last", "curve": "tanh", "alpha": 0.05},
        lambda figure: _misses(figure)[0] < _misses(figure)[1] + 0.02,
    ),
]


def _misses(figure):
    words = figure.miss.get_text().replace(",", " ").split()
    return [float(word) for word in words if word.startswith("0.")]


def block(x, f, n, placement):
    """Return x after one branch f with the norm n around it."""
    if placement == "pre":
        return x + f(n(x))
    if placement == "post":
        return n(x + f(x))
    return x + n(f(n(x)))


def _example_branch(x):
    return np.maximum(x @ np.array([[1.0, -2, 0], [0, 1, 1], [2, 0, -1]]), 0) + 0.5


def _example_norm(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


def _blocks():
    x = np.random.default_rng(1).normal(1.0, 2.0, size=(4, 3))
    return [(x, _example_branch, _example_norm, p) for p in ("pre", "post", "peri")]


def _other(placement, function):
    """Return `block`, but for one placement."""

    def wrong(x, f, n, p):
        return function(x, f, n) if p == placement else block(x, f, n, p)

    return wrong


def centre(weight, bias):
    """Return weight and bias whose output has mean 0 over the features."""
    return weight - weight.mean(axis=1, keepdims=True), bias - bias.mean()


EXERCISES = {
    "block": Exercise(
        solution=block,
        inputs=_blocks,
        right="only post normalizes the sum; pre and peri leave the stream itself "
        "alone.",
        hints=(
            "Follow the stream: what is added to what, and who reads through the norm?",
            "post is `n(x + f(x))`. In peri the branch has a norm on both ends, "
            "and x stays outside of both.",
        ),
        mistakes={
            "for pre, add to x, not to n(x): the stream passes no norm.": _other(
                "pre", lambda x, f, n: n(x) + f(n(x))
            ),
            "for post, the norm comes after the addition: n(x + f(x)).": _other(
                "post", lambda x, f, n: x + n(f(x))
            ),
            "for peri, the last norm is on the branch only, not on the sum.": _other(
                "peri", lambda x, f, n: n(x + f(n(x)))
            ),
            "for peri, the branch also reads through a norm: f(n(x)).": _other(
                "peri", lambda x, f, n: x + n(f(x))
            ),
        },
    ),
    "centre": Exercise(
        solution=centre,
        inputs=lambda: [
            (
                np.random.default_rng(2).normal(1.0, 1.0, size=(5, 4)),
                np.random.default_rng(3).normal(1.0, 1.0, size=4),
            )
        ],
        right="whatever comes in, what is written has mean 0 over the features.",
        hints=(
            "`y = x @ weight + bias` has to have mean 0 for each x. Over which axis "
            "of weight do the features of y run?",
            "Subtract from each row of weight its own mean, and from bias its mean.",
        ),
        mistakes={
            "that centres each column, over the inputs; the features of what is "
            "written run along a row.": lambda w, b: (
                w - w.mean(axis=0, keepdims=True),
                b - b.mean(),
            ),
            "the bias is written to the stream, too.": lambda w, b: (
                w - w.mean(axis=1, keepdims=True),
                b,
            ),
            "one mean for the whole matrix leaves each row a mean of its own.": (
                lambda w, b: (w - w.mean(), b - b.mean())
            ),
        },
    ),
}


def _two_heads():
    q = np.random.default_rng(4).normal(size=(6, 2, 8))
    q[:, 1] *= 3
    per_head = rms_norm(q)[0]
    over_all = rms_norm(q.reshape(6, 16))[0].reshape(q.shape)
    return np.allclose(per_head, over_all)


def _length_one():
    q = np.random.default_rng(5).normal(size=(6, 16))
    return np.allclose(np.linalg.norm(rms_norm(q)[0], axis=-1), 1, atol=0.01)


def _freezing_costs():
    net = reverser(8, blocks=2, norm="rms")
    for _ in train(net, 0.01, 150, 8):
        pass
    freeze_rms(net, reversed_words(20, 10)[0])
    return accuracy(net, 9) < 0.9


CARDS = {
    "after_rotation": Card(
        "RMS norm without gamma on queries and keys, after their rotation, mixes up "
        "the positions.",
        test=lambda: rotation_gap("RMS") > 1e-9,
        why="A rotation keeps the length of a vector, and that is all such a norm "
        "reads. Before or after makes no difference. With gamma it does.",
    ),
    "heads": Card(
        "For two heads it makes no difference whether RMS norm runs over each head "
        "or over both at once.",
        test=_two_heads,
        why="Over both at once, a head with large queries makes those of the other "
        "small. Models differ: see the table.",
    ),
    "l2": Card(
        "`x / sqrt(mean(x**2))`, called L2Norm in the code of Llama 4, gives vectors "
        "of length 1.",
        test=_length_one,
        why="It is RMS norm without gamma: the length is the root of the number of "
        "features. Only a mean in place of a sum tells it from a division by length.",
    ),
    "frozen": Card(
        "Put a constant, the mean, in place of each root mean square of the trained "
        "network: it forgets how to reverse words.",
        test=_freezing_costs,
        why="Here the root mean square differs little from token to token, so little "
        "is lost. In a model whose tokens differ more, expect more.",
    ),
}

lesson = Lesson(
    "12",
    questions=QUESTIONS,
    figures={
        "reverse": Shown(Reverse, REVERSE),
        "pointwise": Shown(Pointwise, POINTWISE),
        "hearing": Shown(Hearing, HEARING),
        "start": Shown(Start, START),
        "rates": Shown(Rates, RATES),
        "query_key": Shown(QueryKey, QUERY_KEY),
        "keys": Shown(Keys, KEYS),
        "my_centred": Shown(Centred, solved=("centre",)),
        "huge": Shown(Huge, HUGE),
        "curves": Shown(Curves, CURVES),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
