"""What the figures of notebook 04 show, against computations of their own."""

import numpy as np
import pytest

from normlib import standardize
from normlib.batch.doctor import CAUSES, examine
from normlib.live import batch_norm_inference as topic
from normlib.live import batch_norm_modes as modes


@pytest.mark.parametrize(
    ("convention", "momentum", "weight"),
    [("pytorch", 0.1, 0.1), ("keras", 0.9, 0.1), ("keras", 0.99, 0.01)],
)
def test_the_running_mean_is_the_plain_recursion(convention, momentum, weight):
    figure = topic.RunningMean()
    figure.set(convention=convention, momentum=momentum)
    value = 0.0
    for batch in figure.means:
        value = (1 - weight) * value + weight * batch
    assert figure.line.get_ydata()[-1] == pytest.approx(value)
    assert f"{np.log(0.5) / np.log(1 - weight):.3g} steps" in figure.sentence


@pytest.mark.parametrize("convention", ["pytorch", "keras"])
def test_the_half_life_can_be_dragged(convention):
    figure = topic.RunningMean()
    figure.set(convention=convention)
    (touch,) = figure.touches()
    start = type("Start", (), {"values": figure.values})
    momentum = touch.to_values(np.log(0.5) / np.log(0.9), 0.5, start)["momentum"]
    assert momentum == pytest.approx(0.1 if convention == "pytorch" else 0.9)


def test_taking_the_start_out_mends_the_first_steps_only():
    figure = topic.RunningMean()
    figure.set(momentum=0.01)
    plain = figure.line.get_ydata().copy()
    figure.set(corrected=True)
    mended = figure.line.get_ydata()
    assert abs(mended[0] - figure.means[0]) < 1e-9
    assert abs(plain[0]) < 0.05
    assert abs(mended[-1] - plain[-1]) < 0.5


@pytest.mark.parametrize("unit", [3, 37, 48])
@pytest.mark.parametrize("size", [2, 4])
def test_the_averages_are_those_of_many_draws(unit, size):
    """400,000 batches drawn here; the figure has 100,000 to 200,000."""
    x = topic.first_values()[:, unit]
    x = (x - x.mean()) / x.std()
    var = np.random.default_rng(9).choice(x, (400_000, size)).var(axis=1)
    sizes, rows = topic.spread_by_size(unit)
    found = rows[:, sizes == size][:, 0]
    right = 1.0, np.sqrt((size - 1) / size), np.sqrt(var).mean()
    assert found == pytest.approx(right, abs=0.005)


def test_no_figure_opens_on_the_answer_of_the_question_above_it():
    averages, one, lag = topic.Averages(), modes.OneDigit(), topic.Lag()
    assert not averages.curves[2].get_visible()
    assert "deviations" not in averages.sentence
    assert max(one.curve.get_xdata()) == 8  # asked: from 8 to 128
    assert not len(one.rule.get_xdata()) and not one.note.get_text()
    assert abs(lag.points[-1].variance[1] - 1) < 0.03  # at 0.01 they are too small
    assert modes.Groups().values["images"] == 400  # asked: where the noise helps most


def test_deviations_are_drawn_when_asked_for():
    figure = topic.Averages()
    figure.set(deviations=True, size=4)
    assert figure.curves[2].get_visible()
    found = topic.spread_by_size(3)[1][2, 1]
    assert f"averaged deviations give {found:.3f}" in figure.sentence


def test_the_doctor_draws_what_the_test_found():
    figure = modes.Doctor()
    for patient in CAUSES:
        found = examine(patient, 0)
        figure.set(patient=patient, test="two batches")
        left, right = figure.dots.get_ydata().reshape(2, -1)
        assert (left == right).all() == (not found.answers[0])
        figure.set(test="before, after")
        left, right = figure.dots.get_ydata().reshape(2, -1)
        assert (left == right).all() == (not found.answers[1])
        figure.set(test="precise")
        assert ("not mended" in figure.sentence) == (not found.answers[2])
        assert figure.bars[0].get_width() == found.training
        assert figure.bars[1].get_width() == found.evaluation
    assert examine("healthy", 0).evaluation > 0.9


def test_a_click_runs_the_next_test():
    figure = modes.Doctor()
    (touch,) = figure.touches()
    start = type("Start", (), {"values": {"test": "alike?"}})
    assert touch.to_values(0, 0, start) == {"test": "two batches"}


@pytest.mark.parametrize("example", [0, 17])
def test_the_spread_of_a_digit(example):
    """Drawn anew, at one size, and against the rule for Gaussian values."""
    figure = modes.OneDigit()
    figure.set(example=example, size=32)
    found = modes.noise_of(example)
    at = figure.sizes.index(32)
    again = modes.batch_noise(0, batch_sizes=(32,), draws=600, example=example)
    assert found.noise[at] == pytest.approx(again.noise[0], rel=0.05)
    assert figure.here.get_ydata()[0] == found.noise[at]
    assert figure.line.get_ydata()[0] == pytest.approx(found.z[figure.values["unit"]])


def test_an_example_is_normalized_with_its_batch():
    found = modes.batch_noise(3, batch_sizes=(4,), draws=2, units=5, example=7)
    assert found.x_hat.shape == (1, 2, 5)
    pair = modes.batch_noise(3, batch_sizes=(2,), draws=50, units=5)
    assert np.quantile(np.abs(np.abs(pair.x_hat) - 1), 0.9) < 0.05
    assert standardize(np.array([[1.0], [3.0]]), 0)[0][0] == pytest.approx(-1, abs=1e-4)


def test_groups_count_what_they_draw():
    figure = modes.Groups()
    whole, parts = figure.found
    for k, note in enumerate(figure.notes):
        lower = np.sum(parts[k + 1] < whole[k + 1])
        assert note.get_text() == f"at the end lower in {lower} of 10"
        grey, here = (curve.get_ydata()[-1] for curve in figure.curves[k])
        assert (grey, here) == (np.median(whole[k + 1]), np.median(parts[k + 1]))


def test_each_switch_stops_what_it_names():
    _, _, tied, _ = modes.frozen(True, True, True, 2.0)
    assert tied > 0.1
    assert modes.frozen(False, True, True, 2.0)[0] == 0
    assert modes.frozen(False, True, True, 2.0)[1] > 0.1
    assert modes.frozen(True, True, False, 2.0)[1] == 0
    assert modes.frozen(True, False, True, 2.0)[2] == 0


@pytest.mark.parametrize("gain", [0.5, 3.0])
def test_only_inference_notices_that_the_running_statistics_are_old(gain):
    updated = modes.frozen(True, True, True, gain)
    old = modes.frozen(True, True, False, gain)
    assert (old[0], old[2]) == (updated[0], updated[2])
    assert old[3] < updated[3] - 0.05
