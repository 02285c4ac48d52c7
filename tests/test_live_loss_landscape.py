"""What the figures of notebook 09 say, against computations of its own."""

import re

import numpy as np
import pytest

from normlib.landscape.along_gradient import smoothness
from normlib.landscape.around import basin, negative_curvature_share
from normlib.live.loss_landscape import (
    NETWORKS,
    NORMS,
    AlongTheGradient,
    Envelope,
    GradientBound,
    measures,
    run,
)
from normlib.live.surface_views import Surfaces, surface
from normlib.nets.digits_network import digits_network
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.training import loss_and_gradient
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
        assert ratios[0] < 1.1
        assert ratios[1] > 5
        walked = run("relu", "batch", seed).losses
        assert f"{np.ptp(walked, axis=1).mean():.2g}, a ratio" in figure.sentence
    figure.set(top=0.06)
    narrow = numbers(figure.sentence)[3:5]
    figure.set(top=0.8)
    wide = numbers(figure.sentence)[3:5]
    assert min(wide) > 3 * max(narrow)


def test_the_bound_is_an_equality_and_the_gradient_may_grow():
    figure = GradientBound()
    figure.set(sigma=10**-0.5, gamma=2.0, size=128)
    assert "equal up to rounding" in figure.sentence
    assert "longer in 200" in figure.sentence
    left, right = (dots.get_xdata() for dots in figure.dots)
    assert not np.array_equal(left, right)
    np.testing.assert_allclose(figure.dots[0].get_ydata(), left, rtol=1e-9)
    figure.set(sigma=10**0.5, gamma=1.0)
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


# --- what the notebook says of the walks and of the surfaces ------------------

SHOWN, FRESH = (0, 1, 2), (231, 232, 233)
both = pytest.mark.parametrize("seeds", [SHOWN, FRESH], ids=["shown", "fresh"])


@both
def test_without_norm_walks_come_up_again_and_with_batch_norm_they_go_down(seeds):
    far_up = []
    for seed in seeds:
        none, batch = (run("relu", norm, seed) for norm in ("none", "batch"))
        assert (batch.losses[:, -1] < batch.loss).all()
        down_first = none.losses.min(axis=1) < none.loss
        far_up.append(down_first & (none.losses[:, -1] > 2 * none.loss))
    assert np.mean(far_up) > 0.3


@both
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_within_one_learning_rate_every_relu_network_is_smooth(norm, seeds):
    for seed in seeds:
        assert measures(run("relu", norm, seed), 1.0)[0].mean() < 0.1


@both
def test_on_average_layer_norm_lies_between_though_not_at_every_step(seeds):
    found = {
        norm: np.array([measures(run("relu", norm, s), 4.0)[0] for s in seeds])
        for norm in NORMS
    }
    means = {norm: rows.mean(axis=1) for norm, rows in found.items()}
    assert (means["batch"] < means["layer"]).all()
    assert (means["layer"] < means["none"]).all()
    assert (means["none"] > (4 if seeds == SHOWN else 2) * means["batch"]).all()
    assert (found["layer"] < found["batch"]).any(axis=1).all()


@both
def test_the_table_of_the_notebook(seeds):
    """Without norm over a norm, from step 50 on: above 1 the norm is smoother."""
    ratio, ends = {}, {}
    for name in NETWORKS:
        found = {}
        for norm in ("none", "batch", "layer"):
            runs = [run(name, norm, s) for s in seeds]
            walks = [smoothness(history, since=50)[:4] for history in runs]
            found[norm] = np.mean(walks, axis=0)[[0, 2, 3]]
            ends.setdefault(name, []).append(np.mean([h.loss[-1] for h in runs]))
        ratio[name] = found["none"] / found["batch"]
        ratio[name, "layer"] = found["none"] / found["layer"]
    assert (ratio["relu"] > 1.4).all()
    assert 0.7 < ratio["tanh"][0] < 1.4
    assert (ratio["tanh"][1:] < 0.7).all()
    assert ratio["sigmoid"][0] < 0.7 < ratio["sigmoid"][1] < 1.4 < ratio["sigmoid"][2]
    assert (ratio["deep relu"] < 0.7).all()
    assert (ratio["relu", "layer"][:2] > 1.4).all()
    assert 0.7 < ratio["relu", "layer"][2] < 1.4
    assert 0.7 < ratio["tanh", "layer"][0] < 1.4
    assert (ratio["tanh", "layer"][1:] < 0.7).all()
    assert ends["relu"][0] < ends["relu"][1] < 0.5
    assert max(ends["tanh"][:2]) < 0.6
    for name in ("sigmoid", "deep relu"):
        assert ends[name][1] < 1.5 < 2.2 < ends[name][0]


@pytest.mark.parametrize("seed", [*SHOWN, *FRESH])
def test_the_dead_network_ranges_less_and_guesses(seed):
    none, batch = (run("deep relu", norm, seed) for norm in ("none", "batch"))
    ranges = [smoothness(history).median_loss_range for history in (none, batch)]
    assert ranges[0] < ranges[1] / 4
    assert abs(none.loss[-1] - np.log(10)) < 0.1
    assert batch.loss[-1] < 1.5


@both
def test_the_surface_with_batch_norm_is_lower_and_wider_and_bends_down(seeds):
    found = {
        n: [surface(n, s, 1.0, "filter") for s in seeds] for n in ("none", "batch")
    }
    highest, wide, bent = (
        {n: np.array([number(s) for s in found[n]]) for n in found}
        for number in (lambda s: s.losses.max(), basin, negative_curvature_share)
    )
    assert (highest["batch"] < highest["none"] / 3).all()
    assert wide["batch"].mean() > 1.1 * wide["none"].mean()
    assert bent["none"].mean() < 0.01
    assert bent["batch"].mean() > 0.05
