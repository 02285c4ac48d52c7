"""Figures of notebook 04 on running statistics: what is averaged, and how fast."""

from functools import lru_cache

import numpy as np

from normlib.batch.running_lag import running_lag
from normlib.datasets import digits_split
from normlib.live import controls, style
from normlib.live.batch_norm_modes import Doctor, Groups, OneDigit, Switches
from normlib.live.figure import LiveFigure
from normlib.live.touch import Touch
from normlib.nets.layers import initial_weights
from normlib.running import (
    bias_corrected,
    half_life,
    unbiased_variance,
    update_running,
    weight_of_new,
)


@lru_cache
def first_values():
    """Return 64 linear functions of the 1437 training digits, shape (1437, 64)."""
    digits = digits_split(np.random.default_rng(0), standardized=True)
    return digits.x_train @ initial_weights(np.random.default_rng(1), 64, 64)


class RunningMean(LiveFigure):
    """A running mean follows the means of batches; at step 100 they jump."""

    steps, jump, size = 200, 100, 16
    unit = 3

    def make_controls(self):
        """Return the controls: what momentum weights, its value, and the start."""
        momenta = [0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999]
        weighs = [("new value (PyTorch)", "pytorch"), ("old value (Keras)", "keras")]
        return {
            "convention": controls.choice("momentum weights the", weighs, "pytorch"),
            "momentum": controls.steps("momentum", momenta, 0.1),
            "corrected": controls.switch("take the start 0 out"),
        }

    def draw(self, fig):
        """Draw the batch means, which stay, and places for what follows them."""
        rng = np.random.default_rng(0)
        x = first_values()[:, self.unit]
        batches = rng.choice(x, (self.steps, self.size))
        # Weights that move shift the values of later layers: here by 2 at step 100.
        self.true = x.mean() + np.where(np.arange(self.steps) < self.jump, 1.0, 3.0)
        self.means = batches.mean(axis=1) + self.true - x.mean()
        self.variance = batches.var(axis=1)
        steps = np.arange(1, self.steps + 1)
        ax = fig.add_axes((0.07, 0.15, 0.55, 0.74))
        ax.set(xlim=(0, self.steps + 1), ylim=(-0.6, 4.4))
        ax.set_xlabel("step")
        ax.set_title("the running mean of one unit")
        ax.plot(steps, self.means, "o", color=style.BEFORE, markersize=3, alpha=0.6)
        ax.plot(steps, self.true, "--", color=style.INK, linewidth=1.2)
        ax.text(
            104, 4.1, "dashed: true mean, dots: means of batches of 16", ha="center"
        )
        (self.line,) = ax.plot(steps, 0 * steps, color=style.AFTER, linewidth=2.5)
        self.right = right = fig.add_axes((0.72, 0.15, 0.26, 0.74))
        right.set(xlim=(0, 100), ylim=(0, 1.2), yticks=[0, 0.25, 0.5, 0.75, 1])
        right.set_xlabel("steps ago")
        right.set_title("what is left of a batch")
        (self.memory,) = right.plot([], [], color=style.AFTER)
        (self.half,) = right.plot([], [], "o", color=style.INK)
        self.note = right.text(97, 1.09, "", ha="right")
        return [self.line, self.memory, self.half, self.note]

    def touches(self):
        """Let the half-life be dragged."""

        def reach(x, y, start):
            weight = 1 - 0.5 ** (1 / max(x, 0.1))
            old = start.values["convention"] == "keras"
            return {"momentum": 1 - weight if old else weight}

        return [Touch(self.right, reach, "Drag the dot: the half-life.", sideways=True)]

    def move(self, convention, momentum, corrected):
        """Average the means of the batches."""
        kind = {"momentum": momentum, "convention": convention}
        mean, var = np.zeros(1), np.ones(1)
        track = np.empty(self.steps)
        for k in range(self.steps):
            batch = self.means[k : k + 1], self.variance[k : k + 1]
            mean, var = update_running(mean, var, *batch, self.size, **kind)
            shown = bias_corrected(mean, 0.0, k + 1, **kind) if corrected else mean
            track[k] = shown[0]
        self.line.set_ydata(track)
        weight, half = weight_of_new(momentum, convention), half_life(**kind)
        ago = np.linspace(0, 100, 201)
        self.memory.set_data(ago, (1 - weight) ** ago)
        self.half.set_data([half], [0.5])
        life = style.counted(f"{half:.3g}", "step")
        self.note.set_text(f"half-life {life}")
        return (
            f"A new batch has the weight {weight:.3g}; after {life} half of it is "
            f"forgotten. After 100 steps the running mean is {track[99]:z.2f} "
            f"(true {self.true[99]:.2f}), after 200 it is {track[-1]:z.2f} (true "
            f"{self.true[-1]:.2f})."
        )


