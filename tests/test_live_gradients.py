"""What the figures of notebook 05 claim, against an independent computation."""

import numpy as np
import pytest

from normlib.live.gradients import (
    WINDOW,
    Equilibrium,
    KeepNormalized,
    Paths,
    Projection,
    WeightPlane,
    typical_angle,
)
from normlib.live.touch import Start

ONES = np.ones(3) / np.sqrt(3)


@pytest.mark.parametrize("seed", [0, 7, 42])
@pytest.mark.parametrize(
    ("upstream", "blind"),
    [("random", []), ("all ones", [(True, False)]), ("x_hat", [(False, True)])],
)
def test_only_a_random_upstream_gradient_sees_every_missing_path(seed, upstream, blind):
    figure = Paths()
    for mean in (False, True):
        for var in (False, True):
            figure.set(mean=mean, var=var, upstream=upstream, seed=seed)
            passes = figure.title.get_text() == "the check passes"
            assert passes == ((mean, var) == (True, True) or (mean, var) in blind)
            wrong = passes and not (mean and var)
            assert ("A wrong formula passes" in figure.sentence) == wrong


def test_the_diamonds_are_the_gradient():
    figure = Paths()
    figure.set(mean=True, var=True, seed=3)
    tops = [path.vertices[1, 1] for path in figure.bars.get_paths()]
    np.testing.assert_allclose(figure.truth.get_ydata(), tops, atol=1e-7)
    assert np.sum(tops) == pytest.approx(0, abs=1e-9)


def kept(figure):
    """Return dx from the drawn bars: their widths along the three directions."""
    widths = [path.vertices[1, 0] for path in figure.bars[1].get_paths()]
    return np.array(widths)


@pytest.mark.parametrize(
    ("ones", "radial", "across"), [(1.2, -1.0, 0.7), (0.0, 0.3, -1.2), (1.0, 1.0, 0.0)]
)
def test_the_gradient_keeps_the_rest_and_nothing_else(ones, radial, across):
    figure = Projection()
    figure.set(ones=ones, radial=radial, across=across)
    np.testing.assert_allclose(kept(figure), [0, 0, across], atol=1e-12)
    assert f"dx has 0.00, 0.00 and {across:z.2f}." in figure.sentence
    assert figure.title.get_text() == f"dx keeps {int(across != 0)} of 3"


def test_the_three_directions_are_a_frame_at_a_standardized_point():
    figure = Projection()
    np.testing.assert_allclose(figure.basis @ figure.basis.T, np.eye(3), atol=1e-12)
    assert figure.x_hat.mean() == pytest.approx(0, abs=1e-12)
    assert figure.x_hat.std() == pytest.approx(1)
    np.testing.assert_allclose(figure.basis[0], ONES)
    np.testing.assert_allclose(figure.basis[1] * np.sqrt(3), figure.x_hat)


def test_the_blue_arrow_ends_at_dx_in_any_view():
    figure = Projection()
    for view in (-90, 0, 35):
        figure.set(view=view)
        dx = kept(figure) @ figure.basis
        tip = figure.heads.get_paths()[2].vertices[0]
        seen = (figure.x_hat + dx) @ figure.scene.turn[:2].T
        np.testing.assert_allclose(tip, seen, atol=1e-9)


def direct(d, x, eps):
    return d / np.sqrt(x.var(axis=0) + eps)


def without_var(d, x, eps):
    return direct(d - d.mean(axis=0), x, eps)


def without_mean(d, x, eps):
    x_hat = direct(x - x.mean(axis=0), x, eps)
    return direct(d - x_hat * (d * x_hat).mean(axis=0), x, eps)


@pytest.mark.parametrize(
    ("function", "plane", "scale"),
    [(direct, True, True), (without_var, False, True), (without_mean, True, False)],
)
def test_a_missing_path_of_the_reader_is_seen(function, plane, scale):
    figure = Projection(function)
    assert ("leaves the plane of mean 0" in figure.sentence) == plane
    assert ("changes the standard deviation" in figure.sentence) == scale
    assert (abs(kept(figure)[0]) > 0.1) == plane
    assert (abs(kept(figure)[1]) > 0.1) == scale


def test_a_stub_still_shows_the_upstream_gradient():
    figure = Projection(lambda d, x, eps: ...)
    assert "still returns the ..." in figure.sentence
    grey = [path.vertices[1, 0] for path in figure.bars[0].get_paths()]
    np.testing.assert_allclose(grey, [1.0, 0.9, 1.1])
    assert kept(figure).tolist() == [0, 0, 0]


