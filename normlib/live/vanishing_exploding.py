"""Figures of notebook 07: what norms do to deep networks, at the start and after."""

from functools import cache

import numpy as np

from normlib.depth.gradient_rates import batch_norm_rate
from normlib.depth.joint_update import chain_update
from normlib.depth.propagation import depth_profile, measure_gradient_rate
from normlib.depth.trainability import trainability_rows
from normlib.live import controls, style
from normlib.live.figure import LiveFigure

NORMS = style.NORMS
ACTIVATIONS = ("relu", "tanh", "sigmoid", "linear")
# 25 decades are enough to see: steeper lines leave the frame. Data beyond these
# limits would overflow on the way to pixels.
BOTTOM, TOP = 1e-15, 1e10
FLOOR, CEILING = 1e-300, 1e300


class GradientByLayer(LiveFigure):
    """Random networks of digits: gradient by layer, and how alike samples become."""

    height = 4.4
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
        """Draw the axes, one line per network, and the predictions."""
        self.left = fig.add_axes((0.09, 0.14, 0.52, 0.74))
        self.left.set(yscale="log", xlim=(0, self.deepest + 1), ylim=(BOTTOM, TOP))
        self.left.set_yticks([1e-15, 1e-10, 1e-5, 1, 1e5, 1e10])
        self.left.minorticks_off()
        self.left.set_xlabel("layer (1 is next to the input)")
        self.left.set_title("gradient length, last layer = 1")
        self.left.axhline(1, color=style.INK, linewidth=0.8)
        self.right = fig.add_axes((0.70, 0.14, 0.28, 0.74))
        self.right.set(xlim=(0, self.deepest + 1), ylim=(-0.1, 1.05))
        self.right.set_xlabel("layer")
        self.right.set_title("cosine of samples")
        self.lines = [self.left.plot([], [], linewidth=1.2)[0] for _ in range(3)]
        self.cosines = [self.right.plot([], [], linewidth=1.2)[0] for _ in range(3)]
        (self.predicted,) = self.left.plot([], [], "--", color=style.INK, linewidth=1.5)
        (self.alike,) = self.right.plot([], [], "--", color=style.INK, linewidth=1.5)
        self.left.text(40, 3e-15, "lines: 3 networks, dashed: predicted", ha="right")
        return [*self.lines, self.predicted, *self.cosines, self.alike]

    def move(self, norm, activation, depth, gain, seed):
        """Draw three new networks and send one gradient through each."""
        how = {"activation": activation, "norm": NORMS[norm], "gain": gain}
        profile = depth_profile(depth, init="he", rng=seed, **how)
        relative = np.clip(profile.relative_gradient, FLOOR, CEILING)
        for line, curve, row, cosine in zip(
            self.lines, self.cosines, relative, profile.cosine, strict=True
        ):
            line.set_data(profile.layers, row)
            curve.set_data(profile.layers, cosine)
            for artist in (line, curve):
                artist.set_color(style.NORM_COLOR[norm])
        predicted = np.clip(profile.predicted_gradient, FLOOR, CEILING)
        self.predicted.set_data(profile.layers, predicted)
        self.alike.set_data(profile.layers, profile.predicted_cosine)
        first = np.exp(
            np.mean(np.log(np.maximum(profile.relative_gradient[:, 0], 1e-300)))
        )
        what = (
            "vanishes"
            if first < 0.05
            else "explodes"
            if first > 20
            else "keeps its size within a factor of 20"
        )
        shown = "below 1e-100" if first < 1e-100 else f"{first:.2g}"
        return (
            f"{depth} layers of {activation}, norm {norm}, weights {gain:g} times "
            f"He's, seed {seed}: the gradient {what}. At layer 1 it is {shown} times "
            f"that at the last layer; the mean cosine between samples there is "
            f"{profile.cosine[:, -1].mean():z.2f}."
        )


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
            "seed": controls.whole("seed", 0, 4, 0),
        }

    def draw(self, fig):
        """Draw the theory of each activation, and places for measured points."""
        ax = fig.add_axes((0.09, 0.16, 0.60, 0.72))
        ax.set_xscale("log", base=2)
        ax.set(xlim=(3.5, 150), ylim=(0.9, 3.8))
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
            ax.plot(SIZES, values, color="#cccccc", linewidth=1.2)
        (self.curve,) = ax.plot(SIZES, self.theory["relu"], "--", color=style.INK)
        (self.points,) = ax.plot([], [], "o", color=style.BATCH, markersize=7)
        self.points.set_alpha(0.7)
        self.note = fig.text(0.73, 0.70, "", weight="bold")
        self.heads = [fig.text(0.73, 0.58 - 0.1 * k, "") for k in range(3)]
        fig.text(0.73, 0.16, "dashed: theory\ngrey: the others\ndots: 3 networks")
        return [self.curve, self.points, self.note, *self.heads]

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
        self.heads[2].set_text(f"in 40 layers: {rates.mean() ** 20:.3g}")
        over_40 = f"{rates.mean() ** 20:.3g} times (theory {expected**20:.3g})"
        return (
            f"Batch norm, {activation}, B = {batch_size}, seed {seed}: per layer the "
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
            f"{activation}, seed {seed}, 100 steps: of 16 networks {trained['none']} "
            f"reach 70 percent training accuracy without norm, {trained['batch']} with "
            f"batch norm, {trained['layer']} with layer norm."
        )

    def _show(self, rows):
        for name, norm in NORMS.items():
            found = np.full((4, 4), np.nan)
            for row in rows:
                if row.norm == norm:
                    found[self.depths.index(row.depth)] = row.accuracy
            self.maps[name].set_array(np.nan_to_num(found))
            for text, value in zip(self.cells[name], found.flat, strict=True):
                text.set_text("" if np.isnan(value) else f"{value:.2f}")
                text.set_color("white" if value > 0.6 else style.INK)
            self.counts[name].set_text(f"{name}: {np.sum(found > 0.7)} of 16")


