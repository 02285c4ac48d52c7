"""Claims of notebook 09: walks, curvature, rates, bands, on seeds nobody chose."""

from functools import cache

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import batch_norm, batch_norm_backward
from normlib.landscape.along_gradient import (
    CASES,
    along_the_gradient,
    measures,
    smoothness,
)
from normlib.landscape.around import negative_curvature_share, scale_weights
from normlib.landscape.learning_rates import largest_rate, train_at_rates
from normlib.landscape.lp_norms import train_with_lp
from normlib.landscape.sharpness import hessian_vector_product
from normlib.landscape.theorems import gradient_norm_sides
from normlib.landscape.usable_rate import curvature_while_training
from normlib.live.loss_landscape import TRAINED, Envelope, UsableRates
from normlib.live.surface_views import surface
from normlib.nets.layers import Linear
from normlib.nets.network import mlp
from normlib.nets.training import LOSS_LIMIT
from normlib.nets.watching import gather

for quote, why in (
    ("# Is the landscape smoother?", "question"),
    ("the largest minus the smallest loss of the walk", "definition"),
    (r"the largest $\|g_\eta - g\|$", "definition"),
    (r"the largest $\|g_\eta - g\| \,/\, (\eta \|g\|)$", "definition"),
    (
        "The networks have six hidden layers of 32 units and train at rate 0.1.",
        "definition",
    ),
    (
        "`sigmoid` has 3 hidden layers, `deep relu` 12 of 16 units and the rate 0.7.",
        "definition",
    ),
    ("these are medians over ten seeds, steps 50 to 100", "definition"),
    ("| ReLU | none | batch | layer |", "definition"),
    ("medians over ten seeds, steps 50 to 100.", "definition"),
    ('"Alike" means within a factor of 1.25.', "definition"),
    ("loss, steps 80 to 100: none, batch |", "definition"),
    ("**Never quote smoothness without the loss.**", "instruction"),
    ('The hope behind "smooth" is a larger step.', "quotation"),
    ("the largest eigenvalue of the second derivatives", "definition"),
    ("compare 2/lambda and 2/beta with the rates", "instruction"),
    ("Medians over ten seeds, measured while training at 0.1.", "definition"),
    ("gets 80 % of the training digits right after 100 steps", "definition"),
    ("Each rate tried is twice the one before.", "definition"),
    ("| | none | layer | batch |", "definition"),
    (
        "A picture copied often: train with several learning rates, shade between the "
        "lowest and the highest loss",
        "quotation",
    ),
    ("Going deeper: pictures of a surface, and a trap", "instruction"),
    ("if the right half moves", "instruction"),
    ("Going deeper: what the theorem says", "instruction"),
    ("1 is the vector of ones", "definition"),
    ("Going deeper: must it be the variance?", "instruction"),
    ("or the largest absolute value (l-infinity)", "definition"),
    ("For the claim below, networks train 200 steps at rate 0.5.", "definition"),
    ("Show the loss beside every measure of smoothness.", "instruction"),
    # Options and cards are judged by the lesson.
    ("The *range* of a walk is its largest loss minus its smallest.", "definition"),
    ("How do the two compare at one learning rate", "instruction"),
    ("Whose loss ranges less along the gradient?", "question"),
    ("multiply the hidden weights by 3. Which picture changes?", "question"),
    (
        "The gradient that arrives from above has length 1. How long can the one that "
        "leaves below be at most?",
        "question",
    ),
    ("change over distance, the largest of the walk", "definition"),
    ("the norm of `gradient`, take the largest", "instruction"),
    ("one number per point; beta is the largest", "definition"),
    ("the mean over the points; beta is the largest", "definition"),
    ("the last point only; beta is the largest", "definition"),
    ("take one norm per row, axis=1", "instruction"),
    ("Make every column of `direction` 1 long first.", "instruction"),
    ("drawn ones are not 1 long", "definition"),
    ("every column has length 1 now", "definition"),
    (
        "Of two networks the one whose loss ranges less along its gradient trains "
        "better.",
        "quotation",
    ),
    (
        "With the largest deviation in the batch in its place, a sigmoid network of "
        "five hidden layers does not train.",
        "quotation",
    ),
    ("With batch norm the filter-normalised surface is more convex.", "quotation"),
):
    no_claim("09", quote, why)

NORMS = {"none": None, "batch": "batch", "layer": "layer"}
TEN = seeds("these are medians over ten seeds, steps 50 to 100")


@cache
def runs(network, norm):
    """Return the walks of steps 50 to 100 of each run that has not diverged."""
    case = CASES[network]
    every = gather(along_the_gradient(NORMS[norm], since=50, seed=TEN, **case))
    found = []
    for k in range(len(TEN)):
        of_one = {
            name: getattr(every, name)[..., k]
            for name in ("loss", "gradient_norm", "losses", "changes", "betas")
        }
        if (of_one["loss"] <= LOSS_LIMIT).all():
            found.append(every._replace(**of_one))
    assert len(found) >= 8
    return found


