"""Batch, layer, instance, group, RMS and weight norm: forward and backward.

First comes the arithmetic of every norm, for the functions below and for the layers
of ``normlib.nets`` alike. A named norm says which entries share a mean
(``normlib.axes``), checks what it is given, and calls that arithmetic.

Every forward returns ``(y, cache)`` and its backward takes ``(dy, cache)``. The
variance is two-pass with 1/N, `eps` stands inside the root, and a result has the
float type of x (float16 is computed in float32).
"""

from math import isfinite, prod
from typing import NamedTuple

import numpy as np

from normlib._arguments import as_array, integer, number
from normlib.axes import Sharing, known_sharing, normalize_axes

# So many terms float32 adds up well enough one by one; so many for a mean of entries
# of size 1, and for one that is corrected afterwards.
FEW, FEW_FOR_A_MEAN = 64, 256
TINY_EPS = 1e-30  # an eps below this is as good as none in float32


class Stats(NamedTuple):
    """Mean, variance (1/N) and 1/sqrt(var + eps), with length 1 for averaged axes."""

    mean: np.ndarray | None
    var: np.ndarray
    inv_std: np.ndarray


# --- the arithmetic of every norm -------------------------------------------------


@np.errstate(over="ignore", invalid="ignore")
def forward(x, how, eps, gamma=None, beta=None, centre=True):
    """Return ``y = gamma * x_hat + beta``, x_hat and the Stats, by what `how` shares.

    ``x_hat = (x - mean) / sqrt(var + eps)``. Without `centre` (RMS norm) no mean is
    subtracted: var is then the mean square.
    """
    mean, centred = None, x
    if centre:
        mean = average(x, how, FEW_FOR_A_MEAN)
        centred = x - mean
        rest = average(centred, how, FEW_FOR_A_MEAN)  # what rounding it left
        centred -= rest
        mean += rest
    y = centred * centred
    var = average(y, how)
    if squares_were_lost(var, eps):
        return forward_in_float64(x, how, eps, gamma, beta, centre)
    inv_std = inverse_root(var, eps)
    x_hat = np.multiply(centred, inv_std, out=centred if centre else None)
    return scale_and_shift(x_hat, gamma, beta, out=y), x_hat, Stats(mean, var, inv_std)


@np.errstate(over="ignore", invalid="ignore")
def backward(dy, x_hat, inv_std, how, gamma=None, centre=True):
    """Return dx, dgamma and dbeta of `forward`.

    ``dx = inv_std * (d - mean(d) - x_hat * mean(d * x_hat))`` with d = gamma * dy.
    """
    dx = dy * x_hat
    dgamma, dbeta = total(dx, how.gamma_axes), total(dy, how.gamma_axes)
    if how.axes == how.gamma_axes:  # batch norm: gamma is a factor of each mean
        d, mean, mean_product = dy, dbeta / how.size, dgamma / how.size
        inv_std = inv_std if gamma is None else inv_std * gamma
    else:
        d = dy if gamma is None else dy * gamma
        mean = average(d, how, FEW_FOR_A_MEAN) if centre else None
        product = np.multiply(d, x_hat, out=dx)
        mean_product = average(product, how, FEW_FOR_A_MEAN)
    np.multiply(x_hat, -mean_product, out=dx)
    dx += d
    if centre:
        dx -= mean
    dx *= inv_std
    return dx, dgamma, dbeta


def average(x, how, few=FEW):
    """Return the mean of the entries that share one, kept with length 1."""
    mean = total(x, how.axes, few)
    mean /= how.size
    return mean


def total(x, axes, few=FEW):
    """Sum over some axes, kept with length 1.

    Over the last axes numpy adds in pairs, over others one by one: then float32 is
    added up in float64, unless the terms are few.
    """
    in_pairs = not axes or axes[0] == x.ndim - len(axes)
    if in_pairs or x.dtype.itemsize >= 8 or prod(x.shape[a] for a in axes) <= few:
        return np.add.reduce(x, axes, keepdims=True)
    return np.add.reduce(x, axes, np.float64, keepdims=True).astype(x.dtype)


def scale_and_shift(x_hat, gamma, beta, out=None):
    """Return ``gamma * x_hat + beta``; None stands for 1 and 0."""
    y = np.multiply(x_hat, 1 if gamma is None else gamma, out=out)
    if beta is not None:
        y += beta
    return y


