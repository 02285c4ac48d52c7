"""The length of weights before a norm: left to weight decay, or held fixed."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, indices, integer, number, takes
from normlib.gradients.scale_invariance import hidden_weights
from normlib.gradients.weight_decay import angle, length, noisy_digits
from normlib.nets.training import LOSS_LIMIT, loss_and_gradient, sgd_step

__all__ = ["RULES", "SCHEDULES", "LengthRecord", "length_steps"]

RULES = ("decay", "decay with the rate", "fixed length")
SCHEDULES = ("constant", "to zero")


class LengthRecord(NamedTuple):
    """One step of training under a rule for the length of hidden weights.

    Attributes
    ----------
    step : int
        Number of updates made.
    length : float, or ndarray of shape (K,)
        ``|W|`` of the first hidden layer after the update.
    gradient : float, or ndarray of shape (K,)
        Length of its gradient before the update.
    angle : float, or ndarray of shape (K,)
        Angle by which the update turned W, in radians.
    loss : float, or ndarray of shape (K,)
        Of the batch, before the update.
    """

    step: int
    length: float
    gradient: float
    angle: float
    loss: float


@takes(seed=indices)
def length_steps(
    seed=0,
    rule="decay",
    *,
    lr=0.2,
    weight_decay=0.02,
    steps=800,
    start=1.0,
    schedule="constant",
):
    """Train a small network on digits of which 40 % have random labels.

    Parameters
    ----------
    seed : int or list of K ints, default 0
        Of the data, the weights and the order of the batches; a list trains K networks
        at once.
    rule : {"decay", "decay with the rate", "fixed length"}
        "decay": ``W -= rate * (g + weight_decay * W)``. "decay with the rate": the
        weight decay is multiplied by ``rate / lr``, so that its steps shrink as the
        square of the rate. "fixed length": ``W -= e |W| g / |g|`` with
        ``e = sqrt(2 rate weight_decay)``, then W is brought back to its length.
    lr, weight_decay : float, default 0.2 and 0.02
        Above 0.
    steps : int, default 800
        Number of updates, at least 2.
    start : float, default 1
        Factor on the hidden weights at the start, above 0.
    schedule : {"constant", "to zero"}
        The rate is ``lr`` throughout, or falls in a line to 0.

    Yields
    ------
    LengthRecord
        After each update.

    Raises
    ------
    ValueError
        If the run diverges.

    Notes
    -----
    A 64-32-32-10 ReLU network with batch norm, batches of 32. The last layer has no
    norm behind it, and no decay: it takes plain steps.

    References
    ----------
    A. Kosson et al. (2023), arXiv:2305.17212 (the angle under decay); A. Defazio
    (2025), arXiv:2506.02285 (decay and a falling rate).

    Examples
    --------
    >>> found = list(length_steps(0, "fixed length", steps=3))
    >>> [round(float(record.angle), 3) for record in found]
    [0.089, 0.089, 0.089]
    """
    choice("rule", rule, RULES)
    choice("schedule", schedule, SCHEDULES)
    lr = number("lr", lr, positive=True)
    weight_decay = number("weight_decay", weight_decay, positive=True)
    start = number("start", start, positive=True)
    steps = integer("steps", steps, minimum=2)
    net, x, labels, batches = noisy_digits(seed, start)
    return _train(
        net, x, labels, batches, rule, lr, weight_decay, steps, schedule == "to zero"
    )


def _train(net, x, labels, batches, rule, lr, weight_decay, steps, falls):
    parts = hidden_weights(net)
    decay = np.zeros_like(net.params)
    fixed = [length(net.params[..., part])[..., None] for part in parts]
    after = net.params[..., parts[0]].copy()
    for step in range(1, steps + 1):
        rate = lr * (1 - (step - 1) / steps) if falls else lr
        before = after
        batch = next(batches)
        loss = loss_and_gradient(net, x[batch], labels[batch])
        gradient = length(net.grads[..., parts[0]])
        for part, size in zip(parts, fixed, strict=True):
            if rule == "fixed length":
                turn = np.sqrt(2 * rate * weight_decay)
                g = net.grads[..., part]
                g *= turn * size / (rate * np.maximum(length(g)[..., None], 1e-30))
            else:
                share = rate / lr if rule == "decay with the rate" else 1.0
                decay[..., part] = weight_decay * share
        sgd_step(net, rate, decay)
        if rule == "fixed length":
            for part, size in zip(parts, fixed, strict=True):
                w = net.params[..., part]
                w *= size / length(w)[..., None]
        after = net.params[..., parts[0]].copy()
        size = length(after)
        if not ((loss <= LOSS_LIMIT) & (size > 0) & (size < np.inf)).all():
            raise ValueError(
                f"the run diverged at step {step}: the loss is {np.max(loss):.3g}; try "
                "a smaller lr or weight_decay"
            )
        yield LengthRecord(step, size, gradient, angle(before, after), loss)
