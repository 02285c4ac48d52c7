"""Claims of notebook 11."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import batch_norm, instance_norm, layer_norm, rms_norm, weight_norm
from normlib.family.chain import build_chain, chain_spreads
from normlib.family.images import relight
from normlib.family.invariances import PUBLISHED, invariance_table
from normlib.family.weight_parametrizations import (
    condition_number,
    data_dependent_init,
    mean_only_batch_norm,
    weight_norm_descent,
    weight_standardization,
)
from normlib.gradients.effective_rate import same_trajectory
from normlib.gradients.fixed_length import length_steps
from normlib.lessons.weight_norm_and_family import lesson
from normlib.nets.watching import gather

no_claim("11", "Below are four digits, of one channel each.", "definition")
no_claim("11", "One unit with four weights:", "definition")
no_claim("11", "Ten layers with ReLU:", "definition")
no_claim("11", "12 cases (samples), 8 units, no bias.", "definition")
no_claim("11", "in six ways, A to F", "definition")
no_claim("11", "the network of notebook 05 at the rate 0.4", "definition")
no_claim("11", "The third panel shows the product of both", "definition")
no_claim("11", "a unit with two weights looks for the best $w$", "definition")
no_claim("11", "one number per row of `v` each, such that", "instruction")
no_claim("11", "has mean 0 and deviation 1 over the batch.", "instruction")
no_claim("11", "before you let the figure fill in all cells", "instruction")
no_claim("11", "Take one linear unit at its best weights.", "instruction")
no_claim("11", "Is training better?", "question")
no_claim(
    "11",
    "So as the rate falls, $W$ should get shorter, and its gradient, which goes as "
    "$1 / \\|W\\|$, larger. This is how Defazio explains",
    "quotation",
)
no_claim("11", "the gradient at length 1.", "definition")
no_claim("11", "and 40 % of the labels are random", "definition")


@claim(
    "11",
    "Subtract and divide, and $a$ and $b$ are gone (up to eps).",
    "What all that share a mean and a deviation have in common is undone, for a batch "
    "as for an image.",
    "Both come out as the same numbers (up to eps), so nothing after them can tell.",
)
def test_another_light_is_gone():
    for seed in seeds("Subtract and divide, and a and b are gone."):
        rng = np.random.default_rng(seed)
        images = rng.random((4, 1, 8, 8))
        other = images.copy()
        other[1] = relight(images[1], rng.uniform(0.1, 1), rng.uniform(0, 0.6))
        before, after = (instance_norm(x, eps=0)[0] for x in (images, other))
        np.testing.assert_allclose(after, before, atol=1e-12)
        before, after = (batch_norm(x, eps=0)[0] for x in (images, other))
        gap = np.abs(after - before).max(axis=(1, 2, 3))
        assert (gap > 1e-3).all() and gap[1] == gap.max()
        dimmed = relight(images, 0.4, 0.3)
        for norm in (batch_norm, instance_norm):
            np.testing.assert_allclose(
                norm(dimmed, eps=0)[0], norm(images, eps=0)[0], atol=1e-12
            )


@claim(
    "11",
    "dark ink on a lighter green",
    "Mean and deviation do not say which of ink and paper is the lighter one.",
    "the content says that its paper is lighter than the mean, here the mean of the "
    "style.",
)
def test_the_ink_stays_dark():
    figure = lesson.figures["style"].make()
    figure.set(share=1.0, colours="white on green")
    style, result = figure.meshes[1].get_array(), figure.result
    ink, paper = figure.pixels[3] > 0.9, figure.pixels[3] < 0.05
    assert all(channel[ink].mean() < channel[paper].mean() - 0.3 for channel in result)
    red, green, blue = (channel[paper].mean() for channel in result)
    assert green > max(red, blue)
    ground = style[figure.pixels[7] < 0.05].mean(axis=0)  # the paper of the style
    assert (np.array([red, green, blue]) > ground + 0.1).all()
    assert (style[figure.pixels[7] > 0.9].mean(axis=0) > ground).all()


@claim(
    "11",
    "A step at a right angle makes $v$ longer, and the factor $g / \\|v\\|$ smaller: a "
    "rate that is too large slows itself down.",
    "the longest side of a right triangle is the one opposite.",
    "it gets longer, or stays",
    "Shorter would need a step with a part along v.",
    "v has any length, and it grows. v / |v| has length 1.",
    "The loss does not change along v, so its gradient has none.",
)
def test_v_only_grows():
    for seed in seeds("A step at a right angle makes v longer"):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(50, 5))
        target, v = x @ rng.normal(size=5), rng.normal(size=5)
        run = weight_norm_descent(x, target, v, lr=0.5, steps=80)
        lengths = np.linalg.norm(run.v, axis=1)
        assert (np.diff(lengths) > -1e-12).all() and lengths[-1] > lengths[0]
        cosine = (run.v * run.dv).sum(axis=1)[:5]
        np.testing.assert_allclose(cosine, 0, atol=1e-12)
        longer = weight_norm_descent(x, target, 3 * v, steps=1)
        np.testing.assert_allclose(longer.dv[0], run.dv[0] / 3)
        short = weight_norm_descent(x, target, 0.01 * v, lr=0.5, steps=80)
        lengths = np.linalg.norm(short.v, axis=1)
        assert lengths[1] > 10 * lengths[0] and short.loss[-1] < short.loss[0]


@claim(
    "11",
    "it subtracts the mean of the weights into a unit, divides by their deviation, and "
    "learns no length.",
    "It also subtracts the mean of the weights into a unit.",
)
def test_standardized_weights():
    v = np.random.default_rng(seeds("it subtracts the mean", 1)[0]).normal(size=(3, 9))
    found = weight_standardization(v, eps=0.0)
    expected = (v - v.mean(1, keepdims=True)) / v.std(1, keepdims=True)
    np.testing.assert_allclose(found, expected)
    assert np.abs(weight_norm(v, np.ones(3))[0].mean(axis=1)).min() > 1e-3


@claim(
    "11",
    "The paper fits $g$ and the bias to one batch before training, layer by layer, so "
    "that each sum has mean 0 and deviation 1.",
    "Weight norm does not look at the data, so nothing keeps its sums",
    "Nothing is measured any more: lengths and biases are fixed numbers now.",
    "Each layer hands the factor on, and the biases fit no longer.",
    "4 or more",
    "A layer hands the factor on. It does not multiply with it once more.",
    "with these, each sum has mean 0 and deviation 1 on this batch.",
)
def test_the_start():
    for seed in seeds("The paper fits g and the bias to one batch"):
        chain = build_chain(seed)
        np.testing.assert_allclose(chain_spreads(chain, chain.first), 1)
        strong = chain_spreads(chain, 4 * chain.second)
        assert 4 < strong[-1] < 20
        v, x = chain.v[0], chain.first
        found = data_dependent_init(v, x)
        np.testing.assert_allclose(found.outputs.mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(found.outputs.std(axis=0), 1)


@claim(
    "11",
    "A factor is undone if all that share a divisor have it.",
    "That holds for batch norm: there each unit has its own deviation. Here the 8 "
    "units "
    "of a case share one.",
    "All 8 share a mean and a deviation, and one large unit changes both.",
    "those of all units",
    "An added vector is undone if it gives the same number to all that share a mean.",
    "Weight norm divides by the weights only and never sees the data.",
)
def test_the_table():
    for seed in seeds("A factor is undone if all that share a divisor have it."):
        np.testing.assert_array_equal(invariance_table(rng=seed).invariant, PUBLISHED)
        rng = np.random.default_rng(seed)
        sums = rng.normal(size=(12, 8))
        changed = sums * np.where(np.arange(8) == 0, 3, 1)
        layer, rms = (
            np.abs(norm(changed, eps=0)[0] - norm(sums, eps=0)[0]).max(axis=0)
            for norm in (layer_norm, rms_norm)
        )
        assert (layer > 1e-3).all() and (rms > 1e-3).all()
        batch = batch_norm(changed, eps=0)[0] - batch_norm(sums, eps=0)[0]
        np.testing.assert_allclose(batch, 0, atol=1e-12)


@claim(
    "11",
    "How unequal are the curvatures of its loss, largest over smallest?",
    "On such a unit, weight norm alone changes nothing: length and direction have the "
    "curvatures that $w$ has.",
    "It cures the first kind and not the second. Standardizing the inputs (notebook "
    "01) "
    "cures both.",
)
def test_conditioning():
    for seed in seeds("On such a unit, weight norm alone changes nothing"):
        rng = np.random.default_rng(seed)
        noise, w = rng.normal(size=(400, 6)), rng.normal(size=6)
        for x, cured in ((noise + 3, True), (noise * np.geomspace(1, 8, 6), False)):
            plain = condition_number(x)
            assert plain > 30
            assert condition_number(x, w) == pytest.approx(plain)
            centred = condition_number(mean_only_batch_norm(x), w)
            assert (centred < 3) if cured else (centred > 0.8 * plain)
            assert condition_number((x - x.mean(0)) / x.std(0), w) < 3


@claim(
    "11",
    "At a fixed length the angle is there from the first step, by construction.",
    "Over ten fresh seeds with the usual start, the loss over the last 100 of 500 "
    "steps "
    "differs by less than 3 % in the median.",
    "Decay shrinks W by the share lr times decay per step, here less than a hundredth.",
    "after some hundred steps",
    "A long W turns little. Decay has to shrink it first.",
    "Where it settles does not depend on where it began.",
    "A fixed length sets it at once.",
    "So the gain here is not in the loss. It is that the angle does not depend on the "
    "start.",
)
def test_decay_and_a_fixed_length():
    expected = np.sqrt(2 * 0.4 * 0.02)
    assert 0.4 * 0.02 < 0.01
    fresh = seeds("At a fixed length the angle is there from the first step")
    how = {"lr": 0.4, "steps": 500}
    usual, fixed = (
        gather(length_steps(fresh, rule, **how)) for rule in ("decay", "fixed length")
    )
    np.testing.assert_allclose(fixed.angle, expected, rtol=0.02)
    long = gather(length_steps(fresh, start=3.0, **how))
    turned = [
        np.median(long.angle[part], axis=0) / expected
        for part in (slice(20), slice(80, 120), slice(-100, None))
    ]
    assert (turned[0] < 0.15).all() and (turned[1] < 0.5).all()
    assert ((turned[2] > 0.85) & (turned[2] < 1.15)).all()
    ends = [np.median(run.length[-100:], axis=0) for run in (usual, long)]
    np.testing.assert_allclose(ends[1], ends[0], rtol=0.15)
    late = [np.median(run.loss[-100:].mean(axis=0)) for run in (usual, fixed)]
    assert abs(late[1] / late[0] - 1) < 0.03


@pytest.fixture(scope="module")
def rises():
    """Return late over early at fresh seeds: gradient, length, product, by rule."""
    fresh = seeds("So the rise is there, and the cure takes less than half of it away.")
    found = {}
    for rule, schedule in (
        ("decay", "constant"),
        ("decay", "to zero"),
        ("decay with the rate", "to zero"),
        ("fixed length", "to zero"),
    ):
        how = {"lr": 0.4, "steps": 800, "start": 0.4, "schedule": schedule}
        run = gather(length_steps(fresh, rule, **how))
        found[rule, schedule] = np.array(
            [
                np.median(values[-40:], axis=0) / np.median(values[160:320], axis=0)
                for values in (run.gradient, run.length, run.length * run.gradient)
            ]
        ).T
    return found


@claim(
    "11",
    "Over ten fresh seeds, at a constant rate the gradient ends at 0.9 to 1.2 times "
    "its early size. With the rate to zero it ends at 1.7 to 2.3 times; with decay in "
    "proportion to the rate at 1.4 to 1.8 times. So the rise is there, and the cure "
    "takes less than half of it away.",
    "$W$ gets shorter by at most 15 %. And at a *fixed* length the gradient rises to "
    "1.5 times or more as well. Most of the rise is in the third panel: as the steps "
    "get smaller, the gradient at length 1 grows.",
    "it gets larger",
    "The steps do. The gradient does not follow the rate.",
    "The length is the same all along, so it must be the gradient at length 1 that "
    "grows.",
    "It would if only the length of W counted. The gradient at length 1 counts, too.",
)
def test_the_rise(rises):
    constant, falling = rises["decay", "constant"], rises["decay", "to zero"]
    cured, fixed = (
        rises[rule, "to zero"] for rule in ("decay with the rate", "fixed length")
    )
    assert ((constant[:, 0] > 0.9) & (constant[:, 0] < 1.2)).all()
    assert ((falling[:, 0] > 1.7) & (falling[:, 0] < 2.3)).all()
    assert ((cured[:, 0] > 1.4) & (cured[:, 0] < 1.8)).all()
    left = (cured[:, 0] - 1) / (falling[:, 0] - 1)
    assert ((left > 0.5) & (left < 1)).all()
    assert (falling[:, 1] > 0.85).all()
    assert (fixed[:, 0] > 1.5).all()
    np.testing.assert_allclose(fixed[:, 1], 1, rtol=1e-3)
    assert (np.log(falling[:, 2]) > 0.6 * np.log(falling[:, 0])).all()


@claim(
    "11",
    "Over each group. Over each channel it does so for instance norm.",
    "Only lr / |w|² counts, and multiplying by a power of 2 rounds nothing.",
)
def test_the_last_bit():
    for seed in seeds("multiplying by a power of 2 rounds nothing", 3, 10**6):
        runs = same_trajectory(seed, factor=8.0, steps=40)
        np.testing.assert_array_equal(runs.losses, runs.scaled_losses)
    third = same_trajectory(0, factor=3.0, steps=40)
    assert not np.array_equal(third.losses, third.scaled_losses)
    np.testing.assert_allclose(third.losses, third.scaled_losses, rtol=1e-9)
