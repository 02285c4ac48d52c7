"""Layers of a small network, and the network itself.

A layer has ``forward(x)``, which keeps what ``backward(dy)`` needs, and
``backward(dy)``, which writes the gradients of its parameters and returns the
gradient of its input. A network puts the parameters of all its layers into one
flat array, so that a step of gradient descent is one line and a copy of the
network's state is one copy.

Shapes. ``x`` is ``(N, D)``; layers that act on the last axis also take
``(N, T, D)``. A network built with ``networks=K`` is K networks of one shape,
computed at once: ``x`` is ``(N, D)``, the same data for all, or ``(K, N, D)``,
and the outputs are ``(K, N, D)``.
"""

from collections.abc import Iterable

import numpy as np

from normlib._arguments import choice, generator, integer, number

__all__ = [
    "Layer",
    "Linear",
    "ReLU",
    "Residual",
    "Sigmoid",
    "Tanh",
    "WeightNormLinear",
    "initial_weights",
]

INITS = ("he", "glorot", "lecun", "orthogonal")


def initial_weights(rng, n_in, n_out, init="he", gain=1.0):
    """Draw the weights of a linear map.

    Parameters
    ----------
    rng : int or numpy.random.Generator
        Source of the random numbers; an int is taken as a seed.
    n_in, n_out : int
        Number of inputs and outputs, at least 1.
    init : {"he", "glorot", "lecun", "orthogonal"} or float, default "he"
        Name of the initialisation, or the standard deviation itself.
    gain : float, default 1
        Factor on the weights.

    Returns
    -------
    ndarray of shape (n_in, n_out)
        Weights, to be used as ``x @ weights``.

    Notes
    -----
    Gaussian of mean 0 and variance ``2 / n_in`` (he), ``2 / (n_in + n_out)``
    (glorot) or ``1 / n_in`` (lecun). Orthogonal: the rows or the columns,
    whichever are fewer, are orthonormal.

    References
    ----------
    K. He et al. (2015), arXiv:1502.01852, equation 10. X. Glorot and Y. Bengio
    (2010), Understanding the difficulty of training deep feedforward neural
    networks, equation 12. Y. LeCun et al. (1998), Efficient BackProp, section
    4.6. A. Saxe et al. (2013), arXiv:1312.6120 (orthogonal).

    Examples
    --------
    >>> w = initial_weights(np.random.default_rng(0), 50, 50, "orthogonal")
    >>> bool(np.allclose(w.T @ w, np.eye(50)))
    True
    """
    n_in, n_out = integer("n_in", n_in), integer("n_out", n_out)
    rng, gain = generator(rng), number("gain", gain)
    variances = {"he": 2 / n_in, "glorot": 2 / (n_in + n_out), "lecun": 1 / n_in}
    if isinstance(init, str) and init == "orthogonal":
        q, r = np.linalg.qr(rng.normal(size=(max(n_in, n_out), min(n_in, n_out))))
        q = q * np.sign(np.diag(r))  # without it QR favours some directions
        return gain * (q if n_in >= n_out else q.T)
    if isinstance(init, str):
        if init not in variances:
            raise ValueError(
                f"init must be one of {', '.join(INITS)} or a standard deviation, "
                f"got {init!r}"
            )
        std = np.sqrt(variances[init])
    else:
        std = number("init", init, minimum=0)
    return gain * std * rng.normal(size=(n_in, n_out))


class Layer:
    """One step of a network.

    Attributes
    ----------
    params, grads : dict of str to ndarray
        Parameters and, after ``backward``, their gradients. Inside a network
        these are views into its flat arrays: write ``params["weight"][...] =``.
    buffers : dict of str to ndarray
        What is kept but not trained (running statistics).
    trainable : bool
        If False, gradient descent leaves the parameters alone, those of the
        layers inside too.
    networks : None or int
        K if the parameters have a leading axis of K networks.
    children : tuple of Layer
        Layers inside this one.
    """

    children = ()
    networks = None

    def __init__(self, **params):
        self.trainable = True
        self.params = params
        self.grads = {name: np.zeros_like(p) for name, p in params.items()}
        self.buffers = {}

    def forward(self, x):
        """Return the output for the input ``x``."""
        raise NotImplementedError

    def backward(self, dy):
        """Return the gradient of the input, and fill ``grads``."""
        raise NotImplementedError

    def check_gradient(self, dy, shape):
        """Raise unless ``dy`` is an array of real numbers of the shape of the output.

        K networks that share the input of their first layer send K gradients.
        """
        check_array(dy, f"{type(self).__name__}.backward", "dy")
        if dy.shape != shape and dy.shape != (self.networks, *shape):
            raise ValueError(
                f"{type(self).__name__}.backward expects dy of shape {shape}, that "
                f"of the output of the last forward pass, got {dy.shape}"
            )

    def __getattr__(self, name):
        """Say what is missing: ``backward`` needs what ``forward`` keeps."""
        raise AttributeError(
            f"{type(self).__name__} has no {name!r} (yet); if backward needs it, call "
            "forward first"
        )

    def __repr__(self):
        """Return the kind of layer and the shapes of its parameters."""
        sizes = ", ".join(f"{n}{p.shape}" for n, p in self.params.items())
        return f"{type(self).__name__}({sizes})"


