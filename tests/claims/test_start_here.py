"""Claims of notebook 00."""

import inspect
import re

import numpy as np
from claims import claim, no_claim, seeds

import normlib
from normlib import batch_norm
from normlib.batch.input_scale import learn

no_claim("00", "A norm gives them that size in every layer", "definition")
no_claim(
    "00", "A figure that takes longer shows a bar and a Stop button.", "definition"
)
no_claim("00", "| `eps` | keeps the root away from 0 |", "definition")
no_claim(
    "00",
    "| `momentum` | weight of the *newest* batch in these averages | 0.1, as in "
    "PyTorch |",
    "definition",
)


def test_the_first_steps_overshoot_without_a_norm():
    """What the figure opens with: the loss rises, and B is stuck near guessing."""
    for seed in seeds("in the figure below B is stuck"):
        runs = [list(learn(None, scale, 1.0, seed=seed)) for scale in (1.0, 16.0)]
        losses = [[now.loss for now in run] for run in runs]
        assert max(losses[1][1:4]) > 1.05 * losses[1][0]
        assert max(losses[0][1:4]) < 1.3 * losses[0][0]
        assert runs[1][-1].accuracy < 0.2 < 0.35 < runs[0][-1].accuracy


@claim(
    "00",
    "16 times as large, 16 times the spread: the result is the same.",
)
def test_batch_norm_does_not_mind_the_scale():
    """What the short answer stands on, at scales of the slider, on fresh seeds."""
    for seed in seeds("it no longer matters what scale the grey values have", 10):
        for scale in (0.1, 3.0, 16.0, 255.0):
            shares = [
                list(learn("batch", width, 1.0, seed=seed))[-1].accuracy
                for width in (1.0, scale)
            ]
            assert min(shares) > 0.85
            assert abs(shares[0] - shares[1]) < 0.03
        x = np.random.default_rng(seed).normal(3.0, 2.0, size=(64, 5))
        same = batch_norm(16 * x, eps=0)[0]
        np.testing.assert_allclose(same, batch_norm(x, eps=0)[0], atol=1e-12)


@claim(
    "00", "Every norm comes as a pair: the way forward, and the gradients on the way"
)
def test_every_norm_has_a_way_back():
    norms = [n for n in normlib.__all__ if re.fullmatch("[a-z]+_norm", n)]
    norms.remove("weight_norm")  # of a weight: its gradient is dw
    assert len(norms) >= 5
    for name in norms:
        back = inspect.signature(getattr(normlib, f"{name}_backward"))
        assert list(back.parameters)[:2] == ["dy", "cache"]
