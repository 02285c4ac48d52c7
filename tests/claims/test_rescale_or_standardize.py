"""Claims of notebook 01."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import standardize
from normlib.batch.rescaling import min_max
from normlib.batch.valley import covariance, descend, steps_needed
from normlib.datasets import load_digits, skewed, with_outlier

no_claim(
    "01", "Gradient descent starts at 0 and looks for the two weights.", "definition"
)
no_claim("01", "**Standardizing** to mean 0 and standard deviation 1:", "definition")
no_claim("01", "(grey values from 0 to 16)", "definition")
no_claim(
    "01",
    "Add `eps` to the variance, inside the root, so that a "
    "constant column gives 0 and not an error.",
    "instruction",
)
no_claim(
    "01",
    "The figure opens with a third recipe, **whitening**: each new feature is a mix of "
    "both old ones, made so that both have variance 1 and their correlation is 0.",
    "definition",
)


@claim(
    "01",
    "about 100 times as many",
    "Unequal features make a narrow valley: the steps of gradient descent grow with "
    "the squared ratio of their widths.",
)
def test_steps_grow_with_the_square_of_the_width():
    """For targets that nobody chose, at every correlation of the slider."""
    more = []
    for seed in seeds("the steps of gradient descent grow with the square", 20):
        rng = np.random.default_rng(seed)
        best, correlation = rng.normal(size=2), rng.uniform(0, 0.9)
        counts = [
            steps_needed(covariance(std, correlation), np.zeros(2), best / (1, std))
            for std in (10**0.5, 10.0, 10**1.5)
        ]
        more.append((counts[1] / counts[0], counts[2] / counts[0]))
    square = np.median(more, axis=0)
    np.testing.assert_allclose(square, (10, 100), rtol=0.1)


@claim(
    "01",
    "For the largest eigenvalue $\\lambda_\\text{max}$ that is 0: done at once.",
    "For a small $\\lambda$ it is almost 1.",
    "Give both the same standard deviation, and it is 1.",
)
def test_the_reason_of_the_valley():
    h = covariance(10.0, 0.0)
    start, best = np.array([3.0, 2.0]), np.array([1.0, -0.5])
    w = descend(h, start, best, 5)
    by_hand = [start]
    for _ in range(5):
        by_hand.append(by_hand[-1] - h @ (by_hand[-1] - best) / 100)
    np.testing.assert_allclose(w, by_hand, atol=1e-12)
    np.testing.assert_allclose(w[1:, 1], best[1], atol=1e-12)  # done at once
    ratio = (w[2, 0] - best[0]) / (w[1, 0] - best[0])
    assert ratio == pytest.approx(0.99)
    assert np.linalg.cond(h) == pytest.approx(100)
    assert np.linalg.cond(covariance(1.0, 0.0)) == pytest.approx(1)


@claim(
    "01",
    "Its learning rate is half of the one at which the steepest direction would no "
    "longer come down.",
)
def test_the_learning_rate_of_the_valley():
    """Descend by hand at half, just below and just above the rate of the claim."""
    for seed in seeds("the steepest direction would no longer come down"):
        rng = np.random.default_rng(seed)
        h = covariance(10 ** rng.uniform(0, 1.5), rng.uniform(0, 0.9))
        best = rng.normal(size=2)
        values, vectors = np.linalg.eigh(h)
        limit = 2 / values[-1]
        away = {}
        for part in (0.5, 0.95, 1.05):
            w = np.zeros(2)
            for _ in range(20):
                w = w - part * limit * h @ (w - best)
            away[part] = abs(vectors[:, -1] @ (w - best))
            if part == 0.5:
                np.testing.assert_allclose(w, descend(h, np.zeros(2), best, 20)[-1])
        assert away[0.95] < abs(vectors[:, -1] @ best) < away[1.05]


@claim(
    "01",
    "The error is still the maximum, however many values there are.",
    "All values share the standard deviation, and one of 1000 swells it less than one "
    "of 20.",
    "The error still sets the maximum alone, but its square is now one of 1000 in the "
    "variance.",
)
def test_more_values_help_standardizing_only():
    kept = {}
    for n in (20, 1000):
        both = []
        for seed in seeds("one of 1000 swells it less than one of 20", 10):
            x = with_outlier(n, np.random.default_rng(seed), 100.0)
            assert np.argmax(x) == n - 1
            others = x[:-1]
            both.append((np.ptp(others) / np.ptp(x), standardize(x, 0)[0][:-1].std()))
        kept[n] = np.median(both, axis=0)
    assert kept[20].max() < 0.06
    assert kept[1000][0] < 0.1 < 0.25 < kept[1000][1]


@claim(
    "01",
    "The smallest and the largest value set the whole of a min-max scaling.",
    "So standardizing is safe while $d$ stays well below $\\sqrt{N}$, and ruined once "
    "it is well beyond.",
    "It ruins standardizing too, once its distance is well beyond $\\sqrt{N}$.",
)
@pytest.mark.parametrize("n", [20, 100, 1000])
def test_the_spread_beside_an_outlier(n):
    for seed in seeds("safe while d stays well below the root", 10):
        for times, low, high in ((0.2, 0.9, 1.05), (5.0, 0.1, 0.3), (30.0, 0.0, 0.05)):
            d = times * np.sqrt(n)
            x = with_outlier(n, np.random.default_rng(seed), d)
            others = x[:-1]
            x[-1] = others.mean() + d * others.std()  # exactly at distance d
            kept = standardize(x, 0, eps=0)[0][:-1].std()
            assert low < kept < high
            assert kept == pytest.approx(1 / np.sqrt(1 + d**2 / n), rel=0.06)
        changed = x.copy()
        middle = np.argsort(x)[1:-1]
        changed[middle] = np.random.default_rng(seed).uniform(x.min(), x.max(), n - 2)
        ends = [np.argmin(x), np.argmax(x)]
        np.testing.assert_allclose(min_max(changed)[ends], min_max(x)[ends])


@claim(
    "01",
    "The variance is 0.25, and 0.5 / 0.25 = 2. In general it is 1 / std.",
    "That would need a division by 1.",
    "Dividing by the variance leaves a standard deviation of 1/std.",
)
def test_dividing_by_the_variance():
    x = np.random.default_rng(0).normal(size=1000)
    for std in (0.5, 3.0):
        y = std * (x - x.mean()) / x.std()
        assert ((y - y.mean()) / y.var()).std() == pytest.approx(1 / std)


@claim("01", "Of 400 skewed values some lie outside the limits of the first 50.")
def test_the_limits_of_the_first_values():
    """The card draws one sample; so do these. A rank argument gives 97 % of them."""
    outside = []
    for seed in seeds("outside the limits of the first", 200):
        x = skewed(400, np.random.default_rng(seed))
        first = x[:50]
        outside.append(((x[50:] > first.max()) | (x[50:] < first.min())).any())
    assert np.mean(outside) > 0.95


@claim(
    "01",
    "The largest possible is the root of N - 1 (Samuelson 1968). Put one value at any "
    "distance: it lands there at most.",
)
@pytest.mark.parametrize("n", [2, 5, 10, 50])
def test_the_bound_of_samuelson(n):
    bound = np.sqrt(n - 1)
    for seed in seeds("The largest possible is the root"):
        rng = np.random.default_rng(seed)
        for x in (rng.standard_cauchy(n), with_outlier(n, rng, 1e5)):
            assert np.abs(standardize(x, 0, eps=0)[0]).max() <= bound * (1 + 1e-9)
    far = standardize(with_outlier(n, np.random.default_rng(0), 1e6), 0, eps=0)[0]
    assert far[-1] == pytest.approx(bound, rel=1e-4)


@claim(
    "01",
    "Min-max scaling and standardizing do it by a shift and a stretch of each feature, "
    "and can do no more than that.",
)
@pytest.mark.parametrize("scale", [min_max, lambda x: standardize(x, 0)[0]])
def test_shapes_stay(scale):
    """What the short answer says, on pixels of digits and on drawn shapes."""
    pixels, _ = load_digits()
    columns = [*pixels[:, pixels.std(axis=0) > 0].T]
    columns += [skewed(300, np.random.default_rng(s)) for s in seeds("shapes stay")]
    for x in columns:
        np.testing.assert_allclose(min_max(scale(x)), min_max(x), atol=1e-9)
