"""The checks of notebook 08 name what is wrong, and accept what is right."""

import numpy as np
import pytest

from normlib.lessons import internal_covariate_shift as check


def right(gradient, old, new, i):
    return gradient(new[: i - 1] + old[i - 1 :], i)


def pair(g, g_new):
    cosine = (g * g_new).sum() / np.linalg.norm(g) / np.linalg.norm(g_new)
    return np.linalg.norm(g - g_new), cosine


def mixed(mix):
    return lambda gradient, old, new, i: gradient(mix(old, new, i), i)


def changed(change):
    return lambda g, g_new: change(g, g_new, *pair(g, g_new))


@pytest.mark.parametrize(
    ("checker", "function"), [(check.second_gradient, right), (check.shift, pair)]
)
def test_right_answers_pass(checker, function, capsys):
    checker(function)
    assert capsys.readouterr().out.startswith("Correct: ")


WRONG = [
    (lambda *a: ..., "not attempted"),
    (lambda *a: None, "returned None"),
    (mixed(lambda old, new, i: old), "that is G: no layer is new"),
    (mixed(lambda old, new, i: new), "all layers are new"),
    (mixed(lambda old, new, i: new[:i] + old[i:]), "layer i itself is new"),
    (mixed(lambda old, new, i: old[: i - 1] + new[i - 1 :]), "the wrong side"),
    (mixed(lambda old, new, i: old[:i] + new[i:]), "the layers after i moved"),
    (
        mixed(lambda old, new, i: old[: i - 1] + [new[i - 1]] + old[i:]),
        "only layer i is new",
    ),
    (
        mixed(lambda old, new, i: new[: max(i - 2, 0)] + old[max(i - 2, 0) :]),
        "layer i - 1 is still old",
    ),
    (mixed(lambda old, new, i: new[: i - 1] + old[i:]), "list of 4 arrays, got 3"),
    (lambda g, o, n, i: g(o, i) - right(g, o, n, i), "that is G - G'"),
    (lambda g, o, n, i: right(g, o, n, i) - g(o, i), "that is G' - G"),
    (lambda g, o, n, i: right(g, o, n, i).T, "expected"),
    (lambda g, o, n, i: 2 * right(g, o, n, i), "expected"),
]


@pytest.mark.parametrize(("function", "words"), WRONG)
def test_mistakes_of_the_second_gradient_are_named(function, words, capsys):
    check.second_gradient(function)
    out = capsys.readouterr().out
    assert out.startswith("Not yet: ")
    assert words in out


WRONG_PAIRS = [
    (lambda *a: ..., "not attempted"),
    (changed(lambda g, n, d, c: d), "two numbers"),
    (changed(lambda g, n, d, c: (..., ...)), "the distance is not attempted"),
    (changed(lambda g, n, d, c: (d**2, c)), "squared"),
    (changed(lambda g, n, d, c: (np.abs(g - n).sum(), c)), "absolute values"),
    (changed(lambda g, n, d, c: (d / np.sqrt(g.size), c)), "not averaged"),
    (changed(lambda g, n, d, c: (np.linalg.norm(g - n, 2), c)), "spectral"),
    (changed(lambda g, n, d, c: (c, d)), "wrong order"),
    (changed(lambda g, n, d, c: (d, (g * n).sum())), "both lengths"),
    (changed(lambda g, n, d, c: (d, (g * n).sum() / (g * g).sum())), "once"),
    (changed(lambda g, n, d, c: (d, 1 - c)), "the cosine itself"),
    (changed(lambda g, n, d, c: (d, np.arccos(c))), "the angle"),
    (changed(lambda g, n, d, c: (2 * d, c)), "expected"),
]


@pytest.mark.parametrize(("function", "words"), WRONG_PAIRS)
def test_mistakes_of_the_shift_are_named(function, words, capsys):
    check.shift(function)
    out = capsys.readouterr().out
    assert out.startswith("Not yet: ")
    assert words in out


def test_the_readers_network_is_a_step_of_gradient_descent():
    gradient, old, new = check.small_network()
    for i in range(1, 5):
        np.testing.assert_allclose(new[i - 1], old[i - 1] - gradient(old, i))
    with pytest.raises(ValueError, match="i must be 1 to 4"):
        gradient(old, 0)


def test_the_check_does_not_let_the_reader_change_the_weights(capsys):
    def in_place(gradient, old, new, i):
        old[: i - 1] = new[: i - 1]
        return gradient(old, i)

    check.second_gradient(in_place)
    assert capsys.readouterr().out.startswith("Correct: ")
