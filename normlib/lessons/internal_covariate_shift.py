"""Lesson of notebook 08: what internal covariate shift is, and whether it matters."""

import numpy as np

from normlib.covariate_shift.change import total_change
from normlib.covariate_shift.gradient_shift import digits_shift
from normlib.covariate_shift.input_change import (
    figure_one,
    last_hidden_input,
    steps_to_accuracy,
)
from normlib.lessons.lesson import (
    Card,
    Exercise,
    Lesson,
    Notice,
    Question,
    Shown,
    seeds,
)
from normlib.live.internal_covariate_shift import (
    DigitsShift,
    FigureOne,
    FrozenWeights,
    NoisyBatchNorm,
    Shift,
    changes_of,
    late_cosine,
    misses,
    reached,
)
from normlib.nets.digits_network import digits_network
from normlib.nets.layers import Linear
from normlib.nets.network import mlp
from normlib.nets.training import fit, loss_and_gradient, sgd_step
from normlib.nets.watching import gather

QUESTIONS = {
    "layer": Question(
        "The layers before change, and one of 32 units rises by 1 for each digit. The "
        "norm subtracts its mean. How much of the rise is left?",
        {
            "nothing, under batch norm as under layer norm": "Layer norm subtracts "
            "1/32 only.",
            "nothing under batch norm, nearly all under layer norm": "Batch norm "
            "subtracts the mean of this unit over the digits, which rose by 1. Layer "
            "norm subtracts the mean over 32 units, which rose by 1/32.",
            "nearly all under batch norm, nothing under layer norm": "It is the other "
            "way round.",
        },
        right="nothing under batch norm, nearly all under layer norm",
    ),
    "frozen": Question(
        "Each dot is the mean over a batch of 60 digits, the line is the mean over all "
        "digits. The weights are frozen. You take batches of 240. How far from the "
        "line are the dots now?",
        {
            "as far": "A mean over more digits misses less.",
            "half as far": "Four times as many digits, and the mean of a sample misses "
            "by the deviation over the root of their number. That is chance, no "
            "covariate shift: at both sizes the line stays where it is.",
            "a quarter as far": "So does the square of the distance, the variance.",
        },
        right="half as far",
    ),
    "noise": Question(
        "Three sigmoid layers, medians of 10 seeds: without norm 20 to 35 % of the "
        "test digits are right at step 50, with batch norm 94 %. You make the noise so "
        "large that over 1, 20 and 50 steps the inputs of batch norm change more than "
        "those without norm. How many are right?",
        {
            "as few as without norm": "That would be so if batch norm helped because "
            "inputs stay in place. They do not, and it helps nearly as before.",
            "about half": "The noise costs little, even at 4 times its size in the "
            "figure.",
            "about 90 %": "At 4 times the noise in the figure. It takes the stable "
            "inputs away and leaves the gain.",
        },
        right="about 90 %",
    ),
    "deep": Question(
        "25 linear layers with batch norm, learning rate 0.001: in most seeds the "
        "cosine of G and G' in the late layers is below 0. You train at a tenth of the "
        "rate. The cosine is ...",
        {
            "the same: it belongs to the norm": "It belongs to the step as well: where "
            "nothing steps, G' is G.",
            "nearer to 1": "G' differs from G by the step of the layers before, and "
            "that is short now. So compare two networks that learn about as fast.",
            "further below 0": "It is the other way round: where nothing steps, G' is "
            "G.",
        },
        right="nearer to 1",
    ),
}


def _total(figure, norm):
    runs = figure.runs[tuple(figure.values[name] for name in ("lr", "init", "seed"))]
    return total_change(runs[norm].mean)


def _steps(figure, norm):
    runs = figure.runs[tuple(figure.values[name] for name in ("lr", "init", "seed"))]
    return steps_to_accuracy(runs[norm])


FIGURE_ONE = [
    Notice(
        "Batch norm: the mean stays. The dashed lines do not, since `gamma` grows.",
        {},
        lambda figure: (
            _total(figure, "batch") < 0.2 * _total(figure, "none")
            and np.ptp(figure.edges["batch"][1].get_ydata()) > 1
        ),
    ),
    Notice(
        "Layer norm reaches 90 % before the network without norm, *and* the mean input "
        "of its units changes more. Try other seeds.",
        {},
        lambda figure: (
            _steps(figure, "layer") < _steps(figure, "none")
            and _total(figure, "layer") > _total(figure, "none")
        ),
    ),
    Notice(
        "Learning rate 3: layer norm is no longer ahead of no norm.",
        {"lr": 3.0},
        lambda figure: _steps(figure, "layer") >= _steps(figure, "none"),
    ),
    Notice(
        "First weights of 0.01: the network without norm does not learn in 400 steps. "
        "A race that starts here is decided before it begins; the paper does not give "
        "its value.",
        {"init": 0.01},
        lambda figure: figure.lines["none"].get_ydata().max() < 0.3,
        seeds=10,
    ),
]


