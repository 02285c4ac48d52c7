"""How long a frame of each live figure takes, beside the same figure drawn anew.

A screen of twice the pixels asks for frames of ratio 2: computed alike, drawn and
encoded with four times the pixels.
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

FRAMES = 100
SECONDS = 2.0  # for the frames of one figure: those that train make fewer, at least 3
REDRAWN = 10  # ten times slower, and steadier


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


def frame(figure, sharp, values):
    """Return the times to compute, and at ratio 1 and 2 to draw and to encode."""
    parts = [milliseconds(compute, figure, values)]
    compute(sharp, values)
    for one in (figure, sharp):
        parts += [milliseconds(one._frame), milliseconds(one._encode)]
    return parts


def redraw(figure, values):
    """Draw the same picture the usual way, into a new figure."""
    with style.style(lecture=False):
        fig = Figure(figsize=(figure.width, figure.height), dpi=style.DPI)
        FigureCanvasAgg(fig)
        figure.draw(fig)
        compute(figure, values)
        fig.savefig(io.BytesIO(), format="png", bbox_inches="tight")


def row(name, factory, rng):
    """Time one figure and return its line of the table and its medians."""
    live, sharp, usual = factory(), factory(), factory()
    sharp._on_ratio(2.0)
    chosen = settings(live, rng, FRAMES)
    frame(live, sharp, chosen[0])
    redraw(usual, chosen[0])
    frames, redrawn, end = [], [], time.perf_counter() + SECONDS
    for k, values in enumerate(chosen):
        if k >= 3 and time.perf_counter() > end:
            break
        frames.append(frame(live, sharp, values))
        if k % (FRAMES // REDRAWN) == 0:
            redrawn.append(milliseconds(redraw, usual, values))
    frames = np.array(frames)
    parts = np.median(frames, axis=0)
    totals = [frames[:, [0, 1, 2]].sum(1), frames[:, [0, 3, 4]].sum(1)]
    once, twice = (np.median(total) for total in totals)
    anew = np.median(redrawn)
    numbers = "".join(f"{part:8.1f}" for part in parts)
    line = f"{name:44}{numbers}{once:9.1f}{twice:8.1f}{anew:8.0f}{anew / once:7.1f}"
    return line, once, twice


def main():
    """Print the table."""
    print(
        f"milliseconds; {FRAMES} random settings, drawn anew {REDRAWN} times, or as "
        f"many as {SECONDS:g} s allow"
    )
    heads = "compute", "draw 1", "encode", "draw 2", "encode"
    print(
        f"{'figure':44}{''.join(f'{head:>8}' for head in heads)}"
        f"{'frame 1':>9}{'2':>8}{'anew':>8}{'ratio':>7}"
    )
    rng = np.random.default_rng(0)
    medians = []
    for name, factory in figures().items():
        line, *both = row(name, factory, rng)
        medians.append(both)
        print(line, flush=True)
    once, twice = np.median(medians, axis=0)
    print(f"{'median figure':44}{'':40}{once:9.1f}{twice:8.1f}")


if __name__ == "__main__":
    main()
