"""Three ways to keep one unit normalized while it trains, of which one works."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, generator, integer, number
from normlib.norms import standardize, standardize_backward

__all__ = ["WAYS", "UnitHistory", "train_normalized"]

WAYS = ("penalty", "between steps", "inside")


class UnitHistory(NamedTuple):
    """Training of a unit ``x = scale u + bias``; every entry has shape (S + 1,).

    Attributes
    ----------
    bias, scale : ndarray
        Mean and standard deviation of x, since u has 0 and 1.
    seen_mean, seen_std : ndarray
        Those of what the loss sees.
    loss : ndarray
        Half the mean squared distance to the targets.
    """

    bias: np.ndarray
    scale: np.ndarray
    seen_mean: np.ndarray
    seen_std: np.ndarray
    loss: np.ndarray


def unit_of(seed, n=24):
    """Return u of mean 0 and standard deviation 1, and targets ``2 u + 1``.

    Examples
    --------
    >>> u, targets = unit_of(0, n=2)
    >>> u, targets
    (array([ 1., -1.]), array([ 3., -1.]))
    """
    n = integer("n", n, minimum=2)
    u = standardize(generator(seed, "seed").normal(size=n), 0, eps=0)[0]
    return u, 2 * u + 1


def train_normalized(way, seed=0, *, lr=0.1, steps=60, penalty=1.0, n=24):
    """Train bias and scale of a unit whose loss wants mean 1 and deviation 2.

    Parameters
    ----------
    way : {"penalty", "between steps", "inside"}
        The loss sees x, and pays ``penalty / 2 (mean**2 + (std - 1)**2)``; or it
        sees x_hat, and the gradient takes mean and deviation for constants; or it
        sees x_hat, and the gradient goes through them.
    seed : int or numpy.random.Generator
        Of the data; default 0.
    lr : float
        Learning rate, 0 or more; default 0.1.
    steps : int
        Number of updates; default 60.
    penalty : float
        Weight of the penalty, 0 or more; default 1.
    n : int
        Number of cases, at least 3; default 24.

    Returns
    -------
    UnitHistory

    Notes
    -----
    With the penalty the mean ends at ``1 / (1 + penalty)`` and the deviation at
    ``(2 + penalty) / (1 + penalty)``. Between the steps x_hat never changes, so the
    scale a gets ``lr / a`` at every step, for ever, and so does the bias.

    References
    ----------
    S. Ioffe and C. Szegedy (2015), arXiv:1502.03167, section 2; I. Goodfellow, Y.
    Bengio and A. Courville (2016), Deep Learning, section 8.7.1.

    Examples
    --------
    >>> run = train_normalized("between steps")
    >>> bool(run.scale[-1] > 3), round(float(np.ptp(run.loss)), 6)
    (True, 0.0)
    """
    choice("way", way, WAYS)
    lr, penalty = number("lr", lr, minimum=0), number("penalty", penalty, minimum=0)
    u, targets = unit_of(seed, integer("n", n, minimum=3))
    bias, scale, found = 0.0, 1.0, []
    for _ in range(integer("steps", steps) + 1):
        x = scale * u + bias
        x_hat, stats = standardize(x, 0, eps=0)
        seen = x if way == "penalty" else x_hat
        found.append(
            (bias, scale, seen.mean(), seen.std(), _half_square(seen, targets))
        )
        d = (seen - targets) / n
        if way == "inside":
            dx = standardize_backward(d, x_hat, stats.inv_std, 0)
        elif way == "between steps":
            dx = d * stats.inv_std
        else:
            dx = d + penalty * (x.mean() + (x.std() - 1) * x_hat) / n
        bias, scale = bias - lr * dx.sum(), scale - lr * dx @ u
    return UnitHistory(*np.array(found).T)


def _half_square(seen, targets):
    return 0.5 * ((seen - targets) ** 2).mean()
