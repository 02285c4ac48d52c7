"""What all exercise checks share: call the reader's function, compare, say what is off.

A check prints one line: "Not attempted yet", what differs and where to look, or
"Correct". It never raises for what the reader wrote.
"""

import copy
from functools import partial

import numpy as np

from normlib.live.figure import named
from normlib.live.reader import real_numbers

SHORT_FLOATS = 1e-3  # tolerance for results in float32 or float16


class NotYet(Exception):
    """The reader's function is not there yet; the message says what to do."""


class NotAttempted(NotYet):
    """The reader has not written anything yet."""


def verdict(check):
    """Run `check`, a function without arguments.

    Returns
    -------
    words : str
        The verdict.
    state : {"written", "tried", ""}
        Right, not right yet, or not attempted.
    """
    try:
        return f"Correct: {check()}", "written"
    except NotAttempted as reason:
        return f"Not yet: {reason}", ""
    except NotYet as reason:
        return f"Not yet: {reason}", "tried"


def same(function, solution, inputs, mistakes, right, tolerance=1e-6):
    """Return `right` if `function` and `solution` agree on all `inputs`.

    Parameters
    ----------
    function, solution : callable
        The reader's and ours.
    inputs : sequence of tuple
        Arguments for each trial; both functions get copies of their own.
    mistakes : dict of str to callable
        What to tell a reader whose function agrees with this one instead.
    right : str
        What the reader has shown.
    tolerance : float
        Largest difference, relative to the larger of 1 and the largest entry.

    Raises
    ------
    NotYet
        With the mistake by name, or the entry that differs most.
    """
    name = getattr(function, "__name__", "your function")
    expected = [solution(*copy.deepcopy(arguments)) for arguments in inputs]
    given = copy.deepcopy(inputs)
    results = [call(function, *arguments) for arguments in given]
    if not all(map(partial(_agree, tolerance=tolerance), results, expected)):
        for hint, wrong in mistakes.items():
            others = [wrong(*copy.deepcopy(arguments)) for arguments in inputs]
            if all(map(partial(_agree, tolerance=tolerance), results, others)):
                raise NotYet(hint)
        for result, right_one in zip(results, expected, strict=True):
            _compare_parts(name, result, right_one, tolerance)
    changed = not all(map(_equal, given, inputs))
    if changed:
        right += (
            f" One thing: {name} changes its input in place, so its caller loses the "
            "old numbers."
        )
    return right


def _parts(value, like):
    """Return the results that are in `value`, several if there are in `like`."""
    several = isinstance(like, tuple) and isinstance(value, list | np.ndarray)
    if isinstance(value, tuple) or (several and np.iterable(value)):
        return tuple(value)  # a list of them, or an array, unpacks as a tuple does
    return (value,)


def _tolerance(value, tolerance):
    """Return the tolerance for a result: wider for who computes in float32."""
    short = getattr(value, "dtype", None) in (np.float16, np.float32)
    return max(tolerance, SHORT_FLOATS) if short else tolerance


def shown(value):
    """Return `value` as a message quotes it: on one line, not too long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _equal(one, other):
    arrays = [
        (a, b) for a, b in zip(one, other, strict=True) if isinstance(a, np.ndarray)
    ]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in arrays)


def _agree(result, expected, tolerance):
    came, wanted = _parts(result, expected), _parts(expected, expected)
    if len(came) != len(wanted):
        return False
    tolerances = [_tolerance(part, tolerance) for part in came]
    try:
        came = [real_numbers(part) for part in came]
    except TypeError:
        return False
    return all(
        c.shape == np.shape(w) and np.isfinite(c).all() and close(c, w, t)
        for c, w, t in zip(came, wanted, tolerances, strict=True)
    )


def _compare_parts(name, result, expected, tolerance):
    """Raise `NotYet` with what differs between the results of one trial, if any."""
    came, wanted = _parts(result, expected), _parts(expected, expected)
    if len(came) != len(wanted):
        what = "one array" if len(wanted) == 1 else f"{len(wanted)} results"
        cache = " Does it return the cache, too?" if len(wanted) == 1 else ""
        plural = "" if len(came) == 1 else "s"
        raise NotYet(
            f"{name} returned {len(came)} result{plural}, expected {what}.{cache}"
        )
    for k, (part, want) in enumerate(zip(came, wanted, strict=True)):
        what = name if len(wanted) == 1 else f"result {k} of {name}"

        def given(part=part):
            return part

        given.__name__ = what
        numbers = array(given, shape=np.shape(want))
        compare(f"{what}(...)", numbers, want, tolerance=_tolerance(part, tolerance))


def call(function, *args, **kwargs):
    """Call the reader's function and turn its errors into `NotYet`."""
    name = getattr(function, "__name__", "your function")
    if not callable(function):
        raise NotYet(
            f"{shown(function)} is no function; name yours, without brackets after it."
        )
    try:
        result = function(*args, **kwargs)
    except (Exception, SystemExit) as error:
        raise NotYet(f"{name} raised {named(error)}") from error
    if result is ... or (isinstance(result, tuple) and any(r is ... for r in result)):
        raise NotAttempted(f"{name} is not attempted; replace the ... by your code.")
    if result is None:
        raise NotYet(f"{name} returned None; does it end with return?")
    return result


def array(function, *args, shape, **kwargs):
    """Call the reader's function, which has to return finite numbers of `shape`."""
    name = getattr(function, "__name__", "your function")
    result = call(function, *args, **kwargs)
    try:
        result = real_numbers(result)
    except TypeError:
        raise NotYet(
            f"{name} returned {shown(result)}, not an array of real numbers."
        ) from None
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
    came, wanted = result[worst], np.asarray(expected)[worst]
    digits = 4
    while f"{came:.{digits}g}" == f"{wanted:.{digits}g}":
        digits += 1
    raise NotYet(f"{name}{at} is {came:.{digits}g}, expected {wanted:.{digits}g}.")
