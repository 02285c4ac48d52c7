"""Where the norm stands: the stream and its gradient by depth, and what trains."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, index, natural, takes
from normlib.nets.layers import Residual
from normlib.nets.transformer import PLACEMENTS, token_loss
from normlib.transformers.task import accuracy, reversed_words, reversers, train

RATES = (3e-3, 1e-2, 3e-2)


class Start(NamedTuple):
    """What a forward and a backward pass give before any training, K networks.

    Attributes
    ----------
    stream : ndarray of shape (K, L + 1)
        Mean square of the stream before the first block and after each.
    gradient : ndarray of shape (K, L)
        Length of the gradient of all parameters of each block.
    """

    stream: np.ndarray
    gradient: np.ndarray


def at_start(placement, blocks, seeds, **build):
    """Measure stream and gradient of networks at their start.

    Parameters
    ----------
    placement : str
        See `normlib.nets.transformer.transformer`.
    blocks : int
        Depth L, in blocks of two branches.
    seeds : sequence of int
        One network each; the first also draws the words.

    Returns
    -------
    Start

    Examples
    --------
    >>> start = at_start("pre", 2, [0, 1])
    >>> start.stream.shape, start.gradient.shape
    ((2, 3), (2, 2))
    """
    choice("placement", placement, PLACEMENTS)
    net = reversers(seeds, placement=placement, blocks=blocks, **build)
    tokens, answers = reversed_words(16, seeds[0])
    logits = net.forward(tokens, record=True)
    answers = np.broadcast_to(answers, (len(seeds), *answers.shape))
    net.backward(token_loss(logits, answers)[1])
    stream = [(x * x).mean(axis=(1, 2)) for x in net.outputs[: 2 * blocks + 1 : 2]]
    squares = [
        sum((g * g).sum(axis=tuple(range(1, g.ndim))) for g in gradients(layer))
        for layer in net.layers
        if isinstance(layer, Residual)
    ]
    gradient = np.sqrt(np.add(squares[::2], squares[1::2]))
    return Start(np.array(stream).T, gradient.T)


def gradients(layer):
    """Yield the gradient of every parameter of a layer and of those inside it."""
    yield from layer.grads.values()
    for child in layer.children:
        yield from gradients(child)


@takes(blocks=natural, steps=natural, warm_up=index, batch_size=natural)
def by_rate(
    placement,
    blocks,
    seeds,
    rates=RATES,
    *,
    steps=100,
    warm_up=0,
    batch_size=8,
    **build,
):
    """Train networks from each seed at each learning rate, all at once.

    Parameters
    ----------
    placement, blocks, seeds : see `at_start`
        One network per seed and rate.
    rates : sequence of float
        Learning rates of Adam.
    steps, warm_up : int
        Updates, and in how many of them the rate rises.

    Yields
    ------
    float, then ndarray of shape (S, R)
        The finished fraction, and at the end the share of right letters in new
        words, by seed and rate.

    Examples
    --------
    >>> *_, right = by_rate("pre", 1, [0], [0.01], steps=2)
    >>> right.shape
    (1, 1)
    """
    choice("placement", placement, PLACEMENTS)
    each = [seed for seed in seeds for _ in rates]
    net = reversers(each, placement=placement, blocks=blocks, **build)
    lr = np.tile(rates, len(seeds))
    work = train(net, lr, steps, seeds[0], warm_up=warm_up)
    for step, _ in enumerate(work, 1):
        yield step / steps
    yield accuracy(net, seeds[0] + 1).reshape(len(seeds), -1)
