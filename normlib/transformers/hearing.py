"""Which outputs hear of a change in one token, under each reading of a norm."""

import numpy as np

from normlib import layer_norm
from normlib._arguments import as_array, choice, integer
from normlib.nets.layers import Layer, check_features
from normlib.nets.losses import check_integers
from normlib.nets.transformer import check_sequences
from normlib.transformers.task import SIZE, reverser

TOKENS = 2 * SIZE


class SequenceNorm(Layer):
    """One mean for all features of all tokens of a sequence. No transformer does it.

    Parameters
    ----------
    n : int
        Number of features.

    Examples
    --------
    >>> x_hat = SequenceNorm(1).forward(np.array([[1.0], [3.0]] * 5))
    >>> x_hat[:2].round(4).ravel()
    array([-1.,  1.])
    """

    def __init__(self, n):
        super().__init__()
        self.n = integer("n", n)

    def forward(self, x):
        """Return ``x_hat``."""
        check_features(x, self.n, "SequenceNorm")
        check_sequences(x, TOKENS, "SequenceNorm")
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

    Examples
    --------
    >>> moved = hears("layer, per token", np.zeros((1, 10), int), word=0, place=7)
    >>> (moved > 0).astype(int)
    array([[0, 0, 0, 0, 0, 0, 0, 1, 1, 1]])
    """
    choice("reading", reading, READINGS)
    tokens = as_array("tokens", tokens)
    check_integers("tokens", tokens)
    if tokens.ndim != 2:
        raise ValueError(f"tokens must have shape (N, {TOKENS}), got {tokens.shape}")
    for name, value, n in (("word", word, len(tokens)), ("place", place, TOKENS)):
        if integer(name, value, minimum=0) >= n:
            raise ValueError(f"{name} must be below {n}, got {value}")
    net = reverser(rng, blocks=blocks, norm=READINGS[reading], answers=TOKENS)
    changed = tokens.copy()
    changed[word, place] = (changed[word, place] + 1) % 8
    moved = np.abs(net.forward(changed) - net.forward(tokens)).max(axis=-1)
    return moved.reshape(tokens.shape)
