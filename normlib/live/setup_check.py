"""The check of notebook 00: is everything here that the notebooks need."""

import sys
from importlib.metadata import version

import numpy as np

from normlib import layer_norm
from normlib.datasets import load_digits
from normlib.live.start_here import FirstTable

# The oldest major versions that the notebooks were made for.
OLDEST = {"numpy": 2, "matplotlib": 3, "ipywidgets": 8, "jupyterlab": 4}


def major(package):
    """Return the major version of an installed package."""
    return int(version(package).split(".")[0])


def figure_moves():
    """Return whether a control changes the picture and the sentence of a figure."""
    figure = FirstTable()
    before = figure.png, figure.sentence
    figure.controls["sample"].value += 1
    return figure.png != before[0] and figure.sentence != before[1]


def setup_check():
    """Print one line for each thing that the notebooks need, and the way out."""
    y, _ = layer_norm(np.array([[1.0, 2.0, 3.0]]), eps=0)
    checks = {
        "Python 3.11 or newer": sys.version_info >= (3, 11),
        **{f"{p} {n} or newer": major(p) >= n for p, n in OLDEST.items()},
        "normlib computes": bool(np.isclose(y, [-(1.5**0.5), 0, 1.5**0.5]).all()),
        "1797 digits are here": len(load_digits()[0]) == 1797,
        "a control moves a figure": figure_moves(),
    }
    for what, fine in checks.items():
        print(f"{what}: {'yes' if fine else 'NO'}")
    if all(checks.values()):
        print("All is set. Go on to notebook 01.")
    else:
        print("Mend the lines that say NO first: see README, section Set-up.")
