"""Internal covariate shift as Santurkar et al. (2018) define it.

Take one step of training. For a layer i, ask how its gradient changes because the
layers *before* it have moved: the same batch, layers 1 to i-1 with their new
weights, layer i and all after it with the old ones. No change is a cosine of 1.

This is one of two definitions in use; the change of the inputs themselves is in
`input_change`. That one batch differs from the next is neither (`frozen_weights`).
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    choice,
    generator,
    indices,
    integer,
    natural,
    number,
    reals,
    takes,
)
from normlib.datasets import linear_teacher
from normlib.nets.digits_network import digits_network
from normlib.nets.losses import half_squared_error, softmax_cross_entropy
from normlib.nets.network import mlp, stack
from normlib.nets.probing import check_finite, plain_linears, untouched
from normlib.nets.training import loss_and_gradient, sgd_step
from normlib.nets.watching import iterates


class Shift(NamedTuple):
    """Internal covariate shift of one step, one entry per layer asked for.

    Attributes
    ----------
    distance : ndarray of shape (L,) or, of K networks, (L, K)
        l2 norm of the difference of the two gradients; 0 without shift.
    cosine : ndarray of shape (L,) or (L, K)
        Cosine of their angle; 1 without shift, nan if one of them is 0.
    """

    distance: np.ndarray
    cosine: np.ndarray


class ShiftRecord(NamedTuple):
    """What the experiments yield: `Shift` at one step of training.

    Attributes
    ----------
    step : int
        Updates made so far.
    loss : float, or ndarray of shape (K,)
        Loss on the batch of the coming update.
    distance, cosine : ndarray of shape (L,) or (L, K)
        As in `Shift`.
    reason : str
        Empty, or why the run stopped early.
    """

    step: int
    loss: float
    distance: np.ndarray
    cosine: np.ndarray
    reason: str = ""


@takes(x=reals)
def internal_covariate_shift(
    net, x, targets, lr, layers, *, loss=softmax_cross_entropy
):
    r"""Measure the shift that one step of gradient descent causes (definition 2.1).

    Parameters
    ----------
    net : Network
        At the iterate; it is left exactly as it was, gradients and running
        statistics included. Its weights are plain, not those of weight norm.
    x : ndarray of shape (N, D)
        The batch of the step, finite. Batch norm uses its statistics.
    targets : ndarray
        Labels of shape (N,), or what `loss` takes.
    lr : float
        Learning rate of the step, 0 or more.
    layers : sequence of int
        Numbers of the linear maps to look at; 1 is the first, whose shift is 0
        since nothing comes before it.
    loss : callable, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    Shift
        distance and cosine, arrays of shape (len(layers),), and K for K networks.

    Notes
    -----
    With :math:`W^{(t+1)}` the weights after the step,

    .. math:: G_{t,i} = \nabla_{W_i} L(W_1^{(t)}, \dots, W_k^{(t)}), \quad
        G'_{t,i} = \nabla_{W_i} L(W_1^{(t+1)}, \dots, W_{i-1}^{(t+1)},
        W_i^{(t)}, \dots, W_k^{(t)}),

    both on the same batch; the shift is :math:`\|G_{t,i} - G'_{t,i}\|_2`. The gamma
    and beta of a norm move with the linear map before them.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, definition 2.1.

    Examples
    --------
    >>> net = mlp([2, 3, 3, 2])
    >>> x, labels = np.eye(2), np.array([0, 1])
    >>> shift = internal_covariate_shift(net, x, labels, 0.1, [1, 3])
    >>> float(shift.distance[0]), bool(shift.distance[1] > 0)
    (0.0, True)
    """
    parts = _weight_slices(net, layers)
    lr = number("lr", lr, minimum=0)
    check_finite(net, x, targets)
    with untouched(net):
        loss_and_gradient(net, x, targets, loss=loss)
        before, old = net.grads.copy(), net.params.copy()
        sgd_step(net, lr)
        new = net.params.copy()
        after = np.empty_like(before)
        for part in parts:
            net.params[..., : part.start] = new[..., : part.start]
            net.params[..., part.start :] = old[..., part.start :]
            loss_and_gradient(net, x, targets, loss=loss)
            after[..., part] = net.grads[..., part]
    return _compare(before, after, parts)


def _weight_slices(net, layers):
    """Where the weights of the linear maps with these numbers stand, in order."""
    linears = plain_linears(net)
    layers = [integer("layers", i) for i in layers]
    if not layers or max(layers) > len(linears):
        raise ValueError(
            f"layers must be numbers from 1 to {len(linears)}, got {layers}; "
            "1 is the first linear map"
        )
    return [net.slices[linears[i - 1], "weight"] for i in layers]


def _compare(before, after, parts):
    found = []
    with np.errstate(over="ignore", invalid="ignore"):
        for part in parts:
            g, moved = before[..., part], after[..., part]
            lengths = _length(g) * _length(moved)
            nan = np.full(lengths.shape, np.nan)
            cosine = np.divide(np.vecdot(g, moved), lengths, out=nan, where=lengths > 0)
            found.append((_length(g - moved), cosine))
    distance, cosine = (np.array(values) for values in zip(*found, strict=True))
    return Shift(distance, cosine)


def _length(g):
    return np.sqrt(np.vecdot(g, g))


def shift_while_training(
    net,
    x,
    targets,
    *,
    lr,
    steps,
    layers,
    every=5,
    batch_size=None,
    rng=0,
    loss=softmax_cross_entropy,
):
    """Train a network and measure the shift as it goes.

    Parameters
    ----------
    net : Network
        Changed in place.
    x, targets : ndarray
        All data; `batch_size` None takes all of it at each step.
    lr, steps, batch_size, rng, loss
        As in `normlib.nets.watching.iterates`.
    layers : sequence of int
        As in `internal_covariate_shift`.
    every : int, default 5
        Updates between two measurements.

    Yields
    ------
    ShiftRecord
        At steps 0, `every`, 2 `every`, ...; the run ends early if it diverges.

    Examples
    --------
    >>> x, labels, how = np.eye(2), np.array([0, 1]), dict(lr=0.1, steps=4, every=2)
    >>> loop = shift_while_training(mlp([2, 3, 2]), x, labels, layers=[1], **how)
    >>> [record.step for record in loop]
    [0, 2, 4]
    """
    every = integer("every", every)
    lr = number("lr", lr, minimum=0)
    _weight_slices(net, layers)
    loop = iterates(
        net, x, targets, lr=lr, batch_size=batch_size, steps=steps, rng=rng, loss=loss
    )
    return _watch_shift(net, loop, lr, layers, every, loss)


def _watch_shift(net, loop, lr, layers, every, loss):
    for step, x, targets, value, _, reason in loop:
        if reason:
            nan = np.full((len(layers), *np.shape(value)), np.nan)
            yield ShiftRecord(step, value, nan, nan, reason)
        elif step % every == 0:
            shift = internal_covariate_shift(net, x, targets, lr, layers, loss=loss)
            yield ShiftRecord(step, value, *shift)


@takes(width=natural, cases=natural, seed=indices)
def deep_linear_shift(
    norm=None,
    *,
    lr=1e-3,
    depth=25,
    width=16,
    cases=256,
    steps=200,
    every=10,
    layers=(5, 12, 20),
    seed=0,
):
    """Measure the shift on a deep linear network, full-batch gradient descent.

    Parameters
    ----------
    norm : {None, "batch", "layer", "rms"}, default None
        Norm of the hidden layers.
    lr : float, default 1e-3
        Learning rate, 0 or more.
    depth, width : int, default 25 and 16
        Hidden layers and their units, which is also the number of inputs.
    cases : int, default 256
        Examples of a random linear teacher.
    steps, every : int, default 200 and 10
        Updates, and updates between two measurements.
    layers : sequence of int, default (5, 12, 20)
        Layers to look at.
    seed : int or list of K ints, default 0
        Data and weights; a list trains K networks at once.

    Yields
    ------
    ShiftRecord
        See `shift_while_training`.

    Notes
    -----
    At the same learning rate the gradients of a network with batch norm turn more, at
    every layer, and its loss ends lower. At matched progress (none at lr 3e-3, batch
    norm at 3e-4) they turn more at the late layers only, in most seeds. Look at the
    cosine: the distance follows the loss at the start, 4 to 30 without norm.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, section 2.2. Their
    learning rates and sizes are not known to us in full; these are our own.

    Examples
    --------
    >>> record = next(deep_linear_shift("batch", steps=1))
    >>> record.step, record.cosine.shape
    (0, (3,))
    """
    net, x, y, rng = _linear_task(seed, norm, integer("depth", depth), width, cases)
    return shift_while_training(
        net,
        x,
        y,
        lr=lr,
        steps=steps,
        layers=layers,
        every=every,
        rng=rng,
        loss=half_squared_error,
    )


def _linear_task(seed, norm, depth, width, cases):
    """Return a deep linear network, inputs, targets and the generator; K for a list."""
    if isinstance(seed, list):
        parts = [_linear_task(one, norm, depth, width, cases) for one in seed]
        nets, x, y, rngs = zip(*parts, strict=True)
        return stack(nets), np.array(x), np.array(y), rngs
    rng = generator(seed)
    x, y = linear_teacher(rng, cases, n_in=width)
    sizes = [width] * (depth + 1) + [10]
    net = mlp(sizes, activation="linear", norm=norm, init="lecun", rng=rng)
    return net, x, y, rng


@takes(width=natural, batch_size=natural, seed=indices)
def digits_shift(
    norm=None,
    *,
    activation="relu",
    depth=6,
    width=64,
    lr=0.1,
    batch_size=128,
    steps=200,
    every=5,
    layers=(1, 3, 5),
    seed=0,
):
    """Measure the shift on a nonlinear network that learns digits.

    Here there is no rule: which network shifts more depends on activation, layer and
    learning rate. And a network that does not learn has a cosine of 1, so never take
    one as the example of little shift.

    Parameters
    ----------
    norm : {None, "batch", "layer", "rms", "group:8"}, default None
        Norm of the hidden layers.
    activation : {"relu", "tanh", "sigmoid"}, default "relu"
        Activation of the hidden layers.
    depth, width : int, default 6 and 64
        Hidden layers and their units.
    lr : float, default 0.1
        Learning rate.
    batch_size : int, default 128
        Digits per step.
    steps, every : int, default 200 and 5
        Updates, and updates between two measurements.
    layers : sequence of int, default (1, 3, 5)
        Hidden layers to look at; 1 takes the weights that read hidden layer 1, so
        that something comes before them.
    seed : int or list of K ints, default 0
        Split, weights and order of the batches; a list trains K networks at once.

    Yields
    ------
    ShiftRecord
        See `shift_while_training`.

    Examples
    --------
    >>> record = next(digits_shift("batch", steps=1))
    >>> record.distance.shape
    (3,)
    """
    choice("activation", activation, ("relu", "tanh", "sigmoid"))
    init = "lecun" if activation == "tanh" else "he"
    net, digits, rng = digits_network(
        seed, norm, activation=activation, depth=depth, width=width, init=init
    )
    return shift_while_training(
        net,
        *digits.train,
        lr=lr,
        steps=steps,
        layers=[i + 1 for i in layers],
        every=every,
        batch_size=batch_size,
        rng=rng,
    )
