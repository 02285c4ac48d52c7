"""Figures of notebook 03 on single questions: eps, rounding, order, correlation."""

from functools import lru_cache

import numpy as np
from matplotlib.collections import LineCollection

from normlib import batch_norm, standardize
from normlib.batch.folding import conv2d
from normlib.batch.rescaling import skewness, whiten
from normlib.batch.two_parametrizations import undone_batch_norm
from normlib.batch.variance import one_pass_variance, two_pass_variance
from normlib.datasets import digits_split
from normlib.live import controls, style
from normlib.live.digits_layer import UNITS, first_layer
from normlib.live.figure import LiveFigure
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
            "factor": controls.log_slider("weights times", -6, 0, 0.01, 0.25),
            "eps": controls.log_slider("eps", -8, -1, 1e-5, 0.25),
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
        ax.axvline(0, color=style.FAINT, zorder=0)
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


@lru_cache
def computed_variances(unit, dtype):
    """Return one-pass and two-pass variance of a unit at every one of OFFSETS."""
    x = first_layer().x[:, [unit]]
    shifted = (x + np.array(OFFSETS)).astype(dtype)
    return one_pass_variance(shifted), two_pass_variance(shifted), float(x.var())


class OnePass(LiveFigure):
    """The variance as mean(x^2) - mean(x)^2 while the bias of the unit grows."""

    def make_controls(self):
        """Return the controls: offset, float type and unit."""
        options = [(f"{v:g}", k) for k, v in enumerate(OFFSETS)]
        return {
            "offset": controls.steps("add to the bias", options, OFFSETS.index(1e3)),
            "dtype": controls.choice("floats", ["float32", "float64"], "float32"),
            "unit": controls.whole("unit d", 0, UNITS - 1, 11),
        }

    def draw(self, fig):
        """Draw both variances against the offset, and two rows of dots."""
        ax = fig.add_axes((0.08, 0.15, 0.46, 0.72))
        ax.set(xlim=(-1.4, 8.3), ylim=(-2, 4))
        ax.set_xticks([-1, 0, 2, 4, 6, 8], ["0", "1", "100", "1e4", "1e6", "1e8"])
        ax.set_xlabel("added to the bias")
        ax.set_title("computed variance / true variance")
        ax.axhline(0, color="#888888", lw=0.8)
        self.place = np.array([-1.0] + [np.log10(v) for v in OFFSETS[1:]])
        (self.two,) = ax.plot([], [], "-", color=style.AFTER)
        (self.one,) = ax.plot([], [], "X", ms=7, mew=0, color=style.WARN, clip_on=False)
        # Far outside, a cross at the edge says so.
        ax.set_yticks(range(-2, 5), ["\u2264 -2", *map(str, range(-1, 4)), "\u2265 4"])
        (self.now,) = ax.plot([], [], color=style.INK, lw=1, ls=":")
        ax.text(-1.2, 1.35, "two passes", color=style.AFTER)
        ax.text(-1.2, 0.35, "one pass", color=style.WARN)
        ax = fig.add_axes((0.63, 0.15, 0.35, 0.72))
        ax.set(xlim=(-3.4, 3.4), ylim=(-1.7, 0.6), yticks=[])
        ax.set_xlabel("x_hat of 64 digits")
        ax.spines["left"].set_visible(False)
        ax.axvline(0, color=style.FAINT, zorder=0)
        self.words = [ax.text(-3.3, y, "", va="center") for y in (0.42, -0.58)]
        (self.dots_two,) = ax.plot([], [], "o", ms=5, mew=0, color=style.AFTER)
        (self.dots_one,) = ax.plot([], [], "X", ms=5, mew=0, color=style.WARN)
        return [self.now, self.two, self.one, *self.words, self.dots_two, self.dots_one]

    def move(self, offset, dtype, unit):
        """Add the offset to the pre-activations and compute both variances."""
        one, two, true = computed_variances(unit, dtype)
        self.two.set_data(self.place, two / true)
        self.one.set_data(self.place, np.clip(one / true, -2, 4))
        self.now.set_data([self.place[offset]] * 2, [-2, 4])
        kind = np.dtype(dtype).type
        x = (first_layer().x[:, unit] + OFFSETS[offset]).astype(dtype)
        centred = x - x.mean(dtype=np.float64).astype(kind)
        rows = np.zeros(x.size)
        self.dots_two.set_data(_divided(centred, two[offset]), rows)
        negative = one[offset] + 1e-5 <= 0
        if negative:
            self.dots_one.set_data([], [])
        else:
            self.dots_one.set_data(_divided(centred, one[offset]), rows - 1)
        self.words[0].set_text(f"two passes: var {two[offset]:z.3g}")
        self.words[1].set_text(
            f"one pass: var {one[offset]:z.3g}" + (", no root" if negative else "")
        )
        tail = " A negative variance has no root." if negative else ""
        return (
            f"Offset {OFFSETS[offset]:g} in {dtype}: the variance {true:.3g} of unit "
            f"{unit} comes out as {two[offset]:z.3g} in two passes and as "
            f"{one[offset]:z.3g} in one pass.{tail}"
        )


