"""Time the experiments on depth: the trainability map, a gradient rate, a profile.

python benchmarks/bench_propagation.py
"""

import time

from normlib.depth.gradient_rates import batch_norm_rate
from normlib.depth.propagation import depth_profile, measure_gradient_rate
from normlib.depth.trainability import DEPTHS, RATES, trainability_rows
from normlib.family.invariances import invariance_table

NORMS = (None, "batch", "layer")


def best_of(repeats, function):
    """Return the shortest of several wall-clock times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def one_network_at_a_time():
    for rate in RATES:
        list(trainability_rows(rates=(rate,), norms=NORMS))


def main(repeats=3):
    print(f"{len(DEPTHS)} depths x {len(RATES)} rates x {len(NORMS)} norms, 100 steps")
    for norm in NORMS:
        seconds = best_of(
            repeats, lambda norm=norm: list(trainability_rows(norms=(norm,)))
        )
        name = f"trainability map, {norm or 'no'} norm"
        print(f"  {name:<36}{seconds:8.2f} s")
    together = best_of(repeats, lambda: list(trainability_rows(norms=NORMS)))
    print(f"  {'trainability map, all three':<36}{together:8.2f} s  (wanted: 3)")
    apart = best_of(1, one_network_at_a_time)
    print(f"  {'the same, one network at a time':<36}{apart:8.2f} s")
    print(f"  {'ratio':<36}{apart / together:8.2f}")
    for width in (128, 256):
        seconds = best_of(
            repeats, lambda width=width: measure_gradient_rate(width=width, networks=1)
        )
        name = f"rate point, width {width}, depth 40"
        print(f"  {name:<36}{seconds * 1e3:8.0f} ms")
    for depth in (5, 20, 40):
        seconds = best_of(
            repeats, lambda depth=depth: depth_profile(depth, norm="batch", networks=1)
        )
        print(f"  {f'profile, depth {depth}':<36}{seconds * 1e3:8.0f} ms")
    seconds = best_of(repeats, lambda: batch_norm_rate("tanh", 32))
    print(f"  {'one predicted rate':<36}{seconds * 1e3:8.1f} ms")
    seconds = best_of(repeats, invariance_table)
    print(f"  {'table of invariances':<36}{seconds * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()
