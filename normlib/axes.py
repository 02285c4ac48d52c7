"""Which entries of an array share one mean and variance: the index sets of every norm.

Wu & He (2018) describe a norm by a set ``S_i`` for every entry ``i``: the entries
whose mean and variance are used to normalize it. `sharing` is the one place where
these sets are written down. ``normlib.norms`` computes with it, the pictures of
the notebooks are drawn from it, so picture and maths cannot disagree.

Layouts: ``(N, D)`` samples x features, ``(N, T, D)`` samples x tokens x features,
``(N, C, H, W)`` samples x channels x height x width.
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, integer

#: The norms that give sets of entries mean 0 and variance 1 (rms: mean square 1).
NORMS = ("batch", "layer", "instance", "group", "rms")

#: The axis of the features (channels) in each layout, by the number of axes.
CHANNEL_AXIS = {2: 1, 3: 2, 4: 1}

#: What people mean by a norm of images (N, C, H, W): the norm and the axes of one set.
IMAGE_READINGS = {
    "batch": ("batch", {}),
    "layer (C, H, W)": ("layer", {"axes": (1, 2, 3)}),
    "layer (C)": ("layer", {"axes": (1,)}),
    "instance": ("instance", {}),
    "group": ("group", {}),
    "RMS (C)": ("rms", {"axes": (1,)}),
}


class Sharing(NamedTuple):
    """How a norm shares its statistics and parameters over an array.

    Attributes
    ----------
    shape : tuple of int
        Shape of x, in group norm with its channels cut into groups.
    axes : tuple of int
        Axes of that shape along which entries share one mean and variance.
    gamma_axes : tuple of int
        Axes of that shape along which entries share one gamma and beta.
    gamma_view : tuple of int
        That shape with 1 for the gamma_axes: so gamma is broadcast.
    stats_view : tuple of int
        That shape with 1 for the axes: so mean and variance are broadcast.
    stats_shape : tuple of int
        Shape of the mean and of the variance; its product counts the pairs.
    parameter_shape : tuple of int
        Shape of gamma and beta as the caller knows them.
    size : int
        Entries that share one mean.
    """

    shape: tuple
    axes: tuple
    gamma_axes: tuple
    gamma_view: tuple
    stats_view: tuple
    stats_shape: tuple
    parameter_shape: tuple
    size: int


def sharing(norm, shape, num_groups=None, axes=None):
    """Describe which entries share statistics and parameters.

    Parameters
    ----------
    norm : {"batch", "layer", "instance", "group", "rms"}
        The norm.
    shape : tuple of int
        Shape of x: (N, D), (N, T, D) or (N, C, H, W); any shape for layer and rms.
    num_groups : int, optional
        Groups of channels; for ``"group"`` only. Must divide the channels.
    axes : int or tuple of int, optional
        Axes of one set; for ``"layer"`` and ``"rms"`` only. Default: the last axis.

    Returns
    -------
    Sharing
        The axes, and the shapes of statistics and parameters.

    Notes
    -----
    With i = (i_N, i_C, i_H, i_W), Wu & He (2018), equations 3-5 and 7:

    - batch: ``S_i = {k : k_C = i_C}``
    - layer: ``S_i = {k : k_N = i_N}`` (reading "image": axes 1, 2, 3)
    - instance: ``S_i = {k : k_N = i_N, k_C = i_C}``
    - group: ``S_i = {k : k_N = i_N, floor(k_C / (C/G)) = floor(i_C / (C/G))}``

    References
    ----------
    Wu and He, 2018, "Group Normalization", arXiv:1803.08494.

    Examples
    --------
    >>> how = sharing("group", (2, 6, 4, 4), num_groups=3)
    >>> how.shape, how.axes, how.stats_shape
    ((2, 3, 2, 4, 4), (2, 3, 4), (2, 3))
    """
    choice("norm", norm, NORMS)
    shape = _shape(shape)
    if norm in ("layer", "rms"):
        axes = normalize_axes(-1 if axes is None else axes, len(shape))
    elif axes is not None:
        raise ValueError(
            f"axes is for layer and rms norm only, got axes={axes} with "
            f"norm={norm!r}; leave it out"
        )
    if norm == "group":
        if num_groups is None:
            raise ValueError("num_groups is needed for group norm, got None; try 2")
        num_groups = integer("num_groups", num_groups)
    elif num_groups is not None:
        raise ValueError(
            f"num_groups is for group norm only, got num_groups={num_groups} with "
            f"norm={norm!r}; leave it out"
        )
    return known_sharing(norm, shape, num_groups, axes)


@lru_cache(maxsize=1024)
def known_sharing(norm, shape, num_groups=None, axes=None):
    """Return `sharing` of arguments that are known to be right."""
    if 0 in shape:
        raise ValueError(
            f"x must have at least one entry along every axis, got shape {shape}; "
            f"leave empty batches out"
        )
    ndim = len(shape)
    every = range(ndim)
    if norm in ("layer", "rms"):
        others = tuple(axis for axis in every if axis not in axes)
        return _described(shape, axes, others, tuple(shape[axis] for axis in axes))
    if ndim not in CHANNEL_AXIS:
        raise ValueError(
            f"x must have shape (N, D), (N, T, D) or (N, C, H, W) for {norm} norm, "
            f"got {shape}; reshape x to one of these"
        )
    channel = CHANNEL_AXIS[ndim]
    channels = shape[channel]
    others = tuple(axis for axis in every if axis != channel)
    if norm == "batch":
        return _described(shape, others, others, (channels,))
    if norm == "instance":
        return _described(shape, others[1:], others, (channels,))
    if channels % num_groups:
        divisors = [str(k) for k in range(1, channels + 1) if channels % k == 0]
        raise ValueError(
            f"num_groups must divide the {channels} channels of x, got {num_groups}; "
            f"choose one of {', '.join(divisors)}"
        )
    # The axis of the channels becomes two: the groups, and the channels of a group.
    shape = (
        *shape[:channel],
        num_groups,
        channels // num_groups,
        *shape[channel + 1 :],
    )
    within = tuple(axis for axis in range(1, ndim + 1) if axis != channel)
    others = tuple(
        axis for axis in range(ndim + 1) if axis not in (channel, channel + 1)
    )
    return _described(shape, within, others, (channels,))


def _described(shape, axes, gamma_axes, parameter_shape):
    kept = tuple(n for axis, n in enumerate(shape) if axis not in axes)
    gamma_view, stats_view = (
        tuple(1 if axis in some else n for axis, n in enumerate(shape))
        for some in (gamma_axes, axes)
    )
    size = prod(shape) // prod(kept)
    return Sharing(
        shape, axes, gamma_axes, gamma_view, stats_view, kept, parameter_shape, size
    )


def normalize_axes(axes, ndim):
    """Sort axes and count them from the front.

    Parameters
    ----------
    axes : int or tuple of int
        Axes, negative ones counted from the end.
    ndim : int
        Number of axes of the array.

    Returns
    -------
    tuple of int
        The axes in 0..ndim-1, ascending.

    Examples
    --------
    >>> normalize_axes((-1, 1), 4)
    (1, 3)
    """
    if integer("ndim", ndim, minimum=0) == 0:
        raise ValueError("x must have at least one axis, got ndim 0, a single number")
    given = tuple(axes) if np.iterable(axes) else (axes,)
    whole = all(
        isinstance(axis, int | np.integer) and not isinstance(axis, bool)
        for axis in given
    )
    found = sorted({int(a) + (ndim if a < 0 else 0) for a in given}) if whole else []
    if not found or len(found) != len(given) or found[0] < 0 or found[-1] >= ndim:
        raise ValueError(
            f"axes must be different axes of x between {-ndim} and {ndim - 1}, "
            f"got {axes!r}"
        )
    return tuple(found)


def index_sets(norm, shape, *, num_groups=None, axes=None):
    """Label every entry with the number of the set it belongs to.

    Parameters
    ----------
    norm : {"batch", "layer", "instance", "group", "rms"}
        The norm.
    shape : tuple of int
        Shape of x.
    num_groups : int, optional
        Groups of channels, for ``"group"``.
    axes : int or tuple of int, optional
        Axes of one set, for ``"layer"`` and ``"rms"``. Default: the last axis.

    Returns
    -------
    ndarray of int, of shape `shape`
        Entries with equal labels share mean and variance. Labels count from 0 in
        the order of the (flattened) statistics arrays of ``normlib.norms``.

    References
    ----------
    Wu and He, 2018, "Group Normalization", arXiv:1803.08494, equations 3-7.

    Examples
    --------
    >>> index_sets("batch", (2, 3))
    array([[0, 1, 2],
           [0, 1, 2]])
    >>> index_sets("layer", (2, 3))
    array([[0, 0, 0],
           [1, 1, 1]])
    """
    how = sharing(norm, shape, num_groups, axes)
    labels = np.arange(prod(how.stats_shape)).reshape(how.stats_view)
    return np.broadcast_to(labels, how.shape).reshape(shape).copy()


def count_sets(norm, shape, *, num_groups=None, axes=None):
    """Count the sets: one (mean, variance) pair each.

    Parameters
    ----------
    norm, shape, num_groups, axes
        As in `index_sets`.

    Returns
    -------
    int
        Number of pairs (of mean squares for rms norm).

    Examples
    --------
    >>> [count_sets(norm, (8, 6, 4, 4)) for norm in ("batch", "instance")]
    [6, 48]
    """
    return prod(sharing(norm, shape, num_groups, axes).stats_shape)


def parameter_shape(norm, shape, *, num_groups=None, axes=None):
    """Give the shape of gamma and beta.

    Parameters
    ----------
    norm, shape, num_groups, axes
        As in `index_sets`.

    Returns
    -------
    tuple of int
        One per feature or channel; for layer and rms norm ``x.shape[axes]``.

    Examples
    --------
    >>> parameter_shape("group", (8, 6, 4, 4), num_groups=2)
    (6,)
    >>> parameter_shape("layer", (8, 6, 4, 4), axes=(1, 2, 3))
    (6, 4, 4)
    """
    return sharing(norm, shape, num_groups, axes).parameter_shape


def _shape(shape):
    """Return a shape as a tuple of whole numbers, or say what is wrong with it."""
    if not isinstance(shape, tuple | list):
        raise TypeError(f"shape must be a tuple such as (2, 3), got {shape!r}")
    return tuple(integer("shape", n, minimum=0) for n in shape)
