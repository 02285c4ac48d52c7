"""Loss and gradient along an iterate's own gradient, and the cases where it fails."""

import numpy as np
import pytest

from normlib.landscape.along_gradient import (
    CASES,
    WalkRecord,
    along_the_gradient,
    measures,
    smoothness,
    walk_along_gradient,
)
from normlib.nets.layers import Linear
from normlib.nets.losses import half_squared_error
from normlib.nets.network import Network, mlp
from normlib.nets.training import fit
from normlib.nets.watching import gather

FRESH = (201, 202, 203)


def linear_regression(seed=0):
    """Return a network with an exactly quadratic loss, and its Hessian."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    hessian = np.kron(x.T @ x / len(x), np.eye(2))
    return Network([Linear(3, 2, bias=False, rng=rng)]), x, y, hessian


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_on_a_quadratic_every_number_is_known(seed):
    net, x, y, hessian = linear_regression(seed)
    g = (x.T @ (x @ net.params.reshape(3, 2) - y) / len(x)).ravel()
    lengths = np.array([0.1, 0.5, 2.0])
    walk = walk_along_gradient(net, x, y, lengths, loss=half_squared_error)
    hg, square = hessian @ g, g @ g
    beta = np.linalg.norm(hg) / np.sqrt(square)
    np.testing.assert_allclose(walk.betas, beta, rtol=1e-9)
    np.testing.assert_allclose(walk.changes, lengths * beta * np.sqrt(square))
    expected = 1 - lengths * (g @ hg) / (2 * square)
    np.testing.assert_allclose(walk.predictiveness, expected, rtol=1e-9)
    there = g - lengths[:, None] * hg
    cosines = there @ g / np.linalg.norm(there, axis=1) / np.sqrt(square)
    np.testing.assert_allclose(walk.cosines, cosines, rtol=1e-9)
    start = ((x @ net.params.reshape(3, 2) - y) ** 2).sum() / (2 * len(x))
    fall = lengths * square * expected
    np.testing.assert_allclose(walk.losses, start - fall, rtol=1e-9)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_a_short_step_keeps_the_promise(norm):
    rng = np.random.default_rng(0)
    net = mlp([4, 6, 6, 3], norm=norm, activation="tanh", rng=rng)
    x, labels = rng.standard_normal((16, 4)), rng.integers(0, 3, 16)
    walk = walk_along_gradient(net, x, labels, [1e-5])
    np.testing.assert_allclose(walk.predictiveness, 1, atol=1e-3)
    np.testing.assert_allclose(walk.cosines, 1, atol=1e-5)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_walk_leaves_no_trace(mode):
    rng = np.random.default_rng(1)
    net = mlp([4, 6, 6, 3], norm="batch", rng=rng)
    x, labels = rng.standard_normal((16, 4)), rng.integers(0, 3, 16)
    for _ in fit(net, x, labels, lr=0.1, batch_size=8, steps=5, rng=0):
        pass
    net.set_mode(mode)
    before = net.state()
    walk_along_gradient(net, x, labels, [0.1, 1.0])
    params, buffers, _, kept_mode, switches = net.state()
    np.testing.assert_array_equal(params, before[0])
    for one, other in zip(buffers, before[1], strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    assert (kept_mode, switches) == (before[3], before[4])


def test_a_walk_uses_the_statistics_of_its_batch():
    rng = np.random.default_rng(1)
    net = mlp([4, 6, 3], norm="batch", rng=rng)
    x, labels = rng.standard_normal((16, 4)), rng.integers(0, 3, 16)
    expected = walk_along_gradient(net, x, labels, [0.1])
    for bn in net.batch_norms():
        bn.buffers["running_mean"] += 100.0
    net.eval()
    np.testing.assert_array_equal(
        walk_along_gradient(net, x, labels, [0.1]).losses, expected.losses
    )


def test_watching_does_not_change_the_run():
    short = gather(along_the_gradient("batch", steps=20, every=1, width=8))
    long = gather(along_the_gradient("batch", steps=20, every=10, width=8))
    np.testing.assert_array_equal(short.loss[::10], long.loss)
    np.testing.assert_array_equal(short.losses[::10], long.losses)
    assert long.step.tolist() == [0, 10, 20]


def test_lengths_are_multiples_of_the_learning_rate():
    record = next(along_the_gradient(lr=0.2, multiples=(1, 3), width=8))
    np.testing.assert_allclose(record.lengths, [0.2, 0.6])
    assert record.losses.shape == (2,)


def test_a_zero_gradient_leads_nowhere():
    net = mlp([2, 3, 2])
    net.params[...] = 0.0
    walk = walk_along_gradient(net, np.eye(2), np.array([0, 1]), [0.1, 1.0])
    assert not walk.betas.any()
    assert np.ptp(walk.losses) == 0
    assert np.isnan(walk.predictiveness).all()
    assert np.isnan(walk.cosines).all()


def test_a_diverging_run_stops_with_its_history():
    history = gather(along_the_gradient(depth=12, lr=3.0, steps=50, every=1))
    assert "diverged" in history.reason
    assert len(history.step) < 50
    assert np.isnan(history.losses[-1]).all()
    # What was walked before the end is still summarized.
    assert smoothness(history).loss_range > 0
    with pytest.raises(ValueError, match="no walk since step 50"):
        smoothness(history, since=50)


def test_a_record_without_a_walk_does_not_count():
    records = list(along_the_gradient("batch", steps=10, width=8))
    nothing = np.full(8, np.nan)
    last = records[-1]._replace(
        gradient_norm=np.nan, losses=nothing, changes=nothing, betas=nothing
    )
    expected = smoothness(gather(records))
    assert smoothness(gather([*records, last])) == expected


def test_the_range_counts_the_start_and_the_median_ignores_a_spike():
    records = list(along_the_gradient("batch", steps=10, width=8))
    history = gather(records)
    expected = [max(r.loss, *r.losses) - min(r.loss, *r.losses) for r in records]
    np.testing.assert_allclose(measures(history)[0], expected, rtol=1e-12)
    near = measures(history, 1.0)
    expected = [np.ptp([r.loss, *r.losses[:2]]) for r in records]
    np.testing.assert_allclose(near[0], expected, rtol=1e-12)
    np.testing.assert_allclose(near[1], [max(r.changes[:2]) for r in records])
    spike = records[-1]._replace(losses=np.full(8, 1e9))
    middle = smoothness(gather([*records[:-1], spike])).loss_range
    assert middle <= max(measures(history)[0])


def test_a_walk_off_the_scale_is_infinite_and_warns_of_nothing():
    net = mlp([2, 30, 30, 2])
    walk = walk_along_gradient(net, np.eye(2), np.array([0, 1]), [1e-3, 1e200])
    assert np.isfinite([walk.losses[0], walk.changes[0]]).all()
    assert np.isinf([walk.losses[1], walk.changes[1], walk.betas[1]]).all()
    assert walk.predictiveness[1] == -np.inf
    far = walk_along_gradient(net, np.eye(2), np.array([0, 1]), [1e200, 2e200])
    off = smoothness(gather([WalkRecord(0, 1.0, 1.0, *far)]))
    assert off.loss_range == off.gradient_change == np.inf


@pytest.mark.parametrize("lengths", [[0.0], [-0.1, 0.1], [np.nan], []])
def test_bad_lengths_are_named(lengths):
    net = mlp([2, 2])
    with pytest.raises(ValueError, match="lengths"):
        walk_along_gradient(net, np.eye(2), np.array([0, 1]), lengths)


# --- what the experiment shows ----------------------------------------------
# The numbers that the notebook quotes are in tests/claims/test_loss_landscape.py.


@pytest.mark.slow
def test_a_dead_network_looks_smoothest_of_all():
    dead = [gather(along_the_gradient(seed=s, **CASES["dead"])) for s in FRESH]
    assert np.mean([abs(run.loss[-1] - np.log(10)) < 0.15 for run in dead]) > 0.6
    ranges = [
        smoothness(gather(along_the_gradient("batch", seed=s, **CASES["dead"])))
        for s in FRESH
    ]
    batch = np.median([found.loss_range for found in ranges])
    assert np.median([smoothness(run).loss_range for run in dead]) < batch / 4
