"""Look at a network at other points than where it is, and leave no trace.

What the definitions of covariate shift, smoothness and sharpness have in common:
they move the weights, take a gradient there and put everything back.
"""

from contextlib import contextmanager

import numpy as np

from normlib._arguments import as_array, float_array, reals, takes
from normlib.nets.layers import Linear
from normlib.nets.network import network


@contextmanager
def untouched(net):
    """Lend a network to a ``with`` block, then put it back exactly as it was.

    Inside, batch norm uses the statistics of the batch, and overflow is no warning:
    a step may lead far out, where the loss is infinite.

    Parameters
    ----------
    net : Network
        Its parameters may be overwritten in the block. Put back are parameters,
        gradients, running statistics and switches, also after an error.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([2, 3])
    >>> with untouched(net):
    ...     net.params[...] = 7.0
    >>> bool((net.params == 7.0).any())
    False
    """
    network("net", net)
    state, gradient = net.state(), net.grads.copy()
    try:
        with net.in_mode("probe"), np.errstate(over="ignore", invalid="ignore"):
            yield
    finally:
        net.load(state)
        net.grads[...] = gradient


def check_single(net):
    """Raise an error if a network is a stack of several.

    Parameters
    ----------
    net : Network
        To look at.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> check_single(mlp([2, 3]))
    """
    network("net", net)
    if net.networks is not None:
        raise ValueError(
            f"net must be a single network, got {net.networks} in a stack; look at "
            "one after the other before stack() joins them"
        )


@takes(x=reals)
def check_batch(net, x, targets):
    """Raise an error if a network or a batch cannot be looked at.

    Parameters
    ----------
    net : Network
        Single, not a stack of networks.
    x : ndarray of shape (N, D)
        Inputs.
    targets : ndarray
        What the loss takes.

    Raises
    ------
    ValueError
        If x or the targets hold NaN or infinity: the answer would be a number that
        means nothing.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> check_batch(mlp([2, 3]), np.eye(2), np.array([0, 1]))
    """
    check_single(net)
    check_finite(net, x, targets)


@takes(net=network, x=reals)
def check_finite(net, x, targets):
    """Raise an error if a batch holds NaN or infinity; see `check_batch`.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> check_finite(mlp([2, 3]), np.eye(2), np.array([0, 1]))
    """
    float_array("x", np.asarray(x, dtype=net.dtype))
    if targets is None:  # what a loss of the reader's own may take
        return
    targets = as_array("targets", targets)
    if targets.dtype.kind == "f":
        float_array("targets", targets)
    elif targets.dtype.kind not in "biu":
        raise TypeError(f"targets must hold real numbers, got dtype {targets.dtype}")


def plain_linears(net):
    """Return the linear maps of a network, all of which hold their weights plainly.

    Parameters
    ----------
    net : Network
        One, or a stack of them.

    Returns
    -------
    list of Linear
        First to last.

    Raises
    ------
    ValueError
        If a weight is parametrized as a length and a direction (weight norm) and has
        no gradient of its own.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> len(plain_linears(mlp([2, 3, 1])))
    2
    """
    network("net", net)
    linears = [layer for layer in net.walk() if isinstance(layer, Linear)]
    for layer in linears:
        if "weight" not in layer.params:
            raise ValueError(
                f"net must hold its weights plainly, got a {type(layer).__name__} with "
                f"{', '.join(layer.params)}; build it with another norm than 'weight'"
            )
    return linears