class Linear(Layer):
    """Linear map ``y = x @ weight + bias``.

    Parameters
    ----------
    n_in, n_out : int
        Number of inputs and outputs.
    bias : bool, default True
        Whether there is a bias. A norm right after the layer makes it
        redundant.
    init, gain : see :func:`initial_weights`
        How the weights are drawn. The bias starts at 0.
    rng : int or numpy.random.Generator
        Source of the random numbers; an int is taken as a seed. Give all layers of
        a network one generator: the same seed would make them equal.

    Examples
    --------
    >>> layer = Linear(2, 1, rng=0)
    >>> layer.params["weight"][...] = [[1.0], [2.0]]
    >>> layer.forward(np.array([[3.0, 4.0]]))
    array([[11.]])
    """

    def __init__(self, n_in, n_out, bias=True, *, rng, init="he", gain=1.0):
        params = {"weight": initial_weights(rng, n_in, n_out, init, gain)}
        if bias:
            params["bias"] = np.zeros(n_out)
        super().__init__(**params)

    def forward(self, x):
        """Return ``x @ weight + bias``."""
        weight = self.params["weight"]
        check_features(x, weight.shape[-2], "Linear")
        self.x = x
        return self.add_bias(x @ weight)

    def backward(self, dy):
        """Return ``dy @ weight.T``."""
        self.check_gradient(dy, self.y_shape)
        dx = dy @ self.params["weight"].mT
        self.weight_gradient(dy, out=self.grads["weight"])
        return dx

    def add_bias(self, y):
        """Add the bias, if there is one, in place."""
        self.y_shape = y.shape
        if "bias" in self.params:
            y += self.params["bias"][..., None, :]
        return y

    def weight_gradient(self, dy, out=None):
        """Return ``x.T @ dy``, and write the gradient of the bias."""
        x = self.x
        if self.networks is None and x.ndim > 2:  # positions count as cases
            x, dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        if "bias" in self.params:
            np.add.reduce(dy, axis=-2, out=self.grads["bias"])
        return np.matmul(x.mT, dy, out=out)


class WeightNormLinear(Linear):
    """Linear map whose weights are a length times a direction, ``g * v / ||v||``.

    Parameters
    ----------
    n_in, n_out, bias, init, gain, rng : see :class:`Linear`
        ``v`` is drawn as the weights of a linear map; ``g`` starts at the
        length of ``v``, so that the map starts as that linear map.

    References
    ----------
    T. Salimans and D. Kingma (2016), arXiv:1602.07868, equations 2 and 3.

    Examples
    --------
    >>> layer = WeightNormLinear(2, 1, rng=0)
    >>> layer.params["v"][...], layer.params["g"][...] = [[3.0], [4.0]], 10.0
    >>> layer.forward(np.array([[1.0, 0.0]]))
    array([[6.]])
    """

    def __init__(self, n_in, n_out, bias=True, *, rng, init="he", gain=1.0):
        v = initial_weights(rng, n_in, n_out, init, gain)
        if not v.any(axis=0).all():
            raise ValueError(
                f"the weights of every unit must have a direction, got zeros from "
                f"init={init!r} and gain={gain!r}; take init and gain above 0"
            )
        params = {"v": v, "g": np.sqrt((v * v).sum(axis=0))}
        if bias:
            params["bias"] = np.zeros(n_out)
        Layer.__init__(self, **params)

    def forward(self, x):
        """Return ``x @ (g * v / ||v||) + bias``, one length per output."""
        v, g = self.params["v"], self.params["g"]
        check_features(x, v.shape[-2], "WeightNormLinear")
        self.x = x
        self.length = np.sqrt((v * v).sum(axis=-2, keepdims=True))
        self.direction = v / self.length
        self.weight = g[..., None, :] * self.direction
        return self.add_bias(x @ self.weight)

    def backward(self, dy):
        """Return the gradient of the input; that of v is orthogonal to v."""
        self.check_gradient(dy, self.y_shape)
        dx = dy @ self.weight.mT
        dweight = self.weight_gradient(dy)
        dg = (dweight * self.direction).sum(axis=-2, keepdims=True)
        scale = self.params["g"][..., None, :] / self.length
        self.grads["g"][...] = dg[..., 0, :]
        self.grads["v"][...] = scale * (dweight - dg * self.direction)
        return dx


class Sigmoid(Layer):
    """Logistic function ``1 / (1 + exp(-x))``, safe for any ``x``."""

    def forward(self, x):
        """Return ``1 / (1 + exp(-x))``."""
        check_array(x, "Sigmoid")
        with np.errstate(over="ignore"):  # exp = inf gives 0, the right limit
            y = np.exp(-x)
        y += 1
        self.y = np.reciprocal(y, out=y)
        return y

    def backward(self, dy):
        """Return ``dy * y * (1 - y)``."""
        self.check_gradient(dy, self.y.shape)
        dx = 1 - self.y
        dx *= self.y
        return np.multiply(dx, dy, out=dx if dx.ndim == dy.ndim else None)


