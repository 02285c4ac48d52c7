"""Table 1 of Ba et al. measured cell by cell, and what instance norm removes."""

import numpy as np
import pytest

from normlib.family.invariances import (
    CHANGES,
    IMAGE_CHANGES,
    IMAGE_NORMS,
    NORMS,
    PUBLISHED,
    change_layer,
    contrast_table,
    invariance_table,
)


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
@pytest.mark.parametrize("strength", [0.2, 3.0, 10.0])
def test_instance_norm_is_blind_to_contrast_and_others_see_some(seed, strength):
    table = contrast_table(strength, rng=seed)
    expected = {
        "batch": [False, False, True, True, False, False],
        "layer": [True, True, False, False, False, False],
        "instance": [True] * 6,
        "group": [True, True, False, False, False, False],
    }
    for norm, row in zip(IMAGE_NORMS, table.invariant, strict=True):
        assert list(row) == expected[norm], norm
    assert table.changes == IMAGE_CHANGES
    assert table.change[2].max() < 1e-12


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: invariance_table(0.0), ValueError, "strength must be above 0"),
        (lambda: invariance_table(np.inf), ValueError, "finite"),
        (lambda: invariance_table("much"), TypeError, "strength"),
        (lambda: invariance_table(eps=-1.0), ValueError, "eps"),
        (lambda: contrast_table(-2.0), ValueError, "strength"),
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
