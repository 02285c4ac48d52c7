"""What the figures of notebook 09 say, against computations of its own."""

import re

import numpy as np
import pytest

from normlib.digits_network import digits_network
from normlib.iterates import iterates
from normlib.live.loss_landscape import AlongTheGradient, Envelope, GradientBound, run
from normlib.live.surface_views import Surfaces
from normlib.losses import softmax_cross_entropy
from normlib.training import loss_and_gradient


def numbers(sentence):
    return [float(n) for n in re.findall(r"\d+\.?\d*(?:e[-+]\d+)?", sentence)]


@pytest.fixture(scope="module")
def gradient_figure():
    return AlongTheGradient()


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_the_walk_is_the_one_of_the_formula(gradient_figure, norm):
    """Retrain to step 20, walk by hand, and find the same numbers in the table."""
    gradient_figure.set(network="relu", step=20, reach=2.0, seed=1)
    net, digits, rng = digits_network(
        1, None if norm == "none" else norm, depth=6, width=32
    )
    loop = iterates(
        net, digits.x_train, digits.y_train, lr=0.1, batch_size=64, steps=20, rng=rng
    )
    *_, (step, x, labels, loss, g, _) = loop
    assert step == 20
    theta = net.params.copy()
    net.set_mode("probe")
    losses, changes = [], []
    for eta in (0.05, 0.1, 0.15, 0.2):
        net.params[...] = theta - eta * g
        losses.append(loss_and_gradient(net, x, labels, loss=softmax_cross_entropy))
        changes.append(np.linalg.norm(net.grads - g))
    betas = np.array(changes) / (np.array([0.05, 0.1, 0.15, 0.2]) * np.linalg.norm(g))
    expected = loss, np.ptp(losses), max(changes), betas.max()
    words = [gradient_figure.cells[norm, k].get_text() for k in range(4)]
    assert words == [f"{value:.2g}" for value in expected]
    shown = gradient_figure.walks[norm].get_ydata()
    np.testing.assert_allclose(shown, [loss, *losses], rtol=1e-9)


def test_the_sentence_names_a_network_that_has_not_learnt(gradient_figure):
    gradient_figure.set(network="relu", step=100, reach=4.0, seed=0)
    assert "guessing" not in gradient_figure.sentence
    gradient_figure.set(network="sigmoid")
    assert gradient_figure.sentence.endswith("Still guessing: none.")


def test_the_envelope_is_no_landscape():
    """On each seed: the walk is far narrower with batch norm, the runs' band is not."""
    figure = Envelope()
    for seed in range(3):
        figure.set(top=0.4, seed=seed)
        ratios = [
            float(r) for r in re.findall(r"ratio of (\d+\.?\d*)", figure.sentence)
        ]
        assert ratios[0] < 1.3
        assert ratios[1] > 4
        walked = run("relu", "batch", seed).losses
        assert f"{np.ptp(walked, axis=1).mean():.2g}, a ratio" in figure.sentence
    figure.set(top=0.06)
    narrow = numbers(figure.sentence)[3:5]
    figure.set(top=0.8)
    wide = numbers(figure.sentence)[3:5]
    assert min(wide) > 3 * max(narrow)


def test_the_bound_is_an_equality_and_the_gradient_may_grow():
    figure = GradientBound()
    figure.set(sigma=0.1, gamma=1.0, size=128)
    assert "equal up to rounding" in figure.sentence
    assert "longer in 200" in figure.sentence
    left, right = (dots.get_xdata() for dots in figure.dots)
    assert not np.array_equal(left, right)
    np.testing.assert_allclose(figure.dots[0].get_ydata(), left, rtol=1e-9)
    figure.set(sigma=10.0)
    assert "longer in 0" in figure.sentence


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_with_a_norm_only_the_raw_map_moves(norm):
    figure = Surfaces()
    figure.set(norm=norm, factor=1.0)
    before = [np.array(image.get_array()) for image in figure.maps]
    figure.set(factor=30.0)
    after = [np.array(image.get_array()) for image in figure.maps]
    assert "the same function" in figure.sentence
    assert np.abs(after[0] - before[0]).max() > 1
    np.testing.assert_allclose(after[1], before[1], atol=1e-3)


def test_without_norm_both_maps_move():
    figure = Surfaces()
    figure.set(norm="none", factor=30.0)
    assert "another function" in figure.sentence


def test_the_readers_directions_are_drawn_and_the_mistake_is_seen():
    def right(d, w):
        return d / np.linalg.norm(d, axis=0) * np.linalg.norm(w, axis=0)

    def ones(d, w):
        return d / np.linalg.norm(d, axis=0)

    def moved(figure):
        before = np.array(figure.maps[1].get_array())
        figure.set(factor=30.0)
        return np.abs(np.array(figure.maps[1].get_array()) - before).max()

    mine = Surfaces(right)
    np.testing.assert_allclose(
        mine.maps[1].get_array(), Surfaces().maps[1].get_array(), atol=1e-3
    )
    assert moved(mine) < 1e-3
    assert moved(Surfaces(ones)) > 0.5


def test_a_stub_leaves_the_right_half_empty_and_says_why():
    figure = Surfaces(lambda d, w: ...)
    assert figure.sentence.startswith("Not drawn: your <lambda> still returns the ...")
    assert figure.maps[0].get_visible()
    assert not figure.maps[1].get_visible()
