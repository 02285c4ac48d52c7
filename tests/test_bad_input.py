"""Every public function says which argument is wrong, in words of its own.

The functions are discovered. What a function may be given is learned from the
example in its docstring: it is run, and the arguments of the call are kept. Then one
argument after the other is replaced by something that it cannot be.
"""

import contextlib
import doctest
import importlib
import inspect
import pkgutil
import re
import traceback
import types
from pathlib import Path

import numpy as np
import pytest

import normlib
from normlib.nets.layers import Layer
from normlib.nets.network import Network

HOME = Path(normlib.__file__).parent
# A check of arguments that several modules share: it is told the name.
CHECKS = {"normlib.depth.mean_field.check_gain"}
# What an argument is called where a loss takes it.
INSIDE = {"targets": "labels"}
# May be one or several: [-1] is as good as -1.
ONE_OR_MORE = {"axes", "average", "counts", "gamma", "initial", "var"}
# A list of seeds trains several networks.
SEVERAL_SEEDS = {
    "along_the_gradient",
    "deep_linear_shift",
    "digits_network",
    "digits_shift",
    "figure_one",
    "length_steps",
    "noisy_digits",
    "noisy_run",
    "weight_decay_steps",
}


def modules():
    """Yield the modules that compute; figures and lessons take a reader's clicks."""
    for found in pkgutil.walk_packages(normlib.__path__, "normlib."):
        parts = found.name.split(".")[1:]
        inside = any(part.startswith("_") for part in parts)
        if not (inside or found.ispkg or parts[0] in ("live", "lessons")):
            yield importlib.import_module(found.name)


def functions():
    """Yield every public function and class that has an example, by its full name."""
    for module in modules():
        for name, value in vars(module).items():
            made = inspect.isclass(value) and "__init__" in vars(value)
            called = inspect.isfunction(value) or made
            own = called and value.__module__ == module.__name__
            if own and not name.startswith("_") and ">>> " in (value.__doc__ or ""):
                yield f"{module.__name__}.{name}"


FUNCTIONS = sorted(set(functions()) - CHECKS)


def example(full_name):
    """Return a function and the arguments of the call in its example, by name."""
    module_name, name = full_name.rsplit(".", 1)
    module = importlib.import_module(module_name)
    function = getattr(module, name)
    calls = []

    def recorded(*args, **kwargs):
        bound = inspect.signature(function).bind(*args, **kwargs)
        calls.append(dict(bound.arguments))
        return function(*args, **kwargs)

    names = {**vars(module), name: recorded}
    test = doctest.DocTestParser().get_doctest(function.__doc__, names, name, None, 0)
    doctest.DocTestRunner(verbose=False).run(test, out=lambda text: None)
    return function, calls[0] if calls else None


def is_number(value):
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def bad_values(value):
    """Yield what an argument like `value` cannot be."""
    if is_number(value):
        yield from ("text", True, [value], np.array([value]), np.array("a"), {})
        yield complex(0, 1)
        if isinstance(value, int | np.integer):
            yield np.array(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        yield from ("text", {}, object(), np.array(["a"]), value.astype(complex))
    elif isinstance(value, np.random.Generator):
        yield from ("text", 3.5, object(), np.random)
    elif isinstance(value, Network | Layer):
        yield from (None, "text", 3.5, np.ones(2), Layer)
    elif isinstance(value, str):
        yield from ("no such word", [value], np.array([value, value]), {})


def odd_values(value):
    """Yield what some functions can use: they may, or they say what is wrong."""
    if is_number(value):
        yield from (-1, 0, np.nan, np.inf, None, value + 0.5)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        yield from (np.stack([[[value]]]), value.ravel()[:0], value.ravel()[0])
        yield from (value * np.nan, None)
    elif isinstance(value, str):
        yield 3.5


def call(function, arguments):
    """Call a function, and begin what it yields or lends."""
    kinds = inspect.signature(function).parameters
    positional, named = [], {}
    spread = any(kinds[name].kind is kinds[name].VAR_POSITIONAL for name in arguments)
    for name, value in arguments.items():
        kind = kinds[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            positional.extend(value)
        elif kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        elif spread and kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            positional.append(value)
        else:
            named[name] = value
    result = function(*positional, **named)
    if isinstance(result, contextlib.AbstractContextManager):
        with result:
            pass
    elif isinstance(result, types.GeneratorType):
        with contextlib.closing(result):
            next(result, None)


def raised(function, arguments, name, odd=False):
    """Return "" if the argument was refused by name, else what happened instead.

    An odd one may also be refused as not fitting another: by us, not by numpy.
    """
    try:
        with np.errstate(all="ignore"):
            call(function, arguments)
    except (TypeError, ValueError) as error:
        said = re.findall(r"\w+", str(error))
        named = name in said or INSIDE.get(name) in said
        last = traceback.extract_tb(error.__traceback__)[-1]
        own = (
            type(error) in (TypeError, ValueError)
            and HOME in Path(last.filename).parents
        )
        return "" if own and (named or odd) else f"{type(error).__name__}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


@pytest.mark.parametrize("full_name", FUNCTIONS)
def test_what_is_wrong_is_named(full_name):
    function, arguments = example(full_name)
    if arguments is None:
        pytest.skip("its example does not call it")
    wrong = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = arguments.get(name, parameter.default)
        for bad in bad_values(value):
            if name in ONE_OR_MORE and isinstance(bad, list | np.ndarray):
                continue
            several = name == "seed" and function.__name__ in SEVERAL_SEEDS
            if several and isinstance(bad, list):
                continue
            if said := raised(function, {**arguments, name: bad}, name):
                wrong.append(f"{name}={bad!r:.60}: {said:.160}")
        for odd in odd_values(value):
            said = raised(function, {**arguments, name: odd}, name, odd=True)
            if said not in ("", "accepted"):
                wrong.append(f"{name}={odd!r:.60}: {said:.160}")
    assert not wrong, "\n" + "\n".join(wrong)
