"""Claims of notebook 05."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import standardize, standardize_backward
from normlib.gradients.adam_length import shrinking_steps
from normlib.gradients.held_constant import train_normalized
from normlib.gradients.three_paths import measured_gradient, path_gradients
from normlib.gradients.unit_before_norm import train_unit, unit_data, unit_loss
from normlib.gradients.weight_decay import weight_decay_steps
from normlib.lessons.gradients import EXERCISES
from normlib.nets.watching import gather

no_claim(
    "05", "The upstream gradient d is 0 for all samples but sample 3.", "definition"
)
no_claim("05", "keep a unit at mean 0 and standard deviation 1", "definition")
no_claim(
    "05",
    "Here $a$ and $b$ of a unit $x = a\\,u + b$ train under a loss that wants mean 1 "
    "and deviation 2.",
    "definition",
)
no_claim("05", "One feature of three samples is a point in space", "definition")
no_claim("05", "The figure has three samples.", "definition")
no_claim(
    "05", "You double the learning rate and halve the weight decay.", "instruction"
)
no_claim(
    "05",
    "Counted here: in how many of ten networks the weights of the first layer get "
    "*shorter* at one or more of 300 steps.",
    "definition",
)
no_claim("05", "a 64-32-32-10 network with batch norm on digits", "definition")
no_claim("05", "All three paths together: return `dx`.", "instruction")
no_claim("05", "Check with a random upstream gradient.", "instruction")


no_claim("05", "A friend's backward pass is 17 (d - mean(d)).", "definition")


def sample(seed, n=8):
    """Return an upstream gradient and one feature."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(rng.normal(), 2.0, size=n)


@claim(
    "05",
    "Each input reaches the loss on three paths",
    "Three ways back",
    "The gradient returns on three paths. Drop one, and it is wrong.",
    "(The mean also acts through the variance, by a term with $\\sum_i (x_i - "
    "\\text{mean})$. That sum is 0.)",
)
def test_three_paths_and_no_less():
    for seed in seeds("The gradient returns on three paths."):
        d, x = sample(seed)
        parts, truth = path_gradients(d, x), measured_gradient(d, x)
        np.testing.assert_allclose(sum(parts.values()), truth, atol=1e-6)
        for name in parts:
            assert np.abs(truth - (sum(parts.values()) - parts[name])).max() > 1e-3
        assert abs((x - x.mean()).sum()) < 1e-12


@pytest.mark.parametrize("name", ["through_affine", "through_statistics", "backward"])
def test_solutions_agree_with_central_differences(name):
    d, x, eps = EXERCISES["backward"].inputs()[0]
    solution, step = EXERCISES[name].solution, 1e-6

    def slope(loss, at):
        found = np.empty_like(at)
        for index in np.ndindex(at.shape):
            moved = np.zeros_like(at)
            moved[index] = step
            found[index] = (loss(at + moved) - loss(at - moved)) / (2 * step)
        return found

    mean, var = x.mean(axis=0), x.var(axis=0)
    x_hat, gamma = (x - mean) / np.sqrt(var + eps), np.array([0.5, 2.0, -1.5])
    if name == "through_affine":
        found = solution(d, x_hat, gamma)
        wanted = (
            slope(lambda a: (d * gamma * a).sum(), x_hat),
            slope(lambda g: (d * g * x_hat).sum(), gamma),
            slope(lambda b: (d * (gamma * x_hat + b)).sum(), np.zeros(3)),
        )
    elif name == "through_statistics":
        found = solution(d, x, eps)
        wanted = (
            slope(lambda v: (d * (x - mean) / np.sqrt(v + eps)).sum(), var),
            slope(
                lambda m: (
                    d * (x - m) / np.sqrt(((x - m) ** 2).mean(axis=0) + eps)
                ).sum(),
                mean,
            ),
        )
    else:
        found = (solution(d, x, eps),)
        wanted = (slope(lambda a: (d * standardize(a, 0, eps=eps)[0]).sum(), x),)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


@claim(
    "05",
    "So the gradient never asks for a change that the norm would undo",
    "So it never asks for a mere change of mean or scale.",
    "As $\\hat{x}$ has squared length $N$ (for eps = 0)",
)
def test_both_parts_are_gone():
    for seed in seeds("So it never asks for a mere change of mean or scale."):
        d, x = sample(seed)
        x_hat, stats = standardize(x, 0, eps=0)
        dx = standardize_backward(d, x_hat, stats.inv_std, 0)
        assert abs(dx.sum()) < 1e-12 and abs(dx @ x_hat) < 1e-12
        assert np.isclose(x_hat @ x_hat, len(x))


