"""The data of the notebooks."""

import hashlib

import numpy as np
import pytest

from normlib.datasets import (
    bimodal,
    digits_split,
    linear_teacher,
    load_digits,
    skewed,
    uniform,
    with_outlier,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def skewness(x):
    return ((x - x.mean()) ** 3).mean() / x.std() ** 3


def test_digits_are_the_original_bytes():
    """The hash was made from the arrays that scikit-learn 1.9 ships."""
    x, labels = load_digits()
    stored = (x * 16).astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes()
    assert hashlib.sha256(stored).hexdigest() == (
        "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
    )


def test_digits_shapes_and_counts():
    x, labels = load_digits(np.float32)
    assert x.shape == (1797, 64) and x.dtype == np.float32
    assert x.min() == 0 and x.max() == 1
    np.testing.assert_array_equal(x * 16, np.round(x * 16))
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    np.testing.assert_array_equal(np.bincount(labels), counts)
    assert (x * 16).sum() == 561718  # of the original file
    first = (x[0].reshape(8, 8) * 16)[3].astype(int).tolist()
    assert first == [0, 4, 12, 0, 0, 8, 8, 0]


def test_split_holds_every_image_once():
    x, labels = load_digits()
    digits = digits_split(np.random.default_rng(3))
    assert digits.x_train.shape == (1437, 64) and digits.x_test.shape == (360, 64)
    together = np.column_stack(
        [
            np.concatenate([digits.y_train, digits.y_test]),
            np.concatenate([digits.x_train, digits.x_test]),
        ]
    )
    whole = np.column_stack([labels, x])
    order, expected = np.lexsort(together.T), np.lexsort(whole.T)
    np.testing.assert_array_equal(together[order], whole[expected])


def test_split_depends_on_the_seed_only():
    a, b, c = (digits_split(np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.x_test, b.x_test)
    assert not np.array_equal(a.y_test, c.y_test)


def test_standardized_by_the_training_images():
    raw = digits_split(np.random.default_rng(1))
    std = digits_split(np.random.default_rng(1), standardized=True)
    mean, scale = raw.x_train.mean(axis=0), raw.x_train.std(axis=0) + 0.1
    np.testing.assert_allclose(std.x_train, (raw.x_train - mean) / scale)
    np.testing.assert_allclose(std.x_test, (raw.x_test - mean) / scale)
    assert abs(std.x_test.mean(axis=0)).max() > 1e-3  # not their own statistics
    assert digits_split(np.random.default_rng(1), True, np.float32).x_test.dtype == "f4"


def test_toy_sets_have_the_shape_they_are_named_for(rng):
    n = 20_000
    assert abs(skewness(uniform(n, rng))) < 0.1
    assert 1.7 < skewness(skewed(n, rng)) < 2.3  # 2 for an exponential
    two = bimodal(n, rng)
    assert abs(skewness(two)) < 0.1 and abs(two.std() - np.sqrt(10)) < 0.05
    assert (two > 5).mean() == pytest.approx(0.5, abs=0.01)
    assert abs(bimodal(n, rng, distance=0).std() - 1) < 0.05


def test_outlier_strength_moves_one_value():
    near, far = (with_outlier(50, np.random.default_rng(0), s) for s in (3, 30))
    np.testing.assert_array_equal(near[:-1], far[:-1])
    assert (near[-1], far[-1]) == (8, 35)


def test_linear_teacher(rng):
    x, y = linear_teacher(rng, n=4000, n_in=16, n_out=10, noise=0.1)
    assert abs(x.std() - 1) < 0.02
    teacher, *_ = np.linalg.lstsq(x, y)
    assert abs(teacher.std() * 4 - 1) < 0.15
    assert abs((y - x @ teacher).std() - 0.1) < 0.005


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: digits_split(0), TypeError, "np.random.default_rng"),
        (
            lambda: digits_split(np.random.default_rng(0), True, dtype=int),
            TypeError,
            "dtype must be a floating-point type, got int64",
        ),
        (lambda: load_digits(bool), TypeError, "dtype must be"),
        (lambda: load_digits("digits"), TypeError, "dtype must be a type such as"),
        (lambda: uniform(2.5, np.random.default_rng(0)), TypeError, "n must be an int"),
        (
            lambda: uniform(3, np.random.default_rng(0), 0, np.inf),
            ValueError,
            "high must be finite",
        ),
        (
            lambda: uniform(3, np.random.default_rng(0), -1.7e308, 1.7e308),
            ValueError,
            "high - low must be finite",
        ),
        (lambda: skewed(3, np.random.default_rng(0), np.inf), ValueError, "scale must"),
        (
            lambda: bimodal(3, np.random.default_rng(0), np.inf),
            ValueError,
            "distance must be finite",
        ),
        (
            lambda: linear_teacher(np.random.default_rng(0), noise=np.inf),
            ValueError,
            "noise must be finite",
        ),
        (
            lambda: linear_teacher(np.random.default_rng(0), n_out=0),
            ValueError,
            "n_out must be at least 1",
        ),
        (lambda: uniform(0, np.random.default_rng(0)), ValueError, "at least 1"),
        (lambda: uniform(3, np.random.default_rng(0), 2, 1), ValueError, "swap them"),
        (lambda: skewed(3, np.random.default_rng(0), -1), ValueError, "scale"),
        (lambda: bimodal(3, np.random.default_rng(0), -1), ValueError, "distance"),
        (lambda: with_outlier(1, np.random.default_rng(0)), ValueError, "at least 2"),
        (
            lambda: with_outlier(9, np.random.default_rng(0), np.nan),
            ValueError,
            "strength must be finite",
        ),
        (
            lambda: linear_teacher(np.random.default_rng(0), noise=-1),
            ValueError,
            "noise",
        ),
    ],
)
def test_errors_say_what_is_wrong(make, error, words):
    with pytest.raises(error, match=words):
        make()
