"""The small transformer: its gradient, its causality, its parts."""

import numpy as np
import pytest
from gradient_checks import central_differences

from normlib.nets.network import stack
from normlib.nets.norm_layers import RMSNorm
from normlib.nets.transformer import (
    PLACEMENTS,
    Adam,
    Attention,
    Embedding,
    Residual,
    rotate,
    token_loss,
    transformer,
)
from normlib.transformers.pointwise import Derf, DyT, erf

SMALL = dict(width=4, blocks=2, heads=2)


def check_gradients(net, tokens, rng):
    """Compare all gradients of parameters with central differences."""
    upstream = rng.normal(size=net.forward(tokens).shape)
    net.backward(upstream)
    grads = net.grads.copy()
    expected = central_differences(
        lambda: (net.forward(tokens) * upstream).sum(), net.params
    )
    np.testing.assert_allclose(grads, expected, rtol=1e-5, atol=1e-6)


def shaken(net, rng):
    """Move gamma, beta and biases off their start, where mistakes hide."""
    net.params += 0.3 * rng.normal(size=net.params.shape)
    return net


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_gradients_of_every_placement(placement, norm):
    rng = np.random.default_rng(1)
    net = transformer(3, 4, placement=placement, norm=norm, rng=rng, **SMALL)
    check_gradients(shaken(net, rng), rng.integers(3, size=(2, 4)), rng)


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("answers", [None, 2])
def test_gradients_of_every_kind_of_attention(qk_norm, rotary, answers):
    rng = np.random.default_rng(2)
    options = dict(qk_norm=qk_norm, rotary=rotary, answers=answers, gain=0.7)
    net = transformer(3, 4, **options, rng=rng, **SMALL)
    check_gradients(shaken(net, rng), rng.integers(3, size=(2, 4)), rng)


@pytest.mark.parametrize("rotary", [False, True])
def test_gradient_of_the_input_of_attention(rotary):
    rng = np.random.default_rng(3)
    layer = Attention(8, 2, 3, qk_norm=True, rotary=rotary, rng=rng)
    x = rng.normal(size=(6, 8))
    upstream = rng.normal(size=x.shape)
    layer.forward(x)
    dx = layer.backward(upstream)
    expected = central_differences(lambda: (layer.forward(x) * upstream).sum(), x)
    np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_several_networks_at_once_are_those_networks(placement):
    rng = np.random.default_rng(4)
    options = dict(placement=placement, qk_norm=True, rotary=placement == "pre")
    nets = [transformer(3, 4, **options, rng=rng, **SMALL) for _ in range(3)]
    many = stack(nets)
    tokens = rng.integers(3, size=(5, 4))
    outputs = many.forward(tokens)
    upstream = rng.normal(size=outputs.shape)
    many.backward(upstream)
    for k, net in enumerate(nets):
        np.testing.assert_allclose(outputs[k], net.forward(tokens), atol=1e-12)
        net.backward(upstream[k])
        np.testing.assert_allclose(many.grads[k], net.grads, atol=1e-12)


def test_no_token_hears_a_later_one():
    rng = np.random.default_rng(5)
    net = transformer(5, 6, rng=rng)
    tokens = rng.integers(5, size=(2, 6))
    before = net.forward(tokens).reshape(2, 6, 5)
    changed = tokens.copy()
    changed[1, 3] = (changed[1, 3] + 1) % 5
    moved = (net.forward(changed).reshape(2, 6, 5) != before).any(-1)
    np.testing.assert_array_equal(moved, [[0] * 6, [0, 0, 0, 1, 1, 1]])


def test_attention_against_a_loop_over_tokens():
    rng = np.random.default_rng(6)
    layer = Attention(6, 2, 4, rng=rng)
    x = rng.normal(size=(8, 6))
    q, k, v = (x @ m.params["weight"] for m in (layer.query, layer.key, layer.value))
    read = np.zeros((8, 6))
    for row in range(8):
        first = row - row % 4
        for head in (slice(0, 3), slice(3, 6)):
            score = np.exp(q[row, head] @ k[first : row + 1, head].T / np.sqrt(3))
            read[row, head] = score / score.sum() @ v[first : row + 1, head]
    expected = read @ layer.out.params["weight"]
    np.testing.assert_allclose(layer.forward(x), expected, atol=1e-12)