def inverse_root(var, eps):
    """Return ``1 / sqrt(var + eps)``, and 0 where that sum is 0 (constant x)."""
    std = np.sqrt(var + eps)
    if eps < TINY_EPS:
        std[std == 0] = np.inf
    return 1 / std


def squares_were_lost(var, eps):
    """Say whether squares of float32 overflowed, or fell below the smallest number."""
    if var.dtype.itemsize >= 8:
        return False
    lost = eps < TINY_EPS and var.min() < np.finfo(var.dtype).tiny
    return lost or not isfinite(np.add.reduce(var, axis=None))


def forward_in_float64(x, how, eps, gamma, beta, centre):
    """Return `forward` in float64 as x's type, and var so only if that can hold it."""
    y, x_hat, stats = forward(x.astype(np.float64), how, eps, gamma, beta, centre)
    mean, var, inv_std = (a if a is None else a.astype(x.dtype) for a in stats)
    if not np.allclose(var, stats.var, rtol=1e-3, atol=0):
        var = stats.var
    return y.astype(x.dtype), x_hat.astype(x.dtype), Stats(mean, var, inv_std)


def by_given(x, mean, var, eps):
    """Return x_hat and 1/sqrt(var + eps) by statistics that do not depend on x."""
    inv_std = inverse_root(var, eps)
    return (x - mean) * inv_std, inv_std


# --- what a backward pass needs ---------------------------------------------------


class NormCache(NamedTuple):
    """What a backward pass needs, and what a reader may want to look at.

    Attributes
    ----------
    x_hat : ndarray of x's shape
        The standardized x, before gamma and beta.
    mean, var, inv_std : ndarray of x's shape without the averaged axes
        Mean, variance (1/N) and 1/sqrt(var + eps) of every set: shape (C,) for
        batch norm, (N, C) for instance norm, (N, G) for group norm.
    gamma : ndarray or None
        The scale, of parameter shape.
    sharing : normlib.axes.Sharing
        Which entries share statistics and parameters.
    dtype : numpy.dtype
        Float type of x, and of dx.
    norm : str
        Whose cache it is, such as "batch".
    """

    x_hat: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    inv_std: np.ndarray
    gamma: np.ndarray | None
    sharing: Sharing
    dtype: np.dtype
    norm: str


class RMSCache(NamedTuple):
    """What `rms_norm_backward` needs.

    Attributes
    ----------
    x_hat : ndarray of x's shape
        x / rms, before gamma.
    mean_square, inv_rms : ndarray of x's shape without `axes`
        Mean of the squares and 1/sqrt(mean_square + eps).
    gamma : ndarray or None
        The scale, of parameter shape.
    sharing : normlib.axes.Sharing
        Which entries share statistics and parameters.
    dtype : numpy.dtype
        Float type of x, and of dx.
    norm : str
        "rms".
    """

    x_hat: np.ndarray
    mean_square: np.ndarray
    inv_rms: np.ndarray
    gamma: np.ndarray | None
    sharing: Sharing
    dtype: np.dtype
    norm: str


class WeightNormCache(NamedTuple):
    """What `weight_norm_backward` needs.

    Attributes
    ----------
    direction : ndarray of shape (n_out, n_in)
        v / ||v||, one unit vector per row.
    norm : ndarray of shape (n_out,)
        ||v|| of every row.
    g : ndarray of shape (n_out,)
        Length of every row of w.
    dtype : numpy.dtype
        Float type of v, and of dv.
    """

    direction: np.ndarray
    norm: np.ndarray
    g: np.ndarray
    dtype: np.dtype


# --- standardize over any axes ----------------------------------------------------


def standardize(x, axes, *, eps=1e-5):
    """Subtract the mean and divide by the standard deviation over some axes.

    Parameters
    ----------
    x : ndarray of float
        Data of any shape.
    axes : int or tuple of int
        Axes of one set: entries that differ only along these share statistics.
    eps : float, default 1e-5
        Added to the variance, in its unit (that of x squared); 0 is allowed.

    Returns
    -------
    x_hat : ndarray of x's shape and float type
        ``(x - mean) / sqrt(var + eps)``; 0 where a set is constant, also for eps=0.
    stats : Stats
        mean, var (1/N) and inv_std, of x's shape with 1 for the axes. Where
        var + eps is 0, inv_std is 0.

    Notes
    -----
    A variance too large for float32 is returned in float64; with ``eps=0``, one too
    small for it, too.

    References
    ----------
    Ioffe and Szegedy, 2015, arXiv:1502.03167, Algorithm 1;
    Wu and He, 2018, arXiv:1803.08494, equations 1 and 2.

    Examples
    --------
    >>> x_hat, stats = standardize(np.array([[1.0, 3.0]]), axes=1, eps=0)
    >>> x_hat
    array([[-1.,  1.]])
    >>> stats.mean
    array([[2.]])
    """
    x, dtype = _floats(x)
    how = known_sharing("layer", x.shape, axes=normalize_axes(axes, x.ndim))
    eps = number("eps", eps, minimum=0)
    _, x_hat, stats = forward(x, how, eps)
    _check_result(x, how, stats, eps)
    return x_hat.astype(dtype, copy=False), stats


