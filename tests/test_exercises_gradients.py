"""The checks of notebook 05 name what is wrong, and accept what is right."""

import numpy as np
import pytest

from normlib.lessons import gradients as check


def affine(dy, x_hat, gamma):
    return dy * gamma, (dy * x_hat).sum(axis=0), dy.sum(axis=0)


def dvar(d, x, eps):
    c = x - x.mean(axis=0)
    return (d * c).sum(axis=0) * -0.5 * (x.var(axis=0) + eps) ** -1.5


def dmean(d, x, eps):
    return -d.sum(axis=0) / np.sqrt(x.var(axis=0) + eps)


def backward(d, x, eps):
    c = x - x.mean(axis=0)
    direct = d / np.sqrt(x.var(axis=0) + eps)
    return direct + (dvar(d, x, eps) * 2 * c + dmean(d, x, eps)) / len(x)


def compact(d, x, eps):
    inv_std = 1 / np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) * inv_std
    return inv_std * (d - d.mean(0) - x_hat * (d * x_hat).mean(0))


def direct(d, x, eps):
    return d / np.sqrt(x.var(axis=0) + eps)


def by_mean(d, x, eps):
    return dmean(d, x, eps) / len(x)


def by_var(d, x, eps):
    return dvar(d, x, eps) * 2 * (x - x.mean(axis=0)) / len(x)


RIGHT = [
    (check.through_affine, affine),
    (check.through_var, dvar),
    (check.through_mean, dmean),
    (check.backward, backward),
    (check.backward, compact),
]


@pytest.mark.parametrize(("checker", "function"), RIGHT)
def test_right_answers_pass(checker, function, capsys):
    checker(function)
    assert capsys.readouterr().out.startswith("Correct: ")


def on_affine(change):
    return lambda dy, x_hat, gamma: change(*affine(dy, x_hat, gamma), dy, x_hat)


def times(function, factor):
    return lambda d, x, eps: factor * function(d, x, eps)


def of(*parts):
    return lambda d, x, eps: sum(w * part(d, x, eps) for w, part in parts)


WRONG = [
    (check.through_affine, lambda *a: ..., "not attempted"),
    (check.through_affine, lambda *a: (..., ..., ...), "not attempted"),
    (check.through_affine, lambda *a: affine(*a)[:2], "three arrays"),
    (check.through_affine, on_affine(lambda d, g, b, *r: (d, g / 6, b)), "not a mean"),
    (check.through_affine, on_affine(lambda d, g, b, *r: (d, b, b)), "x_hat belongs"),
    (check.through_affine, on_affine(lambda d, g, b, *r: (d, g, b / 6)), "dbeta is a"),
    (check.through_affine, on_affine(lambda d, g, b, dy, h: (dy, g, b)), "by gamma"),
    (
        check.through_affine,
        on_affine(lambda d, g, b, dy, h: (dy * h, g, b)),
        "not x_hat",
    ),
    (check.through_affine, on_affine(lambda d, g, b, *r: (d, g, b[0])), "shape"),
    (check.through_var, lambda d, x, eps: ..., "not attempted"),
    (check.through_var, times(dvar, -1), "sign is wrong"),
    (check.through_var, times(dvar, 2), "factor -1/2"),
    (check.through_var, times(dvar, -2), "factor -1/2"),
    (check.through_var, times(dvar, 1 / 6), "take the sum"),
    (check.through_var, lambda d, x, eps: dvar(d, x, 0), "eps is missing"),
    (
        check.through_var,
        lambda d, x, eps: dvar(d, x, eps) * (x.var(axis=0) + eps),
        "power of (var + eps) is -3/2",
    ),
    (
        check.through_var,
        lambda d, x, eps: -0.5 * (d * x).sum(0) * (x.var(axis=0) + eps) ** -1.5,
        "x - mean, not x",
    ),
    (check.through_var, times(dvar, 3), "expected"),
    (check.through_mean, lambda d, x, eps: ..., "not attempted"),
    (check.through_mean, times(dmean, -1), "sign is wrong"),
    (check.through_mean, times(dmean, 1 / 6), "take the sum"),
    (check.through_mean, lambda d, x, eps: -d.sum(axis=0), "divided by"),
    (check.through_mean, lambda d, x, eps: dmean(d, x, 0), "eps is missing"),
    (check.backward, lambda d, x, eps: ..., "not attempted"),
    (check.backward, direct, "only the path through x"),
    (check.backward, of((1, direct), (1, by_var)), "through the mean is missing"),
    (check.backward, of((1, direct), (1, by_mean)), "through the variance is missing"),
    (check.backward, of((1, direct), (6, by_mean), (1, by_var)), "as 1/N"),
    (check.backward, of((1, direct), (1, by_mean), (6, by_var)), "divide by N"),
    (check.backward, of((1, direct), (1, by_mean), (0.5, by_var)), "is 2 c"),
    (check.backward, of((1, direct), (-1, by_mean), (1, by_var)), "mean has the wrong"),
    (check.backward, of((1, direct), (1, by_mean), (-1, by_var)), "variance has the w"),
    (
        check.backward,
        lambda d, x, eps: backward(d, x, eps) * np.sqrt(x.var(axis=0) + eps),
        "inv_std is missing",
    ),
    (check.backward, lambda d, x, eps: backward(d, x, 0), "expected"),
]


@pytest.mark.parametrize(("checker", "function", "words"), WRONG)
def test_mistakes_are_named(checker, function, words, capsys):
    checker(function)
    out = capsys.readouterr().out
    assert out.startswith("Not yet: ") and words in out
