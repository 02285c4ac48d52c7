"""Which outputs hear of a change in one token, under each reading of a norm."""

import numpy as np

from normlib import layer_norm
from normlib.nets.layers import Layer
from normlib.transformers.task import SIZE, reverser

TOKENS = 2 * SIZE


class SequenceNorm(Layer):
    """One mean for all features of all tokens of a sequence. No transformer does it."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        """Return ``x_hat``."""
        sequences = x.reshape(-1, TOKENS, self.n)
        return layer_norm(sequences, axes=(1, 2))[0].reshape(x.shape)


READINGS = {
    "layer, per token": "layer",
    "layer, per sequence": SequenceNorm,
    "batch": "batch",
}


def hears(reading, tokens, word, place, *, blocks=2, rng=0):
    """Change one token, and see which outputs of a random transformer move.

    Parameters
    ----------
    reading : str
        A key of `READINGS`.
    tokens : ndarray of int of shape (N, 10)
        Letters of N sequences.
    word, place : int
        Which token becomes another letter.
    blocks : int
        Depth, default 2.
    rng : int or numpy.random.Generator
        Source of the weights.

    Returns
    -------
    ndarray of shape (N, 10)
        By how much the output of each token moves at most.
    """
    net = reverser(rng, blocks=blocks, norm=READINGS[reading], answers=TOKENS)
    changed = tokens.copy()
    changed[word, place] = (changed[word, place] + 1) % 8
    moved = np.abs(net.forward(changed) - net.forward(tokens)).max(axis=-1)
    return moved.reshape(tokens.shape)
