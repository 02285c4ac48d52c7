"""What the figures of notebook 06 say is true."""

import re

import numpy as np
import pytest

from normlib.live import hypersphere, space
from normlib.live.sphere_scene import LEVEL, UP
from normlib.sphere.wrong_norms import WRONG_NORMS as MISTAKES


def numbers(sentence):
    return [float(v) for v in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", sentence)]


def plain_layer_norm(x, eps=0.0):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)


def given(figure):
    """Return the points of the figure of the projection, before times and plus."""
    return figure.inputs(figure.values["mean"], figure.values["angle"])


def length(y):
    return np.linalg.norm(y, axis=-1)


def test_the_ones_direction_stands_upright_and_the_basis_is_orthonormal():
    assert np.allclose(LEVEL @ LEVEL.T, np.eye(3))
    assert np.linalg.det(LEVEL) == pytest.approx(1)
    scene = hypersphere.Projection().scene
    for azimuth in (0, 35, 200):
        scene.look_from(azimuth)
        assert np.allclose(scene.turn @ scene.turn.T, np.eye(3))
        right, up = scene.seen(UP)
        assert abs(right) < 1e-12
        assert up > 0.9


def test_the_plane_lies_still_while_the_view_turns():
    scene = hypersphere.Projection().scene
    seen = []
    for azimuth in (0, 77):
        scene.look_from(azimuth)
        seen.append(scene.seen(space.circle(space.ONES, 1.0, count=3601)))
    extremes = [(s.min(axis=0), s.max(axis=0)) for s in seen]
    assert np.allclose(*extremes, atol=1e-3)


def test_near_points_are_drawn_last_and_larger():
    figure = hypersphere.Projection()
    points = plain_layer_norm(given(figure))
    sizes = figure.cloud.get_sizes()
    assert (np.diff(sizes) >= 0).all()
    assert sizes[-1] > 1.5 * sizes[0]
    order = np.argsort(space.nearness(points, figure.scene.turn))
    assert np.allclose(figure.cloud.get_offsets(), figure.scene.seen(points[order]))


@pytest.mark.parametrize("scale", [0.1, 1.2, -0.1, -1.2])
@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.7])
def test_projection_tells_what_shift_and_scale_do(scale, shift):
    figure = hypersphere.Projection()
    figure.set(scale=scale, shift=shift)
    x = given(figure)
    moved = length(plain_layer_norm(scale * x + shift) - plain_layer_norm(x)).max()
    said = float(re.search(r"moved by (\d\.\d\d)", figure.sentence)[1])
    assert said == pytest.approx(moved, abs=0.006)
    assert said == (0.0 if scale > 0 else 3.46)
    assert ("60 of 60 flipped" in figure.sentence) == (scale < 0)


def test_equal_features_go_to_the_origin():
    figure = hypersphere.Projection()
    for shift in (-1.0, 0.0, 0.3):
        figure.set(scale=0.0, shift=shift)
        assert "every result is the origin" in figure.sentence
        assert abs(figure.cloud.get_offsets()).max() < 1e-3


def test_the_steps_lead_from_the_input_to_the_plane_to_the_circle():
    figure = hypersphere.Projection()
    x = given(figure)
    for step, points in (
        (0, x),
        (5, x - x.mean(axis=1, keepdims=True) / 2),
        (10, x - x.mean(axis=1, keepdims=True)),
        (20, plain_layer_norm(x)),
    ):
        figure.set(step=step)
        order = np.argsort(space.nearness(points, figure.scene.turn))
        seen = figure.scene.seen(points[order])
        assert np.allclose(figure.cloud.get_offsets(), seen, atol=1e-6)


def test_play_runs_over_all_steps():
    for figure, steps in ((hypersphere.Projection(), 2), (hypersphere.Affine(), 4)):
        (play,) = figure.helpers()
        assert play.max == figure.controls["step"].max == 10 * steps
    assert hypersphere.Epsilon().helpers() == []


