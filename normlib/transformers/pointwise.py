"""No statistics at all: functions of one number in place of a norm."""

import numpy as np

from normlib._arguments import as_array, float_array, integer, number, reals, takes
from normlib.nets.layers import Layer, check_features
from normlib.nets.losses import check_integers
from normlib.nets.norm_layers import RMSNorm
from normlib.nets.probing import check_single


class DyT(Layer):
    """``gamma * tanh(alpha * x) + beta``, one alpha for all features.

    References
    ----------
    J. Zhu et al. (2025), arXiv:2503.10622; alpha starts at 0.5.

    Examples
    --------
    >>> DyT(3).forward(np.array([[-2.0, 0.0, 200.0]])).round(4)
    array([[-0.7616,  0.    ,  1.    ]])
    """

    shift = False

    def __init__(self, n):
        n = integer("n", n)
        params = {"alpha": np.full(1, 0.5), "gamma": np.ones(n), "beta": np.zeros(n)}
        if self.shift:
            params["s"] = np.zeros(1)
        super().__init__(**params)

    def forward(self, x):
        """Return ``gamma * f(alpha * x + s) + beta``."""
        check_features(x, self.params["gamma"].shape[-1], type(self).__name__)
        self.x = x
        z = self._row("alpha") * x
        if self.shift:
            z = z + self._row("s")
        self.y, self.slope = self.curve(z)
        return self._row("gamma") * self.y + self._row("beta")

    def backward(self, dy):
        """Return the gradient of the input, and fill those of the parameters."""
        self.check_gradient(dy, self.y.shape)
        self.grads["gamma"][...] = (dy * self.y).sum(axis=-2)
        self.grads["beta"][...] = dy.sum(axis=-2)
        dz = dy * self._row("gamma") * self.slope
        self.grads["alpha"][...] = (dz * self.x).sum(axis=(-2, -1))[..., None]
        if self.shift:
            self.grads["s"][...] = dz.sum(axis=(-2, -1))[..., None]
        return dz * self._row("alpha")

    @staticmethod
    def curve(z):
        """Return tanh and its slope."""
        y = np.tanh(z)
        return y, 1 - y * y

    def _row(self, name):
        return self.params[name][..., None, :]


class Derf(DyT):
    """``gamma * erf(alpha * x + s) + beta``; s starts at 0.

    References
    ----------
    M. Chen et al. (2025), arXiv:2512.10938.
    """

    shift = True

    @staticmethod
    def curve(z):
        """Return erf and its slope."""
        return erf(z), 2 / np.sqrt(np.pi) * np.exp(-z * z)


@takes(z=reals)
def erf(z):
    """Return the error function, to 2e-7.

    References
    ----------
    M. Abramowitz and I. Stegun (1964), Handbook of Mathematical Functions, 7.1.26.

    Examples
    --------
    >>> erf(np.array([-1.0, 0.0, 0.5])).round(5)
    array([-0.8427,  0.    ,  0.5205])
    """
    z = np.asarray(z)
    t = 1 / (1 + 0.3275911 * np.abs(z))
    powers = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
    poly = np.zeros_like(t)
    for power in reversed(powers):
        poly = (poly + power) * t
    return np.sign(z) * (1 - poly * np.exp(-z * z))


class Frozen(Layer):
    """RMS norm whose root mean square is a constant: ``gamma * x / rms``.

    It is there to be looked at, not to be trained: there is no `backward`.

    Parameters
    ----------
    gamma : ndarray of shape (n,)
        Scale of each feature.
    rms : float
        What divides, above 0.

    Examples
    --------
    >>> Frozen(np.array([1.0, 2.0]), 4.0).forward(np.array([[8.0, 8.0]]))
    array([[2., 4.]])
    """

    def __init__(self, gamma, rms):
        gamma = float_array("gamma", gamma, ndim=1)
        super().__init__(gamma=gamma / number("rms", rms, positive=True))

    def forward(self, x):
        """Return ``gamma * x / rms``."""
        check_features(x, self.params["gamma"].shape[-1], "Frozen")
        return self.params["gamma"] * x


def freeze_rms(net, tokens):
    """Replace every RMS norm of a network by division by its mean rms, in place.

    Parameters
    ----------
    net : Network
        A single transformer with ``norm="rms"`` and norms before the branches.
    tokens : ndarray of int
        Where the root mean squares are measured.

    Returns
    -------
    ndarray of shape (number of norms,)
        Spread of the root mean square from token to token, over its mean.

    Examples
    --------
    >>> from normlib.transformers.task import reversed_words, reverser
    >>> net = reverser(0, blocks=1, norm="rms")
    >>> freeze_rms(net, reversed_words(20, rng=0)[0]).round(2)
    array([0.17, 0.17, 0.19])
    """
    check_single(net)
    tokens = as_array("tokens", tokens)
    check_integers("tokens", tokens)
    net.forward(tokens)
    spreads = []

    def frozen(norm):
        rms = 1 / norm.stats.inv_std
        spreads.append(rms.std() / rms.mean())
        return Frozen(norm.params["gamma"], rms.mean())

    for place, layer in enumerate(net.layers):
        if isinstance(layer, RMSNorm):
            net.layers[place] = frozen(layer)
        elif getattr(layer, "before", None):
            layer.before = [frozen(layer.norm)]
    return np.array(spreads)
