"""Two networks learn the same digits; one gets them on another scale."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, index, integer, number, real, takes
from normlib.nets.digits_network import digits_network
from normlib.nets.watching import iterates

__all__ = ["Learned", "learn"]


class Learned(NamedTuple):
    """What `learn` yields before each step.

    Attributes
    ----------
    step : int
        Updates made so far.
    loss : float
        Loss on the batch of the coming update, in nats; infinite once the run has
        diverged.
    accuracy : float or None
        Share of the 360 test digits that are classified right, after the last step.
    """

    step: int
    loss: float
    accuracy: float | None


@takes(seed=index, lr=real)
def learn(norm, scale, weights, *, seed, steps=60, lr=0.2):
    """Train three hidden layers on the digits, with their grey values rescaled.

    Parameters
    ----------
    norm : {None, "batch", "layer"}
        Norm of the hidden layers.
    scale : float
        The grey values go from 0 to this.
    weights : float
        The initial weights of the hidden layers are multiplied by it.
    seed : int
        Of the digits, the weights and the batches.
    steps : int, default 60
        Updates, with batches of 64.
    lr : float, default 0.2
        Learning rate.

    Yields
    ------
    Learned
        Of steps 0 to `steps`. Batch norm judges the test digits as one batch.

    Examples
    --------
    >>> [now.step for now in learn("batch", 16.0, 1.0, seed=0, steps=2)]
    [0, 1, 2]
    """
    choice("norm", norm, (None, "batch", "layer"))
    scale = number("scale", scale, positive=True)
    weights = number("weights", weights, positive=True)
    steps = integer("steps", steps, minimum=1)
    net, digits, rng = digits_network(seed, norm, depth=3, width=32, standardized=False)
    for layer in net.layers[:-1]:
        if "weight" in getattr(layer, "params", {}):
            layer.params["weight"] *= weights
    last = None
    with np.errstate(over="ignore", invalid="ignore"):
        for last in iterates(
            net,
            digits.x_train * scale,
            digits.y_train,
            lr=lr,
            batch_size=64,
            steps=steps,
            rng=rng,
        ):
            if last.step < steps and not last.reason:
                yield Learned(last.step, last.loss, None)
        loss = np.inf if last.reason else last.loss
        with net.in_mode("probe"):
            logits = net.forward(digits.x_test * scale)
        right = np.argmax(np.nan_to_num(logits), axis=1) == digits.y_test
        yield Learned(last.step, loss, float(right.mean()))