@pytest.mark.parametrize(("gamma", "beta"), [(2.0, 1.0), (-1.5, 0.5), (0.0, -1.5)])
def test_affine_tells_axes_and_means_of_the_ellipse(gamma, beta):
    figure = hypersphere.Affine()
    figure.set(step=40, gamma=gamma, beta=beta)
    y = plain_layer_norm(hypersphere.points_in_space())
    y = y * [gamma, 1, 1] + [beta, 0, 0]
    angle = np.linspace(0, np.pi, 200_001)
    ring = np.sqrt(3) * np.column_stack([np.cos(angle), np.sin(angle)]) @ LEVEL[:2]
    reach = length(ring * [gamma, 1, 1])
    axes = [float(v) for v in re.findall(r"axes (\S+), (\S+);", figure.sentence)[0]]
    assert axes == pytest.approx([reach.max(), reach.min()], abs=0.006)
    means = [float(v) for v in re.findall(r"from (\S+) to (\S+)\.", figure.sentence)[0]]
    assert means == pytest.approx(
        [y.mean(axis=1).min(), y.mean(axis=1).max()], abs=0.006
    )


@pytest.mark.parametrize("divisor", ["1/n", "1/(n-1)"])
@pytest.mark.parametrize("eps", [1e-6, 1e-3, 1.0])
def test_epsilon_tells_the_lengths_and_its_dots_lie_on_the_curve(divisor, eps):
    figure = hypersphere.Epsilon()
    figure.set(divisor=divisor, eps=eps, scale=0.1)
    x = 0.1 * hypersphere.points_in_space()
    var = x.var(axis=1, ddof=int(divisor != "1/n"))
    expected = length(x - x.mean(axis=1, keepdims=True)) / np.sqrt(var + eps)
    low, high = re.findall(r"lengths from (\S+) to (\S+) for", figure.sentence)[0]
    assert float(low) == pytest.approx(expected.min(), abs=0.006)
    assert float(high) == pytest.approx(expected.max(), abs=0.006)
    std, lengths = figure.dots.get_data()
    curve = np.interp(
        np.log(std), np.log(figure.curve.get_xdata()), figure.curve.get_ydata()
    )
    assert np.allclose(lengths, curve, atol=0.01)
    assert np.allclose(lengths, expected)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (3.0, 1.0), (-6.0, 0.5)])
def test_beside_rms_tells_cosine_and_angle(mean, std):
    figure = hypersphere.BesideRMS()
    figure.set(mean=mean, std=std)
    cosine = mean / np.hypot(mean, std)
    angle = 2 * np.degrees(np.arctan2(std, abs(mean)))
    said = re.search(r"is (\S+) and the widest angle (\d+)", figure.sentence)
    assert float(said[1]) == pytest.approx(cosine, abs=6e-4)
    assert float(said[2]) == pytest.approx(angle, abs=0.6)
    assert "layer norm 0 and 180 degrees" in figure.sentence


@pytest.mark.parametrize("n", [2, 30, 1000])
def test_many_features_moves_points_as_far_as_in_full_space(n):
    figure = hypersphere.ManyFeatures()
    x = 0.5 + np.random.default_rng(0).standard_normal((300, n))
    rms = np.sqrt((x**2).mean(axis=1, keepdims=True))
    for norm, y in (("layer", plain_layer_norm(x)), ("rms", x / rms)):
        figure.set(n=n, mean=0.5, norm=norm)
        said = float(re.search(r"by (\S+) on average", figure.sentence)[1])
        assert said == pytest.approx((length(y - x) / np.sqrt(n)).mean(), abs=6e-4)


@pytest.mark.parametrize(("norm", "lost"), [("layer", 2), ("rms", 1)])
def test_singular_tells_the_rank(norm, lost):
    figure = hypersphere.Singular()
    for n in (3, 12):
        figure.set(norm=norm, n=n, eps=0.0, sigma=0.5)
        assert f"rank {n - lost};" in figure.sentence
        assert f"; {n - lost} singular value" in figure.sentence
    figure.set(norm="layer", n=6, eps=1.0, sigma=1.0)
    assert "rank 5" in figure.sentence
    # Along x_hat: eps / (var + eps) of 1 / sqrt(var + eps).
    assert f"{0.5 / np.sqrt(2):.3g}, 0." in figure.sentence


