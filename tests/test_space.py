"""The 3-D view: a rotation, and shapes that lie where they claim to lie."""

import numpy as np
import pytest

from normlib.live import space


@pytest.mark.parametrize("azimuth", [-160.0, 0.0, 35.0, 90.0])
@pytest.mark.parametrize("elevation", [-90.0, 0.0, 20.0])
def test_a_view_is_a_rotation_whose_third_axis_never_points_down(azimuth, elevation):
    turn = space.view(azimuth, elevation)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert space.on_paper([0, 0, 1], turn)[1] >= 0


def test_paper_and_nearness_together_hold_the_point():
    turn = space.view(30, 20)
    points = np.random.default_rng(0).normal(size=(4, 5, 3))
    paper, near = space.on_paper(points, turn), space.nearness(points, turn)
    assert paper.shape == (4, 5, 2)
    back = np.concatenate([paper, near[..., None]], axis=-1) @ turn
    np.testing.assert_allclose(back, points, atol=1e-14)


@pytest.mark.parametrize("normal", [space.ONES, (0, 0, 2), (1, -3, 0.5)])
def test_a_circle_lies_in_its_plane_at_its_radius(normal):
    centre = np.array([1.0, 2.0, 3.0])
    points = space.circle(normal, 1.7, centre) - centre
    np.testing.assert_allclose(points @ np.asarray(normal), 0, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.7)
    np.testing.assert_allclose(points[0], points[-1], atol=1e-14)


def test_the_outline_of_a_sphere_is_a_circle_on_paper():
    turn = space.view(40, 25)
    paper = space.on_paper(space.sphere_outline(turn, 2.0), turn)
    np.testing.assert_allclose(np.linalg.norm(paper, axis=1), 2.0)
