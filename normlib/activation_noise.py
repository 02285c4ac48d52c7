"""The noise with which Santurkar et al. (2018) shake a layer's distribution.

At every step each unit gets a new random mean and scale, and each example a value
around them: the distribution that the next layer sees jumps from step to step.
"""

from typing import NamedTuple


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
    shape : tuple (N, D)
        Examples and units.
    rng : numpy.random.Generator
        Source of the draws.
    constants : NoiseConstants, optional
        Ranges of the noise.

    Returns
    -------
    scale, shift : arrays of shape (N, D)
        Apply them as ``scale * activations + shift``.

    Notes
    -----
    Per unit j and step: :math:`\mu_j \sim U(-n_\mu, n_\mu)`,
    :math:`\sigma_j \sim U(1, n_\sigma)`. Per example i:
    :math:`m_{ij} \sim U(\mu_j - r_\mu, \mu_j + r_\mu)` and
    :math:`s_{ij} \sim N(\sigma_j, r_\sigma^2)`.

    References
    ----------
    Santurkar, Tsipras, Ilyas, Madry (2018), arXiv:1805.11604, section 2.1 and
    appendix A.

    Examples
    --------
    >>> import numpy as np
    >>> scale, shift = draw_noise((1000, 2), np.random.default_rng(0))
    >>> shift.mean(0).round(2)  # not 0: the distribution has moved
    array([ 0.14, -0.23])
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(
            f"shape must be (N, D) with both at least 1, got {tuple(shape)}; "
            "noise is drawn for a batch of fully connected units"
        )
    c = NoiseConstants() if constants is None else constants
    units = (1, shape[1])
    centre = rng.uniform(-c.mean_range, c.mean_range, units)
    spread = rng.uniform(1.0, c.scale_max, units)
    shift = centre + rng.uniform(-c.mean_jitter, c.mean_jitter, shape)
    scale = spread + c.scale_jitter * rng.standard_normal(shape)
    return scale, shift
