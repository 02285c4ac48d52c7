"""What the figures of notebook 08 show, against computations of their own."""

import numpy as np
import pytest

from normlib.covariate_shift.frozen_weights import frozen_weights
from normlib.covariate_shift.gradient_shift import internal_covariate_shift
from normlib.covariate_shift.input_change import figure_one, steps_to_accuracy
from normlib.covariate_shift.noisy_batch_norm import NoiseConstants, noisy_run
from normlib.datasets import digits_split, linear_teacher
from normlib.live import internal_covariate_shift as topic
from normlib.nets.losses import half_squared_error
from normlib.nets.network import mlp
from normlib.nets.watching import gather


def test_figure_one_shows_the_run_and_says_its_change():
    figure = topic.FigureOne()
    figure.set(unit=5, seed=61)
    options = {"init": 0.3, "width": 32, "lr": 1.0, "steps": 400, "every": 20}
    total, steps = [], []
    for name, norm in (("none", None), ("batch", "batch"), ("layer", "layer")):
        run = gather(figure_one(norm, seed=61, **options))
        np.testing.assert_array_equal(
            figure.means[name].get_ydata(), run.mean[:, 5], name
        )
        for line, edge in zip(figure.edges[name], run.edges[:, :, 5].T, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), edge)
        np.testing.assert_array_equal(figure.lines[name].get_ydata(), run.accuracy)
        far = run.mean[:, 5].max() - run.mean[:, 5].min()
        assert figure.words[name].get_text() == f"changes by {far:.1f}"
        means = run.mean.max(axis=0) - run.mean.min(axis=0)
        total.append(f"{name} {means.mean():.1f}")
        steps.append(f"{name} {steps_to_accuracy(run):.0f}")
    assert f"over the units: {', '.join(total)}." in figure.sentence
    assert f"are right: {', '.join(steps)}." in figure.sentence


def test_one_run_of_figure_one_serves_every_unit():
    figure = topic.FigureOne()
    before = dict(figure.runs)
    figure.set(unit=7)
    assert figure.runs == before


def test_an_accuracy_that_was_not_reached_is_said():
    figure = topic.FigureOne()
    figure.set(init=0.01)
    assert "are right: none not reached, batch" in figure.sentence


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_first_cosines_are_those_of_a_network_built_here(norm):
    figure = topic.Shift()
    rng = np.random.default_rng(0)
    x, y = linear_teacher(rng, 256, n_in=16)
    sizes = [16] * 26 + [10]
    kind = topic.NORMS[norm]
    net = mlp(sizes, activation="linear", norm=kind, init="lecun", rng=rng)
    maps = [2, 6, 11, 16, 21, 26]
    shift = internal_covariate_shift(net, x, y, 1e-3, maps, loss=half_squared_error)
    run = figure.runs["25 linear", norm, 1e-3, 0]
    np.testing.assert_allclose(run.cosine[0], shift.cosine, rtol=1e-10)
    assert run.step.tolist() == [0, 50, 100, 150, 200]
    shown = figure.cosine[norm].get_ydata()
    np.testing.assert_allclose(shown, run.cosine.mean(axis=0))
    np.testing.assert_array_equal(figure.loss[norm].get_ydata(), run.loss)
    late = (shown[3] + shown[4]) / 2
    words = f"{late:z.2f} without norm" if norm == "none" else f"and {late:z.2f} with"
    assert "Linear maps 16 and 21" in figure.sentence
    assert words in figure.sentence
    ticks = [t.get_text() for t in figure.figure.axes[0].get_xticklabels()]
    assert ticks == [str(i) for i in maps]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_maps_of_the_digits_networks_are_what_the_ticks_say(activation):
    """Map 7 writes the output: its first cosine is that of the last linear map."""
    figure = topic.DigitsShift()
    figure.set(stack=f"6 {activation}")
    run = figure.runs[f"6 {activation}", "batch", 0.1, 0]
    rng = np.random.default_rng(0)
    digits = digits_split(rng, True)
    init = "lecun" if activation == "tanh" else "he"
    sizes = [64, *[32] * 6, 10]
    net = mlp(sizes, activation=activation, norm="batch", init=init, rng=rng)
    first = rng.permutation(len(digits.x_train))[:64]
    x, labels = digits.x_train[first], digits.y_train[first]
    shift = internal_covariate_shift(net, x, labels, 0.1, range(2, 8))
    np.testing.assert_allclose(run.cosine[0], shift.cosine, rtol=1e-8)
    assert "Linear maps 5 and 6" in figure.sentence


