"""Layer norm as projection, Jacobians of the norms, folding, selectable keys."""

import numpy as np
import pytest

from normlib.batch import folding as bn_folding
from normlib.norms import layer_norm, rms_norm
from normlib.sphere import folding, geometry, jacobians, keys, residual_stream

SEEDS = (3, 14, 15)


def central_jacobian(function, x, step=1e-6):
    columns = []
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        columns.append((function(x + shift) - function(x - shift)) / (2 * step))
    return np.stack(columns, axis=-1)


# --- plane and sphere ------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 17])
def test_centring_matrix_is_the_projection_orthogonal_to_ones(n):
    P = geometry.centring_matrix(n)
    np.testing.assert_allclose(P @ P, P, atol=1e-15)
    np.testing.assert_array_equal(P, P.T)
    np.testing.assert_allclose(P @ np.ones(n), 0, atol=1e-15)
    assert np.linalg.matrix_rank(P) == n - 1
    x = np.random.default_rng(n).standard_normal((4, n))
    np.testing.assert_allclose(geometry.project_on_plane(x), x @ P, atol=1e-14)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_last_step_is_the_norm(seed, norm):
    rng = np.random.default_rng(seed)
    x = 3 + 2 * rng.standard_normal((5, 4, 7))
    gamma, beta = rng.standard_normal((2, 7))
    eps = 1e-3
    if norm == "layer":
        steps = geometry.projection_steps(x, gamma, beta, eps=eps)
        expected, _ = layer_norm(x, gamma, beta, eps=eps)
    else:
        steps = geometry.projection_steps(x, gamma, eps=eps, norm="rms")
        expected, _ = rms_norm(x, gamma, eps=eps)
    np.testing.assert_allclose(steps.beta, expected, rtol=1e-12, atol=1e-13)
    assert all(step.shape == x.shape for step in steps)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_points_lie_on_plane_and_sphere(n):
    x = 5 + np.random.default_rng(n).standard_normal((50, n))
    scaled = geometry.projection_steps(x, eps=0.0).scaled
    np.testing.assert_allclose(scaled.sum(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(scaled, axis=-1), np.sqrt(n))
    wrong = geometry.projection_steps(x, eps=0.0, ddof=1).scaled
    np.testing.assert_allclose(np.linalg.norm(wrong, axis=-1), np.sqrt(n - 1))


def test_two_features_leave_two_points():
    x = np.random.default_rng(0).standard_normal((30, 2))
    scaled = geometry.projection_steps(x, eps=0.0).scaled
    np.testing.assert_allclose(np.abs(scaled), 1)
    np.testing.assert_array_equal(np.sign(scaled[:, 0]), np.sign(x[:, 0] - x[:, 1]))


def test_shift_and_scale_move_nothing_and_a_negative_scale_flips():
    x = np.random.default_rng(1).standard_normal((20, 3))
    y = geometry.projection_steps(x, eps=0.0).beta
    shifted = geometry.projection_steps(2.5 * x + 7.0, eps=0.0).beta
    flipped = geometry.projection_steps(-2.5 * x, eps=0.0).beta
    np.testing.assert_allclose(shifted, y, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(flipped, -y, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("eps", [0.0, 1e-5, 1e-1, 10.0])
def test_eps_pulls_points_inside_the_sphere(eps):
    x = np.random.default_rng(2).standard_normal((20, 6))
    length = np.linalg.norm(geometry.projection_steps(x, eps=eps).scaled, axis=-1)
    expected = geometry.normalized_length(x.var(axis=-1), 6, eps=eps)
    np.testing.assert_allclose(length, expected, rtol=1e-12)
    if eps:
        assert (length < np.sqrt(6)).all()


def test_a_constant_point_goes_to_the_origin_without_nan():
    steps = geometry.projection_steps(np.full((2, 3), 4.0), eps=0.0)
    np.testing.assert_array_equal(steps.beta, 0)
    assert geometry.normalized_length(0.0, 3, eps=0.0) == 0
    assert geometry.cosine_to_ones(np.zeros(3)) == 0


def test_gamma_stretches_to_an_ellipsoid_and_beta_leaves_the_plane():
    x = np.random.default_rng(4).standard_normal((40, 3))
    gamma, beta = np.array([2.0, 1.0, 0.5]), np.array([0.0, 0.0, 3.0])
    steps = geometry.projection_steps(x, gamma, beta, eps=0.0)
    np.testing.assert_allclose(((steps.gamma / gamma) ** 2).sum(axis=-1), 3)
    np.testing.assert_allclose(steps.beta - steps.gamma, np.tile(beta, (40, 1)))
    assert np.abs(steps.gamma.sum(axis=-1)).max() > 0.5


# --- the ones direction, and many features ---------------------------------


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_cosine_to_ones_is_the_angle_at_any_scale(scale):
    x = np.random.default_rng(5).standard_normal((20, 9))
    expected = x.sum(axis=-1) / (3 * np.linalg.norm(x, axis=-1))
    np.testing.assert_allclose(geometry.cosine_to_ones(scale * x), expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mean, expected", [(0.0, 0.0), (1.0, 0.7071), (10.0, 0.995)])
def test_a_common_mean_turns_points_to_the_ones_direction(mean, expected, seed):
    points = mean + np.random.default_rng(seed).standard_normal((400, 256))
    assert abs(geometry.cosine_to_ones(points).mean() - expected) < 0.01


@pytest.mark.parametrize("mean", [-3.0, 0.0, 20.0])
def test_rms_norm_is_a_mix_of_layer_norm_and_ones(mean):
    """The formula of notebook 06."""
    x = mean + np.random.default_rng(6).standard_normal((10, 5))
    m, s = x.mean(-1, keepdims=True), x.std(-1, keepdims=True)
    mix = (s * layer_norm(x, eps=0)[0] + m) / np.hypot(m, s)
    np.testing.assert_allclose(rms_norm(x, eps=0)[0], mix, rtol=1e-9)


# --- Jacobians -------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.3])
def test_jacobians_are_the_derivatives(seed, eps):
    rng = np.random.default_rng(seed)
    x, gamma = 1 + rng.standard_normal(7), rng.standard_normal(7)
    close = {"rtol": 1e-6, "atol": 1e-8}
    np.testing.assert_allclose(
        jacobians.layer_norm_jacobian(x, gamma, eps=eps),
        central_jacobian(lambda x: layer_norm(x, gamma, eps=eps)[0], x),
        **close,
    )
    np.testing.assert_allclose(
        jacobians.rms_norm_jacobian(x, gamma, eps=eps),
        central_jacobian(lambda x: rms_norm(x, gamma, eps=eps)[0], x),
        **close,
    )
    v, g = rng.standard_normal(7), 1.7
    found = jacobians.weight_norm_jacobian(v, g)
    direct = central_jacobian(lambda v: g * v / np.linalg.norm(v), v)
    np.testing.assert_allclose(found.dv, direct, **close)
    np.testing.assert_allclose(found.dg, v / np.linalg.norm(v))


@pytest.mark.parametrize("n", [3, 4, 16])
def test_ranks_and_singular_values(n):
    x = 2 + np.random.default_rng(n).standard_normal(n)
    values, rank = jacobians.spectrum(jacobians.layer_norm_jacobian(x, eps=0.0))
    assert rank == n - 2
    np.testing.assert_allclose(values[: n - 2], 1 / x.std(), rtol=1e-12)
    values, rank = jacobians.spectrum(jacobians.rms_norm_jacobian(x, eps=0.0))
    assert rank == n - 1
    np.testing.assert_allclose(values[: n - 1], 1 / np.sqrt((x**2).mean()), rtol=1e-12)
    values, rank = jacobians.spectrum(jacobians.weight_norm_jacobian(x, -3.0).dv)
    assert rank == n - 1
    np.testing.assert_allclose(values[: n - 1], 3 / np.linalg.norm(x), rtol=1e-12)


def test_lost_directions_and_what_eps_leaves_of_one():
    x = np.random.default_rng(9).standard_normal(16)
    x_hat = (x - x.mean()) / x.std()
    exact = jacobians.layer_norm_jacobian(x, eps=0.0)
    np.testing.assert_allclose(exact @ np.ones(16), 0, atol=1e-14)
    np.testing.assert_allclose(exact @ x_hat, 0, atol=1e-14)
    projector = x.std() * exact
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-14)
    eps = 0.25
    soft = jacobians.layer_norm_jacobian(x, eps=eps)
    left = eps / (x.var() + eps) / np.sqrt(x.var() + eps)
    np.testing.assert_allclose(soft @ x_hat, left * x_hat, rtol=1e-12)
    assert jacobians.spectrum(soft).rank == 15


# --- folding ---------------------------------------------------------------


def batch_norm_at_inference(x, mean, var, gamma, beta, eps, axis):
    shape = [1] * x.ndim
    shape[axis] = -1
    scale = (gamma / np.sqrt(var + eps)).reshape(shape)
    return (x - mean.reshape(shape)) * scale + beta.reshape(shape)


def random_statistics(rng, n):
    mean, gamma, beta = rng.standard_normal((3, n))
    return mean, rng.uniform(0.2, 3, n), gamma, beta


@pytest.mark.parametrize("seed", SEEDS)
def test_batch_norm_folds_into_the_linear_map_before_and_after(seed):
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(s) for s in ((9, 6), (6, 4), 4))
    statistics = random_statistics(rng, 4)
    expected = batch_norm_at_inference(x @ w + b, *statistics, 1e-5, 1)
    w2, b2 = bn_folding.fold_batch_norm_into_previous(w, b, *statistics)
    np.testing.assert_allclose(x @ w2 + b2, expected, rtol=1e-12, atol=1e-13)
    statistics = random_statistics(rng, 6)
    expected = batch_norm_at_inference(x, *statistics, 1e-5, 1) @ w + b
    w2, b2 = bn_folding.fold_batch_norm_into_next(w, b, *statistics)
    np.testing.assert_allclose(x @ w2 + b2, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
def test_batch_norm_folds_into_convolutions_except_forward_at_padded_borders(seed):
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(s) for s in ((2, 3, 6, 7), (4, 3, 3, 3), 4))
    statistics = random_statistics(rng, 4)
    plain = bn_folding.conv2d(x, w, b, padding=1)
    expected = batch_norm_at_inference(plain, *statistics, 1e-5, 1)
    found = bn_folding.fold_batch_norm_into_previous(w, b, *statistics)
    close = {"rtol": 1e-11, "atol": 1e-12}
    np.testing.assert_allclose(
        bn_folding.conv2d(x, *found, padding=1), expected, **close
    )

    statistics = random_statistics(rng, 3)
    normalized = batch_norm_at_inference(x, *statistics, 1e-5, 1)
    found = bn_folding.fold_batch_norm_into_next(w, b, *statistics)
    np.testing.assert_allclose(
        bn_folding.conv2d(x, *found), bn_folding.conv2d(normalized, w, b), **close
    )
    expected = bn_folding.conv2d(normalized, w, b, padding=1)
    folded = bn_folding.conv2d(x, *found, padding=1)
    inner = np.s_[:, :, 1:-1, 1:-1]
    np.testing.assert_allclose(folded[inner], expected[inner], **close)
    assert np.abs(folded - expected).max() > 0.1


def test_convolution_against_loops():
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s) for s in ((2, 3, 5, 4), (2, 3, 3, 2), 2))
    y = bn_folding.conv2d(x, w, b, padding=1)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    assert y.shape == (2, 2, 5, 5)
    for n, o, i, j in np.ndindex(y.shape):
        window = padded[n, :, i : i + 3, j : j + 2]
        assert np.isclose(y[n, o, i, j], (window * w[o]).sum() + b[o])


