"""What the figures of notebook 11 show, against computations of their own."""

import numpy as np
import pytest

from normlib.live.weight_norm_and_family import (
    Directions,
    Invariances,
    Length,
    Light,
    Rise,
    Start,
    Style,
)


def press_and_drag(touch, start, end, values):
    """Return what a drag from one place to another asks for."""

    class Pressed:
        x, y = start

    Pressed.values = values
    return touch.to_values(*end, Pressed)


def test_the_light_is_that_of_plain_arithmetic():
    figure = Light()
    figure.set(image="2", contrast=0.4, brightness=0.3)
    images = figure.images[:, 0].copy()
    images[2] = 0.4 * images[2] + 0.3
    batch = (images - images.mean()) / np.sqrt(images.var() + 1e-5)
    flat = images.reshape(4, -1)
    mean, var = flat.mean(1)[:, None, None], flat.var(1)[:, None, None]
    instance = (images - mean) / np.sqrt(var + 1e-5)
    for row, expected in zip(figure.rows, (images, batch, instance), strict=True):
        for k in range(4):
            shown = row.mesh.get_array()[:, 9 * k : 9 * k + 8]
            np.testing.assert_allclose(shown, expected[k], atol=1e-12)


def test_dragging_an_image_picks_it_and_moves_its_light():
    figure = Light()
    (touch,) = figure.touches()
    values = {"image": "1", "contrast": 0.5, "brightness": 0.2}
    asked = press_and_drag(touch, (20.0, 4.0), (22.0, 6.0), values)
    assert asked["image"] == "2"
    assert asked["brightness"] > 0.2 and asked["contrast"] < 0.5
    still = press_and_drag(touch, (99.0, 4.0), (99.0, 4.0), values)
    assert still == values | {"image": "3"}
    still = press_and_drag(touch, (20.0, 4.0), (20.0, 4.0), values | {"image": "all"})
    assert still["image"] == "all"


def test_the_result_has_the_statistics_of_the_style():
    figure = Style()
    figure.set(share=1.0, style=4, content=8, colours="blue on grey")
    style, result = (mesh.get_array() for mesh in figure.meshes[1:])
    np.testing.assert_allclose(
        figure.result.mean(axis=(1, 2)), style.mean(axis=(0, 1)), atol=1e-3
    )
    np.testing.assert_allclose(
        figure.result.std(axis=(1, 2)), style.std(axis=(0, 1)), atol=1e-3
    )
    assert 0 <= result.min() and result.max() <= 1
    figure.set(share=0.0)
    content, _, result = (mesh.get_array() for mesh in figure.meshes)
    np.testing.assert_allclose(result, content)


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda c, s: ..., "stub"),
        (lambda c, s: c[0], "shape"),
        (lambda c, s: None, "None"),
        (lambda c, s: c * np.nan, "NaN"),
    ],
)
def test_the_readers_restyle_is_used_or_what_is_wrong_with_it_is_said(function, words):
    own = Style(lambda c, s: 1 - c)
    own.set(share=1.0)
    shown = [mesh.get_array() for mesh in own.meshes]
    np.testing.assert_allclose(shown[2], 1 - shown[0])
    figure = Style(function)
    figure.set(share=1.0)
    assert figure.sentence.startswith("Not drawn") and words in figure.sentence
    content, style, result = (mesh.get_array() for mesh in figure.meshes)
    assert np.ptp(content) > 0.8 and np.ptp(style) > 0.5 and np.ptp(result) == 0
    assert figure.failed is None


def test_steps_in_the_plane_are_those_of_a_plain_loop():
    figure = Directions()
    figure.set(v0=-1.0, v1=0.5, lr=0.3, step=25)
    v, g = np.array([-1.0, 0.5]), 1.0
    for _ in range(25):
        length = np.linalg.norm(v)
        dw = (figure.x @ (g * v / length) - figure.target) @ figure.x / 64
        dg = dw @ v / length
        dv = g / length * (dw - dg * v / length)
        v, g = v - 0.3 * dv, g - 0.3 * dg
    np.testing.assert_allclose(np.ravel(figure.v_tip.get_data()), v)
    w = np.ravel(figure.w_tip.get_data())
    np.testing.assert_allclose(w, g * v / np.linalg.norm(v))
    (touch,) = figure.touches()
    assert press_and_drag(touch, (0, 0), (1.5, 2.0), {}) == {
        "v0": 1.5,
        "v1": 2.0,
        "step": 0,
    }


def test_v_without_a_direction_is_refused():
    figure = Directions()
    figure.set(v0=0.0, v1=0.0)
    assert figure.sentence.startswith("Not drawn: v is 0")


def test_the_start_shrinks_or_holds():
    figure = Start()
    figure.set(seed=3)
    assert figure.lines[0].get_ydata()[-1] < 0.1
    figure.set(start="fitted to a batch")
    np.testing.assert_allclose(figure.lines[0].get_ydata(), 1, atol=0.4)
    figure.set(times=2)
    np.testing.assert_allclose(figure.lines[1].get_ydata(), 1, atol=0.01)


def test_a_cell_is_filled_once_its_change_is_applied():
    figure = Invariances()
    assert [mark.get_text() for mark in figure.marks].count("?") == 23
    figure.set(strength=1.0)
    assert {mark.get_text() for mark in figure.marks} == {"?"}
    (touch,) = figure.touches()
    figure.set(**press_and_drag(touch, (4.2, 0.1), (4.2, 0.1), {}), strength=2.0)
    words = [mark.get_text() for mark in figure.marks]
    assert words[4] == "stays" and words.count("?") == 23
    figure.set(fill="all cells")
    words = [mark.get_text() for mark in figure.marks]
    stay = ["ACDE", "AC", "ABDF", "ADF"]  # Ba et al., table 1, and RMS norm
    for row, letters in enumerate(stay):
        for k, letter in enumerate("ABCDEF"):
            expected = "stays" if letter in letters else "moves"
            assert words[6 * row + k] == expected
    assert "Of all 24 cells 13 stay, as in the papers" in figure.sentence


def test_the_length_shown_is_that_of_the_run():
    figure = Length()
    figure.set(rule="both", start=0.1)
    decay, fixed = (figure.runs[name] for name in ("decay", "fixed length"))
    np.testing.assert_allclose(fixed[:, 1], fixed[0, 1], rtol=1e-5)
    assert np.ptp(decay[:, 1]) > 0.5
    np.testing.assert_array_equal(figure.curves["decay"][0].get_ydata(), decay[:, 1])
    figure.set(rule="held fixed")
    assert not len(figure.curves["decay"][0].get_xdata())


def test_the_rise_is_the_ratio_of_late_to_early():
    figure = Rise()
    figure.set(rate="to zero")
    gradient = figure.run[:, 2]
    early, late = np.median(gradient[160:320]), np.median(gradient[-40:])
    assert figure.ratio == pytest.approx(late / early)
    assert f"{late / early:.2f} times that of steps 160 to 320" in figure.sentence
