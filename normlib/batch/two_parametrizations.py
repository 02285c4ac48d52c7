"""One function written twice: without batch norm, and with a batch norm undone."""

import numpy as np

from normlib._arguments import number, reals, takes
from normlib.nets.layers import Linear
from normlib.nets.network import Network, network
from normlib.nets.norm_layers import BatchNorm

__all__ = ["undone_batch_norm"]


@takes(net=network, x=reals)
def undone_batch_norm(net, x, *, factor=1.0):
    """Put batch norms into a network that gamma and beta undo on a batch.

    Parameters
    ----------
    net : Network
        Linear maps and activations, without norms; it is left as it was.
    x : ndarray of shape (N, D)
        The batch on which both networks give the same outputs.
    factor : float, default 1
        Positive factor on the weights before each batch norm, which takes it
        away again.

    Returns
    -------
    Network
        A batch norm (eps=0) after every linear map but the last, with gamma the
        standard deviation and beta the mean of that pre-activation over x.

    Raises
    ------
    ValueError
        If a pre-activation is constant over x, so that no gamma can restore it.

    Notes
    -----
    With ``gamma = std`` and ``beta = mean``, ``gamma * (a - mean) / std + beta`` is
    ``a`` again. The gradient is not: of the gradient dy with respect to y,
    beta receives the mean, gamma the part along x_hat, and the weights the rest.

    References
    ----------
    S. Ioffe and C. Szegedy (2015), arXiv:1502.03167, section 3 (gamma and beta
    that recover the activations).

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net, x = mlp([3, 4, 2]), np.random.default_rng(0).normal(size=(9, 3))
    >>> other = undone_batch_norm(net, x)
    >>> bool(np.allclose(net.forward(x), other.forward(x), atol=1e-12))
    True
    """
    factor = number("factor", factor, positive=True)
    net.forward(x, record=True)
    layers = []
    for k, layer in enumerate(net.layers):
        if not isinstance(layer, Linear):
            layers.append(type(layer)())
        elif k == len(net.layers) - 1:
            layers.append(_scaled(layer, 1.0))
        else:
            layers += [_scaled(layer, factor), _restoring(net.outputs[k])]
    return Network(layers, dtype=net.dtype)


def _scaled(linear, factor):
    copy = Linear(*linear.params["weight"].shape, bias="bias" in linear.params, rng=0)
    for name, value in linear.params.items():
        copy.params[name][...] = factor * value
    return copy


def _restoring(a):
    """Return a batch norm whose gamma and beta give ``a`` back."""
    constant = int((np.ptp(a, axis=0) == 0).sum())
    if constant:
        raise ValueError(
            f"every pre-activation must vary over x, got {constant} of {a.shape[1]} "
            "that are constant; take a larger batch"
        )
    norm = BatchNorm(a.shape[1], eps=0.0)
    norm.params["gamma"][...] = a.std(axis=0)
    norm.params["beta"][...] = a.mean(axis=0)
    return norm
