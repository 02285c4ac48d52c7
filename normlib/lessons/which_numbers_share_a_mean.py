"""Checks of notebook 02."""

import numpy as np

from normlib import batch_norm, layer_norm
from normlib.axes import index_sets
from normlib.lessons.checks import NotYet, array, call, compare, report


def layer_norm_from_batch_norm(function):
    """Check a layer norm of (N, D) that is written with batch norm."""

    def check():
        x = np.random.default_rng(7).normal(3.0, 2.0, size=(6, 5))
        y = array(function, x, shape=x.shape)
        mistakes = [
            (batch_norm(x)[0], "that is batch norm of x: the table is not turned."),
            (
                (x - x.mean()) / np.sqrt(x.var() + 1e-5),
                "that shares one mean over the whole table; each row needs its own.",
            ),
        ]
        compare("y", y, layer_norm(x)[0], mistakes, tolerance=1e-6)
        return (
            "each row has its own mean, and batch norm of x.T, turned back, gives it."
        )

    report(check)


def axes_of(function):
    """Check a function from a norm's name to the axes it averages in (N, C, H, W)."""

    def check():
        shape = (2, 4, 3, 3)
        for norm in ("batch", "layer", "instance"):
            answer = call(function, norm)
            try:
                axes = {int(axis) for axis in np.atleast_1d(np.array(answer))}
            except (TypeError, ValueError):
                raise NotYet(
                    f"axes_of({norm!r}) is {answer!r}, not a tuple of axes."
                ) from None
            if not axes <= {0, 1, 2, 3}:
                raise NotYet(
                    f"axes_of({norm!r}) is {answer!r}; x has the axes 0, 1, 2, 3."
                )
            right = {"batch": {0, 2, 3}, "layer": {1, 2, 3}, "instance": {2, 3}}[norm]
            if axes != right:
                got = int(np.prod([shape[a] for a in range(4) if a not in axes]))
                options = {"axes": (1, 2, 3)} if norm == "layer" else {}
                sets = np.unique(index_sets(norm, shape, **options)).size
                raise NotYet(
                    f"averaging over {tuple(sorted(axes))} gives {got} means for x of "
                    f"shape {shape}; {norm} norm has {sets}."
                )
        return (
            "batch norm keeps only the channel axis, layer norm only the sample axis."
        )

    report(check)