@cache
def walks(network, norm):
    """Return medians over ten seeds: range, change, beta, and the loss at the end."""
    found = [
        [*smoothness(history), np.median(history.loss[-5:])]
        for history in runs(network, norm)
    ]
    return np.median(found, axis=0)


def near(found, said, factor=1.4):
    """Return whether numbers are as said, up to a factor."""
    found, said = np.asarray(found, dtype=float), np.asarray(said, dtype=float)
    return bool((np.abs(np.log(found / said)) < np.log(factor)).all())


@claim(
    "09",
    "| range of the loss | about 1 | about 0.2 | about 0.6 |",
    "| change of the gradient | about 9 | about 1.4 | about 5 |",
    "| effective beta | about 16 | about 9 | about 15 |",
)
def test_the_medians_of_the_relu_network():
    found = np.array([walks("relu", name)[:3] for name in NORMS]).T
    assert near(found, [[1, 0.2, 0.6], [9, 1.4, 5], [16, 9, 15]]), found


@claim(
    "09",
    "Along its own gradient a ReLU network is smoother with batch norm; a tanh network "
    "is not.",
    "| `relu` | smoother | smoother | smoother | 0.26, 0.33 |",
    "| `tanh` | alike | rougher | rougher | 0.39, 0.23 |",
    "| `sigmoid` | rougher | alike | smoother | 2.3, 1.3 |",
    "| `deep relu` | rougher | rougher | rougher | 2.3, 0.7 |",
    "In the one row where batch norm is smoother throughout, its loss ends higher.",
    "In the two rows where it is rougher in change and beta, its loss ends lower.",
    "That batch norm helps in the last three rows is true all the same",
    "Along the gradient, batch norm smooths the ReLU network, and not every other one.",
)
@pytest.mark.parametrize(
    ("network", "words", "ends"),
    [
        ("relu", "smoother smoother smoother", (0.26, 0.33)),
        ("tanh", "alike rougher rougher", (0.39, 0.23)),
        ("sigmoid", "rougher alike smoother", (2.3, 1.3)),
        ("dead", "rougher rougher rougher", (2.3, 0.7)),
    ],
)
def test_the_table_of_networks(network, words, ends):
    none, batch = walks(network, "none"), walks(network, "batch")
    ratio = none[:3] / batch[:3]
    said = np.select([ratio > 1.25, ratio < 1 / 1.25], ["smoother", "rougher"], "alike")
    assert said.tolist() == words.split(), ratio
    assert near([none[3], batch[3]], ends), (none[3], batch[3])
    assert (none[3] < batch[3]) == (network == "relu")


@claim(
    "09",
    "In the two rows where it is rougher in change and beta, its loss ends lower.",
)
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_tanh_is_rougher_with_either_norm_and_ends_lower(norm):
    none, normed = walks("tanh", "none"), walks("tanh", norm)
    assert near(normed[1] / none[1], 2.2, 1.5), normed[1] / none[1]
    assert normed[2] > 1.4 * none[2]
    assert normed[3] < none[3]


@claim(
    "09",
    "The dead network ranges less, and guesses.",
    "without norm it guesses from the start to the end, with batch norm it learns.",
    "that without norm",
    "It is dead: its gradient is nearly zero, and nothing changes along it.",
)
def test_the_dead_network():
    none, batch = walks("dead", "none"), walks("dead", "batch")
    assert (none[:3] < batch[:3] / 3).all()
    assert abs(none[3] - np.log(10)) < 0.1
    assert batch[3] < 1.5


@claim(
    "09",
    "without norm the range of the ReLU network is several times as large as with "
    "batch norm.",
    "they differ by less than a factor of 2",
    "it is the other way round, by several times",
    "as far as training steps",
)
def test_within_one_learning_rate_the_ranges_are_alike():
    ranges = {
        reach: [
            [np.median(measures(history, reach)[0]) for history in runs("relu", norm)]
            for norm in ("none", "batch")
        ]
        for reach in (4, 1)
    }
    (none, batch), within = ranges[4], np.array(ranges[1])
    assert len(none) == len(batch) == 10
    ratios = np.array(none) / np.array(batch)
    assert (ratios > 1).all() and np.median(ratios) > 3, ratios
    assert (within.max(axis=0) < 2 * within.min(axis=0)).all()


# ---- curvature and rates --------------------------------------------------------

MEASURED = seeds("Medians over ten seeds, measured while training at 0.1.")


@cache
def two_over(norm, rate):
    """Return the medians over ten seeds of 2/beta and 2/lambda."""
    found = []
    for seed in MEASURED:
        run = gather(curvature_while_training(NORMS[norm], lr=rate, seed=seed))
        found.append([2 / np.median(run.beta), 2 / np.median(run.top)])
    return np.nanmedian(found, axis=0)


