"""Figures of notebook 01: the valley, rescaling, one outlier, divisor, correlation."""

from functools import lru_cache

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from normlib import standardize
from normlib.batch.rescaling import min_max, whiten
from normlib.batch.valley import covariance, descend, excess, steps_needed
from normlib.datasets import bimodal, load_digits, skewed, uniform, with_outlier
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.live.reader import reader_array
from normlib.live.touch import Touch

COUNT = 400
PIXEL = 28
BINS = 17


def standardized(x):
    """Return x with mean 0 and standard deviation 1, column by column."""
    return standardize(x, 0, eps=0)[0]


SCALINGS = {
    "min-max [0, 1]": min_max,
    "min-max [-1, 1]": lambda x: min_max(x, -1, 1),
    "standardize": standardized,
}

DATA = {
    "digits": lambda rng, strength: 16 * load_digits()[0][:, PIXEL],
    "uniform": lambda rng, strength: uniform(COUNT, rng),
    "skewed": lambda rng, strength: skewed(COUNT, rng),
    "bimodal": lambda rng, strength: bimodal(COUNT, rng),
    "outlier": lambda rng, strength: with_outlier(COUNT, rng, strength),
}


def bars(x, bins=BINS):
    """Return edges and counts of equal bins, the outer ones centred on the extremes.

    So no extreme value, and no value on an even grid between them, falls on an edge.
    """
    half = (x.max() - x.min()) / (2 * (bins - 1))
    edges = np.linspace(x.min() - half, x.max() + half, bins + 1)
    return edges, np.histogram(x, edges)[0]


def boxes(edges, heights, floor=0.0):
    """Return the rectangles of a histogram, shape (bins, 4, 2)."""
    left, right = edges[:-1], edges[1:]
    low, high = np.full(len(heights), floor), floor + heights
    x = np.stack([left, right, right, left], axis=-1)
    return np.stack([x, np.stack([low, low, high, high], axis=-1)], axis=-1)


BEST = np.array([1.0, -0.5])  # of the standardized features
PARTS = (0.03, 0.1, 0.3, 0.6, 1.0)