def _missed(figure, **changed):
    """Return `misses` of the run at a setting that differs in what is given."""
    other = FrozenWeights()
    other.set(**figure.values | changed)
    return misses(_frozen(other))


def _frozen(figure):
    return figure.runs[tuple(figure.values.values())]


FROZEN = [
    Notice(
        "Frozen weights: batches differ, the line is flat, and the change by step is "
        "exactly 0.",
        {},
        lambda figure: (
            figure.dots.get_ydata().std() > 0.02
            and not np.ptp(figure.line.get_ydata())
            and figure.note.get_text() == "exactly 0"
        ),
    ),
    Notice(
        "Batches of 240 in place of 60: the dots come to the line, about twice as "
        "close. The change by step was 0 and stays 0.",
        {"size": 240},
        lambda figure: (
            1.7 < _missed(figure, size=60) / _missed(figure, size=240) < 2.6
            and not figure.change.get_ydata().any()
        ),
        seeds=10,
    ),
    Notice(
        "Learning rate 0.1: now the line moves at every step. The dots differ about as "
        "much as they did.",
        {"lr": 0.1},
        lambda figure: (
            total_change(_frozen(figure).fixed_mean) > 0.2
            and (figure.change.get_ydata() > 0).all()
            and np.diff(figure.line.get_ydata()).all()
            and 0.7 < misses(_frozen(figure)) / _missed(figure, lr=0.0) < 1.4
        ),
        seeds=10,
    ),
]


def _noise_run(figure, name):
    v = figure.values
    norm = "batch" if name.startswith("batch") else None
    times = v["noise"] if name.endswith("noise") else 0
    return figure.runs[v["task"], v["lr"], norm, times, v["seed"]]


def _right(figure, name, step=50):
    return reached(_noise_run(figure, name), step)


def _changes(figure, name):
    return np.array(changes_of(_noise_run(figure, name)))


NOISE = [
    Notice(
        "With the noise batch norm trains as before. Over 1 and 20 steps its inputs "
        "now change more than without norm.",
        {"noise": 1},
        lambda figure: (
            abs(_right(figure, "batch, noise") - _right(figure, "batch")) < 0.03
            and (_changes(figure, "batch, noise") > _changes(figure, "none"))[:2].all()
        ),
    ),
    Notice(
        "Four times the noise: the inputs change more than without norm over 50 steps, "
        "too. It still learns far sooner than without norm.",
        {"noise": 4},
        lambda figure: (
            (_changes(figure, "batch, noise") > 2 * _changes(figure, "none")).all()
            and _right(figure, "batch, noise") > _right(figure, "none") + 0.3
        ),
    ),
    Notice(
        "Six ReLU layers at 0.1: without norm the inputs change more over 20 and 50 "
        "steps than with batch norm and noise. Here the noise takes little away.",
        {"task": "6 relu", "lr": 0.1, "noise": 1},
        lambda figure: (_changes(figure, "batch, noise") < _changes(figure, "none"))[
            1:
        ].all(),
    ),
    Notice(
        "Six ReLU layers at 1: no norm fails. Batch norm trains, with the noise and "
        "without.",
        {"task": "6 relu", "lr": 1.0, "noise": 1},
        lambda figure: (
            not _right(figure, "none", 110) > 0.8
            and min(_right(figure, n, 110) for n in ("batch", "batch, noise")) > 0.85
        ),
    ),
]


def _both(figure):
    stack = figure.values.get("stack", "25 linear")
    return [
        figure.runs[stack, name, figure.values[name], figure.values["seed"]]
        for name in ("none", "batch")
    ]


def _lower_late_cosine(figure):
    none, batch = _both(figure)
    return late_cosine(batch) < late_cosine(none)


def _loss_ratio(figure):
    none, batch = _both(figure)
    return batch.loss[-1] / none.loss[-1]


