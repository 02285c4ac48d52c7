"""Figures of notebook 09: what the loss does around a network that trains."""

import numpy as np
from matplotlib.collections import PolyCollection

from normlib.landscape.along_gradient import CASES, MULTIPLES, along_the_gradient
from normlib.landscape.learning_rates import envelope, train_at_rates
from normlib.landscape.theorems import gradient_norm_sides
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.surface_views import Surfaces
from normlib.nets.watching import gather

NORMS = style.NORMS
MARKERS = {"none": "o", "batch": "s", "layer": "^"}
NETWORKS = {"relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "deep relu": "dead"}
SEEDS = (0, 1, 2)
STEPS, EVERY = 100, 5
GUESSING = np.log(10)

walked = {}  # finished runs by (network, norm, seed): the same setting, the same run


def walks(network, norm, seed):
    """Run `along_the_gradient` once and keep it; yield its records so far.

    Yields
    ------
    list of WalkRecord
        One more each time; after the last one the run is in `walked`.
    """
    records = []
    settings = CASES[NETWORKS[network]]
    for record in along_the_gradient(
        NORMS[norm], seed=seed, steps=STEPS, every=EVERY, **settings
    ):
        records.append(record)
        yield records
    walked[network, norm, seed] = measured(records)


def measured(records):
    """Return the records of walks as arrays, without one that has no walk."""
    return gather([r for r in records if np.isfinite(r.gradient_norm)])


def run(network, norm, seed):
    """Return the walks of one run of the figure as arrays, from step 0 to 100."""
    if (network, norm, seed) not in walked:
        for _ in walks(network, norm, seed):
            pass
    return walked[network, norm, seed]


def measures(history, reach):
    """Return range, change and beta of every walk, up to `reach` learning rates.

    Returns
    -------
    ndarray of shape (3, T)
        Largest minus smallest loss, largest change of the gradient, largest beta.
    """
    inside = np.array(MULTIPLES) <= reach
    losses, changes = history.losses[:, inside], history.changes[:, inside]
    return np.array(
        [np.ptp(losses, axis=1), changes.max(1), history.betas[:, inside].max(1)]
    )


class AlongTheGradient(LiveFigure):
    """Walk along the gradient at every few steps of training, with three norms."""

    height = 4.9
    names = ("range of the loss", "change of the gradient", "effective beta")
    limits = ((3e-3, 60), (1e-2, 1e2), (1e-1, 1e2))

    def make_controls(self):
        """Return the controls: network, step, length of the walk and seed."""
        return {
            "network": controls.choice("network", list(NETWORKS), "relu"),
            "step": controls.whole("training step", 0, STEPS, 50, EVERY),
            "reach": controls.slider("walk up to (learning rates)", 1, 4, 4, 0.5),
            "seed": controls.whole("seed", SEEDS[0], SEEDS[-1], 0),
        }

    def draw(self, fig):
        """Draw one walk on the left, and on the right each measure over training."""
        left = fig.add_axes((0.08, 0.46, 0.38, 0.46))
        left.set(yscale="log", xlim=(-0.1, 4.1), ylim=(0.02, 30))
        left.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        left.minorticks_off()
        left.set_xlabel("learning rates walked")
        self.title = style.moving_title(left)
        self.walks, self.lines, self.bands, self.marks, self.cells = {}, {}, [], [], {}
        for name in NORMS:
            look = {"color": style.NORM_COLOR[name], "marker": MARKERS[name]}
            (self.walks[name],) = left.plot([], [], markersize=6, **look)
        colors = [style.NORM_COLOR[name] for name in NORMS]
        for k, (words, limits) in enumerate(zip(self.names, self.limits, strict=True)):
            ax = fig.add_axes((0.57, 0.73 - 0.305 * k, 0.41, 0.20))
            ax.set(yscale="log", xlim=(-2, STEPS + 2), ylim=limits)
            ax.minorticks_off()
            ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
            ax.tick_params(labelbottom=k == 2)
            ax.set_title(words)
            band = PolyCollection([], facecolors=colors, alpha=0.25, linewidths=0)
            self.bands.append(ax.add_collection(band))
            self.marks.append(ax.axvline(0, color=style.INK, linewidth=1, ls=":"))
            for name, color in zip(NORMS, colors, strict=True):
                look = {"marker": MARKERS[name], "markersize": 3, "linewidth": 1.5}
                self.lines[name, k] = ax.plot([], [], color=color, **look)[0]
        ax.set_xlabel("training step (band: 3 seeds)")
        self._draw_table(fig)
        return [
            *self.bands,
            *self.marks,
            *self.lines.values(),
            *self.walks.values(),
            *self.cells.values(),
            self.title,
        ]

    def _draw_table(self, fig):
        columns = (0.18, 0.27, 0.38, 0.47)
        for x, word in zip(columns, ("loss", "range", "change", "beta"), strict=True):
            fig.text(x, 0.285, word, ha="right", weight="bold")
        for row, name in enumerate(NORMS):
            y, sign = 0.215 - 0.07 * row, "●■▲"[row]
            color = style.NORM_COLOR[name]
            fig.text(0.02, y, f"{sign} {name}", color=color, weight="bold")
            for column, x in enumerate(columns):
                self.cells[name, column] = fig.text(x, y, "", ha="right")

    def move(self, network, step, reach, seed):
        """Train and walk where that has not been done yet, then show."""
        wanted = [(network, norm, s) for s in self._order(seed) for norm in NORMS]
        missing = [key for key in wanted if key not in walked]
        for done, key in enumerate(missing):
            for records in walks(*key):
                if key[2] == seed:
                    growing = {key: measured(records)}
                    self._show(network, step, reach, seed, growing)
                yield min(1.0, (done + records[-1].step / STEPS) / len(missing))
        self._show(network, step, reach, seed, {})
        found = [self._numbers(walked[network, n, seed], step, reach) for n in NORMS]
        ranges, changes, betas = (
            " / ".join(row[k] for row in found) for k in (1, 2, 3)
        )
        last = [walked[network, n, seed].loss[-1] for n in NORMS]
        ends = " / ".join(f"{value:.2f}" for value in last)
        untaught = [n for n, v in zip(NORMS, last, strict=True) if v > GUESSING - 0.15]
        guess = f" Still guessing: {', '.join(untaught)}." if untaught else ""
        return (
            f"{network}, seed {seed}, step {step}, none / batch / layer: within "
            f"{reach:g} learning rates along the gradient the loss ranges over "
            f"{ranges}, the gradient changes by {changes}, effective beta is {betas}. "
            f"Loss at step 100: {ends}.{guess}"
        )

    @staticmethod
    def _order(seed):
        return [seed, *(s for s in SEEDS if s != seed)]

    @staticmethod
    def _numbers(history, step, reach):
        at = step // EVERY
        if at >= len(history.step):
            return ["diverged", "-", "-", "-"]
        values = [history.loss[at], *measures(history, reach)[:, at]]
        return [f"{value:.2g}" if value < 100 else ">100" for value in values]

    def _show(self, network, step, reach, seed, growing):
        self.title.set_text(f"loss along the gradient, step {step}")
        for mark in self.marks:
            mark.set_xdata([step, step])
        verts = [[], [], []]
        for name in NORMS:
            key = network, name, seed
            history = growing.get(key, walked.get(key))
            self._show_walk(name, history, step, reach)
            found = np.empty((3, 0)) if history is None else measures(history, reach)
            for k, limits in enumerate(self.limits):
                steps = [] if history is None else history.step
                self.lines[name, k].set_data(steps, np.clip(found[k], *limits))
            seeds = [walked.get((network, name, s)) for s in SEEDS]
            for k, band in enumerate(self._band(seeds, reach)):
                verts[k].append(band)
        for band, shapes in zip(self.bands, verts, strict=True):
            band.set_verts(shapes)

    def _show_walk(self, name, history, step, reach):
        at = step // EVERY
        reached = history is not None and at < len(history.step)
        words = self._numbers(history, step, reach) if reached else [""] * 4
        for column, word in enumerate(words):
            self.cells[name, column].set_text(word)
        path, losses = [], []
        if reached:
            inside = np.array(MULTIPLES) <= reach
            path = np.append(0.0, np.array(MULTIPLES)[inside])
            losses = np.append(history.loss[at], history.losses[at][inside])
        self.walks[name].set_data(path, np.clip(losses, 0.02, 30))

    def _band(self, histories, reach):
        """Return the outline of the seeds' smallest and largest, per measure."""
        if any(history is None for history in histories):
            return [np.zeros((3, 2))] * 3
        count = min(len(history.step) for history in histories)
        steps = histories[0].step[:count]
        found = np.array([measures(h, reach)[:, :count] for h in histories])
        outlines = []
        for k, limits in enumerate(self.limits):
            low, high = np.clip([found[:, k].min(0), found[:, k].max(0)], *limits)
            around = np.append(steps, steps[::-1]), np.append(low, high[::-1])
            outlines.append(np.column_stack(around))
        return outlines


class Envelope(LiveFigure):
    """Runs with different learning rates beside walks from one run."""

    height = 4.8
    bands = {}  # envelopes by (norm, largest rate, seed)
    tops = (0.06, 0.1, 0.2, 0.4, 0.8)

    def make_controls(self):
        """Return the controls: the largest learning rate and the seed."""
        return {
            "top": controls.steps("learning rates 0.05 to", list(self.tops), 0.4),
            "seed": controls.whole("seed", SEEDS[0], SEEDS[-1], 0),
        }

    def draw(self, fig):
        """Draw a column for each experiment and a row for each norm."""
        self.areas, self.heads = {}, {}
        for row, name in enumerate(("none", "batch")):
            for column in range(2):
                rect = (0.08 + 0.49 * column, 0.60 - 0.46 * row, 0.41, 0.28)
                ax = fig.add_axes(rect)
                ax.set(yscale="log", xlim=(0, STEPS), ylim=(0.03, 30))
                ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
                ax.minorticks_off()
                if row:
                    ax.set_xlabel("training step")
                if not column:
                    ax.set_ylabel("loss")
                color = style.NORM_COLOR[name]
                area = PolyCollection([], facecolor=color, alpha=0.5, edgecolor=color)
                self.areas[name, column] = ax.add_collection(area)
                self.heads[name, column] = style.moving_title(ax)
        return [*self.areas.values(), *self.heads.values()]

    def move(self, top, seed):
        """Train with four learning rates; look up the walks of one run."""
        jobs = [(name, k) for name in ("none", "batch") for k in range(2)]
        width = {}
        for done, (name, column) in enumerate(jobs):
            source = self._envelope if column == 0 else self._walk
            for part in source(name, top, seed):
                yield (done + part) / len(jobs)
            width[name, column] = self._show(name, column, top, seed)
        left = width["none", 0] / width["batch", 0]
        right = width["none", 1] / width["batch", 1]
        return (
            f"Learning rates 0.05 to {top:g}, seed {seed}: the band between the four "
            f"runs is {width['none', 0]:.2g} wide on average without norm and "
            f"{width['batch', 0]:.2g} with batch norm, a ratio of {left:.2g}. Along "
            f"the gradients of one run (learning rate 0.1) the loss ranges over "
            f"{width['none', 1]:.2g} and {width['batch', 1]:.2g}, a ratio of "
            f"{right:.2g}."
        )

    def _envelope(self, name, top, seed):
        if (name, top, seed) in self.bands:
            return
        records = []
        rates = np.linspace(0.05, top, 4)
        for record in train_at_rates(
            NORMS[name],
            rates,
            depth=6,
            width=32,
            steps=STEPS,
            test_every=STEPS + 1,
            seed=seed,
        ):
            records.append(record)
            yield record.step / STEPS
        self.bands[name, top, seed] = envelope(gather(records))

    def _walk(self, name, top, seed):
        if ("relu", name, seed) not in walked:
            for records in walks("relu", name, seed):
                yield records[-1].step / STEPS

    def _show(self, name, column, top, seed):
        if column == 0:
            low, high = self.bands[name, top, seed]
            steps = np.arange(len(low))
            words = f"{name}: 4 runs, 0.05 to {top:g}"
        else:
            history = walked["relu", name, seed]
            low, high = history.losses.min(1), history.losses.max(1)
            steps = history.step
            words = f"{name}: 1 run, along its gradient"
        self.heads[name, column].set_text(words)
        shown = np.clip([low, high], 0.03, 30)
        around = np.append(steps, steps[::-1]), np.append(shown[0], shown[1][::-1])
        self.areas[name, column].set_verts([np.column_stack(around)])
        return float((high - low).mean())


class GradientBound(LiveFigure):
    """Theorem 4.1: what batch norm does to the length of a gradient."""

    cases = 200
    span = (1e-3, 1e4)

    def make_controls(self):
        """Return the controls: sigma, gamma, batch size and seed."""
        return {
            "sigma": controls.log_slider("sigma", -0.5, 0.5, 10**-0.3),
            "gamma": controls.slider("gamma", 0.3, 2.0, 1.0),
            "size": controls.steps("batch size m", [3, 4, 8, 32, 128], 8),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the line of equality, and the line on which nothing has changed."""
        self.dots = []
        for k, (x, name) in enumerate(
            ((0.09, "right side"), (0.59, "squared gradient before"))
        ):
            ax = fig.add_axes((x, 0.16, 0.37, 0.70))
            ax.set(xscale="log", yscale="log", xlim=self.span, ylim=self.span)
            ax.set_xticks([1e-2, 1, 1e2, 1e4])
            ax.set_yticks([1e-2, 1, 1e2, 1e4])
            ax.minorticks_off()
            ax.plot(self.span, self.span, color=style.INK, linewidth=1)
            ax.set_xlabel(name)
            ax.set_title(("left side", "squared gradient after")[k])
            look = {"color": style.BATCH, "markersize": 4, "linestyle": "none"}
            self.dots.append(ax.plot([], [], "o", alpha=0.6, **look)[0])
        (self.factor,) = ax.plot([], [], "--", color=style.BATCH, linewidth=1.5)
        # The labels stand on the side of the line where nothing is.
        self.above = ax.text(2e-3, 5e3, "", va="top")
        self.below = ax.text(7e3, 2e-3, "", ha="right")
        return [self.factor, *self.dots, self.above, self.below]

    def move(self, sigma, gamma, size, seed):
        """Draw 200 units with their gradients and compare both sides."""
        rng = np.random.default_rng(seed)
        y = rng.standard_normal((size, self.cases))
        y *= sigma / y.std(0)
        dz = rng.standard_normal(y.shape)
        sides = gradient_norm_sides(y, dz, gamma)
        for dots, x in zip(self.dots, (sides.right, sides.plain), strict=True):
            dots.set_data(np.clip(x, *self.span), np.clip(sides.left, *self.span))
        factor = (gamma / sigma) ** 2
        self.factor.set_data(self.span, np.array(self.span) * factor)
        words = "line: unchanged\ndashed: times\ngamma² / sigma²"
        self.above.set_text(words if factor < 1 else "")
        self.below.set_text(words if factor >= 1 else "")
        off = np.abs(sides.left / sides.right - 1).max()
        agree = "equal up to rounding" if off < 1e-8 else f"apart by up to {off:.1g}"
        larger = np.sum(sides.left > sides.plain)
        mean = np.mean(sides.left / sides.plain)
        return (
            f"sigma {sigma:.2g}, gamma {gamma:.2g}, batches of {size}: both sides are "
            f"{agree} in {self.cases} cases. The factor gamma²/sigma² is {factor:.3g}, "
            f"and batch norm makes the gradient longer in {larger} of them; on average "
            f"the squared length is multiplied by {mean:.3g}."
            f"{self.beyond(sides.left)}"
        )

    def beyond(self, values):
        """Say how many dots stand at the edge, since their place lies beyond it."""
        low, high = self.span
        count = np.sum((values < low) | (values > high))
        return f" {count} lie beyond the axes, at whose edge they stand." * bool(count)


FIGURES = {
    "gradient": AlongTheGradient,
    "bound": GradientBound,
    "surfaces": Surfaces,
    "envelope": Envelope,
}
