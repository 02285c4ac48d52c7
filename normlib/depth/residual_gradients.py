"""Gradients of deep residual stacks with the norm before or after the addition."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, generator, integer
from normlib.nets.layers import Linear, ReLU, Residual
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import Network
from normlib.nets.norm_layers import norm_layer


class ResidualProfile(NamedTuple):
    """Stream and gradients of K random stacks of L feed-forward blocks.

    Attributes
    ----------
    blocks : ndarray of int of shape (L,)
        1 is next to the input.
    gradient : ndarray of shape (K, L)
        Frobenius norm of the gradient of each block's writing weight.
    stream : ndarray of shape (K, L)
        Mean square of the stream after each block.
    predicted_stream : ndarray of shape (L,)
        The same for wide stacks.
    """

    blocks: np.ndarray
    gradient: np.ndarray
    stream: np.ndarray
    predicted_stream: np.ndarray


class LastGradients(NamedTuple):
    """Gradient of the last block's writing weight, by depth of the stack.

    Attributes
    ----------
    depths : ndarray of int of shape (D,)
        Numbers of blocks L.
    pre, post : ndarray of shape (K, D)
        With the norm before the branch, and after the addition.
    scaled_pre : ndarray of shape (K, D)
        ``pre * sqrt(1 + L / 2)``, about constant.
    """

    depths: np.ndarray
    pre: np.ndarray
    post: np.ndarray
    scaled_pre: np.ndarray


def residual_profile(
    depth, position="pre", *, norm="layer", width=128, tokens=64, networks=3, rng=0
):
    """Measure the gradient of every block of a residual stack at its start.

    Parameters
    ----------
    depth : int
        Number of blocks L.
    position : {"pre", "post"}
        Norm at the start of each branch, with one more at the end of the stack,
        or after each addition.
    norm : {"layer", "rms", None}
        Which norm; default "layer".
    width : int
        Features of the stream, and hidden units; default 128.
    tokens : int
        Samples; default 64.
    networks : int
        Number of random stacks K; default 3.
    rng : int or numpy.random.Generator
        Seed or generator; default 0.

    Returns
    -------
    ResidualProfile

    Raises
    ------
    TypeError, ValueError
        If a name is unknown or a number out of range.

    Notes
    -----
    Branch ``relu(x W1) W2`` with all weights N(0, 1 / width), random labels of 64
    classes, cross-entropy. A branch adds 1/2 to the mean square of a pre-norm
    stream, so after L blocks it is ``1 + L / 2``. There is no attention here: the
    argument that post-norm gradients shrink towards the input does not show in
    such a stack.

    References
    ----------
    Xiong et al. 2020, arXiv:2002.04745, theorem 1 and lemma 2.

    Examples
    --------
    >>> profile = residual_profile(8, "pre")
    >>> bool(abs(profile.stream[:, -1].mean() / (1 + 8 / 2) - 1) < 0.05)
    True
    """
    depth, width = integer("depth", depth), integer("width", width, minimum=2)
    tokens, rng = integer("tokens", tokens), generator(rng)
    choice("position", position, ("pre", "post"))
    choice("norm", norm, ("layer", "rms", None))
    gradient, stream = [], []
    for _ in range(integer("networks", networks)):
        net = _stack(depth, position, norm, width, rng)
        x = rng.standard_normal((tokens, width))
        labels = rng.integers(64, size=tokens)
        _, dout = softmax_cross_entropy(net.forward(x, record=True), labels)
        net.backward(dout)
        writers = [block.branch[-1] for block in net.layers[:depth]]
        gradient.append([np.linalg.norm(w.grads["weight"]) for w in writers])
        stream.append([(h * h).mean() for h in net.outputs[:depth]])
    blocks = np.arange(1, depth + 1)
    return ResidualProfile(
        blocks, np.array(gradient), np.array(stream), _predict(blocks, position, norm)
    )


def last_block_gradients(depths=(2, 4, 8, 16, 32), **settings):
    """Compare pre-norm and post-norm by the gradient of their last block.

    Parameters
    ----------
    depths : sequence of int
        Numbers of blocks.
    **settings
        As for `residual_profile`, without ``position``.

    Returns
    -------
    LastGradients

    Raises
    ------
    TypeError, ValueError
        As `residual_profile`.

    Notes
    -----
    The last norm of a pre-norm stack divides by the stream's length, which
    grows: the gradient falls as ``1 / sqrt(1 + L / 2)``. A post-norm stream has
    length 1 at every depth, and the gradient does not fall, which is why
    post-norm needs a warm-up of the learning rate.

    References
    ----------
    Xiong et al. 2020, arXiv:2002.04745, theorem 1.

    Examples
    --------
    >>> found = last_block_gradients((2, 16))
    >>> pre, post = found.pre.mean(axis=0), found.post.mean(axis=0)
    >>> bool(pre[1] < 0.6 * pre[0]), bool(post[1] > post[0])
    (True, True)
    """
    depths = [integer("depths", depth) for depth in depths]
    pre, post = (
        np.array(
            [residual_profile(L, where, **settings).gradient[:, -1] for L in depths]
        ).T
        for where in ("pre", "post")
    )
    scale = np.sqrt(1 + np.array(depths) / 2)
    return LastGradients(np.array(depths), pre, post, pre * scale)


def _stack(depth, position, norm, width, rng):
    def linear(n_out):
        return Linear(width, n_out, bias=False, init="lecun", rng=rng)

    def make_norm():
        return None if norm is None else norm_layer(norm, width)

    blocks = [
        Residual([linear(width), ReLU(), linear(width)], make_norm(), position)
        for _ in range(depth)
    ]
    last = [make_norm()] if position == "pre" and norm is not None else []
    return Network(blocks + last + [linear(64)])


def _predict(blocks, position, norm):
    if norm is None:
        return 1.5**blocks  # the branch adds half of what it reads
    return 1 + blocks / 2 if position == "pre" else np.ones(len(blocks))
