"""The arithmetic under every norm: standardize sets of entries of a matrix.

A row of the matrix is one sample (or token). A set is made of `width` neighbouring
entries of a row; with ``across=True`` the same entries of all other rows belong to
it as well. That is enough for every norm:

- layer and RMS norm: ``width`` = the whole row;
- group and instance norm: ``width`` = the entries of one group or channel;
- batch norm: ``across=True``, ``width`` = the positions of one channel (1 for
  plain features).

What it computes, with means over one set:

- forward: ``x_hat = (x - mean) / sqrt(var + eps)``, ``y = scale * x_hat + shift``;
- backward: ``dx = (d - mean(d) - x_hat * mean(d * x_hat)) / sqrt(var + eps)`` with
  ``d = scale * dy``.

The rest is care for speed and rounding:

- A mean is a matrix product with a vector of 1/n. It runs in BLAS, several times
  faster than ``np.mean``.
- A large array is worked on in blocks of rows that fit in the processor's cache, so
  that memory is read and written once, not once per step.
- The variance is two-pass. Where the mean is far from zero it is rounded coarsely;
  then what is left of it after the subtraction is measured and subtracted too.
"""

from functools import lru_cache
from math import isfinite
from typing import NamedTuple

import numpy as np

#: Bytes of one block: three or four of them fit in a level-2 cache of 1 MB.
BLOCK_BYTES = 2**18

#: Where mean**2 > FAR * var, the rounding of the mean is corrected.
FAR = 4.0


class Moments(NamedTuple):
    """Statistics of the sets, in a shape that broadcasts over them.

    Attributes
    ----------
    mean, var, inv_std : ndarray
        Of shape (sets, 1), or (1, P) with across: one value per column.
    """

    mean: np.ndarray
    var: np.ndarray
    inv_std: np.ndarray


def forward(x, sets, eps, scale=None, shift=None, *, centre=True):
    """Standardize every set of a matrix, then scale and shift.

    Parameters
    ----------
    x : ndarray of float32 or float64, of shape (N, P)
        Data.
    sets : Sets
        Which entries share statistics.
    eps : float
        Added to the variance, in its unit.
    scale, shift : ndarray of shape (P,), optional
        gamma and beta in the float type of x. Default: not applied.
    centre : bool, default True
        False: no mean is subtracted, and var is the mean of the squares.

    Returns
    -------
    x_hat, y : ndarray of shape (N, P)
        Before and after scale and shift.
    moments : Moments
        Statistics.

    Raises
    ------
    ValueError
        If x holds NaN or infinity, or a variance overflows.

    Examples
    --------
    >>> from normlib.axes import Sets
    >>> x_hat, _, _ = forward(np.array([[1.0, 3.0, 10.0, 30.0]]), Sets(2, False), 0)
    >>> x_hat
    array([[-1.,  1., -1.,  1.]])
    """
    with np.errstate(over="ignore", invalid="ignore"):
        result = _forward(x, sets, eps, scale, shift, centre)
        if _in_range(result[2].var, eps):
            return result
        return _forward_wide(x, sets, eps, scale, shift, centre, result)


def _forward(x, sets, eps, scale, shift, centre):
    x_hat, y = np.empty_like(x), np.empty_like(x)
    blocks = row_blocks(x)
    if sets.across and len(blocks) > 1:
        moments = _standardize_across_blocks(x, sets, eps, blocks, x_hat)
        for rows in blocks:
            _affine(x_hat[rows], scale, shift, y[rows])
        return x_hat, y, moments
    parts = []
    for rows in blocks:
        views = [_by_set(a[rows], sets) for a in (x, x_hat, y)]
        parts.append(_standardize(*views, sets, eps, centre))
        _affine(x_hat[rows], scale, shift, y[rows])
    if len(parts) > 1:
        parts = [Moments(*(np.concatenate(part) for part in zip(*parts, strict=True)))]
    return x_hat, y, parts[0]


def _by_set(a, sets):
    """View a matrix so that its sets are rows, or columns if they run across."""
    return a if sets.across else a.reshape(-1, sets.width)


def _standardize(x, x_hat, scratch, sets, eps, centre):
    """Fill x_hat, and return the statistics."""
    if not centre:
        var = mean_of_sets(np.multiply(x, x, out=scratch), sets)
        inv_std = inverse_root(var, eps)
        np.multiply(x, inv_std, out=x_hat)
        return Moments(var, var, inv_std)
    mean, rest, var = _center(x, x_hat, scratch, sets)
    inv_std = inverse_root(var, eps)
    x_hat *= inv_std
    return Moments(mean if rest is None else mean + rest, var, inv_std)


