"""Weights before a norm grow as they train, and so turn less and less."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import integer, number
from normlib.experiments.scale_invariance import bare_network, hidden_weights
from normlib.minibatches import minibatches
from normlib.training import loss_and_gradient, sgd_step

__all__ = ["NormGrowth", "Trajectories", "norm_growth", "same_trajectory"]


class NormGrowth(NamedTuple):
    """The length of hidden weights while a network trains.

    Attributes
    ----------
    squared_norms : ndarray of shape (S + 1, L)
        ``||W||**2`` of each hidden layer, before training and after each step.
    pythagoras : ndarray of shape (S + 1, L)
        ``||W_0||**2`` plus the sum of the squared steps so far, ``(lr ||g||)**2``.
    effective_rates : ndarray of shape (S + 1, L)
        ``lr / ||W||**2``, the rate at which the direction of W turns.
    """

    squared_norms: np.ndarray
    pythagoras: np.ndarray
    effective_rates: np.ndarray


def norm_growth(seed=0, *, norm="batch", lr=0.5, steps=500, batch_size=64, eps=0.0):
    """Train without weight decay and follow the length of the hidden weights.

    Parameters
    ----------
    seed : int, default 0
        Of the split, the weights and the order of the batches.
    norm : {None, "batch", "layer", "rms"}, default "batch"
        Norm of a 64-64-64-10 ReLU network without hidden biases.
    lr : float, default 0.5
        Learning rate, above 0.
    steps : int, default 500
        Number of updates.
    batch_size : int, default 64
        Images per step.
    eps : float, default 0
        Of the norm.

    Returns
    -------
    NormGrowth

    Notes
    -----
    As the step is at a right angle to the weights, ``||w - lr g||**2 = ||w||**2 +
    lr**2 ||g||**2`` (Pythagoras): the weights only grow, and the same ``lr`` turns
    them less and less.

    References
    ----------
    S. Arora, Z. Li and K. Lyu (2018), arXiv:1812.03981, lemma 2.4.

    Examples
    --------
    >>> growth = norm_growth(0, steps=20)
    >>> bool(np.allclose(growth.squared_norms, growth.pythagoras, rtol=1e-10))
    True
    """
    lr = number("lr", lr, positive=True)
    steps = integer("steps", steps)
    net, digits, rng = bare_network(seed, norm, eps)
    x, labels = digits.x_train, digits.y_train
    batches = minibatches(len(x), batch_size, rng)
    parts = hidden_weights(net)
    norms, squared_steps = [_squared(net.params, parts)], [np.zeros(len(parts))]
    for _ in range(steps):
        batch = next(batches)
        loss_and_gradient(net, x[batch], labels[batch])
        sgd_step(net, lr)
        norms.append(_squared(net.params, parts))
        squared_steps.append(lr**2 * _squared(net.grads, parts))
    norms = np.array(norms)
    return NormGrowth(norms, norms[0] + np.cumsum(squared_steps, axis=0), lr / norms)


class Trajectories(NamedTuple):
    """Two runs that should be one.

    Attributes
    ----------
    losses : ndarray of shape (S,)
        With weights W and learning rate lr.
    scaled_losses : ndarray of shape (S,)
        With weights ``factor * W`` and learning rate ``factor**2 * lr`` for them.
    """

    losses: np.ndarray
    scaled_losses: np.ndarray


def same_trajectory(
    seed=0, *, factor=8.0, norm="batch", lr=0.1, steps=200, batch_size=64, eps=0.0
):
    """Train twice: weights times a factor, their learning rate times its square.

    Parameters
    ----------
    seed : int, default 0
        Of the split, the weights and the order of the batches.
    factor : float, default 8
        Above 0. A power of 2 makes the runs equal to the last bit with eps = 0.
    norm : {None, "batch", "layer", "rms"}, default "batch"
        Norm of a 64-64-64-10 ReLU network without hidden biases.
    lr : float, default 0.1
        Learning rate.
    steps : int, default 200
        Number of updates.
    batch_size : int, default 64
        Images per step.
    eps : float, default 0
        Of the norm; above 0 the runs drift apart.

    Returns
    -------
    Trajectories

    Notes
    -----
    Only ``lr / ||w||**2``, the effective learning rate, decides how the direction
    of w turns.

    References
    ----------
    T. van Laarhoven (2017), arXiv:1706.05350, section 2; E. Hoffer et al. (2018),
    arXiv:1803.01814, section 3.

    Examples
    --------
    >>> runs = same_trajectory(0, steps=10)
    >>> bool((runs.losses == runs.scaled_losses).all())
    True
    """
    factor = number("factor", factor, positive=True)
    runs = []
    for scale in (1.0, factor):
        net, digits, rng = bare_network(seed, norm, eps)
        x, labels = digits.x_train, digits.y_train
        batches = minibatches(len(x), batch_size, rng)
        parts = hidden_weights(net)
        for part in parts:
            net.params[part] *= scale
        losses = []
        for _ in range(integer("steps", steps)):
            batch = next(batches)
            losses.append(loss_and_gradient(net, x[batch], labels[batch]))
            for part in parts:
                net.grads[part] *= scale**2  # the same as a larger lr for them
            sgd_step(net, lr)
        runs.append(losses)
    return Trajectories(*np.array(runs))


def _squared(flat, parts):
    return np.array([flat[part] @ flat[part] for part in parts])