@claim(
    "05",
    "In both cases the true $dx$ is 0.",
    "The formula with 17 passes. The true gradient is 0 there, and any formula that "
    "takes the mean away gives 0.",
    "Which of the two upstream gradients shows that it is wrong?",
    "There the friend's is 17 times 0, and the truth is 0 as well.",
    "With d = 1 the friend's is 17 times 0, and the truth is 0 as well.",
    "The truth is 0 there, and the friend's is 17 x_hat: its mean is 0 already.",
    "A formula passes both only if it loses the mean of d *and* its part along x_hat. "
    "The friend's loses one.",
)
def test_the_friend_passes_with_ones_only():
    for seed in seeds("The formula with 17 passes."):
        d, x = sample(seed)
        x_hat = standardize(x, 0, eps=0)[0]
        for upstream, passes in ((np.ones(8), True), (x_hat, False), (d, False)):
            friend = 17 * (upstream - upstream.mean())
            truth = measured_gradient(upstream, x, eps=0.0)
            assert np.allclose(friend, truth, atol=1e-6) == passes
        np.testing.assert_allclose(measured_gradient(x_hat, x, eps=0.0), 0, atol=1e-7)
        np.testing.assert_allclose(17 * (x_hat - x_hat.mean()), 17 * x_hat)


@claim(
    "05",
    "Moving another x moves the mean and the variance, and with them x_hat[3].",
    "Moving any x moves the mean and the variance, and with them x_hat[3].",
    "Moving x[3] moves x_hat[3], unless the norm takes all of it back.",
)
def test_one_upstream_sample_reaches_all():
    for seed in seeds("Moving any x moves the mean and the variance"):
        _, x = sample(seed)
        d = np.zeros(8)
        d[3] = 1.0
        assert (np.abs(measured_gradient(d, x)) > 1e-6).all()


@claim(
    "05",
    "Take a batch of two instead, with eps = 0. What is dx?",
    "0, whatever d is",
    "0 only if d = x_hat",
    "Two numbers have two directions, and dx loses two. x_hat is (-1, 1) or (1, -1), "
    "so it cannot change.",
    "What is not along x_hat is along (1, 1), and that part is lost, too.",
    "With two numbers, every d is a part along (1, 1) and a part along x_hat. Both are "
    "lost.",
)
def test_two_samples_have_no_gradient():
    for seed in seeds("0, whatever d is"):
        d, x = sample(seed, 2)
        x_hat, stats = standardize(x, 0, eps=0)
        np.testing.assert_allclose(abs(x_hat), 1)
        assert x_hat.sum() == pytest.approx(0)
        found = standardize_backward(d, x_hat, stats.inv_std, 0)
        np.testing.assert_allclose(found, 0, atol=1e-12)
        np.testing.assert_allclose(measured_gradient(d, x, eps=0.0), 0, atol=1e-6)


@claim(
    "05",
    "Between the steps, the gradient of $b$ is $\\sum_i d_i / \\text{std}$ and never "
    "0, though no $b$ can help: $x - \\text{mean}(x)$ is the same for all of them.",
    "A mean of 1 and a deviation of 2 then come from `beta` and `gamma`, after the "
    "norm.",
    "the mean ends at $1 / (1 + \\text{penalty})$",
)
def test_the_ways_to_stay_normalized():
    for seed in seeds("Between the steps, the gradient of b is never 0"):
        run = train_normalized("between steps", seed)
        assert (np.diff(run.bias) > 0).all() and (np.diff(run.scale) > 0).all()
        assert np.ptp(run.loss) < 1e-9
        # d is (x_hat - targets) / N, so sum(d) = 0 - 1. The learning rate is 0.1.
        np.testing.assert_allclose(np.diff(run.bias), 0.1 / run.scale[:-1])
        run = train_normalized("penalty", seed, steps=300, penalty=3.0)
        assert run.bias[-1] == pytest.approx(0.25)
        x = np.random.default_rng(seed).normal(3, 5, size=10)
        y = 2 * standardize(x, 0, eps=0)[0] + 1
        assert (y.mean(), y.std()) == pytest.approx((1, 2))


@claim(
    "05",
    "For $a > 0$, $a\\,w$ gives the same $\\hat{x}$ (with eps = 0)",
    "which is $\\text{lr} / \\|w\\|^2$ times the gradient at length 1",
    "The gradient is shorter and the way around is longer: the angle of a step goes as "
    "one over the square of the length.",
)
def test_weights_have_no_size():
    for seed in seeds("For a > 0, a w gives the same x_hat"):
        u, targets = unit_data(seed % 10_000)
        w = np.random.default_rng(seed).normal(size=2)
        loss, g = unit_loss(w, u, targets)
        for a in (0.1, 3.0, 100.0):
            scaled, other = unit_loss(a * w, u, targets)
            assert scaled == pytest.approx(loss)
            np.testing.assert_allclose(other, g / a, rtol=1e-6)
            assert abs(other @ w) < 1e-9
        # The angle of one small step, at lengths 1 and 2.
        angles = []
        for length in (1.0, 2.0):
            at = length * w / np.linalg.norm(w)
            _, g = unit_loss(at, u, targets)
            angles.append(np.linalg.norm(g) / length)
        assert angles[0] == pytest.approx(4 * angles[1])


