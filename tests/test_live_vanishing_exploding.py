"""What the figures of notebook 07 show, against computations of their own."""

import numpy as np
import pytest

from normlib.depth.trainability import trainability_rows
from normlib.live import vanishing_exploding as topic
from normlib.live.touch import Start


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
        assert figure.first == pytest.approx(np.exp(np.log(first).mean()))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1234.5, "1,200"),
        (9.87, "9.9"),
        (0.2345, "0.23"),
        (1.24e-9, "1.2e-9"),
        (5.2e11, "5.2e11"),
        (99999.0, "100,000"),
        (0.0, "0 (below 1e-100)"),
    ],
)
def test_two_digits(value, words):
    assert topic.two_digits(value) == words


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_skips_by_hand(norm):
    """Forward and backward of one residual network, written out."""
    figure = topic.Skips()
    figure.set(norm=norm, depth=5, seed=3)
    rng = np.random.default_rng(3)
    digits = topic.digits_split(rng, standardized=True)
    x, labels = digits.x_train[:128], digits.y_train[:128]
    weights = [rng.normal(size=(64, 64)) * np.sqrt(2 / 64) for _ in range(5)]
    last = rng.normal(size=(64, 10)) * np.sqrt(2 / 64)
    axis = {"batch": 0, "layer": 1, "none": None}[norm]
    h, kept = x, []
    for w in weights:
        z = h @ w
        if axis is None:
            z_hat, inv_std = z, 1.0
        else:
            inv_std = 1 / np.sqrt(z.var(axis, keepdims=True) + 1e-5)
            z_hat = (z - z.mean(axis, keepdims=True)) * inv_std
        kept.append((z_hat, inv_std))
        h = h + np.maximum(z_hat, 0)
    p = np.exp(h @ last)
    p /= p.sum(1, keepdims=True)
    p[np.arange(128), labels] -= 1
    dh = p @ last.T / 128
    gradients = [dh]
    for w, (z_hat, inv_std) in zip(weights[:0:-1], kept[:0:-1], strict=True):
        d = dh * (z_hat > 0)
        if axis is not None:
            d = d - d.mean(axis, keepdims=True)
            d = d - z_hat * (d * z_hat).mean(axis, keepdims=True)
        dh = dh + (d * inv_std) @ w.T
        gradients.append(dh)
    lengths = [np.linalg.norm(g) for g in gradients[::-1]]
    shown = figure.lines[True][0].get_ydata()
    np.testing.assert_allclose(shown, np.array(lengths) / lengths[-1], rtol=1e-3)


def test_the_tables_hold_activations_of_the_layer():
    figure = topic.Collapse()
    figure.set(layer=20)
    table = figure.tables["layer"].get_array().reshape(20, 32)
    assert np.ptp(table, axis=0).max() < 1e-3, "all rows the same"
    assert (
        np.ptp(figure.tables["batch"].get_array().reshape(20, 32), axis=0).min() > 0.1
    )
    assert figure.cosines["layer"] > 0.999 > 0.9 > figure.cosines["batch"]


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


@pytest.mark.parametrize(("layers", "weight", "lr"), [(10, 1.2, 0.01), (20, 1.5, 0.1)])
def test_only_the_last_weight_of_the_normalized_chain_moves(layers, weight, lr):
    figure = topic.NormalizedChain()
    figure.set(layers=layers, weight=weight, lr=lr)
    assert figure.exact.get_ydata()[0] == pytest.approx((weight - lr) / weight)
    assert "the promise is kept" in figure.sentence
    other = topic.Chain()
    other.set(layers=layers, weight=weight, lr=lr)
    grey = figure.plain.get_ydata()
    np.testing.assert_array_equal(grey[:6], other.points.get_ydata())
    assert grey[6] == other.exact.get_ydata()[0]


@pytest.mark.parametrize(
    ("name", "press", "place", "values"),
    [
        ("gradient", (5, 1.0), (12.3, 1.0), {"depth": 12.3}),
        ("skips", (5, 1.0), (8.0, 1.0), {"depth": 8.0}),
        ("collapse", (3, 10.0), (3, 7.0), {"layer": 8.0}),
        ("rate", (8, 2.0), (15.0, 2.0), {"batch_size": 16}),
    ],
)
def test_what_a_touch_sets(name, press, place, values):
    figure = topic.FIGURES[name]()
    touch = figure.touches()[0]
    start = Start(*press, figure.values)
    assert touch.to_values(*place, start) == values


def test_dragging_over_half_the_frame_changes_the_weights_by_a_quarter():
    figure = topic.Chain()
    touch = figure.touches()[0]
    low, _ = figure.ax.get_ylim()
    start = Start(0, low, figure.values)
    assert touch.to_values(0, 0.0, start)["weight"] == pytest.approx(1.2 + 0.25)


@pytest.mark.slow
def test_measured_rates_meet_the_theory_on_fresh_seeds():
    for activation, size in (("relu", 128), ("relu", 8), ("linear", 16)):
        rates = [topic.measured_rate(activation, size, seed) for seed in (11, 12, 13)]
        expected = topic.batch_norm_rate(activation, size)
        assert np.mean(rates) == pytest.approx(expected, rel=0.05)


def test_the_map_shows_what_the_networks_reach():
    figure = topic.WhatTrains()
    figure.set(activation="relu", seed=2)
    rows = trainability_rows((5,), activation="relu", init="he", seeds=(2,))
    for norm, row in zip(topic.NORMS, rows, strict=True):
        shown = [float(text.get_text()) for text in figure.cells[norm][4:8]]
        np.testing.assert_allclose(shown, row.accuracy[0], atol=0.006)
