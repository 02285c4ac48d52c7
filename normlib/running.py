"""Running statistics: what batch norm uses when there is no batch.

All functions are pure: statistics go in, new statistics come out. The libraries
disagree about the meaning of ``momentum`` and about the variance that is stored;
`CONVENTIONS` holds what each does. Variances are averaged, never deviations.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, natural, real, reals, takes


class Convention(NamedTuple):
    """How a library keeps its running statistics.

    Attributes
    ----------
    momentum_weights : {"new", "old"}
        Which value `momentum` multiplies; the other gets ``1 - momentum``.
    default_momentum : float
        Used when none is given.
    unbiased : bool
        True: the stored variance is that with 1/(N-1); False: with 1/N.
    """

    momentum_weights: str
    default_momentum: float
    unbiased: bool


#: The defaults of PyTorch 2, Keras 3, flax and ONNX's BatchNormalization 15.
CONVENTIONS = {
    "pytorch": Convention("new", 0.1, True),
    "tensorflow": Convention("old", 0.99, False),
    "keras": Convention("old", 0.99, False),
    "flax": Convention("old", 0.99, False),
    "onnx": Convention("old", 0.9, False),
}


@takes(momentum=real)
def weight_of_new(momentum=None, convention="pytorch"):
    """Give the weight of the newest batch under a library's convention.

    Parameters
    ----------
    momentum : float in [0, 1], optional
        As that library means it. Default: the default of the convention.
    convention : {"pytorch", "tensorflow", "keras", "flax", "onnx"}
        The library.

    Returns
    -------
    float
        The weight w of `update_running`.

    Examples
    --------
    >>> weight_of_new(0.1, "pytorch"), round(weight_of_new(0.9, "onnx"), 3)
    (0.1, 0.1)
    """
    rule = _convention(convention)
    momentum = rule.default_momentum if momentum is None else momentum
    _check_momentum(momentum)
    return momentum if rule.momentum_weights == "new" else 1 - momentum


@takes(running_mean=reals, running_var=reals, mean=reals, var=reals, count=natural)
def update_running(
    running_mean,
    running_var,
    mean,
    var,
    count,
    *,
    momentum=None,
    convention="pytorch",
):
    """Move running statistics toward those of one batch.

    Parameters
    ----------
    running_mean, running_var : ndarray of shape (D,)
        Statistics so far, in the unit of x and its square; start with 0 and 1.
    mean, var : ndarray of shape (D,)
        Statistics of the batch; var with 1/N, as `batch_norm` caches it.
    count : int
        N, the entries each mean was taken over (N*H*W for images).
    momentum : float in [0, 1], optional
        As the convention means it. Default: 0.1 for PyTorch (weights the NEW
        value), 0.99 for TensorFlow, Keras and flax, 0.9 for ONNX (weight the OLD).
    convention : {"pytorch", "tensorflow", "keras", "flax", "onnx"}
        Whose rule. PyTorch stores the variance with 1/(N-1), the others with 1/N.

    Returns
    -------
    running_mean, running_var : ndarray of shape (D,)
        New arrays; the inputs are not changed.

    Notes
    -----
    ``new = (1 - w) * old + w * batch`` for both, w from `weight_of_new`.

    TensorFlow's fused kernel for images (``tf.compat.v1.nn.fused_batch_norm``, and
    Keras 2 on images) hands on a variance with 1/(N-1) instead. The names here stand
    for the plain rule, that of Keras 3.

    References
    ----------
    Ioffe and Szegedy, 2015, arXiv:1502.03167, section 3.1 (moving averages);
    ONNX operator BatchNormalization, version 15.

    Examples
    --------
    >>> old = np.array([0.0]), np.array([1.0])
    >>> batch = np.array([10.0]), np.array([8.0])
    >>> update_running(*old, *batch, count=5)
    (array([1.]), array([1.9]))
    >>> update_running(*old, *batch, count=5, momentum=0.9, convention="onnx")
    (array([1.]), array([1.7]))
    """
    weight = weight_of_new(momentum, convention)
    running_mean, running_var = _check_pair(running_mean, running_var, "running_")
    mean, var = _check_pair(mean, var)
    if mean.shape != running_mean.shape:
        raise ValueError(
            f"mean must have the shape of running_mean {running_mean.shape}, "
            f"got {mean.shape}"
        )
    if CONVENTIONS[convention].unbiased:
        var = unbiased_variance(var, count)
    return (
        (1 - weight) * running_mean + weight * mean,
        (1 - weight) * running_var + weight * var,
    )


@takes(var=reals, count=natural)
def unbiased_variance(var, count):
    """Turn a variance with 1/N into that with 1/(N-1).

    Parameters
    ----------
    var : ndarray
        Variance with 1/N.
    count : int
        N, 2 or more.

    Returns
    -------
    ndarray
        ``var * N / (N - 1)``.

    Examples
    --------
    >>> float(unbiased_variance(8.0, 5))
    10.0
    """
    if not count > 1:
        raise ValueError(
            f"count must be 2 or more for a variance with 1/(N-1), got {count}; "
            f"use a larger batch or a convention that stores 1/N"
        )
    var = np.asarray(var)
    if not (np.isfinite(var).all() and (var >= 0).all()):
        raise ValueError(f"var must be finite and 0 or more, got {var}")
    return var * (count / (count - 1))


@takes(average=reals, initial=reals, steps=natural)
def bias_corrected(average, initial, steps, *, momentum=None, convention="pytorch"):
    """Take the starting value out of a running average ("warm-up").

    Parameters
    ----------
    average : ndarray
        Running average after `steps` updates.
    initial : float or ndarray
        Its value before the first update (0 for a mean, 1 for a variance).
    steps : int
        Updates made, 1 or more.
    momentum, convention
        As in `update_running`.

    Returns
    -------
    ndarray
        ``(average - (1-w)**steps * initial) / (1 - (1-w)**steps)``, the weighted
        mean of the batches alone.

    References
    ----------
    Kingma and Ba, 2015, "Adam", arXiv:1412.6980, section 3 (for initial = 0).

    Examples
    --------
    >>> round(float(bias_corrected(1.9, initial=1.0, steps=1)), 6)
    10.0
    """
    weight = weight_of_new(momentum, convention)
    average, initial = np.asarray(average), np.asarray(initial)
    if initial.shape not in ((), average.shape):
        raise ValueError(
            f"initial must be one number or have the shape of average {average.shape}, "
            f"got {initial.shape}"
        )
    if not (np.isfinite(average).all() and np.isfinite(initial).all()):
        raise ValueError("average and initial must be finite, got NaN or infinity")
    rest = (1 - weight) ** steps
    if rest == 1:
        raise ValueError(
            f"momentum gives new values no weight: nothing was averaged, got {momentum}"
        )
    return (average - rest * initial) / (1 - rest)


@takes(momentum=real)
def half_life(momentum=None, convention="pytorch"):
    """Give the number of steps after which a value's weight has halved.

    Parameters
    ----------
    momentum, convention
        As in `update_running`.

    Returns
    -------
    float
        ``log(1/2) / log(1 - w)`` steps; 0 for w = 1, infinity for w = 0.

    Examples
    --------
    >>> round(half_life(0.1), 2)
    6.58
    """
    weight = weight_of_new(momentum, convention)
    if weight == 0:
        return float("inf")
    return 0.0 if weight == 1 else float(np.log(0.5) / np.log1p(-weight))


def _convention(name):
    return CONVENTIONS[choice("convention", name, CONVENTIONS)]


def _check_momentum(momentum):
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum must lie in [0, 1], got {momentum}")


def _check_pair(mean, var, prefix=""):
    mean, var = np.asarray(mean), np.asarray(var)
    if mean.shape != var.shape:
        raise ValueError(
            f"{prefix}mean and {prefix}var must have one shape, "
            f"got {mean.shape} and {var.shape}"
        )
    if not (np.isfinite(mean).all() and np.isfinite(var).all()):
        raise ValueError(
            f"{prefix}mean and {prefix}var must be finite, got NaN or infinity; leave "
            f"out a batch that holds one"
        )
    if (var < 0).any():
        raise ValueError(
            f"{prefix}var must be 0 or more, got {var.min()}; variances are averaged "
            f"here, not standard deviations"
        )
    return mean, var