@pytest.mark.parametrize("seed", SEEDS)
def test_centred_writes_make_layer_norm_rms_norm(seed):
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(s) for s in ((9, 6), (6, 5), 5))
    written = np.tanh(x) @ w + b
    w2, b2 = folding.centre_writing_weights(w, b)
    centred = np.tanh(x) @ w2 + b2
    np.testing.assert_allclose(centred.mean(axis=-1), 0, atol=1e-15)
    np.testing.assert_allclose(
        rms_norm(centred)[0], layer_norm(written)[0], rtol=1e-11, atol=1e-12
    )


# --- keys ------------------------------------------------------------------


def winners_of_a_sweep(points, n_angles=20000):
    angles = np.linspace(0, 2 * np.pi, n_angles, endpoint=False)
    queries = np.stack([np.cos(angles), np.sin(angles)])
    return set(np.argmax(points @ queries, axis=0))


@pytest.mark.parametrize("seed", range(6))
def test_selectable_keys_are_those_that_some_query_selects(seed):
    points = np.random.default_rng(seed).standard_normal((3 + 4 * seed, 2))
    found = set(np.flatnonzero(keys.selectable(points)))
    swept = winners_of_a_sweep(points)
    assert swept <= found
    # A sweep may step over a corner that is almost flat, never invent one.
    assert len(found - swept) <= 1


