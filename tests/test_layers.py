"""Layers and networks."""

import copy
import pickle

import numpy as np
import pytest
from gradient_checks import assert_gradients

import normlib.norms as norms
from normlib.nets.layers import (
    Linear,
    ReLU,
    Residual,
    Sigmoid,
    Tanh,
    WeightNormLinear,
    initial_weights,
)
from normlib.nets.network import Network, mlp, stack
from normlib.nets.norm_layers import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    norm_layer,
)
from normlib.running import update_running

NORMS = ["batch", "layer", "rms", "group:2"]
MODES = ["train", "eval", "probe"]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def randomize(net, rng):
    """Make parameters and running statistics general, gamma not near 0."""
    net.params += rng.normal(size=net.params.shape) * 0.3
    for layer in net.batch_norms():
        for name, low in (("running_mean", -0.5), ("running_var", 0.5)):
            shape = layer.buffers[name].shape
            layer.buffers[name][...] = low + rng.random(shape)
    return net


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layer", [Linear, WeightNormLinear])
@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
def test_linear_gradient(layer, bias, shape, rng):
    net = randomize(Network([layer(3, 4, bias, rng=rng)]), rng)
    assert_gradients(net, rng.normal(size=shape), rng)


@pytest.mark.parametrize("activation", [Sigmoid, Tanh, ReLU])
def test_activation_gradient(activation, rng):
    net = Network([Linear(3, 4, rng=rng), activation()])
    assert_gradients(net, rng.normal(size=(5, 3)), rng)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(6, 4), (3, 5, 4), (3, 4, 2, 3)])
def test_norm_gradient(norm, mode, shape, rng):
    net = randomize(Network([norm_layer(norm, 4, eps=1e-3)]), rng).set_mode(mode)
    for layer in net.batch_norms():
        layer.momentum = 0.0  # or the loss would change while it is differentiated
    assert_gradients(net, rng.normal(size=shape), rng)


def test_instance_norm_gradient(rng):
    net = randomize(Network([InstanceNorm(4)]), rng)
    assert_gradients(net, rng.normal(size=(3, 4, 2, 3)), rng)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("norm", [None, *NORMS, "weight"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "linear"])
def test_whole_network_gradient(activation, norm, mode, rng):
    net = mlp([3, 6, 4, 2], activation=activation, norm=norm, eps=1e-3, rng=rng)
    randomize(net, rng).set_mode(mode)
    for layer in net.batch_norms():
        layer.momentum = 0.0
    assert_gradients(net, rng.normal(size=(5, 3)), rng)


@pytest.mark.parametrize("norm", [None, *NORMS])
@pytest.mark.parametrize("position", ["pre", "post"])
def test_residual_gradient(position, norm, rng):
    branch = [Linear(4, 6, rng=rng), Tanh(), Linear(6, 4, rng=rng)]
    block = Residual(branch, norm_layer(norm, 4), position)
    net = randomize(Network([Linear(3, 4, rng=rng), block]), rng).set_mode("probe")
    assert_gradients(net, rng.normal(size=(5, 3)), rng)


def test_residual_places_the_norm():
    x = np.array([[1.0, 3.0], [2.0, 8.0]])
    pre = Network(
        [Residual([Linear(2, 2, init=0.0, rng=0)], LayerNorm(2, eps=0), "pre")]
    )
    post = Network(
        [Residual([Linear(2, 2, init=0.0, rng=0)], LayerNorm(2, eps=0), "post")]
    )
    np.testing.assert_array_equal(pre.forward(x), x)
    np.testing.assert_allclose(post.forward(x), [[-1, 1], [-1, 1]])


