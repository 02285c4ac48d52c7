r"""The loss along an iterate's own gradient (Santurkar et al. 2018, figure 4).

At an iterate, walk against the gradient of the batch that is about to change the
weights and look at the loss and the gradient on the way. A smooth landscape is one
where the gradient at the start still says what happens further on.

Two warnings. A network that does not learn looks smoothest of all: nothing changes
along a gradient that is zero. And the band between training runs with different
learning rates is another experiment (`normlib.landscape.learning_rates`).

Other looks at a landscape stand beside this one: `around` (`loss_surface`,
`random_direction`), `sharpness` (`top_eigenvalue`) and `theorems` (both sides of the
theorems).
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    float_array,
    indices,
    integer,
    natural,
    number,
    real,
    reals,
    takes,
)
from normlib.nets.digits_network import digits_network
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.probing import check_finite, untouched
from normlib.nets.training import loss_and_gradient
from normlib.nets.watching import iterates

MULTIPLES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)

# Settings of `along_the_gradient` by what they show: batch norm smooths the first,
# not the second; in the last two the network without norm does not learn, and it is
# the smoothest for that very reason.
CASES = {
    "relu": {},
    "tanh": {"activation": "tanh", "init": "glorot"},
    "sigmoid": {"activation": "sigmoid", "depth": 3},
    "dead": {"depth": 12, "width": 16, "lr": 0.7},
}


class Walk(NamedTuple):
    """Loss and gradient along one gradient, one entry per length of step.

    Those of K networks have a second axis of K.

    Attributes
    ----------
    lengths : ndarray of shape (S,)
        Step sizes eta: the point reached is ``params - eta * gradient``.
    losses : ndarray of shape (S,)
        Loss there, on the same batch; infinity where it overflows.
    changes : ndarray of shape (S,)
        l2 norm of the difference of the gradient there and at the start.
    betas : ndarray of shape (S,)
        `changes` divided by the distance walked: the effective smoothness.
    predictiveness : ndarray of shape (S,)
        Fall of the loss divided by the fall that the gradient at the start
        promises, ``eta * ||gradient||**2``; 1 is a perfect promise, below 0 the loss
        rose. It has no unit, so that networks can be compared.
    cosines : ndarray of shape (S,)
        Cosine of the angle between the gradient there and at the start.
    """

    lengths: np.ndarray
    losses: np.ndarray
    changes: np.ndarray
    betas: np.ndarray
    predictiveness: np.ndarray
    cosines: np.ndarray


class WalkRecord(NamedTuple):
    """What `along_the_gradient` yields: a walk at one step of training.

    Attributes
    ----------
    step : int
        Updates made so far.
    loss : float, or ndarray of shape (K,)
        Loss at the iterate, on its batch.
    gradient_norm : float, or ndarray of shape (K,)
        l2 norm of its gradient.
    lengths, losses, changes, betas, predictiveness, cosines : ndarray of shape (S,)
        As in `Walk`.
    reason : str
        Empty, or why the run stopped early.
    """

    step: int
    loss: float
    gradient_norm: float
    lengths: np.ndarray
    losses: np.ndarray
    changes: np.ndarray
    betas: np.ndarray
    predictiveness: np.ndarray
    cosines: np.ndarray
    reason: str = ""


@takes(x=reals)
def walk_along_gradient(net, x, targets, lengths, *, loss=softmax_cross_entropy):
    r"""Look at loss and gradient along the gradient of a batch.

    Parameters
    ----------
    net : Network
        At the iterate; it is left exactly as it was, gradients and running
        statistics included.
    x : ndarray of shape (N, D)
        The batch, finite. Batch norm uses its statistics at every point of the walk.
    targets : ndarray
        Labels of shape (N,), or what `loss` takes.
    lengths : array_like of shape (S,)
        Step sizes, above 0.
    loss : callable, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    Walk
        Arrays of shape (S,). Where the gradient at the start is zero, `betas` is 0,
        `predictiveness` and `cosines` are nan.

    Notes
    -----
    With g the gradient at the parameters theta and :math:`g_\eta` that at
    :math:`\theta - \eta g`: change :math:`\|g - g_\eta\|`, beta
    :math:`\|g - g_\eta\| / (\eta \|g\|)`, predictiveness
    :math:`(L(\theta) - L(\theta - \eta g)) / (\eta \|g\|^2)`.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, section 3.2 and
    figure 4. Predictiveness in this scale-free form and the cosine are ours.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([2, 4, 2])
    >>> walk = walk_along_gradient(net, np.eye(2), np.array([0, 1]), [1e-4, 0.1])
    >>> bool(abs(walk.predictiveness[0] - 1) < 1e-3)  # a short step keeps the promise
    True
    """
    lengths = _check_lengths("lengths", lengths)
    check_finite(net, x, targets)
    with untouched(net):
        start = loss_and_gradient(net, x, targets, loss=loss)
        gradient, theta = net.grads.copy(), net.params.copy()
        losses, gradients = [], []
        for length in lengths:
            np.subtract(theta, length * gradient, out=net.params)
            losses.append(loss_and_gradient(net, x, targets, loss=loss))
            gradients.append(net.grads.copy())
    return _measure(start, gradient, lengths, np.array(losses), np.array(gradients))


def _check_lengths(name, lengths):
    lengths = float_array(name, np.asarray(lengths, dtype=np.float64), ndim=1)
    if not (lengths > 0).all():
        raise ValueError(
            f"{name} must be above 0, got {lengths.min():g}; the start is not a step"
        )
    return lengths


def _measure(start, gradient, lengths, losses, gradients):
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        norm = np.linalg.norm(gradient, axis=-1)
        changes = np.linalg.norm(gradients - gradient, axis=-1)
        # Where the network overflows there is no number, but no smoothness either.
        changes[np.isnan(changes)] = np.inf
        distance = np.multiply.outer(lengths, norm)
        # A gradient of zero leads nowhere: no change, and no promise to keep.
        betas = np.where(norm > 0, changes / distance, 0.0)
        size = np.linalg.norm(gradients, axis=-1) * norm
        cosines = np.vecdot(gradients, gradient) / size
        losses = np.where(np.isnan(losses), np.inf, losses)
        promise = (start - losses) / (distance * norm)
    return Walk(lengths, losses, changes, betas, promise, cosines)


@takes(width=natural, batch_size=natural, seed=indices)
def along_the_gradient(
    norm=None,
    *,
    activation="relu",
    init="he",
    gain=1.0,
    depth=6,
    width=32,
    lr=0.1,
    batch_size=64,
    steps=100,
    every=5,
    since=0,
    multiples=MULTIPLES,
    seed=0,
):
    """Train on digits and walk along the gradient of every few iterates.

    Parameters
    ----------
    norm : {None, "batch", "layer", "rms", "group:8"}, default None
        Norm of the hidden layers.
    activation : {"linear", "relu", "tanh", "sigmoid"}, default "relu"
        Activation of the hidden layers. ReLU is where batch norm smooths; with tanh
        it does not, and with sigmoid the network without norm does not learn.
    init, gain : as `normlib.nets.network.mlp`, default "he" and 1
        How the weights are drawn.
    depth, width : int, default 6 and 32
        Hidden layers and their units.
    lr : float, default 0.1
        Learning rate, above 0. At 0.7, depth 12 and width 16 ReLU networks without norm
        die, and then look smoother than any other; `CASES` holds such settings by name.
    batch_size : int, default 64
        Digits per step.
    steps, every, since : int, default 100, 5 and 0
        Updates, updates between two walks, and updates before the first.
    multiples : sequence of float, default 0.5 to 4
        Lengths of the walk in units of `lr`, above 0.
    seed : int or list of K ints, default 0
        Split, weights and order of the batches; a list trains K networks at once.

    Yields
    ------
    WalkRecord
        At the multiples of `every` from `since` on; the run ends early if it diverges.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, figure 4.

    Examples
    --------
    >>> record = next(along_the_gradient("batch"))
    >>> record.step, record.losses.shape
    (0, (8,))
    """
    every, since = integer("every", every), integer("since", since, minimum=0)
    lr = number("lr", lr, positive=True)
    lengths = lr * _check_lengths("multiples", multiples)
    net, digits, rng = digits_network(
        seed,
        norm,
        activation=activation,
        depth=depth,
        width=width,
        init=init,
        gain=gain,
    )
    loop = iterates(
        net, *digits.train, lr=lr, batch_size=batch_size, steps=steps, rng=rng
    )
    return _watch_walks(net, loop, lengths, every, since)


def _watch_walks(net, loop, lengths, every, since):
    for step, x, targets, loss, gradient, reason in loop:
        if reason:
            nan = [np.full((len(lengths), *np.shape(loss)), np.nan)] * 5
            nowhere = np.full(np.shape(loss), np.nan)
            yield WalkRecord(step, loss, nowhere, lengths, *nan, reason)
        elif step >= since and step % every == 0:
            walk = walk_along_gradient(net, x, targets, lengths)
            size = np.linalg.norm(gradient, axis=-1)
            yield WalkRecord(step, loss, size, *walk)


class Smoothness(NamedTuple):
    """One number each for a whole run: medians over its walks.

    Attributes
    ----------
    loss_range : float
        Largest minus smallest loss of a walk, its start included.
    gradient_change : float
        Largest change of the gradient.
    beta : float
        Largest beta.
    """

    loss_range: float
    gradient_change: float
    beta: float


def measures(history, reach=None):
    """Return range, change and beta of every walk, up to `reach` learning rates.

    Parameters
    ----------
    history : WalkRecord of arrays
        ``gather(along_the_gradient(...))``.
    reach : float, optional
        How much of walks over `MULTIPLES` counts, in learning rates; None counts all
        of any walk.

    Returns
    -------
    ndarray of shape (3, T), or (3, T, K) for K networks
        Largest minus smallest loss with the start, largest change of the gradient,
        largest beta; infinity where a walk overflows.

    Examples
    --------
    >>> from normlib.nets.watching import gather
    >>> history = gather(along_the_gradient("batch", steps=2, every=1, width=4))
    >>> measures(history, reach=1.0).shape
    (3, 3)
    """
    if not isinstance(history, WalkRecord):
        raise TypeError(
            f"history must be gather(along_the_gradient(...)), got {history!r:.60}"
        )
    reach = None if reach is None else number("reach", reach, positive=True)
    inside = slice(None) if reach is None else np.array(MULTIPLES) <= reach
    start = history.loss[:, None]
    losses = np.concatenate([start, history.losses[:, inside]], axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        ranges = np.ptp(losses, axis=1)
    ranges[np.isnan(ranges)] = np.inf  # all of a walk off the scale
    changes, betas = history.changes[:, inside], history.betas[:, inside]
    return np.array([ranges, changes.max(axis=1), betas.max(axis=1)])


@takes(since=real)
def smoothness(history, *, since=0):
    """Summarize a run of `along_the_gradient` by medians, which no spike moves.

    Parameters
    ----------
    history : WalkRecord of arrays
        ``gather(along_the_gradient(...))``.
    since : int, default 0
        First step that counts.

    Returns
    -------
    Smoothness
        What figure 4 of Santurkar et al. shows over time, as one number each.

    Raises
    ------
    ValueError
        If there is no walk since that step: the run diverged before.

    Examples
    --------
    >>> from normlib.nets.watching import gather
    >>> history = gather(along_the_gradient("batch", steps=10))
    >>> smoothness(history).loss_range > 0
    True
    """
    # A run that diverged ends with a record without a walk.
    walked = (history.step >= since) & np.isfinite(history.gradient_norm)
    if not walked.any():
        raise ValueError(
            f"history has no walk since step {since}; its last step is "
            f"{history.step[-1]}: {history.reason or 'take a smaller since'}"
        )
    return Smoothness(*(float(np.median(row[walked])) for row in measures(history)))
