"""Queries and keys: their size, their norm, their rotation."""

from typing import NamedTuple

import numpy as np

from normlib import layer_norm, rms_norm
from normlib._arguments import choice, generator, natural, real, takes
from normlib.nets.losses import softmax
from normlib.nets.transformer import rotate


class Scores(NamedTuple):
    """Attention of random queries over random keys.

    Attributes
    ----------
    logits, weights : ndarray of shape (T, T)
        Scores ``q . k / sqrt(d)`` and their softmax, row by row.
    entropy : float
        Mean over the queries, in nats; at most log T.
    """

    logits: np.ndarray
    weights: np.ndarray
    entropy: float


@takes(times=real, size=natural, tokens=natural)
def scores(times, *, norm=False, size=16, tokens=12, rng=0):
    """Let queries and keys grow by a factor, with and without a norm on them.

    Parameters
    ----------
    times : float
        Factor on queries and keys, Gaussian of spread 1.
    norm : bool
        Whether RMS norm makes them all of length sqrt(size).
    size, tokens : int
        Features of a head; queries, and keys.
    rng : int or numpy.random.Generator
        Source of queries and keys.

    Returns
    -------
    Scores

    Examples
    --------
    >>> [round(scores(times).entropy, 2) for times in (0.0, 1.0, 4.0)]
    [2.48, 2.12, 0.05]
    """
    q, k = times * generator(rng).standard_normal((2, tokens, size))
    if norm:
        q, k = rms_norm(q, eps=0)[0], rms_norm(k, eps=0)[0]
    logits = q @ k.T / np.sqrt(size)
    weights = softmax(logits)
    each = -np.sum(weights * np.log(np.maximum(weights, 1e-300)), axis=-1)
    return Scores(logits, weights, float(each.mean()))


@takes(size=natural, tokens=natural)
def rotation_gap(kind, *, size=16, tokens=9, rng=0):
    """Measure whether a norm may change places with rotary positions.

    Parameters
    ----------
    kind : {"RMS", "RMS, gamma", "RMS, gamma equal in pairs", "layer"}
        The norm.
    size, tokens : int
        Features and tokens.
    rng : int or numpy.random.Generator
        Source of the vectors, of spread 1, and of gamma, of 1 + N(0, 0.25).

    Returns
    -------
    float
        Largest difference between norm, then rotation, and the other order, over
        the largest entry.

    Examples
    --------
    >>> bool(rotation_gap("RMS") < 1e-12 < rotation_gap("layer"))
    True
    """
    choice("kind", kind, ROTATED)
    rng = generator(rng)
    x = rng.standard_normal((tokens, size))
    gamma = 1 + 0.5 * rng.standard_normal(size)
    if kind == "RMS, gamma equal in pairs":  # pair i holds features i and i + size / 2
        gamma[size // 2 :] = gamma[: size // 2]
    norm = {
        "RMS": lambda x: rms_norm(x, eps=0)[0],
        "layer": lambda x: layer_norm(x, eps=0)[0],
    }.get(kind, lambda x: rms_norm(x, gamma, eps=0)[0])
    first, then = rotate(norm(x)), norm(rotate(x))
    return float(np.abs(first - then).max() / np.abs(first).max())


ROTATED = ("RMS", "RMS, gamma", "RMS, gamma equal in pairs", "layer")


@takes(size=natural, huge=real)
def with_one_huge(size, huge):
    """Return a vector of spread 1 whose first entry is `huge`.

    The other entries are +1 and -1 in turn, so that their mean square is 1 whatever
    the huge one is.

    Parameters
    ----------
    size : int
        Number of entries.
    huge : float
        The first of them.

    Returns
    -------
    ndarray of shape (size,)

    Examples
    --------
    >>> with_one_huge(4, 9.0)
    array([ 9.,  1., -1.,  1.])
    """
    x = np.where(np.arange(size) % 2, 1.0, -1.0)
    x[0] = huge
    return x
