"""Gradient descent and one fit loop that can be watched."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, integer, real_array, reals, takes
from normlib.nets.losses import (
    check_integers,
    check_labels,
    check_range,
    half_squared_error,
    softmax,
    softmax_cross_entropy,
)
from normlib.nets.minibatches import minibatches
from normlib.nets.network import network

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

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([1, 2], init=0.0)
    >>> round(float(loss_and_gradient(net, np.array([[4.0]]), np.array([0]))), 4)
    0.6931
    >>> net.grads
    array([-2. ,  2. , -0.5,  0.5])
    """
    network("net", net)
    value, doutputs = loss(net.forward(x), targets)
    _check_value(net, value)
    net.backward(doutputs)
    return value


def _check_value(net, value):
    wanted = () if net.networks is None else (net.networks,)
    shape = getattr(value, "shape", ())  # np.shape takes 0.6 us, at every step
    if shape != wanted:
        raise ValueError(
            f"loss must return one number per network, of shape {wanted}, got shape "
            f"{shape}; for outputs of shape (N, T, C) pass a loss that "
            "averages over positions too, such as one that first reshapes the outputs "
            "to (N * T, C) and the targets to match"
        )


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
    Hutter (2017), arXiv:1711.05101, algorithm 1 (L2 inside the gradient).

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([1, 1], init=0.0)
    >>> net.grads[...] = [3.0, -1.0]
    >>> sgd_step(net, lr=0.1)
    >>> net.params
    array([-0.3,  0.1])
    """
    network("net", net)
    _descend(net, *_check_rates(net, lr, weight_decay))


def _descend(net, lr, decay):
    step = net.grads if decay is None else net.grads + decay * net.params
    step = step * (lr if lr.ndim == 0 else lr[:, None])
    for layer in net.frozen():
        for name in layer.params:
            step[..., net.slices[layer, name]] = 0
    net.params -= step


def _check_rates(net, lr, weight_decay):
    """Return both as arrays of the dtype of the network, decay None where 0."""
    each = () if net.networks is None else (net.networks,)
    lr = check_rate("lr", lr, net.dtype, [(), each])
    shapes = [(), net.params.shape, net.params.shape[-1:]]
    decay = check_rate("weight_decay", weight_decay, net.dtype, shapes)
    return lr, decay if decay.any() else None


def check_rate(name, value, dtype, shapes):
    """Return a rate, or one per network, as an array; raise unless it is 0 or more."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be a number, got {value!r}; try 0.1")
    if array.shape not in shapes:
        wanted = " or ".join(str(shape) for shape in dict.fromkeys(shapes) if shape)
        wanted = f"one number or of shape {wanted}" if wanted else "one number"
        raise ValueError(
            f"{name} must be {wanted}, got shape {array.shape}; pass a number to use "
            "it everywhere"
        )
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(f"{name} must be finite and 0 or more, got {value}; try 0.1")
    with np.errstate(over="ignore"):  # 1e200 is infinite in float32: it diverges
        return array.astype(dtype)


