"""What the figures of notebook 01 claim, against an independent computation."""

import re

import numpy as np
import pytest

from normlib.datasets import with_outlier
from normlib.live import rescale_or_standardize as rescale
from normlib.live.figure import ReaderError
from normlib.live.reader import reader_array
from normlib.live.rescale_or_standardize import (
    DATA,
    Correlation,
    Divisor,
    Outlier,
    Rescaling,
    Valley,
    bars,
)


def numbers(sentence):
    return [float(n) for n in re.findall(r"-?\d+\.\d+|-?\d+", sentence)]


@pytest.mark.parametrize("data", list(DATA))
@pytest.mark.parametrize(
    ("scaling", "low", "high"),
    [("min-max [0, 1]", 0, 1), ("min-max [-1, 1]", -1, 1), ("standardize", 0, 0)],
)
def test_rescaling_moves_the_rulers_and_not_the_shape(data, scaling, low, high):
    figure = Rescaling()
    figure.set(data=data, scaling=scaling, strength=9)
    x = DATA[data](np.random.default_rng(1), 9)
    if scaling == "standardize":
        y = (x - np.mean(x)) / np.std(x)
    else:
        y = np.interp(x, (x.min(), x.max()), (low, high))
    said = f"mean {x.mean():.2f} becomes {y.mean():z.2f}, standard deviation "
    assert said + f"{x.std():.2f} becomes {y.std():.2f}" in figure.sentence
    place = [np.interp(v, (v.min(), v.max()), (0, 1)) for v in (x, y)]
    np.testing.assert_allclose(*place, rtol=0, atol=1e-12)
    assert figure.sentence.endswith("no value moved.")
    np.testing.assert_array_equal(bars(x)[1], bars(y)[1])
    assert bars(x)[1].sum() == len(x)


def test_a_scaling_that_bends_is_found_out(monkeypatch):
    """The sentence measures: it is not written in."""
    monkeypatch.setitem(rescale.SCALINGS, "standardize", np.sqrt)
    figure = Rescaling()
    figure.set(scaling="standardize")
    assert "values moved by 0." in figure.sentence


@pytest.mark.parametrize("features", ["as they are", "standardized"])
@pytest.mark.parametrize(("std", "correlation"), [(1.0, 0.0), (10.0, 0.0), (5.0, 0.8)])
def test_the_valley_is_that_of_a_least_squares_problem(features, std, correlation):
    """Descend on data by its own gradient, and count."""
    figure = Valley()
    figure.set(features=features, std=std, correlation=correlation)
    std = figure.values["std"]
    z = rescale.whiten(np.random.default_rng(0).normal(size=(50, 2)))
    mix = np.array([[1, 0], [correlation, np.sqrt(1 - correlation**2)]])
    standardized = z @ mix.T
    y = standardized @ rescale.BEST
    counts = {}
    for name, x in (
        ("as they are", standardized * (1, std)),
        ("standardized", standardized),
    ):
        lr = 1 / np.linalg.eigvalsh(x.T @ x / 50)[-1]
        w, losses = np.zeros(2), [np.mean(y**2)]
        path = [w]
        while losses[-1] > 0.01 * losses[0]:
            w = w - lr * x.T @ (x @ w - y) / 50
            losses.append(np.mean((x @ w - y) ** 2))
            path.append(w)
        counts[name] = len(losses) - 1
        if name == features:
            shown = np.array(figure.path.get_data()).T[: len(path)]
            np.testing.assert_allclose(shown, path[: len(shown)], atol=1e-9)
    assert f"left: {counts['as they are']} with" in figure.sentence
    assert f"{counts['standardized']} standardized." in figure.sentence


def test_the_bell_has_the_area_of_the_bars():
    figure = Rescaling()
    figure.set(data="bimodal")
    at, height = figure.bell.get_data()
    counts = bars(DATA["bimodal"](np.random.default_rng(1), 0))[1]
    area = (counts / counts.max()).sum() / len(counts)
    assert np.trapezoid(height, at) == pytest.approx(area, rel=0.1)


@pytest.mark.parametrize("n", [5, 20, 1000])
def test_the_outlier_sentence_and_curves_are_right(n):
    figure = Outlier()
    figure.set(n=n, strength=100.0, seed=3)
    x = with_outlier(n, np.random.default_rng(3), 100.0)
    others = x[:-1]
    share = (others.max() - others.min()) / (x.max() - x.min())
    z = (x - x.mean()) / x.std()
    for words in (f"others {share:.3f} of", f"deviation of {z[:-1].std():.3f}. "):
        assert words in figure.sentence
    assert f"lands at {z[-1]:.2f}" in figure.sentence
    assert z[-1] <= np.sqrt(n - 1)
    kept = [float(dot.get_ydata()[0]) for dot in figure.dots]
    assert kept[0] == pytest.approx(share)
    assert kept[1] == pytest.approx(z[:-1].std())
    for k in range(2):  # the dot lies on its curve
        curve = np.interp(
            2,
            np.log10(figure.curves[k].get_xdata()),
            np.log10(figure.curves[k].get_ydata()),
        )
        assert 10**curve == pytest.approx(kept[k], rel=0.05)