@pytest.mark.parametrize("shape", [(6, 4), (3, 5, 4), (3, 4, 2, 3)])
@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.1])
def test_norm_layers_agree_with_norms(shape, eps, rng):
    """The layers leave out the checks of norms.py, not the arithmetic."""
    x, gamma, beta = rng.normal(2, 3, shape), rng.normal(size=4), rng.normal(size=4)
    images = len(shape) == 4
    dy = rng.normal(size=shape)
    pairs = [(BatchNorm(4, eps=eps), norms.batch_norm, norms.batch_norm_backward, {})]
    if images:
        group = {"num_groups": 2}
        pairs += [
            (
                GroupNorm(4, 2, eps=eps),
                norms.group_norm,
                norms.group_norm_backward,
                group,
            ),
            (
                InstanceNorm(4, eps=eps),
                norms.instance_norm,
                norms.instance_norm_backward,
                {},
            ),
        ]
    else:
        pairs += [
            (LayerNorm(4, eps=eps), norms.layer_norm, norms.layer_norm_backward, {})
        ]
    for layer, forward, backward, extra in pairs:
        layer.params["gamma"][...], layer.params["beta"][...] = gamma, beta
        y, cache = forward(x, gamma=gamma, beta=beta, eps=eps, **extra)
        dx, dgamma, dbeta = backward(dy, cache)
        np.testing.assert_allclose(layer.forward(x), y, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.backward(dy), dx, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(layer.grads["gamma"], dgamma, rtol=1e-9)
        np.testing.assert_allclose(layer.grads["beta"], dbeta, rtol=1e-9)
    if not images:
        layer = RMSNorm(4, eps=eps)
        layer.params["gamma"][...] = gamma
        y, cache = norms.rms_norm(x, gamma, eps=eps)
        np.testing.assert_allclose(layer.forward(x), y, rtol=1e-10)
        dx, dgamma = norms.rms_norm_backward(dy, cache)
        np.testing.assert_allclose(layer.backward(dy), dx, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(layer.grads["gamma"], dgamma, rtol=1e-9)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_image_norms_without_parameters_agree_with_norms(norm, rng):
    """For images gamma is one per channel, but the mean is over C, H and W."""
    layer, x = norm_layer(norm, 4), rng.normal(2, 3, (3, 4, 2, 5))
    function = norms.layer_norm if norm == "layer" else norms.rms_norm
    expected, _ = function(x, axes=(1, 2, 3))
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-10)


def test_running_statistics_agree_with_running(rng):
    layer = batch_norm_layer(rng)
    before = copy.deepcopy(layer.buffers)
    layer.forward(rng.normal(5, 2, (8, 3)))
    mean, var, _ = (value[0] for value in layer.stats)
    expected = update_running(*before.values(), mean, var, 8)
    np.testing.assert_allclose(layer.buffers["running_mean"], expected[0])
    np.testing.assert_allclose(layer.buffers["running_var"], expected[1])


def test_weight_norm_layer_agrees_with_norms(rng):
    layer = WeightNormLinear(3, 4, rng=rng)
    layer.params["g"][...] = rng.normal(size=4)
    x, dy = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    w, cache = norms.weight_norm(layer.params["v"].T, layer.params["g"])
    np.testing.assert_allclose(layer.forward(x), x @ w.T)
    layer.backward(dy)
    dv, dg = norms.weight_norm_backward(dy.T @ x, cache)
    np.testing.assert_allclose(layer.grads["v"], dv.T)
    np.testing.assert_allclose(layer.grads["g"], dg)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("eps", [0, 1e-50, 1e-20, 1e-5])
@pytest.mark.parametrize("value", [7.0, 0.1, 1e5 + 0.1, 0.0])
@pytest.mark.parametrize("norm", ["batch", "layer", "group:1"])
def test_constant_features_give_zero_not_nan(norm, value, eps, dtype):
    """Also where the mean is rounded: that would be divided by itself."""
    net = Network([norm_layer(norm, 3, eps=eps)], dtype=dtype)
    x = np.full((6, 3), value)
    y = net.forward(x)
    assert np.isfinite(net.backward(x)).all()
    if eps < 1e-5 or value < 1e5:
        np.testing.assert_allclose(y, 0, atol=0 if eps < 1e-5 else 1e-4)


def test_rms_norm_of_zeros_is_zero():
    for dtype, eps in ((np.float32, 1e-50), (np.float64, 0)):
        net = Network([RMSNorm(3, eps=eps)], dtype=dtype)
        np.testing.assert_array_equal(net.forward(np.zeros((2, 3))), 0)


def test_sigmoid_does_not_overflow():
    y = Sigmoid().forward(np.array([[-1e4, -30.0, 0.0, 1e4]]))
    np.testing.assert_allclose(y, [[0, np.exp(-30), 0.5, 1]])
    y = Sigmoid().forward(np.array([[-1e4, 1e4]], dtype=np.float32))
    np.testing.assert_array_equal(y, [[0, 1]])


# The four switches of batch norm ---------------------------------------------


def batch_norm_layer(rng):
    layer = BatchNorm(3)
    layer.buffers["running_mean"][...] = rng.normal(size=3)
    layer.buffers["running_var"][...] = 1 + rng.random(3)
    return layer


def test_switch_batch_statistics(rng):
    layer, x = batch_norm_layer(rng), rng.normal(5, 2, (8, 3))
    layer.update_running = False
    np.testing.assert_allclose(layer.forward(x).mean(axis=0), 0, atol=1e-12)
    layer.use_batch_statistics = False
    mean, var = layer.buffers["running_mean"], layer.buffers["running_var"]
    expected = (x - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(layer.forward(x), expected)


@pytest.mark.parametrize("use_batch", [True, False])
def test_switch_update_running(use_batch, rng):
    layer, x = batch_norm_layer(rng), rng.normal(5, 2, (8, 3))
    layer.use_batch_statistics, layer.update_running = use_batch, False
    before = copy.deepcopy(layer.buffers)
    layer.forward(x)
    for name in before:
        np.testing.assert_array_equal(layer.buffers[name], before[name])
    layer.update_running = True
    y = layer.forward(x)
    expected_mean = 0.9 * before["running_mean"] + 0.1 * x.mean(axis=0)
    expected_var = 0.9 * before["running_var"] + 0.1 * x.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.buffers["running_mean"], expected_mean)
    np.testing.assert_allclose(layer.buffers["running_var"], expected_var)
    if not use_batch:  # normalized by what was there before the batch came
        old = np.sqrt(before["running_var"] + 1e-5)
        np.testing.assert_allclose(y, (x - before["running_mean"]) / old)


@pytest.mark.parametrize("shape", [(6, 4), (3, 5, 4), (3, 4, 2, 3)])
def test_running_variance_is_unbiased_for_each_layout(shape, rng):
    layer, x = BatchNorm(4, momentum=1.0), rng.normal(size=shape)
    layer.forward(x)
    axes = {2: (0,), 3: (0, 1), 4: (0, 2, 3)}[len(shape)]
    np.testing.assert_allclose(layer.buffers["running_var"], x.var(axis=axes, ddof=1))
    np.testing.assert_allclose(layer.buffers["running_mean"], x.mean(axis=axes))


def test_eval_does_not_let_cases_meet(rng):
    net = randomize(mlp([3, 5, 2], norm="batch", rng=rng), rng).eval()
    x = rng.normal(size=(6, 3))
    alone = net.forward(x[:1])
    np.testing.assert_allclose(net.forward(x)[:1], alone, rtol=1e-12)
    net.train()
    assert abs(net.forward(x)[:1] - net.forward(x[:3])[:1]).max() > 1e-3


def test_modes_leave_the_traces_they_promise(rng):
    net, x = mlp([3, 5, 2], norm="batch", rng=rng), rng.normal(size=(6, 3))
    running = net.batch_norms()[0].buffers["running_mean"]
    for mode, moves in (("eval", False), ("probe", False), ("train", True)):
        before = running.copy()
        net.set_mode(mode).forward(x)
        assert np.array_equal(before, running) is not moves
    np.testing.assert_array_equal(
        net.set_mode("probe").forward(x), net.train().forward(x)
    )


def test_in_mode_puts_single_switches_back(rng):
    net = mlp([3, 5, 4, 2], norm="batch", rng=rng)
    first, second = net.batch_norms()
    first.use_batch_statistics, second.update_running = False, False
    with net.in_mode("eval"):
        assert net.mode == "eval" and not second.use_batch_statistics
    assert (first.use_batch_statistics, first.update_running) == (False, True)
    assert (second.use_batch_statistics, second.update_running) == (True, False)
    assert net.mode == "train"


# Network ------------------------------------------------------------------------


def test_parameters_are_views_of_one_array(rng):
    net = mlp([3, 5, 2], norm="batch", rng=rng)
    net.params[...] = np.arange(net.params.size)
    for layer in net.walk():
        for name, value in layer.params.items():
            part = net.slices[layer, name]
            np.testing.assert_array_equal(value.ravel(), net.params[part])
            assert np.shares_memory(value, net.params)
            assert np.shares_memory(layer.grads[name], net.grads)
    assert sum(p.size for la in net.walk() for p in la.params.values()) == len(
        net.params
    )


def test_state_is_put_back_exactly(rng):
    net, x = mlp([3, 5, 2], norm="batch", rng=rng), rng.normal(size=(6, 3))
    norm = net.batch_norms()[0]
    net.forward(x)
    norm.update_running = False
    norm.trainable = False
    state, expected = net.state(), net.forward(x).copy()
    buffers = copy.deepcopy(norm.buffers)
    net.train()
    norm.trainable = True
    for _ in range(3):
        net.forward(x)
        net.params += 0.1
    net.load(state)
    assert not norm.update_running and not norm.trainable
    np.testing.assert_array_equal(net.forward(x), expected)
    for name in buffers:
        np.testing.assert_array_equal(norm.buffers[name], buffers[name])
    net.params += 1  # the state is a copy, and stays one
    net.train().forward(x)
    net.load(state)
    np.testing.assert_array_equal(net.forward(x), expected)
    for name in buffers:
        np.testing.assert_array_equal(norm.buffers[name], buffers[name])


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
@pytest.mark.parametrize("many", [False, True])
def test_copies_are_networks_of_their_own(duplicate, many, rng):
    net = mlp([3, 5, 2], norm="batch", rng=rng)
    net = stack([net, net]) if many else net
    x = rng.normal(size=(6, 3))
    net.forward(x)
    other = duplicate(net.eval())
    np.testing.assert_array_equal(other.forward(x), net.forward(x))
    other.params += 1
    assert abs(other.forward(x) - net.forward(x)).max() > 0.1
    assert np.shares_memory(other.layers[0].params["weight"], other.params)


@pytest.mark.parametrize(
    "state, error, words",
    [
        (None, TypeError, "state must be what Network.state"),
        (mlp([3, 4, 2]).params, TypeError, "state must be what Network.state"),
        (mlp([3, 4, 2], norm="batch").state(), ValueError, "the same layers"),
        (mlp([3, 2]).state(), ValueError, "the same layers"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state, error, words, rng):
    net = mlp([3, 4, 2], norm="layer", rng=rng)
    before = net.params.copy()
    with pytest.raises(error, match=words):
        net.load(state)
    np.testing.assert_array_equal(net.params, before)


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: mlp([2, 3, 2], rng=rng).params,
        lambda rng: Linear(2, 3, rng=rng).params["weight"],
        lambda rng: WeightNormLinear(2, 3, rng=rng).params["v"],
        lambda rng: initial_weights(rng, 2, 3),
    ],
)
def test_a_seed_stands_for_its_generator(make):
    np.testing.assert_array_equal(make(5), make(np.random.default_rng(5)))
    with pytest.raises(TypeError, match="rng must be an integer"):
        make("5")


def test_record_keeps_outputs_and_their_gradients(rng):
    net, x = mlp([3, 5, 2], rng=rng), rng.normal(size=(4, 3))
    out = net.forward(x, record=True)
    assert [y.shape for y in net.outputs] == [(4, 5), (4, 5), (4, 2)]
    assert net.outputs[-1] is out
    dout = rng.normal(size=(4, 2))
    net.backward(dout, record=True)
    np.testing.assert_array_equal(net.output_grads[-1], dout)
    weight = net.layers[2].params["weight"]
    np.testing.assert_allclose(net.output_grads[1], dout @ weight.T)
    np.testing.assert_allclose(net.outputs[1], np.maximum(net.outputs[0], 0))


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("own_data", [False, True])
@pytest.mark.parametrize("norm", [None, *NORMS, "weight"])
def test_many_networks_equal_one_by_one(norm, own_data, mode, rng):
    nets = [
        randomize(mlp([3, 6, 4, 2], norm=norm, activation="tanh", rng=rng), rng)
        for _ in range(3)
    ]
    many = stack(nets).set_mode(mode)
    x = rng.normal(size=(3, 5, 3) if own_data else (5, 3))
    out = many.forward(x)
    dout = rng.normal(size=out.shape)
    dx = many.backward(dout)
    for k, net in enumerate(nets):
        own = x[k] if own_data else x
        np.testing.assert_allclose(out[k], net.set_mode(mode).forward(own), rtol=1e-9)
        np.testing.assert_allclose(dx[k], net.backward(dout[k]), rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(many.grads[k], net.grads, rtol=1e-8, atol=1e-11)
        for batch, single in zip(many.batch_norms(), net.batch_norms(), strict=True):
            for name in single.buffers:
                found = batch.buffers[name][k]
                np.testing.assert_allclose(found, single.buffers[name], rtol=1e-9)


@pytest.mark.parametrize("first", [*NORMS, "sigmoid", "tanh", "relu"])
def test_many_networks_may_begin_with_any_layer(first, rng):
    """Also with one that has no weights to tell the networks apart."""
    kinds = {"sigmoid": Sigmoid, "tanh": Tanh, "relu": ReLU}
    make = kinds[first] if first in kinds else lambda: norm_layer(first, 4)
    nets = [Network([make(), Linear(4, 2, rng=rng)]) for _ in range(3)]
    many, x, dout = stack(nets), rng.normal(size=(5, 4)), rng.normal(size=(3, 5, 2))
    out, dx = many.forward(x), many.backward(dout)
    for k, net in enumerate(nets):
        np.testing.assert_allclose(out[k], net.forward(x), rtol=1e-12)
        np.testing.assert_allclose(dx[k], net.backward(dout[k]), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(many.grads[k], net.grads, rtol=1e-9, atol=1e-12)


def test_many_networks_gradient(rng):
    net = stack([mlp([2, 4, 2], norm="batch", rng=rng) for _ in range(2)])
    assert_gradients(net.set_mode("probe"), rng.normal(size=(5, 2)), rng)


def residual(**changes):
    norm = changes.get("norm", LayerNorm(3))
    branch = [Linear(3, 3, rng=0), *changes.get("more", [])]
    block = Residual(branch, norm, changes.get("position", "pre"))
    return Network([block, *changes.get("after", [])])


def switched(**switches):
    net = mlp([3, 4, 2], norm="batch")
    for name, value in switches.items():
        setattr(net.batch_norms()[0], name, value)
    return net


@pytest.mark.parametrize(
    "net, other, words",
    [
        (mlp([3, 2]), mlp([3, 2], dtype=np.float32), "dtype float32 instead of"),
        (mlp([3, 2]), mlp([3, 2]).eval(), "mode eval instead of train"),
        (mlp([3, 2]), mlp([3, 4, 2]), "instead of"),
        (mlp([3, 4, 4, 2]), mlp([3, 4, 4, 2], activation="tanh"), "Tanh()"),
        (
            mlp([3, 4, 2], norm="layer"),
            mlp([3, 4, 2], norm="layer", eps=0.1),
            "eps=0.1 instead of 1e-05",
        ),
        (
            mlp([3, 4, 2], norm="group:2"),
            mlp([3, 4, 2], norm="group:4"),
            "num_groups=4 instead of 2",
        ),
        (switched(), switched(momentum=0.5), "momentum=0.5 instead of 0.1"),
        (switched(), switched(update_running=False), "update_running=False"),
        (switched(), switched(trainable=False), "trainable=False instead of True"),
        (residual(), residual(position="post"), "instead of"),
        (residual(more=[ReLU()]), residual(after=[ReLU()]), "instead of"),
        (residual(), residual(norm=LayerNorm(3, eps=0.1)), "eps=0.1"),
    ],
)
def test_networks_that_differ_are_not_stacked(net, other, words):
    with pytest.raises(ValueError, match=f"same layers.*number 1 has .*{words}"):
        stack([net, other])
    stack([net, net])


def test_a_stack_keeps_the_switches():
    many = stack([switched(update_running=False)] * 2)
    assert not many.batch_norms()[0].update_running and many.mode == "train"


def test_networks_that_have_run_can_be_stacked(rng):
    used = mlp([3, 4, 2], norm="batch", activation="tanh", rng=rng)
    used.backward(used.forward(rng.normal(size=(5, 3))))
    assert stack([mlp([3, 4, 2], norm="batch", activation="tanh"), used]).networks == 2


@pytest.mark.parametrize("place", ["row", "branch", "norm"])
def test_one_layer_cannot_have_two_places(place):
    one = (
        Linear(3, 3, rng=0)
        if place == "row"
        else LayerNorm(3)
        if place == "norm"
        else ReLU()
    )
    layers = {
        "row": lambda: [one, ReLU(), one],
        "branch": lambda: [Residual([Linear(3, 3, rng=0), one]), one],
        "norm": lambda: [Residual([Linear(3, 3, rng=0)], one), Residual([ReLU()], one)],
    }
    with pytest.raises(ValueError, match="make a new layer for each place"):
        Network(layers[place]())


@pytest.mark.parametrize(
    "init, std",
    [
        ("he", (2 / 300) ** 0.5),
        ("glorot", (2 / 500) ** 0.5),
        ("lecun", 300**-0.5),
        (0.7, 0.7),
    ],
)
def test_initial_weights_have_their_variance(init, std, rng):
    w = initial_weights(rng, 300, 200, init, gain=2.0)
    assert w.shape == (300, 200)
    assert abs(w.std() / (2 * std) - 1) < 0.02 and abs(w.mean()) < 0.02 * std


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3)])
def test_orthogonal_weights(shape, rng):
    w = initial_weights(rng, *shape, "orthogonal", gain=2.0)
    assert w.shape == shape
    small = w @ w.T if shape[0] < shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(min(shape)), atol=1e-12)


