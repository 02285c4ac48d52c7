"""Internal covariate shift by definition 2.1, its bookkeeping and what it shows."""

import numpy as np
import pytest

from normlib.covariate_shift.frozen_weights import frozen_weights
from normlib.covariate_shift.gradient_shift import (
    deep_linear_shift,
    digits_shift,
    internal_covariate_shift,
    shift_while_training,
)
from normlib.nets.layers import Linear
from normlib.nets.network import mlp
from normlib.nets.training import fit, loss_and_gradient, sgd_step
from normlib.nets.watching import gather

FRESH = (101, 102, 103)


def small_case(norm, seed=0):
    rng = np.random.default_rng(seed)
    net = mlp([4, 5, 6, 5, 3], norm=norm, activation="tanh", rng=rng)
    x, labels = rng.standard_normal((12, 4)), rng.integers(0, 3, 12)
    for _ in fit(net, x, labels, lr=0.3, batch_size=6, steps=5, rng=0):
        pass
    return net, x, labels


def shift_by_hand(net, x, labels, lr, number):
    """Definition 2.1 with whole layers exchanged instead of pieces of an array."""
    old, new = net.state(), None
    with net.in_mode("probe"):
        loss_and_gradient(net, x, labels)
        linears = [layer for layer in net.layers if isinstance(layer, Linear)]
        before = linears[number - 1].grads["weight"].copy()
        sgd_step(net, lr)
        new = [{k: v.copy() for k, v in layer.params.items()} for layer in net.layers]
        net.load(old)
        net.set_mode("probe")
        for layer, params in zip(net.layers, new, strict=True):
            if layer is linears[number - 1]:
                break
            for name in params:
                layer.params[name][...] = params[name]
        loss_and_gradient(net, x, labels)
        after = linears[number - 1].grads["weight"].copy()
        net.load(old)
    inner = (before * after).sum()
    cosine = inner / np.linalg.norm(before) / np.linalg.norm(after)
    return np.linalg.norm(before - after), cosine


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("number", [2, 3, 4])
def test_only_the_layers_before_are_new(norm, number):
    net, x, labels = small_case(norm)
    expected = shift_by_hand(net, x, labels, 0.5, number)
    shift = internal_covariate_shift(net, x, labels, 0.5, [number])
    np.testing.assert_allclose(shift.distance, expected[0], rtol=1e-12)
    np.testing.assert_allclose(shift.cosine, expected[1], rtol=1e-12)
    assert shift.distance[0] > 1e-3