class Chain(LiveFigure):
    """One step on a chain of weights: what was promised, and what happens."""

    def make_controls(self):
        """Return the controls: number of layers, the weights and learning rate."""
        return {
            "layers": controls.whole("layers", 1, 20, 10),
            "weight": controls.slider("every weight", 0.5, 1.5, 1.2, 0.05),
            "lr": controls.log_slider("learning rate", -4, -1, 0.01, 0.25),
        }

    def draw(self, fig):
        """Draw places for the output by order, before and after."""
        ax = fig.add_axes((0.10, 0.18, 0.62, 0.68))
        ax.set(xlim=(-0.6, 6.6), ylim=(-1.6, 1.6))
        names = ["before", "first", "second", "third", "fourth", "fifth", "exact"]
        ax.set_xticks(range(7), names)
        ax.set_xlabel("terms kept, up to this order in the learning rate")
        ax.set_title("output y after the step / before it")
        ax.axhline(0, color=style.INK, linewidth=0.8)
        (self.points,) = ax.plot([], [], "o-", color=style.AFTER, markersize=8)
        (self.exact,) = ax.plot([], [], "s", color=style.BATCH, markersize=11)
        (self.level,) = ax.plot([-0.6, 6.6], [1, 1], "--", color=style.BATCH)
        self.level.set_linewidth(1)
        fig.text(0.75, 0.18, "values beyond the frame\nstand at its edge")
        self.notes = [fig.text(0.75, 0.74 - 0.13 * k, "") for k in range(4)]
        return [self.points, self.exact, self.level, *self.notes]

    def move(self, layers, weight, lr):
        """Take one step of gradient descent on y itself."""
        step = chain_update(np.full(layers, weight), lr=lr)
        orders = np.append(step.by_order, np.full(6, step.exact))[:6] / step.before
        exact = step.exact / step.before
        self.points.set_data(range(6), np.clip(orders, -1.5, 1.5))
        self.exact.set_data([6], [np.clip(exact, -1.5, 1.5)])
        self.level.set_ydata([np.clip(exact, -1.5, 1.5)] * 2)
        first = step.by_order[1]
        for text, words in zip(
            self.notes,
            (
                f"before {step.before:.4g}",
                f"promised {first:.4g}",
                f"second order {np.append(step.by_order, step.exact)[2]:.4g}",
                f"exact {step.exact:.4g}",
            ),
            strict=True,
        ):
            text.set_text(words)
        return (
            f"{layers} layers of weight {weight:g}, learning rate {lr:.2g}: y was "
            f"{step.before:.4g}. The gradient promises {first:.4g}, the step gives "
            f"{step.exact:.4g}; the promise is off by {abs(first - step.exact):.2g}."
        )


FIGURES = {
    "gradient": GradientByLayer,
    "chain": Chain,
    "rate": ExplosionRate,
    "what_trains": WhatTrains,
}