class Valley(LiveFigure):
    """Gradient descent on two weights, in the valley that two features make."""

    shown = 60  # steps in the picture of the valley
    counted = np.unique(np.geomspace(1, 20_000, 90).round().astype(int))

    def make_controls(self):
        """Return the controls: which features, spread of the second, correlation."""
        return {
            "features": controls.choice(
                "features", ["as they are", "standardized"], "as they are"
            ),
            "std": controls.log_slider("std of feature 2", 0, 1.5, 10**0.5),
            "correlation": controls.slider("correlation", 0.0, 0.9, 0.0, 0.1),
        }

    def draw(self, fig):
        """Draw the plane of the weights, and the axes of the loss by step."""
        left = fig.add_axes((0.105, 0.15, 0.41, 0.68))
        left.set(xlim=(-0.5, 2.15), ylim=(-1.19, 0.86), aspect="equal")
        left.set_xlabel("weight of feature 1")
        left.set_ylabel("weight of feature 2")
        self.title = style.moving_title(left, pad=26)
        left.text(0, 1.03, "rings: equal loss, dots: steps", transform=left.transAxes)
        self.contours = LineCollection([], colors=style.BEFORE, linewidths=1)
        left.add_collection(self.contours)
        (self.path,) = left.plot([], [], ".-", ms=6, lw=1, color=style.AFTER)
        left.plot([0], [0], "o", ms=9, color=style.INK)
        left.text(-0.06, 0.05, "start", ha="right", va="bottom")
        (self.minimum,) = left.plot([], [], "*", ms=15, color=style.WARN)
        right = fig.add_axes((0.59, 0.15, 0.38, 0.68))
        right.set_xscale("symlog", linthresh=1)
        right.set(yscale="log", xlim=(-0.1, 20_000), ylim=(1e-3, 1.3))
        right.set_xticks([0, 1, 10, 100, 1000, 10_000])
        right.set_xticklabels(["0", "1", "10", "100", "1000", "10,000"])
        right.set_yticks([0.001, 0.01, 0.1, 1], ["0.1 %", "1 %", "10 %", "100 %"])
        right.minorticks_off()
        right.axhline(0.01, color=style.FAINT, zorder=0)
        right.set_xlabel("steps")
        right.set_title("loss that is left", pad=26)
        self.curves = []
        for dash, color, at, words in (
            ("-", style.BEFORE, 0, "as they are"),
            ("--", style.AFTER, 0.4, "standardized (dashed)"),
        ):
            self.curves += right.plot([], [], dash, color=color)
            right.text(at, 1.03, words, color=color, transform=right.transAxes)
        return [self.contours, self.path, self.minimum, self.title, *self.curves]

    def move(self, features, std, correlation):
        """Descend with the features as they are, and standardized."""
        needed = {}
        for k, (name, width) in enumerate(
            (("as they are", std), ("standardized", 1.0))
        ):
            h, best = covariance(width, correlation), BEST / (1.0, width)
            start = np.zeros(2)
            w = descend(h, start, best, self.counted[-1])
            at = np.append(0, self.counted)
            left = excess(w[at], h, best) / excess(start, h, best)
            self.curves[k].set_data(at, np.maximum(left, 1e-9))
            needed[name] = steps_needed(h, start, best)
            if name == features:
                self._set_plane(h, best, w)
        self.title.set_text(f"features {features}")
        h = covariance(std if features == "as they are" else 1.0, correlation)
        ratio = np.linalg.cond(h)
        shape = f"{ratio:,.0f} times as steep across as along"
        return (
            f"Features {features}: the valley is {shape if ratio > 1.01 else 'round'}. "
            f"Steps until 1 % of the loss is left: {needed['as they are']:,} with the "
            f"features as they are, {needed['standardized']:,} standardized."
        )

    def _set_plane(self, h, best, w):
        """Draw curves of equal loss, and the first steps."""
        values, vectors = np.linalg.eigh(h)
        angle = np.linspace(0, 2 * np.pi, 121)
        ring = np.column_stack([np.cos(angle), np.sin(angle)]) / np.sqrt(values)
        start = excess(np.zeros(2), h, best)
        self.contours.set_segments(
            [best + np.sqrt(2 * part * start) * ring @ vectors.T for part in PARTS]
        )
        self.path.set_data(*w[: self.shown + 1].T)
        self.minimum.set_data([best[0]], [best[1]])