@takes(net=network, x=reals)
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
    x : ndarray of shape (N, D), or (N, ...) as the layers take it
        Inputs, finite; the first axis counts the cases. K networks at once take
        (N, D), the same cases for all, or (K, N, D), each its own.
    targets : ndarray of shape (N, ...), or (K, N, ...) if x is (K, N, D)
        Labels for cross-entropy, or what ``loss`` takes.
    lr : float, or ndarray of shape (K,)
        Learning rate, 0 or more.
    batch_size : int or None
        Cases per step, 1 to N; None takes all cases at every step.
    steps : int
        Number of updates.
    rng : numpy.random.Generator or int, or list of K
        Decides the order of the cases; a list shuffles those of each network alone.
    weight_decay : float, default 0
        See :func:`sgd_step`.
    order, classes_per_batch : see :func:`minibatches`
        How cases are put into batches.
    loss : function, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``, one value per network.

    Yields
    ------
    Record
        ``step, loss, reason`` after each update. Whoever loops can look at the
        network in between and can break off at any step. If the loss is not
        finite or above 1e6 the last record says so in ``reason``, that update
        is not made, the running statistics are those before the step, and the
        generator ends; of K networks, those that diverge stand still while the
        others go on. What the last of all updates does to the loss is not seen.

    Raises
    ------
    ValueError, TypeError
        When called, if an argument is out of range, the data hold NaN or
        infinity, or labels are no integers. At the first step, before its
        update, if the data do not fit the network: the number of features, a
        label outside the classes (all are looked at), the loss.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> net = mlp([2, 8, 2], norm="batch")
    >>> loop = fit(net, x, (x[:, 0] > 0) * 1, lr=0.5, batch_size=20, steps=50, rng=0)
    >>> history = collect(loop)
    >>> len(history.steps), bool(history.losses[-1] < 0.2)
    (50, True)
    """
    x, targets, lead = _check_data(net, x, targets)
    if loss is softmax_cross_entropy:
        check_integers("targets", targets)
    lr, decay = _check_rates(net, lr, weight_decay)
    steps = integer("steps", steps, minimum=0)
    if batch_size is None:
        batches = _everything(lead[-1])
    elif isinstance(rng, list):
        if lead[:-1] != (len(rng),):
            raise ValueError(
                f"a list of rng needs x of shape ({len(rng)}, N, D), the own cases of "
                f"as many networks, got {x.shape}; pass one rng for all"
            )
        rows = np.arange(len(rng))[:, None]
        each = [minibatches(lead[-1], batch_size, one) for one in rng]
        batches = ((rows, np.array(chosen)) for chosen in zip(*each, strict=True))
        return _steps(net, x, targets, lr, decay, batches, steps, loss)
    else:
        batches = minibatches(
            lead[-1],
            batch_size,
            rng,
            order,
            targets,
            classes_per_batch=classes_per_batch,
        )
    if len(lead) == 2:  # each network has its own cases
        batches = ((slice(None), batch) for batch in batches)
    return _steps(net, x, targets, lr, decay, batches, steps, loss)


def _everything(n):
    while True:
        yield slice(0, n)


def _steps(net, x, targets, lr, decay, batches, steps, loss):
    stopped = np.zeros(net.networks or 1, dtype=bool)
    running = [value for layer in net.walk() for value in layer.buffers.values()]
    batch_loss = check_first(loss, targets)
    for step in range(1, steps + 1):
        batch = next(batches)
        kept = [value.copy() for value in running]
        with np.errstate(over="ignore", invalid="ignore"):
            value = loss_and_gradient(net, x[batch], targets[batch], loss=batch_loss)
            batch_loss = loss
            stopped |= np.logical_not(value <= LOSS_LIMIT)  # NaN stops too
            if not stopped.any():
                _descend(net, lr, decay)
            else:
                _put_back(running, kept, stopped)
                if stopped.all():
                    yield Record(step, value, _why(value, step))
                    return
                before = net.params[stopped]
                _descend(net, lr, decay)
                net.params[stopped] = before
        yield Record(step, value)


def _put_back(arrays, before, stopped):
    which = ... if stopped.all() else stopped  # a single network has no axis for it
    for array, value in zip(arrays, before, strict=True):
        array[which] = value[which]


def check_first(loss, targets):
    """Return the loss for the first batch, which also looks at all labels.

    Else a wrong label would end a run in the middle. Only here, after a pass, is
    the number of classes known.
    """
    if loss is not softmax_cross_entropy:
        return loss

    def checked(outputs, batch):
        result = loss(outputs, batch)
        check_range("targets", targets, outputs.shape[-1])
        return result

    return checked


def _why(value, step):
    finite = np.isfinite(value).all()
    what = f"the loss is {np.max(value):.3g}" if finite else "the loss is not finite"
    return f"diverged at step {step}: {what}; try a smaller lr"


def _check_data(net, x, targets):
    """Return x, targets and what their shapes begin with: (N,), or (K, N)."""
    x, targets = finite_inputs(net, x), np.asarray(targets)
    many = net.networks is not None
    own = many and x.ndim == 3
    if x.ndim < 2 or x.size == 0 or (many and x.ndim > 3):
        raise ValueError(f"x must have shape (N, D) with N >= 1, got {x.shape}")
    if own and len(x) != net.networks:
        raise ValueError(
            f"x must have shape (N, D) or ({net.networks}, N, D) for "
            f"{net.networks} networks, got {x.shape}"
        )
    lead = x.shape[: 2 if own else 1]
    if targets.shape[: len(lead)] != lead:
        raise ValueError(
            f"targets must have one entry per case, a shape that begins with {lead} "
            f"for x of shape {x.shape}, got {targets.shape}"
        )
    if targets.dtype.kind not in "biufc":
        raise TypeError(f"targets must hold numbers, got {targets.dtype}")
    _check_finite("targets", targets)
    return x, targets, lead


def finite_inputs(net, x):
    """Return ``x`` in the dtype of the network, or say that it is not finite."""
    with np.errstate(over="ignore"):  # 1e300 is infinite in float32
        x = real_array("x", x, net.dtype)
    _check_finite("x", x)
    return x


def _check_finite(name, values):
    bad = values.size - np.count_nonzero(np.isfinite(values))
    if bad:
        raise ValueError(
            f"{name} must be finite, got {bad} entries that are NaN or infinite; "
            "remove those cases first"
        )


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

    Examples
    --------
    >>> collect([Record(1, 0.5), Record(2, 0.25)]).losses
    array([0.5 , 0.25])
    """
    if not isinstance(records, Iterable):
        raise TypeError(f"records must be what fit returns, got {records!r:.60}")
    records = list(records)
    reason = records[-1].reason if records else ""
    steps = np.array([record.step for record in records], dtype=int)
    return History(steps, np.array([record.loss for record in records]), reason)


