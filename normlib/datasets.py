"""Data for the notebooks: real digits, toy clouds, regression.

Everything is read from the package or drawn from the ``rng`` that is passed in;
nothing is downloaded.
"""

from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from normlib._arguments import data_type, integer, natural, number, real, takes

__all__ = [
    "Digits",
    "bimodal",
    "digits_split",
    "linear_teacher",
    "load_digits",
    "skewed",
    "uniform",
    "with_outlier",
]

TEST_SIZE = 360


class Digits(NamedTuple):
    """Digits cut into a training and a test part.

    Attributes
    ----------
    x_train, x_test : ndarray of shape (1437, 64) and (360, 64)
        Pixels, one image per row, row by row from the top left.
    y_train, y_test : ndarray of int, of shape (1437,) and (360,)
        The digit shown, 0 to 9.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def train(self):
        """Pixels and digits of the training part."""
        return self.x_train, self.y_train

    @property
    def test(self):
        """Pixels and digits of the test part."""
        return self.x_test, self.y_test


def load_digits(dtype=np.float64):
    """Load the 1,797 handwritten digits of 8 x 8 pixels.

    Parameters
    ----------
    dtype : dtype, default float64
        Floating-point type of the pixels.

    Returns
    -------
    x : ndarray of shape (1797, 64)
        Pixels divided by 16, so from 0 (paper) to 1 (ink).
    labels : ndarray of int, of shape (1797,)
        The digit shown, 0 to 9.

    References
    ----------
    E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten
    Digits, UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0
    (the test part of that data set; see ``normlib/data/digits.txt``).

    Examples
    --------
    >>> x, labels = load_digits()
    >>> x.shape, float(x.max()), labels[:4].tolist()
    ((1797, 64), 1.0, [0, 1, 2, 3])
    """
    dtype = data_type("dtype", dtype)
    if dtype.kind != "f":
        raise TypeError(
            f"dtype must be a floating-point type, got {dtype}; pixels are fractions, "
            "take np.float64 or np.float32"
        )
    pixels, labels = _stored_digits()
    return pixels.astype(dtype) / np.asarray(16, dtype=dtype), labels.astype(np.intp)


@lru_cache(maxsize=1)
def _stored_digits():
    source = resources.files("normlib") / "data" / "digits.npz"
    with source.open("rb") as file, np.load(file) as stored:
        return stored["pixels"], stored["labels"]


def digits_split(rng, standardized=False, dtype=np.float64):
    """Cut the digits at random into 1,437 to train on and 360 to test on.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides which images are held out.
    standardized : bool, default False
        If True, subtract from each pixel its mean over the training images and
        divide by its standard deviation plus 0.1. The 0.1 keeps pixels that
        are nearly always 0 from being blown up. The test images use the
        statistics of the training images, as an unseen image must.
    dtype : dtype, default float64
        Floating-point type of the pixels.

    Returns
    -------
    Digits
        ``x_train, y_train, x_test, y_test``.

    Examples
    --------
    >>> digits = digits_split(np.random.default_rng(0), standardized=True)
    >>> digits.x_train.shape, digits.x_test.shape
    ((1437, 64), (360, 64))
    >>> bool(abs(digits.x_train.mean(axis=0)).max() < 1e-12)
    True
    """
    _check_rng(rng)
    x, labels = load_digits(dtype)
    order = rng.permutation(len(x))
    test, train = order[:TEST_SIZE], order[TEST_SIZE:]
    x_train, x_test = x[train], x[test]
    if standardized:
        mean, scale = x_train.mean(axis=0), x_train.std(axis=0) + 0.1
        for part in (x_train, x_test):  # in place: fresh arrays cost more than the sums
            part -= mean
            part /= scale
    return Digits(x_train, labels[train], x_test, labels[test])


@takes(high=real)
def uniform(n, rng, low=0.0, high=10.0):
    """Draw values spread evenly between two limits.

    Parameters
    ----------
    n : int
        Number of values, at least 1.
    rng : numpy.random.Generator
        Source of the random numbers.
    low, high : float, default 0 and 10
        The limits, ``low < high``.

    Returns
    -------
    ndarray of shape (n,)
        The values.

    Examples
    --------
    >>> x = uniform(1000, np.random.default_rng(0))
    >>> bool(0 <= x.min() and x.max() < 10)
    True
    """
    n, low, high = _size(n, rng), number("low", low), number("high", high)
    if not low < high:
        raise ValueError(
            f"low must be below high, got low={low} and high={high}; swap them"
        )
    number("high - low", high - low)
    return rng.uniform(low, high, n)


def skewed(n, rng, scale=2.0):
    """Draw values of an exponential distribution: many small, few large.

    Parameters
    ----------
    n : int
        Number of values, at least 1.
    rng : numpy.random.Generator
        Source of the random numbers.
    scale : float, default 2
        Mean (and standard deviation) of the distribution, above 0.

    Returns
    -------
    ndarray of shape (n,)
        The values, all positive.

    Examples
    --------
    >>> x = skewed(1000, np.random.default_rng(0))
    >>> bool(np.median(x) < x.mean())
    True
    """
    n, scale = _size(n, rng), number("scale", scale, positive=True)
    return rng.exponential(scale, n)


def bimodal(n, rng, distance=6.0):
    """Draw values that gather around two centres, half around each.

    Parameters
    ----------
    n : int
        Number of values, at least 1.
    rng : numpy.random.Generator
        Source of the random numbers.
    distance : float, default 6
        Distance of the centres in standard deviations of one group, 0 or more.

    Returns
    -------
    ndarray of shape (n,)
        The values, around ``5 - distance / 2`` and ``5 + distance / 2``.

    Examples
    --------
    >>> x = bimodal(1000, np.random.default_rng(0))
    >>> bool(np.mean(abs(x - 5) < 1) < 0.05)    # almost none in the middle
    True
    """
    n, distance = _size(n, rng), number("distance", distance, minimum=0)
    centre = rng.permutation(n) % 2 - 0.5
    return 5 + distance * centre + rng.normal(size=n)


def with_outlier(n, rng, strength=10.0):
    """Draw Gaussian values, one of them moved far out.

    Parameters
    ----------
    n : int
        Number of values, at least 2.
    rng : numpy.random.Generator
        Source of the random numbers.
    strength : float, default 10
        How far the outlier, which is the last value, lies above the mean of
        the distribution, in its standard deviations.

    Returns
    -------
    ndarray of shape (n,)
        The values, of mean 5 and standard deviation 1 apart from the outlier.
        The others do not depend on ``strength``, so a slider moves one point.

    Examples
    --------
    >>> x = with_outlier(100, np.random.default_rng(0), strength=20)
    >>> float(x[-1]), bool(x[:-1].max() < 10)
    (25.0, True)
    """
    n, strength = _size(n, rng, least=2), number("strength", strength)
    x = 5 + rng.normal(size=n)
    x[-1] = 5 + strength
    return x


@takes(n_in=natural, n_out=natural, noise=real)
def linear_teacher(rng, n=256, n_in=16, n_out=10, noise=0.1):
    """Draw a regression task that a deep linear network can solve.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random numbers.
    n : int, default 256
        Number of cases, at least 1.
    n_in, n_out : int, default 16 and 10
        Inputs and outputs of the teacher, at least 1.
    noise : float, default 0.1
        Standard deviation of the noise on the targets, 0 or more.

    Returns
    -------
    x : ndarray of shape (n, n_in)
        Standard Gaussian inputs.
    y : ndarray of shape (n, n_out)
        ``x @ A`` plus noise, with a teacher ``A ~ N(0, 1 / n_in)``.

    References
    ----------
    S. Santurkar, D. Tsipras, A. Ilyas and A. Madry (2018), How Does Batch
    Normalization Help Optimization?, arXiv:1805.11604, section 2.2 (a deep
    linear network; the task is ours).

    Examples
    --------
    >>> x, y = linear_teacher(np.random.default_rng(0))
    >>> x.shape, y.shape
    ((256, 16), (256, 10))
    """
    n, n_in = _size(n, rng), integer("n_in", n_in)
    n_out, noise = integer("n_out", n_out), number("noise", noise, minimum=0)
    x = rng.normal(size=(n, n_in))
    teacher = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in)
    return x, x @ teacher + noise * rng.normal(size=(n, n_out))


def _check_rng(rng):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, got {type(rng).__name__}; "
            "write np.random.default_rng(0)"
        )


def _size(n, rng, least=1):
    """Return the number of values to draw as an int, after a look at rng."""
    _check_rng(rng)
    return integer("n", n, minimum=least)