def test_folding_is_exact_for_pre_and_wrong_for_post():
    figure = hypersphere.Folding()
    for spread in (0.05, 0.5, 1.0):
        figure.set(position="pre-LN", folded="gamma and beta", spread=spread)
        assert "agree to 1e-12" in figure.sentence
        for folded in ("gamma only", "nothing"):
            figure.set(folded=folded)
            assert "differ by" in figure.sentence
        for folded in figure.folds:
            figure.set(position="post-LN", folded=folded)
            assert "differ by" in figure.sentence
    figure.set(position="post-LN", folded="gamma and beta", spread=0.0)
    assert "agree to 1e-12" in figure.sentence


@pytest.mark.parametrize("name", list(MISTAKES))
def test_a_readers_mistake_is_seen_and_named(name):
    figure = hypersphere.YourSphere(MISTAKES[name][0])
    figure.set(scale=0.001)
    assert figure.sentence.startswith("Your function")
    assert MISTAKES[name][1] in figure.sentence
    assert len(figure.lines.get_segments()) == 60


@pytest.mark.parametrize(("norm", "scale"), [("/ variance", 0.1), ("no mean", 1.0)])
def test_every_point_beyond_the_picture_has_a_triangle_at_its_edge(norm, scale):
    figure = hypersphere.YourSphere()
    figure.set(norm=norm, scale=scale, shift=0.5)
    y = figure.functions[norm](scale * (hypersphere.points_in_space() + 0.5))
    edge = np.array([figure.scene.half_width, figure.half_height])
    out = (np.abs(figure.scene.seen(y)) > edge).any(axis=1)
    assert 0 < out.sum()
    triangles = np.column_stack(figure.beyond.get_data())
    assert len(triangles) == out.sum()
    assert (np.abs(triangles) <= edge).all()
    assert figure.notes[3].get_text() == f"▲ {out.sum()} beyond the picture"
    figure.set(norm="normlib")
    assert figure.notes[3].get_text() == "" and not len(figure.beyond.get_xdata())


def test_a_readers_right_layer_norm_is_on_target():
    figure = hypersphere.YourSphere(lambda x: plain_layer_norm(x, 1e-5))
    for scale in figure.sizes:
        figure.set(scale=scale, shift=0.5)
        assert "0 of 60 points are off" in figure.sentence


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: ..., "still returns the ..."),
        (lambda x: None, "returned None"),
        (lambda x: x[:2], "shape (2, 3)"),
        (lambda x: x / 0.0, "NaN or infinite"),
        (lambda x: x.nothing, "AttributeError"),
    ],
)
def test_a_readers_broken_function_is_told(function, words):
    with np.errstate(all="ignore"):
        assert words in hypersphere.YourSphere(function).sentence


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda w, b, g, t: (g[:, None] * w, b + t @ w), "agree to 1e-12"),
        (lambda w, b, g, t: (g * w, b + t @ w), "differ by"),
        (lambda w, b, g, t: (..., ...), "still returns the ..."),
        (lambda w, b, g, t: w, "2 arrays"),
        (lambda w, b, g, t: (w[:3], b), "returned shape (3, 16)"),
        (lambda w, b, g, t: (w * np.nan, b), "NaN"),
    ],
)
def test_a_readers_fold_runs_in_the_network(function, words):
    figure = hypersphere.Folding(function)
    figure.set(folded="yours")
    assert words in figure.sentence


def test_two_features_keep_only_their_order():
    figure = hypersphere.TwoFeatures()
    for first, second, sign in ((4.0, -4.0, 1), (0.1, 0.2, -1)):
        figure.set(first=first, second=second)
        a, b = figure.output.get_xydata()[0]
        assert (a, b) == pytest.approx((sign, -sign), abs=3e-3)
    figure.set(first=1.0, second=1.0)
    assert "nothing is left but the origin" in figure.sentence


def test_dragging_to_the_right_turns_the_near_side_to_the_right():
    figure = hypersphere.BesideRMS()
    (touch, _), scene = figure.touches(), figure.layer
    near = 1.0 * scene.turn[2]
    assert abs(scene.seen(near)[0]) < 1e-9
    figure.press(*touch.place(0, 0))
    figure.drag(*touch.place(0.5, 0.3))
    assert 0 < scene.seen(near)[0] < 1
    figure.drag(*touch.place(-2.5, 0))
    assert scene.seen(near)[0] < 0
    assert 0 <= figure.values["turn"] <= 360