def test_dtype_is_kept(rng):
    for norm in [None, *NORMS, "weight"]:
        net = mlp([3, 4, 2], norm=norm, rng=rng, dtype=np.float32)
        out = net.forward(rng.normal(size=(5, 3)))
        dx = net.backward(out)
        dtypes = {out.dtype, dx.dtype, net.params.dtype, net.grads.dtype}
        for layer in net.batch_norms():
            dtypes |= {value.dtype for value in layer.buffers.values()}
        assert dtypes == {np.dtype(np.float32)}


# Errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: mlp([3]), "sizes"),
        (lambda: mlp([3, 0, 2]), "at least 1"),
        (lambda: mlp([3, 4, 2], norm="bach"), "norm must be"),
        (lambda: mlp([3, 4, 2], activation="gelu"), "activation must be one of"),
        (lambda: mlp([3, 4, 2], init="xavier"), "init must be one of"),
        (lambda: mlp([3, 4, 2], init=-1.0), "init"),
        (lambda: mlp([3, 6, 2], norm="group:4"), "choose one of 1, 2, 3, 6"),
        (lambda: GroupNorm(6, 4), "num_groups must divide the 6 features, got 4"),
        (lambda: BatchNorm(3, momentum=2), "momentum must be between 0 and 1"),
        (lambda: BatchNorm(3, eps=-1), "eps"),
        (lambda: LayerNorm(0), "n must be at least 1"),
        (lambda: Network([]), "at least 1 layer"),
        (lambda: stack([]), "at least 1 network"),
        (lambda: stack([mlp([3, 2]), mlp([3, 4, 2])]), "same layers"),
        (lambda: stack([mlp([3, 2]), stack([mlp([3, 2])])]), "must be single"),
        (lambda: Residual([], position="middle"), "position"),
        (lambda: mlp([2, 3], gain=np.nan), "gain must be finite, got nan"),
        (lambda: mlp([2, 3], init=np.inf), "init must be finite"),
        (lambda: mlp([2, 3], rng=-1), "rng must be at least 0"),
        (
            lambda: mlp([3, 2]).forward(np.zeros((5, 4))),
            r"shape \(N, 3\), got \(5, 4\)",
        ),
        (lambda: mlp([3, 2]).forward(np.zeros(3)), r"shape \(N, 3\), got \(3,\)"),
        (lambda: mlp([3, 2]).forward(np.zeros((0, 3))), "empty batch"),
        (
            lambda: mlp([3, 4, 2], norm="batch").forward(np.zeros((1, 3))),
            "BatchNorm needs at least 2 values per mean",
        ),
        (lambda: BatchNorm(3).forward(np.zeros((2, 4, 5, 5))), r"\(N, 3, H, W\)"),
        (lambda: InstanceNorm(3).forward(np.zeros((2, 3))), r"\(N, 3, H, W\)"),
        (
            lambda: Network([Residual([Linear(3, 4, rng=0)])]).forward(
                np.zeros((2, 3))
            ),
            "keep the width",
        ),
        (lambda: mlp([3, 2]).load(mlp([3, 4]).state()), "same layers"),
        (lambda: mlp([3, 2]).set_mode("test"), "mode must be one of"),
    ],
)
def test_errors_say_what_is_wrong(make, words):
    with pytest.raises(ValueError, match=words):
        make()


