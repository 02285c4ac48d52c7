"""Batch, layer, instance, group, RMS and weight norm: forward and backward.

One core, `standardize` and `standardize_backward`, serves every norm; a named norm
only says over which entries (``normlib.axes``) and where gamma and beta go.

Every forward returns ``(y, cache)``; its backward takes ``(dy, cache)``. The
variance is two-pass with 1/N, `eps` stands inside the root, and a result has the
float type of x (float16 is computed in float32).
"""

from typing import NamedTuple

import numpy as np

from normlib.axes import normalize_axes, sharing


class Stats(NamedTuple):
    """Statistics of `standardize`, of x's shape with 1 for the averaged axes.

    Attributes
    ----------
    mean, var, inv_std : ndarray
        Mean, variance (1/N) and 1/sqrt(var + eps).
    """

    mean: np.ndarray
    var: np.ndarray
    inv_std: np.ndarray


class NormCache(NamedTuple):
    """What a backward pass needs, and what a reader may want to look at.

    Attributes
    ----------
    x_hat : ndarray of x's shape
        The standardized x, before gamma and beta.
    mean, var, inv_std : ndarray of x's shape without the averaged axes
        Mean, variance (1/N) and 1/sqrt(var + eps) of every set: (C,) for batch
        norm, (N, C) for instance, (N, G) for group norm.
    gamma : ndarray or None
        The scale, of parameter shape.
    sharing : normlib.axes.Sharing
        Which entries share statistics and parameters.
    dtype : numpy.dtype
        Float type of x, and of dx.
    """

    x_hat: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    inv_std: np.ndarray
    gamma: np.ndarray | None
    sharing: tuple
    dtype: np.dtype


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
    """

    x_hat: np.ndarray
    mean_square: np.ndarray
    inv_rms: np.ndarray
    gamma: np.ndarray | None
    sharing: tuple
    dtype: np.dtype


class WeightNormCache(NamedTuple):
    """What `weight_norm_backward` needs.

    Attributes
    ----------
    direction : ndarray of shape (n_out, n_in)
        v / ||v||, one unit vector per row.
    norm : ndarray of shape (n_out,)
        ||v|| of every row.
    g : ndarray of shape (n_out,)
        The lengths of the rows of w.
    dtype : numpy.dtype
        Float type of v, and of dv.
    """

    direction: np.ndarray
    norm: np.ndarray
    g: np.ndarray
    dtype: np.dtype


# --- the core ---------------------------------------------------------------


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
        var + eps is 0, inv_std is 0 (the limit of x_hat is taken).

    Raises
    ------
    TypeError
        If x does not hold floats.
    ValueError
        If x is empty or holds NaN or infinity, an axis is wrong, or eps < 0.

    References
    ----------
    Ioffe and Szegedy, 2015, arXiv:1502.03167, Algorithm 1;
    Wu and He, 2018, arXiv:1803.08494, equations 1 and 2.

    Examples
    --------
    >>> x_hat, stats = standardize(np.array([[1.0, 3.0]]), axes=1, eps=0)
    >>> x_hat
    array([[-1.,  1.]])
    """
    x, dtype = _floats(x)
    if x.size == 0:
        raise ValueError(f"x must not be empty, got shape {x.shape}")
    axes = normalize_axes(axes, x.ndim)
    _check_eps(eps)
    x_hat, stats = _standardize(x, axes, eps)
    return x_hat.astype(dtype, copy=False), stats


