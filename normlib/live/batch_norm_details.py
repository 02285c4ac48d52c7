"""Figures of notebook 03 on single questions: eps, rounding, order, two paths."""

from functools import lru_cache

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from normlib import batch_norm, standardize
from normlib.batch.folding import conv2d
from normlib.batch.two_parametrizations import undone_batch_norm
from normlib.batch.variance import (
    one_pass_variance,
    three_pass_variance,
    two_pass_variance,
)
from normlib.datasets import digits_split
from normlib.live import controls, style
from normlib.live.digits_layer import UNITS, first_layer
from normlib.live.figure import LiveFigure
from normlib.live.touch import Touch
from normlib.nets.network import mlp
from normlib.nets.training import fit


class Epsilon(LiveFigure):
    """The spread after dividing, with eps inside and outside the root."""

    low, high = -10.0, 1.5

    def __init__(self):
        self.x = first_layer().x
        super().__init__()

    def make_controls(self):
        """Return the controls: factor on the weights, eps and unit."""
        return {
            "factor": controls.log_slider("weights times", -6, 0, 0.01, 0.5),
            "eps": controls.log_slider("eps", -8, -1, 1e-8, 0.5),
            "unit": controls.whole("unit d", 0, UNITS - 1, 11),
        }

    def draw(self, fig):
        """Draw the plane of std before and after, and two rows of dots."""
        ax = fig.add_axes((0.08, 0.15, 0.46, 0.72))
        ax.set(xscale="log", xlim=(10**self.low, 10**self.high), ylim=(-0.03, 1.12))
        ax.set(xlabel="std of the unit before")
        ax.set_xticks(10.0 ** np.arange(-10, 2, 2))
        ax.minorticks_off()
        ax.set_title("std after")
        self.grid = np.logspace(self.low, self.high, 200)
        (self.inside,) = ax.plot([], [], color=style.AFTER)
        (self.outside,) = ax.plot([], [], color=style.WARN, ls="--")
        (self.units_in,) = ax.plot([], [], "o", ms=6, mew=0, color=style.AFTER)
        (self.units_out,) = ax.plot([], [], "X", ms=6, mew=0, color=style.WARN)
        self.name_in = ax.text(0, 0.35, "inside", color=style.AFTER, va="center")
        self.name_out = ax.text(
            0, 0.65, "outside", color=style.WARN, ha="right", va="center"
        )
        ax = fig.add_axes((0.63, 0.15, 0.35, 0.72))
        ax.set(xlim=(-3.4, 3.4), ylim=(-1.7, 0.6), yticks=[])
        ax.set_xlabel("64 digits after dividing")
        ax.spines["left"].set_visible(False)
        ax.vlines([0, 0], [-0.25, -1.25], [0.25, -0.75], color=style.FAINT, zorder=0)
        ax.text(-3.3, 0.42, "eps inside: / sqrt(var + eps)", va="center")
        ax.text(-3.3, -0.58, "eps outside: / (sqrt(var) + eps)", va="center")
        (self.dots_in,) = ax.plot([], [], "o", ms=5, mew=0, color=style.AFTER)
        (self.dots_out,) = ax.plot([], [], "X", ms=5, mew=0, color=style.WARN)
        lines = [self.inside, self.outside, self.units_out, self.units_in]
        return [*lines, self.name_in, self.name_out, self.dots_in, self.dots_out]

    def move(self, factor, eps, unit):
        """Shrink the weights and divide in both ways."""
        s = self.grid
        self.inside.set_data(s, s / np.sqrt(s**2 + eps))
        self.outside.set_data(s, s / (s + eps))
        self.name_in.set_x(2.2 * np.sqrt(eps))
        self.name_out.set_x(0.6 * eps)
        x = factor * self.x
        inside, stats = standardize(x, 0, eps=eps)
        std = np.sqrt(stats.var)
        outside = (x - stats.mean) / (std + eps)
        self.units_in.set_data(std[0], inside.std(0))
        self.units_out.set_data(std[0], outside.std(0))
        rows = np.zeros(len(x))
        self.dots_in.set_data(inside[:, unit], rows)
        self.dots_out.set_data(outside[:, unit], rows - 1)
        before = std[0, unit]
        return (
            f"Unit {unit} has the standard deviation {before:.2g} and eps is "
            f"{eps:.2g}. With eps inside the root its result has "
            f"{inside[:, unit].std():.2f}, with eps outside "
            f"{outside[:, unit].std():.2f}. Inside, eps bites from sqrt(eps) = "
            f"{np.sqrt(eps):.2g} down."
        )


