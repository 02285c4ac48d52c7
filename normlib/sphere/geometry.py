"""Layer norm as geometry: a projection onto a plane, then onto a sphere.

Every function works on the last axis: a point is a vector of ``n`` features.

The derivatives of the norms are in `normlib.sphere.jacobians` (`layer_norm_jacobian`,
`spectrum`), what of them vanishes into linear maps in `normlib.sphere.folding`.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    choice,
    float_array,
    integer,
    number,
    reals,
    takes,
)


class ProjectionSteps(NamedTuple):
    """The points after each step of layer norm or RMS norm, all of one shape.

    Attributes
    ----------
    input : ndarray of shape (..., n)
        The points as given.
    centred : ndarray of shape (..., n)
        On the plane orthogonal to (1, ..., 1); for RMS norm the input itself.
    scaled : ndarray of shape (..., n)
        On the sphere of radius sqrt(n), or inside it where eps matters.
    gamma : ndarray of shape (..., n)
        After multiplication by gamma: on an ellipsoid.
    beta : ndarray of shape (..., n)
        After addition of beta: the output of the norm.
    """

    input: np.ndarray
    centred: np.ndarray
    scaled: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray


def centring_matrix(n):
    """Return the matrix that subtracts from a vector its own mean.

    Parameters
    ----------
    n : int
        Number of features, at least 1.

    Returns
    -------
    ndarray of shape (n, n)
        ``P``, symmetric, with ``P @ P == P``, rank n - 1.

    Notes
    -----
    ``P = I - 1 1^T / n``: the orthogonal projection onto the plane of vectors
    whose entries sum to 0.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582.

    Examples
    --------
    >>> centring_matrix(2)
    array([[ 0.5, -0.5],
           [-0.5,  0.5]])
    """
    n = integer("n", n)
    return np.eye(n) - 1.0 / n


def project_on_plane(x):
    """Drop the part of each point that lies along (1, ..., 1).

    Parameters
    ----------
    x : ndarray of shape (..., n)
        Points, in any unit.

    Returns
    -------
    ndarray of shape (..., n)
        ``P x``: each point less the mean of its own entries; exactly 0 where
        they are all equal, however their mean is rounded.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582.

    Examples
    --------
    >>> project_on_plane(np.array([1.0, 2.0, 6.0]))
    array([-2., -1.,  3.])
    """
    x = _points(x)
    differs = (x != x[..., :1]).any(axis=-1, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        centred = np.where(differs, x - x.mean(axis=-1, keepdims=True), 0.0)
    if not np.isfinite(centred).all():
        raise _too_large(x)
    return centred


def project_on_sphere(x, *, eps=0.0, ddof=0):
    """Scale each point to length sqrt(n): divide it by its root mean square.

    Parameters
    ----------
    x : ndarray of shape (..., n)
        Points, in any unit.
    eps : float
        Added to the mean square, in the unit of x squared; default 0.
    ddof : {0, 1}
        Divide the sum of squares by ``n - ddof``; 1 gives radius sqrt(n - 1).

    Returns
    -------
    ndarray of shape (..., n)
        Dimensionless; the zero vector stays zero.

    Raises
    ------
    ValueError
        If the squares of x overflow or, without eps, underflow.

    Notes
    -----
    ``x / sqrt(sum(x**2) / (n - ddof) + eps)``.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582.
    Zhang, Sennrich 2019, arXiv:1910.07467, equation 4.

    Examples
    --------
    >>> project_on_sphere(np.array([3.0, 4.0])).round(3)
    array([0.849, 1.131])
    """
    x = _points(x)
    eps = number("eps", eps, minimum=0)
    mean_square = _mean_square(x, choice("ddof", ddof, (0, 1)))
    if eps == 0:
        _check_underflow(x, mean_square)
    mean_square = mean_square + eps
    # A zero vector has no direction; its limit under eps -> 0 is zero.
    return x / np.sqrt(np.where(mean_square > 0, mean_square, 1.0))


def projection_steps(x, gamma=None, beta=None, *, eps=1e-5, norm="layer", ddof=0):
    """Take layer norm (or RMS norm) apart into its geometric steps.

    Parameters
    ----------
    x : ndarray of shape (..., n)
        Points, in any unit.
    gamma, beta : ndarray of shape (n,), optional
        Scale and shift of the last two steps; default 1 and 0.
    eps : float
        Added to the variance inside the root; default 1e-5.
    norm : {"layer", "rms"}
        RMS norm leaves out the centring.
    ddof : {0, 1}
        1 divides by n - 1 as a wrong implementation does; default 0.

    Returns
    -------
    ProjectionSteps
        Five arrays of the shape of ``x``; ``steps.beta`` is the norm's output.

    Notes
    -----
    ``LN(x) = sqrt(n) P x / |P x|`` for eps = 0, gamma = 1, beta = 0.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582.
    Gupta et al. 2024, arXiv:2409.12951.

    Examples
    --------
    >>> steps = projection_steps(np.array([1.0, 2.0, 6.0]), eps=0.0)
    >>> steps.centred, steps.scaled.round(3)
    (array([-2., -1.,  3.]), array([-0.926, -0.463,  1.389]))
    """
    x = _points(x)
    choice("norm", norm, ("layer", "rms"))
    centred = project_on_plane(x) if norm == "layer" else x
    scaled = project_on_sphere(centred, eps=eps, ddof=ddof)
    stretched = scaled * _feature_vector("gamma", gamma, x.shape[-1], 1.0)
    shifted = stretched + _feature_vector("beta", beta, x.shape[-1], 0.0)
    return ProjectionSteps(x, centred, scaled, stretched, shifted)


@takes(var=reals)
def normalized_length(var, n, *, eps=1e-5):
    """Return the length of a layer-normalized vector before gamma and beta.

    Parameters
    ----------
    var : float or ndarray
        Variance (1/n) of the vector's entries, at least 0.
    n : int
        Number of features.
    eps : float
        Added to the variance inside the root; default 1e-5.

    Returns
    -------
    float or ndarray
        ``sqrt(n var / (var + eps))``, at most sqrt(n); 0 where var is 0.

    References
    ----------
    Follows from Ba, Kiros, Hinton 2016, arXiv:1607.06450, equation 3, with eps.

    Examples
    --------
    >>> float(normalized_length(1.0, 4, eps=0.0))
    2.0
    >>> round(float(normalized_length(1e-5, 4)), 4)
    1.4142
    """
    n, eps = integer("n", n), number("eps", eps, minimum=0)
    var = float_array("var", np.multiply(var, 1.0))
    if (var < 0).any():
        raise ValueError(f"var must be at least 0, got {var.min():g}")
    total = var + eps
    return np.sqrt(n * var / np.where(total > 0, total, 1.0))


def cosine_to_ones(x):
    """Return the cosine of the angle between each point and (1, ..., 1).

    Parameters
    ----------
    x : ndarray of shape (..., n)
        Points, in any unit.

    Returns
    -------
    ndarray of shape (...)
        Between -1 and 1, dimensionless; 0 for the zero vector.

    Notes
    -----
    ``cos = mean / rms``: with the mean m and standard deviation s of the
    entries it is ``m / sqrt(m**2 + s**2)``, near 1 as soon as ``|m| >> s``.

    References
    ----------
    Gupta et al. 2024, arXiv:2409.12951 (angle to the uniform vector).

    Examples
    --------
    >>> float(cosine_to_ones(np.array([9.0, 11.0])).round(4))
    0.995
    """
    x = _points(x)
    # Divided by the largest entry first, so that no square over- or underflows.
    largest = np.abs(x).max(axis=-1, keepdims=True)
    x = x / np.where(largest > 0, largest, 1.0)
    rms = np.sqrt((x * x).mean(axis=-1))
    return np.clip(x.mean(axis=-1) / np.where(rms > 0, rms, 1.0), -1.0, 1.0)


def _points(x):
    x = float_array("x", x)
    if x.ndim == 0:
        raise ValueError("x must have at least 1 axis, got a single number")
    return x


def _mean_square(x, ddof):
    n = x.shape[-1]
    if n <= ddof:
        raise ValueError(f"ddof must be 0 for points of {n} feature, got {ddof}")
    with np.errstate(over="ignore"):
        mean_square = (x * x).sum(axis=-1, keepdims=True) / (n - ddof)
    if not np.isfinite(mean_square).all():
        raise _too_large(x)
    return mean_square


def _too_large(x):
    return ValueError(
        f"x is too large: its squares or their sum overflow {x.dtype}, got entries up "
        f"to {np.abs(x).max():.3g}; divide x by a constant first"
    )


def _check_underflow(x, mean_square):
    """Refuse points other than 0 whose squares have lost their digits."""
    lost = (mean_square < np.finfo(x.dtype).tiny) & (x != 0).any(-1, keepdims=True)
    if lost.any():
        raise ValueError(
            f"x is too small: its squares underflow {x.dtype}, got a point of entries "
            f"up to {np.abs(x * lost).max():.3g}; multiply x by a constant first"
        )


def _feature_vector(name, value, n, default):
    if value is None:
        return default
    value = float_array(name, value)
    if value.shape != (n,):
        raise ValueError(
            f"{name} must have shape ({n},), one value per feature of x, "
            f"got {value.shape}"
        )
    return value
