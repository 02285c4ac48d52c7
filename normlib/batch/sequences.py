"""Means over sequences of different length, step by step."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array

__all__ = ["StepMeans", "step_means"]


class StepMeans(NamedTuple):
    """What a batch norm per time step would average.

    Attributes
    ----------
    count : ndarray of int, of shape (T,)
        How many sequences reach each step.
    mean : ndarray of shape (T,)
        Mean over those that reach it; NaN where none does.
    padded : ndarray of shape (T,)
        Mean over all sequences, with 0 where a sequence has ended.
    """

    count: np.ndarray
    mean: np.ndarray
    padded: np.ndarray


def step_means(x, lengths):
    """Return the mean of each time step, without and with the padding.

    Parameters
    ----------
    x : ndarray of shape (N, T)
        One feature of N sequences; what lies beyond a sequence's length is ignored.
    lengths : sequence of int
        Of each sequence, 1 to T.

    Returns
    -------
    StepMeans
        ``mean = sum / count`` and ``padded = sum / N`` of the steps that exist.

    Examples
    --------
    >>> step_means(np.array([[1.0, 5.0], [3.0, 7.0]]), [2, 1])
    StepMeans(count=array([2, 1]), mean=array([2., 5.]), padded=array([2. , 2.5]))
    """
    x, lengths = float_array("x", x), np.asarray(lengths)
    if x.ndim != 2 or lengths.shape != x.shape[:1]:
        raise ValueError(
            f"lengths must have one entry for each row of x, got shapes "
            f"{lengths.shape} and {x.shape}"
        )
    if not ((lengths >= 1) & (lengths <= x.shape[1])).all():
        raise ValueError(f"lengths must lie between 1 and {x.shape[1]}, got {lengths}")
    there = np.arange(x.shape[1]) < lengths[:, None]
    total, count = np.where(there, x, 0.0).sum(axis=0), there.sum(axis=0)
    mean = np.full(x.shape[1], np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return StepMeans(count, mean, total / len(x))
