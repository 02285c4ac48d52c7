"""Checks of notebook 09."""

import numpy as np

from normlib.lessons.checks import NotYet, array, call, compare, report


def effective_beta(function):
    """Check the effective beta of one walk along the gradient."""

    def check():
        rng = np.random.default_rng(7)
        gradient = rng.normal(size=6)
        there = gradient + rng.normal(size=(4, 6)) * [[0.2], [0.9], [1.1], [1.3]]
        lengths = np.array([0.05, 0.1, 0.2, 0.4])
        changes = np.linalg.norm(there - gradient, axis=1)
        length = np.linalg.norm(gradient)
        betas = changes / (lengths * length)
        value = call(function, gradient.copy(), there.copy(), lengths.copy())
        if np.shape(value) == lengths.shape:
            raise NotYet("that is one number per point; beta is the largest of them.")
        result = array(function, gradient, there, lengths, shape=())
        far = np.linalg.norm(there - gradient)
        mistakes = [
            (
                (changes / lengths).max(),
                "a step of length eta walks the distance eta * ||gradient||, not eta.",
            ),
            (
                (changes / length).max(),
                "divide by the distance walked: the lengths are missing.",
            ),
            (changes.max(), "that is the change; divide it by the distance walked."),
            (betas.mean(), "that is the mean over the points; beta is the largest."),
            (betas.min(), "that is the smallest over the points; beta is the largest."),
            (betas[-1], "that is the last point only; beta is the largest of all."),
            (
                (far / (lengths * length)).max(),
                "the norm went over the whole array; take one norm per row, axis=1.",
            ),
            (
                (changes**2 / (lengths * length) ** 2).max(),
                "lengths, not squared lengths: a root is missing.",
            ),
            (
                (
                    np.abs(np.linalg.norm(there, axis=1) - length) / (lengths * length)
                ).max(),
                "take the length of the difference, not the difference of the lengths.",
            ),
        ]
        compare("beta", result, betas.max(), mistakes)
        return "change over distance, the largest of the walk."

    report(check)


def filter_normalize(function):
    """Check a direction whose columns get the lengths of the weights' columns."""

    def check():
        rng = np.random.default_rng(3)
        d = rng.normal(size=(5, 3))
        w = rng.normal(size=(5, 3)) * [0.1, 1.0, 4.0]
        result = array(function, d.copy(), w.copy(), shape=d.shape)
        columns, rows = {"axis": 0, "keepdims": True}, {"axis": 1, "keepdims": True}
        norm = np.linalg.norm
        mistakes = [
            (d, "the direction came back as it was drawn."),
            (
                d / norm(d, **rows) * norm(w, **rows),
                "those are the rows; a filter is what goes into one unit, a column.",
            ),
            (
                d / norm(d) * norm(w),
                "one length for the whole matrix; each column needs its own.",
            ),
            (
                d * norm(w, **columns),
                "divide by the column's own length first; drawn ones are not 1 long.",
            ),
            (
                d / norm(d, **columns),
                "every column has length 1 now; multiply by that of the weights.",
            ),
            (
                d / norm(w, **columns) * norm(d, **columns),
                "the two lengths have changed places.",
            ),
            (
                w / norm(w, **columns) * norm(d, **columns),
                "that points along the weights; keep the direction, not its length.",
            ),
            (
                d / (d**2).sum(0) * (w**2).sum(0),
                "lengths, not squared lengths: a root is missing.",
            ),
        ]
        compare("result", result, d / norm(d, axis=0) * norm(w, axis=0), mistakes)
        return "each filter of the direction is as long as that of the weights."

    report(check)
