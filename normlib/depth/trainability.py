"""Which networks train at all: a map over depth and learning rate, per norm."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, integer, number
from normlib.datasets import digits_split
from normlib.nets.network import mlp, stack
from normlib.nets.norm_layers import NETWORK_NORMS
from normlib.nets.training import accuracy, fit


class TrainabilityRow(NamedTuple):
    """Networks of one norm and depth, trained at every learning rate.

    Attributes
    ----------
    norm : str or None
        Norm of the pre-activations.
    depth : int
        Number of hidden layers.
    accuracy : ndarray of shape (R,)
        On the training digits after training, mean over the seeds.
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
        Each with its own weights, data and order of batches; default one.
    eps : float
        Of the norm; default 1e-5.

    Yields
    ------
    TrainabilityRow
        Norm by norm and depth by depth.

    Notes
    -----
    Plain gradient descent; all learning rates of a row are one network with a
    leading axis. A network that diverges keeps the weights it had. Batch norm is
    used and judged with batch statistics.

    References
    ----------
    Yang et al. 2019, arXiv:1902.08129 (trainable depth); Bjorck et
    al. 2018, arXiv:1806.02375 (learning rates).

    Examples
    --------
    >>> rows = trainability_rows(depths=(5,), rates=(1.0,), norms=(None, "batch"))
    >>> [bool(row.accuracy[0] > 0.7) for row in rows]
    [False, True]
    """
    depths = _each("depths", depths, lambda d: integer("depths", d))
    rates = _each("rates", rates, lambda r: number("rates", r, positive=True))
    norms = _each("norms", norms, lambda n: choice("norms", n, NETWORK_NORMS))
    seeds = _each("seeds", seeds, lambda s: integer("seeds", s, minimum=0))
    build = {"activation": activation, "init": init, "eps": eps}
    width, steps = integer("width", width), integer("steps", steps)
    mlp([64, width, 10], **build)  # says at once if a name is unknown

    def rows():
        for norm in norms:
            for depth in depths:
                sizes = [64] + [width] * depth + [10]
                found = [
                    _train(sizes, rates, batch_size, steps, seed, norm=norm, **build)
                    for seed in seeds
                ]
                yield TrainabilityRow(norm, depth, np.mean(found, axis=0))

    return rows()


def _train(sizes, rates, batch_size, steps, seed, **build):
    """Return the training accuracy at each learning rate, shape (R,)."""
    rng = np.random.default_rng(seed)
    digits = digits_split(rng, standardized=True)
    # Next to a norm's beta the hidden layers need no bias of their own.
    bias = build["norm"] is None
    net = mlp(sizes, bias=bias, rng=rng, **build)
    many = stack([net] * len(rates)).set_mode("probe")
    lr = np.array(rates)
    x, labels = digits.train
    for _ in fit(many, x, labels, lr=lr, batch_size=batch_size, steps=steps, rng=rng):
        pass
    return accuracy(many, x, labels, mode="probe")


def _each(name, values, check):
    values = tuple(check(value) for value in values)
    if not values:
        raise ValueError(f"{name} is empty; give at least one value")
    return values
