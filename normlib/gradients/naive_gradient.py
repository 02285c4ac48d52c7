"""What goes wrong when a gradient takes the mean of a batch for a constant."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import integer, number

__all__ = ["NaiveBias", "naive_bias"]


class NaiveBias(NamedTuple):
    """A bias before a mean subtraction, trained in two ways.

    Attributes
    ----------
    naive : ndarray of shape (S + 1,)
        The bias when the gradient takes the mean for a constant.
    exact : ndarray of shape (S + 1,)
        The bias when the gradient goes through the mean.
    loss : ndarray of shape (S + 1,)
        The loss with the naive bias.
    """

    naive: np.ndarray
    exact: np.ndarray
    loss: np.ndarray


def naive_bias(seed=0, *, lr=0.1, steps=50, n=32):
    """Train a bias before ``x_hat = x - mean(x)`` as if the mean were a constant.

    Parameters
    ----------
    seed : int, default 0
        Of the data.
    lr : float, default 0.1
        Learning rate.
    steps : int, default 50
        Number of updates.
    n : int, default 32
        Number of cases.

    Returns
    -------
    NaiveBias
        The naive bias grows by ``lr`` at every step, the loss does not change.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Notes
    -----
    ``x = u + b`` and the loss is half the mean squared distance of ``x_hat`` to
    targets of mean 1. With the mean as a constant, dL/db = mean(x_hat) - 1 = -1
    for ever: the step changes b, the mean takes the change away again.

    References
    ----------
    S. Ioffe and C. Szegedy (2015), arXiv:1502.03167, section 2.

    Examples
    --------
    >>> found = naive_bias(0)
    >>> round(float(found.naive[-1]), 6), round(float(np.ptp(found.loss)), 6)
    (5.0, 0.0)
    """
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    n, steps = integer("n", n, minimum=2), integer("steps", steps)
    lr = number("lr", lr, minimum=0)
    u, targets = rng.normal(size=n), rng.normal(size=n)
    targets += 1 - targets.mean()
    naive, exact, loss = [0.0], [0.0], []
    for _ in range(steps + 1):
        error = [_centred(u + bias) - targets for bias in (naive[-1], exact[-1])]
        loss.append(0.5 * (error[0] ** 2).mean())
        naive.append(naive[-1] - lr * error[0].mean())
        exact.append(exact[-1] - lr * _centred(error[1]).mean())
    return NaiveBias(np.array(naive[:-1]), np.array(exact[:-1]), np.array(loss))


def _centred(x):
    return x - x.mean()
