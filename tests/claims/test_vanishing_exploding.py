"""Claims of notebook 07."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import batch_norm, layer_norm
from normlib.datasets import digits_split
from normlib.depth.first_steps import first_steps
from normlib.depth.gradient_rates import batch_norm_rate, gradient_rate
from normlib.depth.joint_update import chain_update, normalized_chain
from normlib.depth.mean_field import activation_moments, settled_variance
from normlib.depth.propagation import depth_profile, mean_cosine
from normlib.depth.trainability import trainability_rows
from normlib.lessons.vanishing_exploding import gradients
from normlib.live.vanishing_exploding import layer_of_digits

no_claim("07", "He's choice is $\\sigma_w^2 = 2$, LeCun's is 1.", "definition")
no_claim("07", "four depths, four learning rates, three norms", "counted on the page")
no_claim(
    "07",
    "A number is the accuracy on the training digits after 100 steps",
    "definition",
)
no_claim("07", "A title counts the cells above 0.70.", "definition")
no_claim("07", "0.10 is guessing", "definition")
no_claim("07", "and lower $y$ itself", "instruction")
no_claim("07", "The figure takes the batch $x = -1, 1$", "definition")
no_claim("07", "Below, twenty digits in layer 5, one a row.", "definition")
no_claim("07", "Now every weight is twice as large.", "instruction")
no_claim("07", "Now add skips and still no norm", "instruction")
no_claim("07", "Twenty ReLU layers, 100 steps.", "definition")
no_claim("07", "Batch norm before the last of the ten weights.", "definition")
no_claim("07", "Batches of B = 8.", "definition")
no_claim("07", "Goodfellow et al. call such cases rare", "quotation")
no_claim(
    "07",
    "Ioffe & Szegedy conjectured that batch norm may bring the singular values of the "
    "layer Jacobians close to 1.",
    "quotation",
)


def growth(seed, depth=40, **settings):
    """Return the gradient by the activations at layer 1 over that at the last."""
    profile = depth_profile(depth, networks=1, rng=seed, **settings)
    return profile.relative_gradient[0, 0]


def accuracies(sentence, **settings):
    """Return the accuracies of ten seeds at once, shape (norms, depths, seeds, rates).

    In float32, which is faster; readers see float64.
    """
    rows = list(trainability_rows(**settings, seeds=seeds(sentence), dtype=np.float32))
    norms = len({row.norm for row in rows})
    found = np.array([row.accuracy for row in rows])
    return found.reshape(norms, -1, *found.shape[1:])


def growths(sentence, networks=10, depth=40, **settings):
    """Return the growth of networks that nobody chose, each with its own digits."""
    rng = seeds(sentence, 1)[0]
    profile = depth_profile(depth, networks=networks, rng=rng, **settings)
    return profile.relative_gradient[:, 0]


@claim(
    "07",
    "Through 40 ReLU layers with batch norm the gradient grows about 2,000-fold.",
    "about 2,000-fold, as before",
    "far more: each layer doubles it",
    "To see it, press `none` and make the weights twice He's.",
    "less: batch norm divides by more",
    "makes them explode in deep ReLU networks",
    "The weights hand back twice as much, and batch norm divides by a deviation that "
    "is twice as large.",
    "It does, by twice as much. But the weights hand back twice as much, too.",
)
def test_batch_norm_explodes_from_any_weights():
    found = growths("About 2,000-fold.", norm="batch")
    assert ((found > 1000) & (found < 5000)).all(), found
    assert 1700 < np.median(found) < 2300
    doubled = growths("About 2,000-fold.", norm="batch", gain=2.0)
    np.testing.assert_allclose(doubled, found, rtol=0.3)  # eps
    without = growths("About 2,000-fold.", gain=2.0)
    assert (without > 2**39 / 10).all(), without


@claim(
    "07",
    "What all digits share, unit by unit, stays. Batch norm takes that away.",
    "Another factor for a row does not turn the row: the angle between two digits "
    "stays.",
    "What enters the sigmoid has the same size with both norms, and with batch norm "
    "the digits differ.",
)
def test_what_the_digits_share():
    """After layer norm, rows differ once the mean of each unit is taken away."""
    for seed in seeds("What all digits share, unit by unit, stays."):
        rows, found = layer_of_digits("layer", "sigmoid", seed)[4]
        by_digit, by_unit = (rows - rows.mean(k, keepdims=True) for k in (1, 0))
        assert min(found, mean_cosine(by_digit)) > 0.99
        assert mean_cosine(by_unit) < 0.3
        factors = np.random.default_rng(seed).uniform(0.1, 9, size=(len(rows), 1))
        assert mean_cosine(factors * rows) == pytest.approx(mean_cosine(rows))
        sizes = []  # of what went into the sigmoid
        for norm in ("layer", "batch"):
            h = layer_of_digits(norm, "sigmoid", seed)[4][0]
            sizes.append(np.sqrt((np.log(h / (1 - h)) ** 2).mean()))
        assert sizes[0] == pytest.approx(sizes[1], rel=0.3)


@claim(
    "07",
    "On average the square more than doubles per layer: beyond a million-fold in 40.",
    "The branch hands back what it got, and the skip adds as much again.",
    "Skip and branch hand back the whole each.",
    "He's weights keep the size of the gradient over 40 ReLU layers.",
)
def test_skips_without_a_norm():
    found = growths("beyond a million-fold in 40", skip=True)
    assert (found > 2**20).all(), found  # 39 factors, so each square above 2


@claim(
    "07",
    "since the branches of later layers pass back less and less.",
    "here the factors fall towards 1.",
    "beside the 1 that goes past it",
    "With batch norm and skips, growth is a power of the depth instead of exponential.",
    "a product of those grows only like a *power* of the depth",
)
def test_skips_tame_the_explosion():
    found = growths("It becomes about 10.", norm="batch", skip=True)
    assert ((found > 6) & (found < 20)).all(), found
    assert 8 < np.median(found) < 13
    mean, mean_square, slope_square = activation_moments("relu")
    variance = mean_square - mean**2
    assert np.isclose(slope_square / variance, batch_norm_rate("relu"))
    sizes = [
        np.prod(1 + slope_square / (0.42 + variance * np.arange(1, depth)))
        for depth in (1000, 2000)
    ]
    assert np.isclose(sizes[1] / sizes[0], 2 ** batch_norm_rate("relu"), rtol=0.01)


@claim(
    "07",
    "The rule is for wide layers and samples of equal length.",
    "In the figure, with 64 units and digits, $V_{40}$ is about 4 times what it says, "
    "and the gradient grows 10-fold in place of 8-fold.",
    "Over 160 layers it grows about 70-fold (median); equal factors would make it "
    "10,000-fold.",
)
def test_where_the_rule_for_skips_holds():
    words = "The rule is for wide layers and samples of equal length."
    fresh = seeds(words)
    profile = depth_profile(40, norm="batch", skip=True, rng=fresh[0])
    assert profile.predicted_gradient[0] == pytest.approx(8, abs=0.3)
    found = {
        depth: growths(words, 30, depth, norm="batch", skip=True) for depth in (40, 160)
    }
    assert np.median(found[40]) == pytest.approx(10, abs=1)
    assert np.median(found[160]) == pytest.approx(70, abs=20)
    assert np.median(found[40]) ** 4 == pytest.approx(10_000, rel=0.4)

    def over_the_rule(h, rng):
        by_rule = h.var(axis=0).mean() + 40 * (0.5 - 1 / (2 * np.pi))
        for _ in range(40):
            weights = rng.normal(size=(h.shape[1], h.shape[1]))
            h = h + np.maximum(batch_norm(h @ weights)[0], 0)
        return h.var(axis=0).mean() / by_rule

    digits, wide = [], []
    for seed in fresh:
        rng = np.random.default_rng(seed)
        x = digits_split(rng, standardized=True).x_train[:128]
        digits.append(over_the_rule(x, rng))
    for seed in fresh[:3]:
        rng = np.random.default_rng(seed)
        x = layer_norm(rng.normal(size=(128, 512)))[0]
        wide.append(over_the_rule(x, rng))
    assert np.median(digits) == pytest.approx(4, abs=1)
    assert np.median(wide) == pytest.approx(1, abs=0.1)


@claim("07", "A product of equal factors grows exponentially with depth")
def test_equal_factors():
    assert np.prod([1.5] * 40) == pytest.approx(1.5**40)


@claim(
    "07",
    "If most factors shrink a vector, the product tends to 0; if most stretch it, to "
    "infinity.",
)
def test_a_product_of_many_factors():
    assert 0.5**40 < 1e-12 < 1e6 < 1.5**40


def test_he_keeps_the_size():
    found = growths("That is what He's weights do without a norm.")
    assert ((found > 0.1) & (found < 10)).all(), found
    assert 0.4 < np.median(found) < 2.5


@claim(
    "07",
    "Batch norm has first removed the mean over the samples, and what is left is "
    "smaller.",
)
def test_half_and_below_one_half():
    mean, mean_square, slope_square = activation_moments("relu")
    assert slope_square == mean_square == 0.5
    assert mean_square - mean**2 < 0.35


@claim(
    "07",
    "Without a norm tanh settles only slowly: its rate tends to 1, and yet over 40 "
    "layers the gradient loses a factor of 4 to 5 (median).",
    "the slopes of ReLU do not depend on it.",
    "The mean of tanh is 0, so there both norms have the same rate.",
)
def test_tanh_settles_slowly():
    rates = []
    for layers in (10, 100, 1000, 10000):
        variance = settled_variance("tanh", layers=layers)
        rates.append(activation_moments("tanh", variance).slope_square)
    assert (np.diff(rates) > 0).all()
    assert rates[0] < 0.92 < 0.9997 < rates[-1] < 1
    sentence = "Without a norm tanh settles only slowly"
    how = {"activation": "tanh", "init": "lecun"}
    found = growths(sentence, 30, **how)
    assert ((found > 1 / 12) & (found < 1 / 1.5)).all(), found
    assert 4 < 1 / np.median(found) < 5
    slopes = [activation_moments("relu", v).slope_square for v in (0.01, 1, 100)]
    assert slopes == [0.5, 0.5, 0.5]
    assert gradient_rate("tanh", "layer") == pytest.approx(
        gradient_rate("tanh", "batch")
    )


@claim(
    "07",
    "keeps gradients alive in deep sigmoid networks",
    "layer norm does neither",
    "For ReLU both come out by hand: $\\frac{1/2}{1/2} = 1$ with layer norm",
    "It causes them: the rate for ReLU is 1.467, and no activation has one below 1.",
    "Its rate is 0.153.",
)
def test_rates():
    assert gradient_rate("relu", "batch") == pytest.approx(1.467, abs=5e-4)
    assert gradient_rate("relu", "layer") == pytest.approx(1.0)
    assert gradient_rate("sigmoid", "batch") == pytest.approx(1.03, abs=5e-3)
    assert gradient_rate("sigmoid", "layer") == pytest.approx(0.153, abs=5e-4)
    for name in ("linear", "relu", "tanh", "sigmoid"):
        assert gradient_rate(name, "batch") >= 1 - 1e-12
    assert batch_norm_rate("relu", 8) > 1.7
    for seed in seeds("layer norm does neither"):
        assert growth(seed, norm="layer", activation="sigmoid") < 1e-12
        assert 0.1 < growth(seed, norm="layer") < 10
        assert 0.1 < growth(seed, norm="batch", activation="sigmoid") < 10


@claim(
    "07",
    "Without batch norm the samples of a deep random sigmoid or ReLU network become "
    "nearly alike.",
)
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_collapse(activation):
    for seed in seeds("Without batch norm the samples collapse"):
        cosines = {
            norm: depth_profile(
                40, networks=1, activation=activation, norm=norm, rng=seed
            ).cosine[0, -1]
            for norm in (None, "layer", "batch")
        }
        assert min(cosines[None], cosines["layer"]) > 0.9, cosines
        assert cosines["batch"] < 0.87


@claim(
    "07",
    "A sigmoid is positive: its mean is large and its variance small.",
)
def test_the_mean_of_a_sigmoid():
    mean, mean_square, _ = activation_moments("sigmoid")
    assert mean == pytest.approx(0.5)
    assert mean_square - mean**2 < 0.05


@pytest.mark.slow
@claim(
    "07",
    "training can start in spite of it",
    "At its best learning rate, which network gets furthest?",
    "Its gradient is fine. But its digits come out nearly alike.",
    "But its digits come out nearly alike, as without norm.",
    "the gradient explodes with batch norm and keeps its size in the other two",
)
def test_twenty_layers_train_with_batch_norm_only():
    """With twenty ReLU layers the last digits decide where a run ends.

    There 110 runs, on two processors, were 0.09 to 0.52 ahead with batch norm.
    """
    none, batch, layer = accuracies("Twenty sigmoid layers", depths=(20,))[:, 0].max(2)
    assert (batch > 0.7).all(), batch
    assert (np.maximum(none, layer) < 0.2).all(), (none, layer)
    relu = {"activation": "relu", "init": "he"}
    ten = accuracies("Ten ReLU layers", depths=(10,), rates=(1.0,), **relu)[:, 0, :, 0]
    assert (ten[1] > 0.7).all(), ten
    assert (ten[[0, 2]] < 0.7).all(), ten
    none, batch, layer = accuracies("Twenty ReLU layers", depths=(20,), **relu)[
        :, 0
    ].max(2)
    ahead = batch - np.maximum(none, layer)
    assert (ahead > 0).all(), (none, batch, layer)
    assert np.median(ahead) > 0.15


@pytest.mark.slow
@claim(
    "07",
    "In 1,000 steps layer norm trains 5 sigmoid layers as well, but not 10.",
)
def test_layer_norm_in_more_steps():
    """The highest rate has spikes: one run in sixty ended in one, at 0.74."""
    five, ten = accuracies(
        "In 1,000 steps layer norm trains 5 sigmoid layers",
        depths=(5, 10),
        rates=(1.0, 10.0),
        norms=("layer",),
        steps=1000,
    )[0].max(axis=2)
    assert (five > 0.7).sum() >= 9
    assert np.median(five) > 0.9
    assert (ten < 0.3).all()


@claim(
    "07",
    "negligible if those are below 1, huge if above",
    "Ten weights of 1.2, learning rate 0.01: the promise for y is off by 0.46. By how "
    "much is it off at a tenth of the rate?",
    "by 0.46 as well",
    "by about a tenth of that",
    "by about a hundredth of that",
    "So the promise itself shrinks: it holds lr once. What is off holds lr twice or "
    "more.",
    "The step is shorter, and what is off holds lr twice.",
)
def test_the_chain():
    step = chain_update(np.full(10, 1.2), lr=0.01)
    assert (step.before, step.by_order[1], step.exact) == pytest.approx(
        (6.19, 3.53, 3.99), abs=5e-3
    )
    slower = chain_update(np.full(10, 1.2), lr=0.001)
    off = [run.exact - run.by_order[1] for run in (step, slower)]
    assert off == pytest.approx([0.46, 0.0051], rel=0.02)
    fell = [run.before - run.by_order[1] for run in (step, slower)]
    assert fell[0] == pytest.approx(10 * fell[1])
    below = chain_update(np.full(20, 0.8), lr=0.01).by_order
    assert abs(below[2] - below[1]) < 0.01 * abs(below[1] - below[0])
    above = chain_update(np.full(20, 1.5), lr=0.01).by_order
    assert abs(above[2] - above[1]) > 100 * abs(above[1] - above[0])


@claim(
    "07",
    "Two things are not divided out: a sign, and a 0.",
    "What the lower weights do to the *size* is divided out.",
    "a deviation is positive and cannot divide a sign out.",
    "A factor of 2 would be divided out.",
    "Only a weight of 0 does that.",
    "the lower ones cannot spoil it",
)
@claim("07", "the gradient of the lower weights is 0: their size is divided out.")
def test_what_is_not_divided_out():
    for seed in seeds("Two things are not divided out"):
        rng = np.random.default_rng(seed)
        x, w = rng.normal(size=7), rng.normal(size=6)
        y = normalized_chain(w, x)
        for factor in (2.0, 0.1, 1000.0):
            changed = w * np.array([1, factor, 1, 1, 1, 1])
            np.testing.assert_allclose(normalized_chain(changed, x), y)
        flipped, zero = w.copy(), w.copy()
        flipped[2], zero[2] = -w[2], 0.0
        np.testing.assert_allclose(normalized_chain(flipped, x), -y)
        assert (normalized_chain(zero, x) == 0).all()


@claim("07", "without the norm nearly every step changes the statistics of the last")
def test_a_step_changes_the_statistics():
    for seed in seeds("nearly every step changes the statistics"):
        w = np.random.default_rng(seed).normal(1.0, 0.3, size=10)
        step = chain_update(w, lr=0.001)
        moved = w - 0.001 * step.gradient
        assert np.prod(moved[:-1]) != pytest.approx(np.prod(w[:-1]), rel=1e-6)


@claim(
    "07",
    "Are the lower layers useless, then?",
    "all that a linear layer can change here is mean and scale",
    "Layers with nonlinear activations change more than that, and what they change "
    "beyond mean and scale stays.",
)
def test_what_lower_layers_can_still_do():
    """Weights that bend the input change the normalized result, linear ones do not."""
    for seed in seeds("Are the lower layers useless, then?"):
        rng = np.random.default_rng(seed)
        x, (a, b) = rng.normal(size=(20, 1)), rng.uniform(0.5, 2, size=2)
        straight = [batch_norm(c * x, eps=0)[0] for c in (a, b)]
        bent = [batch_norm(np.tanh(c * x), eps=0)[0] for c in (a, b + 2)]
        np.testing.assert_allclose(*straight)
        assert np.abs(bent[0] - bent[1]).max() > 0.01


@claim("07", "There no promise is exact either.")
def test_no_exact_promise_with_activations():
    """Two layers with tanh and batch norm between: promised is not what comes."""
    for seed in seeds("There no promise is exact either."):
        rng = np.random.default_rng(seed)
        x, a, b = rng.normal(size=(16, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)

        def y(a, b, x=x):
            return (np.tanh(batch_norm(x @ a, eps=0)[0]) @ b)[0]

        def of_a(v, y=y, b=b):
            return y(v, b)

        def of_b(v, y=y, a=a):
            return y(a, v)

        def slope(of, at):
            found = np.empty_like(at)
            for index in np.ndindex(at.shape):
                step = np.zeros_like(at)
                step[index] = 1e-6
                found[index] = (of(at + step) - of(at - step)) / 2e-6
            return found

        da, db = slope(of_a, a), slope(of_b, b)
        promised = y(a, b) - 0.1 * ((da**2).sum() + (db**2).sum())
        assert abs(y(a - 0.1 * da, b - 0.1 * db) - promised) > 1e-5


@claim(
    "07",
    "Large batches: rate 1.",
    "The gradient $d$ of a unit arrives with mean 0",
    "A variance of m / 2 gives 2, one of 2 m gives only 1 / 2: the small ones win. For "
    "B = 8 the mean is 7 / 5.",
    "Small variances count for more than large ones, since they stand below the line.",
    "So step 2 multiplies by $\\frac{B-1}{B-3}$",
)
def test_the_steps_of_the_derivation():
    assert batch_norm_rate("linear") == 1
    for B in (8, 16):
        assert batch_norm_rate("linear", B) == pytest.approx((B - 2) / (B - 3))
        inverse, kept = [], []
        for seed in seeds("For B = 8 the mean is 7 / 5."):
            rng = np.random.default_rng(seed)
            z, d = rng.normal(size=(2, 20_000, B))
            d -= d.mean(1, keepdims=True)
            variance = z.var(1)
            inverse.append((variance.mean() / variance).mean())
            x_hat = (z - z.mean(1, keepdims=True)) / np.sqrt(variance)[:, None]
            left = d - x_hat * (d * x_hat).mean(1, keepdims=True)
            kept.append((left**2).sum() / (d**2).sum())
        assert np.mean(inverse) == pytest.approx((B - 1) / (B - 3), rel=0.01)
        assert np.mean(kept) == pytest.approx((B - 2) / (B - 1), rel=0.01)
    sizes = [batch_norm_rate("relu", B) for B in (4, 8, 32, 128)]
    assert (np.diff(sizes) < 0).all()


@claim(
    "07",
    "One step at rate 0.1 takes most of the explosion away (medians of ten networks, "
    "40 ReLU layers, layer 2 against the last, before training and after each of three "
    "steps).",
    "It also makes the weights of layer 2 more than 5 times longer, and the gradient "
    "by "
    "these weights is divided by their length: judged by that one, the repair looks "
    "larger than it is.",
)
def test_the_first_step():
    found = first_steps(0.1, 1, seeds("One step at rate 0.1 takes most away")).median()
    start, after = found["gradient by activations"]
    assert after < 0.4 * start
    length = found["length of the weights"][1]
    assert length > 5
    by_weights = found["gradient by weights"]
    assert by_weights[1] / by_weights[0] < 0.6 * after / start
    slow = first_steps(0.001, 1, seeds("One step at rate 0.001")).median()
    start, after = slow["gradient by activations"]
    assert after > 0.6 * start


@claim(
    "07",
    "It keeps the digits apart, and ten steps take most of the explosion away.",
)
@pytest.mark.parametrize("lr", [0.1, 1.0])
def test_ten_steps_of_twenty_layers(lr):
    """At 0.1 two steps leave about half: the rates that end best are 0.1 and 1."""
    size = {"depth": 20, "width": 32, "batch_size": 64}
    fresh = seeds(f"ten steps take most of the explosion away, rate {lr}")
    found = first_steps(lr, 10, fresh, **size).imbalance
    assert np.median(found[:, 0]) > 20
    assert (found[:, 10] < 0.5 * found[:, 0]).sum() >= 9
    assert np.median(found[:, 10] / found[:, 0]) < 0.3
    apart = [
        depth_profile(
            20, norm="batch", width=32, batch_size=64, networks=1, rng=seed
        ).cosine[0, -1]
        for seed in fresh
    ]
    assert max(apart) < 0.5, apart


@claim(
    "07",
    "With batch norm, doubling all hidden weights changes no gradient.",
    "It changes none by the activations, but those by the weights halve",
)
def test_doubled_weights():
    (one, by_weights), (other, halved) = gradients(1.0), gradients(2.0)
    np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_allclose(by_weights, 2 * halved, atol=1e-12)
