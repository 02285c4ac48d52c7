"""The noise that the other examples of a batch put on one fixed example."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import integer
from normlib.datasets import digits_split
from normlib.nets.layers import initial_weights
from normlib.norms import standardize

__all__ = ["BatchNoise", "batch_noise"]


class BatchNoise(NamedTuple):
    """Spread of the normalized value of one example over random batches.

    Attributes
    ----------
    batch_sizes : ndarray of int, of shape (B,)
        Number of examples in a batch, the fixed one included.
    noise : ndarray of shape (B,)
        Standard deviation of ``x_hat`` over the batches, mean over the units.
    scaled : ndarray of shape (B,)
        ``noise * sqrt(batch_size)``: about the same for all sizes.
    predicted : ndarray of shape (B,)
        ``sqrt((1 + z**2 / 2) / batch_size)``, mean over the units, with z the
        example standardized by all images.
    """

    batch_sizes: np.ndarray
    noise: np.ndarray
    scaled: np.ndarray
    predicted: np.ndarray


def batch_noise(
    seed=0, *, batch_sizes=(4, 8, 16, 32, 64, 128), draws=400, units=64, example=0
):
    """Normalize one digit in many random batches, and measure how it varies.

    Parameters
    ----------
    seed : int, default 0
        Of the split, the weights and the batches.
    batch_sizes : sequence of int
        Sizes of the batches, 2 to 1437.
    draws : int, default 400
        Number of random batches per size, at least 2.
    units : int, default 64
        Units of the linear map (He) that is normalized.
    example : int, default 0
        Which training image is kept in every batch, 0 to 1436.

    Returns
    -------
    BatchNoise

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or a batch larger than the training images.

    Notes
    -----
    Mean and standard deviation of a batch of B Gaussian values have errors of
    standard deviation ``sigma / sqrt(B)`` and ``sigma / sqrt(2 B)``, which are
    independent; carried to ``x_hat = (x - mean) / std`` they give
    ``sqrt((1 + z**2 / 2) / B)``. For small B the example is a good part of its
    own batch, and pulls mean and standard deviation along: the noise is less.

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
    x = digits_split(rng, standardized=True).x_train
    sizes = [integer("batch_sizes", size, minimum=2) for size in batch_sizes]
    if max(sizes) > len(x) or not 0 <= example < len(x):
        raise ValueError(
            f"batch_sizes and example must fit the {len(x)} training images, got "
            f"{max(sizes)} and {example}"
        )
    a = x @ initial_weights(rng, 64, units)
    others = np.delete(a, example, axis=0)
    noise = [_noise(a[example], others, size, draws, rng) for size in sizes]
    z = (a[example] - a.mean(axis=0)) / a.std(axis=0)
    sizes = np.array(sizes)
    predicted = np.sqrt(1 + z**2 / 2).mean() / np.sqrt(sizes)
    return BatchNoise(sizes, np.array(noise), noise * np.sqrt(sizes), predicted)


def _noise(fixed, others, batch_size, draws, rng):
    """Return the standard deviation of x_hat of one example, mean over units."""
    found = np.empty((draws, len(fixed)))
    for k in range(draws):
        chosen = rng.choice(len(others), batch_size - 1, replace=False)
        batch = np.vstack([fixed, others[chosen]])
        found[k] = standardize(batch, axes=0)[0][0]
    return found.std(axis=0).mean()
