"""Lesson of notebook 09: what is smooth about a loss, and what it is good for."""

import numpy as np

from normlib.landscape.along_gradient import measures, smoothness
from normlib.landscape.around import basin, negative_curvature_share
from normlib.landscape.lp_norms import train_with_lp
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.loss_landscape import (
    EVERY,
    GUESSING,
    AlongTheGradient,
    Envelope,
    GradientBound,
    UsableRates,
    end,
    run,
)
from normlib.live.surface_views import Surfaces, surface
from normlib.nets.watching import gather

QUESTIONS = {
    "walk": Question(
        "The *range* of a walk is its largest loss minus its smallest. Walk four "
        "learning rates far: without norm the range of the ReLU network is several "
        "times as large as with batch norm. How do the two compare at one learning "
        "rate, as far as training steps?",
        {
            "as at four": "What parts the walks comes further out.",
            "they differ by less than a factor of 2": "Near its start each walk "
            "follows its slope. They part further out, where training at this rate "
            "does not step.",
            "it is the other way round, by several times": "Both losses just fall "
            "along their slope, by about as much.",
        },
        right="they differ by less than a factor of 2",
    ),
    "tanh": Question(
        "The figure opens on tanh. Then choose `deep relu`: without norm it guesses "
        "from the start to the end, with batch norm it learns. Whose loss ranges less "
        "along the gradient?",
        {
            "that with batch norm": "It has a gradient to walk along, and its loss "
            "changes. Where nothing is learned, nothing changes.",
            "that without norm": "It is dead: its gradient is nearly zero, and nothing "
            "changes along it. Flat is not good.",
            "they are alike": "The walk is as long as the gradient, and only one of "
            "the two gradients is nearly zero.",
        },
        right="that without norm",
    ),
    "factor": Question(
        "Without norm 2/lambda is about 0.12 while training at 0.1. Training at 0.2 "
        "works as well. Where is 2/lambda then?",
        {
            "still at about 0.12": "Then 0.2 would be beyond it, and on a bowl each "
            "step would lead further away.",
            "at about 0.2": "The run moves to where the curvature is lower, until the "
            "rate is about 2/lambda. So lambda at one rate does not tell which rates "
            "train.",
            "at about 0.06": "Then 0.2 would be far beyond it, and on a bowl each step "
            "would lead further away.",
        },
        right="at about 0.2",
    ),
    "band": Question(
        "With rates from 0.05 to 0.4 the band of the network without norm is mostly "
        "the narrower one, with rates to 1.2 the wider one. Why?",
        {
            "its surface is rougher further out": "A band compares trainings that are "
            "in different places. It is no look at the surroundings of one point.",
            "at the highest rate it does not train, and its loss stays high": "At 1.2 "
            "it does not learn, and the run keeps the upper edge of the band high.",
            "batch norm makes all runs alike": "With rates up to 0.4 its runs are "
            "mostly less alike than those without norm.",
        },
        right="at the highest rate it does not train, and its loss stays high",
    ),
    "ten": Question(
        "The figure opens on batch norm. Then choose `none` and multiply the hidden "
        "weights by 3. Which picture changes?",
        {
            "raw directions": "So it is with batch norm: the function stays, and a "
            "step of the same length is shorter in proportion to the weights.",
            "filter-normalised": "Those directions grow along with the weights, but "
            "without a norm the function is another, for both.",
            "both": "No norm takes the factor out: each layer passes it on to the "
            "next, so this is another function.",
            "neither": "That needs the same function and the same directions.",
        },
        right="both",
    ),
    "longer": Question(
        "sigma = 2 and gamma = 1. The gradient that arrives from above has length 1. "
        "How long can the one that leaves below be at most?",
        {
            "a quarter as long": "That is what the square can be at most.",
            "half as long": "The bracket is at most the squared length, 1, and the "
            "factor is a quarter. Its root is a half.",
            "as long": "The bracket allows that, but a factor stands in front of it.",
            "twice as long": "That would be so with sigma and gamma exchanged.",
        },
        right="half as long",
    ),
}


def _medians(figure, reach=None):
    """Return medians over walks from step 50 on, an array for each norm."""
    network, seed = figure.values["network"], figure.values["seed"]
    runs = {n: run(network, n, seed) for n in ("none", "batch", "layer")}
    return {
        n: np.median(measures(r, reach)[:, r.step >= 50], axis=1)
        for n, r in runs.items()
    }


def _ends(figure):
    network, seed = figure.values["network"], figure.values["seed"]
    return {n: end(network, n, seed) for n in ("none", "batch", "layer")}


