"""Weight norm's initialisation and descent, mean-only batch norm, standardization."""

import numpy as np
import pytest

from normlib.family import weight_parametrizations as wp
from normlib.family.chain import build_chain, length_one
from normlib.family.images import coloured
from normlib.family.invariances import relative_change
from normlib.norms import weight_norm

SEEDS = (21, 22, 23)


@pytest.mark.parametrize("seed", SEEDS)
def test_data_dependent_init_standardizes_the_outputs_for_any_length_of_v(seed):
    rng = np.random.default_rng(seed)
    v = 0.05 * rng.standard_normal((4, 6))
    x = 3 + 2 * rng.standard_normal((50, 6))
    found = wp.data_dependent_init(v, x)
    w, _ = weight_norm(v, found.g)
    np.testing.assert_allclose(x @ w.T + found.bias, found.outputs, rtol=1e-9)
    np.testing.assert_allclose(found.outputs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.outputs.std(axis=0), 1, rtol=1e-12)
    same = wp.data_dependent_init(70 * v, x)
    np.testing.assert_allclose(same.g, found.g, rtol=1e-12)


def test_mean_only_batch_norm_and_its_gradient():
    rng = np.random.default_rng(0)
    t, bias = rng.standard_normal((7, 3)), rng.standard_normal(3)
    y = wp.mean_only_batch_norm(t, bias)
    np.testing.assert_allclose(y.mean(axis=0), bias)
    np.testing.assert_allclose(y.std(axis=0), t.std(axis=0))
    dy = rng.standard_normal((7, 3))
    numeric = np.empty_like(t)
    for index in np.ndindex(t.shape):
        move = np.zeros_like(t)
        move[index] = 1e-6
        up, down = (wp.mean_only_batch_norm(t + s * move, bias) for s in (1, -1))
        numeric[index] = (dy * (up - down)).sum() / 2e-6
    np.testing.assert_allclose(wp.mean_only_batch_norm(dy), numeric, atol=1e-8)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 3, 3)])
def test_weight_standardization_centres_and_scales_each_unit(shape):
    weight = 5 + np.random.default_rng(1).standard_normal(shape)
    found = wp.weight_standardization(weight, eps=0.0).reshape(4, -1)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=1), 1, rtol=1e-12)
    # Weight norm keeps the mean: they are not the same thing.
    flat = weight.reshape(4, -1)
    direction, _ = weight_norm(flat, np.full(4, np.sqrt(flat.shape[1])))
    assert np.abs(direction.mean(axis=1)).min() > 0.5
    assert (wp.weight_standardization(np.ones(shape), eps=0.0) == 0).all()


