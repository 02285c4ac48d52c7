"""A small residual stream, to see which norms can be folded away in it.

Blocks are feed-forward parts of a transformer: ``F(x) = relu(x w_in + b_in) w_out
+ b_out``. A pre-norm block adds ``F(norm(x))`` to the stream, a post-norm block
replaces the stream by ``norm(x + F(x))``.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, float_array, generator, integer, number
from normlib.sphere.folding import fold_layer_norm
from normlib.sphere.geometry import projection_steps


class Block(NamedTuple):
    """Parameters of one feed-forward block of width D with H hidden units.

    Attributes
    ----------
    gamma, beta : ndarray of shape (D,)
        Of the norm.
    w_in, b_in : ndarray of shape (D, H), (H,)
        The map that reads.
    w_out, b_out : ndarray of shape (H, D), (D,)
        The map that writes to the stream.
    """

    gamma: np.ndarray
    beta: np.ndarray
    w_in: np.ndarray
    b_in: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray


class Comparison(NamedTuple):
    """Outputs of a network before and after its weights were rewritten.

    Attributes
    ----------
    before, after : ndarray
        The two outputs, of one shape.
    relative_error : float
        Largest difference over the largest entry of ``before``.
    """

    before: np.ndarray
    after: np.ndarray
    relative_error: float


def random_blocks(depth, width, *, spread=0.5, rng=0):
    """Draw blocks with random weights, gammas and betas.

    Parameters
    ----------
    depth : int
        Number of blocks.
    width : int
        Number of features of the stream and of hidden units.
    spread : float
        Standard deviation of gamma (around 1), beta and the biases; default 0.5.
    rng : int or numpy.random.Generator
        Seed or generator; default 0.

    Returns
    -------
    list of Block

    Examples
    --------
    >>> len(random_blocks(3, 8))
    3
    """
    depth, width = integer("depth", depth), integer("width", width, minimum=2)
    spread, rng = number("spread", spread, minimum=0), generator(rng)

    def vector():
        return spread * rng.standard_normal(width)

    def matrix():
        return rng.standard_normal((width, width)) / np.sqrt(width)

    return [
        Block(1 + vector(), vector(), matrix(), vector(), matrix(), vector())
        for _ in range(depth)
    ]


def run_stream(x, blocks, *, position="pre", norm="layer", eps=1e-5):
    """Send vectors through residual blocks.

    Parameters
    ----------
    x : ndarray of shape (..., D)
        What enters the stream.
    blocks : list of Block
        Their parameters.
    position : {"pre", "post"}
        Norm before each block, with a last one without parameters after all,
        or after each addition.
    norm : {"layer", "rms"}
        Which norm.
    eps : float
        Added to the variance inside the root; default 1e-5.

    Returns
    -------
    ndarray of shape (..., D)

    References
    ----------
    Xiong et al. 2020, arXiv:2002.04745, table 1.

    Examples
    --------
    >>> run_stream(np.ones((1, 8)), random_blocks(2, 8)).shape
    (1, 8)
    """
    x = float_array("x", x)
    choice("position", position, ("pre", "post"))

    def normalize(x, gamma=None, beta=None):
        return projection_steps(x, gamma, beta, norm=norm, eps=eps).beta

    for block in blocks:
        if position == "pre":
            x = x + _feed_forward(normalize(x, block.gamma, block.beta), block)
        else:
            x = normalize(x + _feed_forward(x, block), block.gamma, block.beta)
    return normalize(x) if position == "pre" else x


def fold_blocks(blocks, position="pre", *, fold=fold_layer_norm):
    """Take gamma and beta out of the norms and put them into the maps that read.

    Parameters
    ----------
    blocks : list of Block
        Parameters of a residual network.
    position : {"pre", "post"}
        Where the norms stand. The norm after the last post-norm block has no
        next map and is left as it is.
    fold : callable
        From ``(weight, bias, gamma, beta)`` to the new weight and bias; default
        `fold_layer_norm`.

    Returns
    -------
    list of Block
        With gamma 1 and beta 0 wherever they were taken out.

    Examples
    --------
    >>> blocks = fold_blocks(random_blocks(2, 4))
    >>> blocks[0].gamma
    array([1., 1., 1., 1.])
    """
    if choice("position", position, ("pre", "post")) == "pre":
        return [_without_scale(_fold(block, block, fold)) for block in blocks]
    pairs = zip(blocks[1:], blocks[:-1], strict=True)
    folded = blocks[:1] + [_fold(block, before, fold) for block, before in pairs]
    return [_without_scale(block) for block in folded[:-1]] + folded[-1:]


def compare(before, after):
    """Measure how far two outputs are apart, relative to the first.

    Parameters
    ----------
    before, after : ndarray
        Two arrays of one shape.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> compare(np.array([2.0, 4.0]), np.array([2.0, 3.0])).relative_error
    0.25
    """
    before, after = float_array("before", before), float_array("after", after)
    if before.shape != after.shape:
        raise ValueError(
            f"after must have the shape of before {before.shape}, got {after.shape}"
        )
    largest = np.abs(before).max()
    if largest == 0:
        raise ValueError("before is all 0: no relative error; choose another input")
    return Comparison(before, after, float(np.abs(after - before).max() / largest))


def _feed_forward(x, block):
    hidden = np.maximum(x @ block.w_in + block.b_in, 0)
    return hidden @ block.w_out + block.b_out


def _fold(reader, norm, fold):
    """Let ``reader`` take the gamma and beta of the norm whose output it reads."""
    w_in, b_in = fold(reader.w_in, reader.b_in, norm.gamma, norm.beta)
    return reader._replace(w_in=w_in, b_in=b_in)


def _without_scale(block):
    return block._replace(
        gamma=np.ones_like(block.gamma), beta=np.zeros_like(block.beta)
    )
