"""How fast gradients grow or shrink per layer at a random start, for each norm.

The rules are for wide networks; the one for batch norm is exact in the batch size.
"""

from typing import NamedTuple

import numpy as np
from numpy.polynomial.laguerre import laggauss

from normlib._arguments import choice, integer
from normlib.depth.mean_field import (
    ACTIVATIONS,
    activation_moments,
    check_gain,
    correlation_map,
    settled_variance,
)

# Nodes and weights of averages over an exponential number, see `_two_samples`.
RADIUS_NODES, RADIUS_WEIGHTS = laggauss(100)


def batch_norm_rate(activation, batch_size=None):
    """Predict the growth per layer of the squared gradient under batch norm.

    Parameters
    ----------
    activation : {"linear", "relu", "tanh", "sigmoid"}
        The activation phi, after batch norm.
    batch_size : int, optional
        Batch size B, at least 4; default None, the limit of large batches.

    Returns
    -------
    float
        Factor on ``|gradient|**2`` per layer towards the input; the norm grows
        by its root. Never below 1: batch norm makes gradients explode.

    Raises
    ------
    ValueError
        If the batch size is below 4, where the mean squared gradient is infinite.

    Notes
    -----
    Over a batch, a pre-activation before the norm is Gaussian with variance
    ``s2 = E[phi_i**2] - E[phi_i phi_j]`` around its batch mean. Batch norm
    divides by its length and keeps its direction, and the two are independent:
    y is uniform on a sphere, and ``E[1 / variance] = B / (s2 (B - 3))``. The
    backward pass multiplies by ``phi'(y)`` and projects (``P'`` = the Jacobian
    of the norm, ``P`` = centring, which the gradient has already), so

    ``rate = B / (s2 (B - 3)) * E[trace(P' D P D)] / (B - 1)``, D = diag(phi'(y)).

    It is ``(B - 2) / (B - 3)`` for a linear network and, for ReLU, falls to
    ``pi / (pi - 1)``. The limit is ``E[phi'**2] / Var[phi]`` for any phi.

    References
    ----------
    Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz 2019, arXiv:1902.08129,
    theorems 3.9 and 3.10.

    Examples
    --------
    >>> round(batch_norm_rate("linear", 8), 4), round(batch_norm_rate("relu", 8), 4)
    (1.2, 1.7882)
    >>> round(batch_norm_rate("relu"), 4)
    1.4669
    """
    choice("activation", activation, ACTIVATIONS)
    if batch_size is None:
        mean, mean_square, slope_square = activation_moments(activation)
        return float(slope_square / (mean_square - mean**2))
    B = integer("batch_size", batch_size, minimum=4)
    m = _batch_moments(activation, B)
    trace = (B - 1) ** 2 / B * m.slopes_same + (B - 1) / B * m.slopes_pair
    along_y = (B - 1) / B * (m.scaled_same - m.scaled_pair)
    spread = m.values_same - m.values_pair
    return float(B / (spread * (B - 3)) * (trace - along_y) / (B - 1))


def gradient_rate(activation, norm=None, *, gain=1.0, batch_size=None):
    """Predict the growth per layer of the squared gradient, for any norm.

    Parameters
    ----------
    activation : {"linear", "relu", "tanh", "sigmoid"}
        The activation phi.
    norm : {None, "batch", "layer", "rms"}
        Norm of the pre-activations.
    gain : float
        Weights have variance ``gain**2 / n_in`` (1 for LeCun's, sqrt(2) for He's
        initialisation); at most 1e50. Matters without a norm only.
    batch_size : int, optional
        For batch norm; default None, the limit of large batches.

    Returns
    -------
    float
        Factor on ``|gradient|**2`` per layer towards the input: below 1 it
        vanishes, above 1 it explodes. Without a norm: deep in the network.

    Notes
    -----
    ``gain**2 E[phi'**2]`` without a norm, at the variance where the forward
    signal settles; ``E[phi'**2] / E[phi**2]`` for layer and RMS norm, whose
    division undoes the gain; ``E[phi'**2] / Var[phi]`` for batch norm and large
    batches, whose centring also undoes the mean.

    References
    ----------
    Schoenholz et al. 2017, arXiv:1611.01232; Yang et al. 2019,
    arXiv:1902.08129, theorems 3.9 and 3.10.

    Examples
    --------
    >>> for norm in ("batch", "layer"):
    ...     print(norm, round(gradient_rate("sigmoid", norm), 4))
    batch 1.0336
    layer 0.1528
    """
    choice("norm", norm, (None, "batch", "layer", "rms"))
    gain = check_gain("gain", gain)
    if norm == "batch":
        return batch_norm_rate(activation, batch_size)
    if norm in ("layer", "rms"):
        _, mean_square, slope_square = activation_moments(activation)
        return slope_square / mean_square
    variance = settled_variance(activation, gain)
    return gain**2 * activation_moments(activation, variance).slope_square


class _BatchMoments(NamedTuple):
    """Averages over the sphere that batch norm maps to, of one or two samples."""

    values_same: float  # E[phi_i**2]
    values_pair: float  # E[phi_i phi_j]
    slopes_same: float  # E[phi'_i**2]
    slopes_pair: float  # E[phi'_i phi'_j]
    scaled_same: float  # E[(y_i phi'_i)**2]
    scaled_pair: float  # E[y_i phi'_i y_j phi'_j]


def _batch_moments(activation, batch_size):
    c = -1 / (batch_size - 1)  # correlation of two samples of one feature
    if activation == "linear":
        return _BatchMoments(1, c, 1, 1, 1, c)
    if activation == "relu":
        both_positive = 0.25 + np.arcsin(c) / (2 * np.pi)
        product = correlation_map(c, "relu") / 2
        return _BatchMoments(0.5, product, 0.5, both_positive, 0.5, product)
    phi, slope = ACTIVATIONS[activation]
    y, other, weights = _two_samples(batch_size)

    def average(same, pair):
        return weights @ (same * same).mean(1), weights @ (same * pair).mean(1)

    return _BatchMoments(
        *average(phi(y), phi(other)),
        *average(slope(y), slope(other)),
        *average(y * slope(y), other * slope(other)),
    )


def _two_samples(batch_size):
    """Return values of two samples of a batch-normalized feature, and weights.

    The feature is uniform on a sphere in ``m = B - 1`` dimensions; two of its
    coordinates have squared radius r2 with ``P(r2 > t) = (1 - t)**((m - 2) / 2)``
    and a uniform angle.
    """
    m, c = batch_size - 1, -1 / (batch_size - 1)
    radius = np.sqrt(-np.expm1(-2 * RADIUS_NODES / (m - 2)))[:, None]
    angle = 2 * np.pi * (np.arange(256) + 0.5) / 256
    u, v = radius * np.cos(angle), radius * np.sin(angle)
    other = np.sqrt(m) * (c * u + np.sqrt(1 - c * c) * v)
    return np.sqrt(m) * u, other, RADIUS_WEIGHTS