def test_many_values_protect_standardizing_and_few_do_not():
    """What the notebook says, as a mean over seeds."""
    kept = {}
    for n in (5, 1000):
        factors = []
        for seed in range(5):
            x = with_outlier(n, np.random.default_rng(100 + seed), 100.0)
            share = np.ptp(x[:-1]) / np.ptp(x)
            factors.append(((x - x.mean()) / x.std())[:-1].std() / share)
        kept[n] = np.mean(factors)
    assert kept[1000] > 3
    assert kept[5] < 1.2


@pytest.mark.parametrize("std", [0.25, 1.0, 4.0])
def test_the_divisor_decides_the_spread(std):
    figure = Divisor()
    figure.set(divisor="variance", std=std)
    assert f"becomes {1 / std:.2f}" in figure.sentence
    assert figure.dot.get_ydata()[0] == pytest.approx(1 / std)
    figure.set(divisor="std")
    assert "becomes 1.00." in figure.sentence


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda x: (x - x.mean(0)) / x.std(0),
            "becomes 0.00, and standard deviation 2.00 becomes 1.00.",
        ),
        (lambda x: (x - x.mean(0)) / x.var(0), "becomes 0.50 = 1 / 2.00."),
        (
            lambda x: x / x.std(0),
            "mean 2.00 becomes 1.00, and standard deviation 2.00 becomes 1.00; "
            "the mean should be 0.",
        ),
        (lambda x: x / x.var(0) ** 2, "some of it lies outside the picture."),
        (lambda x: x - x.mean(0), "becomes 2.00; it should be 1."),
        (lambda x: x - x.mean(1, keepdims=True), "becomes 0.00; it should be 1."),
        (lambda x: ..., "Not drawn: your <lambda> still returns the ..."),
        (lambda x: x[0], "returned shape (1,), but it needs (400, 1)"),
        (lambda x: x.nothing, "raised AttributeError"),
    ],
)
def test_the_readers_function_drives_the_divisor(function, words):
    figure = Divisor(function)
    assert figure.values["divisor"] == "yours"
    figure.set(mean=2.0, std=0.25 if "outside" in words else 2.0)
    assert words in figure.sentence


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.8])
def test_only_whitening_removes_the_correlation(correlation):
    figure = Correlation()
    for method, after in (
        ("standardize", correlation),
        ("min-max [-1, 1]", correlation),
        ("whiten", 0.0),
    ):
        figure.set(method=method, correlation=correlation, spread=1.5)
        assert f"was {correlation:z.2f} and is {after:z.2f}." in figure.sentence
        cloud = figure.artists[2].get_xydata()
        assert np.corrcoef(cloud.T)[0, 1] == pytest.approx(after, abs=1e-9)
        ring = figure.artists[3].get_xydata()
        c = cloud - cloud.mean(axis=0)
        inverse = np.linalg.inv(c.T @ c / len(c))
        away = ring - cloud.mean(axis=0)
        distance = np.sqrt(np.einsum("ki,ij,kj->k", away, inverse, away))
        np.testing.assert_allclose(distance, 2, rtol=1e-9)


def test_a_readers_array_is_checked_and_its_input_protected():
    x = np.ones(3)

    def spoils(a):
        a[:] = 5
        return a, "cache"

    np.testing.assert_array_equal(reader_array(spoils, x, shape=(3,)), 5)
    np.testing.assert_array_equal(x, 1)
    with pytest.raises(ReaderError, match="returned None"):
        reader_array(lambda a: None, x, shape=(3,))
    with pytest.raises(ReaderError, match="1 numbers that are NaN"):
        reader_array(lambda a: np.array([1.0, np.nan, 0]), x, shape=(3,))


def test_the_outlier_can_be_dragged():
    figure = Outlier()
    *_, touch = figure.touches()
    assert touch.to_values(200.0, 0.1, None) == {"strength": 200.0}
    figure.set(strength=touch.to_values(300.0, 0.1, None)["strength"])
    assert "lies 300 standard deviations out" in figure.sentence


@pytest.mark.parametrize("strip", [0, 1])
def test_the_outlier_can_be_dragged_by_its_diamond(strip):
    figure = Outlier()
    touch, diamond = figure.touches()[strip], figure.strips[3 * strip + 2]
    (x,), (y,) = diamond.get_data()
    left, top = touch.place(x, y)
    figure.press(left, top)
    assert figure.values["strength"] == pytest.approx(100)  # a press moves nothing
    spot = touch.spot()
    assert spot["left"] < left < spot["left"] + spot["width"]
    for share, strength in ((-0.4, 10), (0.4, 1000), (-2, 10**0.5)):
        figure.drag(left + share * spot["width"], top)
        assert figure.values["strength"] == pytest.approx(strength)


def test_the_figures_open_where_they_do_not_answer():
    """A question stands above each; its answer comes from a control."""
    assert Valley().values["std"] < 4  # asked: 10 times as wide
    assert "standardize" not in Rescaling().sentence
    assert Outlier().values["n"] == 20  # asked: 1000
    assert Correlation().values["method"] == "whiten"
    figure = Divisor()
    assert "variance" not in figure.sentence
    assert not any(artist.get_visible() for artist in figure.mistake)
    figure.set(divisor="variance")
    assert all(artist.get_visible() for artist in figure.mistake)
    assert all(a.get_visible() for a in Divisor(lambda x: x).mistake)