@pytest.mark.parametrize("size", [2, 3, 5])
def test_selectable_keys_stick_out_of_the_hull_of_the_others(size):
    """Means of other keys never win, corners far out always do."""
    rng = np.random.default_rng(size)
    corners = np.concatenate([np.eye(size), -np.eye(size)]) * 9
    inside = rng.dirichlet(np.ones(2 * size), size=8) @ corners
    found = keys.selectable(np.concatenate([corners, inside]))
    np.testing.assert_array_equal(found, np.arange(2 * size + 8) < 2 * size)


def test_the_query_that_is_found_lets_its_key_win():
    points = np.random.default_rng(9).standard_normal((30, 4))
    won = 0
    for i, can in enumerate(keys.selectable(points)):
        query = keys.nearest_to_zero(points[i] - np.delete(points, i, axis=0))
        won += can
        assert (np.argmax(points @ query) == i) == can
    assert 5 < won < 30


def test_hull_of_collinear_equal_and_few_points():
    line = np.array([[0.0, 0], [1, 1], [2, 2], [3, 3]])
    assert set(keys.convex_hull(line)) == {0, 3}
    assert list(keys.convex_hull(np.zeros((3, 2)))) in ([0], [1], [2])
    assert not keys.selectable(np.ones((3, 2))).any()
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0], [0, 0]])
    assert list(keys.selectable(square)) == [0, 1, 1, 1, 0, 0]
    corners = square[keys.convex_hull(square)]
    a, b = corners, np.roll(corners, -1, axis=0)
    assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2 == 1  # counter-clockwise


