"""Figures of notebook 08: what moves under a layer, and whether it matters."""

import numpy as np

from normlib.covariate_shift.frozen_weights import frozen_weights
from normlib.covariate_shift.gradient_shift import deep_linear_shift, digits_shift
from normlib.covariate_shift.input_drift import figure_one, median_range
from normlib.covariate_shift.noisy_batch_norm import NoiseConstants, drift, noisy_run
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.nets.watching import gather

NORMS = {"none": None, "batch": "batch", "layer": "layer"}
MARKS = {"none": "o", "batch": "s", "layer": "^"}
SHAPES = {"none": "●", "batch": "■", "layer": "▲"}
SEEDS = (0, 1, 2)
ALL = "all"


class FigureOne(LiveFigure):
    """Figure 1 of Ioffe and Szegedy: inputs of one unit, without and with a norm."""

    steps, every = 400, 20
    runs = {}  # finished runs by setting: the same setting gives the same run

    def make_controls(self):
        """Return the controls: initial scale, learning rate, unit and seed."""
        return {
            "init": controls.steps("std of the initial weights", [0.01, 0.1, 0.3], 0.3),
            "lr": controls.steps("learning rate", [0.5, 1.0, 3.0], 1.0),
            "unit": controls.whole("unit", 0, 9, 3),
            "seed": controls.whole("seed", 0, 2, 0),
        }

    def draw(self, fig):
        """Draw a panel of percentiles for each norm, and one of accuracies."""
        self.medians, self.edges, self.titles, self.lines = {}, {}, {}, {}
        for k, name in enumerate(NORMS):
            color = style.NORM_COLOR[name]
            ax = fig.add_axes((0.06 + 0.195 * k, 0.15, 0.175, 0.72))
            ax.set(xlim=(0, self.steps), ylim=(-8, 6), xticks=[0, 200])
            ax.set_xlabel("step")
            if k:
                ax.set_yticklabels([])
            else:
                ax.set_ylabel("input of the unit", labelpad=1)
            self.titles[name] = style.moving_title(ax)
            self.titles[name].set_color(color)
            (self.medians[name],) = ax.plot([], [], color=color, linewidth=2.5)
            self.edges[name] = [
                ax.plot([], [], "--", color=color, linewidth=1.3)[0] for _ in range(2)
            ]
        right = fig.add_axes((0.72, 0.15, 0.26, 0.72))
        right.set(xlim=(0, self.steps), ylim=(0, 1.03), xticks=[0, 200, 400])
        right.set_xlabel("step")
        right.set_title("test accuracy")
        right.axhline(0.1, color=style.INK, linewidth=0.8, linestyle=":")
        for name in NORMS:
            (self.lines[name],) = right.plot(
                [], [], MARKS[name] + "-", color=style.NORM_COLOR[name], markersize=4
            )
        edges = [line for pair in self.edges.values() for line in pair]
        return [
            *edges,
            *self.medians.values(),
            *self.lines.values(),
            *self.titles.values(),
        ]

    def move(self, init, lr, unit, seed):
        """Train three networks side by side."""
        known = self.runs.get((init, lr, seed))
        records = known or {name: [] for name in NORMS}
        if known is None:
            options = {"init": init, "lr": lr, "seed": seed}
            options |= {"steps": self.steps, "every": self.every, "width": 32}
            loops = {n: figure_one(norm, **options) for n, norm in NORMS.items()}
            total = self.steps / self.every + 1
            for k in range(int(total)):
                for name, loop in loops.items():
                    record = next(loop, None)
                    if record is not None:
                        records[name].append(record)
                    yield (k + 0.99) / total
                self._show(records, unit)
            self.runs[init, lr, seed] = records
        self._show(records, unit)
        found = {name: gather(rows) for name, rows in records.items()}
        travel = {n: np.ptp(r.percentiles[:, 1, unit]) for n, r in found.items()}
        reached = {n: r.accuracy[-1] for n, r in found.items()}
        overall = {n: median_range(r) for n, r in found.items()}
        return (
            f"Initial weights of std {init:g}, learning rate {lr:g}, seed {seed}: "
            f"after {self.steps} steps the accuracy is {reached['none']:.0%} without "
            f"norm, {reached['batch']:.0%} with batch norm, {reached['layer']:.0%} "
            f"with layer norm. The median input of unit {unit} travelled over "
            f"{travel['none']:.1f}, {travel['batch']:.1f} and {travel['layer']:.1f}; "
            f"the mean over all units is {overall['none']:.1f}, "
            f"{overall['batch']:.1f} and {overall['layer']:.1f}."
        )

    def _show(self, records, unit):
        for name, rows in records.items():
            run = gather(rows)
            low, middle, high = run.percentiles[:, :, unit].T
            self.medians[name].set_data(run.step, middle)
            for line, values in zip(self.edges[name], (low, high), strict=True):
                line.set_data(run.step, values)
            self.lines[name].set_data(run.step, run.accuracy)
            self.titles[name].set_text(f"{SHAPES[name]} {name} {run.accuracy[-1]:.0%}")