@pytest.mark.parametrize("norm", [None, "batch"])
def test_several_layers_at_once_do_not_disturb_each_other(norm):
    net, x, labels = small_case(norm)
    together = internal_covariate_shift(net, x, labels, 0.5, [4, 1, 3])
    for i, number in enumerate([4, 1, 3]):
        alone = internal_covariate_shift(net, x, labels, 0.5, [number])
        np.testing.assert_array_equal(together.distance[i], alone.distance[0])
    assert together.distance[1] == 0.0  # nothing comes before the first layer
    assert together.cosine[1] == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_measuring_leaves_no_trace(mode):
    net, x, labels = small_case("batch")
    net.set_mode(mode)
    params = net.params.copy()
    buffers = [b.copy() for bn in net.batch_norms() for b in bn.buffers.values()]
    internal_covariate_shift(net, x, labels, 0.5, [2, 3])
    after = [b for bn in net.batch_norms() for b in bn.buffers.values()]
    np.testing.assert_array_equal(net.params, params)
    for one, other in zip(buffers, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert net.mode == mode
    assert all(bn.update_running == (mode == "train") for bn in net.batch_norms())


def test_a_watched_run_takes_the_same_steps_as_an_unwatched_one():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((30, 4)), rng.integers(0, 3, 30)
    watched, alone = mlp([4, 6, 6, 3], norm="batch"), mlp([4, 6, 6, 3], norm="batch")
    options = {"lr": 0.3, "batch_size": 10, "steps": 9, "rng": 2}
    records = list(
        shift_while_training(watched, x, labels, layers=[2, 3], every=4, **options)
    )
    assert [record.step for record in records] == [0, 4, 8]
    for _ in fit(alone, x, labels, **options):
        pass
    np.testing.assert_array_equal(watched.params, alone.params)


def test_no_step_no_shift():
    net, x, labels = small_case("batch")
    shift = internal_covariate_shift(net, x, labels, 0.0, [2, 3, 4])
    assert not shift.distance.any()


def test_a_dead_gradient_has_no_cosine():
    net = mlp([2, 3, 2])
    net.params[...] = 0.0
    shift = internal_covariate_shift(net, np.eye(2), np.array([0, 1]), 0.1, [1, 2])
    assert np.isnan(shift.cosine).all()


@pytest.mark.parametrize(
    ("layers", "lr", "message"),
    [
        ([0], 0.1, "layers must be at least 1"),
        ([5], 0.1, "numbers from 1 to 4"),
        ([], 0.1, "numbers from 1 to 4"),
        ([2], -0.1, "lr must be at least 0"),
    ],
)
def test_bad_input_is_named(layers, lr, message):
    net, x, labels = small_case(None)
    with pytest.raises(ValueError, match=message):
        internal_covariate_shift(net, x, labels, lr, layers)


def test_a_diverging_run_stops_with_its_history():
    history = gather(deep_linear_shift(lr=1.0, steps=50, every=1))
    assert "diverged" in history.reason
    assert len(history.step) < 50


def test_a_step_off_the_scale_warns_of_nothing():
    shift = next(deep_linear_shift(lr=1e8, steps=1))
    assert np.isinf(shift.distance[1:]).all()
    assert np.isnan(shift.cosine).any()


# --- what the experiments show ----------------------------------------------


def means(experiment, seeds=FRESH, **settings):
    """Cosine per layer (mean over training) and last loss, mean over seeds."""
    history = gather(experiment(seed=list(seeds), **settings))
    return np.nanmean(history.cosine, axis=0).mean(axis=-1), history.loss[-1].mean()


@pytest.mark.slow
def test_on_nonlinear_networks_there_is_no_rule():
    relu = {"steps": 100, "every": 20, "layers": (1, 5)}
    none, _ = means(digits_shift, **relu)
    batch, _ = means(digits_shift, norm="batch", **relu)
    # Late ReLU layers shift less with batch norm, tanh layers shift more.
    assert batch[1] > none[1] + 0.1
    tanh = relu | {"activation": "tanh"}
    none, _ = means(digits_shift, **tanh)
    batch, _ = means(digits_shift, norm="batch", **tanh)
    assert batch[1] < none[1]


@pytest.mark.slow
def test_a_network_that_does_not_learn_has_no_shift():
    settings = {"activation": "sigmoid", "depth": 4, "lr": 0.3, "layers": (3,)}
    cosine, loss = means(digits_shift, steps=100, every=20, **settings)
    assert loss > 2.2
    assert cosine[0] > 0.99


@pytest.mark.parametrize("seed", FRESH)
def test_batches_differ_while_nothing_shifts(seed):
    frozen = gather(frozen_weights(0.0, seed=seed, batches=20))
    trained = gather(frozen_weights(0.5, seed=seed, batches=20))
    assert not frozen.shift.any()
    assert not np.ptp(frozen.fixed_mean, axis=0).any()
    assert (frozen.batch_mean.std(axis=0) > 1e-3).all()
    assert (trained.shift > 0).all()
    assert (np.ptp(trained.fixed_mean, axis=0) > 0).all()
    # Watching batches with frozen weights cannot tell: they differ as in training.
    np.testing.assert_array_equal(frozen.batch_mean[0], trained.batch_mean[0])


def test_a_run_over_batches_that_diverges_says_so():
    run = gather(frozen_weights(1e9, activation="relu", batches=20))
    assert "diverged at step" in run.reason and len(run.step) < 20
    assert np.isnan(run.shift[-1]) and np.isnan(run.batch_mean[-1]).all()
    assert np.isfinite(run.shift[:-1]).all()
    assert gather(frozen_weights(0.1, batches=2)).reason == ""
