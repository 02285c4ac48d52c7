"""Noisy batch norm: an unstable distribution that trains as well (Santurkar et al.).

After every batch norm, each unit gets a new random mean and scale at every step, and
each example a value around them. What the next layer sees then changes from step to
step, more than in a network without norm; over 50 steps it does not. If stable inputs
were why batch norm helps, this should undo the help.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    choice,
    generator,
    indices,
    integer,
    natural,
    takes,
)
from normlib.covariate_shift.input_change import last_hidden_input
from normlib.nets.digits_network import digits_network
from normlib.nets.layers import Layer, check_array
from normlib.nets.network import Network, network
from normlib.nets.training import evaluate
from normlib.nets.watching import iterates


class NoiseConstants(NamedTuple):
    """Ranges of the noise; shifts in the unit of the activation, scales factors.

    The construction is that of the paper's figure 2. Its text was read without the
    appendix, so that the constants may differ from the authors'.
    """

    mean_range: float = 0.5
    scale_max: float = 1.25
    mean_jitter: float = 0.1
    scale_jitter: float = 0.1


def draw_noise(shape, rng, constants=None):
    r"""Draw one step's random scale and shift for a batch of activations.

    Parameters
    ----------
    shape : tuple (..., N, D)
        Examples and units.
    rng : numpy.random.Generator
        Source of the draws.
    constants : NoiseConstants, optional
        Ranges of the noise.

    Returns
    -------
    scale, shift : arrays of shape (..., N, D)
        Apply them as ``scale * activations + shift``.

    Notes
    -----
    Per unit j and step: :math:`\mu_j \sim U(-n_\mu, n_\mu)`,
    :math:`\sigma_j \sim U(1, n_\sigma)`. Per example i:
    :math:`m_{ij} \sim U(\mu_j - r_\mu, \mu_j + r_\mu)` and
    :math:`s_{ij} \sim N(\sigma_j, r_\sigma^2)`.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, section 2.1
    (the idea; the distributions were not read in the paper).

    Examples
    --------
    >>> scale, shift = draw_noise((1000, 2), np.random.default_rng(0))
    >>> shift.mean(0).round(2)  # not 0: the distribution has moved
    array([ 0.14, -0.23])
    """
    if len(shape) < 2:
        raise ValueError(f"shape must be (N, D), got {tuple(shape)}; add an axis")
    rng = generator(rng)
    c = NoiseConstants() if constants is None else constants
    units = (*shape[:-2], 1, shape[-1])
    centre = rng.uniform(-c.mean_range, c.mean_range, units)
    spread = rng.uniform(1.0, c.scale_max, units)
    shift = centre + rng.uniform(-c.mean_jitter, c.mean_jitter, shape)
    scale = spread + c.scale_jitter * rng.standard_normal(shape)
    return scale, shift


class Noise(Layer):
    """Multiply by a random scale and add a random shift, new at every pass.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    constants : NoiseConstants, optional
        Ranges of the noise.

    Attributes
    ----------
    active : bool
        If False the input passes unchanged, as it should in a test.

    Examples
    --------
    >>> noise = Noise(np.random.default_rng(0))
    >>> noise.active = False
    >>> noise.forward(np.array([[1.0, 2.0]]))
    array([[1., 2.]])
    """

    def __init__(self, rng, constants=None):
        super().__init__()
        self.rng = generator(rng)
        self.constants = constants
        self.active = True

    def forward(self, x):
        """Return ``scale * x + shift``."""
        check_array(x, "Noise")
        self.scale, shift = 1.0, 0.0
        if self.active:
            self.scale, shift = draw_noise(x.shape, self.rng, self.constants)
        return (self.scale * x + shift).astype(x.dtype, copy=False)

    def backward(self, dy):
        """Return ``scale * dy``."""
        return (self.scale * dy).astype(dy.dtype, copy=False)


@takes(net=network)
def with_noise(net, rng, constants=None):
    """Return a network with noise before each activation, after the norm if any.

    Parameters
    ----------
    net : Network
        Layers in a row, as `mlp` builds them. They are taken over.
    rng : numpy.random.Generator
        Source of the noise.
    constants : NoiseConstants, optional
        Ranges of the noise.

    Returns
    -------
    Network
        The same layers with a `Noise` in front of each activation.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = with_noise(mlp([2, 3, 2], norm="batch"), np.random.default_rng(0))
    >>> [type(layer).__name__ for layer in net.layers]
    ['Linear', 'BatchNorm', 'Noise', 'ReLU', 'Linear']
    """
    layers, rng = [], generator(rng)
    for layer in net.layers:
        # In an mlp what has no parameters is an activation.
        if not layer.params:
            layers.append(Noise(rng, constants))
        layers.append(layer)
    return Network(layers, dtype=net.dtype, networks=net.networks)


class NoiseRecord(NamedTuple):
    """What `noisy_run` yields.

    Attributes
    ----------
    step : int
        Updates made so far.
    loss : float, or ndarray of shape (K,)
        Loss on the mini-batch.
    accuracy : float, or ndarray of shape (K,)
        Share of the test digits classified right, noise off, with the statistics of
        the test digits; nan at steps where it was not asked for.
    mean : ndarray of shape (width,) or (K, width)
        Mean over 128 fixed training digits of the input to each unit of the last
        hidden layer, noise on, batch statistics.
    quiet_loss : float, or ndarray of shape (K,)
        Loss on all training digits, noise off, with their statistics; nan as the
        accuracy. `loss` has the noise in it, so that it cannot be compared.
    reason : str
        Empty, or why the run stopped early.

    Notes
    -----
    Batch norm's running statistics were gathered with the noise on. They do not fit
    the quiet network, and the misfit grows from layer to layer: with them a deep
    network seems to have learned less than it has.
    """

    step: int
    loss: float
    accuracy: float
    mean: np.ndarray
    quiet_loss: float = np.nan
    reason: str = ""


@takes(width=natural, batch_size=natural, seed=indices)
def noisy_run(
    norm=None,
    noise=False,
    *,
    activation="sigmoid",
    depth=3,
    width=64,
    lr=1.0,
    batch_size=64,
    steps=220,
    test_every=22,
    constants=None,
    seed=0,
    dtype=np.float64,
):
    """Train on digits with or without batch norm, with or without noise.

    Parameters
    ----------
    norm : {None, "batch", "layer"}, default None
        Norm of the hidden layers.
    noise : bool, default False
        Whether noise follows every norm (every linear map if there is no norm).
    activation : {"sigmoid", "tanh", "relu"}, default "sigmoid"
        Activation of the hidden layers. The claim shows with sigmoid; with ReLU
        only in part, see Notes.
    depth, width : int, default 3 and 64
        Hidden layers and their units.
    lr : float, default 1
        Learning rate.
    batch_size : int, default 64
        Digits per step; an epoch is 22 steps.
    steps : int, default 220
        Updates.
    test_every : int, default 22
        Updates between two tests; the network is tested at the end, too.
    constants : NoiseConstants, optional
        Ranges of the noise.
    seed : int or list of K ints, default 0
        Split, weights, order of the batches and noise; a list trains K networks at
        once.
    dtype : dtype, default float64
        float32 is faster; single runs then differ in their last digits.

    Yields
    ------
    NoiseRecord
        At every step from 0 to `steps`; fewer if the run diverges.

    Notes
    -----
    With the defaults noisy batch norm trains as fast as batch norm. Its inputs change
    more than those of no norm over 1 and 20 steps, as much over 50. The same noise on
    the network without norm does not hold it up, unlike in the paper. With ReLU at lr
    0.1 the noise costs a little, and over 20 steps the network without norm changes
    more.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, figure 2.

    Examples
    --------
    >>> record = next(noisy_run("batch", noise=True))
    >>> record.step, record.mean.shape
    (0, (64,))
    """
    choice("activation", activation, ("sigmoid", "tanh", "relu"))
    integer("test_every", test_every)
    net, digits, rng = digits_network(
        seed, norm, activation=activation, depth=depth, width=width, dtype=dtype
    )
    if noise:
        net = with_noise(net, np.random.default_rng([*np.ravel(seed), 1]), constants)
    loop = iterates(
        net, *digits.train, lr=lr, batch_size=batch_size, steps=steps, rng=rng
    )
    return _watch_noise(net, digits, loop, test_every, steps)


def _watch_noise(net, digits, loop, test_every, steps):
    for step, _, _, loss, _, reason in loop:
        mean = last_hidden_input(net, digits.x_train[..., :128, :]).mean(-2)
        accuracy = quiet = np.full(np.shape(loss), np.nan)
        if step % test_every == 0 or step == steps:
            accuracy, quiet = _without_noise(net, digits)
        yield NoiseRecord(step, loss, accuracy, mean, quiet, reason)


def _without_noise(net, digits):
    """Return test accuracy and training loss, each by the statistics of its digits."""
    noises = [layer for layer in net.layers if isinstance(layer, Noise)]
    for layer in noises:
        layer.active = False
    accuracy = evaluate(net, *digits.test, mode="probe")[1]
    loss = evaluate(net, *digits.train, mode="probe")[0]
    for layer in noises:
        layer.active = True
    return accuracy, loss
