"""Checks of arguments shared by the modules, so that bad input gives one clear error.

Each check returns the value in the form the caller computes with.
"""

import inspect
import operator
from functools import wraps

import numpy as np


def as_array(name, value, order=None):
    """Return ``value`` as an array, or say why it is none."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must be a plain array, got a masked one, whose mask would be "
            f"ignored; pass the entries that count, {name}.compressed() say"
        )
    try:
        return np.asarray(value, order=order)
    except ValueError:
        raise ValueError(
            f"{name} must be an array, got nested lists of different lengths; make "
            "all rows equally long"
        ) from None


def float_array(name, value, *, ndim=None, finite=True):
    """Return ``value`` as a floating-point array, or say what is wrong with it.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : array_like
        Integers and booleans are refused: rounding would hide a mistake.
    ndim : int or tuple of int, optional
        Allowed numbers of axes; default any.
    finite : bool
        Whether NaN and infinity are refused; default True.

    Returns
    -------
    ndarray
        The same data; float16 becomes float32, other floats keep their type.

    Examples
    --------
    >>> float_array("x", [0.5, 2.0])
    array([0.5, 2. ])
    """
    array = as_array(name, value)
    if array.dtype.kind != "f":
        raise TypeError(
            f"{name} must hold floating-point numbers, got {array.dtype}; "
            f"convert it with np.asarray({name}, dtype=float)"
        )
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if allowed is not None and array.ndim not in allowed:
        wanted = " or ".join(str(number) for number in allowed)
        raise ValueError(
            f"{name} must have {wanted} axes, got shape {array.shape}; "
            "add or drop an axis with reshape"
        )
    if array.size == 0:
        raise ValueError(f"{name} is empty, shape {array.shape}; give at least 1 value")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; remove or replace them first")
    return array.astype(np.float32) if array.dtype.itemsize == 2 else array


def data_type(name, value):
    """Return ``value`` as a numpy dtype, or say that it names none."""
    try:
        return np.dtype(value)
    except TypeError:
        raise TypeError(
            f"{name} must be a type such as np.float64, got {value!r}"
        ) from None


def real_array(name, value, dtype):
    """Return ``value`` as an array of one float type, or say it is not real."""
    value = as_array(name, value)
    if value.dtype.kind not in "fiub":
        raise TypeError(
            f"{name} must hold real numbers, got dtype {value.dtype}; convert it with "
            f"np.asarray({name}, dtype=float)"
        )
    return value.astype(dtype, copy=False)


def vector(name, value, n, default=None, dtype=None):
    """Return ``value`` as a float array of n entries; None stands for n defaults."""
    if value is None and default is not None:
        return np.full(n, default, dtype)
    value = float_array(name, value)
    if value.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {value.shape}")
    return value


def integer(name, value, *, minimum=1):
    """Return ``value`` as an int of at least ``minimum``, or say what is wrong.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : int
        Any integer type; booleans and floats are refused.
    minimum : int
        Smallest value allowed; default 1.

    Returns
    -------
    int

    Examples
    --------
    >>> integer("depth", 3)
    3
    """
    try:
        if isinstance(value, (bool, np.bool_, np.ndarray)):
            raise TypeError  # True counts as 1, and an array of one entry as a number
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name} must be an integer, got {value!r}; round it with int({name})"
        ) from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    return number


def number(name, value, *, minimum=None, positive=False):
    """Return ``value`` as a finite float within its range, or say what is wrong.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : float
        One real number.
    minimum : float, optional
        Smallest value allowed; default none.
    positive : bool
        Whether only values above 0 are allowed; default False.

    Returns
    -------
    float

    Examples
    --------
    >>> number("eps", 0, minimum=0)
    0.0
    """
    try:
        # float() would read "0.1", True, and an array of one entry.
        if isinstance(value, (str, bytes, bool, np.bool_, np.ndarray)):
            raise TypeError
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be one number, got {value!r}") from None
    except OverflowError:  # an integer beyond all floats
        result = np.inf
    if not np.isfinite(result):
        raise ValueError(f"{name} must be finite, got {result}")
    if positive and result <= 0:
        raise ValueError(f"{name} must be above 0, got {result:g}")
    if minimum is not None and result < minimum:
        raise ValueError(f"{name} must be at least {minimum:g}, got {result:g}")
    return result


def choice(name, value, options):
    """Return ``value`` if it is one of ``options``, else list them.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    value : object
        What the caller gave.
    options : iterable
        What is allowed.

    Returns
    -------
    object
        ``value``.

    Examples
    --------
    >>> choice("norm", "layer", ("batch", "layer"))
    'layer'
    """
    options = tuple(options)
    plain = value is None or isinstance(value, str | int | float | np.number)
    if not plain or isinstance(value, bool) or value not in options:
        wanted = ", ".join(repr(option) for option in options)
        raise ValueError(f"{name} must be one of {wanted}, got {value!r}")
    return value


def generator(rng, name="rng"):
    """Return a random generator from a seed or a generator.

    Parameters
    ----------
    rng : int or numpy.random.Generator
        A seed gives the same numbers on every call; a generator goes on.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    TypeError
        If ``rng`` is neither, such as None: an experiment must be repeatable.

    Examples
    --------
    >>> int(generator(0).integers(10)) == int(generator(0).integers(10))
    True
    """
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng(integer(name, rng, minimum=0))


def takes(**kinds):
    """Check the arguments of a public function at its door, by kind.

    Examples
    --------
    >>> @takes(steps=natural, x=reals)
    ... def train(x, steps):
    ...     return "trained"
    >>> train([1.0], steps=True)
    Traceback (most recent call last):
    TypeError: steps must be an integer, got True; round it with int(steps)
    """

    def door(function):
        parameters = inspect.signature(function).parameters
        names = tuple(parameters)
        left_out = {name for name in kinds if parameters[name].default is None}

        @wraps(function)
        def checked(*args, **kwargs):
            given = dict(zip(names, args, strict=False)) | kwargs
            for name, check in kinds.items():
                if name in given and not (given[name] is None and name in left_out):
                    check(name, given[name])
            return function(*args, **kwargs)

        return checked

    return door


def natural(name, value):
    """Raise unless ``value`` is an integer of 1 or more."""
    integer(name, value)


def index(name, value):
    """Raise unless ``value`` is an integer of 0 or more."""
    integer(name, value, minimum=0)


def indices(name, value):
    """Raise unless ``value`` is an integer of 0 or more, or a list of such."""
    for one in value if isinstance(value, list) and value else [value]:
        integer(name, one, minimum=0)


def real(name, value):
    """Raise unless ``value`` is one finite real number."""
    number(name, value)


def reals(name, value):
    """Raise unless ``value`` is an array, or nested lists, of real numbers."""
    if as_array(name, value).dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got {value!r:.80}")