def _divided(centred, var):
    return centred / np.sqrt(float(var) + 1e-5)


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
            "shift": controls.whole("move it right", -2, 2, 2),
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
    """One function in two parametrizations, and the same steps of gradient descent."""

    height = 4.4
    names = ("without norm", "batch norm, undone")

    def make_controls(self):
        """Return the controls: steps made, learning rate, factor on the weights."""
        return {
            "steps": controls.whole("steps of gradient descent", 0, 30, 0),
            "lr": controls.steps("learning rate", [0.03, 0.1, 0.3, 1.0], 0.3),
            "factor": controls.steps("W before the norm, times", [0.3, 1.0, 3.0], 1.0),
        }

    def draw(self, fig):
        """Draw the scores of both networks, and their losses."""
        ax = fig.add_axes((0.08, 0.14, 0.40, 0.74))
        ax.set(xlim=(-8, 8), ylim=(-8, 8))
        ax.set(xlabel="score without norm", ylabel="score with batch norm")
        ax.set_title("10 scores of 128 digits")
        ax.plot([-8, 8], [-8, 8], color=style.BEFORE, lw=1, ls="--")
        (self.dots,) = ax.plot([], [], "o", ms=3, mew=0, alpha=0.5, color=style.AFTER)
        ax = fig.add_axes((0.57, 0.14, 0.28, 0.74))
        ax.set(xlim=(0, 30), ylim=(0, 3), xlabel="steps")
        ax.set_title("loss on the batch")
        (self.plain,) = ax.plot([], [], color=style.NONE, ls="--")
        (self.norm,) = ax.plot([], [], color=style.BATCH)
        (self.ends,) = ax.plot([], [], "o", ms=6, color=style.INK)
        self.labels = [
            ax.text(31, 0, words, color=color, va="center")
            for words, color in (("without", "#555555"), ("batch norm", "#a84600"))
        ]
        return [self.dots, self.plain, self.norm, self.ends, *self.labels]

    def move(self, steps, lr, factor):
        """Show both networks after some steps."""
        losses, scores = two_paths(lr, factor)
        first, second = scores[:, steps].reshape(2, -1)
        self.dots.set_data(first, second)
        self.plain.set_data(range(31), losses[0])
        self.norm.set_data(range(31), losses[1])
        self.ends.set_data([steps, steps], losses[:, steps])
        gap = max(0.0, 0.2 - abs(losses[0, -1] - losses[1, -1])) / 2
        above = losses[0, -1] > losses[1, -1]
        self.labels[0].set_y(losses[0, -1] + (gap if above else -gap))
        self.labels[1].set_y(losses[1, -1] - (gap if above else -gap))
        apart = np.abs(first - second).max()
        words = "0 (up to rounding)" if apart < 1e-9 else f"{apart:.2f}"
        done = "1 step" if steps == 1 else f"{steps} steps"
        return (
            f"After {done} at learning rate {lr:g}: the scores of the two "
            f"networks differ by at most {words}; the losses are "
            f"{losses[0, steps]:.2f} without norm and {losses[1, steps]:.2f} with the "
            f"undone batch norm, whose W started at {factor:g} times the other."
        )


