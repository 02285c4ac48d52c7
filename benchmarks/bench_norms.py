"""Time every norm, forward and backward, in float32, beside PyTorch.

    python -m benchmarks norms

PyTorch runs eagerly with autograd, on the CPU, with 1 and with 2 threads. The two
take turns in one process, in short batches of calls, so that both meet the same
load of the machine; the shortest batch counts. Only an idle machine gives fair
numbers for the large arrays, so the load is printed. numpy's elementwise steps
always run in one thread; only its matrix products may use two.

"copy" is the time to read the array once and write it once: about what memory
allows at the least. A forward and backward pass has to read three arrays and to
write two.
"""

import os
import subprocess
import sys
import time

import numpy as np

import normlib

try:
    import torch
except ImportError:
    torch = None

# (N, D), and the same number of entries as (N, C, H, W).
SHAPES = {
    (60, 100): (60, 4, 5, 5),
    (256, 256): (256, 4, 8, 8),
    (1024, 768): (96, 32, 16, 16),
    (8192, 1024): (128, 64, 32, 32),
}
NORMS = ("batch", "layer", "rms", "batch images", "instance images", "group images")
GROUPS = 2
THREADS = (1, 2)


def random_float32(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def in_numpy(norm, x, gamma, beta, dy):
    """Return a function that runs normlib forward and backward."""
    name, parameters = f"{norm}_norm", (gamma, beta)
    if norm == "group":
        parameters = (GROUPS, gamma, beta)
    elif norm == "rms":
        parameters = (gamma,)
    forward, backward = (getattr(normlib, f"{name}{end}") for end in ("", "_backward"))

    def run():
        _, cache = forward(x, *parameters)
        return backward(dy, cache)

    return run


def in_torch(norm, x, gamma, beta, dy):
    """Return a function that runs PyTorch forward and backward."""
    from torch.nn import functional

    x, gamma, beta = (torch.tensor(a, requires_grad=True) for a in (x, gamma, beta))
    dy = torch.tensor(dy)
    shape = gamma.shape
    inputs = (x, gamma) if norm == "rms" else (x, gamma, beta)
    forward = {
        "batch": lambda: functional.batch_norm(x, None, None, gamma, beta, True),
        "layer": lambda: functional.layer_norm(x, shape, gamma, beta),
        "rms": lambda: functional.rms_norm(x, shape, gamma, 1e-5),
        "instance": lambda: functional.instance_norm(x, None, None, gamma, beta),
        "group": lambda: functional.group_norm(x, GROUPS, gamma, beta),
    }[norm]
    return lambda: torch.autograd.grad(forward(), inputs, dy)


def microseconds(functions, seconds=0.6):
    """Time functions in turns; return the shortest time of a call of each."""
    start = time.perf_counter()
    for function in functions:
        function()
    once = (time.perf_counter() - start) / len(functions)
    calls = max(1, min(20, int(0.002 / once)))
    best = [np.inf] * len(functions)
    stop = time.perf_counter() + seconds
    turns = 0
    while turns < 5 or time.perf_counter() < stop:
        for k, function in enumerate(functions):
            start = time.perf_counter()
            for _ in range(calls):
                function()
            best[k] = min(best[k], (time.perf_counter() - start) / calls)
        turns += 1
    return [1e6 * value for value in best]


def compare(name, rows):
    """Print one line of the table for one norm and one shape."""
    norm, _, images = name.partition(" ")
    rng = np.random.default_rng(0)
    shape = SHAPES[rows] if images else rows
    x, dy = random_float32(rng, *shape), random_float32(rng, *shape)
    gamma, beta = random_float32(rng, shape[1]), random_float32(rng, shape[1])
    out = np.empty_like(x)
    functions = [in_numpy(norm, x, gamma, beta, dy), lambda: np.copyto(out, x)]
    if torch is not None:
        functions.append(in_torch(norm, x, gamma, beta, dy))
    ours, copy, *theirs = microseconds(functions)
    line = f"{'x'.join(map(str, shape)):>14}  {name:<16}{ours:>9.0f}"
    line += "".join(f"{t:>9.0f}{ours / t:>7.2f}" for t in theirs) or f"{'-':>9}{'-':>7}"
    print(f"{line}{copy:>8.0f}{ours / copy:>7.1f}", flush=True)


def table(threads):
    """Print the table for the number of threads that this process was given."""
    if torch is None:
        print("PyTorch is not installed: there is nothing to compare with.")
    else:
        torch.set_num_threads(threads)
    plural = "" if threads == 1 else "s"
    load = f"; load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{threads} thread{plural}, float32, forward + backward, microseconds{load}")
    print(
        f"{'shape':>14}  {'norm':<16}{'normlib':>9}{'PyTorch':>9}{'ratio':>7}"
        f"{'copy':>8}{'ratio':>7}"
    )
    for rows in SHAPES:
        for name in NORMS:
            compare(name, rows)
    print()


def main():
    # The libraries read the number of threads when they load: one process for each.
    for threads in THREADS:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | {name: str(threads) for name in names}
        command = [sys.executable, "-m", "benchmarks.bench_norms", str(threads)]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    table(int(sys.argv[1])) if len(sys.argv) > 1 else main()