def standardize_backward(dx_hat, x_hat, inv_std, axes):
    """Send a gradient back through `standardize`.

    Parameters
    ----------
    dx_hat : ndarray of x's shape
        Gradient of the loss with respect to x_hat.
    x_hat : ndarray of x's shape
        Result of `standardize`.
    inv_std : ndarray of x's shape with 1 for the axes
        ``stats.inv_std`` of `standardize`.
    axes : int or tuple of int
        The same axes.

    Returns
    -------
    ndarray of x's shape
        Gradient with respect to x.

    Notes
    -----
    With d = dx_hat, and means over one set,
    ``dx = inv_std * (d - mean(d) - x_hat * mean(d * x_hat))``.

    References
    ----------
    Ioffe and Szegedy, 2015, arXiv:1502.03167, section 3: the equations after
    Algorithm 1, in compact form.

    Examples
    --------
    >>> x_hat, stats = standardize(np.array([1.0, 2.0, 6.0]), axes=0, eps=0)
    >>> dx = standardize_backward(np.array([1.0, 0.0, 0.0]), x_hat, stats.inv_std, 0)
    >>> bool(abs(dx.sum()) < 1e-15)
    True
    """
    x_hat, dtype = _floats(x_hat, "x_hat")
    dx_hat = _gradient(dx_hat, x_hat.shape, x_hat.dtype, "dx_hat", " of x_hat")
    how = known_sharing("layer", x_hat.shape, axes=normalize_axes(axes, x_hat.ndim))
    inv_std = _floats(inv_std, "inv_std")[0].astype(x_hat.dtype)
    if inv_std.shape != how.stats_view:
        raise ValueError(
            f"inv_std must have shape {how.stats_view}, got {inv_std.shape}; pass "
            f"stats.inv_std of standardize with the same axes"
        )
    _check_parameters(inv_std=inv_std)
    dx, total_product, total_dx_hat = backward(dx_hat, x_hat, inv_std, how)
    _check_by_sum("dx_hat", dx_hat, total_dx_hat)
    _check_by_sum("x_hat", x_hat, total_product)
    return dx.astype(dtype, copy=False)


# --- the five norms over sets of entries --------------------------------------


# What to do where every mean would be over one value.
WAY_OUT = {
    "batch": "more samples, or use batch_norm_inference",
    "instance": "more positions, or use layer_norm",
    "group": "fewer groups",
}


def _forward(norm, x, gamma, beta, eps, num_groups=None, axes=None):
    """Check the arguments of a norm, compute it, and return y and the cache."""
    x, dtype = _floats(x)
    if norm in ("layer", "rms"):
        axes = _trailing(axes, x)
    elif norm == "group":
        num_groups = integer("num_groups", num_groups)
    how = known_sharing(norm, x.shape, num_groups, axes)
    if how.size == 1 and norm in WAY_OUT:
        raise ValueError(
            f"{norm} norm needs more than one value per mean, got one (x has shape "
            f"{x.shape}): every x_hat would be 0; take {WAY_OUT[norm]}"
        )
    eps = number("eps", eps, minimum=0)
    gamma = _parameter(gamma, how, x.dtype, "gamma")
    beta = _parameter(beta, how, x.dtype, "beta")
    _check_parameters(gamma=gamma, beta=beta)
    y, x_hat, stats = forward(
        x.reshape(how.shape),
        how,
        eps,
        _view(gamma, how),
        _view(beta, how),
        norm != "rms",
    )
    _check_result(x, how, stats, eps)
    y = y.reshape(x.shape).astype(dtype, copy=False)
    x_hat = x_hat.reshape(x.shape)
    mean, var, inv_std = (a if a is None else a.reshape(how.stats_shape) for a in stats)
    if norm == "rms":
        return y, RMSCache(x_hat, var, inv_std, gamma, how, dtype, norm)
    return y, NormCache(x_hat, mean, var, inv_std, gamma, how, dtype, norm)


