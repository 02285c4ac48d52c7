"""Claims of notebook 02."""

import numpy as np
import pytest
from claims import claim, no_claim, seeds

from normlib import batch_norm, group_norm, instance_norm, layer_norm
from normlib.axes import count_sets, index_sets
from normlib.lessons import lessons
from normlib.live.which_numbers_share_a_mean import digits_table, listeners

no_claim("02", "(`eps`, here `1e-5`, keeps the root away from 0.)", "definition")
no_claim("02", "`x` has shape `(N, H, W, C)`, axes 0, 1, 2, 3.", "definition")
no_claim("02", '`"layer"` means all of one sample here.', "definition")
no_claim("02", "Larger arrays leave three readings", "counted on the page")
no_claim("02", 'Three readings of "layer norm"', "counted on the page")
no_claim("02", "a cube with three axes", "counted on the page")
no_claim("02", "Going deeper: a trap when you average twice", "instruction")
no_claim("02", "The four feature maps of one digit", "counted on the page")
# A card: its own test decides it.
no_claim("02", "Layer norm on images always has one mean per image.", "quotation")


@claim("02", "Batch norm works on a column, layer norm on a row.")
def test_batch_norm_listens_to_columns_and_layer_norm_to_rows():
    for seed in seeds("Batch norm works on a column, layer norm on a row."):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(6, 5))
        n, d = rng.integers(6), rng.integers(5)
        heard = listeners(lambda a: batch_norm(a)[0], x, (n, d), step=16.0)
        assert heard[:, d].all()
        assert heard.sum() == 6
        heard = listeners(lambda a: layer_norm(a)[0], x, (n, d), step=16.0)
        assert heard[n].all()
        assert heard.sum() == 5


@claim("02", "Group norm never mixes samples, however many groups.")
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm_stays_in_a_sample(groups):
    for seed in seeds("Group norm never mixes samples, however many groups."):
        x = np.random.default_rng(seed).normal(size=(4, 6, 3, 2))
        norm = lambda a: group_norm(a, groups)[0]  # noqa: E731
        heard = listeners(norm, x, (1, 2, 0, 1))
        assert heard[1].any()
        assert not np.delete(heard, 1, axis=0).any()


@claim(
    "02",
    "Height and width always stay together",
    "Four cubes. Batch norm colours one channel of all samples, layer norm all "
    "channels of one sample, instance norm one channel of one sample, group norm "
    "half of the channels of one sample.",
)
@pytest.mark.parametrize(
    ("norm", "options", "samples", "channels"),
    [
        ("batch", {}, 4, 1),
        ("layer", {"axes": (1, 2, 3)}, 1, 6),
        ("instance", {}, 1, 1),
        ("group", {"num_groups": 2}, 1, 3),
    ],
)
def test_the_cubes(norm, options, samples, channels):
    labels = index_sets(norm, (4, 6, 3, 2), **options)
    members = labels == labels[0, 0, 0, 0]
    assert members.any(axis=(1, 2, 3)).sum() == samples
    assert members.any(axis=(0, 2, 3)).sum() == channels
    assert members.any(axis=(0, 1)).all()  # all positions, both axes


@claim(
    "02", "Batch norm keeps the channel, the last axis, so it averages over 0, 1 and 2."
)
@pytest.mark.parametrize(
    ("name", "norm", "options"),
    [
        ("batch", batch_norm, {}),
        ("layer", layer_norm, {"axes": (1, 2, 3)}),
        ("instance", instance_norm, {}),
    ],
)
def test_axes_with_channels_last(name, norm, options):
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(8, 6, 4, 4))
    last = np.moveaxis(norm(x, **options)[0], 1, -1)
    means = last.mean(axis=lessons()["02"].exercises["axes_of"].solution(name))
    np.testing.assert_allclose(means, 0, atol=1e-12)
    assert means.size == count_sets(name, x.shape, **options)  # and no axis too many


@claim("02", "It equals its own mean, so the result is 0 whatever `x` is.")
def test_one_number_is_its_own_mean():
    for seed in seeds("It equals its own mean"):
        x = np.random.default_rng(seed).normal(scale=100, size=(5, 3, 1, 1))
        assert (x - x.mean(axis=(2, 3), keepdims=True) == 0).all()


@claim(
    "02",
    "24 and zeros are 3 times the old column, so its distance to the mean and the "
    "standard deviation are both 3 times as large.",
    "The standard deviation grows, but so does its distance to the mean.",
    "The standard deviation, by which it is divided, grows as well.",
)
def test_the_exception_in_the_table():
    """All of a column but one are equal: the norm gives the same at any distance."""
    x = digits_table()
    np.testing.assert_array_equal(x[:, 4], [8, 0, 0, 0, 0, 0])
    far = x.copy()
    far[0, 4] += 16
    old, new = x[:, 4], far[:, 4]
    np.testing.assert_allclose(new[0] - new.mean(), 3 * (old[0] - old.mean()))
    np.testing.assert_allclose(new.std(), 3 * old.std())
    np.testing.assert_allclose(batch_norm(far)[0], batch_norm(x)[0], atol=1e-5)
