"""Figures of notebook 04: running statistics, and a layer that has two modes."""

from functools import lru_cache

import numpy as np

from normlib import standardize
from normlib.batch.running_lag import precise_statistics
from normlib.datasets import digits_split
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.nets.layers import initial_weights
from normlib.nets.network import mlp
from normlib.nets.training import accuracy, fit, sgd_step, softmax_cross_entropy
from normlib.running import (
    CONVENTIONS,
    bias_corrected,
    half_life,
    unbiased_variance,
    update_running,
    weight_of_new,
)


@lru_cache
def first_values():
    """Return 64 linear functions of the 1437 training digits, shape (1437, 64)."""
    digits = digits_split(np.random.default_rng(0), standardized=True)
    return digits.x_train @ initial_weights(np.random.default_rng(1), 64, 64)


class RunningMean(LiveFigure):
    """A running mean follows the means of batches; at step 100 they jump."""

    steps, jump, size = 200, 100, 16
    unit = 3

    def make_controls(self):
        """Return the controls: whose convention, its momentum, and warm-up."""
        momenta = [0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999]
        return {
            "convention": controls.choice("library", list(CONVENTIONS), "pytorch"),
            "momentum": controls.steps("momentum", momenta, 0.1),
            "corrected": controls.switch("take the start 0 out"),
        }

    def draw(self, fig):
        """Draw the batch means, which stay, and places for what follows them."""
        rng = np.random.default_rng(0)
        x = first_values()[:, self.unit]
        batches = rng.choice(x, (self.steps, self.size))
        # Weights that move shift the values of later layers: here by 2 at step 100.
        self.true = x.mean() + np.where(np.arange(self.steps) < self.jump, 1.0, 3.0)
        self.means = batches.mean(axis=1) + self.true - x.mean()
        self.variance = batches.var(axis=1)
        steps = np.arange(1, self.steps + 1)
        ax = fig.add_axes((0.07, 0.15, 0.55, 0.74))
        ax.set(xlim=(0, self.steps + 1), ylim=(-0.6, 4.4))
        ax.set_xlabel("step")
        ax.set_title("the running mean of one unit")
        ax.plot(steps, self.means, "o", color=style.BEFORE, markersize=3, alpha=0.6)
        ax.plot(steps, self.true, "--", color=style.INK, linewidth=1.2)
        ax.text(
            104, 4.1, "dashed: true mean, dots: means of batches of 16", ha="center"
        )
        (self.line,) = ax.plot(steps, 0 * steps, color=style.AFTER, linewidth=2.5)
        right = fig.add_axes((0.72, 0.15, 0.26, 0.74))
        right.set(xlim=(0, 100), ylim=(0, 1.2), yticks=[0, 0.25, 0.5, 0.75, 1])
        right.set_xlabel("steps ago")
        right.set_title("what is left of a batch")
        (self.memory,) = right.plot([], [], color=style.AFTER)
        (self.half,) = right.plot([], [], "o", color=style.INK)
        self.note = right.text(97, 1.09, "", ha="right")
        return [self.line, self.memory, self.half, self.note]

    def move(self, convention, momentum, corrected):
        """Average the means of the batches."""
        kind = {"momentum": momentum, "convention": convention}
        mean, var = np.zeros(1), np.ones(1)
        track = np.empty(self.steps)
        for k in range(self.steps):
            batch = self.means[k : k + 1], self.variance[k : k + 1]
            mean, var = update_running(mean, var, *batch, self.size, **kind)
            shown = bias_corrected(mean, 0.0, k + 1, **kind) if corrected else mean
            track[k] = shown[0]
        self.line.set_ydata(track)
        weight, half = weight_of_new(momentum, convention), half_life(**kind)
        ago = np.linspace(0, 100, 201)
        self.memory.set_data(ago, (1 - weight) ** ago)
        self.half.set_data([half], [0.5])
        self.note.set_text(f"half-life {half:.3g} steps")
        error = abs(track[self.jump - 1] - self.true[self.jump - 1])
        return (
            f"{convention}, momentum {momentum:g}: a new batch has the weight "
            f"{weight:.3g}, and after {half:.3g} steps half of it is forgotten. After "
            f"100 steps the running mean is off by {error:.2f}; it ends at "
            f"{track[-1]:.2f} where the true mean is {self.true[-1]:.2f}."
        )


