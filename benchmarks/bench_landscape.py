"""Time the experiments on covariate shift and on the landscape.

python benchmarks/bench_landscape.py
"""

import time
from copy import deepcopy

import numpy as np

from normlib.covariate_shift.gradient_shift import deep_linear_shift
from normlib.covariate_shift.input_change import figure_one
from normlib.covariate_shift.noisy_batch_norm import noisy_run
from normlib.landscape.along_gradient import along_the_gradient
from normlib.landscape.around import loss_surface, random_direction, trained_network
from normlib.landscape.learning_rates import train_at_rates
from normlib.landscape.sharpness import top_eigenvalue
from normlib.nets.losses import softmax_cross_entropy
from normlib.nets.network import Network
from normlib.nets.watching import gather

POINTS = np.linspace(-1, 1, 41)


def best_of(repeats, function):
    """Return the shortest of several processor times, in seconds.

    On one thread that is the time one waits, if the machine is free.
    """
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def one_at_a_time(net, x, labels, first, second):
    """Evaluate the same surface with one network and two loops."""
    theta = net.params.copy()
    losses = np.empty((len(POINTS), len(POINTS)))
    with net.in_mode("probe"):
        for i, a in enumerate(POINTS):
            for j, b in enumerate(POINTS):
                net.params[...] = theta + a * first + b * second
                losses[i, j] = softmax_cross_entropy(net.forward(x), labels)[0]
    net.params[...] = theta
    return losses


def surfaces():
    """Print the times of a 41 x 41 surface, batched and one at a time."""
    print("surface 41 x 41, 256 digits, 3 layers of 32 units, seconds")
    print(f"{'norm':8}{'one by one':>12}{'float64':>10}{'float32':>10}{'ratio':>8}")
    for norm in (None, "batch", "layer"):
        net, digits = trained_network(norm, steps=50)
        case = digits.x_train[:256], digits.y_train[:256]
        rng = np.random.default_rng(0)
        first, second = random_direction(net, rng), random_direction(net, rng)
        grid = (first, second, POINTS, POINTS)
        half = Network(deepcopy(net.layers), dtype=np.float32)
        alone = best_of(2, lambda: one_at_a_time(net, *case, *grid[:2]))  # noqa: B023
        double = best_of(2, lambda: loss_surface(net, *case, *grid))  # noqa: B023
        single = best_of(2, lambda: loss_surface(half, *case, *grid))  # noqa: B023
        print(
            f"{norm!s:8}{alone:12.2f}{double:10.2f}{single:10.2f}{alone / single:8.1f}"
        )


def runs():
    """Print the times of one run of each experiment."""
    rows = {
        "figure 1, 300 steps, 3 x 100 sigmoid, float32": lambda norm: figure_one(
            norm, steps=300, dtype=np.float32
        ),
        "figure 1, 1500 steps, 3 x 100 sigmoid, float32": lambda norm: figure_one(
            norm, dtype=np.float32
        ),
        "shift, deep linear 25 x 16, 200 steps, 3 layers": deep_linear_shift,
        "noisy batch norm, 3 x 64 sigmoid, 220 steps": lambda norm: noisy_run(
            norm, True
        ),
        "along the gradient, 6 x 32 ReLU, 100 steps": along_the_gradient,
        "9 learning rates at once, 8 x 64 ReLU, 150 steps": train_at_rates,
    }
    print(f"\n{'one run, seconds':50}{'none':>8}{'batch':>8}{'layer':>8}")
    for name, experiment in rows.items():
        times = [
            best_of(1, lambda: gather(experiment(norm)))  # noqa: B023
            for norm in (None, "batch", "layer")
        ]
        print(f"{name:50}" + "".join(f"{seconds:8.2f}" for seconds in times))
    times = []
    for norm in (None, "batch", "layer"):
        net, digits = trained_network(norm, steps=50, eps=1e-5)
        case = digits.x_train[:256], digits.y_train[:256]
        top = top_eigenvalue(net, *case, iterations=30)
        each = best_of(2, lambda: top_eigenvalue(net, *case, iterations=30))  # noqa: B023
        times.append(each / top.iterations)
    name = "one Hessian-vector product with its error"
    print(f"{name:50}" + "".join(f"{seconds:8.4f}" for seconds in times))


def main():
    surfaces()
    runs()


if __name__ == "__main__":
    main()