@pytest.mark.parametrize("times", [1, 4])
def test_the_noise_figure_shows_its_runs_and_their_change(times):
    figure = topic.NoisyBatchNorm()
    figure.set(noise=times, seed=17)
    c = NoiseConstants()
    loud = NoiseConstants(0.5 * times, 1 + 0.25 * times, 0.1 * times, 0.1 * times)
    assert topic.noise_constants(1) == c
    options = {"width": 32, "steps": 110, "test_every": 10, "lr": 1.0, "depth": 3}
    run = gather(noisy_run("batch", True, constants=loud, seed=17, **options))
    np.testing.assert_allclose(figure.means["batch, noise"].get_ydata(), run.mean[:, 0])
    changes = [
        np.mean([np.abs(run.mean[t + k] - run.mean[t]) for t in range(111 - k)])
        for k in (1, 20, 50)
    ]
    np.testing.assert_allclose(figure.change["batch, noise"].get_ydata(), changes)
    said = " / ".join(f"{value:.2f}" for value in changes)
    assert f"{said} with batch norm and noise." in figure.sentence
    assert f"{100 * run.accuracy[50]:.0f} % with noise after it" in figure.sentence
    ends = figure.notes["batch, noise"].get_text()
    assert ends == f"ends at {100 * run.accuracy[110]:.0f} %"


def test_noise_of_zero_draws_no_noise_and_says_so():
    figure = topic.NoisyBatchNorm()
    figure.set(noise=1)
    noisy = [name for name in figure.accuracy if name.endswith("noise")]
    assert all(len(figure.accuracy[name].get_ydata()) for name in noisy)
    figure.set(noise=0)
    assert not any(len(figure.accuracy[name].get_ydata()) for name in noisy)
    assert figure.sentence.startswith("Without noise.")


def test_a_run_that_diverges_is_no_number():
    figure = topic.NoisyBatchNorm()
    figure.set(task="6 relu", lr=10.0)
    assert figure.notes["none"].get_text() == "diverges"
    assert "nothing (diverged) without norm" in figure.sentence
    assert "- / - / - without norm" in figure.sentence
    assert len(figure.change["none"].get_ydata()) == 0
    figure.set(task="3 sigmoid", lr=1.0)
    assert len(figure.change["none"].get_ydata()) == 3


def test_a_shift_that_diverges_keeps_what_was_measured(monkeypatch):
    monkeypatch.setattr(topic.Shift, "rates", (1.0, 1e-3))
    monkeypatch.setattr(topic.Shift, "runs", {})
    figure = topic.Shift()
    assert "The loss diverges without norm and ends at" not in figure.sentence
    figure.set(none=1.0)
    assert "The loss diverges without norm" in figure.sentence
    assert len(figure.loss["none"].get_xdata()) >= 1
    assert np.isfinite(figure.loss["none"].get_ydata()).all()


def test_frozen_weights_differ_by_batch_and_do_not_change():
    figure = topic.FrozenWeights()
    assert "changes by 0.00 in total" in figure.sentence
    assert figure.note.get_text() == "exactly 0"
    assert not figure.line.get_ydata().any()
    assert figure.dots.get_ydata().std() > 0.02
    figure.set(lr=0.1)
    options = {"activation": "relu", "width": 32, "batch_size": 60, "batches": 30}
    run = gather(frozen_weights(0.1, **options))
    moved = (run.fixed_mean.max(axis=0) - run.fixed_mean.min(axis=0)).mean()
    assert f"changes by {moved:.2f} in total" in figure.sentence
    missed = np.linalg.norm(run.batch_mean - run.fixed_mean) / np.sqrt(30 * 32)
    assert f"by {missed:.2f} (root mean square" in figure.sentence
    steps = np.abs(run.fixed_mean[1:] - run.fixed_mean[:-1]).mean(axis=1)
    np.testing.assert_allclose(figure.change.get_ydata(), steps)
    assert figure.note.get_text() == f"up to {steps.max():.2g}"


def test_dragging_in_a_panel_walks_through_the_units():
    figure = topic.FigureOne()
    touch = figure.touches()[2]
    runs = dict(figure.runs)
    figure.press(*touch.place(100, 0))
    assert figure.values["unit"] == 3
    figure.drag(*touch.place(220, 0))
    assert figure.values["unit"] == 6
    assert figure.runs == runs


def test_dragging_the_change_sets_the_noise():
    figure = topic.NoisyBatchNorm()
    (touch,) = figure.touches()
    figure.press(*touch.place(1, 0.34))
    assert figure.values["noise"] == 1
    figure.drag(*touch.place(1, 1.34))
    assert figure.values["noise"] == 4
    assert figure.change["batch, noise"].get_ydata()[1] == pytest.approx(1.34, abs=0.1)