# Experiment, its learning rate, the linear maps to look at, and the last of them.
NETWORKS = {
    "25 linear": (deep_linear_shift, 1e-3, (2, 6, 11, 16, 21, 26), {"cases": 128}),
    "6 relu": (digits_shift, 0.1, (1, 2, 3, 4, 5, 6), {"activation": "relu"}),
    "6 tanh": (digits_shift, 0.1, (1, 2, 3, 4, 5, 6), {"activation": "tanh"}),
}


def shift_run(network, norm, times, seed):
    """Return a generator of records of the shift while 100 steps are made.

    Parameters
    ----------
    network : str
        A key of `NETWORKS`.
    norm : {None, "batch"}
        Norm of the hidden layers.
    times : float
        Multiplies the learning rate of `NETWORKS`.
    seed : int
        Data, weights and order.
    """
    experiment, lr, layers, options = NETWORKS[network]
    options = {"layers": layers, "lr": lr * times, "seed": seed} | options
    if experiment is digits_shift:
        options |= {"width": 32, "batch_size": 64}
    return experiment(norm, steps=100, every=20, **options)


class Shift(LiveFigure):
    """Internal covariate shift by definition 2.1, without norm and with batch norm."""

    runs = {}
    depths = np.arange(6)

    def make_controls(self):
        """Return the controls: network, two learning rates and the seed."""
        factors = [0.3, 1.0, 3.0]
        return {
            "network": controls.choice("hidden layers", list(NETWORKS), "25 linear"),
            "none": controls.steps("learning rate, none: times", factors, 1.0),
            "batch": controls.steps("learning rate, batch: times", factors, 1.0),
            "seed": controls.choice("seed", [*SEEDS, ALL], 0),
        }

    def draw(self, fig):
        """Draw the axes: the loss, and the cosine by layer."""
        left = fig.add_axes((0.08, 0.15, 0.34, 0.72))
        left.set(yscale="log", xlim=(-3, 103), ylim=(0.04, 40))
        left.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        left.minorticks_off()
        left.set_xlabel("step")
        left.set_title("training loss")
        right = fig.add_axes((0.53, 0.15, 0.30, 0.72))
        right.set(xlim=(-0.2, 5.2), ylim=(-1.05, 1.08))
        right.set_yticks([-1, 0, 1])
        right.set_xticks([0, 5], ["early", "late"])
        right.set_xlabel("layer")
        right.set_title("cosine of G and G'")
        right.axhline(1, color=style.INK, linewidth=0.8)
        right.axhline(0, color=style.FAINT, linewidth=0.8)
        self.loss, self.cosine, self.notes = {}, {}, []
        for k, name in enumerate(("none", "batch")):
            look = {"color": style.NORM_COLOR[name], "markersize": 5}
            look["linewidth"] = 1.6
            mark = MARKS[name] + "-"
            self.loss[name] = [left.plot([], [], mark, **look)[0] for _ in SEEDS]
            self.cosine[name] = [right.plot([], [], mark, **look)[0] for _ in SEEDS]
            at = 0.76 - 0.36 * k
            words = f"{SHAPES[name]} {name}"
            fig.text(0.85, at, words, color=look["color"], weight="bold")
            self.notes += [fig.text(0.85, at - d, "") for d in (0.08, 0.16, 0.24)]
        lines = [*self.loss.values(), *self.cosine.values()]
        return [line for group in lines for line in group] + self.notes

    def move(self, network, none, batch, seed):
        """Train, and measure at six layers as training goes."""
        seeds = SEEDS if seed == ALL else (seed,)
        wanted = [
            (n, t, s) for s in seeds for n, t in (("none", none), ("batch", batch))
        ]
        found = {}
        for k, (name, times, one) in enumerate(wanted):
            key = network, name, times, one
            if key not in self.runs:
                rows = []
                for record in shift_run(network, NORMS[name], times, one):
                    rows.append(record)
                    found[name, one] = gather(rows)
                    self._show(found)
                    yield (k + len(rows) / 6) / len(wanted)
                self.runs[key] = found[name, one]
            found[name, one] = self.runs[key]
        self._show(found)
        loss, cosine, shift = (
            {n: self._median(found, n, which) for n in ("none", "batch")}
            for which in (self._last_loss, self._late_cosine, self._late_shift)
        )
        who = f"median of seeds 0 to {SEEDS[-1]}" if seed == ALL else f"seed {seed}"
        more = sum(
            self._late_shift(found["batch", s]) > self._late_shift(found["none", s])
            for s in seeds
        )
        count = f"more in {more} of {len(seeds)} seeds" if seed == ALL else None
        more = count or ("more" if more else "less")
        return (
            f"{network} layers, learning rate times {none:g} (none) and {batch:g} "
            f"(batch), {who}: over the later half of the layers the mean shift is "
            f"{shift['none']:.2g} without norm and {shift['batch']:.2g} with batch "
            f"norm, which shifts {more}; the mean cosine is {cosine['none']:z.2f} and "
            f"{cosine['batch']:z.2f}. The loss ends at {loss['none']:.2g} and "
            f"{loss['batch']:.2g}."
        )

    @staticmethod
    def _last_loss(run):
        return run.loss[-1]

    @staticmethod
    def _late_cosine(run):
        return np.nanmean(run.cosine[:, 3:])

    @staticmethod
    def _late_shift(run):
        return np.nanmean(run.distance[:, 3:])

    @staticmethod
    def _median(found, name, number):
        return np.median([number(run) for (n, _), run in found.items() if n == name])

    def _show(self, found):
        for name in ("none", "batch"):
            for seed in SEEDS:
                run = found.get((name, seed))
                curves = self.loss[name][seed], self.cosine[name][seed]
                if run is None:
                    for curve in curves:
                        curve.set_data([], [])
                else:
                    curves[0].set_data(run.step, run.loss)
                    curves[1].set_data(self.depths, run.cosine.mean(axis=0))
        for k, name in enumerate(("none", "batch")):
            if any(n == name for n, _ in found):
                loss = self._median(found, name, self._last_loss)
                cosine = self._median(found, name, self._late_cosine)
                shift = self._median(found, name, self._late_shift)
                words = (
                    f"loss {loss:.2g}",
                    f"cosine {cosine:z.2f}",
                    f"shift {shift:.2g}",
                )
                for text, word in zip(
                    self.notes[3 * k : 3 * k + 3], words, strict=True
                ):
                    text.set_text(word)


