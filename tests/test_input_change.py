"""Figure 1 of Ioffe and Szegedy, and noisy batch norm of Santurkar et al."""

import numpy as np
import pytest

from normlib.covariate_shift.change import change, total_change
from normlib.covariate_shift.input_change import (
    InputRecord,
    figure_one,
    last_hidden_input,
    steps_to_accuracy,
)
from normlib.covariate_shift.noisy_batch_norm import (
    Noise,
    NoiseConstants,
    draw_noise,
    noisy_run,
    with_noise,
)
from normlib.nets.digits_network import digits_network
from normlib.nets.network import mlp
from normlib.nets.training import accuracy, fit
from normlib.nets.watching import gather

FRESH = [501, 502, 503]


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_the_recorded_input_is_what_the_last_activation_gets(norm):
    rng = np.random.default_rng(0)
    net = mlp([4, 5, 6, 3], norm=norm, activation="sigmoid", rng=rng)
    x = rng.standard_normal((30, 4))
    inputs = last_hidden_input(net, x)
    net.set_mode("probe")
    output = net.forward(x)
    last = net.layers[-1].params
    hidden = 1 / (1 + np.exp(-inputs))
    np.testing.assert_allclose(hidden @ last["weight"] + last["bias"], output)
    if norm == "batch":
        np.testing.assert_allclose(inputs.mean(0), 0, atol=1e-12)
        np.testing.assert_allclose(inputs.std(0), 1, rtol=1e-2)


def test_watching_does_not_change_the_run():
    options = {"steps": 20, "width": 8, "depth": 2, "norm": "batch"}
    often = gather(figure_one(every=1, **options))
    seldom = gather(figure_one(every=10, **options))
    np.testing.assert_array_equal(often.loss[::10], seldom.loss)
    np.testing.assert_array_equal(often.mean[::10], seldom.mean)
    np.testing.assert_array_equal(often.edges[::10], seldom.edges)
    low, high = seldom.edges.swapaxes(0, 1)
    assert (low < seldom.mean).all() and (seldom.mean < high).all()


def test_a_reader_can_stop_and_a_diverging_run_stops_itself():
    loop = figure_one("batch", steps=10**9, every=1, width=8)
    assert next(loop).step == 0
    loop.close()
    history = gather(figure_one(activation="relu", init=1.0, lr=100.0, steps=50))
    assert "diverged" in history.reason
    assert history.step[-1] < 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "linear"}, "activation must be one of"),
        ({"norm": "bach"}, "norm must be"),
        ({"depth": 0}, "depth must be at least 1"),
        ({"lr": -1}, "lr must be at least 0"),
        ({"every": 0}, "every must be at least 1"),
        ({"batch_size": 2000}, "batch_size must be at most"),
    ],
)
def test_bad_settings_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        figure_one(**change)


def test_summaries():
    accuracy = np.array([0.1, 0.92, 0.5, 0.97])
    history = InputRecord(np.arange(4) * 25, None, accuracy, None, None)
    assert steps_to_accuracy(history) == 25
    assert steps_to_accuracy(history, 0.95) == 75
    assert steps_to_accuracy(history, 0.99) == np.inf


def test_change_over_steps_and_in_total():
    means = np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, 1.0], [0.0, 1.0]])
    assert change(means) == (1 + 2 + 1) / 6
    assert change(means, 2) == (1 + 1) / 4
    assert change(means, 3) == 0.0
    assert total_change(means) == 1.0
    with pytest.raises(ValueError, match="steps must be below the number of means, 4"):
        change(means, 4)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        change(means, 0)


def test_under_batch_norm_the_mean_of_a_unit_is_beta():
    history = list(figure_one("batch", steps=20, every=20, width=8))
    net, digits, rng = digits_network(
        0, "batch", activation="sigmoid", depth=3, width=8, standardized=False, init=0.1
    )
    x, labels = digits.x_train, digits.y_train
    for _ in fit(net, x, labels, lr=0.5, batch_size=60, steps=20, rng=rng):
        pass
    beta = net.layers[-3].params["beta"]
    assert np.abs(beta).max() > 1e-4
    np.testing.assert_allclose(history[-1].mean, beta, atol=1e-12)


