"""Losses: the mean over the cases, and its gradient."""

import numpy as np

from normlib._arguments import float_array

__all__ = ["half_squared_error", "softmax", "softmax_cross_entropy"]


def softmax(logits):
    """Turn scores into probabilities along the last axis, without overflow.

    Parameters
    ----------
    logits : ndarray of shape (..., C)
        Scores of C classes.

    Returns
    -------
    ndarray of shape (..., C)
        Positive numbers that sum to 1.

    Examples
    --------
    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    logits = float_array("logits", logits, finite=False)
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return p


def softmax_cross_entropy(logits, labels):
    """Return the mean cross-entropy of a softmax and its gradient.

    Parameters
    ----------
    logits : ndarray of shape (N, C) or (K, N, C)
        Scores of C classes for N cases; K networks at once have a leading axis.
    labels : ndarray of int, of shape (N,) or (K, N)
        The right class of each case, 0 to C - 1.

    Returns
    -------
    loss : float or ndarray of shape (K,)
        Mean over the cases of ``-log(p[label])``, in nats.
    dlogits : ndarray of the shape of ``logits``
        Its gradient, ``(p - one_hot) / N``; that of float16 is float32.

    Raises
    ------
    ValueError, TypeError
        If logits and labels do not fit. NaN in the logits is let through: it is how a
        run diverges.

    Examples
    --------
    >>> loss, dlogits = softmax_cross_entropy(np.zeros((1, 2)), np.array([0]))
    >>> round(float(loss), 4), dlogits
    (0.6931, array([[-0.5,  0.5]]))
    """
    logits = float_array("logits", logits, finite=False)
    logits = np.ascontiguousarray(logits)  # so that p.reshape(-1) is a view
    labels = check_labels(labels, logits)
    classes, n = logits.shape[-1], logits.shape[-2]
    right = np.arange(0, logits.size, classes) + labels.ravel()
    p = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    score = p.reshape(-1)[right].reshape(logits.shape[:-1])
    np.exp(p, out=p)
    total = np.add.reduce(p, axis=-1, keepdims=True)
    loss = np.add.reduce(np.log(total[..., 0]) - score, axis=-1) / n
    p /= total * n
    p.reshape(-1)[right] -= logits.dtype.type(1 / n)
    return loss, p


def half_squared_error(outputs, targets):
    """Return half the squared distance to the targets and its gradient.

    Parameters
    ----------
    outputs : ndarray of shape (N, D) or (K, N, D)
        What the network gave; K networks at once have a leading axis.
    targets : ndarray of shape (N, D), or (K, N, D) if the outputs are
        What it should give.

    Returns
    -------
    loss : float or ndarray of shape (K,)
        Mean over the cases of ``0.5 * ||output - target||**2``.
    doutputs : ndarray of the shape of ``outputs``
        Its gradient, ``(output - target) / N``.

    Examples
    --------
    >>> half_squared_error(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]]))
    (np.float64(12.5), array([[ 3., -4.]]))
    """
    outputs = float_array("outputs", outputs, ndim=(2, 3), finite=False)
    targets = np.asarray(targets)
    if targets.shape not in (outputs.shape, outputs.shape[-2:]):
        raise ValueError(
            f"targets must have shape {outputs.shape[-2:]}, as the outputs, "
            f"got {targets.shape}"
        )
    if targets.dtype.kind not in "biuf":
        raise TypeError(f"targets must hold real numbers, got {targets.dtype}")
    error = outputs - targets
    loss = 0.5 * (error * error).sum(axis=-1).mean(axis=-1)
    error /= outputs.shape[-2]
    return loss, error


def check_labels(labels, logits):
    """Return the labels in the shape of the logits' cases, or raise."""
    labels = np.asarray(labels)
    cases, classes = logits.shape[:-1], logits.shape[-1]
    if logits.ndim < 2 or labels.shape not in (cases, cases[-1:]) or not labels.size:
        raise ValueError(
            f"labels must have shape {cases[-1:]}, one per case of logits of shape "
            f"{logits.shape}, got {labels.shape}"
        )
    check_integers("labels", labels)
    check_range("labels", labels, classes)
    labels = labels.astype(np.intp, copy=False)  # uint64 is no index
    return labels if labels.shape == cases else np.broadcast_to(labels, cases)


def check_integers(name, labels):
    """Raise a TypeError unless the labels are integers."""
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers, got {labels.dtype}; convert them with "
            f"{name}.astype(int)"
        )


def check_range(name, labels, classes):
    """Raise a ValueError unless the labels are between 0 and ``classes - 1``."""
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"{name} must be between 0 and {classes - 1} for {classes} classes, got "
            f"{labels.min()} to {labels.max()}"
        )