@lru_cache
def spread_by_size(unit, draws=4000):
    """Return batch sizes and what three averages say of a unit's deviation.

    Rows: root of the mean 1/(N-1) variance, root of the mean 1/N variance, mean of
    the 1/N deviations; in units of the true deviation of all 1437 digits.
    """
    x = first_values()[:, unit]
    x = (x - x.mean()) / x.std()
    rng = np.random.default_rng(unit)
    sizes = np.array([2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64])
    rows = np.empty((3, len(sizes)))
    for k, size in enumerate(sizes):
        var = rng.choice(x, (draws, size)).var(axis=1)
        rows[:, k] = (
            np.sqrt(unbiased_variance(var, int(size)).mean()),
            np.sqrt(var.mean()),
            np.sqrt(var).mean(),
        )
    return sizes, rows


class Deviations(LiveFigure):
    """Average variances or deviations of batches: only one of three ways is right."""

    names = (
        "root of variances, 1/(N-1)",
        "root of variances, 1/N",
        "deviations",
    )
    looks = ((style.AFTER, "o-"), (style.BATCH, "s-"), (style.RMS, "^-"))

    def make_controls(self):
        """Return the controls: batch size and unit."""
        sizes = spread_by_size(0)[0].tolist()
        return {
            "size": controls.steps("batch size N", sizes, 4),
            "unit": controls.whole("unit", 0, 63, 3),
        }

    def draw(self, fig):
        """Draw the axes, three curves and a mark at the batch size."""
        sizes, _ = spread_by_size(0)
        ax = fig.add_axes((0.08, 0.15, 0.52, 0.72))
        ax.set_xscale("log", base=2)
        ax.set(xlim=(1.8, 70), ylim=(0.4, 1.12))
        ax.set_xticks([2, 4, 8, 16, 32, 64], ["2", "4", "8", "16", "32", "64"])
        ax.minorticks_off()
        ax.set_xlabel("batch size N")
        ax.set_title("average over 4000 batches / true standard deviation")
        ax.axhline(1, color=style.INK, linewidth=1, linestyle="--")
        self.curves = [
            ax.plot(sizes, 0 * sizes, look, color=color, markersize=5)[0]
            for color, look in self.looks
        ]
        (self.mark,) = ax.plot([4, 4], [0.4, 1.12], color=style.BEFORE, linewidth=1)
        fig.text(0.64, 0.80, "average of ...", weight="bold")
        self.numbers = []
        for k, (name, (color, _)) in enumerate(
            zip(self.names, self.looks, strict=True)
        ):
            fig.text(0.64, 0.66 - 0.2 * k, name, color=color)
            self.numbers.append(fig.text(0.64, 0.59 - 0.2 * k, "", weight="bold"))
        return [*self.curves, self.mark, *self.numbers]

    def move(self, size, unit):
        """Show the three averages of one unit."""
        sizes, rows = spread_by_size(unit)
        for curve, row in zip(self.curves, rows, strict=True):
            curve.set_ydata(row)
        self.mark.set_xdata([size, size])
        right, biased, deviations = rows[:, sizes == size][:, 0]
        for text, value in zip(self.numbers, (right, biased, deviations), strict=True):
            text.set_text(f"{value:.3f}")
        return (
            f"Unit {unit}, batches of {size}: averaged variances with 1/(N-1) give "
            f"{right:.3f} of the true standard deviation, with 1/N {biased:.3f}, and "
            f"averaged deviations {deviations:.3f}."
        )


