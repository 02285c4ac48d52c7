"""The checks of notebook 04 name each common mistake, and accept what is right."""

import numpy as np
import pytest

from normlib.lessons import batch_norm_inference as check


def update(running_mean, running_var, x, momentum):
    mean = (1 - momentum) * running_mean + momentum * x.mean(axis=0)
    var = (1 - momentum) * running_var + momentum * x.var(axis=0, ddof=1)
    return mean, var


def fold(weight, bias, mean, var, gamma, beta):
    s = gamma / np.sqrt(var + 1e-5)
    return weight * s, (bias - mean) * s + beta


def test_right_answers_pass(capsys):
    check.running(update)
    check.fold(fold)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert all(line.startswith("Correct: ") for line in said)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda m, v, x, w: ..., "not attempted"),
        (lambda m, v, x, w: (..., ...), "not attempted"),
        (lambda m, v, x, w: None, "returned None"),
        (lambda m, v, x, w: m, "must return two arrays"),
        (lambda m, v, x, w: (x, x), "returned shape (6, 3)"),
        (lambda m, v, x, w: update(m, v, x, 1 - w), "weights the new value"),
        (
            lambda m, v, x, w: (update(m, v, x, w)[0], (1 - w) * v + w * x.var(0)),
            "1/(N-1)",
        ),
        (
            lambda m, v, x, w: (update(m, v, x, w)[0], (1 - w) * v + w * x.std(0)),
            "a deviation joins a variance",
        ),
        (
            lambda m, v, x, w: (
                update(m, v, x, w)[0],
                ((1 - w) * np.sqrt(v) + w * x.std(0, ddof=1)) ** 2,
            ),
            "average variances, not deviations",
        ),
        (lambda m, v, x, w: (update(m, v, x, w)[0], v), "the variance[0] is"),
        (lambda m, v, x, w: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_a_wrong_update_is_told_what_is_wrong(wrong, words, capsys):
    check.running(wrong)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ")
    assert words in said


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda w, b, m, v, g, s: (..., ...), "not attempted"),
        (lambda w, b, m, v, g, s: (w, b), "the weight has to be scaled"),
        (lambda w, b, m, v, g, s: (w * g / (v + 1e-5), b), "divide by the root"),
        (lambda w, b, m, v, g, s: (w * g, b), "divide by sqrt(var + eps)"),
        (lambda *a: (fold(*a)[0], a[5]), "the old bias and the running mean"),
        (
            lambda *a: (
                fold(*a)[0],
                a[1] + a[5] - a[2] * a[4] / np.sqrt(a[3] + 1e-5),
            ),
            "the old bias is scaled too",
        ),
        (lambda *a: (fold(*a)[0], fold(a[0], 0 * a[1], *a[2:])[1]), "the old bias?"),
        (
            lambda *a: (fold(*a)[0], fold(a[0], a[1], -a[2], *a[3:])[1]),
            "the mean is subtracted",
        ),
    ],
)
def test_a_wrong_fold_is_told_what_is_wrong(wrong, words, capsys):
    check.fold(wrong)
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ")
    assert words in said
