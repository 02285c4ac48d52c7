"""The checks of notebook 02 name each common mistake, and accept what is right."""

import numpy as np
import pytest

from normlib import batch_norm
from normlib.lessons import which_numbers_share_a_mean as check

AXES = {"batch": (0, 2, 3), "layer": (1, 2, 3), "instance": (2, 3)}


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: batch_norm(x.T)[0].T, "Correct: "),
        (lambda x: ..., "not attempted"),
        (lambda x: None, "returned None"),
        (lambda x: batch_norm(x)[0], "the table is not turned"),
        (lambda x: batch_norm(x.T)[0], "returned shape (5, 6)"),
        (lambda x: (x - x.mean()) / np.sqrt(x.var() + 1e-5), "its own"),
        (lambda x: x * 0, "expected"),
        (lambda x: x + np.nan, "NaN or infinity"),
        (lambda x: batch_norm(x.T), "not an array"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_layer_norm_from_batch_norm(function, words, capsys):
    check.layer_norm_from_batch_norm(function)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (AXES, "Correct: "),
        (AXES | {"batch": (3, 0, 2)}, "Correct: "),
        (AXES | {"layer": ...}, "not attempted"),
        (AXES | {"layer": (2, 3)}, "8 means"),
        (AXES | {"batch": 0}, "36 means"),
        (AXES | {"instance": (1, 2, 3)}, "2 means"),
        (AXES | {"instance": "HW"}, "not a tuple of axes"),
        (AXES | {"instance": (2, 4)}, "x has the axes 0, 1, 2, 3"),
    ],
)
def test_axes_of(axes, words, capsys):
    check.axes_of(lambda norm: axes[norm])
    assert words in capsys.readouterr().out
