"""Digits and a network to learn them, from one seed."""

import numpy as np

from normlib._arguments import generator, indices, integer, natural, takes
from normlib.datasets import Digits, digits_split
from normlib.nets.network import mlp, stack


@takes(seed=indices, width=natural)
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
    seed : int or list of K ints
        Decides the split, then the weights; the generator that is returned goes on
        to decide the order of the batches. A list gives K networks at once, each with
        a split of its own, and their generators.
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
        The data; those of K networks have a leading axis.
    rng : numpy.random.Generator, or list of K
        For what comes next.

    Examples
    --------
    >>> net, digits, rng = digits_network(0, "batch", depth=2, width=16)
    >>> net.forward(digits.x_test).shape
    (360, 10)
    """
    if isinstance(seed, list):
        how = {"activation": activation, "depth": depth, "width": width, "dtype": dtype}
        how |= {"standardized": standardized, **options}
        nets, data, rngs = zip(
            *(digits_network(one, norm, **how) for one in seed), strict=True
        )
        return stack(nets), Digits(*map(np.stack, zip(*data, strict=True))), list(rngs)
    rng = generator(seed)
    digits = digits_split(rng, standardized, dtype=dtype)
    sizes = [64, *[width] * integer("depth", depth), 10]
    net = mlp(sizes, activation=activation, norm=norm, rng=rng, dtype=dtype, **options)
    return net, digits, rng
