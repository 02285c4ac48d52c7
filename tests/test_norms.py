"""The norms: gradients, references, invariances, rounding and bad input."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch_reference as reference
from gradient_checks import central_differences
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import normlib
from normlib import norms
from normlib.axes import NORMS, count_sets, index_sets
from normlib.axes import parameter_shape as shape_of_gamma

SHAPES = {"nd": (4, 6), "ntd": (3, 4, 6), "nchw": (2, 6, 3, 2)}
# Every norm in every layout that it has, with its options.
EVERY = {
    f"{norm} {layout} {options or ''}".strip(): (norm, shape, options)
    for layout, shape in SHAPES.items()
    for norm, options in [
        ("batch", {}),
        ("layer", {}),
        ("layer", {"axes": tuple(range(1, len(shape)))}),
        ("layer", {"axes": tuple(range(len(shape)))}),
        ("rms", {}),
        ("rms", {"axes": tuple(range(1, len(shape)))}),
        ("instance", {}),
        ("group", {"num_groups": 1}),
        ("group", {"num_groups": 3}),
    ]
    if (norm, layout) != ("instance", "nd")
}
every_norm = pytest.mark.parametrize("case", EVERY.values(), ids=EVERY)
CENTRED = {name: case for name, case in EVERY.items() if case[0] != "rms"}
every_centred_norm = pytest.mark.parametrize("case", CENTRED.values(), ids=CENTRED)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def functions(norm, options):
    """Return forward(x, gamma, beta, eps=...) and backward -> dx, dgamma[, dbeta]."""
    function = partial(getattr(normlib, f"{norm}_norm"), **options)

    def forward(x, gamma=None, beta=None, **kwargs):
        if norm == "rms":  # has no beta
            return function(x, gamma=gamma, **kwargs)
        return function(x, gamma=gamma, beta=beta, **kwargs)

    return forward, getattr(normlib, f"{norm}_norm_backward")


def parameters(rng, norm, shape, options, dtype=float):
    return rng.normal(size=(2, *shape_of_gamma(norm, shape, **options))).astype(dtype)


def exact(norm, x, gamma, beta, dy, options):
    """Return y, dx, dgamma, dbeta by the equations, in long double."""
    x, gamma, beta, dy = (a.astype(np.longdouble) for a in (x, gamma, beta, dy))
    options = dict(options)
    eps = np.longdouble(options.pop("eps", 1e-5))
    sets = index_sets(norm, x.shape, **options)
    counts = np.bincount(sets.ravel())

    def mean(a):
        total = np.zeros(len(counts), np.longdouble)
        np.add.at(total, sets.ravel(), a.ravel())
        return (total / counts)[sets]

    channels = {2: (1, -1), 3: (1, 1, -1), 4: (1, -1, 1, 1)}[x.ndim]
    over_axes = norm in ("layer", "rms")
    view = (1,) * (x.ndim - gamma.ndim) + gamma.shape if over_axes else channels
    others = tuple(a for a, n in enumerate(gamma.reshape(view).shape) if n == 1)
    centred = x if norm == "rms" else x - mean(x)
    inv_std = 1 / np.sqrt(mean(centred**2) + eps)
    x_hat = centred * inv_std
    d = dy * gamma.reshape(view)
    dx = d - x_hat * mean(d * x_hat)
    if norm != "rms":
        dx -= mean(d)
    dgamma = (dy * x_hat).sum(axis=others).reshape(gamma.shape)
    dbeta = dy.sum(axis=others).reshape(gamma.shape)
    shift = 0 if norm == "rms" else beta.reshape(view)
    return x_hat * gamma.reshape(view) + shift, inv_std * dx, dgamma, dbeta


# --- gradients ------------------------------------------------------------------


@every_norm
@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_gradients_agree_with_central_differences(case, eps, rng):
    norm, shape, options = case
    forward, backward = functions(norm, options)
    x, dy = rng.normal(size=(2, *shape))
    gamma, beta = parameters(rng, norm, shape, options)
    gradients = backward(dy, forward(x, gamma, beta, eps=eps)[1])
    for array, gradient in zip((x, gamma, beta), gradients, strict=False):
        expected = central_differences(
            lambda: (forward(x, gamma, beta, eps=eps)[0] * dy).sum(), array
        )
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)


@every_norm
def test_gradients_without_parameters_are_those_of_gamma_one_and_beta_zero(case, rng):
    norm, shape, options = case
    forward, backward = functions(norm, options)
    x, dy = rng.normal(size=(2, *shape))
    gamma, _ = np.ones_like(parameters(rng, norm, shape, options))
    y, cache = forward(x)
    y_ones, cache_ones = forward(x, gamma, 0 * gamma)
    np.testing.assert_array_equal(y, y_ones)
    for a, b in zip(backward(dy, cache), backward(dy, cache_ones), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("axes", [0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_standardize_over_any_axes(axes, rng):
    x, d = rng.normal(size=(2, 3, 4, 5))
    x_hat, stats = normlib.standardize(x, axes, eps=0.3)
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    np.testing.assert_allclose(stats.mean, mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(stats.var, var, rtol=1e-12)
    np.testing.assert_allclose(x_hat, (x - mean) / np.sqrt(var + 0.3), rtol=1e-11)
    dx = normlib.standardize_backward(d, x_hat, stats.inv_std, axes)
    expected = central_differences(
        lambda: (normlib.standardize(x, axes, eps=0.3)[0] * d).sum(), x
    )
    np.testing.assert_allclose(dx, expected, rtol=1e-6, atol=1e-7)


def test_weight_norm_gradients_agree_with_central_differences(rng):
    v, dw = rng.normal(size=(2, 3, 4))
    g = rng.normal(size=3)
    _, cache = normlib.weight_norm(v, g)
    dv, dg = normlib.weight_norm_backward(dw, cache)
    for array, gradient in ((v, dv), (g, dg)):
        expected = central_differences(
            lambda: (normlib.weight_norm(v, g)[0] * dw).sum(), array
        )
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


def test_weight_norm_sets_lengths_and_its_gradient_is_orthogonal(rng):
    v, dw = rng.normal(size=(2, 5, 7))
    g = rng.normal(size=5)
    w, cache = normlib.weight_norm(v, g)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), abs(g), rtol=1e-14)
    np.testing.assert_allclose(normlib.weight_norm(7 * v, g)[0], w, rtol=1e-14)
    dv, _ = normlib.weight_norm_backward(dw, cache)
    np.testing.assert_allclose((v * dv).sum(axis=1), 0, atol=1e-14)


# --- reference values of PyTorch --------------------------------------------------


@pytest.fixture(scope="module")
def stored():
    with np.load(reference.FILE) as file:
        return dict(file)


def run(norm, inputs, options):
    x, gamma, beta, dy = inputs
    forward, backward = functions(norm, options)
    y, cache = forward(x, gamma, beta)
    return [y, *backward(dy, cache)]


@pytest.mark.parametrize("key", reference.CASES)
def test_stored_values_of_pytorch(key, stored):
    norm, _, _, options = reference.CASES[key]
    inputs = [stored[f"{key}/{name}"] for name in ("x", "gamma", "beta", "upstream")]
    results = run(norm, inputs, options)
    names = ("y", "dx", "dgamma", "dbeta")
    for name, result in zip(names, results, strict=norm != "rms"):
        np.testing.assert_allclose(
            result, stored[f"{key}/{name}"], rtol=1e-11, atol=1e-13, err_msg=name
        )


@pytest.mark.parametrize("key", reference.CASES)
def test_live_values_of_pytorch(key, rng):
    pytest.importorskip("torch")
    norm, shape, parameter_shape, options = reference.CASES[key]
    inputs = reference.random_inputs(rng, shape, parameter_shape)
    expected = reference.torch_results(norm, *inputs, options)
    for a, b in zip(run(norm, inputs, options), expected, strict=norm != "rms"):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_stored_weight_norm_of_pytorch(stored):
    v, g, dw, *expected = (
        stored[f"weight/{name}"] for name in ("v", "g", "upstream", "w", "dv", "dg")
    )
    w, cache = normlib.weight_norm(v, g)
    results = [w, *normlib.weight_norm_backward(dw, cache)]
    for a, b in zip(results, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_stored_inference_of_pytorch(stored):
    x = stored["running/batches"][0]
    mean, var, y = (stored[f"running/0.1/{name}"] for name in ("mean", "var", "y"))
    np.testing.assert_allclose(
        normlib.batch_norm_inference(x, mean, var), y, rtol=1e-12, atol=1e-14
    )


# --- rounding ---------------------------------------------------------------------


def root_mean_square(a):
    return float(np.sqrt(np.mean(a.astype(np.longdouble) ** 2)))


def assert_no_worse_than_pytorch(norm, inputs, theirs, options, offset):
    ours = run(norm, inputs, options)
    expected = exact(norm, *inputs, options)
    names = ("y", "dx", "dgamma", "dbeta")
    for name, a, b, exactly in zip(names, ours, theirs, expected, strict=False):
        assert a.dtype == np.float32
        error, their_error = (
            root_mean_square(a - exactly),
            root_mean_square(b - exactly),
        )
        # One sample of rounding errors scatters, so equal means up to 1.5 times; and
        # correct to the last bit is as good as float32 can be.
        last_bit = np.finfo(np.float32).eps * root_mean_square(exactly)
        assert error <= max(1.5 * their_error, last_bit), (name, error, their_error)
        if offset >= 100 and norm != "rms" and name in ("y", "dx", "dgamma"):
            assert error < 0.3 * their_error, name  # theirs subtracts no second time


@pytest.mark.parametrize("offset", reference.OFFSETS)
@pytest.mark.parametrize("norm", reference.FLOAT32)
def test_float32_rounds_no_worse_than_stored_pytorch(norm, offset, stored):
    key = f"float32/{norm}/{offset:g}"
    inputs = [stored[f"{key}/{name}"] for name in ("x", "gamma", "beta", "upstream")]
    theirs = [stored[f"{key}/{name}"] for name in ("y", "dx", "dgamma", "dbeta")]
    options = reference.FLOAT32[norm][2]
    assert_no_worse_than_pytorch(norm, inputs, theirs, options, offset)


@pytest.mark.parametrize("offset", [0.0, 0.9, 1.1, 10.0, 1e4])
@pytest.mark.parametrize(
    ("norm", "shape", "options"),
    [
        ("batch", (60, 100), {}),
        ("batch", (2000, 96), {}),
        ("batch", (40, 8, 16, 16), {}),
        ("layer", (60, 100), {}),
        ("layer", (512, 768), {}),
        ("instance", (40, 8, 16, 16), {}),
        ("group", (40, 8, 16, 16), {"num_groups": 2}),
        ("rms", (512, 768), {}),
    ],
)
def test_float32_rounds_no_worse_than_pytorch_live(norm, shape, options, offset, rng):
    pytest.importorskip("torch")
    parameter_shape = shape_of_gamma(norm, shape, **options)
    inputs = reference.random_inputs(rng, shape, parameter_shape, offset, np.float32)
    theirs = reference.torch_results(norm, *inputs, options)
    assert_no_worse_than_pytorch(norm, inputs, theirs, options, offset)


@every_centred_norm
def test_one_pass_variance_would_fail_here(case, rng):
    """At 1e4 standard deviations from 0, float32 keeps 5 digits of x_hat."""
    norm, shape, options = case
    x = (rng.normal(size=shape) + 1e4).astype(np.float32)
    y, cache = functions(norm, options)[0](x)
    gamma, beta = np.ones(shape_of_gamma(norm, shape, **options)), 0.0
    expected = exact(norm, x, gamma, gamma * beta, x, options)[0]
    np.testing.assert_allclose(y, expected.astype(float), rtol=0, atol=3e-6)
    one_pass = (x**2).mean(dtype=np.float32) - x.mean(dtype=np.float32) ** 2
    assert abs(one_pass - x.astype(float).var()) > 0.5  # the formula is useless here


@every_norm
@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e18, 1e30])
def test_float32_of_any_scale_is_standardized(case, scale, rng):
    norm, shape, options = case
    x = rng.normal(size=shape)
    forward, backward = functions(norm, options)
    expected, _ = forward(x, eps=0)
    y, cache = forward((x * scale).astype(np.float32), eps=0)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-6)
    if norm != "rms":
        var = forward(x, eps=0)[1].var * scale**2
        tiny = np.finfo(np.float32).tiny
        np.testing.assert_allclose(cache.var, var, rtol=1e-4, atol=tiny)
    dy = rng.normal(size=shape)
    expected = backward(dy, forward(x, eps=0)[1])[0]
    dx = backward(dy.astype(np.float32), cache)[0].astype(float)
    np.testing.assert_allclose(dx * scale, expected, rtol=2e-4, atol=2e-5)


def test_a_float64_variance_that_overflows_is_an_error():
    with pytest.raises(ValueError, match="x is too large: the variance overflows"):
        normlib.batch_norm(np.array([[1e200], [-1e200]]))


@every_centred_norm
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e4 / 3, 1e-12, 3e7])
@pytest.mark.parametrize("eps", [0, 1e-5])
def test_a_constant_becomes_exactly_zero(case, dtype, value, eps, rng):
    norm, shape, options = case
    forward, backward = functions(norm, options)
    y, cache = forward(np.full(shape, value, dtype), eps=eps)
    np.testing.assert_array_equal(y, 0)
    np.testing.assert_array_equal(cache.var, 0)
    assert {a.dtype for a in cache[:4]} == {np.dtype(dtype)}
    np.testing.assert_array_equal(cache.mean, np.dtype(dtype).type(value))
    expected = 0 if eps == 0 else eps**-0.5
    np.testing.assert_allclose(cache.inv_std, expected, rtol=1e-6)
    for gradient in backward(rng.normal(size=shape), cache):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_over_many_samples_becomes_exactly_zero(dtype):
    x = np.full((9000, 100), 1 / 3, dtype)
    x[:, 1] = np.arange(9000) % 7
    y, cache = normlib.batch_norm(x, eps=0)
    np.testing.assert_array_equal(np.delete(y, 1, axis=1), 0)
    np.testing.assert_allclose(y[:, 1].std(), 1, rtol=1e-5)


@pytest.mark.parametrize("shape", [(9000, 100), (60, 4, 50, 50)])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_large_arrays_far_from_zero(norm, shape, rng):
    x = (rng.normal(size=shape) + 1e4).astype(np.float32)
    forward, _ = functions(norm, {})
    y, cache = forward(x)
    expected, exactly = forward(x.astype(float))
    np.testing.assert_allclose(y, expected, rtol=0, atol=4e-6)
    np.testing.assert_allclose(cache.var, exactly.var, rtol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
def test_images_with_many_positions(norm, rng):
    shape = (3, 4, 12, 13)
    options = {"num_groups": 2} if norm == "group" else {}
    inputs = [3 + rng.normal(size=shape), *parameters(rng, norm, shape, options)]
    inputs.append(rng.normal(size=shape))
    expected = exact(norm, *inputs, options)
    for a, b in zip(run(norm, inputs, options), expected, strict=True):
        np.testing.assert_allclose(a, b.astype(float), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("norm", ["layer", "rms", "group", "instance"])
def test_wide_sets(norm, rng):
    shape = (3, 1300) if norm in ("layer", "rms") else (3, 2, 1, 1300)
    options = {"num_groups": 2} if norm == "group" else {}
    inputs = [3 + rng.normal(size=shape), *parameters(rng, norm, shape, options)]
    inputs.append(rng.normal(size=shape))
    expected = exact(norm, *inputs, options)
    for a, b in zip(run(norm, inputs, options), expected, strict=False):
        np.testing.assert_allclose(a, b.astype(float), rtol=1e-11, atol=1e-12)


def test_zeros_stay_zeros_under_rms_norm_without_eps():
    y, cache = normlib.rms_norm(np.zeros((2, 3)), eps=0)
    np.testing.assert_array_equal(y, 0)
    np.testing.assert_array_equal(cache.inv_rms, 0)


@pytest.mark.parametrize("axes", [1.0, (1.0,), True, (True,), "1", None, (), (1, 1)])
def test_axes_that_are_no_axes_are_named(axes):
    x = np.eye(2, 3)
    normlib.layer_norm(x, axes=1)  # 1.0 and True hash as 1: none of them is let in
    for function in (normlib.layer_norm, normlib.rms_norm):
        with pytest.raises(ValueError, match="axes must be different axes of x"):
            function(x, axes=axes)


@pytest.mark.parametrize("axes", [-1, np.int64(1), [1], (np.int8(-1),)])
def test_axes_may_be_any_whole_number_or_a_sequence(axes):
    x = np.eye(2, 3)
    expected, _ = normlib.layer_norm(x)
    np.testing.assert_array_equal(normlib.layer_norm(x, axes=axes)[0], expected)


@pytest.mark.parametrize("num_groups", [2.0, True, "2", None, [2], np.array(2)])
def test_a_number_of_groups_is_whole_also_after_a_call_with_2(num_groups):
    x = np.ones((3, 4))
    normlib.group_norm(x, 2)
    normlib.group_norm(x, 1)
    with pytest.raises((TypeError, ValueError), match="num_groups"):
        normlib.group_norm(x, num_groups)


@pytest.mark.parametrize("eps", ["1e-5", None, True, np.ones(2), np.array([1e-5])])
def test_an_eps_that_is_no_number_is_named(eps):
    with pytest.raises(TypeError, match="eps must be one number"):
        normlib.batch_norm(np.eye(2), eps=eps)


def test_a_cache_of_another_kind_is_refused(rng):
    x = rng.normal(size=(4, 6))
    caches = {
        "layer_norm": normlib.layer_norm(x)[1],
        "rms_norm": normlib.rms_norm(x)[1],
        "weight_norm": normlib.weight_norm(x, np.ones(4))[1],
    }
    for norm, own in caches.items():
        backward = getattr(normlib, f"{norm}_backward")
        for cache in (*caches.values(), x, None):
            if cache is not own:
                with pytest.raises(TypeError, match=f"second result of {norm}, got"):
                    backward(x, cache)


def test_a_mask_is_not_silently_ignored():
    x = np.ma.masked_greater(np.eye(3), 0.5)
    with pytest.raises(TypeError, match="x must be a plain array, got a masked one"):
        normlib.batch_norm(x)


# --- dtypes -----------------------------------------------------------------------


@every_norm
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_results_have_the_float_type_of_x(case, dtype, rng):
    norm, shape, options = case
    forward, backward = functions(norm, options)
    x = rng.normal(size=shape).astype(dtype)
    # Neither float64 parameters, nor eps, nor dy may leak into the result.
    gamma, beta = parameters(rng, norm, shape, options)
    y, cache = forward(x, gamma, beta, eps=np.float64(1e-5))
    dx, *_ = backward(rng.normal(size=shape), cache)
    assert y.dtype == dx.dtype == dtype
    wide = np.float32 if dtype == np.float16 else dtype
    assert {a.dtype for a in cache[:4] if a is not None} == {np.dtype(wide)}
    assert y.shape == dx.shape == cache.x_hat.shape == shape


def test_float16_accumulates_in_float32(rng):
    x = (rng.normal(size=(3000, 4)) + 100).astype(np.float16)  # the sum is over 65504
    y, cache = normlib.batch_norm(x)
    expected, _ = normlib.batch_norm(x.astype(float))
    assert cache.mean.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [int, bool, np.uint8, complex, object, "U3"])
def test_other_types_are_refused(dtype):
    x = np.ones((4, 6), dtype)
    calls = [
        normlib.batch_norm,
        normlib.layer_norm,
        normlib.rms_norm,
        lambda x: normlib.group_norm(x, 2),
        lambda x: normlib.instance_norm(x[:, :, None]),
        lambda x: normlib.standardize(x, 0),
        lambda x: normlib.batch_norm_inference(x, np.zeros(6), np.ones(6)),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"x must hold floats.*x\.astype\(float\)"):
            call(x)
    with pytest.raises(TypeError, match="v must hold floats"):
        normlib.weight_norm(x, np.ones(4))
    _, cache = normlib.layer_norm(np.ones((4, 6)))
    with pytest.raises(TypeError, match="dy must hold floats"):
        normlib.layer_norm_backward(x, cache)
    with pytest.raises((TypeError, ValueError), match="gamma"):
        normlib.layer_norm(np.ones((4, 6)), np.ones(6, complex))


def test_lists_and_arrays_out_of_order_are_read(rng):
    x = rng.normal(size=(6, 4))
    expected, _ = normlib.layer_norm(x)
    for other in (x.tolist(), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(normlib.layer_norm(other)[0], expected, rtol=1e-13)
    expected, cache = normlib.batch_norm(x.T)
    y, other = normlib.batch_norm(np.ascontiguousarray(x.T))
    np.testing.assert_allclose(y, expected, rtol=1e-13)
    dx, *_ = normlib.batch_norm_backward(x.T, cache)
    np.testing.assert_allclose(
        dx, normlib.batch_norm_backward(np.ascontiguousarray(x.T), other)[0], rtol=1e-11
    )


@every_norm
def test_inputs_are_left_alone_and_y_is_no_view_of_the_cache(case, rng):
    norm, shape, options = case
    forward, backward = functions(norm, options)
    x, dy = rng.normal(size=(2, *shape))
    x_before, dy_before = x.copy(), dy.copy()
    y, cache = forward(x)
    first = backward(dy, cache)
    y += 1
    x += 1
    np.testing.assert_array_equal(x, x_before + 1)
    for a, b in zip(backward(dy, cache), first, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(dy, dy_before)


# --- what the norms mean ------------------------------------------------------------


@every_norm
def test_every_set_has_mean_0_and_variance_1(case, rng):
    norm, shape, options = case
    x = 3 * rng.normal(size=shape) + 2
    y, cache = functions(norm, options)[0](x, eps=0)
    sets = index_sets(norm, shape, **options)
    assert sets.max() + 1 == count_sets(norm, shape, **options)
    for label in np.unique(sets):
        assert np.mean(y[sets == label] ** 2) == pytest.approx(1, rel=1e-12)
        if norm == "rms":
            continue
        assert np.mean(y[sets == label]) == pytest.approx(0, abs=1e-14)
        # The statistics stand in the order of the labels.
        assert cache.mean.flat[label] == pytest.approx(x[sets == label].mean())
        assert cache.var.flat[label] == pytest.approx(x[sets == label].var())


@every_norm
def test_picture_and_maths_agree(case, rng):
    """Perturb one entry: the outputs that change are exactly those of its set."""
    norm, shape, options = case
    forward, _ = functions(norm, options)
    x = rng.normal(size=shape)
    y, _ = forward(x)
    index = tuple(rng.integers(shape))
    x[index] += 1
    changed = forward(x)[0] != y
    sets = index_sets(norm, shape, **options)
    np.testing.assert_array_equal(changed, sets == sets[index])


@every_norm
def test_invariances(case, rng):
    norm, shape, options = case
    forward, backward = functions(norm, options)
    x, dy = rng.normal(size=(2, *shape))
    y, cache = forward(x, eps=0)
    sets = index_sets(norm, shape, **options)
    scale = np.exp(rng.normal(size=sets.max() + 1))[sets]
    np.testing.assert_allclose(forward(scale * x, eps=0)[0], y, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(forward(-x, eps=0)[0], -y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(forward(y, eps=0)[0], y, rtol=1e-12, atol=1e-13)
    shifted, _ = forward(x + rng.normal(size=sets.max() + 1)[sets], eps=0)
    dx, *_ = backward(dy, cache)
    sums = np.bincount(sets.ravel(), dx.ravel())
    if norm == "rms":
        assert not np.allclose(shifted, y, atol=0.01)
        assert abs(sums).max() > 0.01
    else:
        np.testing.assert_allclose(shifted, y, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(sums, 0, atol=1e-13)
    # dx changes neither the mean nor the standard deviation, to first order.
    along_x_hat = np.bincount(sets.ravel(), (dx * y).ravel())
    np.testing.assert_allclose(along_x_hat, 0, atol=1e-12)
    # The gradient at a scaled input is the gradient divided by the scale.
    _, scaled = forward(scale * x, eps=0)
    np.testing.assert_allclose(
        backward(dy, scaled)[0] * scale, dx, rtol=1e-8, atol=1e-11
    )


def test_eps_stands_inside_the_root():
    y, cache = normlib.layer_norm(np.array([[-1.0, 1.0]]), eps=3.0)
    np.testing.assert_allclose(y, [[-0.5, 0.5]])
    np.testing.assert_allclose(cache.inv_std, 0.5)
    y, _ = normlib.rms_norm(np.array([[-1.0, 1.0]]), eps=3.0)
    np.testing.assert_allclose(y, [[-0.5, 0.5]])
    y = normlib.batch_norm_inference(np.array([[2.0]]), [0.0], [1.0], eps=3.0)
    np.testing.assert_allclose(y, 1)


def test_the_variance_is_over_n():
    _, cache = normlib.batch_norm(np.array([[0.0], [2.0]]))
    np.testing.assert_array_equal(cache.var, [1.0])


def test_layer_norm_is_batch_norm_of_the_transpose(rng):
    x = rng.normal(size=(5, 7))
    np.testing.assert_allclose(
        normlib.layer_norm(x)[0], normlib.batch_norm(x.T)[0].T, rtol=1e-13
    )


@pytest.mark.parametrize("shape", [(3, 8), (2, 4, 8), (2, 8, 3, 3)])
def test_group_norm_lies_between_layer_and_instance_norm(shape, rng):
    x = rng.normal(size=shape)
    every = tuple(range(1, len(shape)))
    np.testing.assert_allclose(
        normlib.group_norm(x, 1)[0], normlib.layer_norm(x, axes=every)[0], rtol=1e-12
    )
    if len(shape) > 2:
        np.testing.assert_allclose(
            normlib.group_norm(x, 8)[0], normlib.instance_norm(x)[0], rtol=1e-12
        )


def test_the_pixel_reading_is_layer_norm_of_moved_axes(rng):
    x = rng.normal(size=(2, 5, 3, 4))
    moved, _ = normlib.layer_norm(np.moveaxis(x, 1, -1))
    x_hat, _ = normlib.standardize(x, axes=1)
    np.testing.assert_allclose(x_hat, np.moveaxis(moved, -1, 1), rtol=1e-12)


def test_rms_norm_of_centred_data_is_layer_norm(rng):
    x = rng.normal(size=(4, 9))
    x -= x.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        normlib.rms_norm(x)[0], normlib.layer_norm(x)[0], rtol=1e-12
    )


def test_batch_norm_undoes_itself_with_gamma_std_and_beta_mean(rng):
    x = rng.normal(size=(9, 3)) * [1, 2, 3] + 4
    y, _ = normlib.batch_norm(x, x.std(axis=0), x.mean(axis=0), eps=0)
    np.testing.assert_allclose(y, x, rtol=1e-12)


@pytest.mark.parametrize("shape", [(8, 3), (4, 5, 3), (4, 3, 5, 2)])
def test_inference_with_the_statistics_of_the_batch_is_training(shape, rng):
    x = rng.normal(size=shape)
    gamma, beta = rng.normal(size=(2, 3))
    y, cache = normlib.batch_norm(x, gamma, beta)
    again = normlib.batch_norm_inference(x, cache.mean, cache.var, gamma, beta)
    np.testing.assert_allclose(again, y, rtol=1e-12, atol=1e-14)
    one = normlib.batch_norm_inference(x[:1], cache.mean, cache.var, gamma, beta)
    np.testing.assert_allclose(one, y[:1], rtol=1e-12, atol=1e-14)
    assert (
        normlib.batch_norm_inference(x.astype(np.float32), cache.mean, cache.var).dtype
        == np.float32
    )


def test_float32_inference_far_from_zero(rng):
    """The part of the running mean that float32 cannot hold is not lost."""
    x = (rng.normal(size=(50, 4)) + 1e4).astype(np.float32)
    mean, var = x.astype(float).mean(axis=0), x.astype(float).var(axis=0)
    gamma, beta = rng.normal(size=(2, 4))
    for parameters_ in ((), (gamma,), (gamma, beta)):
        y = normlib.batch_norm_inference(x, mean, var, *parameters_)
        expected = normlib.batch_norm_inference(
            x.astype(float), mean, var, *parameters_
        )
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6)


def test_two_samples_become_plus_and_minus_one(rng):
    y, _ = normlib.batch_norm(rng.normal(size=(2, 50)), eps=0)
    np.testing.assert_allclose(abs(y), 1, rtol=1e-12)


# --- properties -----------------------------------------------------------------------


@st.composite
def data_sets(draw):
    """Draw an array, far or near, tiny or huge, with constant features at times."""
    norm = draw(st.sampled_from(NORMS))
    ndim = draw(st.sampled_from([2, 3, 4] if norm != "instance" else [3, 4]))
    shape = draw(st.tuples(*[st.integers(2, 5)] * ndim))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=shape) + draw(st.sampled_from([0.0, 1.0, 1e4]))
    x *= draw(st.sampled_from([1e-12, 1.0, 1e12]))
    if draw(st.booleans()):
        x[:, 0] = x.flat[0]
    channels = shape[2] if ndim == 3 else shape[1]
    groups = [k for k in range(1, channels) if channels % k == 0]
    options = {"num_groups": draw(st.sampled_from(groups))} if norm == "group" else {}
    return norm, x.astype(dtype), options, rng


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(data_sets(), st.sampled_from([0.0, 1e-5]))
def test_any_data_agree_with_the_equations(drawn, eps):
    norm, x, options, rng = drawn
    forward, backward = functions(norm, options)
    gamma, beta = parameters(rng, norm, x.shape, options, x.dtype)
    dy = rng.normal(size=x.shape).astype(x.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, cache = forward(x, gamma, beta, eps=eps)
        dx, *_ = backward(dy, cache)
    assert y.dtype == dx.dtype == x.dtype
    assert y.shape == dx.shape == x.shape
    assert np.isfinite(y).all() and np.isfinite(dx).all()
    with np.errstate(divide="ignore", invalid="ignore"):
        expected, *_ = exact(norm, x, gamma, beta, dy, {**options, "eps": eps})
    if np.isfinite(expected).all():  # eps = 0 and a constant: 0/0 in the equations
        tolerance = 1e-5 if x.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(
            y, expected.astype(float), rtol=tolerance, atol=tolerance
        )


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
        elements=st.floats(-1e30, 1e30).map(lambda v: v if abs(v) > 1e-100 else 0.0),
    )
)
def test_layer_norm_is_bounded_by_the_root_of_its_width(x):
    """No entry of a standardized set exceeds sqrt(n - 1)."""
    y, _ = normlib.layer_norm(x, eps=0)
    assert np.isfinite(y).all()
    assert abs(y).max() <= np.sqrt(max(x.shape[1] - 1, 0)) * (1 + 1e-12)


# --- bad input ------------------------------------------------------------------------


@every_norm
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinity_are_refused_without_a_warning(case, bad, dtype, rng):
    norm, shape, options = case
    x = rng.normal(size=shape).astype(dtype)
    x.flat[[1, 5]] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=f"x must be finite, got 2 of {x.size}"):
            functions(norm, options)[0](x)


def test_nan_is_refused_in_large_arrays(rng):
    x = rng.normal(size=(9000, 100))
    x[8000, 3] = np.nan
    for function in (normlib.batch_norm, normlib.layer_norm, normlib.rms_norm):
        with pytest.raises(ValueError, match="got 1 of 900000 entries"):
            function(x)


@every_norm
def test_parameters_of_another_shape_are_never_broadcast(case, rng):
    norm, shape, options = case
    forward, _ = functions(norm, options)
    x = rng.normal(size=shape)
    right = shape_of_gamma(norm, shape, **options)
    names = ["gamma"] if norm == "rms" else ["gamma", "beta"]
    for wrong in {(), (1,), (1, *right), (*right[:-1], right[-1] + 1), shape} - {right}:
        for name in names:
            with pytest.raises(ValueError, match=rf"{name} must have shape"):
                forward(x, **{name: np.ones(wrong)})


@every_norm
def test_gradients_of_another_shape_are_never_broadcast(case, rng):
    norm, shape, options = case
    forward, backward = functions(norm, options)
    _, cache = forward(rng.normal(size=shape))
    for wrong in {(), shape[1:], (1, *shape[1:]), (*shape, 1), shape[::-1]} - {shape}:
        with pytest.raises(ValueError, match="dy must have the shape"):
            backward(np.ones(wrong), cache)


@pytest.mark.parametrize("eps", [-1e-5, np.nan, np.inf])
@every_norm
def test_eps_below_zero_is_refused(case, eps, rng):
    norm, shape, options = case
    with pytest.raises(ValueError, match="eps must be (at least 0|finite), got"):
        functions(norm, options)[0](rng.normal(size=shape), eps=eps)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: normlib.batch_norm(np.ones((0, 3))), "at least one entry"),
        (lambda: normlib.layer_norm(np.ones((3, 0))), "at least one entry"),
        (lambda: normlib.standardize(np.ones((0, 3)), 0), "at least one entry"),
        (lambda: normlib.batch_norm(np.ones((1, 3))), "more than one value per mean"),
        (lambda: normlib.batch_norm(np.ones((1, 3, 1, 1))), "more than one value"),
        (lambda: normlib.instance_norm(np.ones((4, 3, 1, 1))), "more than one value"),
        (lambda: normlib.instance_norm(np.ones((4, 3))), "more than one value"),
        (lambda: normlib.group_norm(np.ones((4, 3)), 3), "more than one value"),
        (lambda: normlib.batch_norm(np.ones(3)), r"\(N, D\), \(N, T, D\)"),
        (
            lambda: normlib.batch_norm(np.ones((1, 2, 3, 4, 5))),
            r"\(N, D\), \(N, T, D\)",
        ),
        (lambda: normlib.layer_norm(np.float64(3)), "at least one axis"),
        (lambda: normlib.layer_norm(np.ones((3, 4)), axes=2), "axes must be different"),
        (
            lambda: normlib.layer_norm(np.ones((3, 4)), axes=()),
            "axes must be different",
        ),
        (lambda: normlib.layer_norm(np.ones((3, 4)), axes=(1, 1)), "axes must be diff"),
        (
            lambda: normlib.layer_norm(np.ones((3, 4)), axes=0),
            "trailing axes.*moveaxis",
        ),
        (lambda: normlib.layer_norm(np.ones((3, 4, 5)), axes=1), "trailing axes"),
        (
            lambda: normlib.group_norm(np.ones((2, 6, 4)).transpose(0, 2, 1), 4),
            "num_groups must divide the 6 channels of x, got 4; "
            "choose one of 1, 2, 3, 6",
        ),
        (lambda: normlib.group_norm(np.ones((4, 6)), 0), "num_groups must be at least"),
        (
            lambda: normlib.batch_norm_inference(np.ones((1, 2)), [0.0, 0], [1.0, -1]),
            "running_var must be 0 or more, got -1",
        ),
        (
            lambda: normlib.batch_norm_inference(np.ones((1, 2)), [0.0], [1.0, 1]),
            r"running_mean must have shape \(2,\), got \(1,\)",
        ),
        (lambda: normlib.weight_norm(np.ones(3), np.ones(3)), "v must have shape"),
        (
            lambda: normlib.weight_norm(np.ones((3, 2)), np.ones(2)),
            "one length per row",
        ),
        (lambda: normlib.weight_norm(np.eye(3)[:2] * 0, np.ones(2)), "in row 0"),
        (
            lambda: normlib.weight_norm(np.array([[1.0], [np.nan]]), np.ones(2)),
            "in row 1",
        ),
    ],
)
def test_bad_input_gives_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_layer_norm_of_one_feature_is_zero():
    y, _ = normlib.layer_norm(np.array([[3.0], [4.0]]))
    np.testing.assert_array_equal(y, 0)


def test_weight_norm_of_any_scale(rng):
    v, g = rng.normal(size=(3, 4)), rng.normal(size=3)
    expected, _ = normlib.weight_norm(v, g)
    for scale in (1e-30, 1e30):
        w, _ = normlib.weight_norm((scale * v).astype(np.float32), g)
        assert w.dtype == np.float32
        np.testing.assert_allclose(w, expected, rtol=1e-5)


def test_every_function_of_the_norms_is_exported():
    for norm in (*NORMS, "weight"):
        name = f"{norm}_norm"
        for function in (name, f"{name}_backward"):
            assert getattr(normlib, function) is getattr(norms, function)
            assert function in normlib.__all__
    assert "batch_norm_inference" in normlib.__all__


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inference_refuses_nan_and_infinity(value):
    x = np.array([[1.0, value]])
    with pytest.raises(ValueError, match="x must be finite, got 1 of 2"):
        normlib.batch_norm_inference(x, np.zeros(2), np.ones(2))


@pytest.mark.parametrize("statistics", [(None, np.ones(2)), (np.zeros(2), None)])
def test_inference_needs_statistics(statistics):
    with pytest.raises(TypeError, match="running_mean and running_var must be arrays"):
        normlib.batch_norm_inference(np.ones((3, 2)), *statistics)


def test_float16_of_the_other_byte_order_is_computed_in_float32_too():
    x = np.random.default_rng(3).normal(size=(9, 64)).astype(np.float16)
    other = x.astype(x.dtype.newbyteorder())
    y, _ = normlib.layer_norm(x)
    np.testing.assert_array_equal(normlib.layer_norm(other)[0], y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_running_statistics_that_are_not_finite_are_refused(bad, which):
    statistics = [np.zeros(2), np.ones(2)]
    statistics[which][1] = bad
    with pytest.raises(ValueError, match="running_mean and running_var must be finite"):
        normlib.batch_norm_inference(np.ones((3, 2)), *statistics)


def test_rows_of_different_lengths_are_told_by_the_name_of_the_argument():
    ragged = [[1.0, 2.0], [3.0]]
    with pytest.raises(ValueError, match="x must be an array, got nested lists"):
        normlib.layer_norm(ragged)
    with pytest.raises(ValueError, match="gamma must be an array, got nested lists"):
        normlib.layer_norm(np.ones((2, 2)), ragged)


def test_a_cache_keeps_its_own_gamma(rng):
    x, dy = rng.normal(size=(2, 4, 6))
    gamma = np.full(6, 2.0)
    _, cache = normlib.layer_norm(x, gamma)
    dx, *_ = normlib.layer_norm_backward(dy, cache)
    gamma[:] = 0
    np.testing.assert_array_equal(normlib.layer_norm_backward(dy, cache)[0], dx)
    g = np.ones(4)
    _, cache = normlib.weight_norm(x, g)
    dv, _ = normlib.weight_norm_backward(dy, cache)
    g[:] = 0
    np.testing.assert_array_equal(normlib.weight_norm_backward(dy, cache)[0], dv)


def test_the_cache_of_another_norm_is_refused(rng):
    x = rng.normal(size=(4, 6))
    _, cache = normlib.layer_norm(x)
    with pytest.raises(TypeError, match="batch_norm, got that of layer_norm"):
        normlib.batch_norm_backward(x, cache)


NO_GAMMA = {
    "must be finite in float32": [np.array([1, np.nan]), np.array([1, 1e300])],
    "must be a plain array": [np.ma.masked_equal([1.0, 2.0], 1.0)],
}


@pytest.mark.parametrize(("message", "values"), NO_GAMMA.items())
def test_gamma_is_finite_and_has_no_mask(message, values):
    x = np.eye(2, dtype=np.float32)
    error = (TypeError, ValueError)
    for value in values:
        with pytest.raises(error, match=f"gamma {message}"):
            normlib.batch_norm(x, value)
        with pytest.raises(error, match=f"beta {message}"):
            normlib.layer_norm(x, None, value)
        with pytest.raises(error, match=f"g {message}"):
            normlib.weight_norm(x, value)
    with pytest.raises(ValueError, match="gamma must be finite"):
        normlib.batch_norm_inference(x, [0, 0], [1, 1], [1, np.inf])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_refused(bad):
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    dy = np.array([[bad, 0.0], [0.0, 0.0]])
    both = np.array([[bad, -bad], [0.0, 0.0]])
    for norm in ("batch", "layer", "rms"):
        _, cache = getattr(normlib, f"{norm}_norm")(x)
        with pytest.raises(ValueError, match="dy must be finite, got 1 of 4 entries"):
            getattr(normlib, f"{norm}_norm_backward")(dy, cache)
    _, cache = normlib.weight_norm(x, np.ones(2))
    with pytest.raises(ValueError, match="dw must be finite"):
        normlib.weight_norm_backward(both, cache)
    x_hat, stats = normlib.standardize(x, 0)
    with pytest.raises(ValueError, match="dx_hat must be finite"):
        normlib.standardize_backward(dy, x_hat, stats.inv_std, 0)
    with pytest.raises(ValueError, match="x_hat must be finite, got 1 of 4 entries"):
        normlib.standardize_backward(x, dy, stats.inv_std, 0)
    with pytest.raises(ValueError, match="inv_std must be finite"):
        normlib.standardize_backward(x, x_hat, dy[:1], 0)


def test_data_too_small_to_square_are_refused_unless_they_are_constant():
    x = np.array([[1.0, 1.0], [1.0, 3.0]]) * 1e-200
    for norm, wrong in (("batch", x), ("layer", x), ("rms", x[:1])):
        with pytest.raises(ValueError, match="x is too small: the variance underflows"):
            getattr(normlib, f"{norm}_norm")(wrong, eps=0)
    with pytest.raises(ValueError, match="x is too small"):
        normlib.standardize(x, 0, eps=0)
    assert not normlib.layer_norm(x[:1], eps=0)[0].any()
    assert not normlib.rms_norm(np.zeros((1, 2)), eps=0)[0].any()


def test_statistics_in_float16_do_not_lose_eps():
    mean, var = np.zeros(1, np.float16), np.ones(1, np.float16)
    y = normlib.batch_norm_inference(np.array([[1.0]]), mean, var, eps=1e-5)
    assert y[0, 0] == 1 / np.sqrt(1 + 1e-5)


def test_an_eps_beyond_all_floats_is_not_finite():
    with pytest.raises(ValueError, match="eps must be finite, got inf"):
        normlib.layer_norm(np.ones((2, 2)), eps=10**400)
