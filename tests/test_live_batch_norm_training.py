"""What the figures of notebook 03 say, against computations of its own."""

import re

import numpy as np
import pytest

from normlib.live.batch_norm_details import (
    OFFSETS,
    ORDERS,
    Convolution,
    Epsilon,
    Order,
    Rounding,
    Undo,
    two_paths,
)
from normlib.live.batch_norm_training import Bias, SmallBatches, Steps, Units
from normlib.live.digits_layer import first_layer
from normlib.nets.training import accuracy

ZERO = "0 (up to rounding)"


def numbers(sentence):
    found = re.findall(r"-?\d+\.?\d*(?:e[-+]\d+)?", sentence.replace(" to ", " "))
    return [float(number) for number in found]


def x_hat(x, eps=1e-5):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + eps)


def test_the_layer_is_one_of_a_network_that_learned():
    layer = first_layer(size=512)
    assert layer.x.shape == (512, 16)
    assert accuracy(layer.net, layer.digits, layer.labels) > 0.9
    assert not np.array_equal(layer.x[:, 0], layer.x[:, 1])
    running = layer.net.layers[1].buffers["running_mean"].copy()
    layer.net.forward(layer.digits)  # the figures look, they do not train
    np.testing.assert_array_equal(layer.net.layers[1].buffers["running_mean"], running)


@pytest.mark.parametrize(("gamma", "beta"), [(-2.0, 1.0), (0.5, -1.5)])
def test_steps_end_at_beta_and_absolute_gamma(gamma, beta):
    figure = Steps()
    figure.set(unit=4, step=4, gamma=gamma, beta=beta)
    x = first_layer().x[:, 4]
    assert numbers(figure.sentence)[:4] == pytest.approx(
        [4, 64, round(x.mean(), 2), round(x.std(), 2)]
    )
    assert (
        f"deviation to {abs(gamma):.2f} and the mean to {beta:.2f}" in figure.sentence
    )
    last = figure.after.get_xdata()[-64:]
    np.testing.assert_allclose(last, gamma * x_hat(x) + beta, atol=1e-12)


MISTAKES = {
    "variance": lambda x, g, b: g * (x - x.mean(0)) / (x.var(0) + 1e-5) + b,
    "bessel": lambda x, g, b: g * (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1)) + b,
    "eps": lambda x, g, b: g * (x - x.mean(0)) / (x.std(0) + 1e-5) + b,
    "rows": lambda x, g, b: (
        g * (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True) + b
    ),
    "gamma": lambda x, g, b: x_hat(x) + b,
}


@pytest.mark.painted
@pytest.mark.parametrize(
    ("mistake", "setting"),
    [
        ("variance", {}),
        ("bessel", {"size": 2}),
        ("eps", {"scale": 1e-3}),
        ("rows", {}),
        ("gamma", {"gamma": 2.0}),
    ],
)
def test_each_mistake_leaves_the_ring(mistake, setting):
    figure = Units(MISTAKES[mistake])
    figure.set(**setting)
    wanted = np.column_stack(figure.expected.get_data())
    yours = np.column_stack(figure.after.get_data())
    assert len(yours) < 16 or np.abs(yours - wanted).max() > 0.2
    right = Units()
    right.set(**setting)
    np.testing.assert_allclose(
        right.after.get_data(), right.expected.get_data(), atol=1e-12
    )
    assert right.png != figure.png


def test_a_stub_is_named_and_the_layer_still_shown():
    def my_batch_norm(x, gamma, beta):
        return ...

    figure = Units(my_batch_norm)
    assert "still returns the ... of the stub" in figure.sentence
    assert len(figure.before.get_xdata()) == 16
    assert len(figure.after.get_xdata()) == 0


def test_the_bias_is_redundant_before_batch_norm_only():
    figure = Bias()
    for where in ("unit 11", "all units"):
        figure.set(norm="batch", where=where, amount=3.0)
        assert figure.sentence.count(ZERO) == 4
    figure.set(norm="layer", where="unit 11")
    assert figure.sentence.count(ZERO) == 1  # the sum of the gradients
    figure.set(where="all units")
    assert figure.sentence.count(ZERO) == 3
    assert np.abs(figure.ends.get_ydata()).max() > 0.05
    figure.set(norm="none")
    assert ZERO not in figure.sentence


def test_the_network_is_as_it_was_after_the_bias_moved():
    before = first_layer("layer").net.params.copy()
    figure = Bias()
    figure.set(norm="layer", amount=-2.25)
    np.testing.assert_array_equal(first_layer("layer").net.params, before)


@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_no_result_passes_the_limit(size):
    figure = SmallBatches()
    for unit in range(0, 16, 3):
        figure.set(size=size, unit=unit)
        assert np.abs(figure.dots.get_ydata()).max() <= np.sqrt(size - 1)
    if size == 2:
        assert (np.abs(figure.dots.get_ydata()) > 0.99).mean() > 0.8
    else:
        assert (np.abs(figure.dots.get_ydata()) > 0.99).mean() < 0.8


