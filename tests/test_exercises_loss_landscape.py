"""The checks of notebook 09: stub, known mistakes and solutions."""

import numpy as np
import pytest

from normlib.lessons import loss_landscape as check

norm = np.linalg.norm


def changes(g, there):
    return norm(there - g, axis=1)


BETA = [
    (lambda g, t, n: ..., "not attempted"),
    (lambda g, t, n: None, "returned None"),
    (lambda g, t, n: changes(g, t) / (n * norm(g)), "one number per point"),
    (lambda g, t, n: (changes(g, t) / n).max(), "not eta"),
    (lambda g, t, n: (changes(g, t) / norm(g)).max(), "the lengths are missing"),
    (lambda g, t, n: changes(g, t).max(), "that is the change"),
    (lambda g, t, n: (changes(g, t) / (n * norm(g))).mean(), "that is the mean"),
    (lambda g, t, n: (changes(g, t) / (n * norm(g))).min(), "the smallest"),
    (lambda g, t, n: (changes(g, t) / (n * norm(g)))[-1], "the last point only"),
    (lambda g, t, n: (norm(t - g) / (n * norm(g))).max(), "axis=1"),
    (lambda g, t, n: (changes(g, t) / (n * norm(g))).max() ** 2, "a root is missing"),
    (
        lambda g, t, n: (abs(norm(t, axis=1) - norm(g)) / (n * norm(g))).max(),
        "length of the difference",
    ),
    (lambda g, t, n: norm(t - g, axis=0) / n, "raised ValueError"),
    (lambda g, t, n: 1.0, "beta is 1, expected"),
]

FILTER = [
    (lambda d, w: ..., "not attempted"),
    (lambda d, w: d, "as it was drawn"),
    (
        lambda d, w: (
            d / norm(d, axis=1, keepdims=True) * norm(w, axis=1, keepdims=True)
        ),
        "those are the rows",
    ),
    (lambda d, w: d / norm(d) * norm(w), "the whole matrix"),
    (lambda d, w: d * norm(w, axis=0), "own length first"),
    (lambda d, w: d / norm(d, axis=0), "length 1 now"),
    (lambda d, w: d / norm(w, axis=0) * norm(d, axis=0), "changed places"),
    (lambda d, w: w / norm(w, axis=0) * norm(d, axis=0), "along the weights"),
    (lambda d, w: d / (d**2).sum(0) * (w**2).sum(0), "a root is missing"),
    (lambda d, w: d.T, "returned shape (3, 5), expected (5, 3)"),
]


@pytest.mark.parametrize(("function", "hint"), BETA)
def test_each_mistake_in_beta_is_named(function, hint, capsys):
    check.effective_beta(function)
    said = capsys.readouterr().out
    assert said.startswith("Not yet")
    assert hint in said


@pytest.mark.parametrize(("function", "hint"), FILTER)
def test_each_mistake_in_the_filters_is_named(function, hint, capsys):
    check.filter_normalize(function)
    said = capsys.readouterr().out
    assert said.startswith("Not yet")
    assert hint in said


def test_solutions_are_correct(capsys):
    check.effective_beta(lambda g, t, n: max(changes(g, t) / n) / norm(g))
    check.filter_normalize(lambda d, w: d * (norm(w, axis=0) / norm(d, axis=0)))
    assert capsys.readouterr().out.count("Correct") == 2
