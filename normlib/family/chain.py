"""A deep chain of weight-normalized layers: what its start fits, and what not."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, float_array, generator, index, reals, takes
from normlib.datasets import digits_split
from normlib.family.weight_parametrizations import data_dependent_init
from normlib.norms import batch_norm, weight_norm

__all__ = ["LAYERS", "Chain", "build_chain", "chain_spreads", "length_one"]

LAYERS = 10
BATCH = 128


class Chain(NamedTuple):
    """Ten layers of 64 ReLU units, and two batches of digits.

    Attributes
    ----------
    v : ndarray of shape (L, 64, 64)
        Directions, one per row.
    g, bias : ndarray of shape (L, 64)
        Lengths and biases at the start.
    first, second : ndarray of shape (128, 64)
        The batch that the start has seen, and one that it has not.
    """

    v: np.ndarray
    g: np.ndarray
    bias: np.ndarray
    first: np.ndarray
    second: np.ndarray


@takes(seed=index)
def build_chain(seed=0, start=data_dependent_init):
    """Draw directions, and let `start` choose lengths and biases layer by layer.

    Parameters
    ----------
    seed : int, default 0
        Of the digits and the directions.
    start : callable
        ``start(v, x)`` gives lengths and biases of a layer with directions v for the
        batch x that reaches it; default `data_dependent_init`.

    Returns
    -------
    Chain

    References
    ----------
    Salimans, Kingma 2016, arXiv:1602.07868, section 3.

    Examples
    --------
    >>> chain = build_chain(seed=0)
    >>> chain.v.shape, chain.g.shape
    ((10, 64, 64), (10, 64))
    """
    if not callable(start):
        raise TypeError(f"start must be a function of v and x, got {start!r:.60}")
    rng = generator(seed)
    x = digits_split(rng, standardized=True).x_train[: 2 * BATCH]
    v = 0.05 * rng.standard_normal((LAYERS, 64, 64))
    g, bias, h = [], [], x[:BATCH]
    for layer in v:
        found = start(layer.copy(), h.copy())[:2]
        length, shift = (np.asarray(part, float) for part in found)
        if not length.shape == shift.shape == (64,):
            raise ValueError(
                f"start must return lengths and biases of shape (64,), got "
                f"{length.shape} and {shift.shape}"
            )
        g.append(length)
        bias.append(shift)
        h = np.maximum(h @ weight_norm(layer, g[-1])[0].T + bias[-1], 0)
    return Chain(v, np.array(g), np.array(bias), x[:BATCH], x[BATCH:])


def chain_spreads(chain, x, norm="weight"):
    """Return the deviation of the sums in each layer, root mean square over units.

    Parameters
    ----------
    chain : Chain
    x : ndarray of shape (N, 64)
        What goes in.
    norm : {"weight", "batch"}
        "weight": the layers as they are. "batch": batch norm after each map, whose
        weights have length 1.

    Returns
    -------
    ndarray of shape (L,)

    Examples
    --------
    >>> chain = build_chain(0)
    >>> bool(np.allclose(chain_spreads(chain, chain.first), 1))
    True
    """
    if not isinstance(chain, Chain):
        raise TypeError(
            f"chain must be a Chain of build_chain, got {type(chain).__name__}"
        )
    x = float_array("x", x, ndim=2)
    if x.shape[1] != chain.v.shape[2]:
        raise ValueError(f"x must have shape (N, {chain.v.shape[2]}), got {x.shape}")
    choice("norm", norm, ("weight", "batch"))
    spreads = []
    for v, g, bias in zip(chain.v, chain.g, chain.bias, strict=True):
        if norm == "batch":
            x = batch_norm(x @ weight_norm(v, np.ones(len(v)))[0].T)[0]
        else:
            x = x @ weight_norm(v, g)[0].T + bias
        spreads.append(np.sqrt(x.var(axis=0).mean()))
        x = np.maximum(x, 0)
    return np.array(spreads)


@takes(v=reals, x=reals)
def length_one(v, x):
    """Return lengths 1 and biases 0, whatever the batch.

    Examples
    --------
    >>> length_one(np.array([[3.0, 4.0]]), np.array([[1.0, 2.0]]))
    (array([1.]), array([0.]))
    """
    if np.ndim(v) != 2:
        raise ValueError(f"v must have shape (n_out, n_in), got {np.shape(v)}")
    return np.ones(len(v)), np.zeros(len(v))
