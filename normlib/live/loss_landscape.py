"""Figures of notebook 09: what the loss does around a network that trains."""

import numpy as np
from matplotlib.collections import PolyCollection

from normlib.landscape.along_gradient import (
    CASES,
    MULTIPLES,
    along_the_gradient,
    measures,
)
from normlib.landscape.learning_rates import (
    envelope,
    largest_rate,
    train_at_rates,
)
from normlib.landscape.theorems import gradient_norm_sides
from normlib.landscape.usable_rate import curvature_while_training
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.surface_views import Surfaces
from normlib.live.touch import Touch
from normlib.nets.watching import gather

NORMS = style.NORMS
MARKERS = {"none": "o", "batch": "s", "layer": "^"}
SIGNS = {"none": "●", "batch": "■", "layer": "▲"}
NETWORKS = {"relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "deep relu": "dead"}
STEPS, EVERY = 100, 5
GUESSING = np.log(10)
TRAINED = 0.8  # share of the training digits that counts as trained

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


def nearest_rate(rates, x):
    """Return the rate nearest to `x` on a logarithmic axis."""
    return min(rates, key=lambda rate: abs(np.log(rate / max(x, 1e-3))))


def end(network, norm, seed):
    """Return the loss at the end of a run: the median of its last five walks."""
    return float(np.median(run(network, norm, seed).loss[-5:]))


class AlongTheGradient(LiveFigure):
    """Walk along the gradient at every few steps of training, with three norms.

    Parameters
    ----------
    network : str, default "relu"
        The one it opens on.
    """

    height = 4.25
    names = ("range of the loss", "change of the gradient", "effective beta")
    limits = ((3e-3, 60), (1e-2, 1e2), (1e-1, 1e2))

    def __init__(self, network="relu"):
        self.opening = network
        super().__init__()

    def make_controls(self):
        """Return the controls: network, step, length of the walk and seed."""
        return {
            "network": controls.choice("network", list(NETWORKS), self.opening),
            "step": controls.whole("training step", 0, STEPS, 50, EVERY),
            "reach": controls.slider("walk up to (learning rates)", 0.5, 4, 4, 0.5),
            "seed": controls.whole("seed", 0, 9, 0),
        }

    def draw(self, fig):
        """Draw one walk on the left, and on the right each measure over training."""
        left = fig.add_axes((0.08, 0.46, 0.38, 0.46))
        left.set(yscale="log", xlim=(-0.1, 4.1), ylim=(0.02, 30))
        left.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        left.minorticks_off()
        left.set_xlabel("learning rates walked")
        self.title = style.moving_title(left)
        self.end = left.axvline(0, color=style.INK, linewidth=1, ls=":")
        self.walks, self.lines, self.marks, self.cells = {}, {}, [], {}
        for name in NORMS:
            look = {"color": style.NORM_COLOR[name], "marker": MARKERS[name]}
            (self.walks[name],) = left.plot([], [], markersize=6, **look)
        self.panels = []
        for k, (words, limits) in enumerate(zip(self.names, self.limits, strict=True)):
            ax = fig.add_axes((0.57, 0.73 - 0.305 * k, 0.41, 0.20))
            ax.set(yscale="log", xlim=(-2, STEPS + 2), ylim=limits)
            ax.minorticks_off()
            ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
            ax.tick_params(labelbottom=k == 2)
            ax.set_title(words)
            self.panels.append(ax)
            self.marks.append(ax.axvline(0, color=style.INK, linewidth=1, ls=":"))
            for name in NORMS:
                look = {"marker": MARKERS[name], "markersize": 4, "linewidth": 1.5}
                color = style.NORM_COLOR[name]
                self.lines[name, k] = ax.plot([], [], color=color, **look)[0]
        ax.set_xlabel("training step")
        self.left = left
        self._draw_table(fig)
        return [
            self.end,
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
            y, color = 0.215 - 0.07 * row, style.NORM_COLOR[name]
            fig.text(0.02, y, f"{SIGNS[name]} {name}", color=color, weight="bold")
            for column, x in enumerate(columns):
                self.cells[name, column] = fig.text(x, y, "", ha="right")

    def touches(self):
        """Let the end of the walk be dragged, and the step of training."""

        def walk(x, y, start):
            return {"reach": x}

        def train(x, y, start):
            return {"step": x}

        words = "Left: drag to walk further or less far."
        steps = "Right: press or drag for another training step."
        return [
            Touch(self.left, walk, words, sideways=True),
            *(Touch(ax, train, steps, sideways=True) for ax in self.panels),
        ]

    def move(self, network, step, reach, seed):
        """Train and walk where that has not been done yet, then show."""
        missing = [n for n in NORMS if (network, n, seed) not in walked]
        for done, name in enumerate(missing):
            for records in walks(network, name, seed):
                growing = {name: measured(records)}
                self._show(network, step, reach, seed, growing)
                yield min(1.0, (done + records[-1].step / STEPS) / len(missing))
        self._show(network, step, reach, seed, {})
        found = [self._numbers(walked[network, n, seed], step, reach) for n in NORMS]
        ranges, betas = (" / ".join(row[k] for row in found) for k in (1, 3))
        last = [end(network, n, seed) for n in NORMS]
        ends = " / ".join(f"{value:.2f}" for value in last)
        untaught = [n for n, v in zip(NORMS, last, strict=True) if v > GUESSING - 0.15]
        guess = f" Still guessing: {', '.join(untaught)}." if untaught else ""
        rates = "learning rate" if reach == 1 else "learning rates"
        return (
            f"none / batch / layer: within {reach:g} {rates} along the gradient the "
            f"loss ranges over {ranges}, and beta is {betas}. Loss at the end: "
            f"{ends}.{guess}"
        )

    @staticmethod
    def _numbers(history, step, reach):
        at = step // EVERY
        if at >= len(history.step):
            return ["diverged", "-", "-", "-"]
        values = [history.loss[at], *measures(history, reach)[:, at]]
        return [f"{value:.2g}" if value < 100 else ">100" for value in values]

    def _show(self, network, step, reach, seed, growing):
        self.title.set_text(f"loss along the gradient, step {step}")
        self.end.set_xdata([reach, reach])
        for mark in self.marks:
            mark.set_xdata([step, step])
        for name in NORMS:
            history = growing.get(name, walked.get((network, name, seed)))
            self._show_walk(name, history, step, reach)
            found = np.empty((3, 0)) if history is None else measures(history, reach)
            for k, limits in enumerate(self.limits):
                steps = [] if history is None else history.step
                self.lines[name, k].set_data(steps, np.clip(found[k], *limits))

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


class UsableRates(LiveFigure):
    """Which rates train, and what the curvature measured at one rate says of it."""

    height = 4.8
    rates = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
    reached = {}  # accuracies by (norm, seed), one per rate
    curved = {}  # (2/beta, 2/lambda, whether trained) by (norm, rate, seed)

    def make_controls(self):
        """Return the controls: the rate at which curvature is measured, and seed."""
        return {
            "rate": controls.steps("measure while training at", self.rates, 0.1),
            "seed": controls.whole("seed", 0, 2, 0),
        }

    def draw(self, fig):
        """Draw accuracy over the rate above, and the curvature's rates below."""
        top = fig.add_axes((0.11, 0.52, 0.86, 0.40))
        low = fig.add_axes((0.11, 0.14, 0.86, 0.30))
        self.axes, self.curves, self.bars = (top, low), {}, {}
        self.betas, self.tops = {}, {}
        for ax in self.axes:
            ax.set(xscale="log", xlim=(0.035, 9))
            ax.minorticks_off()
            ax.set_xticks(self.rates, [f"{rate:g}" for rate in self.rates])
        top.set(ylim=(0, 1.05))
        top.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        top.set_title("share of training digits right after 100 steps")
        top.axhline(TRAINED, color=style.INK, linewidth=1, ls=(0, (1, 3)))
        top.tick_params(labelbottom=False)
        low.set(ylim=(2.6, -0.6))
        low.set_yticks(range(3), list(NORMS))
        low.set_xlabel("learning rate")
        self.marks = [
            ax.axvline(0.1, color=style.INK, linewidth=1, ls=":") for ax in self.axes
        ]
        for row, name in enumerate(NORMS):
            color = style.NORM_COLOR[name]
            look = {"color": color, "marker": MARKERS[name], "markersize": 6}
            self.curves[name] = top.plot([], [], **look)[0]
            low.get_yticklabels()[row].set(color=color, weight="bold")
            bar = {"linewidth": 9, "alpha": 0.35, "solid_capstyle": "butt"}
            self.bars[name] = low.plot([], [], color=color, **bar)[0]
            dots = {"linestyle": "none", "color": color, "markersize": 10}
            self.betas[name] = low.plot([], [], marker="x", mew=2.5, **dots)[0]
            self.tops[name] = low.plot([], [], marker="D", **dots)[0]
        low.set_title("bar: rates that train    ◆ 2/lambda    × 2/beta")
        return [
            *self.marks,
            *self.curves.values(),
            *self.bars.values(),
            *self.betas.values(),
            *self.tops.values(),
        ]

    def touches(self):
        """Let the rate at which curvature is measured be dragged."""

        def measure(x, y, start):
            return {"rate": nearest_rate(self.rates, x)}

        words = "Press or drag to train at another rate."
        return [Touch(ax, measure, words, sideways=True) for ax in self.axes]

    def move(self, rate, seed):
        """Train at all rates and measure the curvature at one, where still to do."""
        for mark in self.marks:
            mark.set_xdata([rate, rate])
        for k, name in enumerate(NORMS):
            yield from self._train(name, seed, k / 3)
            yield from self._measure(name, rate, seed, (k + 0.6) / 3)
            self._show(name, rate, seed)
        largest = [self.largest(name, seed) for name in NORMS]
        rates = " / ".join(f"{value:g}" for value in largest)
        tops = " / ".join(
            f"{self.curved[name, rate, seed][1]:.2g}"
            if self.curved[name, rate, seed][2]
            else "-"
            for name in NORMS
        )
        lost = [n for n in NORMS if not self.curved[n, rate, seed][2]]
        words = f" Not trained at {rate:g}: {', '.join(lost)}." if lost else ""
        return (
            f"none / batch / layer: while training at {rate:g}, 2/lambda is {tops}. "
            f"The largest rate that trains is {rates}.{words}"
        )

    def largest(self, name, seed):
        """Return the largest rate that trains; 0 if none does."""
        return largest_rate(self.rates, self.reached[name, seed], threshold=TRAINED)

    def _train(self, name, seed, before):
        if (name, seed) in self.reached:
            return
        options = {"depth": 6, "width": 32, "steps": STEPS, "test_every": STEPS}
        for record in train_at_rates(NORMS[name], self.rates, seed=seed, **options):
            yield before + 0.2 * record.step / STEPS
        self.reached[name, seed] = record.accuracies

    def _measure(self, name, rate, seed, before):
        if (name, rate, seed) in self.curved:
            return
        records = []
        for record in curvature_while_training(NORMS[name], lr=rate, seed=seed):
            records.append(record)
            yield min(1.0, before + 0.1 * len(records) / 3)
        found = gather(records)
        trained = self.reached[name, seed][self.rates.index(rate)] > TRAINED
        self.curved[name, rate, seed] = (
            2 / np.median(found.beta),
            2 / np.median(found.top),
            bool(trained) and not found.reason,
        )

    def _show(self, name, rate, seed):
        row = list(NORMS).index(name)
        self.curves[name].set_data(self.rates, self.reached[name, seed])
        good = np.array(self.rates)[self.reached[name, seed] > TRAINED]
        ends = [good.min() / 1.1, good.max() * 1.1] if len(good) else []
        self.bars[name].set_data(ends, [row] * len(ends))
        beta, top, trained = self.curved[name, rate, seed]
        for dots, value in ((self.betas[name], beta), (self.tops[name], top)):
            shown = [np.clip(value, 0.037, 8.5)] if trained else []
            dots.set_data(shown, [row] * len(shown))


class Envelope(LiveFigure):
    """Runs with different learning rates: the band grows with the rates chosen."""

    height = 4.4
    rates = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)
    trained = {}  # losses of shape (steps, rates) by (norm, seed)

    def make_controls(self):
        """Return the controls: the largest learning rate and the seed."""
        return {
            "top": controls.steps("learning rates 0.05 to", self.rates[1:], 0.4),
            "seed": controls.whole("seed", 0, 9, 0),
        }

    def draw(self, fig):
        """Draw a band for each norm, and the ratio of the bands over the choice."""
        self.areas = {}
        for row, name in enumerate(("none", "batch")):
            ax = fig.add_axes((0.08, 0.58 - 0.44 * row, 0.40, 0.33))
            ax.set(yscale="log", xlim=(0, STEPS), ylim=(0.03, 30))
            ax.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
            ax.minorticks_off()
            ax.tick_params(labelbottom=row == 1)
            color = style.NORM_COLOR[name]
            ax.set_title(f"{name}: loss of the runs")
            area = PolyCollection([], facecolor=color, alpha=0.5, edgecolor=color)
            self.areas[name] = ax.add_collection(area)
        ax.set_xlabel("training step")
        self.right = right = fig.add_axes((0.60, 0.14, 0.38, 0.77))
        right.set(xscale="log", yscale="log", xlim=(0.085, 1.45), ylim=(0.22, 4.5))
        right.minorticks_off()
        right.set_xticks([0.1, 0.2, 0.4, 0.8], ["0.1", "0.2", "0.4", "0.8"])
        right.set_yticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
        right.axhline(1, color=style.INK, linewidth=1)
        right.set_title("band of none / band of batch")
        right.set_xlabel("largest learning rate chosen")
        right.text(0.095, 3.7, "batch looks smoother", va="top")
        right.text(0.095, 0.26, "none looks smoother")
        look = {"color": style.AFTER, "marker": "o"}
        (self.curve,) = right.plot([], [], **look)
        (self.here,) = right.plot([], [], "o", color=style.AFTER, markersize=13)
        return [*self.areas.values(), self.curve, self.here]

    def touches(self):
        """Let the largest rate be dragged along the curve."""

        def choose(x, y, start):
            return {"top": nearest_rate(self.rates[1:], x)}

        return [
            Touch(
                self.right,
                choose,
                "Press or drag to choose other rates.",
                sideways=True,
            )
        ]

    def move(self, top, seed):
        """Train at all rates where that is to be done; then choose among them."""
        for k, name in enumerate(self.areas):
            if (name, seed) not in self.trained:
                for part in self._train(name, seed):
                    yield (k + part) / 2
        for name, area in self.areas.items():
            low, high = self.band(name, top, seed)
            shown = np.clip([low, high], 0.03, 30)
            steps = np.arange(len(low))
            around = np.append(steps, steps[::-1]), np.append(shown[0], shown[1][::-1])
            area.set_verts([np.column_stack(around)])
        tops = self.rates[1:]
        ratios = [self.quotient(t, seed) for t in tops]
        here = self.quotient(top, seed)
        self.curve.set_data(tops, np.clip(ratios, 0.23, 4.3))
        self.here.set_data([top], [np.clip(here, 0.23, 4.3)])
        word = "batch" if here > 1 else "none"
        flips = (min(ratios) < 1) and (max(ratios) > 1)
        other = " Another choice of rates says the opposite." if flips else ""
        return (
            f"With rates 0.05 to {top:g} the median width of the band is "
            f"{self.width_of('none', top, seed):.2g} without norm and "
            f"{self.width_of('batch', top, seed):.2g} with batch norm: {word} looks "
            f"smoother.{other}"
        )

    def band(self, name, top, seed):
        """Return the lowest and the highest loss of the runs that were chosen."""
        chosen = np.array(self.rates) <= top
        return envelope(self.trained[name, seed][:, chosen])

    def width_of(self, name, top, seed):
        """Return the median over the steps of the width of the band."""
        low, high = self.band(name, top, seed)
        return float(np.median(high - low))

    def quotient(self, top, seed):
        """Return the width without norm over that with batch norm."""
        return self.width_of("none", top, seed) / self.width_of("batch", top, seed)

    def _train(self, name, seed):
        records = []
        options = {"depth": 6, "width": 32, "steps": STEPS, "test_every": STEPS + 1}
        for record in train_at_rates(NORMS[name], self.rates, seed=seed, **options):
            records.append(record)
            yield record.step / STEPS
        self.trained[name, seed] = gather(records).losses


class GradientBound(LiveFigure):
    """Theorem 4.1: what batch norm does to the length of a gradient."""

    cases = 200
    span = (1e-3, 1e4)

    def make_controls(self):
        """Return the controls: sigma, gamma, batch size and seed."""
        return {
            "sigma": controls.steps("sigma", [0.3, 0.5, 0.7, 1, 1.5, 2, 3], 0.5),
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
    "walk": AlongTheGradient,
    "rates": UsableRates,
    "envelope": Envelope,
    "surfaces": Surfaces,
    "bound": GradientBound,
}
