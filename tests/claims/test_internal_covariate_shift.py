"""Claims of notebook 08, each on 10 seeds that come from the words of a claim."""

import functools

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import batch_norm
from normlib.covariate_shift.change import total_change
from normlib.covariate_shift.frozen_weights import frozen_weights
from normlib.covariate_shift.gradient_shift import digits_shift
from normlib.covariate_shift.input_change import figure_one, steps_to_accuracy
from normlib.lessons.internal_covariate_shift import gradient_after, small_network
from normlib.live import internal_covariate_shift as live
from normlib.nets.watching import gather

no_claim("08", "You train at a tenth of the rate.", "instruction")
no_claim("08", "one of 32 units rises by 1 for each digit.", "definition")
no_claim("08", "Each dot is the mean over a batch of 60 digits", "counted on the page")
no_claim("08", "You take batches of 240.", "instruction")
no_claim(
    "08",
    "look at the cosine of the two: 1 is the same direction, 0 across, -1 opposite.",
    "definition",
)
no_claim("08", "is the largest $m_t$ minus the smallest", "definition")
no_claim("08", "a random scale and shift, **new at every step**", "definition")
no_claim("08", "after 0, 1, ..., `T - 1` steps", "definition")
no_claim("08", "**New: layers 1 to $i-1$. Old: layer $i$", "definition")
no_claim("08", "`weights` is a list of arrays, layer 1 first.", "definition")
no_claim("08", "Layers count from 1, lists from 0.", "definition")
no_claim("08", "layer i - 1 is still old.", "definition")
no_claim("08", "with k = 1 it is the change by step.", "definition")
no_claim("08", "caused by earlier layers, limits the learning rate", "quotation")
no_claim("08", "gradients that change because earlier layers moved", "definition")
no_claim("08", "Going deeper: two networks that learn digits", "instruction")
# Cards: their own tests decide them.
no_claim(
    "08",
    "A network whose gradients keep their direction, cosine near 1, trains well.",
    "quotation",
)


@functools.cache
def inputs(norm, lr):
    """Return steps to 90 %, total change and that over the width, seed by seed."""
    fresh = seeds("layer norm speeds it up while the inputs change more")
    options = {"init": 0.3, "width": 32, "steps": 400, "every": 20}
    run = gather(figure_one(norm, lr=lr, seed=fresh, dtype=np.float32, **options))
    found = []
    for k in range(len(fresh)):
        total = total_change(run.mean[:, k])
        width = (run.edges[:, 1, k] - run.edges[:, 0, k]).mean()
        steps = steps_to_accuracy(run._replace(accuracy=run.accuracy[:, k]))
        found.append((steps, total, total / width))
    return np.array(found).T


@functools.cache
def noise(task, lr, norm, times):
    """Return changes over 1, 20, 50 steps, accuracy at 50, 110, last loss, by seed."""
    fresh = seeds("noise that changes the inputs at every step")
    how = {"test_every": 50, "dtype": np.float32}
    runs = gather(live.noise_run(task, lr, norm, times, fresh, **how))
    found = []
    for k in range(len(fresh)):
        right = [runs.accuracy[step, k] for step in (50, 110)]
        run = runs._replace(mean=runs.mean[:, k])
        found.append((*live.changes_of(run), *right, runs.quiet_loss[-1, k]))
    return np.array(found).T


@functools.cache
def shifts(stack, norm, lr):
    """Return the cosine by layer and the last loss, seed by seed."""
    which = live.LATE if stack == "25 linear" else slice(None)  # what is looked at
    fresh = seeds("gradients that change because earlier layers moved")
    run = gather(live.shift_run(stack, norm, lr, fresh, which))
    return run.cosine.mean(0).T, run.loss[-1]


def ahead(lr):
    """Return in how many seeds layer norm is sooner at 90 %, and changes more."""
    none, layer = inputs(None, lr), inputs("layer", lr)
    return (layer[0] < none[0]).sum(), (layer[1] > none[1]).sum()


@claim(
    "08",
    "Layer norm is ahead of no norm in at least 9 of 10 seeds, and changes more in "
    "all 10.",
    "At learning rate 3 it is ahead in at most 3 of the 10.",
    "At learning rate 1 layer norm is ahead of no norm, and its means change further.",
    "no: layer norm at rate 1; batch norm with noise",
)
def test_layer_norm_is_ahead_and_changes_more():
    faster, further = ahead(1.0)
    assert faster >= 9
    assert further == 10
    assert ahead(3.0)[0] <= 3