def unit(seed, width=10):
    """Return inputs, targets and a direction at the start of one linear unit."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((64, width))
    return x, x @ rng.standard_normal(width), rng.standard_normal(width)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lr", [0.01, 0.1, 1.0])
def test_length_of_v_grows_by_pythagoras(seed, lr):
    found = wp.weight_norm_descent(*unit(seed), lr=lr, steps=60)
    squares = (found.v**2).sum(axis=1)
    np.testing.assert_allclose((found.v * found.dv).sum(axis=1)[:5], 0, atol=1e-13)
    grown = squares[:-1] + lr**2 * (found.dv[:-1] ** 2).sum(axis=1)
    np.testing.assert_allclose(squares[1:], grown, rtol=1e-12)
    assert found.v.shape == (61, 10) and found.g.shape == (61,)


def test_the_gradients_are_those_of_differences():
    x, target, v = unit(8, width=4)

    def loss(v, g):
        error = x @ (g * v / np.linalg.norm(v)) - target
        return 0.5 * (error**2).mean()

    found = wp.weight_norm_descent(x, target, v, 1.3, steps=1)
    for k, move in enumerate(1e-6 * np.eye(4)):
        slope = (loss(v + move, 1.3) - loss(v - move, 1.3)) / 2e-6
        assert found.dv[0, k] == pytest.approx(slope, abs=1e-8)
    slope = (loss(v, 1.3 + 1e-6) - loss(v, 1.3 - 1e-6)) / 2e-6
    assert found.g[1] == pytest.approx(1.3 - 0.1 * slope, abs=1e-8)
    assert found.loss[0] == pytest.approx(loss(v, 1.3))


def test_larger_steps_make_v_longer_and_still_converge():
    small, large = (
        wp.weight_norm_descent(*unit(5), lr=lr, steps=200) for lr in (0.1, 1.0)
    )
    assert np.linalg.norm(large.v[-1]) > np.linalg.norm(small.v[-1])
    assert large.loss[-1] < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_curvatures_are_those_of_differences(seed):
    rng = np.random.default_rng(seed)
    x, w = 1 + rng.standard_normal((30, 3)), rng.standard_normal(3)
    target = x @ w

    def loss(p):
        error = x @ (p[3] * p[:3] / np.linalg.norm(p[:3])) - target
        return 0.5 * (error**2).mean()

    at = np.append(2 * w, np.linalg.norm(w))
    h, eye = 1e-4, np.eye(4)
    hessian = [
        [
            sum(
                a * b * loss(at + h * (a * i + b * j)) for a in (1, -1) for b in (1, -1)
            )
            / (4 * h * h)
            for j in eye
        ]
        for i in eye
    ]
    values = np.linalg.eigvalsh(np.array(hessian))
    assert abs(values[0]) < 1e-5
    expected = values[-1] / values[1]
    assert wp.condition_number(x, w, 2.0) == pytest.approx(expected, rel=1e-3)
    assert wp.condition_number(x, w) == pytest.approx(wp.condition_number(x))


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 3, 1)])
def test_constant_weights_become_0_also_where_their_mean_is_rounded(shape):
    weight = np.random.default_rng(0).standard_normal(shape)
    weight[1] = 0.1
    found = wp.weight_standardization(weight, eps=0.0)
    assert not found[1].any()
    np.testing.assert_allclose(found[0].var(), 1)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda: wp.data_dependent_init(np.ones((2, 3)), np.ones((4, 2))),
            ValueError,
            r"shape \(N, 3\)",
        ),
        (
            lambda: wp.data_dependent_init(np.ones((2, 3)), np.ones((4, 3))),
            ValueError,
            "same output",
        ),
        (
            lambda: wp.data_dependent_init(np.ones((2, 3)), np.full((6, 3), 0.1)),
            ValueError,
            "same output",
        ),
        (
            lambda: wp.mean_only_batch_norm(np.ones((4, 3)), np.ones(2)),
            ValueError,
            "bias must have shape",
        ),
        (lambda: wp.weight_standardization(np.ones((4, 1))), ValueError, "2 or more"),
        (lambda: wp.weight_norm_descent(*unit(1), lr=-1.0), ValueError, "lr"),
        (lambda: wp.weight_norm_descent(*unit(1), steps=0), ValueError, "steps"),
        (lambda: wp.weight_norm_descent(*unit(1), lr=90), ValueError, "diverges"),
        (
            lambda: wp.condition_number(np.eye(2), np.ones(2), 0.0),
            ValueError,
            "length must be above 0",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e19, 1e25])
def test_float32_of_any_size_is_standardized(scale):
    rng = np.random.default_rng(5)
    v = (scale * rng.normal(size=(3, 40))).astype(np.float32)
    made = wp.weight_standardization(v, eps=0.0)
    np.testing.assert_allclose(made.std(axis=1), 1, rtol=1e-5)
    x = (scale * rng.normal(size=(50, 40))).astype(np.float32)
    outputs = wp.data_dependent_init(v, x).outputs
    np.testing.assert_allclose(outputs.std(axis=0), 1, rtol=1e-4)


def test_a_large_mean_leaves_float32_standardized():
    rng = np.random.default_rng(6)
    weight = (1e6 + rng.normal(size=(3, 40))).astype(np.float32)
    made = wp.weight_standardization(weight, eps=0.0)
    np.testing.assert_allclose(made.mean(axis=1), 0, atol=1e-6)
    x = (1e5 + rng.normal(size=(50, 40))).astype(np.float32)
    found = wp.data_dependent_init(np.eye(40, dtype=np.float32), x)
    np.testing.assert_allclose(found.outputs.mean(axis=0), 0, atol=1e-6)


def test_a_flat_direction_has_the_condition_infinity():
    x = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert wp.condition_number(x) == np.inf
    with pytest.raises(ValueError, match="x must have an entry that is not 0"):
        wp.condition_number(0 * x)
    with pytest.raises(ValueError, match=r"w must have shape \(2,\) and an entry"):
        wp.condition_number(x, np.ones(3))


def test_what_does_not_fit_a_descent_is_named():
    x = np.eye(3)
    for target, v in ((np.ones(2), np.ones(3)), (np.ones(3), np.ones(2))):
        with pytest.raises(ValueError, match=r"target and v must have shapes \(3,\)"):
            wp.weight_norm_descent(x, target, v)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("he", "start must be a function"),
        (lambda v, x: (1.0, 0.0), r"start must return lengths and biases of shape"),
    ],
)
def test_a_start_that_is_none_is_named(start, words):
    with pytest.raises((TypeError, ValueError), match=words):
        build_chain(0, start)


def test_a_start_may_spoil_what_it_is_given():
    def spoils(v, x):
        made = length_one(v, x)
        v[:], x[:] = 0, 0
        return made

    np.testing.assert_array_equal(
        build_chain(0, spoils).v, build_chain(0, length_one).v
    )


@pytest.mark.parametrize(
    "colour", [(1, 0), "red", None, (np.nan, 0, 0), (2, 0, 0), (True, False, True)]
)
def test_a_colour_that_is_none_is_named(colour):
    for name in ("ink", "paper"):
        colours = {"ink": (1, 1, 1), "paper": (0, 0, 0), name: colour}
        with pytest.raises((TypeError, ValueError), match=f"{name} must"):
            coloured(np.eye(2), **colours)


def test_before_and_after_share_a_shape():
    with pytest.raises(ValueError, match="before and after must have one shape"):
        relative_change(np.ones(3), np.ones(1))
