"""How signals and gradients change with depth, measured and predicted.

A deep network at its random start already shows whether it can be trained: a
gradient that shrinks or grows by a factor per layer is hopeless after fifty.

Which networks then do train is in `normlib.depth.trainability`.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, float_array, generator, integer
from normlib.datasets import digits_split
from normlib.depth.gradient_rates import gradient_rate
from normlib.depth.mean_field import activation_moments, check_gain, correlation_map
from normlib.nets.layers import Residual
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import Network, mlp
from normlib.nets.norm_layers import NETWORK_NORMS

GRID = np.linspace(-1, 1, 51)


class DepthProfile(NamedTuple):
    """Signals and gradients by layer, of K random networks of L hidden layers.

    Attributes
    ----------
    layers : ndarray of int of shape (L,)
        1 is next to the input.
    rms, mean : ndarray of shape (K, L)
        Root mean square and mean of the activations.
    cosine : ndarray of shape (K, L)
        Mean cosine between the activations of two samples; 1 means that the
        layer no longer tells samples apart.
    gradient : ndarray of shape (K, L)
        Length of the gradient of the loss by the activations of the batch.
    predicted_rms, predicted_cosine : ndarray of shape (L,)
        For wide networks.
    predicted_gradient : ndarray of shape (L,)
        The same, relative to the last hidden layer.
    """

    layers: np.ndarray
    rms: np.ndarray
    mean: np.ndarray
    cosine: np.ndarray
    gradient: np.ndarray
    predicted_rms: np.ndarray
    predicted_cosine: np.ndarray
    predicted_gradient: np.ndarray

    @property
    def relative_gradient(self):
        """Gradient over that of the last hidden layer, shape (K, L); 0 if dead."""
        last = self.gradient[:, -1:]
        return self.gradient / np.where(last > 0, last, 1.0)


class RateMeasurement(NamedTuple):
    """Growth of the squared gradient per layer towards the input.

    Attributes
    ----------
    rates : ndarray of shape (K,)
        One per network, from the slope over the middle layers.
    predicted : float
        The rate of an infinitely wide network.
    profile : DepthProfile
        What the slope was fitted to.
    """

    rates: np.ndarray
    predicted: float
    profile: DepthProfile


def depth_profile(
    depth,
    *,
    activation="relu",
    norm=None,
    skip=False,
    init="he",
    gain=1.0,
    data="digits",
    width=64,
    batch_size=128,
    networks=3,
    eps=1e-5,
    rng=0,
):
    """Follow signals up and gradients down through random networks.

    Parameters
    ----------
    depth : int
        Number of hidden layers L.
    activation : {"linear", "relu", "tanh", "sigmoid"}
        Of the hidden layers; default "relu".
    norm : {None, "batch", "layer", "rms"}
        Norm of the pre-activations, batch norm in training mode; default None.
    skip : bool
        Whether each hidden layer adds to its input, ``h + phi(norm(h W))``. The
        width must be that of the data. Default False.
    init : {"he", "glorot", "lecun", "orthogonal"} or float
        How weights are drawn, or their standard deviation, at most 1e50; default
        "he".
    gain : float
        Factor on all weights, at most 1e50; default 1.
    data : {"digits", "gaussian"}
        Standardized digits with cross-entropy, or Gaussian inputs and a random
        gradient at the output; default "digits".
    width : int
        Units per hidden layer; default 64.
    batch_size : int
        Samples, at least 2, with batch norm 4; default 128.
    networks : int
        Number of networks K, each with weights and data of its own; default 3.
    eps : float
        Of the norm; default 1e-5.
    rng : int or numpy.random.Generator
        Seed or generator; default 0.

    Returns
    -------
    DepthProfile

    References
    ----------
    Glorot, Bengio 2010, section 4.2; Yang et al. 2019, arXiv:1902.08129;
    Poole et al. 2016, arXiv:1606.05340 (cosines).

    Examples
    --------
    >>> profile = depth_profile(20, activation="sigmoid", init="glorot")
    >>> bool((profile.relative_gradient[:, 0] < 1e-10).all())  # vanishes
    True
    >>> profile = depth_profile(20, activation="relu", norm="batch")
    >>> bool((profile.relative_gradient[:, 0] > 10).all())  # explodes
    True
    """
    depth, width = integer("depth", depth), integer("width", width, minimum=2)
    choice("norm", norm, NETWORK_NORMS)
    choice("data", data, ("digits", "gaussian"))
    gain = check_gain("gain", gain)
    if not isinstance(init, str):
        init = check_gain("init", init)
    # With batch norm two samples pass no gradient, and three one of infinite
    # mean square.
    least = 4 if norm == "batch" else 2
    batch_size = integer("batch_size", batch_size, minimum=least)
    rng = generator(rng)
    measured = []
    for _ in range(integer("networks", networks)):
        x, loss_gradient = _draw_data(data, batch_size, width, rng)
        if skip and x.shape[1] != width:
            raise ValueError(f"width must be {x.shape[1]} with skip, got {width}")
        n_out = 10 if data == "digits" else width
        net = mlp(
            [x.shape[1]] + [width] * depth + [n_out],
            activation=activation,
            norm=norm,
            init=init,
            gain=gain,
            eps=eps,
            bias=False,
            rng=rng,
        )
        net, ends = _hidden_layers(net, depth, skip)
        with np.errstate(over="ignore", invalid="ignore"):
            measured.append(_measure(net, ends, x, loss_gradient))
    rms, mean, cosine, gradient = np.moveaxis(np.array(measured), 1, 0)
    layers = np.arange(1, depth + 1)
    scales = _weight_scales(init, gain, x.shape[1], width)
    if skip:
        predicted = _predict_with_skips(x, depth, activation, norm)
    else:
        predicted = _predict(x, depth, activation, norm, scales)
    return DepthProfile(layers, rms, mean, cosine, gradient, *predicted)


def measure_gradient_rate(
    activation="relu",
    norm="batch",
    *,
    init="lecun",
    gain=1.0,
    batch_size=128,
    width=256,
    depth=40,
    networks=3,
    rng=0,
):
    """Measure by what factor the squared gradient grows per layer.

    Parameters
    ----------
    activation, norm, init, gain, batch_size, rng
        As for `depth_profile`; default ReLU with batch norm and LeCun's
        initialisation. For batch norm the batch has at least 4 samples.
    width : int
        Units per layer; default 256. Narrow layers with large batches grow
        faster than predicted, by about batch_size / width percent.
    depth : int
        Number of hidden layers, at least 10; default 40.
    networks : int
        Number of networks K; default 3.

    Returns
    -------
    RateMeasurement

    Notes
    -----
    With eps = 0, Gaussian inputs and a random gradient at the output. The rate
    is the slope of ``log |gradient|**2`` over the layers from 30% to 90% of the
    depth, away from both ends.

    References
    ----------
    Yang et al. 2019, arXiv:1902.08129, theorem 3.10.

    Examples
    --------
    >>> found = measure_gradient_rate("linear", batch_size=8, networks=3)
    >>> round(found.predicted, 3), bool(abs(found.rates.mean() - 1.2) < 0.06)
    (1.2, True)
    """
    depth = integer("depth", depth, minimum=10)
    profile = depth_profile(
        depth,
        activation=activation,
        norm=norm,
        init=init,
        gain=gain,
        data="gaussian",
        width=width,
        batch_size=batch_size,
        networks=networks,
        eps=0.0,
        rng=rng,
    )
    middle = slice(round(0.3 * depth), round(0.9 * depth))
    log_square = 2 * np.log(np.maximum(profile.gradient, 1e-300))
    slopes = np.polyfit(profile.layers[middle], log_square[:, middle].T, 1)[0]
    _, hidden_gain = _weight_scales(init, gain, width, width)
    predicted = gradient_rate(
        activation,
        norm,
        gain=np.sqrt(hidden_gain),
        batch_size=batch_size if norm == "batch" else None,
    )
    return RateMeasurement(np.exp(-slopes), predicted, profile)


def mean_cosine(activations):
    """Return the mean cosine between the activations of two samples.

    Parameters
    ----------
    activations : ndarray of shape (N, D)
        At least 2 samples.

    Returns
    -------
    float
        Mean over all pairs of different samples; a zero vector counts as 0.

    Examples
    --------
    >>> round(mean_cosine(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])), 4)
    0.3333
    """
    activations = float_array("activations", activations, ndim=2, finite=False)
    if len(activations) < 2:
        raise ValueError(
            f"activations must hold at least 2 samples, got shape {activations.shape}; "
            "one sample makes no pair"
        )
    length = np.sqrt((activations * activations).sum(axis=1, keepdims=True))
    units = activations / np.where(length > 0, length, 1.0)
    n, total = len(units), units.sum(axis=0)
    return float((total @ total - (units * units).sum()) / (n * (n - 1)))


def _draw_data(data, batch_size, width, rng):
    """Return a batch, and a function from the outputs to the loss's gradient."""
    if data == "gaussian":
        x = rng.standard_normal((batch_size, width))
        return x, lambda outputs: rng.standard_normal(outputs.shape)
    digits = digits_split(rng, standardized=True)
    if batch_size > len(digits.x_train):
        raise ValueError(
            f"batch_size must be at most {len(digits.x_train)}, the number of "
            f"training digits, got {batch_size}"
        )
    x, labels = digits.x_train[:batch_size], digits.y_train[:batch_size]
    return x, lambda outputs: softmax_cross_entropy(outputs, labels)[1]


