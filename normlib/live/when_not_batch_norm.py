"""Figures of notebook 10: small batches, sequences of unequal length, recurrence."""

import numpy as np
from matplotlib.collections import PolyCollection

from normlib.batch.batch_size import batch_size_rows
from normlib.batch.recurrent_scale import recurrent_profile
from normlib.batch.sequences import step_means
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.touch import Touch
from normlib.live.vanishing_exploding import two_digits

SIZES = (2, 4, 8, 16, 32, 64)


class BatchSizes(LiveFigure):
    """Errors on new digits by batch size, for batch norm and layer norm."""

    height = 3.9
    runs = {}  # finished runs by setting: the same setting gives the same run

    def make_controls(self):
        """Return the controls: rule of the learning rate, passes, seed."""
        return {
            "rule": controls.choice(
                "learning rate", ["in proportion", "the same"], "in proportion"
            ),
            "epochs": controls.whole("passes over the digits", 2, 5, 4),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the axes and what names the lines."""
        ax = fig.add_axes((0.10, 0.17, 0.60, 0.70))
        ax.set(xscale="log", xlim=(1.7, 75), ylim=(0, 1))
        ax.set_xticks(SIZES, [str(size) for size in SIZES])
        ax.minorticks_off()
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        ax.set_xlabel("digits in a batch")
        ax.set_title("new digits read wrong")
        ax.axhline(0.9, color="#bbbbbb", lw=1, zorder=0)
        ax.text(73, 0.91, "guessing", ha="right", va="bottom", color="#595959")
        self.lines, names = [], []
        for dash, mark, color, words in (
            ("-", "o", style.BATCH, "batch norm,\nrunning statistics"),
            (":", "s", style.BATCH, "batch norm,\nthe test batch's own"),
            ("--", "D", style.LAYER, "layer norm"),
        ):
            self.lines += ax.plot([], [], dash, marker=mark, color=color, ms=7)
            names.append((words, color, dash, mark))
        for k, (words, color, dash, mark) in enumerate(names):
            y = 0.76 - 0.17 * k
            ax.plot(
                [0.725, 0.755],
                [y, y],
                dash,
                marker=mark,
                color=color,
                transform=fig.transFigure,
                clip_on=False,
            )
            fig.text(0.77, y, words, va="center", color=style.INK)
        return self.lines

    def move(self, rule, epochs, seed):
        """Train at every batch size, from the largest on."""
        key = rule, epochs, seed
        if key not in self.runs:
            settings = dict(
                epochs=epochs,
                examples=480,
                proportional=rule == "in proportion",
                seeds=(seed,),
            )
            found = {"batch": [], "layer": []}
            for k, size in enumerate(reversed(SIZES)):
                for norm, rows in found.items():
                    rows += batch_size_rows((norm,), (size,), **settings)
                self._set(found)
                yield (k + 1) / len(SIZES)
            self.runs[key] = found
        found = self.runs[key]
        self._set(found)
        errors = {
            norm: [row.running[0] for row in rows] for norm, rows in found.items()
        }
        return (
            # Coarse: after pairs a network ends elsewhere on another processor.
            f"Batches of 2: batch norm reads some {round(errors['batch'][-1], 1):.0%} "
            f"of new digits wrong, layer norm {errors['layer'][-1]:.0%}. Batches of "
            f"64: {errors['batch'][0]:.0%} and {errors['layer'][0]:.0%}."
        )

    def _set(self, found):
        sizes = [row.batch_size for row in found["batch"]]
        for line, norm, kind in zip(
            self.lines,
            ("batch", "batch", "layer"),
            ("running", "batch", "running"),
            strict=True,
        ):
            line.set_data(sizes, [getattr(row, kind)[0] for row in found[norm]])


class Lengths(LiveFigure):
    """Sequences whose length the reader changes, and the mean of each time step."""

    height = 4.0
    longest = 12
    opening = (12, 9, 7, 6, 6, 5, 4, 4, 3, 2)

    def __init__(self):
        self.x = 1 + np.random.default_rng(2).normal(
            size=(len(self.opening), self.longest)
        )
        self.lengths = list(self.opening)
        super().__init__()

    def make_controls(self):
        """Return the controls: which sequence, its length, padding."""
        return {
            "sequence": controls.whole("sequence", 0, len(self.opening) - 1, 1),
            "length": controls.whole("its length", 1, self.longest, self.opening[1]),
            "padding": controls.switch("count the padding"),
        }

    def draw(self, fig):
        """Draw the sequences, and the axes of the mean of each step."""
        n, t = self.x.shape
        left = self.left = fig.add_axes((0.07, 0.15, 0.38, 0.72))
        left.set(xlim=(-0.05, t + 0.05), ylim=(n - 0.4, -0.6))
        left.set_xticks(np.arange(0, t, 3) + 0.5, [str(k + 1) for k in range(0, t, 3)])
        left.set_yticks(range(n), [str(k) for k in range(n)])
        left.tick_params(length=0)
        left.spines[:].set_visible(False)
        left.set_xlabel("time step")
        left.set_title("sequences of one batch")
        self.cells = PolyCollection([], edgecolors="white", linewidths=1.5)
        self.picked = PolyCollection([], facecolors="none", edgecolors=style.INK)
        self.picked.set_linewidth(2)
        left.add_collection(self.cells)
        left.add_collection(self.picked)
        right = fig.add_axes((0.56, 0.15, 0.41, 0.72))
        right.set(xlim=(0, t), ylim=(-1.2, 3.2), yticks=range(4))
        right.set_xticks(np.arange(0, t, 3) + 0.5, [str(k + 1) for k in range(0, t, 3)])
        right.set_xlabel("time step")
        right.set_title("mean of each step (grey: true)")
        right.axhline(1, color="#8a8a8a", lw=2, zorder=0)
        self.band = PolyCollection([], facecolors=style.BATCH, alpha=0.18)
        right.add_collection(self.band)
        (self.means,) = right.plot([], [], "o-", color=style.BATCH, ms=7)
        self.counts = [
            right.text(k + 0.5, -1.05, "", ha="center", color=style.INK)
            for k in range(t)
        ]
        self.count_name = right.text(
            0.1, -0.62, "sequences that reach it:", color=style.INK
        )
        return [
            self.cells,
            self.picked,
            self.band,
            self.means,
            *self.counts,
            self.count_name,
        ]

    def touches(self):
        """Let the end of a sequence be dragged."""

        def to_values(x, y, start):
            row = int(np.clip(round(start.y), 0, len(self.opening) - 1))
            return {
                "sequence": row,
                "length": int(np.clip(np.ceil(x), 1, self.longest)),
            }

        return [
            Touch(
                self.left,
                to_values,
                "Drag a sequence to change its length; the others keep their own.",
                sideways=True,
            )
        ]

    def move(self, sequence, length, padding):
        """Take the mean of each step over the sequences that reach it."""
        lengths = list(self.opening)
        lengths[sequence] = length
        self.lengths = lengths
        found = step_means(self.x, lengths)
        n, t = self.x.shape
        there = [(row, k) for row in range(n) for k in range(lengths[row])]
        self.cells.set_verts([_cell(row, k) for row, k in there])
        self.cells.set_facecolor(
            [style.BATCH if row == sequence else "#e3a57c" for row, k in there]
        )
        self.picked.set_verts([_cell(sequence, k) for k in range(length)][-1:])
        means = found.padded if padding else found.mean
        at = np.arange(t) + 0.5
        reached = found.count > 0
        shown = np.ones(t, bool) if padding else reached
        self.means.set_data(at[shown], means[shown])
        wide = 1 / np.sqrt(np.maximum(found.count, 1))
        self.band.set_verts(
            []
            if padding
            else [
                np.concatenate(
                    [
                        np.column_stack([at, 1 + wide])[reached],
                        np.column_stack([at, 1 - wide])[reached][::-1],
                    ]
                )
            ]
        )
        for text, count in zip(self.counts, found.count, strict=True):
            text.set_text(str(count))
        last = np.flatnonzero(reached)[-1]
        if padding:
            return (
                f"With the padding counted, the mean of step {last + 1} is "
                f"{means[last]:z.2f}: {n - found.count[last]} of its {n} numbers are "
                "zeros that no sequence contains. The true mean is 1 at every step."
            )
        return (
            f"Step 1: {found.count[0]} sequences, mean {means[0]:z.2f}. Step "
            f"{last + 1}: {found.count[last]} left, mean {means[last]:z.2f}, which "
            f"scatters by about {wide[last]:.2f}. The true mean is 1 at every step."
        )


def _cell(row, k):
    return [
        (k, row - 0.38),
        (k + 1, row - 0.38),
        (k + 1, row + 0.38),
        (k, row + 0.38),
    ]


class Recurrence(LiveFigure):
    """The size of a recurrent state by time step, and of the gradient going back."""

    height = 3.9
    steps = 60

    def make_controls(self):
        """Return the controls: norm, gain of the weights, activation, seed."""
        return {
            "norm": controls.choice("norm", ["none", "layer"], "none"),
            "gain": controls.slider("gain of the weights", 0.5, 3.0, 1.6),
            "activation": controls.choice("activation", ["relu", "tanh"], "relu"),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw both axes."""
        self.lines = []
        for left, title, limits, ticks in (
            (0.08, "size of the state", (1e-6, 1e10), (1e-5, 1, 1e5, 1e10)),
            (
                0.57,
                "gradient, over that at the end",
                (1e-20, 1e15),
                (1e-20, 1e-10, 1, 1e10),
            ),
        ):
            ax = fig.add_axes((left, 0.17, 0.40, 0.70))
            ax.set(xlim=(1, self.steps), yscale="log", ylim=limits)
            ax.set_yticks(ticks)
            ax.minorticks_off()
            ax.axhline(1, color="#bbbbbb", lw=1, zorder=0)
            ax.set_xlabel("time step")
            ax.set_title(title)
            self.lines.append(ax.plot([], [], "-", lw=2)[0])
        return self.lines

    def move(self, norm, gain, activation, seed):
        """Run random recurrent networks for 60 steps."""
        found = recurrent_profile(
            self.steps,
            gain=gain,
            norm=None if norm == "none" else norm,
            activation=activation,
            networks=1,
            rng=seed,
        )
        size, gradient = found.rms[0], found.gradient[0]
        for line, values in zip(self.lines, (size, gradient), strict=True):
            line.set_data(found.steps, np.clip(values, 1e-30, 1e30))
            line.set_color(style.NORM_COLOR[norm])
            line.set_linestyle("-" if norm == "none" else "--")
        head = "No norm" if norm == "none" else "Layer norm"
        return (
            f"{head}, gain {gain:.1f}: from step 1 to step {self.steps} the state goes "
            f"from {two_digits(size[0])} to {two_digits(size[-1])}. The gradient that "
            f"reaches step 1 is {two_digits(gradient[0])} times the one at the end."
        )


FIGURES = {
    "batch_sizes": BatchSizes,
    "lengths": Lengths,
    "recurrence": Recurrence,
}
