"""Claims of notebook 13: which cards hold, on data of other seeds, and its list."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import batch_norm, batch_norm_backward, layer_norm
from normlib.axes import count_sets, index_sets
from normlib.batch.two_parametrizations import undone_batch_norm
from normlib.covariate_shift.frozen_weights import frozen_weights
from normlib.covariate_shift.noisy_batch_norm import noisy_run
from normlib.lessons import true_or_false
from normlib.lessons.true_or_false import CARDS
from normlib.nets.digits_network import digits_network
from normlib.nets.norm_layers import BatchNorm
from normlib.nets.watching import gather

# The reason under each card speaks for this answer.
TRUE = set("M2 M33 M34 M4 M9 M11 M6 M13a M14 M15 M35 M30 M31 M28 M36 M38".split())
LISTED = {f"M{k}" for k in range(1, 40)}

no_claim("13", "The first answer to a card counts.", "definition")
no_claim("13", "Never quote smoothness without the loss.", "instruction")
no_claim("13", "note that most libraries average variances", "quotation")
no_claim("13", "an answer to question 474440 on Cross Validated", "quotation")


@claim("13", "40 claims about norms, most of them heard or read somewhere")
def test_every_misconception_has_its_card():
    assert set(CARDS) == LISTED | {"M13a"}
    assert len(CARDS) == 40


@pytest.mark.parametrize("key", CARDS)
def test_the_reason_speaks_for_the_verdict(key):
    assert bool(CARDS[key].test()) == (key in TRUE)


def test_the_verdicts_do_not_hang_on_one_seed(monkeypatch):
    """All that draw their numbers by `data`, on seeds that nobody chose."""
    draw = true_or_false.data
    for fresh in seeds("The first answer to a card counts.", 5):
        monkeypatch.setattr(
            true_or_false, "data", lambda *s, seed=0, k=fresh: draw(*s, seed=seed + k)
        )
        for key, card in CARDS.items():
            if key not in ("M22", "M23", "M24"):
                assert bool(card.test()) == (key in TRUE), key


@claim(
    "13",
    "For batches of 4 Gaussian values the average standard deviation is 0.80, the "
    "root of the average variance 0.87; the true value is 1.",
)
def test_average_deviations():
    seed = seeds("For batches of 4 Gaussian values", 1)[0]
    x = np.random.default_rng(seed).normal(size=(400_000, 4))
    assert f"{x.std(axis=1).mean():.2f}" == "0.80"
    assert f"{np.sqrt(x.var(axis=1).mean()):.2f}" == "0.87"


@claim(
    "13",
    "For 32 sequences of 16 tokens that would be 32 means; a transformer takes 512, "
    "one per token.",
    "Layer norm in a transformer averages over all elements of a sample",
)
def test_means_per_token():
    assert count_sets("layer", (32, 16, 8), axes=2) == 512
    assert count_sets("layer", (32, 16, 8), axes=(1, 2)) == 32


@claim(
    "13",
    "*Layer norm of `a * x` is layer norm of `x` for every `a` other than 0*",
    "For `a` = -1 every result changes its sign.",
)
def test_the_sign():
    for seed in seeds("every result changes its sign"):
        x = np.random.default_rng(seed).normal(size=(5, 7))
        np.testing.assert_allclose(layer_norm(-x)[0], -layer_norm(x)[0])


@claim("13", "A feature with standard deviation 0.5 comes out with 2.")
def test_divided_by_the_variance():
    x = np.random.default_rng(0).normal(size=100)
    x = 0.5 * (x - x.mean()) / x.std()
    assert (x / x.var()).std() == pytest.approx(2)


@claim("13", "With ones a backward that returns 0 passes too.")
def test_ones_pass_zero():
    for seed in seeds("With ones a backward that returns 0 passes too."):
        y, cache = batch_norm(np.random.default_rng(seed).normal(size=(9, 4)))
        dx = batch_norm_backward(np.ones_like(y), cache)[0]
        np.testing.assert_allclose(dx, 0, atol=1e-12)


@claim(
    "13",
    "0.1 in PyTorch is 0.9 in Keras. A half-life is clear in both: 6.6 batches.",
)
def test_the_half_life():
    assert np.log(0.5) / np.log(1 - 0.1) == pytest.approx(6.6, abs=0.05)
    assert np.log(0.5) / np.log(0.9) == pytest.approx(6.6, abs=0.05)


# ---- the reasons under the cards, where they say more than the verdict ----


@claim(
    "13",
    "2 is the number of groups, not their size: with 6 channels each holds 3.",
    "One number equals its own mean, so the result would be 0.",
    "The radius becomes the root of n - 1.",
    "Its root brings the result to 1.",
    "The root of n, not 1.",
)
def test_reasons_of_the_arithmetic():
    labels = index_sets("group", (8, 6, 4, 4), num_groups=2)
    assert (labels == labels[0, 0, 0, 0]).any(axis=(0, 2, 3)).sum() == 3
    x = np.random.default_rng(0).normal(2, 3, size=(7, 9))
    assert (x[:, :1] - x[:, :1].mean(axis=1, keepdims=True) == 0).all()
    c = x - x.mean(axis=1, keepdims=True)
    radius = np.linalg.norm(c / c.std(axis=1, ddof=1, keepdims=True), axis=1)
    np.testing.assert_allclose(radius, np.sqrt(8))
    np.testing.assert_allclose((x / np.sqrt(x.var(axis=0))).std(axis=0), 1)
    rms = x / np.sqrt((x**2).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(np.linalg.norm(rms, axis=1), 3)


@claim(
    "13",
    "For a standard deviation of 1 none that one sees; near the root of eps a large "
    "one.",
    "Far from 0 two large numbers are subtracted, and their rounding is left.",
    "The results are +1 and -1 whatever the distance.",
    "For batches of 4 one sees it.",
)
def test_reasons_of_small_numbers():
    x = np.random.default_rng(1).normal(size=2000)
    x = (x - x.mean()) / x.std()
    for scale, low, high in ((1.0, 0, 1e-4), (np.sqrt(1e-5), 0.25, 0.9)):
        inside, outside = scale / np.sqrt(scale**2 + 1e-5), scale / (scale + 1e-5)
        assert low <= abs(inside - outside) <= high
    far = np.float32(x + 1e5)
    assert abs(np.mean(far**2) - np.mean(far) ** 2 - 1) > 0.5
    near = batch_norm(np.array([[3.0], [8.0]]))[0]
    np.testing.assert_allclose(near, [[-1], [1]], atol=1e-5)
    four = np.random.default_rng(2).normal(size=(50_000, 4))
    assert four.std(axis=1).mean() < 0.95 * np.sqrt(four.var(axis=1).mean())


@claim("13", "There are three switches.")
def test_three_switches():
    """Each a yes or no of its own, and there is no fourth."""
    layer = BatchNorm(3)
    found = {name for name, value in vars(layer).items() if isinstance(value, bool)}
    assert found == {"trainable", "use_batch_statistics", "update_running"}


@claim(
    "13",
    "Batch norm takes it away: its gradient is 0. Layer norm subtracts one mean over "
    "all features, so a bias that differs between them stays.",
    "The sum of the results is constant, so 0 is right for this dy.",
    "Only for a > 0.",
)
def test_reasons_of_the_gradients():
    rng = np.random.default_rng(3)
    x, bias = rng.normal(size=(8, 5)), rng.normal(size=5)
    np.testing.assert_allclose(batch_norm(x + bias)[0], batch_norm(x)[0], atol=1e-9)
    assert not np.allclose(layer_norm(x + bias)[0], layer_norm(x)[0], atol=0.1)
    np.testing.assert_allclose(layer_norm(x + 7)[0], layer_norm(x)[0], atol=1e-9)
    np.testing.assert_allclose(batch_norm(x)[0].sum(), 0, atol=1e-9)
    np.testing.assert_allclose(
        layer_norm(5 * x, eps=0)[0], layer_norm(x, eps=0)[0], atol=1e-9
    )


@claim(
    "13",
    "Two networks compute the same function, and part after three steps: their "
    "gradients differ.",
)
def test_an_undone_batch_norm_starts_the_same():
    net, digits, _ = digits_network(1, depth=2, width=16)
    x = digits.x_train[:200]
    other = undone_batch_norm(net, x)
    np.testing.assert_allclose(net.forward(x), other.forward(x), atol=1e-9)
    assert not true_or_false._undone_learns_the_same()


@claim(
    "13",
    "On this network the noisy one still learns faster than the one without norm.",
)
def test_the_noisy_network_is_ahead():
    ahead = []
    for seed in seeds("On this network the noisy one still learns faster"):
        settings = dict(steps=60, test_every=60, width=32, seed=seed)
        noisy = gather(noisy_run("batch", True, **settings)).accuracy[-1]
        ahead.append(noisy > gather(noisy_run(None, False, **settings)).accuracy[-1])
    assert all(ahead)


@claim("13", "With frozen weights batches differ as ever, and the shift is exactly 0.")
def test_frozen_weights_do_not_shift():
    for seed in seeds("With frozen weights batches differ as ever", 3):
        run = gather(frozen_weights(0.0, batches=5, seed=seed))
        assert not run.shift.any()
        assert run.batch_mean.std(axis=0).min() > 0


@claim("13", "Before, both inputs get the same weight; after, the larger one wins.")
def test_where_a_recurrent_layer_norm_stands():
    for seed in seeds("Before, both inputs get the same weight"):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(200, 32)), 10 * rng.normal(size=(200, 32))
        before = layer_norm(a)[0] + layer_norm(b)[0]
        after = layer_norm(a + b)[0]
        shares = [
            np.corrcoef(part.ravel(), y.ravel())[0, 1]
            for y in (before, after)
            for part in (a, b)
        ]
        assert abs(shares[0] - shares[1]) < 0.05
        assert shares[3] > 0.95 > 0.3 > shares[2]