class Coupling(LiveFigure):
    """One digit in many batches: under batch norm it never looks the same twice."""

    draws = 150
    sizes = (2, 4, 8, 16, 32, 64, 128)

    def make_controls(self):
        """Return the controls: batch size, digit, unit and mode."""
        return {
            "mode": controls.choice("batch norm in", ["train", "eval"], "train"),
            "size": controls.steps("batch size N", list(self.sizes), 8),
            "example": controls.whole("digit", 0, 99, 0),
            "unit": controls.whole("unit", 0, 63, 3),
        }

    def draw(self, fig):
        """Draw the axes: the results, and their spread by batch size."""
        ax = fig.add_axes((0.08, 0.15, 0.50, 0.73))
        ax.set(xlim=(0, self.draws + 1), ylim=(-4, 4))
        ax.set_xlabel("batch")
        ax.set_title("x_hat of one digit, in 150 batches")
        (self.dots,) = ax.plot([], [], "o", color=style.BATCH, markersize=4)
        right = fig.add_axes((0.68, 0.15, 0.30, 0.73))
        right.set(xscale="log", yscale="log", xlim=(1.7, 150), ylim=(0.02, 3))
        right.set_xticks([2, 8, 32, 128], ["2", "8", "32", "128"])
        right.set_yticks([0.03, 0.1, 0.3, 1], ["0.03", "0.1", "0.3", "1"])
        right.minorticks_off()
        right.set_xlabel("batch size N")
        right.set_title("its standard deviation")
        sizes = np.array(self.sizes)
        (self.rule,) = right.plot(sizes, 0.0 * sizes + 1, "--", color=style.BEFORE)
        self.note = right.text(140, 2.0, "", color=style.INK, ha="right")
        (self.curve,) = right.plot(sizes, 0.0 * sizes + 1, "o-", color=style.BATCH)
        (self.here,) = right.plot([], [], "o", color=style.INK, markersize=11)
        self.here.set_markerfacecolor("none")
        return [self.dots, self.rule, self.note, self.curve, self.here]

    def move(self, mode, size, example, unit):
        """Put the digit into 150 random batches of each size."""
        x = first_values()[:, unit]
        others = np.delete(x, example)
        if mode == "train":
            results = {s: self._in_batches(x[example], others, s) for s in self.sizes}
        else:
            alone = (x[example] - x.mean()) / np.sqrt(x.var() + 1e-5)
            results = {s: np.full(self.draws, alone) for s in self.sizes}
        spread = np.array([results[s].std() for s in self.sizes])
        self.dots.set_data(np.arange(1, self.draws + 1), results[size])
        # On a logarithmic axis a spread of 0 has no place: the curve is not drawn.
        self.curve.set_ydata(spread if mode == "train" else np.full(len(spread), 1e-9))
        at = self.sizes.index(size)
        self.here.set_data([size], [spread[at] if mode == "train" else 1e-9])
        rule = large_batch_spread(x, x[example]) if mode == "train" else 1e-9
        self.rule.set_ydata(rule / np.sqrt(self.sizes))
        self.note.set_text(
            f"dashed: {rule:.2f} / sqrt(N)" if mode == "train" else "0 for every N"
        )
        if mode == "eval":
            return (
                f"Evaluation: digit {example} has x_hat = {results[size][0]:z.2f} at "
                f"unit {unit} in every batch; batches of {size} make no difference."
            )
        return (
            f"Training, batches of {size}: x_hat of digit {example} at unit {unit} "
            f"runs from {results[size].min():z.2f} to {results[size].max():z.2f}, "
            f"standard deviation {spread[at]:.2f}; times sqrt(N) that is "
            f"{spread[at] * np.sqrt(size):.2f}, for large batches {rule:.2f}."
        )

    def _in_batches(self, fixed, others, size):
        rng = np.random.default_rng(size)
        batches = rng.choice(others, (self.draws, size))
        batches[:, 0] = fixed
        return standardize(batches, 1)[0][:, 0]


def large_batch_spread(x, value):
    """Return c where the standard deviation of x_hat of a value is about c / sqrt(N).

    To first order in the errors of the batch's mean and variance,
    ``c**2 = 1 + a * skewness + a**2 * (kurtosis - 1) / 4`` with a the x_hat of the
    value by all of x.
    """
    z = (x - x.mean()) / x.std()
    a = (value - x.mean()) / x.std()
    return np.sqrt(1 + a * (z**3).mean() + a**2 * ((z**4).mean() - 1) / 4)


ORDERS = {"shuffled": 10, "two digits a batch": 2, "one digit a batch": 1}


