"""Gradient descent and one fit loop that can be watched."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, integer
from normlib.losses import half_squared_error, softmax, softmax_cross_entropy
from normlib.minibatches import minibatches

__all__ = [
    "History",
    "Record",
    "accuracy",
    "collect",
    "evaluate",
    "fit",
    "half_squared_error",
    "loss_and_gradient",
    "minibatches",
    "sgd_step",
    "softmax",
    "softmax_cross_entropy",
]

LOSS_LIMIT = 1e6  # a mean loss above it counts as diverged


class Record(NamedTuple):
    """What the fit loop yields after each step.

    Attributes
    ----------
    step : int
        Number of updates made so far, counting this one.
    loss : float or ndarray of shape (K,)
        Loss on the mini-batch, before the update.
    reason : str
        Empty, or why the loop stops here (it has diverged).
    """

    step: int
    loss: float
    reason: str = ""


class History(NamedTuple):
    """The records of a run as arrays.

    Attributes
    ----------
    steps : ndarray of int, of shape (S,)
        1, 2, ... as many as were made.
    losses : ndarray of shape (S,) or (S, K)
        Loss on each mini-batch.
    reason : str
        Empty, or why the run stopped early.
    """

    steps: np.ndarray
    losses: np.ndarray
    reason: str


def loss_and_gradient(net, x, targets, *, loss=softmax_cross_entropy):
    """Return the loss on a batch, and fill ``net.grads`` with its gradient.

    Parameters
    ----------
    net : Network
        In any mode; "probe" leaves no trace.
    x : ndarray of shape (N, D)
        Inputs.
    targets : ndarray
        Labels of shape (N,) for cross-entropy, or what ``loss`` takes.
    loss : function, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    float or ndarray of shape (K,)
        The loss; the gradient is in ``net.grads``, which the next call reuses.
    """
    value, doutputs = loss(net.forward(x), targets)
    net.backward(doutputs)
    return value


def sgd_step(net, lr, weight_decay=0.0):
    """Step down the gradient: ``params -= lr * (grads + weight_decay * params)``.

    Parameters
    ----------
    net : Network
        After ``backward``. Parameters of layers with ``trainable=False`` stay.
    lr : float, or ndarray of shape (K,)
        Learning rate, 0 or more; one per network if there are K.
    weight_decay : float, or ndarray of the shape of ``net.params``, default 0
        lambda, 0 or more, that is the gradient of ``lambda / 2 * ||params||**2``.

    References
    ----------
    The form of weight decay decides the equilibrium norm: I. Loshchilov and F.
    Hutter (2017), arXiv:1711.05101, equation 1 (L2 inside the gradient).
    """
    lr = _check_rate("lr", lr).astype(net.dtype)
    decay = _check_rate("weight_decay", weight_decay).astype(net.dtype)
    _descend(net, lr, decay if decay.any() else None)


def _descend(net, lr, decay):
    step = net.grads if decay is None else net.grads + decay * net.params
    step = step * (lr if lr.ndim == 0 else lr[:, None])
    for layer in net.walk():
        if not layer.trainable:
            for name in layer.params:
                step[..., net.slices[layer, name]] = 0
    net.params -= step


def _check_rate(name, value):
    value = np.asarray(value)
    if not (np.isfinite(value).all() and (value >= 0).all()):
        raise ValueError(f"{name} must be finite and 0 or more, got {value}; try 0.1")
    return value


def fit(
    net,
    x,
    targets,
    *,
    lr,
    batch_size,
    steps,
    rng,
    weight_decay=0.0,
    order="shuffled",
    classes_per_batch=1,
    loss=softmax_cross_entropy,
):
    """Train a network, one step per item of the generator.

    Parameters
    ----------
    net : Network
        Changed in place; its mode is left alone.
    x : ndarray of shape (N, D)
        Inputs, finite.
    targets : ndarray
        Labels of shape (N,) for cross-entropy, or what ``loss`` takes.
    lr : float, or ndarray of shape (K,)
        Learning rate, 0 or more.
    batch_size : int or None
        Cases per step, 1 to N; None takes all cases at every step.
    steps : int
        Number of updates.
    rng : numpy.random.Generator or int
        Decides the order of the cases.
    weight_decay : float, default 0
        See :func:`sgd_step`.
    order, classes_per_batch : see :func:`minibatches`
        How cases are put into batches.
    loss : function, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Yields
    ------
    Record
        ``step, loss, reason`` after each update. Whoever loops can look at the
        network in between and can break off at any step. If the loss is not
        finite or above 1e6 the last record says so in ``reason``, that update
        is not made, and the generator ends; of K networks, those that diverge
        stand still while the others go on.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or the data hold NaN or infinity, before
        the first step.

    Examples
    --------
    >>> from normlib.network import mlp
    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> net = mlp([2, 8, 2], norm="batch")
    >>> loop = fit(net, x, (x[:, 0] > 0) * 1, lr=0.5, batch_size=20, steps=50, rng=0)
    >>> history = collect(loop)
    >>> len(history.steps), bool(history.losses[-1] < 0.2)
    (50, True)
    """
    x = _check_data(net, x, targets)
    lr = _check_rate("lr", lr).astype(net.dtype)
    decay = _check_rate("weight_decay", weight_decay).astype(net.dtype)
    decay = decay if decay.any() else None
    steps = integer("steps", steps, minimum=0)
    n = x.shape[-2]
    if batch_size is None:
        batches = _everything(n)
    else:
        batches = minibatches(
            n, batch_size, rng, order, targets, classes_per_batch=classes_per_batch
        )
    return _steps(net, x, np.asarray(targets), lr, decay, batches, steps, loss)


def _everything(n):
    while True:
        yield slice(0, n)


def _steps(net, x, targets, lr, decay, batches, steps, loss):
    stopped = np.zeros(net.networks or 1, dtype=bool)
    for step in range(1, steps + 1):
        batch = next(batches)
        with np.errstate(over="ignore", invalid="ignore"):
            value = loss_and_gradient(net, x[batch], targets[batch], loss=loss)
            stopped |= ~(value <= LOSS_LIMIT)  # NaN stops too
            if stopped.all():
                yield Record(step, value, _why(value, step))
                return
            before = net.params[stopped] if stopped.any() else None
            _descend(net, lr, decay)
            if before is not None:
                net.params[stopped] = before
        yield Record(step, value)


def _why(value, step):
    finite = np.isfinite(value).all()
    what = f"the loss is {np.max(value):.3g}" if finite else "the loss is not finite"
    return f"diverged at step {step}: {what}; try a smaller lr"


def _check_data(net, x, targets):
    x = np.asarray(x, dtype=net.dtype)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"x must have shape (N, D) with N >= 1, got {x.shape}")
    if len(targets) != x.shape[0]:
        raise ValueError(
            f"targets must have one entry per case: x has {x.shape[0]} rows, "
            f"targets {len(targets)}"
        )
    for name, values in (("x", x), ("targets", np.asarray(targets))):
        bad = values.size - np.count_nonzero(np.isfinite(values))
        if bad:
            raise ValueError(
                f"{name} must be finite, got {bad} entries that are NaN or infinite; "
                "remove those cases first"
            )
    return x


def collect(records):
    """Run a fit loop to its end and return its history as arrays.

    Parameters
    ----------
    records : iterable of Record
        What :func:`fit` returns.

    Returns
    -------
    History
        ``steps, losses, reason``.
    """
    records = list(records)
    reason = records[-1].reason if records else ""
    steps = np.array([record.step for record in records], dtype=int)
    return History(steps, np.array([record.loss for record in records]), reason)


def evaluate(net, x, labels, *, mode="eval", loss=softmax_cross_entropy):
    """Return loss and accuracy on a data set, leaving the network as it was.

    Parameters
    ----------
    net : Network
        The network.
    x : ndarray of shape (N, D)
        Inputs.
    labels : ndarray of int, of shape (N,)
        The right classes.
    mode : {"eval", "probe"}, default "eval"
        Whether batch norm uses its running statistics, or those of ``x``.
    loss : function, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    loss, accuracy : float, or ndarray of shape (K,)
        Mean loss, and share of cases whose highest score is the right class.
    """
    choice("mode", mode, ("eval", "probe"))
    with net.in_mode(mode), np.errstate(over="ignore", invalid="ignore"):
        logits = net.forward(x)
        value, _ = loss(logits, labels)
    return value, (logits.argmax(axis=-1) == labels).mean(axis=-1)


def accuracy(net, x, labels, *, mode="eval"):
    """Return the share of cases whose highest score is the right class.

    Parameters
    ----------
    net : Network
        The network; it is left as it was.
    x : ndarray of shape (N, D)
        Inputs.
    labels : ndarray of int, of shape (N,)
        The right classes.
    mode : {"eval", "probe"}, default "eval"
        Whether batch norm uses its running statistics, or those of ``x``.

    Returns
    -------
    float or ndarray of shape (K,)
        Between 0 and 1.
    """
    return evaluate(net, x, labels, mode=mode)[1]
