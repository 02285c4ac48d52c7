"""Figures of notebook 12: norms in a small transformer that reverses words."""

from functools import cache

import numpy as np
from matplotlib.collections import PolyCollection

from normlib import layer_norm, layer_norm_backward, rms_norm, rms_norm_backward
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.reader import reader_arrays
from normlib.live.touch import Touch
from normlib.nets.transformer import PLACEMENTS, Attention, Residual
from normlib.sphere.folding import centre_writing_weights
from normlib.sphere.keys import NORMS as KEY_NORMS
from normlib.sphere.keys import convex_hull, head_keys, selectable
from normlib.transformers.attention import scores, with_one_huge
from normlib.transformers.centring import WRITERS, with_rms_norm
from normlib.transformers.hearing import READINGS, hears
from normlib.transformers.placement import RATES, at_start, by_rate
from normlib.transformers.pointwise import Derf, DyT, erf
from normlib.transformers.task import (
    BAR,
    LETTERS,
    SIZE,
    reversed_words,
    reverser,
    spell,
    train,
    write,
)

TOKENS = 2 * SIZE
LAST_NORM = -3  # among the layers: then come the last tokens and the read-out
FORMULAS = {
    "pre": "x + F(N(x))",
    "post": "N(x + F(x))",
    "peri": "x + N(F(N(x)))",
    "scaled": "x + F(N(x) / √l)",
    "none": "x + F(x)",
}


