"""The figure of folding: a residual network with and without gamma and beta."""

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.reader import reader_arrays
from normlib.sphere.folding import fold_layer_norm
from normlib.sphere.residual_stream import (
    compare,
    fold_blocks,
    random_blocks,
    run_stream,
)


class Folding(LiveFigure):
    """A residual network before and after gamma and beta were folded away.

    Parameters
    ----------
    function : callable, optional
        The reader's own ``fold(weight, bias, gamma, beta)``, which returns the
        new weight and bias. It joins the choices as "yours".
    """

    height = 4.4

    def __init__(self, function=None):
        self.function = function
        self.folds = {
            "gamma and beta": fold_layer_norm,
            "gamma only": lambda w, b, gamma, beta: fold_layer_norm(w, b, gamma),
            "nothing": lambda w, b, gamma, beta: (w, b),
        }
        super().__init__()

    def make_controls(self):
        """Return the controls: position of the norm, what is folded, spread."""
        names = [*self.folds] + ["yours"] * (self.function is not None)
        return {
            "position": controls.choice("norm", ["pre-LN", "post-LN"], "pre-LN"),
            "folded": controls.choice("fold", names, "nothing"),
            "spread": controls.slider("spread of gamma, beta", 0, 1, 0.5, 0.05),
        }

    def draw(self, fig):
        """Draw the diagonal on which equal outputs lie, and both wirings."""
        ax = fig.add_axes((0.09, 0.14, 0.40, 0.74))
        ax.set(xlim=(-5, 5), ylim=(-5, 5), xlabel="output before")
        ax.set_title("output after folding")
        ax.plot([-5, 5], [-5, 5], color="#bbbbbb", lw=1.5, zorder=1)
        ax.text(4.8, 3.6, "equal", color="#777777", ha="right", va="top")
        (self.dots,) = ax.plot([], [], "o", ms=5, mec="white", color=style.AFTER)
        self.dots.set_markeredgewidth(0.4)
        self.verdict = fig.text(0.53, 0.83, "", size=13, weight="bold")
        self.wires = fig.add_axes((0.52, 0.05, 0.47, 0.72))
        self.wires.set(xlim=(0, 10), ylim=(0, 10))
        self.wires.axis("off")
        self.skip = LineCollection([], colors=style.BATCH, linewidths=2.5)
        self.main = LineCollection([], colors="#666666", linewidths=1.5)
        self.boxes = PolyCollection([], edgecolors="#666666", facecolors="#f2f4f7")
        for part in (self.skip, self.main, self.boxes):
            self.wires.add_collection(part)
        self.in_boxes = [
            self.wires.text(0, 0, "", ha="center", va="center") for _ in range(7)
        ]
        for y, word in ((6.6, "before"), (1.6, "after")):
            self.wires.text(0.0, y + 2.7, word, weight="bold")
        self.skip_names = [
            self.wires.text(8.6, y, "", ha="right", va="bottom", color=style.BATCH)
            for y in (8.75, 3.75)
        ]
        return [
            self.dots,
            self.verdict,
            self.skip,
            self.main,
            self.boxes,
            *self.in_boxes,
            *self.skip_names,
        ]

    def move(self, position, folded, spread):
        """Run the stream before and after folding."""
        where = position.removesuffix("-LN")
        rng = np.random.default_rng(4)
        blocks = random_blocks(3, 16, spread=spread, rng=rng)
        x = rng.standard_normal((8, 16))
        result = compare(
            run_stream(x, blocks, position=where),
            run_stream(
                x, fold_blocks(blocks, where, fold=self._fold(folded)), position=where
            ),
        )
        error = np.abs(result.after - result.before).max()
        equal = error <= 1e-12
        self.dots.set_data(result.before.ravel(), result.after.ravel())
        self.dots.set_color(style.AFTER if equal else style.WARN)
        self.dots.set_marker("o" if equal else "X")
        self.verdict.set(
            text="equal to 1e-12" if equal else f"off by up to {error:.2g}",
            color=style.AFTER if equal else style.WARN,
        )
        self._draw_wires(where, folded)
        why = "no gamma, beta to lose" if spread == 0 else f"folded: {folded}"
        return f"{position}, {why}, spread {spread:.2f}: the outputs of 3 blocks " + (
            "agree to 1e-12."
            if equal
            else f"differ by up to {error:.2g}, {result.relative_error:.0%} of "
            "the largest."
        )

    def _fold(self, folded):
        if folded != "yours":
            return self.folds[folded]

        def fold(weight, bias, gamma, beta):
            given, shapes = (weight, bias, gamma, beta), (weight.shape, bias.shape)
            return reader_arrays(self.function, *given, shapes=shapes)

        return fold

    def _draw_wires(self, where, folded):
        """Draw who reads the output of the norm, before and after folding."""
        weights = "W, b" if folded == "nothing" else "W', b'"
        rows = (
            (6.6, (("LN", 1.9), ("γ, β", 4.1), ("W, b", 6.5), ("+", 8.8))),
            (1.6, (("LN", 1.9), (weights, 6.5), ("+", 8.8))),
        )
        branch = 0.5 if where == "pre" else 5.3
        self.skip.set_segments(
            [
                [(branch, y), (branch, y + 2), (8.8, y + 2), (8.8, y + 0.8)]
                for y, _ in rows
            ]
        )
        self.main.set_segments([[(0, y), (10, y)] for y, _ in rows])
        boxes = [(word, x, y) for y, row in rows for word, x in row]
        self.boxes.set_verts([_box(x, y) for _, x, y in boxes])
        for text, (word, x, y) in zip(self.in_boxes, boxes, strict=True):
            text.set(text=word, position=(x, y))
        before = "skip" if where == "pre" else "skip, with γ, β"
        after = "skip, the same" if where == "pre" else "skip, without them"
        for text, words in zip(self.skip_names, (before, after), strict=True):
            text.set_text(words)


def _box(x, y):
    w, h = 0.8, 0.8
    return [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]
