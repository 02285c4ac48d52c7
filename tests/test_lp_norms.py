"""Centre and divide by l1, l2 or max: values, gradients, invariances, errors."""

import numpy as np
import pytest
from gradient_checks import assert_gradients

from normlib.landscape.lp_norms import (
    ORDERS,
    LpBatchNorm,
    lp_batch_norm,
    lp_batch_norm_backward,
    train_with_lp,
)
from normlib.nets.layers import Linear, Tanh
from normlib.nets.network import Network
from normlib.nets.watching import gather
from normlib.norms import batch_norm, batch_norm_backward

SEEDS = (0, 1, 2)
FRESH = (701, 702, 703)


def central_difference(function, x, dy, step=1e-6):
    """Gradient of sum(dy * function(x)) entry by entry."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        difference = function(x + shift) - function(x - shift)
        gradient[index] = (dy * difference).sum() / (2 * step)
    return gradient


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("eps", [0.0, 0.1])
@pytest.mark.parametrize("seed", SEEDS)
def test_backward_agrees_with_central_differences(order, eps, seed):
    rng = np.random.default_rng(seed)
    x, dy = 2 * rng.standard_normal((2, 7, 3)) + 1
    _, cache = lp_batch_norm(x, order, eps=eps)
    expected = central_difference(lambda z: lp_batch_norm(z, order, eps=eps)[0], x, dy)
    np.testing.assert_allclose(
        lp_batch_norm_backward(dy, cache), expected, rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("order", ORDERS)
def test_size_of_the_result_is_one(order):
    x = np.random.default_rng(0).gamma(2.0, 3.0, (50, 4))
    y, _ = lp_batch_norm(x, order, eps=0)
    size = {1: np.abs(y).mean(0), 2: (y**2).mean(0), np.inf: np.abs(y).max(0)}[order]
    np.testing.assert_allclose(size, 1, rtol=1e-12)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_order_two_is_batch_norm(seed):
    x, dy = np.random.default_rng(seed).standard_normal((2, 9, 5))
    y, cache = lp_batch_norm(x, 2, eps=0.0)
    expected, reference = batch_norm(x, eps=0.0)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    dx = batch_norm_backward(dy, reference)[0]
    np.testing.assert_allclose(lp_batch_norm_backward(dy, cache), dx, atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("scale", [1e-3, 7.0])
def test_scale_and_shift_of_a_unit_change_nothing(order, scale):
    x = np.random.default_rng(3).standard_normal((12, 4))
    expected, _ = lp_batch_norm(x, order, eps=0.0)
    y, _ = lp_batch_norm(scale * x + 5.0, order, eps=0.0)
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_constant_unit_gives_zero_and_no_warning(order):
    x = np.full((4, 2), 3.0)
    y, cache = lp_batch_norm(x, order, eps=0.0)
    assert not y.any()
    assert np.isfinite(lp_batch_norm_backward(np.ones((4, 2)), cache)).all()


@pytest.mark.parametrize(
    ("x", "order", "message"),
    [
        (np.ones((1, 3)), 1, "N at least 2"),
        (np.ones(3), 1, "x must have 2 axes"),
        (np.ones((4, 3)), 3, "order must be one of 1, 2, inf, got 3"),
        (np.array([[1.0], [np.nan]]), 1, "NaN or infinity"),
    ],
)
def test_bad_input_is_named(x, order, message):
    with pytest.raises(ValueError, match=message):
        lp_batch_norm(x, order)


@pytest.mark.parametrize("order", ORDERS)
def test_the_layer_has_the_right_gradients_and_lets_nan_pass(order):
    rng = np.random.default_rng(0)
    net = Network(
        [Linear(3, 4, rng=rng), LpBatchNorm(4, order), Tanh(), Linear(4, 2, rng=0)]
    )
    net.params += 0.3 * rng.standard_normal(net.params.shape)
    assert_gradients(net, rng.standard_normal((9, 3)), rng)
    assert np.isnan(net.forward(np.full((5, 3), np.nan))).all()


def test_a_diverging_run_stops_with_its_history():
    settings = {"activation": "relu", "lr": 100.0, "steps": 50, "every": 1}
    history = gather(train_with_lp(None, **settings))
    assert "diverged" in history.reason
    assert len(history.step) < 50


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("value", [0.1, -0.7])
def test_a_constant_unit_gives_0_also_where_its_mean_is_rounded(order, value):
    x = np.random.default_rng(0).standard_normal((6, 2))
    x[:, 1] = value
    y, cache = lp_batch_norm(x, order, eps=0.0)
    assert not y[:, 1].any() and y[:, 0].any()
    assert np.isfinite(lp_batch_norm_backward(np.ones((6, 2)), cache)).all()


@pytest.mark.parametrize("order", [np.int64(1), np.float32(2), np.float32("inf")])
def test_an_order_may_be_a_number_of_numpy(order):
    x = np.array([[1.0], [2.0], [6.0]])
    plain = lp_batch_norm(x, float(order))[0]
    np.testing.assert_array_equal(lp_batch_norm(x, order)[0], plain)
