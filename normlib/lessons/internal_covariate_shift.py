"""Checks of notebook 08: the bookkeeping of internal covariate shift."""

import numpy as np

from normlib.lessons.checks import NotYet, array, call, compare, report
from normlib.nets.layers import Linear
from normlib.nets.network import mlp
from normlib.nets.training import loss_and_gradient, sgd_step

LAYERS = 4


def small_network(seed=0):
    """Return a way to ask for gradients, and the weights around one step.

    Parameters
    ----------
    seed : int, default 0
        Weights and batch.

    Returns
    -------
    gradient : callable
        ``gradient(weights, i)`` is the gradient of the loss with respect to the
        weights of layer i (1 to 4), on one fixed batch.
    old, new : list of 4 ndarray
        The weights before and after a step of gradient descent.

    Examples
    --------
    >>> gradient, old, new = small_network()
    >>> gradient(old, 1).shape == old[0].shape == (4, 5)
    True
    """
    rng = np.random.default_rng(seed)
    net = mlp([4, 5, 6, 5, 3], activation="tanh", rng=rng)
    x, labels = rng.standard_normal((12, 4)), rng.integers(0, 3, 12)
    linears = [layer for layer in net.layers if isinstance(layer, Linear)]

    def weights():
        return [layer.params["weight"].copy() for layer in linears]

    old, state = weights(), net.state()
    loss_and_gradient(net, x, labels)
    sgd_step(net, 1.0)
    new = weights()
    net.load(state)  # the biases stay old, so that weights are all there is

    def gradient(weights, i):
        if len(weights) != LAYERS:
            raise ValueError(
                f"weights must be a list of {LAYERS} arrays, got {len(weights)}; "
                "did you lose a layer, or take one twice?"
            )
        if i not in range(1, LAYERS + 1):
            raise ValueError(f"i must be 1 to {LAYERS}, got {i}")
        for layer, weight in zip(linears, weights, strict=True):
            layer.params["weight"][...] = weight
        loss_and_gradient(net, x, labels)
        return linears[i - 1].grads["weight"].copy()

    return gradient, old, new


def second_gradient(function):
    """Check ``(gradient, old, new, i) -> G'`` of definition 2.1."""

    def check():
        gradient, old, new = small_network(7)
        for i in (3, 1, 2, 4):
            mixtures = [
                (old, "that is G: no layer is new. Those before layer i have moved."),
                (new, "all layers are new; layer i and those after it stay old."),
                (
                    new[:i] + old[i:],
                    "layer i itself is new. Its own step is no shift of its input.",
                ),
                (
                    old[: i - 1] + new[i - 1 :],
                    "the wrong side moved: the layers before i are the new ones.",
                ),
                (
                    old[:i] + new[i:],
                    "the layers after i moved; the definition moves those before.",
                ),
                (
                    old[: i - 1] + new[i - 1 : i] + old[i:],
                    "only layer i is new; it should be the one that waits.",
                ),
                (
                    new[: max(i - 2, 0)] + old[max(i - 2, 0) :],
                    "layer i - 1 is still old. Layers count from 1, lists from 0.",
                ),
            ]
            expected = gradient(new[: i - 1] + old[i - 1 :], i)
            before = gradient(old, i)
            mistakes = [(gradient(mix, i), hint) for mix, hint in mixtures]
            mistakes += [
                (before - expected, "that is G - G'; return G' alone."),
                (expected - before, "that is G' - G; return G' alone."),
            ]
            kept = [w.copy() for w in old], [w.copy() for w in new]
            result = array(function, gradient, *kept, i, shape=expected.shape)
            compare(f"G' of layer {i}", result, expected, mistakes)
        return "only the layers before i are new, so G' of layer 1 is G."

    report(check)


def shift(function):
    """Check ``(g, g_new) -> (distance, cosine)``."""

    def check():
        rng = np.random.default_rng(3)
        g, g_new = rng.normal(size=(2, 5, 4))
        result = call(function, g.copy(), g_new.copy())
        if not isinstance(result, tuple) or len(result) != 2:
            raise NotYet("return two numbers: the distance and the cosine.")
        parts = []
        for name, part in zip(("the distance", "the cosine"), result, strict=True):
            parts.append(array(_giving(name, part), shape=()))
        d = g - g_new
        length, inner = np.linalg.norm, (g * g_new).sum()
        distance, cosine = length(d), inner / length(g) / length(g_new)
        mistakes = [
            ((d**2).sum(), "the distance is squared; take the root."),
            (np.abs(d).sum(), "that adds absolute values; square, add, take the root."),
            (np.sqrt((d**2).mean()), "the squares are added, not averaged."),
            (
                length(d, 2),
                "that is the spectral norm; add the squares of all entries.",
            ),
            (cosine, "distance and cosine are in the wrong order."),
        ]
        compare("the distance", parts[0], np.array(distance), mistakes)
        mistakes = [
            (inner, "divide the inner product by both lengths."),
            (inner / length(g) ** 2, "divide by the length of each gradient once."),
            (1 - cosine, "return the cosine itself; 1 means no shift."),
            (np.arccos(cosine), "that is the angle; return its cosine."),
        ]
        compare("the cosine", parts[1], np.array(cosine), mistakes)
        return "0 and 1 would mean that the layers before made no difference."

    report(check)


def _giving(name, value):
    """Return a function of that name that returns `value`, for `array`."""

    def given():
        return value

    given.__name__ = name
    return given