class Rescaling(LiveFigure):
    """One column of numbers before and after, on a common ruler and in close-up."""

    def make_controls(self):
        """Return the controls: data, scaling, strength of the outlier."""
        return {
            "data": controls.choice("data", list(DATA), "skewed"),
            "scaling": controls.choice("scaling", list(SCALINGS), "min-max [0, 1]"),
            "strength": controls.whole("outlier's distance", 0, 15, 12),
        }

    def draw(self, fig):
        """Draw the common ruler and the frame with two rulers."""
        self.left = fig.add_axes((0.10, 0.15, 0.38, 0.73))
        self.left.set(xlim=(-4.5, 21), ylim=(-0.35, 2.6), yticks=[])
        self.left.set_title("on one ruler")
        self.left.spines["left"].set_visible(False)
        self.histograms, self.rugs = [], []
        for name, color, floor in (
            ("before", style.BEFORE, 1.55),
            ("after", style.AFTER, 0.0),
        ):
            self.left.text(
                -5.0, floor + 0.35, name, color=color, ha="right", weight="bold"
            )
            self.histograms.append(PolyCollection([], facecolors=color))
            self.left.add_collection(self.histograms[-1])
            self.rugs += self.left.plot(
                [], [], "|", ms=9, mew=0.8, color=color, alpha=0.5
            )
        self._draw_close_up(fig)
        return [
            *self.histograms,
            *self.rugs,
            self.close_up,
            self.outline,
            self.bell,
            *self.ticks,
        ]

    def _draw_close_up(self, fig):
        ax = fig.add_axes((0.58, 0.15, 0.39, 0.595))
        ax.set(xlim=(0, 1), ylim=(0, 1.3), xticks=[], yticks=[])
        ax.spines["left"].set_visible(False)
        ax.set_title("the same, filling the frame", pad=42)
        self.close_up = PolyCollection([], facecolors=style.AFTER, alpha=0.45)
        self.outline = PolyCollection(
            [], facecolors="none", edgecolors=style.BEFORE, linewidths=1.5
        )
        ax.add_collection(self.close_up)
        ax.add_collection(self.outline)
        (self.bell,) = ax.plot([], [], "--", color=style.INK, lw=1.5)
        ax.text(0.99, 1.2, "dashed: a Gaussian", ha="right", va="center")
        self.ticks = []
        for color, y, anchor in (
            (style.BEFORE, 1.34, "bottom"),
            (style.AFTER, -0.05, "top"),
        ):
            self.ticks += [
                ax.text(at, y, "", color=color, ha="center", va=anchor, clip_on=False)
                for at in (0.03, 0.265, 0.5, 0.735, 0.97)
            ]
        ax.text(-0.06, 1.34, "x", color=style.BEFORE, ha="right", va="bottom")
        ax.text(-0.06, -0.05, "y", color=style.AFTER, ha="right", va="top")

    def move(self, data, scaling, strength):
        """Rescale one column and draw it twice."""
        self.controls["strength"].disabled = data != "outlier"
        x = DATA[data](np.random.default_rng(1), strength)
        y = SCALINGS[scaling](x)
        for k, (values, floor) in enumerate(((x, 1.55), (y, 0.0))):
            edges, counts = bars(values)
            self.histograms[k].set_verts(
                boxes(edges, 0.85 * counts / counts.max(), floor)
            )
            distinct = np.unique(values)
            self.rugs[k].set_data(distinct, np.full(len(distinct), floor - 0.15))
        self._set_close_up(x, y)
        return self._sentence(data, scaling, strength, x, y)

    def _set_close_up(self, x, y):
        """Draw both histograms from edge to edge: only the rulers differ."""
        frame = np.linspace(0, 1, BINS + 1)
        for artist, values in ((self.close_up, y), (self.outline, x)):
            counts = bars(values)[1]
            artist.set_verts(boxes(frame, counts / counts.max()))
        edges, counts = bars(y)
        at = np.linspace(edges[0], edges[-1], 101)
        z = (at - y.mean()) / y.std()
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) / y.std()
        area = len(y) * (edges[1] - edges[0]) / counts.max()
        self.bell.set_data(np.linspace(0, 1, 101), area * density)
        for k, values in enumerate((x, y)):
            for text, value in zip(
                self.ticks[5 * k :],
                np.linspace(values.min(), values.max(), 5),
                strict=False,
            ):
                text.set_text(f"{value:z.1f}" if k == 0 else f"{value:z.2f}")

    def _sentence(self, data, scaling, strength, x, y):
        head = f"{data.capitalize()}, {scaling}"
        if data == "digits":
            head = f"Grey values of pixel {PIXEL} of {len(x)} digits, {scaling}"
        if data == "outlier":
            head = f"One value of {len(x)} moved to mean + {strength} std, {scaling}"
        moved = np.abs(min_max(y) - min_max(x)).max()
        place = "no value moved" if moved < 1e-12 else f"values moved by {moved:.2g}"
        return (
            f"{head}: mean {x.mean():.2f} becomes {y.mean():z.2f}, standard deviation "
            f"{x.std():.2f} becomes {y.std():.2f}. Between the smallest and the "
            f"largest value, {place}."
        )


REACH = np.logspace(0.5, 3, 11)


def spread_kept(x):
    """Return which part of their spread the others keep beside an outlier, x[-1].

    Parameters
    ----------
    x : ndarray of shape (N,)
        Values, of which the last is the outlier.

    Returns
    -------
    list of two floats
        For min-max and for standardizing: the standard deviation of the others
        after scaling all values, over that after scaling the others alone.
    """
    return [f(x)[:-1].std() / f(x[:-1]).std() for f in (min_max, standardized)]


@lru_cache(maxsize=256)
def kept_by_distance(n, seed):
    """Return `spread_kept` for each distance in `REACH`, shape (11, 2)."""
    rng = np.random.default_rng
    return np.array([spread_kept(with_outlier(n, rng(seed), s)) for s in REACH])


