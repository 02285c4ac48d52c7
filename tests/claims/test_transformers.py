"""Claims of notebook 12."""

from functools import cache

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import layer_norm, rms_norm, rms_norm_backward
from normlib.nets.transformer import rotate
from normlib.sphere.keys import head_keys, selectable
from normlib.transformers.attention import ROTATED, rotation_gap, scores, with_one_huge
from normlib.transformers.centring import WRITERS, with_rms_norm
from normlib.transformers.hearing import READINGS, hears
from normlib.transformers.placement import at_start, by_rate
from normlib.transformers.pointwise import Derf, DyT, freeze_rms
from normlib.transformers.task import accuracy, reversed_words, reverser, train

for quote, why in (
    ("It reads a word of 5 letters and a bar", "definition"),
    ('with three readings of "norm"', "counted on the page"),
    ("Three places are in use.", "definition"),
    ("as pre, and one more norm on what the branch gives", "definition"),
    ("A fourth, **scaled**, is pre with", "definition"),
    ("The abstract of *The Curse of Depth* says", "quotation"),
    ("Places are often put in by turning pairs", "definition"),
    ("relative to the largest entry:", "definition"),
    ("Going deeper: keys that no query can select", "instruction"),
    ("Going deeper: RMS norm in place of layer norm, exactly", "instruction"),
    ("Going deeper: one huge entry", "instruction"),
    ("Going deeper: no norm at all", "instruction"),
    ("A query attends most to the key with the largest $q \\cdot k$.", "definition"),
    ("a head has fewer features than the stream", "definition"),
    ("four kinds of maps write", "counted on the page"),
    ("| GPT-2 | layer | pre |", "quotation"),
    ("| Gemma 2 | RMS | peri |", "quotation"),
    ("| OLMo 2 | RMS | `x + n(f(x))` |", "quotation"),
    ("| Llama 4 | RMS | pre |", "quotation"),
    ("called L2Norm in the code of Llama 4", "quotation"),
    ("In a model whose tokens differ more, expect more.", "instruction"),
):
    no_claim("12", quote, why)


@cache
def share(placement, rate=0.01, **build):
    """Return the median share of right letters of 10 networks that nobody chose."""
    *_, table = by_rate(placement, 4, seeds(USUAL), (rate,), **build)
    return np.median(table[:, 0])


@claim(
    "12",
    "Earlier tokens would hear of later ones.",
    "nothing leaks from the batch or from later tokens",
    "Batch norm has one mean per feature, over all tokens of all rows.",
)
@pytest.mark.parametrize("reading", READINGS)
def test_who_hears_of_a_change(reading):
    for seed in seeds("Earlier tokens would hear of later ones."):
        rng = np.random.default_rng(seed)
        tokens = reversed_words(4, rng)[0]
        word, place = rng.integers(4), rng.integers(1, 10)
        moved = hears(reading, tokens, word, place, rng=rng) > 1e-9
        expected = np.zeros((4, 10), bool)
        expected[word, place:] = True
        expected[word] |= reading == "layer, per sequence"
        expected |= reading == "batch"
        np.testing.assert_array_equal(moved, expected)


LINE = "After 16 blocks of pre or peri the mean square is 10 to 20 times what it was"
HALF = "in pre the last block has a third to a half of the gradient of the first"


@claim(
    "12",
    LINE,
    "The stream itself is never normalized, so one more norm follows all blocks.",
    "Behind a norm, each branch of a fresh network adds about the same mean square.",
    "Pre and peri leave the stream alone, and it grows in a straight line with depth",
)
@pytest.mark.parametrize("placement", ["pre", "peri"])
def test_the_stream_grows_in_a_line(placement):
    stream = at_start(placement, 16, seeds(LINE)).stream
    assert 10 <= np.median(stream[:, -1] / stream[:, 0]) <= 20
    middle = np.median(stream[:, 8] - stream[:, 0])
    assert 1.5 < np.median(stream[:, -1] - stream[:, 0]) / middle < 2.5


@claim(
    "12",
    HALF,
    "Later branches then add to a larger stream, and count for less",
)
def test_later_blocks_count_for_less():
    start = at_start("pre", 16, seeds(HALF))
    ratio = np.median(start.gradient[:, -1] / start.gradient[:, 0])
    assert 1 / 3 < ratio < 0.52
    branch = np.diff(start.stream, axis=1) / start.stream[:, 1:]
    assert np.median(branch[:, -1]) < 0.3 * np.median(branch[:, 0])


