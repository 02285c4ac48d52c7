"""Lesson of notebook 07: what norms do to gradients in deep networks."""

import numpy as np

from normlib.depth.gradient_rates import gradient_rate
from normlib.depth.mean_field import ACTIVATIONS
from normlib.lessons.lesson import Card, Exercise, Lesson, Notice, Question, Shown
from normlib.live.vanishing_exploding import (
    SIZES,
    Chain,
    Collapse,
    ExplosionRate,
    GradientByLayer,
    NormalizedChain,
    Skips,
    WhatTrains,
    measured_rate,
)
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import mlp

QUESTIONS = {
    "forty_layers": Question(
        "Through 40 ReLU layers with batch norm the gradient grows about 2,000-fold. "
        "Now every weight is twice as large. It grows ...",
        {
            "far more: each layer doubles it": "That is what a network *without* a "
            "norm does. To see it, press `none` and make the weights twice He's.",
            "about 2,000-fold, as before": "The weights hand back twice as much, and "
            "batch norm divides by a deviation that is twice as large.",
            "less: batch norm divides by more": "It does, by twice as much. But the "
            "weights hand back twice as much, too.",
        },
        right="about 2,000-fold, as before",
    ),
    "collapse": Question(
        "Layer norm subtracts a mean as well, and the digits come out alike all the "
        "same. Why?",
        {
            "its deviation is the wrong one": "Another factor for a row does not turn "
            "the row: the angle between two digits stays.",
            "its mean is the wrong one": "It is the mean of one digit's units. What "
            "all digits share, unit by unit, stays. Batch norm takes that away.",
            "sigmoid saturates": "What enters the sigmoid has the same size with both "
            "norms, and with batch norm the digits differ.",
        },
        right="its mean is the wrong one",
    ),
    "skips": Question(
        "Without a norm, He's weights keep the size of the gradient over 40 ReLU "
        "layers. Now add skips and still no norm: h + relu(h W). The gradient ...",
        {
            "keeps its size": "The branch hands back what it got, and the skip adds "
            "as much again.",
            "grows a little": "It does with batch norm, since the branches of later "
            "layers pass back less and less. Here nothing divides.",
            "explodes": "Skip and branch hand back the whole each. On average the "
            "square more than doubles per layer: beyond a million-fold in 40.",
        },
        right="explodes",
    ),
    "twenty_relus": Question(
        "Twenty ReLU layers, 100 steps. At the start the gradient explodes with batch "
        "norm and keeps its size in the other two. At its best learning rate, which "
        "network gets furthest?",
        {
            "none": "Its gradient is fine. But its digits come out nearly alike.",
            "batch": "It keeps the digits apart, and ten steps take most of the "
            "explosion away.",
            "layer": "Its gradient is fine. But its digits come out nearly alike, as "
            "without norm.",
        },
        right="batch",
    ),
    "promise": Question(
        "Ten weights of 1.2, learning rate 0.01: the promise for y is off by 0.46. By "
        "how much is it off at a tenth of the rate?",
        {
            "by 0.46 as well": "The step is shorter, and what is off holds lr twice.",
            "by about a tenth of that": "So the promise itself shrinks: it holds lr "
            "once. What is off holds lr twice or more.",
            "by about a hundredth of that": "What is off begins with the term in lr "
            "squared.",
        },
        right="by about a hundredth of that",
    ),
    "kept": Question(
        "Batch norm before the last of the ten weights. Then the first weight is "
        "replaced by its negative. What happens to y?",
        {
            "it stays": "A factor of 2 would be divided out. A deviation has no sign, "
            "so a sign is not.",
            "it changes its sign": "x_hat changes sign with its input: a deviation is "
            "positive and cannot divide a sign out.",
            "it becomes 0": "Only a weight of 0 does that.",
        },
        right="it changes its sign",
    ),
    "inverse": Question(
        "Batches of B = 8. The variance of a unit scatters around m from unit to unit. "
        "The mean of m / variance is ...",
        {
            "below one": "Small variances count for more than large ones, since they "
            "stand below the line.",
            "one": "The mean of an inverse is not the inverse of the mean.",
            "above one": "A variance of m / 2 gives 2, one of 2 m gives only 1 / 2: "
            "the small ones win. For B = 8 the mean is 7 / 5.",
        },
        right="above one",
    ),
}

GRADIENT = [
    Notice(
        "ReLU with batch norm: about 2,000-fold, also from twice He's weights.",
        {"gain": 2.0},
        lambda figure: 1400 < figure.first < 3000,
        seeds=10,
    ),
    Notice(
        "ReLU without norm: there the scale of the weights decides. At He's the "
        "gradient keeps its size, at twice He's it grows beyond 1e11.",
        {"norm": "none", "gain": 2.0},
        lambda figure: figure.first > 1e11,
        seeds=10,
    ),
    Notice(
        "Sigmoid without norm: gone, the lines leave the picture.",
        {"norm": "none", "activation": "sigmoid"},
        lambda figure: figure.first < 1e-15,
        seeds=10,
    ),
    Notice(
        "Sigmoid with layer norm: gone as well.",
        {"norm": "layer", "activation": "sigmoid"},
        lambda figure: figure.first < 1e-12,
        seeds=10,
    ),
    Notice(
        "Sigmoid with batch norm: the gradient stays within a factor of 10.",
        {"norm": "batch", "activation": "sigmoid"},
        lambda figure: 0.1 < figure.first < 10,
        seeds=10,
    ),
    Notice(
        "Tanh: both norms make the gradient grow.",
        {"norm": "layer", "activation": "tanh"},
        lambda figure: figure.first > 10,
        seeds=10,
    ),
]