OFFSETS = [0.0] + [10.0**k * m for k in range(8) for m in (1, 2, 5)] + [1e8]


WAYS = {
    "one pass": one_pass_variance,
    "two passes": two_pass_variance,
    "three passes": three_pass_variance,
}


@lru_cache
def computed_variances(unit, dtype):
    """Return the variance of a unit at each of OFFSETS, a row for each of WAYS."""
    x = first_layer().x[:, [unit]]
    shifted = (x + np.array(OFFSETS)).astype(dtype)
    return np.array([way(shifted) for way in WAYS.values()], dtype=float)


class Rounding(LiveFigure):
    """The variance in one, two and three passes while the mean of the unit grows.

    The curves go as far as the offset has come.
    """

    def make_controls(self):
        """Return the controls: offset, float type and unit."""
        options = [(style.as_in_prose(f"{v:g}"), k) for k, v in enumerate(OFFSETS)]
        return {
            "offset": controls.steps("add to the bias", options, OFFSETS.index(1e2)),
            "dtype": controls.choice("floats", ["float32", "float64"], "float32"),
            "unit": controls.whole("unit d", 0, UNITS - 1, 11),
        }

    def draw(self, fig):
        """Draw the variances against the offset, and what they are at this one."""
        self.ax = ax = fig.add_axes((0.08, 0.15, 0.58, 0.72))
        ax.set(xlim=(-1.4, 8.3), ylim=(-2.3, 4.3))
        ax.set_xticks([-1, 0, 2, 4, 6, 8], ["0", "1", "100", "1e4", "1e6", "1e8"])
        ax.set_xlabel("added to the bias")
        ax.set_title("computed variance / true variance")
        ax.axhline(0, color="#888888", lw=0.8)
        self.place = np.array([-1.0] + [np.log10(v) for v in OFFSETS[1:]])
        looks = (
            ("one pass", dict(marker="X", ms=7, ls="", color=style.WARN)),
            ("two passes", dict(marker="s", ms=7, color=style.RMS, mfc="none")),
            ("three passes", dict(marker="o", ms=4, color=style.AFTER)),
        )
        # Far outside, a mark at the edge says so.
        ax.set_yticks(range(-2, 5), ["\u2264 -2", *map(str, range(-1, 4)), "\u2265 4"])
        (self.now,) = ax.plot([], [], color=style.INK, lw=1, ls=":")
        self.curves, self.words = [], []
        fig.text(0.70, 0.80, "variance here", weight="bold")
        for k, (name, look) in enumerate(looks):
            self.curves.append(ax.plot([], [], **look)[0])
            y = 0.66 - 0.18 * k
            mark = fig.add_artist(Line2D([0.71], [y + 0.015], **look))
            mark.set_linestyle("")
            fig.text(0.73, y, name)
            self.words.append(fig.text(0.73, y - 0.07, "", weight="bold"))
        fig.text(0.70, 0.12, "true")
        self.true = fig.text(0.77, 0.12, "", weight="bold")
        return [self.now, *self.curves, *self.words, self.true]

    def touches(self):
        """Let the offset be picked on its axis."""

        def pick(x, y, start):
            return {"offset": int(np.abs(self.place - x).argmin())}

        hint = "Click: what is added to the bias."
        return [Touch(self.ax, pick, hint, "pointer", sideways=True)]

    def move(self, offset, dtype, unit):
        """Add the offset to the pre-activations and compute the variances."""
        found = computed_variances(unit, dtype)
        true = float(first_layer().x[:, unit].var())
        for curve, row in zip(self.curves, found, strict=True):
            so_far = np.clip(row / true, -2, 4)[: offset + 1]
            curve.set_data(self.place[: offset + 1], so_far)
        self.now.set_data([self.place[offset]] * 2, [-2, 4.3])
        one, two, three = found[:, offset]
        for words, value in zip(self.words, (one, two, three), strict=True):
            words.set_text(f"{value:z.3g}" + ", no root" * bool(value < 0))
        self.true.set_text(f"{true:.3g}")
        return (
            f"{OFFSETS[offset]:g} added, in {dtype}: the variance {true:.3g} of unit "
            f"{unit} comes out as {one:z.3g} in one pass, {two:.3g} in two passes and "
            f"{three:.3g} in three."
        )


