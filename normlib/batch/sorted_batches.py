"""Batches sorted by class: what batch norm learns from them fails at evaluation."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, integer, natural, number, takes
from normlib.datasets import digits_split
from normlib.nets.minibatches import minibatches
from normlib.nets.network import mlp
from normlib.nets.norm_layers import NETWORK_NORMS
from normlib.nets.training import accuracy, fit

__all__ = ["SortedBatches", "sorted_batches"]

NORMS = (*NETWORK_NORMS, "group:8")


class SortedBatches(NamedTuple):
    """Test accuracy after training on batches of few classes.

    Attributes
    ----------
    norms : tuple of str or None, of length M
        Norms of the pre-activations.
    classes : tuple of int, of length C
        Classes per batch in training; 10 are shuffled batches.
    running : ndarray of shape (M, C)
        Test accuracy as deployed: batch norm uses its running statistics.
    batch : ndarray of shape (M, C)
        Test accuracy when batch norm uses the statistics of the whole test set
        instead. Other norms have one accuracy.
    matched : ndarray of shape (M, C)
        Test accuracy when batch norm uses the statistics of test batches that
        are sorted as the training batches were.
    train_loss : ndarray of shape (M, C)
        Mean loss on the training batches of the last 100 steps, in nats; a guess
        among ten classes has log(10) = 2.3.
    distance : ndarray of shape (C,)
        How far the variances of a training batch lie from the running ones,
        ``|var_batch - var_running| / var_running``, mean over the units of the
        first batch norm and the last 200 steps. NaN if "batch" is not among the
        norms.
    reasons : tuple of M tuples of C str
        Empty, or why a run stopped early; its other entries are then NaN.
    """

    norms: tuple
    classes: tuple
    running: np.ndarray
    batch: np.ndarray
    matched: np.ndarray
    train_loss: np.ndarray
    distance: np.ndarray
    reasons: tuple = ()


@takes(batch_size=natural)
def sorted_batches(
    seed=0,
    *,
    norms=("batch", "layer", None),
    classes=(10, 2, 1),
    hidden=(64, 64),
    lr=0.05,
    batch_size=32,
    steps=300,
):
    """Train on shuffled batches and on batches of two classes or one.

    Parameters
    ----------
    seed : int, default 0
        Of the split, the weights and the order of the batches.
    norms : sequence of {None, "batch", "layer", "rms", "group:8"}
        Norms of the pre-activations.
    classes : sequence of {10, 2, 1}
        Classes per batch, 10 for shuffled batches. Every image is used all the
        same, in batches that come in random order.
    hidden : sequence of int, default (64, 64)
        Units per hidden layer (ReLU, He).
    lr : float, default 0.05
        Learning rate.
    batch_size : int, default 32
        Images per step.
    steps : int, default 300
        Number of updates.

    Returns
    -------
    SortedBatches

    Notes
    -----
    It is not only that the running statistics do not fit. The mean of a batch of
    one class is what its digits have in common, and batch norm takes it away: the
    training loss stays at that of a guess, and neither statistics of the whole
    test set (`batch`) nor test batches sorted the same way (`matched`) help.
    With two classes the network learns, and a part of it survives.

    This shows what happens when a batch does not stand for the data. It says
    nothing about one kind of data, such as language, having such batches.

    References
    ----------
    Y. Wu and J. Johnson (2021), arXiv:2105.07576, section 6 (what leaks within a
    batch); S. Shen et al. (2020), arXiv:2003.07845 (distance of batch and running
    statistics).

    Examples
    --------
    >>> found = sorted_batches(0, norms=("batch",), classes=(10, 1))
    >>> bool(found.running[0, 0] > 0.9), bool(found.running[0, 1] < 0.3)
    (True, True)
    """
    seed = integer("seed", seed, minimum=0)
    norms = tuple(choice("norms", norm, NORMS) for norm in norms)
    classes = tuple(choice("classes", count, (10, 2, 1)) for count in classes)
    integer("steps", steps)
    lr = number("lr", lr, minimum=0)
    shape = len(norms), len(classes)
    running, batch, matched, train_loss = (np.full(shape, np.nan) for _ in range(4))
    reasons = [[""] * len(classes) for _ in norms]
    distance = np.full(len(classes), np.nan)
    for m, norm in enumerate(norms):
        for c, count in enumerate(classes):
            rng = np.random.default_rng(seed)
            digits = digits_split(rng, standardized=True)
            net = mlp([64, *hidden, 10], norm=norm, rng=rng)
            order = _order(count)
            loss, moved, reasons[m][c] = _train(
                net, digits, order, lr, batch_size, steps, rng
            )
            if reasons[m][c]:
                continue
            train_loss[m, c] = loss
            if norm == "batch":
                distance[c] = moved
            running[m, c] = accuracy(net, *digits.test)
            batch[m, c] = accuracy(net, *digits.test, mode="probe")
            matched[m, c] = _accuracy_by_batches(net, digits, order, rng)
    reasons = tuple(map(tuple, reasons))
    return SortedBatches(
        norms, classes, running, batch, matched, train_loss, distance, reasons
    )


def _order(classes):
    if classes == 10:
        return {"order": "shuffled"}
    return {"order": "by_class", "classes_per_batch": classes}


def _accuracy_by_batches(net, digits, order, rng):
    """Return the accuracy on 100 test batches of 16, each by its own statistics."""
    x, labels = digits.test
    batches = minibatches(len(x), 16, rng, labels=labels, **order)
    taken = [next(batches) for _ in range(100)]
    return np.mean([accuracy(net, x[b], labels[b], mode="probe") for b in taken])


def _train(net, digits, order, lr, batch_size, steps, rng):
    """Return late loss, distance of batch and running variances, reason to stop."""
    loop = fit(
        net, *digits.train, lr=lr, batch_size=batch_size, steps=steps, rng=rng, **order
    )
    losses, distances = [], []
    for record in loop:
        if record.reason:
            return np.nan, np.nan, record.reason
        losses.append(record.loss)
        if net.batch_norms() and record.step > steps - 200:
            norm = net.batch_norms()[0]
            running = norm.buffers["running_var"]
            distances.append(abs(norm.stats.var[0] - running) / running)
    distance = np.mean(distances) if distances else np.nan
    return np.mean(losses[-100:]), distance, ""
