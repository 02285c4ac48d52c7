"""Whether weights before a norm only grow: under gradient descent and under Adam."""

import numpy as np

from normlib._arguments import choice, integer
from normlib.datasets import digits_split
from normlib.gradients.scale_invariance import hidden_weights
from normlib.nets.minibatches import minibatches
from normlib.nets.network import mlp
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
    S. Arora, Z. Li and K. Lyu (2018), arXiv:1812.03981, lemma 2.4 (gradient descent).

    Examples
    --------
    >>> shrinking_steps("sgd", 0.2, [0], steps=20)
    array([0.])
    """
    choice("optimizer", optimizer, ("sgd", "adam"))
    steps = integer("steps", steps)
    return np.array([_share(optimizer, lr, seed, steps) for seed in seeds])


def _share(optimizer, lr, seed, steps):
    rng = np.random.default_rng(seed)
    digits = digits_split(rng, standardized=True)
    net = mlp([64, 32, 32, 10], norm="batch", bias=False, eps=0, rng=rng)
    first = hidden_weights(net.set_mode("probe"))[0]
    batches = minibatches(len(digits.y_train), 32, rng)
    adam = Adam(net, lr)
    lengths = [np.linalg.norm(net.params[first])]
    for _ in range(steps):
        batch = next(batches)
        loss_and_gradient(net, digits.x_train[batch], digits.y_train[batch])
        adam.step() if optimizer == "adam" else sgd_step(net, lr)
        lengths.append(np.linalg.norm(net.params[first]))
    return np.mean(np.diff(lengths) < 0)