def evaluate(net, x, labels, *, mode="eval", loss=softmax_cross_entropy):
    """Return loss and accuracy on a data set, leaving the network as it was.

    Only what the layers keep for ``backward`` is then of this pass: call
    ``net.forward`` anew before ``net.backward``.

    Parameters
    ----------
    net : Network
        The network.
    x : ndarray of shape (N, D), or (K, N, D)
        Inputs, finite.
    labels : ndarray of int, of shape (N,), or (K, N)
        The right classes.
    mode : {"eval", "probe"}, default "eval"
        Whether batch norm uses its running statistics, or those of ``x``.
    loss : function, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    loss, accuracy : float, or ndarray of shape (K,)
        Mean loss, and share of cases whose highest score is the right class.
        The loss of a network that has diverged can be NaN or infinite.

    Raises
    ------
    ValueError, TypeError
        If the labels are no classes of the outputs. For other targets there is no
        accuracy: call the loss inside ``net.in_mode(mode)``.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> loss, share = evaluate(mlp([1, 2], init=0.0), np.ones((2, 1)), np.array([0, 1]))
    >>> round(float(loss), 4), float(share)
    (0.6931, 0.5)
    """
    logits, labels = _scores(net, x, labels, mode)
    with np.errstate(over="ignore", invalid="ignore"):
        value, _ = loss(logits, labels)
    _check_value(net, value)
    return value, _share_right(net, logits, labels)


def _scores(net, x, labels, mode):
    """Return the outputs of the network and the labels, one per case of these."""
    network("net", net)
    choice("mode", mode, ("eval", "probe"))
    reals("x", x)
    x = finite_inputs(net, x)
    with net.in_mode(mode), np.errstate(over="ignore", invalid="ignore"):
        logits = net.forward(x)
    return logits, check_labels(labels, logits)


def _share_right(net, logits, labels):
    right = logits.argmax(axis=-1) == labels
    return right.mean() if net.networks is None else right.mean(axis=-1)


def accuracy(net, x, labels, *, mode="eval"):
    """Return the share of cases whose highest score is the right class.

    Parameters
    ----------
    net : Network
        The network; it is left as it was.
    x : ndarray of shape (N, D), or (K, N, D)
        Inputs, finite.
    labels : ndarray of int, of shape (N,), or (K, N)
        The right classes.
    mode : {"eval", "probe"}, default "eval"
        Whether batch norm uses its running statistics, or those of ``x``.

    Returns
    -------
    float or ndarray of shape (K,)
        Between 0 and 1.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> float(accuracy(mlp([1, 2], init=0.0), np.ones((4, 1)), np.array([0, 1, 0, 0])))
    0.75
    """
    return _share_right(net, *_scores(net, x, labels, mode))