@claim(
    "08",
    "| medians of 10 seeds, learning rate 1 | none | batch | layer |",
    "| total change of a unit's mean | 1.5 | 0.15 | 2.5 |",
    "| as a fraction of the width (15 to 85 %) | 0.7 | 0.04 | 0.85 |",
    "| step at which 90 % are right | 300 | 50 | 210 |",
)
@pytest.mark.parametrize(
    ("norm", "steps", "total", "fraction"),
    [(None, 300, 1.5, 0.7), ("batch", 50, 0.15, 0.04), ("layer", 210, 2.5, 0.85)],
)
def test_the_table_of_inputs(norm, steps, total, fraction):
    medians = np.median(inputs(norm, 1.0), axis=1)
    assert medians[0] == pytest.approx(steps, abs=30)
    assert medians[1] == pytest.approx(total, rel=0.1)
    assert medians[2] == pytest.approx(fraction, rel=0.15)


@claim(
    "08",
    "half as far",
    "Four times as many digits, and the mean of a sample misses by the deviation over "
    "the root of their number.",
    "A mean over more digits misses less.",
    "a quarter as far",
)
def test_batches_differ_by_chance():
    """By the unit's deviation over sqrt(n), less as batches exhaust the digits."""
    found = []
    for seed in seeds("A mean over 60 digits misses the mean over all of them"):
        run = gather(frozen_weights(0.0, activation="relu", width=32, seed=seed))
        assert not run.shift.any()
        assert not np.ptp(run.fixed_mean, axis=0).any()
        many = frozen_weights(
            0.0, activation="relu", width=32, batch_size=240, batches=50, seed=seed
        )
        found.append(live.misses(run) / live.misses(gather(many)))
    # Half as far, and a little nearer: 240 is a large part of the 1437 digits.
    rule = np.sqrt((1 / 60 - 1 / 1437) / (1 / 240 - 1 / 1437))
    assert rule == pytest.approx(2, abs=0.2)
    assert np.median(found) == pytest.approx(rule, rel=0.1)


SIGMOID = "3 sigmoid", 1.0
RELU = "6 relu", 0.1
CASES = (None, 0), ("batch", 0), (None, 1), ("batch", 1), ("batch", 4)


@claim(
    "08",
    "**What the noise shows.** Three sigmoid layers, learning rate 1, medians of 10 "
    "seeds:",
    "| | none | batch | none, noise | batch, noise | batch, 4 times the noise |",
    "| change over 1 step | 0.09 | 0.01 | 0.39 | 0.33 | 1.33 |",
    "| change over 20 steps | 0.19 | 0.02 | 0.44 | 0.33 | 1.33 |",
    "| change over 50 steps | 0.36 | 0.04 | 0.56 | 0.34 | 1.33 |",
    "| right at step 50 | 20 to 35 % | 94 % | 30 to 45 % | 94 % | 91 % |",
    "Three sigmoid layers, medians of 10 seeds: without norm 20 to 35 % of the test "
    "digits are right at step 50, with batch norm 94 %.",
    "At 4 times the noise in the figure.",
    "The noise costs little, even at 4 times its size in the figure.",
    "about 90 %",
)
@pytest.mark.parametrize(
    ("case", "changes", "right"),
    [
        (CASES[0], (0.09, 0.19, 0.36), 0.275),
        (CASES[1], (0.01, 0.02, 0.04), 0.94),
        (CASES[2], (0.39, 0.44, 0.56), 0.37),
        (CASES[3], (0.33, 0.33, 0.34), 0.94),
        (CASES[4], (1.33, 1.33, 1.33), 0.91),
    ],
)
def test_the_table_of_noise(case, changes, right):
    medians = np.median(noise(*SIGMOID, *case), axis=1)
    # Two numbers from a range of width 1 differ by 1/3: with batch norm the noise
    # decides.
    rtol = 0.02 if case in CASES[3:] else 0.07
    np.testing.assert_allclose(medians[:3], changes, rtol=rtol, atol=0.006)
    assert medians[3] == pytest.approx(right, abs=0.08 if case[0] is None else 0.015)


