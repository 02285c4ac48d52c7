"""Weight norm's initialisation and growth, mean-only batch norm, standardization."""

import numpy as np
import pytest

from normlib.family import weight_parametrizations as wp
from normlib.norms import weight_norm

SEEDS = (21, 22, 23)


@pytest.mark.parametrize("seed", SEEDS)
def test_data_dependent_init_standardizes_the_outputs_for_any_length_of_v(seed):
    rng = np.random.default_rng(seed)
    v = 0.05 * rng.standard_normal((4, 6))
    x = 3 + 2 * rng.standard_normal((50, 6))
    found = wp.data_dependent_init(v, x)
    w, _ = weight_norm(v, found.g)
    np.testing.assert_allclose(x @ w.T + found.bias, found.outputs, rtol=1e-9)
    np.testing.assert_allclose(found.outputs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.outputs.std(axis=0), 1, rtol=1e-12)
    same = wp.data_dependent_init(70 * v, x)
    np.testing.assert_allclose(same.g, found.g, rtol=1e-12)


def test_mean_only_batch_norm_and_its_gradient():
    rng = np.random.default_rng(0)
    t, bias = rng.standard_normal((7, 3)), rng.standard_normal(3)
    y = wp.mean_only_batch_norm(t, bias)
    np.testing.assert_allclose(y.mean(axis=0), bias)
    np.testing.assert_allclose(y.std(axis=0), t.std(axis=0))
    dy = rng.standard_normal((7, 3))
    numeric = np.empty_like(t)
    for index in np.ndindex(t.shape):
        move = np.zeros_like(t)
        move[index] = 1e-6
        up, down = (wp.mean_only_batch_norm(t + s * move, bias) for s in (1, -1))
        numeric[index] = (dy * (up - down)).sum() / 2e-6
    np.testing.assert_allclose(wp.mean_only_batch_norm(dy), numeric, atol=1e-8)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 3, 3)])
def test_weight_standardization_centres_and_scales_each_unit(shape):
    weight = 5 + np.random.default_rng(1).standard_normal(shape)
    found = wp.weight_standardization(weight, eps=0.0).reshape(4, -1)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=1), 1, rtol=1e-12)
    # Weight norm keeps the mean: they are not the same thing.
    flat = weight.reshape(4, -1)
    direction, _ = weight_norm(flat, np.full(4, np.sqrt(flat.shape[1])))
    assert np.abs(direction.mean(axis=1)).min() > 0.5
    assert (wp.weight_standardization(np.ones(shape), eps=0.0) == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lr", [0.01, 0.1, 1.0])
def test_length_of_v_grows_by_pythagoras(seed, lr):
    history = wp.weight_norm_growth(60, lr=lr, rng=seed)
    assert np.abs(history.cosine).max() < 1e-6  # rounding, where the gradient is tiny
    assert np.abs(history.cosine[:5]).max() < 1e-14
    np.testing.assert_allclose(history.length[1:], history.predicted, rtol=1e-13)
    assert (np.diff(history.length) >= -1e-14).all()
    assert history.length.shape == (61,) and history.predicted.shape == (60,)


def test_larger_steps_make_v_longer_and_still_converge():
    small, large = (wp.weight_norm_growth(200, lr=lr, rng=5) for lr in (0.1, 1.0))
    assert large.length[-1] > small.length[-1]
    assert large.loss[-1] < 1e-3


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 3, 1)])
def test_constant_weights_become_0_also_where_their_mean_is_rounded(shape):
    weight = np.random.default_rng(0).standard_normal(shape)
    weight[1] = 0.1
    found = wp.weight_standardization(weight, eps=0.0)
    assert not found[1].any()
    np.testing.assert_allclose(found[0].var(), 1)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda: wp.data_dependent_init(np.ones((2, 3)), np.ones((4, 2))),
            ValueError,
            r"shape \(N, 3\)",
        ),
        (
            lambda: wp.data_dependent_init(np.ones((2, 3)), np.ones((4, 3))),
            ValueError,
            "same output",
        ),
        (
            lambda: wp.data_dependent_init(np.ones((2, 3)), np.full((6, 3), 0.1)),
            ValueError,
            "same output",
        ),
        (
            lambda: wp.mean_only_batch_norm(np.ones((4, 3)), np.ones(2)),
            ValueError,
            "bias must have shape",
        ),
        (lambda: wp.weight_standardization(np.ones((4, 1))), ValueError, "2 or more"),
        (lambda: wp.weight_norm_growth(lr=-1.0), ValueError, "lr"),
        (lambda: wp.weight_norm_growth(0), ValueError, "steps"),
    ],
)
def test_bad_input_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()