def _center(x, out, scratch, sets):
    """Put x - mean into out; return the mean, what corrects it, and the variance."""
    mean = mean_of_sets(x, sets)
    np.subtract(x, mean, out=out)
    var = mean_of_sets(np.multiply(out, out, out=scratch), sets)
    if (mean * mean <= FAR * var).all():
        return mean, None, var
    # Any value near the mean serves as the first guess. Where an entry of the set is
    # as near as rounding can tell, take it: then a constant set becomes exactly 0.
    entry = _an_entry(x, sets)
    near = np.abs(mean - entry) <= x.size * np.finfo(x.dtype).eps * np.abs(entry)
    mean = np.where(near, entry, mean)
    np.subtract(x, mean, out=out)
    rest = mean_of_sets(out, sets)
    out -= rest
    return mean, rest, mean_of_sets(np.multiply(out, out, out=scratch), sets)


def _standardize_across_blocks(x, sets, eps, blocks, x_hat):
    """Join the statistics of the blocks, then standardize every block with them."""
    mean, rest, var = _join([_block_moments(x[rows], sets) for rows in blocks], x.dtype)
    inv_std = inverse_root(var, eps)
    correct = not (mean * mean <= FAR * var).all()
    for rows in blocks:
        out = x_hat[rows]
        np.subtract(x[rows], mean, out=out)
        if correct:
            out -= rest
        out *= inv_std
    return Moments(mean, var, inv_std)


def _block_moments(x, sets):
    out, scratch = np.empty_like(x), np.empty_like(x)
    mean, rest, var = _center(x, out, scratch, sets)
    rest = 0.0 if rest is None else rest
    return len(x), mean.astype(np.float64) + rest, var.astype(np.float64)


def _join(parts, dtype):
    """Join means and variances by the law of total variance, in float64.

    The mean comes back in two pieces, its rounded value and what was lost.
    """
    counts, means, variances = (np.array(part) for part in zip(*parts, strict=True))
    weights = (counts / counts.sum())[:, None, None]
    # Relative to the first block, so that a constant keeps its exact value.
    mean = means[0] + (weights * (means - means[0])).sum(axis=0)
    var = (weights * (variances + (means - mean) ** 2)).sum(axis=0)
    rounded = mean.astype(dtype)
    return rounded, (mean - rounded).astype(dtype), var.astype(dtype)


def _affine(x_hat, scale, shift, y):
    if scale is None:
        np.copyto(y, x_hat)
    else:
        np.multiply(x_hat, scale, out=y)
    if shift is not None:
        y += shift


def _in_range(var, eps):
    """Whether no square overflowed, and none that matters fell below the smallest."""
    if not isfinite(np.add.reduce(var, axis=None)):
        return False
    smallest = np.finfo(var.dtype).tiny
    return eps > smallest or bool(var.min() > smallest)


def _forward_wide(x, sets, eps, scale, shift, centre, result):
    """Repeat the work in float64, whose range holds the squares of any float32."""
    bad = x.size - np.count_nonzero(np.isfinite(x))
    if bad:
        raise ValueError(
            f"x must be finite, got {bad} of {x.size} entries NaN or infinite; find "
            f"them with np.argwhere(~np.isfinite(x))"
        )
    if x.dtype == np.float32:
        scale, shift = (p if p is None else p.astype(float) for p in (scale, shift))
        result = _forward(x.astype(float), sets, eps, scale, shift, centre)
        x_hat, y, (mean, var, inv_std) = result
        narrow = [a.astype(x.dtype) for a in (x_hat, y, mean, inv_std)]
        return narrow[0], narrow[1], Moments(narrow[2], var, narrow[3])
    if not np.isfinite(result[2].var).all():
        raise ValueError(
            f"x is too large: the variance overflows {x.dtype}, got entries up to "
            f"{np.abs(x).max():.3g}; divide x by a constant first"
        )
    return result


def inverse_root(var, eps):
    """1/sqrt(var + eps), and 0 where that sum is 0 (there x_hat is 0)."""
    std = np.sqrt(var + eps)
    if eps < 1e-30:
        std[std == 0] = np.inf
    return 1 / std


