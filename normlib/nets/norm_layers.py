"""Every norm as a layer with parameters, and batch norm with its four switches."""

import math

import numpy as np

from normlib._arguments import integer, number
from normlib.nets.norm_core import (
    Norm,
    average,
    inverse_root,
    standardize,
    standardize_backward,
)

__all__ = [
    "BatchNorm",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "Norm",
    "RMSNorm",
    "norm_layer",
]


# What to do about a batch of one.
LARGER_BATCH = "a larger batch, or net.eval() to normalize by the running statistics"


class LayerNorm(Norm):
    """Layer norm: one mean per case (per position of a sequence).

    For ``(N, C, H, W)`` the mean is over C, H and W, the reading of Wu and He.

    References
    ----------
    J. Ba, J. Kiros and G. Hinton (2016), arXiv:1607.06450, equation 3.
    """

    def statistics_axes(self, ndim):
        """Return the axes of one mean and one variance."""
        return (1, 2, 3) if self.images(ndim) else (ndim - 1,)


class InstanceNorm(Norm):
    """Instance norm: one mean per image and channel, ``(N, C, H, W)`` only.

    References
    ----------
    D. Ulyanov, A. Vedaldi and V. Lempitsky (2016), arXiv:1607.08022.
    """

    def statistics_axes(self, ndim):
        """Return the axes of one mean and one variance."""
        if not self.images(ndim):
            raise ValueError(
                f"InstanceNorm expects x of shape (N, {self.n}, H, W), got "
                f"{ndim} axes; without positions each mean would be over one value"
            )
        return (2, 3)

    def normalize(self, x):
        """Return ``x_hat`` and keep what its gradient needs."""
        check_several(self, x, x, self.statistics_axes(x.ndim), "more positions")
        return super().normalize(x)


class GroupNorm(Norm):
    """Group norm: one mean per case and group of neighbouring features.

    Parameters
    ----------
    n : int
        Number of features or channels.
    num_groups : int
        Number of groups, a divisor of ``n``.
    eps : float, default 1e-5
        Added to the variance, inside the root.

    References
    ----------
    Y. Wu and K. He (2018), arXiv:1803.08494, equation 7.
    """

    def __init__(self, n, num_groups, *, eps=1e-5):
        super().__init__(n, eps=eps)
        self.num_groups = integer("num_groups", num_groups)
        if n % num_groups:
            fits = ", ".join(str(g) for g in range(1, n + 1) if n % g == 0)
            raise ValueError(
                f"num_groups must divide the {n} features, got {num_groups}; "
                f"choose one of {fits}"
            )

    def grouped(self, x):
        """Return ``x`` with the axis of features cut into groups."""
        axis = 1 if self.images(x.ndim) else x.ndim - 1
        shape = x.shape[:axis] + (self.num_groups, -1) + x.shape[axis + 1 :]
        return x.reshape(shape)

    def statistics_axes(self, ndim):
        """Return the axes of one mean, counted in the grouped array."""
        return (2, 3, 4) if self.images(ndim) else (ndim,)

    def normalize(self, x):
        """Return ``x_hat`` and keep what its gradient needs."""
        axes, x_grouped = self.statistics_axes(x.ndim), self.grouped(x)
        check_several(self, x, x_grouped, axes, "fewer groups")
        self.grouped_hat, self.stats = standardize(x_grouped, axes, self.eps)
        return self.grouped_hat.reshape(x.shape)

    def normalize_backward(self, dx_hat):
        """Return the gradient of the input, through mean and variance too."""
        axes = self.statistics_axes(dx_hat.ndim)
        dx = standardize_backward(
            self.grouped(dx_hat), self.grouped_hat, self.stats.inv_std, axes
        )
        return dx.reshape(dx_hat.shape)


class RMSNorm(Norm):
    """RMS norm: divide each case by its root mean square; no mean, no beta.

    References
    ----------
    B. Zhang and R. Sennrich (2019), arXiv:1910.07467, equation 4.
    """

    def __init__(self, n, *, eps=1e-5):
        super().__init__(n, eps=eps)
        del self.params["beta"], self.grads["beta"]

    def statistics_axes(self, ndim):
        """Return the axes of one mean square."""
        return (1, 2, 3) if self.images(ndim) else (ndim - 1,)

    def normalize(self, x):
        """Return ``x / rms(x)`` and keep what its gradient needs."""
        mean_square = average(x * x, self.statistics_axes(x.ndim))
        self.inv_rms = inverse_root(mean_square, self.eps)
        return x * self.inv_rms

    def normalize_backward(self, dx_hat):
        """Return the gradient of the input, through the root mean square too."""
        axes = self.statistics_axes(dx_hat.ndim)
        dx = dx_hat - self.x_hat * average(dx_hat * self.x_hat, axes)
        dx *= self.inv_rms
        return dx


