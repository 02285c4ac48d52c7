"""The order in which cases are shown: shuffled, or sorted by class."""

import numpy as np

from normlib._arguments import choice, generator, integer, real, takes

__all__ = ["minibatches"]


@takes(classes_per_batch=real)
def minibatches(
    n, batch_size, rng, order="shuffled", labels=None, *, classes_per_batch=1
):
    """Yield the indices of mini-batches for ever, one pass after another.

    Parameters
    ----------
    n : int
        Number of cases.
    batch_size : int
        Cases per batch, 1 to ``n``. Cases left over at the end of a pass wait
        for the next pass.
    rng : numpy.random.Generator or int
        Decides the order; an int is taken as a seed.
    order : {"shuffled", "by_class"}, default "shuffled"
        "by_class": each batch holds few classes, and batches come in random
        order.
    labels : ndarray of int, of shape (n,), optional
        Classes of the cases, for ``order="by_class"``; any integers.
    classes_per_batch : int, default 1
        Number of draws of one class that make up a batch sorted by class; it
        divides ``batch_size``.

    Yields
    ------
    ndarray of int, of shape (batch_size,)
        Indices of the cases of one batch.

    Examples
    --------
    >>> batches = minibatches(4, 2, rng=0)
    >>> sorted(np.concatenate([next(batches), next(batches)]).tolist())
    [0, 1, 2, 3]
    """
    n, batch_size = integer("n", n), integer("batch_size", batch_size)
    if batch_size > n:
        raise ValueError(f"batch_size must be at most the {n} cases, got {batch_size}")
    rng = generator(rng)
    choice("order", order, ("shuffled", "by_class"))
    if order == "shuffled":
        return _shuffled(n, batch_size, rng)
    return _by_class(_labels_of(labels, n), batch_size, rng, classes_per_batch)


def _shuffled(n, batch_size, rng):
    while True:
        order = rng.permutation(n)
        for start in range(0, n - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def _by_class(labels, batch_size, rng, classes_per_batch):
    parts = integer("classes_per_batch", classes_per_batch)
    size = batch_size // parts
    counts = np.unique(labels, return_counts=True)[1]
    if batch_size % parts or size < 1 or size > counts.min():
        raise ValueError(
            f"classes_per_batch must divide batch_size={batch_size} into parts no "
            f"larger than the smallest class ({counts.min()} cases), got {parts}"
        )
    runs = int((counts // size).sum())
    if runs < parts:  # a pass would yield no batch, and the next one neither
        raise ValueError(
            f"a batch must have classes_per_batch={parts} parts of {size} cases of one "
            f"class, but the classes give only {runs} parts; take a smaller batch_size"
        )
    return _runs_of_classes(labels, size, parts, rng)


def _runs_of_classes(labels, size, parts, rng):
    while True:
        runs = []
        for label in np.unique(labels):
            cases = rng.permutation(np.flatnonzero(labels == label))
            last = len(cases) - size + 1
            runs += [cases[i : i + size] for i in range(0, last, size)]
        order = rng.permutation(len(runs))
        for start in range(0, len(runs) - parts + 1, parts):
            yield np.concatenate([runs[i] for i in order[start : start + parts]])


def _labels_of(labels, n):
    if labels is None or np.shape(labels) != (n,):
        got = "none" if labels is None else f"shape {np.shape(labels)}"
        raise ValueError(
            f'order="by_class" needs labels of shape ({n},), got {got}; pass labels='
        )
    labels = np.asarray(labels)
    if labels.dtype.kind not in "biu":
        raise TypeError(
            f"labels must be integers, got {labels.dtype}; number the classes with "
            "np.unique(labels, return_inverse=True)[1]"
        )
    return labels
