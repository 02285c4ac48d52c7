"""What batch norm owes to its batch: size, order, lag and noise.

The seeds are not those with which the claims and margins were found.
"""

import numpy as np
import pytest

from normlib.batch.batch_noise import batch_noise, noisy_training
from normlib.batch.batch_size import batch_size_rows
from normlib.batch.running_lag import precise_statistics, running_lag
from normlib.batch.sorted_batches import sorted_batches
from normlib.datasets import digits_split
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import mlp
from normlib.nets.training import loss_and_gradient, sgd_step

SEEDS = (200, 201, 202)


# Precise statistics ---------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 3])
def test_precise_statistics_are_those_of_what_comes_in(depth):
    """In eval mode, each batch norm's input has the statistics it holds."""
    rng = np.random.default_rng(3)
    net = mlp([5, *[7] * depth, 2], norm="batch", rng=rng)
    x = rng.normal(2, 3, (50, 5))
    net.params += 0.3 * rng.normal(size=net.params.shape)
    precise_statistics(net, x).eval()
    inputs = [x]
    for layer in net.layers:
        inputs.append(layer.forward(inputs[-1]))
    for layer, h in zip(net.layers, inputs, strict=False):
        if layer in net.batch_norms():
            np.testing.assert_allclose(layer.buffers["running_mean"], h.mean(axis=0))
            np.testing.assert_allclose(
                layer.buffers["running_var"], h.var(axis=0, ddof=1)
            )


def test_precise_statistics_change_nothing_else():
    rng = np.random.default_rng(3)
    net, x = mlp([5, 7, 7, 2], norm="batch", rng=rng), rng.normal(size=(50, 5))
    first, second = net.batch_norms()
    first.momentum, second.update_running = 0.3, False
    params, *_, mode, switches = net.state()
    precise_statistics(net, x)
    after = net.state()
    np.testing.assert_array_equal(after[0], params)
    assert after[-2:] == (mode, switches) and first.momentum == 0.3


def test_precise_statistics_do_not_depend_on_those_before():
    rng = np.random.default_rng(3)
    net, x = mlp([5, 7, 7, 2], norm="batch", rng=rng), rng.normal(size=(50, 5))
    kept = precise_statistics(net, x).state()[1]
    for norm in net.batch_norms():
        norm.buffers["running_mean"][...] = 9
        norm.buffers["running_var"][...] = 4
    again = precise_statistics(net, x).state()[1]
    for a, b in zip(kept, again, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name])


# Lag ------------------------------------------------------------------------------


def test_the_lag_compares_two_averages_with_what_is_measured():
    """At momentum 1 nothing of the start is left, so both are the last batch."""
    (last,) = running_lag(SEEDS[0], momentum=1.0, steps=5, every=5)
    assert last.variance[0] == last.variance[1]
    assert last.mean[0] == last.mean[1] > 0
    (slow,) = running_lag(SEEDS[0], momentum=0.001, steps=5, every=5)
    assert slow.mean[0] > 2 * slow.mean[1], "the stored mean is nearly the start"
    assert slow.accuracy[2] == last.accuracy[2], "precise ones know no momentum"


def test_accuracy_hardly_tells_the_lag_from_noise():
    """With the start out, precise statistics win by less than 2 points on average."""
    ends = [list(running_lag(seed, every=60))[-1].accuracy for seed in range(210, 220)]
    stored, corrected, precise = np.mean(ends, axis=0)
    assert precise - stored > 0.02
    assert abs(precise - corrected) < 0.02


@pytest.mark.slow
def test_small_batches_break_batch_norm_only():
    rows = list(batch_size_rows(batch_sizes=(2, 4, 32), seeds=SEEDS))
    running, precise, batch = np.mean([row[2:5] for row in rows], axis=2).T
    assert running[0] > 3 * running[3], rows
    assert running[1] > running[2] + 0.02, rows
    assert np.ptp(running[3:]) < 0.03, rows
    assert precise[0] > 3 * running[3], rows
    assert (batch[:2] > running[:2]).all(), rows
    for row in rows[3:]:
        np.testing.assert_array_equal(row.running, row.precise)


def test_rows_come_one_by_one():
    rows = batch_size_rows(batch_sizes=(8, 16), epochs=1, examples=64)
    seen = [(row.norm, row.batch_size) for row in rows]
    assert seen == [("batch", 8), ("batch", 16), ("layer", 8), ("layer", 16)]


# Order ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sorted_runs():
    return [sorted_batches(seed) for seed in SEEDS]


@pytest.mark.slow
def test_batches_of_one_class_break_batch_norm_only(sorted_runs):
    runs = sorted_runs
    batch, layer, none = np.mean([run.running for run in runs], axis=0)
    assert batch[0] > 0.93 and layer[0] > 0.93 and none[0] > 0.92
    assert batch[2] < 0.25, batch
    assert batch[2] + 0.3 < batch[1] < batch[0] - 0.02, batch
    assert layer.min() > 0.92 and none.min() > 0.9, (layer, none)
    distance = np.mean([run.distance for run in runs], axis=0)
    assert distance[0] < 0.75 * distance[1] and distance[0] < 0.75 * distance[2]


