"""Check of notebook 07."""

import numpy as np

from normlib.depth.gradient_rates import gradient_rate
from normlib.lessons.checks import NotYet, call, report

ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    ),
}


def _near(value, wanted):
    return abs(value - wanted) <= 0.03 * abs(wanted)


def rate(function):
    """Check ``function(phi, slope, norm)``: the growth of the squared gradient.

    `phi` and `slope` are phi(z) and phi'(z) at many Gaussian z; `norm` is "batch" or
    "layer".
    """

    def check():
        z = np.random.default_rng(3).normal(size=200_000)
        for name, (phi, slope) in ACTIVATIONS.items():
            for norm in ("batch", "layer"):
                value = call(function, phi(z), slope(z), norm)
                try:
                    value = float(value)
                except (TypeError, ValueError):
                    raise NotYet(f"one number is needed, got {value!r}.") from None
                wanted = gradient_rate(name, norm)
                if _near(value, wanted):
                    continue
                other = gradient_rate(name, "layer" if norm == "batch" else "batch")
                if _near(value, 1 / wanted):
                    raise NotYet("turn the fraction round: slopes are above.")
                if _near(value, np.sqrt(wanted)):
                    raise NotYet("no root: the rate is that of the squared gradient.")
                if _near(value, other):
                    raise NotYet(
                        f"{norm} norm divides by "
                        f"{'the variance' if norm == 'batch' else 'the mean square'} "
                        "of phi(z)."
                    )
                raise NotYet(
                    f"{name} with {norm} norm gives {value:.4g}, expected {wanted:.4g}."
                )
        return (
            "the rates of batch norm are all above 1, that of sigmoid under layer "
            "norm is far below."
        )

    report(check)
