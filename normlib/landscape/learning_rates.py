"""The same network trained with many learning rates, all at once.

How far the learning rate can be pushed is the plainest benefit of batch norm (Bjorck
et al. 2018). The band between such runs is often drawn as "the loss landscape". It
is another experiment: it compares training runs that end in different places, not
the neighbourhood of one iterate, which is what `along_gradient` measures. On the ReLU
network where batch norm shrinks the range along the gradient, the band between runs is
wider with it at rates up to 0.4 and narrower at rates up to 1.2.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, index, integer, natural, number, takes
from normlib.nets.digits_network import digits_network
from normlib.nets.network import stack
from normlib.nets.training import LOSS_LIMIT, evaluate, fit

RATES = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0)


class RatesRecord(NamedTuple):
    """What `train_at_rates` yields after a step; one entry per learning rate.

    Attributes
    ----------
    step : int
        Updates made so far.
    losses : ndarray of shape (R,)
        Loss on the mini-batch before the update; nan once a run has diverged.
    accuracies : ndarray of shape (R,)
        Share of the 1,437 training digits classified right, batch norm by batch
        statistics; nan at steps where it was not asked for.
    """

    step: int
    losses: np.ndarray
    accuracies: np.ndarray


@takes(width=natural, batch_size=natural, seed=index)
def train_at_rates(
    norm=None,
    rates=RATES,
    *,
    activation="relu",
    depth=8,
    width=64,
    batch_size=64,
    steps=150,
    test_every=50,
    seed=0,
    dtype=np.float64,
):
    """Train copies of one network on digits, each with its own learning rate.

    Parameters
    ----------
    norm : {None, "batch", "layer", "rms", "group:8"}, default None
        Norm of the hidden layers.
    rates : sequence of float, default 0.01 to 4
        Learning rates, 0 or more.
    activation : {"linear", "relu", "tanh", "sigmoid"}, default "relu"
        Activation of the hidden layers.
    depth, width : int, default 8 and 64
        Hidden layers and their units.
    batch_size : int, default 64
        Digits per step, the same ones for all copies.
    steps, test_every : int, default 150 and 50
        Updates, and updates between two looks at the accuracy.
    seed : int, default 0
        Split, weights and order of the batches.
    dtype : dtype, default float64
        float32 is faster; single runs then differ in their last digits.

    Yields
    ------
    RatesRecord
        After every step. Copies that diverge stand still, the others go on.

    References
    ----------
    Bjorck, Gomes, Selman, Weinberger (2018), arXiv:1806.02375.

    Examples
    --------
    >>> record = next(train_at_rates("batch", [0.1, 1.0]))
    >>> record.step, record.losses.shape
    (1, (2,))
    """
    rates = float_array("rates", np.asarray(rates, dtype=np.float64), ndim=1)
    integer("test_every", test_every)
    net, digits, rng = digits_network(
        seed, norm, activation=activation, depth=depth, width=width, dtype=dtype
    )
    many = stack([net] * len(rates))
    loop = fit(
        many, *digits.train, lr=rates, batch_size=batch_size, steps=steps, rng=rng
    )
    return _watch_rates(many, digits, loop, test_every)


def _watch_rates(many, digits, loop, test_every):
    for record in loop:
        fine = record.loss <= LOSS_LIMIT
        losses = np.where(fine, record.loss, np.nan)
        accuracies = np.full(losses.shape, np.nan)
        if record.step % test_every == 0 or record.reason:
            reached = evaluate(many, *digits.train, mode="probe")[1]
            # A run that has diverged stands still; what it had learnt is lost.
            accuracies = np.where(fine, reached, 0.1)
        yield RatesRecord(record.step, losses, accuracies)


def largest_rate(rates, accuracies, *, threshold=0.95):
    """Return the largest learning rate that trains.

    Parameters
    ----------
    rates : array_like of shape (R,)
        Learning rates.
    accuracies : array_like of shape (R,)
        What each reached, for example a mean over seeds.
    threshold : float, default 0.95
        Share of right answers that counts as trained, 0 to 1.

    Returns
    -------
    float
        The rate; 0 if none trains.

    Examples
    --------
    >>> largest_rate([0.1, 1.0, 10.0], [0.99, 0.97, 0.1])
    1.0
    """
    number("threshold", threshold, minimum=0)
    trains = np.asarray(accuracies) > threshold
    return float(np.max(np.asarray(rates, dtype=float), where=trains, initial=0.0))


def envelope(losses):
    """Return the band between training runs with different learning rates.

    This is *not* the smoothness of a landscape, see the module's text.

    Parameters
    ----------
    losses : ndarray of shape (T, R)
        Of `RatesRecord` over T steps, for the rates that were chosen; nan once a run
        has diverged.

    Returns
    -------
    low, high : ndarray of shape (T,)
        Smallest and largest loss at every step, over the runs that still go on.

    Examples
    --------
    >>> low, high = envelope([[2.0, 2.0, 3.0], [1.0, 1.5, np.nan]])
    >>> low, high
    (array([2., 1.]), array([3. , 1.5]))
    """
    losses = np.asarray(losses)
    low = np.where(np.isnan(losses), np.inf, losses).min(axis=1)
    high = np.where(np.isnan(losses), -np.inf, losses).max(axis=1)
    return low, high
