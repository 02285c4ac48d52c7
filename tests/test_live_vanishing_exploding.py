"""What the figures of notebook 07 say, against computations of their own."""

import numpy as np
import pytest

from normlib.depth.trainability import trainability_map
from normlib.live import vanishing_exploding as topic


@pytest.mark.parametrize(
    ("norm", "activation", "word"),
    [
        ("none", "sigmoid", "vanishes"),
        ("layer", "sigmoid", "vanishes"),
        ("batch", "sigmoid", "keeps its size within a factor of 20"),
        ("none", "relu", "keeps its size within a factor of 20"),
        ("layer", "relu", "keeps its size within a factor of 20"),
        ("batch", "relu", "explodes"),
    ],
)
def test_the_sentence_names_what_the_gradient_does(norm, activation, word):
    figure = topic.GradientByLayer()
    for seed in (0, 71, 72):
        figure.set(norm=norm, activation=activation, depth=20, gain=1.0, seed=seed)
        assert f"the gradient {word}." in figure.sentence
        first = [line.get_ydata()[0] for line in figure.lines]
        assert np.log10(first).std() < 0.5, "three networks agree on the order"


def test_the_cosine_explains_it():
    figure = topic.GradientByLayer()
    last = {}
    for norm in ("none", "batch", "layer"):
        figure.set(norm=norm, activation="sigmoid", depth=20)
        last[norm] = figure.cosines[0].get_ydata()[-1]
    assert last["none"] > 0.99 and last["layer"] > 0.99
    assert last["batch"] < 0.9


@pytest.mark.parametrize(("layers", "weight", "lr"), [(10, 1.2, 0.01), (3, 0.8, 0.1)])
def test_the_chain_is_the_plain_product(layers, weight, lr):
    figure = topic.Chain()
    figure.set(layers=layers, weight=weight, lr=lr)
    gradient = weight ** (layers - 1)
    exact = (weight - lr * gradient) ** layers
    promised = weight**layers - lr * layers * gradient**2
    before = weight**layers
    assert figure.exact.get_ydata()[0] == pytest.approx(exact / before)
    assert figure.points.get_ydata()[1] == pytest.approx(promised / before)


@pytest.mark.slow
def test_measured_rates_meet_the_theory_on_fresh_seeds():
    for activation, size in (("relu", 128), ("relu", 8), ("linear", 16)):
        rates = [topic.measured_rate(activation, size, seed) for seed in (11, 12, 13)]
        expected = topic.batch_norm_rate(activation, size)
        assert np.mean(rates) == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
def test_only_batch_norm_lets_deep_sigmoid_networks_train_on_fresh_seeds():
    runs = trainability_map(seeds=(21, 22, 23))
    none, batch, layer = runs.trained(0.7)
    assert batch >= 3 * none
    assert layer < batch / 2
    deepest = runs.accuracy[:, -1].max(axis=1)
    assert deepest[1] > 0.7 > 0.2 > max(deepest[0], deepest[2])


@pytest.mark.slow
def test_batch_norm_stands_larger_rates_in_relu_networks_on_fresh_seeds():
    runs = trainability_map(activation="relu", init="he", seeds=(21, 22, 23))
    none, batch, _ = runs.accuracy
    assert batch[1, 2] > 0.9 > 0.5 > none[1, 2], "5 layers, rate 1"
    assert batch[3].max() > 0.6 > none[3].max(), "20 layers"
