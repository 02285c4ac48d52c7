"""The task: read a word, then write it backwards. Only attention can do it."""

from collections.abc import Iterable

import numpy as np

from normlib._arguments import (
    as_array,
    float_array,
    generator,
    index,
    integer,
    natural,
    takes,
)
from normlib.nets.losses import check_integers, check_range
from normlib.nets.network import network, stack
from normlib.nets.probing import check_single
from normlib.nets.transformer import Adam, token_loss, transformer

LETTERS = "abcdefgh"
BAR = "|"  # stands after the word and asks for the answer
SIZE = 5  # letters of a word


def reversed_words(n, rng):
    """Draw words, each followed by a bar and itself backwards.

    Parameters
    ----------
    n : int
        Number of words.
    rng : int or numpy.random.Generator
        Source of the letters.

    Returns
    -------
    tokens : ndarray of int of shape (n, 10)
        Word, bar, and all but the last letter of the answer.
    answers : ndarray of int of shape (n, 5)
        What is to follow each of the last 5 tokens.

    Examples
    --------
    >>> tokens, answers = reversed_words(1, rng=0)
    >>> spell(tokens[0]), spell(answers[0])
    ('gfecc|ccef', 'ccefg')
    """
    rng = generator(rng)
    words = rng.integers(len(LETTERS), size=(integer("n", n), SIZE))
    bars = np.full((n, 1), len(LETTERS))
    return np.concatenate([words, bars, words[:, :0:-1]], axis=1), words[:, ::-1]


def spell(tokens):
    """Return tokens as a string.

    Examples
    --------
    >>> spell(np.array([0, 1, 8, 1, 0]))
    'ab|ba'
    """
    tokens = as_array("tokens", tokens)
    if tokens.ndim != 1:
        raise ValueError(f"tokens must be in one row, got shape {tokens.shape}")
    check_integers("tokens", tokens)
    check_range("tokens", tokens, len(LETTERS + BAR))
    return "".join((LETTERS + BAR)[token] for token in tokens)


def reverser(rng, **build):
    """Build a small transformer for the task: width 16, one head.

    Parameters
    ----------
    rng : int or numpy.random.Generator
        Source of its weights.
    **build
        Of `transformer`: blocks, placement, norm, ...

    Examples
    --------
    >>> reverser(0, blocks=1).forward(reversed_words(3, rng=0)[0]).shape
    (15, 9)
    """
    build = {"width": 16, "heads": 1, "answers": SIZE} | build
    return transformer(len(LETTERS) + 1, 2 * SIZE, **build, rng=rng)


def reversers(seeds, **build):
    """Build one network per seed, to be computed all at once.

    Parameters
    ----------
    seeds : sequence of int
        Of the weights of each network.
    **build
        As for `reverser`.

    Examples
    --------
    >>> reversers([0, 1], blocks=1).networks
    2
    """
    if not isinstance(seeds, Iterable) or isinstance(seeds, str):
        raise TypeError(f"seeds must be a list such as [0, 1], got {seeds!r:.60}")
    return stack([reverser(seed, **build) for seed in seeds])


@takes(net=network, steps=index, batch_size=natural, warm_up=index)
def train(net, lr, steps, rng, *, batch_size=8, warm_up=0):
    """Train by Adam on words drawn afresh at every step.

    Parameters
    ----------
    net : Network
        From `reverser` or `reversers`; each of K networks sees words of its own.
    lr : float or ndarray of shape (K,)
        Learning rate.
    steps : int
        Number of updates.
    rng : int or numpy.random.Generator
        Source of the words.
    batch_size : int, default 8
        Words per step.
    warm_up : int, default 0
        Steps in which the learning rate rises to `lr`.

    Yields
    ------
    float or ndarray of shape (K,)
        Share of right letters in the words of each step, before its update.

    Examples
    --------
    >>> shares = list(train(reverser(0, blocks=1), 0.01, 3, rng=0, batch_size=2))
    >>> len(shares), bool(max(shares) < 0.5)
    (3, True)
    """
    rng, adam = generator(rng), Adam(net, lr)
    for step in range(steps):
        tokens, answers = reversed_words(batch_size * (net.networks or 1), rng)
        if net.networks is not None:  # each its own words
            tokens = tokens.reshape(net.networks, batch_size, -1)
            answers = answers.reshape(net.networks, batch_size, -1)
        with np.errstate(all="ignore"):  # a rate too high ends in NaN, and at chance
            logits = net.forward(tokens)
            _, dlogits = token_loss(logits, answers)
            net.backward(dlogits)
            adam.step(min(1.0, (step + 1) / (warm_up or 1)))
        yield right_letters(logits, answers)


def right_letters(logits, answers):
    """Return the share of letters that the network gets right.

    Parameters
    ----------
    logits : ndarray of shape (N * 5, 9), or (K, N * 5, 9)
        What the network gives.
    answers : ndarray of int of shape (N, 5), or (K, N, 5)
        What was asked for.

    Examples
    --------
    >>> float(right_letters(np.eye(9)[[2, 0, 1, 1, 1]], np.array([[2, 0, 1, 7, 7]])))
    0.6
    """
    logits = float_array("logits", logits, ndim=(2, 3), finite=False)
    answers = as_array("answers", answers)
    check_integers("answers", answers)
    if answers.shape[:-2] != logits.shape[:-2] or answers.size * logits.shape[-1] != (
        logits.size
    ):
        raise ValueError(
            f"answers must have one letter per row of logits, of shape {logits.shape}, "
            f"got shape {answers.shape}"
        )
    right = logits.argmax(axis=-1) == answers.reshape(*answers.shape[:-2], -1)
    return right.mean(axis=-1)


def accuracy(net, rng, n=200):
    """Return the share of right letters in `n` new words.

    Examples
    --------
    >>> bool(accuracy(reverser(0, blocks=1), rng=0) < 0.3)
    True
    """
    network("net", net)
    tokens, answers = reversed_words(n, rng)
    if net.networks is not None:
        answers = np.broadcast_to(answers, (net.networks, *answers.shape))
    with np.errstate(all="ignore"):
        return right_letters(net.forward(tokens), answers)


def write(net, word):
    """Let the network write, one letter at a time, each fed back in.

    Parameters
    ----------
    net : Network
        A single network from `reverser`.
    word : ndarray of int of shape (5,)
        What it reads.

    Returns
    -------
    ndarray of int of shape (5,)
        What it writes.

    Examples
    --------
    >>> write(reverser(0, blocks=1), np.array([0, 1, 2, 3, 4])).shape
    (5,)
    """
    check_single(net)
    word = as_array("word", word)
    if word.shape != (SIZE,):
        raise ValueError(f"word must have shape ({SIZE},), got {word.shape}")
    check_integers("word", word)
    check_range("word", word, len(LETTERS))
    tokens = np.zeros(2 * SIZE, int)  # what is still to come is not seen
    tokens[:SIZE], tokens[SIZE] = word, len(LETTERS)
    written = []
    for place in range(SIZE):
        letter = net.forward(tokens[None]).argmax(axis=-1)[place]
        written.append(letter)
        if place < SIZE - 1:
            tokens[SIZE + 1 + place] = letter
    return np.array(written)
