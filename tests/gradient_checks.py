"""Central differences, for the tests of layers and networks."""

import numpy as np


def central_differences(function, array, step=1e-6):
    """Return the gradient of a scalar function of an array that it reads."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + step
        above = function()
        array[index] = kept - step
        below = function()
        array[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def assert_gradients(net, x, rng, rtol=1e-5):
    """Compare net.grads and dx with central differences.

    The upstream gradient is random: for one of ones, the gradient through a
    norm is 0 whatever the code does.
    """
    x = x.copy()
    upstream = rng.normal(size=net.forward(x).shape)

    def value():
        return (net.forward(x) * upstream).sum()

    net.forward(x)
    dx = net.backward(upstream).copy()
    grads = net.grads.copy()
    expected = central_differences(value, net.params)
    scale = max(1.0, abs(expected).max())
    np.testing.assert_allclose(grads, expected, rtol=rtol, atol=1e-7 * scale)
    if dx.shape != x.shape:  # K networks read one x: their gradients add up
        dx = dx.sum(axis=0)
    expected = central_differences(value, x)
    np.testing.assert_allclose(dx, expected, rtol=rtol, atol=1e-7 * scale)