def _backward(norm, dy, cache):
    """Check the arguments of a backward pass; return dx, dgamma and dbeta."""
    if type(cache) not in (NormCache, RMSCache) or cache.norm != norm:
        raise _wrong_cache(cache, norm)
    how, x_hat = cache.sharing, cache.x_hat
    dy = _gradient(dy, x_hat.shape, x_hat.dtype)
    inv_std = cache.inv_rms if norm == "rms" else cache.inv_std
    dx, dgamma, dbeta = backward(
        dy.reshape(how.shape),
        x_hat.reshape(how.shape),
        inv_std.reshape(how.stats_view),
        how,
        _view(cache.gamma, how),
        norm != "rms",
    )
    _check_by_sum("dy", dy, dbeta)
    dx = dx.reshape(x_hat.shape).astype(cache.dtype, copy=False)
    return dx, dgamma.reshape(how.parameter_shape), dbeta.reshape(how.parameter_shape)


def _view(parameter, how):
    return None if parameter is None else parameter.reshape(how.gamma_view)


def batch_norm(x, gamma=None, beta=None, *, eps=1e-5):
    """Normalize every feature over the batch (training).

    Parameters
    ----------
    x : ndarray of shape (N, D), (N, T, D) or (N, C, H, W)
        Data; every feature or channel is averaged over all other axes.
    gamma, beta : ndarray of shape (D,) or (C,), optional
        Scale (no unit) and shift. Default: not applied.
    eps : float, default 1e-5
        Added to the variance, in its unit; 0 is allowed.

    Returns
    -------
    y : ndarray of x's shape and float type
        ``gamma * x_hat + beta``, with x_hat as in `standardize`.
    cache : NormCache
        x_hat, and mean, var (1/N), inv_std of shape (D,) or (C,).

    References
    ----------
    Ioffe and Szegedy, 2015, arXiv:1502.03167, Algorithm 1.

    Examples
    --------
    >>> y, cache = batch_norm(np.array([[1.0, 10.0], [3.0, 30.0]]), eps=0)
    >>> y
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> cache.var
    array([  1., 100.])
    """
    return _forward("batch", x, gamma, beta, eps)


def batch_norm_backward(dy, cache):
    """Send a gradient back through `batch_norm`.

    Parameters
    ----------
    dy : ndarray of x's shape
        Gradient of the loss with respect to y.
    cache : NormCache
        From `batch_norm`.

    Returns
    -------
    dx : ndarray of x's shape and float type
        Gradient with respect to x, through mean and variance too.
    dgamma, dbeta : ndarray of shape (D,) or (C,)
        ``sum(dy * x_hat)`` and ``sum(dy)``; also where gamma or beta was None.

    Notes
    -----
    dx is that of `standardize_backward`, with dx_hat = gamma * dy.

    References
    ----------
    Ioffe and Szegedy, 2015, arXiv:1502.03167, section 3, after Algorithm 1.

    Examples
    --------
    >>> _, cache = batch_norm(np.array([[1.0], [2.0], [6.0]]), eps=0)
    >>> dx, dgamma, dbeta = batch_norm_backward(np.array([[1.0], [0.0], [0.0]]), cache)
    >>> dgamma.round(3), dbeta
    (array([-0.926]), array([1.]))
    """
    return _backward("batch", dy, cache)


