"""The check of notebook 01 names what is wrong, and accepts what is right."""

import numpy as np
import pytest

from normlib.lessons import rescale_or_standardize as check

EPS = 1e-5


def verdict(function, capsys):
    check.standardize(function)
    return capsys.readouterr().out


def right(x):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + EPS)


def in_place(x):
    x -= x.mean(axis=0)
    return x / np.sqrt(x.var(axis=0) + EPS)


@pytest.mark.parametrize(
    "function", [right, lambda x: (x - x.mean(0)) / (x.std(0) + 1e-8)]
)
def test_right_answers_pass(function, capsys):
    assert verdict(function, capsys).startswith("Correct: ")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: ..., "not attempted"),
        (lambda x: None, "returned None"),
        (lambda x: (x - x.mean(0)) / (x.var(0) + EPS), "divides by the variance"),
        (lambda x: (x - x.mean(0)) / (x.var(0) + 1e-12), "divides by the variance"),
        (lambda x: x / np.sqrt(x.var(0) + EPS), "the mean is still there"),
        (lambda x: x - x.mean(0), "its old spread"),
        (lambda x: (x - x.mean()) / np.sqrt(x.var() + EPS), "whole table"),
        (lambda x: right(x.T).T, "standardizes rows"),
        (lambda x: (x - x.mean(0)) / x.std(0, ddof=1), "N - 1"),
        (lambda x: (x - x.min(0)) / np.ptp(x, axis=0), r"min-max to [0, 1]"),
        (lambda x: 2 * (x - x.min(0)) / np.ptp(x, axis=0) - 1, "min-max to [-1, 1]"),
        (lambda x: right(x) + 0.1, "expected"),
        (lambda x: right(x)[0], "expected (8, 3)"),
        (in_place, "changes x itself"),
        (lambda x: (x - x.mean(0)) / x.std(0), "NaN"),
        (lambda x: x.nothing, "AttributeError"),
    ],
)
def test_mistakes_are_named(function, words, capsys):
    with np.errstate(invalid="ignore"):
        out = verdict(function, capsys)
    assert out.startswith("Not yet: ") and words in out
