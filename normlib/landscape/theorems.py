"""Theorem 4.1 of Santurkar et al. (2018) on batch norm, both sides of it.

The paper states an inequality. Computed, both sides are equal (with eps = 0):
batch norm's gradient is gamma/sigma times an orthogonal projection of the gradient
that arrives, and nothing is lost on the way. What may surprise is the factor: where
a unit's sigma is below gamma, batch norm makes the gradient *larger*.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, reals, takes
from normlib.norms import batch_norm, batch_norm_backward


class TwoSides(NamedTuple):
    """Left and right side of the theorem, and the same quantity without batch norm."""

    left: np.ndarray
    right: np.ndarray
    plain: np.ndarray


def _batch(y, dz):
    """Return y and its gradient as float64 arrays of one shape, N at least 2."""
    y = float_array("y", np.asarray(y, dtype=np.float64), ndim=2)
    dz = float_array("dz", np.asarray(dz, dtype=np.float64))
    if len(y) < 2:
        raise ValueError(
            f"y must hold at least 2 examples along its first axis, got {y.shape}"
        )
    if dz.shape != y.shape:
        raise ValueError(f"dz must have the shape {y.shape} of y, got {dz.shape}")
    return y, dz


@takes(gamma=reals)
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
    y, dz = _batch(y, dz)
    m = len(y)
    _, cache = batch_norm(y, np.broadcast_to(gamma, y.shape[1:]), eps=eps)
    dy = batch_norm_backward(dz, cache)[0]
    along_ones = dz.sum(0) ** 2 / m
    along_y_hat = (dz * cache.x_hat).sum(0) ** 2 / m
    plain = (dz**2).sum(0)
    bracket = plain - along_ones - along_y_hat
    right = (gamma * cache.inv_std) ** 2 * bracket
    return TwoSides((dy**2).sum(0), right, plain)