def batch_norm_inference(
    x, running_mean, running_var, gamma=None, beta=None, *, eps=1e-5
):
    """Normalize every feature with given statistics (inference).

    Parameters
    ----------
    x : ndarray of shape (N, D), (N, T, D) or (N, C, H, W)
        Data; one sample is enough, since nothing is averaged.
    running_mean, running_var : ndarray of shape (D,) or (C,)
        Statistics, as ``normlib.running`` keeps them; variances are 0 or more.
    gamma, beta : ndarray of shape (D,) or (C,), optional
        Scale and shift. Default: not applied.
    eps : float, default 1e-5
        Added to the variance, in its unit.

    Returns
    -------
    ndarray of x's shape and float type
        ``gamma * (x - running_mean) / sqrt(running_var + eps) + beta``; where
        running_var + eps is 0, just beta.

    References
    ----------
    Ioffe and Szegedy, 2015, arXiv:1502.03167, Algorithm 2, step 11.

    Examples
    --------
    >>> batch_norm_inference(np.array([[3.0]]), np.array([1.0]), np.array([4.0]), eps=0)
    array([[1.]])
    """
    x, dtype = _floats(x)
    how = known_sharing("batch", x.shape)
    eps = number("eps", eps, minimum=0)
    if running_mean is None or running_var is None:
        raise TypeError(
            "running_mean and running_var must be arrays, got None; to normalize by "
            "the statistics of x itself, use batch_norm"
        )
    _check_finite(x)
    mean, var, gamma, beta = (
        _view(_parameter(value, how, x.dtype, name, promote=True), how)
        for name, value in (
            ("running_mean", running_mean),
            ("running_var", running_var),
            ("gamma", gamma),
            ("beta", beta),
        )
    )
    if not (np.isfinite(mean).all() and np.isfinite(var).all()):
        raise ValueError(
            "running_mean and running_var must be finite, got NaN or infinity; was a "
            "batch that held one averaged into them?"
        )
    _check_parameters(gamma=gamma, beta=beta)
    if not (var >= 0).all():
        raise ValueError(
            f"running_var must be 0 or more, got {var.min()}; it is a variance, "
            f"not a logarithm or a difference"
        )
    x_hat, _ = by_given(x, mean, var, eps)
    return scale_and_shift(x_hat, gamma, beta).astype(dtype, copy=False)


def layer_norm(x, gamma=None, beta=None, *, axes=-1, eps=1e-5):
    """Normalize every sample (or token) over its own features.

    Parameters
    ----------
    x : ndarray of float
        Data of any shape.
    gamma, beta : ndarray of shape ``x.shape[axes]``, optional
        Scale (no unit) and shift. Default: not applied.
    axes : int or tuple of int, default -1
        The trailing axes of one set: -1 for the features of every token,
        (1, 2, 3) for all of an image (Wu & He 2018, figure 2).
    eps : float, default 1e-5
        Added to the variance, in its unit; 0 is allowed.

    Returns
    -------
    y : ndarray of x's shape and float type
        ``gamma * x_hat + beta``, with x_hat as in `standardize`.
    cache : NormCache
        x_hat, and mean, var (1/N), inv_std of x's shape without `axes`.

    Notes
    -----
    A set of one entry is allowed, unlike for `batch_norm`: x_hat is 0.

    References
    ----------
    Ba, Kiros and Hinton, 2016, arXiv:1607.06450, equations 3 and 5 (no eps there).

    Examples
    --------
    >>> y, cache = layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), eps=0)
    >>> y
    array([[-1.,  1.],
           [-1.,  1.]])
    >>> cache.mean
    array([ 2., 20.])
    """
    return _forward("layer", x, gamma, beta, eps, axes=axes)


def layer_norm_backward(dy, cache):
    """Send a gradient back through `layer_norm`.

    Parameters
    ----------
    dy : ndarray of x's shape
        Gradient of the loss with respect to y.
    cache : NormCache
        From `layer_norm`.

    Returns
    -------
    dx : ndarray of x's shape and float type
        Gradient with respect to x.
    dgamma, dbeta : ndarray of shape ``x.shape[axes]``
        ``sum(dy * x_hat)`` and ``sum(dy)`` over the samples.

    Notes
    -----
    dx is that of `standardize_backward`, with dx_hat = gamma * dy: this times a
    matrix, ``inv_std`` times a projection that removes the directions 1 and x_hat.

    References
    ----------
    Ba, Kiros and Hinton, 2016, arXiv:1607.06450, equation 3, differentiated.

    Examples
    --------
    >>> _, cache = layer_norm(np.array([[1.0, 2.0, 6.0]]), eps=0)
    >>> dx, dgamma, dbeta = layer_norm_backward(np.array([[1.0, 0.0, 0.0]]), cache)
    >>> dx.round(3)
    array([[ 0.176, -0.22 ,  0.044]])
    """
    return _backward("layer", dy, cache)


def instance_norm(x, gamma=None, beta=None, *, eps=1e-5):
    """Normalize every channel of every sample over its positions.

    Parameters
    ----------
    x : ndarray of shape (N, C, H, W) or (N, T, D)
        Data; averaged over H and W, or over T.
    gamma, beta : ndarray of shape (C,) or (D,), optional
        Scale (no unit) and shift. Default: not applied.
    eps : float, default 1e-5
        Added to the variance, in its unit; 0 is allowed.

    Returns
    -------
    y : ndarray of x's shape and float type
        ``gamma * x_hat + beta``, with x_hat as in `standardize`.
    cache : NormCache
        x_hat, and mean, var (1/N), inv_std of shape (N, C) or (N, D).

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, 2016, arXiv:1607.08022, section 2.

    Examples
    --------
    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]]).reshape(1, 2, 1, 2)
    >>> y, cache = instance_norm(x, eps=0)
    >>> y.ravel()
    array([-1.,  1., -1.,  1.])
    >>> cache.mean
    array([[ 2., 20.]])
    """
    return _forward("instance", x, gamma, beta, eps)


