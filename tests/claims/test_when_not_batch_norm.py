"""Claims of notebook 10."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import batch_norm, group_norm, layer_norm, standardize
from normlib.batch.batch_size import batch_size_rows
from normlib.batch.recurrent_scale import recurrent_profile
from normlib.batch.sequences import step_means

no_claim(
    "10", "a batch of 2 gets a sixteenth of the rate of a batch of 32", "definition"
)
no_claim(
    "10",
    "Wu & He report an error of 34.7 % with batches of 2 against 23.6 % with 32, on "
    "ImageNet.",
    "quotation",
)
no_claim("10", "Cooijmans et al. keep statistics for each time step", "quotation")
no_claim("10", "a sequence comes that is longer than all in training", "definition")


@claim(
    "10",
    "With two samples that is one bit per feature.",
    "of two numbers nothing else is left but their order.",
    "Their mean lies in the middle, and both are one standard deviation away from it, "
    "whatever they were.",
    "That is a batch of one.",
    "-1 and 1",
    "Of two numbers only the order survives; of four much more.",
)
def test_two_samples():
    for seed in seeds("With two samples that is one bit per feature."):
        x = np.random.default_rng(seed).normal(scale=9, size=(2, 50))
        y = batch_norm(x, eps=0)[0]
        np.testing.assert_allclose(np.abs(y), 1)
        np.testing.assert_array_equal(y[0] > 0, x[0] > x[1])
        four = batch_norm(np.random.default_rng(seed).normal(size=(4, 50)))[0]
        assert len(np.unique(np.abs(four).round(6))) > 100


@pytest.fixture(scope="module")
def errors():
    """Return the errors, shape (rule, seed, norm, size, kind), at fresh seeds."""
    how = {
        "batch_sizes": (2, 4, 64),
        "epochs": 4,
        "examples": 480,
        "seeds": seeds(
            "using the statistics of a small test batch is mostly worse", 20, 10**6
        ),
    }
    found = [
        [(row.running, row.batch) for row in batch_size_rows(**how, proportional=rule)]
        for rule in (True, False)
    ]
    found = np.array(found).reshape(2, 2, 3, 2, 20)  # rule, norm, size, kind, seed
    return np.moveaxis(found, 4, 1)


@claim(
    "10",
    "using the statistics of a small test batch in their place is mostly worse still, "
    "as the dotted line shows.",
    "With batches of 4 more survives.",
)
def test_small_batches(errors):
    running, own = errors[0, :, 0, :2, 0], errors[0, :, 0, :2, 1]
    assert ((own > running).mean(axis=0) > 0.7).all()
    assert (running[:, 0] > 1.2 * running[:, 1]).all()
    assert (errors[0, :, 1, 0, 0] < 0.6 * running[:, 0]).all()  # layer norm at 2


@claim(
    "10",
    "then small batches also learn more per pass, since they make more steps of that "
    "size. Layer norm profits from that. Batch norm does so too, down to batches of 4.",
)
def test_the_same_rate_for_all(errors):
    batch, layer = errors[1, :, 0, :, 0], errors[1, :, 1, :, 0]
    assert (layer[:, 0] < 0.5 * layer[:, 2]).all()
    assert (batch[:, 1] < 0.8 * batch[:, 2]).all()
    assert np.median(batch[:, 1] / batch[:, 2]) < 0.5
    assert (batch[:, 0] > batch[:, 2]).mean() > 0.9


@claim(
    "10",
    "Where few sequences are left, most of the numbers are padding.",
    "Only if the true mean happened to be 0.",
    "a mean pulled towards 0",
    "Padding pulls the mean of late steps towards 0; leaving it out makes that mean "
    "noisy.",
    "One number is its own mean, so nothing of it is left. With `k` sequences "
    "something is, but their mean scatters as one over the root of `k`.",
    "The numbers in your sequences have a true mean of 1.",
)
def test_the_mean_of_late_steps():
    rng = np.random.default_rng(seeds("Padding pulls the mean of late steps", 1)[0])
    lengths = [12, 9, 9, 6, 6, 6, 3, 3, 3, 3]
    found = [step_means(1 + rng.normal(size=(10, 12)), lengths) for _ in range(4000)]
    means = np.array([f.mean for f in found])
    padded = np.array([f.padded for f in found])
    count = found[0].count
    np.testing.assert_allclose(means.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(means.std(axis=0), 1 / np.sqrt(count), rtol=0.06)
    np.testing.assert_allclose(padded.mean(axis=0), count / 10, atol=0.06)
    assert padded[:, -1].std() < 0.2 * means[:, -1].std()  # quiet, and wrong
    one = np.array([[3.7]])
    assert (standardize(one, 0)[0] == 0).all()


@claim(
    "10",
    "with 1, $W$ keeps the length of a vector on average.",
    "Without a norm the state of a ReLU network grows from step to step once the gain "
    "is large",
    "With tanh, or a small gain, it settles, and only the first steps differ.",
)
def test_where_the_state_settles():
    """At 1 and below ReLU settles too; above about 1.5 it runs away."""
    chosen = seeds("it settles, and only the first steps differ")
    for seed in chosen:
        rng = np.random.default_rng(seed)
        h = rng.normal(size=(500, 64))
        longer = h @ (rng.normal(size=(64, 64)) / 8)
        assert (longer**2).sum() == pytest.approx((h**2).sum(), rel=0.15)

        def rms(gain, activation, seed=seed):
            return recurrent_profile(
                60, gain=gain, activation=activation, networks=1, rng=seed
            ).rms[0]

        for gain, activation in (
            (0.5, "relu"),
            (1.0, "relu"),
            (0.5, "tanh"),
            (1.0, "tanh"),
            (3.0, "tanh"),
        ):
            state = rms(gain, activation)
            late = state[15:]
            assert late.max() / late.min() < 1.3
            assert state[0] < np.median(late)
        assert rms(2.0, "relu")[-1] > 1e3
    ran = [recurrent_profile(60, gain=1.6, networks=1, rng=s).rms[0] for s in chosen]
    assert np.median([rms[-1] / rms[9] for rms in ran]) > 10


@claim(
    "10",
    "So the gradient vanishes, the more slowly the larger the gain.",
)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_gradient_vanishes_more_slowly_at_a_large_gain(activation):
    found = [
        [
            recurrent_profile(
                60, gain=g, norm="layer", activation=activation, networks=1, rng=seed
            ).gradient[0, 0]
            for g in (0.5, 1.0, 1.6, 2.2, 3.0)
        ]
        for seed in seeds("the more slowly the larger the gain")
    ]
    middle = np.median(found, axis=0)
    assert (np.diff(np.log(middle)) > 0).all()
    assert middle[-1] < 0.5


@claim(
    "10",
    "Layer norm holds the *state* at one size, for any gain.",
    "Sixty such shares make a small number.",
)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_state_and_the_gradient(activation):
    for seed in seeds("It holds the state at one size, for any gain."):
        settings = dict(activation=activation, networks=1, rng=seed)
        for gain in (0.5, 1.0, 1.6, 2.5):
            layer = recurrent_profile(60, gain=gain, norm="layer", **settings)
            assert 0.75 < (layer.rms / layer.rms[0, 0]).min()
            assert (layer.rms / layer.rms[0, 0]).max() < 1.25
            if gain < 2:
                assert layer.gradient[0, 0] < 1e-3


@claim("10", "It never looks at other samples.")
def test_layer_norm_looks_at_one_sample():
    x = np.random.default_rng(3).normal(size=(16, 10))
    np.testing.assert_allclose(layer_norm(x[:1])[0], layer_norm(x)[0][:1])


@claim("10", "Its sets lie within one sample.")
def test_group_norm_looks_at_one_sample():
    x = np.random.default_rng(3).normal(size=(16, 4, 2, 2))
    np.testing.assert_allclose(group_norm(x[:1], 2)[0], group_norm(x, 2)[0][:1])
