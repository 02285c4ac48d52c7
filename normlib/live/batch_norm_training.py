"""Figures of notebook 03: batch norm while it trains, on a real layer of digits."""

from functools import lru_cache

import numpy as np
from matplotlib.collections import LineCollection

from normlib import batch_norm
from normlib.live import controls, style
from normlib.live.batch_norm_details import (
    Convolution,
    Epsilon,
    Order,
    Rounding,
    Undo,
)
from normlib.live.digits_layer import UNITS, first_layer
from normlib.live.figure import LiveFigure
from normlib.live.reader import reader_array
from normlib.live.touch import Touch
from normlib.nets.training import loss_and_gradient

STEPS = ("x", "x - mean", "x_hat", "gamma x_hat", "gamma x_hat + beta")


def small(value):
    """Return a number in words; what is only rounding counts as 0."""
    return "0 (up to rounding)" if abs(value) < 1e-11 else f"{value:.3g}"


class Steps(LiveFigure):
    """One unit of the first layer, 64 digits, from the pre-activation to y."""

    height = 4.6

    def __init__(self):
        self.x = first_layer().x
        super().__init__()

    def make_controls(self):
        """Return the controls: unit, last step, gamma and beta."""
        return {
            "unit": controls.whole("unit d", 0, UNITS - 1, 11),
            "step": controls.steps(
                "up to step", [(s, k) for k, s in enumerate(STEPS)], 2
            ),
            "gamma": controls.slider("gamma[d]", -2.0, 2.0, 1.5, 0.1, ".1f"),
            "beta": controls.slider("beta[d]", -2.0, 2.0, 1.0, 0.1, ".1f"),
        }

    def draw(self, fig):
        """Draw one row for each step and the places of its mean and std."""
        self.ax = ax = fig.add_axes((0.225, 0.13, 0.55, 0.76))
        ax.set(xlim=(-8.2, 8.2), ylim=(-4.6, 0.5))
        ax.set_xlabel("one dot: one of 64 digits")
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.axvline(0, color=style.FAINT, zorder=0)
        fig.text(0.80, 0.925, "mean", weight="bold")
        fig.text(0.90, 0.925, "std", weight="bold")
        self.title = style.moving_title(ax)
        self.lines = ax.add_collection(
            LineCollection([], colors="#cccccc", linewidths=0.6)
        )
        (self.before,) = ax.plot([], [], "o", ms=4, mew=0, color=style.BEFORE)
        (self.after,) = ax.plot([], [], "o", ms=4, mew=0, color=style.AFTER)
        self.spread = ax.add_collection(
            LineCollection([], colors=style.INK, linewidths=3, capstyle="butt")
        )
        (self.middle,) = ax.plot([], [], "|", ms=13, mew=2.5, color=style.INK)
        place = dict(va="center", ha="left", transform=ax.get_yaxis_transform())
        label = place | dict(ha="right")
        self.rows = [ax.text(-0.02, -k, "", **label) for k in range(5)]
        self.means = [ax.text(1.045, -k, "", **place) for k in range(5)]
        self.stds = [ax.text(1.23, -k, "", **place) for k in range(5)]
        dots = [self.lines, self.before, self.after, self.spread, self.middle]
        return [*dots, self.title, *self.rows, *self.means, *self.stds]

    def touches(self):
        """Let the last row be dragged: beta; and a click on a row go up to it."""

        def drag(x, y, start):
            row = min(4, max(0, round(-start.y)))
            if row < 4 or start.values["step"] < 4:
                return {"step": row}
            return {"beta": start.values["beta"] + x - start.x}

        hint = "Click a row to stop there; drag the last one: beta."
        return [Touch(self.ax, drag, hint)]

    def move(self, unit, step, gamma, beta):
        """Take one unit through the steps of batch norm."""
        x = self.x[:, unit]
        x_hat = batch_norm(self.x)[1].x_hat[:, unit]
        rows = [x, x - x.mean(), x_hat, gamma * x_hat, gamma * x_hat + beta][: step + 1]
        heights = [np.full(x.size, -float(k)) for k in range(len(rows))]
        self.lines.set_segments(np.stack([rows, heights], axis=-1).swapaxes(0, 1))
        self.before.set_data(x, heights[0])
        self.after.set_data(np.ravel(rows[1:]), np.ravel(heights[1:]))
        mean = [row.mean() for row in rows]
        std = [row.std() for row in rows]
        self.spread.set_segments(
            [
                [(m - s, -k - 0.25), (m + s, -k - 0.25)]
                for k, (m, s) in enumerate(zip(mean, std, strict=True))
            ]
        )
        self.middle.set_data(mean, [-k - 0.25 for k in range(len(rows))])
        labels = [*STEPS[:3], f"times gamma = {gamma:z.1f}", f"plus beta = {beta:z.1f}"]
        for k in range(5):
            self.rows[k].set_text(labels[k])
            self.means[k].set_text(f"{mean[k]:z.2f}" if k <= step else "")
            self.stds[k].set_text(f"{std[k]:.2f}" if k <= step else "")
        self.title.set_text(f"unit {unit} of the first layer")
        return self._sentence(unit, step, gamma, beta, mean, std)

    def _sentence(self, unit, step, gamma, beta, mean, std):
        done = [
            "nothing is done yet",
            "the mean is gone, the standard deviation is as it was",
            "mean 0 and standard deviation 1",
            f"the standard deviation is now |gamma| = {std[-1]:.2f}"
            + (" and turns the order round" if gamma < 0 else ""),
            f"gamma and beta set the standard deviation to {std[-1]:.2f} and the mean "
            f"to {mean[-1]:z.2f}",
        ][step]
        return (
            f"Unit {unit} gives its 64 digits the mean {mean[0]:z.2f} and the standard "
            f"deviation {std[0]:.2f}. After {STEPS[step]}: {done}."
            + f" gamma = {gamma:z.1f} and beta = {beta:z.1f} come later." * (step < 3)
            + f" beta = {beta:z.1f} comes last." * (step == 3)
        )


