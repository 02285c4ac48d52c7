"""Figures of notebook 07: what norms do to deep networks, at the start and after."""

from functools import cache

import numpy as np

from normlib.datasets import digits_split
from normlib.depth.gradient_rates import batch_norm_rate
from normlib.depth.joint_update import chain_update, normalized_chain_update
from normlib.depth.propagation import (
    depth_profile,
    mean_cosine,
    measure_gradient_rate,
)
from normlib.depth.trainability import trainability_rows
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.touch import Touch
from normlib.nets.network import mlp

NORMS = style.NORMS
WORDS = {"none": "without norm", "batch": "with batch norm", "layer": "with layer norm"}
ACTIVATIONS = ("relu", "tanh", "sigmoid", "linear")
# 20 decades are enough to see: steeper lines leave the frame. Data beyond these
# limits would overflow on the way to pixels.
BOTTOM, TOP = 1e-8, 1e12
FLOOR, CEILING = 1e-300, 1e300


def depth_touch(ax):
    """Return a `Touch` that makes the network as deep as the place of the pointer."""
    hint = "Press or drag: the network gets the depth of that place."
    return Touch(ax, lambda x, y, start: {"depth": x}, hint, "pointer", sideways=True)


def two_digits(value):
    """Return a positive number in two digits: 2,000, 0.23, 1.2e-9."""
    if value < 1e-100:
        return "0 (below 1e-100)"
    if 1e-3 <= value < 1e5:
        digits = max(0, 1 - int(np.floor(np.log10(value))))
        return f"{float(f'{value:.2g}'):,.{digits}f}"
    return style.as_in_prose(f"{value:.1e}")


def gradient_axes(fig, deepest):
    """Return axes for the length of a gradient by layer."""
    ax = fig.add_axes((0.09, 0.15, 0.88, 0.73))
    ax.set(yscale="log", xlim=(0, deepest + 1), ylim=(BOTTOM, TOP))
    ax.set_yticks([1e-8, 1e-4, 1, 1e4, 1e8, 1e12])
    ax.minorticks_off()
    ax.set_xlabel("layer (1 is next to the input)")
    ax.set_title("length of the gradient by the activations, last layer = 1")
    ax.axhline(1, color=style.INK, linewidth=0.8)
    return ax


def in_frame(first):
    """Return a height in the frame for a word on the gradient at layer 1."""
    inside = first if BOTTOM * 30 < first < TOP / 30 else 1.0
    return inside * (12 if first >= 1 else 1 / 12)


def show_profile(profile, lines, dashed):
    """Set lines to the gradients, dashed to the predicted one; return layer 1's."""
    relative = np.clip(profile.relative_gradient, FLOOR, CEILING)
    for line, row in zip(lines, relative, strict=True):
        line.set_data(profile.layers, row)
    known = np.isfinite(profile.predicted_gradient)
    predicted = np.clip(profile.predicted_gradient[known], FLOOR, CEILING)
    dashed.set_data(profile.layers[known], predicted)
    return float(np.exp(np.log(relative[:, 0]).mean()))


