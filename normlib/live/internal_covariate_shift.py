"""Figures of notebook 08: what changes under a layer, and whether it matters."""

from functools import partial

import numpy as np

from normlib.covariate_shift.change import change, total_change
from normlib.covariate_shift.frozen_weights import frozen_weights
from normlib.covariate_shift.gradient_shift import deep_linear_shift, digits_shift
from normlib.covariate_shift.input_change import figure_one, steps_to_accuracy
from normlib.covariate_shift.noisy_batch_norm import NoiseConstants, noisy_run
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.touch import Touch
from normlib.nets.watching import gather

NORMS = style.NORMS
MARKS = {"none": "o", "batch": "s", "layer": "^"}
SHAPES = {"none": "●", "batch": "■", "layer": "▲"}
OPEN = {"none": "○", "batch": "□"}


class FigureOne(LiveFigure):
    """Figure 1 of Ioffe and Szegedy: inputs of one unit, without and with a norm."""

    steps, every = 400, 20
    height = 4.1
    runs = {}  # finished runs by setting: the same setting gives the same run

    def make_controls(self):
        """Return the controls: learning rate, initial scale, unit and seed."""
        return {
            "lr": controls.steps("learning rate", [0.5, 1.0, 3.0], 1.0),
            "init": controls.steps("std of the first weights", [0.01, 0.1, 0.3], 0.3),
            "unit": controls.whole("unit", 0, 9, 3),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the input of a unit under each norm, and a panel of accuracies."""
        self.means, self.edges, self.words, self.lines = {}, {}, {}, {}
        for k, name in enumerate(NORMS):
            color = style.NORM_COLOR[name]
            ax = fig.add_axes((0.065 + 0.195 * k, 0.15, 0.178, 0.74))
            ax.set(xlim=(0, self.steps), ylim=(-8, 8), xticks=[0, 200])
            ax.set_xlabel("step")
            ax.set_title(f"{SHAPES[name]} {name}", color=color)
            if k:
                ax.set_yticklabels([])
            else:
                ax.set_ylabel("input of the unit", labelpad=1)
                ax.text(12, 6.6, "solid: mean")
                ax.text(12, 5.3, "dashed: 15, 85 %")
            (self.means[name],) = ax.plot([], [], color=color, linewidth=3)
            self.edges[name] = [
                ax.plot([], [], "--", color=color, linewidth=1.3)[0] for _ in range(2)
            ]
            self.words[name] = ax.text(12, -7.4, "", weight="bold")
        right = fig.add_axes((0.71, 0.15, 0.27, 0.74))
        right.set(xlim=(0, self.steps), ylim=(0, 1.03), xticks=[0, 200, 400])
        right.set_yticks([0, 0.5, 0.9], ["0", "50 %", "90 %"])
        right.set_xlabel("step")
        right.set_title("test accuracy")
        right.axhline(0.9, color=style.INK, linewidth=0.8, linestyle=":")
        for name in NORMS:
            (self.lines[name],) = right.plot(
                [], [], MARKS[name] + "-", color=style.NORM_COLOR[name], markersize=4
            )
        edges = [line for pair in self.edges.values() for line in pair]
        groups = self.means, self.lines, self.words
        return edges + [artist for group in groups for artist in group.values()]

    def touches(self):
        """Drag sideways in a panel: the next units, without training again."""
        return [
            Touch(
                mean.axes,
                lambda x, y, start: {"unit": start.values["unit"] + (x - start.x) / 40},
                hint="Drag sideways for another unit.",
                sideways=True,
            )
            for mean in self.means.values()
        ]

    def move(self, lr, init, unit, seed):
        """Train three networks side by side."""
        key = lr, init, seed
        if key not in self.runs:
            options = {"lr": lr, "init": init, "seed": seed, "width": 32}
            options |= {"steps": self.steps, "every": self.every}
            loops = {n: figure_one(norm, **options) for n, norm in NORMS.items()}
            records = {name: [] for name in NORMS}
            total = self.steps // self.every + 1
            for k in range(total):
                for name, loop in loops.items():
                    record = next(loop, None)
                    if record is not None:
                        records[name].append(record)
                    yield (k + 0.99) / total
                self._show({n: gather(rows) for n, rows in records.items()}, unit)
            self.runs[key] = {n: gather(rows) for n, rows in records.items()}
        found = self.runs[key]
        self._show(found, unit)
        total = ", ".join(f"{n} {total_change(r.mean):.1f}" for n, r in found.items())
        reached = ", ".join(
            f"{n} {_step(steps_to_accuracy(r))}" for n, r in found.items()
        )
        here = ", ".join(f"{n} {np.ptp(r.mean[:, unit]):.1f}" for n, r in found.items())
        return (
            f"Total change of the mean input of unit {unit}: {here}; averaged "
            f"over the units: {total}. "
            f"Step at which 90 % are right: {reached}."
        )

    def _show(self, found, unit):
        for name, run in found.items():
            self.means[name].set_data(run.step, run.mean[:, unit])
            for line, values in zip(
                self.edges[name], run.edges[:, :, unit].T, strict=True
            ):
                line.set_data(run.step, values)
            self.lines[name].set_data(run.step, run.accuracy)
            self.words[name].set_text(f"changes by {np.ptp(run.mean[:, unit]):.1f}")


def _append(rows, record):
    """Append a record; one that says why the run stops leaves only its reason."""
    if record.reason:
        rows[-1] = rows[-1]._replace(reason=record.reason)
    else:
        rows.append(record)


def _step(step):
    return f"{step:.0f}" if np.isfinite(step) else "not reached"


class FrozenWeights(LiveFigure):
    """Batches differ from each other also where nothing is learned."""

    batches, unit = 30, 0
    runs = {}

    def make_controls(self):
        """Return the controls: learning rate, batch size and seed."""
        return {
            "lr": controls.steps("learning rate", [0.0, 0.03, 0.1], 0.0),
            "size": controls.steps("batch size", [20, 60, 240], 60),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the axes: means of a unit by batch, and the change by step."""
        left = fig.add_axes((0.08, 0.15, 0.54, 0.74))
        left.set(xlim=(-1, self.batches), ylim=(-1.1, 1.1), yticks=[-1, 0, 1])
        left.set_xlabel("batch")
        left.set_title("mean input of one unit, from its first value")
        (self.dots,) = left.plot([], [], "o", color=style.INK, markersize=6)
        (self.line,) = left.plot([], [], color=style.AFTER, linewidth=3)
        left.text(29, 0.93, "dots: over the batch", color=style.INK, ha="right")
        left.text(29, -1.02, "line: over all digits", color=style.AFTER, ha="right")
        right = fig.add_axes((0.71, 0.15, 0.27, 0.74))
        right.set(xlim=(-1, self.batches), ylim=(-0.008, 0.168), yticks=[0, 0.1])
        right.set_xlabel("batch")
        right.set_title("change by step")
        (self.change,) = right.plot([], [], "s-", color=style.AFTER, markersize=4)
        right.text(29, 0.138, "mean over all units", color=style.AFTER, ha="right")
        self.note = right.text(29, 0.154, "", ha="right", weight="bold")
        return [self.dots, self.line, self.change, self.note]

    def move(self, lr, size, seed):
        """Show batches to a network, with its weights frozen or trained."""
        key = lr, size, seed
        if key not in self.runs:
            rows = []
            loop = frozen_weights(
                lr,
                activation="relu",
                width=32,
                batch_size=size,
                batches=self.batches,
                seed=seed,
            )
            for record in loop:
                rows.append(record)
                self._show(gather(rows))
                yield len(rows) / self.batches
            self.runs[key] = gather(rows)
        run = self.runs[key]
        self._show(run)
        means = "frozen weights" if lr == 0 else f"learning rate {lr:g}"
        return (
            f"Batches of {size}, {means}: the mean over a batch misses the mean over "
            f"all digits by {misses(run):.2f} (root mean square over all units), and "
            f"that over all digits changes by {total_change(run.fixed_mean):.2f} in "
            "total."
        )

    def _show(self, run):
        start = run.fixed_mean[0, self.unit]
        self.dots.set_data(run.step, run.batch_mean[:, self.unit] - start)
        self.line.set_data(run.step, run.fixed_mean[:, self.unit] - start)
        change = np.abs(np.diff(run.fixed_mean, axis=0)).mean(axis=1)
        self.change.set_data(run.step[1:], change)
        largest = change.max(initial=0)
        self.note.set_text("exactly 0" if largest == 0 else f"up to {largest:.2g}")


def misses(run):
    """Return by how much the mean over a batch misses that over all digits (rms)."""
    return float(np.sqrt(((run.batch_mean - run.fixed_mean) ** 2).mean()))


TASKS = {"3 sigmoid": {"depth": 3}, "6 relu": {"activation": "relu", "depth": 6}}
# Norm, and whether the noise follows it.
NETWORKS = {
    "none": (None, False),
    "batch": ("batch", False),
    "none, noise": (None, True),
    "batch, noise": ("batch", True),
}
LAGS = 1, 20, 50


def noise_constants(times):
    """Return the ranges of the noise, `times` as wide as those of the experiment."""
    c = NoiseConstants()
    return NoiseConstants(
        times * c.mean_range,
        1 + times * (c.scale_max - 1),
        times * c.mean_jitter,
        times * c.scale_jitter,
    )


class NoisyBatchNorm(LiveFigure):
    """Change the inputs of every layer at every step, and train all the same."""

    steps = 110
    height = 4.1
    runs = {}

    def make_controls(self):
        """Return the controls: network, learning rate, noise and seed."""
        return {
            "task": controls.choice("hidden layers", list(TASKS), "3 sigmoid"),
            "lr": controls.steps("learning rate", [0.1, 1.0, 10.0], 1.0),
            "noise": controls.steps("noise, times", [0, 1, 2, 4], 0),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the axes: the mean of one unit, its change, and the accuracy."""
        left = fig.add_axes((0.06, 0.15, 0.25, 0.74))
        left.set(xlim=(0, self.steps), ylim=(-2.5, 2.5), xticks=[0, 50, 100])
        left.set_xlabel("step")
        left.set_title("mean of one unit")
        middle = fig.add_axes((0.38, 0.15, 0.16, 0.74))
        middle.set(xlim=(-0.3, 2.3), yscale="log", ylim=(0.002, 20))
        middle.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
        middle.minorticks_off()
        middle.set_xticks(range(len(LAGS)), LAGS)
        middle.set_xlabel("over k steps")
        middle.set_title("change")
        right = fig.add_axes((0.61, 0.15, 0.18, 0.74))
        right.set(xlim=(0, self.steps + 2), ylim=(0, 1.03), xticks=[0, 50, 100])
        right.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        right.set_xlabel("step")
        right.set_title("test accuracy")
        self.means, self.change, self.accuracy, self.notes = {}, {}, {}, {}
        for k, name in enumerate(NETWORKS):
            norm, _, noise = name.partition(", ")
            look = {"color": style.NORM_COLOR[norm], "linewidth": 1.6}
            dash, fill = ("--", "white") if noise else ("-", look["color"])
            mark = look | {"marker": MARKS[norm], "markerfacecolor": fill}
            if name != "none, noise":  # two noisy lines hide each other
                (self.means[name],) = left.plot([], [], dash, **look)
                (self.change[name],) = middle.plot([], [], dash, **mark)
            (self.accuracy[name],) = right.plot([], [], dash, **mark, markersize=5)
            at = 0.82 - 0.19 * k
            label = f"{(OPEN if noise else SHAPES)[norm]} {name}"
            fig.text(0.805, at, label, color=look["color"], weight="bold")
            self.notes[name] = fig.text(0.805, at - 0.07, "")
        order = "batch, noise", "none", "batch"
        groups = self.change, self.accuracy, self.notes
        return [self.means[name] for name in order] + [
            artist for group in groups for artist in group.values()
        ]

    def touches(self):
        """Drag in the panel of changes: that much noise (1 changes a mean by 0.34)."""
        ax = self.change["batch"].axes
        return [
            Touch(
                ax,
                lambda x, y, start: {"noise": y / 0.34},
                hint="Drag up or down for more or less noise.",
            )
        ]

    def move(self, task, lr, noise, seed):
        """Train four networks, or two without noise."""
        found = {}
        shown = {n: kind for n, kind in NETWORKS.items() if noise or not kind[1]}
        for k, (name, (norm, noisy)) in enumerate(shown.items()):
            key = task, lr, norm, noise if noisy else 0, seed
            if key not in self.runs:
                rows = []
                for record in noise_run(*key, steps=self.steps):
                    _append(rows, record)
                    if record.step > LAGS[-1] and record.step % 10 == 0:
                        found[name] = gather(rows)
                        self._show(found)
                    yield (k + record.step / (self.steps + 1)) / len(shown)
                self.runs[key] = gather(rows)
            found[name] = self.runs[key]
        self._show(found)
        right = {name: _share(reached(run, 50)) for name, run in found.items()}
        lags = {n: " / ".join(map(_two, changes_of(r))) for n, r in found.items()}
        if not noise:
            for name in NETWORKS.keys() - shown:
                self.notes[name].set_text("noise is 0")
            return (
                f"Without noise. Right at step 50: {right['none']} without norm, "
                f"{right['batch']} with batch norm. Change over 1 / 20 / 50 steps: "
                f"{lags['none']} without norm, {lags['batch']} with batch norm."
            )
        return (
            f"Right at step 50: {right['none']} without norm, {right['batch']} with "
            f"batch norm, {right['batch, noise']} with noise after it. Change over 1 / "
            f"20 / 50 steps: {lags['none']} without norm, {lags['batch, noise']} with "
            "batch norm and noise."
        )

    def _show(self, found):
        for name in NETWORKS:
            run = found.get(name)
            for curves in (self.means, self.change, self.accuracy):
                if run is None and name in curves:
                    curves[name].set_data([], [])
            self.notes[name].set_text("")
            if run is None:
                continue
            if name in self.means:
                self.means[name].set_data(run.step, run.mean[:, 0].clip(-9, 9))
                stopped = [] if run.reason else range(len(LAGS))
                self.change[name].set_data(stopped, changes_of(run)[: len(stopped)])
            tested = np.isfinite(run.accuracy)
            self.accuracy[name].set_data(run.step[tested], run.accuracy[tested])
            last = f"ends at {run.accuracy[tested][-1]:.0%}"
            self.notes[name].set_text("diverges" if run.reason else last)


def noise_run(
    task,
    lr,
    norm,
    times,
    seed,
    steps=NoisyBatchNorm.steps,
    *,
    test_every=10,
    dtype=np.float64,
):
    """Return a generator of the records of one network of the figure."""
    return noisy_run(
        norm,
        times > 0,
        lr=lr,
        width=32,
        steps=steps,
        test_every=test_every,
        constants=noise_constants(times),
        seed=seed,
        dtype=dtype,
        **TASKS[task],
    )


def changes_of(run):
    """Return the change of a unit's mean over each of `LAGS`; NaN if it diverged."""
    return [np.nan if run.reason else change(run.mean, lag) for lag in LAGS]


def reached(run, step):
    """Return the accuracy at a step; NaN if the run has diverged before."""
    return float(run.accuracy[step]) if step < len(run.accuracy) else np.nan


def _share(value):
    return f"{value:.0%}" if np.isfinite(value) else "nothing (diverged)"


def _two(value):
    return f"{value:.2f}" if np.isfinite(value) else "-"


# Experiment, the linear maps to look at (the last writes the output), its steps.
STACKS = {
    "25 linear": (deep_linear_shift, (2, 6, 11, 16, 21, 26), 200),
    "6 relu": (partial(digits_shift, activation="relu"), (2, 3, 4, 5, 6, 7), 100),
    "6 tanh": (partial(digits_shift, activation="tanh"), (2, 3, 4, 5, 6, 7), 100),
}
LATE = slice(3, 5)  # the last two maps with a norm after them


def shift_run(stack, norm, lr, seed, which=slice(None)):
    """Return a generator of records of the shift, five times in the run.

    Parameters
    ----------
    stack : str
        A key of `STACKS`.
    norm : {None, "batch"}
        Norm of the hidden layers.
    lr : float
        Learning rate.
    seed : int
        Data, weights and order.
    which : slice
        Of the linear maps; default all.
    """
    experiment, maps, steps = STACKS[stack]
    maps = maps[which]
    options = {"lr": lr, "seed": seed, "steps": steps, "every": steps // 4}
    if stack == "25 linear":
        return experiment(norm, layers=maps, **options)
    options |= {"layers": [i - 1 for i in maps], "width": 32, "batch_size": 64}
    return experiment(norm, **options)


class Shift(LiveFigure):
    """Gradients before and after the step of the layers before, by layer."""

    stacks, losses = ("25 linear",), (0.7, 40)
    rates, opening = (1e-4, 3e-4, 1e-3, 3e-3), 1e-3
    runs = {}
    places = np.arange(6)

    def make_controls(self):
        """Return the controls: network, two learning rates and the seed."""
        made = {
            "none": controls.steps("learning rate, none", self.rates, self.opening),
            "batch": controls.steps("learning rate, batch", self.rates, self.opening),
            "seed": controls.seed(),
        }
        if len(self.stacks) > 1:
            stack = controls.choice("hidden layers", self.stacks, self.stacks[0])
            made = {"stack": stack} | made
        return made

    def draw(self, fig):
        """Draw the axes: the cosine by layer, and the loss."""
        left = fig.add_axes((0.14, 0.19, 0.44, 0.70))
        left.set(xlim=(-0.3, 5.3), ylim=(-1.08, 1.08))
        left.set_yticks([-1, 0, 1], ["opposite: -1", "across: 0", "same: 1"])
        maps = STACKS[self.stacks[0]][1]
        left.set_xticks(self.places, maps)
        left.set_xlabel("number of the linear map (a norm after each but the output)")
        left.set_title("cosine of G and G'")
        left.axvspan(4.5, 5.3, color=style.FAINT)
        left.text(4.9, -1.02, "output", rotation=90, ha="center")
        for level in (0, 1):
            left.axhline(level, color=style.INK, linewidth=0.8)
        right = fig.add_axes((0.66, 0.19, 0.32, 0.70))
        right.set(yscale="log", xlim=(-3, STACKS[self.stacks[0]][2] + 3))
        right.set(ylim=self.losses, yticks=[0.1, 1, 10][-len(self.stacks) - 1 :])
        right.yaxis.set_major_formatter("{x:g}")
        right.minorticks_off()
        right.set_xlabel("step")
        right.set_title("training loss")
        self.loss, self.cosine = {}, {}
        for name in ("none", "batch"):
            look = {"color": style.NORM_COLOR[name], "linewidth": 2}
            (self.loss[name],) = right.plot([], [], MARKS[name] + "-", **look)
            (self.cosine[name],) = left.plot([], [], MARKS[name] + "-", **look)
        for k, name in enumerate(("none", "batch")):
            words, color = f"{SHAPES[name]} {name}", style.NORM_COLOR[name]
            left.text(-0.2, -0.75 - 0.2 * k, words, color=color, weight="bold")
        return [*self.loss.values(), *self.cosine.values()]

    def move(self, none, batch, seed, stack="25 linear"):
        """Train, and measure at six linear maps as training goes."""
        found = {}
        for k, (name, lr) in enumerate((("none", none), ("batch", batch))):
            key = stack, name, lr, seed
            if key not in self.runs:
                rows = []
                for record in shift_run(stack, NORMS[name], lr, seed):
                    _append(rows, record)
                    found[name] = gather(rows)
                    self._show(found)
                    yield (k + len(rows) / 5.01) / 2
                self.runs[key] = found[name]
            found[name] = self.runs[key]
        self._show(found)
        maps = STACKS[stack][1][LATE]
        late = {name: late_cosine(run) for name, run in found.items()}
        ends = {
            n: "diverges" if run.reason else f"ends at {run.loss[-1]:.2g}"
            for n, run in found.items()
        }
        if not found["none"].reason:
            ends["batch"] = ends["batch"].removeprefix("ends ")  # said once
        return (
            f"Linear maps {maps[0]} and {maps[1]}: the mean cosine is "
            f"{late['none']:z.2f} without norm and {late['batch']:z.2f} with batch "
            f"norm. The loss {ends['none']} without norm and {ends['batch']} with it."
        )

    def _show(self, found):
        for name in ("none", "batch"):
            run = found.get(name)
            if run is None:
                self.loss[name].set_data([], [])
                self.cosine[name].set_data([], [])
            else:
                self.loss[name].set_data(run.step, run.loss)
                self.cosine[name].set_data(self.places, run.cosine.mean(axis=0))


class DigitsShift(Shift):
    """The same on two networks that learn digits."""

    stacks, losses = ("6 relu", "6 tanh"), (0.015, 8)
    rates, opening = (0.03, 0.1, 0.3), 0.1


def late_cosine(run):
    """Return the mean cosine of the last two maps with a norm after them."""
    return float(np.nanmean(run.cosine[:, LATE]))


FIGURES = {
    "figure_one": FigureOne,
    "frozen": FrozenWeights,
    "noisy": NoisyBatchNorm,
    "shift": Shift,
    "digits_shift": DigitsShift,
}
