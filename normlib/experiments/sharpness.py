r"""The sharpest direction of a loss: the top eigenvalue of its Hessian.

The Hessian of a network with P parameters has P x P entries and is never formed.
Its product with a vector is the change of the gradient along that vector, and power
iteration needs no more than products.
"""

from typing import NamedTuple

import numpy as np

from normlib._arguments import float_array, integer, number
from normlib.losses import softmax_cross_entropy
from normlib.training import loss_and_gradient


class TopEigenvalue(NamedTuple):
    """Result of `top_eigenvalue`.

    Attributes
    ----------
    value : float
        The largest eigenvalue, most positive.
    error : float
        Bound on the distance to the nearest eigenvalue: the residual of the power
        iteration plus the error of the differences. After too few products the
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


def hessian_vector_product(
    net, x, targets, vector, *, step=1e-6, loss=softmax_cross_entropy
):
    r"""Multiply the Hessian of the loss with a vector, by central differences.

    Parameters
    ----------
    net : Network
        The point; it is left exactly as it was. dtype float64.
    x : ndarray of shape (N, D)
        The batch. Batch norm uses its statistics.
    targets : ndarray
        Labels of shape (N,), or what `loss` takes.
    vector : ndarray of shape (P,)
        In the layout of ``net.params``, not zero.
    step : float, default 1e-6
        Distance walked to each side, in the unit of the parameters.
    loss : callable, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    product : ndarray of shape (P,)
        Hessian times `vector`.
    error : float
        Estimate of the l2 norm of its error, from a second pair of points twice as
        far away.

    Raises
    ------
    ValueError
        If `vector` has another shape, is zero or not finite.

    Notes
    -----
    With :math:`u = v / \|v\|` and step h,
    :math:`Hv \approx \|v\| \, (g(\theta + hu) - g(\theta - hu)) / (2h)`. The error
    falls with :math:`h^2`, so that the same with 2h differs from it by three times
    its error. Rounding adds about :math:`10^{-16} \|g\| / h`. A ReLU that switches
    between the points adds a jump; a short step makes that rare.

    References
    ----------
    Pearlmutter (1994), Fast exact multiplication by the Hessian, Neural Computation
    6, 147-160: the exact product, which needs a second backward pass of its own.

    Examples
    --------
    >>> from normlib.network import mlp
    >>> net = mlp([2, 3, 2], activation="tanh")
    >>> x, labels = np.eye(2), np.array([0, 1])
    >>> product, error = hessian_vector_product(net, x, labels, np.ones(17))
    >>> product.shape, error < 1e-6
    ((17,), True)
    """
    vector = float_array("vector", vector, ndim=1)
    length = np.linalg.norm(vector)
    if vector.shape != net.params.shape or length == 0:
        raise ValueError(
            f"vector must have the shape {net.params.shape} of net.params and not be "
            f"zero, got shape {vector.shape} and length {length:g}"
        )
    number("step", step, positive=True)
    state, direction = net.state(), vector / length
    theta = state[0]

    def difference(h):
        net.params[...] = theta + h * direction
        loss_and_gradient(net, x, targets, loss=loss)
        ahead = net.grads.copy()
        net.params[...] = theta - h * direction
        loss_and_gradient(net, x, targets, loss=loss)
        return (ahead - net.grads) * (length / (2 * h))

    try:
        with net.in_mode("probe"):
            product, coarse = difference(step), difference(2 * step)
    finally:
        net.load(state)
    return product, float(np.linalg.norm(coarse - product) / 3)


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
        The point; it is left exactly as it was.
    x : ndarray of shape (N, D)
        The batch. Batch norm uses its statistics.
    targets : ndarray
        Labels of shape (N,), or what `loss` takes.
    iterations : int, default 100
        Most products to make, at least 2; twice that if the eigenvalue of largest
        size is negative.
    tolerance : float, default 1e-3
        Stop when the bound on the error is below this share of the eigenvalue.
    step : float, default 1e-6
        See `hessian_vector_product`.
    seed : int, default 0
        Of the direction to start from.
    loss : callable, default softmax_cross_entropy
        ``loss(outputs, targets) -> (value, doutputs)``.

    Returns
    -------
    TopEigenvalue
        The value, a bound on its error, its direction and the products made.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    Power iteration finds the eigenvalue that is largest in size. If that one is
    negative, :math:`\lambda_-`, the iteration goes on with
    :math:`H - \lambda_- I`, which has no negative eigenvalue. The residual
    :math:`\|Hv - \lambda v\|` of a symmetric matrix bounds the distance to an
    eigenvalue.

    Examples
    --------
    >>> from normlib.network import mlp
    >>> from normlib.losses import half_squared_error
    >>> x = np.array([[3.0], [1.0]])
    >>> net = mlp([1, 1])  # loss 0.5 * mean (w x + b - y)^2: the Hessian is known
    >>> top = top_eigenvalue(net, x, np.zeros((2, 1)), loss=half_squared_error)
    >>> exact = np.linalg.eigvalsh([[5.0, 2.0], [2.0, 1.0]])[-1]
    >>> bool(abs(top.value - exact) < 1e-2)
    True
    """
    integer("iterations", iterations, minimum=2)
    number("tolerance", tolerance, positive=True)

    def product(vector):
        return hessian_vector_product(net, x, targets, vector, step=step, loss=loss)

    start = np.random.default_rng(seed).standard_normal(net.params.shape)
    top = _power_iteration(product, start, 0.0, iterations, tolerance)
    if top.value < 0:
        below = _power_iteration(product, start, top.value, iterations, tolerance)
        top = below._replace(iterations=top.iterations + below.iterations)
    return top


def _power_iteration(product, start, shift, iterations, tolerance):
    """Iterate with the Hessian minus `shift` times the identity."""
    vector = start / np.linalg.norm(start)
    for iteration in range(1, iterations + 1):
        image, inexact = product(vector)
        value = vector @ image
        error = np.linalg.norm(image - value * vector) + inexact
        moved = image - shift * vector
        length = np.linalg.norm(moved)
        if length == 0 or error < tolerance * abs(value):
            break
        if iteration < iterations:
            vector = moved / length
    return TopEigenvalue(float(value), float(error), vector, iteration)
