"""Weights before a norm: only the rate over the square of their length counts."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import integer, number
from normlib.gradients.scale_invariance import bare_network, hidden_weights
from normlib.nets.minibatches import minibatches
from normlib.nets.training import LOSS_LIMIT, loss_and_gradient, sgd_step

__all__ = ["Trajectories", "same_trajectory"]


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

    Notes
    -----
    Only ``lr / ||w||**2``, the effective learning rate, decides how the direction
    of w turns.

    References
    ----------
    T. van Laarhoven (2017), arXiv:1706.05350; E. Hoffer et al. (2018),
    arXiv:1803.01814.

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
