"""One unit with two weights and batch norm: small enough to see its training."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    float_array,
    integer,
    natural,
    number,
    real,
    reals,
    takes,
    vector,
)
from normlib.norms import standardize, standardize_backward

__all__ = ["UnitRun", "unit_data", "unit_loss", "train_unit"]

LENGTH_LIMIT = 1e150  # longer weights have no squares


class UnitRun(NamedTuple):
    """Training of the unit.

    Attributes
    ----------
    weights : ndarray of shape (S + 1, 2)
        w before training and after each step.
    gradients : ndarray of shape (S, 2)
        Gradient of the mini-batch of each step, without weight decay.
    angles : ndarray of shape (S,)
        Angle by which each step turned w, in radians.
    """

    weights: np.ndarray
    gradients: np.ndarray
    angles: np.ndarray


def unit_data(seed=0, n=128):
    """Draw inputs of the unit and targets that it can only meet in part.

    Parameters
    ----------
    seed : int, default 0
        Of the random numbers.
    n : int, default 128
        Number of cases, at least 2.

    Returns
    -------
    u : ndarray of shape (n, 2)
        Inputs, standard Gaussian.
    targets : ndarray of shape (n,)
        The first input plus noise of standard deviation 1.

    Examples
    --------
    >>> u, targets = unit_data(0, n=3)
    >>> (targets - u[:, 0]).round(2)
    array([ 1.3 ,  0.95, -0.7 ])
    """
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    u = rng.normal(size=(integer("n", n, minimum=2), 2))
    return u, u[:, 0] + rng.normal(size=n)


@takes(w=reals, u=reals, targets=reals)
def unit_loss(w, u, targets):
    """Return the loss of ``x_hat = BN(u @ w)`` and its gradient.

    Parameters
    ----------
    w : ndarray of shape (2,)
        Weights, not 0.
    u : ndarray of shape (n, 2)
        Inputs.
    targets : ndarray of shape (n,)
        What x_hat should be.

    Returns
    -------
    loss : float
        Half the mean squared error. It depends on the direction of w only.
    gradient : ndarray of shape (2,)
        With respect to w, orthogonal to w.

    Examples
    --------
    >>> u, targets = unit_data()
    >>> w = np.array([1.0, 2.0])
    >>> loss, g = unit_loss(w, u, targets)
    >>> bool(abs(loss - unit_loss(5 * w, u, targets)[0]) < 1e-12)
    True
    >>> bool(abs(w @ g) < 1e-12)
    True
    """
    u = float_array("u", u, ndim=2)
    w, targets = vector("w", w, u.shape[1]), vector("targets", targets, len(u))
    x_hat, stats = standardize(u @ w, 0, eps=0)
    error = x_hat - targets
    dx = standardize_backward(error / len(u), x_hat, stats.inv_std, 0)
    return 0.5 * float(np.mean(error**2)), u.T @ dx


@takes(degrees=real, batch_size=natural)
def train_unit(
    *,
    lr=0.5,
    weight_decay=0.0,
    start=1.0,
    degrees=150.0,
    steps=200,
    batch_size=8,
    seed=0,
):
    """Train the unit by mini-batches, from a direction and a length of w.

    Parameters
    ----------
    lr : float, default 0.5
        Learning rate, 0 or more.
    weight_decay : float, default 0
        Lambda in ``w -= lr * (g + lambda * w)``, 0 or more.
    start : float, default 1
        Length of w at the start, above 0.
    degrees : float, default 150
        Direction of w at the start; about 0 is best.
    steps : int, default 200
        Number of updates.
    batch_size : int, default 8
        Cases per step, drawn at random.
    seed : int, default 0
        Of the data and the batches.

    Returns
    -------
    UnitRun

    Raises
    ------
    ValueError
        If the run diverges.

    References
    ----------
    T. van Laarhoven (2017), arXiv:1706.05350.

    Examples
    --------
    >>> run = train_unit(steps=20)
    >>> bool((np.diff(np.linalg.norm(run.weights, axis=1)) > 0).all())
    True
    """
    lr = number("lr", lr, minimum=0)
    weight_decay = number("weight_decay", weight_decay, minimum=0)
    start = number("start", start, positive=True)
    u, targets = unit_data(seed)
    rng = np.random.default_rng([seed, 1])
    angle = np.deg2rad(degrees)
    weights = [start * np.array([np.cos(angle), np.sin(angle)])]
    gradients = []
    for _ in range(integer("steps", steps)):
        w, batch = weights[-1], rng.integers(0, len(u), batch_size)
        _, g = unit_loss(w, u[batch], targets[batch])
        gradients.append(g)
        weights.append(w - lr * (g + weight_decay * w))
        if not abs(weights[-1]).max() < LENGTH_LIMIT:
            raise ValueError(
                f"lr {lr:g} with weight_decay {weight_decay:g} diverges after "
                f"{len(gradients)} steps; lower one of them"
            )
    weights = np.array(weights)
    turned = np.unwrap(np.arctan2(weights[:, 1], weights[:, 0]))
    return UnitRun(weights, np.array(gradients), np.abs(np.diff(turned)))