class Units(LiveFigure):
    """Every unit as a point (mean, std), before and after batch norm.

    Parameters
    ----------
    function : callable, optional
        The reader's own ``function(x, gamma, beta)`` on arrays (N, 16), (16,), (16,).
        Default: the batch norm of normlib.
    """

    height = 4.4

    def __init__(self, function=None):
        self.function = function
        self.x = first_layer().x
        super().__init__()

    def make_controls(self):
        """Return the controls: size of batch and of x, gamma, beta."""
        return {
            "size": controls.steps("batch N", [2, 3, 4, 8, 16, 32, 64], 64),
            "scale": controls.log_slider("x times", -3, 0.5, 1.0, 0.25),
            "gamma": controls.slider("gamma", 0.0, 2.0, 1.0, 0.1, ".1f"),
            "beta": controls.slider("beta", -2.0, 2.0, 0.0, 0.1, ".1f"),
        }

    def draw(self, fig):
        """Draw the plane of mean and standard deviation."""
        ax = fig.add_axes((0.09, 0.14, 0.60, 0.74))
        ax.set(xlim=(-3, 3), ylim=(0, 2.6))
        ax.set(xlabel="mean over the batch", ylabel="std over the batch")
        ax.grid(True)
        ax.set_title("one point: one of 16 units")
        self.limits = (-3, 3, 0, 2.6)
        (self.before,) = ax.plot([], [], "s", ms=5, mew=0, color=style.BEFORE)
        (self.expected,) = ax.plot(
            [], [], "o", ms=15, mew=1.5, mfc="none", color=style.BATCH
        )
        (self.after,) = ax.plot(
            [], [], "o", ms=6, mew=0, color=style.AFTER, clip_on=False
        )
        key = fig.add_axes((0.71, 0.14, 0.28, 0.74))
        key.set(xlim=(0, 1), ylim=(0, 1))
        key.axis("off")
        for y, kind, words in (
            (0.9, dict(marker="s", ms=5, mew=0, color=style.BEFORE), "before: x"),
            (
                0.78,
                dict(marker="o", ms=15, mew=1.5, mfc="none", color=style.BATCH),
                "batch norm",
            ),
            (
                0.66,
                dict(marker="o", ms=6, mew=0, color=style.AFTER),
                "after: y" if self.function is None else "your function",
            ),
        ):
            key.plot(0.08, y, ls="none", **kind)
            key.text(0.19, y, words, va="center")
        self.words = [key.text(0.03, y, "", va="center") for y in (0.42, 0.30)]
        return [self.before, self.expected, self.after, *self.words]

    def move(self, size, scale, gamma, beta):
        """Normalize all units over the batch and place each by mean and std."""
        x = scale * self.x[:size]
        gammas, betas = np.full(UNITS, gamma), np.full(UNITS, beta)
        y, _ = batch_norm(x, gammas, betas)
        # First what does not need the reader's function, which may fail.
        self.before.set_data(x.mean(0), x.std(0))
        self.expected.set_data(y.mean(0), y.std(0))
        self.after.set_data([], [])
        for words in self.words:
            words.set_text("")
        if self.function is not None:
            y = reader_array(self.function, x, gammas, betas, shape=x.shape)
        mean, std = y.mean(0), y.std(0)
        left, right, low, high = self.limits
        inside = (left <= mean) & (mean <= right) & (std <= high)
        self.after.set_data(mean[inside], std[inside])
        self.words[0].set_text(f"mean {_range(mean)}")
        self.words[1].set_text(f"std {_range(std)}")
        return self._sentence(x, mean, std, inside)

    def _sentence(self, x, mean, std, inside):
        who = "Batch norm" if self.function is None else "Your function"
        head = (
            f"{who}, N = {len(x)}: the units of x have means {_range(x.mean(0))} and "
            f"stds {_range(x.std(0))}; those of y have means {_range(mean)} and stds "
            f"{_range(std)}."
        )
        if inside.all():
            return head
        return (
            f"{head} {np.sum(~inside)} of {inside.size} units lie outside the picture."
        )


