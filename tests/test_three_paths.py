"""The three paths add up to the gradient, and each is what it claims to be."""

import numpy as np
import pytest
from gradient_checks import central_differences

from normlib import standardize, standardize_backward
from normlib.gradients.three_paths import measured_gradient, path_gradients
from normlib.gradients.unit_before_norm import train_unit, unit_data, unit_loss

SETTINGS = [(0, 5, 0.0), (1, 8, 1e-5), (2, 3, 0.5)]


def draw(seed, n):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), 3 + 2 * rng.normal(size=n)


@pytest.mark.parametrize(("seed", "n", "eps"), SETTINGS)
def test_the_paths_add_up_to_the_gradient(seed, n, eps):
    d, x = draw(seed, n)
    total = sum(path_gradients(d, x, eps=eps).values())
    x_hat, stats = standardize(x, 0, eps=eps)
    backward = standardize_backward(d, x_hat, stats.inv_std, 0)
    np.testing.assert_allclose(total, backward, atol=1e-13)
    np.testing.assert_allclose(measured_gradient(d, x, eps=eps), total, atol=1e-8)


@pytest.mark.parametrize(("seed", "n", "eps"), SETTINGS)
def test_each_path_is_the_gradient_with_the_other_two_held(seed, n, eps):
    d, x = draw(seed, n)
    mean, var = x.mean(), x.var()
    moved = x.copy()
    values = {
        "x": lambda: (d * (moved - mean)).sum() / np.sqrt(var + eps),
        "mean": lambda: (d * (x - moved.mean())).sum() / np.sqrt(var + eps),
        "var": lambda: (d * (x - mean)).sum() / np.sqrt(moved.var() + eps),
    }
    for name, part in path_gradients(d, x, eps=eps).items():
        expected = central_differences(values[name], moved)
        np.testing.assert_allclose(part, expected, atol=1e-7)


def test_the_unit_has_the_gradient_of_its_loss_and_no_scale():
    u, targets = unit_data(3)
    w = np.array([0.7, -1.1])
    loss, g = unit_loss(w, u, targets)
    expected = central_differences(lambda: unit_loss(w, u, targets)[0], w)
    np.testing.assert_allclose(g, expected, atol=1e-8)
    assert w @ g == pytest.approx(0, abs=1e-14)
    scaled_loss, scaled_g = unit_loss(8 * w, u, targets)
    assert scaled_loss == pytest.approx(loss)
    np.testing.assert_allclose(8 * scaled_g, g)


def test_the_weights_of_the_unit_follow_pythagoras():
    run = train_unit(lr=0.3, steps=50, seed=5)
    squared = (run.weights**2).sum(axis=1)
    np.testing.assert_allclose(
        np.diff(squared), 0.3**2 * (run.gradients**2).sum(axis=1), rtol=1e-6
    )
    cosines = [
        a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        for a, b in zip(run.weights[1:], run.weights[:-1], strict=True)
    ]
    np.testing.assert_allclose(np.cos(run.angles), cosines, atol=1e-12)


@pytest.mark.parametrize("lr", [0.2, 0.5, 1.0])
def test_weight_decay_settles_the_angle_of_the_unit_on_fresh_seeds(lr):
    angles = []
    for seed in range(50, 56):
        run = train_unit(lr=lr, weight_decay=0.1, steps=300, seed=seed)
        angles.append(np.sqrt(np.mean(run.angles[100:] ** 2)))
    assert np.mean(angles) == pytest.approx(np.sqrt(2 * lr * 0.1), rel=0.15)


@pytest.mark.parametrize(
    "settings", [{"lr": 100.0, "weight_decay": 1.0}, {"lr": 1e200}]
)
def test_a_unit_that_diverges_says_so(settings):
    with pytest.raises(ValueError, match=r"lr .* diverges after \d+ steps"):
        train_unit(**settings)
