"""Signals and gradients by depth: theory against quadrature, sampling and networks.

Claims about random networks are means of at least 3 seeds, on seeds other than
those the experiments were built with, with the margins found for fresh seeds.
"""

import numpy as np
import pytest

from normlib.batch import recurrent_scale
from normlib.depth import (
    gradient_rates,
    joint_update,
    mean_field,
    propagation,
    trainability,
)
from normlib.nets.network import mlp
from normlib.nets.norm_layers import NETWORK_NORMS

SEEDS = (101, 202, 303)
SMOOTH = ("linear", "tanh", "sigmoid")
ALL = ("linear", "relu", "tanh", "sigmoid")


def gaussian_integral(function):
    z = np.linspace(-13, 13, 40001)
    return (function(z) * np.exp(-z * z / 2)).sum() * (z[1] - z[0]) / np.sqrt(2 * np.pi)


def geometric_mean(values):
    return np.exp(np.log(values).mean())


# --- theory ----------------------------------------------------------------


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("variance", [0.01, 1.0, 50.0])
def test_activation_moments_against_fine_sums(activation, variance):
    phi, slope = mean_field.ACTIVATIONS[activation]
    s = np.sqrt(variance)
    expected = [
        gaussian_integral(lambda z: phi(s * z)),
        gaussian_integral(lambda z: phi(s * z) ** 2),
        gaussian_integral(lambda z: slope(s * z) ** 2),
    ]
    found = mean_field.activation_moments(activation, variance)
    rtol = 1e-9 if activation in SMOOTH else 5e-4
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("activation", ALL)
def test_slopes_are_the_derivatives(activation):
    phi, slope = mean_field.ACTIVATIONS[activation]
    z = np.random.default_rng(0).standard_normal(50)
    numeric = (phi(z + 1e-6) - phi(z - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope(z), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("c", [-1.0, -0.3, 0.0, 0.6, 1.0])
@pytest.mark.parametrize("variance", [0.5, 1.0, 20.0])
def test_correlation_map_against_sampling(activation, c, variance):
    phi, _ = mean_field.ACTIVATIONS[activation]
    u, v = np.sqrt(variance) * np.random.default_rng(4).standard_normal((2, 200000))
    v = c * u + np.sqrt(1 - c * c) * v
    expected = (phi(u) * phi(v)).mean() / (phi(u) ** 2).mean()
    found = mean_field.correlation_map(c, activation, variance)
    assert abs(float(found) - expected) < 0.01
    if c == 1:
        assert np.isclose(float(found), 1)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("variance", [199.0, 201.0, 1e3, 1e6, 1e12])
def test_moments_of_a_steep_activation(activation, variance):
    """Its slope lives near 0, so that is where a fine sum looks."""
    u = np.linspace(-50, 50, 100001)
    density = np.exp(-u * u / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    slope = mean_field.ACTIVATIONS[activation][1](u)
    mean_slope = (density * slope).sum() * 1e-3
    # tanh**2 = 1 - tanh', and for the sigmoid s**2 = s - s'
    squares = {"tanh": 1 - mean_slope, "sigmoid": 0.5 - mean_slope}
    found = mean_field.activation_moments(activation, variance)
    mean = {"tanh": 0.0, "sigmoid": 0.5}[activation]
    np.testing.assert_allclose(found.mean, mean, atol=1e-12)
    np.testing.assert_allclose(found.mean_square, squares[activation], rtol=1e-12)
    np.testing.assert_allclose(
        found.slope_square, (density * slope**2).sum() * 1e-3, rtol=1e-10
    )


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("c", [-0.99, -0.3, 0.5, 0.99, 0.9999])
@pytest.mark.parametrize("variance", [9.0, 11.0, 100.0, 1000.0])
def test_correlation_map_of_a_steep_activation_against_a_fine_sum(
    activation, c, variance
):
    phi, _ = mean_field.ACTIVATIONS[activation]
    z = np.linspace(-9, 9, 2001)
    weights = np.exp(-z * z / 2) / np.exp(-z * z / 2).sum()
    u = np.sqrt(variance) * z
    product = (weights * phi(u)) @ phi(c * u[:, None] + np.sqrt(1 - c * c) * u)
    expected = (product @ weights) / (weights @ phi(u) ** 2)
    found = float(mean_field.correlation_map(c, activation, variance))
    assert abs(found - expected) < (1e-5 if variance < 10 else 1e-12)


@pytest.mark.parametrize("variance", [1e6, 1e20, 1e300])
def test_correlation_map_of_a_step_is_the_arcsine_law(variance):
    c = np.linspace(-1, 1, 11)
    found = mean_field.correlation_map(c, "tanh", variance)
    np.testing.assert_allclose(found, 2 / np.pi * np.arcsin(c), atol=2e-3)


@pytest.mark.parametrize("gain", [100.0, 300.0, 1000.0, 1e20])
def test_the_rate_of_tanh_at_large_gains(gain):
    """tanh is a step there: E[slope**2] is 4/3 of the density at 0 of N(0, gain**2)."""
    found = gradient_rates.gradient_rate("tanh", gain=gain)
    np.testing.assert_allclose(found, gain * 4 / 3 / np.sqrt(2 * np.pi), rtol=0.005)


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("gain", [1e-200, 1e50])
def test_extreme_gains_are_answered_without_a_warning(activation, gain):
    rate = gradient_rates.gradient_rate(activation, gain=gain)
    assert np.isfinite(rate) and (rate == 0) == (gain < 1)
    profile = propagation.depth_profile(
        3, activation=activation, gain=gain, networks=1, batch_size=8, width=8
    )
    assert np.isfinite(profile.predicted_cosine).all()
    recurrent_scale.recurrent_profile(
        20, gain=gain, activation=activation, networks=1, width=8
    )


def sampled_batch_norm_rate(activation, B, samples=100_000, seed=0):
    """The trace of the docstring, over batches drawn at random, term by term."""
    phi, slope = mean_field.ACTIVATIONS[activation]
    z = np.random.default_rng(seed).standard_normal((samples, B))
    z -= z.mean(axis=1, keepdims=True)
    y = z / np.sqrt((z * z).mean(axis=1, keepdims=True))
    a, d = phi(y), slope(y)
    spread = a.var(axis=1).mean() * B / (B - 1)
    P = np.eye(B) - 1 / B
    trace = np.einsum("ti,ij,tj,ij->", d, P, d, P, optimize=True) / samples
    along = d * y
    along = ((along**2).sum(1) - along.sum(1) ** 2 / B).mean() / B
    return B / (spread * (B - 3)) * (trace - along) / (B - 1)


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("B", [4, 5, 8, 24])
def test_batch_norm_rate_against_sampled_batches(activation, B):
    expected = sampled_batch_norm_rate(activation, B)
    assert abs(gradient_rates.batch_norm_rate(activation, B) / expected - 1) < 0.01


@pytest.mark.parametrize("B", [4, 5, 6, 8, 16, 32, 128, 1000])
def test_batch_norm_rate_is_theorem_8_of_yang_et_al(B):
    c = -1 / (B - 1)
    j = (np.sqrt(1 - c * c) + (np.pi - np.arccos(c)) * c) / np.pi
    slope = (np.pi - np.arccos(c)) / np.pi
    relu = (B - 1) * (slope + (B - 1)) / ((B - 3) * (B - 1) * (1 - j)) - 1 / (B - 3)
    assert np.isclose(gradient_rates.batch_norm_rate("relu", B), relu, rtol=1e-12)
    linear = (B - 2) / (B - 3)
    assert np.isclose(gradient_rates.batch_norm_rate("linear", B), linear, rtol=1e-12)


@pytest.mark.parametrize("activation", ALL)
def test_batch_norm_rate_falls_to_its_limit_and_never_below_one(activation):
    sizes = [4, 5, 6, 8, 16, 64, 1024, 100_000]
    rates = [gradient_rates.batch_norm_rate(activation, B) for B in sizes]
    limit = gradient_rates.batch_norm_rate(activation)
    assert (np.diff(rates) < 0).all()
    assert np.isclose(rates[-1], limit, rtol=1e-4)
    assert limit >= 1
    if activation != "linear":  # theorem 3.9: the linear network explodes least
        linear = [gradient_rates.batch_norm_rate("linear", B) for B in sizes]
        assert (np.array(rates) > linear).all()


def test_one_line_rules():
    rate = gradient_rates.gradient_rate
    assert np.isclose(rate("relu", "batch"), np.pi / (np.pi - 1), rtol=1e-12)
    assert np.isclose(rate("relu", "layer"), 1) and np.isclose(rate("linear", "rms"), 1)
    np.testing.assert_allclose(rate("tanh", "batch"), 1.1778, atol=5e-5)
    np.testing.assert_allclose(rate("tanh", "layer"), 1.1778, atol=5e-5)
    np.testing.assert_allclose(rate("sigmoid", "batch"), 1.0336, atol=5e-5)
    np.testing.assert_allclose(rate("sigmoid", "layer"), 0.1528, atol=5e-5)
    assert np.isclose(rate("relu", None, gain=np.sqrt(2)), 1)  # He
    assert np.isclose(rate("relu", None), 0.5)
    np.testing.assert_allclose(rate("sigmoid"), 0.056, atol=1e-3)
    assert rate("relu", "layer", gain=7.0) == rate("relu", "layer")


# --- the profile itself ----------------------------------------------------


@pytest.mark.parametrize("norm", NETWORK_NORMS)
@pytest.mark.parametrize("activation", ALL)
def test_profile_reads_the_hidden_layers_of_the_network(activation, norm):
    settings = {"activation": activation, "norm": norm, "init": "lecun"}
    profile = propagation.depth_profile(
        3, **settings, data="gaussian", width=7, batch_size=6, networks=1, rng=9
    )
    rng = np.random.default_rng(9)
    x = rng.standard_normal((6, 7))
    net = mlp([7, 7, 7, 7, 7], **settings, bias=False, rng=rng)
    dout = rng.standard_normal((6, 7))
    phi, _ = mean_field.ACTIVATIONS[activation]
    size = (len(net.layers) - 1) // 3
    h = x
    for layer in range(3):
        for step in net.layers[size * layer : size * (layer + 1)]:
            h = step.forward(h)
        assert np.isclose(profile.rms[0, layer], np.sqrt((h * h).mean()))
        assert np.isclose(profile.mean[0, layer], h.mean())
        units = h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), 1e-300)
        pairs = (units @ units.T)[np.triu_indices(6, 1)]
        assert np.isclose(profile.cosine[0, layer], pairs.mean())
        # The gradient by h, from differences of the loss sum(dout * output).
        numeric = np.empty_like(h)
        for index in np.ndindex(h.shape):
            values = []
            for sign in (1, -1):
                moved = h.copy()
                moved[index] += sign * 1e-6
                for step in net.layers[size * (layer + 1) :]:
                    moved = step.forward(moved)
                values.append((dout * moved).sum())
            numeric[index] = (values[0] - values[1]) / 2e-6
        expected = np.linalg.norm(numeric)
        assert np.isclose(profile.gradient[0, layer], expected, rtol=1e-4)
    np.testing.assert_allclose(profile.relative_gradient[:, -1], 1.0)


def test_same_seed_same_profile_and_another_seed_another():
    one, same, other = (propagation.depth_profile(4, rng=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.gradient, same.gradient)
    assert (one.gradient != other.gradient).all()


@pytest.mark.slow
@pytest.mark.parametrize("activation, init", [("relu", "he"), ("tanh", "lecun")])
@pytest.mark.parametrize("norm", NETWORK_NORMS)
def test_wide_networks_do_what_is_predicted(activation, init, norm):
    profile = propagation.depth_profile(
        12, activation=activation, init=init, norm=norm, width=256, networks=4, rng=11
    )
    rtol = 0.08 if norm else 0.25  # without a norm, deviations are carried on
    np.testing.assert_allclose(profile.rms.mean(0), profile.predicted_rms, rtol=rtol)
    difference = profile.cosine.mean(0) - profile.predicted_cosine
    assert np.abs(difference).max() < 0.05
    ratio = geometric_mean(profile.relative_gradient[:, 0])
    per_layer = (ratio / profile.predicted_gradient[0]) ** (1 / 11)
    assert abs(per_layer - 1) < 0.03


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("norm", NETWORK_NORMS)
@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("gain", [0.05, 5.0])
@pytest.mark.parametrize("width, batch_size", [(2, 4), (64, 300)])
def test_extreme_settings_give_numbers_and_no_warning(
    activation, norm, gain, width, batch_size
):
    profile = propagation.depth_profile(
        20,
        activation=activation,
        norm=norm,
        gain=gain,
        width=width,
        batch_size=batch_size,
        networks=1,
        eps=0.0,
    )
    assert all(np.isfinite(values).all() for values in profile)
    assert np.isfinite(profile.relative_gradient).all()


# --- d1: vanishing and exploding by depth, digits --------------------------


def ratios(activation, norm, depths=(5, 20), init="he"):
    how = {"activation": activation, "norm": norm, "init": init, "rng": SEEDS[0]}
    found = [propagation.depth_profile(d, **how).relative_gradient for d in depths]
    return np.array([geometric_mean(ratio[:, 0]) for ratio in found])


@pytest.mark.slow
def test_batch_norm_cures_vanishing_and_causes_exploding_layer_norm_neither():
    sigmoid = {norm: ratios("sigmoid", norm, init="glorot") for norm in NORMS_SHOWN}
    assert sigmoid[None][1] < 1e-9 and sigmoid[None][0] < 0.02
    assert sigmoid["layer"][1] < 1e-5
    assert (1 < sigmoid["batch"]).all() and sigmoid["batch"][1] < 5
    relu = {norm: ratios("relu", norm) for norm in NORMS_SHOWN}
    assert relu["batch"][1] > 15 and relu["batch"][1] > 5 * relu["batch"][0]
    for norm in (None, "layer"):
        assert (0.3 < relu[norm]).all() and (relu[norm] < 3).all()


NORMS_SHOWN = (None, "batch", "layer")


@pytest.mark.parametrize("norm, low, high", [(None, 0.1, 0.8), ("batch", 4, 12)])
def test_tanh_vanishes_slowly_and_batch_norm_makes_it_explode(norm, low, high):
    assert low < ratios("tanh", norm, depths=(20,), init="lecun")[0] < high


@pytest.mark.parametrize("norm, low, high", [("batch", 6, 20), ("layer", 1.5, 2.6)])
def test_skips_are_predicted(norm, low, high):
    profile = propagation.depth_profile(40, norm=norm, skip=True, rng=SEEDS[2])
    found = geometric_mean(profile.relative_gradient[:, 0])
    assert low < found < high
    assert abs(np.log(found / profile.predicted_gradient[0])) < np.log(1.6)
    np.testing.assert_allclose(profile.rms.mean(0), profile.predicted_rms, rtol=0.1)


def test_skips_need_the_width_of_the_data():
    with pytest.raises(ValueError, match="width must be 64 with skip"):
        propagation.depth_profile(3, skip=True, width=32)


def test_the_normalized_chain_against_central_differences():
    w = np.array([0.7, -1.2, 2.0, 1.3])
    step = joint_update.normalized_chain_update(w, lr=0.1)

    def y(weights):
        return joint_update.normalized_chain(weights, np.array([-1.0, 1.0]))[1]

    numeric = [(y(w + m) - y(w - m)) / 2e-6 for m in 1e-6 * np.eye(4)]
    np.testing.assert_allclose(step.gradient, numeric, atol=1e-8)
    assert np.isclose(step.exact, y(w - 0.1 * np.array(numeric)))


# --- d2: rates -------------------------------------------------------------


def rate(activation, norm, batch_size=128, networks=3, **settings):
    found = propagation.measure_gradient_rate(
        activation,
        norm,
        batch_size=batch_size,
        networks=networks,
        rng=SEEDS[1],
        **settings,
    )
    return found.rates.mean(), found.predicted


@pytest.mark.slow
def test_rates_of_relu_and_sigmoid_are_those_of_the_theory():
    measured, predicted = rate("relu", "batch")
    assert 1.40 < measured < 1.55 and abs(predicted - 1.4797) < 1e-4
    measured, predicted = rate("sigmoid", "batch")
    assert 1 <= measured < 1.12 and 1 < predicted < measured + 0.05
    measured, predicted = rate("sigmoid", "layer")
    assert measured < 0.25 and abs(measured - predicted) < 0.02
    measured, _ = rate("relu", "layer")
    assert 0.9 < measured < 1.12
    measured, _ = rate("sigmoid", None)
    assert abs(measured - 0.056) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("B, margin", [(6, 0.10), (8, 0.06), (16, 0.05), (32, 0.04)])
def test_rates_follow_the_curve_in_the_batch_size(activation, B, margin):
    measured, predicted = rate(activation, "batch", B, networks=5)
    assert abs(measured / predicted - 1) < margin


# --- collapse of samples into one ------------------------------------------


@pytest.mark.slow
def test_only_batch_norm_keeps_samples_apart():
    def cosines(activation, norm):
        profile = propagation.depth_profile(
            30, activation=activation, norm=norm, width=128, rng=SEEDS[2]
        )
        return profile.cosine.mean(axis=0)

    for norm in (None, "layer"):
        sigmoid, relu = cosines("sigmoid", norm), cosines("relu", norm)
        assert sigmoid[4] > 0.99 and sigmoid[-1] > 0.999
        assert relu[0] < 0.4 and relu[-1] > 0.93
    assert 0.8 < cosines("sigmoid", "batch")[-1] < 0.9
    relu = cosines("relu", "batch")
    assert np.abs(relu - 1 / np.pi).max() < 0.03
    assert abs(cosines("tanh", None)[-1]) < 0.05


# --- initialisations -------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("activation, init", [("relu", "he"), ("linear", "lecun")])
def test_the_right_initialisation_keeps_the_scale(activation, init):
    def last_over_first(gain):
        profile = propagation.depth_profile(
            20, activation=activation, init=init, gain=gain, width=256, rng=SEEDS[0]
        )
        return geometric_mean(profile.rms[:, -1] / profile.rms[:, 0])

    assert 0.6 < last_over_first(1.0) < 1.7
    # A gain per layer acts once per layer.
    assert 0.6 < last_over_first(1.3) / 1.3**19 < 1.7
    assert 0.6 < last_over_first(0.7) / 0.7**19 < 1.7


# --- f: what trains --------------------------------------------------------


def accuracies(**settings):
    """Return the mean accuracies over the seeds, shape (norms, depths, rates)."""
    rows = list(trainability.trainability_rows(**settings))
    norms = len({row.norm for row in rows})
    found = np.array([row.accuracy.mean(axis=0) for row in rows])
    return found.reshape(norms, -1, found.shape[-1])


def test_map_of_many_networks_at_once_is_that_of_one_at_a_time():
    settings = {"depths": (2,), "norms": ("batch",), "steps": 30, "seeds": (7,)}
    together = accuracies(rates=(0.1, 1.0), **settings)
    for column, lr in enumerate((0.1, 1.0)):
        alone = accuracies(rates=(lr,), **settings)
        np.testing.assert_allclose(alone[0, 0, 0], together[0, 0, column], atol=0.02)


def test_a_diverging_network_leaves_the_others_alone():
    settings = {"depths": (3,), "norms": (None,), "steps": 40, "activation": "relu"}
    found = accuracies(rates=(0.1, 1e6), init="he", **settings)
    alone = accuracies(rates=(0.1,), init="he", **settings)
    assert np.isfinite(found).all()
    assert found[0, 0, 1] < 0.5 < found[0, 0, 0]
    np.testing.assert_allclose(found[0, 0, 0], alone[0, 0, 0], atol=0.02)


def test_rows_come_one_by_one():
    rows = trainability.trainability_rows((2, 3), (0.1,), ("batch", None), steps=2)
    first = next(rows)
    assert (first.norm, first.depth, first.accuracy.shape) == ("batch", 2, (1, 1))
    assert [(row.norm, row.depth) for row in rows] == [
        ("batch", 3),
        (None, 2),
        (None, 3),
    ]


# --- n: recurrent networks -------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gain", [0.8, np.sqrt(2), 2.0, 50.0])
def test_layer_norm_holds_the_state_and_gradients_vanish_all_the_same(gain, seed):
    found = recurrent_scale.recurrent_profile(100, gain=gain, norm="layer", rng=seed)
    assert np.isclose(found.predicted_rms, np.sqrt(0.5))
    by_step = found.rms.mean(axis=0) / found.predicted_rms
    assert np.abs(by_step - 1).max() < 0.1 and abs(by_step.mean() - 1) < 0.06
    if gain < 10:
        assert (found.gradient[:, 0] < 1e-4).all()


def test_without_a_norm_the_scale_of_the_state_is_the_gains():
    small, large = (
        recurrent_scale.recurrent_profile(100, gain=g, rng=SEEDS[0]) for g in (0.8, 2)
    )
    assert small.rms[:, -1].max() < 2
    assert large.rms[:, -1].min() > 1e6
    assert (large.gradient[:, 0] > 1e6).all()


def test_vanishing_of_the_recurrent_gradient_is_predicted():
    found = recurrent_scale.recurrent_profile(
        40, gain=2.0, norm="layer", width=256, networks=3, rng=SEEDS[1]
    )
    per_step = geometric_mean(found.gradient[:, 0]) / found.predicted_gradient[0]
    assert abs(per_step ** (1 / 39) - 1) < 0.03


def test_recurrent_gradient_is_that_of_differences():
    rng = np.random.default_rng(0)
    weight, inputs = rng.standard_normal((4, 4)), rng.standard_normal((3, 2, 4))
    for norm in (None, "layer"):
        _, caches = recurrent_scale._forward(inputs, weight, norm, "tanh")
        last = rng.standard_normal((2, 4))
        lengths = recurrent_scale._backward(last, caches, weight, "tanh")
        assert lengths.shape == (3,)  # one per state, none for the start
        assert np.isclose(lengths[-1], np.linalg.norm(last))

        def loss(state, norm=norm, last=last):
            z = state @ weight + inputs[-1]
            if norm == "layer":
                z = z - z.mean(1, keepdims=True)
                z = z / np.sqrt(z.var(1, keepdims=True) + 1e-5)
            return (last * np.tanh(z)).sum()

        states, _ = recurrent_scale._forward(inputs, weight, norm, "tanh")
        numeric = np.empty((2, 4))
        for index in np.ndindex(2, 4):
            move = np.zeros((2, 4))
            move[index] = 1e-6
            numeric[index] = (loss(states[1] + move) - loss(states[1] - move)) / 2e-6
        assert np.isclose(lengths[-2], np.linalg.norm(numeric), rtol=1e-6)


# --- Goodfellow's chain ----------------------------------------------------


def test_goodfellows_chain_by_hand():
    step = joint_update.chain_update(np.full(10, 1.2), x=1.0, lr=0.01)
    np.testing.assert_allclose(step.by_order[:3], [6.1917, 3.5294, 4.0445], atol=5e-5)
    np.testing.assert_allclose(step.exact, 3.9897, atol=5e-5)
    assert np.isclose(step.before, 1.2**10) and step.by_order[0] == step.before


@pytest.mark.parametrize("seed", SEEDS)
def test_all_orders_add_up_to_the_exact_step(seed):
    rng = np.random.default_rng(seed)
    w, x, lr = rng.uniform(0.5, 1.5, 8), 1.3, 0.02
    step = joint_update.chain_update(w, x=x, lr=lr)
    assert np.isclose(step.by_order[-1], step.exact, rtol=1e-12)
    assert np.isclose(
        step.by_order[1], step.before - lr * step.gradient @ step.gradient
    )
    moved = [np.prod(w + 1e-6 * np.eye(8)[i]) for i in range(8)]
    np.testing.assert_allclose(
        step.gradient, x * (moved - np.prod(w)) / 1e-6, rtol=1e-4
    )
    # The coupling of two layers, as the book writes it.
    two = joint_update.chain_update(w[:2], x=x, lr=lr)
    coupling = lr**2 * two.gradient[0] * two.gradient[1] * x
    assert np.isclose(two.by_order[2] - two.by_order[1], coupling)


def test_first_order_is_trusted_less_the_deeper_the_chain():
    errors = []
    for depth in (2, 10, 30):
        w = np.full(depth, 1.2)
        gradient = joint_update.chain_update(w).gradient
        lr = 0.1 * np.prod(w) / (gradient @ gradient)
        step = joint_update.chain_update(w, lr=lr)
        wanted = step.before - step.by_order[1]
        assert np.isclose(wanted, 0.1 * step.before)
        errors.append(abs(step.exact - step.by_order[1]) / wanted)
    assert errors == sorted(errors) and errors[-1] < 0.1
    # A step that is harmless for 10 layers: first order is off by all it says.
    deep = joint_update.chain_update(np.full(30, 1.2), lr=0.01)
    assert deep.by_order[1] < -1e4 and 0 < deep.exact < 1


def test_chain_with_a_zero_weight():
    step = joint_update.chain_update(np.array([2.0, 0.0, 3.0]), lr=0.1)
    np.testing.assert_allclose(step.gradient, [0, 6, 0])
    assert np.isclose(step.exact, 2 * -0.6 * 3)


def test_batch_norm_before_the_last_weight_hides_the_lower_ones():
    x = np.random.default_rng(3).standard_normal(9)
    y = joint_update.normalized_chain([1.2, 0.7, 2.0], x)
    same = joint_update.normalized_chain([40.0, 0.01, 2.0], x)
    flipped = joint_update.normalized_chain([-1.2, 0.7, 2.0], x)
    np.testing.assert_allclose(same, y, rtol=1e-12)
    np.testing.assert_allclose(flipped, -y, rtol=1e-12)
    np.testing.assert_array_equal(joint_update.normalized_chain([0.0, 2.0], x), 0)
    np.testing.assert_allclose(
        joint_update.normalized_chain([1.2, 0.7, 3.0], x), 1.5 * y, rtol=1e-12
    )


# --- bad input -------------------------------------------------------------


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: propagation.depth_profile(0), ValueError, "depth must be at least 1"),
        (lambda: propagation.depth_profile(2.5), TypeError, "depth"),
        (
            lambda: propagation.depth_profile(2, norm="group"),
            ValueError,
            "norm must be one of None, 'batch', 'layer', 'rms'",
        ),
        (
            lambda: propagation.depth_profile(2, activation="x"),
            ValueError,
            "activation",
        ),
        (lambda: propagation.depth_profile(2, data="x"), ValueError, "data"),
        (lambda: propagation.depth_profile(2, init="x"), ValueError, "init"),
        (lambda: propagation.depth_profile(2, batch_size=1), ValueError, "batch_size"),
        (
            lambda: propagation.depth_profile(2, batch_size=5000),
            ValueError,
            "at most 1437",
        ),
        (lambda: propagation.depth_profile(2, rng="a"), TypeError, "rng"),
        (lambda: propagation.depth_profile(2, gain=np.nan), ValueError, "gain"),
        (lambda: propagation.depth_profile(2, gain=0.0), ValueError, "gain"),
        (lambda: propagation.depth_profile(2, gain=1e300), ValueError, "at most 1e.50"),
        (lambda: propagation.depth_profile(2, init=1e300), ValueError, "at most 1e.50"),
        (
            lambda: gradient_rates.gradient_rate("relu", gain=1e200),
            ValueError,
            "at most 1e.50",
        ),
        (
            lambda: mean_field.settled_variance("relu", 1e200),
            ValueError,
            "at most 1e.50",
        ),
        (
            lambda: recurrent_scale.recurrent_profile(gain=1e200),
            ValueError,
            "at most 1e.50",
        ),
        (
            lambda: propagation.mean_cosine(np.ones((1, 3))),
            ValueError,
            "at least 2 samples",
        ),
        (lambda: propagation.depth_profile(2, init=0.0), ValueError, "init"),
        (
            lambda: propagation.depth_profile(2, norm="batch", batch_size=3),
            ValueError,
            "batch_size must be at least 4",
        ),
        (
            lambda: propagation.measure_gradient_rate(batch_size=3),
            ValueError,
            "batch_size must be at least 4",
        ),
        (lambda: gradient_rates.batch_norm_rate("relu", 3), ValueError, "batch_size"),
        (lambda: gradient_rates.gradient_rate("relu", "x"), ValueError, "norm"),
        (
            lambda: mean_field.activation_moments("relu", -1.0),
            ValueError,
            "variance",
        ),
        (
            lambda: mean_field.correlation_map(1.5, "relu"),
            ValueError,
            "between -1 and 1",
        ),
        (lambda: trainability.trainability_rows(()), ValueError, "depths is empty"),
        (
            lambda: trainability.trainability_rows(rates=(0.1, -1.0)),
            ValueError,
            "rates must be above 0",
        ),
        (
            lambda: trainability.trainability_rows(norms=("group",)),
            ValueError,
            "norms must be one of",
        ),
        (
            lambda: trainability.trainability_rows(activation="x"),
            ValueError,
            "activation",
        ),
        (lambda: recurrent_scale.recurrent_profile(0), ValueError, "steps"),
        (lambda: recurrent_scale.recurrent_profile(norm="x"), ValueError, "norm"),
        (lambda: joint_update.chain_update([1.0, np.nan]), ValueError, "NaN"),
        (lambda: joint_update.normalized_chain([1.0], [2.0]), ValueError, "2 inputs"),
    ],
)
def test_bad_input_gets_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()