@claim("12", "Without a norm each block multiplies the mean square by 3 to 4.")
def test_without_a_norm_the_stream_multiplies():
    sentence = "Without a norm each block multiplies the mean square by 3 to 4."
    stream = at_start("none", 16, seeds(sentence)).stream
    rate = np.median((stream[:, -1] / stream[:, 0]) ** (1 / 16))
    assert 3 < rate < 4


USUAL = (
    "Over 10 fresh seeds, at the rate 0.01, the median share of right letters after "
    "100 steps is 1.00 for pre, peri and scaled, below 0.3 for post and for no norm."
)


@claim("12", USUAL, "In the table below, post and no norm fail at the rate 0.01.")
@pytest.mark.parametrize("placement", ["pre", "peri", "scaled", "post", "none"])
def test_what_trains(placement):
    median = share(placement)
    if placement in ("post", "none"):
        assert median < 0.3
    else:
        assert median >= 0.99


WARM = "Warming up lifts post, and leaves it below pre"


@claim("12", WARM, "Post needs more care at the start.")
def test_warming_up_lifts_post():
    usual = share("post")
    warmed = share("post", warm_up=50)
    assert usual + 0.1 < warmed < share("pre") - 0.05


ZERO = (
    "But start the maps that write to the stream at 0, so that each block begins as "
    "$x$: then post and no norm reach 0.9 or more, too."
)
FAIL = "At 0.03 both fail even so, and pre does not."


@claim(
    "12",
    ZERO,
    "It was the start that made them fail.",
    "From 0, what is added grows as training makes it grow.",
)
@pytest.mark.parametrize("placement", ["post", "none"])
def test_branches_that_start_at_0(placement):
    assert share(placement, gain=0.0) >= 0.9


@claim("12", FAIL)
def test_at_high_rates_post_and_no_norm_fail():
    for placement in ("post", "none"):
        assert share(placement, 0.03, gain=0.0) < 0.5
    assert share("pre", 0.03, gain=0.0) > 0.9


@claim("12", "Then no score is above $\\sqrt d$, here 4, whatever the weights")
def test_normed_scores_are_bounded():
    for seed in seeds("Then no score is above the root of d"):
        for times in (0.1, 4.0, 100.0):
            assert np.abs(scores(times, norm=True, rng=seed).logits).max() <= 4
        assert np.abs(scores(4.0, rng=seed).logits).max() > 16


@claim(
    "12",
    "scores 16 times, attention on one key",
    "softmax of large scores puts nearly all weight on the largest",
)
def test_scores_grow_with_both():
    entropies = []
    for seed in seeds("scores 16 times, attention on one key"):
        one, four = scores(1.0, rng=seed), scores(4.0, rng=seed)
        np.testing.assert_allclose(four.logits, 16 * one.logits)
        entropies.append(four.entropy)
        assert four.entropy < 0.3 * one.entropy
    assert np.median(entropies) < 0.3


def test_a_norm_may_change_places_with_a_rotation_if_it_reads_lengths_only():
    for seed in seeds("May the norm change places with the rotation?"):
        gap = {kind: rotation_gap(kind, rng=seed) for kind in ROTATED}
        assert max(gap["RMS"], gap["RMS, gamma equal in pairs"]) < 1e-15
        assert min(gap["RMS, gamma"], gap["layer"]) > 0.05
        x = np.random.default_rng(seed).standard_normal((9, 16))
        both = rms_norm(rotate(x), eps=0)[0], rotate(rms_norm(x, eps=0)[0])
        np.testing.assert_allclose(*both, atol=1e-14)


@claim(
    "12",
    "A key inside the hull of the others never has the largest product, whatever the "
    "query",
    "On a sphere every key is a corner.",
    "Layer norm in front does neither.",
    "This sphere is in the stream, and the map to 2 features flattens it.",
    "Which key has the largest product depends on its direction alone.",
)
def test_keys_that_cannot_win():
    raw, stream = [], []
    for seed in seeds("On a sphere every key is a corner."):
        assert selectable(head_keys("RMS, in the head", 20, 2, rng=seed)).all()
        raw.append(selectable(head_keys("none", 20, 2, rng=seed)).mean())
        stream.append(
            selectable(head_keys("layer, in the stream", 20, 2, rng=seed)).mean()
        )
        keys, query = head_keys("none", 20, 2, rng=seed), (0.3, -0.8)
        scores = [keys @ (times * np.array(query)) for times in (1, 50)]
        assert scores[0].argmax() == scores[1].argmax()
    assert max(raw) < 0.7 and max(stream) < 0.7


