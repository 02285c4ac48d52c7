"""Why updating all layers at once surprises: the chain of Goodfellow et al.

The network ``y = x w_1 w_2 ... w_l`` has one unit per layer and no activation.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, number
from normlib.norms import standardize, standardize_backward


class ChainUpdate(NamedTuple):
    """One step of gradient descent on all weights of a chain, order by order.

    Attributes
    ----------
    before : float
        The output before the step.
    gradient : ndarray of shape (l,)
        ``dy / dw_i``.
    by_order : ndarray of shape (l + 1,)
        Predicted output if terms up to order 0, 1, ..., l in the learning rate
        are kept; entry 1 is what gradient descent counts on.
    exact : float
        The output after the step.
    """

    before: float
    gradient: np.ndarray
    by_order: np.ndarray
    exact: float


def chain_update(weights, *, x=1.0, lr=0.01):
    """Take a gradient step on ``y = x w_1 ... w_l`` and predict it by order.

    Parameters
    ----------
    weights : ndarray of shape (l,)
        One weight per layer.
    x : float
        The input; default 1.
    lr : float
        Learning rate, at least 0; default 0.01.

    Returns
    -------
    ChainUpdate

    Notes
    -----
    The output after the step, ``x prod_i (w_i - lr g_i)``, is a polynomial in
    lr. Its first-order term is ``-lr g.g``; the second-order term that couples
    layers 1 and 2 is ``lr**2 g_1 g_2 w_3 ... w_l x``, negligible or dominant
    depending on whether the other weights are below or above 1.

    References
    ----------
    Goodfellow, Bengio, Courville 2016, Deep Learning, section 8.7.1.

    Examples
    --------
    >>> step = chain_update(np.full(10, 1.2), lr=0.01)
    >>> step.by_order[:3].round(4), round(step.exact, 4)
    (array([6.1917, 3.5294, 4.0445]), 3.9897)
    """
    w = float_array("weights", weights, ndim=1)
    x, lr = number("x", x), number("lr", lr, minimum=0)
    gradient = x * _products_of_others(w)
    coefficients = np.ones(1)  # of the powers of lr
    for weight, slope in zip(w, gradient, strict=True):
        coefficients = np.convolve(coefficients, [weight, -slope])
    by_order = np.cumsum(x * coefficients * lr ** np.arange(w.size + 1))
    exact = x * np.prod(w - lr * gradient)
    return ChainUpdate(float(x * np.prod(w)), gradient, by_order, float(exact))


def normalized_chain(weights, x):
    """Run the chain on a batch with batch norm before the last weight.

    Parameters
    ----------
    weights : ndarray of shape (l,)
        One weight per layer; with a single one x itself is normalized.
    x : ndarray of shape (N,)
        A batch of at least 2 inputs.

    Returns
    -------
    ndarray of shape (N,)
        ``w_l (h - mean(h)) / std(h)`` with ``h = x w_1 ... w_(l-1)``.

    Notes
    -----
    Whatever the lower weights become, the output is that of ``w_l`` on
    standardized inputs, except if the sign of their product changes or it is 0:
    learning ``w_l`` is a linear problem again.

    References
    ----------
    Goodfellow, Bengio, Courville 2016, Deep Learning, section 8.7.1.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 6.0])
    >>> one, other = normalized_chain([5.0, 3.0, 2.0], x), normalized_chain([2.0], x)
    >>> bool(np.allclose(one, other))
    True
    """
    w, x = float_array("weights", weights, ndim=1), float_array("x", x, ndim=1)
    if x.size < 2:
        raise ValueError(f"x must hold at least 2 inputs, got {x.size}")
    x_hat, _ = standardize(x * np.prod(w[:-1]), 0, eps=0)
    return w[-1] * x_hat


def normalized_chain_update(weights, *, lr=0.01):
    """Take a gradient step on the chain with batch norm before its last weight.

    The batch holds the inputs -1 and 1, and y is the output of the second.

    Parameters
    ----------
    weights : ndarray of shape (l,)
        One weight per layer.
    lr : float
        Learning rate, at least 0; default 0.01.

    Returns
    -------
    ChainUpdate
        Its gradient is 0 but for the last weight, so the orders end at the first.

    References
    ----------
    Goodfellow, Bengio, Courville 2016, Deep Learning, section 8.7.1.

    Examples
    --------
    >>> step = normalized_chain_update(np.full(10, 1.2), lr=0.01)
    >>> round(float(step.by_order[1]), 4), round(step.exact, 4)
    (1.19, 1.19)
    """
    w, lr = float_array("weights", weights, ndim=1), number("lr", lr, minimum=0)
    x = np.array([-1.0, 1.0])
    x_hat, stats = standardize(x * np.prod(w[:-1]), 0, eps=0)
    dh = standardize_backward(np.array([0.0, w[-1]]), x_hat, stats.inv_std, 0)
    gradient = np.append((dh @ x) * _products_of_others(w[:-1]), x_hat[1])
    before = w[-1] * x_hat[1]
    by_order = np.full(w.size + 1, before - lr * gradient @ gradient)
    by_order[0] = before
    exact = normalized_chain(w - lr * gradient, x)[1]
    return ChainUpdate(float(before), gradient, by_order, float(exact))


def _products_of_others(w):
    """Return for each weight the product of all others, also where one is 0."""
    before = np.concatenate([[1.0], np.cumprod(w[:-1])])
    after = np.concatenate([np.cumprod(w[:0:-1])[::-1], [1.0]])
    return before * after