def standardize_backward(dx_hat, x_hat, inv_std, axes):
    """Send a gradient back through `standardize`.

    Parameters
    ----------
    dx_hat : ndarray of x's shape
        Gradient of the loss with respect to x_hat.
    x_hat : ndarray of x's shape
        Result of `standardize`.
    inv_std : ndarray
        ``stats.inv_std`` of `standardize` (x's shape with 1 for the axes).
    axes : int or tuple of int
        The same axes.

    Returns
    -------
    ndarray of x's shape
        Gradient with respect to x.

    Raises
    ------
    ValueError
        If dx_hat does not have the shape of x_hat.

    Notes
    -----
    With d = dx_hat, and means over one set,
    ``dx = inv_std * (d - mean(d) - x_hat * mean(d * x_hat))``.

    References
    ----------
    Ioffe and Szegedy, 2015, arXiv:1502.03167, section 3 (the equations after
    Algorithm 1, in compact form).

    Examples
    --------
    >>> x_hat, stats = standardize(np.array([1.0, 2.0, 6.0]), axes=0, eps=0)
    >>> dx = standardize_backward(np.array([1.0, 0.0, 0.0]), x_hat, stats.inv_std, 0)
    >>> bool(abs(dx.sum()) < 1e-15)
    True
    """
    dx_hat = _gradient(dx_hat, x_hat.shape, x_hat.dtype)
    axes = normalize_axes(axes, x_hat.ndim)
    return _standardize_backward(dx_hat, x_hat, inv_std, axes)


def _standardize(x, axes, eps):
    mean = x.mean(axis=axes, keepdims=True)
    c = x - mean
    c -= c.mean(axis=axes, keepdims=True)
    var = (c * c).mean(axis=axes, keepdims=True)
    inv_std = _inverse_root(var, eps)
    _check_finite(var, x)
    c *= inv_std
    return c, Stats(mean, var, inv_std)


def _standardize_backward(dx_hat, x_hat, inv_std, axes):
    dx = dx_hat - dx_hat.mean(axis=axes, keepdims=True)
    dx -= x_hat * (dx_hat * x_hat).mean(axis=axes, keepdims=True)
    dx *= inv_std
    return dx


def _inverse_root(var, eps):
    """1/sqrt(var + eps), and 0 where that sum is 0."""
    std = np.sqrt(var + var.dtype.type(eps))
    return np.divide(1, std, out=np.zeros_like(std), where=std > 0)


# --- checks -----------------------------------------------------------------


