"""Claims of notebook 06."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import layer_norm, rms_norm
from normlib.sphere.folding import centre_writing_weights
from normlib.sphere.jacobians import layer_norm_jacobian, rms_norm_jacobian, spectrum
from normlib.sphere.residual_stream import (
    compare,
    fold_blocks,
    random_blocks,
    run_stream,
)

for quote in (
    "The figure runs *your* function on 60 points.",
    "then the figure runs your `fold` in 3 such blocks.",
    "for `eps` = 0 and `gamma` = 1,",
    "How far off is the best matrix?",
):
    no_claim("06", quote, "question" if "?" in quote else "definition")
no_claim(
    "06", "## Three features\n\nIn the figure the direction", "counted on the page"
)


def points(seed, n, count=50):
    rng = np.random.default_rng(seed)
    return rng.normal(rng.normal(), rng.uniform(0.5, 3), size=(count, n))


@claim(
    "06",
    "Its features sum to 0.",
    "On the line of mean 0 only two points have length `sqrt(2)`. Which feature is "
    "larger decides between them; nothing else survives.",
    "Layer norm makes (1, -1) of (3, 1).",
    "But its standard deviation is 0.05 too, and divides it.",
)
def test_two_features_have_two_results():
    for seed in seeds("only two points have length sqrt(2)"):
        x = points(seed, 2)
        y = layer_norm(x, eps=0)[0]
        np.testing.assert_allclose(y.sum(axis=1), 0, atol=1e-9)
        sign = np.where(x[:, 0] > x[:, 1], 1, -1)
        np.testing.assert_allclose(y, sign[:, None] * [1, -1], atol=1e-9)
    x = np.array([[3, 1], [3, 2.9]])
    np.testing.assert_allclose(layer_norm(x, eps=0)[0], [[1, -1], [1, -1]])
    np.testing.assert_allclose(x[1] - x[1].mean(), [0.05, -0.05])
    assert x[1].std() == pytest.approx(0.05)


@claim(
    "06",
    "What was lost is the mean and the length, two numbers of three.",
    "A circle has one angle; four numbers less two, the mean and the length, leave "
    "two.",
    "Mean 0 leaves three dimensions. There the vectors of length `sqrt(4)` form the "
    "surface of a ball.",
    "a sphere of radius 2, like the surface of a ball",
    "They have mean 0, and not all of these have.",
    "That slice is a sphere with one dimension less.",
    "It changes the length only, from sqrt(n) to sqrt(n - 1).",
)
@pytest.mark.parametrize("n", [3, 4, 10])
def test_the_plane_and_the_radius(n):
    for seed in seeds("What was lost is the mean and the length"):
        x = points(seed, n)
        y = layer_norm(x, eps=0)[0]
        np.testing.assert_allclose(y.sum(axis=1), 0, atol=1e-9)
        np.testing.assert_allclose(np.linalg.norm(y, axis=1), np.sqrt(n))
        flat = np.linalg.svd(y - y.mean(axis=0), compute_uv=False)
        assert (flat > 1e-9 * flat[0]).sum() == n - 1  # the dimensions left
        rng = np.random.default_rng(seed)
        same = rng.uniform(0.1, 9, (50, 1)) * x + rng.normal(size=(50, 1))
        np.testing.assert_allclose(layer_norm(same, eps=0)[0], y, atol=1e-9)
        # Nothing else is lost: the result and the two numbers give the input back.
        back = y * x.std(1, keepdims=True) + x.mean(1, keepdims=True)
        np.testing.assert_allclose(back, x)
        small = (x - x.mean(1, keepdims=True)) / x.std(1, ddof=1, keepdims=True)
        np.testing.assert_allclose(small * np.sqrt(n / (n - 1)), y, atol=1e-9)


@claim("06", "Only for a > 0. A negative factor turns the direction around.")
def test_the_sign_survives():
    x = points(1, 5)
    y = layer_norm(x, eps=0)[0]
    np.testing.assert_allclose(layer_norm(-3 * x, eps=0)[0], -y, atol=1e-9)


@claim(
    "06",
    "The squared length is multiplied by var / (var + eps), one half. The length "
    "itself is multiplied by its root.",
)
def test_half_of_the_square():
    x = points(2, 7)
    for row in x:
        y = layer_norm(row[None], eps=row.var())[0]
        assert (y**2).sum() / 7 == pytest.approx(0.5)
        assert np.linalg.norm(y) / np.sqrt(7) == pytest.approx(0.71, abs=0.005)


@claim(
    "06",
    "The axis of the first feature is not in the plane of mean 0.",
    "With mean 0 two features tell the third. So different points of the circle stay "
    "different; they are only moved closer.",
    "The points whose first feature is 0 do not move, so one diameter stays as long as "
    "it was.",
)
def test_gamma_leaves_the_plane():
    x = points(3, 3)
    y = layer_norm(x, np.array([2.0, 1.0, 1.0]), eps=0)[0]
    assert np.abs(y.sum(axis=1)).max() > 0.5
    angle = np.linspace(0, 2 * np.pi, 101)[:-1]
    plane = np.array([[2, -1, -1], [0, 1, -1]]) / np.sqrt([[6], [2]])
    circle = np.sqrt(3) * np.array([np.cos(angle), np.sin(angle)]).T @ plane
    np.testing.assert_allclose(layer_norm(circle, eps=0)[0], circle, atol=1e-9)
    erased = circle * [0, 1, 1]
    np.testing.assert_allclose(-erased.sum(axis=1), circle[:, 0], atol=1e-9)
    length = np.linalg.norm(erased, axis=1)
    assert (length < np.sqrt(3) + 1e-9).all()
    assert length.min() == pytest.approx(1, abs=1e-3)  # neither a line nor a circle
    assert length.max() == pytest.approx(np.sqrt(3), abs=1e-3)


@claim(
    "06",
    "Nothing removes the common part, now 6 times as large as what tells the points "
    "apart.",
    "The same push for all brings them together.",
)
def test_a_common_mean_gathers_the_points():
    for seed in seeds("now 6 times as large"):
        x = layer_norm(points(seed, 3), eps=0)[0]
        unit = [rms_norm(x + shift, eps=0)[0] / np.sqrt(3) for shift in (0, 6)]
        cosines = [u @ u.T for u in unit]
        assert cosines[0].min() < 0
        assert cosines[1].min() > 0.9
        apart = np.linalg.norm(x, axis=1) / np.sqrt(3)
        np.testing.assert_allclose(6 / apart, 6)


@claim(
    "06",
    "Then everything in the stream has mean 0, root mean square and standard "
    "deviation are the same number, and RMS norm does what layer norm did.",
    "If each row sums to 0, so does every sum of rows.",
    "That feature changes, but the sum over the features need not become 0.",
    "That sets the mean of the rows' sums to 0. Each row has to sum to 0 by itself.",
)
def test_centred_weights_make_rms_norm_layer_norm():
    for seed in seeds("RMS norm does what layer norm did"):
        rng = np.random.default_rng(seed)
        x, w, b = rng.normal(size=(9, 8)), rng.normal(size=(8, 16)), rng.normal(size=16)
        new_w, new_b = centre_writing_weights(w, b)
        np.testing.assert_allclose(new_w, w - w.mean(axis=1, keepdims=True))
        np.testing.assert_allclose(new_b, b - b.mean())
        written = x @ new_w + new_b
        np.testing.assert_allclose(written.mean(axis=1), 0, atol=1e-12)
        for mean in (w.mean(axis=0), w.mean()):  # of each column, of all entries
            assert np.abs((x @ (w - mean) + new_b).mean(axis=1)).max() > 0.1
        difference = layer_norm(x @ w + b)[0] - rms_norm(written)[0]
        assert np.abs(difference).max() < 1e-12


def test_folding_holds_in_pre_ln_only():
    for seed in seeds("There only the block reads the norm."):
        rng = np.random.default_rng(seed)
        blocks, x = random_blocks(3, 16, rng=rng), rng.normal(size=(8, 16))
        errors = {}
        for position in ("pre", "post"):
            before = run_stream(x, blocks, position=position)
            folded = fold_blocks(blocks, position)
            after = run_stream(x, folded, position=position)
            errors[position] = compare(before, after).relative_error
        assert errors["pre"] < 1e-12
        assert errors["post"] > 0.05


def best_matrix_misses(n, low, high, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4000, n)) * rng.uniform(low, high, size=(4000, 1))
    x_hat, _ = layer_norm(x)
    best = np.linalg.solve(x.T @ x, x.T @ x_hat)
    return np.linalg.norm(x @ best - x_hat) / np.linalg.norm(x_hat)


def test_layer_norm_is_nearly_a_matrix_for_many_features_of_one_spread():
    """What stands under the table of the best matrices."""
    for seed in seeds("In many dimensions independent features of one spread", 3):
        assert best_matrix_misses(8, 1, 1, seed) == pytest.approx(0.26, abs=0.03)
        assert best_matrix_misses(256, 1, 1, seed) < 0.06
        for n in (8, 256):
            assert best_matrix_misses(n, 0.2, 4, seed) > 0.4


@claim(
    "06",
    "the squared length is `n`, give or take about `sqrt(2 n)`",
    "sqrt(n), give or take about 0.7 each time",
    "The root of `n` + d is about `sqrt(n)` + d / (2 `sqrt(n)`), and `sqrt(2 n)` / (2 "
    "`sqrt(n)`) is 0.7 for every `n`.",
    "sqrt(n), give or take less and less",
    "As a fraction of `sqrt(n)` that is so.",
    "The square scatters more. Its root is ten times less sensitive at 1000 than at "
    "10.",
)
def test_many_features_lie_near_the_sphere():
    rng = np.random.default_rng(seeds("close to sqrt(n) by itself", 1)[0])
    away, spread = [], []
    for n in (10, 100, 1000):
        x = rng.normal(size=(3000, n))
        square = (x**2).sum(axis=1)
        assert square.std() == pytest.approx(np.sqrt(2 * n), rel=0.08)
        assert np.sqrt(square).std() == pytest.approx(0.7, abs=0.03)
        length = np.linalg.norm(x, axis=1) / np.sqrt(n)
        away.append(np.abs(length - 1).mean())
        spread.append(length.std() * np.sqrt(2 * n))
        assert x.mean(axis=1).std() * np.sqrt(n) == pytest.approx(1, abs=0.05)
    assert away[0] > 2.5 * away[1] > 6 * away[2]
    np.testing.assert_allclose(spread, 1, atol=0.06)


@claim(
    "06",
    "seven are 2, one is 0",
    "Adding to all features is seen, growing is not. What is left is divided by 0.5.",
    "RMS norm subtracts no mean, so it forgets one direction less.",
    "six are 2, two are 0",
)
def test_the_singular_values():
    for seed in seeds("six are 2, two are 0"):
        x = np.random.default_rng(seed).normal(size=8)
        x = 0.5 * (x - x.mean()) / x.std() + 3
        values = spectrum(layer_norm_jacobian(x, eps=0)).singular_values
        np.testing.assert_allclose(values, [2] * 6 + [0, 0], atol=1e-7)
        x = 0.5 * x / np.sqrt((x**2).mean())
        values = spectrum(rms_norm_jacobian(x, eps=0)).singular_values
        np.testing.assert_allclose(values, [2] * 7 + [0], atol=1e-7)
        grown = (rms_norm(x, eps=0)[0], rms_norm(1.1 * x, eps=0)[0])
        np.testing.assert_allclose(*grown)
        step = 1e-6 * np.eye(8)
        measured = (layer_norm(x + step, eps=0)[0] - layer_norm(x - step, eps=0)[0]).T
        np.testing.assert_allclose(
            measured / 2e-6, layer_norm_jacobian(x, eps=0), atol=1e-6
        )