def test_a_view_turns_on_past_a_full_circle():
    figure = hypersphere.Projection()
    figure.set(turn=350)
    (_, touch) = figure.touches()
    figure.press(*touch.place(1, 0.3))
    figure.drag(*touch.place(0, 0.3))
    assert 0 < figure.values["turn"] < 60
    assert figure.sentence.endswith(f"Seen from {figure.values['turn']} degrees.")


def test_the_marked_point_has_the_mean_and_the_angle_that_its_controls_say():
    figure = hypersphere.Projection()
    others = np.delete(hypersphere.points_in_space(), figure.followed, axis=0)
    stds = []
    for mean, angle in ((-1.0, 10), (0.0, 90), (1.4, 200)):
        figure.set(mean=mean, angle=angle, step=0)
        x = given(figure)
        np.testing.assert_array_equal(np.delete(x, figure.followed, axis=0), others)
        x = x[figure.followed]
        assert x.mean() == pytest.approx(mean)
        assert np.degrees(np.arctan2(*(LEVEL[1::-1] @ x))) % 360 == pytest.approx(angle)
        stds.append(x.std())
        said = f"square has mean {mean:.2f}, the ring is at ({x[0]:z.2f}, {x[1]:z.2f},"
        assert said in figure.sentence
    assert stds == pytest.approx([stds[0]] * 3)


@pytest.mark.parametrize("scale", [1.0, -0.8])
@pytest.mark.parametrize("turn", [40, 150])
@pytest.mark.parametrize("mark", ["square", "ring"])
def test_the_square_and_the_ring_follow_the_pointer(mark, turn, scale):
    """Within the step of a control: 0.05 of the mean, 2 degrees around."""
    figure = hypersphere.Projection()
    figure.set(turn=turn, scale=scale, shift=0.2)

    def where(name):
        return {"square": figure.square, "ring": figure.ring}[name].get_xydata()[0]

    touch, start, ring = figure.touches()[0], where(mark), where("ring")
    figure.press(*touch.place(*start + 0.1))
    np.testing.assert_array_equal(where(mark), start)  # a press moves nothing
    if mark == "square":  # up the cylinder, so the result stays
        figure.drag(*touch.place(*start + (0.1, -0.5)))
        np.testing.assert_allclose(where("square"), start - (0, 0.6), atol=0.06)
        np.testing.assert_allclose(where("ring"), ring)
        goal = start + (-0.4 * np.sign(start[0]), -0.5)
    else:  # along the circle
        goal = figure.scene.seen(plain_layer_norm(figure.scene.turn[0] + [0.2, 0, 0]))
    figure.drag(*touch.place(*goal + 0.1))
    np.testing.assert_allclose(where(mark), goal, atol=0.1)
    assert np.linalg.norm(where("ring") - ring) > 0.1
    assert figure.values["turn"] == turn and figure.values["scale"] == scale


def test_the_two_features_are_where_the_pointer_is():
    figure = hypersphere.TwoFeatures()
    (touch,) = figure.touches()
    figure.press(*touch.place(-1.04, 2.5))
    assert (figure.values["first"], figure.values["second"]) == pytest.approx((-1, 2.5))
    assert figure.sentence.startswith("(-1.00, 2.50) becomes")


@pytest.mark.parametrize("centred", [0.0, 0.4, 1.0])
def test_centring_the_weights_is_what_it_says(centred):
    figure = hypersphere.Centring()
    figure.set(centred=centred)
    w = figure.weight - centred * figure.weight.mean(axis=1, keepdims=True)
    b = figure.bias - centred * figure.bias.mean()
    written = figure.inputs @ w + b
    rms = written / np.sqrt((written**2).mean(axis=1, keepdims=True))
    old = figure.inputs @ figure.weight + figure.bias
    centre = old - old.mean(axis=1, keepdims=True)
    layer = centre / centre.std(axis=1, keepdims=True)
    away = np.linalg.norm(rms - layer, axis=1).max()
    exact = "gives exactly what layer norm gave" in figure.sentence
    assert exact == (away < 1e-9) == (centred == 1)
    if not exact:
        assert f"off what layer norm gave by up to {away:.2f}" in figure.sentence