@pytest.mark.slow
def test_batches_of_one_class_teach_batch_norm_nothing(sorted_runs):
    """Neither other statistics nor sorted test batches save it: it never learned."""
    batch, layer, _ = np.mean([run.train_loss for run in sorted_runs], axis=0)
    assert batch[2] > np.log(10) > 2 > layer[2], (batch, layer)
    for run in sorted_runs:
        assert run.batch[0, 2] < 0.3 and run.matched[0, 2] < 0.3


# Noise ----------------------------------------------------------------------------


def test_noise_falls_with_the_root_of_the_batch():
    runs = [batch_noise(seed, draws=200) for seed in SEEDS]
    sizes = runs[0].batch_sizes
    scaled = np.mean([run.noise * np.sqrt(sizes) for run in runs], axis=0)[2:]
    assert scaled.max() / scaled.min() < 1.2, scaled
    assert 1.0 < scaled.mean() < 1.3
    ratio = np.mean([run.noise / run.predicted for run in runs], axis=0)
    assert abs(ratio[3:] - 1).max() < 0.1, ratio


def test_groups_take_the_step_of_their_mean_gradient():
    """One network that adds up the gradients of its groups ends at the same place."""
    (found,) = noisy_training(8, (301,), images=64, steps=3, every=3, hidden=(8,))
    rng = np.random.default_rng(301)
    digits = digits_split(rng, standardized=True, dtype=np.float32)
    x, labels = digits.x_train[:64], digits.y_train[:64]
    net = mlp([64, 8, 10], norm="batch", rng=rng, dtype=np.float32)
    order = np.random.default_rng([301])
    for _ in range(3):
        chosen = order.random((1, 64)).argsort(axis=1)[0, :32]
        total = 0
        for group in chosen.reshape(4, 8):
            loss_and_gradient(net, x[group], labels[group])
            total = total + net.grads / 4
        net.grads[...] = total
        sgd_step(net, 0.1)
    scores = precise_statistics(net, x).eval().forward(x)
    loss, _ = softmax_cross_entropy(scores, labels)
    assert found.train_loss[0] == pytest.approx(loss, rel=1e-4)
    (whole,) = noisy_training(32, (301,), images=64, steps=3, every=3, hidden=(8,))
    assert abs(whole.train_loss[0] - loss) > 1e-3


def test_noise_of_a_unit_variance_example_is_as_derived():
    """Gaussian data: sqrt((1 + z**2 / 2) / B) to a few per cent."""
    found = batch_noise(1, batch_sizes=(64,), draws=1500, units=200)
    assert found.noise[0] / found.predicted[0] == pytest.approx(1, abs=0.08)


# Errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: batch_size_rows(batch_sizes=(1,)), "batch_sizes must be at least 2"),
        (lambda: batch_size_rows(norms=("bach",)), "norms must be one of"),
        (lambda: batch_size_rows(norms=()), "at least one value"),
        (lambda: batch_size_rows(examples=2000), "examples must be between"),
        (lambda: batch_size_rows(batch_sizes=(64,), examples=32), "largest batch"),
        (lambda: batch_size_rows(lr=-1), "lr"),
        (lambda: sorted_batches(classes=(3,)), "classes must be one of"),
        (lambda: sorted_batches(norms=("x",)), "norms must be one of"),
        (lambda: sorted_batches(steps=0), "steps"),
        (lambda: next(noisy_training(5, (0,))), "group must divide"),
        (lambda: batch_noise(batch_sizes=(1,)), "batch_sizes must be at least 2"),
        (lambda: batch_noise(draws=1), "draws must be at least 2"),
    ],
)
def test_errors_say_what_is_wrong(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# Runs that diverge ----------------------------------------------------------------


def test_a_lag_run_that_diverges_says_so():
    with pytest.raises(ValueError, match="diverged at step 2"):
        list(running_lag(lr=1e9, steps=20, every=10))


def test_sorted_batches_that_diverge_say_so():
    found = sorted_batches(norms=("batch", "layer"), classes=(10, 1), lr=1e6, steps=5)
    for row in found.reasons:
        assert all("diverged at step" in reason for reason in row) and len(row) == 2
    assert np.isnan([found.running, found.batch, found.train_loss]).all()
    found = sorted_batches(norms=("batch",), classes=(10,), steps=5)
    assert found.reasons == (("",),) and np.isfinite(found.running).all()


def test_batch_sizes_that_diverge_say_so():
    """At this rate those of 2 images go on, as their rate is a sixteenth."""
    settings = dict(batch_sizes=(2, 32), epochs=1, lr=30.0)
    first, second = batch_size_rows(norms=("batch",), **settings)
    assert first.reason == "" and "lr 30 diverged at step" in second.reason
    assert np.isfinite(first.running) and np.isnan(second.running)