class BatchNorm(Norm):
    """Batch norm: one mean per feature, over the cases of the mini-batch.

    Parameters
    ----------
    n : int
        Number of features or channels.
    eps : float, default 1e-5
        Added to the variance, inside the root.
    momentum : float, default 0.1
        Weight of the new value in the running statistics, 0 to 1, as in
        PyTorch: ``running = (1 - momentum) * running + momentum * batch``.

    Attributes
    ----------
    trainable : bool
        Switch 1. If False, gradient descent leaves gamma and beta alone.
    use_batch_statistics : bool
        Switch 2. True: normalize by the mini-batch. False: by the running
        statistics, which are then constants for the gradient (switch 4,
        ``use_running_statistics``, is its opposite).
    update_running : bool
        Switch 3. If True, each forward pass moves the running statistics.

    Notes
    -----
    The mini-batch is normalized by its 1/N variance; the running variance
    takes the 1/(N-1) variance, as in PyTorch. With switches 3 and 4 both on,
    the batch is normalized by what the running statistics were before it came.

    References
    ----------
    S. Ioffe and C. Szegedy (2015), arXiv:1502.03167, algorithms 1 and 2.
    """

    def __init__(self, n, *, eps=1e-5, momentum=0.1):
        super().__init__(n, eps=eps)
        self.momentum = number("momentum", momentum, minimum=0)
        if momentum > 1:
            raise ValueError(f"momentum must be between 0 and 1, got {momentum}")
        self.use_batch_statistics = True
        self.update_running = True
        self.buffers = {"running_mean": np.zeros(n), "running_var": np.ones(n)}

    @property
    def use_running_statistics(self):
        """Switch 4: normalize by the running statistics, not by the batch."""
        return not self.use_batch_statistics

    @use_running_statistics.setter
    def use_running_statistics(self, value):
        self.use_batch_statistics = not value

    def statistics_axes(self, ndim):
        """Return the axes of one mean and one variance."""
        return self.feature_axes(ndim)

    def normalize(self, x):
        """Return ``x_hat`` by the statistics that the switches choose."""
        self.inv_std = None  # not by running statistics; a switch may move later
        if self.use_batch_statistics or self.update_running:
            check_several(self, x, x, self.statistics_axes(x.ndim), LARGER_BATCH)
            x_hat = super().normalize(x)
        if not self.use_batch_statistics:
            running_var = self.per_feature("running_var", x.ndim)
            self.inv_std = inverse_root(running_var, self.eps)
            x_hat = (x - self.per_feature("running_mean", x.ndim)) * self.inv_std
        if self.update_running:
            self.update(x.size // self.stats.mean.size)
        return x_hat

    def normalize_backward(self, dx_hat):
        """Return the gradient of the input; running statistics are constants."""
        if self.inv_std is None:
            return super().normalize_backward(dx_hat)
        return dx_hat * self.inv_std

    def backward(self, dy):
        """Return the gradient of the input, and fill those of gamma and beta.

        By the batch, gamma and the mean are shared by the same entries, so the
        sums for gamma and beta are also the means that dx takes away.
        """
        if self.inv_std is not None:
            return super().backward(dy)
        self.check_gradient(dy, self.x_hat.shape)
        axes = self.feature_axes(dy.ndim)
        dgamma = np.add.reduce(dy * self.x_hat, axis=axes, keepdims=True)
        dbeta = np.add.reduce(dy, axis=axes, keepdims=True)
        self.grads["gamma"][...] = dgamma.reshape(self.grads["gamma"].shape)
        self.grads["beta"][...] = dbeta.reshape(self.grads["beta"].shape)
        count = dy.size // dbeta.size
        dx = self.x_hat * (dgamma / -count)
        dx += dy
        dx -= dbeta / count
        dx *= self.per_feature("gamma", dy.ndim) * self.stats.inv_std
        return dx

    def update(self, count):
        """Move the running statistics towards those of a batch of ``count``."""
        mean, var = self.buffers["running_mean"], self.buffers["running_var"]
        batch_var = self.stats.var * (count / (count - 1))
        for running, batch in ((mean, self.stats.mean), (var, batch_var)):
            running *= 1 - self.momentum
            running += self.momentum * batch.reshape(running.shape)


def check_several(norm, x, grouped, axes, way_out):
    """Raise a ValueError if a mean is over one value of x, seen as ``grouped``."""
    if math.prod(grouped.shape[axis] for axis in axes) == 1:
        raise ValueError(
            f"{type(norm).__name__} needs at least 2 values per mean, got 1 in x of "
            f"shape {x.shape}: every x_hat would be 0; take {way_out}"
        )


def norm_layer(norm, n, *, eps=1e-5):
    """Build a norm layer from its name.

    Parameters
    ----------
    norm : {None, "batch", "layer", "rms", "instance", "group:8"}
        Name of the norm; the number of groups follows a colon.
    n : int
        Number of features or channels.
    eps : float, default 1e-5
        Added to the variance, inside the root.

    Returns
    -------
    Layer or None
        The layer, None for no norm.

    Examples
    --------
    >>> norm_layer("group:4", 8).num_groups
    4
    """
    if norm is None:
        return None
    kinds = {
        "batch": BatchNorm,
        "layer": LayerNorm,
        "rms": RMSNorm,
        "instance": InstanceNorm,
    }
    name, _, groups = str(norm).partition(":")
    if name == "group" and groups.isdigit():
        return GroupNorm(n, int(groups), eps=eps)
    if norm not in kinds:
        raise ValueError(
            'norm must be None, "batch", "layer", "rms", "instance" or "group:8" '
            f"(8 groups), got {norm!r}"
        )
    return kinds[norm](n, eps=eps)
