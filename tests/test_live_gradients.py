"""What the figures of notebook 05 claim, against an independent computation."""

import numpy as np
import pytest

from normlib.live.gradients import (
    WINDOW,
    Constants,
    Equilibrium,
    Paths,
    Projection,
    WeightPlane,
    typical_angle,
)

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


def test_the_bias_runs_away_and_nothing_else_moves():
    figure = Constants()
    figure.set(step=0)
    start = figure.rows[1].get_xdata().copy()
    loss = figure.sentence.split("loss went from ")[1][:6]
    for step in (10, 60):
        figure.set(step=step, lr=0.2)
        assert f"has grown to {0.2 * step:.2f} after" in figure.sentence
        assert f"went from {loss} to {loss}." in figure.sentence
        np.testing.assert_allclose(figure.rows[1].get_xdata(), start, atol=1e-12)
        moved = figure.rows[0].get_xdata().mean() - figure.curves[0].get_ydata()[-1]
        np.testing.assert_allclose(
            figure.rows[0].get_xdata() - moved - 0.2 * step, start, atol=1e-9
        )
    figure.set(gradient="part of the gradient")
    assert "stays at 0.00" in figure.sentence


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
    ("lr", "weight_decay"), [(0.2, 0.04), (0.4, 0.02), (0.4, 0.08)]
)
def test_the_digits_network_settles_where_predicted(lr, weight_decay):
    figure = Equilibrium()
    figure.set(lr=lr, weight_decay=weight_decay)
    steps, norms = figure.artists[0].get_data()
    assert len(steps) == 800
    predicted = figure.artists[1].get_ydata()[0]
    assert norms[400:].mean() == pytest.approx(predicted, rel=0.05)
    angle = np.rad2deg(np.sqrt(2 * lr * weight_decay))
    assert figure.artists[2].get_ydata()[400:].mean() == pytest.approx(angle, rel=0.05)
