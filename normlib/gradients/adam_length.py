"""Whether weights before a norm only grow: under gradient descent and under Adam."""

import numpy as np

from normlib._arguments import choice, integer, number
from normlib.datasets import digits_split
from normlib.gradients.scale_invariance import hidden_weights
from normlib.nets.minibatches import minibatches
from normlib.nets.network import mlp, stack
from normlib.nets.training import loss_and_gradient, sgd_step
from normlib.nets.transformer import Adam

__all__ = ["shrinking_steps"]


def shrinking_steps(optimizer, lr, seeds, steps=300):
    """Return for each seed the share of steps in which the weights get shorter.

    A 64-32-32-10 ReLU network with batch norm on digits, batches of 32, eps 0, no
    weight decay; looked at are the weights of the first layer.

    Parameters
    ----------
    optimizer : {"sgd", "adam"}
        Plain gradient descent, or Adam with its usual constants.
    lr : float
        Learning rate.
    seeds : sequence of int
        Of the data, the weights and the order of the batches.
    steps : int
        Number of updates; default 300.

    Returns
    -------
    ndarray of shape (K,)

    References
    ----------
    S. Arora, Z. Li and K. Lyu (2018), arXiv:1812.03981 (gradient descent).

    Examples
    --------
    >>> shrinking_steps("sgd", 0.2, [0], steps=20)
    array([0.])
    """
    choice("optimizer", optimizer, ("sgd", "adam"))
    lr, steps = number("lr", lr, minimum=0), integer("steps", steps)
    rngs = [np.random.default_rng(seed) for seed in seeds]
    data = [digits_split(rng, standardized=True) for rng in rngs]
    x, labels = (
        np.array([getattr(d, n) for d in data]) for n in ("x_train", "y_train")
    )
    sizes = [64, 32, 32, 10]
    net = stack([mlp(sizes, norm="batch", bias=False, eps=0, rng=rng) for rng in rngs])
    first = hidden_weights(net.set_mode("probe"))[0]
    each = zip(*(minibatches(x.shape[1], 32, rng) for rng in rngs), strict=True)
    rows, adam = np.arange(len(rngs))[:, None], Adam(net, lr)
    lengths = [np.linalg.norm(net.params[:, first], axis=1)]
    for _ in range(steps):
        batch = rows, np.array(next(each))
        loss_and_gradient(net, x[batch], labels[batch])
        adam.step() if optimizer == "adam" else sgd_step(net, lr)
        lengths.append(np.linalg.norm(net.params[:, first], axis=1))
    return np.mean(np.diff(lengths, axis=0) < 0, axis=0)
