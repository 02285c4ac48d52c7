"""Normalizing weights instead of activations: weight norm and its relatives.

A weight has shape (n_out, n_in), one unit per row, and acts as ``x @ weight.T``.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, integer, number
from normlib.norms import standardize, weight_norm, weight_norm_backward
from normlib.sphere.jacobians import weight_norm_jacobian


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


class Descent(NamedTuple):
    """One weight-normalized unit over S steps of gradient descent.

    Attributes
    ----------
    v : ndarray of shape (S + 1, n)
        The direction parameter before the first and after each step.
    g : ndarray of shape (S + 1,)
        The length of the weight.
    dw, dv : ndarray of shape (S + 1, n)
        Gradient with respect to the weight and to v.
    loss : ndarray of shape (S + 1,)
        Half the mean squared error.
    """

    v: np.ndarray
    g: np.ndarray
    dw: np.ndarray
    dv: np.ndarray
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
    ValueError
        If an output is the same for all samples.

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
    outputs, stats = standardize(t, 0, eps=0.0)
    g = stats.inv_std[0]
    rounding = 8 * np.finfo(t.dtype).eps * np.abs(t).max(axis=0)
    constant = (g == 0) | (g * rounding >= 1)
    if constant.any():
        unit = int(np.flatnonzero(constant)[0])
        raise ValueError(
            f"unit {unit} gives the same output for all samples of x, so no length "
            "standardizes it; give other samples"
        )
    return DataDependentInit(g, -stats.mean[0] * g, outputs)


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

    Notes
    -----
    Unlike weight norm it also subtracts the mean, and has no learned length.
    Implementations place eps inside or outside the root.

    References
    ----------
    Qiao et al. 2019, arXiv:1903.10520.

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
    return standardize(weight, tuple(range(1, weight.ndim)), eps=eps)[0]


def weight_norm_descent(x, target, v, g=1.0, *, lr=0.1, steps=50):
    """Train one weight-normalized linear unit by gradient descent on v and g.

    Parameters
    ----------
    x : ndarray of shape (N, n)
        Inputs.
    target : ndarray of shape (N,)
        What the unit should give.
    v : ndarray of shape (n,)
        Direction at the start, not the zero vector.
    g : float
        Length at the start; default 1.
    lr : float
        Learning rate, at least 0; default 0.1.
    steps : int
        Number of steps S; default 50.

    Returns
    -------
    Descent

    Raises
    ------
    ValueError
        If v is 0 or the run diverges.

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
    >>> x = np.eye(2)
    >>> found = weight_norm_descent(x, np.array([0.0, 2.0]), np.array([1.0, 0.0]))
    >>> found.dv[0], bool((np.diff((found.v**2).sum(axis=1)) >= 0).all())
    (array([ 0., -1.]), True)
    """
    x, target = float_array("x", x, ndim=2), float_array("target", target, ndim=1)
    v, g = float_array("v", v, ndim=1)[None], np.array([number("g", g)])
    if target.shape != x.shape[:1] or v.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"target and v must have shapes {x.shape[:1]} and {x.shape[1:]} for x of "
            f"shape {x.shape}, got {target.shape} and {v.shape[1:]}"
        )
    lr, steps = number("lr", lr, minimum=0), integer("steps", steps)
    rows = []
    for _ in range(steps + 1):
        w, cache = weight_norm(v, g)
        error = x @ w[0] - target
        loss = 0.5 * (error @ error) / len(x)
        if not np.isfinite(loss) or loss > 1e6:
            raise ValueError(f"lr {lr:g} diverges after {len(rows)} steps; lower it")
        dw = (error @ x)[None] / len(x)
        dv, dg = weight_norm_backward(dw, cache)
        rows.append((v[0], g[0], dw[0], dv[0], loss))
        v, g = v - lr * dv, g - lr * dg
    return Descent(*map(np.array, zip(*rows, strict=True)))


def condition_number(x, w=None, length=1.0):
    """Return how unequal the curvatures of a least-squares loss are at its minimum.

    Parameters
    ----------
    x : ndarray of shape (N, n)
        Inputs of one linear unit.
    w : ndarray of shape (n,), optional
        The weight at the minimum, if the unit is weight-normalized: then the
        curvature is that in v and g. Default: that in the weight itself.
    length : float
        Length of v over that of w; default 1.

    Returns
    -------
    float
        Largest curvature over the smallest, infinity if that is 0 but for rounding. The
        curvature 0 along v is left out.

    Notes
    -----
    In the weight the curvature is ``H = x^T x / N``, in (v, g) it is ``J^T H J``
    with the Jacobian J of ``w = g v / |v|``. With ``|v| = |w|`` the columns of J are
    orthonormal but for the direction of v: the same curvatures.

    Examples
    --------
    >>> x = np.diag([1.0, 3.0])
    >>> w = np.array([1.0, 2.0])
    >>> round(condition_number(x), 9), round(condition_number(x, w), 9)
    (9.0, 9.0)
    """
    x = float_array("x", x, ndim=2)
    length = number("length", length, positive=True)
    if not x.any():
        raise ValueError("x must have an entry that is not 0: such a loss is flat")
    curvature = x.T @ x / len(x)
    if w is None:
        values = np.linalg.eigvalsh(curvature)
    else:
        w = float_array("w", w, ndim=1)
        if w.shape != x.shape[1:] or not w.any():
            raise ValueError(
                f"w must have shape {x.shape[1:]} and an entry that is not 0, got {w}"
            )
        found = weight_norm_jacobian(length * w, float(np.linalg.norm(w)))
        jacobian = np.column_stack([found.dv, found.dg])
        values = np.linalg.eigvalsh(jacobian.T @ curvature @ jacobian)[1:]
    rounding = len(values) * np.finfo(x.dtype).eps * values[-1]
    return float(values[-1] / values[0]) if values[0] > rounding else float("inf")
