"""Claims of notebook 03."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import batch_norm, layer_norm
from normlib.batch.two_parametrizations import undone_batch_norm
from normlib.batch.variance import (
    one_pass_variance,
    three_pass_variance,
    two_pass_variance,
)
from normlib.datasets import digits_split, load_digits
from normlib.live.digits_layer import STEPS, UNITS, first_layer
from normlib.nets.network import mlp
from normlib.nets.training import fit, loss_and_gradient

no_claim("03", "Five steps for one unit", "counted on the page")
no_claim("03", "`eps`, here 1e-5, keeps the root away from 0.", "definition")
no_claim("03", "outside the root with `x times` at its lowest.", "instruction")
for part in (
    "where `eps` stands",
    "one pass, two, three",
    "convolutions",
    "before or after the activation",
):
    no_claim("03", f"Going deeper: {part}", "instruction")
no_claim("03", "Your turn: the third pass", "instruction")
no_claim(
    "03",
    "Below, 64 digits on 14 x 14 pixels go through four 3 x 3 filters",
    "definition",
)
no_claim("03", "*Whether* that path is better is for notebooks 07 to 09.", "definition")
# The options of a question, and a card that its own test decides.
no_claim("03", "A bias before layer norm is redundant.", "quotation")


@claim(
    "03",
    "Batch norm gives every unit of a layer mean 0 and standard deviation 1 over the "
    "mini-batch",
    "A real layer of a network of digits, 64 pixels, 16 units, 10 classes, after 100 "
    "steps of training.",
)
def test_the_layer():
    layer = first_layer()
    shapes = [layer.net.layers[k].params["weight"].shape for k in (0, -1)]
    assert shapes == [(64, UNITS), (UNITS, 10)]
    assert (UNITS, STEPS) == (16, 100)
    x_hat, _ = batch_norm(layer.x)
    np.testing.assert_allclose(x_hat.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(x_hat.std(axis=0), 1, atol=1e-3)


@claim("03", "A standard deviation is a root; it is never negative.")
def test_gamma_and_the_deviation():
    x = first_layer().x
    y, _ = batch_norm(x, np.full(16, -2.0), np.zeros(16))
    np.testing.assert_allclose(y.std(axis=0), 2, atol=1e-3)


@claim(
    "03",
    "The loss does not depend on $b$: its gradient is 0, and `beta` does its work. So "
    "a map before a batch norm is usually built without a bias.",
    "A bias of *one* unit is then spread over all of them, and the unit stands out.",
    "A bias before batch norm is redundant and has gradient 0.",
    "The mean of the unit over the batch grows by 2 as well, and is subtracted.",
    "Under batch norm the mean of the unit grows by 2, too, and is subtracted.",
    "Only one of the 16 numbers of each digit grows, so their mean grows by 2/16 and "
    "the unit stands out.",
    "Layer norm subtracts a mean over 16 units, and that grows by 2/16 only.",
)
def test_the_bias():
    """Computed on networks of fresh seeds, trained or not."""
    for seed in seeds("A bias before batch norm is redundant and has gradient 0."):
        rng = np.random.default_rng(seed)
        x, labels = rng.normal(size=(32, 8)), rng.integers(0, 10, 32)
        net = mlp([8, 16, 10], norm="batch", rng=rng)
        bias = net.layers[0].params["bias"]
        loss = loss_and_gradient(net, x, labels)
        assert np.abs(net.layers[0].grads["bias"]).max() < 1e-12
        bias[3] += 2
        assert loss_and_gradient(net, x, labels) == pytest.approx(loss, abs=1e-12)
        a = rng.normal(size=(32, 16))
        moved = a + 2 * np.eye(16)[3]
        assert np.allclose(moved.mean(1) - a.mean(1), 2 / 16)
        assert (
            np.abs(layer_norm(moved)[0] - layer_norm(a)[0]).max(axis=0) > 1e-3
        ).all()


@claim(
    "03",
    "with 1/N all results are 0, silently; with 1/(N-1) it is 0/0; PyTorch refuses "
    '("Expected more than 1 value per channel when training"), and so does normlib.',
    "A batch of one has three behaviours",
    "1,797 digits in fours leave one.",
    "Any two different numbers end at -1 and 1, unless they are so close that eps "
    "matters.",
    "That is the distance to the mean, 0.7.",
    "The mean is 0.7, the standard deviation 0.4.",
)
def test_small_batches():
    one = np.array([[0.3]])
    assert ((one - one.mean(0)) / np.sqrt(one.var(0) + 1e-5)).item() == 0
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning):
        assert np.isnan(one.var(0, ddof=1)).all()
    with pytest.raises(ValueError, match="1"):
        batch_norm(one)
    assert len(load_digits()[0]) == 1797 == 4 * 449 + 1
    pair = np.array([[0.3], [1.1]])
    assert pair.mean() == pytest.approx(0.7)
    assert pair.std() == pytest.approx(0.4)
    for seed in seeds("Any two different numbers end at -1 and 1"):
        pair = np.random.default_rng(seed).normal(size=(2, 1))
        np.testing.assert_allclose(np.abs(batch_norm(pair, eps=0)[0]), 1)


@claim(
    "03",
    "It is not always: over 10 new seeds, after 30 steps at rate 0.3, the undone "
    "network had the lower loss in every one with `W` times 0.3, and in none with `W` "
    "times 3.",
    "Without norm, weights and bias receive all of it.",
    "With the undone batch norm it is cut in three, unit by unit",
)
def test_two_paths():
    """How dy is cut is computed in tests/test_variance.py, on three seeds as well."""
    for seed in seeds("It is not always: over 10 new seeds, after 30 steps"):
        data = digits_split(np.random.default_rng(seed))
        x, labels = data.x_train[:128], data.y_train[:128]
        plain = mlp([64, 16, 10], rng=np.random.default_rng(seed + 1))
        nets = [undone_batch_norm(plain, x, factor=f) for f in (0.3, 3.0)]
        ends = []
        for net in (*nets, plain):
            kind = dict(lr=0.3, batch_size=None, steps=31, rng=0)
            ends.append([record.loss for record in fit(net, x, labels, **kind)][-1])
        assert ends[0] < ends[2] < ends[1]


@claim(
    "03",
    "0.001 / 0.00101 is 0.99.",
    "The variance is 1e-6, the root of 1e-6 + 1e-5 is 0.0033, and 0.001 / 0.0033 is "
    "0.30.",
    "The root of var + eps is 0.0033, not 0.1.",
)
def test_where_eps_stands():
    root = np.sqrt(1e-6 + 1e-5)
    assert f"{0.001 / 0.00101:.2f}" == "0.99"
    assert f"{root:.4f}" == "0.0033"
    assert f"{0.001 / root:.2f}" == "0.30"


def columns(seed, mean, count=64):
    """Return random columns like the units of the layer, in float32."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.3, 0.7, 16) * rng.normal(size=(count, 16))
    x += mean * rng.uniform(1, 1.01, 16)
    return x.astype(np.float32)


