"""The real first layer on which the figures of notebook 03 act."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from normlib.datasets import digits_split
from normlib.nets.network import Network, mlp
from normlib.nets.training import fit

UNITS = 16
STEPS = 100


class FirstLayer(NamedTuple):
    """A small network of digits, and what its first linear map makes of a batch.

    Attributes
    ----------
    net : Network
        Trained for 100 steps; in mode "probe", so that looking leaves no trace.
    digits : ndarray of shape (N, 64)
        The batch.
    labels : ndarray of int, of shape (N,)
        The digit shown by each image.
    x : ndarray of shape (N, 16)
        Pre-activations of the 16 units of the first layer.
    """

    net: Network
    digits: np.ndarray
    labels: np.ndarray
    x: np.ndarray


@lru_cache
def first_layer(norm="batch", size=64):
    """Return the first layer of a network 64-16-10 of digits after 100 steps.

    Parameters
    ----------
    norm : {None, "batch", "layer"}, default "batch"
        Norm of the hidden layer.
    size : int, default 64
        Number of training digits in the batch.

    Returns
    -------
    FirstLayer
        The same at every call; treat its arrays as read-only.
    """
    data = digits_split(np.random.default_rng(0))
    net = mlp([64, UNITS, 10], norm=norm, rng=np.random.default_rng(1))
    loop = fit(net, *data.train, lr=0.2, batch_size=64, steps=STEPS, rng=2)
    for _ in loop:
        pass
    digits, labels = data.x_train[:size], data.y_train[:size]
    x = net.layers[0].forward(digits)
    return FirstLayer(net.set_mode("probe"), digits, labels, x)