ALL_NORMS = [LayerNorm(3), RMSNorm(3), GroupNorm(3, 1), BatchNorm(3), InstanceNorm(3)]


@pytest.mark.parametrize("layer", ALL_NORMS)
@pytest.mark.parametrize("x", [None, [[1.0, 2.0, 3.0]], np.ones((4, 3), int)])
def test_norm_layers_take_arrays_of_floats(layer, x):
    with pytest.raises(TypeError, match="expects an array of floats, got"):
        layer.forward(x)


@pytest.mark.parametrize("layer", ALL_NORMS)
@pytest.mark.parametrize(
    "x", [np.ma.ones((3, 3)), np.eye(3).view(np.recarray), np.eye(3, dtype=np.float16)]
)
def test_norm_layers_take_plain_arrays_of_float32_or_longer(layer, x):
    with pytest.raises(TypeError, match="expects an array of floats, got"):
        layer.forward(x)


LAYERS = [LayerNorm(3), Linear(3, 3, rng=0), WeightNormLinear(3, 3, rng=0)]
LAYERS += [Sigmoid(), Tanh(), ReLU()]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("bad", [None, [[1.0] * 3], np.ma.ones((1, 3)), 1j * np.eye(3)])
def test_layers_take_arrays_both_ways(layer, bad):
    with pytest.raises(TypeError, match="expects an array"):
        layer.forward(bad)
    layer.forward(np.eye(3))
    with pytest.raises(TypeError, match="backward expects dy as an array, got"):
        layer.backward(bad)


