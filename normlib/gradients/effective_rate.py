"""Weights before a norm grow as they train, and so turn less and less."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import integer, number
from normlib.gradients.scale_invariance import bare_network, hidden_weights
from normlib.nets.minibatches import minibatches
from normlib.nets.training import LOSS_LIMIT, loss_and_gradient, sgd_step

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
    reason : str
        Empty, or why there are fewer than S steps.
    """

    squared_norms: np.ndarray
    pythagoras: np.ndarray
    effective_rates: np.ndarray
    reason: str = ""


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
        Up to the last step before the loss is above 1e6 or not finite.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown or a number out of range.

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
    reason = ""
    for step in range(1, steps + 1):
        batch = next(batches)
        with np.errstate(over="ignore", invalid="ignore"):
            loss = loss_and_gradient(net, x[batch], labels[batch])
            sgd_step(net, lr)
            length = _squared(net.params, parts)
            moved = np.float64(lr) ** 2 * _squared(net.grads, parts)
        if not (loss <= LOSS_LIMIT and np.isfinite(length + moved).all()):
            reason = _why(loss, step)
            break
        norms.append(length)
        squared_steps.append(moved)
    norms = np.array(norms)
    pythagoras = norms[0] + np.cumsum(squared_steps, axis=0)
    return NormGrowth(norms, pythagoras, lr / norms, reason)


class Trajectories(NamedTuple):
    """Two runs that should be one.

    Attributes
    ----------
    losses : ndarray of shape (S,)
        With weights W and learning rate lr.
    scaled_losses : ndarray of shape (S,)
        With weights ``factor * W`` and learning rate ``factor**2 * lr`` for them.
    reason : str
        Empty, or why there are fewer than S steps.
    """

    losses: np.ndarray
    scaled_losses: np.ndarray
    reason: str = ""


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
        Up to the last step before a loss is above 1e6 or not finite.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown or a number out of range.

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
    factor, lr = number("factor", factor, positive=True), number("lr", lr, minimum=0)
    steps = integer("steps", steps)
    runs, reason = [], ""
    for scale in (1.0, factor):
        net, digits, rng = bare_network(seed, norm, eps)
        x, labels = digits.x_train, digits.y_train
        batches = minibatches(len(x), batch_size, rng)
        parts = hidden_weights(net)
        for part in parts:
            net.params[part] *= scale
        losses = []
        with np.errstate(over="ignore"):
            square = np.float64(scale) ** 2
        for step in range(1, steps + 1):
            batch = next(batches)
            with np.errstate(over="ignore", invalid="ignore"):
                loss = loss_and_gradient(net, x[batch], labels[batch])
            if not loss <= LOSS_LIMIT:
                # The other run ends there too: they are compared step by step.
                reason, steps = _why(loss, step), step - 1
                break
            losses.append(loss)
            with np.errstate(over="ignore", invalid="ignore"):
                for part in parts:
                    net.grads[part] *= square  # the same as a larger lr for them
                sgd_step(net, lr)
        runs.append(losses)
    return Trajectories(*np.array([losses[:steps] for losses in runs]), reason)


def _why(loss, step):
    what = f"the loss is {loss:.3g}" if loss > LOSS_LIMIT else "numbers overflow"
    return f"diverged at step {step}: {what}; try a smaller lr"


def _squared(flat, parts):
    return np.array([flat[part] @ flat[part] for part in parts])
