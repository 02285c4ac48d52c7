"""How the gradient by layer changes in the first steps of training."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import integer, number
from normlib.datasets import digits_split
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import mlp
from normlib.nets.training import sgd_step


class FirstSteps(NamedTuple):
    """K networks before training and after each of S steps.

    Attributes
    ----------
    imbalance : ndarray of shape (K, S + 1)
        Length of the gradient by the activations of layer 2 over that of the last
        hidden layer.
    length : ndarray of shape (K, S + 1)
        Length of the weights of layer 2 over their length at the start.
    weight_imbalance : ndarray of shape (K, S + 1)
        Length of the gradient by the weights of layer 2 over that of the last hidden
        layer: what the longer weights of layer 2 divide once more.
    """

    imbalance: np.ndarray
    length: np.ndarray
    weight_imbalance: np.ndarray

    def median(self):
        """Return the medians over the networks, each of shape (S + 1,), by name."""
        return {
            "gradient by activations": np.median(self.imbalance, axis=0),
            "gradient by weights": np.median(self.weight_imbalance, axis=0),
            "length of the weights": np.median(self.length, axis=0),
        }


def first_steps(lr, steps=3, seeds=(0,), *, depth=40, width=64, batch_size=128):
    """Train ReLU networks with batch norm for a few steps on one batch of digits.

    Parameters
    ----------
    lr : float
        Learning rate.
    steps : int
        Steps of gradient descent; default 3.
    seeds : sequence of int
        One network each, with data of its own.
    depth, width, batch_size : int
        Hidden layers, their units, and samples; default 40, 64, 128.

    Returns
    -------
    FirstSteps

    References
    ----------
    Yang et al. 2019, arXiv:1902.08129, figure 4.

    Examples
    --------
    >>> found = first_steps(0.1, seeds=(1, 2, 3))
    >>> bool(found.imbalance[:, 1].max() < 0.5 * found.imbalance[:, 0].min())
    True
    """
    lr, steps = number("lr", lr, minimum=0), integer("steps", steps)
    depth, width = integer("depth", depth, minimum=2), integer("width", width)
    batch_size = integer("batch_size", batch_size, minimum=2)
    found = np.array([_train(lr, steps, s, depth, width, batch_size) for s in seeds])
    imbalance, length, weight_imbalance = np.moveaxis(found, 2, 0)
    return FirstSteps(imbalance, length / length[:, :1], weight_imbalance)


def _train(lr, steps, seed, depth, width, batch_size):
    rng = np.random.default_rng(seed)
    digits = digits_split(rng, standardized=True)
    x, labels = digits.x_train[:batch_size], digits.y_train[:batch_size]
    net = mlp([x.shape[1]] + [width] * depth + [10], norm="batch", bias=False, rng=rng)
    second, last = net.layers[3], net.layers[-4]  # linear, norm, ReLU in each layer
    found = []
    for _ in range(steps + 1):
        _, doutputs = softmax_cross_entropy(net.forward(x, record=True), labels)
        net.backward(doutputs, record=True)
        by_activations = [np.linalg.norm(net.output_grads[end]) for end in (5, -2)]
        by_weights = [np.linalg.norm(w.grads["weight"]) for w in (second, last)]
        length = np.linalg.norm(second.params["weight"])
        found.append(
            [
                by_activations[0] / by_activations[1],
                length,
                by_weights[0] / by_weights[1],
            ]
        )
        sgd_step(net, lr)
    return found