def _hidden_layers(net, depth, skip):
    """Return the network, with skips if asked, and where its hidden layers end."""
    size = (len(net.layers) - 1) // depth  # linear map, norm, activation
    starts = range(0, size * depth, size)
    if not skip:
        return net, [start + size - 1 for start in starts]
    blocks = [Residual(net.layers[start : start + size]) for start in starts]
    return Network([*blocks, net.layers[-1]]), range(depth)


def _measure(net, ends, x, loss_gradient):
    """Return rms, mean, cosine and gradient of each hidden layer, shape (4, L)."""
    outputs = net.forward(x, record=True)
    net.backward(loss_gradient(outputs), record=True)
    hidden = [net.outputs[end] for end in ends]
    return [
        [np.sqrt((h * h).mean()) for h in hidden],
        [h.mean() for h in hidden],
        [mean_cosine(h) for h in hidden],
        [np.linalg.norm(net.output_grads[end]) for end in ends],
    ]


def _weight_scales(init, gain, n_in, width):
    """Return ``n_in`` times the variance of the weights, first and hidden layers."""

    def scale(n_in, n_out):
        named = {
            "he": 2.0,
            "lecun": 1.0,
            "glorot": 2 * n_in / (n_in + n_out),
            "orthogonal": n_in / max(n_in, n_out),
        }
        known = named[init] if isinstance(init, str) else n_in * init**2
        return gain**2 * known

    return scale(n_in, width), scale(width, width)


