"""The task: read a word, then write it backwards. Only attention can do it."""

import numpy as np

from normlib._arguments import generator, integer
from normlib.nets.network import stack
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
    """Return tokens as a string."""
    return "".join((LETTERS + BAR)[token] for token in tokens)


def reverser(rng, **build):
    """Build a small transformer for the task: width 16, one head.

    Parameters
    ----------
    rng : int or numpy.random.Generator
        Source of its weights.
    **build
        Of `transformer`: blocks, placement, norm, ...
    """
    build = {"width": 16, "heads": 1, "answers": SIZE} | build
    return transformer(len(LETTERS) + 1, 2 * SIZE, **build, rng=rng)


def reversers(seeds, **build):
    """Build one network per seed, to be computed all at once."""
    return stack([reverser(seed, **build) for seed in seeds])


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
    """Return the share of letters that the network gets right."""
    right = logits.argmax(axis=-1) == answers.reshape(*answers.shape[:-2], -1)
    return right.mean(axis=-1)


def accuracy(net, rng, n=200):
    """Return the share of right letters in `n` new words."""
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
    """
    tokens = np.zeros(2 * SIZE, int)  # what is still to come is not seen
    tokens[:SIZE], tokens[SIZE] = word, len(LETTERS)
    written = []
    for place in range(SIZE):
        letter = net.forward(tokens[None]).argmax(axis=-1)[place]
        written.append(letter)
        if place < SIZE - 1:
            tokens[SIZE + 1 + place] = letter
    return np.array(written)