class Reverse(LiveFigure):
    """A transformer learns to write words backwards: who reads whom, step by step."""

    height = 3.8
    steps, every, lr, blocks = 100, 5, 0.01, 4
    kinds = {
        "layer": {"norm": "layer"},
        "RMS": {"norm": "rms"},
        "none": {"placement": "none"},
    }
    names = {"layer": "layer norm", "RMS": "RMS norm", "none": "no norm"}
    runs = {}  # by kind: (network, parameters at some steps, share of letters)

    def make_controls(self):
        """Return the controls: norm, step of training, word, block."""
        return {
            "norm": controls.choice("norm N", list(self.kinds), next(iter(self.kinds))),
            "step": controls.whole("step", 0, self.steps, 100, self.every),
            "word": controls.whole("word", 0, 9, 4),
            "block": controls.whole("block", 1, self.blocks, 1),
        }

    def draw(self, fig):
        """Draw the empty map of attention and the curve of right letters."""
        self.map = fig.add_axes((0.125, 0.165, 0.43, 0.65))
        self.cells = style.cells(self.map, (SIZE, TOKENS), "Blues", 0, 1)
        self.map.set(xticks=[], yticks=[])
        self.map.set_xlabel("is read: the tokens so far", labelpad=24)
        self.map.set_ylabel("writes", rotation=0, ha="right", va="center", labelpad=34)
        self.columns = [
            self.map.text(k, SIZE - 0.2, "", ha="center", va="center", size=13)
            for k in range(TOKENS)
        ]
        self.rows = [
            self.map.text(-0.9, k, "", ha="center", va="center", size=13, weight="bold")
            for k in range(SIZE)
        ]
        self.title = style.moving_title(self.map, pad=26)
        self.below_title = self.map.text(
            0, 1.03, "", transform=self.map.transAxes, va="bottom"
        )
        right = fig.add_axes((0.66, 0.165, 0.32, 0.65))
        right.set(xlim=(0, self.steps), ylim=(0, 1.03), xlabel="step of training")
        right.set_title("share of right letters")
        right.axhline(1 / len(LETTERS), color="#777777", lw=1, ls=":")
        right.text(99, 0.1, "guessing", ha="right", va="top", color="#666666")
        (self.curve,) = right.plot([], [], color=style.AFTER, lw=2)
        (self.now,) = right.plot([], [], "o", color=style.INK, ms=8, clip_on=False)
        return [
            self.cells,
            *self.columns,
            *self.rows,
            self.title,
            self.below_title,
            self.curve,
            self.now,
        ]

    def touches(self):
        """Say what can be dragged: the step along the curve."""
        return [
            Touch(
                self.now.axes,
                lambda x, y, start: {"step": x},
                hint="Drag along the curve to see that step.",
                sideways=True,
            )
        ]

    def move(self, norm, step, word, block):
        """Train once per norm; then load the step and let it write."""
        if norm not in self.runs:
            net = reverser(1, blocks=self.blocks, **self.kinds[norm])
            kept, share = [net.params.copy()], []
            for k, right in enumerate(train(net, self.lr, self.steps, 1), 1):
                share.append(right)
                if k % self.every == 0:
                    kept.append(net.params.copy())
                    self.curve.set_data(np.arange(k) + 0.5, _smooth(share))
                    yield k / self.steps
            self.runs[norm] = net, kept, share
        net, kept, share = self.runs[norm]
        net.params = kept[step // self.every]
        read = reversed_words(10, 5)[0][word, :SIZE]
        written = write(net, read)
        self._show(net, block, read, written)
        kind = self.names.get(norm, norm)
        self.title.set_text(f"{kind}, step {step}")
        curve = _smooth(share)
        self.curve.set_data(np.arange(self.steps) + 0.5, curve)
        self.now.set_data([step], [curve[min(step, self.steps - 1)]])
        right = int((written == read[::-1]).sum())
        weights = self.cells.get_array().reshape(SIZE, TOKENS)
        on_it = weights[range(SIZE), range(SIZE - 1, -1, -1)].mean()
        end = np.mean(share[-20:])
        return (
            f"{kind[0].upper()}{kind[1:]}, step {step}: it reads {spell(read)} and "
            f"writes {spell(written)}, {right} of {SIZE} right. Block {block} "
            f"reads the letter asked for with weight {on_it:.2f}. In the last 20 steps "
            f"of training {end:.0%} are right."
        )

    def _show(self, net, block, read, written):
        attentions = [
            layer.branch[0]
            for layer in net.layers
            if isinstance(layer, Residual) and isinstance(layer.branch[0], Attention)
        ]
        weights = attentions[block - 1].weights[0, 0, SIZE:]
        self.cells.set_array(weights)
        for text, letter in zip(
            self.columns, spell(read) + BAR + spell(written[:-1]), strict=True
        ):
            text.set_text(letter)
        for text, letter, wanted in zip(self.rows, written, read[::-1], strict=True):
            right = letter == wanted
            text.set_text(spell([letter]) + ("" if right else "✗"))
            text.set_color(style.INK if right else style.WARN)
        self.below_title.set_text(
            f"attention of block {block}: dark is read most; ✗ is wrong"
        )


def _smooth(share, width=5):
    """Return running means over up to `width` steps."""
    total = np.cumsum(np.insert(np.asarray(share, float), 0, 0.0))
    ends = np.arange(1, len(share) + 1)
    starts = np.maximum(ends - width, 0)
    return (total[ends] - total[starts]) / (ends - starts)


class Pointwise(Reverse):
    """The same with a function of single numbers in the place of the norm."""

    kinds = {"DyT": {"norm": DyT}, "Derf": {"norm": Derf}, **Reverse.kinds}


class Hearing(LiveFigure):
    """Change one token: the outputs that move, under three readings of a norm."""

    height = 3.7
    words = 4

    def __init__(self):
        self.tokens = reversed_words(self.words, 3)[0]
        super().__init__()

    def make_controls(self):
        """Return the controls: the norm, and which token is changed."""
        return {
            "norm": controls.choice("norm", list(READINGS), "layer, per token"),
            "word": controls.whole("row", 0, self.words - 1, 1),
            "place": controls.whole("token", 0, TOKENS - 1, 4),
        }

    def draw(self, fig):
        """Draw the table of tokens."""
        self.ax = fig.add_axes((0.05, 0.15, 0.72, 0.72))
        self.cells = style.cells(self.ax, (self.words, TOKENS), "Blues", 0, 1.6)
        self.ax.set(xticks=[], yticks=range(self.words))
        self.ax.set_xlabel("token: a network that writes may only look to the left")
        self.ax.set_ylabel("row")
        self.letters = [
            self.ax.text(k, n, "", ha="center", va="center", size=13)
            for n in range(self.words)
            for k in range(TOKENS)
        ]
        self.pick = PolyCollection([], facecolors="none", edgecolors=style.INK, lw=3)
        self.pick.set_clip_on(False)
        self.ax.add_collection(self.pick)
        self.title = style.moving_title(self.ax)
        fig.text(0.79, 0.74, "framed: the token\nthat is changed", va="top")
        fig.text(0.79, 0.55, "blue, bold:\nits output moves", va="top", weight="bold")
        fig.text(0.79, 0.36, "white: its output\nstays as it was", va="top")
        return [self.cells, *self.letters, self.pick, self.title]

    def touches(self):
        """Say what can be clicked: a token."""
        return [
            Touch(
                self.ax,
                lambda x, y, start: {"place": round(x), "word": round(y)},
                hint="Click a token to change it.",
                cursor="pointer",
            )
        ]

    def move(self, norm, word, place):
        """Change the token and compare all outputs."""
        moved = hears(norm, self.tokens, word, place) > 1e-9
        self.cells.set_array(moved.astype(float))
        for text, token, moves in zip(
            self.letters, self.tokens.flat, moved.flat, strict=True
        ):
            text.set_text(spell([token]))
            text.set_weight("bold" if moves else "normal")
        self.pick.set_verts([_cell(word, place)])
        name = {"batch": "batch norm"}.get(norm, norm.replace("layer", "layer norm"))
        self.title.set_text(name)
        before = int(moved[word, :place].sum())
        others = int(moved.sum() - moved[word].sum())
        return (
            f"{name[0].upper()}{name[1:]}: with token {place} of row {word} changed, "
            f"{moved.sum()} of {moved.size} outputs move, {before} of them before it "
            f"in its row and {others} in other rows."
        )


def _cell(row, column):
    low, high, left, right = row - 0.5, row + 0.5, column - 0.5, column + 0.5
    return [(left, low), (right, low), (right, high), (left, high)]


@cache
def _start(placement, blocks):
    """Return medians over 5 networks: stream and gradient by block."""
    start = at_start(placement, blocks, range(5))
    return np.median(start.stream, axis=0), np.median(start.gradient, axis=0)


class Start(LiveFigure):
    """Stream and gradient by depth before training, for each place of the norm.

    The other places are drawn when asked for.
    """

    height = 4.0
    depths = (2, 4, 8, 16)

    def make_controls(self):
        """Return the controls: placement and depth."""
        return {
            "placement": controls.choice("place", list(PLACEMENTS), "post"),
            "blocks": controls.steps("blocks", list(self.depths), 16),
            "others": controls.switch("the other places"),
        }

    def draw(self, fig):
        """Draw two panels over depth."""
        self.panels, self.lines, self.grey = [], [], []
        for left, title, limits, scale in (
            (0.08, "mean square of the stream", (0, 40), "linear"),
            (0.57, "gradient of each block", (0.05, 200), "log"),
        ):
            ax = fig.add_axes((left, 0.15, 0.41, 0.64))
            ax.set(xlim=(0, 16.4), ylim=limits, yscale=scale, xlabel="block")
            ax.set_xticks(range(0, 17, 4))
            if scale == "log":
                ax.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
            ax.set_title(title)
            self.grey.append(
                [ax.plot([], [], color="#a8a8a8", lw=1.2)[0] for _ in PLACEMENTS]
            )
            (line,) = ax.plot([], [], "o-", color=style.AFTER, lw=2.5, ms=5)
            self.lines.append(line)
            self.panels.append(ax)
        self.name = fig.text(0.08, 0.93, "", color=style.AFTER, weight="bold", size=13)
        self.key = fig.text(0.57, 0.93, "", color="#666666")
        return [*self.grey[0], *self.grey[1], *self.lines, self.name, self.key]

    def touches(self):
        """Say what can be dragged: the depth."""
        return [
            Touch(
                ax,
                lambda x, y, start: {
                    "blocks": min(self.depths, key=lambda d: abs(d - x))
                },
                hint="Drag to the left for fewer blocks.",
                sideways=True,
            )
            for ax in self.panels
        ]

    def move(self, placement, blocks, others):
        """Run forward and backward once."""
        self.key.set_text("grey: the other places" if others else "")
        ends = []
        for k, other in enumerate(PLACEMENTS):
            stream, gradient = _start(other, blocks)
            seen = others and other != placement
            if seen:
                ends.append(f"{other} {stream[-1]:.3g}")
            self.grey[0][k].set_data(*_points(0, stream, seen))
            self.grey[1][k].set_data(*_points(1, gradient, seen))
        stream, gradient = _start(placement, blocks)
        self.lines[0].set_data(*_points(0, stream))
        self.lines[1].set_data(*_points(1, gradient))
        self.name.set_text(f"{placement}: {FORMULAS[placement]}")
        ratio = gradient[-1] / gradient[0]
        gone = ", and its gradients are above the frame" if gradient.min() > 200 else ""
        return (
            f"{placement.capitalize()}, {blocks} blocks: the mean square of the stream "
            f"goes from {stream[0]:.1f} to {stream[-1]:.3g}{gone}. The last block's "
            f"gradient is {ratio:.2g} times that of the first."
            + (f" The other streams end at: {', '.join(ends)}." if ends else "")
        )


def _points(first, values, seen=True):
    return (np.arange(first, first + len(values)), values) if seen else ([], [])


class Rates(LiveFigure):
    """What trains at which learning rate, for each place of the norm."""

    height = 4.0
    blocks = 4
    starts = {
        "as usual": {},
        "rate warmed up": {"warm_up": 50},
        "branches start at 0": {"gain": 0.0},
    }
    words = {
        "as usual": "Started as usual",
        "rate warmed up": "With the rate warmed up",
        "branches start at 0": "With branches that start at 0",
    }
    runs = {}  # by start and placement: share of right letters at each rate

    def make_controls(self):
        """Return the controls: how training starts."""
        return {"start": controls.choice("start", list(self.starts), "as usual")}

    def draw(self, fig):
        """Draw the empty table."""
        ax = fig.add_axes((0.30, 0.16, 0.52, 0.70))
        shape = (len(PLACEMENTS), len(RATES))
        self.cells = style.cells(ax, shape, "Blues", 0, 1.2)
        ax.set_xticks(range(len(RATES)), [f"{rate:g}" for rate in RATES])
        names = [f"{name}:  {FORMULAS[name]}" for name in PLACEMENTS]
        ax.set_yticks(range(len(names)), names)
        ax.tick_params(length=0)
        ax.set_xlabel("learning rate of Adam")
        self.title = style.moving_title(ax)
        self.numbers = [
            ax.text(c, r, "", ha="center", va="center", size=13)
            for r in range(shape[0])
            for c in range(shape[1])
        ]
        return [self.cells, *self.numbers, self.title]

    def move(self, start):
        """Train three networks for each cell, those of one row at once."""
        self.title.set_text(f"letters right after 100 steps: {start}")
        table = np.zeros((len(PLACEMENTS), len(RATES)))
        self._fill(table, 0)
        for row, placement in enumerate(PLACEMENTS):
            if (start, placement) not in self.runs:
                options = self.starts[start]
                work = by_rate(placement, self.blocks, range(3), **options)
                for done in work:
                    if np.ndim(done) == 0:
                        yield (row + done) / len(PLACEMENTS)
                self.runs[start, placement] = np.median(done, axis=0)
            table[row] = self.runs[start, placement]
            self._fill(table, row + 1)
            yield (row + 1) / len(PLACEMENTS)
        parts = [
            f"{name} at {(table[row] > 0.75).sum()}"
            for row, name in enumerate(PLACEMENTS)
        ]
        return (
            f"{self.words[start]}, medians of 3 networks: of the {len(RATES)} rates, "
            "over three quarters of the letters come out right with "
            f"{', '.join(parts)}."
        )

    def _fill(self, table, rows):
        self.cells.set_array(table)
        for k, (text, value) in enumerate(zip(self.numbers, table.flat, strict=True)):
            shown = k < rows * len(RATES)
            text.set_text(f"{value:.2f}" if shown else "")
            text.set_color("white" if value > 0.75 else style.INK)


class Keys(LiveFigure):
    """The keys of one head: which of them some query can select."""

    height = 4.2
    sizes = (2, 3, 4, 8, 16)

    def make_controls(self):
        """Return the controls: the norm, number of keys, size of the head, seed."""
        return {
            "norm": controls.choice("norm", list(KEY_NORMS), "RMS, in the head"),
            "keys": controls.whole("keys", 4, 40, 20),
            "size": controls.steps("head features", list(self.sizes), 2),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw the plane of the first two features, and bars by size of the head."""
        self.plane = fig.add_axes((0.03, 0.05, 0.42, 0.80))
        self.plane.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal")
        self.plane.set(xticks=[], yticks=[])
        self.title = style.moving_title(self.plane)
        self.plane.plot(0, 0, "+", color="#777777")
        self.hull = PolyCollection([], facecolors="#eef2f6", edgecolors="#a0a0a0")
        self.plane.add_collection(self.hull)
        (self.won,) = self.plane.plot([], [], "o", color=style.AFTER, ms=8)
        (self.lost,) = self.plane.plot([], [], "X", color=style.WARN, ms=9)
        self.bars = fig.add_axes((0.57, 0.16, 0.41, 0.69))
        self.bars.set(xlim=(-0.6, len(self.sizes) - 0.4), ylim=(0, 1.12))
        self.bars.set_xticks(range(len(self.sizes)), [str(s) for s in self.sizes])
        self.bars.set_xlabel("features of the head")
        self.bars.set_title("share of keys that can win")
        self.rectangles = self.bars.bar(range(len(self.sizes)), 0, 0.6)
        self.shares = [
            self.bars.text(k, 0, "", ha="center", va="bottom")
            for k in range(len(self.sizes))
        ]
        return [
            self.hull,
            self.won,
            self.lost,
            self.title,
            *self.rectangles,
            *self.shares,
        ]

    def move(self, norm, keys, size, seed):
        """Decide for each key whether some query gives it the highest score."""
        found = {s: selectable(head_keys(norm, keys, s, rng=seed)) for s in self.sizes}
        points = head_keys(norm, keys, size, rng=seed)
        won = found[size]
        self.won.set_data(*points[won, :2].T)
        self.lost.set_data(*points[~won, :2].T)
        corners = points[convex_hull(points)] if size == 2 else np.zeros((3, 2))
        self.hull.set_verts([corners])
        self.title.set_text(
            "the keys: ● can win, X never" if size == 2 else "two of their features"
        )
        for k, s in enumerate(self.sizes):
            share = found[s].mean()
            self.rectangles[k].set_height(share)
            self.rectangles[k].set_facecolor(style.AFTER if s == size else "#c9d3dc")
            self.shares[k].set(text=f"{share:.2f}", y=share + 0.01)
        head = {"none": "No norm"}.get(norm, f"{norm[0].upper()}{norm[1:]}")
        return (
            f"{head}, a head of {size} features: a query can select {won.sum()} of "
            f"{keys} keys, the others never get the highest score."
            if not won.all()
            else f"{head}, a head of {size} features: each of the {keys} keys is "
            "selected by some query."
        )


class QueryKey(LiveFigure):
    """Attention when queries and keys grow, without and with a norm on them."""

    height = 4.1

    def make_controls(self):
        """Return the controls: the factor, and which random vectors."""
        return {
            "times": controls.slider("q and k times", 0.5, 8.0, 1.0, 0.5),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw two maps of attention."""
        self.maps, self.titles, self.under = [], [], []
        for left, word in ((0.06, "as they are"), (0.55, "RMS norm on both")):
            ax = fig.add_axes((left, 0.20, 0.36, 0.66))
            ax.set(xticks=[], yticks=[])
            self.maps.append(style.cells(ax, (12, 12), "Blues", 0, 1))
            ax.set_ylabel("query")
            ax.set_xlabel("key", labelpad=22)
            ax.set_title(word)
            self.under.append(ax.text(5.5, 12.1, "", ha="center", va="center"))
        return [*self.maps, *self.under]

    def move(self, times, seed):
        """Compute both."""
        both = [scores(times, norm=norm, rng=seed) for norm in (False, True)]
        for cells, text, one in zip(self.maps, self.under, both, strict=True):
            cells.set_array(one.weights)
            largest = np.abs(one.logits).max()
            text.set_text(f"largest score {largest:.1f}, entropy {one.entropy:.2f}")
        raw, normed = both
        return (
            f"Times {times:g}: as they are, the largest score is "
            f"{np.abs(raw.logits).max():.1f} and the entropy {raw.entropy:.2f}. With a "
            f"norm it is {np.abs(normed.logits).max():.1f}, never above 4, and the "
            f"entropy {normed.entropy:.2f} of at most {np.log(12):.2f}."
        )


@cache
def _trained():
    """Return a trained network with layer norm, its words and its answers."""
    net = reverser(7, blocks=2)
    for _ in train(net, 0.01, 100, 7):
        pass
    rng = np.random.default_rng(7)
    for layer in net.walk():  # a little noise on gamma, beta and biases: no easy case
        for name in ("gamma", "beta", "bias"):
            if name in layer.params:
                layer.params[name] += 0.1 * rng.standard_normal(
                    layer.params[name].shape
                )
    tokens = reversed_words(20, 8)[0]
    return net, tokens, net.forward(tokens)


class Centred(LiveFigure):
    """RMS norm in place of layer norm, with what writes to the stream centred.

    Parameters
    ----------
    function : callable, optional
        The reader's own ``centre(weight, bias)``.
    """

    height = 4.1

    def __init__(self, function=None):
        self.function = function
        super().__init__()

    def make_controls(self):
        """Return a switch for each kind of map that writes."""
        return {
            name.replace("-", " ").replace(" ", "_"): controls.switch(
                f"centre: {name}", True
            )
            for name in WRITERS
        }

    def draw(self, fig):
        """Draw logits against logits."""
        ax = fig.add_axes((0.10, 0.15, 0.42, 0.72))
        ax.set(xlim=(-10, 13), ylim=(-10, 13), xlabel="logit with layer norm")
        ax.set_title("logit with RMS norm")
        ax.plot([-10, 13], [-10, 13], color="#bbbbbb", lw=1.5)
        (self.dots,) = ax.plot([], [], "o", ms=4, mec="white", mew=0.3)
        self.verdict = fig.text(0.57, 0.76, "", size=14, weight="bold")
        self.detail = fig.text(0.57, 0.48, "", va="center", linespacing=1.5)
        return [self.dots, self.verdict, self.detail]

    def move(self, **switches):
        """Rewrite the network and compare all logits."""
        net, tokens, before = _trained()
        if self.function is not None:  # stays if it fails
            self.dots.set_data([], [])
            self.verdict.set(text="waits for your function", color=style.INK)
            self.detail.set_text("")
        chosen = [
            name for name, on in zip(WRITERS, switches.values(), strict=True) if on
        ]
        after = with_rms_norm(net, chosen, self._centre()).forward(tokens)
        gap = np.abs(after - before).max()
        equal = gap < 1e-9
        self.dots.set_data(before.ravel(), after.ravel())
        self.dots.set_color(style.AFTER if equal else style.WARN)
        self.dots.set_marker("o" if equal else "X")
        self.verdict.set(
            text="the same function" if equal else "another function",
            color=style.AFTER if equal else style.WARN,
        )
        how = "below 1e-12" if gap < 1e-12 else f"{gap:.2g}"
        self.detail.set_text(
            f"{len(chosen)} of {len(WRITERS)} kinds centred\n"
            f"{before.size} logits, the largest gap is\n{how}"
        )
        left = [name for name in WRITERS if name not in chosen]
        without = f" Not centred: {', '.join(left)}." if left else ""
        return (
            f"With RMS norm in place of layer norm, the {before.size} logits move by "
            f"{how} at most.{without}"
        )

    def _centre(self):
        if self.function is None:
            return centre_writing_weights

        def centre(weight, bias):
            shapes = weight.shape, bias.shape
            return reader_arrays(self.function, weight, bias, shapes=shapes)

        return centre


class Huge(LiveFigure):
    """One huge entry of a vector, and what a norm leaves of the others."""

    height = 4.0

    def make_controls(self):
        """Return the controls: the entry, the length of the vector, the norm."""
        return {
            "huge": controls.whole("the entry", 0, 200, 100),
            "size": controls.steps("features", [16, 64, 256], 64),
            "norm": controls.choice("norm", ["RMS", "layer"], "RMS"),
        }

    def draw(self, fig):
        """Draw the vector before and after, and the curve."""
        self.axes, self.bars = [], []
        for left, title in ((0.06, "before"), (0.37, "after the norm")):
            ax = fig.add_axes((left, 0.15, 0.26, 0.70))
            ax.set(xlim=(-0.6, 7.6), xticks=[], xlabel="the first 8 features")
            ax.set_title(title)
            ax.axhline(0, color="#777777", lw=1)
            # From -1 to 1 as it is, beyond by powers of ten: else the others vanish.
            ax.set_yscale("symlog", linthresh=1)
            ax.set_ylim(-1.5, 250)
            ax.set_yticks([-1, 0, 1, 10, 100], ["-1", "0", "1", "10", "100"])
            ax.minorticks_off()
            self.axes.append(ax)
            self.bars.append(ax.bar(range(8), 0, 0.7))
        curve = fig.add_axes((0.73, 0.15, 0.25, 0.70))
        curve.set(xlim=(0, 200), ylim=(0, 1.05), xlabel="the entry")
        curve.set_title("left of the others")
        (self.line,) = curve.plot([], [], color=style.AFTER, lw=2)
        (self.dot,) = curve.plot([], [], "o", color=style.INK, ms=8)
        self.number = curve.text(0, 0, "", ha="left", va="bottom", weight="bold")
        self.curve = curve
        return [*self.bars[0], *self.bars[1], self.line, self.dot, self.number]

    def touches(self):
        """Say what can be dragged: the huge entry, and the point on the curve."""
        return [
            Touch(
                self.axes[0],
                lambda x, y, start: {"huge": y},
                hint="Drag the first bar up and down.",
            ),
            Touch(
                self.curve,
                lambda x, y, start: {"huge": x},
                hint="Drag the point.",
                sideways=True,
            ),
        ]

    def move(self, huge, size, norm):
        """Normalize the vector."""
        x = with_one_huge(size, float(huge))
        y = (rms_norm if norm == "RMS" else layer_norm)(x, eps=0)[0]
        for bars, values in zip(self.bars, (x, y), strict=True):
            for k, bar in enumerate(bars):
                bar.set_height(values[k])
                bar.set_facecolor(style.WARN if k == 0 else style.AFTER)
        along = np.arange(0, 201, 4.0)
        self.line.set_data(along, [_left(size, h, norm) for h in along])
        left = _left(size, float(huge), norm)
        self.dot.set_data([huge], [left])
        self.number.set(
            text=f"{left:.3f}", position=(min(huge + 6, 140), min(left + 0.05, 0.92))
        )
        back = _back(x, norm)
        return (
            f"One entry of {huge} among {size}, {norm} norm: the spread of the others, "
            f"1 before, is {left:.3f} after. Of a gradient at them, {back:.3f} comes "
            "back through the norm."
        )


def _left(size, huge, norm):
    """Return the spread of the other entries after the norm, from 1 before."""
    x = with_one_huge(size, huge)
    if norm == "RMS":
        return abs(rms_norm(x, eps=0)[0][1])
    y = layer_norm(x, eps=0)[0]
    return (y[1] - y[2]) / 2


def _back(x, norm):
    """Return the length of the gradient that comes back, for one of length 1."""
    forward, backward = {
        "RMS": (rms_norm, rms_norm_backward),
        "layer": (layer_norm, layer_norm_backward),
    }[norm]
    dy = np.zeros_like(x)
    dy[1], dy[3] = 1 / np.sqrt(2), -1 / np.sqrt(2)  # mean 0, and orthogonal to x
    return np.linalg.norm(backward(dy, forward(x, eps=0)[1])[0])


class Curves(LiveFigure):
    """Layer norm, input against output: a cloud of lines, and one curve for it."""

    height = 3.8

    def make_controls(self):
        """Return the controls: which norm of the network, alpha, which curve."""
        return {
            "place": controls.choice("norm", ["first", "last"], "last"),
            "curve": controls.choice("curve", ["tanh", "erf"], "tanh"),
            "alpha": controls.slider("alpha", 0.05, 1.5, 0.4, 0.05),
        }

    def draw(self, fig):
        """Draw the cloud and the curve."""
        ax = fig.add_axes((0.08, 0.15, 0.52, 0.72))
        ax.set(xlim=(-8, 8), ylim=(-3.5, 3.5), xlabel="input of layer norm")
        ax.set_title("output, before gamma and beta")
        (self.dots,) = ax.plot([], [], "o", ms=2.5, mew=0, color="#8a8a8a")
        (self.one,) = ax.plot([], [], "o", ms=6, mec="white", color=style.LAYER)
        (self.line,) = ax.plot([], [], color=style.AFTER, lw=2.5)
        fig.text(0.64, 0.76, "grey: all entries of all tokens", color="#666666")
        fig.text(0.64, 0.67, "green: one token, on a line", color=style.LAYER)
        self.words = fig.text(0.64, 0.58, "", color=style.AFTER)
        self.miss = fig.text(0.64, 0.40, "", va="center", linespacing=1.5)
        return [self.dots, self.one, self.line, self.words, self.miss]

    def move(self, place, curve, alpha):
        """Fit the height of the curve to the cloud."""
        net, tokens, _ = _trained()
        x, y = _through(net, tokens, place)
        shape = np.tanh if curve == "tanh" else erf
        z = shape(alpha * x)
        height = (z * y).sum() / (z * z).sum()
        miss = np.sqrt(np.mean((height * z - y) ** 2) / np.mean(y**2))
        straight = np.sqrt(1 - (x * y).sum() ** 2 / (x * x).sum() / (y * y).sum())
        self.dots.set_data(x[:60].ravel(), y[:60].ravel())
        self.one.set_data(x[5], y[5])
        grid = np.linspace(-8, 8, 161)
        self.line.set_data(grid, height * shape(alpha * grid))
        self.words.set_text(f"blue: {height:.2f} {curve}({alpha:.2f} x)")
        self.miss.set_text(
            f"the curve misses by {miss:.2f},\nthe best line by {straight:.2f}"
        )
        return (
            f"The {place} norm of a trained network: {curve} with alpha {alpha:.2f} "
            f"misses the outputs by {miss:.2f} of their size, the best straight line "
            f"by {straight:.2f}."
        )


def _through(net, tokens, place):
    """Return what goes into and comes out of a norm of the network."""
    net.forward(tokens, record=True)
    x = net.outputs[0 if place == "first" else LAST_NORM - 1]
    return x, layer_norm(x)[0]


FIGURES = {
    "reverse": Reverse,
    "pointwise": Pointwise,
    "hearing": Hearing,
    "start": Start,
    "rates": Rates,
    "keys": Keys,
    "query_key": QueryKey,
    "centred": Centred,
    "huge": Huge,
    "curves": Curves,
}