COLLAPSE = [
    Notice(
        "Without norm and with layer norm the rows look the same for every digit.",
        {"layer": 5},
        lambda figure: min(figure.cosines["none"], figure.cosines["layer"]) > 0.999,
        seeds=10,
    ),
    Notice(
        "With batch norm they differ, as much in layer 20 as in layer 1.",
        {"layer": 20},
        lambda figure: abs(figure.cosines["batch"] - 0.85) < 0.02,
        seeds=10,
    ),
    Notice(
        "ReLU collapses too, only slower: in layer 20 the rows are much more alike "
        "without norm and with layer norm than with batch norm.",
        {"layer": 20, "activation": "relu"},
        lambda figure: (
            min(figure.cosines["none"], figure.cosines["layer"]) > 0.8
            and figure.cosines["batch"] < 0.4
        ),
        seeds=10,
    ),
]

SKIPS = [
    Notice(
        "Batch norm: about 2,000 without skips, about 10 with them.",
        {},
        lambda figure: (
            1400 < figure.first[False] < 3000 and 6 < figure.first[True] < 20
        ),
        seeds=10,
    ),
    Notice(
        "Layer norm: no growth without skips, about 2 with them.",
        {"norm": "layer"},
        lambda figure: figure.first[False] < 4 and 1.6 < figure.first[True] < 2.5,
        seeds=10,
    ),
    Notice(
        "Without a norm, skips alone are harmful: the stream grows with each layer, "
        "and the gradient explodes. That is why the branch is normalized.",
        {"norm": "none"},
        lambda figure: figure.first[True] > 1e6,
        seeds=10,
    ),
]


def _accuracies(figure, norm):
    """Return the accuracies that the map of one norm shows, depths by rates."""
    words = [text.get_text() for text in figure.cells[norm]]
    return np.array(words, dtype=float).reshape(4, 4)


TRAINS = [
    Notice(
        "Sigmoid: with batch norm every depth trains at some learning rate. Without "
        "norm and with layer norm only 2 layers do.",
        {"activation": "sigmoid"},
        lambda figure: (
            (_accuracies(figure, "batch").max(axis=1) > 0.7).all()
            and all(
                ((_accuracies(figure, norm).max(axis=1) > 0.7) == [1, 0, 0, 0]).all()
                for norm in ("none", "layer")
            )
        ),
    ),
    Notice(
        "ReLU, 10 layers, learning rate 1: only batch norm trains.",
        {"activation": "relu"},
        lambda figure: (
            _accuracies(figure, "batch")[2, 2] > 0.7
            and max(_accuracies(figure, n)[2, 2] for n in ("none", "layer")) < 0.7
        ),
    ),
    Notice(
        "ReLU, 20 layers: batch norm comes furthest, for all its exploding gradient.",
        {"activation": "relu"},
        lambda figure: (
            _accuracies(figure, "batch")[3].max()
            > max(_accuracies(figure, n)[3].max() for n in ("none", "layer"))
        ),
    ),
]

CHAIN = [
    Notice(
        "3.53 is promised, 3.99 comes. The second order corrects to 4.04.",
        {},
        lambda figure: np.allclose(
            [*figure.step.by_order[1:3], figure.step.exact],
            [3.53, 4.04, 3.99],
            atol=0.005,
        ),
    ),
    Notice(
        "Weights of 0.8: all orders agree. Products of many weights are negligible.",
        {"weight": 0.8},
        lambda figure: np.ptp(figure.step.by_order[1:]) < 1e-3 * figure.step.before,
    ),
    Notice(
        "Weights of 1.5, 20 layers: the second-order term alone is 140 times the "
        "first-order one. The promise means nothing.",
        {"weight": 1.5, "layers": 20},
        lambda figure: (
            abs(
                (figure.step.by_order[2] - figure.step.by_order[1])
                / (figure.step.by_order[1] - figure.step.before)
                + 140
            )
            < 1
        ),
    ),
]

NORMALIZED = [
    Notice(
        "1.19 is promised, 1.19 comes.",
        {},
        lambda figure: (
            np.isclose(figure.step.exact, 1.19)
            and np.isclose(figure.step.by_order[1], 1.19)
        ),
    ),
    Notice(
        "The same with weights of 1.5 in 20 layers.",
        {"weight": 1.5, "layers": 20},
        lambda figure: np.isclose(figure.step.exact, figure.step.by_order[1]),
    ),
]

