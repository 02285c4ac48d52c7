"""The scale of a recurrent state over time, with and without layer norm."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, generator, integer
from normlib.depth.mean_field import ACTIVATIONS, activation_moments, check_gain
from normlib.norms import standardize, standardize_backward


class RecurrentProfile(NamedTuple):
    """State and gradient over T time steps of K random recurrent networks.

    Attributes
    ----------
    steps : ndarray of int of shape (T,)
        1 to T.
    rms : ndarray of shape (K, T)
        Root mean square of the state after each step.
    gradient : ndarray of shape (K, T)
        Length of the gradient by that state of a random loss on the last one,
        over the gradient at step T.
    predicted_rms : float
        What layer norm holds the state at, ``sqrt(E[phi(z)**2])``.
    predicted_gradient : ndarray of shape (T,)
        The gradient with layer norm in a wide network.
    """

    steps: np.ndarray
    rms: np.ndarray
    gradient: np.ndarray
    predicted_rms: float
    predicted_gradient: np.ndarray


def recurrent_profile(
    steps=100,
    *,
    gain=1.0,
    norm=None,
    activation="relu",
    width=64,
    batch_size=16,
    networks=3,
    rng=0,
):
    """Run random recurrent networks and send a gradient back through time.

    Parameters
    ----------
    steps : int
        Number of time steps T; default 100.
    gain : float
        The recurrent weights have variance ``gain**2 / width``; 0 to 1e50, default
        1.
    norm : {None, "layer"}
        Layer norm of the summed inputs, without gamma and beta.
    activation : {"linear", "relu", "tanh", "sigmoid"}
        Default "relu".
    width : int
        Units of the state, at least 2; default 64.
    batch_size : int
        Sequences; default 16.
    networks : int
        Number of random networks K; default 3.
    rng : int or numpy.random.Generator
        Seed or generator; default 0.

    Returns
    -------
    RecurrentProfile

    Notes
    -----
    ``h_t = phi(LN(h_(t-1) W + x_t))`` from h_0 = 0, x_t fresh Gaussian numbers.
    Layer norm fixes the scale of the state for every gain. It does not keep
    gradients from vanishing: each step divides also by the input's share of the
    variance, and only the state's share goes back. Per step the squared gradient
    changes by ``gain**2 E[phi'**2] / (gain**2 E[phi**2] + 1)``.

    References
    ----------
    Ba, Kiros, Hinton 2016, arXiv:1607.06450, equation 4.

    Examples
    --------
    >>> profile = recurrent_profile(100, gain=2.0, norm="layer")
    >>> bool(abs(profile.rms[:, -1] / profile.predicted_rms - 1).max() < 0.05)
    True
    >>> bool((profile.gradient[:, 0] < 1e-3).all())
    True
    """
    steps, width = integer("steps", steps), integer("width", width, minimum=2)
    gain, rng = check_gain("gain", gain, minimum=0), generator(rng)
    batch_size = integer("batch_size", batch_size)
    choice("norm", norm, (None, "layer"))
    choice("activation", activation, ACTIVATIONS)
    rms, gradient = [], []
    for _ in range(integer("networks", networks)):
        weight = gain * rng.standard_normal((width, width)) / np.sqrt(width)
        inputs = rng.standard_normal((steps, batch_size, width))
        with np.errstate(over="ignore", invalid="ignore"):
            states, caches = _forward(inputs, weight, norm, activation)
            last = rng.standard_normal((batch_size, width))
            lengths = _backward(last, caches, weight, activation)
            rms.append(np.sqrt((states * states).mean(axis=(1, 2))))
        gradient.append(lengths / lengths[-1])
    _, mean_square, slope_square = activation_moments(activation)
    rate = gain**2 * slope_square / (gain**2 * mean_square + 1)
    time = np.arange(1, steps + 1)
    return RecurrentProfile(
        time,
        np.array(rms),
        np.array(gradient),
        float(np.sqrt(mean_square)),
        rate ** (0.5 * (steps - time)),
    )


def _forward(inputs, weight, norm, activation):
    phi, _ = ACTIVATIONS[activation]
    state, states, caches = np.zeros(inputs.shape[1:]), [], []
    for x in inputs:
        z, inv_std = state @ weight + x, None
        if norm == "layer":
            z, stats = standardize(z, -1)
            inv_std = stats.inv_std
        state = phi(z)
        states.append(state)
        caches.append((z, inv_std))
    return np.array(states), caches


def _backward(gradient, caches, weight, activation):
    """Return the length of the gradient by every state, first to last."""
    _, slope = ACTIVATIONS[activation]
    lengths = [np.linalg.norm(gradient)]
    for z, inv_std in caches[:0:-1]:
        dz = gradient * slope(z)
        if inv_std is not None:
            dz = standardize_backward(dz, z, inv_std, -1)
        gradient = dz @ weight.T
        lengths.append(np.linalg.norm(gradient))
    return np.array(lengths[::-1])
