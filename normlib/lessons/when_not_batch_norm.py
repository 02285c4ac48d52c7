"""Lesson of notebook 10: small batches, sequences, recurrence, and what to choose."""

import numpy as np

from normlib import batch_norm, group_norm, layer_norm
from normlib.batch.batch_size import batch_size_rows
from normlib.batch.recurrent_scale import recurrent_profile
from normlib.batch.sequences import step_means
from normlib.lessons.checks import NotYet, call, shown
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.when_not_batch_norm import BatchSizes, Lengths, Recurrence

QUESTIONS = {
    "two": Question(
        "A dense network with batch norm is trained with batches of 2 digits. What "
        "becomes of a feature with the values 3 and 8?",
        {
            "3 and 8, on another scale": "The scale is what the norm takes away, and "
            "of two numbers nothing else is left but their order.",
            "-1 and 1": "Their mean lies in the middle, and both are one standard "
            "deviation away from it, whatever they were.",
            "0 and 0": "That is a batch of one.",
        },
        right="-1 and 1",
    ),
    "padding": Question(
        "The numbers in your sequences have a true mean of 1. Short sequences are "
        "filled up with zeros, and batch norm averages each time step over all, zeros "
        "too. Late steps have ...",
        {
            "a mean pulled towards 0": "Where few sequences are left, most of the "
            "numbers are padding.",
            "a noisier mean": "Zeros do not scatter. The mean gets quiet, and wrong.",
            "the same mean as early ones": "Only if the true mean happened to be 0.",
        },
        right="a mean pulled towards 0",
    ),
    "mask": Question(
        "So you leave the padding out: the mean and variance of a step are taken over "
        "the sequences that reach it. One sequence alone reaches step 12. What does "
        "batch norm make of its number there?",
        {
            "1, the true mean": "The norm knows no true mean, only the numbers of the "
            "step.",
            "the number itself": "It has no other mean, but that mean is subtracted.",
            "0": "One number is its own mean, so nothing of it is left. With `k` "
            "sequences something is, but their mean scatters as one over the root of "
            "`k`.",
        },
        right="0",
    ),
    "recurrent": Question(
        "A recurrent network with ReLU and a gain of 1.6 applies the same weights at "
        "each of 60 steps, and its state grows. Layer norm is put in at each step. "
        "What happens to the gradient that travels back to step 1?",
        {
            "it explodes, as before": "Each step now divides by the size of its sum, "
            "and that takes the growth out of the way back, too.",
            "it keeps its size": "The state does. On the way back each step hands on "
            "only the share of the sum that came from the state, not the input's.",
            "it vanishes": "The norm divides by the size of state and input together, "
            "and only the state's share goes back. Sixty such shares make a small "
            "number.",
        },
        right="it vanishes",
    ),
}


def _errors(figure):
    """Return the errors at batches of 2: batch norm, layer norm; and at 64."""
    running, _, layer = (line.get_ydata() for line in figure.lines)
    return running[-1], layer[-1], running[0], layer[0]


SIZES = [
    Notice(
        "Batches of 2: batch norm reads half of the digits wrong or more, layer norm "
        "fewer than a third.",
        {},
        lambda figure: _errors(figure)[0] > 0.5 and _errors(figure)[1] < 0.33,
        seeds=10,
    ),
    Notice(
        "The same learning rate for all: small batches now make more steps, and both "
        "norms gain by that. Batch norm at 2 does not: it stays far behind.",
        {"rule": "the same"},
        lambda figure: (
            _errors(figure)[0] > 0.4 and _errors(figure)[1] < 0.15 < _errors(figure)[3]
        ),
        seeds=10,
    ),
]


def _means(figure):
    return step_means(figure.x, figure.lengths)


LENGTHS = [
    Notice(
        "Count the padding: the mean of the last step is close to 0, though every "
        "number that exists there has a true mean of 1.",
        {"padding": True},
        lambda figure: abs(_means(figure).padded[-1]) < 0.2,
    ),
    Notice(
        "Make sequence 9 as long as the longest: two sequences reach the last step "
        "now.",
        {"sequence": 9, "length": 12},
        lambda figure: _means(figure).count[-1] == 2,
    ),
    Notice(
        "Make the longest one short: no sequence reaches the last three steps, and no "
        "running mean of them exists.",
        {"sequence": 0, "length": 3},
        lambda figure: (_means(figure).count[-3:] == 0).all(),
    ),
]


def _run(figure):
    """Return how the state ended over how it began, and the gradient at step 1."""
    size, gradient = (line.get_ydata() for line in figure.lines)
    return size[-1] / size[0], gradient[0]