def _turns_up(figure):
    at, seed = figure.values["step"] // EVERY, figure.values["seed"]
    none, batch = (run("relu", n, seed) for n in ("none", "batch"))
    up = none.losses[at].min() < none.loss[at] < none.losses[at, -1]
    return up and batch.losses[at, -1] < batch.loss[at]


def _alike_within_one(figure):
    ranges = [found[0] for found in _medians(figure, reach=1).values()]
    return max(ranges) < 2 * min(ranges)


def _between(figure):
    none, batch, layer = _medians(figure).values()
    between = (batch[:2] < layer[:2]).all() and (layer[:2] < none[:2]).all()
    return between and abs(np.log(layer[2] / none[2])) < np.log(1.4)


def _rougher_and_better(figure):
    none, *normed = _medians(figure).values()
    ends = _ends(figure)
    return all((found[1:] > 1.4 * none[1:]).all() for found in normed) and (
        max(ends["batch"], ends["layer"]) < ends["none"]
    )


def _dead_is_flattest(figure):
    none, batch, _ = _medians(figure).values()
    return (none < batch / 3).all() and _ends(figure)["none"] > GUESSING - 0.15


WALK = [
    Notice(
        "ReLU, step 50: without norm the loss falls and then rises above its start. "
        "With batch norm it is still below.",
        {"network": "relu", "step": 50, "reach": 4.0},
        _turns_up,
        seeds=10,
        share=0.8,
    ),
    Notice(
        "Walk up to one learning rate only, as training does: the three differ little.",
        {"network": "relu", "reach": 1.0},
        _alike_within_one,
        seeds=10,
        share=0.9,
    ),
    Notice(
        "On the right, from step 50 on: layer norm mostly lies between the two in "
        "range and change. Its beta is that of no norm.",
        {"network": "relu", "reach": 4.0},
        _between,
        seeds=10,
        share=0.6,
    ),
]
FAILS = [
    Notice(
        "`tanh`: change and beta are larger with either norm, so the landscape is "
        "rougher. Both norms end at the lower loss all the same.",
        {"network": "tanh"},
        _rougher_and_better,
        seeds=10,
        share=0.9,
    ),
    Notice(
        "`deep relu`: without norm all three measures are far below those with batch "
        "norm. Its loss is 2.3, which is guessing: it is dead.",
        {"network": "deep relu"},
        _dead_is_flattest,
        seeds=10,
        share=0.8,
    ),
    Notice(
        "`sigmoid`: the loss of the network without norm ranges less. It guesses too.",
        {"network": "sigmoid"},
        lambda figure: (
            _medians(figure)["none"][0] < _medians(figure)["batch"][0]
            and _ends(figure)["none"] > GUESSING - 0.15
        ),
        seeds=10,
        share=0.9,
    ),
]


def _two_over(figure, name, rate=None):
    """Return 2/beta and 2/lambda of a norm."""
    seed = figure.values["seed"]
    return np.array(
        figure.curved[name, rate or figure.values["rate"], seed][:2], dtype=float
    )


def _both_trained(figure, name, low, high):
    """Return 2/lambda of a norm while training at two rates."""
    seed = figure.values["seed"]
    tops = []
    for rate in (low, high):
        figure.set(rate=rate, seed=seed)
        tops.append(_two_over(figure, name)[1])
    return tops


RATES = [
    Notice(
        "While training at 0.1, 2/lambda is alike without norm and with layer norm, "
        "and several times as high with batch norm.",
        {"rate": 0.1, "seed": 0},
        lambda figure: (
            0.6 < _two_over(figure, "layer")[1] / _two_over(figure, "none")[1] < 1.7
            and _two_over(figure, "batch")[1] > 3 * _two_over(figure, "none")[1]
        ),
    ),
    Notice(
        "Yet every bar goes on to the right of its marks: rates train that are larger "
        "than 2/lambda.",
        {"rate": 0.1, "seed": 0},
        lambda figure: all(
            figure.largest(name, 0) > _two_over(figure, name).max()
            for name in ("none", "batch", "layer")
        ),
    ),
    Notice(
        "Now measure while training at 1.6. With batch norm 2/lambda has moved with "
        "the rate. The other two do not train here.",
        {"rate": 1.6, "seed": 0},
        lambda figure: (
            _both_trained(figure, "batch", 0.1, 1.6)[1]
            > 2 * _both_trained(figure, "batch", 0.1, 1.6)[0]
            and "Not trained at 1.6: none, layer" in figure.sentence
        ),
    ),
]
ENVELOPE = [
    Notice(
        "Rates up to 0.4: the band is narrower *without* norm.",
        {"top": 0.4},
        lambda figure: figure.quotient(0.4, figure.values["seed"]) < 1,
        seeds=10,
        share=0.9,
    ),
    Notice(
        "The same networks, rates up to 1.2: now it is narrower with batch norm.",
        {"top": 1.2},
        lambda figure: figure.quotient(1.2, figure.values["seed"]) > 1,
        seeds=10,
        share=0.9,
    ),
]