@claim(
    "08",
    "The noise changes the inputs at every step but does not carry them away.",
    "Without norm the change grows with the steps, and over 50 it is about as large.",
    "Only at 4 times the noise is that of batch norm larger over all three.",
    "over 1, 20 and 50 steps the inputs of batch norm change more than those without "
    "norm.",
)
def test_noise_on_sigmoid():
    none, batch, _, noisy, four = (noise(*SIGMOID, *case) for case in CASES)
    assert np.median(noisy[2] / noisy[0]) == pytest.approx(1, abs=0.05)
    assert (none[0] < none[1]).all()
    assert (none[1] < none[2]).all()
    assert np.median(none[2] / noisy[2]) == pytest.approx(1, abs=0.15)
    assert (noisy[:2] > none[:2]).all()
    assert (noisy[2] > none[2]).sum() < 8
    assert (four[:3] > none[:3]).all()
    assert np.abs(noisy[3] - batch[3]).max() < 0.03
    assert (noisy[3] > none[3] + 0.3).all()
    assert (four[3] > 0.8).all()


@claim("08", "at step 110 the training loss is even lower than without noise.")
def test_the_control_of_the_noise():
    none, noisy = noise(*SIGMOID, None, 0), noise(*SIGMOID, None, 1)
    assert (noisy[5] < none[5]).sum() >= 9


@claim(
    "08",
    "**Six ReLU layers.** At rate 0.1 the inputs change more without norm than with "
    "batch norm and noise, over 20 and over 50 steps",
    "at step 110 the training loss is 1.4 times that of batch norm alone (median).",
)
def test_noise_on_relu():
    none, batch, noisy = (noise(*RELU, *CASES[k]) for k in (0, 1, 3))
    assert (none[1:3] > noisy[1:3]).sum() >= 19
    assert np.median(noisy[5] / batch[5]) == pytest.approx(1.4, abs=0.15)


@claim(
    "08",
    "At 4 times the noise the inputs of batch norm change more over all three, and it "
    "gets about 70 % right, no norm 90 %.",
)
def test_much_noise_on_relu():
    none, four = (noise(*RELU, *CASES[k]) for k in (0, 4))
    assert (four[:3] > none[:3]).all()
    assert np.median(four[4]) == pytest.approx(0.7, abs=0.05)
    assert np.median(none[4]) == pytest.approx(0.9, abs=0.04)
    assert (four[4] < none[4]).all()


@claim(
    "08",
    "At rate 1 no norm gets less than half right in most seeds, batch norm with noise "
    "more than 90 %, with 4 times the noise about 80 %.",
    "So the gain of batch norm, its high learning rate included, survives inputs that "
    "change at every step, with ReLU while the noise is small.",
)
def test_noise_at_a_high_rate():
    none, noisy, four = (noise("6 relu", 1.0, *CASES[k]) for k in (0, 3, 4))
    assert (~(none[4] >= 0.5)).sum() >= 6  # a run that diverged counts
    assert (noisy[4] > 0.9).sum() >= 9
    assert np.median(four[4]) == pytest.approx(0.8, abs=0.05)
    assert np.median(noisy[0]) > 0.3


@claim(
    "08",
    "**What 10 seeds say**, at maps 16 and 21, medians of the mean over 200 steps:",
    "| learning rates | none, cosine | batch, cosine | batch has the lower cosine | "
    "batch ends with the lower loss |",
    "| 0.001 and 0.001 | 0.85 to 1 | about -0.4 | in all 10 | in all 10 |",
    "25 linear layers with batch norm, learning rate 0.001: in most seeds the cosine "
    "of G and G' in the late layers is below 0.",
    "nearer to 1",
    "further below 0",
    "The gradients of a network with batch norm can change more, and it trains better.",
    "So batch norm does not lower this shift here, and trains.",
)
@pytest.mark.slow
def test_the_deep_linear_network_at_one_rate():
    (none, plain), (batch, normed) = (
        shifts("25 linear", norm, 1e-3) for norm in (None, "batch")
    )
    none, batch = none.mean(1), batch.mean(1)
    assert (batch < none).all()
    assert (normed < plain).all()
    assert 0.85 <= round(np.median(none), 2) <= 1
    assert np.median(batch) == pytest.approx(-0.4, abs=0.12)
    assert (batch < 0).sum() >= 7
    short, little = shifts("25 linear", "batch", 1e-4)
    assert (short.mean(1) > batch).sum() >= 9
    assert (little > normed).all()