class GradientByLayer(LiveFigure):
    """Random networks of digits: the length of the gradient, layer by layer."""

    deepest = 40

    def make_controls(self):
        """Return the controls: norm, activation, depth, scale of weights, and seed."""
        return {
            "norm": controls.choice("norm", list(NORMS), "batch"),
            "activation": controls.choice("activation", list(ACTIVATIONS), "relu"),
            "depth": controls.whole("depth", 2, self.deepest, self.deepest),
            "gain": controls.slider("times He's weights", 0.5, 2.0, 1.0, 0.1),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the axes, one line per network, and the prediction."""
        self.ax = ax = gradient_axes(fig, self.deepest)
        self.lines = [ax.plot([], [], linewidth=1.5)[0] for _ in range(3)]
        (self.predicted,) = ax.plot([], [], "--", color=style.INK, linewidth=1.5)
        ax.text(40, 1e11, "lines: 3 networks, dashed: predicted", ha="right")
        self.end = ax.text(1, 1, "", weight="bold", va="center")
        return [*self.lines, self.predicted, self.end]

    def touches(self):
        """Let the depth be picked in the picture."""
        return [depth_touch(self.ax)]

    def move(self, norm, activation, depth, gain, seed):
        """Draw three new networks and send one gradient through each."""
        how = {"activation": activation, "norm": NORMS[norm], "gain": gain}
        profile = depth_profile(depth, rng=seed, **how)
        self.first = show_profile(profile, self.lines, self.predicted)
        for line in self.lines:
            line.set_color(style.NORM_COLOR[norm])
        self.end.set_position((1, in_frame(self.first)))
        self.end.set_text(f"layer 1: times {two_digits(self.first)}")
        what = (
            "vanishes"
            if self.first < 0.05
            else "explodes"
            if self.first > 20
            else "keeps its size within a factor of 20"
        )
        return (
            f"{depth} layers of {activation} {WORDS[norm]}, weights {gain:g} times "
            f"He's: the gradient {what}. At layer 1 it is {two_digits(self.first)} "
            "times that at the last layer (geometric mean of three networks)."
        )


class Skips(LiveFigure):
    """The same gradient with skip connections and without, side by side."""

    deepest = 40

    def make_controls(self):
        """Return the controls: norm, activation, depth and seed."""
        return {
            "norm": controls.choice("norm", list(NORMS), "batch"),
            "activation": controls.choice("activation", ["relu", "tanh"], "relu"),
            "depth": controls.whole("depth", 5, self.deepest, self.deepest),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the axes and the lines of both kinds of network."""
        self.ax = ax = gradient_axes(fig, self.deepest)
        self.lines, self.dashed, self.words = {}, {}, {}
        for skip, width in ((False, 1.0), (True, 3.0)):
            self.lines[skip] = [ax.plot([], [], linewidth=width)[0] for _ in range(3)]
            (self.dashed[skip],) = ax.plot([], [], "--", color=style.INK)
            self.words[skip] = ax.text(1, 1, "", weight="bold", va="center")
        ax.text(40, 1e11, "thick: with skips, dashed: predicted", ha="right")
        lines = [line for lines in self.lines.values() for line in lines]
        return [*lines, *self.dashed.values(), *self.words.values()]

    def touches(self):
        """Let the depth be picked in the picture."""
        return [depth_touch(self.ax)]

    def move(self, norm, activation, depth, seed):
        """Send one gradient through three networks of each kind."""
        self.first = {}
        for skip, lines in self.lines.items():
            profile = depth_profile(
                depth, activation=activation, norm=NORMS[norm], skip=skip, rng=seed
            )
            self.first[skip] = show_profile(profile, lines, self.dashed[skip])
            for line in lines:
                line.set_color(style.NORM_COLOR[norm])
        without, with_skips = self.first[False], self.first[True]
        # The word of the larger one stands above, that of the smaller below the 1.
        for skip, word in ((False, "without skips"), (True, "with skips")):
            larger = self.first[skip] >= self.first[not skip]
            height = in_frame(max(self.first[skip], 1)) if larger else 1 / 12
            self.words[skip].set_position((1, height))
            self.words[skip].set_text(f"{word}: times {two_digits(self.first[skip])}")
        return (
            f"{depth} layers of {activation} {WORDS[norm]}: at layer 1 the gradient is "
            f"{two_digits(without)} times that at the last layer without skips, "
            f"{two_digits(with_skips)} times with them."
        )


class Collapse(LiveFigure):
    """What a layer makes of twenty digits: rows that differ, or all the same row."""

    depth, shown, units = 20, 20, 32

    def make_controls(self):
        """Return the controls: layer, activation and seed."""
        return {
            "layer": controls.whole("layer", 1, self.depth, 5),
            "activation": controls.choice("activation", ["sigmoid", "relu"], "sigmoid"),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw a table of activations for each norm."""
        self.tables, self.titles = {}, {}
        for k, norm in enumerate(NORMS):
            ax = fig.add_axes((0.07 + 0.315 * k, 0.13, 0.285, 0.73))
            self.tables[norm] = style.cells(ax, (self.shown, self.units), "Greys", 0, 1)
            ax.set(xticks=[], yticks=[])
            ax.set_xlabel(f"{self.units} units")
            if k == 0:
                ax.set_ylabel("20 digits, two of each class")
            self.titles[norm] = style.moving_title(ax)
        return [*self.tables.values(), *self.titles.values()]

    def touches(self):
        """Let a table be dragged through the layers, up for deeper ones."""

        def drag(x, y, start):
            return {"layer": start.values["layer"] + start.y - y}

        hint = "Drag up or down: to deeper layers and back."
        return [Touch(table.axes, drag, hint) for table in self.tables.values()]

    def move(self, layer, activation, seed):
        """Show the activations of one layer under each norm."""
        self.cosines = cosines = {}
        for norm in NORMS:
            table, cosines[norm] = layer_of_digits(norm, activation, seed)[layer - 1]
            self.tables[norm].set_array(table / table.max())
            word = "no norm" if norm == "none" else f"{norm} norm"
            self.titles[norm].set_text(f"{word}: cosine {cosines[norm]:.2f}")
        return (
            f"Layer {layer} of {activation}: the mean cosine between two digits is "
            f"{cosines['none']:.4f} without norm, {cosines['batch']:.4f} with batch "
            f"norm, {cosines['layer']:.4f} with layer norm. At 1 all rows point the "
            "same way."
        )


@cache
def layer_of_digits(norm, activation, seed):
    """Return, layer by layer, part of the activations of digits and their cosine."""
    rng = np.random.default_rng(seed)
    digits = digits_split(rng, standardized=True)
    x, labels = digits.x_train[:128], digits.y_train[:128]
    rows = [row for k in range(10) for row in np.flatnonzero(labels == k)[:2]]
    net = mlp(
        [64] + [64] * Collapse.depth + [10],
        activation=activation,
        norm=NORMS[norm],
        bias=False,
        rng=rng,
    )
    net.forward(x, record=True)
    step = 2 if norm == "none" else 3
    return [
        (h[rows, : Collapse.units], mean_cosine(h))
        for h in net.outputs[step - 1 : -1 : step]
    ]


SIZES = (4, 5, 6, 8, 12, 16, 32, 64, 128)


@cache
def measured_rate(activation, batch_size, seed):
    """Return the rates of three random batch-norm networks, shape (3,)."""
    return measure_gradient_rate(
        activation, "batch", batch_size=batch_size, width=128, depth=30, rng=seed
    ).rates


class ExplosionRate(LiveFigure):
    """How fast gradients grow per layer under batch norm, by batch size."""

    def make_controls(self):
        """Return the controls: activation, batch size and seed."""
        return {
            "activation": controls.choice("activation", list(ACTIVATIONS), "relu"),
            "batch_size": controls.steps("batch size B", list(SIZES), 128),
            "seed": controls.whole("seed", 0, 9, 0),
        }

    def draw(self, fig):
        """Draw the theory of each activation, and places for measured points."""
        self.ax = ax = fig.add_axes((0.09, 0.16, 0.60, 0.72))
        ax.set_xscale("log", base=2)
        ax.set(xlim=(3.5, 150), ylim=(0.6, 3.5))
        ax.set_xticks([4, 8, 16, 32, 64, 128], ["4", "8", "16", "32", "64", "128"])
        ax.minorticks_off()
        ax.set_xlabel("batch size B")
        ax.set_title("growth of the squared gradient per layer")
        ax.axhline(1, color=style.INK, linewidth=0.8)
        self.theory = {
            name: np.array([batch_norm_rate(name, size) for size in SIZES])
            for name in ACTIVATIONS
        }
        for values in self.theory.values():
            ax.plot(SIZES, values, color="#9a9a9a", linewidth=1.2)
        for name, size, lift in (
            ("relu", 16, 0.1),
            ("tanh", 64, 0.08),
            ("sigmoid, linear", 32, -0.32),
        ):
            height = self.theory[name.split(",")[0]][SIZES.index(size)]
            ax.text(size, height + lift, name, ha="center")
        (self.curve,) = ax.plot(SIZES, self.theory["relu"], "--", color=style.INK)
        (self.points,) = ax.plot([], [], "o", color=style.BATCH, markersize=7)
        self.points.set_alpha(0.7)
        self.note = fig.text(0.72, 0.80, "", weight="bold")
        self.heads = [fig.text(0.72, 0.70 - 0.09 * k, "") for k in range(5)]
        fig.text(
            0.72, 0.16, "dashed: theory\ngrey: other activations\ndots: 3 networks"
        )
        return [self.curve, self.points, self.note, *self.heads]

    def touches(self):
        """Let the batch size be picked in the picture."""

        def pick(x, y, start):
            return {"batch_size": min(SIZES, key=lambda size: abs(np.log(size / x)))}

        hint = "Press or drag: the batch gets the size of that place."
        return [Touch(self.ax, pick, hint, "pointer", sideways=True)]

    def move(self, activation, batch_size, seed):
        """Measure the rate in three new networks."""
        rates = measured_rate(activation, batch_size, seed)
        theory = self.theory[activation]
        expected = theory[SIZES.index(batch_size)]
        self.curve.set_ydata(theory)
        self.points.set_data([batch_size] * 3, rates)
        self.note.set_text(f"{activation}, B = {batch_size}")
        self.heads[0].set_text(f"theory {expected:.3f}")
        self.heads[1].set_text(f"measured {rates.mean():.3f}")
        self.heads[2].set_text(f"in 40 layers: {two_digits(rates.mean() ** 20)}")
        # Of the linear network the two parts are known by themselves.
        B, linear = batch_size, activation == "linear"
        divided = f"by 1 / variance: {(B - 1) / (B - 3):.3f}" if linear else ""
        removed = f"by what is lost: {(B - 2) / (B - 1):.3f}" if linear else ""
        self.heads[3].set_text(divided)
        self.heads[4].set_text(removed)
        grown, theory = two_digits(rates.mean() ** 20), two_digits(expected**20)
        over_40 = f"{grown} times (theory {theory})"
        return (
            f"Batch norm, {activation}, B = {batch_size}: per layer the "
            f"squared gradient grows by {rates.mean():.3f} (three networks, "
            f"{rates.min():.2f} to {rates.max():.2f}); theory says {expected:.3f}. "
            f"Over 40 layers the gradient then grows {over_40}."
        )


class WhatTrains(LiveFigure):
    """Train 48 networks: four depths, four learning rates, three norms."""

    height = 3.9
    depths, rates = (2, 5, 10, 20), (0.01, 0.1, 1.0, 10.0)
    finished = {}  # rows by setting: the same setting gives the same map

    def make_controls(self):
        """Return the controls: activation and seed."""
        return {
            "activation": controls.choice("activation", ["sigmoid", "relu"], "sigmoid"),
            "seed": controls.whole("seed", 0, 2, 0),
        }

    def draw(self, fig):
        """Draw three empty maps."""
        self.maps, self.cells, self.counts = {}, {}, {}
        for k, norm in enumerate(NORMS):
            ax = fig.add_axes((0.09 + 0.31 * k, 0.17, 0.27, 0.66))
            self.maps[norm] = style.cells(ax, (4, 4), "Blues", 0, 1)
            ax.set_xticks(range(4), [f"{r:g}" for r in self.rates])
            ax.set_yticks(range(4), self.depths)
            ax.tick_params(length=0)
            ax.set_xlabel("learning rate")
            if k == 0:
                ax.set_ylabel("hidden layers")
            self.counts[norm] = style.moving_title(ax)
            self.cells[norm] = [
                ax.text(j, i, "", ha="center", va="center") for i, j in np.ndindex(4, 4)
            ]
        texts = [text for cells in self.cells.values() for text in cells]
        return [*self.maps.values(), *texts, *self.counts.values()]

    def move(self, activation, seed):
        """Train the networks, one row of a map at a time."""
        init = "glorot" if activation == "sigmoid" else "he"
        known = self.finished.get((activation, seed))
        source = known or trainability_rows(
            self.depths, self.rates, activation=activation, init=init, seeds=(seed,)
        )
        rows = []
        self._show(rows)
        for row in source:
            rows.append(row)
            if known is None:
                self._show(rows)
                yield len(rows) / 12
        self.finished[activation, seed] = rows
        self._show(rows)
        trained = {
            name: sum((r.accuracy > 0.7).sum() for r in rows if r.norm == norm)
            for name, norm in NORMS.items()
        }
        return (
            f"{activation}, 100 steps: 70 percent training accuracy is reached by "
            f"{trained['none']} of 16 networks without norm, {trained['batch']} with "
            f"batch norm, {trained['layer']} with layer norm."
        )

    def _show(self, rows):
        for name, norm in NORMS.items():
            found = np.full((4, 4), np.nan)
            for row in rows:
                if row.norm == norm:
                    found[self.depths.index(row.depth)] = row.accuracy[0]
            self.maps[name].set_array(np.nan_to_num(found))
            for text, value in zip(self.cells[name], found.flat, strict=True):
                text.set_text("" if np.isnan(value) else f"{value:.2f}")
                text.set_color("white" if value > 0.6 else style.INK)
            self.counts[name].set_text(f"{name}: {np.sum(found > 0.7)} of 16")


EDGE = 1e6


def relative_to_before(step):
    """Return y by orders 0 to 5 and y itself over y before, cut off at the edge."""
    by_order = np.append(step.by_order, np.full(6, step.exact))[:6]
    values = np.append(by_order, step.exact) / step.before
    return np.clip(values, -2 * EDGE, 2 * EDGE)


class Chain(LiveFigure):
    """One step on a chain of weights: what was promised, and what happens."""

    update, where = staticmethod(chain_update), "no norm"

    def make_controls(self):
        """Return the controls: number of layers, the weights and learning rate."""
        return {
            "layers": controls.whole("layers", 2, 20, 10),
            "weight": controls.slider("every weight", 0.5, 1.5, 1.2, 0.05),
            "lr": controls.log_slider("learning rate", -4, -1, 0.01, 0.25),
        }

    def draw(self, fig):
        """Draw places for the output by order, before and after."""
        self.ax = ax = fig.add_axes((0.10, 0.18, 0.60, 0.68))
        ax.set_yscale("symlog", linthresh=1, linscale=11)
        ax.set(xlim=(-0.6, 6.6), ylim=(-3 * EDGE, 3 * EDGE))
        ticks = [-1e6, -1e3, -1, 0, 1, 1e3, 1e6]
        ax.set_yticks(ticks, ["-1e6", "-1000", "-1", "0", "1", "1000", "1e6"])
        ax.minorticks_off()
        names = ["before", "first", "second", "third", "fourth", "fifth", "exact"]
        ax.set_xticks(range(7), names)
        ax.set_xlabel("terms kept, up to this order in the learning rate")
        ax.set_title("output y after the step / before it")
        ax.axhline(0, color=style.INK, linewidth=0.8)
        look = dict(clip_on=False)  # marks at the edge are whole
        (self.points,) = ax.plot([], [], "o-", color=style.AFTER, ms=8, **look)
        (self.exact,) = ax.plot([], [], "s", markersize=11, color=style.INK, **look)
        (self.level,) = ax.plot([-0.6, 6.6], [1, 1], "--", color=style.INK)
        self.level.set_linewidth(1)
        fig.text(0.72, 0.18, "values beyond 1e6\nstand at the edge")
        self.notes = [fig.text(0.72, 0.82 - 0.095 * k, "") for k in range(5)]
        return [self.points, self.exact, self.level, *self.notes]

    def touches(self):
        """Let the weights be dragged: the frame is half a unit high."""

        def drag(x, y, start):
            low, top = (self.height_of(end) for end in self.ax.get_ylim())
            share = (self.height_of(y) - self.height_of(start.y)) / (top - low)
            return {"weight": start.values["weight"] + share / 2}

        return [Touch(self.ax, drag, "Drag up or down: larger or smaller weights.")]

    def height_of(self, y):
        """Return where a value stands on the axis, in pixels."""
        return self.ax.transData.transform((0, y))[1]

    def move(self, layers, weight, lr):
        """Take one step of gradient descent on y itself."""
        weights = np.full(layers, weight)
        self.step = step = self.update(weights, lr=lr)
        shown = relative_to_before(step)
        self.points.set_data(range(6), shown[:6])
        self.exact.set_data([6], shown[6:])
        self.level.set_ydata([shown[6]] * 2)
        first, second = step.by_order[1], step.by_order[2]
        for text, words in zip(
            self.notes,
            (
                f"before {step.before:.4g}",
                f"first order {first - step.before:.3g}",
                f"second order {second - first:z.3g}",
                f"promised {first:.4g}",
                f"exact {step.exact:.4g}",
            ),
            strict=True,
        ):
            text.set_text(words)
        off = abs(first - step.exact)
        kept = off <= 1e-12 * abs(step.before)
        return (
            f"{layers} layers of weight {weight:g}, {self.where}, "
            f"learning rate {lr:.2g}: y was {step.before:.4g}. The gradient promises "
            f"{first:.4g}, the step gives {step.exact:.4g}: "
            + ("the promise is kept." if kept else f"the promise is off by {off:.2g}.")
        )


class NormalizedChain(Chain):
    """The same step with batch norm before the last weight, and without it in grey."""

    update = staticmethod(normalized_chain_update)
    where = "batch norm before the last"

    def draw(self, fig):
        """Draw the frame of the chain, and under its points those without norm."""
        moving = super().draw(fig)
        look = dict(color=style.BEFORE, markersize=6, clip_on=False)
        (self.plain,) = self.ax.plot([], [], "o--", **look)
        fig.text(0.72, 0.33, "grey: without the norm", color=style.BEFORE)
        return [self.plain, *moving]

    def move(self, layers, weight, lr):
        """Take the step with the norm and without it."""
        plain = chain_update(np.full(layers, weight), lr=lr)
        self.plain.set_data(range(7), relative_to_before(plain))
        return super().move(layers, weight, lr)


FIGURES = {
    "gradient": GradientByLayer,
    "skips": Skips,
    "collapse": Collapse,
    "chain": Chain,
    "normalized_chain": NormalizedChain,
    "rate": ExplosionRate,
    "what_trains": WhatTrains,
}
