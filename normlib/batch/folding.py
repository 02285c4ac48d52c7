"""Batch norm at inference vanishes into the linear map before or after it.

A linear weight has shape (n_in, n_out) and acts as ``y = x @ weight + bias``; a
convolution weight has shape (C_out, C_in, kH, kW), as in PyTorch.
"""

import numpy as np

from normlib._arguments import float_array, integer, number, vector


def conv2d(x, weight, bias=None, *, padding=0):
    """Convolve images (cross-correlation, stride 1), small and readable.

    Parameters
    ----------
    x : ndarray of shape (N, C_in, H, W)
        Images.
    weight : ndarray of shape (C_out, C_in, kH, kW)
        Kernels.
    bias : ndarray of shape (C_out,), optional
        Added to every position of a channel; default 0.
    padding : int
        Zeros put around each image; default 0.

    Returns
    -------
    ndarray of shape (N, C_out, H + 2 padding - kH + 1, W + 2 padding - kW + 1)

    Examples
    --------
    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)))[0, 0]
    array([[4., 4.],
           [4., 4.]])
    """
    x = float_array("x", x, ndim=4)
    weight = float_array("weight", weight, ndim=4)
    padding = integer("padding", padding, minimum=0)
    if weight.shape[1] != x.shape[1]:
        raise ValueError(
            f"weight must have {x.shape[1]} input channels as x of shape {x.shape}, "
            f"got weight of shape {weight.shape}"
        )
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    if weight.shape[2] > x.shape[2] or weight.shape[3] > x.shape[3]:
        raise ValueError(
            f"the kernel {weight.shape[2:]} is larger than the padded image "
            f"{x.shape[2:]}; raise padding"
        )
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
    y = np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True)
    return y + _bias(bias, weight)[:, None, None]


def fold_batch_norm_into_previous(
    weight, bias, running_mean, running_var, gamma=None, beta=None, *, eps=1e-5
):
    """Fold batch norm at inference into the linear map right before it.

    Parameters
    ----------
    weight : ndarray of shape (n_in, n_out) or (C_out, C_in, kH, kW)
        Linear or convolution weight.
    bias : ndarray of shape (n_out,) or None
        Its bias; None means 0.
    running_mean, running_var : ndarray of shape (n_out,)
        Statistics of the output of the linear map, per output or channel.
    gamma, beta : ndarray of shape (n_out,), optional
        Scale and shift of the norm; default 1 and 0.
    eps : float
        Added to the variance inside the root; default 1e-5.

    Returns
    -------
    weight : ndarray
        Folded weight, of the shape of ``weight``.
    bias : ndarray of shape (n_out,)
        Folded bias.

    Notes
    -----
    With ``s = gamma / sqrt(running_var + eps)``: each output's weights times s,
    and ``bias' = (bias - running_mean) s + beta``. Right only where nothing
    non-linear stands between the two.

    References
    ----------
    Ioffe, Szegedy 2015, arXiv:1502.03167, algorithm 2, line 11.
    Jacob et al. 2018, arXiv:1712.05877, section 3.2 (folding).

    Examples
    --------
    >>> weight, bias = np.array([[2.0]]), np.array([1.0])
    >>> mean, var = np.array([5.0]), np.array([4.0])
    >>> fold_batch_norm_into_previous(weight, bias, mean, var, eps=0.0)
    (array([[1.]]), array([-2.]))
    """
    weight = _weight(weight)
    n_out = weight.shape[_out_axis(weight)]
    scale, shift = _scale_and_shift(running_mean, running_var, gamma, beta, eps, n_out)
    folded = weight * _along(scale, weight, _out_axis(weight))
    return folded, _bias(bias, weight) * scale + shift


def fold_batch_norm_into_next(
    weight, bias, running_mean, running_var, gamma=None, beta=None, *, eps=1e-5
):
    """Fold batch norm at inference into the linear map right after it.

    Parameters and results are those of `fold_batch_norm_into_previous`, but
    statistics, gamma and beta belong to the *inputs* of the linear map: (n_in,).

    Notes
    -----
    With s as there and ``t = beta - running_mean s``: each input's weights times s, and
    ``bias' = bias + t weight``. A convolution with zero padding is NOT
    reproduced at its borders: there the zeros stand in for normalized values,
    and no constant bias can know how many of them a window holds.

    References
    ----------
    Follows from Ioffe, Szegedy 2015, arXiv:1502.03167, algorithm 2, line 11.

    Examples
    --------
    >>> weight, bias = np.array([[2.0]]), np.array([1.0])
    >>> mean, var = np.array([5.0]), np.array([4.0])
    >>> fold_batch_norm_into_next(weight, bias, mean, var, eps=0.0)
    (array([[1.]]), array([-4.]))
    """
    weight = _weight(weight)
    n_in = weight.shape[_in_axis(weight)]
    scale, shift = _scale_and_shift(running_mean, running_var, gamma, beta, eps, n_in)
    shifted = weight * _along(shift, weight, _in_axis(weight))
    not_out = tuple(a for a in range(weight.ndim) if a != _out_axis(weight))
    folded = weight * _along(scale, weight, _in_axis(weight))
    return folded, _bias(bias, weight) + shifted.sum(axis=not_out)


def _weight(weight):
    return float_array("weight", weight, ndim=(2, 4))


def _out_axis(weight):
    return 1 if weight.ndim == 2 else 0


def _in_axis(weight):
    return 0 if weight.ndim == 2 else 1


def _along(vector, weight, axis):
    others = [a for a in range(weight.ndim) if a != axis]
    return np.expand_dims(vector, others)


def _scale_and_shift(running_mean, running_var, gamma, beta, eps, n):
    """Return the norm at inference as one multiplication and one addition."""
    mean = vector("running_mean", running_mean, n)
    var = vector("running_var", running_var, n)
    eps = number("eps", eps, minimum=0)
    if (var < 0).any() or (var + eps == 0).any():
        raise ValueError(
            f"running_var plus eps must be above 0, got a smallest "
            f"running_var of {var.min():g} with eps {eps:g}"
        )
    scale = vector("gamma", gamma, n, 1.0, var.dtype) / np.sqrt(var + eps)
    return scale, vector("beta", beta, n, 0.0, var.dtype) - mean * scale


def _bias(bias, weight):
    n_out = weight.shape[_out_axis(weight)]
    return vector("bias", bias, n_out, 0.0, weight.dtype)
