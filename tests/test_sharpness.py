"""Hessian-vector products and the top eigenvalue against a dense Hessian."""

import numpy as np
import pytest

from normlib.landscape.sharpness import hessian_vector_product, top_eigenvalue
from normlib.nets.layers import Linear
from normlib.nets.network import Network, mlp
from normlib.nets.training import loss_and_gradient


def small_case(norm, seed=0, activation="tanh"):
    rng = np.random.default_rng(seed)
    net = mlp([3, 4, 3, 2], norm=norm, activation=activation, rng=rng)
    net.params += 0.3 * rng.standard_normal(net.params.shape)
    return net, rng.standard_normal((15, 3)), rng.integers(0, 2, 15)


def dense_hessian(net, x, labels, step=1e-4):
    """Differences of fourth order of the gradient, one column per parameter."""
    theta, p = net.params.copy(), net.params.size

    def gradient(i):
        column = np.zeros(p)
        for weight, shift in ((8, 1), (-8, -1), (-1, 2), (1, -2)):
            net.params[...] = theta
            net.params[i] += shift * step
            loss_and_gradient(net, x, labels)
            column += weight * net.grads / (12 * step)
        return column

    with net.in_mode("probe"):
        hessian = np.array([gradient(i) for i in range(p)])
    net.params[...] = theta
    return (hessian + hessian.T) / 2


def with_hessian(diagonal):
    """Return a network and a loss whose Hessian is diagonal and known."""
    diagonal = np.reshape(diagonal, (2, -1))
    net = Network([Linear(2, diagonal.shape[1], bias=False, rng=0)])

    def loss(outputs, targets):
        return 0.5 * (diagonal * outputs**2).sum(), diagonal * outputs

    return net, np.eye(2), loss


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("seed", [0, 1])
def test_products_agree_with_the_dense_hessian(norm, seed):
    net, x, labels = small_case(norm, seed)
    hessian = dense_hessian(net, x, labels)
    for vector in np.random.default_rng(5).standard_normal((3, net.params.size)):
        product, error = hessian_vector_product(net, x, labels, vector)
        expected = hessian @ vector
        assert np.linalg.norm(product - expected) < 1e-6 * np.linalg.norm(expected)
        assert error < 1e-6 * np.linalg.norm(expected)


def test_the_stated_error_is_the_error_for_a_coarse_step():
    net, x, labels = small_case(None)
    vector = np.random.default_rng(5).standard_normal(net.params.size)
    expected = hessian_vector_product(net, x, labels, vector)[0]
    for step in (0.003, 0.03):
        product, error = hessian_vector_product(net, x, labels, vector, step=step)
        np.testing.assert_allclose(error, np.linalg.norm(product - expected), rtol=0.05)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("seed", [0, 1])
def test_top_eigenvalue_agrees_with_the_dense_hessian(norm, seed):
    net, x, labels = small_case(norm, seed)
    expected = np.linalg.eigvalsh(dense_hessian(net, x, labels))
    top = top_eigenvalue(net, x, labels, iterations=2000, tolerance=1e-4)
    assert abs(top.value - expected[-1]) <= top.error + 1e-6
    assert top.error < 1e-4 * abs(top.value)
    assert top.iterations < 2000  # it stopped because it was there
    np.testing.assert_allclose(np.linalg.norm(top.vector), 1)


@pytest.mark.parametrize("diagonal", [[5, 1, 2, -4], [3, -7, 1, 0], [-1, -2, -3, -9]])
def test_the_most_positive_one_is_found_also_below_a_larger_negative_one(diagonal):
    net, x, loss = with_hessian(np.array(diagonal, dtype=float))
    top = top_eigenvalue(
        net, x, None, iterations=500, tolerance=1e-6, step=1e-3, loss=loss
    )
    np.testing.assert_allclose(top.value, max(diagonal), atol=1e-4)


def test_the_stated_error_covers_a_coarse_step():
    net, x, labels = small_case(None)
    exact = top_eigenvalue(net, x, labels, iterations=500, tolerance=1e-6).value
    coarse = top_eigenvalue(net, x, labels, iterations=500, tolerance=1e-6, step=0.1)
    assert 1e-4 < abs(coarse.value - exact) <= coarse.error