@claim(
    "05",
    "takes larger turns per step",
    "Decay holds w short, and a step turns short weights by a larger angle.",
)
def test_decay_makes_larger_turns():
    for seed in seeds("Decay holds w short"):
        found = []
        for decay in (0.0, 0.1):
            run = train_unit(weight_decay=decay, steps=400, seed=seed % 10_000)
            late = np.sqrt(np.mean(run.angles[200:] ** 2))
            found.append((np.linalg.norm(run.weights[-1]), late))
        assert found[1][0] < found[0][0]
        assert found[1][1] > found[0][1]


@pytest.mark.slow
@claim("05", "Only the product of the two is in sqrt(2 lr decay).")
@pytest.mark.parametrize("wrong_labels", [0.0, 0.4])
def test_the_equilibrium(wrong_labels):
    """Right labels settle as well: length and angle within 4 % of the formulas."""
    fresh = seeds("Only the product of the two is in sqrt(2 lr decay).")
    lengths = []
    for lr, decay in ((0.2, 0.04), (0.4, 0.02)):
        run = gather(
            weight_decay_steps(
                fresh, lr=lr, weight_decay=decay, steps=800, wrong_labels=wrong_labels
            )
        )
        late = run.step > 400
        square = np.mean(run.scaled_gradient[late] ** 2, axis=0)
        predicted = (lr / (2 * decay) * square) ** 0.25
        lengths.append(run.norm[late].mean(axis=0))
        np.testing.assert_allclose(lengths[-1], predicted, rtol=0.04)
        turned = np.sqrt(np.mean(run.angle[late] ** 2, axis=0))
        np.testing.assert_allclose(turned, np.sqrt(2 * 0.008), rtol=0.04)
    assert (lengths[1] > 1.2 * lengths[0]).all()


@claim(
    "05",
    "A small move of one $x_i$ moves the mean $\\tfrac{1}{N}$ times as far and the "
    "variance $\\tfrac{2}{N}(x_i - \\text{mean})$ times as far:",
)
def test_what_moves_with_one_sample():
    for seed in seeds("A small move of one x_i moves the mean"):
        _, x = sample(seed)
        step = 1e-6 * np.eye(8)[seed % 8]
        moved = x[seed % 8] - x.mean()
        assert np.ptp([(x + step).mean(), x.mean()]) == pytest.approx(1e-6 / 8)
        slope = ((x + step).var() - (x - step).var()) / 2e-6
        assert slope == pytest.approx(2 / 8 * moved, abs=1e-8)


@pytest.mark.slow
def test_how_long_the_way_down_is():
    """As the figure counts: the first step within a tenth of the predicted length."""
    fresh = seeds("comes down after about 550 steps, not 300", 20)
    for start, steps in ((1.0, 300), (3.0, 550)):
        run = gather(
            weight_decay_steps(
                fresh, weight_decay=0.02, start=start, steps=800, wrong_labels=0.0
            )
        )
        late = np.mean(run.scaled_gradient[run.step > 400] ** 2, axis=0)
        predicted = (0.2 / (2 * 0.02) * late) ** 0.25
        found = run.step[np.argmax(np.abs(run.norm / predicted - 1) < 0.1, axis=0)]
        assert np.median(found) == pytest.approx(steps, abs=20)
        assert (np.abs(found - steps) < 60).all(), found


@claim(
    "05",
    "Adam divides each entry of the gradient by a size of its own, and the step is no "
    "longer at a right angle to $w$.",
)
def test_weights_under_adam_get_shorter_at_times():
    fresh = seeds("Adam divides each entry of the gradient by a size of its own")
    assert (shrinking_steps("sgd", 0.2, fresh, steps=100) == 0).all()
    assert (shrinking_steps("adam", 0.001, fresh, steps=300) > 0.02).all()


@claim(
    "05",
    "With eps above 0, $\\hat{x}$ is shorter than $\\sqrt{N}$, and its direction is "
    "not "
    "removed in full.",
    "Only the direction of x_hat is no longer removed in full.",
)
def test_with_eps():
    for seed in seeds("With eps above 0, x_hat is shorter"):
        d, x = sample(seed)
        x_hat, stats = standardize(x, 0, eps=0.5)
        assert np.linalg.norm(x_hat) < np.sqrt(8)
        dx = standardize_backward(d, x_hat, stats.inv_std, 0)
        assert abs(dx.sum()) < 1e-12
        kept = (dx @ x_hat) / (stats.inv_std[0] * (d @ x_hat))
        assert kept == pytest.approx(0.5 / (x.var() + 0.5))
