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

NORMS = ("batch", "layer", "instance", "group", "rms")

#: The axis of the features (channels) in each layout, by the number of axes.
CHANNEL_AXIS = {2: 1, 3: 2, 4: 1}

#: What people mean by "layer norm": the axes of one set, by the number of axes.
LAYER_READINGS = {
    "token": {2: (1,), 3: (2,), 4: (3,)},
    "image": {2: (1,), 3: (1, 2), 4: (1, 2, 3)},
    "pixel": {2: (1,), 3: (2,), 4: (1,)},
}


class Sets(NamedTuple):
    """Which entries of a matrix form one set.

    Attributes
    ----------
    width : int
        Neighbouring entries of a row that belong to one set.
    across : bool
        Whether those entries of all other rows belong to it as well.
    repeat : int
        Neighbouring entries of a row that share one parameter.
    """

    width: int
    across: bool
    repeat: int


class Sharing(NamedTuple):
    """How a norm shares its statistics and parameters over an array.

    The array becomes a matrix: ``x.transpose(order).reshape(matrix)``.

    Attributes
    ----------
    order : tuple of int or None
        Order of the axes in which the sets are neighbours; None: as they are.
    matrix : tuple of int
        Rows and columns; a row is one sample or token.
    sets : Sets
        Which entries of the matrix share statistics and parameters.
    stats_shape : tuple of int
        Shape of the mean and of the variance; its product counts the pairs.
    parameter_shape : tuple of int
        Shape of gamma and beta.
    size : int
        Entries in one set.
    """

    order: tuple | None
    matrix: tuple
    sets: Sets
    stats_shape: tuple
    parameter_shape: tuple
    size: int


@lru_cache(maxsize=1024, typed=True)  # 2.0 is no number of groups, though 2 is
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
        The matrix, its sets, and the shapes of statistics and parameters.

    Raises
    ------
    ValueError
        If the norm is unknown, the shape is no layout of it, an axis has no
        entries, or `num_groups` does not divide the channels.

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
    >>> how.matrix, how.sets.width, how.stats_shape
    ((2, 96), 32, (2, 3))
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    _check_options(norm, num_groups, axes)
    if not shape:
        raise ValueError("x must have at least one axis, got a single number")
    if min(shape) < 1:
        raise ValueError(
            f"x must have at least one entry along every axis, got shape {shape}; "
            f"leave empty batches out"
        )
    if norm in ("layer", "rms"):
        return _over_axes(
            shape, normalize_axes(-1 if axes is None else axes, len(shape))
        )
    if len(shape) not in CHANNEL_AXIS:
        raise ValueError(
            f"x must have shape (N, D), (N, T, D) or (N, C, H, W) for {norm} norm, "
            f"got {shape}; reshape x to one of these"
        )
    if norm == "batch":
        return _batch(shape)
    return _within_sample(shape, num_groups)