@pytest.mark.slow
def test_the_initial_scale_decides_the_story():
    """At 0.01 the plain network never learns: a rigged race, to be shown as such."""
    options = {"init": 0.01, "steps": 400, "dtype": np.float32}
    plain, normed = (
        gather(figure_one(norm, seed=FRESH, **options)) for norm in (None, "batch")
    )
    assert plain.accuracy.max() < 0.3
    assert normed.accuracy[-1].min() > 0.9
    # At a large learning rate the plain network nearly catches up.
    late = gather(figure_one(None, lr=3.0, seed=501, dtype=np.float32))
    assert late.accuracy[-1] > 0.9


# --- noise ------------------------------------------------------------------


def test_noise_has_the_ranges_it_states():
    rng = np.random.default_rng(0)
    c = NoiseConstants()
    draws = [draw_noise((2000, 3), rng) for _ in range(300)]
    shift = np.array([s.mean(0) for _, s in draws])
    scale = np.array([s.mean(0) for s, _ in draws])
    assert 0.95 * c.mean_range < np.abs(shift).max() < c.mean_range + 0.01
    assert abs(shift.mean()) < 0.05
    assert 0.99 < scale.min() < 1.02
    assert c.scale_max - 0.02 < scale.max() < c.scale_max + 0.01
    within = np.array([(s.std(0), m.std(0)) for s, m in draws])
    np.testing.assert_allclose(within[:, 0].mean(), c.scale_jitter, rtol=0.02)
    np.testing.assert_allclose(
        within[:, 1].mean(), 2 * c.mean_jitter / np.sqrt(12), rtol=0.02
    )
    assert draw_noise((4, 6, 2), rng)[0].shape == (4, 6, 2)
    with pytest.raises(ValueError, match="shape must be"):
        draw_noise((3,), rng)


def test_the_noise_layer_scales_its_gradient_and_can_be_silent():
    rng = np.random.default_rng(0)
    layer = Noise(rng)
    x, dy = rng.standard_normal((2, 5, 3))
    y = layer.forward(x)
    shift = y - layer.scale * x
    np.testing.assert_allclose(layer.backward(dy), layer.scale * dy)
    assert np.abs(shift).max() < 0.6
    assert not np.array_equal(layer.forward(x), y)
    layer.active = False
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(dy), dy)


def test_noise_stands_before_every_activation():
    net = with_noise(mlp([2, 3, 3, 2], activation="tanh"), np.random.default_rng(0))
    names = [type(layer).__name__ for layer in net.layers]
    assert names == ["Linear", "Noise", "Tanh"] * 2 + ["Linear"]


def test_testing_does_not_change_the_noise_of_the_run():
    often, seldom = (
        gather(noisy_run("batch", True, steps=6, test_every=every)) for every in (1, 6)
    )
    np.testing.assert_array_equal(often.loss, seldom.loss)
    np.testing.assert_array_equal(often.mean, seldom.mean)
    assert change(often.mean) > 0.1  # and it is on again
    assert np.isnan(seldom.accuracy).tolist() == [False] + 5 * [True] + [False]


@pytest.mark.parametrize("norm", [None, "batch"])
def test_accuracy_and_quiet_loss_are_taken_without_noise(norm):
    loud = NoiseConstants(mean_range=50.0)
    quiet, one, other = (
        next(noisy_run(norm, noise, activation="relu", constants=constants))
        for noise, constants in ((False, None), (True, None), (True, loud))
    )
    assert quiet.accuracy == one.accuracy == other.accuracy
    assert quiet.quiet_loss == one.quiet_loss == other.quiet_loss
    assert np.abs(other.mean).max() > 5 * np.abs(one.mean).max()
    assert abs(other.loss - one.loss) > 0.01


def test_running_statistics_from_noise_do_not_fit_the_quiet_network():
    """Why the accuracy is not taken in evaluation mode."""
    gap = []
    for seed in FRESH:
        net, digits, rng = digits_network(seed, "batch", depth=6, width=32)
        loud = NoiseConstants(2.0, 2.0, 0.4, 0.4)
        net = with_noise(net, np.random.default_rng([seed, 1]), loud)
        x, labels = digits.x_train, digits.y_train
        for _ in fit(net, x, labels, lr=0.1, batch_size=64, steps=50, rng=rng):
            pass
        for layer in net.layers:
            layer.active = False
        running, own = (
            accuracy(net, digits.x_test, digits.y_test, mode=mode)
            for mode in ("eval", "probe")
        )
        gap.append(own - running)
        assert running < 0.3 < own
    assert np.mean(gap) > 0.2