RATE = [
    Notice(
        "Linear, B = 8: about 1.2. That is 7 / 5 from the division times 6 / 7 for "
        "what is lost.",
        {"activation": "linear", "batch_size": 8},
        lambda figure: abs(figure.points.get_ydata().mean() - 1.2) < 0.08,
        seeds=10,
    ),
    Notice(
        "ReLU: about 1.8 at B = 8, about 1.5 at B = 128. Small batches explode faster.",
        {"activation": "relu", "batch_size": 8},
        lambda figure: (
            1.65 < figure.points.get_ydata().mean() < 1.95
            and 1.4 < measured_rate("relu", 128, figure.values["seed"]).mean() < 1.55
        ),
        seeds=10,
    ),
    Notice(
        "No curve runs below the linear one: batch norm makes gradients grow even "
        "where nothing is nonlinear.",
        {"activation": "linear", "batch_size": 32},
        lambda figure: all(
            (figure.theory[name] > figure.theory["linear"]).all()
            and len(figure.theory[name]) == len(SIZES)
            for name in ("relu", "tanh", "sigmoid")
        ),
    ),
]


def rate(phi, slope, norm):
    """Return the growth of the squared gradient per layer."""
    size = phi.var() if norm == "batch" else (phi**2).mean()
    return (slope**2).mean() / size


def _gaussian_values():
    """Return phi(z), phi'(z) and a norm, for three activations and both norms."""
    z = np.random.default_rng(3).normal(size=20_000)
    named = [ACTIVATIONS[name] for name in ("relu", "tanh", "sigmoid")]
    return [
        (phi(z), slope(z), norm) for phi, slope in named for norm in ("batch", "layer")
    ]


EXERCISES = {
    "rate": Exercise(
        solution=rate,
        inputs=_gaussian_values,
        right="sigmoid keeps its gradient under batch norm and loses it under layer "
        "norm; ReLU grows under batch norm and keeps its size under layer norm.",
        hints=(
            "Both rates have the mean of the squared slope above. What does each norm "
            "divide by?",
            "`phi.var()` for batch norm, `(phi**2).mean()` for layer norm.",
        ),
        mistakes={
            "turn the fraction round: the slopes stand above.": (
                lambda phi, slope, norm: 1 / rate(phi, slope, norm)
            ),
            "no root: the rate is that of the *squared* gradient.": (
                lambda phi, slope, norm: np.sqrt(rate(phi, slope, norm))
            ),
            "batch norm takes the mean of phi out before it divides.": (
                lambda phi, slope, norm: rate(phi, slope, "layer")
            ),
            "layer norm does not take out the mean over the samples.": (
                lambda phi, slope, norm: rate(phi, slope, "batch")
            ),
            "the two norms are exchanged.": lambda phi, slope, norm: rate(
                phi, slope, "layer" if norm == "batch" else "batch"
            ),
            "square the slopes before the mean.": lambda phi, slope, norm: (
                slope.mean() ** 2 / ((slope**2).mean() / rate(phi, slope, norm))
            ),
        },
    )
}


def gradients(gain):
    """Return the gradients by activations and by weights of layer 1."""
    rng = np.random.default_rng(5)
    net = mlp([64] * 6 + [10], norm="batch", gain=1.0, eps=0, bias=False, rng=rng)
    for layer in net.layers[:-1:3]:
        layer.params["weight"] *= gain
    x, labels = rng.normal(size=(32, 64)), rng.integers(10, size=32)
    _, doutputs = softmax_cross_entropy(net.forward(x, record=True), labels)
    net.backward(doutputs, record=True)
    return net.output_grads[2], net.layers[0].grads["weight"]


CARDS = {
    "prevents": Card(
        "Batch norm prevents exploding gradients at the start of training.",
        test=lambda: gradient_rate("relu", "batch") <= 1,
        why="It causes them: the rate for ReLU is 1.467, and no activation has one "
        "below 1.",
    ),
    "layer_cures": Card(
        "Layer norm cures vanishing gradients of deep sigmoid networks.",
        test=lambda: gradient_rate("sigmoid", "layer") > 0.9,
        why="Its rate is 0.153. It keeps what all samples have in common.",
    ),
    "scale": Card(
        "With batch norm, doubling all hidden weights changes no gradient.",
        test=lambda: all(map(np.allclose, gradients(1.0), gradients(2.0))),
        why="It changes none by the activations, but those by the weights halve "
        "(notebook 05).",
    ),
}

lesson = Lesson(
    "07",
    questions=QUESTIONS,
    figures={
        "gradient": Shown(GradientByLayer, GRADIENT),
        "collapse": Shown(Collapse, COLLAPSE),
        "skips": Shown(Skips, SKIPS),
        "trains": Shown(WhatTrains, TRAINS),
        "chain": Shown(Chain, CHAIN),
        "normalized_chain": Shown(NormalizedChain, NORMALIZED),
        "rate": Shown(ExplosionRate, RATE),
    },
    exercises=EXERCISES,
    cards=CARDS,
)
