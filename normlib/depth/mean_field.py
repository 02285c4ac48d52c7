"""What wide random networks do to signals and gradients, computed without a network.

In a wide layer with random weights a pre-activation is a Gaussian number, so what
happens per layer is an average over a Gaussian. Three such averages of an
activation phi say it all: of phi, of phi squared and of its slope squared.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, float_array, integer, number, reals, takes


class Moments(NamedTuple):
    """Averages of an activation over a Gaussian of mean 0.

    Attributes
    ----------
    mean, mean_square : float
        ``E[phi(z)]`` and ``E[phi(z)**2]``.
    slope_square : float
        ``E[phi'(z)**2]``.
    """

    mean: float
    mean_square: float
    slope_square: float


@takes(z=reals)
def sigmoid(z):
    """Return 1 / (1 + exp(-z)) without overflow.

    Parameters
    ----------
    z : ndarray
        Any numbers.

    Returns
    -------
    ndarray
        Between 0 and 1.

    Examples
    --------
    >>> float(sigmoid(np.array(0.0)))
    0.5
    """
    return 0.5 * (1 + np.tanh(0.5 * z))


# name: (phi, its slope)
ACTIVATIONS = {
    "linear": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
}


def _grid(limit, points):
    """Return equidistant values of a standard Gaussian, and their weights.

    For a smooth function such a sum converges faster than any power of the
    spacing, and unlike Gauss-Hermite nodes it also serves steep functions.
    """
    z = np.linspace(-limit, limit, points)
    weights = np.exp(-z * z / 2)
    return z, weights / weights.sum()


NODES, WEIGHTS = _grid(12, 2001)
PAIR_NODES, PAIR_WEIGHTS = _grid(8, 81)

# Above these variances an activation is too steep for the equidistant grids.
STEEP, PAIR_STEEP = 200.0, 10.0

GAIN_LIMIT = 1e50  # its square, times another and a width, still is a number


def check_gain(name, value, *, minimum=None):
    """Return a gain as a float whose square is a number, or say what is wrong.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : float
        Above 0, or at least `minimum`; at most 1e50.
    minimum : float, optional
        Smallest value allowed; default any above 0.

    Returns
    -------
    float

    Examples
    --------
    >>> check_gain("gain", 2)
    2.0
    """
    gain = number(name, value, minimum=minimum, positive=minimum is None)
    if gain > GAIN_LIMIT:
        raise ValueError(f"{name} must be at most {GAIN_LIMIT:g}, got {gain:g}")
    return gain


def _steep_grid(std, centre=0.0):
    """Return values of Gaussians of mean ``centre``, dense near 0, and their weights.

    Equidistant in ``x`` with ``u = sinh(x)``: as fine as a steep activation needs
    around 0, as far as the Gaussians reach, and never coarser than a tenth of |u|.

    Parameters
    ----------
    std : float
        Standard deviation, at least 2.
    centre : ndarray of shape (M, 1) or float
        Means.

    Returns
    -------
    u, weights : ndarray of shape (K,) and (M, K) or (K,)
        Values, and weights that sum to 1.
    """
    reach = np.arcsinh(np.abs(centre).max() + 12 * std)
    x = np.linspace(-reach, reach, 2 * int(np.ceil(reach / 0.1)) + 1)
    u = np.sinh(x)
    weights = np.exp(-(((u - centre) / std) ** 2) / 2) * np.cosh(x)
    return u, weights / weights.sum(axis=-1, keepdims=True)


def activation_moments(activation, variance=1.0):
    """Average an activation over a Gaussian pre-activation.

    Parameters
    ----------
    activation : {"linear", "relu", "tanh", "sigmoid"}
        The activation phi.
    variance : float
        Variance of the pre-activation, at least 0; default 1.

    Returns
    -------
    Moments
        mean, mean_square and slope_square.

    Notes
    -----
    A sum over 2001 values of z, exact to rounding for smooth activations; above a
    variance of 200, where they are steps rather than slopes, over values that lie
    denser around the step. For ReLU, whose kink would spoil it, the exact
    ``sqrt(v / (2 pi))``, ``v / 2`` and ``1 / 2``.

    Examples
    --------
    >>> mean, mean_square, slope_square = activation_moments("relu")
    >>> round(slope_square / (mean_square - mean**2), 5)  # pi / (pi - 1)
    1.46694
    """
    choice("activation", activation, ACTIVATIONS)
    variance = number("variance", variance, minimum=0)
    if activation == "linear":
        return Moments(0.0, variance, 1.0)
    if activation == "relu":
        return Moments(float(np.sqrt(variance / (2 * np.pi))), variance / 2, 0.5)
    phi, slope = ACTIVATIONS[activation]
    if variance > STEEP:
        z, weights = _steep_grid(np.sqrt(variance))
    else:
        z, weights = np.sqrt(variance) * NODES, WEIGHTS
    averages = [weights @ f for f in (phi(z), phi(z) ** 2, slope(z) ** 2)]
    return Moments(*map(float, averages))


@takes(correlation=reals)
def correlation_map(correlation, activation, variance=1.0):
    """Return how alike two samples are after a layer, from before it.

    Parameters
    ----------
    correlation : float or ndarray
        Correlation of two samples' pre-activations, -1 to 1.
    activation : {"linear", "relu", "tanh", "sigmoid"}
        The activation phi.
    variance : float
        Variance of either pre-activation, above 0; default 1.

    Returns
    -------
    ndarray of the shape of ``correlation``
        Cosine between the two samples' activations, -1 to 1.

    Notes
    -----
    ``E[phi(u) phi(v)] / E[phi(u)**2]``. A value above the correlation means
    that samples come closer: repeated over layers they may all become one. For
    ReLU it is ``(sqrt(1 - c**2) + (pi - arccos c) c) / pi``. For the smooth
    activations a sum over pairs of values, to 5 digits or more.

    References
    ----------
    Cho, Saul 2009, Kernel methods for deep learning, equation 6 (ReLU).
    Poole et al. 2016, arXiv:1606.05340 (map of correlations).

    Examples
    --------
    >>> correlation_map(np.array([-1.0, 0.0, 1.0]), "relu").round(4)
    array([0.    , 0.3183, 1.    ])
    """
    choice("activation", activation, ACTIVATIONS)
    c = float_array("correlation", np.multiply(correlation, 1.0))
    variance = number("variance", variance, positive=True)
    if (np.abs(c) > 1).any():
        raise ValueError(
            f"correlation must be between -1 and 1, got {c.min():g} to {c.max():g}"
        )
    sine = np.sqrt(1 - c * c)
    if activation == "linear":
        return c
    if activation == "relu":
        return (sine + (np.pi - np.arccos(c)) * c) / np.pi
    phi, _ = ACTIVATIONS[activation]
    if variance > PAIR_STEEP:
        return _steep_map(c, sine, phi, float(np.sqrt(variance)))
    z = np.sqrt(variance) * PAIR_NODES
    other = c[..., None, None] * z[:, None] + sine[..., None, None] * z
    product = (phi(other) @ PAIR_WEIGHTS) @ (PAIR_WEIGHTS * phi(z))
    return product / (PAIR_WEIGHTS @ phi(z) ** 2)


def _steep_map(c, sine, phi, std):
    """Return the `correlation_map` of a steep activation, value by value.

    For each value u of one sample the other is Gaussian of mean ``c u`` and standard
    deviation ``sine std``.
    """
    std = min(std, 1e8)  # a step already, to 7 digits
    u, weights = _steep_grid(std)
    found = np.empty_like(c)
    for index in np.ndindex(c.shape):
        centre, spread = c[index] * u[:, None], sine[index] * std
        if spread < 2:
            other = phi(centre + spread * PAIR_NODES) @ PAIR_WEIGHTS
        else:
            values, near = _steep_grid(spread, centre)
            other = near @ phi(values)
        found[index] = weights @ (phi(u) * other)
    return found / (weights @ phi(u) ** 2)


def settled_variance(activation, gain=1.0, *, start=1.0, layers=1000):
    """Return the variance of the pre-activations deep in a network without norm.

    Parameters
    ----------
    activation : {"linear", "relu", "tanh", "sigmoid"}
        The activation phi.
    gain : float
        Weights have variance ``gain**2 / n_in``, at most 1e50; default 1.
    start : float
        Variance in the first layer, above 0; default 1.
    layers : int
        How deep to look; default 1000.

    Returns
    -------
    float
        Between 1e-300 and 1e300, the ends standing for vanished and exploded.

    Notes
    -----
    The map ``v -> gain**2 E[phi(sqrt(v) z)**2]``, repeated.

    References
    ----------
    Poole et al. 2016, arXiv:1606.05340 (map of lengths).

    Examples
    --------
    >>> round(settled_variance("sigmoid"), 4)
    0.2647
    """
    gain = check_gain("gain", gain)
    variance = number("start", start, positive=True)
    for _ in range(integer("layers", layers)):
        before = variance
        variance = gain**2 * activation_moments(activation, variance).mean_square
        variance = min(max(variance, 1e-300), 1e300)
        if abs(variance - before) <= 1e-12 * before:
            break
    return float(variance)