class Tanh(Layer):
    """Hyperbolic tangent."""

    def forward(self, x):
        """Return ``tanh(x)``."""
        check_array(x, "Tanh")
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        """Return ``dy * (1 - y**2)``."""
        self.check_gradient(dy, self.y.shape)
        dx = self.y * self.y
        np.subtract(1, dx, out=dx)
        return np.multiply(dx, dy, out=dx if dx.ndim == dy.ndim else None)


class ReLU(Layer):
    """Rectifier ``max(x, 0)``; its slope at 0 is taken as 0."""

    def forward(self, x):
        """Return ``max(x, 0)``."""
        check_array(x, "ReLU")
        self.y = np.maximum(x, 0)
        return self.y

    def backward(self, dy):
        """Return ``dy`` where the input was above 0."""
        self.check_gradient(dy, self.y.shape)
        return dy * (self.y > 0)


class Residual(Layer):
    """Add a branch to its own input: ``x + F(x)``, with norms around the branch.

    Parameters
    ----------
    layers : sequence of Layer
        The branch F.
    norm : Layer, optional
        A norm layer.
    position : {"pre", "post"}, default "pre"
        ``x + F(norm(x))`` or ``norm(x + F(x))``.
    out_norm : Layer, optional
        A second norm layer, on what the branch gives: ``x + out_norm(F(norm(x)))``.
    scale : float, default 1
        Factor on what the branch reads: ``x + F(scale * norm(x))``.

    References
    ----------
    R. Xiong et al. (2020), arXiv:2002.04745, table 1 (pre, post). J. Kim et al.
    (2025), arXiv:2502.02732 (out_norm). W. Sun et al. (2025), arXiv:2502.05795
    (scale).

    Examples
    --------
    >>> Residual([ReLU()]).forward(np.array([[-1.0, 2.0]]))
    array([[-1.,  4.]])
    """

    def __init__(self, layers, norm=None, position="pre", *, out_norm=None, scale=1.0):
        super().__init__()
        choice("position", position, ("pre", "post"))
        for name, one in (("norm", norm), ("out_norm", out_norm)):
            if one is not None and not isinstance(one, Layer):
                raise TypeError(
                    f"{name} must be a layer such as LayerNorm(3), got {one!r}"
                )
        self.position, self.scale = position, number("scale", scale)
        self.norm, self.out_norm = norm, out_norm
        self.branch = list_of_layers(layers, "Residual")
        self.before = [norm] if norm is not None and position == "pre" else []
        self.path = self.branch + ([out_norm] if out_norm is not None else [])
        self.after = [norm] if norm is not None and position == "post" else []
        self.children = tuple(self.before + self.path + self.after)

    def forward(self, x):
        """Return the input plus what the branch makes of it."""
        y = x
        for layer in self.before:
            y = layer.forward(y)
        if self.scale != 1:
            y = self.scale * y
        for layer in self.path:
            y = layer.forward(y)
        if y.shape[-1] != x.shape[-1]:
            raise ValueError(
                f"the branch of a residual block must keep the width of its input: "
                f"it gave {y.shape[-1]} features for {x.shape[-1]}"
            )
        y = x + y
        for layer in self.after:
            y = layer.forward(y)
        return y

    def backward(self, dy):
        """Return the gradient of the input, the sum over both ways."""
        for layer in self.after:
            dy = layer.backward(dy)
        dx = dy
        for layer in reversed(self.path):
            dx = layer.backward(dx)
        if self.scale != 1:
            dx = self.scale * dx
        for layer in self.before:
            dx = layer.backward(dx)
        return dy + dx


def list_of_layers(layers, where):
    """Return a sequence of layers as a list; raise a TypeError for anything else."""
    some = list(layers) if isinstance(layers, Iterable) else [layers]
    wrong = [layer for layer in some if not isinstance(layer, Layer)]
    if wrong or not isinstance(layers, Iterable):
        raise TypeError(
            f"{where} expects a list of layers such as [Linear(2, 3), ReLU()], got "
            f"{wrong[0] if wrong else layers!r}"
        )
    return some


def check_array(x, where, name="x"):
    """Raise a TypeError unless ``x`` is a plain array of real numbers."""
    if type(x) is not np.ndarray or x.dtype.kind not in "fiub":
        kind = x.dtype if type(x) is np.ndarray else type(x).__name__
        what = "an array" if name == "x" else f"{name} as an array"
        raise TypeError(
            f"{where} expects {what}, got {kind}; convert it with "
            f"np.asarray({name}, dtype=float)"
        )


def check_features(x, expected, where):
    """Raise unless ``x`` is an array whose last axis has ``expected`` entries."""
    check_array(x, where)
    if x.ndim < 2 or x.shape[-1] != expected:
        raise ValueError(
            f"{where} expects x of shape (N, {expected}), got {x.shape}; "
            "put the cases in rows and the features in columns"
        )
    if x.size == 0:
        raise ValueError(f"{where} got an empty batch, x of shape {x.shape}")
