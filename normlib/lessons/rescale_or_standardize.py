"""Check of notebook 01."""

import numpy as np

from normlib import standardize as reference
from normlib.batch.rescaling import min_max
from normlib.lessons.checks import NotYet, array, compare, report

EPS = 1e-5


def standardize(function):
    """Check a function that standardizes every column of (N, D)."""

    def check():
        rng = np.random.default_rng(7)
        x = rng.exponential(3.0, size=(8, 3)) + np.array([0.0, 5.0, -20.0])
        given = x.copy()
        y = array(function, given, shape=x.shape)
        if not np.array_equal(given, x):
            raise NotYet("your function changes x itself; work on a new array.")
        mean, var = x.mean(axis=0), x.var(axis=0)
        mistakes = [
            (
                (x - mean) / (var + EPS),
                "that divides by the variance; take its square root.",
            ),
            ((x - mean) / var, "that divides by the variance; take its square root."),
            (x / np.sqrt(var + EPS), "the mean is still there; subtract it first."),
            (x - mean, "that has mean 0, but still its old spread; divide."),
            (
                (x - x.mean()) / np.sqrt(x.var() + EPS),
                "that shares one mean over the whole table; each column needs its "
                "own, axis=0.",
            ),
            (
                reference(x, 1, eps=EPS)[0],
                "that standardizes rows; each column is a feature, axis=0.",
            ),
            (
                (x - mean) / x.std(axis=0, ddof=1),
                "that divides by the sum of squares over N - 1; here it is 1/N.",
            ),
            (min_max(x), "that is min-max to [0, 1]."),
            (min_max(x, -1, 1), "that is min-max to [-1, 1]."),
        ]
        expected = reference(x, 0, eps=EPS)[0]
        compare("y", y, expected, mistakes, tolerance=1e-4)
        constant = np.full((4, 2), 3.0)
        z = array(function, constant, shape=constant.shape)
        if np.abs(z).max() > 1e-6:
            raise NotYet("a constant column should become 0.")
        return "mean 0 and standard deviation 1 in each column, also where x is skewed."

    report(check)