def _range(values):
    low, high = f"{values.min():z.3g}", f"{values.max():z.3g}"
    if np.abs(values).max() < 1e-6:
        return "0"
    rounded = f"{values.min():z.2f}", f"{values.max():z.2f}"
    if (
        rounded[0] == rounded[1]
        and values.max() > 0.1
        or rounded[0] == rounded[1] != "0.00"
    ):
        return rounded[0]
    if max(abs(values)) >= 0.1:
        low, high = rounded
    return f"{low} to {high}"


@lru_cache
def bias_effect(norm, everywhere, amount):
    """Return what a bias added before the norm of a trained network does.

    Parameters
    ----------
    norm : {None, "batch", "layer"}
        Norm after the linear map.
    everywhere : bool
        Whether all units get it, or unit 11 alone.
    amount : float
        What is added to the bias.

    Returns
    -------
    before, after : ndarray of shape (64,)
        What unit 11 passes to its activation.
    losses : tuple of 2 floats
        Loss without and with it.
    gradient : ndarray of shape (16,)
        Gradient of the bias, with it.
    """
    net, digits, labels, _ = first_layer(norm)
    bias = net.layers[0].params["bias"]
    stage = 0 if norm is None else 1
    chosen = slice(None) if everywhere else slice(BIAS_UNIT, BIAS_UNIT + 1)
    kept, results = bias.copy(), []
    for shift in (0.0, amount):
        bias[chosen] = kept[chosen] + shift
        loss = loss_and_gradient(net, digits, labels)
        net.forward(digits, record=True)
        results.append((net.outputs[stage][:, BIAS_UNIT].copy(), loss))
    gradient = net.layers[0].grads["bias"].copy()
    bias[...] = kept
    (before, first), (after, second) = results
    return before, after, (first, second), gradient


