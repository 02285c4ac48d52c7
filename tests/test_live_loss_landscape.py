"""What the figures of notebook 09 say, against computations of its own."""

import re

import numpy as np
import pytest

from normlib.landscape.sharpness import top_eigenvalue
from normlib.live.loss_landscape import (
    AlongTheGradient,
    Envelope,
    GradientBound,
    UsableRates,
)
from normlib.live.surface_views import Surfaces
from normlib.live.touch import Start
from normlib.nets.digits_network import digits_network
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.training import accuracy, fit, loss_and_gradient
from normlib.nets.watching import iterates


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
    expected = loss, np.ptp([loss, *losses]), max(changes), betas.max()
    words = [gradient_figure.cells[norm, k].get_text() for k in range(4)]
    assert words == [f"{value:.2g}" for value in expected]
    shown = gradient_figure.walks[norm].get_ydata()
    np.testing.assert_allclose(shown, [loss, *losses], rtol=1e-9)


def test_the_sentence_names_a_network_that_has_not_learnt(gradient_figure):
    gradient_figure.set(network="relu", step=100, reach=4.0, seed=0)
    assert "guessing" not in gradient_figure.sentence
    gradient_figure.set(network="sigmoid")
    assert gradient_figure.sentence.endswith("Still guessing: none.")


def trained(norm, rate, seed=0, steps=100):
    """Train one network of the figures by itself; return it with its losses."""
    net, digits, rng = digits_network(seed, norm, depth=6, width=32)
    x, labels = digits.x_train, digits.y_train
    loop = fit(net, x, labels, lr=rate, batch_size=64, steps=steps, rng=rng)
    losses = [float(record.loss) for record in loop]
    return net, x, labels, losses


def test_the_band_holds_the_runs_that_were_chosen():
    figure = Envelope()
    figure.set(top=0.2, seed=1)
    width = {}
    for name, norm in (("none", None), ("batch", "batch")):
        runs = np.array([trained(norm, r, seed=1)[3] for r in (0.05, 0.1, 0.2)])
        low, high = figure.band(name, 0.2, 1)
        np.testing.assert_allclose(low, runs.min(0), rtol=1e-6)
        np.testing.assert_allclose(high, runs.max(0), rtol=1e-6)
        width[name] = np.median(np.ptp(runs, axis=0))
        assert f"{width[name]:.2g}" in figure.sentence
    assert figure.here.get_ydata()[0] == pytest.approx(width["none"] / width["batch"])
    word = "batch" if width["none"] > width["batch"] else "none"
    assert f"{word} looks smoother" in figure.sentence


def test_the_marks_and_the_bar_of_the_rates():
    figure = UsableRates()
    figure.set(rate=0.1, seed=0)
    for name, norm in (("none", None), ("batch", "batch")):
        net, x, labels, _ = trained(norm, 0.1)
        at = figure.rates.index(0.1)
        shown = figure.curves[name].get_ydata()[at]
        assert shown == pytest.approx(accuracy(net, x, labels, mode="probe"), abs=0.01)
        tops = []
        for steps in (50, 75, 100):
            net, x, labels, _ = trained(norm, 0.1, steps=steps)
            top = top_eigenvalue(net, x[:256], labels[:256], tolerance=1e-3)
            tops.append(top.value)
        assert figure.tops[name].get_xdata()[0] == pytest.approx(
            2 / np.median(tops), rel=0.05
        )
        low, high = figure.bars[name].get_xdata()
        good = np.array(figure.rates)[figure.curves[name].get_ydata() > 0.8]
        assert low < good.min()
        assert high > good.max()
        assert high / 1.1 == pytest.approx(figure.largest(name, 0))


def test_a_network_that_does_not_train_has_no_marks():
    figure = UsableRates()
    figure.set(rate=6.4, seed=0)
    assert "Not trained at 6.4: none, batch, layer." in figure.sentence
    for marks in (figure.betas, figure.tops):
        assert all(len(dots.get_xdata()) == 0 for dots in marks.values())


def test_the_bound_is_an_equality_and_the_gradient_may_grow():
    figure = GradientBound()
    figure.set(sigma=0.3, gamma=2.0, size=128)
    assert "equal up to rounding" in figure.sentence
    assert "longer in 200" in figure.sentence
    left, right = (dots.get_xdata() for dots in figure.dots)
    assert not np.array_equal(left, right)
    np.testing.assert_allclose(figure.dots[0].get_ydata(), left, rtol=1e-9)
    figure.set(sigma=3, gamma=1.0)
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


def test_the_ring_is_where_the_loss_is_2_at_times_1():
    figure = Surfaces()
    for norm in ("batch", "none"):
        figure.set(norm=norm, factor=10.0)
        for ring, kind in zip(figure.rings, figure.kinds, strict=True):
            there = figure._surface(norm, 0, 1.0, kind)
            x, y = np.concatenate(ring.get_segments()).T
            assert len(x) > 5
            # Bilinear between the grid points around each point of the ring.
            i = np.clip(np.searchsorted(there.a, x) - 1, 0, len(there.a) - 2)
            j = np.clip(np.searchsorted(there.b, y) - 1, 0, len(there.b) - 2)
            u = (x - there.a[i]) / (there.a[i + 1] - there.a[i])
            v = (y - there.b[j]) / (there.b[j + 1] - there.b[j])
            z = np.minimum(there.losses, 5)
            low = z[i, j] * (1 - v) + z[i, j + 1] * v
            high = z[i + 1, j] * (1 - v) + z[i + 1, j + 1] * v
            np.testing.assert_allclose(low * (1 - u) + high * u, 2.0, atol=1e-6)


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
        figure.set(factor=1.0)
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


def touched(figure, ax, x, y=1.0):
    """Return what pressing at a place of `ax` asks of the controls."""
    (touch,) = [touch for touch in figure.touches() if touch.ax is ax]
    return touch.to_values(x, y, Start(x, y, figure.values))


def test_what_can_be_dragged(gradient_figure):
    assert touched(gradient_figure, gradient_figure.left, 2.1) == {"reach": 2.1}
    assert touched(gradient_figure, gradient_figure.panels[1], 34.0) == {"step": 34.0}
    rates, band = UsableRates(), Envelope()
    for ax in rates.axes:
        assert touched(rates, ax, 1.2) == {"rate": 1.6}
        assert touched(rates, ax, 0.01) == {"rate": 0.05}
    assert touched(band, band.right, 0.5) == {"top": 0.6}
    assert touched(band, band.right, -3.0) == {"top": 0.1}
