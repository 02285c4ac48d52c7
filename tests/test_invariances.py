"""Table 1 of Ba et al. measured cell by cell, and what instance norm removes."""

import numpy as np
import pytest

from normlib.family.images import coloured, relight, restyle
from normlib.family.invariances import (
    CHANGES,
    NORMS,
    PUBLISHED,
    change_layer,
    invariance_table,
    normalized_layer,
)
from normlib.norms import instance_norm


@pytest.mark.parametrize("seed", [5, 6, 7])
@pytest.mark.parametrize("strength", [0.01, 0.5, 3.0, 100.0])
def test_all_24_cells_are_those_published(seed, strength):
    table = invariance_table(strength, rng=seed)
    np.testing.assert_array_equal(table.invariant, PUBLISHED)
    assert table.change[PUBLISHED].max() < 1e-12
    assert table.change[~PUBLISHED].min() > 1e-2
    assert (table.norms, table.changes) == (NORMS, CHANGES)


def test_no_strength_no_change_and_more_strength_more_change():
    assert invariance_table(1.0).change.max() < 1e-15
    small, large = (invariance_table(s).change[~PUBLISHED] for s in (1.01, 3.0))
    assert (small < large).all() and (small > 0).all()


def test_eps_breaks_exactness_but_only_a_little():
    change = invariance_table(3.0, eps=1e-5).change[PUBLISHED]
    assert 1e-9 < change.max() < 1e-3


def test_changes_change_what_they_say_and_only_that():
    rng = np.random.default_rng(0)
    x, weight, shift = (rng.standard_normal(s) for s in ((5, 3), (3, 4), 3))
    expected = {
        "weight matrix rescaled": (x, 2 * weight),
        "weight matrix recentred": (x, weight + np.outer(shift, np.ones(4))),
        "weight vector rescaled": (x, weight * [2, 1, 1, 1]),
        "data rescaled": (2 * x, weight),
        "data recentred": (x + shift, weight),
        "single case rescaled": (x * np.array([[2], [1], [1], [1], [1]]), weight),
    }
    for change in CHANGES:
        found = change_layer(x, weight, change, 2.0, shift)
        for got, wanted in zip(found, expected[change], strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-15)


def test_a_recentring_by_one_number_per_unit_is_not_what_layer_norm_ignores():
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((5, 3)), rng.standard_normal((3, 4))

    def layer(weight):
        a = x @ weight
        return (a - a.mean(1, keepdims=True)) / a.std(1, keepdims=True)

    same_for_all_units = weight + rng.standard_normal((3, 1))
    own_for_each_unit = weight + rng.standard_normal((1, 4))
    np.testing.assert_allclose(layer(same_for_all_units), layer(weight), atol=1e-12)
    assert np.abs(layer(own_for_each_unit) - layer(weight)).max() > 0.1


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_another_light_comes_out_of_instance_norm_as_it_went_in(seed):
    image = np.random.default_rng(seed).random((1, 3, 8, 8))
    other = relight(image, 0.3, 0.4)
    np.testing.assert_allclose(
        instance_norm(other, eps=0)[0], instance_norm(image, eps=0)[0], atol=1e-12
    )
    assert np.ptp(other) < np.ptp(image)


def test_a_drawing_has_its_two_colours():
    picture = coloured(np.array([[0.0, 0.5, 1.0]]), (1.0, 0.0, 0.2), (0.0, 0.5, 0.4))
    np.testing.assert_allclose(picture[:, 0, 0], [0, 0.5, 0.4])
    np.testing.assert_allclose(picture[:, 0, 1], [0.5, 0.25, 0.3])
    np.testing.assert_allclose(picture[:, 0, 2], [1, 0, 0.2])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_style_is_a_mean_and_a_deviation_per_channel(share):
    rng = np.random.default_rng(3)
    content, style = rng.random((3, 8, 8)), 2 * rng.random((3, 5, 6))
    found = restyle(content, style, share, eps=0.0)
    for f, c, s in zip(found, content, style, strict=True):
        full = (c - c.mean()) / c.std() * s.std() + s.mean()
        np.testing.assert_allclose(f, (1 - share) * c + share * full, atol=1e-12)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: invariance_table(0.0), ValueError, "strength must be above 0"),
        (lambda: invariance_table(np.inf), ValueError, "finite"),
        (lambda: invariance_table("much"), TypeError, "strength"),
        (lambda: invariance_table(eps=-1.0), ValueError, "eps"),
        (lambda: relight(np.ones(3), 0.0, 0.0), ValueError, "contrast must be above"),
        (
            lambda: restyle(np.ones((3, 2, 2)), np.ones((1, 2, 2))),
            ValueError,
            "same channels, got 3 and 1",
        ),
        (
            lambda: normalized_layer(np.ones((2, 2)), np.ones((2, 2)), "group"),
            ValueError,
            "norm must be one of",
        ),
        (
            lambda: change_layer(np.ones((2, 3)), np.ones((2, 4)), CHANGES[0], 2, 1.0),
            ValueError,
            "shift must have 1 axes",
        ),
        (
            lambda: change_layer(
                np.ones((2, 3)), np.ones((2, 4)), CHANGES[0], 2, np.ones(3)
            ),
            ValueError,
            "number of features",
        ),
        (
            lambda: change_layer(np.ones((2, 3)), np.ones((3, 4)), "?", 2, np.ones(3)),
            ValueError,
            "change must be one of",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()