@claim(
    "03",
    "A float32 keeps about 7 digits.",
    "Both terms are near a million. Of their 7 digits one stands after the point, and "
    "that is uncertain.",
    "The spacing of floats near a million is 0.06, and each sum carries errors of that "
    "size.",
    "Near a million floats are 0.06 apart.",
    "anything, also less than 0",
)
def test_one_pass():
    assert f"{np.spacing(np.float32(1e6)):.2f}" == "0.06"
    assert 6.9 < -np.log10(np.finfo(np.float32).eps) < 7
    ratios = []
    for seed in seeds("anything, also less than 0"):
        x = columns(seed, 1000)
        ratios.append(one_pass_variance(x) / x.astype(float).var(axis=0))
    assert (np.abs(np.array(ratios) - 1) > 0.25).mean() > 0.5
    assert (np.array(ratios) < 0).any()


@claim(
    "03",
    "Near 1e5 the second term begins to be seen.",
    "At 5e5 it is half of the variance of unit 11, the worst of the 16.",
    "**The third pass** takes the mean of what is left",
    "It gives the variance of the numbers as they are stored, at any offset.",
    "The variance takes three passes where the mean is large.",
)
def test_two_passes_and_three():
    off = {1e4: [], 1e5: [], 5e5: []}
    for seed in seeds("Near 1e5 the second term begins to be seen."):
        for mean in (1e3, 1e4, 1e5, 5e5, 1e6):
            x = columns(seed, mean)
            true = x.astype(float).var(axis=0)
            np.testing.assert_allclose(three_pass_variance(x), true, rtol=1e-4)
            if mean in off:
                off[mean].append(two_pass_variance(x) / true - 1)
    assert np.max(off[1e4]) < 1e-3
    assert 1e-3 < np.max(off[1e5]) < 0.05
    assert np.median(off[5e5]) > 5e-3 and np.max(off[5e5]) > 0.3
    x = (first_layer().x + 5e5).astype(np.float32)
    ratios = two_pass_variance(x) / first_layer().x.var(axis=0)
    assert np.abs(ratios - 1).argmax() == 11
    x = x[:, [11]]
    excess = two_pass_variance(x) - x.astype(float).var(axis=0)
    assert excess / first_layer().x[:, 11].var() == pytest.approx(0.5, abs=0.02)
    mean = np.cumsum(x, axis=0)[-1] / np.float32(64)
    gap = x.astype(float).mean(axis=0) - mean
    assert excess == pytest.approx(gap**2, rel=1e-3)


@claim("03", "-1 and 1")
def test_a_pair():
    np.testing.assert_allclose(
        batch_norm(np.array([[0.3], [1.1]]))[0].T, [[-1, 1]], 1e-3
    )


@claim("03", "ReLU sees only negative numbers and gives 0 for all.")
def test_relu_first():
    assert not np.maximum(first_layer().x - 10, 0).any()
