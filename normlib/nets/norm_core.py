"""What all norm layers have in common.

A norm layer normalizes to ``x_hat`` and returns ``y = gamma * x_hat + beta``. Its
kind says which entries share a mean and a variance.

The arithmetic is that of :mod:`normlib.norms` (a test holds them together)
without its checks: in a network that diverges, NaN has to travel to the loss,
where the training loop sees it and stops.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import integer, number
from normlib.nets.layers import Layer, check_features

__all__ = ["Norm", "Stats", "standardize", "standardize_backward"]


SMALL_EPS = 1e-8  # from here on it covers what rounding leaves of a constant set


class Stats(NamedTuple):
    """Mean, variance (1/N) and 1/sqrt(var + eps), of x's shape with 1 for the axes."""

    mean: np.ndarray
    var: np.ndarray
    inv_std: np.ndarray


def standardize(x, axes, eps):
    """Return ``(x - mean) / sqrt(var + eps)`` over some axes, and the statistics.

    Where all entries are equal ``x_hat`` is 0; for eps of 1e-8 or more it is
    the rounding of their mean, divided by the root of eps at least.
    """
    mean = average(x, axes)
    x_hat = x - mean
    var = average(x_hat * x_hat, axes)
    if eps < SMALL_EPS and (var <= 1e-6 * mean * mean).any():  # perhaps constant
        low = np.minimum.reduce(x, axis=axes, keepdims=True)
        x_hat *= low != np.maximum.reduce(x, axis=axes, keepdims=True)
        var = average(x_hat * x_hat, axes)
    inv_std = inverse_root(var, eps)
    x_hat *= inv_std
    return x_hat, Stats(mean, var, inv_std)


def standardize_backward(dx_hat, x_hat, inv_std, axes):
    """Return the gradient of x, through its mean and variance too."""
    dx = x_hat * -average(dx_hat * x_hat, axes)
    dx += dx_hat
    dx -= average(dx_hat, axes)
    dx *= inv_std
    return dx


def average(x, axes):
    """Return the mean over some axes, kept with length 1."""
    total = np.add.reduce(x, axis=axes, keepdims=True)  # x.mean() is slower on 60x100
    total *= total.size / x.size
    return total


def inverse_root(var, eps):
    """Return ``1 / sqrt(var + eps)``, and 0 where that sum is 0 (constant x)."""
    std = np.sqrt(var + var.dtype.type(eps))
    if eps > 1e-30:  # 1e-50 is 0 in float32
        return 1 / std
    return np.divide(1, std, out=np.zeros_like(std), where=std != 0)


class Norm(Layer):
    """Normalize, then scale by gamma and shift by beta, one of each per feature.

    Parameters
    ----------
    n : int
        Number of features D of ``(N, D)`` and ``(N, T, D)``, or of channels C
        of ``(N, C, H, W)``.
    eps : float, default 1e-5
        Added to the variance, inside the root; 0 or more. With 0, too, entries
        that are all equal become 0.
    """

    def __init__(self, n, *, eps=1e-5):
        self.n = integer("n", n)
        self.eps = number("eps", eps, minimum=0)
        super().__init__(gamma=np.ones(n), beta=np.zeros(n))

    def statistics_axes(self, ndim):
        """Return the axes of one mean and one variance."""
        raise NotImplementedError

    def normalize(self, x):
        """Return ``x_hat`` and keep what its gradient needs."""
        axes = self.statistics_axes(x.ndim)
        x_hat, self.stats = standardize(x, axes, self.eps)
        return x_hat

    def normalize_backward(self, dx_hat):
        """Return the gradient of the input, through mean and variance too."""
        axes = self.statistics_axes(dx_hat.ndim)
        return standardize_backward(dx_hat, self.x_hat, self.stats.inv_std, axes)

    def forward(self, x):
        """Return ``gamma * x_hat + beta``."""
        self.check(x)
        if self.networks is not None and x.ndim == 2:  # the same cases for all
            x = np.broadcast_to(x, (self.networks, *x.shape))
        self.x_hat = self.normalize(x)
        y = self.x_hat * self.per_feature("gamma", x.ndim)
        if "beta" in self.params:
            y += self.per_feature("beta", x.ndim)
        return y

    def backward(self, dy):
        """Return the gradient of the input, and fill those of gamma and beta."""
        self.check_gradient(dy, self.x_hat.shape)
        axes = self.feature_axes(dy.ndim)
        np.add.reduce(dy * self.x_hat, axis=axes, out=self.grads["gamma"])
        if "beta" in self.params:
            np.add.reduce(dy, axis=axes, out=self.grads["beta"])
        return self.normalize_backward(dy * self.per_feature("gamma", dy.ndim))

    def check(self, x):
        """Raise if ``x`` is no array of floats with ``n`` features."""
        if not (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
            raise TypeError(
                f"{type(self).__name__} expects an array of floats, got "
                f"{getattr(x, 'dtype', type(x).__name__)}; convert it with "
                "np.asarray(x, dtype=float)"
            )
        if x.ndim > 4:  # backward would not know which axes share a gamma
            raise ValueError(
                f"{type(self).__name__} expects x of shape (N, D), (N, T, D) or "
                f"(N, C, H, W), got {x.shape}; put axes together with reshape"
            )
        if not self.images(x.ndim):
            check_features(x, self.n, type(self).__name__)
        elif x.shape[1] != self.n or x.size == 0:
            raise ValueError(
                f"{type(self).__name__} expects x of shape (N, {self.n}, H, W), "
                f"got {x.shape}; axis 1 holds the channels"
            )

    def images(self, ndim):
        """Say whether the input is ``(N, C, H, W)``."""
        return ndim == 4 and self.networks is None

    def feature_axes(self, ndim):
        """Return the axes along which one gamma is shared."""
        if self.networks is not None:
            return (1,)
        return {2: (0,), 3: (0, 1), 4: (0, 2, 3)}[ndim]

    def per_feature(self, name, ndim):
        """Return a parameter, or a buffer, in a shape that meets that of ``x``."""
        values = self.params[name] if name in self.params else self.buffers[name]
        if self.networks is not None:
            return values[:, None, :]
        return values[:, None, None] if self.images(ndim) else values