def _predict(x, depth, activation, norm, scales):
    """Return rms, cosine and relative gradient by layer for wide networks."""
    length = np.sqrt((x * x).sum(axis=1))
    units = x / np.where(length > 0, length, 1.0)[:, None]
    cosines = (units @ units.T)[np.triu_indices(len(x), 1)].clip(-1, 1)
    mean_square = (x * x).mean()
    rms, cosine, factor = [], [], []
    for scale in [scales[0]] + [scales[1]] * (depth - 1):
        variance = scale * mean_square if norm is None else 1.0
        variance = min(max(variance, 1e-300), 1e300)
        if norm == "batch":
            cosines = np.full(1, -1 / (len(x) - 1))
        _, mean_square, slope_square = activation_moments(activation, variance)
        cosines = _map_many(cosines, activation, variance)
        factor.append(scale * slope_square if norm is None else np.nan)
        rms.append(np.sqrt(mean_square))
        cosine.append(cosines.mean())
    if norm is not None:
        batch_size = len(x) if norm == "batch" else None
        factor = [gradient_rate(activation, norm, batch_size=batch_size)] * depth
    with np.errstate(over="ignore", divide="ignore"):
        log_growth = np.cumsum(np.log(factor[:0:-1]))[::-1]
        gradient = np.exp(0.5 * np.append(log_growth, 0.0))
    return np.array(rms), np.array(cosine), gradient


def _predict_with_skips(x, depth, activation, norm):
    """Return the same with skips; a cosine and a network without norm: unknown.

    The norm divides by the size of the stream, which each layer adds to, so a layer
    stretches the squared gradient by ``1 + E[phi'**2] / size`` only.
    """
    mean, mean_square, slope_square = activation_moments(activation)
    added = np.arange(depth + 1)
    size = (x * x).mean() + (mean_square - mean**2) * added + (mean * added) ** 2
    unknown = np.full(depth, np.nan)
    if norm is None:
        return unknown, unknown, unknown
    rms = np.sqrt(size[1:])
    if norm == "batch":
        size = x.var(axis=0).mean() + (mean_square - mean**2) * added
    log_growth = np.cumsum(np.log1p(slope_square / size[1:-1])[::-1])[::-1]
    return rms, unknown, np.exp(0.5 * np.append(log_growth, 0.0))


def _map_many(cosines, activation, variance):
    """Apply `correlation_map` to many values, by a table where it is an integral."""
    if activation in ("linear", "relu"):
        return correlation_map(cosines, activation, variance)
    return np.interp(cosines, GRID, _table(activation, float(f"{variance:.6g}")))


@lru_cache(maxsize=256)
def _table(activation, variance):
    return correlation_map(GRID, activation, variance)