@claim(
    "12",
    "If all that is written to the stream has mean 0, there is none to subtract, "
    "and RMS norm is the same function.",
    "RMS norm replaces layer norm exactly once all that writes is centred.",
)
def test_rms_norm_in_place_of_layer_norm():
    for seed in seeds("RMS norm is the same function", 10):
        rng = np.random.default_rng(seed)
        net = reverser(rng, blocks=3)
        net.params += 0.3 * rng.standard_normal(net.params.shape)
        tokens = reversed_words(8, rng)[0]
        before = net.forward(tokens).copy()
        scale = np.abs(before).max()
        gap = np.abs(with_rms_norm(net).forward(tokens) - before).max()
        assert gap < 1e-12 * scale
        for left_out in WRITERS:
            some = [name for name in WRITERS if name != left_out]
            gap = np.abs(with_rms_norm(net, some).forward(tokens) - before).max()
            assert gap > 1e-3 * scale


@claim(
    "12",
    "with one entry $M$ among $n$ of spread 1, the others are multiplied by "
    "$\\sqrt{n / (n - 1 + M^2)}$.",
    "The root of 64 / (63 + 400) is 0.37, that of 64 / (63 + 40000) is 0.040.",
    "The square of `M` grows 100 times, but a root is taken.",
    "falls to about a tenth",
)
def test_one_huge_entry():
    for n in (16, 64, 256):
        for huge in (10.0, 100.0, 1000.0):
            x = with_one_huge(n, huge)
            y, cache = rms_norm(x, eps=0)
            expected = np.sqrt(n / (n - 1 + huge**2))
            np.testing.assert_allclose(y, expected * x)
            dy = np.zeros(n)
            dy[1], dy[3] = 1.0, -1.0
            dx = rms_norm_backward(dy, cache)[0]
            np.testing.assert_allclose(dx, expected * dy, atol=1e-12)
    huge = with_one_huge(64, 100.0)
    assert round(abs(rms_norm(huge, eps=0)[0][1]), 3) == 0.080
    back = []
    for huge, said in ((20.0, 0.37), (200.0, 0.040)):
        cache = rms_norm(with_one_huge(64, huge), eps=0)[1]
        dx = rms_norm_backward(np.eye(64)[1] - np.eye(64)[3], cache)[0]
        back.append(dx[1])
        assert abs(dx[1] - said) < 0.005 * said / 0.37
    assert 0.08 < back[1] / back[0] < 0.12


NO_S = "in 10 trained networks the best tanh misses by at most 0.03 less than the line"


@claim(
    "12",
    "in 10 trained networks the best tanh misses by at most 0.03 less than the best "
    "line.",
)
def test_no_s_in_a_small_network():
    for seed in seeds(NO_S):
        net = reverser(seed, blocks=2)
        for _ in train(net, 0.01, 100, seed):
            pass
        net.forward(reversed_words(20, seed + 1)[0], record=True)
        for x in (net.outputs[0], net.outputs[-4]):
            y = layer_norm(x)[0]
            curves = [np.tanh(a * x) for a in np.linspace(0.02, 1.5, 75)]
            assert min(_miss(z, y) for z in curves) > _miss(x, y) - 0.03


def _miss(z, y):
    return np.sqrt(1 - (z * y).sum() ** 2 / (z * z).sum() / (y * y).sum())


BEST = (
    "at the rate 0.01 all of layer norm, RMS norm, DyT and Derf reach 0.99 or more "
    "(medians of 10 seeds)"
)
BEHIND = "at 0.003 the medians of DyT and Derf are behind those of both norms"


@claim("12", BEST)
@pytest.mark.parametrize("norm", ["layer", "rms", DyT, Derf])
def test_all_four_learn(norm):
    build = {} if norm == "layer" else {"norm": norm}  # layer norm is the default
    assert share("pre", **build) >= 0.99


@claim("12", BEHIND)
def test_at_a_low_rate_dyt_and_derf_are_behind():
    norms, points = (
        [share("pre", 0.003, norm=norm) for norm in pair]
        for pair in (("layer", "rms"), (DyT, Derf))
    )
    assert max(points) < min(norms)


def test_frozen_root_mean_squares_cost_little_here():
    for seed in seeds("so little is lost"):
        net = reverser(seed, blocks=2, norm="rms")
        for _ in train(net, 0.01, 150, seed):
            pass
        before = accuracy(net, seed + 1)
        spread = freeze_rms(net, reversed_words(20, seed + 2)[0])
        assert accuracy(net, seed + 1) > before - 0.1
        assert spread.max() < 0.5
