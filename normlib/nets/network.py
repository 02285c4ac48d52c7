"""A network: layers in a row, all parameters in one flat array."""

from collections.abc import Iterable
from contextlib import contextmanager
from copy import deepcopy
from itertools import zip_longest
from math import prod
from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    choice,
    data_type,
    generator,
    integer,
    number,
    real_array,
)
from normlib.nets.layers import (
    Linear,
    ReLU,
    Sigmoid,
    Tanh,
    WeightNormLinear,
    list_of_layers,
)
from normlib.nets.norm_layers import BatchNorm, norm_layer

__all__ = ["MODES", "Network", "mlp", "stack"]

# name: (use_batch_statistics, update_running)
MODES = {"train": (True, True), "eval": (False, False), "probe": (True, False)}
SETTING = (bool, int, float, str)  # arrays in a layer are parameters or of a pass
ACTIVATIONS = {"linear": None, "relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid}


class State(NamedTuple):
    """What :meth:`Network.state` returns and :meth:`Network.load` takes.

    Attributes
    ----------
    params : ndarray
        Copy of the parameters.
    buffers : list of dict of str to ndarray
        Copy of the running statistics of each layer.
    trainable : list of bool
        One per layer.
    mode : str
        The mode set last.
    switches : list of tuple of bool
        ``use_batch_statistics, update_running`` of each batch norm.
    """

    params: np.ndarray
    buffers: list
    trainable: list
    mode: str
    switches: list


class Network:
    """Layers in a row.

    Parameters
    ----------
    layers : sequence of Layer
        First to last. The network takes over their parameters.
    dtype : dtype, default float64
        Floating-point type of the parameters; the input is converted to it.
    networks : int, optional
        K for K copies computed at once, each with its own parameters.

    Raises
    ------
    ValueError
        If one layer has two places: it keeps what the gradient needs of one input
        only.

    Attributes
    ----------
    params, grads : ndarray of shape (P,) or (K, P)
        All parameters and, after ``backward``, their gradients. The arrays in
        ``layer.params`` and ``layer.grads`` are views into them.
    layers : list of Layer
        The layers in a row; ``walk()`` also gives those inside others.
    outputs, output_grads : list of ndarray
        The output of every layer, after ``forward(x, record=True)``, and its
        gradient, after ``backward(dout, record=True)``.
    mode : {"train", "eval", "probe"}
        The mode set last, at first "train".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> net = Network([Linear(2, 3, rng=rng), ReLU(), Linear(3, 1, rng=rng)])
    >>> net.forward(np.zeros((4, 2))).shape, net.params.shape
    ((4, 1), (13,))
    """

    def __init__(self, layers, *, dtype=np.float64, networks=None):
        self.layers = list_of_layers(layers, "Network")
        if not self.layers:
            raise ValueError("a network needs at least 1 layer, got none")
        self.dtype = data_type("dtype", dtype)
        if self.dtype not in (np.float32, np.float64):
            raise TypeError(f"dtype must be float32 or float64, got {self.dtype}")
        self.networks = networks if networks is None else integer("networks", networks)
        self.mode = "train"
        self._all_layers = list(_walk(self.layers))
        seen = set()
        for layer in self._all_layers:
            if layer in seen:
                raise ValueError(
                    f"each layer must have one place in a network, got {layer} twice; "
                    "make a new layer for each place"
                )
            seen.add(layer)
        self._gather()

    def _gather(self):
        """Move all parameters into one array and give the layers views of it."""
        lead = () if self.networks is None else (self.networks,)
        total = sum(
            prod(self._own_shape(layer, value))
            for layer in self.walk()
            for value in layer.params.values()
        )
        self._params = np.zeros(lead + (total,), self.dtype)
        self.grads = np.zeros_like(self.params)
        self.slices = {}  # (layer, name) -> where its entries are
        start = 0
        for layer in self.walk():
            for name, value in layer.params.items():
                shape = lead + self._own_shape(layer, value)
                size = prod(shape[len(lead) :])
                part = slice(start, start + size)
                self.slices[layer, name] = part
                start += size
                layer.params[name] = self.params[..., part].reshape(shape)
                layer.grads[name] = self.grads[..., part].reshape(shape)
                layer.params[name][...] = value
            for name, value in layer.buffers.items():
                shape = lead + self._own_shape(layer, value)
                layer.buffers[name] = np.broadcast_to(value, shape).astype(self.dtype)
            layer.networks = self.networks

    @staticmethod
    def _own_shape(layer, value):
        return value.shape if layer.networks is None else value.shape[1:]

    def __reduce__(self):
        """Rebuild copies: copying alone would turn the views into own arrays."""
        parts = self.layers, self.dtype, self.networks, self.mode, self.grads
        return _rebuild, parts

    def __copy__(self):
        """Return a deep copy: two networks cannot share layers."""
        return deepcopy(self)

    @property
    def params(self):
        """All parameters, in the array that the layers view."""
        return self._params

    @params.setter
    def params(self, values):
        if values is self._params:  # after net.params -= ...
            return
        if np.shape(values) != self._params.shape:
            raise ValueError(
                f"params must have shape {self._params.shape}, got {np.shape(values)}"
            )
        self._params[...] = values

    def walk(self):
        """Return an iterator over every layer, those inside others included."""
        return iter(self._all_layers)

    def frozen(self):
        """Return an iterator over the layers that gradient descent leaves alone.

        These are the layers with ``trainable=False`` and all layers inside them.
        """
        return _frozen(self.layers)

    def forward(self, x, record=False):
        """Return the output for ``x`` of shape (N, D), or (K, N, D).

        With ``record=True`` the list ``outputs`` keeps the output of each layer.
        Raises a ValueError if the shape does not fit the layers.
        """
        x = real_array("x", x, self.dtype)
        if self.networks is not None and x.ndim != 2:
            self._check_own(x)
        outputs = []
        for layer in self.layers:
            x = layer.forward(x)
            if record:
                outputs.append(x)
        if record:
            self.outputs = outputs
        return x

    def _check_own(self, x):
        if x.ndim != 3 or len(x) != self.networks:
            raise ValueError(
                f"x must have shape (N, D) or ({self.networks}, N, D) for "
                f"{self.networks} networks, got {x.shape}"
            )

    def backward(self, dout, record=False):
        """Return the gradient of the input, and fill ``grads``.

        With ``record=True`` the list ``output_grads`` keeps the gradient with
        respect to the output of each layer, in the order of ``outputs``.
        """
        d = real_array("dout", dout, self.dtype)
        gradients = []
        for layer in reversed(self.layers):
            if record:
                gradients.append(d)
            d = layer.backward(d)
        if record:
            self.output_grads = gradients[::-1]
        return d

    def set_mode(self, mode):
        """Set the switches of every batch norm, and return the network.

        "train": normalize by the batch, update the running statistics.
        "eval": normalize by the running statistics, leave them as they are.
        "probe": normalize by the batch, leave the running statistics as they
        are; for looking at the loss that training sees without a trace.
        """
        self.mode = choice("mode", mode, MODES)
        for layer in self.batch_norms():
            layer.use_batch_statistics, layer.update_running = MODES[mode]
        return self

    def train(self):
        """Set the mode "train"."""
        return self.set_mode("train")

    def eval(self):
        """Set the mode "eval"."""
        return self.set_mode("eval")

    @contextmanager
    def in_mode(self, mode):
        """Set a mode inside a ``with`` block, then put every switch back."""
        before = self.mode, self._switches()
        try:
            yield self.set_mode(mode)
        finally:
            self.mode, switches = before
            self._set_switches(switches)

    def batch_norms(self):
        """Return all batch norm layers, first to last."""
        return [layer for layer in self.walk() if isinstance(layer, BatchNorm)]

    def _switches(self):
        return [
            (bn.use_batch_statistics, bn.update_running) for bn in self.batch_norms()
        ]

    def _set_switches(self, switches):
        for bn, (use, update) in zip(self.batch_norms(), switches, strict=True):
            bn.use_batch_statistics, bn.update_running = use, update

    def state(self):
        """Return a copy of parameters, running statistics and switches: a State."""
        buffers = [{k: v.copy() for k, v in la.buffers.items()} for la in self.walk()]
        trainable = [layer.trainable for layer in self.walk()]
        switches = self._switches()
        return State(self.params.copy(), buffers, trainable, self.mode, switches)

    def load(self, state):
        """Put back what :meth:`state` returned, exactly; return the network.

        Raises a TypeError for anything else, and a ValueError for the state of a
        network whose parameters or running statistics have other shapes; then
        nothing is changed.
        """
        if not isinstance(state, State):
            raise TypeError(
                f"state must be what Network.state() returns, got {type(state)}"
            )
        params, buffers, trainable, mode, switches = state
        own = [layer.buffers for layer in self.walk()]
        if params.shape != self.params.shape or _shapes(buffers) != _shapes(own):
            raise ValueError(
                f"the state is of another network: parameters of shape {params.shape} "
                f"and running statistics of shapes {_shapes(buffers)}, this one has "
                f"{self.params.shape} and {_shapes(own)}; load it into a network of "
                "the same layers"
            )
        self.params[...] = params
        kept = zip(self.walk(), buffers, trainable, strict=True)
        for layer, stored, layer.trainable in kept:
            for name, value in stored.items():
                layer.buffers[name][...] = value
        self.mode = mode
        self._set_switches(switches)
        return self


def mlp(
    sizes,
    *,
    activation="relu",
    norm=None,
    init="he",
    gain=1.0,
    eps=1e-5,
    bias=True,
    rng=None,
    dtype=np.float64,
):
    """Build a multilayer perceptron, the norm before each activation.

    Parameters
    ----------
    sizes : sequence of int
        Number of inputs, of units of each hidden layer, of outputs.
    activation : {"linear", "relu", "tanh", "sigmoid"}, default "relu"
        Activation of the hidden layers.
    norm : {None, "batch", "layer", "rms", "group:8", "weight"}, default None
        Norm of the pre-activations of the hidden layers (8 groups).
    init : {"he", "glorot", "lecun", "orthogonal"} or float, default "he"
        How weights are drawn, or their standard deviation.
    gain : float, default 1
        Factor on all weights.
    eps : float, default 1e-5
        Of the norm.
    bias : bool, default True
        Whether the hidden linear maps have a bias (the last one always does).
    rng : int or numpy.random.Generator, default 0
        Source of the weights; an int is taken as a seed.
    dtype : dtype, default float64
        Floating-point type of the parameters.

    Returns
    -------
    Network
        Linear, norm, activation per hidden layer, then one linear map.

    Examples
    --------
    >>> net = mlp([64, 100, 10], norm="batch", activation="sigmoid")
    >>> [type(layer).__name__ for layer in net.layers]
    ['Linear', 'BatchNorm', 'Sigmoid', 'Linear']
    """
    choice("activation", activation, ACTIVATIONS)
    sizes = sizes if isinstance(sizes, Iterable) else [sizes]
    sizes = [integer("sizes", size) for size in sizes]
    if len(sizes) < 2:
        raise ValueError(
            f"sizes must give at least the inputs and the outputs, got {sizes}; "
            "write [64, 100, 10] for one hidden layer"
        )
    number("eps", eps, minimum=0)
    rng = generator(0 if rng is None else rng)
    weight = isinstance(norm, str) and norm == "weight"
    linear = WeightNormLinear if weight else Linear
    layers = []
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1], strict=True):
        layers.append(linear(n_in, n_out, bias, init=init, gain=gain, rng=rng))
        if norm is not None and not weight:
            layers.append(norm_layer(norm, n_out, eps=eps))
        if ACTIVATIONS[activation] is not None:
            layers.append(ACTIVATIONS[activation]())
    layers.append(Linear(sizes[-2], sizes[-1], init=init, gain=gain, rng=rng))
    return Network(layers, dtype=dtype)