def test_batch_norm_in_evaluation_keeps_float32(rng):
    layer = BatchNorm(6)
    layer.use_batch_statistics = layer.update_running = False
    x = rng.normal(1e4, 2, size=(8, 6)).astype(np.float32)
    y = norms.batch_norm_inference(x, np.zeros(6), np.ones(6))
    assert layer.forward(x).dtype == np.float32
    np.testing.assert_array_equal(layer.forward(x), y)


def test_linear_takes_arrays():
    with pytest.raises(TypeError, match="Linear expects an array, got list"):
        Linear(3, 2, rng=0).forward([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("layer", ALL_NORMS)
def test_norm_layers_take_at_most_4_axes(layer):
    with pytest.raises(ValueError, match="put axes together with reshape"):
        layer.forward(np.ones((2, 3, 3, 3, 3)))


@pytest.mark.parametrize("shape", [(1, 3), (3,), (12, 1), (2, 12, 3)])
@pytest.mark.parametrize("layer", [*ALL_NORMS[:-1], ReLU(), Tanh(), Sigmoid()])
def test_gradients_are_not_broadcast(layer, shape, rng):
    layer.forward(rng.normal(size=(12, 3)))
    with pytest.raises(ValueError, match=r"backward expects dy of shape \(12, 3\)"):
        layer.backward(np.ones(shape))


@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 2, 5, 4), (4,)])
def test_many_networks_name_the_shape_they_take(shape):
    many = stack([Network([Linear(4, 2, rng=0)])] * 2)
    with pytest.raises(ValueError, match=r"\(N, D\) or \(2, N, D\) for 2 networks"):
        many.forward(np.zeros(shape))


