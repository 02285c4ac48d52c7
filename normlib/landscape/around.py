"""The loss over two random directions around a network (Li et al. 2018).

Raw random directions mislead: batch norm's loss does not change when the weights of
a layer are multiplied by 10, but its picture along a raw direction does, because the
same step is then ten times shorter in proportion. Directions with the length of the
weights, filter by filter, remove this.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    choice,
    float_array,
    generator,
    index,
    integer,
    number,
    reals,
    takes,
)
from normlib.nets.digits_network import digits_network
from normlib.nets.layers import Linear
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import network, stack
from normlib.nets.probing import check_batch, check_single, plain_linears
from normlib.nets.training import LOSS_LIMIT, evaluate, fit


class Surface(NamedTuple):
    """Loss over a grid.

    Attributes
    ----------
    a, b : ndarray of shape (A,) and (B,)
        Steps along the first and the second direction; (0, 0) is the network.
    losses : ndarray of shape (A, B)
        Loss at ``params + a * first + b * second``.
    """

    a: np.ndarray
    b: np.ndarray
    losses: np.ndarray


def random_direction(net, rng, kind="filter"):
    r"""Draw a random direction in the space of a network's weights.

    Parameters
    ----------
    net : Network
        Its linear maps give the filters: the weights into one unit. Plain ones,
        not those of weight norm.
    rng : int or numpy.random.Generator
        Seed or source of the Gaussian entries. The same draw serves both kinds. Two
        directions need one generator or two seeds.
    kind : {"filter", "raw"}, default "filter"
        "filter": each filter of the direction gets the length of the network's
        filter. "raw": the entries as drawn, of variance 1.

    Returns
    -------
    ndarray of shape (P,)
        In the layout of ``net.params``; 0 for biases and parameters of norms.

    Notes
    -----
    For filter j of layer i,
    :math:`d_{ij} \leftarrow \frac{d_{ij}}{\|d_{ij}\|} \|\theta_{ij}\|`.

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein (2018), arXiv:1712.09913, section 4.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([2, 3], init="he")
    >>> d = random_direction(net, np.random.default_rng(0))
    >>> lengths = np.linalg.norm(d[:6].reshape(2, 3), axis=0)
    >>> bool(np.allclose(lengths, np.linalg.norm(net.params[:6].reshape(2, 3), axis=0)))
    True
    """
    choice("kind", kind, ("filter", "raw"))
    check_single(net)
    rng, linears = generator(rng), plain_linears(net)
    direction = np.zeros_like(net.params)
    for layer in linears:
        weight = layer.params["weight"]
        drawn = rng.standard_normal(weight.shape)
        if kind == "filter":
            drawn *= np.linalg.norm(weight, axis=0) / np.linalg.norm(drawn, axis=0)
        direction[net.slices[layer, "weight"]] = drawn.ravel()
    return direction


@takes(x=reals)
def loss_surface(
    net, x, targets, first, second, a, b, *, at_once=16, loss=softmax_cross_entropy
):
    """Evaluate the loss on a grid spanned by two directions.

    Parameters
    ----------
    net : Network
        The centre; it is left as it was. Batch norm uses the statistics of `x` at
        each point: running statistics would belong to the centre only. A network
        of dtype float32 takes half the time and gives 6 digits.
    x : ndarray of shape (N, D)
        A fixed batch, the same at all points, finite.
    targets : ndarray
        Labels of shape (N,), or what `loss` takes.
    first, second : ndarray of shape (P,)
        Directions, finite; see `random_direction`.
    a, b : array_like of shape (A,) and (B,)
        Steps along them.
    at_once : int, default 16
        Networks evaluated together. More is faster until their activations no
        longer fit the processor's cache.
    loss : callable, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    ndarray of shape (A, B)
        The losses; infinity where it overflows.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([2, 3, 2], norm="batch")
    >>> rng = np.random.default_rng(0)
    >>> first, second = random_direction(net, rng), random_direction(net, rng)
    >>> x, labels = rng.standard_normal((8, 2)), np.arange(8) % 2
    >>> loss_surface(net, x, labels, first, second, [-1, 0, 1], [0, 1]).shape
    (3, 2)
    """
    check_batch(net, x, targets)
    a, b = _check_grid(net, first, second, a, b)
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    losses = np.empty(len(grid), net.dtype)
    at_once = min(integer("at_once", at_once), len(grid))
    many = stack([net] * at_once).set_mode("probe")
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(grid), at_once):
            # The last block is moved back so that it is full.
            block = slice(min(start, len(grid) - at_once), start + at_once)
            steps = grid[block, :, None]
            many.params[...] = net.params + steps[:, 0] * first + steps[:, 1] * second
            losses[block] = loss(many.forward(x), targets)[0]
    losses[np.isnan(losses)] = np.inf
    return losses.reshape(len(a), len(b))


def _check_grid(net, first, second, a, b):
    for name, direction in (("first", first), ("second", second)):
        if np.shape(direction) != net.params.shape:
            raise ValueError(
                f"{name} must have the shape {net.params.shape} of net.params, got "
                f"{np.shape(direction)}; draw it with random_direction(net, rng)"
            )
        float_array(name, np.multiply(direction, 1.0))
    a = float_array("a", np.asarray(a, dtype=np.float64), ndim=1)
    return a, float_array("b", np.asarray(b, dtype=np.float64), ndim=1)


@takes(net=network)
def scale_weights(net, factor):
    """Multiply all weights and biases of the hidden layers by a factor, in place.

    Parameters
    ----------
    net : Network
        With batch norm (eps 0) after every hidden linear map its outputs stay
        exactly the same, layer norm too; without norm they do not.
    factor : float
        Above 0.

    Returns
    -------
    Network
        The same one.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([2, 4, 2], norm="batch", eps=0.0)
    >>> x = np.random.default_rng(0).standard_normal((5, 2))
    >>> before = net.forward(x)
    >>> bool(np.allclose(scale_weights(net, 10.0).forward(x), before))
    True
    """
    factor = number("factor", factor, positive=True)
    linears = [layer for layer in net.walk() if isinstance(layer, Linear)]
    for layer in linears[:-1]:
        for value in layer.params.values():
            value *= factor
    return net


@takes(seed=index)
def trained_network(
    norm=None,
    *,
    activation="relu",
    depth=3,
    width=32,
    lr=0.1,
    batch_size=64,
    steps=300,
    eps=0.0,
    seed=0,
):
    """Train a network on digits, to look at the surface around it.

    Parameters
    ----------
    norm : {None, "batch", "layer"}, default None
        Norm of the hidden layers.
    activation : {"linear", "relu", "tanh", "sigmoid"}, default "relu"
        Activation of the hidden layers.
    depth, width : int, default 3 and 32
        Hidden layers and their units.
    lr : float, default 0.1
        Learning rate.
    batch_size, steps : int, default 64 and 300
        Digits per step, updates. 0 steps give the network at initialization.
    eps : float, default 0
        Of the norm; 0 makes scale invariance exact.
    seed : int, default 0
        Split, weights and order of the batches.

    Returns
    -------
    net : Network
        After training.
    digits : Digits
        The data it was trained on.

    Raises
    ------
    ValueError
        If the training diverges: there is nothing to look at around such a network.

    Examples
    --------
    >>> net, digits = trained_network("batch", depth=1, width=4, steps=2)
    >>> [layer.n for layer in net.batch_norms()]
    [4]
    """
    net, digits, rng = digits_network(
        seed, norm, activation=activation, depth=depth, width=width, eps=eps
    )
    x, labels = digits.train
    reason = ""
    loop = fit(net, x, labels, lr=lr, batch_size=batch_size, steps=steps, rng=rng)
    for record in loop:
        reason = record.reason
    last = evaluate(net, x, labels, mode="probe")[0]  # the last step may be the one
    if reason or not last <= LOSS_LIMIT:
        raise ValueError(
            f"the training with lr {lr:g} "
            + (reason or f"ends at a loss of {last:.3g}; try a smaller lr")
        )
    return net, digits


def basin(surface, limit=0.5):
    """Return the share of a surface's grid whose loss is below a limit.

    Parameters
    ----------
    surface : Surface
        Losses over a grid.
    limit : float, default 0.5
        Loss in nats.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> basin(Surface(np.arange(2.0), np.arange(2.0), np.array([[0.1, 0.2], [3, 4]])))
    0.5
    """
    _check_surface(surface)
    limit = number("limit", limit)
    return float((surface.losses < limit).mean())


def negative_curvature_share(surface):
    """Return the share of inner grid points that curve downwards on average.

    Parameters
    ----------
    surface : Surface
        Losses over a grid with at least 3 points a side.

    Returns
    -------
    float
        Share of points where the sum of both second differences is below 0. A
        convex surface has 0. Batch norm's is *not* the lower one: its loss is
        bounded, so that far from the centre it flattens.

    Examples
    --------
    >>> side = np.arange(-2.0, 3.0)
    >>> negative_curvature_share(Surface(side, side, side[:, None] ** 2 + side**2))
    0.0
    """
    _check_surface(surface)
    if min(surface.losses.shape) < 3:
        raise ValueError(
            f"surface must have 3 points a side, got {surface.losses.shape}"
        )
    f = surface.losses
    bend = f[2:, 1:-1] + f[:-2, 1:-1] + f[1:-1, 2:] + f[1:-1, :-2] - 4 * f[1:-1, 1:-1]
    return float((bend < 0).mean())


def _check_surface(surface):
    if not isinstance(surface, Surface):
        raise TypeError(f"surface must be a Surface, got {surface!r:.60}")