def _moved(figure, low, high, kind):
    """Return how much of a map goes below or above 0.5 between two factors."""
    norm, seed = figure.values["norm"], figure.values["seed"]
    shares = [basin(surface(norm, seed, f, kind)) for f in (low, high)]
    return abs(shares[1] - shares[0])


SURFACES = [
    Notice(
        "Times 0.1: the raw map shows a needle. The other map shows the bowl it "
        "showed before.",
        {"norm": "batch", "factor": 0.1, "seed": 0},
        lambda figure: (
            basin(surface("batch", 0, 0.1, "raw")) < 0.01
            and _moved(figure, 0.1, 10.0, "filter") == 0
        ),
    ),
    Notice(
        "From times 30 on the raw map hardly widens: the bowl that is left belongs to "
        "the output layer, which no norm follows and which was not multiplied.",
        {"norm": "batch", "factor": 30.0, "seed": 0},
        lambda figure: (
            _moved(figure, 30.0, 100.0, "raw") < 0.01 < _moved(figure, 3.0, 30.0, "raw")
        ),
    ),
    Notice(
        "Without norm, times 3: both pictures break, since this is another function.",
        {"norm": "none", "factor": 3.0, "seed": 0},
        lambda figure: "another function" in figure.sentence,
    ),
]


def _grown(figure):
    return int(figure.sentence.split("longer in ")[1].split(" of")[0])


BOUND = [
    Notice(
        "Left: all dots lie on the line. The bound is an equality (with eps 0).",
        {"sigma": 0.5, "gamma": 1.0, "size": 8},
        lambda figure: "equal up to rounding" in figure.sentence,
    ),
    Notice(
        "Right, at sigma 0.5 and gamma 1: nearly all gradients are longer.",
        {"sigma": 0.5, "gamma": 1.0, "size": 8},
        lambda figure: _grown(figure) > 180,
    ),
    Notice(
        "Sigma 1: none is longer.",
        {"sigma": 1.0, "gamma": 1.0},
        lambda figure: _grown(figure) == 0,
    ),
]


def effective_beta(gradient, there, lengths):
    """Return the largest change of the gradient over the distance walked."""
    changes = np.linalg.norm(there - gradient, axis=1)
    return (changes / (lengths * np.linalg.norm(gradient))).max()


def filter_normalize(direction, weight):
    """Return the direction with the weights' length in every column."""
    length = np.linalg.norm(direction, axis=0)
    return direction / length * np.linalg.norm(weight, axis=0)


def _a_walk(seed):
    rng = np.random.default_rng(seed)
    gradient = rng.normal(size=6)
    there = gradient + rng.normal(size=(4, 6)) * [[0.2], [0.9], [1.1], [1.3]]
    return gradient, there, np.array([0.05, 0.1, 0.2, 0.4])


def _beta_with(changes, distance, pick=np.max):
    """Return a function that goes about beta otherwise."""
    return lambda g, there, lengths: pick(changes(there, g) / distance(lengths, g))


def _changes(there, gradient):
    return np.linalg.norm(there - gradient, axis=1)


def _distance(lengths, gradient):
    return lengths * np.linalg.norm(gradient)