def training_points(momentum, batch_size, classes, steps=60, every=6, seed=0):
    """Train 64-64-64-64-64-10 on digits, and judge it by three kinds of statistics.

    Yields
    ------
    step : int
    accuracy : tuple of float
        Test accuracy with running statistics, with these after their starting value
        was taken out, with precise statistics, and with those of the test images.
    """
    digits = digits_split(np.random.default_rng(seed), standardized=True)
    rng = np.random.default_rng(seed + 1)
    net = mlp([64, 64, 64, 64, 64, 10], norm="batch", rng=rng)
    for norm in net.batch_norms():
        norm.momentum = momentum
    order = {"order": "shuffled"}
    if classes < 10:
        order = {"order": "by_class", "classes_per_batch": classes}
    data = digits.x_train, digits.y_train
    test = digits.x_test, digits.y_test
    kind = dict(lr=0.3, batch_size=batch_size, steps=steps, rng=seed + 2)
    loop = fit(net, *data, **kind, **order)
    for record in loop:
        if record.step % every:
            continue
        state = net.state()
        running, batch = accuracy(net, *test), accuracy(net, *test, mode="probe")
        for norm in net.batch_norms():
            for name, start in (("running_mean", 0.0), ("running_var", 1.0)):
                norm.buffers[name][...] = bias_corrected(
                    norm.buffers[name], start, record.step, momentum=momentum
                )
        warm = accuracy(net, *test)
        precise = accuracy(precise_statistics(net, data[0]), *test)
        net.load(state)
        yield record.step, (running, warm, precise, batch)


class FourStatistics(LiveFigure):
    """One network while it trains, judged with different statistics."""

    names = ("running", "start taken out", "precise", "test batch")
    looks = (
        (style.AFTER, "o-"),
        (style.RMS, "v-."),
        (style.LAYER, "s--"),
        (style.BATCH, "^:"),
    )
    runs = {}  # finished runs by setting: the same setting gives the same run

    def make_controls(self):
        """Return the controls: momentum, batch size and the order of the digits."""
        return {
            "momentum": controls.steps(
                "momentum (weight of new)", [0.01, 0.03, 0.1, 0.3, 1.0], 0.01
            ),
            "batch_size": controls.steps("batch size", [4, 8, 16, 32], 32),
            "order": controls.choice("batches", list(ORDERS), "shuffled"),
        }

    def draw(self, fig):
        """Draw the axes and the curves, with their last values beside."""
        ax = fig.add_axes((0.08, 0.15, 0.56, 0.73))
        ax.set(xlim=(0, 62), ylim=(0, 1.03))
        ax.set_xlabel("training step (dashed line: guessing)")
        ax.set_title("test accuracy of the same weights")
        ax.axhline(0.1, color=style.BEFORE, linewidth=1, linestyle="--")
        self.curves = [
            ax.plot([], [], look, color=color, markersize=6)[0]
            for color, look in self.looks
        ]
        self.numbers = []
        fig.text(0.67, 0.88, "at the last step, by", weight="bold")
        for k, (name, (color, _)) in enumerate(
            zip(self.names, self.looks, strict=True)
        ):
            y = 0.78 - 0.17 * k
            fig.text(0.67, y, f"{'●▼■▲'[k]} {name}", color=color)
            self.numbers.append(fig.text(0.69, y - 0.07, "", weight="bold"))
        return [*self.curves, *self.numbers]

    def move(self, momentum, batch_size, order):
        """Train the network afresh."""
        setting = momentum, batch_size, ORDERS[order]
        known = self.runs.get(setting)
        points = []
        for step, found in known or training_points(*setting):
            points.append((step, found))
            self._show(points)
            if known is None:
                yield step / 60
        self.runs[setting] = points
        running, warm, precise, batch = points[-1][1]
        early = points[1][1]
        return (
            f"Momentum {momentum:g}, batches of {batch_size}, {order}: at step 12 the "
            f"same weights reach {early[0]:.0%} with running and {early[2]:.0%} with "
            f"precise statistics; at step 60 {running:.0%} and {precise:.0%}, "
            f"{warm:.0%} with the start taken out of the running ones, and {batch:.0%} "
            "with those of the test batch."
        )

    def _show(self, points):
        steps = [step for step, _ in points]
        rows = np.transpose([found for _, found in points])
        for curve, text, row in zip(self.curves, self.numbers, rows, strict=True):
            curve.set_data(steps, row)
            text.set_text(f"{row[-1]:.3f}")


