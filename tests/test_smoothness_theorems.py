"""Both sides of theorems 4.1 and 4.2 and of lemma 4.5 of Santurkar et al. (2018)."""

import numpy as np
import pytest

from normlib.landscape.theorems import (
    batch_norm_hessian,
    curvature_sides,
    gradient_norm_sides,
    optimum_distance_sides,
    theorem_cases,
)

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
    small = theorem_cases(seed=5, spread=0.1).gradient
    large = theorem_cases(seed=5, spread=10.0).gradient
    assert (small.left > small.plain).mean() > 0.95
    assert (large.left < large.plain).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_hessian_agrees_with_differences_of_the_exact_gradient(seed):
    y, slope, hessian = one_case(seed)
    gamma, step = 0.6, 1e-6
    dz = slope + hessian @ batch_norm_by_hand(y, gamma)
    columns = []
    for shift in step * np.eye(len(y)):
        above = complex_step_gradient(y + shift, gamma, slope, hessian)
        below = complex_step_gradient(y - shift, gamma, slope, hessian)
        columns.append((above - below) / (2 * step))
    ours = batch_norm_hessian(y, dz, hessian, gamma)
    scale = np.abs(ours).max()
    np.testing.assert_allclose(ours, np.array(columns), atol=1e-8 * scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_theorem_4_2_holds_with_equality(seed):
    y, slope, hessian = one_case(seed)
    dz = slope + hessian @ batch_norm_by_hand(y, 0.6)
    left, right, plain = curvature_sides(y, dz, hessian, 0.6)
    scale = (
        np.linalg.norm(batch_norm_hessian(y, dz, hessian, 0.6))
        * (gradient_norm_sides(y[:, None], dz[:, None], 0.6).left[0])
    )
    assert abs(left - right) < 1e-13 * scale
    np.testing.assert_allclose(plain, dz @ hessian @ dz, rtol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_lemma_4_5_is_the_nearest_point_of_the_ray(seed):
    rng = np.random.default_rng(seed)
    optimum = rng.standard_normal((4, 3))
    start = 0.7 * optimum + rng.standard_normal((4, 3)) * 0.2
    left, right, plain = optimum_distance_sides(start, optimum)
    ray = np.linspace(0, 3, 30001)[:, None, None] * optimum
    nearest = ((start - ray) ** 2).sum((1, 2)).min()
    np.testing.assert_allclose(left, nearest, rtol=1e-5)
    np.testing.assert_allclose(left, right, rtol=1e-12)
    assert left <= plain


def test_all_three_hold_over_many_cases_with_several_settings():
    for seed in SEEDS:
        for gamma, spread in [(1.0, 1.0), (0.2, 3.0), (3.0, 0.2)]:
            cases = theorem_cases(seed, cases=100, gamma=gamma, spread=spread)
            np.testing.assert_allclose(*cases.gradient[:2], rtol=1e-11)
            np.testing.assert_allclose(*cases.distance[:2], rtol=1e-11)
            scale = np.abs(cases.curvature.left).max()
            np.testing.assert_allclose(*cases.curvature[:2], atol=1e-12 * scale)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient_norm_sides([[1.0]], [[1.0]]), "at least 2 examples"),
        (lambda: gradient_norm_sides(np.eye(3), np.ones((3, 1))), "dz must have the"),
        (lambda: gradient_norm_sides([[1.0], [np.inf]], [[0], [0]]), "NaN or infinity"),
        (lambda: batch_norm_hessian(np.ones(3), np.ones(3), np.eye(3)), "zero var"),
        (lambda: batch_norm_hessian([1.0, 2.0], [1.0, 2.0], np.eye(3)), "hessian_z"),
        (lambda: optimum_distance_sides([1.0], [-1.0]), "above 0, got -1"),
        (lambda: optimum_distance_sides([1.0], [1.0, 2.0]), "same shape"),
        (lambda: theorem_cases(cases=0), "cases must be at least 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