def _floats(x, name="x"):
    """Return x as an array to compute with, and the float type of the result."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name} must hold floats, got dtype {x.dtype}; "
            f"use {name}.astype(float) to say that real numbers are meant"
        )
    if x.dtype == np.float16:
        return x.astype(np.float32), x.dtype
    return x, x.dtype


def _gradient(dy, shape, dtype, name="dy"):
    dy, _ = _floats(dy, name)
    if dy.shape != shape:
        raise ValueError(
            f"{name} must have the shape of the forward result {shape}, got {dy.shape}"
        )
    return dy.astype(dtype, copy=False)


def _parameter(value, how, dtype, name):
    """Return gamma or beta in the shape in which it broadcasts over the view."""
    if value is None:
        return None
    value = np.asarray(value)
    if value.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {value.dtype}")
    if value.shape != how.parameter_shape:
        raise ValueError(
            f"{name} must have shape {how.parameter_shape}, got {value.shape}"
        )
    return value.astype(dtype, copy=False).reshape(how.parameter_view)


def _check_eps(eps):
    if not 0 <= eps < np.inf:
        raise ValueError(f"eps must be 0 or more (and finite), got {eps}")


def _check_finite(statistic, x):
    if not np.isfinite(statistic).all():
        bad = x.size - np.count_nonzero(np.isfinite(x))
        if bad:
            raise ValueError(
                f"x must be finite, got {bad} of {x.size} entries NaN or infinite; "
                f"find them with np.isfinite(x)"
            )
        raise ValueError(
            f"x is too large for {x.dtype}: its variance overflows; "
            f"divide x by a constant first, or use x.astype(np.float64)"
        )


def _check_several(how, norm, what):
    if how.size == 1:
        raise ValueError(
            f"{norm} norm needs more than one value per mean, got one ({what}); "
            f"every result would be 0"
        )


# --- the norms --------------------------------------------------------------


def _forward(x, dtype, how, gamma, beta, eps):
    _check_eps(eps)
    scale = _parameter(gamma, how, x.dtype, "gamma")
    shift = _parameter(beta, how, x.dtype, "beta")
    x_hat, stats = _standardize(x.reshape(how.view), how.axes, eps)
    y = x_hat.copy() if scale is None else x_hat * scale
    if shift is not None:
        y += shift
    mean, var, inv_std = (s.reshape(how.stats_shape) for s in stats)
    if scale is not None:
        scale = scale.reshape(how.parameter_shape)
    cache = NormCache(x_hat.reshape(x.shape), mean, var, inv_std, scale, how, dtype)
    return y.reshape(x.shape).astype(dtype, copy=False), cache


def _backward(dy, cache):
    how = cache.sharing
    x_hat = cache.x_hat.reshape(how.view)
    dy = _gradient(dy, cache.x_hat.shape, x_hat.dtype).reshape(how.view)
    others = tuple(a for a, n in enumerate(how.parameter_view) if n == 1)
    dgamma = (dy * x_hat).sum(axis=others).reshape(how.parameter_shape)
    dbeta = dy.sum(axis=others).reshape(how.parameter_shape)
    if cache.gamma is not None:
        dy = dy * cache.gamma.reshape(how.parameter_view)
    kept = tuple(1 if a in how.axes else n for a, n in enumerate(how.view))
    dx = _standardize_backward(dy, x_hat, cache.inv_std.reshape(kept), how.axes)
    return dx.reshape(cache.x_hat.shape).astype(cache.dtype, copy=False), dgamma, dbeta


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
        ``gamma * (x - mean) / sqrt(var + eps) + beta``.
    cache : NormCache
        x_hat, and mean, var (1/N), inv_std of shape (D,) or (C,).

    Raises
    ------
    TypeError
        If x does not hold floats.
    ValueError
        If x is empty, not finite, has one value per feature, or a shape is wrong.

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
    x, dtype = _floats(x)
    how = sharing("batch", x.shape)
    _check_several(how, "batch", f"x has shape {x.shape}")
    return _forward(x, dtype, how, gamma, beta, eps)


def batch_norm_backward(dy, cache):
    """Send a gradient back through `batch_norm`."""
    return _backward(dy, cache)


def batch_norm_inference(
    x, running_mean, running_var, gamma=None, beta=None, *, eps=1e-5
):
    """Normalize every feature with given statistics (inference).

    Examples
    --------
    >>> batch_norm_inference(np.array([[3.0]]), np.array([1.0]), np.array([4.0]), eps=0)
    array([[1.]])
    """
    x, dtype = _floats(x)
    how = sharing("batch", x.shape)
    _check_eps(eps)
    mean = _parameter(running_mean, how, x.dtype, "running_mean")
    var = _parameter(running_var, how, x.dtype, "running_var")
    if not (var >= 0).all():
        raise ValueError(f"running_var must be 0 or more, got minimum {var.min()}")
    scale = _parameter(gamma, how, x.dtype, "gamma")
    shift = _parameter(beta, how, x.dtype, "beta")
    y = x.reshape(how.view) - mean
    y *= _inverse_root(var, eps) if scale is None else scale * _inverse_root(var, eps)
    if shift is not None:
        y += shift
    return y.reshape(x.shape).astype(dtype, copy=False)


def layer_norm(x, gamma=None, beta=None, *, axes=-1, eps=1e-5):
    """Normalize every sample over its own features.

    Examples
    --------
    >>> y, cache = layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), eps=0)
    >>> y
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    x, dtype = _floats(x)
    how = sharing("layer", x.shape, None, _trailing(axes, x.ndim))
    return _forward(x, dtype, how, gamma, beta, eps)


def layer_norm_backward(dy, cache):
    """Send a gradient back through `layer_norm`."""
    return _backward(dy, cache)


def _trailing(axes, ndim):
    axes = normalize_axes(axes, ndim)
    if axes != tuple(range(ndim - len(axes), ndim)):
        raise ValueError(
            f"axes must be trailing axes of x such as -1 or (-2, -1), got {axes} for "
            f"{ndim} axes; move the axes to the end with np.moveaxis, or use "
            f"standardize(x, axes)"
        )
    return axes


