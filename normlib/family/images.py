"""What instance norm takes from a picture: its contrast, its brightness, its style."""

import numpy as np

from normlib._arguments import float_array, number, reals
from normlib.norms import instance_norm

__all__ = ["coloured", "relight", "restyle"]


def relight(image, contrast, brightness):
    """Return ``contrast * image + brightness``: a picture in another light.

    Parameters
    ----------
    image : ndarray
        Pixels, in any unit.
    contrast : float
        Above 0.
    brightness : float
        In the unit of the pixels.

    Examples
    --------
    >>> relight(np.array([0.0, 1.0]), 0.5, 0.2)
    array([0.2, 0.7])
    """
    contrast = number("contrast", contrast, positive=True)
    return contrast * float_array("image", image) + number("brightness", brightness)


def coloured(pixels, ink, paper):
    """Return a drawing in two colours, of shape (3, H, W).

    Parameters
    ----------
    pixels : ndarray of shape (H, W)
        From 0 (paper) to 1 (ink).
    ink, paper : sequence of 3 floats
        Red, green and blue, 0 to 1.

    Examples
    --------
    >>> coloured(np.array([[0.0, 1.0]]), (1.0, 0.0, 0.0), (1.0, 1.0, 1.0))[1]
    array([[1., 0.]])
    """
    pixels = float_array("pixels", pixels, ndim=2)
    ink, paper = _colour("ink", ink), _colour("paper", paper)
    return paper + (ink - paper) * pixels


def _colour(name, value):
    """Return a colour as an array of shape (3, 1, 1)."""
    reals(name, value)
    colour = np.asarray(value, float)
    if colour.shape != (3,) or not ((colour >= 0) & (colour <= 1)).all():
        raise ValueError(
            f"{name} must be red, green and blue from 0 to 1, got {value!r:.60}"
        )
    return colour.reshape(3, 1, 1)


def restyle(content, style, share=1.0, *, eps=1e-5):
    """Give a picture the mean and deviation of another one, channel by channel.

    Parameters
    ----------
    content, style : ndarray of shape (C, H, W)
        The two pictures, or their feature maps; sizes may differ, channels not.
    share : float
        0 leaves the content as it is, 1 takes the style over in full; default 1.
    eps : float
        Of the instance norm; default 1e-5.

    Returns
    -------
    ndarray of the shape of ``content``

    References
    ----------
    Huang, Belongie 2017, arXiv:1703.06868, equation 8 (adaptive instance norm).

    Examples
    --------
    >>> content, style = np.array([[[0.0, 2.0]]]), np.array([[[5.0, 25.0]]])
    >>> restyle(content, style, eps=0.0)
    array([[[ 5., 25.]]])
    """
    content = float_array("content", content, ndim=3)
    style = float_array("style", style, ndim=3)
    if len(content) != len(style):
        raise ValueError(
            f"content and style must have the same channels, got {len(content)} and "
            f"{len(style)}"
        )
    share = number("share", share)
    mean, std = style.mean(axis=(1, 2)), style.std(axis=(1, 2))
    new = instance_norm(content[None], std, mean, eps=eps)[0][0]
    return (1 - share) * content + share * new