def test_a_rotation_keeps_lengths_and_only_distances_count():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(9, 6))
    np.testing.assert_allclose(
        np.linalg.norm(rotate(x), axis=1), np.linalg.norm(x, axis=1)
    )
    np.testing.assert_allclose(rotate(rotate(x), back=True), x, atol=1e-15)
    same = rotate(np.tile(x[0], (9, 1))) @ rotate(np.tile(x[1], (9, 1))).T
    for distance in range(-8, 9):
        assert np.ptp(np.diagonal(same, distance)) < 1e-12


def test_placements_compute_their_formulas():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(4, 6))
    for placement in PLACEMENTS:
        net = transformer(3, 4, width=6, blocks=2, heads=2, placement=placement, rng=1)
        blocks = [layer for layer in net.layers if isinstance(layer, Residual)]
        block = blocks[3]  # the feed-forward branch of block 2

        def f(h, block=block):
            first, _, second = block.branch
            h = np.maximum(h @ first.params["weight"], 0)
            return h @ second.params["weight"]

        def n(h):
            return (h - h.mean(1, keepdims=True)) / np.sqrt(
                h.var(1, keepdims=True) + 1e-5
            )

        expected = {
            "pre": lambda: x + f(n(x)),
            "post": lambda: n(x + f(x)),
            "peri": lambda: x + n(f(n(x))),
            "scaled": lambda: x + f(n(x) / np.sqrt(2)),
            "none": lambda: x + f(x),
        }[placement]()
        np.testing.assert_allclose(block.forward(x), expected, atol=1e-12)


def test_norms_after_all_blocks_only_where_the_stream_is_not_normed_already():
    for placement in PLACEMENTS:
        net = transformer(3, 4, placement=placement, norm="rms", rng=0, **SMALL)
        last = isinstance(net.layers[-3], RMSNorm)
        assert last == (placement in ("pre", "peri", "scaled"))


def test_adam_against_its_formula():
    rng = np.random.default_rng(9)
    net = transformer(3, 4, rng=0, **SMALL)
    start = net.params.copy()
    adam = Adam(net, 0.01)
    grads = rng.normal(size=(3, net.params.size))
    for g in grads:
        net.grads[...] = g
        adam.step()
    m = v = 0
    expected = start
    for t, g in enumerate(grads, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        expected = expected - 0.01 * step
    np.testing.assert_allclose(net.params, expected, atol=1e-12)


def test_token_loss_takes_one_set_of_answers_for_several_networks():
    rng = np.random.default_rng(10)
    logits, answers = rng.normal(size=(2, 6, 4)), rng.integers(4, size=(2, 3, 2))
    both, dlogits = token_loss(logits, answers)
    for k in range(2):
        one, done = token_loss(logits[k], answers[k])
        assert one == pytest.approx(both[k])
        np.testing.assert_allclose(dlogits[k], done)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="must divide the width"):
        Attention(6, 4, 3, rng=0)
    with pytest.raises(ValueError, match="pairs"):
        Attention(6, 2, 3, rotary=True, rng=0)
    with pytest.raises(ValueError, match="placement"):
        transformer(3, 4, placement="before", rng=0)
    with pytest.raises(ValueError, match="must have 4 tokens"):
        transformer(3, 4, rng=0).forward(np.zeros((2, 3)))


def test_lists_are_taken_for_arrays():
    x = [[1.0, 2.0], [3.0, 4.0]]
    np.testing.assert_array_equal(rotate(x), rotate(np.array(x)))
    np.testing.assert_array_equal(erf(x), erf(np.array(x)))


@pytest.mark.parametrize("token", [-1, 5, 0.5, np.nan])
def test_a_token_that_the_table_has_not_is_refused(token):
    net = transformer(5, 4, rng=0, **SMALL)
    with pytest.raises(ValueError, match="tokens must be whole numbers from 0 to 4"):
        net.forward(np.array([[0, 1, 2, token]]))


@pytest.mark.parametrize("n", [3.0, True, [3], -1, None])
def test_a_size_that_is_none_is_named(n):
    for layer in (DyT, Derf):
        with pytest.raises((TypeError, ValueError), match="n must be"):
            layer(n)
    with pytest.raises((TypeError, ValueError), match="n_tokens must be"):
        Embedding(n, 4, 4, rng=0)
