"""Both sides of theorem 4.1 of Santurkar et al. (2018)."""

import numpy as np
import pytest

from normlib.landscape.theorems import gradient_norm_sides

SEEDS = (0, 1, 2, 40, 41)


def batch_norm_by_hand(y, gamma):
    """Batch norm of one unit written out; works for complex y too."""
    centred = y - y.mean()
    return gamma * centred / np.sqrt((centred * centred).mean())


def loss_by_hand(y, gamma, slope, hessian):
    """Quadratic loss of batch norm's output."""
    z = batch_norm_by_hand(y, gamma)
    return slope @ z + z @ hessian @ z / 2


def one_case(seed, m=6):
    rng = np.random.default_rng(seed)
    hessian = rng.standard_normal((m, m))
    return rng.standard_normal(m), rng.standard_normal(m), hessian + hessian.T


def complex_step_gradient(y, *loss):
    """Exact to rounding: the imaginary part of a step of 1e-30 times i."""
    steps = 1e-30j * np.eye(len(y))
    return np.array([loss_by_hand(y + step, *loss).imag for step in steps]) / 1e-30


@pytest.mark.parametrize("seed", SEEDS)
def test_left_side_of_theorem_4_1_is_the_true_gradient(seed):
    y, slope, hessian = one_case(seed)
    dz = slope + hessian @ batch_norm_by_hand(y, 1.7)
    sides = gradient_norm_sides(y[:, None], dz[:, None], 1.7)
    expected = (complex_step_gradient(y, 1.7, slope, hessian) ** 2).sum()
    np.testing.assert_allclose(sides.left[0], expected, rtol=1e-11)
    np.testing.assert_allclose(sides.plain[0], (dz**2).sum(), rtol=1e-14)


@pytest.mark.parametrize("seed", SEEDS)
def test_theorem_4_1_holds_with_equality_unit_by_unit(seed):
    rng = np.random.default_rng(seed)
    y, dz = rng.standard_normal((2, 16, 300))
    left, right, plain = gradient_norm_sides(y, dz, rng.uniform(0.1, 3, 300))
    np.testing.assert_allclose(left, right, rtol=1e-12)
    assert (gradient_norm_sides(y, dz, y.std(0)).left < plain).all()


def test_eps_makes_theorem_4_1_a_strict_inequality():
    y, dz = np.random.default_rng(0).standard_normal((2, 16, 300))
    left, right, _ = gradient_norm_sides(y, dz, eps=0.5)
    assert (left < right).all()
    assert (left < 0.99 * right).any()


def test_batch_norm_enlarges_the_gradient_where_sigma_is_below_gamma():
    y, dz = np.random.default_rng(5).standard_normal((2, 16, 300))
    small, large = (gradient_norm_sides(spread * y, dz) for spread in (0.1, 10.0))
    assert (small.left > small.plain).mean() > 0.95
    assert (large.left < large.plain).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient_norm_sides([[1.0]], [[1.0]]), "at least 2 examples"),
        (lambda: gradient_norm_sides(np.eye(3), np.ones((3, 1))), "dz must have the"),
        (lambda: gradient_norm_sides([[1.0], [np.inf]], [[0], [0]]), "NaN or infinity"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
