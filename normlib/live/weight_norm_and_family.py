"""Figures of notebook 11: light and style, weight norm, invariances, fixed length."""

from functools import cache

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from normlib.datasets import load_digits
from normlib.family.chain import LAYERS, build_chain, chain_spreads, length_one
from normlib.family.images import coloured, relight, restyle
from normlib.family.invariances import (
    CHANGES,
    NORMS,
    PUBLISHED,
    TOLERANCE,
    change_layer,
    example_layer,
    normalized_layer,
    relative_change,
)
from normlib.family.weight_parametrizations import (
    data_dependent_init,
    weight_norm_descent,
)
from normlib.gradients.fixed_length import length_steps
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.reader import reader_array
from normlib.live.touch import Touch
from normlib.norms import batch_norm, instance_norm

WEIGHT = "#4B3B8F"  # weight norm
SHOWN = (10, 11, 12, 13)  # one of each of four digits
GAP = 1.2  # pixels between two digits in a row


class _Row:
    """Digits of 8 x 8 pixels side by side in one mesh, white between them."""

    def __init__(self, ax, n, low, high):
        width = 8 + GAP
        ax.set(xlim=(-0.1, n * width - GAP + 0.1), ylim=(8.1, -0.1), aspect="equal")
        ax.set_axis_off()
        across = np.concatenate([np.arange(9) + k * width for k in range(n)])
        self.values = np.full((8, 9 * n - 1), float(high))
        self.mesh = ax.pcolormesh(
            across, np.arange(9), self.values, cmap="gray", vmin=low, vmax=high
        )

    def show(self, images):
        """Show images of shape (n, 8, 8)."""
        for k, image in enumerate(images):
            self.values[:, 9 * k : 9 * k + 8] = image
        self.mesh.set_array(self.values.copy())