def test_keys_of_a_head_are_on_a_sphere_only_if_normed_there():
    for norm in keys.NORMS:
        lengths = np.linalg.norm(keys.head_keys(norm, 20, 3, rng=1), axis=1)
        on_sphere = np.allclose(lengths, np.sqrt(3))
        assert on_sphere == (norm == "RMS, in the head")


# --- bad input -------------------------------------------------------------


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: geometry.centring_matrix(0), ValueError, "n must be at least 1"),
        (lambda: geometry.project_on_plane([1, 2]), TypeError, "floating-point"),
        (lambda: geometry.project_on_plane(np.array([1.0, np.nan])), ValueError, "NaN"),
        (lambda: geometry.project_on_plane(np.ones((2, 0))), ValueError, "empty"),
        (lambda: geometry.project_on_plane(np.array(1.0)), ValueError, "1 axis"),
        (
            lambda: geometry.projection_steps(np.ones((2, 3)), np.ones(2)),
            ValueError,
            r"gamma must have shape \(3,\)",
        ),
        (
            lambda: geometry.projection_steps(np.ones((2, 3)), norm="batch"),
            ValueError,
            "'layer', 'rms'",
        ),
        (
            lambda: geometry.project_on_sphere(np.ones((2, 1)), ddof=1),
            ValueError,
            "ddof",
        ),
        (lambda: geometry.normalized_length(-1.0, 3), ValueError, "var"),
        (
            lambda: jacobians.layer_norm_jacobian(np.ones(3), eps=0.0),
            ValueError,
            "eps above 0",
        ),
        (
            lambda: jacobians.weight_norm_jacobian(np.zeros(3), 1.0),
            ValueError,
            "zero vector",
        ),
        (lambda: keys.convex_hull(np.ones((4, 3))), ValueError, r"\(K, 2\)"),
        (
            lambda: bn_folding.conv2d(np.ones((1, 2, 3, 3)), np.ones((1, 3, 2, 2))),
            ValueError,
            "input channels",
        ),
        (
            lambda: bn_folding.conv2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 3, 3))),
            ValueError,
            "raise padding",
        ),
        (
            lambda: bn_folding.fold_batch_norm_into_previous(
                np.ones((2, 3)), None, np.ones(2), np.ones(3)
            ),
            ValueError,
            r"running_mean must have shape \(3,\)",
        ),
        (
            lambda: bn_folding.fold_batch_norm_into_next(
                np.ones((2, 3)), None, np.ones(2), -np.ones(2)
            ),
            ValueError,
            "running_var",
        ),
        (lambda: residual_stream.fold_blocks([], "mid"), ValueError, "position"),
        (lambda: residual_stream.random_blocks(0, 4), ValueError, "depth"),
    ],
)
def test_bad_input_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- where rounding would be all that is left ------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, -0.7, 1e5 / 3])
def test_constant_points_are_the_norms_output_also_without_eps(value, dtype):
    """The mean of six times 0.1 is rounded: what is left is not a direction."""
    x = np.full((2, 6), value, dtype)
    x[1] = np.random.default_rng(0).standard_normal(6)
    steps = geometry.projection_steps(x, eps=0.0)
    assert not steps.centred[0].any() and not steps.beta[0].any()
    assert steps.beta.dtype == dtype
    np.testing.assert_allclose(steps.beta, layer_norm(x, eps=0.0)[0], rtol=1e-6)