def instance_norm_backward(dy, cache):
    """Send a gradient back through `instance_norm`.

    Parameters
    ----------
    dy : ndarray of x's shape
        Gradient of the loss with respect to y.
    cache : NormCache
        From `instance_norm`.

    Returns
    -------
    dx : ndarray of x's shape and float type
        Gradient with respect to x.
    dgamma, dbeta : ndarray of shape (C,) or (D,)
        ``sum(dy * x_hat)`` and ``sum(dy)`` over samples and positions.

    Examples
    --------
    >>> _, cache = instance_norm(np.array([[[1.0], [2.0], [6.0]]]), eps=0)
    >>> dx, _, _ = instance_norm_backward(np.array([[[1.0], [0.0], [0.0]]]), cache)
    >>> dx.ravel().round(3)
    array([ 0.176, -0.22 ,  0.044])
    """
    return _backward("instance", dy, cache)


def group_norm(x, num_groups, gamma=None, beta=None, *, eps=1e-5):
    """Normalize every group of channels of every sample.

    Parameters
    ----------
    x : ndarray of shape (N, D), (N, T, D) or (N, C, H, W)
        Data; averaged over the channels of a group and all positions.
    num_groups : int
        Groups of neighbouring channels; must divide their number. 1: layer norm
        over all but N (with one gamma per channel); C: instance norm.
    gamma, beta : ndarray of shape (D,) or (C,), optional
        Scale (no unit) and shift, per channel. Default: not applied.
    eps : float, default 1e-5
        Added to the variance, in its unit; 0 is allowed.

    Returns
    -------
    y : ndarray of x's shape and float type
        ``gamma * x_hat + beta``, with x_hat as in `standardize`.
    cache : NormCache
        x_hat, and mean, var (1/N), inv_std of shape (N, num_groups).

    References
    ----------
    Wu and He, 2018, arXiv:1803.08494, equation 7.

    Examples
    --------
    >>> y, cache = group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0)
    >>> y
    array([[-1.,  1., -1.,  1.]])
    >>> cache.mean
    array([[ 2., 20.]])
    """
    return _forward("group", x, gamma, beta, eps, num_groups)


def group_norm_backward(dy, cache):
    """Send a gradient back through `group_norm`.

    Parameters
    ----------
    dy : ndarray of x's shape
        Gradient of the loss with respect to y.
    cache : NormCache
        From `group_norm`.

    Returns
    -------
    dx : ndarray of x's shape and float type
        Gradient with respect to x.
    dgamma, dbeta : ndarray of shape (D,) or (C,)
        ``sum(dy * x_hat)`` and ``sum(dy)`` over samples and positions.

    Examples
    --------
    >>> _, cache = group_norm(np.array([[1.0, 2.0, 6.0]]), 1, eps=0)
    >>> dx, _, _ = group_norm_backward(np.array([[1.0, 0.0, 0.0]]), cache)
    >>> dx.round(3)
    array([[ 0.176, -0.22 ,  0.044]])
    """
    return _backward("group", dy, cache)


def rms_norm(x, gamma=None, *, axes=-1, eps=1e-5):
    """Divide every sample by the root mean square of its features.

    Parameters
    ----------
    x : ndarray of float
        Data of any shape.
    gamma : ndarray of shape ``x.shape[axes]``, optional
        Scale (no unit). Default: not applied.
    axes : int or tuple of int, default -1
        The trailing axes of one set.
    eps : float, default 1e-5
        Added to the mean square, in its unit; 0 is allowed.

    Returns
    -------
    y : ndarray of x's shape and float type
        ``gamma * x / sqrt(mean(x**2) + eps)``; no mean is subtracted.
    cache : RMSCache
        x_hat, and mean_square and inv_rms of x's shape without `axes`.

    References
    ----------
    Zhang and Sennrich, 2019, arXiv:1910.07467, equation 4 (no eps there).

    Examples
    --------
    >>> y, cache = rms_norm(np.array([[3.0, 4.0]]), eps=0)
    >>> cache.mean_square
    array([12.5])
    >>> y.round(4)
    array([[0.8485, 1.1314]])
    """
    return _forward("rms", x, gamma, None, eps, axes=axes)