def test_dtype_must_be_float():
    with pytest.raises(TypeError, match="float32 or float64"):
        mlp([3, 2], dtype=np.int64)


@pytest.mark.parametrize(
    "layer",
    [
        Linear(2, 3, rng=0),
        WeightNormLinear(2, 3, rng=0),
        ReLU(),
        Tanh(),
        Sigmoid(),
        BatchNorm(3),
        LayerNorm(3),
        Residual([Linear(3, 3, rng=0)]),
        Network([Linear(2, 3, rng=0)]),
    ],
)
def test_a_gradient_needs_a_forward_pass_first(layer):
    with pytest.raises(AttributeError, match="call forward first"):
        layer.backward(np.ones((4, 3)))


@pytest.mark.parametrize(
    "layers", [Linear(2, 3, rng=0), [Linear(2, 3, rng=0), ReLU], 3, None, "ab"]
)
@pytest.mark.parametrize("whole", [Network, Residual])
def test_layers_come_as_a_list_of_layers(whole, layers):
    with pytest.raises(TypeError, match=f"{whole.__name__} expects a list of layers"):
        whole(layers)


@pytest.mark.parametrize("norm", ["layer", LayerNorm])
def test_the_norm_of_a_residual_block_is_a_layer(norm):
    with pytest.raises(TypeError, match="norm must be a layer such as"):
        Residual([Linear(3, 3, rng=0)], norm=norm)


