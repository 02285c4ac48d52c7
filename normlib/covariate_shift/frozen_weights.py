"""Batches that differ are not internal covariate shift.

Freeze the weights: the mean of a unit still changes from batch to batch, as any mean
of a sample does. Nothing has shifted. Internal covariate shift is the change that an
update of the weights causes; without updates it is zero, exactly.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, index, integer, natural, number, takes
from normlib.covariate_shift.gradient_shift import internal_covariate_shift
from normlib.nets.digits_network import digits_network
from normlib.nets.layers import Linear
from normlib.nets.watching import iterates


class BatchRecord(NamedTuple):
    """What `frozen_weights` yields for one mini-batch.

    Attributes
    ----------
    step : int
        Number of the batch, from 0.
    batch_mean : ndarray of shape (width,)
        Mean over this batch of the linear map that feeds the last hidden layer,
        before any norm.
    fixed_mean : ndarray of shape (width,)
        The same mean over all training digits, the same ones at every step.
    shift : float
        Internal covariate shift of the coming update at the last hidden layer
        (Santurkar et al., definition 2.1).
    reason : str
        Empty, or why the run stops here; the numbers are then NaN.
    """

    step: int
    batch_mean: np.ndarray
    fixed_mean: np.ndarray
    shift: float
    reason: str = ""


@takes(width=natural, batch_size=natural, seed=index)
def frozen_weights(
    lr=0.0,
    *,
    norm=None,
    activation="sigmoid",
    depth=3,
    width=64,
    batch_size=60,
    batches=50,
    seed=0,
):
    """Show mini-batches to a network with weights frozen (lr 0) or trained.

    Parameters
    ----------
    lr : float, default 0
        Learning rate, 0 or more; 0 freezes the weights.
    norm : {None, "batch", "layer"}, default None
        Norm of the hidden layers.
    activation : {"sigmoid", "tanh", "relu"}, default "sigmoid"
        Activation of the hidden layers.
    depth, width : int, default 3 and 64
        Hidden layers and their units.
    batch_size : int, default 60
        Digits per batch.
    batches : int, default 50
        Number of batches.
    seed : int, default 0
        Split, weights and order of the batches.

    Yields
    ------
    BatchRecord
        One per batch; fewer if the run diverges, as the last one then says.

    Examples
    --------
    >>> records = list(frozen_weights(batches=3))
    >>> [record.shift for record in records]
    [0.0, 0.0, 0.0]
    """
    lr = number("lr", lr, minimum=0)
    choice("activation", activation, ("sigmoid", "tanh", "relu"))
    net, digits, rng = digits_network(
        seed, norm, activation=activation, depth=depth, width=width
    )
    loop = iterates(
        net,
        *digits.train,
        lr=lr,
        batch_size=batch_size,
        steps=integer("batches", batches) - 1,
        rng=rng,
    )
    return _watch_batches(net, digits, loop, lr, depth, width)


def _last_hidden_linear(net, x):
    """Return the output of the linear map that feeds the last hidden layer."""
    with net.in_mode("probe"):
        net.forward(x, record=True)
    linears = [i for i, layer in enumerate(net.layers) if isinstance(layer, Linear)]
    return net.outputs[linears[-2]]


def _watch_batches(net, digits, loop, lr, depth, width):
    for step, x, labels, _, _, reason in loop:
        if reason:
            nan = np.full(width, np.nan)
            yield BatchRecord(step, nan, nan, np.nan, reason)
            return
        batch_mean = _last_hidden_linear(net, x).mean(0)
        fixed_mean = _last_hidden_linear(net, digits.x_train).mean(0)
        shift = internal_covariate_shift(net, x, labels, lr, [depth])
        yield BatchRecord(step, batch_mean, fixed_mean, float(shift.distance[0]))
