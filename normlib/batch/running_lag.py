"""Running statistics lag behind a network that trains; precise ones do not."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, integer, natural, real, reals, takes
from normlib.datasets import digits_split
from normlib.nets.network import mlp, network
from normlib.nets.training import accuracy, fit
from normlib.running import bias_corrected

__all__ = ["Lag", "precise_statistics", "running_lag"]


@takes(net=network, x=reals)
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
        If x is refused or what a batch norm gets overflows; the network then keeps
        the statistics it had.

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


class Lag(NamedTuple):
    """How far running statistics are from the precise ones of the same weights.

    Attributes
    ----------
    step : int
        Number of updates made.
    variance : ndarray of shape (2,)
        Running variance over precise variance, mean over all units: as stored, and
        with the start taken out.
    mean : ndarray of shape (2,)
        Distance of the running from the precise mean in precise standard deviations,
        root mean square over all units, likewise.
    accuracy : ndarray of shape (3,)
        Test accuracy by the stored, the corrected and the precise statistics.
    """

    step: int
    variance: np.ndarray
    mean: np.ndarray
    accuracy: np.ndarray


@takes(momentum=real, every=natural)
def running_lag(
    seed=0,
    *,
    momentum=0.01,
    lr=0.3,
    batch_size=32,
    hidden=(64,) * 4,
    steps=60,
    every=10,
):
    """Train on digits, and compare running with precise statistics on the way.

    Parameters
    ----------
    seed : int, default 0
        Of the split, the weights and the order of the batches.
    momentum : float, default 0.01
        Weight of the new value, 0 to 1.
    lr, batch_size, hidden
        Learning rate, images per step, units per hidden layer (ReLU, He, batch norm).
    steps, every : int, default 60 and 10
        Number of updates, and how often both are compared.

    Yields
    ------
    Lag

    References
    ----------
    Y. Wu and J. Johnson (2021), arXiv:2105.07576, section 3.1 (running averages).

    Examples
    --------
    >>> (lag,) = running_lag(0, momentum=0.1, steps=30, every=30)
    >>> lag.step, bool(abs(lag.variance[1] - 1) < 0.05)
    (30, True)
    """
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    digits = digits_split(rng, standardized=True)
    net = mlp([64, *hidden, 10], norm="batch", rng=rng)
    for norm in net.batch_norms():
        norm.momentum = momentum
    loop = fit(net, *digits.train, lr=lr, batch_size=batch_size, steps=steps, rng=rng)
    for record in loop:
        if record.reason:
            raise ValueError(f"the network has diverged at step {record.step}")
        if record.step % every == 0:
            state = net.state()
            yield _compare(net, digits, record.step, momentum)
            net.load(state)


def _compare(net, digits, step, momentum):
    stored = _statistics(net)
    corrected = [
        bias_corrected(part, start, step, momentum=momentum)
        for part, start in zip(stored, (0.0, 1.0), strict=True)
    ]
    right = [accuracy(net, *digits.test)]
    _set_statistics(net, *corrected)
    right.append(accuracy(net, *digits.test))
    precise_mean, precise_var = _statistics(precise_statistics(net, digits.x_train))
    right.append(accuracy(net, *digits.test))
    variance = [np.mean(var / precise_var) for _, var in (stored, corrected)]
    mean = [
        np.sqrt(np.mean((mean - precise_mean) ** 2 / precise_var))
        for mean, _ in (stored, corrected)
    ]
    return Lag(step, np.array(variance), np.array(mean), np.array(right))


def _statistics(net):
    """Return running means and running variances of all units, each in one array."""
    return [
        np.concatenate([norm.buffers[name] for norm in net.batch_norms()])
        for name in ("running_mean", "running_var")
    ]


def _set_statistics(net, mean, var):
    start = 0
    for norm in net.batch_norms():
        part = slice(start, start + norm.n)
        norm.buffers["running_mean"][...] = mean[part]
        norm.buffers["running_var"][...] = var[part]
        start += norm.n