class Light(LiveFigure):
    """One digit of a batch in another light, under batch norm and instance norm."""

    height = 4.6

    def __init__(self):
        pixels, _ = load_digits()
        self.images = pixels[list(SHOWN)].reshape(-1, 1, 8, 8)
        self.plain = [norm(self.images)[0] for norm in (batch_norm, instance_norm)]
        super().__init__()

    def make_controls(self):
        """Return the controls: which image, its contrast and its brightness."""
        images = [str(k) for k in range(len(SHOWN))]
        return {
            "image": controls.choice("image", [*images, "all"], "1"),
            "contrast": controls.slider("contrast", 0.1, 1.0, 0.4, 0.05),
            "brightness": controls.slider("brightness", 0.0, 0.6, 0.3, 0.05),
        }

    def draw(self, fig):
        """Draw three rows of digits."""
        self.rows, self.moved, titles = [], [], []
        for k, (name, low, high) in enumerate(
            (
                ("what\ngoes in", 0, 1.25),
                ("batch\nnorm", -1.3, 2),
                ("instance\nnorm", -1.3, 2),
            )
        ):
            bottom = 0.675 - 0.315 * k
            ax = fig.add_axes((0.16, bottom, 0.55, 0.29))
            fig.text(0.015, bottom + 0.145, name, va="center", weight="bold")
            self.rows.append(_Row(ax, len(SHOWN), low, high))
            if k == 0:
                self.top = ax
                self.frame = PolyCollection([], facecolors="none", lw=3)
                self.frame.set_edgecolor(style.WARN)
                self.frame.set_clip_on(False)
                ax.add_collection(self.frame)
                self.light = fig.text(0.735, bottom + 0.145, "", va="center")
            else:
                titles.append(fig.text(0.735, bottom + 0.145, "", va="center"))
        self.moved = titles
        meshes = [row.mesh for row in self.rows]
        return [*meshes, self.frame, self.light, *self.moved]

    def touches(self):
        """Let an image be picked, and its light be dragged."""

        def to_values(x, y, start):
            pressed = int(np.clip(start.x // (8 + GAP), 0, len(SHOWN) - 1))
            every = start.values["image"] == "all"
            return {
                "image": "all" if every else str(pressed),
                "brightness": start.values["brightness"] + 0.06 * (x - start.x),
                "contrast": start.values["contrast"] - 0.12 * (y - start.y),
            }

        hint = "Drag an image: up and down its contrast, to the side its brightness."
        return [Touch(self.top, to_values, hint)]

    def move(self, image, contrast, brightness):
        """Change the light, normalize the batch, and compare with the plain batch."""
        changed = np.array([image in ("all", str(k)) for k in range(len(SHOWN))])
        x = self.images.copy()
        x[changed] = relight(x[changed], contrast, brightness)
        found = [x, *(norm(x)[0] for norm in (batch_norm, instance_norm))]
        for row, values in zip(self.rows, found, strict=True):
            row.show(values[:, 0])
        lefts = np.flatnonzero(changed) * (8 + GAP)
        self.frame.set_verts(
            [[(left, 0), (left + 8, 0), (left + 8, 8), (left, 8)] for left in lefts]
        )
        who = "all images" if image == "all" else f"image {image}"
        mean, std = x[changed].mean(), x[changed].std()
        self.light.set_text(f"{who}: mean {mean:.2f},\ndeviation {std:.2f}")
        self.gaps = []  # of the changed and of the other images, by norm
        for text, plain, now in zip(self.moved, self.plain, found[1:], strict=True):
            gap = np.abs(now - plain).max(axis=(1, 2, 3))
            others = gap[~changed].max(initial=0.0)
            self.gaps.append((gap[changed].max(), others))
            tail = "" if image == "all" else f",\nthe others by {others:.2f}"
            text.set_text(f"{who} moved by {gap[changed].max():.2f}{tail}")
        batch, instance = self.gaps
        others = "" if image == "all" else f" and those of the others by {batch[1]:.2f}"
        return (
            f"{who[0].upper()}{who[1:]}: contrast {contrast:.2f}, brightness "
            f"{brightness:.2f}. After batch norm the pixels moved by up to "
            f"{batch[0]:.2f}{others}; after instance norm by {instance[0]:.2f}."
        )


COLOURS = {  # ink and paper
    "red on cream": ((0.75, 0.12, 0.10), (0.99, 0.93, 0.75)),
    "blue on grey": ((0.05, 0.20, 0.60), (0.82, 0.85, 0.88)),
    "white on green": ((0.96, 0.98, 0.94), (0.10, 0.38, 0.25)),
}
CHANNELS = ("red", "green", "blue")
CHANNEL_COLORS = ("#B3261E", "#2E7D32", "#1F4E9E")


class Style(LiveFigure):
    """A digit gets the mean and deviation per colour channel of another picture.

    Parameters
    ----------
    function : callable, optional
        The reader's own ``restyle(content, style)``.
    """

    height = 4.4

    def __init__(self, function=None):
        self.function = function
        pixels, _ = load_digits()
        self.pixels = pixels[10:20].reshape(-1, 8, 8)  # one of each digit, in order
        super().__init__()

    def make_controls(self):
        """Return the controls: the two digits, the colours, and how much of them."""
        return {
            "content": controls.whole("content: digit", 0, 9, 3),
            "style": controls.whole("style: digit", 0, 9, 7),
            "colours": controls.choice("style: colours", list(COLOURS), "red on cream"),
            "share": controls.slider(
                "share of the style",
                0.0,
                1.0,
                1.0,
                0.05,
            ),
        }

    def draw(self, fig):
        """Draw three pictures and their means and deviations."""
        self.meshes, self.bars, self.dots = [], [], []
        for k, name in enumerate(("content", "style", "result")):
            left = 0.085 + 0.325 * k
            ax = fig.add_axes((left, 0.435, 0.25, 0.49))
            ax.set(xlim=(0, 8), ylim=(8, 0), aspect="equal", xticks=[], yticks=[])
            ax.set_title(name)
            edges = np.arange(9)
            self.meshes.append(ax.pcolormesh(edges, edges, np.zeros((8, 8, 3))))
            low = fig.add_axes((left, 0.155, 0.25, 0.22))
            low.set(xlim=(-0.3, 1.3), ylim=(2.5, -0.5))
            low.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            low.set_yticks(range(3), CHANNELS if k == 0 else [""] * 3)
            low.tick_params(length=0)
            low.axvline(0, color="#dddddd", lw=1, zorder=0)
            low.axvline(1, color="#dddddd", lw=1, zorder=0)
            bars = LineCollection([], colors=CHANNEL_COLORS, linewidths=5, alpha=0.45)
            self.bars.append(low.add_collection(bars))
            self.dots.append(
                low.scatter(
                    np.zeros(3), range(3), s=60, c=CHANNEL_COLORS, edgecolors="white"
                )
            )
        fig.text(0.5, 0.03, "dot: mean of the channel; bar: one deviation to each side")
        fig.texts[-1].set(ha="center", va="bottom")
        return [*self.meshes, *self.bars, *self.dots]

    def move(self, content, style, colours, share):
        """Take mean and deviation of each channel over, and show all three."""
        c = coloured(self.pixels[content], (0.1, 0.1, 0.1), (1.0, 1.0, 1.0))
        s = coloured(self.pixels[style], *COLOURS[colours])
        self._show(0, c)
        self._show(1, s)
        self._show(2, None)  # stays so if the reader's function fails
        y = self._restyle(c, s, share)
        self._show(2, y)
        self.result = y
        return (
            f"Digit {content}, with {share:.0%} of the style of a {style} in "
            f"{colours}: the red channel has mean {y[0].mean():.2f} and deviation "
            f"{y[0].std():.2f}; the style has {s[0].mean():.2f} and {s[0].std():.2f}, "
            f"the content {c[0].mean():.2f} and {c[0].std():.2f}."
        )

    def _show(self, k, image):
        """Show one of the three pictures, or nothing in its place."""
        mesh, bars, dots = self.meshes[k], self.bars[k], self.dots[k]
        if image is None:
            mesh.set_array(np.full((8, 8, 3), 0.95))
            bars.set_segments([])
            dots.set_offsets(np.empty((0, 2)))
            return
        mesh.set_array(np.clip(image, 0, 1).transpose(1, 2, 0))
        mean, std = image.mean(axis=(1, 2)), image.std(axis=(1, 2))
        bars.set_segments(
            [[(mean[k] - std[k], k), (mean[k] + std[k], k)] for k in range(3)]
        )
        dots.set_offsets(np.column_stack([mean, range(3)]))

    def _restyle(self, content, style, share):
        if self.function is None:
            return restyle(content, style, share)
        result = reader_array(self.function, content, style, shape=content.shape)
        return (1 - share) * content + share * result


class Directions(LiveFigure):
    """Weight norm in the plane: v, the weight on its line, and steps of descent."""

    height = 4.5
    reach = 2.6
    steps = 40
    best = (1.2, 1.6)

    def __init__(self):
        rng = np.random.default_rng(4)
        x = rng.standard_normal((64, 2))
        self.x = (x - x.mean(axis=0)) / x.std(axis=0) * (1.0, 0.8)
        self.target = self.x @ self.best
        super().__init__()

    def make_controls(self):
        """Return the controls: v at the start, the learning rate, the step."""
        return {
            "v0": controls.slider("v[0] at start", -2.5, 2.5, 1.5, 0.1),
            "v1": controls.slider("v[1] at start", -2.5, 2.5, -0.5, 0.1),
            "lr": controls.steps("learning rate", [0.1, 0.3, 1.0], 0.3),
            "step": controls.whole("step", 0, self.steps, 0),
        }

    def draw(self, fig):
        """Draw the plane with lines of equal loss, and the lengths by step."""
        r = self.reach
        self.plane = ax = fig.add_axes((0.06, 0.11, 0.42, 0.80))
        ax.set(xlim=(-r, r), ylim=(-r, r), aspect="equal")
        ax.set_title("v and its weight w = g v / |v|")
        a, b = np.meshgrid(*[np.linspace(-r, r, 60)] * 2)
        error = np.stack([a - self.best[0], b - self.best[1]], -1) @ self.x.T
        ax.contour(a, b, (error**2).mean(-1), 7, colors="#d5d5d5", linewidths=1)
        ax.plot(*self.best, "*", ms=15, color="#8a8a8a")
        ax.text(
            self.best[0] - 0.15,
            self.best[1] + 0.1,
            "best w",
            color="#595959",
            ha="right",
        )
        (self.line,) = ax.plot([], [], color="#bbbbbb", lw=1)
        (self.trail,) = ax.plot([], [], ":", color=style.INK, lw=2)
        (self.w_trail,) = ax.plot([], [], ":", color=style.AFTER, lw=2)
        (self.v_arrow,) = ax.plot([], [], color=style.INK, lw=2.5)
        (self.w_arrow,) = ax.plot([], [], color=style.AFTER, lw=5, alpha=0.6)
        (self.push,) = ax.plot([], [], color=style.WARN, lw=2.5)
        (self.v_tip,) = ax.plot([], [], "o", ms=10, color=style.INK, mec="white")
        (self.w_tip,) = ax.plot([], [], "D", ms=9, color=style.AFTER, mec="white")
        (self.push_tip,) = ax.plot([], [], "^", ms=8, color=style.WARN, mec="white")
        right = fig.add_axes((0.58, 0.40, 0.39, 0.51))
        right.set(xlim=(-1, self.steps), ylim=(0, 3.4), xlabel="step")
        right.set_title("lengths")
        best = np.hypot(*self.best)
        right.set_yticks([0, 1, best, 3], ["0", "1", f"best w: {best:g}", "3"])
        right.axhline(best, color="#cccccc", lw=1, zorder=0)
        self.lines = [
            *right.plot([], [], color=style.INK, lw=2.2),
            *right.plot([], [], "--", color=style.AFTER, lw=2.2),
        ]
        for x, y, mark, color, words in (
            (0.57, 0.20, "o", style.INK, "v"),
            (0.65, 0.20, "D", style.AFTER, "w, of length g"),
            (0.57, 0.12, "^", style.WARN, "against the gradient with respect to v"),
        ):
            fig.text(x + 0.02, y, words, va="center")
            ax.plot([x], [y], mark, ms=9, color=color, mec="white")[0].set(
                transform=fig.transFigure, clip_on=False
            )
        return [
            self.line,
            self.trail,
            self.w_trail,
            self.w_arrow,
            self.v_arrow,
            self.push,
            self.v_tip,
            self.w_tip,
            self.push_tip,
            *self.lines,
        ]

    def touches(self):
        """Let the tip of v be dragged."""

        def to_values(x, y, start):
            return {"v0": x, "v1": y, "step": 0}

        return [Touch(self.plane, to_values, "Drag v: training starts there.")]

    def move(self, v0, v1, lr, step):
        """Train from v on and show the step asked for."""
        start = np.array([v0, v1])
        if np.hypot(v0, v1) < 0.15:
            raise ValueError("v is 0 or nearly so: it has no direction; drag it out.")
        run = weight_norm_descent(
            self.x, self.target, start, 1.0, lr=lr, steps=self.steps
        )
        self.run = run
        lengths = np.linalg.norm(run.v, axis=1)
        w = run.g[:, None] * run.v / lengths[:, None]
        v, push = run.v[step], -run.dv[step]
        far = 6 * v / lengths[step]
        self.line.set_data(*np.column_stack([-far, far]))
        self.trail.set_data(*run.v[: step + 1].T)
        self.w_trail.set_data(*w[: step + 1].T)
        self.v_arrow.set_data([0, v[0]], [0, v[1]])
        self.w_arrow.set_data([0, w[step, 0]], [0, w[step, 1]])
        self.v_tip.set_data(*v[:, None])
        self.w_tip.set_data(*w[step][:, None])
        end = v + push
        self.push.set_data([v[0], end[0]], [v[1], end[1]])
        self.push_tip.set_data(*end[:, None])
        n = np.arange(step + 1)
        for line, values in zip(self.lines, (lengths, abs(run.g)), strict=True):
            line.set_data(n, values[: step + 1])
            line.set_marker("o" if step == 0 else "")
        sign = "g" if run.g[step] >= 0 else "-g"
        return (
            f"Step {step}: |v| is {lengths[step]:.2f} (it started at "
            f"{lengths[0]:.2f}), w has length {sign} = {abs(run.g[step]):.2f}. The "
            "gradient with respect to w has length "
            f"{np.linalg.norm(run.dw[step]):.2f}, with respect to v "
            f"{np.linalg.norm(push):.2f}."
        )


@cache
def _chain(seed, kind):
    return build_chain(seed, data_dependent_init if kind == "fitted" else length_one)


class Start(LiveFigure):
    """Ten layers with weight norm: the spread of their sums, at the start."""

    height = 3.9

    def make_controls(self):
        """Return the controls: the start, a factor on new data, the seed."""
        return {
            "start": controls.choice(
                "start", ["length 1, bias 0", "fitted to a batch"], "length 1, bias 0"
            ),
            "times": controls.steps("new digits times", [0.25, 0.5, 1, 2, 4], 1),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw deviations by layer, on a log axis."""
        ax = fig.add_axes((0.09, 0.16, 0.60, 0.72))
        ax.set(yscale="log", ylim=(0.002, 30), xlim=(0.7, LAYERS + 0.3))
        ax.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
        ax.minorticks_off()
        ax.set_xticks(range(1, LAYERS + 1))
        ax.set_xlabel("layer")
        ax.set_title("deviation of the sums, on digits not seen before")
        ax.axhline(1, color="#cccccc", lw=1, zorder=0)
        self.lines = []
        for y, dash, mark, color, words in (
            (0.70, "-", "o", WEIGHT, "weight norm"),
            (0.58, "--", "s", style.BATCH, "batch norm"),
        ):
            self.lines += ax.plot([], [], dash, marker=mark, color=color, ms=7)
            ax.plot(
                [0.72, 0.76],
                [y, y],
                dash,
                marker=mark,
                color=color,
                transform=fig.transFigure,
                clip_on=False,
            )
            fig.text(0.775, y, words, va="center")
        return self.lines

    def move(self, start, times, seed):
        """Send new digits through the ten layers."""
        chain = _chain(seed, "fitted" if start.startswith("fitted") else "plain")
        x = times * chain.second
        layers = np.arange(1, LAYERS + 1)
        found = [chain_spreads(chain, x, norm) for norm in ("weight", "batch")]
        for line, values in zip(self.lines, found, strict=True):
            line.set_data(layers, np.clip(values, 1e-4, 1e4))
        self.found = found
        return (
            f"{start[0].upper()}{start[1:]}, new digits times {times:g}: with weight "
            f"norm the sums have deviation {found[0][0]:.2g} in layer 1 and "
            f"{found[0][-1]:.2g} in layer {LAYERS}; with batch norm "
            f"{found[1][-1]:.2g}."
        )


LETTERS = "ABCDEF"
WORDS = (
    "all\nweights\ntimes s",
    "vector\nadded to\nall units",
    "one\nunit\ntimes s",
    "all\ndata\ntimes s",
    "vector\nadded to\nall data",
    "one\ncase\ntimes s",
)
LONG = dict(
    zip(
        CHANGES,
        (
            "all weights times s",
            "the same vector added to the weights of each unit",
            "the weights of one unit times s",
            "all data times s",
            "the same vector added to all cases",
            "one case times s",
        ),
        strict=True,
    )
)


class Invariances(LiveFigure):
    """The table of invariances: pick a cell, apply the change, see what comes out."""

    height = 4.1

    def __init__(self):
        self.layer = x, weight, _ = example_layer(0)
        self.before = {norm: normalized_layer(x, weight, norm) for norm in NORMS}
        super().__init__()

    def make_controls(self):
        """Return the controls: norm, change, its strength, and what is filled in."""
        return {
            "norm": controls.choice("norm", list(NORMS), "weight"),
            "change": controls.steps(
                "change", [(letter, k) for k, letter in enumerate(LETTERS)], 0
            ),
            "strength": controls.slider("strength s", 0.25, 4.0, 3.0, 0.25),
            "fill": controls.choice("fill in", ["this cell", "all cells"], "this cell"),
        }

    def draw(self, fig):
        """Draw the table, and the outputs before and after."""
        rows, columns = len(NORMS), len(CHANGES)
        self.table = ax = fig.add_axes((0.075, 0.105, 0.56, 0.665))
        ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
        ax.set_xticks([])
        names = ["batch", "weight", "layer", "RMS"]
        ax.set_yticks(range(rows), names, fontsize=12)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        for k, words in enumerate(WORDS):
            ax.text(k, -0.58, words, va="bottom", ha="center")
            ax.text(k, rows - 0.42, LETTERS[k], va="top", ha="center", weight="bold")
        self.cells = PolyCollection(
            [
                [(k - s, n - t), (k + s, n - t), (k + s, n + t), (k - s, n + t)]
                for n in range(rows)
                for k in range(columns)
                for s, t in [(0.47, 0.45)]
            ],
            facecolors=["#f1f1f1"] * rows * columns,
        )
        ax.add_collection(self.cells)
        self.frame = PolyCollection([], facecolors="none", edgecolors=style.INK, lw=3)
        self.frame.set_clip_on(False)
        ax.add_collection(self.frame)
        self.marks = [
            ax.text(k, n, "?", ha="center", va="center")
            for n in range(rows)
            for k in range(columns)
        ]
        right = fig.add_axes((0.72, 0.18, 0.26, 0.571))
        right.set(xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal")
        right.set(xlabel="output before", ylabel="output after")
        right.set_xticks([-4, 0, 4])
        right.set_yticks([-4, 0, 4])
        right.plot([-9, 9], [-9, 9], color="#bbbbbb", lw=1.5, zorder=0)
        (self.dots,) = right.plot([], [], "o", ms=5, mec="white", mew=0.4)
        self.title = style.moving_title(right)
        return [self.cells, self.frame, *self.marks, self.dots, self.title]

    def touches(self):
        """Let a cell be clicked."""

        def to_values(x, y, start):
            return {
                "norm": NORMS[int(np.clip(round(y), 0, len(NORMS) - 1))],
                "change": int(np.clip(round(x), 0, len(CHANGES) - 1)),
            }

        return [Touch(self.table, to_values, "Click a cell to pick it.", "pointer")]

    def move(self, norm, change, strength, fill):
        """Apply the change to the layer and measure how far the outputs move."""
        applied = strength != 1
        found = {}
        if applied and fill == "all cells":
            x, weight, shift = self.layer
            for k, what in enumerate(CHANGES):
                changed = change_layer(x, weight, what, strength, shift)
                for n, name in enumerate(NORMS):
                    after = normalized_layer(*changed, name)
                    found[n, k] = relative_change(self.before[name], after)
        row = NORMS.index(norm)
        before = self.before[norm]
        after = self._after(norm, CHANGES[change], strength)
        gap = relative_change(before, after)
        if applied:
            found[row, change] = gap
        colors = []
        for k, mark in enumerate(self.marks):
            moved = found.get(divmod(k, len(CHANGES)))
            if moved is None:
                mark.set_text("?")
                colors.append("#f1f1f1")
            else:
                stays = moved < TOLERANCE
                mark.set_text("stays" if stays else "moves")
                colors.append("#bcdcef" if stays else "#f6d3c4")
        self.cells.set_facecolor(colors)
        k, n = change, row
        self.frame.set_verts(
            [
                [
                    (k - 0.47, n - 0.45),
                    (k + 0.47, n - 0.45),
                    (k + 0.47, n + 0.45),
                    (k - 0.47, n + 0.45),
                ]
            ]
        )
        self.dots.set_data(before.ravel(), after.ravel())
        stays = gap < TOLERANCE
        self.dots.set_color(style.AFTER if stays else style.BATCH)
        self.dots.set_marker("o" if stays else "X")
        name = "RMS" if norm == "rms" else norm
        self.title.set_text(f"{name} norm, {LETTERS[change]}")
        self.found, self.gap = found, gap
        head = f"{name[0].upper()}{name[1:]} norm, {LETTERS[change]}: "
        what = LONG[CHANGES[change]]
        tail = ""
        if len(found) > 1:
            stays_at = {cell for cell, moved in found.items() if moved < TOLERANCE}
            same = stays_at == set(zip(*np.nonzero(PUBLISHED), strict=True))
            agree = "as in the papers" if same else "other than in the papers"
            tail = f" Of all {len(found)} cells {len(stays_at)} stay, {agree}."
        if not applied:
            return f"{head}{what}. At s = 1 nothing is changed yet: move s."
        much = (
            "none of the 96 outputs moves"
            if stays
            else f"outputs move by up to {gap:.0%} of the largest"
        )
        return f"{head}{what}, s = {strength:g}: {much}.{tail}"

    def _after(self, norm, change, strength):
        x, weight, shift = self.layer
        return normalized_layer(*change_layer(x, weight, change, strength, shift), norm)


RUNS = {}  # finished trainings, by setting
WINDOW = 20  # steps of a running median


def _smooth(values):
    """Return running medians over `WINDOW` steps."""
    if len(values) < WINDOW:
        return np.full(len(values), np.median(values))
    windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)
    medians = np.median(windows, axis=1)
    return np.concatenate([np.full(WINDOW - 1, medians[0]), medians])


class _Trained(LiveFigure):
    """What both figures of the length share: training in turns with the page."""

    height = 4.0
    steps = 500

    def train(self, curves, **settings):
        """Train unless kept; yield the share done and set curves as it goes."""
        key = self.steps, *sorted(settings.items())
        if key not in RUNS:
            records = []
            for record in length_steps(0, steps=self.steps, lr=0.4, **settings):
                records.append(record)
                if record.step % 25 == 0:
                    self._set(curves, np.array(records))
                    yield record.step / self.steps
            RUNS[key] = np.array(records)
        self._set(curves, RUNS[key])
        return RUNS[key]

    def _set(self, curves, run):
        raise NotImplementedError


class Length(_Trained):
    """Weights before a norm, left to decay or held at one length: how far they turn."""

    def make_controls(self):
        """Return the controls: the rule, decay, the weights at the start."""
        return {
            "rule": controls.choice(
                "length of W", ["weight decay", "held fixed", "both"], "weight decay"
            ),
            "weight_decay": controls.steps("decay", [0.01, 0.02, 0.04], 0.02),
            "start": controls.steps(
                "weights at start times", [0.1, 0.4, 1.0, 3.0], 0.4
            ),
        }

    def draw(self, fig):
        """Draw the axes of length and angle."""
        self.curves = {"decay": [], "fixed length": []}
        for left, name in ((0.08, "length of W"), (0.56, "degrees turned by a step")):
            ax = fig.add_axes((left, 0.16, 0.41, 0.70))
            ax.set(xlim=(0, self.steps), yscale="log", xlabel="step")
            ax.set_title(name)
            ax.minorticks_off()
            if left < 0.3:
                ax.set_ylim(0.7, 60)
                ax.set_yticks([1, 3, 10, 30], ["1", "3", "10", "30"])
            else:
                ax.set_ylim(0.2, 90)
                ax.set_yticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
                (self.rule,) = ax.plot([], [], ":", color=style.INK, lw=1.5)
                ax.text(
                    0.98,
                    0.03,
                    "dotted: sqrt(2 lr decay)",
                    ha="right",
                    transform=ax.transAxes,
                )
            self.curves["decay"] += ax.plot([], [], color=style.BATCH, lw=2)
            self.curves["fixed length"] += ax.plot(
                [], [], "--", color=style.AFTER, lw=2.5
            )
            if left < 0.3:
                self.names = {
                    "decay": ax.text(
                        490, 42, "left to decay (solid)", ha="right", color=style.BATCH
                    ),
                    "fixed length": ax.text(
                        490, 29, "held fixed (dashed)", ha="right", color=style.AFTER
                    ),
                }
        lines = [line for pair in self.curves.values() for line in pair]
        return [*lines, self.rule, *self.names.values()]

    def move(self, rule, weight_decay, start):
        """Train by the rules asked for, and compare the angles."""
        rules = {
            "weight decay": ["decay"],
            "held fixed": ["fixed length"],
            "both": ["decay", "fixed length"],
        }[rule]
        for name, pair in self.curves.items():
            self.names[name].set_visible(name in rules)
            for line in pair:
                line.set_data([], [])
        angle = np.rad2deg(np.sqrt(2 * 0.4 * weight_decay))
        self.rule.set_data([0, self.steps], [angle, angle])
        said, self.runs = [], {}
        for name in rules:
            run = yield from self.train(
                self.curves[name], rule=name, weight_decay=weight_decay, start=start
            )
            self.runs[name] = run
            turned = np.rad2deg(_smooth(run[:, 3]))
            said.append(
                f"{'with decay' if name == 'decay' else 'at a fixed length'} a step "
                f"turns W by {turned[0]:.1f} degrees at first and {turned[-1]:.1f} at "
                "the end"
            )
        words = "; ".join(said)
        return (
            f"{words[0].upper()}{words[1:]}. sqrt(2 lr decay) is {angle:.1f} degrees."
        )

    def _set(self, curves, run):
        curves[0].set_data(run[:, 0], run[:, 1])
        curves[1].set_data(run[:, 0], np.rad2deg(_smooth(run[:, 3])))


FALLS = {
    "decay": "decay",
    "decay times the rate": "decay with the rate",
    "length held fixed": "fixed length",
}


class Rise(_Trained):
    """A rate that falls to zero: what the gradient does, under three rules."""

    steps = 800

    def make_controls(self):
        """Return the controls: rate and rule."""
        return {
            "rate": controls.choice(
                "learning rate", ["constant", "to zero"], "constant"
            ),
            "rule": controls.choice("rule", list(FALLS), "decay"),
        }

    def draw(self, fig):
        """Draw length, gradient, and their product."""
        self.curves = []
        for k, (name, limits, ticks) in enumerate(
            (
                ("length of W", (1, 12), (1, 2, 4, 8)),
                ("length of the gradient", (0.4, 4.8), (0.5, 1, 2, 4)),
                ("their product", (1.4, 16.8), (2, 4, 8, 16)),
            )
        ):
            ax = fig.add_axes((0.065 + 0.325 * k, 0.16, 0.265, 0.70))
            ax.set(xlim=(0, self.steps), yscale="log", ylim=limits, xlabel="step")
            ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
            ax.minorticks_off()
            ax.set_xticks([0, 400, 800])
            ax.set_title(name)
            self.curves += ax.plot([], [], color=style.BATCH, lw=2)
        return self.curves

    def move(self, rate, rule):
        """Train, and compare the gradient late with that early."""
        for line in self.curves:
            line.set_data([], [])
        self.run = run = yield from self.train(
            self.curves,
            rule=FALLS[rule],
            weight_decay=0.02,
            schedule=rate,
            start=0.4,  # near the length of the equilibrium
        )
        n = self.steps
        early, late = slice(n // 5, 2 * n // 5), slice(-n // 20, None)

        def median(values, part):
            return float(np.median(values[part]))

        self.ratio = median(run[:, 2], late) / median(run[:, 2], early)
        product = run[:, 1] * run[:, 2]
        self.product = median(product, late) / median(product, early)
        return (
            f"Rate {rate}, {rule}: the gradient at the end is {self.ratio:.2f} times "
            f"that of steps {n // 5} to {2 * n // 5}, the length "
            f"{median(run[:, 1], late) / median(run[:, 1], early):.2f} times, their "
            f"product {self.product:.2f} times."
        )

    def _set(self, curves, run):
        for line, values in zip(
            curves, (run[:, 1], run[:, 2], run[:, 1] * run[:, 2]), strict=True
        ):
            line.set_data(run[:, 0], _smooth(values))


FIGURES = {
    "light": Light,
    "style": Style,
    "directions": Directions,
    "start": Start,
    "invariances": Invariances,
    "length": Length,
    "rise": Rise,
}