def test_a_batch_of_one_has_three_behaviours():
    figure = SmallBatches()
    figure.set(size=1, variance="1/N")
    assert not figure.dots.get_ydata().any()
    figure.set(variance="1/(N-1)")
    assert "0 divided by 0" in figure.sentence and not len(figure.dots.get_xdata())
    figure.set(variance="normlib")
    assert "refuses" in figure.sentence and "shape (1, 1)" in figure.sentence


def test_eps_inside_and_outside_the_root():
    figure = Epsilon()
    figure.set(factor=1e-3, eps=1e-5, unit=3)
    s = 1e-3 * first_layer().x[:, 3].std()
    inside, outside = s / np.sqrt(s**2 + 1e-5), s / (s + 1e-5)
    assert f"its result has {inside:.2f}, with eps outside {outside:.2f}" in (
        figure.sentence
    )
    # The numbers of the text, at a standard deviation of 1e-3.
    assert round(1e-3 / np.sqrt(1e-6 + 1e-5), 2) == 0.30
    assert round(1e-3 / (1e-3 + 1e-5), 2) == 0.99


def test_the_figure_draws_the_three_ways():
    figure = Rounding()
    figure.set(offset=len(OFFSETS) - 1)
    true = first_layer().x[:, 11].var()
    one, two, three = (curve.get_ydata() for curve in figure.curves)
    for offset, value in enumerate(OFFSETS):
        stored = (first_layer().x[:, 11] + value).astype(np.float32).astype(float)
        if value <= 100:
            assert abs(one[offset] - 1) < 0.1
        if value >= 1000:
            assert abs(one[offset] - 1) > 0.1
        if value <= 1e5:
            assert abs(two[offset] - 1) < 0.01
        wanted = np.clip(stored.var() / true, -2, 4)
        assert three[offset] == pytest.approx(wanted, rel=1e-3)
    assert two[OFFSETS.index(5e5)] == pytest.approx(1.49, abs=0.005)
    assert two[OFFSETS.index(1e6)] == pytest.approx(2.55, abs=0.005)
    figure.set(dtype="float64")
    one = figure.curves[0].get_ydata()
    assert one[OFFSETS.index(1e5)] == pytest.approx(1, abs=1e-3)


def test_the_units_differ_in_one_pass():
    figure = Rounding()
    offset = OFFSETS.index(1000.0)

    def ratio(unit):
        figure.set(offset=offset, dtype="float32", unit=unit)
        return figure.curves[0].get_ydata()[offset]

    assert ratio(8) == 0
    assert ratio(6) < -1 and "no root" in figure.words[0].get_text()
    assert ratio(11) == 4  # clipped there
    # Up to 50 for every unit: two digits.
    for unit in range(16):
        figure.set(unit=unit)
        small = figure.curves[0].get_ydata()[: OFFSETS.index(50.0) + 1]
        np.testing.assert_allclose(small, 1, atol=0.01)


def test_no_figure_opens_on_the_answer_of_the_question_above_it():
    """What the question asks for is drawn only once the reader moves a control."""
    assert [text.get_text() for text in Steps().stds[3:]] == ["", ""]
    assert Bias().values["norm"] == "none"
    assert SmallBatches().values["size"] > 2
    undo, rounding, epsilon = Undo(), Rounding(), Epsilon()
    assert len(undo.plain.get_xdata()) == len(undo.norm.get_xdata()) == 1
    for curve in rounding.curves:  # asked: a mean of 1000
        np.testing.assert_allclose(curve.get_ydata(), 1, atol=0.05)
        assert max(curve.get_xdata()) == 2  # 100, on the axis of powers of ten
    curve = np.column_stack(epsilon.inside.get_data())
    assert np.interp(1e-3, *curve.T) > 0.9  # the question's eps gives 0.3
    assert Order().values["bias"] == 0


def test_an_offset_can_be_picked():
    (touch,) = Rounding().touches()
    for x, value in ((-1.1, 0.0), (3.02, 1e3), (6.0, 1e6)):
        assert OFFSETS[touch.to_values(x, 0, None)["offset"]] == value


def test_the_last_row_of_the_steps_can_be_dragged():
    (touch,) = Steps().touches()
    start = type("Start", (), {"y": -4.1, "x": 0.5, "values": {"step": 4, "beta": 1.0}})
    assert touch.to_values(1.5, -4.0, start) == {"beta": 2.0}
    start.y = -2.2
    assert touch.to_values(1.5, -2.0, start) == {"step": 2}


@pytest.mark.parametrize("shift", [-2, -1, 1, 2])
def test_one_mean_per_channel_moves_with_the_digit(shift):
    figure = Convolution()
    for channel in ("edge across", "edge down", "blur", "spot"):
        figure.set(mean="channel", channel=channel, shift=shift, digit=9)
        assert not figure.images[2].get_array().any()
        figure.set(mean="channel and position")
        assert np.abs(figure.images[2].get_array()).max() > 0.5
    assert "784 means, each over 64 values" in figure.sentence
    figure.set(mean="channel")
    assert "4 means, each over 12544 values" in figure.sentence