def rms_norm_backward(dy, cache):
    """Send a gradient back through `rms_norm`.

    Parameters
    ----------
    dy : ndarray of x's shape
        Gradient of the loss with respect to y.
    cache : RMSCache
        From `rms_norm`.

    Returns
    -------
    dx : ndarray of x's shape and float type
        Gradient with respect to x.
    dgamma : ndarray of shape ``x.shape[axes]``
        ``sum(dy * x_hat)`` over the samples.

    Notes
    -----
    With d = gamma * dy, ``dx = inv_rms * (d - x_hat * mean(d * x_hat))``: one
    direction fewer is removed than by layer norm.

    References
    ----------
    Zhang and Sennrich, 2019, arXiv:1910.07467, equation 4, differentiated.

    Examples
    --------
    >>> _, cache = rms_norm(np.array([[3.0, 4.0]]), eps=0)
    >>> dx, dgamma = rms_norm_backward(np.array([[1.0, 0.0]]), cache)
    >>> dx.round(4)
    array([[ 0.181 , -0.1358]])
    """
    return _backward("rms", dy, cache)[:2]


# --- weight norm ----------------------------------------------------------------


def weight_norm(v, g):
    """Write every row of a weight matrix as a length times a direction.

    Parameters
    ----------
    v : ndarray of shape (n_out, n_in)
        One row per unit: the weights that lead into it. Only its direction counts.
        (For weights of shape (n_in, n_out) pass ``v.T``.)
    g : ndarray of shape (n_out,)
        Length of every row of w, in its unit; may be negative.

    Returns
    -------
    w : ndarray of shape (n_out, n_in), of v's float type
        ``g * v / ||v||`` row by row.
    cache : WeightNormCache
        direction, norm and g.

    References
    ----------
    Salimans and Kingma, 2016, arXiv:1602.07868, equation 2.

    Examples
    --------
    >>> w, cache = weight_norm(np.array([[3.0, 4.0]]), np.array([10.0]))
    >>> w
    array([[6., 8.]])
    """
    v, dtype = _floats(v, "v")
    g, _ = _floats(g, "g")
    if v.ndim != 2 or v.size == 0:
        raise ValueError(f"v must have shape (n_out, n_in), got {v.shape}")
    if g.shape != v.shape[:1]:
        raise ValueError(
            f"g must have one length per row of v, shape {v.shape[:1]}, got {g.shape}"
        )
    g = _converted(g, v.dtype)
    _check_parameters(g=g)
    norm = _row_norms(v)
    direction = v / norm[:, None]
    w = direction * g[:, None]
    return w.astype(dtype, copy=False), WeightNormCache(direction, norm, g, dtype)


def _row_norms(v):
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        norm = np.sqrt(np.vecdot(v, v))
        if not (norm > 1e-15).all() or not (norm < 1e15).all():
            # Squares may have left the range: measure in units of the largest.
            largest = np.abs(v).max(axis=1)
            norm = largest * np.linalg.norm(v / largest[:, None], axis=1)
    if not (norm > 0).all() or not np.isfinite(norm).all():
        row = int(np.argmin((norm > 0) & np.isfinite(norm)))
        raise ValueError(
            f"every row of v must be finite and not all 0, got {v[row]} in row {row}; "
            f"such a row has no direction"
        )
    return norm


def weight_norm_backward(dw, cache):
    """Send a gradient back through `weight_norm`.

    Parameters
    ----------
    dw : ndarray of shape (n_out, n_in)
        Gradient of the loss with respect to w.
    cache : WeightNormCache
        From `weight_norm`.

    Returns
    -------
    dv : ndarray of shape (n_out, n_in), of v's float type
        Gradient with respect to v; every row is orthogonal to that of v.
    dg : ndarray of shape (n_out,)
        Gradient with respect to g.

    Notes
    -----
    ``dg = dw . v / ||v||`` and ``dv = (g / ||v||) * (dw - dg * v / ||v||)``.

    References
    ----------
    Salimans and Kingma, 2016, arXiv:1602.07868, equation 3.

    Examples
    --------
    >>> _, cache = weight_norm(np.array([[3.0, 4.0]]), np.array([10.0]))
    >>> dv, dg = weight_norm_backward(np.array([[1.0, 0.0]]), cache)
    >>> dv.round(2), dg
    (array([[ 1.28, -0.96]]), array([0.6]))
    """
    if type(cache) is not WeightNormCache:
        raise _wrong_cache(cache, "weight")
    direction = cache.direction
    dw = _gradient(dw, direction.shape, direction.dtype, "dw")
    _check_finite(dw, "dw")
    dg = np.vecdot(dw, direction)
    dv = direction * -dg[:, None]
    dv += dw
    dv *= (cache.g / cache.norm)[:, None]
    return dv.astype(cache.dtype, copy=False), dg


