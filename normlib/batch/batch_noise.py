"""The noise that the other examples of a batch put on each of them."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import index, integer, natural, real, takes
from normlib.batch.running_lag import precise_statistics
from normlib.datasets import digits_split
from normlib.nets.layers import initial_weights
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import mlp, stack
from normlib.nets.training import accuracy, sgd_step
from normlib.norms import standardize

__all__ = ["BatchNoise", "Progress", "batch_noise", "noisy_training"]


class BatchNoise(NamedTuple):
    """One example in many random batches of each size.

    Attributes
    ----------
    batch_sizes : ndarray of int, of shape (B,)
        Number of examples in a batch, the fixed one included.
    x_hat : ndarray of shape (B, draws, units)
        The example, normalized by each batch.
    noise : ndarray of shape (B,)
        Standard deviation of x_hat over the batches, mean over the units.
    predicted : ndarray of shape (B,)
        ``sqrt((1 + z**2 / 2) / batch_size)``, mean over the units.
    z : ndarray of shape (units,)
        The example, standardized by all training images.
    """

    batch_sizes: np.ndarray
    x_hat: np.ndarray
    noise: np.ndarray
    predicted: np.ndarray
    z: np.ndarray


@takes(units=natural, example=index)
def batch_noise(
    seed=0, *, batch_sizes=(2, 4, 8, 16, 32, 64, 128), draws=150, units=64, example=0
):
    """Normalize one digit in many random batches, and measure how it varies.

    Parameters
    ----------
    seed : int, default 0
        Of the split, the weights and the batches.
    batch_sizes : sequence of int
        Sizes of the batches, at least 2; the others are drawn with replacement.
    draws : int, default 150
        Number of random batches per size, at least 2.
    units : int, default 64
        Units of the linear map (He) that is normalized.
    example : int, default 0
        Which training image is in every batch, 0 to 1436.

    Returns
    -------
    BatchNoise

    Notes
    -----
    Mean and standard deviation of a batch of N Gaussian values have errors of
    standard deviation ``sigma / sqrt(N)`` and ``sigma / sqrt(2 N)``, which are
    independent; carried to ``x_hat = (x - mean) / std`` they give
    ``sqrt((1 + z**2 / 2) / N)``. In a small batch the example is a good part of its
    own mean and standard deviation: the noise is less.

    References
    ----------
    S. Ioffe and C. Szegedy (2015), arXiv:1502.03167, section 3.4: an example is
    "seen in conjunction with other examples", which regularizes.

    Examples
    --------
    >>> found = batch_noise(0, batch_sizes=(8, 128), draws=200)
    >>> bool(3.3 < found.noise[0] / found.noise[1] < 4.7)    # sqrt(128 / 8) = 4
    True
    """
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    draws = integer("draws", draws, minimum=2)
    sizes = np.array([integer("batch_sizes", s, minimum=2) for s in batch_sizes])
    x = digits_split(rng, standardized=True).x_train
    a = x @ initial_weights(rng, 64, units)
    others = np.delete(a, example, axis=0)
    x_hat = np.empty((len(sizes), draws, units))
    for k, size in enumerate(sizes):
        batches = others[rng.integers(len(others), size=(draws, size))]
        batches[:, 0] = a[example]
        x_hat[k] = standardize(batches, axes=1)[0][:, 0]
    noise = x_hat.std(axis=1).mean(axis=1)
    z = (a[example] - a.mean(axis=0)) / a.std(axis=0)
    predicted = np.sqrt(1 + z**2 / 2).mean() / np.sqrt(sizes)
    return BatchNoise(sizes, x_hat, noise, predicted, z)


class Progress(NamedTuple):
    """What K networks have learned at one step, by precise statistics.

    Attributes
    ----------
    step : int
        Number of updates made.
    train_loss, test_loss, test_accuracy : ndarray of shape (K,)
        On all images of each.
    """

    step: int
    train_loss: np.ndarray
    test_loss: np.ndarray
    test_accuracy: np.ndarray


@takes(images=natural, batch=natural, steps=natural, every=natural, lr=real)
def noisy_training(
    group,
    seeds,
    *,
    images=400,
    batch=32,
    steps=300,
    every=60,
    lr=0.1,
    hidden=(64,),
    dtype=np.float64,
):
    """Train on batches that batch norm takes apart into groups.

    Every step follows the mean gradient of ``batch`` images, whatever the group. So
    only the noise of the normalization differs between two sizes of the group.

    Parameters
    ----------
    group : int
        Images that share one mean, a divisor of ``batch`` from 2 on.
    seeds : sequence of int
        One network each: its split, its weights, its batches.
    images, batch : int
        Training images used, and images per step.
    steps, every : int
        Number of updates, and how often the networks are judged.
    lr : float
        Learning rate.
    hidden : sequence of int
        Units per hidden layer (ReLU, He, batch norm).
    dtype : dtype
        float32 is faster; single runs then differ in their last digits.

    Yields
    ------
    Progress
        Judged by the statistics of all training images, so that noise in the running
        statistics plays no part.

    References
    ----------
    E. Hoffer, I. Hubara and D. Soudry (2017), arXiv:1705.08741, algorithm 1 ("ghost
    batch normalization").

    Examples
    --------
    >>> loop = noisy_training(2, [0], images=8, batch=4, steps=2, every=1, hidden=[4])
    >>> [progress.step for progress in loop]
    [1, 2]
    """
    seeds = [integer("seeds", seed, minimum=0) for seed in seeds]
    if not batch <= images <= 1437:
        raise ValueError(f"images must be from batch={batch} to 1437, got {images}")
    group, batch = integer("group", group, minimum=2), integer("batch", batch)
    if batch % group:
        raise ValueError(f"group must divide batch={batch}, got {group}")
    count = batch // group
    parts, nets = [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        digits = digits_split(rng, standardized=True, dtype=dtype)
        train = digits.x_train[:images], digits.y_train[:images]
        parts.append((*train, *digits.test))
        nets.append(mlp([64, *hidden, 10], norm="batch", rng=rng, dtype=dtype))
    x, labels, x_test, test_labels = map(np.stack, zip(*parts, strict=True))
    judged = stack(nets)
    # One copy of a network for each group; the copies take the same step.
    copies = stack([net for net in nets for _ in range(count)])
    rng, rows = np.random.default_rng(list(seeds)), np.arange(len(nets))[:, None]
    for step in range(1, steps + 1):
        chosen = rng.random((len(nets), images)).argsort(axis=1)[:, :batch]
        apart = (len(nets) * count, group)
        scores = copies.forward(x[rows, chosen].reshape(*apart, -1))
        _, dscores = softmax_cross_entropy(scores, labels[rows, chosen].reshape(apart))
        copies.backward(dscores)
        grads = copies.grads.reshape(len(nets), count, -1)
        grads[...] = grads.mean(axis=1, keepdims=True)
        sgd_step(copies, lr)
        if step % every == 0:
            judged.params = copies.params.reshape(len(nets), count, -1)[:, 0]
            precise_statistics(judged, x)
            with judged.in_mode("eval"):
                yield Progress(
                    step,
                    softmax_cross_entropy(judged.forward(x), labels)[0],
                    softmax_cross_entropy(judged.forward(x_test), test_labels)[0],
                    accuracy(judged, x_test, test_labels),
                )