def stack(nets):
    """Put K networks of one shape into one that computes them all at once.

    Parameters
    ----------
    nets : sequence of Network
        Single networks of the same layers, such as ``mlp`` with different
        ``rng``. Weights and running statistics may differ, all else must agree:
        kinds and shapes of the layers, settings such as eps, switches, mode and
        dtype.

    Returns
    -------
    Network
        With ``params`` of shape (K, P): the parameters of the K networks.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> many = stack([mlp([2, 3, 1], rng=rng) for _ in range(5)])
    >>> many.forward(np.zeros((4, 2))).shape
    (5, 4, 1)
    """
    nets = list(nets)
    if not nets:
        raise ValueError("stack needs at least 1 network, got none")
    first = nets[0]
    for k, net in enumerate(nets):
        if net.networks is not None:
            raise ValueError(
                f"each network must be single, got {net.networks} at once as number "
                f"{k}; stack single networks"
            )
        if net is not first and (what := _difference(net, first)):
            raise ValueError(
                "all networks must have the same layers, settings, mode and dtype; "
                f"number {k} has {what}; build all of them with the same arguments"
            )
    many = Network(deepcopy(first.layers), dtype=first.dtype, networks=len(nets))
    for k, net in enumerate(nets):
        many.params[k] = net.params
        for layer, source in zip(many.walk(), net.walk(), strict=True):
            for name, value in source.buffers.items():
                layer.buffers[name][k] = value
    many.mode = first.mode  # the switches are copied with the layers
    return many


