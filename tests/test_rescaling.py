"""Min-max, skewness and whitening against what defines them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normlib.batch.rescaling import min_max, skewness, whiten


def data(seed, shape=(50, 3)):
    return np.random.default_rng(seed).exponential(2.0, size=shape) + 4


@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(0.1, 5))
def test_min_max_reaches_both_limits_and_keeps_ratios_of_distances(seed, low, width):
    x = data(seed)
    y = min_max(x, low, low + width)
    np.testing.assert_allclose(y.min(axis=0), low, atol=1e-12)
    np.testing.assert_allclose(y.max(axis=0), low + width)
    ratio = (x[0] - x[1]) / (x[2] - x[3])
    np.testing.assert_allclose((y[0] - y[1]) / (y[2] - y[3]), ratio)


def test_min_max_of_a_constant_column_is_low():
    y = min_max(np.full((4, 1), 7.0), -1, 1)
    np.testing.assert_array_equal(y, -1)


@given(st.integers(0, 1000), st.floats(-50, 50), st.floats(0.1, 10))
def test_skewness_is_blind_to_shift_and_scale_and_turns_with_the_sign(seed, b, a):
    x = data(seed)
    np.testing.assert_allclose(skewness(a * x + b), skewness(x), rtol=1e-8)
    np.testing.assert_allclose(skewness(-x), -skewness(x))


def test_skewness_of_two_values_is_that_of_a_coin():
    p = 0.25
    coin = np.array([1.0, 0.0, 0.0, 0.0])
    assert skewness(coin) == pytest.approx((1 - 2 * p) / np.sqrt(p * (1 - p)))
    assert skewness(np.ones(5)) == 0


def test_whitened_columns_are_uncorrelated_and_nearest():
    x = data(0) @ np.array([[2.0, 1, 0], [0, 1, 0.5], [0, 0, 3]])
    z = whiten(x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(3), atol=1e-10)
    c = x - x.mean(axis=0)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    assert ((z - c) ** 2).sum() < ((z @ turn - c) ** 2).sum()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: min_max(np.ones(3), 1, 0), "low must be below high"),
        (lambda: min_max(np.ones(0)), "x must not be empty"),
        (lambda: skewness(np.ones((0, 2))), "x must not be empty"),
        (lambda: whiten(np.ones(3)), r"shape \(N, D\)"),
        (lambda: whiten(np.ones((5, 2))), "singular"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