SHIFT = [
    Notice(
        "One learning rate: with batch norm the loss ends lower, and the cosine at "
        "maps 16 and 21 is lower. Try other seeds.",
        {},
        lambda figure: _lower_late_cosine(figure) and _loss_ratio(figure) < 1,
    ),
    Notice(
        "Batch norm at 0.0001: the cosine at maps 16 and 21 is higher, but the loss "
        "comes down less.",
        {"batch": 1e-4},
        lambda figure: (
            late_cosine(_both(figure)[1]) > 0.5 and _both(figure)[1].loss[-1] > 2
        ),
    ),
    Notice(
        "Map 26 writes the output and has no norm after it: its cosine is high again.",
        {},
        lambda figure: (
            _both(figure)[1].cosine.mean(0)[5] > 0.7 > late_cosine(_both(figure)[1])
        ),
    ),
    Notice(
        "Rates 0.003 (none) and 0.0003 (batch): similar losses. The cosine at "
        "maps 16 and 21 is lower with batch norm. Not in every seed: look for one.",
        {"none": 3e-3, "batch": 3e-4},
        lambda figure: _lower_late_cosine(figure) and 0.6 < _loss_ratio(figure) < 1.6,
    ),
]


def _lower(figure, where):
    none, batch = (run.cosine.mean(axis=0)[where] for run in _both(figure))
    return batch < none


DIGITS_SHIFT = [
    Notice(
        "ReLU: with batch norm the cosine is lower at maps 2 and 3, and higher at 5, 6 "
        "and 7.",
        {"stack": "6 relu"},
        lambda figure: (
            _lower(figure, slice(0, 2)).all() and not _lower(figure, slice(3, 6)).any()
        ),
        seeds=10,
        share=0.8,
    ),
    Notice(
        "tanh: with batch norm the cosine is lower at each map, and the loss ends "
        "lower as well.",
        {"stack": "6 tanh"},
        lambda figure: _lower(figure, slice(0, 6)).all() and _loss_ratio(figure) < 1,
        seeds=10,
        share=0.9,
    ),
]


def change_over(m, k):
    """Return the change over k steps of means of shape (T, D)."""
    return np.abs(m[k:] - m[:-k]).mean()


def gradient_after(gradient, old, new, i):
    """Return G' of layer i: new layers before it, old ones from it on."""
    return gradient(new[: i - 1] + old[i - 1 :], i)


def small_network(seed):
    """Return ``gradient(weights, i)`` of a network of 4 layers, old and new weights.

    `old` and `new` are lists of 4 arrays: before and after one step.
    """
    rng = np.random.default_rng(seed)
    net = mlp([4, 5, 6, 5, 3], activation="tanh", rng=rng)
    x, labels = rng.standard_normal((12, 4)), rng.integers(0, 3, 12)
    linears = [layer for layer in net.layers if isinstance(layer, Linear)]

    def weights():
        return [layer.params["weight"].copy() for layer in linears]

    old, state = weights(), net.state()
    loss_and_gradient(net, x, labels)
    sgd_step(net, 1.0)
    new = weights()
    net.load(state)  # the biases stay old, so that weights are all there is

    def gradient(weights, i):
        if len(weights) != len(linears):
            raise ValueError(
                f"weights must be a list of {len(linears)} arrays, got {len(weights)}; "
                "did you lose a layer, or take one twice?"
            )
        if i not in range(1, len(linears) + 1):
            raise ValueError(f"i must be 1 to {len(linears)}, got {i}")
        for layer, weight in zip(linears, weights, strict=True):
            layer.params["weight"][...] = weight
        loss_and_gradient(net, x, labels)
        return linears[i - 1].grads["weight"].copy()

    return gradient, old, new


def _mixtures():
    return [(*small_network(7), i) for i in (3, 1, 2, 4)]


def _of(mix):
    """Return a wrong G' that takes the weights which `mix` puts together."""
    return lambda gradient, old, new, i: gradient(mix(old, new, i), i)