# --- checks ---------------------------------------------------------------------


def _floats(x, name="x"):
    """Return x as an array to compute with, and the float type of the result."""
    x = as_array(name, x, order="C")
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name} must hold floats, got dtype {x.dtype}; "
            f"use {name}.astype(float) to say that real numbers are meant"
        )
    if x.dtype.itemsize == 2:  # float16 of either byte order
        return x.astype(np.float32), x.dtype
    return x, x.dtype


def _check_result(x, how, stats, eps):
    """Raise if x is not finite, which its variance shows, or too large or small."""
    var = stats.var
    if not _all_finite(var):
        _check_finite(x)
        raise ValueError(
            f"x is too large: the variance overflows {x.dtype}, got entries up to "
            f"{np.abs(x).max():.3g}; divide x by a constant first"
        )
    if eps >= TINY_EPS or x.itemsize < 8:  # float32 that small is done in float64
        return
    least = np.finfo(x.dtype).tiny
    if var.min() < least:
        x = x.reshape(how.shape)
        sizes = np.abs(x) if stats.mean is None else x - x.min(how.axes, keepdims=True)
        largest = sizes.max(how.axes, keepdims=True)[var < least].max()
        if largest > 0:  # else these sets are constant
            raise ValueError(
                f"x is too small: the variance underflows {x.dtype}, got a set of "
                f"size {largest:.3g}; multiply x by a constant first, or give an eps"
            )


def _all_finite(a):
    return np.count_nonzero(np.isfinite(a)) == a.size  # sooner than all()


def _check_finite(x, name="x"):
    bad = x.size - np.count_nonzero(np.isfinite(x))
    if bad:
        raise ValueError(
            f"{name} must be finite, got {bad} of {x.size} entries NaN or infinite; "
            f"find them with np.argwhere(~np.isfinite({name}))"
        )


def _check_by_sum(name, a, its_sum):
    """Raise if an array is not finite, which the few entries of its sum show."""
    if not _all_finite(its_sum):
        _check_finite(a, name)


def _trailing(axes, x):
    axes = normalize_axes(axes, x.ndim)
    if axes[0] != x.ndim - len(axes):
        raise ValueError(
            f"axes must be trailing axes of x such as -1 or (-2, -1), got {axes} for "
            f"x of shape {x.shape}; move the axes to the end with np.moveaxis, or use "
            f"standardize(x, axes)"
        )
    return axes


def _gradient(dy, shape, dtype, name="dy", like=""):
    dy, _ = _floats(dy, name)
    if dy.shape != shape:
        raise ValueError(
            f"{name} must have the shape of the forward result{like} {shape}, got "
            f"{dy.shape}"
        )
    return dy.astype(dtype, copy=False)


def _wrong_cache(cache, norm):
    whose = getattr(cache, "norm", None)
    got = f"that of {whose}_norm" if isinstance(whose, str) else type(cache).__name__
    return TypeError(f"cache must be the second result of {norm}_norm, got {got}")


def _parameter(value, how, dtype, name, promote=False):
    """Return a copy, one value per channel, in dtype or in one that holds both."""
    if value is None:
        return None
    value = as_array(name, value)
    if value.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {value.dtype}")
    if value.shape != how.parameter_shape:
        raise ValueError(
            f"{name} must have shape {how.parameter_shape}, got {value.shape}"
        )
    return _converted(value, np.promote_types(dtype, value.dtype) if promote else dtype)


def _converted(value, dtype):
    """Return a copy in dtype, which a cache may keep; too large becomes infinite."""
    if value.dtype == dtype:
        return value.copy()
    with np.errstate(over="ignore"):
        return value.astype(dtype)


def _check_parameters(**parameters):
    for name, value in parameters.items():
        if value is not None and not _all_finite(value):
            raise ValueError(
                f"{name} must be finite in {value.dtype}, got {value.ravel()}; start "
                f"again from values that are"
            )
