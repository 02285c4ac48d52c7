"""What looks at a network leaves it as it was, and refuses what it cannot look at."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from normlib.batch.running_lag import precise_statistics
from normlib.covariate_shift.gradient_shift import (
    deep_linear_shift,
    digits_shift,
    internal_covariate_shift,
)
from normlib.landscape.along_gradient import (
    Walk,
    along_the_gradient,
    walk_along_gradient,
)
from normlib.landscape.around import loss_surface, random_direction
from normlib.landscape.sharpness import hessian_vector_product, top_eigenvalue
from normlib.nets.losses import half_squared_error
from normlib.nets.network import mlp, stack
from normlib.nets.training import loss_and_gradient
from normlib.nets.watching import gather

LOOKS = {
    "shift": lambda net, x, y, **options: internal_covariate_shift(
        net, x, y, 0.1, [1, 2], **options
    ),
    "walk": lambda net, x, y, **options: walk_along_gradient(
        net, x, y, [0.1, 0.5], **options
    ),
    "product": lambda net, x, y, **options: hessian_vector_product(
        net, x, y, np.ones(net.params.size), **options
    ),
    "eigenvalue": lambda net, x, y, **options: top_eigenvalue(
        net, x, y, iterations=3, **options
    ),
    "surface": lambda net, x, y, **options: loss_surface(
        net, x, y, net.params, net.params, [0.0, 1.0], [0.0], **options
    ),
}


@pytest.fixture
def case():
    rng = np.random.default_rng(7)
    net = mlp([3, 8, 2], norm="batch", rng=rng)
    x, labels = rng.standard_normal((12, 3)), rng.integers(0, 2, 12)
    return SimpleNamespace(net=net, x=x, labels=labels)


@pytest.mark.parametrize("look", LOOKS)
def test_gradients_are_put_back_too(case, look):
    loss_and_gradient(case.net, case.x[:6], case.labels[:6])
    gradient = case.net.grads.copy()
    LOOKS[look](case.net, case.x, case.labels)
    np.testing.assert_array_equal(case.net.grads, gradient)


@pytest.mark.parametrize("look", LOOKS)
def test_all_is_put_back_after_an_error_halfway(case, look):
    calls = []

    def breaks(outputs, targets):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("halfway")
        return half_squared_error(outputs, targets)

    params, targets = case.net.params.copy(), np.zeros((12, 2))
    with contextlib.suppress(RuntimeError):
        LOOKS[look](case.net, case.x, targets, loss=breaks)
    np.testing.assert_array_equal(case.net.params, params)
    assert not case.net.grads.any() and case.net.mode == "train"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("look", LOOKS)
def test_data_that_are_not_finite_are_refused_by_name(case, look, bad):
    case.x[3, 1] = bad
    with pytest.raises(ValueError, match="^x holds NaN or infinity"):
        LOOKS[look](case.net, case.x, case.labels)
    targets = np.full((12, 2), bad)
    with pytest.raises(ValueError, match="^targets holds NaN or infinity"):
        LOOKS[look](case.net, np.ones((12, 3)), targets, loss=half_squared_error)


@pytest.mark.parametrize("look", sorted(LOOKS.keys() - {"shift", "walk"}))
def test_a_stack_of_networks_is_refused(case, look):
    with pytest.raises(ValueError, match="net must be a single network, got 2"):
        LOOKS[look](stack([case.net] * 2), case.x, case.labels)


def test_the_walks_of_networks_at_once_are_those_of_each():
    settings = {"norm": "batch", "steps": 6, "every": 3, "width": 8, "since": 3}
    many = gather(along_the_gradient(seed=[3, 4], **settings))
    assert many.step.tolist() == [3, 6]
    for k, seed in enumerate((3, 4)):
        alone = gather(along_the_gradient(seed=seed, **settings))
        for name in ("loss", "gradient_norm", *Walk._fields[1:]):
            one = getattr(many, name)[..., k]
            np.testing.assert_allclose(one, getattr(alone, name), rtol=1e-6)


@pytest.mark.parametrize("experiment", [deep_linear_shift, digits_shift])
def test_the_shift_of_networks_at_once_is_that_of_each(experiment):
    settings = {"norm": "batch", "layers": (2, 5), "steps": 6, "every": 3, "width": 8}
    many = gather(experiment(seed=[3, 4], **settings))
    for k, seed in enumerate((3, 4)):
        alone = gather(experiment(seed=seed, **settings))
        np.testing.assert_allclose(many.loss[:, k], alone.loss)
        np.testing.assert_allclose(many.cosine[..., k], alone.cosine, rtol=1e-6)
        np.testing.assert_allclose(many.distance[..., k], alone.distance, rtol=1e-6)


def test_a_direction_that_is_not_finite_is_refused_by_name(case):
    good = np.ones(case.net.params.size)
    for name, pair in (
        ("first", (good * np.nan, good)),
        ("second", (good, good * np.inf)),
    ):
        with pytest.raises(ValueError, match=f"^{name} holds NaN or infinity"):
            loss_surface(case.net, case.x, case.labels, *pair, [0.0], [0.0])


def test_statistics_survive_data_that_are_not_finite(case):
    rng = np.random.default_rng(3)
    precise_statistics(case.net, case.x)
    before = [buffer.copy() for buffer in case.net.batch_norms()[0].buffers.values()]
    case.x[3, 1] = np.nan
    with pytest.raises(ValueError, match="^x holds NaN or infinity"):
        precise_statistics(case.net, case.x)
    with pytest.raises(ValueError, match="overflow"):
        precise_statistics(case.net, 1e200 * rng.standard_normal((12, 3)))
    after = case.net.batch_norms()[0].buffers.values()
    np.testing.assert_array_equal(list(after), before)
    assert case.net.batch_norms()[0].momentum == 0.1 and case.net.mode == "train"


@pytest.mark.parametrize(
    "look",
    [
        lambda net: internal_covariate_shift(net, np.ones((4, 3)), [0] * 4, 0.1, [1]),
        lambda net: random_direction(net, 0),
        lambda net: next(deep_linear_shift("weight")),
        lambda net: next(digits_shift("weight")),
    ],
)
def test_weight_norm_is_refused(look):
    with pytest.raises(ValueError, match="net must hold its weights plainly"):
        look(mlp([3, 8, 2], norm="weight"))


@pytest.mark.parametrize("bad", [None, -1.0, np.nan, "much"])
@pytest.mark.parametrize(
    "run",
    [
        lambda lr: internal_covariate_shift(
            mlp([3, 8, 2]), np.ones((4, 3)), np.zeros(4, int), lr, [1]
        ),
        lambda lr: next(deep_linear_shift(lr=lr)),
        lambda lr: next(digits_shift(lr=lr)),
        lambda lr: next(along_the_gradient(lr=lr)),
    ],
)
def test_a_bad_learning_rate_is_named(run, bad):
    with pytest.raises((TypeError, ValueError), match="^lr must be"):
        run(bad)


def test_a_direction_takes_a_seed_or_a_generator():
    net = mlp([3, 8, 2])
    drawn = random_direction(net, np.random.default_rng(5))
    np.testing.assert_array_equal(random_direction(net, 5), drawn)
    with pytest.raises(TypeError, match="rng"):
        random_direction(net, None)
