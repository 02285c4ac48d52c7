"""Which changes of weights and data a normalized layer does not notice, measured."""

from typing import NamedTuple

import numpy as np

from normlib._arguments import choice, float_array, generator, number, real, takes
from normlib.norms import batch_norm, layer_norm, rms_norm, weight_norm

NORMS = ("batch", "weight", "layer", "rms")
CHANGES = (
    "weight matrix rescaled",
    "weight matrix recentred",
    "weight vector rescaled",
    "data rescaled",
    "data recentred",
    "single case rescaled",
)
# Ba, Kiros, Hinton 2016, table 1; the last row from Zhang, Sennrich 2019, table 1.
PUBLISHED = np.array(
    [
        [True, False, True, True, True, False],
        [True, False, True, False, False, False],
        [True, True, False, True, False, True],
        [True, False, False, True, False, True],
    ]
)
TOLERANCE = 1e-9  # of a relative change that counts as none


class InvarianceTable(NamedTuple):
    """How far the output moved for every norm and every change.

    Attributes
    ----------
    norms : tuple of str, of length M
        The rows.
    changes : tuple of str, of length C
        The columns.
    change : ndarray of shape (M, C)
        Largest change of the output over its largest entry.
    invariant : ndarray of bool, shape (M, C)
        Whether that is below 1e-9.
    """

    norms: tuple
    changes: tuple
    change: np.ndarray
    invariant: np.ndarray


def invariance_table(strength=3.0, *, eps=0.0, rng=0):
    """Apply each change to a normalized layer and measure what comes out.

    Parameters
    ----------
    strength : float
        Rescalings multiply by it, recentrings shift by ``strength - 1`` times a
        random vector: 1 changes nothing. Above 0; default 3.
    eps : float
        Added to the variance inside the root; default 0, for exact statements.
    rng : int or numpy.random.Generator
        Seed or generator of 12 cases with 6 features and of a 6 x 8 weight;
        default 0.

    Returns
    -------
    InvarianceTable
        Rows `NORMS`, columns `CHANGES`; compare with `PUBLISHED`.

    Notes
    -----
    The layer is ``norm(x W)`` without a bias; weight norm gives each unit's
    incoming weights length 1. A recentring of W adds the same vector to the
    weights of all units, one of the data adds the same vector to all cases. A
    factor below 0 would flip the sign of a normalized output, which is why the
    strength is above 0.

    References
    ----------
    Ba, Kiros, Hinton 2016, arXiv:1607.06450, table 1 and equations 6 and 7.
    Zhang, Sennrich 2019, arXiv:1910.07467, table 1 (RMS norm).

    Examples
    --------
    >>> table = invariance_table()
    >>> bool((table.invariant == PUBLISHED).all())
    True
    """
    number("strength", strength, positive=True)
    x, weight, shift = example_layer(rng)
    before = [normalized_layer(x, weight, norm, eps=eps) for norm in NORMS]
    change = np.empty((len(NORMS), len(CHANGES)))
    for column, what in enumerate(CHANGES):
        changed = change_layer(x, weight, what, strength, shift)
        for row, norm in enumerate(NORMS):
            after = normalized_layer(*changed, norm, eps=eps)
            change[row, column] = relative_change(before[row], after)
    return InvarianceTable(NORMS, CHANGES, change, change < TOLERANCE)


def example_layer(rng=0):
    """Return 12 cases with 6 features, a 6 x 8 weight, and a shift of 6 entries.

    Examples
    --------
    >>> [part.shape for part in example_layer()]
    [(12, 6), (6, 8), (6,)]
    """
    rng = generator(rng)
    return tuple(rng.standard_normal(shape) for shape in ((12, 6), (6, 8), 6))


def relative_change(before, after):
    """Return the largest change of an array over its largest entry.

    Examples
    --------
    >>> relative_change(np.array([1.0, -4.0]), np.array([3.0, -4.0]))
    0.5
    """
    before, after = float_array("before", before), float_array("after", after)
    if after.shape != before.shape or not before.any():
        raise ValueError(
            f"before and after must have one shape, and before an entry that is not 0, "
            f"got shapes {before.shape} and {after.shape}"
        )
    return float(np.abs(after - before).max() / np.abs(before).max())


@takes(strength=real)
def change_layer(x, weight, change, strength, shift):
    """Apply one change of Table 1 to the data or the weights of a layer.

    Parameters
    ----------
    x : ndarray of shape (N, D)
        Data, one case per row.
    weight : ndarray of shape (D, H)
        Weights, one unit per column.
    change : str
        One of `CHANGES`.
    strength : float
        Factor of a rescaling; ``strength - 1`` is the factor of a recentring.
    shift : ndarray of shape (D,)
        Direction of a recentring.

    Returns
    -------
    x : ndarray of shape (N, D)
        Changed or as it was; unit 0 and case 0 are the single ones.
    weight : ndarray of shape (D, H)
        Changed or as it was.

    References
    ----------
    Ba, Kiros, Hinton 2016, arXiv:1607.06450, section 5.1.

    Examples
    --------
    >>> x, weight = np.ones((2, 1)), np.ones((1, 2))
    >>> change_layer(x, weight, "weight vector rescaled", 3.0, np.ones(1))[1]
    array([[3., 1.]])
    """
    x, weight = float_array("x", x, ndim=2), float_array("weight", weight, ndim=2)
    shift = float_array("shift", shift, ndim=1)
    choice("change", change, CHANGES)
    if not x.shape[1] == weight.shape[0] == shift.size:
        raise ValueError(
            f"x, weight and shift must share one number of features, got shapes "
            f"{x.shape}, {weight.shape} and {shift.shape}"
        )
    x, weight = x.copy(), weight.copy()
    if change == "weight matrix rescaled":
        weight *= strength
    elif change == "weight matrix recentred":
        weight += (strength - 1) * shift[:, None]
    elif change == "weight vector rescaled":
        weight[:, 0] *= strength
    elif change == "data rescaled":
        x *= strength
    elif change == "data recentred":
        x += (strength - 1) * shift
    else:
        x[0] *= strength
    return x, weight


@takes(eps=real)
def normalized_layer(x, weight, norm, *, eps=0.0):
    """Return ``norm(x W)``; weight norm gives each unit's weights length 1.

    Parameters
    ----------
    x : ndarray of shape (N, D)
        Data, one case per row.
    weight : ndarray of shape (D, H)
        Weights, one unit per column.
    norm : str
        One of `NORMS`.
    eps : float
        Added to the variance inside the root; default 0.

    Returns
    -------
    ndarray of shape (N, H)

    Examples
    --------
    >>> normalized_layer(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), "weight")
    array([[2.2]])
    """
    x, weight = float_array("x", x, ndim=2), float_array("weight", weight, ndim=2)
    if x.shape[1] != len(weight):
        raise ValueError(
            f"x and weight must share one number of features, got shapes {x.shape} "
            f"and {weight.shape}"
        )
    choice("norm", norm, NORMS)
    if norm == "weight":
        by_unit, _ = weight_norm(weight.T, np.ones(weight.shape[1]))
        return x @ by_unit.T
    apply = {"batch": batch_norm, "layer": layer_norm, "rms": rms_norm}[norm]
    return apply(x @ weight, eps=eps)[0]