EXERCISES = {
    "effective_beta": Exercise(
        solution=effective_beta,
        inputs=lambda: [_a_walk(7), _a_walk(8)],
        right="change over distance, the largest of the walk.",
        hints=(
            "How far apart are the weights at the start and after a step of length "
            "eta? Not eta: the gradient has a length too.",
            "Subtract `gradient` from each row, take one norm per row, divide by "
            "`lengths` times the norm of `gradient`, take the largest.",
        ),
        mistakes={
            "that is one number per point; beta is the largest of them.": _beta_with(
                _changes, _distance, pick=lambda betas: betas
            ),
            "a step of length eta walks the distance eta times the norm of the "
            "gradient, not eta.": _beta_with(_changes, lambda lengths, g: lengths),
            "divide by the distance walked: the lengths are missing.": _beta_with(
                _changes, lambda lengths, g: np.linalg.norm(g)
            ),
            "that is the change; divide it by the distance walked.": _beta_with(
                _changes, lambda lengths, g: 1.0
            ),
            "that is the mean over the points; beta is the largest.": _beta_with(
                _changes, _distance, pick=np.mean
            ),
            "that is the last point only; beta is the largest of all.": _beta_with(
                _changes, _distance, pick=lambda betas: betas[-1]
            ),
            "the norm went over the whole array; take one norm per row, axis=1.": (
                _beta_with(lambda there, g: np.linalg.norm(there - g), _distance)
            ),
            "lengths, not squared lengths: a root is missing.": _beta_with(
                lambda there, g: _changes(there, g) ** 2,
                lambda lengths, g: _distance(lengths, g) ** 2,
            ),
            "take the length of the difference, not the difference of the lengths.": (
                _beta_with(
                    lambda there, g: np.abs(
                        np.linalg.norm(there, axis=1) - np.linalg.norm(g)
                    ),
                    _distance,
                )
            ),
        },
    ),
    "filter_normalize": Exercise(
        solution=filter_normalize,
        inputs=lambda: [
            (rng.normal(size=(5, 3)), rng.normal(size=(5, 3)) * [0.1, 1.0, 4.0])
            for rng in (np.random.default_rng(3), np.random.default_rng(4))
        ],
        right="each filter of the direction is as long as that of the weights.",
        hints=(
            "Make every column of `direction` 1 long first.",
            "`np.linalg.norm(direction, axis=0)` holds one length per column. Divide "
            "by it and multiply by the same of `weight`.",
        ),
        mistakes={
            "the direction came back as it was drawn.": lambda d, w: d,
            "those are the rows; a filter is what goes into one unit, a column.": (
                lambda d, w: (
                    d
                    / np.linalg.norm(d, axis=1, keepdims=True)
                    * np.linalg.norm(w, axis=1, keepdims=True)
                )
            ),
            "one length for the whole matrix; each column needs its own.": (
                lambda d, w: d / np.linalg.norm(d) * np.linalg.norm(w)
            ),
            "divide by the column's own length first; drawn ones are not 1 long.": (
                lambda d, w: d * np.linalg.norm(w, axis=0)
            ),
            "every column has length 1 now; multiply by that of the weights.": (
                lambda d, w: d / np.linalg.norm(d, axis=0)
            ),
            "the two lengths have changed places.": lambda d, w: (
                d / np.linalg.norm(w, axis=0) * np.linalg.norm(d, axis=0)
            ),
            "that points along the weights; keep the direction, not its length.": (
                lambda d, w: w / np.linalg.norm(w, axis=0) * np.linalg.norm(d, axis=0)
            ),
            "lengths, not squared lengths: a root is missing.": lambda d, w: (
                d / (d**2).sum(0) * (w**2).sum(0)
            ),
        },
    ),
}


def _flatter_is_better():
    pair = [run("deep relu", norm, 0) for norm in ("none", "batch")]
    ranges = [smoothness(history).loss_range for history in pair]
    losses = [end("deep relu", norm, 0) for norm in ("none", "batch")]
    return (ranges[0] < ranges[1]) == (losses[0] < losses[1])


def _more_convex():
    bent = {
        norm: np.median(
            [
                negative_curvature_share(surface(norm, s, 1.0, "filter"))
                for s in range(3)
            ]
        )
        for norm in ("none", "batch")
    }
    return bent["batch"] < bent["none"]


def _largest_fails():
    run = train_with_lp(np.inf, steps=200, width=32, every=200, seed=0)
    return gather(run).accuracy[-1] < 0.5


CARDS = {
    "flatter": Card(
        "Of two networks the one whose loss ranges less along its gradient trains "
        "better.",
        test=_flatter_is_better,
        why="The dead network ranges less, and guesses.",
    ),
    "deviation": Card(
        "Batch norm has to divide by the standard deviation. With the largest "
        "deviation in the batch in its place, a sigmoid network of five "
        "hidden layers does not train.",
        test=_largest_fails,
        why="It trains, and without any norm it does not. In ten seeds of ten all "
        "three sizes reach 90 % of the training digits. So the variance is not what "
        "has to be fixed.",
    ),
    "convex": Card(
        "With batch norm the filter-normalised surface is more convex.",
        test=_more_convex,
        why="It stays lower. But far out its loss flattens and can bend down, which "
        "it hardly does without a norm.",
    ),
}

lesson = Lesson(
    "09",
    questions=QUESTIONS,
    figures={
        "walk": Shown(AlongTheGradient, WALK),
        "fails": Shown(lambda: AlongTheGradient("tanh"), FAILS),
        "rates": Shown(UsableRates, RATES),
        "envelope": Shown(Envelope, ENVELOPE),
        "surfaces": Shown(Surfaces, SURFACES),
        "my_surfaces": Shown(Surfaces, solved=("filter_normalize",)),
        "bound": Shown(GradientBound, BOUND),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
