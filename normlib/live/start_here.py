"""Figures of notebook 00: two networks and one switch, and one small table."""

import numpy as np

from normlib.batch.input_scale import learn
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.touch import Touch
from normlib.live.which_numbers_share_a_mean import NormTable, pick_cell

NORMS = {"none": None, "batch": "batch"}


class TwoNetworks(LiveFigure):
    """Two networks that differ in the scale of their inputs, trained side by side."""

    height = 3.6
    steps = 60
    names = ("A: grey values 0 to 1", "B: grey values 0 to {:g}")

    def make_controls(self):
        """Return the controls: norm, scale of B's inputs, initial weights, seed."""
        return {
            "norm": controls.choice("norm", list(NORMS), "none"),
            "scale": controls.steps(
                "B: grey values 0 to", [0.1, 0.3, 1.0, 3.0, 16.0, 255.0], 16.0
            ),
            "weights": controls.steps(
                "initial weights times", [0.1, 0.3, 1.0, 3.0, 10.0], 1.0
            ),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the axes of the loss and of the test digits."""
        left = fig.add_axes((0.09, 0.17, 0.50, 0.66))
        left.set(yscale="log", xlim=(0, self.steps), ylim=(0.03, 60))
        left.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        left.minorticks_off()
        left.set_xlabel("training steps")
        left.set_title("loss while training", pad=26)
        left.axhline(np.log(10), color="#bbbbbb", lw=1, zorder=0)
        left.text(59.5, 3.3, "guessing", color="#595959", ha="right")
        right = fig.add_axes((0.70, 0.17, 0.27, 0.66))
        right.set(xlim=(0, 1.2), ylim=(1.6, -0.6), yticks=[])
        right.set_xticks([0.1, 0.5, 1], ["10 %", "50 %", "100 %"])
        right.spines["left"].set_visible(False)
        right.axvline(0.1, color="#bbbbbb", lw=1, zorder=0)
        right.set_title("new digits read right", pad=26)
        self.lines, self.bars, self.shares, self.labels = [], [], [], []
        for k, (color, dash) in enumerate(((style.INK, "-"), (style.AFTER, "--"))):
            self.lines += left.plot([], [], dash, color=color, lw=2.5)
            self.labels.append(
                left.text(0.46 * k, 1.03, "", color=color, transform=left.transAxes)
            )
            self.bars += right.barh([k], [0], 0.6, color=color, alpha=0.85)
            self.shares.append(right.text(0, k, "", va="center", ha="left"))
            right.text(-0.03, k, "AB"[k], va="center", ha="right", weight="bold")
        return [*self.lines, *self.bars, *self.shares, *self.labels]

    def move(self, norm, scale, weights, seed):
        """Train both networks, step by step."""
        runs = [
            learn(NORMS[norm], width, weights, seed=seed, steps=self.steps)
            for width in (1.0, scale)
        ]
        losses, found = ([], []), [None, None]
        for k, words in enumerate(self.names):
            self.labels[k].set_text(words.format(scale))
            self.bars[k].set_width(0)
            self.shares[k].set_text("")
        for step in range(self.steps + 1):
            for k, run in enumerate(runs):
                if (now := next(run, None)) is None:
                    continue
                losses[k].append(now.loss)
                found[k] = now.accuracy
                self.lines[k].set_data(
                    np.arange(len(losses[k])), np.clip(losses[k], 1e-3, 1e6)
                )
            if max(losses[1]) > 60:
                self.labels[1].set_text(self.names[1].format(scale) + ", off the top")
            yield step / self.steps
        for k, share in enumerate(found):
            self.bars[k].set_width(share)
            self.shares[k].set(text=f"{share:.0%}", x=share + 0.02)
        head = "Without norm" if norm == "none" else "With batch norm"
        return (
            f"{head}, network A reads {found[0]:.0%} of new digits right after "
            f"{self.steps} steps. Network B, with grey values from 0 to {scale:g}, "
            f"reads {found[1]:.0%}; guessing gives 10%."
        )


class FirstTable(NormTable):
    """The table of samples x features, whose numbers stay as they are."""

    def make_controls(self):
        """Return the controls: norm, sample and feature."""
        rows, columns = self.table.shape
        return {
            "norm": controls.choice("norm", ["batch", "layer"], "batch"),
            "sample": controls.whole("sample n", 0, rows - 1, 2),
            "feature": controls.whole("feature d", 0, columns - 1, 2),
        }

    def touches(self):
        """Let a cell be picked in either table."""
        hint = "Click a number to pick it."
        return [Touch(ax, pick_cell, hint, "pointer") for ax in (self.left, self.right)]

    def move(self, norm, sample, feature):
        """Normalize the table and mark what shares a mean with the picked number."""
        return super().move(norm=norm, sample=sample, feature=feature, change=0)


FIGURES = {"two_networks": TwoNetworks, "table": FirstTable}
