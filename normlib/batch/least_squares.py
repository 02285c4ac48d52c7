"""Least squares with a normalized output: any learning rate, no faster rate."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import integer, number

__all__ = ["AnyRate", "LengthDirection", "any_learning_rate", "length_direction"]


class AnyRate(NamedTuple):
    """Loss after gradient descent on least squares, by learning rate.

    Attributes
    ----------
    rates : ndarray of shape (R,)
        Learning rates.
    plain : ndarray of shape (R,)
        Loss above its minimum, of ``x @ w``; infinite where it diverged.
    normalized : ndarray of shape (R,)
        Loss above its minimum, of ``a * (x @ w) / std(x @ w)``.
    start : float
        Loss of ``w = 0`` above the minimum, to compare with.
    limit : float
        Learning rate above which the plain loss diverges, 2 / (largest
        curvature).
    """

    rates: np.ndarray
    plain: np.ndarray
    normalized: np.ndarray
    start: float
    limit: float


def any_learning_rate(
    seed=0,
    *,
    rates=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1e4),
    kappa=100.0,
    dimension=20,
    steps=2000,
):
    """Run gradient descent on least squares, with and without batch norm.

    Parameters
    ----------
    seed : int, default 0
        Of the problem and the start.
    rates : sequence of float
        Learning rates of w, above 0.
    kappa : float, default 100
        Ratio of the largest to the smallest curvature; the smallest is 1.
    dimension : int, default 20
        Number of inputs, at least 2.
    steps : int, default 2000
        Number of updates.

    Returns
    -------
    AnyRate

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Notes
    -----
    The exact loss over centred data with ``H = E[x x^T]``, ``u = E[x y]``:
    plain, ``w.H w / 2 - w.u``; normalized, ``a**2 / 2 - a w.u / s`` with ``s**2 =
    w.H w``. The scale a has a learning rate of 1, which solves for it at once;
    above 2 it would diverge. w grows with each step, so a large rate tames
    itself; the price is that progress then becomes slow.

    References
    ----------
    Y. Cai, Q. Li and Z. Shen (2018), arXiv:1810.00122, section 3 and theorem 3.3.

    Examples
    --------
    >>> found = any_learning_rate(0, rates=(0.1, 10.0), steps=500)
    >>> np.isfinite(found.plain).any(), bool((found.normalized < 0.1).all())
    (np.False_, True)
    """
    rates = np.array([number("rates", rate, positive=True) for rate in rates])
    steps = integer("steps", steps)
    h, u, w = _problem(seed, kappa, dimension)
    best = np.linalg.solve(h, u)
    floor = -0.5 * best @ u
    plain = np.tile(w, (len(rates), 1))
    normalized = plain.copy()
    lr = rates[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            plain -= lr * (plain @ h - u)
            normalized -= lr * _normalized_gradient(normalized, h, u)
        loss = 0.5 * ((plain @ h) * plain).sum(axis=1) - plain @ u - floor
    loss = np.where(np.isfinite(loss), loss, np.inf)
    normalized_loss = _normalized_loss(normalized, h, u) - floor
    return AnyRate(rates, loss, normalized_loss, -floor, 2 / kappa)


def _normalized_gradient(w, h, u):
    """Return the gradient by w of the normalized loss, for the best scale a."""
    hw = w @ h
    s2 = (w * hw).sum(axis=1, keepdims=True)
    along = (w @ u)[:, None]
    return -(along / s2) * (u - along / s2 * hw)


def _normalized_loss(w, h, u):
    return -0.5 * (w @ u) ** 2 / ((w @ h) * w).sum(axis=1)


class LengthDirection(NamedTuple):
    """Steps until the loss is a thousandth of what it was at the start.

    Attributes
    ----------
    kappas : ndarray of shape (P,)
        Condition numbers of the problems.
    plain : ndarray of shape (P,)
        Steps of gradient descent with the step size 1 / (largest curvature).
    decoupled : ndarray of shape (P,)
        Steps of gradient descent on the direction, the length solved for.
    """

    kappas: np.ndarray
    plain: np.ndarray
    decoupled: np.ndarray


def length_direction(seed=0, *, kappas=(10.0, 100.0, 1000.0), dimension=20, limit=5000):
    """Count the steps of gradient descent, plain and on length and direction.

    Parameters
    ----------
    seed : int, default 0
        Of the problems and the starts.
    kappas : sequence of float
        Ratios of the largest to the smallest curvature.
    dimension : int, default 20
        Number of inputs.
    limit : int, default 5000
        Most steps tried; reported where the goal was not reached.

    Returns
    -------
    LengthDirection

    Raises
    ------
    TypeError, ValueError
        If a number is out of range.

    Notes
    -----
    Both start at the same direction; both are judged against the loss of that
    direction with the best length. The direction descends the Rayleigh quotient
    ``rho(w) = -(u.w)**2 / (w.H w)`` with the step ``w.H w / (2 L |rho|)``.

    The verdict here: no reliable speed-up over plain gradient descent. That does
    not contradict the theorem, which gives both the rate ``(1 - mu / L)**2`` on
    least squares; the gain of the paper is elsewhere (halfspaces, networks).

    References
    ----------
    J. Kohler et al. (2018), arXiv:1805.10694, section 4, theorem 1.

    Examples
    --------
    >>> found = length_direction(0, kappas=(10.0,))
    >>> bool(found.plain[0] < 100), bool(found.decoupled[0] < 100)
    (True, True)
    """
    limit = integer("limit", limit)
    rows = []
    for kappa in kappas:
        h, u, w = _problem(seed, kappa, dimension)
        floor = -0.5 * np.linalg.solve(h, u) @ u
        scaled = (w @ u) / (w @ h @ w) * w  # the best length
        goal = 1e-3 * (_loss(scaled, h, u) - floor) + floor
        rows.append(
            [_steps(step, scaled, h, u, kappa, goal, limit) for step in (_gd, _gdnp)]
        )
    return LengthDirection(np.array(kappas), *np.array(rows).T)


def _steps(step, w, h, u, largest, goal, limit):
    for count in range(limit):
        if _loss(w, h, u) <= goal:
            return count
        w = step(w, h, u, largest)
    return limit


def _loss(w, h, u):
    return 0.5 * w @ h @ w - w @ u


def _gd(w, h, u, largest):
    return w - (h @ w - u) / largest


def _gdnp(w, h, u, largest):
    """Descend in the direction, then solve for the length."""
    s2, along = w @ h @ w, w @ u
    gradient = -2 * along / s2 * (u - along / s2 * (h @ w))
    w = w - s2 / (2 * largest * along**2 / s2) * gradient
    return (w @ u) / (w @ h @ w) * w


def _problem(seed, kappa, dimension):
    """Return curvature, correlation and start of a random problem."""
    kappa = number("kappa", kappa, minimum=1)
    dimension = integer("dimension", dimension, minimum=2)
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    axes, _ = np.linalg.qr(rng.normal(size=(dimension, dimension)))
    h = (axes * np.geomspace(1, kappa, dimension)) @ axes.T
    return h, h @ rng.normal(size=dimension), rng.normal(size=dimension)
