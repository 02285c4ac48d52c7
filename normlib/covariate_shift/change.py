"""How much the input of a unit changes while a network trains.

Let m_t be the mean of a unit's input over the same digits after t steps. Its change
*over k steps* is the mean of ``|m_(t+k) - m_t|``, its change *by step* that over one
step, its *total* change the largest m_t minus the smallest.
"""

import numpy as np

from normlib._arguments import float_array, integer, reals, takes


@takes(means=reals)
def change(means, steps=1):
    """Return how much the means change over so many steps, averaged.

    Parameters
    ----------
    means : ndarray of shape (T, D)
        Mean input of D units after 0, 1, ..., T - 1 steps.
    steps : int, default 1
        Steps between the two means, 1 to T - 1.

    Returns
    -------
    float
        Mean over time and units of the absolute difference.

    Examples
    --------
    >>> to_and_fro = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> change(to_and_fro), change(to_and_fro, 2)
    (1.0, 0.0)
    """
    means = _means(means)
    if integer("steps", steps) >= len(means):
        raise ValueError(
            f"steps must be below the number of means, {len(means)}, got {steps}"
        )
    return float(np.abs(means[steps:] - means[:-steps]).mean())


@takes(means=reals)
def total_change(means):
    """Return the largest mean of a unit minus its smallest, averaged over the units.

    Parameters
    ----------
    means : ndarray of shape (T, D)
        As in `change`.

    Examples
    --------
    >>> total_change(np.array([[0.0, 0.0], [3.0, 1.0], [1.0, 0.0]]))
    2.0
    """
    return float(np.ptp(_means(means), axis=0).mean())


def _means(means):
    means = np.asarray(means, dtype=float)
    return float_array("means", means, ndim=(1, 2), finite=False)