KERNELS = {
    "edge across": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "edge down": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "blur": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    "spot": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
}
BATCH = 64


@lru_cache
def _images_and_maps():
    pixels = digits_split(np.random.default_rng(0)).x_train[:BATCH]
    images = np.pad(pixels.reshape(-1, 1, 8, 8), ((0, 0), (0, 0), (3, 3), (3, 3)))
    return images, _convolve(images)


def _convolve(images):
    weight = np.array(list(KERNELS.values()), dtype=float)[:, None] / 3
    return conv2d(images, weight, padding=1)


def convolution(digit, shift):
    """Return four maps (64, 4, 14, 14) of 64 digits, one of them moved sideways."""
    images, maps = _images_and_maps()
    maps = maps.copy()
    maps[digit] = _convolve(np.roll(images[[digit]], shift, axis=-1))[0]
    return maps


class Convolution(LiveFigure):
    """A convolution of digits under one mean per channel, or one per position."""

    height = 3.7

    def make_controls(self):
        """Return the controls: what shares a mean, channel, digit and its shift."""
        return {
            "mean": controls.choice(
                "one mean per", ["channel", "channel and position"], "channel"
            ),
            "channel": controls.steps("channel", list(KERNELS), "edge across"),
            "digit": controls.whole("digit n", 0, BATCH - 1, 5),
            "shift": controls.whole("move it right", -2, 2, 0),
        }

    def draw(self, fig):
        """Draw three maps."""
        self.images, self.notes = [], []
        titles = ("x: the convolution", "x_hat", "what else changed")
        for k, (words, limit) in enumerate(zip(titles, (2.5, 4, 4), strict=True)):
            ax = fig.add_axes((0.02 + 0.333 * k, 0.12, 0.295, 0.75))
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.set_title(words)
            ax.set_aspect("equal")
            self.images.append(style.SignedCells(ax, (14, 14), limit))
            self.notes.append(ax.text(6.5, 14.4, "", ha="center", va="center"))
        images = [artist for image in self.images for artist in image.artists]
        return [*images, *self.notes]

    def move(self, mean, channel, digit, shift):
        """Normalize the maps with one digit moved, and compare with moving after."""
        c = list(KERNELS).index(channel)
        axes = (0, 2, 3) if mean == "channel" else 0
        x = convolution(digit, shift)[:, [c]]
        x_hat = standardize(x, axes)[0][digit, 0]
        still = standardize(convolution(digit, 0)[:, [c]], axes)[0][digit, 0]
        difference = x_hat - np.roll(still, shift, axis=-1)
        difference[np.abs(difference) < 1e-12] = 0
        for image, values in zip(
            self.images, (x[digit, 0], x_hat, difference), strict=True
        ):
            image.set_array(values)
        shared = x.size if mean == "channel" else BATCH
        count = len(KERNELS) * x.size // shared
        worst = np.abs(difference).max()
        largest = np.abs(x_hat).max()
        # How many digits there are to compare with, where the largest value stands.
        at = np.unravel_index(np.abs(x_hat).argmax(), x_hat.shape)
        inked = int((np.abs(x[:, 0, *at]) > 1e-9).sum())
        self.notes[0].set_text(style.SIGNED_KEY)
        self.notes[2].set_text(f"largest difference {worst:.2f}")
        tail = ""
        if mean == "channel":
            self.notes[1].set_text(f"{BATCH} x 14 x 14 values share a mean")
        else:
            self.notes[1].set_text(
                f"largest |x_hat| {largest:.1f}: {inked} of {BATCH} not 0"
            )
            tail = f" Where it is largest, it is not 0 for {inked} of {BATCH} digits."
        return (
            f"One mean per {mean}: {count} means, each over {shared} values. Digit "
            f"{digit} moved by {shift}: the map '{channel}' has values up to "
            f"{largest:.1f} and differs from the moved result by at most "
            f"{worst:.2f}.{tail}"
        )


