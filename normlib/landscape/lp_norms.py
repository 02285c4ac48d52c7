"""Batch norm with another norm than the root of the mean square.

Santurkar et al. (2018, section 3.3) centre each unit over the batch and divide by
the mean size of its entries (l1), their root mean square (l2, which is batch norm)
or the largest of them (l-infinity). All of them train about as well, although only
l2 fixes the variance.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    choice,
    float_array,
    index,
    integer,
    natural,
    number,
    reals,
    takes,
)
from normlib.axes import known_sharing
from normlib.nets.digits_network import digits_network
from normlib.nets.network import Network
from normlib.nets.norm_layers import Norm
from normlib.nets.training import accuracy
from normlib.nets.watching import iterates
from normlib.norms import scale_and_shift, total

ORDERS = (1, 2, np.inf)


class LpCache(NamedTuple):
    """What the backward pass needs."""

    x_hat: np.ndarray
    size: np.ndarray
    order: float
    eps: float


def _size(centred, order):
    if order == 1:
        return np.abs(centred).mean(0)
    if order == 2:
        return np.sqrt((centred**2).mean(0))
    return np.abs(centred).max(0)


def _normalize(x, order, eps):
    centred = x - x.mean(0)
    if eps == 0:
        # The mean of equal numbers may be rounded; what is left is no deviation.
        centred = np.where((x != x[:1]).any(0), centred, 0.0)
    size = _size(centred, order)
    divisor = size + eps
    x_hat = centred / np.where(divisor == 0, 1, divisor)
    return x_hat, LpCache(x_hat, size, order, eps)


def lp_batch_norm(x, order, *, eps=1e-5):
    r"""Centre each unit over the batch and divide by its average l1, l2 or max size.

    Parameters
    ----------
    x : array of shape (N, D)
        N examples (at least 2) of D units, any unit of measure.
    order : {1, 2, numpy.inf}
        Which norm divides: mean absolute value, root mean square, largest absolute
        value.
    eps : float, default 1e-5
        Added to the size, in the unit of x; at least 0.

    Returns
    -------
    y : array of shape (N, D)
        The result, dimensionless. With order 2 and eps 0 it is batch norm.
    cache : LpCache
        For `lp_batch_norm_backward`.

    Notes
    -----
    .. math:: y = \frac{x - \mu}{s + \epsilon}, \qquad
        s = \Big(\frac1N \sum_i |x_i - \mu|^p\Big)^{1/p}
        \text{ or } \max_i |x_i - \mu|.

    A unit that is constant over the batch gives 0, also with eps = 0.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, section 3.3.

    Examples
    --------
    >>> y, _ = lp_batch_norm(np.array([[0.0], [2.0], [4.0]]), np.inf, eps=0.0)
    >>> y.ravel()
    array([-1.,  0.,  1.])
    """
    x = float_array("x", x, ndim=2)
    choice("order", order, ORDERS)
    number("eps", eps, minimum=0)
    if len(x) < 2:
        raise ValueError(
            f"x must have shape (N, D) with N at least 2, got {x.shape}; "
            "the mean of one example is the example"
        )
    return _normalize(x, order, eps)


@takes(dy=reals)
def lp_batch_norm_backward(dy, cache):
    r"""Gradient of `lp_batch_norm` with respect to its input.

    Parameters
    ----------
    dy : array of shape (N, D)
        Gradient of the loss with respect to y.
    cache : LpCache
        From `lp_batch_norm`.

    Returns
    -------
    array of shape (N, D)
        Gradient with respect to x. Where the largest entry is tied, the tied
        entries share its part equally.

    Notes
    -----
    With c the centred input and s its size,
    :math:`dc = \frac{1}{s+\epsilon}\big(dy - \frac{\partial s}{\partial c}
    \sum_i dy_i y_i\big)`, then the mean of dc over the batch is removed.

    Examples
    --------
    >>> x, dy = np.array([[0.0], [2.0], [5.0]]), np.array([[1.0], [0.0], [-2.0]])
    >>> _, cache = lp_batch_norm(x, 1)
    >>> bool(abs(lp_batch_norm_backward(dy, cache).sum()) < 1e-12)
    True
    """
    x_hat, size, order, eps = cache
    divisor = np.where(size + eps == 0, 1, size + eps)
    if order == 1:
        slope = np.sign(x_hat) / len(x_hat)
    elif order == 2:
        # c / (N s), written with y = c / (s + eps); 0 for a constant unit.
        slope = x_hat * divisor / np.where(size == 0, 1, size) / len(x_hat)
    else:
        largest = np.abs(x_hat) == np.abs(x_hat).max(0)
        slope = np.sign(x_hat) * largest / largest.sum(0)
    dc = (dy - slope * (dy * x_hat).sum(0)) / divisor
    return dc - dc.mean(0)


class LpBatchNorm(Norm):
    """`lp_batch_norm` as a layer with gamma and beta, for ``(N, D)``.

    It always uses the statistics of the batch, in evaluation too.

    Parameters
    ----------
    n : int
        Number of features D.
    order : {1, 2, numpy.inf}
        Which norm divides.
    eps : float, default 1e-5
        Added to the size.

    Examples
    --------
    >>> LpBatchNorm(1, np.inf, eps=0).forward(np.array([[0.0], [1.0], [5.0]])).ravel()
    array([-0.66666667, -0.33333333,  1.        ])
    """

    def __init__(self, n, order, *, eps=1e-5):
        super().__init__(n, eps=eps)
        self.order = choice("order", order, ORDERS)

    def shared(self, shape):
        """Return which entries share statistics and parameters."""
        return known_sharing("batch", shape)

    def normalize(self, x, gamma, beta):
        """Return y, and keep x_hat and what its gradient needs."""
        self.x_hat, self.cache = _normalize(x, self.order, self.eps)
        return scale_and_shift(self.x_hat, gamma, beta)

    def gradients(self, dy, gamma):
        """Return dx, through mean and size too, dgamma and dbeta."""
        dx = lp_batch_norm_backward(dy * gamma, self.cache)
        axes = self.how.gamma_axes
        return dx, total(dy * self.x_hat, axes), total(dy, axes)


class LpRecord(NamedTuple):
    """What `train_with_lp` yields.

    Attributes
    ----------
    step : int
        Updates made so far.
    loss : float
        Loss on the mini-batch.
    accuracy : float
        Share of the training digits classified right, by batch statistics.
    reason : str
        Empty, or why the run stopped early.
    """

    step: int
    loss: float
    accuracy: float
    reason: str = ""


@takes(width=natural, batch_size=natural, seed=index)
def train_with_lp(
    order=None,
    *,
    activation="sigmoid",
    depth=5,
    width=64,
    lr=0.5,
    batch_size=64,
    steps=300,
    every=50,
    seed=0,
):
    """Train on digits with batch norm by l1, l2 or max, or without norm.

    Parameters
    ----------
    order : {None, 1, 2, numpy.inf}, default None
        Which norm divides; None for no norm at all.
    activation : {"sigmoid", "relu", "tanh"}, default "sigmoid"
        Activation of the hidden layers.
    depth, width : int, default 5 and 64
        Hidden layers and their units.
    lr : float, default 0.5
        Learning rate.
    batch_size : int, default 64
        Digits per step.
    steps, every : int, default 300 and 50
        Updates, and updates between two records.
    seed : int, default 0
        Split, weights and order of the batches.

    Yields
    ------
    LpRecord
        At steps 0, `every`, 2 `every`, ...

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, section 3.3.

    Examples
    --------
    >>> [record.step for record in train_with_lp(1, steps=2, every=1, width=4)]
    [0, 1, 2]
    """
    integer("every", every)
    choice("activation", activation, ("sigmoid", "relu", "tanh"))
    net, digits, rng = digits_network(
        seed, activation=activation, depth=depth, width=width
    )
    if order is not None:
        net = _with_lp(net, order, width)
    x, labels = digits.train
    options = {"lr": lr, "batch_size": batch_size, "steps": steps, "rng": rng}
    return _watch_lp(net, x, labels, iterates(net, x, labels, **options), every)


def _with_lp(net, order, width):
    layers = []
    for layer in net.layers:
        # In an mlp without norm what has no parameters is an activation.
        if not layer.params:
            layers.append(LpBatchNorm(width, order))
        layers.append(layer)
    return Network(layers)


def _watch_lp(net, x, labels, loop, every):
    for step, _, _, loss, _, reason in loop:
        if step % every == 0 or reason:
            reached = accuracy(net, x, labels, mode="probe")
            yield LpRecord(step, loss, reached, reason)
