"""The checks of notebook 06 accept the solution and name each known mistake."""

import numpy as np
import pytest

from normlib.lessons import hypersphere as check


def layer_norm_solution(x, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)


def whole_array(x, eps=1e-5):
    return (x - x.mean()) / np.sqrt(x.var() + eps)


def unit_length(x, eps=1e-5):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x, eps=1e-5: ..., "is not attempted"),
        (lambda x, eps=1e-5: None, "returned None"),
        (lambda x, eps=1e-5: x.T, "returned shape (3, 7)"),
        (lambda x, eps=1e-5: x - x.mean(axis=-1), "raised ValueError"),
        (check.no_mean, "the mean is still in it"),
        (check.by_variance, "divides by the variance"),
        (check.by_n_minus_1, "the radius is sqrt(n - 1)"),
        (check.eps_outside, "outside the root"),
        (lambda x, eps=1e-5: x - x.mean(-1, keepdims=True), "not on the sphere yet"),
        (unit_length, "the sphere has radius sqrt(n)"),
        (whole_array, "one mean over the whole array"),
        (lambda x, eps=1e-5: 2 * layer_norm_solution(x, eps), "expected"),
    ],
)
def test_wrong_layer_norms_are_named(function, words, capsys):
    check.layer_norm(function)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ")
    assert words in said


def test_layer_norm_is_accepted(capsys):
    check.layer_norm(layer_norm_solution)
    assert capsys.readouterr().out.startswith("Correct: on the plane")


def fold_solution(weight, bias, gamma, beta):
    return gamma[:, None] * weight, bias + beta @ weight


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda w, b, g, t: (..., ...), "is not attempted"),
        (lambda w, b, g, t: ..., "is not attempted"),
        (lambda w, b, g, t: g[:, None] * w, "has to return two arrays"),
        (lambda w, b, g, t: (g * w, b + t @ w), "raised ValueError"),
        (lambda w, b, g, t: (w, b + t @ w), "the weight is unchanged"),
        (lambda w, b, g, t: (w / g[:, None], b + t @ w), "gamma divides"),
        (lambda w, b, g, t: (g[:, None] * w, b), "the bias is unchanged"),
        (
            lambda w, b, g, t: (g[:, None] * w, b + t @ (g[:, None] * w)),
            "beta is added after gamma",
        ),
        (lambda w, b, g, t: (g[:, None] * w, t @ w), "the old bias got lost"),
        (lambda w, b, g, t: (g[:, None] * w.T[:4].T, b[:2]), "bias returned shape"),
    ],
)
def test_wrong_folds_are_named(function, words, capsys):
    check.fold(function)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ")
    assert words in said


def test_fold_is_accepted(capsys):
    check.fold(fold_solution)
    assert capsys.readouterr().out.startswith("Correct: weight' = ")


@pytest.mark.parametrize("name", list(check.MISTAKES))
def test_each_mistake_is_recognised_by_its_points(name):
    x = np.random.default_rng(0).normal(1.0, 0.003, size=(20, 3))
    wrong, hint = check.MISTAKES[name]
    assert check.hint_for(x, wrong(x)) == hint
    assert check.hint_for(x, layer_norm_solution(x)) == ""
    assert check.hint_for(x, x) == ""