def test_what_the_loss_sees_stands_still_while_x_runs_away():
    figure = KeepNormalized()
    assert "penalty" in figure.sentence, "the opening must not answer the question"
    figure.set(way="between steps", step=0)
    start = figure.rows[1].get_xdata().copy()
    for step in (10, 60):
        figure.set(step=step, lr=0.2)
        np.testing.assert_allclose(figure.rows[1].get_xdata(), start, atol=1e-9)
        x = figure.rows[0].get_xdata()
        assert x.mean() > 1 and x.std() > 2
        assert f"mean {x.mean():.2f} and standard deviation {x.std():.2f}" in (
            figure.sentence
        )
        assert "the loss went from 1.000 to 1.000" in figure.sentence
    figure.set(way="inside")
    assert "mean 0.00 and standard deviation 1.00" in figure.sentence
    figure.set(way="penalty", penalty=3.0)
    assert "mean 0.25 and standard deviation 1.25" in figure.sentence


def test_d_is_dragged_by_its_tip_and_nowhere_else():
    figure = Projection()
    drag, turning = figure.touches()
    d = np.array([1.0, 0.9, 1.1]) @ figure.basis
    tip = figure.scene.seen(figure.x_hat + d)
    start = Start(*tip, figure.values)
    values = drag.to_values(tip[0] + 0.3, tip[1] - 0.2, start)
    figure.set(**{name: round(value, 1) for name, value in values.items()})
    moved = np.array([values[k] for k in ("ones", "radial", "across")]) @ figure.basis
    shift = figure.scene.seen(figure.x_hat + moved) - tip
    np.testing.assert_allclose(shift, [0.3, -0.2], atol=1e-12)
    assert drag.to_values(0, 0, Start(tip[0] + 1, tip[1], figure.values)) is None
    assert set(turning.to_values(0.5, 0, start)) == {"view"}


def test_a_click_on_a_circle_switches_its_path():
    figure = Paths()
    (touch,) = figure.touches()
    assert touch.to_values(1, 0.9, Start(1.1, 0.8, figure.values)) == {"mean": True}
    figure.set(var=True)
    assert touch.to_values(1, -0.9, Start(1, -0.9, figure.values)) == {"var": False}
    assert touch.to_values(0, 0, Start(0, 0, figure.values)) is None


def test_the_length_at_the_start_is_picked_in_the_plane():
    figure = WeightPlane()
    (touch,) = figure.touches()
    assert touch.to_values(0.6, -0.8, Start(0, 0, figure.values)) == {"start": 1.0}


def test_the_typical_angle_is_a_rolling_root_mean_square():
    angles = np.random.default_rng(0).normal(size=60)
    expected = [
        np.sqrt(np.mean(angles[max(0, k + 1 - WINDOW) : k + 1] ** 2)) for k in range(60)
    ]
    np.testing.assert_allclose(typical_angle(angles), np.rad2deg(expected))


def test_numbers_of_the_weight_plane_that_the_notebook_quotes():
    figure = WeightPlane()
    assert "from 0.500 to 0.117" in figure.sentence
    for start, end in ((0.5, 2.49), (1.0, 2.31)):
        figure.set(step=200, start=start)
        assert f"from {start:.2f} to {end:.2f}" in figure.sentence
    for start in (0.5, 1.0, 3.0):
        figure.set(step=200, start=start, weight_decay=0.05)
        assert f"from {start:.2f} to 1.11" in figure.sentence
        assert "12.8 degrees are expected" in figure.sentence


@pytest.mark.parametrize("lr", [0.05, 0.5, 1.0])
def test_without_decay_the_length_never_falls(lr):
    figure = WeightPlane()
    figure.set(step=200, lr=lr, start=0.5)
    assert (np.diff(figure.lines[3].get_ydata()) > 0).all()


@pytest.mark.parametrize(
    ("lr", "weight_decay"), [(0.2, 0.04), (0.4, 0.02), (0.4, 0.04)]
)
@pytest.mark.parametrize("labels", ["right", "40 % random"])
def test_the_digits_network_settles_where_predicted(lr, weight_decay, labels):
    figure = Equilibrium()
    figure.set(lr=lr, weight_decay=weight_decay, labels=labels)
    steps, norms = figure.artists[0].get_data()
    assert len(steps) == 800
    predicted = figure.artists[1].get_ydata()[0]
    assert norms[400:].mean() == pytest.approx(predicted, rel=0.05)
    angle = np.rad2deg(np.sqrt(2 * lr * weight_decay))
    assert figure.artists[2].get_ydata()[400:].mean() == pytest.approx(angle, rel=0.05)


@pytest.mark.parametrize("make", [KeepNormalized, WeightPlane])
def test_one_step_is_no_steps(make):
    figure = make()
    figure.set(step=1)
    assert "fter 1 step " in figure.sentence
    assert "1 steps" not in figure.sentence
    figure.set(step=2)
    assert "fter 2 steps " in figure.sentence