def _check_options(norm, num_groups, axes):
    if norm == "group" and num_groups is None:
        raise ValueError("num_groups is needed for group norm, got None; try 2")
    if norm != "group" and num_groups is not None:
        raise ValueError(
            f"num_groups is for group norm only, got num_groups={num_groups} with "
            f"norm={norm!r}; leave it out"
        )
    if norm not in ("layer", "rms") and axes is not None:
        raise ValueError(
            f"axes is for layer and rms norm only, got axes={axes} with "
            f"norm={norm!r}; leave it out"
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

    Raises
    ------
    ValueError
        If there are none, one is out of range or comes twice.

    Examples
    --------
    >>> normalize_axes((-1, 1), 4)
    (1, 3)
    """
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


def _over_axes(shape, axes):
    """Share over whole axes; parameters, if any, have the shape of these axes."""
    ndim = len(shape)
    kept = tuple(axis for axis in range(ndim) if axis not in axes)
    stats_shape = tuple(shape[axis] for axis in kept)
    parameter_shape = tuple(shape[axis] for axis in axes)
    size, count = prod(parameter_shape), prod(stats_shape)
    if kept and axes == tuple(range(len(axes))):
        order, matrix, sets = None, (size, count), Sets(1, True, 1)
    else:
        order = None if kept + axes == tuple(range(ndim)) else kept + axes
        matrix, sets = (count, size), Sets(size, False, 1)
    return Sharing(order, matrix, sets, stats_shape, parameter_shape, size)


def _batch(shape):
    """Share over all axes but the channels."""
    channels = shape[CHANNEL_AXIS[len(shape)]]
    positions = shape[2] * shape[3] if len(shape) == 4 else 1
    rows = prod(shape) // (channels * positions)
    return Sharing(
        None,
        (rows, channels * positions),
        Sets(positions, True, positions),
        (channels,),
        (channels,),
        rows * positions,
    )


def _within_sample(shape, num_groups):
    """Share over the positions of a group of channels; None: each channel alone."""
    n, channels = shape[0], shape[CHANNEL_AXIS[len(shape)]]
    groups = channels if num_groups is None else num_groups
    if isinstance(groups, bool) or not isinstance(groups, int | np.integer):
        raise ValueError(f"num_groups must be a whole number, got {num_groups!r}")
    if groups < 1 or channels % groups:
        divisors = [k for k in range(1, channels + 1) if channels % k == 0]
        raise ValueError(
            f"num_groups must divide the {channels} channels of x, got {num_groups}; "
            f"choose one of {', '.join(map(str, divisors))}"
        )
    positions = prod(shape) // (n * channels)
    width = channels // groups * positions
    return Sharing(
        (0, 2, 1) if len(shape) == 3 else None,
        (n, channels * positions),
        Sets(width, False, positions),
        (n, int(groups)),
        (channels,),
        width,
    )


def layer_axes(reading, ndim):
    """Give the axes that a reading of "layer norm" takes its statistics over.

    Parameters
    ----------
    reading : {"token", "image", "pixel"}
        ``"token"``: the last axis (transformers). ``"image"``: all axes but the
        first (Wu & He 2018, figure 2). ``"pixel"``: the channels of every position.
    ndim : {2, 3, 4}
        Number of axes of x.

    Returns
    -------
    tuple of int
        The axes.

    Raises
    ------
    ValueError
        If the reading or the number of axes is unknown.

    Examples
    --------
    >>> [layer_axes(reading, 4) for reading in ("token", "image", "pixel")]
    [(3,), (1, 2, 3), (1,)]
    """
    if reading not in LAYER_READINGS or ndim not in CHANNEL_AXIS:
        raise ValueError(
            f"reading must be one of {', '.join(LAYER_READINGS)} and ndim one of "
            f"2, 3, 4; got {reading!r} and {ndim}"
        )
    return LAYER_READINGS[reading][ndim]


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

    Raises
    ------
    ValueError
        As `sharing`.

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
    how = _sharing(norm, shape, num_groups, axes)
    rows, columns = how.matrix
    if how.sets.across:
        labels = np.tile(np.arange(columns) // how.sets.width, (rows, 1))
    else:
        labels = np.arange(rows * columns) // how.sets.width
    if how.order is None:
        return labels.reshape(shape)
    labels = labels.reshape([shape[axis] for axis in how.order])
    return labels.transpose(np.argsort(how.order))


def shared_with(norm, shape, index, *, num_groups=None, axes=None):
    """Mark the entries that share mean and variance with one entry.

    Parameters
    ----------
    norm, shape, num_groups, axes
        As in `index_sets`.
    index : tuple of int
        The entry, one number per axis; negative ones count from the end.

    Returns
    -------
    ndarray of bool, of shape `shape`
        True on the entry's set S_i, the entry itself included.

    Raises
    ------
    ValueError
        If `index` is no entry of an array of this shape.

    Examples
    --------
    >>> shared_with("batch", (2, 3), (0, 1)).astype(int)
    array([[0, 1, 0],
           [0, 1, 0]])
    """
    labels = index_sets(norm, shape, num_groups=num_groups, axes=axes)
    index = tuple(index)
    inside = len(index) == len(labels.shape) and all(
        -n <= i < n for i, n in zip(index, labels.shape, strict=True)
    )
    if not inside:
        raise ValueError(
            f"index must name one entry of shape {tuple(shape)}, got {index}"
        )
    return labels == labels[index]


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
    return prod(_sharing(norm, shape, num_groups, axes).stats_shape)


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
    return _sharing(norm, shape, num_groups, axes).parameter_shape


def _sharing(norm, shape, num_groups, axes):
    """Call `sharing` with arguments that can be hashed (lists become tuples)."""
    shape = tuple(int(n) for n in shape)
    if axes is not None and not isinstance(axes, int | np.integer):
        axes = tuple(axes)
    return sharing(norm, shape, num_groups, axes)