TASKS = {
    "3 sigmoid, lr 1": {"depth": 3, "lr": 1.0},
    "6 relu, lr 0.1": {"activation": "relu", "depth": 6, "lr": 0.1},
}


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
    """Throw the inputs of every layer about at every step, and train all the same."""

    names = ("none", "batch", "noisy")
    colors = (style.NONE, style.BATCH, style.INK)
    looks = ("o-", "s-", "^--")
    steps = 110
    runs = {}

    def make_controls(self):
        """Return the controls: network, noise and seed."""
        return {
            "task": controls.choice("hidden layers", list(TASKS), "3 sigmoid, lr 1"),
            "noise": controls.steps("noise, times", [0, 0.5, 1, 2, 4], 1),
            "seed": controls.choice("seed", [*SEEDS, ALL], 0),
        }

    def draw(self, fig):
        """Draw the axes: the mean of one unit, and the accuracy."""
        left = fig.add_axes((0.07, 0.15, 0.36, 0.72))
        left.set(xlim=(0, self.steps), ylim=(-4.2, 4.2))
        left.set_xlabel("step")
        left.set_title("jump of one unit's mean")
        right = fig.add_axes((0.50, 0.15, 0.30, 0.72))
        right.set(xlim=(0, self.steps + 2), ylim=(0, 1.03))
        right.set_xlabel("step")
        right.set_title("test accuracy, noise off")
        self.means, self.accuracy, self.notes = {}, {}, []
        looks = zip(self.names, self.colors, self.looks, strict=True)
        for k, (name, color, look) in enumerate(looks):
            (self.means[name],) = left.plot([], [], look[1:], color=color)
            self.means[name].set_linewidth(1.3)
            self.accuracy[name] = [
                right.plot([], [], look, color=color, linewidth=1.4, markersize=4)[0]
                for _ in SEEDS
            ]
            at = 0.82 - 0.26 * k
            label = f"{'●■▲'[k]} {name}" + (" batch" if name == "noisy" else "")
            fig.text(0.82, at, label, color=color, weight="bold")
            self.notes += [fig.text(0.82, at - d, "") for d in (0.07, 0.14)]
        below = [self.means[name] for name in ("noisy", "none", "batch")]
        above = [line for group in self.accuracy.values() for line in group]
        return [*below, *above, *self.notes]

    def move(self, task, noise, seed):
        """Train three networks."""
        seeds = SEEDS if seed == ALL else (seed,)
        wanted = [(name, one) for one in seeds for name in self.names]
        found = {}
        for k, (name, one) in enumerate(wanted):
            key = task, name, one, noise if name == "noisy" else 0
            if key not in self.runs:
                rows = []
                for record in self._loop(*key):
                    rows.append(record)
                    if record.step and record.step % 10 == 0:
                        found[name, one] = gather(rows)
                        self._show(found)
                    yield (k + record.step / (self.steps + 1)) / len(wanted)
                self.runs[key] = gather(rows)
            found[name, one] = self.runs[key]
        self._show(found)
        early = {n: self._mean(found, n, lambda r: r.accuracy[50]) for n in self.names}
        jumps = {n: self._mean(found, n, drift) for n in self.names}
        who = f"mean of seeds 0 to {SEEDS[-1]}" if seed == ALL else f"seed {seed}"
        return (
            f"{task}, noise times {noise:g}, {who}: at step 50 the accuracy is "
            f"{early['none']:.0%} without norm, {early['batch']:.0%} with batch norm "
            f"and {early['noisy']:.0%} with noise after it. Per step the inputs of a "
            f"unit jump by {jumps['none']:.2f}, {jumps['batch']:.2f} and "
            f"{jumps['noisy']:.2f}."
        )

    def _loop(self, task, name, seed, noise):
        return noisy_run(
            None if name == "none" else "batch",
            name == "noisy" and noise > 0,
            width=32,
            steps=self.steps,
            test_every=10,
            constants=noise_constants(noise),
            seed=seed,
            **TASKS[task],
        )

    @staticmethod
    def _mean(found, name, number):
        return np.mean([number(run) for (n, _), run in found.items() if n == name])

    def _show(self, found):
        for name in self.names:
            first = min((seed for n, seed in found if n == name), default=None)
            if first is not None:  # one seed: the means of three hide each other
                run = found[name, first]
                self.means[name].set_data(run.step[1:], np.diff(run.mean[:, 0]))
            for seed, curve in enumerate(self.accuracy[name]):
                run = found.get((name, seed))
                if run is None:
                    curve.set_data([], [])
                else:
                    tested = np.isfinite(run.accuracy)
                    curve.set_data(run.step[tested], run.accuracy[tested])
        for k, name in enumerate(self.names):
            if any(n == name for n, _ in found):
                last = self._mean(found, name, lambda r: r.accuracy[::10][-1])
                words = (
                    f"ends at {last:.0%}",
                    f"jumps {self._mean(found, name, drift):.2f}",
                )
                for text, word in zip(
                    self.notes[2 * k : 2 * k + 2], words, strict=True
                ):
                    text.set_text(word)


