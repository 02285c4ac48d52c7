"""Normalizing weights instead of activations: weight norm and its relatives.

A weight has shape (n_out, n_in), one unit per row, and acts as ``x @ weight.T``.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, generator, integer, number
from normlib.norms import weight_norm, weight_norm_backward


class DataDependentInit(NamedTuple):
    """Lengths and biases that standardize a layer's outputs on one batch.

    Attributes
    ----------
    g, bias : ndarray of shape (n_out,)
        Length of each unit's weight, and its bias.
    outputs : ndarray of shape (N, n_out)
        ``x @ w.T + bias``: mean 0 and variance 1 over the batch.
    """

    g: np.ndarray
    bias: np.ndarray
    outputs: np.ndarray


class LengthHistory(NamedTuple):
    """The length of the direction parameter v over S steps of training.

    Attributes
    ----------
    length : ndarray of shape (S + 1,)
        ``|v|`` before the first and after each step.
    predicted : ndarray of shape (S,)
        ``sqrt(1 + c**2) |v|`` with ``c = |step| / |v|``, for each step.
    cosine : ndarray of shape (S,)
        Cosine between v and its gradient: 0.
    loss : ndarray of shape (S + 1,)
        Half the mean squared error.
    """

    length: np.ndarray
    predicted: np.ndarray
    cosine: np.ndarray
    loss: np.ndarray


def data_dependent_init(v, x):
    """Choose the lengths and biases of weight norm by one batch of data.

    Parameters
    ----------
    v : ndarray of shape (n_out, n_in)
        Directions, one per row, none of them 0.
    x : ndarray of shape (N, n_in)
        A batch of at least 2 samples.

    Returns
    -------
    DataDependentInit

    Raises
    ------
    TypeError, ValueError
        If a type or shape does not fit, or an output is the same for all
        samples.

    Notes
    -----
    With ``t = v . x / |v|``: ``g = 1 / std(t)`` and ``bias = -mean(t) / std(t)``.
    Weight norm itself does not control the scale of outputs; this does, once.

    References
    ----------
    Salimans, Kingma 2016, arXiv:1602.07868, section 3, equations 5 and 6.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [3.0, 5.0]])
    >>> found = data_dependent_init(np.array([[10.0, 0.0]]), x)
    >>> found.g, found.bias, found.outputs[:, 0]
    (array([1.]), array([-2.]), array([-1.,  1.]))
    """
    v, x = float_array("v", v, ndim=2), float_array("x", x, ndim=2)
    if v.shape[1] != x.shape[1] or len(x) < 2:
        raise ValueError(
            f"x must have shape (N, {v.shape[1]}) with N at least 2 for v of shape "
            f"{v.shape}, got {x.shape}"
        )
    t = x @ weight_norm(v, np.ones(len(v)))[0].T
    std = t.std(axis=0)
    constant = std <= 8 * np.finfo(t.dtype).eps * np.abs(t).max(axis=0)
    if constant.any():
        unit = int(np.flatnonzero(constant)[0])
        raise ValueError(
            f"unit {unit} gives the same output for all samples of x, so no length "
            "standardizes it; give other samples"
        )
    g, bias = 1 / std, -t.mean(axis=0) / std
    return DataDependentInit(g, bias, t * g + bias)


def mean_only_batch_norm(t, bias=None):
    """Subtract from every feature its mean over the batch, and divide by nothing.

    Parameters
    ----------
    t : ndarray of shape (N, D)
        Pre-activations, in any unit.
    bias : ndarray of shape (D,), optional
        Added afterwards; default 0.

    Returns
    -------
    ndarray of shape (N, D)
        In the unit of t.

    Raises
    ------
    TypeError, ValueError
        If a type or shape does not fit.

    Notes
    -----
    ``t - mean(t) + bias``. It is linear, so the same operation (without bias)
    takes the gradient back: ``dt = dy - mean(dy)``.

    References
    ----------
    Salimans, Kingma 2016, arXiv:1602.07868, section 4, equations 7 and 8.

    Examples
    --------
    >>> mean_only_batch_norm(np.array([[1.0], [3.0]]), np.array([10.0]))
    array([[ 9.],
           [11.]])
    """
    t = float_array("t", t, ndim=2)
    centred = t - t.mean(axis=0)
    if bias is None:
        return centred
    bias = float_array("bias", bias)
    if bias.shape != t.shape[1:]:
        raise ValueError(f"bias must have shape {t.shape[1:]}, got {bias.shape}")
    return centred + bias


def weight_standardization(weight, *, eps=1e-5):
    """Standardize each unit's incoming weights.

    Parameters
    ----------
    weight : ndarray of shape (n_out, ...)
        One unit or output channel per entry of the first axis, at least 2
        weights each.
    eps : float
        Added to the variance inside the root; default 1e-5.

    Returns
    -------
    ndarray of the shape of ``weight``
        Mean 0 and variance 1 (1/n) for each unit; 0 for constant weights.

    Raises
    ------
    TypeError, ValueError
        If the type or shape is wrong or ``eps`` is negative.

    Notes
    -----
    Unlike weight norm it also subtracts the mean, and has no learned length.
    Implementations place eps inside or outside the root.

    References
    ----------
    Qiao et al. 2019, arXiv:1903.10520, section 2 (definition).

    Examples
    --------
    >>> weight_standardization(np.array([[1.0, 3.0]]), eps=0.0)
    array([[-1.,  1.]])
    """
    weight, eps = float_array("weight", weight), number("eps", eps, minimum=0)
    if weight.ndim < 2 or weight[0].size < 2:
        raise ValueError(
            f"weight must have shape (n_out, ...) with 2 or more weights per unit, "
            f"got {weight.shape}"
        )
    axes = tuple(range(1, weight.ndim))
    first = weight[(slice(None), *[slice(1)] * len(axes))]
    # The mean of equal numbers may be rounded; what is left is no deviation.
    differs = (weight != first).any(axis=axes, keepdims=True)
    centred = np.where(differs, weight - weight.mean(axis=axes, keepdims=True), 0.0)
    var = (centred**2).mean(axis=axes, keepdims=True) + eps
    return centred / np.sqrt(np.where(var > 0, var, 1.0))


def weight_norm_growth(steps=100, *, lr=0.1, width=10, rng=0):
    """Train one weight-normalized unit and watch the length of v.

    Parameters
    ----------
    steps : int
        Gradient steps S on v and g; default 100.
    lr : float
        Learning rate, at least 0; default 0.1.
    width : int
        Inputs of the unit, at least 2; default 10.
    rng : int or numpy.random.Generator
        Seed or generator of 64 samples, the target weight and v; default 0.

    Returns
    -------
    LengthHistory

    Raises
    ------
    TypeError, ValueError
        If a number is out of range or the run diverges.

    Notes
    -----
    The gradient by v is orthogonal to v, so by Pythagoras a step can only make
    v longer, and a longer v turns more slowly: large steps slow themselves down.
    It holds for plain gradient descent, not for momentum or Adam.

    References
    ----------
    Salimans, Kingma 2016, arXiv:1602.07868, section 2.1.

    Examples
    --------
    >>> history = weight_norm_growth()
    >>> bool((np.diff(history.length) >= 0).all()), bool(history.loss[-1] < 1e-3)
    (True, True)
    """
    steps, width = integer("steps", steps), integer("width", width, minimum=2)
    lr, rng = number("lr", lr, minimum=0), generator(rng)
    x = rng.standard_normal((64, width))
    target = x @ rng.standard_normal(width)
    v, g = rng.standard_normal((1, width)), np.ones(1)
    length, predicted, cosine, loss = [], [], [], []
    for _ in range(steps + 1):
        w, cache = weight_norm(v, g)
        error = x @ w[0] - target
        length.append(np.linalg.norm(v))
        loss.append(0.5 * (error @ error) / len(x))
        if not np.isfinite(loss[-1]) or loss[-1] > 1e6:
            raise ValueError(f"lr {lr:g} diverges after {len(loss)} steps; lower it")
        dv, dg = weight_norm_backward((error @ x)[None] / len(x), cache)
        predicted.append(np.hypot(length[-1], lr * np.linalg.norm(dv)))
        cosine.append((v * dv).sum() / (length[-1] * (np.linalg.norm(dv) or 1.0)))
        v, g = v - lr * dv, g - lr * dg
    return LengthHistory(
        np.array(length),
        np.array(predicted[:-1]),
        np.array(cosine[:-1]),
        np.array(loss),
    )
