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
    generator,
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

    Raises
    ------
    TypeError, ValueError
        If ``n`` is not an integer of at least 1.

    Notes
    -----
    ``P = I - 1 1^T / n``: the orthogonal projection onto the plane of vectors
    whose entries sum to 0.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582, section 2.

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

    Raises
    ------
    TypeError, ValueError
        If ``x`` is not a finite float array with at least one axis, or so large
        that its sum overflows.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582, section 2.

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
    TypeError, ValueError
        If ``x`` is no finite float array, ``eps`` is negative, ``ddof`` is not
        0 or 1, or ``ddof`` is 1 for points of one feature; if the squares of x
        overflow or, without eps, underflow.

    Notes
    -----
    ``x / sqrt(sum(x**2) / (n - ddof) + eps)``.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582, section 2.
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

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type, shape or range.

    Notes
    -----
    ``LN(x) = sqrt(n) P x / |P x|`` for eps = 0, gamma = 1, beta = 0.

    References
    ----------
    Brody, Alon, Yahav 2023, arXiv:2305.02582, section 2.
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

    Raises
    ------
    TypeError, ValueError
        If ``var`` or ``eps`` is negative or ``n`` is below 1.

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

    Raises
    ------
    TypeError, ValueError
        If ``x`` is not a finite float array with at least one axis.

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


class RmsParts(NamedTuple):
    """RMS norm as a share of layer norm plus a share of the ones direction.

    Attributes
    ----------
    layer_share, ones_share : ndarray of shape (..., 1)
        Factors of ``LN(x)`` and of (1, ..., 1); their squares sum to 1.
    layer_part, ones_part : ndarray of shape (..., n)
        The two orthogonal parts, which sum to ``RMSNorm(x)``.
    """

    layer_share: np.ndarray
    ones_share: np.ndarray
    layer_part: np.ndarray
    ones_part: np.ndarray


def rms_norm_parts(x):
    """Split RMS norm into its layer-norm part and its part along (1, ..., 1).

    Parameters
    ----------
    x : ndarray of shape (..., n)
        Points with at least one entry that is not 0, in any unit.

    Returns
    -------
    RmsParts
        Shares and parts; ``layer_part + ones_part`` is RMS norm with eps = 0.

    Raises
    ------
    TypeError, ValueError
        If ``x`` is not a finite float array or a point is the zero vector, or
        squares of x overflow or underflow.

    Notes
    -----
    With m and s the mean and standard deviation of the entries of x,
    ``RMS(x) = LN(x) / sqrt(1 + (m/s)**2) + sign(m) / sqrt(1 + (s/m)**2)``,
    computed as ``(s LN(x) + m) / sqrt(m**2 + s**2)``, which needs no division
    by m or s.

    References
    ----------
    Follows from Zhang, Sennrich 2019, arXiv:1910.07467, equation 4.

    Examples
    --------
    >>> parts = rms_norm_parts(np.array([2.0, 4.0]))
    >>> (parts.layer_part + parts.ones_part).round(3)
    array([0.632, 1.265])
    """
    x = _points(x)
    if not np.abs(x).max(axis=-1).all():
        raise ValueError("x holds a zero vector, which has no direction; remove it")
    centred, mean = project_on_plane(x), x.mean(axis=-1, keepdims=True)
    mean_square = _mean_square(centred, 0)
    _check_underflow(centred, mean_square)
    std = np.sqrt(mean_square)
    rms = np.hypot(mean, std)
    ones_part = np.broadcast_to(mean / rms, x.shape)
    return RmsParts(std / rms, mean / rms, centred / rms, ones_part)


class Concentration(NamedTuple):
    """Lengths and angles of random points as the number of features grows.

    Attributes
    ----------
    sizes : ndarray of int of shape (K,)
        Numbers of features n.
    length : ndarray of shape (K, P)
        ``|x| / sqrt(n)`` of P points each.
    cosine : ndarray of shape (K, P)
        Cosine to (1, ..., 1) of the same points.
    length_spread, cosine_spread : ndarray of shape (K,)
        Predicted standard deviations for zero mean: 1/sqrt(2n), for large n,
        and exactly 1/sqrt(n).
    """

    sizes: np.ndarray
    length: np.ndarray
    cosine: np.ndarray
    length_spread: np.ndarray
    cosine_spread: np.ndarray


def concentration(sizes, *, n_points=500, mean=0.0, rng=0):
    """Draw Gaussian points in n dimensions and measure where their mass lies.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of features, each at least 2.
    n_points : int
        Points per size; default 500.
    mean : float
        Mean of every entry, in standard deviations; default 0.
    rng : int or numpy.random.Generator
        Seed or generator; default 0.

    Returns
    -------
    Concentration
        Measured lengths and cosines, with their predicted spread at mean 0.

    Raises
    ------
    TypeError, ValueError
        If a size is below 2, ``n_points`` below 1 or ``mean`` not finite.

    Notes
    -----
    ``|x|**2`` is chi-square with n degrees of freedom, so ``|x| / sqrt(n)``
    gathers at 1: scaling to the sphere moves a typical point little. The
    cosine to any fixed direction has mean square 1/n, so centring moves it
    little either, unless the entries have a common mean.

    References
    ----------
    Vershynin 2018, High-Dimensional Probability, section 3.1.

    Examples
    --------
    >>> wide = concentration([2, 1000])
    >>> wide.length.std(axis=1).round(2), wide.length_spread.round(3)
    (array([0.46, 0.02]), array([0.5  , 0.022]))
    """
    sizes = np.array([integer("sizes", size, minimum=2) for size in sizes])
    n_points, mean = integer("n_points", n_points), number("mean", mean)
    rng = generator(rng)
    length = np.empty((len(sizes), n_points))
    cosine = np.empty_like(length)
    for row, n in enumerate(sizes):
        points = mean + rng.standard_normal((n_points, n))
        length[row] = np.sqrt(_mean_square(points, 0)[:, 0])
        cosine[row] = cosine_to_ones(points)
    return Concentration(
        sizes, length, cosine, 1 / np.sqrt(2 * sizes), 1 / np.sqrt(sizes)
    )


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