class Outlier(LiveFigure):
    """One value far out, and what is left of the spread of the others."""

    height = 3.9

    def make_controls(self):
        """Return the controls: distance of the outlier, number of values, seed."""
        return {
            "strength": controls.log_slider("outlier's distance (std)", 0.5, 3, 100.0),
            "n": controls.steps("values", [5, 20, 100, 1000], 20),
            "seed": controls.seed(),
        }

    def draw(self, fig):
        """Draw a strip for each scaling and the curves of the spread that is left."""
        self.strips, self.left = [], []
        for bottom, name, limits in (
            (0.62, "min-max [0, 1]", (-0.03, 1.03)),
            (0.19, "standardize", (-4.2, 32.6)),
        ):
            ax = fig.add_axes((0.05, bottom, 0.43, 0.19))
            self.left.append(ax)
            ax.set(xlim=limits, ylim=(-1, 1), yticks=[])
            ax.spines["left"].set_visible(False)
            ax.set_title(name)
            (alone,) = ax.plot([], [], "|", ms=38, mew=1.5, color=style.BEFORE)
            alone.set_alpha(0.35)
            (others,) = ax.plot([], [], "|", ms=24, mew=1.5, color=style.AFTER)
            (outlier,) = ax.plot([], [], "D", ms=9, color=style.WARN, clip_on=False)
            self.strips += [alone, others, outlier]
        fig.text(0.05, 0.94, "grey: without the outlier", color="#666666")
        fig.text(0.30, 0.94, "blue: with it", color=style.AFTER)
        ax = self.right = fig.add_axes((0.60, 0.19, 0.36, 0.62))
        ax.set(xscale="log", yscale="log", xlim=(3.1, 1050), ylim=(0.0004, 1.3))
        ax.set_xticks([10, 100, 1000], ["10", "100", "1000"])
        ax.set_yticks([0.001, 0.01, 0.1, 1], ["0.001", "0.01", "0.1", "1"])
        ax.minorticks_off()
        ax.set_xlabel("outlier's distance (std)")
        ax.set_title("spread that the others keep")
        self.curves, self.dots = [], []
        for color, dash in ((style.INK, "-"), (style.AFTER, "--")):
            self.curves += ax.plot([], [], dash, color=color)
            self.dots += ax.plot([], [], "o", ms=9, color=color, clip_on=False)
        ax.text(3.6, 0.0008, "min-max (solid)", color=style.INK)
        ax.text(1000, 0.85, "standardize (dashed)", color=style.AFTER, ha="right")
        return [*self.strips, *self.curves, *self.dots]

    def touches(self):
        """Let the outlier be dragged by a diamond, and along the curves.

        A diamond cannot follow: min-max keeps it at 1, standardizing below
        ``sqrt(n - 1)``. Its distance is multiplied instead, and the others move.
        """

        def along(x, y, start):
            return {"strength": x}

        def by_diamond(ax):
            low, high = ax.get_xlim()

            def drag(x, y, start):
                decades = np.log10(REACH[-1] / REACH[0]) * (x - start.x) / (high - low)
                return {"strength": start.values["strength"] * 10**decades}

            return Touch(
                ax,
                drag,
                "Drag the diamond, the outlier, to either side,",
                sideways=True,
            )

        hint = "or drag in the picture on the right."
        return [
            *map(by_diamond, self.left),
            Touch(self.right, along, hint, sideways=True),
        ]

    def move(self, strength, n, seed):
        """Move the outlier and rescale all values with it."""
        x = with_outlier(n, np.random.default_rng(seed), strength)
        for k, scaling in enumerate((min_max, standardized)):
            y = scaling(x)
            without = scaling(x[:-1])
            for strip, values in zip(
                self.strips[3 * k :], (without, y[:-1], y[-1:]), strict=False
            ):
                strip.set_data(values, np.zeros(len(values)))
        curves = kept_by_distance(n, seed)
        kept = spread_kept(x)
        for k in range(2):
            self.curves[k].set_data(REACH, curves[:, k])
            self.dots[k].set_data([strength], [kept[k]])
        y = standardized(x)
        others = y[:-1]
        return (
            f"One of {n} values lies {strength:.0f} standard deviations out. Min-max "
            f"leaves the others {np.ptp(min_max(x)[:-1]):.3f} of the range 0 to 1, "
            f"standardizing a standard deviation of {others.std():.3f}. The outlier "
            f"lands at {y[-1]:.2f}."
        )


