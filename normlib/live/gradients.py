"""Figures of notebook 05: three paths, the projection, constants, scale, decay."""

from functools import lru_cache

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from normlib import standardize, standardize_backward
from normlib.gradients.held_constant import WAYS, train_normalized, unit_of
from normlib.gradients.three_paths import measured_gradient, path_gradients
from normlib.gradients.unit_before_norm import train_unit, unit_data, unit_loss
from normlib.gradients.weight_decay import weight_decay_steps
from normlib.live import controls, space, style
from normlib.live.figure import LiveFigure
from normlib.live.reader import reader_array
from normlib.live.sphere_scene import LEVEL, RADIUS, SphereScene
from normlib.live.touch import Touch, turn

EPS = 1e-5


class Paths(LiveFigure):
    """The three paths from x_hat back to x, each with a switch, and the check."""

    count = 8
    tolerance = 1e-6

    def make_controls(self):
        """Return the controls: two paths, the upstream gradient, seed."""
        return {
            "mean": controls.switch("through the mean"),
            "var": controls.switch("through the variance"),
            "upstream": controls.choice(
                "upstream d", ["random", "all ones", "x_hat"], "random"
            ),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the graph of the computation and the places of the bars."""
        self.graph = graph = fig.add_axes((0.02, 0.08, 0.36, 0.78))
        graph.set(xlim=(-0.35, 2.35), ylim=(-1.25, 1.25))
        graph.axis("off")
        graph.set_title("paths back from x_hat to x")
        places = {"x": (0, 0), "mean": (1, 0.9), "var": (1, -0.9), "x_hat": (2, 0)}
        for name, at in places.items():
            graph.plot(*at, "o", ms=44, mfc="white", mec=style.INK, mew=1.2, zorder=3)
            graph.text(*at, name, ha="center", va="center", zorder=4)
        self.arrows = LineCollection([]), PolyCollection([])
        for artist in self.arrows:
            graph.add_collection(artist)
        ways = (["x_hat", "x"], ["x_hat", "mean"], ["mean", "x"], ["x_hat", "var"])
        self.ways = [*ways, ["var", "x"]]
        arrows = []
        for names in self.ways:
            start, end = np.array([places[name] for name in names], dtype=float)
            gap = 0.36 * (end - start) / np.hypot(*(end - start))
            arrows.append(_arrow(start + gap, end - gap, size=0.2))
        shafts, heads = zip(*arrows, strict=True)
        self.arrows[0].set_segments(shafts)
        self.arrows[1].set_verts(heads)
        ax = fig.add_axes((0.49, 0.14, 0.48, 0.72))
        ax.set(xlim=(-0.6, self.count - 0.4), ylim=(-3.6, 3.6), xlabel="sample n")
        ax.axhline(0, color=style.INK, lw=0.8)
        ax.set_ylabel("dx[n]")
        self.title = style.moving_title(ax)
        self.bars = PolyCollection([], facecolors=style.AFTER, alpha=0.75)
        ax.add_collection(self.bars)
        (self.truth,) = ax.plot([], [], "D", ms=9, mfc="white", mec=style.INK, mew=1.6)
        ax.text(-0.5, -3.3, "bars: your paths", color=style.AFTER, weight="bold")
        ax.text(7.5, -3.3, "diamonds: measured", ha="right")
        return [*self.arrows, self.bars, self.truth, self.title]

    def touches(self):
        """Let a click on a circle switch its path."""

        def switch(x, y, start):
            for name, height in (("mean", 0.9), ("var", -0.9)):
                if np.hypot(start.x - 1, start.y - height) < 0.4:
                    return {name: not start.values[name]}
            return None

        hint = "Click on mean or var: its path is switched on or off."
        return [Touch(self.graph, switch, hint, "pointer")]

    def move(self, mean, var, upstream, seed):
        """Add up the paths that are on and compare with central differences."""
        rng = np.random.default_rng(seed)
        x = 3 + np.array([1.2, 0.8]) @ rng.normal(size=(2, self.count))
        d = {
            "random": np.clip(rng.normal(size=self.count), -2, 2),
            "all ones": np.ones(self.count),
            "x_hat": standardize(x, 0, eps=EPS)[0],
        }[upstream]
        on = {"x": True, "mean": mean, "var": var}
        parts = path_gradients(d, x, eps=EPS)
        total = sum(parts[name] for name in parts if on[name])
        truth = measured_gradient(d, x, eps=EPS)
        n = np.arange(self.count)
        boxes = [
            [(k - 0.3, 0), (k - 0.3, v), (k + 0.3, v), (k + 0.3, 0)]
            for k, v in zip(n, total, strict=True)
        ]
        self.bars.set_verts(boxes)
        self.truth.set_data(n, truth)
        used = [all(on.get(name, True) for name in names) for names in self.ways]
        colors = [style.AFTER if u else "#cccccc" for u in used]
        self.arrows[0].set(color=colors, linewidth=[4.5 if u else 1.5 for u in used])
        self.arrows[1].set_facecolor(colors)
        return self._verdict(on, upstream, np.abs(total - truth).max())

    def _verdict(self, on, upstream, worst):
        passes = worst < self.tolerance
        missing = [name for name in on if not on[name]]
        self.title.set_text(
            "the check passes" if passes else f"the check fails: off by {worst:.2f}"
        )
        wrong = passes and missing
        self.title.set_color(style.WARN if wrong else style.INK)
        ways = " and ".join(
            {"mean": "the mean", "var": "the variance"}.get(m, m) for m in missing
        )
        state = "All three paths are on" if not missing else f"Without {ways}"
        difference = "less than 1e-6" if passes else f"{worst:.2f}"
        end = ""
        if wrong:
            end = " A wrong formula passes: this upstream gradient cannot see it."
        return (
            f"{state}, upstream {upstream}: the largest difference from central "
            f"differences is {difference}.{end}"
        )


class Projection(LiveFigure):
    """Three samples in space: the gradient loses two of its three directions.

    Parameters
    ----------
    function : callable, optional
        The reader's own backward, from ``(dx_hat, x, eps)``, arrays (3, 1), to dx of
        shape (3, 1). It draws the blue arrow.
    """

    height = 4.6

    def __init__(self, function=None):
        self.function = function
        self.x_hat = 0.87 * LEVEL[0] + 0.5 * LEVEL[1]
        self.x_hat = standardize(self.x_hat, 0, eps=0)[0]
        up, out = space.ONES / RADIUS, self.x_hat / RADIUS
        self.basis = np.array([up, out, np.cross(up, out)])
        super().__init__()

    def make_controls(self):
        """Return the controls: the parts of the upstream gradient, and the view."""
        return {
            "ones": controls.slider("d along (1, 1, 1)", -1.2, 1.2, 1.0),
            "radial": controls.slider("d along x_hat", -1.2, 1.2, 0.9),
            "across": controls.slider("d along the rest", -1.2, 1.2, 1.1),
            "view": controls.whole("turn the view", -90, 90, 0, 5),
        }

    def draw(self, fig):
        """Draw the space on the left, the parts along three directions on the right."""
        self.scene = SphereScene(
            fig.add_axes((0.0, 0.0, 0.56, 1.0)), 3.05, plane=2.9, pole=2.7
        )
        ax = self.scene.ax
        self.path = LineCollection([], colors="#777777", linewidths=1.5, linestyles=":")
        self.shafts = LineCollection([], linewidths=(1.6, 3.2, 4.2))
        self.heads = PolyCollection([])
        colors = (style.INK, style.BEFORE, style.AFTER)
        for artist in (self.path, self.shafts, self.heads):
            artist.set_zorder(8)
            ax.add_collection(artist)
        self.shafts.set_color(colors)
        self.heads.set_facecolor(colors)
        (self.point,) = ax.plot([], [], "o", ms=10, color=style.INK, zorder=9)
        right = fig.add_axes((0.70, 0.12, 0.28, 0.72))
        right.set(xlim=(-1.75, 1.75), ylim=(2.6, -0.6))
        right.set_yticks([0, 1, 2], ["along\n(1, 1, 1)", "along\nx_hat", "the rest"])
        right.tick_params(axis="y", length=0)
        right.axvline(0, color=style.INK, lw=0.8)
        self.title = style.moving_title(right)
        self.bars = []
        for color in (style.BEFORE, style.AFTER):
            self.bars.append(PolyCollection([], facecolors=color))
            right.add_collection(self.bars[-1])
        for y, words, color in (
            (0.93, "x_hat", style.INK),
            (0.87, "d, upstream", style.BEFORE),
            (0.81, "dx", style.AFTER),
        ):
            fig.text(0.02, y, words, color=color, weight="bold", va="center")
        return [
            *self.scene.moving,
            self.path,
            self.shafts,
            self.heads,
            self.point,
            *self.bars,
            self.title,
        ]

    def touches(self):
        """Let d be dragged by its tip, on paper, and the scene be turned."""

        def drag(x, y, start):
            old = np.array([start.values[k] for k in ("ones", "radial", "across")])
            d = old @ self.basis
            tip = self.scene.seen(self.x_hat + d)
            if np.hypot(start.x - tip[0], start.y - tip[1]) > 0.5:
                return None
            d = d + np.array([x - start.x, y - start.y]) @ self.scene.turn[:2]
            return dict(zip(("ones", "radial", "across"), self.basis @ d, strict=True))

        return [
            Touch(self.scene.ax, drag, "Drag the tip of d, the grey arrow."),
            turn(self.scene.ax, "view", 90, hint="Drag elsewhere to turn the view."),
        ]

    def move(self, ones, radial, across, view):
        """Send the gradient back and draw it where x_hat stands."""
        d = np.array([ones, radial, across]) @ self.basis
        x = 5 + self.x_hat  # of standard deviation 1, so dx has the unit of d
        self.scene.look_from(view)
        self._set_arrows(d, None)
        self._set_bars(0, (ones, radial, across))
        self._set_bars(1, (0, 0, 0))
        dx = self._backward(d, x)
        parts = self.basis @ dx
        self._set_arrows(d, dx)
        self._set_bars(1, parts)
        kept = int((np.abs(parts) > 1e-4).sum())
        self.title.set_text(f"dx keeps {kept} of 3")
        start = "Your dx" if self.function else "dx"
        off = []
        if abs(parts[0]) > 1e-4:
            off.append("it leaves the plane of mean 0")
        if abs(parts[1]) > 1e-4:
            off.append("it changes the standard deviation")
        tail = f"; {' and '.join(off)}" if off else ""
        return (
            f"d has {ones:z.2f} along (1, 1, 1), {radial:z.2f} along x_hat and "
            f"{across:z.2f} along the rest. {start} has {parts[0]:z.2f}, "
            f"{parts[1]:z.2f} and {parts[2]:z.2f}{tail}. The view is turned by {view} "
            "degrees."
        )

    def _backward(self, d, x):
        if self.function is None:
            x_hat, stats = standardize(x, 0, eps=0)
            return standardize_backward(d, x_hat, stats.inv_std, 0)
        dx = reader_array(self.function, d[:, None], x[:, None], 0.0, shape=(3, 1))
        return dx[:, 0]

    def _set_bars(self, which, parts):
        top = (-0.34, 0.02)[which]
        self.bars[which].set_verts(
            [
                [(0, k + top), (v, k + top), (v, k + top + 0.3), (0, k + top + 0.3)]
                for k, v in enumerate(np.clip(parts, -1.75, 1.75))
            ]
        )

    def _set_arrows(self, d, dx):
        """Draw x_hat from the origin, d and dx from x_hat, and how d loses parts."""
        seen, at = self.scene.seen, self.x_hat
        self.point.set_data(*seen(at)[:, None])
        ends = [(0 * at, 0.94 * at), (at, at + d)]
        centred = d - d.mean()
        self.path.set_segments([])
        if dx is not None:
            ends.append((at, at + dx))
            self.path.set_segments([seen(np.array([at + d, at + centred, at + dx]))])
        lines = seen(np.array(ends))
        shafts, heads = zip(*(_arrow(*line) for line in lines), strict=True)
        self.shafts.set_segments(shafts)
        self.heads.set_verts(heads)


def _arrow(start, end, size=0.26):
    """Return the shaft and the head of an arrow on paper; no head if too short."""
    along = end - start
    length = np.hypot(*along)
    if length < 1e-3:
        return np.array([start, start]), np.array([start, start, start])
    along = along / length * min(size, 0.6 * length)
    side = 0.42 * np.array([-along[1], along[0]])
    foot = end - along
    return np.array([start, foot]), np.array([end, foot + side, foot - side])


class KeepNormalized(LiveFigure):
    """Three ways to keep a unit normalized, and what its loss then asks for."""

    steps = 60

    def make_controls(self):
        """Return the controls: way, step, learning rate, penalty."""
        return {
            "way": controls.choice("normalized", list(WAYS), "penalty"),
            "step": controls.whole("step", 0, self.steps, 40),
            "lr": controls.slider("learning rate", 0.02, 0.2, 0.1, 0.02),
            "penalty": controls.steps("penalty", [0.0, 0.5, 1.0, 3.0, 8.0], 1.0),
        }

    def draw(self, fig):
        """Draw the values on rulers, and mean, deviation and loss over the steps."""
        ax = fig.add_axes((0.15, 0.15, 0.41, 0.73))
        ax.set(xlim=(-9, 15), ylim=(-0.6, 1.9), yticks=[])
        ax.spines["left"].set_visible(False)
        ax.axvline(0, color=style.FAINT, zorder=0)
        self.rows = []
        for y, name, color in (
            (1.2, "the unit x", style.BEFORE),
            (0.0, "the loss\nsees", style.AFTER),
        ):
            ax.text(-9.4, y, name, color=color, ha="right", va="center", weight="bold")
            self.rows += ax.plot([], [], "|", ms=34, mew=1.6, color=color)
        self.place = style.moving_title(ax)
        self.curves, self.dots = [], []
        for k, (name, limits, ticks) in enumerate(
            (
                ("mean of x", (-0.5, 4.5), [0, 2, 4]),
                ("std of x", (0, 5.5), [1, 3, 5]),
                ("loss", (0, 1.3), [0, 1]),
            )
        ):
            panel = fig.add_axes((0.68, 0.69 - 0.27 * k, 0.29, 0.18))
            panel.set(xlim=(0, self.steps), ylim=limits, yticks=ticks)
            panel.set_ylabel(name)
            panel.set_xticks([0, 20, 40, 60], ["0", "20", "40", "60"] if k == 2 else [])
            if k == 2:
                panel.set_xlabel("step")
            color = style.AFTER if name == "loss" else style.BEFORE
            if k < 2:
                panel.axhline(k, color=style.INK, lw=0.8, ls=":")
            self.curves += panel.plot([], [], color=color)
            self.dots += panel.plot([], [], "o", ms=8, color=color, clip_on=False)
        return [*self.rows, self.place, *self.curves, *self.dots]

    def move(self, way, step, lr, penalty):
        """Show values, mean, deviation and loss after some steps."""
        self.run = run = train_normalized(
            way, 0, lr=lr, steps=self.steps, penalty=penalty
        )
        u, _ = unit_of(0)
        x = run.scale[step] * u + run.bias[step]
        seen = run.seen_std[step] * u + run.seen_mean[step]
        for row, values, y in zip(self.rows, (x, seen), (1.2, 0.0), strict=True):
            row.set_data(values, np.full(len(u), y))
        self.place.set_text(f"after {step} steps of {lr:.2f}")
        for curve, dot, values in zip(
            self.curves, self.dots, (run.bias, run.scale, run.loss), strict=True
        ):
            curve.set_data(np.arange(step + 1), values[: step + 1])
            dot.set_data([step], [values[step]])
        after = style.counted(step, "step")
        return (
            f"Normalized {self._words(way, penalty)}: after {after} x has mean "
            f"{run.bias[step]:z.2f} and standard deviation {run.scale[step]:.2f}, and "
            f"the loss went from {run.loss[0]:.3f} to {run.loss[step]:.3f}."
        )

    def _words(self, way, penalty):
        if way == "penalty":
            return f"by a penalty of {penalty:g}"
        return way if way == "between steps" else "inside the network"


@lru_cache(maxsize=512)
def unit_run(lr, weight_decay, start):
    """Return `train_unit` of one setting, kept."""
    return train_unit(lr=lr, weight_decay=weight_decay, start=start)


WINDOW = 25


def typical_angle(angles):
    """Return the root mean square of the last `WINDOW` angles, in degrees."""
    squares = np.cumsum(np.concatenate([[0.0], angles**2]))
    ends = np.arange(1, len(squares))
    starts = np.maximum(ends - WINDOW, 0)
    return np.rad2deg(np.sqrt((squares[ends] - squares[starts]) / (ends - starts)))


class WeightPlane(LiveFigure):
    """Two weights before batch norm: rays of equal loss, and steps across them."""

    height = 4.6
    reach = 4.6

    def make_controls(self):
        """Return the controls: step, learning rate, length at the start, decay."""
        return {
            "step": controls.whole("step", 0, 200, 60),
            "lr": controls.steps("learning rate", [0.05, 0.1, 0.2, 0.5, 1.0], 0.5),
            "start": controls.slider("length at start", 0.5, 3.0, 1.0, 0.25),
            "weight_decay": controls.steps(
                "weight decay", [0.0, 0.02, 0.05, 0.1, 0.2], 0.0
            ),
        }

    def draw(self, fig):
        """Colour the plane by the loss; draw places for path, length and angle."""
        self.ax = ax = fig.add_axes((0.06, 0.11, 0.44, 0.78))
        r = self.reach
        ax.set(xlim=(-r, r), ylim=(-r, r), aspect="equal")
        ax.set(xlabel="w[0]", ylabel="w[1]")
        ax.set_title("one colour, one loss (dark is low)")
        ax.imshow(
            self._losses(),
            extent=(-r, r, -r, r),
            origin="lower",
            cmap="cividis",
            alpha=0.55,
            interpolation="nearest",
        )
        (self.track,) = ax.plot([], [], color=style.INK, lw=1.2)
        (self.arrow,) = ax.plot([], [], color=style.WARN, lw=3)
        (self.tip,) = ax.plot([], [], "o", ms=9, color=style.WARN, mec="white")
        self.lines = [self.track, self.arrow, self.tip]
        for bottom, name in ((0.60, "length of w"), (0.11, "degrees turned by a step")):
            panel = fig.add_axes((0.60, bottom, 0.37, 0.29))
            panel.set(xlim=(0, 200))
            panel.set_title(name)
            (line,) = panel.plot([], [], color=style.INK, lw=1.2)
            (dot,) = panel.plot([], [], "o", ms=8, color=style.WARN, clip_on=False)
            self.lines += [line, dot]
            if name == "length of w":
                panel.set(ylim=(0, self.reach), xticklabels=[])
            else:
                panel.set(ylim=(0.1, 100), yscale="log", xlabel="step")
                panel.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
                (self.rule,) = panel.plot([], [], "--", color=style.AFTER, lw=1.6)
                self.words = panel.text(
                    200, 0.25, "", color=style.AFTER, ha="right", va="center"
                )
        return [*self.lines, self.rule, self.words]

    def touches(self):
        """Let the length at the start be picked in the plane."""

        def pick(x, y, start):
            return {"start": float(np.hypot(x, y))}

        hint = "Press or drag: w starts that far from 0."
        return [Touch(self.ax, pick, hint, "pointer")]

    def _losses(self):
        """Return the loss for the directions of a grid, 12 levels, shape (120, 120)."""
        u, targets = unit_data()
        degrees = np.arange(360)
        a = np.deg2rad(degrees)
        by_angle = [
            unit_loss(w, u, targets)[0] for w in np.column_stack([np.cos(a), np.sin(a)])
        ]
        x, y = np.meshgrid(*[np.linspace(-1, 1, 120)] * 2)
        loss = np.array(by_angle)[np.rad2deg(np.arctan2(y, x)).astype(int) % 360]
        low, high = loss.min(), loss.max()
        return np.round((loss - low) / (high - low) * 12)

    def turning_of(self, start):
        """Return the degrees turned, step by step, from another length at the start."""
        lr, decay = self.values["lr"], self.values["weight_decay"]
        return typical_angle(unit_run(lr, decay, start).angles)

    def move(self, step, lr, start, weight_decay):
        """Show the path of w up to a step."""
        run = unit_run(lr, weight_decay, start)
        w = run.weights[: step + 1]
        lengths = np.linalg.norm(w, axis=1)
        self.turning = turning = typical_angle(run.angles)[:step]
        self.track.set_data(*w.T)
        self.arrow.set_data([0, w[-1, 0]], [0, w[-1, 1]])
        self.tip.set_data(*w[-1:].T)
        n = np.arange(step + 1)
        self.lines[3].set_data(n, lengths)
        self.lines[4].set_data([step], [lengths[-1]])
        self.lines[5].set_data(n[1:], turning)
        self.lines[6].set_data(n[1:][-1:], turning[-1:])
        expected = np.rad2deg(np.sqrt(2 * lr * weight_decay))
        self.rule.set_data(
            [0, 200] if weight_decay else [], [expected] * 2 if weight_decay else []
        )
        self.words.set_text("dashed: sqrt(2 lr decay)" if weight_decay else "")
        turned = tail = ""
        if step:
            count = min(step, WINDOW)
            turned = (
                f" In the last {style.counted(count, 'step')} a step turned it by "
                f"{turning[-1]:.1f} degrees (root mean square)."
            )
        if weight_decay:
            tail = f" With this decay, {expected:.1f} degrees are expected in the end."
        return (
            f"After {style.counted(step, 'step')} the length of w went from "
            f"{start:.2f} to {lengths[-1]:.2f}, and lr / |w|² from "
            f"{lr / start**2:.3f} to {lr / lengths[-1] ** 2:.3f}.{turned}{tail}"
        )


STEPS = 800
RUNS = {}  # finished trainings of `Equilibrium`, by setting


class Equilibrium(LiveFigure):
    """Weight decay on a digits network: the length and the angle that it settles at."""

    height = 4.0

    def make_controls(self):
        """Return the controls: learning rate, decay, factor at the start, labels."""
        return {
            "lr": controls.steps("learning rate", [0.2, 0.4], 0.2),
            "weight_decay": controls.steps("weight decay", [0.02, 0.04], 0.02),
            "start": controls.steps("initial weights times", [0.3, 1.0, 3.0], 1.0),
            "labels": controls.choice("labels", ["right", "40 % random"], "right"),
        }

    def draw(self, fig):
        """Draw the places of both curves and their predictions."""
        self.artists = []
        for left, name, limits in (
            (0.08, "length of W", (1, 40)),
            (0.58, "degrees turned by a step", (0, 17)),
        ):
            ax = fig.add_axes((left, 0.15, 0.39, 0.72))
            ax.set(xlim=(0, STEPS), ylim=limits, xlabel="step")
            ax.set_title(name)
            if name == "length of W":
                ax.set_yscale("log")
                ax.set_yticks([1, 3, 10, 30], ["1", "3", "10", "30"])
                ax.minorticks_off()
            self.artists += ax.plot([], [], color=style.BATCH, lw=1.8)
            self.artists += ax.plot([], [], "--", color=style.INK, lw=1.8)
            ax.text(1, 0.95, "dashed: predicted", ha="right", transform=ax.transAxes)
        return self.artists

    def move(self, lr, weight_decay, start, labels):
        """Train, unless this setting is kept, and compare with the prediction."""
        key = lr, weight_decay, start, labels
        angle = np.sqrt(2 * lr * weight_decay)
        for artist in self.artists:
            artist.set_data([], [])
        self.artists[3].set_data([0, STEPS], [np.rad2deg(angle)] * 2)
        if key not in RUNS:
            records = []
            for record in weight_decay_steps(
                0,
                lr=lr,
                weight_decay=weight_decay,
                start=start,
                steps=STEPS,
                wrong_labels=0.0 if labels == "right" else 0.4,
            ):
                records.append(record)
                if record.step % 20 == 0:
                    self._set_curves(np.array(records))
                    yield record.step / STEPS
            RUNS[key] = np.array(records)
        run = RUNS[key]
        self._set_curves(run)
        _, norms, gradients, angles = run[STEPS // 2 :].T
        turned = np.sqrt(np.mean(angles**2))
        predicted = (lr / (2 * weight_decay) * np.mean(gradients**2)) ** 0.25
        self.artists[1].set_data([0, STEPS], [predicted] * 2)
        self.length, self.predicted = norms.mean(), predicted
        self.turned, self.angle = np.rad2deg(turned), np.rad2deg(angle)
        return (
            f"lr {lr:g}, weight decay {weight_decay:g}, start times {start:g}, labels "
            f"{labels}: over the last {STEPS // 2} steps the length is "
            f"{norms.mean():.1f} (predicted "
            f"{predicted:.1f}) and a step turns W by {np.rad2deg(turned):.1f} degrees "
            f"(predicted {np.rad2deg(angle):.1f})."
        )

    def _set_curves(self, records):
        self.artists[0].set_data(records[:, 0], records[:, 1])
        self.artists[2].set_data(records[:, 0], typical_angle(records[:, 3]))


FIGURES = {
    "paths": Paths,
    "projection": Projection,
    "keep_normalized": KeepNormalized,
    "weight_plane": WeightPlane,
    "equilibrium": Equilibrium,
}