@pytest.mark.parametrize("mean", ["channel", "channel and position"])
def test_the_map_is_largest_where_one_digit_stands_alone(mean):
    figure = Convolution()
    figure.set(mean=mean, channel="edge across", digit=5, shift=2)
    x_hat = figure.images[1].get_array().reshape(14, 14)
    assert ("not 0 for 1 of 64 digits" in figure.sentence) == (mean != "channel")
    words = figure.notes[1].get_text()
    if mean == "channel":
        assert words == "64 x 14 x 14 values share a mean"
    else:
        assert np.abs(x_hat).max() == pytest.approx(np.sqrt(63), rel=1e-3)
        assert words == f"largest |x_hat| {np.sqrt(63):.1f}: 1 of 64 not 0"
    # The key of the colours, and the values they stand for.
    assert figure.notes[0].get_text() == "orange > 0, dashed < 0"
    red, _, blue, _ = figure.images[1].mesh.to_rgba(2.0)
    assert red > blue
    red, _, blue, _ = figure.images[1].mesh.to_rgba(-2.0)
    assert red < blue


def test_only_after_the_activation_can_the_bias_matter_and_kill():
    figure = Order()

    def leaves(**values):
        figure.set(**values)
        return figure.dots.get_ydata()

    for activation in ("ReLU", "sigmoid", "tanh"):
        plain = leaves(order=ORDERS[0], activation=activation, bias=0.0, beta=0.0)
        np.testing.assert_allclose(leaves(bias=-2.0), plain, atol=1e-9)
        after = leaves(order=ORDERS[1], bias=0.0)
        assert np.abs(leaves(bias=-1.0) - after).max() > 0.1
        assert leaves(beta=1.5).mean() == pytest.approx(1.5)
    leaves(order=ORDERS[1], activation="ReLU", bias=-2.0, beta=0.0)
    assert "16 of 16 units are the same for all digits" in figure.sentence
    leaves(bias=0.0)
    assert leaves(bias=0.0).min() < 0  # after the activation, ReLU does not help
    assert leaves(order=ORDERS[0]).min() == 0


def test_the_unit_of_the_order_figure_answers_to_the_bias_both_ways():
    figure = Order()

    def leaves(**values):
        figure.set(**values)
        return figure.dots.get_ydata()

    plain = leaves(order=ORDERS[1], activation="ReLU", bias=0.0, beta=0.0)
    for bias in (-0.5, 0.5):
        assert np.abs(leaves(bias=bias) - plain).max() > 0.5
    assert not leaves(bias=-1.1).any()
    first = leaves(order=ORDERS[0], bias=0.0)
    assert np.abs(first - plain).max() > 0.3
    left, right = figure.figure.axes[0].get_xlim()
    across = figure.dots.get_xdata()
    assert left < across.min() and across.max() < right


def test_before_the_activation_beta_can_kill():
    figure = Order()
    figure.set(order=ORDERS[0], activation="ReLU", beta=-2.0)
    assert "2 of 16 units are the same for all digits" in figure.sentence
    assert "is 0 for" in figure.sentence
    figure.set(order=ORDERS[1])
    assert "the same for all" not in figure.sentence
    assert "is 0 for" not in figure.sentence  # what leaves a norm is 0 by chance only


def test_the_same_function_takes_another_path():
    for factor in (0.3, 1.0, 3.0):
        for lr in (0.03, 0.1, 0.3, 1.0):
            losses, scores = two_paths(lr, factor)
            np.testing.assert_allclose(scores[0, 0], scores[1, 0], atol=1e-10)
            assert np.abs(scores[0, 1] - scores[1, 1]).max() > 1e-3
    start = [two_paths(0.3, factor)[0][1, 0] for factor in (0.3, 1.0, 3.0)]
    np.testing.assert_allclose(start, start[0])
    # Not always ahead: this is what the notebook says.
    losses, _ = two_paths(0.3, 3.0)
    assert losses[1, -1] > losses[0, -1] + 0.1
    losses, _ = two_paths(1.0, 1.0)
    assert losses[1, -1] < losses[0, -1] - 0.1
    # A smaller W learns faster.
    ends = [two_paths(0.3, factor)[0][1, -1] for factor in (0.3, 1.0, 3.0)]
    assert ends[0] < ends[1] < ends[2]


def test_undo_says_what_it_shows():
    figure = Undo()
    assert ZERO in figure.sentence
    figure.set(steps=1, lr=1.0)
    _, scores = two_paths(1.0, 1.0)
    apart = np.abs(scores[0, 1] - scores[1, 1]).max()
    assert f"differ by at most {apart:.2f}" in figure.sentence