def network(name, value):
    """Raise unless ``value`` is a Network."""
    if not isinstance(value, Network):
        raise TypeError(
            f"{name} must be a Network, such as mlp([2, 3, 1]), got {value!r:.60}"
        )


def _difference(net, other):
    """Return what stands in the way of computing two networks at once, or ''."""
    for name in ("dtype", "mode"):
        if getattr(net, name) != getattr(other, name):
            return f"{name} {getattr(net, name)} instead of {getattr(other, name)}"
    pairs = list(zip_longest(net.walk(), other.walk()))
    for layer, like in pairs:
        inside = [len(la.children) if la else 0 for la in (layer, like)]
        if repr(layer) != repr(like) or inside[0] != inside[1]:
            return f"{net.layers} instead of {other.layers}"
    for layer, like in pairs:
        for name, value in vars(layer).items():
            wanted = vars(like).get(name)
            plain = isinstance(value, SETTING) and isinstance(wanted, SETTING)
            if plain and value != wanted:
                return f"{name}={value!r} instead of {wanted!r} in {layer}"
    return ""


def _shapes(buffers):
    return [{name: v.shape for name, v in layer.items()} for layer in buffers]


def _walk(layers):
    for layer in layers:
        yield layer
        yield from _walk(layer.children)


def _frozen(layers):
    for layer in layers:
        if not layer.trainable:
            yield from _walk([layer])
        elif layer.children:
            yield from _frozen(layer.children)


def _rebuild(layers, dtype, networks, mode, grads):
    net = Network(layers, dtype=dtype, networks=networks)
    net.mode = mode
    net.grads[...] = grads
    return net