@lru_cache(maxsize=64)
def spread_by_size(unit):
    """Return batch sizes and what three averages say of a unit's deviation.

    Rows: root of the mean 1/(N-1) variance, root of the mean 1/N variance, mean of
    the 1/N deviations; in units of the true deviation of all 1437 digits. Each size
    takes apart one shuffle of about 400,000 numbers, each digit 280 times.
    """
    x = first_values()[:, unit]
    x = ((x - x.mean()) / x.std()).astype(np.float32)
    drawn = x[_rows()]
    sizes = np.array([2, 4, 8, 16, 32, 64])
    rows = np.empty((3, len(sizes)))
    for k, size in enumerate(sizes.tolist()):
        batches = drawn[: drawn.size // size * size].reshape(-1, size)
        mean = batches.mean(axis=1)
        var = np.maximum(np.einsum("ij,ij->i", batches, batches) / size - mean**2, 0)
        var = var.astype(float)
        rows[:, k] = (
            np.sqrt(unbiased_variance(var, size).mean()),
            np.sqrt(var.mean()),
            np.sqrt(var).mean(),
        )
    return sizes, rows


@lru_cache
def _rows():
    return np.random.default_rng(0).permutation(np.repeat(np.arange(1437), 280))


class Averages(LiveFigure):
    """Average variances or deviations of batches: only one of three ways is right.

    The deviations are drawn when asked for.
    """

    names = (
        "variances with 1/(N-1)",
        "variances with 1/N",
        "deviations with 1/N",
    )
    looks = ((style.AFTER, "o-"), (style.BATCH, "s-"), (style.RMS, "^-"))

    def make_controls(self):
        """Return the controls: batch size and unit."""
        sizes = spread_by_size(0)[0].tolist()
        return {
            "size": controls.steps("batch size N", sizes, 4),
            "unit": controls.whole("unit", 0, 63, 3),
            "deviations": controls.switch("average deviations, too"),
        }

    def draw(self, fig):
        """Draw the axes, three curves and a mark at the batch size."""
        sizes, _ = spread_by_size(0)
        self.ax = ax = fig.add_axes((0.08, 0.15, 0.50, 0.72))
        ax.set_xscale("log", base=2)
        ax.set(xlim=(1.8, 70), ylim=(0.4, 1.12))
        ax.set_xticks([2, 4, 8, 16, 32, 64], ["2", "4", "8", "16", "32", "64"])
        ax.minorticks_off()
        ax.set_xlabel("batch size N")
        ax.set_title("average over many batches / true std")
        ax.axhline(1, color=style.INK, linewidth=1, linestyle="--")
        self.curves = [
            ax.plot(sizes, 0 * sizes, look, color=color, markersize=5)[0]
            for color, look in self.looks
        ]
        (self.mark,) = ax.plot([4, 4], [0.4, 1.12], color=style.BEFORE, linewidth=1)
        fig.text(0.62, 0.80, "average of ...", weight="bold")
        self.numbers, self.key = [], []
        for k, (name, (color, look)) in enumerate(
            zip(self.names, self.looks, strict=True)
        ):
            y = 0.66 - 0.2 * k
            mark = dict(o="●", s="■").get(look[0], "▲")
            self.key.append(
                (fig.text(0.61, y, mark, color=color), fig.text(0.65, y, name))
            )
            self.numbers.append(fig.text(0.65, y - 0.07, "", weight="bold"))
        return [*self.curves, self.mark, *self.numbers, *self.key[2]]

    def touches(self):
        """Let the batch size be picked on its axis."""
        return [
            Touch(
                self.ax,
                lambda x, y, start: {"size": x},
                "Click: the batch size.",
                "pointer",
                sideways=True,
            )
        ]

    def move(self, size, unit, deviations):
        """Show the averages of one unit."""
        sizes, rows = spread_by_size(unit)
        for curve, row in zip(self.curves, rows, strict=True):
            curve.set_ydata(row)
        self.mark.set_xdata([size, size])
        for artist in (self.curves[2], self.numbers[2], *self.key[2]):
            artist.set_visible(deviations)
        right, biased, roots = rows[:, sizes == size][:, 0]
        for text, value in zip(self.numbers, (right, biased, roots), strict=True):
            text.set_text(f"{value:.3f}")
        tail = f"; averaged deviations give {roots:.3f}" if deviations else ""
        return (
            f"Unit {unit}, batches of {size}: variances with 1/(N-1) give {right:.3f} "
            f"of the true standard deviation, with 1/N {biased:.3f}{tail}."
        )


class Lag(LiveFigure):
    """Running against precise statistics of the same weights, while they move."""

    names = ("as stored", "start taken out")
    looks = ((style.BATCH, "s--"), (style.AFTER, "o-"))
    runs = {}  # finished runs by setting: the same setting gives the same run

    def make_controls(self):
        """Return the controls: momentum and seed."""
        return {
            "momentum": controls.steps("momentum w", [0.01, 0.03, 0.1, 0.3, 1.0], 0.3),
            "seed": controls.whole("seed", 0, 9, 0),
        }

    def draw(self, fig):
        """Draw the two panels, a curve each for both kinds of running statistics."""
        self.curves = []
        for left, title, limits in (
            (0.08, "running variance / precise variance", (0.8, 1.35)),
            (0.57, "distance of the means, in std", (0.0, 1.1)),
        ):
            ax = fig.add_axes((left, 0.15, 0.41, 0.72))
            ax.set(xlim=(0, 62), ylim=limits, xlabel="training step")
            ax.set_title(title)
            ax.axhline(1 - (left > 0.5), color=style.INK, lw=1.2, ls=":")
            for color, look in self.looks:
                (curve,) = ax.plot([], [], look, color=color, ms=6)
                self.curves.append(curve)
        for k, (name, (color, look)) in enumerate(
            zip(self.names, self.looks, strict=True)
        ):
            y = 0.98 - 0.1 * k
            ax.plot([25], [y], look[0], color=color, ms=6)
            ax.text(27, y, name, va="center")
        return self.curves

    def move(self, momentum, seed):
        """Train the network afresh."""
        known = self.runs.get((momentum, seed))
        points = []
        for point in known or running_lag(seed, momentum=momentum):
            points.append(point)
            steps = [p.step for p in points]
            rows = [p.variance for p in points], [p.mean for p in points]
            for k, curve in enumerate(self.curves):
                curve.set_data(steps, np.array(rows[k // 2])[:, k % 2])
            if known is None:
                yield point.step / 60
        self.runs[momentum, seed] = self.points = points
        end = points[-1]
        return (
            f"Momentum {momentum:g}, step 60: with the start taken out, the running "
            f"variances are {end.variance[1]:.3f} of the precise ones, and the means "
            f"lie {end.mean[1]:.2f} std off; as stored, {end.mean[0]:.2f} std."
        )


FIGURES = {
    "running_mean": RunningMean,
    "averages": Averages,
    "lag": Lag,
    "doctor": Doctor,
    "one_digit": OneDigit,
    "groups": Groups,
    "switches": Switches,
}