class Divisor(LiveFigure):
    """Divide by the standard deviation or by the variance, or as the reader does.

    Parameters
    ----------
    function : callable, optional
        The reader's own rule, from an array (N, 1) to an array (N, 1). It joins the
        choices as "yours".
    """

    spreads = np.logspace(-2, 2, 13, base=2)
    reach = 11  # of the ruler, to both sides

    def __init__(self, function=None):
        self.function = function
        self.z = standardized(bimodal(COUNT, np.random.default_rng(0)))
        super().__init__()

    def make_controls(self):
        """Return the controls: the divisor, mean and standard deviation of x."""
        names = ["std", "variance"] + ["yours"] * (self.function is not None)
        return {
            "divisor": controls.choice(
                "divide by", names, "yours" if self.function else "std"
            ),
            "mean": controls.slider("mean of x", -2.0, 2.0, 1.0, 0.25),
            "std": controls.slider("std of x", 0.25, 4.0, 0.5, 0.25),
        }

    def draw(self, fig):
        """Draw before and after on one ruler, and the spread for every spread."""
        left = fig.add_axes((0.10, 0.15, 0.42, 0.74))
        left.set(xlim=(-self.reach, self.reach), ylim=(-0.1, 2.6), yticks=[])
        left.spines["left"].set_visible(False)
        left.set_xticks([-10, -5, 0, 5, 10])
        left.axvline(0, color=style.FAINT, zorder=0)
        self.title = style.moving_title(left)
        self.histograms = []
        for name, color, floor in (
            ("before", style.BEFORE, 1.5),
            ("after", style.AFTER, 0.0),
        ):
            left.text(-11.3, floor + 0.35, name, color=color, ha="right", weight="bold")
            self.histograms.append(PolyCollection([], facecolors=color))
            left.add_collection(self.histograms[-1])
        right = fig.add_axes((0.64, 0.15, 0.33, 0.74))
        ticks = [0.25, 0.5, 1, 2, 4]
        right.set(xscale="log", yscale="log", xlim=(0.23, 4.4), ylim=(0.1, 10))
        right.set_xticks(ticks, [f"{t:g}" for t in ticks])
        right.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        right.minorticks_off()
        right.set_xlabel("std of x")
        right.set_title("std of the result")
        for rule, dash, at, words in (
            ("std", "-", (0.26, 0.8), "divided by std"),
            ("variance", "--", (0.62, 2.2), "divided by variance"),
        ):
            result = [self._rule(rule, s * self.z).std() for s in self.spreads]
            (line,) = right.plot(self.spreads, result, dash, color=style.INK, lw=1.2)
            text = right.text(*at, words, va="center" if dash == "--" else "top")
            if rule == "variance":
                self.mistake = [line, text]
        (self.own,) = right.plot([], [], "s", ms=5, color=style.AFTER, mfc="none")
        (self.dot,) = right.plot([], [], "o", ms=11, color=style.AFTER, clip_on=False)
        return [*self.histograms, self.title, *self.mistake, self.own, self.dot]

    def move(self, divisor, mean, std):
        """Give x its mean and spread, apply the rule, draw and measure the result."""
        for artist in self.mistake:  # a prediction comes before it
            artist.set_visible(divisor != "std")
        x = mean + std * self.z
        self.histograms[0].set_verts(self._boxes(x, 1.5))
        y = self._rule(divisor, x)
        self.histograms[1].set_verts(self._boxes(y, 0.0))
        measured = []
        if divisor == "yours":
            measured = [
                self._rule("yours", mean + s * self.z).std() for s in self.spreads
            ]
        self.own.set_data(self.spreads[: len(measured)], measured)
        self.dot.set_data([std], [y.std()])
        words = "your function" if divisor == "yours" else f"divided by the {divisor}"
        self.title.set_text(f"x - mean, {words}" if divisor != "yours" else words)
        start = "Your function" if divisor == "yours" else f"Divided by the {divisor}"
        return (
            f"{start}: mean {mean:.2f} becomes {y.mean():z.2f}, and standard deviation "
            f"{std:.2f} becomes {y.std():.2f}{self._verdict(y, mean, std)}."
        )

    def _rule(self, divisor, x):
        if divisor == "yours":
            return reader_array(self.function, x[:, None], shape=(len(x), 1))[:, 0]
        if divisor == "variance":
            return (x - x.mean()) / x.var()
        return standardized(x)

    def _boxes(self, values, floor):
        if np.ptp(values) < 1e-9:  # a reader may divide by far too much
            edges = values[0] + np.array([-0.05, 0.05])
            return boxes(edges, np.array([0.85]), floor)
        edges, counts = bars(values)
        return boxes(edges, 0.85 * counts / counts.max(), floor)

    def _verdict(self, y, mean, std):
        """Name what is wrong: a divisor that is not the std, a mean left in."""
        words = ""
        if np.isclose(y.std(), 1 / std, rtol=1e-3) and std != 1:
            words = f" = 1 / {std:.2f}"
        elif not np.isclose(y.std(), 1, atol=1e-3):
            words = "; it should be 1"
        if abs(y.mean()) > 1e-3:
            words += "; the mean should be 0"
        if max(abs(y.min()), abs(y.max())) > self.reach:
            words += "; some of it lies outside the picture"
        return words


