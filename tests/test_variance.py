"""One, two and three passes to a variance; batch norm that gamma and beta undo."""

import numpy as np
import pytest

from normlib.batch.two_parametrizations import undone_batch_norm
from normlib.batch.variance import (
    one_pass_variance,
    three_pass_variance,
    two_pass_variance,
)
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import mlp
from normlib.nets.training import loss_and_gradient


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_agree_near_zero(dtype):
    x = np.random.default_rng(0).normal(0.5, 2.0, size=(200, 3)).astype(dtype)
    expected = x.astype(np.float64).var(axis=0)
    for variance in (one_pass_variance, two_pass_variance, three_pass_variance):
        result = variance(x)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected, rtol=2e-5)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_one_pass_breaks_far_from_zero_and_two_passes_do_not(seed):
    x = np.random.default_rng(seed).standard_normal((128, 20))
    far = (x + 1e4).astype(np.float32)
    true = far.astype(np.float64).var(axis=0)  # of the numbers as they are stored
    np.testing.assert_allclose(two_pass_variance(far), true, rtol=1e-4)
    one = one_pass_variance(far)
    assert (np.abs(one / true - 1) > 0.9).mean() > 0.8
    assert (one <= 0).any()


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_two_passes_break_farther_out_and_three_do_not(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((256, 20))
    far = (x + 1e6 * rng.uniform(1, 1.01, 20)).astype(np.float32)
    true = far.astype(np.float64).var(axis=0)
    np.testing.assert_allclose(three_pass_variance(far), true, rtol=1e-4)
    two = two_pass_variance(far)
    assert (two > 1.5 * true).mean() > 0.3
    mean = np.cumsum(far, axis=0)[-1] / np.float32(256)
    gap = far.astype(np.float64).mean(axis=0) - mean
    np.testing.assert_allclose(two, true + gap**2, rtol=1e-3)


def test_integers_and_nothing_are_refused():
    with pytest.raises(TypeError, match="floating-point"):
        one_pass_variance(np.arange(3))
    with pytest.raises(ValueError, match="empty"):
        two_pass_variance(np.empty((0, 3)))


@pytest.mark.parametrize("seed", [3, 4, 5])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_undone_batch_norm_is_the_same_function_on_the_batch(seed, activation, factor):
    rng = np.random.default_rng(seed)
    net = mlp([5, 7, 6, 3], activation=activation, rng=rng)
    net.params += 0.1 * rng.standard_normal(net.params.size)
    x, before = rng.standard_normal((20, 5)), net.params.copy()
    other = undone_batch_norm(net, x, factor=factor)
    np.testing.assert_allclose(other.forward(x), net.forward(x), atol=1e-12)
    np.testing.assert_array_equal(net.params, before)
    # On other inputs the batch has other statistics, so the functions differ.
    x = rng.standard_normal((20, 5))
    assert np.abs(other.forward(x) - net.forward(x)).max() > 1e-3


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_gamma_beta_and_weights_share_the_gradient(seed):
    """dy is cut in three: its mean, its part along x_hat, and the rest."""
    rng = np.random.default_rng(seed)
    net = mlp([5, 7, 3], activation="tanh", rng=rng)
    x, labels = rng.standard_normal((20, 5)), rng.integers(0, 3, 20)
    other = undone_batch_norm(net, x)
    _, dout = softmax_cross_entropy(net.forward(x), labels)
    net.backward(dout, record=True)
    dy = net.output_grads[0]
    loss_and_gradient(other, x, labels)
    linear, norm = other.layers[:2]
    x_hat = norm.x_hat
    rest = dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0)
    np.testing.assert_allclose(norm.grads["beta"], dy.sum(0), atol=1e-14)
    np.testing.assert_allclose(norm.grads["gamma"], (dy * x_hat).sum(0), atol=1e-14)
    np.testing.assert_allclose(linear.grads["weight"], x.T @ rest, atol=1e-12)
    np.testing.assert_allclose(linear.grads["bias"], 0, atol=1e-14)
    np.testing.assert_allclose(net.layers[0].grads["bias"], dy.sum(0), atol=1e-14)


def test_a_constant_pre_activation_cannot_be_restored():
    net = mlp([2, 3, 2])
    with pytest.raises(ValueError, match="3 of 3 that are constant"):
        undone_batch_norm(net, np.ones((4, 2)))
    with pytest.raises(ValueError, match="factor"):
        undone_batch_norm(net, np.eye(2), factor=0.0)
