r"""The sharpest direction of a loss: the top eigenvalue of its Hessian.

The Hessian of a network with P parameters has P x P entries and is never formed.
Its product with a vector is the change of the gradient along that vector, and power
iteration needs no more than products.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import (
    float_array,
    generator,
    index,
    integer,
    number,
    reals,
    takes,
)
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.probing import check_batch, untouched
from normlib.nets.training import loss_and_gradient


class TopEigenvalue(NamedTuple):
    """Result of `top_eigenvalue`.

    Attributes
    ----------
    value : float
        The largest eigenvalue, most positive.
    error : float
        Estimate of the distance to the nearest eigenvalue: the residual of the
        power iteration plus the error of the differences. After too few products the
        nearest eigenvalue need not be the top one; the error is then large.
    vector : ndarray of shape (P,)
        Its direction, of length 1.
    iterations : int
        Products made.
    """

    value: float
    error: float
    vector: np.ndarray
    iterations: int


@takes(x=reals)
def hessian_vector_product(
    net, x, targets, vector, *, step=1e-6, loss=softmax_cross_entropy, error=True
):
    r"""Multiply the Hessian of the loss with a vector, by central differences.

    Parameters
    ----------
    net : Network
        The point, of dtype float64; it is left exactly as it was, gradients
        included.
    x : ndarray of shape (N, D)
        The batch, finite. Batch norm uses its statistics.
    targets : ndarray
        Labels of shape (N,), or what `loss` takes.
    vector : ndarray of shape (P,)
        In the layout of ``net.params``, not zero.
    step : float, default 1e-6
        Distance walked to each side, in the unit of the parameters. Far enough
        for the rounded parameters to move by it, to one part in a thousand.
    loss : callable, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.
    error : bool, default True
        Whether to estimate the error, which takes as long as the product.

    Returns
    -------
    product : ndarray of shape (P,)
        Hessian times `vector`.
    error : float
        Estimate of the l2 norm of its error, no bound: from a second pair of points
        twice as far away, and from the rounding of parameters and gradients; nan if
        not asked for.

    Raises
    ------
    TypeError
        If the network is not of dtype float64, whose digits the differences need.
    ValueError
        If the step vanishes next to the parameters, or the gradient overflows.

    Notes
    -----
    With :math:`u = v / \|v\|` and step h,
    :math:`Hv \approx \|v\| \, (g(\theta + hu) - g(\theta - hu)) / (2h)`. The error
    falls with :math:`h^2`, so that the same with 2h differs from it by three times
    its error. Rounding adds about
    :math:`4 \epsilon (\|v\| \|g\| + \|\theta\| \|Hv\|) / h` with
    :math:`\epsilon = 2.2 \times 10^{-16}`. A ReLU that switches
    between the points adds a jump; a short step makes that rare.

    References
    ----------
    Pearlmutter (1994), Fast exact multiplication by the Hessian, Neural Computation
    6, 147-160: the exact product, which needs a second backward pass of its own.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> net = mlp([2, 3, 2], activation="tanh")
    >>> x, labels = np.eye(2), np.array([0, 1])
    >>> product, error = hessian_vector_product(net, x, labels, np.ones(17))
    >>> product.shape, error < 1e-6
    ((17,), True)
    """
    check_batch(net, x, targets)
    if net.dtype != np.float64:
        raise TypeError(
            f"net must have dtype float64, got {net.dtype}; in float32 too few digits "
            "of the differences are left"
        )
    vector = float_array("vector", vector, ndim=1)
    length = np.linalg.norm(vector)
    if vector.shape != net.params.shape or length == 0:
        raise ValueError(
            f"vector must have the shape {net.params.shape} of net.params and not be "
            f"zero, got shape {vector.shape} and length {length:g}"
        )
    step = number("step", step, positive=True)
    direction, theta = vector / length, net.params.copy()
    moved = theta + step * direction - theta
    if np.linalg.norm(moved - step * direction) > 1e-3 * step:
        raise ValueError(
            f"step {step:g} vanishes next to parameters up to "
            f"{np.abs(theta).max():.3g}; take a longer one"
        )

    def difference(h):
        net.params[...] = theta + h * direction
        loss_and_gradient(net, x, targets, loss=loss)
        ahead = net.grads.copy()
        net.params[...] = theta - h * direction
        loss_and_gradient(net, x, targets, loss=loss)
        return (ahead - net.grads) * (length / (2 * h))

    with untouched(net):
        product = difference(step)
        coarse = difference(2 * step) if error else product
        gradient = np.linalg.norm(net.grads)
    if not np.isfinite(product + coarse).all():
        raise ValueError(
            "the gradient overflows around these parameters; look at a network that "
            "has not diverged, or take a shorter step"
        )
    if not error:
        return product, np.nan
    rounded = length * gradient + np.linalg.norm(theta) * np.linalg.norm(product)
    rounding = 4 * np.finfo(np.float64).eps * rounded / step
    return product, float(np.linalg.norm(coarse - product) / 3 + rounding)


@takes(x=reals, seed=index)
def top_eigenvalue(
    net,
    x,
    targets,
    *,
    iterations=100,
    tolerance=1e-3,
    step=1e-6,
    seed=0,
    loss=softmax_cross_entropy,
):
    r"""Find the largest eigenvalue of the Hessian by power iteration.

    Parameters
    ----------
    net : Network
        The point, of dtype float64; it is left exactly as it was, gradients
        included.
    x : ndarray of shape (N, D)
        The batch, finite. Batch norm uses its statistics.
    targets : ndarray
        Labels of shape (N,), or what `loss` takes.
    iterations : int, default 100
        Most products to make, at least 2; twice that if the eigenvalue of largest
        size is negative.
    tolerance : float, default 1e-3
        Stop when the estimated error is below this share of the eigenvalue.
    step : float, default 1e-6
        See `hessian_vector_product`.
    seed : int, default 0
        Of the direction to start from.
    loss : callable, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    TopEigenvalue
        The value, an estimate of its error, its direction and the products made.

    Notes
    -----
    Power iteration finds the eigenvalue that is largest in size. If that one is
    negative, :math:`\lambda_-`, the iteration goes on with
    :math:`H - \lambda_- I`, which has no negative eigenvalue. The residual
    :math:`\|Hv - \lambda v\|` of a symmetric matrix bounds the distance to an
    eigenvalue.

    Examples
    --------
    >>> from normlib.nets.network import mlp
    >>> from normlib.nets.losses import half_squared_error
    >>> x = np.array([[3.0], [1.0]])
    >>> net = mlp([1, 1])  # loss 0.5 * mean (w x + b - y)^2: the Hessian is known
    >>> top = top_eigenvalue(net, x, np.zeros((2, 1)), loss=half_squared_error)
    >>> exact = np.linalg.eigvalsh([[5.0, 2.0], [2.0, 1.0]])[-1]
    >>> bool(abs(top.value - exact) < 1e-2)
    True
    """
    integer("iterations", iterations, minimum=2)
    number("tolerance", tolerance, positive=True)
    check_batch(net, x, targets)

    def product(vector, error=False):
        return hessian_vector_product(
            net, x, targets, vector, step=step, loss=loss, error=error
        )

    start = generator(seed).standard_normal(net.params.shape)
    top = _power_iteration(product, start, 0.0, iterations, tolerance)
    if top.value < 0:
        below = _power_iteration(product, start, top.value, iterations, tolerance)
        top = below._replace(iterations=top.iterations + below.iterations)
    return top


def _power_iteration(product, start, shift, iterations, tolerance):
    """Iterate with the Hessian minus `shift` times the identity."""
    vector = start / np.linalg.norm(start)
    for iteration in range(1, iterations + 1):
        image = product(vector)[0]
        value = vector @ image
        error = np.linalg.norm(image - value * vector)
        moved = image - shift * vector
        length = np.linalg.norm(moved)
        last = length == 0 or iteration == iterations
        if last or error < tolerance * abs(value):
            error += product(vector, error=True)[1]  # only where it can decide
            if last or error < tolerance * abs(value):
                break
        vector = moved / length
    return TopEigenvalue(float(value), float(error), vector, iteration)
