"""Figures of notebook 04 on the two modes: a doctor, the noise, what freezing stops."""

from functools import lru_cache

import numpy as np
from matplotlib.collections import LineCollection

from normlib.batch.batch_noise import batch_noise, noisy_training
from normlib.batch.doctor import CAUSES, examine
from normlib.datasets import digits_split
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.touch import Touch
from normlib.nets.network import mlp
from normlib.nets.training import accuracy, fit, sgd_step, softmax_cross_entropy

TESTS = {
    "two batches": ("batch 1", "batch 2"),
    "before, after": ("trained", "evaluated"),
    "precise": ("as it is", "precise"),
    "alike?": ("a batch", "the next"),
}


class Doctor(LiveFigure):
    """A network good in training mode and bad at evaluation, under four tests."""

    height = 4.0

    def make_controls(self):
        """Return the controls: patient, test and seed."""
        return {
            "patient": controls.choice("patient", list(CAUSES), "A"),
            "test": controls.choice("test", list(TESTS), "two batches"),
            "seed": controls.whole("seed", 0, 9, 0),
        }

    def draw(self, fig):
        """Draw two bars, and the panel of the test."""
        ax = fig.add_axes((0.02, 0.14, 0.40, 0.70))
        ax.set(xlim=(0, 1), ylim=(1.9, -0.75), yticks=[], xlabel="accuracy")
        ax.spines["left"].set_visible(False)
        self.title = style.moving_title(ax)
        self.bars = ax.barh([0, 1], [0, 0], 0.5, color=[style.BATCH, style.AFTER])
        self.words = [ax.text(0.0, y - 0.34, "", va="bottom") for y in (0, 1)]
        self.panel = panel = fig.add_axes((0.56, 0.14, 0.40, 0.70))
        panel.set(xlim=(-0.1, 1.1), ylim=(-1.15, 1.15), xticks=[], yticks=[])
        self.test_title = style.moving_title(panel)
        for x in (0, 1):
            panel.axvline(x, color=style.FAINT, zorder=0)
        self.lines = panel.add_collection(LineCollection([], colors=style.INK, lw=1.2))
        (self.dots,) = panel.plot([], [], "o", ms=5, color=style.AFTER, clip_on=False)
        self.ends = [panel.text(x, -1.25, "", ha="center", va="top") for x in (0, 1)]
        moving = [*self.bars, *self.words, self.title, self.test_title, self.lines]
        return [*moving, self.dots, *self.ends]

    def touches(self):
        """Let a click on the panel run the next test."""

        def after(x, y, start):
            names = list(TESTS)
            return {"test": names[(names.index(start.values["test"]) + 1) % 4]}

        hint = "Click the panel: the next test."
        return [Touch(self.panel, after, hint, "pointer", sideways=True)]

    def move(self, patient, test, seed):
        """Examine the patient."""
        yield 0.0
        found = examine(patient, seed)
        for bar, words, name, value in zip(
            self.bars,
            self.words,
            ("in training mode", "as it is evaluated"),
            (found.training, found.evaluation),
            strict=True,
        ):
            bar.set_width(value)
            words.set_text(f"{name}: {value:.0%}")
        self.title.set_text(f"patient {patient}")
        pairs, title, words = self._read(found, test)
        self.test_title.set_text(title)
        self.lines.set_segments([[(0, a), (1, b)] for a, b in pairs.T])
        self.dots.set_data(np.repeat([0, 1], pairs.shape[1]), pairs.ravel())
        for end, name in zip(self.ends, TESTS[test], strict=True):
            end.set_text(name)
        return (
            f"Patient {patient}: {found.training:.0%} in training mode, "
            f"{found.evaluation:.0%} as it is evaluated. {words}"
        )

    def _read(self, found, test):
        """Return what to draw, between -1 and 1, its title, and what it says."""
        if test == "precise":
            pair = np.array([[found.evaluation], [found.precise]])
            mended = "mended" if found.answers[2] else "not mended"
            words = f"With precise statistics it reaches {found.precise:.0%}: {mended}."
            return 2 * pair - 1, "accuracy, 0 to 1", words
        if test == "two batches":
            pair, title = found.scores, "ten scores of one image"
            moved = np.abs(np.diff(pair, axis=0)).max()
            words = f"In another batch a score of the same image moves by {moved:.2f}."
        elif test == "before, after":
            pair, title = found.running, "running means of 32 units"
            moved = np.abs(np.diff(pair, axis=0)).max()
            words = (
                "From the last step of training to the end of the evaluation a "
                f"running mean moves by up to {moved:.2f} standard deviations."
            )
        else:
            pair, title = found.batches, "batch means of 32 units"
            words = (
                "The means of training batches vary "
                f"{found.unlikeness:.1f} times as much as those of random ones."
            )
            return pair / max(1.0, np.abs(pair).max()), title, words
        return pair / np.abs(pair).max(), title, words


