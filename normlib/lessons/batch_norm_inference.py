"""Checks of notebook 04."""

import numpy as np

from normlib.batch.folding import fold_batch_norm_into_previous
from normlib.lessons.checks import NotYet, call, compare, report
from normlib.running import update_running


def _pair(function, *args, shapes):
    """Call the reader's function, which has to return two arrays of `shapes`."""
    name = getattr(function, "__name__", "your function")
    result = call(function, *args)
    if not isinstance(result, tuple) or len(result) != 2:
        raise NotYet(f"{name} must return two arrays, as in return first, second.")
    if any(part is ... for part in result):
        raise NotYet(f"{name} is not attempted; replace the ... by your code.")
    arrays = [np.asarray(part, dtype=float) for part in result]
    for part, shape in zip(arrays, shapes, strict=True):
        if part.shape != shape:
            raise NotYet(f"{name} returned shape {part.shape}, expected {shape}.")
    return arrays


def running(function):
    """Check ``function(running_mean, running_var, x, momentum)`` by PyTorch's rule."""

    def check():
        rng = np.random.default_rng(5)
        mean, var, momentum = rng.normal(size=3), rng.uniform(1, 2, size=3), 0.1
        x = rng.normal(2.0, 3.0, size=(6, 3))
        args = mean.copy(), var.copy(), x.copy(), momentum
        new_mean, new_var = _pair(function, *args, shapes=[(3,), (3,)])
        batch = x.mean(axis=0), x.var(axis=0)
        right = update_running(mean, var, *batch, len(x), momentum=momentum)
        turned = update_running(mean, var, *batch, len(x), momentum=1 - momentum)
        hint = "momentum weights the new value here: 0.1 of the batch, 0.9 of the old."
        compare("the mean", new_mean, right[0], [(turned[0], hint)])
        std = 0.9 * np.sqrt(var) + 0.1 * x.std(axis=0, ddof=1)
        compare(
            "the variance",
            new_var,
            right[1],
            [
                (turned[1], hint),
                (0.9 * var + 0.1 * x.var(axis=0), "keep the variance with 1/(N-1)."),
                (0.9 * var + 0.1 * x.std(axis=0), "a deviation joins a variance."),
                (
                    0.9 * var + 0.1 * x.std(axis=0, ddof=1),
                    "a deviation joins a variance.",
                ),
                (std**2, "average variances, not deviations."),
            ],
        )
        return "one tenth of the new batch, nine tenths of what was, and 1/(N-1)."

    report(check)


def fold(function):
    """Check ``function(weight, bias, mean, var, gamma, beta)`` with eps = 1e-5."""

    def check():
        rng = np.random.default_rng(6)
        weight, bias = rng.normal(size=(4, 3)), rng.normal(size=3)
        mean, var = rng.normal(size=3), rng.uniform(0.5, 2.0, size=3)
        gamma, beta = rng.normal(size=3), rng.normal(size=3)
        args = weight, bias, mean, var, gamma, beta
        copies = (a.copy() for a in args)
        new_weight, new_bias = _pair(function, *copies, shapes=[(4, 3), (3,)])
        right_weight, right_bias = fold_batch_norm_into_previous(*args)
        s = gamma / np.sqrt(var + 1e-5)
        compare(
            "the weight",
            new_weight,
            right_weight,
            [
                (weight, "the weight has to be scaled too."),
                (weight * gamma / (var + 1e-5), "divide by the root of var + eps."),
                (weight * gamma / np.sqrt(var), "eps is missing in the root."),
                (weight * gamma, "divide by sqrt(var + eps)."),
            ],
        )
        compare(
            "the bias",
            new_bias,
            right_bias,
            [
                (beta, "the old bias and the running mean are still there."),
                (
                    bias + beta - mean * s,
                    "the old bias is scaled too: (bias - mean) * s.",
                ),
                (beta - mean * s, "where is the old bias?"),
                ((bias + mean) * s + beta, "the mean is subtracted."),
            ],
        )
        return "one linear map does the work of two layers."

    report(check)
