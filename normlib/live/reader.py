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
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    result = call_reader(function, *copies)
    name = getattr(function, "__name__", "function")
    if result is ...:
        raise ReaderError(
            f"your {name} still returns the ... of the stub; write it, then run its "
            "cell and this one again."
        )
    if result is None:
        raise ReaderError(f"your {name} returned None; does it end with return?")
    result = result[0] if isinstance(result, tuple) else result
    if np.shape(result) != shape:
        raise ReaderError(
            f"your {name} returned shape {np.shape(result)}, but it needs {shape}."
        )
    result = np.asarray(result, dtype=float)
    if not np.isfinite(result).all():
        raise ReaderError(
            f"your {name} returned {np.sum(~np.isfinite(result))} numbers that are NaN "
            "or infinite; is a standard deviation 0?"
        )
    return result