def test_one_size_is_no_network():
    with pytest.raises(ValueError, match="at least the inputs and the outputs"):
        mlp(5)


@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_old_variance_does_not_swallow_the_new_one(dtype, momentum):
    net = Network([BatchNorm(1, momentum=momentum)], dtype=dtype)
    net.layers[0].buffers["running_var"][...] = 1e18
    net.forward(np.array([[0.0], [2.0], [7.0]]))
    expected = (1 - momentum) * 1e18 + momentum * 13
    np.testing.assert_allclose(net.layers[0].buffers["running_var"], expected, 1e-6)


def test_backward_goes_by_the_statistics_of_the_forward_pass(rng):
    x, dy = rng.normal(size=(2, 6, 3))
    for mode, other in (("probe", "eval"), ("eval", "probe")):
        net = Network([BatchNorm(3)]).eval()
        net.forward(rng.normal(size=(4, 3)))  # another pass, by running statistics
        with net.in_mode(mode):
            net.forward(x)
            expected = net.backward(dy)
            net.forward(x)
        with net.in_mode(other):
            np.testing.assert_array_equal(net.backward(dy), expected)


def test_params_keep_their_array_when_they_are_set():
    net = Network([Linear(2, 1, rng=0)])
    array = net.params
    net.params = net.params + 1
    assert net.params is array
    np.testing.assert_array_equal(net.layers[0].params["bias"], 1)
    with pytest.raises(ValueError, match=r"params must have shape \(3,\), got \(2,\)"):
        net.params = np.zeros(2)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_a_copy_is_a_network_of_its_own_with_the_gradient(duplicate, rng):
    net = mlp([3, 4, 2], norm="batch")
    net.backward(net.forward(rng.normal(size=(5, 3))))
    other = duplicate(net)
    np.testing.assert_array_equal(other.grads, net.grads)
    assert other.grads.any()
    other.params += 1
    other.grads += 1
    for one, two in zip(net.walk(), other.walk(), strict=True):
        for name in one.params:
            np.testing.assert_array_equal(two.params[name], one.params[name] + 1)
            np.testing.assert_array_equal(two.grads[name], one.grads[name] + 1)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (GroupNorm(4, 4), (5, 4)),
        (GroupNorm(4, 4), (5, 4, 1, 1)),
        (InstanceNorm(4), (5, 4, 1, 1)),
    ],
)
def test_a_mean_over_one_value_is_refused(layer, shape, rng):
    with pytest.raises(ValueError, match="at least 2 values per mean"):
        layer.forward(rng.normal(size=shape))


