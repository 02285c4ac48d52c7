"""What all exercise checks share: call the reader's function, compare, say what is off.

A check prints one line: "Not attempted yet", what differs and where to look, or
"Correct". It never raises for what the reader wrote.
"""

import numpy as np


class NotYet(Exception):
    """The reader's function is not there yet; the message says what to do."""


def report(check):
    """Run `check`, a function without arguments, and print its verdict.

    Parameters
    ----------
    check : callable
        Returns what the reader got right, or raises `NotYet` with what is off.
    """
    try:
        print(f"Correct: {check()}")
    except NotYet as reason:
        print(f"Not yet: {reason}")


def call(function, *args, **kwargs):
    """Call the reader's function and turn its errors into `NotYet`."""
    name = getattr(function, "__name__", "your function")
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        raise NotYet(f"{name} raised {type(error).__name__}: {error}") from error
    if result is ...:
        raise NotYet(f"{name} is not attempted; replace the ... by your code.")
    if result is None:
        raise NotYet(f"{name} returned None; does it end with return?")
    return result


def array(function, *args, shape, **kwargs):
    """Call the reader's function, which has to return finite numbers of `shape`."""
    name = getattr(function, "__name__", "your function")
    result = call(function, *args, **kwargs)
    try:
        result = np.asarray(result, dtype=float)
    except (TypeError, ValueError):
        raise NotYet(f"{name} returned {result!r}, not an array of numbers.") from None
    if result.shape != shape:
        raise NotYet(f"{name} returned shape {result.shape}, expected {shape}.")
    if not np.isfinite(result).all():
        raise NotYet(f"{name} returned NaN or infinity; is something divided by 0?")
    return result


def close(result, expected, tolerance=1e-8):
    """Return whether two arrays agree to `tolerance`, relative to the larger one."""
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(result - expected).max()) <= tolerance * scale


def compare(name, result, expected, mistakes=(), tolerance=1e-8):
    """Raise `NotYet` unless `result` is `expected`; name a known mistake if it is one.

    Parameters
    ----------
    name : str
        What is compared, for the message.
    result, expected : ndarray
        Of one shape.
    mistakes : iterable of (ndarray, str)
        What a common mistake gives, and the hint for it.
    tolerance : float
        Largest difference, relative to the larger of 1 and the largest entry.
    """
    if close(result, expected, tolerance):
        return
    for wrong, hint in mistakes:
        if np.shape(wrong) == result.shape and close(result, wrong, tolerance):
            raise NotYet(hint)
    worst = np.unravel_index(np.argmax(np.abs(result - expected)), np.shape(expected))
    at = f"[{', '.join(map(str, worst))}]" if worst else ""
    wanted = np.asarray(expected)[worst]
    raise NotYet(f"{name}{at} is {result[worst]:.4g}, expected {wanted:.4g}.")
