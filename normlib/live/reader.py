"""Take numbers from the reader's own function, or say what is wrong with them."""

import numpy as np

from normlib.live.figure import ReaderError, call_reader


def reader_array(function, *args, shape):
    """Return what the reader's function gives: finite numbers of a shape.

    Parameters
    ----------
    function : callable
        The reader's function. If it returns a tuple, its first entry counts.
    *args
        What it is called with; arrays are copied, so that it may change them.
    shape : tuple of int
        The shape that its result must have.

    Returns
    -------
    ndarray of float, of `shape`

    Raises
    ------
    ReaderError
        With what came, what was expected and what to do, for the reader to see.
    """
    name, result = _call(function, args)
    return _checked(name, result[0] if isinstance(result, tuple) else result, shape)


def reader_arrays(function, *args, shapes):
    """Return `reader_array` for a function that gives several results."""
    name, results = _call(function, args)
    if not isinstance(results, tuple | list) or len(results) != len(shapes):
        raise ReaderError(f"your {name} has to return {len(shapes)} arrays.")
    return [_checked(name, *pair) for pair in zip(results, shapes, strict=True)]


def real_numbers(value):
    """Return `value` as an array of floats; raise TypeError for whatever else."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biufO":  # neither text nor complex numbers
            return array.astype(float)
    except Exception as error:
        raise TypeError from error
    raise TypeError


def _call(function, args):
    """Return the name and the results of the reader's function."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    result = call_reader(function, *copies)
    name = getattr(function, "__name__", "function")
    if isinstance(result, tuple) and not result:
        raise ReaderError(f"your {name} returned (), nothing.")
    first = result[0] if isinstance(result, tuple) else result
    if first is ...:
        raise ReaderError(
            f"your {name} still returns the ... of the stub; write it, then run its "
            "cell and this one again."
        )
    if first is None:
        raise ReaderError(f"your {name} returned None; does it end with return?")
    return name, result


def _checked(name, result, shape):
    kind = type(result).__name__
    try:
        result = real_numbers(result)
    except TypeError:
        raise ReaderError(
            f"your {name} returned a value of type {kind}, not real numbers."
        ) from None
    if result.shape != shape:
        raise ReaderError(
            f"your {name} returned shape {result.shape}, but it needs {shape}."
        )
    if not np.isfinite(result).all():
        raise ReaderError(
            f"your {name} returned {np.sum(~np.isfinite(result))} numbers that are NaN "
            "or infinite; is a standard deviation 0?"
        )
    return result