def instance_norm(x, gamma=None, beta=None, *, eps=1e-5):
    """Normalize every channel of every sample over its positions."""
    x, dtype = _floats(x)
    how = sharing("instance", x.shape)
    _check_several(how, "instance", f"x has shape {x.shape}")
    return _forward(x, dtype, how, gamma, beta, eps)


def instance_norm_backward(dy, cache):
    """Send a gradient back through `instance_norm`."""
    return _backward(dy, cache)


def group_norm(x, num_groups, gamma=None, beta=None, *, eps=1e-5):
    """Normalize groups of channels of every sample."""
    x, dtype = _floats(x)
    how = sharing("group", x.shape, num_groups)
    _check_several(how, "group", f"x has shape {x.shape}, num_groups={num_groups}")
    return _forward(x, dtype, how, gamma, beta, eps)


def group_norm_backward(dy, cache):
    """Send a gradient back through `group_norm`."""
    return _backward(dy, cache)


def rms_norm(x, gamma=None, *, axes=-1, eps=1e-5):
    """Divide every sample by the root mean square of its features."""
    x, dtype = _floats(x)
    how = sharing("rms", x.shape, None, _trailing(axes, x.ndim))
    _check_eps(eps)
    scale = _parameter(gamma, how, x.dtype, "gamma")
    view = x.reshape(how.view)
    mean_square = (view * view).mean(axis=how.axes, keepdims=True)
    _check_finite(mean_square, x)
    inv_rms = _inverse_root(mean_square, eps)
    x_hat = view * inv_rms
    y = x_hat.copy() if scale is None else x_hat * scale
    cache = RMSCache(
        x_hat.reshape(x.shape),
        mean_square.reshape(how.stats_shape),
        inv_rms.reshape(how.stats_shape),
        None if scale is None else scale.reshape(how.parameter_shape),
        how,
        dtype,
    )
    return y.reshape(x.shape).astype(dtype, copy=False), cache


def rms_norm_backward(dy, cache):
    """Send a gradient back through `rms_norm`."""
    how = cache.sharing
    x_hat = cache.x_hat.reshape(how.view)
    dy = _gradient(dy, cache.x_hat.shape, x_hat.dtype).reshape(how.view)
    dgamma = (dy * x_hat).sum(axis=0).reshape(how.parameter_shape)
    if cache.gamma is not None:
        dy = dy * cache.gamma.reshape(how.parameter_view)
    dx = dy - x_hat * (dy * x_hat).mean(axis=1, keepdims=True)
    dx *= cache.inv_rms.reshape(-1, 1)
    return dx.reshape(cache.x_hat.shape).astype(cache.dtype, copy=False), dgamma


def weight_norm(v, g):
    """Write every row of a weight matrix as a length times a direction.

    Examples
    --------
    >>> w, cache = weight_norm(np.array([[3.0, 4.0]]), np.array([10.0]))
    >>> w
    array([[6., 8.]])
    """
    v, dtype = _floats(v, "v")
    if v.ndim != 2 or v.size == 0:
        raise ValueError(f"v must have shape (n_out, n_in), got {v.shape}")
    g, _ = _floats(g, "g")
    if g.shape != v.shape[:1]:
        raise ValueError(f"g must have shape {v.shape[:1]}, got {g.shape}")
    g = g.astype(v.dtype, copy=False)
    norm = np.sqrt((v * v).sum(axis=1))
    if not (np.isfinite(norm).all() and norm.all()):
        raise ValueError("every row of v must be finite and not all zeros")
    direction = v / norm[:, None]
    w = g[:, None] * direction
    return w.astype(dtype, copy=False), WeightNormCache(direction, norm, g, dtype)


def weight_norm_backward(dw, cache):
    """Send a gradient back through `weight_norm`."""
    dw = _gradient(dw, cache.direction.shape, cache.direction.dtype, "dw")
    dg = (dw * cache.direction).sum(axis=1)
    dv = dw - dg[:, None] * cache.direction
    dv *= (cache.g / cache.norm)[:, None]
    return dv.astype(cache.dtype, copy=False), dg
