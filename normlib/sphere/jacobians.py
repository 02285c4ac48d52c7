"""The exact derivative of some norms, and what it lets through.

Jacobians are computed and returned in float64, also for float32 points: a rank needs
the digits.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, number
from normlib.sphere.geometry import centring_matrix, project_on_plane


class Spectrum(NamedTuple):
    """Singular values of a Jacobian.

    Attributes
    ----------
    singular_values : ndarray of shape (n,)
        In descending order.
    rank : int
        How many of them are above the tolerance.
    """

    singular_values: np.ndarray
    rank: int


class WeightNormJacobian(NamedTuple):
    """Derivatives of the weight ``w = g v / |v|``.

    Attributes
    ----------
    dv : ndarray of shape (n, n)
        ``dw_i / dv_j``, of rank n - 1.
    dg : ndarray of shape (n,)
        ``dw_i / dg``, the direction v / |v|.
    """

    dv: np.ndarray
    dg: np.ndarray


def layer_norm_jacobian(x, gamma=None, *, eps=1e-5):
    """Return the derivative of layer norm at one point.

    Parameters
    ----------
    x : ndarray of shape (n,)
        The point, with a variance above 0 or with eps above 0.
    gamma : ndarray of shape (n,), optional
        Scale after the norm; default 1.
    eps : float
        Added to the variance inside the root; default 1e-5.

    Returns
    -------
    ndarray of shape (n, n)
        ``dy_i / dx_j``, in the inverse unit of x.

    Raises
    ------
    ValueError
        If the variance plus eps is 0 or overflows.

    Notes
    -----
    ``J = diag(gamma) (I - 1 1^T / n - x_hat x_hat^T / n) / sigma``. With eps = 0
    and gamma = 1, ``sigma J`` is an orthogonal projector of rank n - 2: changes
    along (1, ..., 1) and along x_hat are lost, every other singular value is
    exactly ``1 / sigma``; of two features nothing is left. With eps > 0 the
    direction x_hat is not lost but shrunk by ``eps / (var + eps)``.

    References
    ----------
    Xiong et al. 2020, arXiv:2002.04745, proof of lemma 3.

    Examples
    --------
    >>> spectrum(layer_norm_jacobian(np.array([1.0, 2.0, 6.0, 7.0]), eps=0.0)).rank
    2
    """
    x = float_array("x", x, ndim=1).astype(np.float64)
    centred = project_on_plane(x)
    inv_std = _inverse_root("variance of x", centred, eps)
    x_hat = centred * inv_std
    projector = centring_matrix(x.size) - np.outer(x_hat, x_hat) / x.size
    return _scale_rows(gamma, x.size) * inv_std * _without_noise(projector, x * inv_std)


def rms_norm_jacobian(x, gamma=None, *, eps=1e-5):
    """Return the derivative of RMS norm at one point.

    Parameters
    ----------
    x : ndarray of shape (n,)
        The point, not the zero vector unless eps is above 0.
    gamma : ndarray of shape (n,), optional
        Scale after the norm; default 1.
    eps : float
        Added to the mean square inside the root; default 1e-5.

    Returns
    -------
    ndarray of shape (n, n)
        ``dy_i / dx_j``, in the inverse unit of x.

    Raises
    ------
    ValueError
        If the mean square plus eps is 0 or overflows.

    Notes
    -----
    ``J = diag(gamma) (I - x_hat x_hat^T / n) / rms``, of rank n - 1 with eps = 0:
    only the direction of x itself is lost, the others have ``1 / rms``.

    References
    ----------
    Zhang, Sennrich 2019, arXiv:1910.07467, section 4.2 (gradients).

    Examples
    --------
    >>> spectrum(rms_norm_jacobian(np.array([1.0, 2.0, 6.0, 7.0]), eps=0.0)).rank
    3
    """
    x = float_array("x", x, ndim=1).astype(np.float64)
    inv_rms = _inverse_root("mean square of x", x, eps)
    x_hat = x * inv_rms
    projector = np.eye(x.size) - np.outer(x_hat, x_hat) / x.size
    return _scale_rows(gamma, x.size) * inv_rms * _without_noise(projector, x_hat)


def weight_norm_jacobian(v, g):
    """Return the derivatives of a normalized weight by direction and length.

    Parameters
    ----------
    v : ndarray of shape (n,)
        Direction parameter of one unit, not the zero vector, of any length.
    g : float
        Length of the weight.

    Returns
    -------
    WeightNormJacobian
        ``dv`` of shape (n, n) and ``dg`` of shape (n,).

    Notes
    -----
    ``dw/dv = (g / |v|) (I - w w^T / |w|**2)``: rank n - 1, the direction of v
    is lost, all other singular values are ``|g| / |v|``.

    References
    ----------
    Salimans, Kingma 2016, arXiv:1602.07868, equations 3 and 4.

    Examples
    --------
    >>> weight_norm_jacobian(np.array([3.0, 4.0]), 5.0).dg
    array([0.6, 0.8])
    """
    v, g = float_array("v", v, ndim=1), number("g", g)
    v = v.astype(float)
    largest = np.abs(v).max()
    if largest == 0:
        raise ValueError("v is the zero vector, which has no direction; draw it anew")
    v = v / largest  # in this unit no square leaves the range of floats
    direction = v / np.linalg.norm(v)
    projector = np.eye(v.size) - np.outer(direction, direction)
    return WeightNormJacobian(g / np.linalg.norm(v) / largest * projector, direction)


def spectrum(jacobian, *, rtol=1e-9):
    """Return the singular values of a Jacobian and its numerical rank.

    Parameters
    ----------
    jacobian : ndarray of shape (m, n)
        Any matrix.
    rtol : float
        Singular values below ``rtol`` times the largest count as 0; default 1e-9.

    Returns
    -------
    Spectrum
        Singular values in descending order, and the rank.

    Examples
    --------
    >>> spectrum(np.diag([4.0, 2.0, 0.0]))
    Spectrum(singular_values=array([4., 2., 0.]), rank=2)
    """
    jacobian = float_array("jacobian", jacobian, ndim=2)
    rtol = number("rtol", rtol, minimum=0)
    values = np.linalg.svd(jacobian, compute_uv=False)
    return Spectrum(values, int((values > rtol * values[0]).sum()))


def _inverse_root(what, x, eps):
    with np.errstate(over="ignore"):
        total = np.mean(x**2) + number("eps", eps, minimum=0)
    if not np.isfinite(total):
        raise ValueError(
            f"x is too large: the {what} overflows, got entries up to "
            f"{np.abs(x).max():.3g}; divide x by a constant first"
        )
    if total < np.finfo(np.float64).tiny:
        raise ValueError(
            f"the {what} and eps are both 0, or too small to divide by: no derivative "
            "exists there; give eps above 0 or another x"
        )
    return 1 / np.sqrt(total)


def _without_noise(projector, scaled):
    """Return 0 where rounding is all that is left, as of two features with eps 0.

    A projector that lets a direction through has an entry of at least 1 / n. Its
    rounding is that of x in units of its deviation, ``scaled``.
    """
    noise = 8 * np.finfo(np.float64).eps * np.abs(scaled).max()
    return projector if np.abs(projector).max() > noise else np.zeros_like(projector)


def _scale_rows(gamma, n):
    """Return gamma as a column, which scales the rows of a Jacobian."""
    if gamma is None:
        return np.ones((1, 1))
    gamma = float_array("gamma", gamma)
    if gamma.shape != (n,):
        raise ValueError(f"gamma must have shape ({n},), got {gamma.shape}")
    return gamma[:, None]
