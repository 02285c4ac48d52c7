"""Time training: the network of figure 1 of Ioffe and Szegedy, beside PyTorch.

64-100-100-100-10, sigmoid, batches of 60 digits, float32. The two take turns,
so that both meet the same load of the machine; the median of the turns counts.

    python benchmarks/bench_training.py
"""

import time

import numpy as np

from normlib.datasets import digits_split
from normlib.network import mlp, stack
from normlib.training import collect, fit

try:
    import torch
except ImportError:
    torch = None

SIZES = [64, 100, 100, 100, 10]
STEPS = 300
ROUNDS = 15


def train_numpy(norm, digits):
    """Return the seconds of 300 steps with normlib."""
    rng = np.random.default_rng(0)
    net = mlp(
        SIZES, activation="sigmoid", norm=norm, init=0.1, rng=rng, dtype=np.float32
    )
    start = time.perf_counter()
    collect(
        fit(
            net,
            digits.x_train,
            digits.y_train,
            lr=0.5,
            batch_size=60,
            steps=STEPS,
            rng=rng,
        )
    )
    return time.perf_counter() - start


def train_torch(norm, digits):
    """Return the seconds of 300 steps with PyTorch, eager, plain SGD."""
    layers = []
    for n_in, n_out in zip(SIZES[:-2], SIZES[1:-1], strict=True):
        layers.append(torch.nn.Linear(n_in, n_out))
        if norm == "batch":
            layers.append(torch.nn.BatchNorm1d(n_out))
        if norm == "layer":
            layers.append(torch.nn.LayerNorm(n_out))
        layers.append(torch.nn.Sigmoid())
    net = torch.nn.Sequential(*layers, torch.nn.Linear(SIZES[-2], SIZES[-1]))
    x, y = torch.from_numpy(digits.x_train), torch.from_numpy(digits.y_train)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    loss = torch.nn.CrossEntropyLoss()
    start = time.perf_counter()
    for step in range(STEPS):
        if step % (len(x) // 60) == 0:
            order = torch.randperm(len(x))
        batch = order[step % (len(x) // 60) * 60 :][:60]
        optimizer.zero_grad()
        loss(net(x[batch]), y[batch]).backward()
        optimizer.step()
    return time.perf_counter() - start


def train_map(norm, digits, depths=(2, 5, 10, 20), steps=100):
    """Return the seconds of a map of 4 depths x 4 learning rates."""
    rates = np.array([0.01, 0.1, 1, 10])
    start = time.perf_counter()
    for depth in depths:
        rng = np.random.default_rng(0)
        net = mlp(
            [64] + [32] * depth + [10],
            activation="sigmoid",
            norm=norm,
            init="glorot",
            rng=rng,
            dtype=np.float32,
        )
        many = stack([net] * len(rates))
        collect(
            fit(
                many,
                digits.x_train,
                digits.y_train,
                lr=rates,
                batch_size=64,
                steps=steps,
                rng=rng,
            )
        )
    return time.perf_counter() - start


def main():
    """Print the tables."""
    digits = digits_split(np.random.default_rng(0), True, np.float32)
    if torch is not None:
        threads = torch.get_num_threads()
        print(f"PyTorch {torch.__version__}, {threads} threads; OMP_NUM_THREADS rules")
    else:
        print("PyTorch is not installed: its columns are empty")
    print(f"{STEPS} steps of 64-100-100-100-10, sigmoid, batch 60, float32")
    print("norm     normlib s  steps/s   PyTorch s  steps/s   normlib/PyTorch speed")
    for norm in (None, "batch", "layer"):
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(train_numpy(norm, digits))
            if torch is not None:
                theirs.append(train_torch(norm, digits))
        own = np.median(ours)
        row = f"{norm or 'none':8s} {own:9.3f} {STEPS / own:8.0f}"
        if torch is not None:
            other = np.median(theirs)
            row += f"   {other:9.3f} {STEPS / other:8.0f}   {other / own:6.2f}"
        print(row)
    seconds = [train_map(norm, digits) for norm in (None, "batch", "layer")]
    parts = " + ".join(f"{s:.2f}" for s in seconds)
    print(
        f"4 depths x 4 rates x 3 norms, 100 steps each: {parts} = {sum(seconds):.2f} s"
    )


if __name__ == "__main__":
    main()
