"""Run every benchmark, each in the file benchmarks/bench_<what>.py.

Usage, from the top of the repository::

    make bench
    python -m benchmarks [what ...]
"""

import importlib
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(wanted):
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    if unknown := set(wanted) - {name.removeprefix("bench_") for name in names}:
        sys.exit(f"no benchmark {sorted(unknown)}; there are {names}")
    for name in names:
        if wanted and name.removeprefix("bench_") not in wanted:
            continue
        start = time.perf_counter()
        print(f"== {name.removeprefix('bench_').replace('_', ' ')} ==", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
        print(f"({time.perf_counter() - start:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
