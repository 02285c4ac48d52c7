"""Weights before a norm: scale, angles, decay, a fixed length.

The seeds are not those with which the claims and margins were found.
"""

from typing import NamedTuple

import numpy as np
import pytest

from normlib.gradients.effective_rate import same_trajectory
from normlib.gradients.fixed_length import length_steps
from normlib.gradients.held_constant import train_normalized
from normlib.gradients.scale_invariance import hidden_weights, orthogonality
from normlib.gradients.weight_decay import weight_decay_steps
from normlib.nets.network import mlp

SEEDS = (200, 201, 202)
NORMS = ("batch", "layer", "rms")


def test_hidden_weights_are_those_before_a_norm():
    net = mlp([2, 3, 4, 1], norm="layer", bias=False)
    parts = hidden_weights(net)
    assert [p.stop - p.start for p in parts] == [6, 12]
    net.params[...] = 0
    for part in parts:
        net.params[part] = 1
    linear = [layer for layer in net.layers if "weight" in layer.params]
    assert [la.params["weight"].mean() for la in linear] == [1, 1, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_orthogonal_to_what_changes_nothing(seed):
    batch, layer, rms = (orthogonality(seed, norm=norm) for norm in NORMS)
    none = orthogonality(seed, norm=None)
    assert batch.per_unit < 1e-13 < 0.01 < layer.per_unit
    assert max(batch.per_matrix, layer.per_matrix, rms.per_matrix) < 1e-13
    assert layer.along_ones < 1e-13 < 0.01 < min(batch.along_ones, rms.along_ones)
    assert min(none.per_unit, none.per_matrix, none.along_ones) > 0.01


@pytest.mark.slow
def test_runs_of_the_same_effective_rate_are_the_same():
    for seed in SEEDS:
        runs = same_trajectory(seed, steps=200)
        np.testing.assert_array_equal(runs.losses, runs.scaled_losses)
        assert runs.losses[-1] < 0.5 * runs.losses[0]
    third = same_trajectory(200, factor=3.0, steps=50)
    np.testing.assert_allclose(third.losses, third.scaled_losses, rtol=1e-9)
    apart = same_trajectory(200, factor=1 / 16, steps=200, eps=1e-5)
    assert 1e-6 < abs(apart.losses - apart.scaled_losses).max() < 0.1
    plain = same_trajectory(200, factor=2.0, norm=None, steps=20, lr=0.01)
    assert abs(plain.losses - plain.scaled_losses).max() > 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_mean_and_deviation_run_away_as_constants_and_rest_in_the_gradient(seed):
    """Between the steps da = lr / a and db = lr / a, by hand."""
    found = train_normalized("between steps", seed, lr=0.1, steps=50)
    scale = bias = 0.0
    scale = 1.0
    for k in range(51):
        np.testing.assert_allclose([found.bias[k], found.scale[k]], [bias, scale])
        bias, scale = bias + 0.1 / scale, scale + 0.1 / scale
    assert np.ptp(found.loss) < 1e-12
    inside = train_normalized("inside", seed, lr=0.1, steps=50)
    assert abs(inside.bias).max() < 1e-13 and abs(inside.scale - 1).max() < 1e-13


@pytest.mark.parametrize("penalty", [0.0, 1.0, 8.0])
def test_a_penalty_ends_where_its_formula_says(penalty):
    found = train_normalized("penalty", 5, lr=0.1, steps=400, penalty=penalty)
    ends = [1 / (1 + penalty), (2 + penalty) / (1 + penalty)]
    np.testing.assert_allclose([found.bias[-1], found.scale[-1]], ends, atol=1e-9)
    np.testing.assert_allclose(found.seen_mean, found.bias, atol=1e-12)
    np.testing.assert_allclose(found.seen_std, abs(found.scale))


# Weight decay ---------------------------------------------------------------------


class Settled(NamedTuple):
    norm: float
    predicted_norm: float
    angle: float
    predicted_angle: float
    effective_rate: float


def settled(seed=0, *, lr=0.2, weight_decay=0.01, **settings):
    """Return means over the second half of a run, and what theory expects."""
    run = weight_decay_steps(seed, lr=lr, weight_decay=weight_decay, **settings)
    _, norms, gradients, angles = np.array(list(run)).T
    late = slice(len(norms) // 2, None)
    predicted = (lr / (2 * weight_decay) * np.mean(gradients[late] ** 2)) ** 0.25
    return Settled(
        norms[late].mean(),
        predicted,
        angles[late].mean(),
        np.sqrt(2 * lr * weight_decay),
        (lr / norms[late] ** 2).mean(),
    )


@pytest.fixture(scope="module")
def equilibria():
    """Two settings of the same product lr * weight_decay, three seeds each."""
    pairs = [(0.2, 0.02), (0.4, 0.01)]
    return [
        [settled(seed, lr=lr, weight_decay=decay, steps=1200) for seed in SEEDS]
        for lr, decay in pairs
    ]


@pytest.mark.slow
def test_equilibrium_norm_and_angle(equilibria):
    for runs in equilibria:
        norm = np.mean([run.norm / run.predicted_norm for run in runs])
        angle = np.mean([run.angle / run.predicted_angle for run in runs])
        assert norm == pytest.approx(1, abs=0.05)
        assert angle == pytest.approx(1, abs=0.04)


@pytest.mark.slow
def test_same_product_same_effective_rate(equilibria):
    """lr * weight_decay decides, whatever lr is."""
    first, second = (np.mean([r.effective_rate for r in runs]) for runs in equilibria)
    assert first == pytest.approx(second, rel=0.15)
    first, second = (np.mean([r.angle for r in runs]) for runs in equilibria)
    assert first == pytest.approx(second, rel=0.03)


@pytest.mark.slow
def test_equilibrium_forgets_the_start(equilibria):
    expected = np.mean([run.norm for run in equilibria[1]])
    settings = {"lr": 0.4, "weight_decay": 0.01, "steps": 1200}
    for start in (0.3, 3.0):
        runs = [settled(s, start=start, **settings) for s in SEEDS]
        assert np.mean([run.norm for run in runs]) == pytest.approx(expected, rel=0.05)


# Errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: orthogonality(seed=-1), "seed must be at least 0"),
        (lambda: same_trajectory(steps=0), "steps"),
        (lambda: train_normalized("inside", n=1), "n must be at least 3"),
        (lambda: next(weight_decay_steps(weight_decay=0)), "weight_decay must be"),
        (lambda: next(weight_decay_steps(norm=None)), "norm must be"),
        (lambda: next(weight_decay_steps(wrong_labels=2)), "wrong_labels"),
    ],
)
def test_errors_say_what_is_wrong(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize("lr", [100.0, 1e160])
def test_trajectories_stop_where_they_diverge(norm, lr):
    runs = same_trajectory(norm=norm, lr=lr, steps=30)
    assert "diverged at step" in runs.reason and 1 <= len(runs.losses) < 10
    assert runs.losses.shape == runs.scaled_losses.shape
    assert np.isfinite([runs.losses, runs.scaled_losses]).all()


@pytest.mark.parametrize(
    "settings", [{"lr": 100.0, "weight_decay": 1.0}, {"lr": 1e9}, {"lr": 1e200}]
)
def test_no_equilibrium_where_the_run_diverges(settings):
    with pytest.raises(ValueError, match="no equilibrium, the run diverged at step"):
        settled(steps=60, **settings)


def test_a_step_that_turns_the_weights_round_is_an_angle_of_pi():
    """So long a step that the rounded chord exceeds the diameter."""
    found = settled(lr=4.0, weight_decay=0.5, steps=60)
    assert found.angle <= np.pi


@pytest.mark.parametrize("norm", [None, "weight", "group:3"])
def test_the_norm_of_an_equilibrium_is_one_of_a_list(norm):
    with pytest.raises(ValueError, match="norm must be one of"):
        settled(norm=norm, steps=10)


# Length: decay, or held fixed -----------------------------------------------------


def test_decay_is_the_decay_of_the_other_module():
    one = [r[1] for r in weight_decay_steps(4, lr=0.4, weight_decay=0.02, steps=40)]
    other = list(length_steps(4, lr=0.4, weight_decay=0.02, steps=40))
    np.testing.assert_allclose([record.length for record in other], one, rtol=1e-6)


def test_a_fixed_length_stays_and_turns_by_the_angle_that_it_is_told():
    found = list(length_steps(5, "fixed length", lr=0.4, weight_decay=0.02, steps=60))
    lengths = [record.length for record in found]
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-5)
    # A step e at a right angle, then back: the angle is atan(e).
    expected = np.arctan(np.sqrt(2 * 0.4 * 0.02))
    np.testing.assert_allclose([r.angle for r in found], expected, rtol=2e-3)
    falls = list(length_steps(5, "fixed length", steps=60, schedule="to zero"))
    ratio = falls[30].angle / falls[0].angle
    assert ratio == pytest.approx(np.sqrt(0.5), rel=0.01)


def test_decay_that_falls_with_the_rate_leaves_longer_weights():
    ends = {}
    for rule in ("decay", "decay with the rate"):
        run = length_steps(6, rule, lr=0.4, steps=300, schedule="to zero")
        ends[rule] = list(run)[-1].length
    assert ends["decay with the rate"] > 1.1 * ends["decay"]


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"rule": "none"}, "rule must be one of"),
        ({"schedule": "up"}, "schedule must be one of"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"lr": 1e9}, "diverged at step"),
    ],
)
def test_bad_settings_of_a_length_are_refused(settings, words):
    with pytest.raises(ValueError, match=words), np.errstate(all="ignore"):
        list(length_steps(steps=40, **settings))