RECURRENCE = [
    Notice(
        "Without norm a gain of 2 lets the state grow by many powers of ten: one "
        "running mean and variance cannot fit all steps.",
        {"gain": 2.0},
        lambda figure: _run(figure)[0] > 1e4,
        seeds=10,
    ),
    Notice(
        "Layer norm holds the state at every step, at any gain ...",
        {"norm": "layer", "gain": 2.0},
        lambda figure: 0.8 < _run(figure)[0] < 1.25,
        seeds=10,
    ),
    Notice(
        "... and its gradients vanish, fast where the gain is small.",
        {"norm": "layer", "gain": 1.0},
        lambda figure: _run(figure)[1] < 1e-8,
        seeds=10,
    ),
]

WITHIN = {"layer", "group", "rms"}  # one sample
CASES = {
    ("images", 64, True): (
        {"batch"},
        "large batches that look like the data are what batch norm is for (03, 04)",
    ),
    ("images", 2, True): (
        WITHIN,
        "with 2 images in a batch take a norm within one sample",
    ),
    ("images", 64, False): (
        WITHIN,
        "its batches do not look like the data, so its running statistics fit "
        "neither (04)",
    ),
    ("recurrent", 64, True): (
        WITHIN,
        "statistics of a batch may drift from step to step, and late steps have few "
        "samples",
    ),
    ("transformer", 64, True): (
        WITHIN,
        "lengths vary, and at generation there is one token: a norm within it (12)",
    ),
}


def choose_norm(model, batch_size, batches_alike):
    """Return the name of a norm: "batch", "layer", "group" or "rms"."""
    if model == "transformer":
        return "rms"
    if model == "recurrent":
        return "layer"
    if batch_size >= 16 and batches_alike:
        return "batch"
    return "group"


NAMES = ("batch", "layer", "group", "rms")


def _check_choice(function):
    for case, (fine, why) in CASES.items():
        chosen = call(function, *case)
        if not isinstance(chosen, str) or chosen not in NAMES:
            names = ", ".join(map(repr, NAMES))
            raise NotYet(
                f"for {case} it returns {shown(chosen)}; return one of {names}."
            )
        if chosen not in fine:
            raise NotYet(f"for {case} you choose {chosen!r}; {why}.")
    return "five cases, five choices that the notebooks bear out."


EXERCISES = {
    "guide": Exercise(
        solution=choose_norm,
        check=_check_choice,
        hints=(
            "Start with the models for which batch norm is out: which are they?",
            "Then, for images: batch norm only if the batch is large and looks like "
            "the data.",
        ),
    ),
}


def _four_is_as_bad():
    rows = list(batch_size_rows(("batch",), (2, 4), epochs=3, examples=480))
    return rows[1].running[0] > 0.8 * rows[0].running[0]


def _layer_norm_minds():
    x = np.random.default_rng(0).normal(size=(16, 10))
    return not np.allclose(layer_norm(x[:2])[0], layer_norm(x)[0][:2])


def _group_norm_minds():
    x = np.random.default_rng(0).normal(size=(16, 4, 2, 2))
    return not np.allclose(group_norm(x[:2], 2)[0], group_norm(x, 2)[0][:2])


def _gradients_kept():
    found = recurrent_profile(60, gain=1.0, norm="layer", networks=3)
    return (found.gradient[:, 0] > 0.1).all()


def _convolutions_survive():
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    return not np.allclose(np.abs(batch_norm(x)[0]), 1, atol=0.1)


CARDS = {
    "four": Card(
        "For a dense network with batch norm, batches of 4 are nearly as bad as "
        "batches of 2.",
        test=_four_is_as_bad,
        why="Of two numbers only the order survives; of four much more.",
    ),
    "positions": Card(
        "In a convolutional network a batch of 2 images still tells more than an "
        "order.",
        test=_convolutions_survive,
        why="Its means run over all positions too, so each set holds many numbers.",
    ),
    "batch_free": Card(
        "Layer norm gives a sample another result in a small batch.",
        test=_layer_norm_minds,
        why="It never looks at other samples.",
    ),
    "vanish": Card(
        "With layer norm the gradients of a recurrent network no longer vanish.",
        test=_gradients_kept,
        why="It keeps the size of the state. The way back still shrinks at each step.",
    ),
    "group": Card(
        "Group norm gives a sample another result in a small batch.",
        test=_group_norm_minds,
        why="Its sets lie within one sample.",
    ),
}

lesson = Lesson(
    "10",
    questions=QUESTIONS,
    figures={
        "batch_sizes": Shown(BatchSizes, SIZES),
        "lengths": Shown(Lengths, LENGTHS),
        "recurrence": Shown(Recurrence, RECURRENCE),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