def relu(a):
    """Return max(a, 0)."""
    return np.maximum(a, 0)


def sigmoid(a):
    """Return 1 / (1 + exp(-a))."""
    return 1 / (1 + np.exp(-a))


ACTIVATIONS = {"ReLU": relu, "sigmoid": sigmoid, "tanh": np.tanh}
ORDERS = ("norm, then activation", "activation, then norm")


class Order(LiveFigure):
    """Batch norm before or after the activation, on the first layer."""

    height = 4.4
    unit = 5  # has values on both sides of 0, so that ReLU cuts some of them

    def __init__(self):
        self.x = first_layer().x
        super().__init__()

    def make_controls(self):
        """Return the controls: order, activation, bias before and beta."""
        return {
            "order": controls.choice("", list(ORDERS), ORDERS[0]),
            "activation": controls.choice("", list(ACTIVATIONS), "ReLU"),
            "bias": controls.slider("bias before both", -2.0, 2.0, 0.0, 0.1, ".1f"),
            "beta": controls.slider("beta", -2.0, 2.0, 0.0, 0.1, ".1f"),
        }

    def draw(self, fig):
        """Draw one unit as a curve and all units as mean and std."""
        ax = fig.add_axes((0.08, 0.14, 0.40, 0.74))
        ax.set(xlim=(-1.0, 1.3), ylim=(-4, 10))
        ax.set(xlabel="pre-activation, without the bias", ylabel="what leaves")
        ax.set_title(f"unit {self.unit}, 64 digits")
        ax.axhline(0, color="#888888", lw=0.8)
        (self.dots,) = ax.plot([], [], "o", ms=5, mew=0, color=style.AFTER)
        ax = fig.add_axes((0.58, 0.14, 0.40, 0.74))
        ax.set(xlim=(-0.7, UNITS - 0.3), ylim=(-4, 4), xlabel="unit")
        ax.set_xticks(range(0, UNITS, 5))
        ax.set_title("mean and std of what leaves")
        ax.axhline(0, color="#888888", lw=0.8)
        self.spread = ax.add_collection(
            LineCollection([], colors=style.AFTER, linewidths=3)
        )
        (self.means,) = ax.plot([], [], "o", ms=7, mew=0, color=style.INK)
        return [self.dots, self.spread, self.means]

    def move(self, order, activation, bias, beta):
        """Pass the batch through both, in the chosen order."""
        function = ACTIVATIONS[activation]
        shift = np.full(UNITS, beta)
        a = self.x + bias
        if order == ORDERS[0]:
            y = function(batch_norm(a, beta=shift)[0])
        else:
            y = batch_norm(function(a), beta=shift)[0]
        unit = y[:, self.unit]
        self.dots.set_data(self.x[:, self.unit], unit)
        mean, std = y.mean(0), y.std(0)
        units = np.arange(UNITS)
        self.spread.set_segments(
            np.stack(
                [np.stack([units, mean - std], 1), np.stack([units, mean + std], 1)], 1
            )
        )
        self.means.set_data(units, mean)
        dead = int((std < 1e-6).sum())
        tail = f" {dead} of {UNITS} units are the same for all digits." if dead else ""
        sparse = ""
        if activation == "ReLU" and order == ORDERS[0]:
            sparse = f", and is 0 for {np.mean(unit == 0):.0%} of the digits"
        return (
            f"{order[0].upper()}{order[1:]} ({activation}), bias {bias:z.1f}, beta "
            f"{beta:z.1f}: unit {self.unit} leaves with mean {unit.mean():z.2f} and "
            f"std {unit.std():.2f}{sparse}.{tail}"
        )