class OneDigit(LiveFigure):
    """One digit in many batches: under batch norm it never looks the same twice.

    The spread is drawn up to the batch size that is shown, and the rule where it
    holds, from batches of 16 on.
    """

    sizes = (2, 4, 8, 16, 32, 64, 128)
    rule_from = 3  # the place of 16 among them

    def make_controls(self):
        """Return the controls: batch size, digit and unit."""
        return {
            "size": controls.steps("batch size N", list(self.sizes), 8),
            "example": controls.whole("digit", 0, 19, 0),
            "unit": controls.whole("unit", 0, 63, 3),
        }

    def draw(self, fig):
        """Draw the axes: the results, and their spread by batch size."""
        ax = fig.add_axes((0.08, 0.15, 0.48, 0.73))
        ax.set(xlim=(0, 151), ylim=(-4, 4), xlabel="batch")
        ax.set_title("x_hat of one digit at one unit, in 150 batches")
        (self.line,) = ax.plot([0, 151], [0, 0], color=style.AFTER, lw=2)
        (self.dots,) = ax.plot([], [], "o", color=style.BATCH, markersize=4)
        self.alone = ax.text(149, 3.7, "", ha="right", va="top", color=style.AFTER)
        self.right = right = fig.add_axes((0.67, 0.15, 0.31, 0.73))
        right.set(xscale="log", yscale="log", xlim=(1.7, 150), ylim=(0.05, 2))
        right.set_xticks([2, 8, 32, 128], ["2", "8", "32", "128"])
        right.set_yticks([0.1, 0.3, 1], ["0.1", "0.3", "1"])
        right.minorticks_off()
        right.set_xlabel("batch size N")
        right.set_title("its std, mean of 64 units")
        (self.rule,) = right.plot([], [], "--", color=style.INK, lw=1.5, zorder=3)
        (self.curve,) = right.plot([], [], "o-", color=style.BATCH)
        (self.here,) = right.plot([], [], "o", mfc="none", color=style.INK, ms=11)
        self.note = right.text(140, 1.6, "", ha="right", va="top")
        moving = [self.line, self.dots, self.alone]
        return [*moving, self.rule, self.curve, self.here, self.note]

    def touches(self):
        """Let the batch size be picked on its axis."""
        return [
            Touch(
                self.right,
                lambda x, y, start: {"size": x},
                "Click: the batch size.",
                "pointer",
                sideways=True,
            )
        ]

    def move(self, size, example, unit):
        """Put the digit into 150 random batches of each size."""
        found = noise_of(example)
        at = self.sizes.index(size)
        results = found.x_hat[at, :, unit]
        self.dots.set_data(np.arange(1, len(results) + 1), results)
        self.line.set_ydata([found.z[unit]] * 2)
        self.alone.set_text(f"line: at evaluation, always {found.z[unit]:z.2f}")
        seen, ruled = slice(at + 1), slice(self.rule_from, at + 1)
        self.curve.set_data(self.sizes[seen], found.noise[seen])
        self.rule.set_data(self.sizes[ruled], found.predicted[ruled])
        self.here.set_data([size], [found.noise[at]])
        rule = found.predicted[0] * np.sqrt(2)
        words = f"dashed: {rule:.2f} / sqrt(N)"
        self.note.set_text(words if at > self.rule_from else "")
        return (
            f"Batches of {size}: x_hat of digit {example} at unit {unit} runs from "
            f"{results.min():z.2f} to {results.max():z.2f}. Over all units the "
            f"standard deviation is {found.noise[at]:.2f}."
        )


@lru_cache(maxsize=20)
def noise_of(example):
    """Return the `BatchNoise` of one training digit."""
    return batch_noise(0, example=example)


@lru_cache(maxsize=64)
def learned(group, images):
    """Return the records of `noisy_training` of ten networks, as a list."""
    return list(noisy_training(group, range(10), images=images))


