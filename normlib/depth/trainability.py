"""Which networks train at all: a map over depth and learning rate, per norm."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, integer, number
from normlib.datasets import digits_split
from normlib.nets.network import mlp, stack
from normlib.nets.norm_layers import NETWORK_NORMS
from normlib.nets.training import accuracy, fit


class TrainabilityRow(NamedTuple):
    """Networks of one norm and depth, one per seed and learning rate.

    Attributes
    ----------
    norm : str or None
        Norm of the pre-activations.
    depth : int
        Number of hidden layers.
    accuracy : ndarray of shape (S, R)
        On the training digits after training, seed by seed.
    """

    norm: str | None
    depth: int
    accuracy: np.ndarray


DEPTHS, RATES = (2, 5, 10, 20), (0.01, 0.1, 1.0, 10.0)


def trainability_rows(
    depths=DEPTHS,
    rates=RATES,
    norms=(None, "batch", "layer"),
    *,
    activation="sigmoid",
    init="glorot",
    width=32,
    batch_size=64,
    steps=100,
    seeds=(0,),
    eps=1e-5,
    dtype=np.float64,
):
    """Train the map row by row, so that a figure can show it while it grows.

    Parameters
    ----------
    depths : sequence of int
        Numbers of hidden layers; default 2, 5, 10, 20.
    rates : sequence of float
        Learning rates above 0; default 0.01, 0.1, 1, 10.
    norms : sequence of {None, "batch", "layer", "rms"}
        Norms of the pre-activations; default none, batch and layer norm.
    activation : {"linear", "relu", "tanh", "sigmoid"}
        Of the hidden layers; default "sigmoid".
    init : {"he", "glorot", "lecun", "orthogonal"} or float
        How weights are drawn, or their standard deviation; default "glorot".
    width, batch_size, steps : int
        Units per layer, samples per step and steps; default 32, 64 and 100.
    seeds : sequence of int
        Each with its own split of the digits and weights; default one. The first
        also decides the order of the batches.
    eps : float
        Of the norm; default 1e-5.
    dtype : dtype
        float32 is faster; single runs then differ in their last digits.

    Yields
    ------
    TrainabilityRow
        Norm by norm and depth by depth.

    Notes
    -----
    Plain gradient descent; all seeds and learning rates of a row are one network
    with a leading axis. A network that diverges keeps the weights it had. Batch norm is
    used and judged with batch statistics.

    References
    ----------
    Yang et al. 2019, arXiv:1902.08129 (trainable depth); Bjorck et
    al. 2018, arXiv:1806.02375 (learning rates).

    Examples
    --------
    >>> rows = trainability_rows(depths=(5,), rates=(1.0,), norms=(None, "batch"))
    >>> [bool(row.accuracy[0, 0] > 0.7) for row in rows]
    [False, True]
    """
    depths = _each("depths", depths, lambda d: integer("depths", d))
    rates = _each("rates", rates, lambda r: number("rates", r, positive=True))
    norms = _each("norms", norms, lambda n: choice("norms", n, NETWORK_NORMS))
    seeds = _each("seeds", seeds, lambda s: integer("seeds", s, minimum=0))
    build = {"activation": activation, "init": init, "eps": eps, "dtype": dtype}
    width, steps = integer("width", width), integer("steps", steps)
    mlp([64, width, 10], **build)  # says at once if a name is unknown

    def rows():
        for norm in norms:
            for depth in depths:
                sizes = [64] + [width] * depth + [10]
                found = _train(
                    sizes, rates, batch_size, steps, seeds, norm=norm, **build
                )
                yield TrainabilityRow(norm, depth, found)

    return rows()


def _train(sizes, rates, batch_size, steps, seeds, **build):
    """Return the training accuracy at each seed and learning rate, shape (S, R)."""
    # Next to a norm's beta the hidden layers need no bias of their own.
    bias = build["norm"] is None
    rngs = [np.random.default_rng(seed) for seed in seeds]
    data = [digits_split(rng, standardized=True, dtype=build["dtype"]) for rng in rngs]
    nets = [mlp(sizes, bias=bias, rng=rng, **build) for rng in rngs]
    each = np.repeat(np.arange(len(nets)), len(rates))  # seed by seed, all its rates
    many = stack([nets[k] for k in each]).set_mode("probe")
    x = np.array([digits.x_train for digits in data])[each]
    labels = np.array([digits.y_train for digits in data])[each]
    lr = np.tile(rates, len(nets))
    how = {"lr": lr, "batch_size": batch_size, "steps": steps, "rng": rngs[0]}
    for _ in fit(many, x, labels, **how):
        pass
    found = []
    for k, params in zip(each, many.params, strict=True):
        nets[k].params = params  # one by one: on all digits all at once fill the memory
        found.append(accuracy(nets[k], *data[k].train, mode="probe"))
    return np.reshape(found, (-1, len(rates)))


def _each(name, values, check):
    values = tuple(check(value) for value in values)
    if not values:
        raise ValueError(f"{name} is empty; give at least one value")
    return values