class Correlation(LiveFigure):
    """Two features: standardizing gives both spread 1, and leaves them related."""

    methods = {
        "min-max [-1, 1]": SCALINGS["min-max [-1, 1]"],
        "standardize": standardized,
        "whiten": whiten,
    }

    def __init__(self):
        self.z = whiten(np.random.default_rng(0).normal(size=(300, 2)))
        angle = np.linspace(0, 2 * np.pi, 61)
        self.ring = 2 * np.column_stack([np.cos(angle), np.sin(angle)])
        super().__init__()

    def make_controls(self):
        """Return the controls: method, correlation and spread of the first feature."""
        return {
            "method": controls.choice("method", list(self.methods), "whiten"),
            "correlation": controls.slider("correlation", -0.9, 0.9, 0.8, 0.1),
            "spread": controls.slider("std of feature 1", 0.5, 3.0, 2.5, 0.25),
        }

    def draw(self, fig):
        """Draw both clouds, each with the ellipse of two standard deviations."""
        self.artists, self.titles = [], []
        for left, limit, color, name in (
            (0.09, 10, style.BEFORE, "before"),
            (0.56, 4, style.AFTER, "after"),
        ):
            ax = fig.add_axes((left, 0.15, 0.40, 0.73))
            ax.set(xlim=(-limit * 1.174, limit * 1.174), ylim=(-limit, limit))
            ax.locator_params(nbins=5)
            ax.axhline(0, color=style.FAINT, zorder=0)
            ax.axvline(0, color=style.FAINT, zorder=0)
            ax.set_xlabel(f"feature 1 {name}")
            if name == "before":
                ax.set_ylabel("feature 2")
            self.artists += ax.plot([], [], ".", ms=5, color=color, alpha=0.6)
            self.artists += ax.plot([], [], color=style.INK, lw=1.5)
            self.titles.append(style.moving_title(ax))
        return [*self.artists, *self.titles]

    def move(self, method, correlation, spread):
        """Draw a cloud of this correlation, and the cloud after the method."""
        mix = np.array([[1, 0], [correlation, np.sqrt(1 - correlation**2)]])
        x = self.z @ (np.array([[spread], [1.0]]) * mix).T
        y = self.methods[method](x)
        for k, cloud in enumerate((x, y)):
            self.artists[2 * k].set_data(*cloud.T)
            centre = cloud.mean(axis=0)
            root = np.linalg.cholesky(np.cov(cloud.T, bias=True))
            self.artists[2 * k + 1].set_data(*(centre + self.ring @ root.T).T)
            r = np.corrcoef(cloud.T)[0, 1]
            self.titles[k].set_text(f"{('before', method)[k]}: correlation {r:z.2f}")
        stds = ", ".join(f"{s:.2f}" for s in y.std(axis=0))
        before, after = np.corrcoef(x.T)[0, 1], np.corrcoef(y.T)[0, 1]
        return (
            f"{method[0].upper()}{method[1:]}: standard deviations {spread:.2f}, 1.00 "
            f"become {stds}; the correlation was {before:z.2f} and is {after:z.2f}."
        )


FIGURES = {
    "valley": Valley,
    "rescaling": Rescaling,
    "outlier": Outlier,
    "divisor": Divisor,
    "correlation": Correlation,
}
