r"""What the curvature says of the learning rate, measured while a network trains.

On a quadratic loss gradient descent shrinks the error in every direction if the rate
is below :math:`2/\lambda` with the largest eigenvalue of the Hessian, and grows it
in the sharpest one if the rate is above. A network's loss is no quadratic: the
curvature changes on the way, and it changes with the rate.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import index, integer, natural, number, takes
from normlib.landscape.along_gradient import MULTIPLES, walk_along_gradient
from normlib.landscape.sharpness import top_eigenvalue
from normlib.nets.digits_network import digits_network
from normlib.nets.watching import iterates


class Curvature(NamedTuple):
    """What `curvature_while_training` yields.

    Attributes
    ----------
    step : int
        Updates made so far.
    loss : float
        Loss on the batch of the coming update.
    beta : float
        The largest effective beta of a walk of up to 4 learning rates on that batch.
    top : float
        Largest eigenvalue of the Hessian of the loss on many digits, to a few percent.
    reason : str
        Empty, or why the run stopped early; `beta` and `top` are then nan.
    """

    step: int
    loss: float
    beta: float
    top: float
    reason: str = ""


@takes(digits=natural, seed=index)
def curvature_while_training(
    norm=None,
    *,
    activation="relu",
    depth=6,
    width=32,
    lr=0.1,
    batch_size=64,
    steps=100,
    every=25,
    since=50,
    digits=256,
    seed=0,
):
    """Train on digits, and measure beta and the top eigenvalue now and then.

    Parameters
    ----------
    norm : {None, "batch", "layer", "rms", "group:8"}, default None
        Norm of the hidden layers.
    activation : {"linear", "relu", "tanh", "sigmoid"}, default "relu"
        Activation of the hidden layers.
    depth, width : int, default 6 and 32
        Hidden layers and their units.
    lr : float, default 0.1
        Learning rate, above 0.
    batch_size : int, default 64
        Digits per step.
    steps : int, default 100
        Updates.
    every, since : int, default 25 and 50
        Updates between two measurements, and before the first.
    digits : int, default 256
        Training digits on which the Hessian is taken, batch norm by their statistics.
    seed : int, default 0
        Split, weights and order of the batches.

    Yields
    ------
    Curvature
        At steps `since`, `since` + `every`, ...; the run ends early if it diverges.

    Examples
    --------
    >>> record = next(curvature_while_training("batch", depth=2, since=1, every=1))
    >>> record.step, record.top > 0
    (1, True)
    """
    integer("every", every)
    integer("since", since, minimum=0)
    lr = number("lr", lr, positive=True)
    net, data, rng = digits_network(
        seed, norm, activation=activation, depth=depth, width=width
    )
    x, labels = data.train
    loop = iterates(net, x, labels, lr=lr, batch_size=batch_size, steps=steps, rng=rng)
    return _watch(net, loop, lr, x[:digits], labels[:digits], every, since)


def _watch(net, loop, lr, x, labels, every, since):
    for step, batch, targets, loss, _, reason in loop:
        if reason:
            yield Curvature(step, loss, np.nan, np.nan, reason)
        elif step >= since and (step - since) % every == 0:
            walk = walk_along_gradient(net, batch, targets, lr * np.array(MULTIPLES))
            top = top_eigenvalue(net, x, labels, iterations=40, tolerance=0.03)
            yield Curvature(step, loss, walk.betas.max(), top.value)
