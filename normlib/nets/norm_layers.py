"""Every norm as a layer with parameters, and batch norm with its three switches.

A layer computes with the arithmetic of :mod:`normlib.norms`, without its checks: in a
network that diverges, NaN has to travel to the loss, where the training loop sees it
and stops.
"""

from functools import lru_cache

import numpy as np

from normlib._arguments import integer, number
from normlib.axes import known_sharing
from normlib.nets.layers import Layer, check_features
from normlib.norms import (
    backward,
    by_given,
    forward,
    scale_and_shift,
    total,
)

__all__ = [
    "BatchNorm",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "NETWORK_NORMS",
    "Norm",
    "RMSNorm",
    "norm_layer",
]


#: The norms, or none, of the networks of vectors (N, D) that are compared here.
NETWORK_NORMS = (None, "batch", "layer", "rms")

# What to do about a batch of one.
LARGER_BATCH = "a larger batch, or net.eval() to normalize by the running statistics"


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

    centre = True

    def __init__(self, n, *, eps=1e-5):
        self.n = integer("n", n)
        self.eps = number("eps", eps, minimum=0)
        super().__init__(gamma=np.ones(n), beta=np.zeros(n))

    def sharing(self, shape):
        """Return which entries share statistics and parameters, of x of one shape."""
        if self.networks is None:
            return self.shared(shape)
        return stacked(self.shared(shape[1:]), self.networks)

    def shared(self, shape):
        """Return the same for x of a single network."""
        raise NotImplementedError

    def gradients(self, dy, gamma):
        """Return dx, dgamma and dbeta."""
        inv_std = self.stats.inv_std
        return backward(dy, self.x_hat, inv_std, self.how, gamma, self.centre)

    def forward(self, x):
        """Return ``gamma * x_hat + beta``."""
        self.check(x)
        if self.networks is not None and x.ndim == 2:  # the same cases for all
            x = np.broadcast_to(x, (self.networks, *x.shape))
        self.y_shape = x.shape
        self.how = self.sharing(x.shape)
        gamma, beta = self.view("gamma"), self.view("beta")
        y = self.normalize(x.reshape(self.how.shape), gamma, beta)
        return y.reshape(x.shape)

    def normalize(self, x, gamma, beta):
        """Return y, and keep x_hat and the statistics for the gradient."""
        y, self.x_hat, self.stats = forward(
            x, self.how, self.eps, gamma, beta, self.centre
        )
        return y

    def backward(self, dy):
        """Return the gradient of the input, and fill those of gamma and beta."""
        self.check_gradient(dy, self.y_shape)
        dy = dy.reshape(self.how.shape)
        dx, *gradients = self.gradients(dy, self.view("gamma"))
        for name, gradient in zip(self.params, gradients, strict=False):
            self.grads[name][...] = gradient.reshape(self.grads[name].shape)
        return dx.reshape(self.y_shape)

    def view(self, name):
        """Return a parameter in a shape that meets that of x; None if there is none."""
        values = self.params.get(name)
        return None if values is None else values.reshape(self.how.gamma_view)

    def check(self, x):
        """Raise if ``x`` is no array of float32 or longer with ``n`` features."""
        plain = type(x) is np.ndarray
        if not (plain and x.dtype.kind == "f" and x.itemsize >= 4):
            raise TypeError(
                f"{type(self).__name__} expects an array of floats, got "
                f"{x.dtype if plain else type(x).__name__}; convert it with "
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


@lru_cache(maxsize=256)
def stacked(how, networks):
    """Return how K networks share, each by itself, from how one of them does."""
    return how._replace(
        shape=(networks, *how.shape),
        axes=tuple(axis + 1 for axis in how.axes),
        gamma_axes=tuple(axis + 1 for axis in how.gamma_axes),
        gamma_view=(networks, *how.gamma_view),
        stats_view=(networks, *how.stats_view),
        stats_shape=(networks, *how.stats_shape),
        parameter_shape=(networks, *how.parameter_shape),
    )


class LayerNorm(Norm):
    """Layer norm: one mean per case (per position of a sequence).

    For ``(N, C, H, W)`` the mean is over C, H and W, the reading of Wu and He.

    References
    ----------
    J. Ba, J. Kiros and G. Hinton (2016), arXiv:1607.06450, equation 3.
    """

    def shared(self, shape):
        """Return which entries share statistics and parameters."""
        if self.images(len(shape)):
            return known_sharing("group", shape, 1)
        return known_sharing("layer", shape, axes=(len(shape) - 1,))


class InstanceNorm(Norm):
    """Instance norm: one mean per image and channel, ``(N, C, H, W)`` only.

    References
    ----------
    D. Ulyanov, A. Vedaldi and V. Lempitsky (2016), arXiv:1607.08022.
    """

    def shared(self, shape):
        """Return which entries share statistics and parameters."""
        if not self.images(len(shape)):
            raise ValueError(
                f"InstanceNorm expects x of shape (N, {self.n}, H, W), got "
                f"{len(shape)} axes; without positions each mean would be over one "
                f"value"
            )
        return several(self, known_sharing("instance", shape), shape, "more positions")


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

    Examples
    --------
    >>> GroupNorm(4, 2, eps=0).forward(np.array([[1.0, 3.0, 10.0, 30.0]]))
    array([[-1.,  1., -1.,  1.]])
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

    def shared(self, shape):
        """Return which entries share statistics and parameters."""
        how = known_sharing("group", shape, self.num_groups)
        return several(self, how, shape, "fewer groups")


class RMSNorm(Norm):
    """RMS norm: divide each case by its root mean square; no mean, no beta.

    References
    ----------
    B. Zhang and R. Sennrich (2019), arXiv:1910.07467, equation 4.
    """

    centre = False

    def __init__(self, n, *, eps=1e-5):
        super().__init__(n, eps=eps)
        del self.params["beta"], self.grads["beta"]

    def shared(self, shape):
        """Return which entries share statistics and parameters."""
        if self.images(len(shape)):
            return known_sharing("group", shape, 1)
        return known_sharing("rms", shape, axes=(len(shape) - 1,))


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
        statistics, which are then constants for the gradient.
    update_running : bool
        Switch 3. If True, each forward pass moves the running statistics.

    Notes
    -----
    The mini-batch is normalized by its 1/N variance; the running variance
    takes the 1/(N-1) variance, as in PyTorch. With switch 2 off and 3 on,
    the batch is normalized by what the running statistics were before it came.
    A batch with NaN makes them NaN, as in PyTorch; ``fit`` then puts them back.

    References
    ----------
    S. Ioffe and C. Szegedy (2015), arXiv:1502.03167, algorithms 1 and 2.

    Examples
    --------
    >>> layer = BatchNorm(1, eps=0)
    >>> layer.forward(np.array([[1.0], [3.0]])).ravel()
    array([-1.,  1.])
    >>> layer.buffers["running_mean"], layer.buffers["running_var"]
    (array([0.2]), array([1.1]))
    """

    def __init__(self, n, *, eps=1e-5, momentum=0.1):
        super().__init__(n, eps=eps)
        self.momentum = number("momentum", momentum, minimum=0)
        if momentum > 1:
            raise ValueError(f"momentum must be between 0 and 1, got {momentum}")
        self.use_batch_statistics = True
        self.update_running = True
        self.buffers = {"running_mean": np.zeros(n), "running_var": np.ones(n)}

    def shared(self, shape):
        """Return which entries share statistics and parameters."""
        return known_sharing("batch", shape)

    def normalize(self, x, gamma, beta):
        """Return y by the statistics that the switches choose."""
        self.given_inv_std = None  # by the batch; a switch may move later
        if self.use_batch_statistics or self.update_running:
            several(self, self.how, x.shape, LARGER_BATCH)
            y = super().normalize(x, gamma, beta)
        if not self.use_batch_statistics:
            mean, var = (
                self.buffers[name].reshape(self.how.gamma_view)
                for name in ("running_mean", "running_var")
            )
            self.x_hat, self.given_inv_std = by_given(x, mean, var, self.eps)
            y = scale_and_shift(self.x_hat, gamma, beta).astype(x.dtype, copy=False)
        if self.update_running:
            self.update(self.how.size)
        return y

    def gradients(self, dy, gamma):
        """Return dx, dgamma and dbeta; running statistics are constants."""
        if self.given_inv_std is None:
            return super().gradients(dy, gamma)
        dx = dy * (gamma * self.given_inv_std)
        axes = self.how.gamma_axes
        return dx, total(dy * self.x_hat, axes), total(dy, axes)

    def update(self, count):
        """Move the running statistics towards those of a batch of ``count``."""
        mean, var = self.buffers["running_mean"], self.buffers["running_var"]
        batch_var = self.stats.var * (count / (count - 1))
        for running, batch in ((mean, self.stats.mean), (var, batch_var)):
            running *= 1 - self.momentum
            running += self.momentum * batch.reshape(running.shape)


def several(layer, how, shape, way_out):
    """Return `how`, or raise a ValueError if each mean is over one value."""
    if how.size == 1:
        raise ValueError(
            f"{type(layer).__name__} needs at least 2 values per mean, got 1 in x of "
            f"shape {shape}: every x_hat would be 0; take {way_out}"
        )
    return how


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
    name, _, groups = norm.partition(":") if isinstance(norm, str) else ("", "", "")
    if name == "group" and groups.isdigit():
        return GroupNorm(n, int(groups), eps=eps)
    if name not in kinds or groups:
        raise ValueError(
            'norm must be None, "batch", "layer", "rms", "instance" or "group:8" '
            f"(8 groups), got {norm!r}"
        )
    return kinds[name](n, eps=eps)
