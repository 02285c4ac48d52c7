"""Stop at every iterate of a training run, before the step is made.

The experiments of `covariate_shift` and `landscape` look at a network at an iterate
with the batch that is about to change it. This loop hands out both.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import generator, integer, number, reals, takes
from normlib.nets.losses import check_integers, softmax_cross_entropy
from normlib.nets.network import network
from normlib.nets.training import (
    LOSS_LIMIT,
    check_first,
    loss_and_gradient,
    minibatches,
    sgd_step,
)


class Iterate(NamedTuple):
    """One stop of the loop, before the update.

    Attributes
    ----------
    step : int
        Number of updates made so far.
    x, targets : ndarray
        The batch of the coming update.
    loss : float, or ndarray of shape (K,)
        Loss on that batch, batch norm in the mode of the network.
    gradient : ndarray of shape (P,) or (K, P)
        Its gradient; the loop keeps it, so look but do not write.
    reason : str
        Empty, or why this is the last iterate (the run has diverged).
    """

    step: int
    x: np.ndarray
    targets: np.ndarray
    loss: float
    gradient: np.ndarray
    reason: str = ""


@takes(net=network, x=reals)
def iterates(
    net, x, targets, *, lr, batch_size=None, steps, rng=0, loss=softmax_cross_entropy
):
    """Train a network and stop before each update.

    Parameters
    ----------
    net : Network
        Changed in place by gradient descent. What is done to its parameters
        while the loop waits must be undone before it goes on.
    x : ndarray of shape (N, D)
        Inputs. K networks at once take (K, N, D), each its own.
    targets : ndarray
        Labels of shape (N,), or what `loss` takes; of shape (K, N) for K networks.
    lr : float
        Learning rate, 0 or more. With 0 the weights stay frozen.
    batch_size : int or None, default None
        Examples per step; None takes all of them.
    steps : int
        Number of updates, 0 or more.
    rng : int or numpy.random.Generator, default 0
        Order of the examples. K networks take a list of K, each its own order.
    loss : callable, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Yields
    ------
    Iterate
        Of steps 0, 1, ..., `steps`: the last one shows the network after all
        updates. If the loss is above 1e6 or not finite, `reason` says so and the
        loop ends there; of K networks, those that diverge stand still, and the loop
        ends when all have.

    Raises
    ------
    ValueError, TypeError
        When called, or at the first iterate, if the data do not fit the network: the
        number of features, a label outside the classes, the loss.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> x = np.array([[0.0], [1.0]])
    >>> loop = iterates(mlp([1, 2]), x, np.array([0, 1]), lr=1.0, steps=20)
    >>> losses = [iterate.loss for iterate in loop]
    >>> len(losses), losses[-1] < losses[0]
    (21, True)
    """
    lr = number("lr", lr, minimum=0)
    many = net.networks is not None
    steps = integer("steps", steps, minimum=0)
    rng = [generator(one) for one in rng] if many else generator(rng)
    x, targets = np.asarray(x, dtype=net.dtype), np.asarray(targets)
    if many and (
        x.ndim < 3 or len(x) != net.networks or x.shape[:2] != targets.shape[:2]
    ):
        raise ValueError(
            f"x must have shape ({net.networks}, N, D) for {net.networks} networks, "
            f"each with its own cases and targets, got {x.shape} and {targets.shape}"
        )
    single = x.ndim == 0 or targets.ndim == 0
    if single or x.size == 0 or len(x) != len(targets) or not np.isfinite(x).all():
        raise ValueError(
            f"x must be finite, not empty, and have one target per row; got x of shape "
            f"{x.shape} and targets of shape {targets.shape}"
        )
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        raise ValueError("targets holds NaN or infinity; remove those cases first")
    if loss is softmax_cross_entropy:
        check_integers("targets", targets)
    if batch_size is None:
        batches = iter(lambda: slice(None), None)
    elif many:
        each = [minibatches(x.shape[1], batch_size, one) for one in rng]
        rows = np.arange(len(x))[:, None]
        batches = ((rows, np.array(chosen)) for chosen in zip(*each, strict=True))
    else:
        batches = minibatches(len(x), batch_size, rng)
    return _loop(net, x, targets, lr, batches, steps, loss)


def _loop(net, x, targets, lr, batches, steps, loss):
    batch_loss = check_first(loss, targets)
    stopped = np.zeros(net.networks or 1, dtype=bool)
    for step in range(steps + 1):
        batch = next(batches)
        with np.errstate(over="ignore", invalid="ignore"):
            value = loss_and_gradient(net, x[batch], targets[batch], loss=batch_loss)
        value, batch_loss = value if net.networks else float(value), loss
        gradient = net.grads.copy()
        stopped |= np.logical_not(value <= LOSS_LIMIT)  # NaN stops too
        reason = _why(np.max(value), step) if stopped.all() else ""
        yield Iterate(step, x[batch], targets[batch], value, gradient, reason)
        if reason or step == steps:
            return
        net.grads[...] = gradient
        if stopped.any():
            net.grads[stopped] = 0
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges
            sgd_step(net, lr)


def _why(value, step):
    return f"diverged at step {step}: the loss is {value:.3g}; try a smaller lr"


def gather(records):
    """Run an experiment to its end and turn its records into arrays.

    Parameters
    ----------
    records : iterable of NamedTuple
        All of one type, at least one; what a generator of this library yields.

    Returns
    -------
    NamedTuple
        Of the same type; each field an array with one entry per record along its
        first axis. A field of strings (`reason`) becomes that of the last record.

    Examples
    --------
    >>> class Point(NamedTuple):
    ...     x: float
    ...     reason: str
    >>> gather([Point(1.0, ""), Point(2.0, "done")])
    Point(x=array([1., 2.]), reason='done')
    """
    records = list(records)
    if not records:
        raise ValueError("records must hold at least 1 record, got none")
    columns = zip(*records, strict=True)
    fields = (c[-1] if isinstance(c[0], str) else np.array(c) for c in columns)
    return type(records[0])(*fields)