def test_few_iterations_state_a_large_error():
    eigenvalues = np.array([5.0, 4.9, 2.0, 1.0])
    net, x, loss = with_hessian(eigenvalues)
    top = top_eigenvalue(net, x, None, iterations=2, loss=loss)
    assert top.iterations == 2
    assert np.abs(top.value - eigenvalues).min() <= top.error
    assert top.error > 0.1


def test_a_multiple_of_the_weights_divides_the_sharpness():
    """Batch norm: the same function, a hundredth of the curvature."""
    rng = np.random.default_rng(0)
    net = mlp([3, 4, 2], norm="batch", activation="tanh", eps=0.0, rng=rng)
    x, labels = rng.standard_normal((15, 3)), rng.integers(0, 2, 15)
    weight = net.layers[0].params["weight"]
    vector = np.zeros(net.params.size)
    vector[net.slices[net.layers[0], "weight"]] = rng.standard_normal(weight.size)
    before = hessian_vector_product(net, x, labels, vector)[0] @ vector
    weight *= 10.0
    after = hessian_vector_product(net, x, labels, vector, step=1e-5)[0] @ vector
    np.testing.assert_allclose(after, before / 100, rtol=1e-5)


def test_no_trace():
    net, x, labels = small_case("batch")
    before = net.state()
    top_eigenvalue(net, x, labels, iterations=5)
    after = net.state()
    np.testing.assert_array_equal(after[0], before[0])
    for one, other in zip(after[1], before[1], strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    assert after[3:] == before[3:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vector": np.zeros(36)}, "not be zero"),
        ({"vector": np.ones(3)}, "vector must have the shape"),
        ({"vector": np.full(36, np.nan)}, "NaN"),
        ({"step": 0.0}, "step must be above 0"),
    ],
)
def test_bad_input_is_named(change, message):
    net, x, labels = small_case(None)
    options = {"vector": np.ones(net.params.size)} | change
    if options["vector"].size == 36:
        options["vector"] = np.resize(options["vector"], net.params.size)
    with pytest.raises(ValueError, match=message):
        hessian_vector_product(net, x, labels, **options)


def test_bad_iterations_are_named():
    net, x, labels = small_case(None)
    with pytest.raises(ValueError, match="iterations must be at least 2"):
        top_eigenvalue(net, x, labels, iterations=1)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("step", [1e-10, 1e-8, 1e-6, 1e-4, 1e-2])
def test_the_stated_error_covers_rounding_too(norm, step):
    """Measured by a step of 1e-3, extrapolated twice."""
    net, x, labels = small_case(norm, seed=3)
    vector = np.random.default_rng(5).standard_normal(net.params.size)

    def product(h):
        return hessian_vector_product(net, x, labels, vector, step=h)

    coarse, middle, fine = (product(h)[0] for h in (4e-3, 2e-3, 1e-3))
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    exact = (16 * second - first) / 15
    found, error = product(step)
    assert np.linalg.norm(found - exact) < 1.1 * error


@pytest.mark.parametrize("look", ["product", "eigenvalue"])
@pytest.mark.parametrize(
    ("factor", "step", "dtype", "error", "message"),
    [
        (1, 1e-17, np.float64, ValueError, "step 1e-17 vanishes"),
        (1, 1e-6, np.float32, TypeError, "net must have dtype float64"),
        (1e156, 1e150, np.float64, ValueError, "the gradient overflows"),
    ],
)
def test_no_product_without_digits(look, factor, step, dtype, error, message):
    net = mlp([3, 4, 2], dtype=dtype)
    net.params *= factor
    x, labels = np.random.default_rng(0).standard_normal((8, 3)), [0, 1] * 4
    with pytest.raises(error, match=message):
        if look == "product":
            vector = np.ones(net.params.size)
            hessian_vector_product(net, x, labels, vector, step=step)
        else:
            top_eigenvalue(net, x, labels, step=step)