class Groups(LiveFigure):
    """Ten networks whose batch norm takes each batch apart, against ten that do not."""

    whole = 32

    def make_controls(self):
        """Return the controls: images that share a mean, and training images."""
        return {
            "group": controls.steps("images per mean", [4, 8, 16, 32], 8),
            "images": controls.steps("training images", [100, 200, 400], 400),
        }

    def draw(self, fig):
        """Draw a panel each for the loss on training and on test images."""
        self.curves, self.notes = [], []
        for left, title in ((0.08, "loss, training images"), (0.57, "loss, test")):
            ax = fig.add_axes((left, 0.15, 0.41, 0.72))
            ax.set(xlim=(40, 310), ylim=(0.008, 1.3), yscale="log")
            ax.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
            ax.set_yticklabels(["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"])
            ax.minorticks_off()
            ax.set(xlabel="step, each of 32 images", title=title)
            (grey,) = ax.plot([], [], "s--", ms=6, color=style.BEFORE)
            (here,) = ax.plot([], [], "o-", ms=6, color=style.BATCH)
            self.curves.append((grey, here))
            self.notes.append(ax.text(305, 1.15, "", ha="right", va="top"))
        ax.plot([60], [0.035], "s", ms=6, color=style.BEFORE)
        ax.text(70, 0.035, "32 images share a mean", va="center")
        ax.plot([60], [0.02], "o", ms=6, color=style.BATCH)
        self.key = ax.text(70, 0.02, "", va="center")
        return [*(c for pair in self.curves for c in pair), *self.notes, self.key]

    def move(self, group, images):
        """Train both ten, the same images at each step."""
        yield 0.0
        whole = learned(self.whole, images)
        yield 0.4
        parts = learned(group, images)
        steps = [record.step for record in parts]
        self.key.set_text(f"{group} images share a mean")
        for k, (curves, note) in enumerate(zip(self.curves, self.notes, strict=True)):
            for curve, records in zip(curves, (whole, parts), strict=True):
                curve.set_data(steps, [np.median(record[k + 1]) for record in records])
            lower = np.sum(parts[-1][k + 1] < whole[-1][k + 1])
            note.set_text(f"at the end lower in {lower} of 10")
        self.found = whole[-1], parts[-1]
        (_, train, test, right), (_, train_parts, test_parts, right_parts) = self.found
        return (
            f"{group} images share a mean (32 in brackets), medians of ten networks: "
            f"training loss {np.median(train_parts):.3f} ({np.median(train):.3f}), "
            f"test loss {np.median(test_parts):.3f} ({np.median(test):.3f}), test "
            f"accuracy {np.median(right_parts):.1%} ({np.median(right):.1%})."
        )


class Switches(LiveFigure):
    """Freeze a batch norm: three switches, and what each of them stops."""

    rows = (
        "gamma and beta",
        "running statistics",
        "an answer, by its batch",
    )
    height = 3.6

    def make_controls(self):
        """Return the controls: the switches, and how bright the new data are."""
        return {
            "trainable": controls.switch("gamma, beta trainable", True),
            "use_batch": controls.switch("normalize by the batch", True),
            "update": controls.switch("update running", True),
            "gain": controls.steps("brightness", [0.5, 1.0, 2.0, 3.0], 2.0),
        }

    def draw(self, fig):
        """Draw a lamp for each thing that may move, and a bar of accuracy."""
        ax = fig.add_axes((0.02, 0.05, 0.52, 0.80))
        ax.set(xlim=(0, 1), ylim=(2.6, -0.6))
        ax.axis("off")
        ax.set_title("what moves in 20 steps on new data")
        self.lamps, self.words = [], []
        for k, row in enumerate(self.rows):
            ax.text(0.09, k, row, va="center")
            ax.plot([0.03], [k], "o", ms=16, mfc="none", color=style.INK)
            self.lamps.append(ax.plot([], [], "o", ms=14, color=style.BATCH)[0])
            self.words.append(ax.text(0.62, k, "", va="center", weight="bold"))
        ax = fig.add_axes((0.60, 0.35, 0.38, 0.30))
        ax.set(xlim=(0, 1), ylim=(-0.5, 0.5), yticks=[])
        ax.set_xlabel("accuracy at inference")
        self.bar = ax.barh([0], [0], 0.7, color=style.AFTER)[0]
        self.right = fig.text(0.60, 0.70, "", weight="bold")
        return [*self.lamps, *self.words, self.bar, self.right]

    def move(self, trainable, use_batch, update, gain):
        """Train a trained network on brighter digits, with the switches set."""
        found = frozen(trainable, use_batch, update, gain)
        for k, (lamp, words) in enumerate(zip(self.lamps, self.words, strict=True)):
            moves = found[k] > 0
            lamp.set_data([0.03] if moves else [], [k] if moves else [])
            words.set_text(f"moves by {found[k]:.2f}" if moves else "stays")
        self.bar.set_width(found[3])
        self.right.set_text(f"{found[3]:.0%}")
        moved = [row for row, value in zip(self.rows, found, strict=False) if value > 0]
        source = "the batch" if use_batch else "the running statistics"
        return (
            f"Normalized by {source}. What moves: {'; '.join(moved) or 'nothing'}. At "
            f"inference {found[3]:.0%} of test digits {gain:g} times as bright are "
            "right."
        )


@lru_cache
def pretrained():
    """Return a network 64-32-10 with batch norm, its state and the digits."""
    digits = digits_split(np.random.default_rng(0))
    net = mlp([64, 32, 10], norm="batch", rng=np.random.default_rng(1))
    rng = np.random.default_rng(2)
    data = digits.train
    for _ in fit(net, *data, lr=0.1, batch_size=64, steps=100, rng=rng):
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
