"""What the figures of notebook 04 say, against computations of their own."""

import re

import numpy as np
import pytest

from normlib import standardize
from normlib.live import batch_norm_inference as topic


def numbers(sentence):
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", sentence)]


@pytest.mark.parametrize(
    ("convention", "momentum", "weight"),
    [("pytorch", 0.1, 0.1), ("keras", 0.9, 0.1), ("onnx", 0.99, 0.01)],
)
def test_the_running_mean_is_the_plain_recursion(convention, momentum, weight):
    figure = topic.RunningMean()
    figure.set(convention=convention, momentum=momentum)
    value = 0.0
    for batch in figure.means:
        value = (1 - weight) * value + weight * batch
    assert figure.line.get_ydata()[-1] == pytest.approx(value)
    assert f"{np.log(0.5) / np.log(1 - weight):.3g} steps" in figure.sentence


def test_taking_the_start_out_mends_the_first_steps_only():
    figure = topic.RunningMean()
    figure.set(momentum=0.01)
    plain = figure.line.get_ydata().copy()
    figure.set(corrected=True)
    mended = figure.line.get_ydata()
    assert abs(mended[0] - figure.means[0]) < 1e-9
    assert abs(plain[0]) < 0.05
    assert abs(mended[-1] - plain[-1]) < 0.5


def test_averages_of_gaussian_deviations_have_the_known_bias():
    """At N = 4 the mean of deviations is near 0.80, the root of the mean at 0.87."""
    rows = np.mean([topic.spread_by_size(unit)[1][:, 2] for unit in range(0, 64, 4)], 0)
    assert rows == pytest.approx([1.0, np.sqrt(3 / 4), 0.80], abs=0.02)


def test_the_coupling_of_a_digit_falls_like_one_over_root_b():
    figure = topic.Coupling()
    found = {}
    for size in (8, 32, 128):
        per_unit = []
        for unit in range(0, 64, 8):
            figure.set(size=size, unit=unit)
            per_unit.append(figure.dots.get_ydata().std())
        found[size] = np.mean(per_unit)
    assert found[8] / found[128] == pytest.approx(4, rel=0.25)
    figure.set(mode="eval")
    assert np.ptp(figure.dots.get_ydata()) == 0


@pytest.mark.parametrize(("example", "unit"), [(0, 3), (7, 20), (50, 10), (93, 44)])
def test_the_dashed_line_is_the_spread_in_large_batches(example, unit):
    x = topic.first_values()[:, unit]
    rng = np.random.default_rng(5)
    batches = rng.choice(np.delete(x, example), (2000, 512))
    batches[:, 0] = x[example]
    spread = standardize(batches, 1)[0][:, 0].std()
    rule = topic.large_batch_spread(x, x[example])
    assert spread * np.sqrt(512) == pytest.approx(rule, rel=0.08)


def test_in_pairs_only_the_order_survives():
    figure = topic.Coupling()
    figure.set(size=2)
    # Where the two values nearly agree, eps softens the result.
    assert np.quantile(np.abs(np.abs(figure.dots.get_ydata()) - 1), 0.9) < 0.05


def test_each_switch_stops_what_it_names():
    _, _, tied, _ = topic.frozen(True, True, True, 2.0)
    assert tied > 0.1
    assert topic.frozen(False, True, True, 2.0)[0] == 0
    assert topic.frozen(False, True, True, 2.0)[1] > 0.1
    assert topic.frozen(True, True, False, 2.0)[1] == 0
    assert topic.frozen(True, False, True, 2.0)[2] == 0


@pytest.mark.parametrize("gain", [0.5, 3.0])
def test_only_inference_notices_that_the_running_statistics_are_old(gain):
    updated = topic.frozen(True, True, True, gain)
    old = topic.frozen(True, True, False, gain)
    assert (old[0], old[2]) == (updated[0], updated[2])
    assert old[3] < updated[3] - 0.05


def test_running_statistics_lag_and_precise_ones_do_not():
    """At momentum 0.01 the same weights look much worse by running statistics."""
    lag = list(topic.training_points(0.01, 32, 10))[1][1]
    quick = list(topic.training_points(0.1, 32, 10))[1][1]
    assert lag[2] == quick[2], "precise statistics do not know the momentum"
    assert lag[0] < lag[2] - 0.05
    assert abs(quick[0] - quick[2]) < 0.05


def test_most_of_the_lag_is_the_start():
    """With the start taken out, less than half of the gap remains, over 4 seeds."""
    ends = [
        list(topic.training_points(0.01, 32, 10, every=60, seed=seed))[-1][1]
        for seed in (10, 20, 30, 40)
    ]
    running, warm, precise, _ = np.mean(ends, axis=0)
    assert precise - running > 0.04
    assert precise - warm < 0.5 * (precise - running)


def test_batches_of_one_digit_leave_only_guessing():
    assert max(list(topic.training_points(0.1, 32, 1))[-1][1]) < 0.25