BIAS_UNIT = 11


class Bias(LiveFigure):
    """A bias before the norm: what it does to the unit, the loss, its own gradient."""

    def make_controls(self):
        """Return the controls: norm, where the bias is added, and how much."""
        return {
            "norm": controls.choice("norm", ["none", "batch", "layer"], "none"),
            "where": controls.choice("bias of", ["unit 11", "all units"], "unit 11"),
            "amount": controls.slider("add to the bias", -3.0, 3.0, 2.0, 0.25),
        }

    def draw(self, fig):
        """Draw the plane without-with and the gradient by unit."""
        ax = fig.add_axes((0.09, 0.15, 0.36, 0.71))
        ax.set(xlim=(-6.5, 6.5), ylim=(-6.5, 6.5))
        ax.set(xlabel="without it", ylabel="with the added bias")
        self.title = style.moving_title(ax)
        ax.plot([-6.5, 6.5], [-6.5, 6.5], color=style.BEFORE, lw=1, ls="--")
        ax.text(4.4, 2.0, "no change", color="#555555", ha="center", va="top")
        (self.dots,) = ax.plot([], [], "o", ms=5, mew=0, color=style.AFTER)
        ax = fig.add_axes((0.58, 0.15, 0.40, 0.71))
        ax.set(xlim=(-0.7, UNITS - 0.3), ylim=(-0.65, 0.65), xlabel="unit")
        ax.set_xticks(range(0, UNITS, 5))
        ax.set_title("gradient of each bias")
        ax.axhline(0, color="#888888", lw=0.8)
        self.bars = ax.add_collection(
            LineCollection([], colors=style.AFTER, linewidths=4)
        )
        (self.ends,) = ax.plot([], [], "o", ms=6, mew=0, color=style.AFTER)
        self.sum = ax.text(UNITS - 0.5, 0.59, "", ha="right", va="center")
        return [self.dots, self.bars, self.ends, self.sum, self.title]

    def move(self, norm, where, amount):
        """Add to the bias before the norm and compare."""
        before, after, losses, gradient = bias_effect(
            None if norm == "none" else norm, where == "all units", amount
        )
        self.dots.set_data(before, after)
        self.title.set_text(f"unit 11: {amount:+z.2f} to bias of {where}")
        units = np.arange(UNITS)
        self.bars.set_segments(
            [[(u, 0), (u, g)] for u, g in zip(units, gradient, strict=True)]
        )
        self.ends.set_data(units, gradient)
        self.sum.set_text(f"sum {small(gradient.sum())}")
        moved = small(np.abs(after - before).max())
        head = {"none": "No norm", "batch": "Batch norm", "layer": "Layer norm"}[norm]
        change = small(losses[1] - losses[0])
        return (
            f"{head}: adding {amount:z.2f} to the bias of {where} moves the values "
            f"of unit 11 by at most {moved} and the loss by {change}. The largest "
            f"gradient of a bias is {small(np.abs(gradient).max())}, their sum "
            f"{small(gradient.sum())}."
        )


