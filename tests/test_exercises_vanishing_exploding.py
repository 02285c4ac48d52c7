"""The check of notebook 07 names each common mistake, and accepts what is right."""

import numpy as np
import pytest

from normlib.lessons import vanishing_exploding as check


def right(phi, slope, norm):
    size = phi.var() if norm == "batch" else (phi**2).mean()
    return (slope**2).mean() / size


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (right, "Correct: "),
        (lambda phi, slope, norm: ..., "not attempted"),
        (lambda phi, slope, norm: None, "returned None"),
        (lambda phi, slope, norm: phi[:2], "one number is needed"),
        (lambda phi, slope, norm: 1 / right(phi, slope, norm), "turn the fraction"),
        (lambda phi, slope, norm: np.sqrt(right(phi, slope, norm)), "no root"),
        (
            lambda phi, slope, norm: right(phi, slope, "layer"),
            "divides by the variance",
        ),
        (
            lambda phi, slope, norm: right(phi, slope, "batch"),
            "layer norm divides by the mean square",
        ),
        (lambda phi, slope, norm: 7.0, "expected 1.467"),
        (lambda phi, slope, norm: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_the_verdict_says_what_is_wrong(function, words, capsys):
    check.rate(function)
    said = capsys.readouterr().out
    assert words in said
    assert said.startswith("Correct: " if function is right else "Not yet: ")
