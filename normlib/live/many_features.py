"""Layer norm in many dimensions: where points are, and what passes back."""

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba

from normlib import layer_norm, rms_norm
from normlib.live import controls, style
from normlib.live.figure import LiveFigure
from normlib.sphere.jacobians import layer_norm_jacobian, rms_norm_jacobian, spectrum

NORMS = {
    "none": lambda x: x,
    "layer": lambda x: layer_norm(x, eps=0)[0],
    "rms": lambda x: rms_norm(x, eps=0)[0],
}


def _cut(x):
    """Return each point's part along the ones direction and in the plane, over sqrt(n).

    The first has a sign; of the second, which has n - 1 dimensions, only the length.
    """
    along = x.mean(axis=1)  # (x . ones / sqrt(n)) / sqrt(n)
    return np.column_stack([along, x.std(axis=1)])


class ManyFeatures(LiveFigure):
    """A cut through n dimensions along the ones direction: where points are."""

    height = 4.6
    sizes = (2, 3, 5, 10, 30, 100, 300, 1000)

    def make_controls(self):
        """Return the controls: n, mean of the features, norm."""
        return {
            "n": controls.steps("n", list(self.sizes), 3),
            "mean": controls.slider("mean / std", -1.5, 1.5, 0.0),
            "norm": controls.choice("norm", ["none", "layer", "rms"], "none"),
        }

    def draw(self, fig):
        """Draw the half circle of radius 1 and the places of the norms."""
        ax = fig.add_axes((0.07, 0.13, 0.64, 0.80))
        box = ax.get_window_extent()
        high = 2.3
        wide = high * box.width / box.height / 2
        ax.set(xlim=(-wide, wide), ylim=(-0.08, high - 0.08))
        ax.set_xlabel("along the ones direction, over √n")
        ax.set_title("length in the plane of mean 0, over √n")
        angle = np.linspace(0, np.pi, 100)
        ax.plot(np.cos(angle), np.sin(angle), color=style.RMS, lw=2.5)
        ax.plot([0, 0], [0, high], color=style.LAYER, lw=1.2, ls="--")
        for y, words, color, mark in (
            (0.34, "mean 0", style.LAYER, "|"),
            (0.27, "the sphere", style.RMS, "_"),
            (0.20, "sphere and plane", style.LAYER, "D"),
        ):
            look = dict(ms=10, mfc="none", mec=color, mew=2.5, clip_on=False)
            ax.plot([0.752], [y], mark, transform=fig.transFigure, **look)
            fig.text(0.78, y, words, color=color, va="center")
        ax.plot([0], [1], "D", ms=12, mfc="none", mec=style.LAYER, mew=2.5)
        self.trails = LineCollection([], linewidths=0.7)
        self.trails.set_color(to_rgba(style.BEFORE, 0.35))
        ax.add_collection(self.trails)
        (self.before,) = ax.plot([], [], "o", ms=4, color=style.BEFORE, alpha=0.55)
        (self.after,) = ax.plot([], [], "o", ms=5, color=style.AFTER, mec="white")
        self.after.set_markeredgewidth(0.4)
        self.words = [
            fig.text(0.74, 0.80 - 0.09 * k, "", size=size, weight=weight)
            for k, (size, weight) in enumerate(
                [(15, "bold"), (11, "normal"), (11, "normal"), (11, "normal")]
            )
        ]
        return [self.trails, self.before, self.after, *self.words]

    def move(self, n, mean, norm):
        """Draw 300 Gaussian points in n dimensions and normalize them."""
        x = np.random.default_rng(0).normal(mean, 1.0, size=(300, n))
        y = NORMS[norm](x)
        before, after = _cut(x), _cut(y)
        length = np.linalg.norm(before, axis=1)
        self.before.set_data(*before.T)
        self.after.set_data(*(after.T if norm != "none" else ([], [])))
        self.trails.set_segments(
            np.stack([before, after], axis=1) if norm != "none" else []
        )
        moved = np.linalg.norm(y - x, axis=1) / np.sqrt(n)
        words = (
            f"n = {n}",
            f"length {length.mean():.3f} ± {length.std():.3f}",
            f"along ones {before[:, 0].mean():z.3f} ± {before[:, 0].std():.3f}",
            f"moved by {moved.mean():.3f}" if norm != "none" else "",
        )
        for text, word in zip(self.words, words, strict=True):
            text.set_text(word)
        if norm == "none":
            tail = "The sphere has length 1 here."
        else:
            tail = f"{norm} norm moves a point by {moved.mean():.3f} on average."
            tail = tail[0].upper() + tail[1:] if norm == "layer" else f"RMS{tail[3:]}"
        return (
            f"300 Gaussian points with {n} features, as fractions of √n: length "
            f"{length.mean():.3f} ± {length.std():.3f}, along the ones direction "
            f"{before[:, 0].mean():z.3f} ± {before[:, 0].std():.3f}. {tail}"
        )