@pytest.mark.parametrize("shape", [(8, 3), (8,), (8, 1), (2, 8, 2)])
@pytest.mark.parametrize("layer", [Linear(3, 2, rng=0), WeightNormLinear(3, 2, rng=0)])
def test_gradients_of_linear_maps_are_not_broadcast(layer, shape, rng):
    net = Network([copy.deepcopy(layer)])
    net.forward(rng.normal(size=(8, 3)))
    with pytest.raises(ValueError, match=r"expects dy of shape \(8, 2\)"):
        net.backward(np.ones(shape))


def test_many_networks_need_a_gradient_each(rng):
    many = stack([Network([Linear(3, 2, rng=seed)]) for seed in range(4)])
    many.forward(rng.normal(size=(8, 3)))
    with pytest.raises(ValueError, match=r"expects dy of shape \(4, 8, 2\)"):
        many.backward(np.ones((8, 2)))


def test_networks_that_looked_at_other_modes_can_be_stacked(rng):
    nets = [mlp([3, 4, 2], norm="batch", rng=seed) for seed in range(2)]
    for net, mode in zip(nets, MODES, strict=False):
        with net.in_mode(mode):
            net.forward(rng.normal(size=(8, 3)))
    assert stack(nets).networks == 2


def test_weight_norm_needs_a_direction():
    with pytest.raises(
        ValueError, match="must have a direction, got zeros from init=0"
    ):
        mlp([3, 4, 2], norm="weight", init=0.0)


@pytest.mark.parametrize("eps", [-1, np.nan])
def test_eps_is_checked_without_a_norm_too(eps):
    with pytest.raises(ValueError, match="eps must be"):
        mlp([3, 2], eps=eps)


@pytest.mark.parametrize("kind", [complex, str, object])
def test_a_network_takes_real_numbers_alone(kind):
    net = Network([Linear(2, 1, rng=0)])
    with pytest.raises(TypeError, match="x must hold real numbers, got dtype"):
        net.forward(np.ones((3, 2)).astype(kind))
    net.forward(np.ones((3, 2)))
    with pytest.raises(TypeError, match="dout must hold real numbers, got dtype"):
        net.backward(np.ones((3, 1)).astype(kind))
