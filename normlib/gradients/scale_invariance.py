"""Weights before a norm have no scale: what that means for their gradient."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, integer, takes
from normlib.datasets import digits_split
from normlib.nets.network import mlp, network
from normlib.nets.norm_layers import NETWORK_NORMS
from normlib.nets.training import loss_and_gradient

__all__ = [
    "Orthogonality",
    "bare_network",
    "hidden_weights",
    "orthogonality",
]

SIZES = (64, 64, 64, 10)


@takes(net=network)
def hidden_weights(net):
    """Return the parts of ``net.params`` that are weights of hidden linear maps.

    These are the weights that stand right before a norm, if there is one.

    Parameters
    ----------
    net : Network
        As `mlp` builds it; the last layer is not hidden.

    Returns
    -------
    list of slice
        One slice of ``net.params`` per hidden layer.

    Examples
    --------
    >>> hidden_weights(mlp([2, 3, 3, 1], norm="batch"))
    [slice(0, 6, None), slice(15, 24, None)]
    """
    return [
        net.slices[layer, "weight"]
        for layer in net.layers[:-1]
        if "weight" in layer.params
    ]


class Orthogonality(NamedTuple):
    """Angles between hidden weights and their gradients, as cosines.

    Attributes
    ----------
    per_unit : float
        Largest ``|cos|`` between the weights into one unit and their gradient.
    per_matrix : float
        Largest ``|cos|`` between a whole weight matrix and its gradient.
    along_ones : float
        Largest part of a gradient, ``|g . 1| / (|g| |1|)``, along the change
        that adds the same to the weights into all units.
    """

    per_unit: float
    per_matrix: float
    along_ones: float


def orthogonality(seed=0, *, norm="batch", eps=0.0):
    """Measure which changes of the hidden weights the gradient never asks for.

    Parameters
    ----------
    seed : int, default 0
        Of the split and the weights.
    norm : {None, "batch", "layer", "rms"}, default "batch"
        Norm of a 64-64-64-10 ReLU network without hidden biases.
    eps : float, default 0
        Of the norm; above 0 the angles are not exactly right.

    Returns
    -------
    Orthogonality

    Notes
    -----
    What leaves the loss unchanged, the gradient has no part of. Batch norm: the
    scale of the weights into each unit. Layer norm and RMS norm: only the scale
    of the whole matrix. Layer norm also: the same vector added to the weights
    into every unit.

    References
    ----------
    S. Arora, Z. Li and K. Lyu (2018), arXiv:1812.03981 (orthogonal);
    J. Ba, J. Kiros and G. Hinton (2016), arXiv:1607.06450, table 1.

    Examples
    --------
    >>> bool(orthogonality(norm="batch").per_unit < 1e-12)
    True
    >>> found = orthogonality(norm="layer")
    >>> bool(found.per_unit > 0.01), bool(found.per_matrix < 1e-12)
    (True, True)
    """
    net, x, labels = _probe_network(seed, norm, eps)
    loss_and_gradient(net, x, labels)
    unit, matrix, ones = [], [], []
    for layer in net.layers[:-1]:
        if "weight" in layer.params:
            w, g = layer.params["weight"], layer.grads["weight"]
            unit.append(_cosines(w, g).max())
            matrix.append(_cosines(w.reshape(-1, 1), g.reshape(-1, 1)).max())
            part = abs(g.sum(axis=1)) / np.sqrt(g.shape[1])
            ones.append(_length(part) / _length(g))
    return Orthogonality(float(max(unit)), float(max(matrix)), float(max(ones)))


def bare_network(seed, norm, eps):
    """Build the network of these experiments, without biases that would scale too.

    Parameters
    ----------
    seed : int
        Of the split and the weights.
    norm : {None, "batch", "layer", "rms"}
        Norm of the pre-activations.
    eps : float
        Of the norm.

    Returns
    -------
    net : Network
        64-64-64-10, ReLU, He, in the mode "probe".
    digits : Digits
        Standardized.
    rng : numpy.random.Generator
        To go on with.

    Examples
    --------
    >>> net, digits, rng = bare_network(0, "layer", 0.0)
    >>> net.mode, digits.x_train.shape
    ('probe', (1437, 64))
    """
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    choice("norm", norm, NETWORK_NORMS)
    digits = digits_split(rng, standardized=True)
    net = mlp(SIZES, norm=norm, eps=eps, bias=False, rng=rng)
    return net.set_mode("probe"), digits, rng


def _probe_network(seed, norm, eps, n=256):
    """Return a network and a batch of digits to look at its gradient with."""
    net, digits, _ = bare_network(seed, norm, eps)
    return net, digits.x_train[:n], digits.y_train[:n]


def _length(array):
    return np.sqrt((array * array).sum())


def _cosines(w, g):
    """Return |cos| between the columns of two matrices; 0 for a zero gradient."""
    lengths = np.sqrt((w * w).sum(axis=0) * (g * g).sum(axis=0))
    dots = abs((w * g).sum(axis=0))
    return np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
