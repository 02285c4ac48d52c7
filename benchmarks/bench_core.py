"""Time the norms and a training step, beside the same at another commit.

    git worktree add /tmp/before 188ffbb
    BEFORE=/tmp/before python -m benchmarks core

Both run in processes of their own that take turns, job by job, so that both meet the
same load of the machine; the median counts, and it is processor time, which waits for
nobody. Without BEFORE there is one column.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent.parent
SHAPES = ((60, 100), (256, 256))
NORMS = ("batch", "layer", "rms", "group")
STEPS = 30
ROUNDS = 41


def norm_job(norm, shape, dtype):
    """Return a function that runs a norm forward and backward."""
    import normlib

    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, *shape)).astype(dtype)
    gamma, beta = rng.normal(size=(2, shape[1])).astype(dtype)
    given = {"rms": (gamma,), "group": (2, gamma, beta)}.get(norm, (gamma, beta))
    forward = getattr(normlib, f"{norm}_norm")
    backward = getattr(normlib, f"{norm}_norm_backward")
    return lambda: backward(dy, forward(x, *given)[1])


def train_job(norm, dtype):
    """Return a function that trains the network of bench_training for some steps."""
    from normlib.datasets import digits_split

    try:
        from normlib.nets.network import mlp
        from normlib.nets.training import collect, fit
    except ImportError:  # an older commit
        from normlib.network import mlp
        from normlib.training import collect, fit

    digits = digits_split(np.random.default_rng(0), dtype=dtype)
    x, labels = digits.x_train, digits.y_train

    def run():
        rng = np.random.default_rng(0)
        sizes = [64, 100, 100, 100, 10]
        options = {"activation": "sigmoid", "norm": norm, "init": 0.1}
        net = mlp(sizes, rng=rng, dtype=dtype, **options)
        collect(fit(net, x, labels, lr=0.5, batch_size=60, steps=STEPS, rng=rng))

    return run


def jobs():
    """Return every job by name, with how often to repeat it and its unit."""
    found = {}
    for dtype in (np.float32, np.float64):
        kind = np.dtype(dtype).name
        for shape in SHAPES:
            for norm in NORMS:
                name = f"{norm} {shape[0]}x{shape[1]} {kind}"
                calls = 20 if shape[0] < 100 else 4
                found[name] = norm_job(norm, shape, dtype), calls, calls
        for norm in (None, "batch", "layer", "rms"):
            name = f"step, {norm or 'none'} {kind}"
            found[name] = train_job(norm, dtype), 1, STEPS
    return found


def serve():
    """Answer the name of each job with its microseconds."""
    known = jobs()
    for run, _, _ in known.values():
        run()
    # Once a large array was freed, malloc keeps memory; before that, it depends.
    _ = np.ones(2**21)
    del _
    for line in sys.stdin:
        run, calls, units = known[line.strip()]
        start = time.process_time()
        for _ in range(calls):
            run()
        print(1e6 * (time.process_time() - start) / units, flush=True)


def ask(process, name):
    """Let a process run a job once; return the microseconds."""
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main():
    """Print the table."""
    places = [Path(os.environ["BEFORE"])] if "BEFORE" in os.environ else []
    places.append(HERE)
    code = f"import sys; sys.path.append({str(HERE)!r}); "
    code += "from benchmarks.bench_core import serve; serve()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"},
            cwd=place.anchor,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    print("microseconds of processor time, median; norms are forward + backward")
    print(f"{'':24}" + ("   before" if len(places) > 1 else "") + "      now   ratio")
    for name in jobs():
        times = np.array(
            [[ask(process, name) for process in processes] for _ in range(ROUNDS)]
        )
        line = f"{name:24}" + "".join(f"{t:9.1f}" for t in np.median(times, axis=0))
        if len(places) > 1:
            line += f"{np.median(times[:, 1] / times[:, 0]):8.2f}"
        print(line, flush=True)
    for process in processes:
        process.stdin.close()
        process.wait()