@lru_cache(maxsize=64)
def two_paths(lr, factor, steps=30, size=128):
    """Train one function in two parametrizations by the same gradient descent.

    Parameters
    ----------
    lr : float
        Learning rate of both.
    factor : float
        Factor on the weights before the batch norm that is undone.
    steps, size : int
        Steps on one batch of that many digits.

    Returns
    -------
    losses : ndarray of shape (2, steps + 1)
        Without and with batch norm.
    scores : ndarray of shape (2, steps + 1, size, 10)
        Outputs before each step, and after the last.
    """
    data = digits_split(np.random.default_rng(0))
    x, labels = data.x_train[:size], data.y_train[:size]
    plain = mlp([64, UNITS, 10], rng=np.random.default_rng(1))
    losses, scores = [], []
    for net in (plain, undone_batch_norm(plain, x, factor=factor)):
        seen = [net.forward(x)]
        history = []
        for record in fit(
            net, x, labels, lr=lr, batch_size=None, steps=steps + 1, rng=0
        ):
            history.append(record.loss)
            if len(history) <= steps:
                seen.append(net.forward(x))
        losses.append(history)
        scores.append(seen)
    return np.array(losses), np.array(scores)


class Undo(LiveFigure):
    """One function in two parametrizations, and the same steps of gradient descent.

    The losses are drawn up to the step that is shown.
    """

    height = 4.4
    names = ("without norm", "batch norm, undone")

    def make_controls(self):
        """Return the controls: steps made, learning rate, factor on the weights."""
        return {
            "steps": controls.whole("steps", 0, 30, 0),
            "lr": controls.steps("learning rate", [0.03, 0.1, 0.3, 1.0], 0.3),
            "factor": controls.steps("W times", [0.3, 1.0, 3.0], 1.0),
        }

    def draw(self, fig):
        """Draw the scores of both networks, and their losses."""
        ax = fig.add_axes((0.08, 0.14, 0.40, 0.74))
        ax.set(
            xlim=(-8, 8), ylim=(-8, 8), xticks=range(-8, 9, 4), yticks=range(-8, 9, 4)
        )
        ax.set(xlabel="score without norm", ylabel="score with batch norm")
        ax.set_title("10 scores of 128 digits")
        ax.plot([-8, 8], [-8, 8], color=style.BEFORE, lw=1, ls="--")
        (self.dots,) = ax.plot([], [], "o", ms=3, mew=0, alpha=0.5, color=style.AFTER)
        self.right = ax = fig.add_axes((0.57, 0.14, 0.40, 0.74))
        ax.set(xlim=(0, 30), ylim=(0, 3), xlabel="steps")
        ax.set_title("loss on the batch")
        (self.plain,) = ax.plot([], [], color=style.NONE, ls="--")
        (self.norm,) = ax.plot([], [], color=style.BATCH)
        (self.ends,) = ax.plot([], [], "o", ms=6, color=style.INK, clip_on=False)
        for y, words, color in (
            (2.82, "dashed: without", "#555555"),
            (2.58, "line: batch norm", "#a84600"),
        ):
            ax.text(29.5, y, words, color=color, ha="right", va="center")
        return [self.dots, self.plain, self.norm, self.ends]

    def touches(self):
        """Let the number of steps be picked on its axis."""
        return [
            Touch(
                self.right,
                lambda x, y, start: {"steps": round(x)},
                "Click: the number of steps.",
                "pointer",
                sideways=True,
            )
        ]

    def move(self, steps, lr, factor):
        """Show both networks after some steps."""
        losses, scores = two_paths(lr, factor)
        first, second = scores[:, steps].reshape(2, -1)
        self.dots.set_data(first, second)
        self.plain.set_data(range(steps + 1), losses[0, : steps + 1])
        self.norm.set_data(range(steps + 1), losses[1, : steps + 1])
        self.ends.set_data([steps, steps], losses[:, steps])
        apart = np.abs(first - second).max()
        words = "0 (up to rounding)" if apart < 1e-9 else f"{apart:.2f}"
        done = "1 step" if steps == 1 else f"{steps} steps"
        return (
            f"After {done} at learning rate {lr:g}: the scores of the two "
            f"networks differ by at most {words}; the losses are "
            f"{losses[0, steps]:.2f} without norm and {losses[1, steps]:.2f} with the "
            f"undone batch norm, whose W started at {factor:g} times the other."
        )
