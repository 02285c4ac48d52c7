"""Weight decay before a norm: it sets the length of the weights, not their use."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, generator, integer, number
from normlib.datasets import digits_split
from normlib.gradients.scale_invariance import hidden_weights
from normlib.nets.minibatches import minibatches
from normlib.nets.network import mlp
from normlib.nets.norm_layers import NETWORK_NORMS
from normlib.nets.training import LOSS_LIMIT, loss_and_gradient, sgd_step

__all__ = ["noisy_digits", "weight_decay_steps"]

NORMS = (*NETWORK_NORMS[1:], "group:8")


class DecayRecord(NamedTuple):
    """One step of training with weight decay.

    Attributes
    ----------
    step : int
        Number of updates made.
    norm : float
        ``||W||`` of the first hidden layer after the update.
    scaled_gradient : float
        ``||W|| * ||g||``, the gradient on the sphere of length 1.
    angle : float
        Angle by which the update turned W, in radians.
    """

    step: int
    norm: float
    scaled_gradient: float
    angle: float


def weight_decay_steps(
    seed=0,
    *,
    lr=0.2,
    weight_decay=0.01,
    steps=2000,
    start=1.0,
    wrong_labels=0.4,
    batch_size=32,
    norm="batch",
):
    """Train a small network with weight decay on its hidden weights.

    Parameters
    ----------
    seed : int, default 0
        Of the data, the weights and the order of the batches.
    lr, weight_decay : float, default 0.2 and 0.01
        Learning rate and lambda: ``w -= lr * (g + lambda * w)``. Above 0.
    steps : int, default 2000
        Number of updates, at least 2. The equilibrium takes some multiples of
        ``1 / (2 lr lambda)`` steps.
    start : float, default 1
        Factor on the initial hidden weights, above 0.
    wrong_labels : float, default 0.4
        Share of the labels replaced at random, 0 to 1. Right labels settle as well:
        mini-batches and decay keep the gradient from vanishing.
    batch_size : int, default 32
        Images per step.
    norm : {"batch", "layer", "rms", "group:8"}, default "batch"
        Norm of a 64-32-32-10 ReLU network.

    Yields
    ------
    DecayRecord
        After each update.

    Raises
    ------
    ValueError
        If the run diverges, after the records of the steps made.

    Notes
    -----
    A step makes ``||w||**2`` grow by ``lr**2 ||g||**2`` and decay takes
    ``2 lr lambda ||w||**2`` away. With ``||g|| = c / ||w||`` the two balance at
    ``||w||**4 = lr c**2 / (2 lambda)``; the angle of a step is then
    ``lr ||g|| / ||w|| = sqrt(2 lr lambda)``.

    References
    ----------
    T. van Laarhoven (2017), arXiv:1706.05350.
    """
    rng = generator(seed)
    lr = number("lr", lr, positive=True)
    weight_decay = number("weight_decay", weight_decay, positive=True)
    start = number("start", start, positive=True)
    steps = integer("steps", steps, minimum=2)
    wrong_labels = number("wrong_labels", wrong_labels)
    if not 0 <= wrong_labels <= 1:
        raise ValueError(f"wrong_labels must be between 0 and 1, got {wrong_labels}")
    choice("norm", norm, NORMS)
    net, x, labels, batches = noisy_digits(rng, start, wrong_labels, batch_size, norm)
    decay = np.zeros_like(net.params)
    for part in hidden_weights(net):
        decay[part] = weight_decay
    return _train(net, x, labels, batches, lr, decay, steps)


def noisy_digits(seed, start=1.0, wrong_labels=0.4, batch_size=32, norm="batch"):
    """Return a 64-32-32-10 ReLU network and digits with some random labels.

    Parameters
    ----------
    seed : int or numpy.random.Generator
        Of the data, the weights and the order of the batches.
    start, wrong_labels, batch_size, norm
        As for `weight_decay_steps`.

    Returns
    -------
    net : Network
        In the mode "probe".
    x, labels : ndarray of shape (1437, 64) and (1437,)
        Standardized pixels, and labels of which a share is drawn at random.
    batches : iterator of ndarray
        Indices of the next batch, without end.
    """
    rng = generator(seed)
    digits = digits_split(rng, standardized=True)
    labels = digits.y_train.copy()
    wrong = rng.random(len(labels)) < wrong_labels
    labels[wrong] = rng.integers(0, 10, wrong.sum())
    net = mlp([64, 32, 32, 10], norm=norm, bias=False, rng=rng)
    for part in hidden_weights(net):
        net.params[part] *= start
    batches = minibatches(len(labels), batch_size, rng)
    return net.set_mode("probe"), digits.x_train, labels, batches


def _train(net, x, labels, batches, lr, decay, steps):
    part = hidden_weights(net)[0]
    after = net.params[part].copy()
    for step in range(1, steps + 1):
        before = after
        batch = next(batches)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = loss_and_gradient(net, x[batch], labels[batch])
            sgd_step(net, lr, decay)
        after, g = net.params[part].copy(), net.grads[part]
        size, old = np.sqrt(after @ after), np.sqrt(before @ before)
        if not (loss <= LOSS_LIMIT and 0 < size < np.inf):
            raise ValueError(
                f"no equilibrium, the run diverged at step {step}: the loss is "
                f"{loss:.3g}, the length of the weights {size:.3g}; try a smaller lr "
                "or weight_decay"
            )
        turn = after / size - before / old
        chord = np.sqrt(turn @ turn)  # exact also for small angles
        angle = 2 * np.arcsin(min(chord / 2, 1.0))
        yield DecayRecord(step, size, old * np.sqrt(g @ g), angle)
