"""Running statistics lag behind a network that trains; precise ones do not."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, integer, number
from normlib.datasets import digits_split
from normlib.nets.network import mlp
from normlib.nets.training import accuracy, fit
from normlib.nets.watching import gather
from normlib.running import update_running

__all__ = [
    "LagRecord",
    "RunningLag",
    "precise_statistics",
    "running_lag",
    "running_lag_records",
]


def precise_statistics(net, x):
    """Measure the statistics of every batch norm on data, layer by layer.

    The running statistics of each batch norm are replaced by mean and variance
    of its input on ``x``. Weights, gamma, beta and all switches stay.

    Parameters
    ----------
    net : Network
        Changed in place.
    x : ndarray of shape (N, D)
        Data to measure on, such as the training set; finite, N at least 2.

    Returns
    -------
    Network
        The same network.

    Raises
    ------
    ValueError
        If x has a wrong shape or holds NaN or infinity, or what a batch norm gets
        overflows; the network then keeps the statistics it had.

    Notes
    -----
    The input of a later layer depends on the statistics of those before it. So
    there is one pass over the data for each batch norm, from the bottom, in
    which those below already use their precise statistics. Wu and Johnson's code
    measures all layers in the same passes, each batch norm in training mode.

    References
    ----------
    Y. Wu and J. Johnson (2021), Rethinking "Batch" in BatchNorm,
    arXiv:2105.07576, section 3 (PreciseBN).

    Examples
    --------
    >>> net = mlp([1, 4, 2], norm="batch", init=1.0)
    >>> x = np.random.default_rng(0).normal(5.0, 1.0, size=(100, 1))
    >>> norm = precise_statistics(net, x).batch_norms()[0]
    >>> pre_activation = x @ net.layers[0].params["weight"]
    >>> bool(np.allclose(norm.buffers["running_mean"], pre_activation.mean(axis=0)))
    True
    """
    x = float_array("x", np.asarray(x, dtype=net.dtype))
    state = net.state()
    try:
        with net.in_mode("eval"), np.errstate(over="ignore", invalid="ignore"):
            for norm in net.batch_norms():
                _take_statistics(net, norm, x)
    except Exception:
        net.load(state)
        raise
    return net


def _take_statistics(net, norm, x):
    momentum, norm.momentum, norm.update_running = norm.momentum, 1.0, True
    try:
        net.forward(x)
    finally:
        norm.momentum, norm.update_running = momentum, False
    if not np.isfinite(norm.buffers["running_var"]).all():
        raise ValueError(
            f"net has diverged: the statistics of its {norm} overflow; train it anew "
            "with a smaller lr"
        )


class LagRecord(NamedTuple):
    """The test error at one step, by the statistics used.

    Attributes
    ----------
    step : int
        Number of updates made.
    running : ndarray of shape (M,)
        Error with the running statistics of each momentum, 0 to 1.
    precise : float
        Error with the precise statistics of the training images.
    reason : str
        Empty, or why the run stopped early; the errors are then NaN.
    """

    step: int
    running: np.ndarray
    precise: float
    reason: str = ""


class RunningLag(NamedTuple):
    """The records of `running_lag_records` as arrays.

    Attributes
    ----------
    momenta : ndarray of shape (M,)
        Weights of the new value.
    steps : ndarray of int, of shape (S,)
        When the error was measured.
    running : ndarray of shape (S, M)
        Test error with the running statistics of each momentum.
    precise : ndarray of shape (S,)
        Test error with precise statistics.
    reason : str
        Empty, or why the run stopped early; the last errors are then NaN.
    """

    momenta: np.ndarray
    steps: np.ndarray
    running: np.ndarray
    precise: np.ndarray
    reason: str = ""


def running_lag(seed=0, *, momenta=(0.1, 0.01), **settings):
    """Return the records of `running_lag_records` as arrays.

    Parameters
    ----------
    seed : int, default 0
        Of the split, the weights and the order of the batches.
    momenta : sequence of float, default (0.1, 0.01)
        Weights of the new value.
    **settings
        As for `running_lag_records`.

    Returns
    -------
    RunningLag

    Raises
    ------
    TypeError, ValueError
        As `running_lag_records`.

    Examples
    --------
    >>> lag = running_lag(0, steps=10)
    >>> lag.steps.tolist(), lag.running.shape
    ([10], (1, 2))
    """
    records = list(running_lag_records(seed, momenta=momenta, **settings))
    return RunningLag(np.array(momenta), *gather(records))


def running_lag_records(
    seed=0,
    *,
    momenta=(0.1, 0.01),
    lr=0.3,
    batch_size=32,
    hidden=(64, 64, 64, 64),
    steps=60,
    every=10,
):
    """Train one network and judge it by several running statistics at once.

    Parameters
    ----------
    seed : int, default 0
        Of the split, the weights and the order of the batches.
    momenta : sequence of float, default (0.1, 0.01)
        Weights of the new value, 0 to 1, as in PyTorch; 0.1 is a decay of 0.9.
    lr : float, default 0.3
        Learning rate.
    batch_size : int, default 32
        Images per step, at least 2.
    hidden : sequence of int, default four layers of 64
        Units per hidden layer (ReLU, He, batch norm).
    steps, every : int, default 60 and 10
        Number of updates, and how often the error is measured.

    Yields
    ------
    LagRecord
        At every ``every``-th step. All statistics belong to the same weights,
        so the differences are due to the statistics alone. If the run diverges
        the last record says so.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Notes
    -----
    The running statistics start at mean 0 and variance 1, as in every library,
    so a small momentum also has this start to forget.

    References
    ----------
    Y. Wu and J. Johnson (2021), arXiv:2105.07576, section 3.1 and figure 1.
    """
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    momenta = [number("momenta", m, minimum=0) for m in momenta]
    if max(momenta) > 1:
        raise ValueError(f"momenta must be between 0 and 1, got {max(momenta)}")
    steps, every = integer("steps", steps), integer("every", every)
    if every > steps:
        raise ValueError(f"every must be at most steps={steps}, got {every}")
    digits = digits_split(rng, standardized=True)
    net = mlp([64, *hidden, 10], norm="batch", rng=rng).set_mode("probe")
    loop = fit(
        net,
        digits.x_train,
        digits.y_train,
        lr=lr,
        batch_size=batch_size,
        steps=steps,
        rng=rng,
    )
    return _watch_lag(net, digits, loop, momenta, batch_size, every)


def _watch_lag(net, digits, loop, momenta, batch_size, every):
    statistics = [_running(net) for _ in momenta]  # one set per momentum
    for record in loop:
        if record.reason:
            nan = np.full(len(momenta), np.nan)
            yield LagRecord(record.step, nan, np.nan, record.reason)
            return
        for k, momentum in enumerate(momenta):
            statistics[k] = _moved(net, statistics[k], batch_size, momentum)
        if record.step % every == 0:
            running = [_error(net, digits, chosen) for chosen in statistics]
            precise_statistics(net, digits.x_train)
            precise = _error(net, digits, _running(net))
            yield LagRecord(record.step, np.array(running), precise)


def _running(net):
    """Return copies of the running mean and variance of every batch norm."""
    return [
        (norm.buffers["running_mean"].copy(), norm.buffers["running_var"].copy())
        for norm in net.batch_norms()
    ]


def _moved(net, statistics, count, momentum):
    """Return the statistics after the batch that the network saw last."""
    return [
        update_running(
            *old, norm.stats.mean[0], norm.stats.var[0], count, momentum=momentum
        )
        for old, norm in zip(statistics, net.batch_norms(), strict=True)
    ]


def _error(net, digits, statistics):
    for norm, (mean, var) in zip(net.batch_norms(), statistics, strict=True):
        norm.buffers["running_mean"][...] = mean
        norm.buffers["running_var"][...] = var
    return float(1 - accuracy(net, digits.x_test, digits.y_test))