@claim(
    "08",
    "| 0.003 (none) and 0.0003 (batch) | 0.7 to 1 | -0.5 to 0.5 | in at least 6 | in "
    "at most 6 |",
    "the loss with batch norm ends at 0.8 to 1.3 times that without (median).",
)
@pytest.mark.slow
def test_the_deep_linear_network_at_matched_progress():
    none, plain = shifts("25 linear", None, 3e-3)
    batch, normed = shifts("25 linear", "batch", 3e-4)
    none, batch = none.mean(1), batch.mean(1)
    assert (batch < none).sum() >= 6
    assert (normed < plain).sum() <= 6
    assert 0.8 < np.median(normed / plain) < 1.3
    assert 0.65 <= np.median(none) <= 1
    assert -0.5 <= np.median(batch) <= 0.5


@claim(
    "08",
    "| Batch norm makes gradients change less | linear and tanh: no; ReLU: in late "
    "layers yes |",
    "Six hidden layers with ReLU or tanh do not all follow the deep linear network: "
    "who has the lower cosine depends on the activation and on the layer.",
    'So "batch norm reduces covariate shift" is no law in this sense, and "batch norm '
    'increases it" is none either.',
    "On other networks there is no rule.",
)
def test_networks_that_learn_digits():
    for stack, lower in (("6 relu", slice(0, 2)), ("6 tanh", slice(0, 6))):
        none, batch = (shifts(stack, norm, 0.1)[0] for norm in (None, "batch"))
        count = (batch < none).sum(axis=0)
        assert (count[lower] >= 9).all()
        assert (count[lower.stop + 1 :] <= 1).all()


@claim("08", "The norm makes the mean 0 and adds `beta`.")
def test_the_mean_is_beta():
    for seed in seeds("The norm makes the mean 0 and adds `beta`."):
        rng = np.random.default_rng(seed)
        x, gamma, beta = rng.normal(5, 3, (40, 6)), *rng.normal(size=(2, 6))
        y, _ = batch_norm(x, gamma, beta)
        np.testing.assert_allclose(y.mean(axis=0), beta, atol=1e-12)
        np.testing.assert_allclose(y.std(axis=0), np.abs(gamma), rtol=1e-4)


@claim(
    "08",
    "Four sigmoid layers at rate 0.3: the cosine is near 1 and nothing is learned.",
)
def test_a_network_that_does_not_learn():
    options = {"activation": "sigmoid", "depth": 4, "lr": 0.3, "steps": 60}
    for seed in seeds("Four sigmoid layers at rate 0.3"):
        run = gather(digits_shift(every=20, layers=(3,), seed=seed, **options))
        assert run.cosine.mean() > 0.99
        assert run.loss[-1] > 2.2


@claim("08", "only the layers before i are new, so G' of layer 1 is G.")
def test_nothing_comes_before_layer_one():
    for seed in seeds("G' of layer 1 is G"):
        gradient, old, new = small_network(seed)
        first = gradient_after(gradient, old, new, 1)
        np.testing.assert_array_equal(first, gradient(old, 1))
        assert (gradient_after(gradient, old, new, 2) != gradient(old, 2)).any()


@claim(
    "08",
    "Layer norm subtracts 1/32 only.",
    "Batch norm subtracts the mean of this unit over the digits, which rose by 1.",
    "Layer norm subtracts the mean over 32 units, which rose by 1/32.",
    "nothing under batch norm, nearly all under layer norm",
    "nearly all under batch norm, nothing under layer norm",
    "nothing, under batch norm as under layer norm",
)
def test_what_a_norm_leaves_of_the_rise_of_one_unit():
    for seed in seeds("Layer norm subtracts the mean over 32 units"):
        x = np.random.default_rng(seed).normal(size=(50, 32))
        risen = x + np.eye(32)[5]
        left = {}
        for axis in (0, 1):
            moved = risen - risen.mean(axis, keepdims=True)
            moved -= x - x.mean(axis, keepdims=True)
            left[axis] = moved[:, 5]
        np.testing.assert_allclose(left[0], 0, atol=1e-12)
        np.testing.assert_allclose(left[1], 1 - 1 / 32, atol=1e-12)
