"""The functions and the layers of one name are one arithmetic, right at any offset."""

import numpy as np
import pytest

import normlib
from normlib.nets import norm_layers
from normlib.nets.network import Network

SHAPES = [(60, 100), (3, 2000), (2000, 3), (8192, 2), (4, 5, 6), (3, 8, 4, 5)]
OFFSETS = [0, 1, 1e2, 1e4, 1e6]
LAYERS = {
    "batch": (norm_layers.BatchNorm, ()),
    "layer": (norm_layers.LayerNorm, ()),
    "rms": (norm_layers.RMSNorm, ()),
    "instance": (norm_layers.InstanceNorm, ()),
    "group": (norm_layers.GroupNorm, (2,)),
}


def fits(norm, shape):
    """Say whether function and layer take x of this shape with the same gamma."""
    channels = shape[1] if len(shape) == 4 else shape[-1]
    if norm == "group" and (channels % 2 or channels == 2 and len(shape) == 2):
        return False
    # For images the layers have one gamma per channel, not one per entry of x.
    return (norm != "instance" or len(shape) == 4) and not (
        norm in ("layer", "rms") and len(shape) == 4
    )


CASES = [(norm, shape) for norm in LAYERS for shape in SHAPES if fits(norm, shape)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize(("norm", "shape"), CASES)
def test_function_and_layer_agree_bit_for_bit(norm, shape, offset, dtype):
    rng = np.random.default_rng(len(shape) + shape[0])
    kind, options = LAYERS[norm]
    channels = shape[1] if len(shape) == 4 else shape[-1]
    x = (rng.normal(size=shape) + offset).astype(dtype)
    dy = rng.normal(size=shape).astype(dtype)
    gamma, beta = rng.normal(size=(2, channels)).astype(dtype)
    layer = Network([kind(channels, *options)], dtype=dtype).layers[0]
    parameters = {"gamma": gamma} if norm == "rms" else {"gamma": gamma, "beta": beta}
    for name, value in parameters.items():
        layer.params[name][...] = value
    y, cache = getattr(normlib, f"{norm}_norm")(x, *options, **parameters)
    dx, *gradients = getattr(normlib, f"{norm}_norm_backward")(dy, cache)
    np.testing.assert_array_equal(layer.forward(x), y, strict=True)
    np.testing.assert_array_equal(layer.backward(dy), dx, strict=True)
    for name, gradient in zip(parameters, gradients, strict=True):
        np.testing.assert_array_equal(layer.grads[name], gradient, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_layers_for_images_agree_bit_for_bit(norm, dtype):
    """The function has one gamma per entry, so they are compared without one."""
    x, dy = np.random.default_rng(0).normal(3, 2, (2, 3, 4, 5, 6)).astype(dtype)
    layer = Network([LAYERS[norm][0](4)], dtype=dtype).layers[0]
    y, cache = getattr(normlib, f"{norm}_norm")(x, axes=(1, 2, 3))
    dx, *_ = getattr(normlib, f"{norm}_norm_backward")(dy, cache)
    np.testing.assert_array_equal(layer.forward(x), y, strict=True)
    np.testing.assert_array_equal(layer.backward(dy), dx, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(60, 100), (3, 4, 2, 5)])
def test_inference_and_layer_agree_bit_for_bit(shape, dtype):
    rng = np.random.default_rng(1)
    layer = Network([norm_layers.BatchNorm(shape[1])], dtype=dtype)
    x = rng.normal(1e4, 1, shape).astype(dtype)
    layer.forward(x)
    layer.eval()
    buffers = layer.layers[0].buffers
    ones, zeros = np.ones(shape[1], dtype), np.zeros(shape[1], dtype)
    expected = normlib.batch_norm_inference(
        x, buffers["running_mean"], buffers["running_var"], ones, zeros
    )
    np.testing.assert_array_equal(layer.forward(x), expected, strict=True)


@pytest.mark.parametrize("offset", OFFSETS[1:])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((60, 100), 0),
        ((60, 100), 1),
        ((256, 256), 0),
        ((256, 256), 1),
        ((257, 16), 0),
        ((8192, 16), 0),
        ((16, 8192), 1),
        ((8, 4, 64, 64), (0, 2, 3)),
        ((4, 256, 16), 1),
    ],
)
def test_float32_keeps_six_digits_of_x_hat_at_any_offset(shape, axes, offset):
    x = (np.random.default_rng(2).normal(size=shape) + offset).astype(np.float32)
    x_hat, _ = normlib.standardize(x, axes, eps=0)
    exact = x.astype(np.longdouble)
    exact -= exact.mean(axis=axes, keepdims=True)
    exact /= np.sqrt((exact**2).mean(axis=axes, keepdims=True))
    assert np.abs(x_hat - exact).max() <= 1e-6 * np.abs(exact).max()


@pytest.mark.parametrize("kind", [norm_layers.BatchNorm, norm_layers.LayerNorm])
def test_nan_travels_through_a_layer(kind):
    x = np.ones((4, 3))
    x[0, 0] = np.nan
    layer = kind(3)
    y = layer.forward(x)
    assert np.isnan(y[:, 0] if kind is norm_layers.BatchNorm else y[0]).all()
    assert np.isnan(layer.backward(x)).any()


@pytest.mark.parametrize("scale", [1e-30, 1e25])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_take_float32_of_any_scale(name, scale):
    kind, options = LAYERS[name]
    x = np.random.default_rng(3).normal(size=(6, 4, 3, 2))
    nets = [Network([kind(4, *options, eps=0)], dtype=d) for d in ("f4", "f8")]
    # A running variance of 1e50 is no float32: look without keeping it.
    y, expected = (net.set_mode("probe").forward(x * scale) for net in nets)
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-6)