class FrozenWeights(LiveFigure):
    """Batches differ from each other also where nothing is learned."""

    batches = 30
    runs = {}

    def make_controls(self):
        """Return the controls: learning rate, batch size, unit and seed."""
        return {
            "lr": controls.steps("learning rate", [0.0, 0.01, 0.03, 0.1], 0.0),
            "size": controls.steps("batch size", [20, 60, 240], 60),
            "unit": controls.whole("unit", 0, 9, 0),
            "seed": controls.whole("seed", 0, 2, 0),
        }

    def draw(self, fig):
        """Draw the axes: means of a unit by batch, and the shift of each update."""
        left = fig.add_axes((0.08, 0.15, 0.50, 0.72))
        left.set(xlim=(-1, self.batches), ylim=(-0.9, 0.9))
        left.set_xlabel("batch")
        left.set_title("mean of one unit, from where it began")
        (self.dots,) = left.plot([], [], "o", color=style.BEFORE, markersize=6)
        (self.line,) = left.plot([], [], color=style.AFTER, linewidth=2.5)
        left.text(29, 0.78, "dots: over the batch", color=style.BEFORE, ha="right")
        left.text(29, -0.84, "line: over all digits", color=style.AFTER, ha="right")
        right = fig.add_axes((0.68, 0.15, 0.30, 0.72))
        right.set(xlim=(-1, self.batches), ylim=(-0.04, 0.84))
        right.set_xlabel("batch")
        right.set_title("shift of each update")
        (self.shift,) = right.plot([], [], "s-", color=style.WARN, markersize=4)
        self.note = right.text(29, 0.77, "", ha="right", weight="bold")
        return [self.dots, self.line, self.shift, self.note]

    def move(self, lr, size, unit, seed):
        """Show batches to a network, with its weights frozen or trained."""
        run = self.runs.get((lr, size, seed))
        if run is None:
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
                run = gather(rows)
                self._show(run, unit)
                yield len(rows) / self.batches
            self.runs[lr, size, seed] = run
        self._show(run, unit)
        noise = (run.batch_mean - run.fixed_mean)[:, unit].std()
        moved = np.ptp(run.fixed_mean[:, unit])
        return (
            f"Learning rate {lr:g}, batches of {size}, seed {seed}: from batch to "
            f"batch the mean of unit {unit} scatters by {noise:.2f} (std); "
            f"over all digits it moves by {moved:.2f}. The largest covariate shift of "
            f"an update is {run.shift.max():.2g}."
        )

    def _show(self, run, unit):
        start = run.fixed_mean[0, unit]
        self.dots.set_data(run.step, run.batch_mean[:, unit] - start)
        self.line.set_data(run.step, run.fixed_mean[:, unit] - start)
        self.shift.set_data(run.step, run.shift)
        largest = run.shift.max()
        self.note.set_text("exactly 0" if largest == 0 else f"up to {largest:.2g}")


FIGURES = {
    "figure_one": FigureOne,
    "shift": Shift,
    "noisy": NoisyBatchNorm,
    "frozen": FrozenWeights,
}
