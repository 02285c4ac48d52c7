"""Losses, mini-batches, gradient descent and the fit loop."""

import copy
import itertools

import numpy as np
import pytest
from gradient_checks import central_differences

from normlib.datasets import digits_split
from normlib.nets.layers import Linear, ReLU, Residual
from normlib.nets.losses import half_squared_error, softmax, softmax_cross_entropy
from normlib.nets.network import Network, mlp, stack
from normlib.nets.norm_layers import LayerNorm
from normlib.nets.training import (
    accuracy,
    collect,
    evaluate,
    fit,
    loss_and_gradient,
    minibatches,
    sgd_step,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def blobs(rng, n=60):
    """Two classes of points in the plane."""
    labels = np.arange(n) % 2
    return rng.normal(size=(n, 2)) + 2 * labels[:, None], labels


# Losses -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 4), (3, 5, 4)])
def test_cross_entropy_value_and_gradient(shape, rng):
    logits, labels = 3 * rng.normal(size=shape), rng.integers(0, 4, shape[:-1])
    loss, dlogits = softmax_cross_entropy(logits, labels)
    p = np.take_along_axis(softmax(logits), labels[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(loss, -np.log(p).mean(axis=-1))
    expected = central_differences(
        lambda: np.sum(softmax_cross_entropy(logits, labels)[0]), logits
    )
    np.testing.assert_allclose(dlogits, expected, atol=1e-8)


def test_cross_entropy_of_many_networks_shares_labels(rng):
    logits, labels = rng.normal(size=(3, 5, 4)), rng.integers(0, 4, 5)
    loss, dlogits = softmax_cross_entropy(logits, labels)
    for k in range(3):
        own, down = softmax_cross_entropy(logits[k], labels)
        assert loss[k] == pytest.approx(own)
        np.testing.assert_allclose(dlogits[k], down)


def test_cross_entropy_of_a_transposed_array(rng):
    logits, labels = rng.normal(size=(4, 5)).T, rng.integers(0, 4, 5)
    found, expected = (
        softmax_cross_entropy(a, labels) for a in (logits, logits.copy())
    )
    np.testing.assert_allclose(found[1], expected[1])


def test_cross_entropy_of_huge_scores_is_finite():
    loss, dlogits = softmax_cross_entropy(np.array([[1e4, -1e4]]), np.array([1]))
    assert loss == pytest.approx(2e4)
    np.testing.assert_allclose(dlogits, [[1, -1]])


def test_half_squared_error_gradient(rng):
    outputs, targets = rng.normal(size=(2, 5, 3)), rng.normal(size=(5, 3))
    _, doutputs = half_squared_error(outputs, targets)
    expected = central_differences(
        lambda: half_squared_error(outputs, targets)[0].sum(), outputs
    )
    np.testing.assert_allclose(doutputs, expected, atol=1e-8)


@pytest.mark.parametrize(
    "loss, outputs, targets, error, words",
    [
        (softmax, [[1, 2]], None, TypeError, "logits must hold floating-point"),
        (softmax, np.zeros((0, 2)), None, ValueError, "logits is empty"),
        (softmax_cross_entropy, [[1, 2]], [0], TypeError, "logits must hold"),
        (softmax_cross_entropy, np.zeros((0, 2)), [], ValueError, "logits is empty"),
        (softmax_cross_entropy, [0.5, 2.0], [0], ValueError, "labels must have shape"),
        (half_squared_error, [[1, 2]], [[0, 1]], TypeError, "outputs must hold"),
        (half_squared_error, [0.5], [0.5], ValueError, "outputs must have 2 or 3 axes"),
        (
            half_squared_error,
            np.zeros((0, 2)),
            np.zeros((0, 2)),
            ValueError,
            "outputs is empty",
        ),
        (
            half_squared_error,
            np.zeros((4, 3)),
            np.zeros((5, 4, 3)),
            ValueError,
            r"targets must have shape \(4, 3\), as the outputs, got \(5, 4, 3\)",
        ),
        (half_squared_error, [[0.5]], [["a"]], TypeError, "targets must hold real"),
    ],
)
def test_losses_say_what_is_wrong(loss, outputs, targets, error, words):
    with pytest.raises(error, match=words):
        loss(outputs) if targets is None else loss(outputs, targets)


def test_losses_take_lists_and_compute_half_precision_in_single():
    loss, down = softmax_cross_entropy([[0.0, 0.0]], [1])
    assert loss == pytest.approx(np.log(2)) and down.tolist() == [[0.5, -0.5]]
    assert half_squared_error([[3.0, 0.0]], [[0, 4]])[0] == 12.5
    half = np.linspace(-4, 4, 30, dtype=np.float16).reshape(10, 3)
    labels = np.arange(10) % 3
    for found, expected in zip(
        softmax_cross_entropy(half, labels),
        softmax_cross_entropy(half.astype(np.float32), labels),
        strict=True,
    ):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    assert softmax(half).dtype == np.float32


# Mini-batches --------------------------------------------------------------------


def test_shuffled_batches_use_every_case_once_a_pass(rng):
    batches = minibatches(12, 4, rng)
    passes = [np.concatenate([next(batches) for _ in range(3)]) for _ in range(2)]
    for order in passes:
        assert sorted(order) == list(range(12))
    assert not np.array_equal(*passes)


def test_left_over_cases_wait_for_the_next_pass():
    sizes = [len(b) for b in itertools.islice(minibatches(10, 4, 0), 20)]
    assert sizes == [4] * 20
    seen = np.concatenate(list(itertools.islice(minibatches(10, 4, 0), 20)))
    assert set(seen) == set(range(10))


@pytest.mark.parametrize("parts", [1, 2])
def test_batches_by_class(parts, rng):
    labels = rng.integers(0, 5, 200)
    batches = minibatches(
        200, 8, rng, order="by_class", labels=labels, classes_per_batch=parts
    )
    taken = list(itertools.islice(batches, 60))
    classes = [len(set(labels[b])) for b in taken]
    assert max(classes) == parts and {len(b) for b in taken} == {8}
    mates = [frozenset(b[: 8 // parts].tolist()) for b in taken]
    assert len(set(mates)) > 50  # each pass puts other cases together
    kinds = [labels[b[0]] for b in taken[:20]]
    assert len(set(kinds)) == 5 and kinds != sorted(kinds)


def test_batches_are_decided_by_the_seed():
    for order in ("shuffled", "by_class"):
        labels = np.arange(40) % 4
        a, b, c = (minibatches(40, 5, s, order, labels) for s in (1, 1, 2))
        first = [np.concatenate([next(g) for _ in range(8)]) for g in (a, b, c)]
        np.testing.assert_array_equal(first[0], first[1])
        assert not np.array_equal(first[0], first[2])


def test_classes_may_have_any_integers_as_names():
    labels = np.array([-3, -3, 10**12, 10**12])
    batches = minibatches(4, 2, 0, order="by_class", labels=labels)
    assert {len(set(labels[next(batches)])) for _ in range(10)} == {1}


@pytest.mark.parametrize(
    "labels, settings, error, words",
    [
        # Sorted by class these give 2 runs, and a batch of 3 would wait for ever.
        ([0, 0, 0, 1, 1, 1], (6, 3), ValueError, "the classes give only 2 parts"),
        ([0, 0, 1, 1, 1, 1], (6, 3), None, None),
        ([0.0] * 6, (2, 1), TypeError, "labels must be integers, got float64"),
        (list("aabbcc"), (2, 1), TypeError, "labels must be integers, got <U1"),
        ([0] * 5, (2, 1), ValueError, r"labels of shape \(6,\), got shape \(5,\)"),
    ],
)
def test_batches_by_class_name_what_is_wrong(labels, settings, error, words):
    batch_size, parts = settings
    arguments = 6, batch_size, 0, "by_class", np.array(labels)
    if error is None:
        assert len(next(minibatches(*arguments, classes_per_batch=parts))) == batch_size
        return
    with pytest.raises(error, match=words):
        minibatches(*arguments, classes_per_batch=parts)


# Steps ------------------------------------------------------------------------------


def test_sgd_with_weight_decay(rng):
    net = mlp([2, 3, 2], rng=rng)
    net.grads[...] = rng.normal(size=net.grads.shape)
    start, gradient = net.params.copy(), net.grads.copy()
    sgd_step(net, 0.1, weight_decay=0.01)
    np.testing.assert_allclose(net.params, start - 0.1 * (gradient + 0.01 * start))
    np.testing.assert_array_equal(net.grads, gradient)


def test_sgd_decays_what_it_is_told_to(rng):
    net = mlp([2, 3, 2], rng=rng)
    net.grads[...] = 0
    decay = np.zeros_like(net.params)
    part = net.slices[net.layers[0], "weight"]
    decay[part] = 0.5
    start = net.params.copy()
    net.params += 1
    sgd_step(net, 0.1, decay)
    np.testing.assert_allclose(net.params[part], 0.95 * (start[part] + 1))
    rest = np.delete(np.arange(start.size), np.arange(part.start, part.stop))
    np.testing.assert_array_equal(net.params[rest], start[rest] + 1)


def test_layers_that_are_not_trainable_stay(rng):
    net = mlp([2, 3, 2], norm="batch", rng=rng)
    norm = net.batch_norms()[0]
    norm.trainable = False
    net.grads[...] = 1
    start = net.params.copy()
    sgd_step(net, 0.1, weight_decay=0.1)
    frozen = np.zeros(start.size, dtype=bool)
    for name in ("gamma", "beta"):
        frozen[net.slices[norm, name]] = True
    np.testing.assert_array_equal(net.params == start, frozen)


@pytest.mark.parametrize("which", ["block", "inner"])
def test_a_residual_block_that_is_not_trainable_stays(which, rng):
    inner = Residual([Linear(3, 3, rng=rng)])
    block = Residual([Linear(3, 3, rng=rng), inner], LayerNorm(3), "post")
    net = Network([block, ReLU(), Linear(3, 2, rng=rng)])
    still = block if which == "block" else inner
    still.trainable = False
    net.grads[...] = 1
    start, inside = net.params.copy(), list(net.walk())
    inside = inside[inside.index(still) : inside.index(net.layers[1])]
    inside = inside[:2] if which == "inner" else inside
    sgd_step(net, 0.1)
    frozen = np.zeros(start.size, dtype=bool)
    for layer in inside:
        for name in layer.params:
            frozen[net.slices[layer, name]] = True
    np.testing.assert_array_equal(net.params == start, frozen)


def test_each_network_has_its_learning_rate(rng):
    nets = [mlp([2, 3, 2], norm="batch", rng=rng) for _ in range(3)]
    many, rates = stack(nets), np.array([0.0, 0.1, 0.5])
    x, labels = blobs(rng)
    collect(fit(many, x, labels, lr=rates, batch_size=10, steps=5, rng=0))
    for k, net in enumerate(nets):
        collect(fit(net, x, labels, lr=rates[k], batch_size=10, steps=5, rng=0))
        np.testing.assert_allclose(many.params[k], net.params, rtol=1e-9)


def test_loss_and_gradient_is_that_of_the_parameters(rng):
    net = mlp([2, 4, 2], norm="batch", activation="tanh", rng=rng).set_mode("probe")
    x, labels = blobs(rng, 8)
    value = loss_and_gradient(net, x, labels)
    grads = net.grads.copy()
    expected = central_differences(
        lambda: softmax_cross_entropy(net.forward(x), labels)[0], net.params
    )
    np.testing.assert_allclose(grads, expected, atol=1e-7)
    assert value == pytest.approx(evaluate(net, x, labels, mode="probe")[0])


# The fit loop ------------------------------------------------------------------------


def test_fit_is_gradient_descent(rng):
    """A full batch of a linear map by squared error has a known step."""
    net = Network([Linear(2, 3, bias=False, rng=rng)])
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 3))
    w = net.params.reshape(2, 3).copy()
    for _ in range(4):
        w -= 0.1 * x.T @ (x @ w - y) / 20
    loop = fit(
        net, x, y, lr=0.1, batch_size=None, steps=4, rng=0, loss=half_squared_error
    )
    history = collect(loop)
    np.testing.assert_allclose(net.params, w.ravel())
    assert history.steps.tolist() == [1, 2, 3, 4] and history.reason == ""


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_fit_is_decided_by_its_seeds(norm):
    x, labels = blobs(np.random.default_rng(0))
    runs = []
    for seed in (1, 1, 2):
        net = mlp([2, 8, 2], norm=norm, rng=np.random.default_rng(0))
        loop = fit(net, x, labels, lr=0.1, batch_size=10, steps=20, rng=seed)
        runs.append(collect(loop).losses)
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def mean_square(outputs, targets):
    """A loss over cases and positions."""
    return 0.5 * ((outputs - targets) ** 2).mean(), (outputs - targets) / outputs.size


@pytest.mark.parametrize("cases, times", [(20, 5), (5, 20)])
@pytest.mark.parametrize("batch_size", [None, 5])
def test_fit_takes_all_sequences(cases, times, batch_size, rng):
    """The first axis counts the cases, not the second to last."""
    net = Network([Linear(3, 4, rng=0)])
    x, targets = rng.normal(size=(cases, times, 3)), np.zeros((cases, times, 4))
    targets += np.arange(cases)[:, None, None]
    seen = []

    def loss(outputs, batch):
        seen.append(batch[:, 0, 0])
        return mean_square(outputs, batch)

    options = {"lr": 0.1, "batch_size": batch_size, "rng": 0, "loss": loss}
    collect(
        fit(net, x, targets, steps=1 if batch_size is None else cases // 5, **options)
    )
    assert sorted(np.concatenate(seen)) == list(range(cases))


@pytest.mark.parametrize("batch_size", [None, 10])
def test_fit_gives_each_network_its_own_cases(batch_size, rng):
    nets = [mlp([2, 3, 2], norm="batch", rng=rng) for _ in range(2)]
    many, options = stack(nets), {"lr": 0.2, "steps": 5, "rng": 0}
    x, labels = (np.stack(both) for both in zip(blobs(rng), blobs(rng), strict=True))
    collect(fit(many, x, labels, batch_size=batch_size, **options))
    for k, net in enumerate(nets):
        collect(fit(net, x[k], labels[k], batch_size=batch_size, **options))
        np.testing.assert_allclose(many.params[k], net.params, rtol=1e-9)


def test_a_reader_can_watch_and_stop(rng):
    net = mlp([2, 8, 2], rng=rng)
    x, labels = blobs(rng)
    seen = []
    for record in fit(net, x, labels, lr=0.1, batch_size=10, steps=1000, rng=0):
        seen.append((record.step, net.params.copy()))
        if record.step == 3:
            break
    assert [step for step, _ in seen] == [1, 2, 3]
    np.testing.assert_array_equal(net.params, seen[-1][1])
    assert not np.array_equal(seen[0][1], seen[1][1])


def test_fit_leaves_the_mode_alone(rng):
    net = mlp([2, 8, 2], norm="batch", rng=rng).eval()
    running = net.batch_norms()[0].buffers["running_mean"].copy()
    x, labels = blobs(rng)
    collect(fit(net, x, labels, lr=0.1, batch_size=10, steps=3, rng=0))
    assert net.mode == "eval"
    np.testing.assert_array_equal(net.batch_norms()[0].buffers["running_mean"], running)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("norm", [None, "batch", "layer", "rms", "weight"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_diverging_run_stops_with_its_history(norm, dtype, rng):
    net = mlp([2, 8, 8, 2], norm=norm, rng=rng, dtype=dtype)
    x, labels = blobs(rng)
    loop = fit(net, x, labels, lr=1e30, batch_size=10, steps=200, rng=0)
    history = collect(loop)
    assert 1 < len(history.steps) < 200
    assert history.reason.startswith(f"diverged at step {len(history.steps)}: the loss")
    assert np.isfinite(history.losses[:-1]).all()
    assert history.steps[-1] == len(history.steps)


@pytest.mark.filterwarnings("error")
def test_one_diverging_network_does_not_stop_the_others(rng):
    net = mlp([2, 8, 2], rng=rng)
    many, x_labels = stack([net, net, net]), blobs(rng)
    loop = fit(many, *x_labels, lr=[0.1, 1e30, 0.5], batch_size=10, steps=60, rng=0)
    records, kept = [], None
    for record in loop:
        records.append(record)
        if kept is None and not record.loss[1] <= 1e6:
            kept = many.params[1].copy()
    history = collect(records)
    assert len(history.steps) == 60 and history.reason == ""
    last = history.losses[-1]
    assert last[0] < 0.3 and last[2] < 0.3 and not last[1] <= 1e6
    assert np.isfinite(kept).all()
    np.testing.assert_array_equal(many.params[1], kept)
    assert evaluate(many, *x_labels)[1][0] > 0.9


def test_a_network_that_diverged_stays_stopped(rng):
    """Also on batches for which its loss is small again."""
    x, labels = blobs(rng)
    x[6:8] = 1e9  # one of each class, so one of them is read wrongly
    fine, silent = mlp([2, 8, 2], rng=rng), mlp([2, 8, 2], init=0.0)
    many, kept = stack([fine, silent]), None
    loop = fit(many, x, labels, lr=0.1, batch_size=10, steps=30, rng=0)
    for record in loop:
        if kept is None and not record.loss[0] <= 1e6:
            kept, first = many.params[0].copy(), record.step
    assert first < 25 and record.loss[0] < 100
    np.testing.assert_array_equal(many.params[0], kept)
    assert abs(many.params[1]).max() > 0


@pytest.mark.filterwarnings("error")
def test_a_rate_beyond_the_dtype_diverges(rng):
    net = mlp([2, 8, 2], rng=rng, dtype=np.float32)
    history = collect(fit(net, *blobs(rng), lr=1e200, batch_size=10, steps=9, rng=0))
    assert history.reason.startswith("diverged at step 2")


@pytest.mark.parametrize("many", [False, True])
def test_a_step_that_diverges_leaves_the_running_statistics(many, rng):
    net, (x, labels) = mlp([2, 8, 2], norm="batch", rng=rng), blobs(rng)
    net, lr = (stack([net, net]), [0.1, 1e200]) if many else (net, 1e200)
    buffers = net.batch_norms()[0].buffers
    seen, diverged = [], None
    for record in fit(net, x, labels, lr=lr, batch_size=10, steps=6, rng=0):
        loss = record.loss[1] if many else record.loss
        if diverged is None and not loss <= 1e6:
            diverged = record.step
        seen.append(copy.deepcopy(buffers))
    assert diverged and diverged > 1
    which = 1 if many else ...
    for name, value in seen[diverged - 2].items():
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(value[which], buffers[name][which])
        if many:  # the other one goes on
            assert abs(value[0] - buffers[name][0]).min() > 0


def test_one_wrong_label_is_found_before_the_first_update(rng):
    net, (x, labels) = mlp([2, 8, 2], rng=rng), blobs(rng)
    labels[np.flatnonzero(labels == 0)[-1]] = 9
    start = net.params.copy()
    for seed in range(5):
        loop = fit(net, x, labels, lr=0.1, batch_size=4, steps=99, rng=seed)
        with pytest.raises(ValueError, match="between 0 and 1 for 2 classes, got 0"):
            next(loop)
    np.testing.assert_array_equal(net.params, start)


def test_steps_0_yields_nothing(rng):
    x, labels = blobs(rng)
    loop = fit(mlp([2, 2]), x, labels, lr=0.1, batch_size=4, steps=0, rng=0)
    history = collect(loop)
    assert len(history.steps) == 0 and history.reason == ""


def test_evaluate_leaves_no_trace(rng):
    net, (x, labels) = mlp([2, 8, 2], norm="batch", rng=rng), blobs(rng)
    buffers = net.state()[1]
    losses = [evaluate(net, x, labels, mode=mode)[0] for mode in ("eval", "probe")]
    assert losses[0] != losses[1] and net.mode == "train"
    for before, layer in zip(buffers, net.walk(), strict=True):
        for name in before:
            np.testing.assert_array_equal(before[name], layer.buffers[name])


def test_accuracy_counts(rng):
    net = Network([Linear(2, 2, init=0.0, rng=0)])
    net.layers[0].params["weight"][...] = np.eye(2)
    x = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    assert accuracy(net, x, np.array([0, 1, 0, 0])) == 0.75


def test_accuracy_counts_positions(rng):
    net, x = Network([Linear(3, 4, rng=0)]), rng.normal(size=(6, 5, 3))
    labels = net.forward(x).argmax(axis=-1)
    labels[0, :3] = (labels[0, :3] + 1) % 4
    assert accuracy(net, x, labels) == 0.9


def test_a_network_that_diverged_can_be_evaluated(rng):
    net, (x, labels) = mlp([2, 8, 2], rng=rng), blobs(rng)
    net.params[...] = np.nan
    loss, share = evaluate(net, x, labels)
    assert np.isnan(loss) and share == accuracy(net, x, labels) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "norm, activation, lr, steps, least",
    [
        (None, "relu", 0.1, 400, 0.95),
        ("batch", "relu", 0.1, 400, 0.95),
        ("layer", "relu", 0.1, 400, 0.95),
        ("rms", "relu", 0.1, 400, 0.95),
        ("group:8", "relu", 0.1, 400, 0.95),
        ("weight", "relu", 0.1, 400, 0.95),
        ("batch", "sigmoid", 0.5, 400, 0.95),
        ("batch", "tanh", 0.1, 400, 0.95),
    ],
)
def test_reads_digits(norm, activation, lr, steps, least):
    found = []
    for seed in (100, 101, 102):
        rng = np.random.default_rng(seed)
        digits = digits_split(rng, True, np.float32)
        net = mlp(
            [64, 64, 64, 10],
            norm=norm,
            activation=activation,
            rng=rng,
            dtype=np.float32,
        )
        loop = fit(
            net,
            digits.x_train,
            digits.y_train,
            lr=lr,
            batch_size=60,
            steps=steps,
            rng=rng,
        )
        assert collect(loop).reason == ""
        found.append(accuracy(net, digits.x_test, digits.y_test))
    assert np.mean(found) > least, found


# Errors ---------------------------------------------------------------------


def run(**changes):
    rng = np.random.default_rng(0)
    x, labels = blobs(rng)
    settings = {"x": x, "targets": labels, "lr": 0.1, "batch_size": 10, "steps": 2}
    settings |= {"net": mlp([2, 4, 2], norm="batch"), "rng": 0} | changes
    net, x, targets = (settings.pop(name) for name in ("net", "x", "targets"))
    collect(fit(net, x, targets, **settings))


def spoiled(value):
    x, _ = blobs(np.random.default_rng(0))
    x[3, 1] = value
    return x


@pytest.mark.parametrize(
    "changes, error, words",
    [
        ({"lr": -0.1}, ValueError, "lr must be finite and 0 or more, got -0.1"),
        ({"lr": np.nan}, ValueError, "lr must be finite"),
        ({"lr": None}, TypeError, "lr must be a number, got None"),
        ({"lr": "0.1"}, TypeError, "lr must be a number, got '0.1'"),
        ({"lr": [0.1, 0.1]}, ValueError, r"lr must be one number, got shape \(2,\)"),
        ({"lr": [0.1]}, ValueError, r"lr must be one number, got shape \(1,\)"),
        ({"lr": [[0.1]]}, ValueError, r"lr must be one number, got shape \(1, 1\)"),
        (
            {"lr": [0.1], "net": stack([mlp([2, 2])] * 2)},
            ValueError,
            r"lr must be one number or of shape \(2,\), got shape \(1,\)",
        ),
        ({"weight_decay": None}, TypeError, "weight_decay must be a number"),
        ({"weight_decay": [1.0] * 3}, ValueError, "weight_decay must be one number or"),
        ({"weight_decay": -1}, ValueError, "weight_decay"),
        ({"steps": -1}, ValueError, "steps"),
        ({"steps": 1.5}, TypeError, "steps"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 61}, ValueError, "at most the 60 cases, got 61"),
        ({"batch_size": 1}, ValueError, "BatchNorm needs at least 2 values per mean"),
        ({"rng": None}, TypeError, "rng"),
        ({"order": "sorted"}, ValueError, "order must be one of"),
        ({"order": "by_class", "classes_per_batch": 3}, ValueError, "classes_per"),
        ({"order": "by_class", "batch_size": 40}, ValueError, "smallest class"),
        ({"x": spoiled(np.nan)}, ValueError, "x must be finite, got 1 entries"),
        ({"x": spoiled(np.inf)}, ValueError, "x must be finite, got 1 entries"),
        ({"x": np.zeros((0, 2)), "targets": np.zeros(0, int)}, ValueError, "N >= 1"),
        ({"x": np.zeros((60, 3))}, ValueError, r"shape \(N, 2\), got"),
        (
            {"x": np.zeros((3, 60, 2)), "net": stack([mlp([2, 2])] * 2)},
            ValueError,
            r"x must have shape \(N, D\) or \(2, N, D\) for 2 networks",
        ),
        (
            {"x": np.zeros((2, 60, 2)), "net": stack([mlp([2, 2])] * 2)},
            ValueError,
            r"a shape that begins with \(2, 60\)",
        ),
        ({"targets": np.zeros(59, int)}, ValueError, "one entry per case"),
        ({"targets": np.zeros(60)}, TypeError, "targets must be integers"),
        ({"targets": np.array(["a"] * 60)}, TypeError, "targets must hold numbers"),
        ({"targets": np.full(60, 2)}, ValueError, "between 0 and 1 for 2 classes"),
        ({"targets": np.full(60, -1)}, ValueError, "between 0 and 1 for 2 classes"),
        ({"targets": np.zeros((60, 2), int)}, ValueError, "labels must have shape"),
        (
            {"loss": half_squared_error, "targets": np.full((60, 2), np.nan)},
            ValueError,
            "targets must be finite, got 120 entries",
        ),
        (
            {"loss": half_squared_error, "targets": np.zeros((60, 3))},
            ValueError,
            "targets must have shape",
        ),
    ],
)
def test_errors_say_what_is_wrong(changes, error, words):
    with pytest.raises(error, match=words):
        run(**changes)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"lr": -1}, ValueError, "lr"),
        ({"targets": np.zeros(60)}, TypeError, "targets must be integers"),
        ({"batch_size": 61}, ValueError, "batch_size"),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(change, error, words):
    x, labels = blobs(np.random.default_rng(0))
    options = {"targets": labels, "lr": 0.1, "batch_size": 4, "steps": 5, "rng": 0}
    with pytest.raises(error, match=words):
        fit(mlp([2, 2]), x, **(options | change))


@pytest.mark.parametrize(
    "run, loss",
    [
        (loss_and_gradient, softmax_cross_entropy),
        (loss_and_gradient, half_squared_error),
        (evaluate, softmax_cross_entropy),
    ],
)
def test_a_loss_must_return_one_number_per_network(run, loss, rng):
    net, x = Network([Linear(3, 4, rng=0)]), rng.normal(size=(6, 5, 3))
    targets = rng.normal(size=(6, 5, 4))
    targets = targets if loss is half_squared_error else targets.argmax(axis=-1)
    with pytest.raises(ValueError, match=r"one number per network.*got shape \(6,\)"):
        run(net, x, targets, loss=loss)


@pytest.mark.parametrize("run", [evaluate, accuracy])
@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"x": spoiled(np.nan)}, ValueError, "x must be finite, got 1 entries"),
        ({"labels": np.zeros((60, 2))}, ValueError, r"labels must have shape \(60,\)"),
        ({"labels": np.zeros(60)}, TypeError, "labels must be integers"),
        ({"labels": np.full(60, 2)}, ValueError, "between 0 and 1"),
        ({"mode": "train"}, ValueError, "mode must be one of"),
    ],
)
def test_evaluate_names_what_is_wrong(run, change, error, words):
    x, labels = blobs(np.random.default_rng(0))
    with pytest.raises(error, match=words):
        run(mlp([2, 4, 2]), **({"x": x, "labels": labels} | change))


def test_by_class_needs_labels():
    with pytest.raises(ValueError, match="pass labels="):
        minibatches(10, 2, 0, order="by_class")


def test_a_loss_may_be_a_plain_float(rng):
    def loss(outputs, targets):
        value, gradient = half_squared_error(outputs, targets)
        return float(value), gradient

    x = rng.normal(size=(8, 3))
    options = dict(lr=0.1, batch_size=4, steps=3, rng=0)
    plain, array = (
        [
            record.loss
            for record in fit(mlp([3, 2, 1]), x, x[:, :1], loss=function, **options)
        ]
        for function in (loss, half_squared_error)
    )
    assert plain == array


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
def test_labels_may_be_any_integers(dtype, rng):
    logits, labels = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    loss, dlogits = softmax_cross_entropy(logits, labels.astype(dtype))
    expected = softmax_cross_entropy(logits, labels)
    assert loss == expected[0]
    np.testing.assert_array_equal(dlogits, expected[1])