EXERCISES = {
    "change": Exercise(
        solution=change_over,
        inputs=lambda: [
            (np.random.default_rng(7).normal(size=(30, 4)).cumsum(axis=0), 1),
            (np.random.default_rng(8).normal(size=(12, 3)), 5),
        ],
        right="with k = 1 it is the change by step. Noise alone gives about the same "
        "for every k, a steady move gives k times as much.",
        hints=(
            "Two slices of `m`, one k rows after the other, have the same shape.",
            "Take `m[k:] - m[:-k]`, then absolute values, then one mean over all.",
        ),
        mistakes={
            "changes up and down cancel: take absolute values before the mean.": (
                lambda m, k: (m[k:] - m[:-k]).mean()
            ),
            "that is the change by step whatever k is.": lambda m, k: np.abs(
                np.diff(m, axis=0)
            ).mean(),
            "`np.diff(m, k)` takes differences of differences, k times.": lambda m, k: (
                np.abs(np.diff(m, k, axis=0)).mean()
            ),
            "that adds; take the mean over steps and units.": lambda m, k: np.abs(
                m[k:] - m[:-k]
            ).sum(),
            "that is the total change; it does not know k.": lambda m, k: np.ptp(
                m, axis=0
            ).mean(),
            "one number, please: take the mean over the units, too.": lambda m, k: (
                np.abs(m[k:] - m[:-k]).mean(axis=0)
            ),
        },
    ),
    "second_gradient": Exercise(
        solution=gradient_after,
        inputs=_mixtures,
        right="only the layers before i are new, so G' of layer 1 is G.",
        hints=(
            "Which layers come before layer i? They are new, all others old. Layers "
            "count from 1, lists from 0.",
            "`new[: i - 1]` holds the layers before i. Add the rest of `old`.",
        ),
        mistakes={
            "that is G: no layer is new. Those before layer i have moved.": _of(
                lambda old, new, i: old
            ),
            "all layers are new; layer i and those after it stay old.": _of(
                lambda old, new, i: new
            ),
            "layer i itself is new. Its own step is no shift of its input.": _of(
                lambda old, new, i: new[:i] + old[i:]
            ),
            "the wrong side moved: the layers before i are the new ones.": _of(
                lambda old, new, i: old[: i - 1] + new[i - 1 :]
            ),
            "the layers after i moved; the definition moves those before.": _of(
                lambda old, new, i: old[:i] + new[i:]
            ),
            "only layer i is new; it should be the one that waits.": _of(
                lambda old, new, i: old[: i - 1] + new[i - 1 : i] + old[i:]
            ),
            "layer i - 1 is still old. Layers count from 1, lists from 0.": _of(
                lambda old, new, i: new[: max(i - 2, 0)] + old[max(i - 2, 0) :]
            ),
            "that is G - G'; return G' alone.": lambda gradient, old, new, i: (
                gradient(old, i) - gradient_after(gradient, old, new, i)
            ),
            "that is G' - G; return G' alone.": lambda gradient, old, new, i: (
                gradient_after(gradient, old, new, i) - gradient(old, i)
            ),
        },
    ),
}


def _mean_is_beta():
    net, digits, rng = digits_network(1, "batch", depth=2, width=16)
    x, labels = digits.train
    for _ in fit(net, x, labels, lr=0.3, batch_size=60, steps=30, rng=rng):
        pass
    beta = net.layers[-3].params["beta"]
    return np.ptp(beta) > 0.01 and np.allclose(last_hidden_input(net, x).mean(0), beta)


def _layer_norm_stays_in_place():
    options = {"init": 0.3, "lr": 1.0, "width": 32, "steps": 400, "every": 20}
    totals = {
        norm: [
            total_change(gather(figure_one(norm, seed=seed, **options)).mean)
            for seed in seeds("norms that speed up training", 3, 1000)
        ]
        for norm in (None, "layer")
    }
    return np.median(totals["layer"]) < np.median(totals[None])


def _steady_networks_learn():
    options = {"activation": "sigmoid", "depth": 4, "lr": 0.3, "steps": 60}
    runs = [
        gather(digits_shift(every=20, layers=(3,), seed=seed, **options))
        for seed in seeds("networks whose gradients keep their direction", 3, 1000)
    ]
    steady = [run for run in runs if run.cosine.mean() > 0.99]
    return all(run.loss[-1] < 2 for run in steady)


CARDS = {
    "beta": Card(
        "Right after batch norm, the mean of a unit over the batch is `beta`, whatever "
        "the layers before do.",
        test=_mean_is_beta,
        why="The norm makes the mean 0 and adds `beta`. That batch norm holds this "
        "mean in place is how it is built.",
    ),
    "in_place": Card(
        "A norm that speeds up training keeps the inputs of each unit in place.",
        test=_layer_norm_stays_in_place,
        why="At learning rate 1 layer norm is ahead of no norm, and its means change "
        "further.",
    ),
    "steady": Card(
        "A network whose gradients keep their direction, cosine near 1, trains well.",
        test=_steady_networks_learn,
        why="Four sigmoid layers at rate 0.3: the cosine is near 1 and nothing is "
        "learned. A network that does not learn is no model of stability.",
    ),
}

lesson = Lesson(
    "08",
    questions=QUESTIONS,
    figures={
        "figure_one": Shown(FigureOne, FIGURE_ONE),
        "frozen": Shown(FrozenWeights, FROZEN),
        "noise": Shown(NoisyBatchNorm, NOISE),
        "shift": Shown(Shift, SHIFT),
        "digits_shift": Shown(DigitsShift, DIGITS_SHIFT),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