class Correlations(LiveFigure):
    """Two units before and after batch norm, and the correlations of all 16."""

    height = 4.5
    kinds = ("x", "batch norm", "whitened")

    def __init__(self):
        layer = first_layer(size=512)
        few = layer.labels <= 1
        self.x = {"all ten": layer.x[:256], "0 and 1 only": layer.x[few]}
        super().__init__()

    def make_controls(self):
        """Return the controls: what is shown, which digits, and two units."""
        return {
            "kind": controls.choice("show", list(self.kinds), "batch norm"),
            "digits": controls.choice("digits", list(self.x), "all ten"),
            "first": controls.whole("unit across", 0, UNITS - 1, 5),
            "second": controls.whole("unit up", 0, UNITS - 1, 9),
        }

    def draw(self, fig):
        """Draw the scatter with its two histograms, and the matrix."""
        ax = fig.add_axes((0.08, 0.15, 0.34, 0.60))
        ticks = range(-4, 5, 2)
        ax.set(xlim=(-4, 4), ylim=(-4, 4), xticks=ticks, yticks=ticks)
        ax.axhline(0, color=style.FAINT, zorder=0)
        ax.axvline(0, color=style.FAINT, zorder=0)
        (self.dots,) = ax.plot([], [], "o", ms=3.5, mew=0, alpha=0.6)
        self.names = [
            ax.text(0, -5.3, "", ha="center", va="center"),
            ax.text(-5.25, 0, "", ha="center", va="center", rotation=90),
        ]
        top = fig.add_axes((0.08, 0.765, 0.34, 0.13))
        top.set(xlim=(-4, 4), ylim=(0, 1.05))
        right = fig.add_axes((0.43, 0.15, 0.07, 0.60))
        right.set(ylim=(-4, 4), xlim=(0, 1.05))
        for axes in (top, right):
            axes.axis("off")
        (self.top,) = top.plot([], [])
        (self.right,) = right.plot([], [])
        self.title = fig.text(0.08, 0.93, "", weight="bold", size=12)
        ax = fig.add_axes((0.57, 0.13, 0.36, 0.72))
        ax.set_title("correlations")
        ax.set_xlabel(style.SIGNED_KEY)
        ax.set_aspect("equal")
        self.matrix = style.SignedCells(ax, (UNITS, UNITS), 1)
        ax.set_xticks(range(0, UNITS, 5))
        ax.set_yticks(range(0, UNITS, 5))
        (self.pick,) = ax.plot([], [], "s", ms=13, mfc="none", mew=2, color=style.INK)
        lines = [self.dots, self.top, self.right, *self.matrix.artists, self.pick]
        return [*lines, *self.names, self.title]

    def move(self, kind, digits, first, second):
        """Show two units, and how all are correlated."""
        x = self.x[digits]
        y = {"x": x, "batch norm": batch_norm(x, eps=0)[0]}.get(kind)
        y = whiten(x) if y is None else y
        color = style.BEFORE if kind == "x" else style.AFTER
        self.dots.set_data(y[:, first], y[:, second])
        bins = np.linspace(-4, 4, 33)
        edges = np.repeat(bins, 2)
        across = np.histogram(y[:, first], bins)[0]
        up = np.histogram(y[:, second], bins)[0]
        self.top.set_data(edges, _outline(across))
        self.right.set_data(_outline(up), edges)
        for line in (self.dots, self.top, self.right):
            line.set_color(color)
        correlation = np.corrcoef(y.T)
        self.matrix.set_array(correlation)
        self.pick.set_data([first, second], [second, first])
        self.names[0].set_text(f"unit {first}")
        self.names[1].set_text(f"unit {second}")
        self.title.set_text(f"{kind}: {len(y)} digits")
        moved = np.abs(correlation - np.corrcoef(x.T)).max()
        changed = "0 (up to rounding)" if moved < 1e-9 else f"{moved:.2f}"
        return (
            f"{kind[0].upper()}{kind[1:]}: units {first} and {second} have the "
            f"correlation {correlation[first, second]:z.2f}; the largest change in "
            f"the matrix is {changed}. Unit {first} has mean "
            f"{y[:, first].mean():z.2f}, std {y[:, first].std():.2f} and skewness "
            f"{skewness(y[:, first]):z.2f}."
        )


def _outline(counts):
    """Return the heights of a histogram at the doubled edges of its bins."""
    return np.concatenate([[0], np.repeat(counts / max(counts.max(), 1), 2), [0]])
