"""Claims of notebook 00."""

import inspect
import re

import numpy as np
from claims import claim, no_claim, seeds

import normlib
from normlib import batch_norm, batch_norm_backward, layer_norm, standardize
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
    "00",
    "Alone in its column, a number is its own mean, and 0 is left of it.",
    "Not after batch norm: alone in its column, a number is its own mean, and 0 is "
    "left of it.",
    "its mean and its standard deviation need no other digit.",
)
def test_one_digit_alone():
    for seed in seeds("Alone in its column, a number is its own mean"):
        x = np.random.default_rng(seed).normal(3.0, 2.0, size=(6, 5))
        assert (standardize(x[:1], 0)[0] == 0).all()
        alone = layer_norm(x[:1])[0]
        assert np.unique(alone).size == 5
        np.testing.assert_array_equal(alone, layer_norm(x)[0][:1])


def test_large_weights_learn_more_slowly_behind_a_norm():
    """Ten times as large: the norm still lets them learn; a step turns them less."""
    for seed in seeds("Ten times as large, with batch norm: both learn"):
        as_they_were, large = (
            list(learn("batch", 1.0, weights, seed=seed)) for weights in (1.0, 10.0)
        )
        assert 0.4 < large[-1].accuracy < as_they_were[-1].accuracy - 0.1
        assert abs(large[0].loss - as_they_were[0].loss) < 0.01  # the same outputs
        rng = np.random.default_rng(seed)
        x, weight, dy = (rng.normal(size=s) for s in ((64, 8), (8, 5), (64, 5)))
        gradients = []
        for w in (weight, 10 * weight):
            _, cache = batch_norm(x @ w, eps=0)
            gradients.append(x.T @ batch_norm_backward(dy, cache)[0])
        np.testing.assert_allclose(10 * gradients[1], gradients[0], atol=1e-12)


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
