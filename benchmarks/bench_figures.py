"""How long a frame of each live figure takes, beside the same figure drawn anew.

The usual way, `interact` with a new inline figure, makes axes, artists and a tight
bounding box for every setting. Both are timed in one run, at the same settings.
"""

import io
import time

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from normlib.live import figures, style
from normlib.live.controls import offered

FRAMES = 200
REDRAWN = 20  # ten times slower, and steadier


def settings(figure, rng, count):
    """Return `count` random settings of a figure."""
    ranges = {name: offered(control) for name, control in figure.controls.items()}
    return [
        {name: values[rng.integers(len(values))] for name, values in ranges.items()}
        for _ in range(count)
    ]


def compute(figure, values):
    """Run `move` to its end; a refused setting costs what it costs."""
    try:
        result = figure.move(**values)
        if hasattr(result, "__next__"):
            for _ in result:
                pass
    except ValueError:
        pass


def milliseconds(function, *args):
    """Return the wall time of one call."""
    start = time.perf_counter()
    function(*args)
    return 1000 * (time.perf_counter() - start)


def frame(figure, values):
    """Return the times to compute, to draw and to encode one frame."""
    return (
        milliseconds(compute, figure, values),
        milliseconds(figure._frame),
        milliseconds(figure._encode),
    )


def redraw(figure, values):
    """Draw the same picture the usual way, into a new figure."""
    with style.style(lecture=False):
        fig = Figure(figsize=(figure.width, figure.height), dpi=style.DPI)
        FigureCanvasAgg(fig)
        figure.draw(fig)
        compute(figure, values)
        fig.savefig(io.BytesIO(), format="png", bbox_inches="tight")


def row(name, factory, rng):
    """Time one figure and return its line of the table."""
    live, usual = factory(), factory()
    chosen = settings(live, rng, FRAMES)
    frame(live, chosen[0])
    redraw(usual, chosen[0])
    frames, redrawn = [], []
    for k, values in enumerate(chosen):
        frames.append(frame(live, values))
        if k % (FRAMES // REDRAWN) == 0:
            redrawn.append(milliseconds(redraw, usual, values))
    parts = np.median(frames, axis=0)
    totals = np.sum(frames, axis=1)
    median, late = np.median(totals), np.percentile(totals, 95)
    anew = np.median(redrawn)
    return (
        f"{name:44}{parts[0]:8.1f}{parts[1]:7.1f}{parts[2]:8.1f}"
        f"{median:8.1f}{late:7.1f}{anew:8.0f}{anew / median:7.1f}"
    )


def main():
    """Print the table."""
    print(f"milliseconds; {FRAMES} random settings, drawn anew {REDRAWN} times")
    print(
        f"{'figure':44}{'compute':>8}{'draw':>7}{'encode':>8}"
        f"{'median':>8}{'95 %':>7}{'anew':>8}{'ratio':>7}"
    )
    rng = np.random.default_rng(0)
    for name, factory in figures().items():
        print(row(name, factory, rng), flush=True)


if __name__ == "__main__":
    main()
