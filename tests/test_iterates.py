"""The loop that stops before each update, and `gather`."""

from typing import NamedTuple

import numpy as np
import pytest

from normlib.nets.network import mlp, stack
from normlib.nets.training import fit
from normlib.nets.watching import gather, iterates


def two_clouds(n=40):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 3))
    return x, (x[:, 0] > 0).astype(int)


def test_the_same_steps_as_fit():
    x, labels = two_clouds()
    net, other = mlp([3, 5, 2], norm="batch"), mlp([3, 5, 2], norm="batch")
    options = {"lr": 0.3, "batch_size": 10, "steps": 12, "rng": 4}
    losses = [record.loss for record in fit(net, x, labels, **options)]
    records = list(iterates(other, x, labels, **options))
    assert [record.step for record in records] == list(range(13))
    np.testing.assert_array_equal([r.loss for r in records[:-1]], losses)
    np.testing.assert_array_equal(net.params, other.params)


def test_stops_before_the_update_with_the_gradient_of_its_batch():
    x, labels = two_clouds()
    net = mlp([3, 2])
    loop = iterates(net, x, labels, lr=0.5, batch_size=10, steps=2)
    first = next(loop)
    before = net.params.copy()
    net.grads[...] = 7.0  # what a probe leaves behind must not matter
    second = next(loop)
    np.testing.assert_array_equal(net.params, before - 0.5 * first.gradient)
    assert first.x.shape == (10, 3)
    assert not np.array_equal(first.x, second.x)


def test_zero_steps_show_the_network_once_and_zero_rate_freezes_it():
    x, labels = two_clouds()
    net = mlp([3, 2])
    before = net.params.copy()
    assert len(list(iterates(net, x, labels, lr=1.0, steps=0))) == 1
    assert len(list(iterates(net, x, labels, lr=0.0, steps=5))) == 6
    np.testing.assert_array_equal(net.params, before)


def test_a_diverging_run_ends_with_its_reason():
    x, labels = two_clouds()
    net = mlp([3, 20, 20, 2])
    records = list(iterates(net, x, labels, lr=1e4, steps=50))
    assert len(records) < 51
    assert "diverged" in records[-1].reason
    assert not any(record.reason for record in records[:-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1.0}, "lr must be at least 0"),
        ({"lr": np.nan}, "lr must be finite"),
        ({"steps": -1}, "steps must be at least 0"),
        ({"batch_size": 41}, "batch_size must be at most the 40"),
        ({"x": np.full((40, 3), np.nan)}, "x must be finite"),
        ({"targets": np.full(40, np.nan)}, "targets holds NaN"),
        ({"x": np.zeros((0, 3))}, "not empty"),
        ({"x": np.zeros((39, 3))}, "one target per row"),
    ],
)
def test_bad_input_is_named(change, message):
    x, labels = two_clouds()
    options = {"x": x, "targets": labels, "lr": 0.1, "steps": 3} | change
    with pytest.raises(ValueError, match=message):
        iterates(mlp([3, 2]), **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": "0.1"}, "lr must be one number, got '0.1'"),
        ({"lr": np.array([0.1])}, "lr must be one number"),
        ({"targets": np.zeros(40)}, "targets must be integers"),
    ],
)
def test_what_is_no_number_is_named(change, message):
    x, labels = two_clouds()
    options = {"x": x, "targets": labels, "lr": 0.1, "steps": 3} | change
    with pytest.raises(TypeError, match=message):
        iterates(mlp([3, 2]), **options)


def test_one_wrong_label_is_found_before_the_first_update():
    x, labels = two_clouds()
    labels[-1] = 9
    for seed in range(3):
        loop = iterates(mlp([3, 2]), x, labels, lr=0.1, batch_size=4, steps=9, rng=seed)
        with pytest.raises(ValueError, match="between 0 and 1 for 2 classes"):
            next(loop)


def test_networks_at_once_are_as_each_alone():
    """Each on its own cases; the one that diverges stands still."""
    x, labels = two_clouds()
    x, labels = np.array([x, 1e5 * x]), np.array([labels, labels[::-1]])
    nets = [mlp([3, 9, 2], norm=None, rng=seed) for seed in (0, 1)]
    options = {"lr": 0.5, "batch_size": 10, "steps": 9}
    many = stack(nets)
    runs = gather(iterates(many, x, labels, rng=[4, 5], **options))
    assert runs.reason == "" and runs.loss.shape == (10, 2)
    alone = gather(iterates(nets[0], x[0], labels[0], rng=4, **options))
    np.testing.assert_allclose(runs.loss[:, 0], alone.loss)
    np.testing.assert_allclose(many.params[0], nets[0].params)
    other = gather(iterates(nets[1], x[1], labels[1], rng=5, **options))
    assert "diverged" in other.reason
    np.testing.assert_array_equal(many.params[1], nets[1].params)


def test_networks_at_once_need_cases_of_their_own():
    x, labels = two_clouds()
    with pytest.raises(ValueError, match=r"x must have shape \(2, N, D\)"):
        iterates(stack([mlp([3, 2])] * 2), x, labels, lr=0.1, steps=3, rng=[0, 1])


def test_gather_stacks_fields_and_keeps_the_last_reason():
    class Point(NamedTuple):
        value: np.ndarray
        reason: str = ""

    points = gather(Point(np.full(3, i), "stop" * (i == 4)) for i in range(5))
    assert points.value.shape == (5, 3)
    assert points.reason == "stop"
    with pytest.raises(ValueError, match="at least 1 record"):
        gather([])


@pytest.mark.parametrize("x, targets", [(1.0, 0), (np.ones((2, 1)), 0)])
def test_single_numbers_are_no_data(x, targets):
    with pytest.raises(ValueError, match="have one target per row"):
        iterates(mlp([1, 2]), x, targets, lr=0.1, steps=2)