def backward(dy, x_hat, inv_std, sets, scale=None, *, centre=True):
    """Send a gradient back through `forward`.

    Parameters
    ----------
    dy : ndarray of shape (N, P)
        Gradient of the loss with respect to y.
    x_hat : ndarray of shape (N, P)
        Result of `forward`.
    inv_std : ndarray of shape (sets, 1) or (1, P)
        ``moments.inv_std`` of `forward`.
    sets, scale, centre
        As for `forward`.

    Returns
    -------
    dx : ndarray of shape (N, P)
        Gradient with respect to x.
    dscale, dshift : ndarray of shape (P,)
        Gradients with respect to scale and shift, ``sum(dy * x_hat)`` and
        ``sum(dy)`` over the rows.

    Examples
    --------
    >>> from normlib.axes import Sets
    >>> x_hat, _, moments = forward(np.array([[1.0, 2.0, 6.0]]), Sets(3, False), 0)
    >>> dy = np.array([[1.0, 0.0, 0.0]])
    >>> dx, dscale, dshift = backward(dy, x_hat, moments.inv_std, Sets(3, False))
    >>> bool(abs(dx.sum()) < 1e-15)
    True
    """
    dx = np.empty_like(dy)
    blocks = row_blocks(dy)
    scratch = np.empty_like(dx[blocks[0]])
    sums = []
    first_set = 0
    for rows in blocks:
        d, h, out, product = (
            dy[rows],
            x_hat[rows],
            dx[rows],
            scratch[: rows.stop - rows.start],
        )
        np.multiply(d, h, out=product)
        ones = _constant(1, len(d), 1.0, dy.dtype)
        sums.append(((ones @ product), (ones @ d)))
        if not sets.across:
            if scale is not None:
                d = np.multiply(d, scale, out=out)
            d, h, out, product = (_by_set(a, sets) for a in (d, h, out, product))
            if scale is not None:
                np.multiply(d, h, out=product)
            mean_product = mean_of_sets(product, sets)
            mean = mean_of_sets(d, sets) if centre else None
            k = inv_std[first_set : first_set + len(d)]
            first_set += len(d)
            _project(d, h, mean, mean_product, k, out, product)
    if len(sums) == 1:
        dscale, dshift = sums[0]
    else:
        dscale, dshift = (
            np.sum(parts, axis=0, dtype=np.float64).astype(dy.dtype)
            for parts in zip(*sums, strict=True)
        )
    if sets.across:
        mean_product, mean = _fold(dscale, sets, len(dy)), _fold(dshift, sets, len(dy))
        k = inv_std if scale is None else inv_std * scale
        for rows in blocks:
            _project(
                dy[rows],
                x_hat[rows],
                mean,
                mean_product,
                k,
                dx[rows],
                scratch[: rows.stop - rows.start],
            )
    return dx, dscale[0], dshift[0]


def _project(d, x_hat, mean, mean_product, inv_std, out, scratch):
    """Put (d - mean - x_hat * mean_product) * inv_std into out."""
    np.multiply(x_hat, mean_product, out=scratch)
    np.subtract(d, scratch, out=out)
    if mean is not None:
        out -= mean
    out *= inv_std


def row_blocks(x):
    """Cut the first axis into blocks of about `BLOCK_BYTES`.

    Parameters
    ----------
    x : ndarray
        Array with at least one axis and one entry.

    Returns
    -------
    list of slice
        Slices of the first axis, in order, that cover it; one for a small array.

    Examples
    --------
    >>> row_blocks(np.zeros((3, 5)))
    [slice(0, 3, None)]
    """
    if x.nbytes <= BLOCK_BYTES:
        return [slice(0, len(x))]
    rows = max(1, BLOCK_BYTES * len(x) // x.nbytes)
    return [slice(i, min(i + rows, len(x))) for i in range(0, len(x), rows)]


def mean_of_sets(a, sets):
    """Average every set.

    Parameters
    ----------
    a : ndarray of shape (sets, width), or (N, P) with across
        Values, as `_by_set` views them.
    sets : Sets
        Which entries form a set.

    Returns
    -------
    ndarray of shape (sets, 1) or (1, P)
        The means, repeated for the columns of one set.

    Examples
    --------
    >>> from normlib.axes import Sets
    >>> mean_of_sets(np.array([[1.0, 2.0], [3.0, 4.0]]), Sets(1, True))
    array([[2., 3.]])
    """
    if sets.across:
        n = len(a)
        return _fold(_constant(1, n, 1 / n, a.dtype) @ a, sets, 1)
    return a @ _constant(sets.width, 1, 1 / sets.width, a.dtype)


def _fold(row, sets, n):
    """Divide a row by n and average it over neighbouring columns of one set."""
    if sets.width == 1:
        return row if n == 1 else row * (1 / n)
    means = row.reshape(-1, sets.width) @ _constant(
        sets.width, 1, 1 / (n * sets.width), row.dtype
    )
    return np.repeat(means, sets.width)[None]


def _an_entry(x, sets):
    if not sets.across:
        return x[:, :1]
    return np.repeat(x[:1, :: sets.width], sets.width, axis=1)


@lru_cache(maxsize=64)
def _constant(rows, columns, value, dtype):
    return np.full((rows, columns), value, dtype)
