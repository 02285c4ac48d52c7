"""The theorems of Santurkar et al. (2018) on batch norm, both sides of each.

The paper states inequalities. Computed, both sides are equal (with eps = 0):
batch norm's gradient is gamma/sigma times an orthogonal projection of the gradient
that arrives, and nothing is lost on the way. What may surprise is the factor: where
a unit's sigma is below gamma, batch norm makes the gradient *larger*.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, integer, number
from normlib.norms import batch_norm, batch_norm_backward, standardize


class TwoSides(NamedTuple):
    """Left and right side of a theorem, and the same quantity without batch norm."""

    left: np.ndarray
    right: np.ndarray
    plain: np.ndarray


class TheoremCases(NamedTuple):
    """Both sides of the three statements over many random cases, (cases,) each."""

    gradient: TwoSides
    curvature: TwoSides
    distance: TwoSides


def _batch(y, dz, ndim):
    """Return y and its gradient as float64 arrays of one shape, N at least 2."""
    y = float_array("y", np.asarray(y, dtype=np.float64), ndim=ndim)
    dz = float_array("dz", np.asarray(dz, dtype=np.float64))
    if len(y) < 2:
        raise ValueError(
            f"y must hold at least 2 examples along its first axis, got {y.shape}"
        )
    if dz.shape != y.shape:
        raise ValueError(f"dz must have the shape {y.shape} of y, got {dz.shape}")
    return y, dz


def gradient_norm_sides(y, dz, gamma=1.0, *, eps=0.0):
    r"""Both sides of theorem 4.1: the squared gradient norm, unit by unit.

    Parameters
    ----------
    y : array of shape (N, D)
        Outputs of a layer before batch norm: N examples (at least 2), D units.
    dz : array of shape (N, D)
        Gradient of the loss with respect to z = gamma * y_hat + beta.
    gamma : float or array of shape (D,), default 1
        Scale of batch norm, held constant as in the theorem.
    eps : float, default 0
        Added to the variance. With 0 both sides are equal; above 0 the left side
        is the smaller one.

    Returns
    -------
    TwoSides
        Arrays of shape (D,): `left` the squared norm of the gradient with respect
        to y through batch norm, `right` the bound, `plain` the squared norm of dz.

    Raises
    ------
    ValueError
        If the shapes differ, the batch has fewer than 2 examples, or an entry is
        not finite.

    Notes
    -----
    With m = N and sigma the standard deviation over the batch,

    .. math:: \|\nabla_y \hat L\|^2 \le \frac{\gamma^2}{\sigma^2} \Big(
        \|\nabla_z L\|^2 - \frac1m \langle 1, \nabla_z L\rangle^2
        - \frac1m \langle \nabla_z L, \hat y\rangle^2 \Big).

    Equality holds because the gradient is :math:`\frac{\gamma}{\sigma} P \nabla_z L`
    with P the orthogonal projection that removes the directions 1 and y_hat.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, theorem 4.1.

    Examples
    --------
    >>> sides = gradient_norm_sides([[0.0], [2.0], [4.0]], [[1.0], [0.0], [0.0]])
    >>> sides.left.round(4), sides.right.round(4), sides.plain
    (array([0.0625]), array([0.0625]), array([1.]))
    """
    y, dz = _batch(y, dz, ndim=2)
    m = len(y)
    _, cache = batch_norm(y, np.broadcast_to(gamma, y.shape[1:]), eps=eps)
    dy = batch_norm_backward(dz, cache)[0]
    along_ones = dz.sum(0) ** 2 / m
    along_y_hat = (dz * cache.x_hat).sum(0) ** 2 / m
    plain = (dz**2).sum(0)
    bracket = plain - along_ones - along_y_hat
    right = (gamma * cache.inv_std) ** 2 * bracket
    return TwoSides((dy**2).sum(0), right, plain)


def batch_norm_hessian(y, dz, hessian_z, gamma=1.0):
    r"""Second derivatives of a loss with respect to one unit before batch norm.

    Parameters
    ----------
    y : array of shape (N,)
        One unit's outputs over the batch, at least 3 examples, not all equal.
    dz : array of shape (N,)
        Gradient of the loss with respect to z = gamma * y_hat + beta.
    hessian_z : array of shape (N, N)
        Second derivatives of the loss with respect to z.
    gamma : float, default 1
        Scale of batch norm.

    Returns
    -------
    array of shape (N, N)
        Second derivatives of the loss with respect to y.

    Raises
    ------
    ValueError
        If a shape is wrong, an entry is not finite, or all y are equal.

    Notes
    -----
    With :math:`P = I - \frac1m 11^\top - \frac1m \hat y \hat y^\top` and
    :math:`g` = dz,

    .. math:: \frac{\gamma^2}{\sigma^2} P H P - \frac{\gamma}{m\sigma^2} \big(
        (Pg)\hat y^\top + \hat y (Pg)^\top + \langle g, \hat y\rangle P \big).

    Examples
    --------
    >>> h = batch_norm_hessian([0.0, 2.0, 4.0], [1.0, 0.0, 0.0], np.zeros((3, 3)))
    >>> bool(np.allclose(h.sum(0), 0.0))  # a shift of all y changes nothing
    True
    """
    y, dz = _batch(y, dz, ndim=1)
    m = len(y)
    hessian_z = float_array("hessian_z", np.asarray(hessian_z, dtype=np.float64))
    if hessian_z.shape != (m, m):
        raise ValueError(f"hessian_z must have shape {(m, m)}, got {hessian_z.shape}")
    y_hat, stats = standardize(y, 0, eps=0.0)
    inv_std = np.ravel(stats.inv_std)[0]
    if inv_std == 0:
        raise ValueError("y has zero variance over the batch; give values that differ")
    projector = np.eye(m) - 1 / m - np.outer(y_hat, y_hat) / m
    mixed = np.outer(projector @ dz, y_hat)
    bend = mixed + mixed.T + (dz @ y_hat) * projector
    through = projector @ hessian_z @ projector
    return (gamma * inv_std) ** 2 * through - gamma * inv_std**2 / m * bend


def curvature_sides(y, dz, hessian_z, gamma=1.0):
    r"""Both sides of theorem 4.2: the curvature along the gradient, for one unit.

    Parameters
    ----------
    y, dz : array of shape (N,)
        One unit's outputs over the batch and the gradient of the loss with respect
        to z = gamma * y_hat + beta.
    hessian_z : array of shape (N, N)
        Second derivatives of the loss with respect to z.
    gamma : float, default 1
        Scale of batch norm.

    Returns
    -------
    TwoSides
        Scalars: `left` the quadratic form of the Hessian through batch norm along
        the gradient through batch norm, `right` the bound, `plain` the quadratic
        form of `hessian_z` along `dz`.

    Raises
    ------
    ValueError
        As `batch_norm_hessian`.

    Notes
    -----
    With :math:`\hat g = \nabla_y \hat L` and :math:`g` = dz,

    .. math:: \hat g^\top \hat H \hat g \le \frac{\gamma^2}{\sigma^2}
        \hat g^\top H \hat g
        - \frac{\gamma}{m\sigma^2} \langle g, \hat y\rangle \|\hat g\|^2.

    Equality holds: the gradient lies in the range of the projection P, where the
    mixed terms of the Hessian vanish.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, theorem 4.2.

    Examples
    --------
    >>> s = curvature_sides([0.0, 2.0, 4.0], [1.0, 0.0, 0.0], np.eye(3))
    >>> round(float(s.left), 4), round(float(s.right), 4)
    (0.033, 0.033)
    """
    hessian = batch_norm_hessian(y, dz, hessian_z, gamma)
    y, dz = _batch(y, dz, ndim=1)
    _, cache = batch_norm(y[:, None], np.array([gamma], dtype=float), eps=0.0)
    dy = batch_norm_backward(dz[:, None], cache)[0][:, 0]
    inv_std = np.ravel(cache.inv_std)[0]
    y_hat = cache.x_hat[:, 0]
    right = (gamma * inv_std) ** 2 * (dy @ hessian_z @ dy)
    right = right - gamma * inv_std**2 / len(y) * (dz @ y_hat) * (dy @ dy)
    return TwoSides(dy @ hessian @ dy, right, dz @ hessian_z @ dz)


def optimum_distance_sides(start, optimum):
    r"""Both sides of lemma 4.5: the distance from the start to the nearest optimum.

    Parameters
    ----------
    start : array
        Weights at the start, any shape.
    optimum : array
        An optimum of the network without batch norm, the same shape.

    Returns
    -------
    TwoSides
        Scalars: `left` the squared distance to the nearest optimum with batch norm,
        `right` the bound, `plain` the squared distance to `optimum`.

    Raises
    ------
    ValueError
        If the shapes differ, or the inner product of both is not positive, which
        the lemma asks for.

    Notes
    -----
    With batch norm the loss does not change when the weights are scaled, so that
    every :math:`cW^*` with c > 0 is an optimum and the nearest one is the foot of
    the perpendicular from :math:`W_0`. The lemma is then Pythagoras, an equality:

    .. math:: \|W_0 - \hat W^*\|^2 \le \|W_0 - W^*\|^2 - \frac{1}{\|W^*\|^2}
        \big(\|W^*\|^2 - \langle W^*, W_0\rangle\big)^2.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, lemma 4.5.

    Examples
    --------
    >>> s = optimum_distance_sides([3.0, 1.0], [1.0, 0.0])
    >>> float(s.left), float(s.right), float(s.plain)
    (1.0, 1.0, 5.0)
    """
    start, optimum = np.asarray(start, dtype=float), np.asarray(optimum, dtype=float)
    if start.shape != optimum.shape:
        raise ValueError(
            f"start and optimum must have the same shape, got {start.shape} and "
            f"{optimum.shape}; give the same weights twice"
        )
    inner, squared = (start * optimum).sum(), (optimum**2).sum()
    if not inner > 0:
        raise ValueError(
            "the inner product of start and optimum must be above 0, got "
            f"{inner:.3g}; lemma 4.5 says nothing there, turn one of them round"
        )
    nearest = inner / squared * optimum
    plain = ((start - optimum) ** 2).sum()
    left = ((start - nearest) ** 2).sum()
    return TwoSides(left, plain - (squared - inner) ** 2 / squared, plain)


def theorem_cases(seed=0, *, cases=200, batch_size=8, gamma=1.0, spread=1.0):
    """Evaluate both sides of the three statements on random cases.

    Parameters
    ----------
    seed : int, default 0
        Seed of the random batches, gradients, Hessians and weights.
    cases : int, default 200
        Number of random cases, at least 1.
    batch_size : int, default 8
        Examples in a batch, at least 3.
    gamma : float, default 1
        Scale of batch norm, above 0.
    spread : float, default 1
        Standard deviation of the layer's outputs, in their own unit, above 0.
        Below gamma, batch norm makes most gradients larger.

    Returns
    -------
    TheoremCases
        Both sides of theorems 4.1 and 4.2 and lemma 4.5, arrays of shape (cases,).

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> result = theorem_cases(seed=1, cases=50)
    >>> bool(np.allclose(result.gradient.left, result.gradient.right))
    True
    """
    integer("cases", cases)
    integer("batch_size", batch_size, minimum=3)
    number("gamma", gamma, positive=True)
    number("spread", spread, positive=True)
    rng = np.random.default_rng(seed)
    y = spread * rng.standard_normal((batch_size, cases)) + rng.standard_normal(cases)
    dz = rng.standard_normal((batch_size, cases))
    hessian = rng.standard_normal((cases, batch_size, batch_size))
    hessian = hessian + hessian.transpose(0, 2, 1)
    start, optimum = rng.standard_normal((2, cases, batch_size))
    # The lemma asks for a positive inner product.
    optimum *= np.sign((start * optimum).sum(1))[:, None]
    curvature = [
        curvature_sides(y[:, i], dz[:, i], hessian[i], gamma) for i in range(cases)
    ]
    distance = [optimum_distance_sides(start[i], optimum[i]) for i in range(cases)]
    return TheoremCases(
        gradient_norm_sides(y, dz, gamma),
        TwoSides(*np.array(curvature).T),
        TwoSides(*np.array(distance).T),
    )
