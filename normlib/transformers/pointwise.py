"""No statistics at all: functions of one number in place of a norm."""

import numpy as np

from normlib._arguments import integer, reals, takes
from normlib.nets.layers import Layer
from normlib.nets.norm_layers import RMSNorm


class DyT(Layer):
    """``gamma * tanh(alpha * x) + beta``, one alpha for all features.

    References
    ----------
    J. Zhu et al. (2025), arXiv:2503.10622; alpha starts at 0.5.
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
        self.x = x
        z = self._row("alpha") * x
        if self.shift:
            z = z + self._row("s")
        self.y, self.slope = self.curve(z)
        return self._row("gamma") * self.y + self._row("beta")

    def backward(self, dy):
        """Return the gradient of the input, and fill those of the parameters."""
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
    """RMS norm whose root mean square is a constant: ``gamma * x / rms``."""

    def __init__(self, gamma, rms):
        super().__init__(gamma=gamma / rms)

    def forward(self, x):
        """Return ``gamma * x / rms``."""
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
    """
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
