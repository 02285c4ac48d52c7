"""What the figures of notebook 08 say, against computations of their own."""

import re

import numpy as np
import pytest

from normlib.covariate_shift import internal_covariate_shift
from normlib.datasets import linear_teacher
from normlib.experiments.frozen_weights import frozen_weights
from normlib.experiments.input_drift import figure_one, median_range, steps_to_accuracy
from normlib.experiments.noisy_batch_norm import drift, noisy_run
from normlib.iterates import gather
from normlib.live import internal_covariate_shift as topic
from normlib.losses import half_squared_error
from normlib.network import mlp


def numbers(sentence):
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", sentence)]


def test_figure_one_shows_the_run_and_says_its_travel():
    figure = topic.FigureOne()
    figure.set(unit=3, seed=1)
    run = gather(
        figure_one(None, init=0.3, width=32, lr=1.0, steps=400, every=20, seed=1)
    )
    median = run.percentiles[:, 1, 3]
    np.testing.assert_array_equal(figure.medians["none"].get_ydata(), median)
    np.testing.assert_array_equal(figure.lines["none"].get_ydata(), run.accuracy)
    travel = median.max() - median.min()
    assert f"{travel:.1f}, " in figure.sentence
    assert f"{run.accuracy[-1]:.0%} without norm" in figure.sentence


def test_one_run_of_figure_one_serves_every_unit():
    figure = topic.FigureOne()
    before = dict(figure.runs)
    figure.set(unit=7)
    assert figure.runs == before


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_first_cosines_are_those_of_a_network_built_here(norm):
    figure = topic.Shift()
    rng = np.random.default_rng(0)
    x, y = linear_teacher(rng, 128, n_in=16)
    sizes = [16] * 26 + [10]
    kind = topic.NORMS[norm]
    net = mlp(sizes, activation="linear", norm=kind, init="lecun", rng=rng)
    layers = [2, 6, 11, 16, 21, 26]
    shift = internal_covariate_shift(net, x, y, 1e-3, layers, loss=half_squared_error)
    run = figure.runs["25 linear", norm, 1.0, 0]
    np.testing.assert_allclose(run.cosine[0], shift.cosine, rtol=1e-10)
    shown = figure.cosine[norm][0].get_ydata()
    np.testing.assert_allclose(shown, run.cosine.mean(axis=0))


def test_all_seeds_are_the_mean_of_single_ones():
    figure = topic.Shift()
    singles = []
    for seed in topic.SEEDS:
        figure.set(seed=seed, network="6 tanh")
        singles.append(figure.notes[1].get_text())
        assert [len(c.get_xdata()) > 0 for c in figure.cosine["none"]] == [
            s == seed for s in topic.SEEDS
        ]
    figure.set(seed="all")
    mean = np.mean([numbers(word)[0] for word in singles])
    assert numbers(figure.notes[1].get_text())[0] == pytest.approx(mean, abs=0.011)
    assert "mean of seeds 0 to 2" in figure.sentence


def test_the_sentence_names_who_shifts_more():
    figure = topic.Shift()
    figure.set(network="6 relu")
    assert "which shifts less" in figure.sentence
    figure.set(network="6 tanh")
    assert "which shifts more" in figure.sentence


def test_the_noise_figure_says_what_its_runs_do():
    figure = topic.NoisyBatchNorm()
    options = {"width": 32, "steps": 110, "test_every": 10, "lr": 1.0, "depth": 3}
    run = gather(noisy_run("batch", True, **options))
    accuracy = run.accuracy[50]
    assert f"{accuracy:.0%} with noise" in figure.sentence
    assert f"and {drift(run):.2f}." in figure.sentence
    np.testing.assert_allclose(figure.means["noisy"].get_ydata(), run.mean[:, 0])


def test_noise_of_zero_is_batch_norm():
    figure = topic.NoisyBatchNorm()
    figure.set(noise=0)
    same = figure.means["noisy"].get_ydata(), figure.means["batch"].get_ydata()
    np.testing.assert_array_equal(*same)
    assert topic.noise_constants(1) == topic.NoiseConstants()


def test_frozen_weights_scatter_and_do_not_move():
    figure = topic.FrozenWeights()
    assert "moves by 0.00" in figure.sentence
    assert figure.note.get_text() == "exactly 0"
    assert not figure.line.get_ydata().any()
    assert figure.dots.get_ydata().std() > 0.02
    figure.set(lr=0.1, unit=2)
    options = {"activation": "relu", "width": 32, "batch_size": 60, "batches": 30}
    run = gather(frozen_weights(0.1, **options))
    moved = np.ptp(run.fixed_mean[:, 2])
    assert f"moves by {moved:.2f}" in figure.sentence
    assert f"{run.shift.max():.2g}." in figure.sentence


FRESH = (201, 202, 203)


@pytest.mark.slow
def test_layer_norm_is_faster_and_drifts_more_on_fresh_seeds():
    found = {}
    for norm in (None, "batch", "layer"):
        runs = [
            gather(figure_one(norm, init=0.3, lr=1.0, width=32, steps=400, seed=s))
            for s in FRESH
        ]
        steps = np.mean([min(steps_to_accuracy(run), 425) for run in runs])
        found[norm] = steps, np.mean([median_range(run) for run in runs])
    assert found["batch"][0] < found["layer"][0] < found[None][0]
    assert found["layer"][1] > 1.2 * found[None][1] > 2 * found["batch"][1]


@pytest.mark.slow
def test_the_deep_linear_net_shifts_more_in_most_fresh_seeds():
    more = lower = 0
    for seed in range(201, 207):
        runs = [
            gather(topic.shift_run("25 linear", n, 1.0, seed)) for n in (None, "batch")
        ]
        middle = [run.cosine[:, 3:5].mean() for run in runs]
        more += middle[1] < middle[0]
        lower += runs[1].loss[-1] < runs[0].loss[-1]
    assert more >= 4
    assert lower >= 5


@pytest.mark.slow
def test_nonlinear_networks_follow_no_rule_on_fresh_seeds():
    late = {}
    for network in ("6 relu", "6 tanh"):
        for norm in (None, "batch"):
            runs = [gather(topic.shift_run(network, norm, 1.0, s)) for s in FRESH]
            late[network, norm] = np.mean([run.cosine[:, -1].mean() for run in runs])
    assert late["6 relu", "batch"] > late["6 relu", None] + 0.1
    assert late["6 tanh", "batch"] < late["6 tanh", None]
