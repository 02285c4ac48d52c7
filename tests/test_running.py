"""Running statistics, in the convention of every library."""

import numpy as np
import pytest
import torch_reference as reference

from normlib.norms import batch_norm
from normlib.running import (
    CONVENTIONS,
    bias_corrected,
    half_life,
    unbiased_variance,
    update_running,
    weight_of_new,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def stored():
    with np.load(reference.FILE) as file:
        return dict(file)


def run(batches, update):
    """Return the running statistics after all batches, from 0 and 1."""
    statistics = np.zeros(batches.shape[-1]), np.ones(batches.shape[-1])
    for step, batch in enumerate(batches, start=1):
        _, cache = batch_norm(batch)
        statistics = update(*statistics, cache.mean, cache.var, len(batch), step)
    return statistics


def pytorch(mean, var, batch_mean, batch_var, count, step):
    return update_running(mean, var, batch_mean, batch_var, count)


def assert_close(results, expected, rtol=1e-12):
    for a, b in zip(results, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol)


# --- PyTorch ------------------------------------------------------------------------


def test_stored_values_of_pytorch(stored):
    expected = [stored[f"running/0.1/{name}"] for name in ("mean", "var")]
    assert_close(run(stored["running/batches"], pytorch), expected)


@pytest.mark.parametrize("momentum", [0.1, 0.37])
def test_live_values_of_pytorch(momentum, rng):
    pytest.importorskip("torch")
    batches = rng.normal(size=(4, 6, 3)) * 2 + 5

    def update(mean, var, batch_mean, batch_var, count, step):
        return update_running(
            mean, var, batch_mean, batch_var, count, momentum=momentum
        )

    assert_close(run(batches, update), reference.torch_running(batches, momentum)[:2])


# --- the conventions ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("convention", "momentum", "weight", "unbiased"),
    [
        ("pytorch", 0.1, 0.1, True),
        ("tensorflow", 0.99, 0.01, False),
        ("keras", 0.99, 0.01, False),
        ("flax", 0.99, 0.01, False),
        ("onnx", 0.9, 0.1, False),
    ],
)
def test_defaults_of_every_library(convention, momentum, weight, unbiased):
    assert weight_of_new(convention=convention) == pytest.approx(weight)
    assert CONVENTIONS[convention].default_momentum == momentum
    mean, var = update_running(
        np.array([1.0]),
        np.array([1.0]),
        np.array([3.0]),
        np.array([9.0]),
        10,
        convention=convention,
    )
    new_var = 10.0 if unbiased else 9.0
    np.testing.assert_allclose(mean, 1 + 2 * weight)
    np.testing.assert_allclose(var, 1 + (new_var - 1) * weight)


def test_the_momenta_of_pytorch_and_the_others_are_opposites(rng):
    mean, var, new_mean, new_var = abs(rng.normal(size=(4, 3)))
    theirs = update_running(
        mean, var, new_mean, new_var, 8, momentum=0.3, convention="keras"
    )
    ours = update_running(mean, var, new_mean, new_var * 7 / 8, 8, momentum=0.7)
    assert_close(ours, theirs)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_momentum_at_its_ends_keeps_or_replaces(convention):
    old, new = (np.array([1.0]), np.array([2.0])), (np.array([3.0]), np.array([4.0]))
    weights_new = CONVENTIONS[convention].momentum_weights == "new"
    stored_var = 4.0 * 8 / 7 if CONVENTIONS[convention].unbiased else 4.0
    for momentum in (0, 1):
        result = update_running(*old, *new, 8, momentum=momentum, convention=convention)
        replaced = (momentum == 1) == weights_new
        assert_close(result, ([3.0], [stored_var]) if replaced else old)


def test_inputs_are_left_alone(rng):
    arrays = abs(rng.normal(size=(4, 3)))
    kept = arrays.copy()
    update_running(*arrays, 5)
    np.testing.assert_array_equal(arrays, kept)


# --- averages ------------------------------------------------------------------------


def test_bias_correction_takes_out_the_start(rng):
    """After correction, 0 and 1 at the start leave no trace."""
    batches = rng.normal(size=(3, 50, 4)) * 3 + 7
    mean, var = run(batches, pytorch)
    weights = 0.1 * 0.9 ** np.arange(2, -1, -1)
    weights /= weights.sum()
    np.testing.assert_allclose(
        bias_corrected(mean, 0, 3), weights @ batches.mean(axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(
        bias_corrected(var, 1, 3), weights @ batches.var(axis=1, ddof=1), rtol=1e-12
    )
    assert (abs(bias_corrected(mean, 0, 3) - 7) < abs(mean - 7)).all()


def test_half_life_is_the_time_to_forget_half():
    assert half_life(0.1) == pytest.approx(6.58, abs=0.005)
    assert half_life(0.9, "onnx") == pytest.approx(half_life(0.1))
    assert half_life(0.5) == pytest.approx(1)
    assert (half_life(0), half_life(1)) == (np.inf, 0)
    steps = half_life(0.01)
    assert 0.99**steps == pytest.approx(0.5)


def test_variances_are_averaged_not_deviations():
    _, var = update_running(
        np.zeros(1),
        np.array([0.0]),
        np.zeros(1),
        np.array([16.0]),
        10,
        momentum=0.5,
        convention="keras",
    )
    assert var[0] == 8.0  # the mean of the deviations would give 4


# --- bad input -----------------------------------------------------------------------

ONE = np.ones(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: update_running(ONE, ONE, ONE, ONE, 1), "count must be 2 or more"),
        (
            lambda: update_running(ONE, ONE, ONE, ONE, 0, convention="keras"),
            "count must be at least 1",
        ),
        (
            lambda: update_running(ONE, ONE, ONE, ONE, 8, momentum=1.1),
            r"momentum must lie in \[0, 1\], got 1.1",
        ),
        (lambda: update_running(ONE, ONE, ONE, ONE, 8, momentum=-0.1), "momentum must"),
        (
            lambda: update_running(ONE, ONE, ONE, ONE, 8, momentum=np.nan),
            "momentum must be finite",
        ),
        (
            lambda: update_running(ONE, ONE, ONE, ONE, 8, convention="jax"),
            "convention must be one of 'pytorch', 'tensorflow'",
        ),
        (lambda: update_running(ONE, ONE, ONE, -ONE, 8), "var must be 0 or more"),
        (lambda: update_running(ONE, -ONE, ONE, ONE, 8), "running_var must be 0 or"),
        (lambda: update_running(ONE, ONE, ONE * np.nan, ONE, 8), "must be finite"),
        (lambda: update_running(ONE, ONE, ONE, np.ones(2), 8), "one shape"),
        (
            lambda: update_running(ONE, ONE, np.ones(2), np.ones(2), 8),
            r"mean must have the shape of running_mean \(1,\), got \(2,\)",
        ),
        (lambda: unbiased_variance(ONE, 1), "count must be 2 or more"),
        (lambda: bias_corrected(ONE, 0, 0), "steps must be at least 1"),
        (lambda: bias_corrected(ONE, 0, 3, momentum=0), "gives new values no weight"),
        (lambda: bias_corrected(ONE, 0, 3, momentum=1e-17), "gives new values no"),
        (
            lambda: bias_corrected(ONE, np.ones(2), 3),
            "initial must be one number or",
        ),
        (lambda: bias_corrected(ONE * np.nan, 0, 3), "average and initial must be fin"),
        (lambda: unbiased_variance(-ONE, 5), "var must be finite and 0 or more"),
        (lambda: half_life(2), "momentum must lie"),
    ],
)
def test_bad_arguments_give_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
