"""Index sets: which entries share a mean and a variance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normlib.axes import (
    count_sets,
    index_sets,
    normalize_axes,
    parameter_shape,
    sharing,
)

N, T, D = 3, 4, 6
C, H, W = 6, 2, 5


def definition(norm, index, num_groups=None):
    """Return what Wu & He's S_i makes equal, for an entry of (N, C, H, W)."""
    i_n, i_c, _, _ = index
    return {
        "batch": i_c,
        "layer": i_n,
        "instance": (i_n, i_c),
        "group": (i_n, i_c // (C // num_groups)) if num_groups else None,
    }[norm]


@pytest.mark.parametrize(
    ("norm", "options"),
    [
        ("batch", {}),
        ("layer", {"axes": (1, 2, 3)}),
        ("instance", {}),
        ("group", {"num_groups": 1}),
        ("group", {"num_groups": 3}),
        ("group", {"num_groups": 6}),
    ],
)
def test_sets_of_images_are_those_of_wu_and_he(norm, options):
    shape = (2, C, H, 3)
    labels = index_sets(norm, shape, **options)
    groups = options.get("num_groups")
    for i in np.ndindex(shape):
        for k in np.ndindex(shape):
            same = definition(norm, i, groups) == definition(norm, k, groups)
            assert (labels[i] == labels[k]) == same


@pytest.mark.parametrize(
    ("norm", "shape", "options", "count", "parameters"),
    [
        ("batch", (N, D), {}, D, (D,)),
        ("batch", (N, T, D), {}, D, (D,)),
        ("batch", (N, C, H, W), {}, C, (C,)),
        ("layer", (N, D), {}, N, (D,)),
        ("layer", (N, T, D), {}, N * T, (D,)),
        ("layer", (N, T, D), {"axes": (1, 2)}, N, (T, D)),
        ("layer", (N, C, H, W), {"axes": (1, 2, 3)}, N, (C, H, W)),
        ("layer", (N, C, H, W), {"axes": 1}, N * H * W, (C,)),
        ("instance", (N, D), {}, N * D, (D,)),
        ("instance", (N, T, D), {}, N * D, (D,)),
        ("instance", (N, C, H, W), {}, N * C, (C,)),
        ("group", (N, D), {"num_groups": 2}, N * 2, (D,)),
        ("group", (N, T, D), {"num_groups": 2}, N * 2, (D,)),
        ("group", (N, C, H, W), {"num_groups": 2}, N * 2, (C,)),
        ("rms", (N, D), {}, N, (D,)),
        ("rms", (N, T, D), {}, N * T, (D,)),
    ],
)
def test_counts_and_parameters(norm, shape, options, count, parameters):
    assert count_sets(norm, shape, **options) == count
    assert parameter_shape(norm, shape, **options) == parameters
    labels = index_sets(norm, shape, **options)
    assert labels.shape == shape
    np.testing.assert_array_equal(np.unique(labels), np.arange(count))
    assert sharing(norm, shape, **options).size * count == labels.size


@pytest.mark.parametrize(
    ("norm", "kept"),
    [("batch", {2}), ("instance", {0, 2}), ("layer", {0, 1}), ("rms", {0, 1})],
)
def test_sets_of_sequences(norm, kept):
    """Two entries share a set exactly if they agree on the axes that are kept."""
    shape = (N, T, D)
    labels = index_sets(norm, shape)
    i = (1, 2, 3)
    for k in np.ndindex(shape):
        same = all(i[axis] == k[axis] for axis in kept)
        assert (labels[i] == labels[k]) == same


def test_groups_of_sequences_take_all_tokens_and_neighbouring_features():
    labels = index_sets("group", (N, T, D), num_groups=2)
    expected = np.zeros((N, T, D), bool)
    expected[1, :, 3:] = True
    np.testing.assert_array_equal(labels == labels[1, 2, 3], expected)


def test_the_layer_sets_of_x_are_the_batch_sets_of_its_transpose():
    np.testing.assert_array_equal(
        index_sets("layer", (N, D)), index_sets("batch", (D, N)).T
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_sets_of_any_axes_partition_the_array(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    over = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    labels = index_sets("layer", shape, axes=sorted(over))
    # Along the axes of a set the label stays, along every other axis it changes.
    for axis, n in enumerate(shape):
        if n > 1:
            same = np.diff(labels, axis=axis) == 0
            assert same.all() if axis in over else not same.any()
    assert np.bincount(labels.ravel()).std() == 0


def test_masks_are_new_arrays():
    labels = index_sets("batch", (2, 3))
    labels[:] = 7
    assert index_sets("batch", (2, 3)).max() == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: index_sets("spectral", (2, 3)),
            "norm must be one of 'batch', ",
        ),
        (lambda: index_sets("batch", (0, 3)), "at least one entry along every axis"),
        (lambda: index_sets("batch", (3,)), r"\(N, D\), \(N, T, D\) or \(N, C, H, W\)"),
        (lambda: index_sets("layer", ()), "at least one axis"),
        (lambda: index_sets("group", (2, 6)), "num_groups is needed"),
        (
            lambda: index_sets("group", (2, 6), num_groups=4),
            "num_groups must divide the 6 channels of x, got 4; "
            "choose one of 1, 2, 3, 6",
        ),
        (lambda: index_sets("group", (2, 6), num_groups=-1), "num_groups must be at"),
        (lambda: index_sets("batch", (2, 6), num_groups=2), "for group norm only"),
        (lambda: index_sets("batch", (2, 6), axes=0), "for layer and rms norm only"),
        (lambda: index_sets("layer", (2, 6), axes=2), "axes must be different axes"),
        (lambda: index_sets("layer", (2, 6), axes=-3), "axes must be different axes"),
        (lambda: index_sets("layer", (2, 6), axes=[1, -1]), "axes must be different"),
        (lambda: index_sets("layer", (2, 6), axes="token"), "got 'token'"),
        (lambda: index_sets("layer", (2, 6), axes=(1.0,)), "axes must be different"),
        (lambda: normalize_axes((), 2), "axes must be different axes"),
    ],
)
def test_bad_arguments_give_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("shape", [4, None, "ab", (2.0, 3), np.array([2, 3])])
@pytest.mark.parametrize("function", [sharing, index_sets, count_sets, parameter_shape])
def test_a_shape_is_a_tuple_of_integers(function, shape):
    with pytest.raises(TypeError, match="shape must be"):
        function("batch", shape)


def test_a_shape_may_be_a_list():
    assert sharing("batch", [2, 3]) == sharing("batch", (2, 3))