@pytest.mark.parametrize("value", [0.1, -0.7, 1e5 / 3])
def test_constant_data_have_no_derivative_without_eps(value):
    with pytest.raises(ValueError, match="variance of x and eps are both 0"):
        jacobians.layer_norm_jacobian(np.full(6, value), eps=0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_two_numbers_let_nothing_through(offset, dtype):
    for x in np.random.default_rng(1).standard_normal((50, 2)):
        x = (offset + x).astype(dtype)
        layer = jacobians.layer_norm_jacobian(x, eps=0.0)
        assert jacobians.spectrum(layer).rank == 0
        rms = jacobians.rms_norm_jacobian(x[:1], eps=0.0)
        assert jacobians.spectrum(rms).rank == 0
        assert jacobians.spectrum(jacobians.layer_norm_jacobian(x)).rank == 1


def test_ranks_of_float32_points_are_right():
    x = np.random.default_rng(2).standard_normal(6).astype(np.float32)
    found = jacobians.layer_norm_jacobian(x, eps=0.0)
    assert found.dtype == np.float64 and jacobians.spectrum(found).rank == 4
    assert jacobians.spectrum(jacobians.rms_norm_jacobian(x, eps=0.0)).rank == 5


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (geometry.project_on_sphere, {}),
        (geometry.projection_steps, {"eps": 0.0}),
        (geometry.projection_steps, {"eps": 0.0, "norm": "rms"}),
        (jacobians.layer_norm_jacobian, {"eps": 0.0}),
        (jacobians.rms_norm_jacobian, {"eps": 0.0}),
    ],
)
@pytest.mark.parametrize("factor", [1e-200, 1e200, 1e-160])
def test_squares_out_of_range_are_refused(function, options, factor):
    words = "too large" if factor > 1 else "too small|both 0"
    with pytest.raises(ValueError, match=words):
        function(np.array([3.0, 4.0, 1.0]) * factor, **options)


def test_a_sum_out_of_range_is_refused():
    with pytest.raises(ValueError, match="x is too large"):
        geometry.project_on_plane(np.full(3, 1.7e308) * [1, 0.5, 1])


def test_tiny_points_are_fine_with_eps():
    found = geometry.project_on_sphere(np.array([3e-200, 4e-200]), eps=1e-4)
    np.testing.assert_allclose(found, [3e-198, 4e-198])


@pytest.mark.parametrize("bias", [None, np.ones(3, np.float32)])
@pytest.mark.parametrize("gamma", [None, np.ones(2, np.float32)])
def test_folding_keeps_float32(bias, gamma):
    weight, mean = np.ones((2, 3), np.float32), np.ones(2, np.float32)
    scale = None if gamma is None else np.ones(3, np.float32)
    statistics = np.ones(3, np.float32), np.ones(3, np.float32)
    results = [
        bn_folding.fold_batch_norm_into_previous(weight, bias, *statistics, scale),
        bn_folding.fold_batch_norm_into_next(weight, bias, mean, mean, gamma),
        folding.fold_layer_norm(weight, bias, gamma),
        folding.centre_writing_weights(weight, bias),
    ]
    kernel, image = np.ones((3, 2, 1, 1), np.float32), np.ones((1, 2, 3, 3), np.float32)
    results.append([bn_folding.conv2d(image, kernel, bias)])
    assert {array.dtype for result in results for array in result} == {weight.dtype}


@pytest.mark.parametrize("v", [np.array([3e200, 4e200]), np.array([3e-200, 4e-200])])
def test_weight_norm_jacobian_of_any_length(v):
    dv, dg = jacobians.weight_norm_jacobian(v, 1.0)
    np.testing.assert_allclose(dg, [0.6, 0.8], rtol=1e-14)
    expected = np.array([[0.64, -0.48], [-0.48, 0.36]]) / (v[0] / 3 * 5)
    np.testing.assert_allclose(dv, expected, rtol=1e-14)


def test_weight_norm_jacobian_is_computed_in_float64():
    v = np.arange(1.0, 7.0, dtype=np.float32)
    dv, dg = jacobians.weight_norm_jacobian(v, 1.0)
    assert dv.dtype == dg.dtype == float
    assert jacobians.spectrum(dv).rank == 5
