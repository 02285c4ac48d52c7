"""Digits and a network to learn them, from one seed."""

import numpy as np

from normlib._arguments import generator, index, integer, natural, takes
from normlib.datasets import digits_split
from normlib.nets.network import mlp


@takes(seed=index, width=natural)
def digits_network(
    seed,
    norm=None,
    *,
    activation="relu",
    depth,
    width,
    standardized=True,
    dtype=np.float64,
    **options,
):
    """Split the digits and build a network of equal hidden layers for them.

    Parameters
    ----------
    seed : int
        Decides the split, then the weights; the generator that is returned goes on
        to decide the order of the batches.
    norm : {None, "batch", "layer", "rms", "group:8"}, default None
        Norm of the hidden layers.
    activation : {"linear", "relu", "tanh", "sigmoid"}, default "relu"
        Activation of the hidden layers.
    depth, width : int
        Hidden layers and units in each, at least 1.
    standardized : bool, default True
        Whether each pixel is standardized.
    dtype : dtype, default float64
        Of the data and the network.
    **options
        `init`, `gain`, `eps` of `normlib.nets.network.mlp`.

    Returns
    -------
    net : Network
        64 inputs, `depth` layers of `width` units, 10 outputs.
    digits : Digits
        The data.
    rng : numpy.random.Generator
        For what comes next.

    Examples
    --------
    >>> net, digits, rng = digits_network(0, "batch", depth=2, width=16)
    >>> net.forward(digits.x_test).shape
    (360, 10)
    """
    rng = generator(seed)
    digits = digits_split(rng, standardized, dtype=dtype)
    sizes = [64, *[width] * integer("depth", depth), 10]
    net = mlp(sizes, activation=activation, norm=norm, rng=rng, dtype=dtype, **options)
    return net, digits, rng