class Switches(LiveFigure):
    """Freeze a batch norm: three switches, and what each of them stops."""

    rows = (
        "gamma and beta move",
        "running statistics move",
        "an answer depends on its batch",
        "accuracy at inference",
    )

    def make_controls(self):
        """Return the controls: the switches, and how bright the new data are."""
        return {
            "trainable": controls.switch("gamma, beta trainable", True),
            "use_batch": controls.switch("normalize by the batch", True),
            "update": controls.switch("update running", True),
            "gain": controls.steps("brightness of new data", [0.5, 1.0, 2.0, 3.0], 2.0),
        }

    def draw(self, fig):
        """Draw a bar for each of the four questions."""
        ax = fig.add_axes((0.33, 0.06, 0.45, 0.80))
        ax.set(xlim=(0, 1), ylim=(3.6, -0.6), xticks=[])
        ax.set_yticks(range(4), self.rows)
        ax.tick_params(length=0)
        ax.spines["bottom"].set_visible(False)
        ax.set_title("after 20 steps on new data (each bar has its own scale)", x=-0.62)
        self.bars = ax.barh(range(4), [0] * 4, 0.5, color=style.BATCH)
        self.words = [fig.text(0.80, 0, "", va="center") for _ in self.rows]
        for k, text in enumerate(self.words):
            text.set_y(0.06 + 0.80 * (3.6 - k) / 4.2)
        return [*self.bars, *self.words]

    def move(self, trainable, use_batch, update, gain):
        """Train a trained network on brighter digits, with the switches set."""
        found = frozen(trainable, use_batch, update, gain)
        largest = (0.1, 2.2, 3.2, 1.0)  # over all settings; the last is a share
        for bar, text, value, most in zip(
            self.bars, self.words, found, largest, strict=True
        ):
            bar.set_width(min(1.0, max(value, 0.0) / most))
            text.set_text("no" if abs(value) < 1e-12 else f"{value:.3f}")
        moved = [
            name
            for name, value in zip(self.rows[:3], found, strict=False)
            if value > 1e-12
        ]
        source = "the batch" if use_batch else "the running statistics"
        done = "; ".join(moved) if moved else "nothing moves"
        return (
            f"Normalized by {source}, digits {gain:g} times as bright: {done}. Largest "
            f"change of gamma and beta {found[0]:.3f}, of the running means "
            f"{found[1]:.3f}; an answer changes with its batch by up to "
            f"{found[2]:.2f}. At inference, {found[3]:.0%} of the test digits of this "
            "brightness are right."
        )


@lru_cache
def pretrained():
    """Return a network 64-32-10 with batch norm, its state and the digits."""
    digits = digits_split(np.random.default_rng(0))
    net = mlp([64, 32, 10], norm="batch", rng=np.random.default_rng(1))
    for _ in fit(
        net,
        digits.x_train,
        digits.y_train,
        lr=0.1,
        batch_size=64,
        steps=100,
        rng=np.random.default_rng(2),
    ):
        pass
    return net, net.state(), digits


@lru_cache(maxsize=64)
def frozen(trainable, use_batch, update, gain):
    """Train 20 steps with the switches set, and measure what moved.

    Returns
    -------
    tuple of float
        Largest change of gamma and beta, of the running means, of the logits of
        one digit between two batches, and then the accuracy at inference on test
        digits of the same brightness.
    """
    net, state, digits = pretrained()
    net.load(state)
    (norm,) = net.batch_norms()
    norm.trainable = trainable
    norm.use_batch_statistics, norm.update_running = use_batch, update
    x, labels = gain * digits.x_train[:256], digits.y_train[:256]
    before = {k: v.copy() for k, v in (norm.params | norm.buffers).items()}
    for k in range(20):
        rows = np.arange(64 * k, 64 * (k + 1)) % 256
        _, dlogits = softmax_cross_entropy(net.forward(x[rows]), labels[rows])
        net.backward(dlogits)
        sgd_step(net, 0.1)
    now = norm.params | norm.buffers
    change = {key: float(np.abs(now[key] - before[key]).max()) for key in before}
    norm.update_running = False  # looking is no training
    one = [net.forward(x[[0, *others]])[0] for others in (range(1, 9), range(9, 17))]
    found = (
        max(change["gamma"], change["beta"]),
        change["running_mean"],
        float(np.abs(one[0] - one[1]).max()),
        float(accuracy(net, gain * digits.x_test, digits.y_test)),
    )
    net.load(state)
    return tuple(0.0 if abs(value) < 1e-12 else value for value in found)


FIGURES = {
    "running_mean": RunningMean,
    "deviations": Deviations,
    "coupling": Coupling,
    "training": FourStatistics,
    "switches": Switches,
}