class Singular(LiveFigure):
    """The singular values of a norm's Jacobian: two directions lost, the rest alike."""

    height = 4.0

    def make_controls(self):
        """Return the controls: norm, n, sigma, eps."""
        return {
            "norm": controls.choice("norm", ["layer", "rms"], "layer"),
            "n": controls.whole("n", 3, 12, 8),
            "sigma": controls.slider("std of x", 0.5, 2, 1.0),
            "eps": controls.steps("eps", [0.0, 1e-5, 0.01, 0.1, 1.0], 0.0),
        }

    def draw(self, fig):
        """Draw the empty bars."""
        ax = fig.add_axes((0.08, 0.17, 0.89, 0.70))
        ax.set(xlim=(-0.7, 11.7), ylim=(0, 2.3), xticks=[])
        ax.text(
            0,
            1.05,
            "singular values of the Jacobian dy/dx, largest first",
            transform=ax.transAxes,
            weight="bold",
        )
        self.bars = PolyCollection([], linewidths=0)
        ax.add_collection(self.bars)
        (self.level,) = ax.plot([], [], "--", color=style.INK, lw=1.5)
        self.level_name = ax.text(11.65, 0, "", ha="right", va="bottom")
        under = dict(ha="center", va="top", clip_on=False)
        self.names = [ax.text(k, -0.08, "", **under) for k in range(12)]
        self.values_shown = [
            ax.text(k, 0, "", ha="center", va="bottom", size=11) for k in range(12)
        ]
        return [
            self.bars,
            self.level,
            self.level_name,
            *self.names,
            *self.values_shown,
        ]

    def move(self, norm, n, sigma, eps):
        """Compute the Jacobian at one point with that standard deviation."""
        x = np.random.default_rng(1).standard_normal(n)
        x = 0.3 + sigma * (x - x.mean()) / x.std()
        jacobian = {"layer": layer_norm_jacobian, "rms": rms_norm_jacobian}[norm]
        found = spectrum(jacobian(x, eps=eps))
        values = np.where(found.singular_values > 1e-9, found.singular_values, 0.0)
        size = np.sqrt((x.var() if norm == "layer" else np.mean(x**2)) + eps)
        self.bars.set_verts([_bar(k, v) for k, v in enumerate(values)])
        self.bars.set_facecolor(style.NORM_COLOR[norm])
        self.level.set_data([-0.5, 11.7], [1 / size] * 2)
        spread = "std" if norm == "layer" else "rms"
        root = f"1/{spread}" if eps == 0 else f"1/√({spread}² + eps)"
        self.level_name.set(text=f"{root} = {1 / size:.2f}", y=1 / size + 0.17)
        lost = {"layer": {n - 2: "x_hat", n - 1: "ones"}, "rms": {n - 1: "x_hat"}}
        for k in range(12):
            shown = k < n
            value = values[k] if shown else 0.0
            self.names[k].set_text(lost[norm].get(k, "") if shown else "")
            self.values_shown[k].set(
                text=f"{value:z.2f}" if shown else "", y=value + 0.03
            )
        name = {"layer": "Layer", "rms": "RMS"}[norm]
        alike = int(np.isclose(values, 1 / size).sum())
        are = "singular value is" if alike == 1 else "singular values are"
        rest = ", ".join(f"{v:.3g}" for v in values if not np.isclose(v, 1 / size))
        return (
            f"{name} norm, n = {n}, eps = {eps:g}: rank {found.rank}; {alike} "
            f"{are} {root} = {1 / size:.2f}, the rest: {rest}."
        )


def _bar(k, height):
    return [(k - 0.36, 0), (k + 0.36, 0), (k + 0.36, height), (k - 0.36, height)]
