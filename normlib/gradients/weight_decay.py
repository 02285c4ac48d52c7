"""Weight decay before a norm: it sets the length of the weights, not their use."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, generator, integer, number, reals, takes
from normlib.datasets import digits_split
from normlib.gradients.scale_invariance import hidden_weights
from normlib.nets.minibatches import minibatches
from normlib.nets.network import mlp, stack
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
    norm : float, or ndarray of shape (K,)
        ``||W||`` of the first hidden layer after the update.
    scaled_gradient : float, or ndarray of shape (K,)
        ``||W|| * ||g||``, the gradient on the sphere of length 1.
    angle : float, or ndarray of shape (K,)
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
    seed : int or list of K ints, default 0
        Of the data, the weights and the order of the batches; a list trains K networks
        at once.
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

    Examples
    --------
    >>> [record.step for record in weight_decay_steps(seed=0, steps=2)]
    [1, 2]
    """
    lr = number("lr", lr, positive=True)
    weight_decay = number("weight_decay", weight_decay, positive=True)
    steps = integer("steps", steps, minimum=2)
    net, x, labels, batches = noisy_digits(seed, start, wrong_labels, batch_size, norm)
    decay = np.zeros_like(net.params)
    for part in hidden_weights(net):
        decay[..., part] = weight_decay
    return _train(net, x, labels, batches, lr, decay, steps)


def noisy_digits(seed, start=1.0, wrong_labels=0.4, batch_size=32, norm="batch"):
    """Return a 64-32-32-10 ReLU network and digits with some random labels.

    Parameters
    ----------
    seed : int or numpy.random.Generator, or a list of K of them
        Of the data, the weights and the order of the batches; a list gives K networks
        at once, each with its own.
    start, wrong_labels, batch_size, norm
        As for `weight_decay_steps`.

    Returns
    -------
    net : Network
        In the mode "probe".
    x, labels : ndarray of shape (1437, 64) and (1437,), or (K, ...)
        Standardized pixels, and labels of which a share is drawn at random.
    batches : iterator
        Indices of the next batch, such as ``x[next(batches)]``, without end.

    Examples
    --------
    >>> net, x, labels, batches = noisy_digits(0, batch_size=8)
    >>> labels[next(batches)].shape
    (8,)
    """
    start = number("start", start, positive=True)
    wrong_labels = number("wrong_labels", wrong_labels)
    if not 0 <= wrong_labels <= 1:
        raise ValueError(f"wrong_labels must be between 0 and 1, got {wrong_labels}")
    choice("norm", norm, NORMS)
    if isinstance(seed, list):
        each = [noisy_digits(s, start, wrong_labels, batch_size, norm) for s in seed]
        nets, x, labels, batches = zip(*each, strict=True)
        rows = np.arange(len(seed))[:, None]
        together = ((rows, np.array(batch)) for batch in zip(*batches, strict=True))
        return stack(nets), np.array(x), np.array(labels), together
    rng = generator(seed, "seed")
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
    after = net.params[..., part].copy()
    for step in range(1, steps + 1):
        before = after
        batch = next(batches)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = loss_and_gradient(net, x[batch], labels[batch])
            sgd_step(net, lr, decay)
        after = net.params[..., part].copy()
        size, old = length(after), length(before)
        if not ((loss <= LOSS_LIMIT) & (size > 0) & (size < np.inf)).all():
            raise ValueError(
                f"no equilibrium, the run diverged at step {step}: the loss is "
                f"{np.max(loss):.3g}, the length of the weights {np.max(size):.3g}; "
                "try a smaller lr or weight_decay"
            )
        yield DecayRecord(
            step, size, old * length(net.grads[..., part]), angle(before, after)
        )


@takes(w=reals)
@np.errstate(over="ignore")  # infinite weights end a run
def length(w):
    """Return the length of each vector of the last axis.

    Examples
    --------
    >>> length(np.array([[3.0, 4.0], [0.0, 2.0]]))
    array([5., 2.])
    """
    if np.ndim(w) == 0:
        raise ValueError(f"w must have an axis, got one number, {w}")
    return np.sqrt(np.vecdot(w, w))


@takes(before=reals, after=reals)
def angle(before, after):
    """Return the angle between vectors in radians, exact also if it is small.

    Examples
    --------
    >>> angle(np.array([1.0, 0.0]), np.array([1.0, 1e-9])).round(12)
    np.float64(1e-09)
    """
    before, after = np.asarray(before), np.asarray(after)
    if before.shape != after.shape:
        raise ValueError(
            f"after must have the shape of before {before.shape}, got {after.shape}"
        )
    turn = after / length(after)[..., None] - before / length(before)[..., None]
    return 2 * np.arcsin(np.minimum(length(turn) / 2, 1.0))