@cache
def largest(norm):
    """Return the largest rate that trains, for each of ten seeds, in float32."""
    options = {"depth": 6, "width": 32, "steps": 100, "test_every": 100}
    options["dtype"] = np.float32
    rates, found = UsableRates.rates, []
    for seed in MEASURED:
        *_, last = train_at_rates(NORMS[norm], rates, seed=seed, **options)
        found.append(largest_rate(rates, last.accuracies, threshold=TRAINED))
    return np.array(found)


@claim(
    "09",
    "| 2/beta | about 0.13 | about 0.14 | about 0.22 |",
    "| 2/lambda | about 0.12 | about 0.12 | about 0.5 |",
    "2/beta accounts for a factor of less than two, 2/lambda for one of about four.",
)
def test_the_curvature_at_a_small_rate():
    found = np.array([two_over(name, 0.1) for name in ("none", "layer", "batch")]).T
    assert near(found, [[0.13, 0.14, 0.22], [0.12, 0.12, 0.5]], 1.25), found
    beta, top = found[:, 2] / found[:, 0]
    assert 1 < beta < 2
    assert near(top, 4, 1.3), top


@claim(
    "09",
    "| largest rate that trains | 0.4 | 0.4 or 0.8 | 3.2 |",
    "The rate of batch norm is about eight times that of no norm.",
    "a learning rate several times as large",
    "Training at 0.2 works as well.",
    "Every largest rate in the table lies beyond 2/lambda.",
)
def test_the_largest_rates():
    none, layer, batch = (largest(name) for name in ("none", "layer", "batch"))
    assert np.median(none) == 0.4
    assert 0.4 <= np.median(layer) <= 0.8
    assert np.isin(np.round(layer, 3), (0.4, 0.8)).sum() >= 8, layer
    assert np.median(batch) == 3.2
    assert (batch >= 4 * none).all()
    assert np.median(batch / none) == 8
    for name in NORMS:
        assert np.median(largest(name)) > two_over(name, 0.1)[1]


@claim(
    "09",
    "at a larger rate the run moves to where the curvature is lower",
    "Without norm 2/lambda is about 0.08, 0.12 and 0.2 while training at 0.05, 0.1 and "
    "0.2: near the rate each time.",
    "With batch norm it stays between 0.35 and 0.65 at these three rates and is about "
    "1.5 at 1.6.",
    "Without norm 2/lambda is about 0.12 while training at 0.1.",
    "still at about 0.12",
    "Then 0.2 would be beyond it, and on a bowl each step would lead further away.",
    "at about 0.2",
    "The run moves to where the curvature is lower, until the rate is about 2/lambda.",
    "at about 0.06",
    "Then 0.2 would be far beyond it",
    "2/beta and 2/lambda, measured at one rate, do not tell which rates train: the "
    "curvature moves with the rate.",
)
def test_the_curvature_moves_with_the_rate():
    rates = np.array([0.05, 0.1, 0.2])
    none = np.array([two_over("none", rate)[1] for rate in rates])
    assert near(none, [0.08, 0.12, 0.2], 1.25), none
    assert near(none, rates, 1.8), none
    batch = np.array([two_over("batch", rate)[1] for rate in rates])
    assert ((batch > 0.35) & (batch < 0.65)).all(), batch
    assert near(two_over("batch", 1.6)[1], 1.5, 1.3)


@claim(
    "09",
    "too long a step makes the weights before a norm longer, and the curvature in them "
    "falls with the square of their length",
    "layer norm has that too",
    "With batch norm (`eps` 0) all hidden weights times 10 give the same network.",
    "a step of the same length is shorter in proportion to the weights",
)
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_longer_weights_curve_less(norm):
    for seed in seeds("too long a step makes the weights before a norm longer", 3):
        rng = np.random.default_rng(seed)
        net = mlp([5, 6, 3], norm=norm, activation="tanh", eps=0.0, rng=rng)
        x, labels = rng.standard_normal((20, 5)), rng.integers(0, 3, 20)
        hidden = next(layer for layer in net.walk() if isinstance(layer, Linear))
        vector = np.zeros(net.params.size)
        place = net.slices[hidden, "weight"]
        vector[place] = rng.standard_normal(hidden.params["weight"].size)
        before = hessian_vector_product(net, x, labels, vector)[0] @ vector
        outputs = net.forward(x).copy()
        scale_weights(net, 10.0)
        np.testing.assert_allclose(net.forward(x), outputs, atol=1e-9)
        after = hessian_vector_product(net, x, labels, vector, step=1e-5)[0] @ vector
        np.testing.assert_allclose(after, before / 100, rtol=1e-4)


# ---- bands, sizes, surfaces, theorem ----------------------------------------------


