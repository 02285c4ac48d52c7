"""Time training: the network of figure 1 of Ioffe and Szegedy, beside PyTorch.

64-100-100-100-10, sigmoid, batches of 60 digits, float32. The two take turns,
so that both meet the same load of the machine; the median of the turns counts.

    python -m benchmarks training
"""

import os
import subprocess
import sys
import time

import numpy as np

from normlib.datasets import digits_split
from normlib.nets.network import mlp
from normlib.nets.training import collect, fit

try:
    import torch
except ImportError:
    torch = None

SIZES = [64, 100, 100, 100, 10]
STEPS = 300
ROUNDS = 7


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


def table():
    """Print one table, for the number of threads of this process."""
    digits = digits_split(np.random.default_rng(0), True, np.float32)
    threads = os.environ["OMP_NUM_THREADS"]
    print(f"{threads} thread(s)  normlib s  steps/s   PyTorch s  steps/s   normlib is")
    for norm in (None, "batch", "layer"):
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(train_numpy(norm, digits))
            if torch is not None:
                theirs.append(train_torch(norm, digits))
        own = np.median(ours)
        row = f"{norm or 'none':11s} {own:9.3f} {STEPS / own:8.0f}"
        if torch is not None:
            other = np.median(theirs)
            row += (
                f"   {other:9.3f} {STEPS / other:8.0f}   {other / own:5.2f} x as fast"
            )
        print(row, flush=True)


def main():
    """Print the tables for 1 and 2 threads, each in a process of its own."""
    version = "is not installed" if torch is None else torch.__version__
    print(f"{STEPS} steps of 64-100-100-100-10, sigmoid, batch 60, float32, median of")
    print(f"{ROUNDS} turns; PyTorch {version}", flush=True)
    code = "from benchmarks.bench_training import table; table()"
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads)
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)


if __name__ == "__main__":
    main()
