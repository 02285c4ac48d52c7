"""The check of notebook 03 names each mistake, and accepts what is right."""

import numpy as np
import pytest

from normlib.lessons.batch_norm_training import batch_norm_forward

EPS = 1e-5


def said(capsys, function):
    batch_norm_forward(function)
    return capsys.readouterr().out.strip()


def solution(x, gamma, beta, eps=EPS):
    mean = x.mean(axis=0)
    var = ((x - mean) ** 2).mean(axis=0)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def in_place(x, gamma, beta):
    x -= x.mean(axis=0)
    return gamma * x / np.sqrt((x**2).mean(axis=0) + EPS) + beta


def six_samples(x, gamma, beta):
    mean = x.sum(axis=0) / 6
    return gamma * (x - mean) / np.sqrt(((x - mean) ** 2).mean(0) + EPS) + beta


MISTAKES = [
    (lambda x, g, b: ..., "not attempted"),
    (lambda x, g, b: None, "returned None"),
    (lambda x, g, b: x.mean(axis=0), "returned shape (4,), expected (6, 4)"),
    (lambda x, g, b: np.full(x.shape, np.inf), "NaN or infinity"),
    (lambda x: x, "raised TypeError"),
    (lambda x, g, b: g * (x - x.mean(0)) / (x.var(0) + EPS) + b, "by the variance"),
    (lambda x, g, b: g * (x - x.mean(0)) / x.var(0) + b, "by the variance"),
    (
        lambda x, g, b: g * (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + EPS) + b,
        "1/(N-1); batch norm normalizes with 1/N",
    ),
    (
        lambda x, g, b: g * (x - x.mean(0)) / (x.std(0, ddof=1) + EPS) + b,
        "two things",
    ),
    (
        lambda x, g, b: g * (x - x.mean(0)) / (x.std(0) + EPS) + b,
        "eps is outside the root",
    ),
    (lambda x, g, b: g * (x - x.mean(0)) / x.std(0) + b, "eps is missing"),
    (
        lambda x, g, b: (
            g * (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1)[:, None] + EPS) + b
        ),
        "layer norm",
    ),
    (
        lambda x, g, b: g * (x - x.mean()) / np.sqrt(x.var() + EPS) + b,
        "one mean of the whole table",
    ),
    (lambda x, g, b: solution(x, 1, 0), "now scale it by gamma"),
    (lambda x, g, b: solution(x, 1, b), "gamma is missing"),
    (lambda x, g, b: solution(x, g, 0), "beta is missing"),
    (lambda x, g, b: g * solution(x, 1, b), "beta comes after gamma"),
    (
        lambda x, g, b: g * x / np.sqrt(x.var(0) + EPS) + b,
        "the mean is not subtracted",
    ),
    (lambda x, g, b: g * (x - x.mean(0)) + b, "nothing is divided"),
    (
        lambda x, g, b: g * (x - x.mean(0) / np.sqrt(x.var(0) + EPS)) + b,
        "a bracket is missing",
    ),
    (in_place, "changed x itself"),
    (six_samples, "wrong for 3"),
    (lambda x, g, b: solution(x, g, b) + 0.01, "expected"),
]


@pytest.mark.parametrize(("wrong", "hint"), MISTAKES)
def test_each_mistake_is_named(capsys, wrong, hint):
    words = said(capsys, wrong)
    assert words.startswith("Not yet: ")
    assert hint in words


def test_no_two_mistakes_give_the_same_hint_by_accident(capsys):
    answers = [said(capsys, wrong) for wrong, _ in MISTAKES]
    assert len(set(answers)) == len(answers) - 1  # the variance with and without eps


def test_the_solution_is_correct(capsys):
    assert said(capsys, solution).startswith("Correct: ")