@claim(
    "09",
    "With rates from 0.05 to 0.4 the band of the network without norm is mostly the "
    "narrower one, with rates to 1.2 the wider one.",
    "With rates up to 0.4 its runs are mostly less alike than those without norm.",
    "at the highest rate it does not train, and its loss stays high",
    "At 1.2 it does not learn, and the run keeps the upper edge of the band high.",
    "its surface is rougher further out",
    "batch norm makes all runs alike",
)
def test_choose_the_rates_and_you_choose_the_answer():
    figure = Envelope()
    narrower, high = [], []
    for seed in seeds("With rates up to 0.4 it is. With rates up to 1.2 it is."):
        for name in ("none", "batch"):
            for _ in figure._train(name, seed):
                pass
        narrower.append([figure.quotient(top, seed) < 1 for top in (0.4, 1.2)])
        high.append(figure.trained["none", seed][-20:, -1].mean() > 1.5)
    share = np.mean(narrower, axis=0)
    assert np.mean(high) >= 0.9, high
    assert share[0] >= 0.7, share
    assert share[1] <= 0.2, share


@claim("09", "In ten seeds of ten all three sizes reach 90 % of the training digits.")
@pytest.mark.parametrize("order", [None, 1, 2, np.inf])
def test_three_sizes(order):
    for seed in seeds("In ten seeds of ten all three sizes reach 90 %"):
        *_, last = train_with_lp(order, steps=200, width=32, every=200, seed=seed)
        assert (last.accuracy > 0.9) == (order is not None)
        assert last.accuracy > 0.9 or last.accuracy < 0.2


@claim("09", "It stays lower.")
def test_the_surface_with_batch_norm_is_lower_and_bends_down():
    bent = []
    for seed in seeds("It stays lower. But far out it bends down.", stop=10**6):
        none, batch = (surface(n, seed, 1.0, "filter") for n in ("none", "batch"))
        assert batch.losses.max() < none.losses.max() / 3
        bent.append([negative_curvature_share(s) for s in (none, batch)])
    none, batch = np.median(bent, axis=0)
    assert none < 0.01 < batch


@claim(
    "09",
    "That is what the square can be at most.",
    "The bracket is at most the squared length, 1, and the factor is a quarter. Its "
    "root is a half.",
    "The bracket allows that, but a factor stands in front of it.",
    "That would be so with sigma and gamma exchanged.",
    "a quarter as long",
    "half as long",
    "twice as long",
    "Theorem 4.1 is an equality with a factor that can exceed 1.",
)
def test_the_factor_and_the_bracket():
    for seed in seeds("The bracket is no larger, but a factor stands in front of it."):
        rng = np.random.default_rng(seed)
        y, dz = rng.standard_normal((2, 16, 200))
        y /= y.std(0)
        for sigma in (0.5, 2.0):
            sides = gradient_norm_sides(sigma * y, dz)
            np.testing.assert_allclose(sides.left, sides.right, rtol=1e-9)
            bracket = sides.right * sigma**2
            assert (bracket <= sides.plain * (1 + 1e-12)).all()
            most = sides.plain / sigma**2  # of the squared length, with gamma 1
            assert (sides.left <= most * (1 + 1e-9)).all()
            assert (sides.left > 0.9 * most).any()
            longer = sides.left > sides.plain
            assert longer.any() if sigma < 1 else not longer.any()


@claim(
    "09",
    "Theorem 4.2 carries the same factor over to the curvature along the gradient.",
)
def test_the_factor_of_the_curvature():
    """The second derivative along the gradient: equal to the bound of theorem 4.2."""
    for seed in seeds("Theorem 4.2 carries the same factor over"):
        rng = np.random.default_rng(seed)
        y, above = rng.normal(size=(2, 6, 1))
        hessian = rng.normal(size=(6, 6))
        hessian += hessian.T
        gamma, beta = rng.uniform(0.3, 3, size=(2, 1))

        def slopes(y, gamma=gamma, beta=beta, above=above, hessian=hessian):
            z, cache = batch_norm(y, gamma, beta, eps=0)
            dz = above + hessian @ z  # of a quadratic loss of z
            return batch_norm_backward(dz, cache)[0], dz

        along, dz = slopes(y)
        step = 1e-5 / np.linalg.norm(along)
        bent = (slopes(y + step * along)[0] - slopes(y - step * along)[0]) / (2 * step)
        y_hat = (y - y.mean()) / y.std()
        second = gamma / (6 * y.var()) * (dz * y_hat).sum() * (along**2).sum()
        bound = gamma**2 / y.var() * (along * (hessian @ along)).sum() - second
        size = np.abs(along).max() ** 2 * np.abs(hessian).max() / y.var()
        np.testing.assert_allclose((along * bent).sum(), bound, atol=1e-6 * size)