@lru_cache
def many_batches(size, unit, seed):
    """Return batches of `size` digits, about 240 values, of one unit: (batches, N)."""
    x = first_layer(size=512).x[:, unit]
    count = max(4, 240 // size)
    rng = np.random.default_rng(seed)
    return np.stack([x[rng.permutation(x.size)[:size]] for _ in range(count)])


class SmallBatches(LiveFigure):
    """x_hat against x for many batches of N digits, down to N = 2 and N = 1."""

    height = 4.4
    reach = 4.5

    def make_controls(self):
        """Return the controls: size of the batches, unit, variance, draw."""
        return {
            "size": controls.steps("batch N", [1, 2, 3, 4, 8, 16, 32, 64], 8),
            "unit": controls.whole("unit d", 0, UNITS - 1, 11),
            "variance": controls.choice(
                "variance", ["1/N", "1/(N-1)", "normlib"], "1/N"
            ),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the plane of x and x_hat with the largest possible x_hat."""
        ax = fig.add_axes((0.09, 0.14, 0.70, 0.75))
        ax.set(xlim=(-2.2, 2.2), ylim=(-self.reach, self.reach))
        ax.set(xlabel="x: pre-activation of a digit", ylabel="x_hat in its batch")
        ax.axhline(0, color=style.FAINT, zorder=0)
        self.title = style.moving_title(ax)
        self.bounds = ax.add_collection(
            LineCollection([], colors=style.BATCH, linestyles="dashed", linewidths=1.5)
        )
        place = dict(transform=ax.get_yaxis_transform(), va="center", color="#a84600")
        self.marks = [ax.text(1.01, 0, "", **place) for _ in range(2)]
        (self.dots,) = ax.plot([], [], "o", ms=4.5, mew=0, alpha=0.6, color=style.AFTER)
        return [self.bounds, self.dots, *self.marks, self.title]

    def move(self, size, unit, variance, seed):
        """Normalize each batch by itself."""
        x = many_batches(size, unit, seed)
        if size == 1 and variance != "1/N":
            return self._nothing(x, variance)
        ddof = 1 if variance == "1/(N-1)" else 0
        centred = x - x.mean(axis=1, keepdims=True)
        var = (centred**2).sum(axis=1, keepdims=True) / (size - ddof)
        x_hat = centred / np.sqrt(var + 1e-5)
        limit = (size - 1) / np.sqrt(size) if ddof else np.sqrt(size - 1)
        self.dots.set_data(x.ravel(), x_hat.ravel())
        self._bound(limit)
        outside = f", limit {limit:.2f} outside" if limit >= self.reach else ""
        self.title.set_text(f"{len(x)} batches of N = {size}{outside}")
        head = f"N = {size}, variance with {'1/N' if ddof == 0 else '1/(N-1)'}"
        if size == 1:
            return (
                f"{head}: the mean is x itself, so x_hat is 0 for all {x.size} digits."
            )
        largest = np.abs(x_hat).max()
        tail = ""
        if size == 2:
            share = np.mean(np.abs(np.abs(x_hat) - limit) < 0.01 * limit)
            tail = (
                f" {share:.0%} of the results are within 1% of it: where eps does "
                "not matter, a pair keeps its order and nothing else."
            )
        return (
            f"{head}: in {len(x)} batches |x_hat| reaches {largest:.2f}; no batch of "
            f"{size} can pass {limit:.2f}.{tail}"
        )

    def _bound(self, limit):
        shown = 0 < limit < self.reach
        ends = [(-2.2, 2.2)] * 2
        self.bounds.set_segments(
            [
                [(a, s * limit), (b, s * limit)]
                for s, (a, b) in zip((1, -1), ends, strict=True)
            ]
            if shown
            else []
        )
        for sign, mark in zip((1, -1), self.marks, strict=True):
            mark.set(y=sign * limit if shown else 0)
            mark.set_text(f"limit {sign * limit:.2f}" if shown else "")

    def _nothing(self, x, variance):
        self.dots.set_data([], [])
        self._bound(0)
        self.title.set_text("N = 1: nothing to show")
        if variance == "1/(N-1)":
            return (
                "N = 1, variance with 1/(N-1): 0 divided by 0, which is not a number, "
                "and it spreads through the network."
            )
        try:
            batch_norm(x[:1])
        except ValueError as error:
            return f'N = 1: normlib refuses, as PyTorch does, and says: "{error}".'
        raise AssertionError("batch_norm accepted a batch of one")


FIGURES = {
    "steps": Steps,
    "units": Units,
    "bias": Bias,
    "small_batches": SmallBatches,
    "epsilon": Epsilon,
    "rounding": Rounding,
    "convolution": Convolution,
    "order": Order,
    "undo": Undo,
}
