"""How the test error of a norm depends on the size of the mini-batch."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, integer, number
from normlib.batch.running_lag import precise_statistics
from normlib.datasets import digits_split
from normlib.nets.network import mlp, stack
from normlib.nets.norm_layers import NETWORK_NORMS
from normlib.nets.training import LOSS_LIMIT, accuracy, collect, fit

__all__ = ["BatchSizeRow", "batch_size_rows"]

NORMS = (*NETWORK_NORMS, "group:8")


class BatchSizeRow(NamedTuple):
    """One norm trained with one batch size; errors are of shape (S,), seed by seed.

    Attributes
    ----------
    norm : str or None
        Norm of the pre-activations.
    batch_size : int
        Images per step.
    running : ndarray
        Test error with running statistics, 0 to 1. Norms other than batch norm
        have none; their three errors are the same.
    precise : ndarray
        Test error with the precise statistics of the training images.
    batch : ndarray
        Test error with the statistics of test batches of the same size.
    reason : str
        Empty, or why a run of a seed stopped early; the errors are then NaN.
    """

    norm: str | None
    batch_size: int
    running: np.ndarray
    precise: np.ndarray
    batch: np.ndarray
    reason: str = ""


def batch_size_rows(
    norms=("batch", "layer"),
    batch_sizes=(2, 4, 8, 16, 32, 64),
    *,
    hidden=(32, 32),
    epochs=5,
    examples=800,
    lr=0.1,
    proportional=True,
    seeds=(0,),
):
    """Train at every batch size for the same number of passes over the data.

    Parameters
    ----------
    norms : sequence of {None, "batch", "layer", "rms", "group:8"}
        Norms of the pre-activations.
    batch_sizes : sequence of int, default 2, 4, 8, 16, 32, 64
        Images per step, at least 2.
    hidden : sequence of int, default two layers of 32
        Units per hidden layer (ReLU, He).
    epochs : int, default 5
        Passes over the training images.
    examples : int, default 800
        Training images used, at most 1437.
    lr : float, default 0.1
        Learning rate for a batch of 32. A tenth of it after 60 % of the steps.
    proportional : bool, default True
        Whether other batches get ``lr * batch_size / 32``, or the same rate. With
        the same rate small batches also mean more steps of that size.
    seeds : sequence of int, default (0,)
        Each with its own split, weights and order of batches. All are trained at once,
        and end as they would alone.

    Yields
    ------
    BatchSizeRow
        Norm by norm, size by size.

    Notes
    -----
    In a fully connected layer a batch of 2 is normalized to +1 and -1 whatever
    it holds, so the collapse is harsher than in a convolutional network, whose
    means are also over positions. This data set is easy: it shows the harm of
    small batches, not a benefit of normalizing.

    References
    ----------
    Y. Wu and K. He (2018), arXiv:1803.08494, table 2 (batch size), and P. Goyal
    et al. (2017), arXiv:1706.02677, section 2.1 (learning rate in proportion).

    Examples
    --------
    >>> rows = batch_size_rows(["batch"], [8, 16], hidden=[4], epochs=1, examples=16)
    >>> [row.batch_size for row in rows]
    [8, 16]
    """
    norms = [choice("norms", norm, NORMS) for norm in norms]
    sizes = [integer("batch_sizes", size, minimum=2) for size in batch_sizes]
    seeds = [integer("seeds", seed, minimum=0) for seed in seeds]
    examples, epochs = integer("examples", examples), integer("epochs", epochs)
    lr = number("lr", lr, minimum=0)
    if not (norms and sizes and seeds):
        raise ValueError("norms, batch_sizes and seeds need at least one value each")
    if not max(sizes) <= examples <= 1437:
        raise ValueError(
            f"examples must be between the largest batch, {max(sizes)}, and 1437, "
            f"got {examples}"
        )

    def rows():
        for norm in norms:
            for size in sizes:
                steps = epochs * (examples // size)
                rate = lr * size / 32 if proportional else lr
                yield BatchSizeRow(
                    norm,
                    size,
                    *_train(
                        norm, size, steps, [64, *hidden, 10], examples, rate, seeds
                    ),
                )

    return rows()


def _train(norm, batch_size, steps, sizes, examples, lr, seeds):
    """Return three test errors, seed by seed, and why a run stopped early if so."""
    rngs = [np.random.default_rng(seed) for seed in seeds]
    data = [digits_split(rng, standardized=True) for rng in rngs]
    net = stack([mlp(sizes, norm=norm, rng=rng) for rng in rngs])
    x, labels, x_test, test_labels = map(np.stack, zip(*data, strict=True))
    x, labels = x[:, :examples], labels[:, :examples]
    first, how = round(0.6 * steps), {"batch_size": batch_size, "rng": rngs}
    for count, rate in ((first, lr), (steps - first, 0.1 * lr)):
        history = collect(fit(net, x, labels, lr=rate, steps=count, **how))
        stopped = np.logical_not(history.losses <= LOSS_LIMIT)  # NaN stops too
        if stopped.any():
            step = history.steps[stopped.any(axis=1)][0]
            nan = np.full(len(seeds), np.nan)
            return nan, nan, nan, f"lr {rate:g} diverged at step {step}"
    running = 1 - accuracy(net, x_test, test_labels)
    batch = _error_by_batches(net, x_test, test_labels, batch_size)
    precise_statistics(net, x)
    return running, 1 - accuracy(net, x_test, test_labels), batch, ""


def _error_by_batches(net, x, labels, batch_size):
    """Return the test error when each test batch uses its own statistics."""
    starts = range(0, x.shape[1] - batch_size + 1, batch_size)
    parts = [slice(start, start + batch_size) for start in starts]
    right = [accuracy(net, x[:, p], labels[:, p], mode="probe") for p in parts]
    return 1 - np.mean(right, axis=0)
