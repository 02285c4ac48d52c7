"""Surfaces over two directions: filters, batches of networks, scale invariance."""

import numpy as np
import pytest

from normlib.landscape.around import (
    Surface,
    basin,
    loss_surface,
    negative_curvature_share,
    random_direction,
    scale_weights,
    trained_network,
)
from normlib.nets.layers import Linear
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import mlp

FRESH = (401, 402, 403)


def small_case(norm="batch"):
    rng = np.random.default_rng(0)
    net = mlp([4, 6, 5, 3], norm=norm, rng=rng)
    net.params += 0.1 * rng.standard_normal(net.params.shape)
    return net, rng.standard_normal((20, 4)), rng.integers(0, 3, 20), rng


def surface_around(net, x, labels, *, kind="filter", points=21, seed=0):
    """Evaluate the loss on a square grid over two random directions."""
    rng, a = np.random.default_rng(seed), np.linspace(-1, 1, points)
    first, second = (random_direction(net, rng, kind) for _ in range(2))
    return Surface(a, a, loss_surface(net, x, labels, first, second, a, a))


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_each_filter_gets_the_length_of_the_weights(norm):
    net, _, _, rng = small_case(norm)
    direction = random_direction(net, rng)
    seen = np.zeros(len(direction), dtype=bool)
    for layer in net.layers:
        if isinstance(layer, Linear):
            part = net.slices[layer, "weight"]
            weight = layer.params["weight"]
            filters = direction[part].reshape(weight.shape)
            lengths = np.linalg.norm(filters, axis=0)
            np.testing.assert_allclose(lengths, np.linalg.norm(weight, axis=0))
            seen[part] = True
    assert not direction[~seen].any()  # biases, gamma, beta


def test_both_kinds_share_the_draw():
    net, *_ = small_case()
    raw = random_direction(net, np.random.default_rng(3), "raw")
    scaled = random_direction(net, np.random.default_rng(3), "filter")
    part = net.slices[net.layers[0], "weight"]
    ratio = (scaled[part] / raw[part]).reshape(4, 6)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], (4, 6)))
    assert abs(raw[part].std() - 1) < 0.4


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("at_once", [1, 4, 7, 100])
def test_the_surface_is_the_loss_point_by_point(norm, at_once):
    net, x, labels, rng = small_case(norm)
    first, second = random_direction(net, rng), random_direction(net, rng)
    a, b = np.array([-1.0, 0.0, 0.5]), np.array([-0.3, 0.0, 0.2, 1.0])
    losses = loss_surface(net, x, labels, first, second, a, b, at_once=at_once)
    theta = net.params.copy()
    with net.in_mode("probe"):
        for i, j in np.ndindex(3, 4):
            net.params[...] = theta + a[i] * first + b[j] * second
            expected = softmax_cross_entropy(net.forward(x), labels)[0]
            np.testing.assert_allclose(losses[i, j], expected, rtol=1e-10)


def test_a_surface_leaves_no_trace_and_does_not_use_running_statistics():
    net, x, labels, _ = small_case()
    params = net.params.copy()
    before = surface_around(net, x, labels, points=3)
    np.testing.assert_array_equal(net.params, params)
    for bn in net.batch_norms():
        assert not bn.buffers["running_mean"].any()
        bn.buffers["running_mean"] += 50.0
    net.eval()
    after = surface_around(net, x, labels, points=3)
    np.testing.assert_array_equal(before.losses, after.losses)
    assert net.mode == "eval"


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_weights_times_ten_change_only_the_raw_picture(norm, factor):
    net, digits = trained_network(norm, steps=40, seed=401)
    x, labels = digits.x_train[:128], digits.y_train[:128]
    options = {"points": 7, "seed": 5}
    fine = surface_around(net, x, labels, **options).losses
    raw = surface_around(net, x, labels, kind="raw", **options).losses
    scale_weights(net, factor)
    same = surface_around(net, x, labels, **options).losses
    other = surface_around(net, x, labels, kind="raw", **options).losses
    np.testing.assert_allclose(same, fine, atol=1e-9, rtol=0)
    assert np.abs(other - raw).max() > 0.2


def test_without_norm_the_scale_matters():
    net, digits = trained_network(None, steps=40, seed=401)
    x, labels = digits.x_train[:128], digits.y_train[:128]
    before = surface_around(net, x, labels, points=3).losses
    after = surface_around(scale_weights(net, 10.0), x, labels, points=3).losses
    assert np.abs(after - before).max() > 1


def test_basin_and_curvature_on_known_shapes():
    a = np.linspace(-1, 1, 5)
    bowl = a[:, None] ** 2 + a**2
    assert negative_curvature_share(Surface(a, a, bowl)) == 0.0
    assert negative_curvature_share(Surface(a, a, -bowl)) == 1.0
    assert basin(Surface(a, a, bowl), limit=0.1) == 1 / 25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, x, y: random_direction(net, 0, "unit"), "kind must be one"),
        (lambda net, x, y: scale_weights(net, 0.0), "factor must be above 0"),
        (
            lambda net, x, y: loss_surface(net, x, y, np.ones(3), np.ones(3), [0], [0]),
            "first must have the shape",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    net, x, labels, _ = small_case()
    with pytest.raises(ValueError, match=message):
        call(net, x, labels)


@pytest.mark.slow
def test_with_batch_norm_the_surface_is_bounded_and_wide_but_not_more_convex():
    found = {None: [], "batch": []}
    for norm, numbers in found.items():
        for seed in FRESH:
            net, digits = trained_network(norm, seed=seed)
            x, labels = digits.x_train[:256], digits.y_train[:256]
            s = surface_around(net, x, labels, seed=seed)
            curved = negative_curvature_share(s)
            numbers.append((s.losses.max(), basin(s), curved))
    plain, normed = (np.mean(found[norm], axis=0) for norm in (None, "batch"))
    assert normed[0] < plain[0] / 3
    assert normed[1] > plain[1]
    assert normed[2] > plain[2]  # the claim "more convex" does not show


@pytest.mark.parametrize("steps", [1, 20])
@pytest.mark.parametrize("norm", [None, "batch"])
def test_a_training_that_diverges_is_refused(norm, steps):
    with pytest.raises(ValueError, match="the training with lr 1e.09 .*smaller lr"):
        trained_network(norm, lr=1e9, steps=steps)
