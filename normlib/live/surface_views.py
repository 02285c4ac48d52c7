"""The loss around a network over two random directions, flat and in space."""

from functools import lru_cache

import numpy as np
from contourpy import contour_generator
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import BoundaryNorm

from normlib.landscape.around import (
    Surface,
    basin,
    loss_surface,
    random_direction,
    scale_weights,
    trained_network,
)
from normlib.live import controls, space, style
from normlib.live.figure import LiveFigure
from normlib.live.reader import reader_array
from normlib.live.touch import turn
from normlib.nets.layers import Linear
from normlib.nets.network import mlp

NORMS = style.NORMS
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
POINTS = 15
EDGE = 1 + 1 / (POINTS - 1)  # so that the middle of a pixel is its grid point
TOP = 5.0  # losses above are drawn at this height
LEVELS = (0, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5)
DIGITS = 128
LIFT = 0.28  # height of one nat in space


@lru_cache
def trained(norm, seed):
    """Return a network 64-32-32-32-10 after 150 steps on digits, and 128 of them."""
    net, digits = trained_network(NORMS[norm], steps=150, seed=seed)
    return net, digits.x_train[:DIGITS], digits.y_train[:DIGITS]


def multiplied(norm, seed, factor):
    """Return a copy of `trained` with float32 weights, the hidden ones scaled."""
    net, x, labels = trained(norm, seed)
    sizes = [64, 32, 32, 32, 10]
    copy = mlp(sizes, norm=NORMS[norm], eps=0.0, dtype=np.float32)
    copy.params[...] = net.params
    return scale_weights(copy, factor), x.astype(np.float32), labels


def by_reader(function, direction, net):
    """Return a raw direction whose weights went through the reader's function."""
    found = direction.copy()
    for layer in net.walk():
        if isinstance(layer, Linear):
            weight = layer.params["weight"]
            place = net.slices[layer, "weight"]
            drawn = direction[place].reshape(weight.shape).astype(float)
            shape = weight.shape
            found[place] = reader_array(
                function, drawn, weight.astype(float), shape=shape
            ).ravel()
    return found


def surface(norm, seed, factor, kind):
    """Evaluate the loss on a grid from -1 to 1 along two random directions.

    Parameters
    ----------
    norm : str
        One of NORMS.
    seed : int
        Of the training and of the directions.
    factor : float
        What the hidden weights are multiplied by.
    kind : {"raw", "filter"} or callable
        Of the directions; a callable is the reader's filter normalisation.

    Returns
    -------
    Surface
        Losses of shape (POINTS, POINTS).
    """
    net, x, labels = multiplied(norm, seed, factor)
    rng = np.random.default_rng(seed)
    plain = "raw" if callable(kind) else kind
    first, second = (random_direction(net, rng, plain) for _ in range(2))
    if callable(kind):
        first, second = by_reader(kind, first, net), by_reader(kind, second, net)
    a = np.linspace(-1, 1, POINTS)
    first, second = first.astype(np.float32), second.astype(np.float32)
    return Surface(a, a, loss_surface(net, x, labels, first, second, a, a))


class Surfaces(LiveFigure):
    """One network, its loss along raw and along filter-normalised directions.

    Parameters
    ----------
    filter_normalize : callable, optional
        The reader's ``filter_normalize(direction, weight)``; its directions then
        take the place of the filter-normalised ones.
    """

    height = 4.4
    known = {}  # surfaces by norm, seed, factor and kind

    def __init__(self, filter_normalize=None):
        self.function = filter_normalize
        self.kinds = ("raw", filter_normalize or "filter")
        if filter_normalize is not None:
            self.known = {}  # a function of the same name may be another one
        super().__init__()

    def make_controls(self):
        """Return the controls: norm, factor, where the viewer stands, and seed."""
        return {
            "norm": controls.choice("norm", list(NORMS), "batch"),
            "factor": controls.steps("hidden weights times", FACTORS, 10.0),
            "azimuth": controls.whole("turn", -90, 90, 30, 5),
            "seed": controls.whole("seed", 0, 2, 0),
        }

    def draw(self, fig):
        """Draw a map and a view in space for each kind of direction."""
        colors = BoundaryNorm(LEVELS, 256)
        self.colors = ScalarMappable(colors, "viridis_r")
        mine = "your directions" if callable(self.kinds[1]) else "filter-normalised"
        self.maps, self.crosses, self.meshes, self.shares = [], [], [], []
        self.rings, self.views = [], []
        for k, words in enumerate(("raw directions", mine)):
            ax = fig.add_axes((0.07 + 0.45 * k, 0.56, 0.36, 0.36))
            ax.set_title(words)
            self.maps.append(
                ax.imshow(
                    np.zeros((POINTS, POINTS)),
                    extent=(-EDGE, EDGE, -EDGE, EDGE),
                    origin="lower",
                    aspect="auto",
                    norm=colors,
                    cmap="viridis_r",
                    interpolation="bilinear",
                    interpolation_stage="data",
                )
            )
            (cross,) = ax.plot(0, 0, "P", color=style.INK, mec="white", markersize=9)
            self.crosses.append(cross)
            ring = LineCollection([], linestyles="--", colors=style.WARN, linewidths=2)
            self.rings.append(ax.add_collection(ring))
            ax.set(xlim=(-1, 1), ylim=(-1, 1))
            ax.set_xticks([-1, 0, 1])
            ax.set_yticks([-1, 0, 1])
            below = fig.add_axes((0.03 + 0.45 * k, 0.07, 0.44, 0.42))
            box = below.get_window_extent()
            half = 1.1
            wide = half * box.width / box.height
            below.set(xlim=(-wide, wide), ylim=(-half, half))
            below.axis("off")
            self.views.append(below)
            mesh = PolyCollection([], edgecolors="white", linewidths=0.4)
            self.meshes.append(below.add_collection(mesh))
            self.shares.append(fig.text(0.25 + 0.45 * k, 0.02, "", ha="center"))
        words = "dashed: loss 2 at times 1"
        fig.text(0.472, 0.02, words, ha="center", color=style.WARN)
        bar = fig.colorbar(self.colors, cax=fig.add_axes((0.93, 0.15, 0.018, 0.70)))
        bar.set_ticks([0, 1, 2, 3, 4, 5], labels=["0", "1", "2", "3", "4", "5+"])
        bar.ax.set_title("loss")
        return [
            *self.maps,
            *self.rings,
            *self.crosses,
            *self.meshes,
            *self.shares,
        ]

    def touches(self):
        """Let the surfaces be turned."""
        hint = "Drag a surface to turn it."
        return [turn(ax, "azimuth", hint=hint) for ax in self.views]

    def move(self, norm, factor, azimuth, seed):
        """Evaluate the loss around the network with its weights multiplied."""
        shares = []
        for artist in (*self.maps, *self.rings, *self.crosses, *self.meshes):
            artist.set_visible(False)  # until the reader's function has worked
        for k, kind in enumerate(self.kinds):
            here = self._surface(norm, seed, factor, kind)
            there = self._surface(norm, seed, 1.0, kind)
            heights = np.minimum(here.losses, TOP)
            for artist in (
                self.maps[k],
                self.rings[k],
                self.crosses[k],
                self.meshes[k],
            ):
                artist.set_visible(True)
            self.maps[k].set_data(heights.T)
            self.rings[k].set_segments(_ring(there))
            self._stand(self.meshes[k], here, heights, azimuth)
            shares.append((basin(here), basin(there)))
            self.shares[k].set_text(f"below 0.5: {basin(here):.1%}")
        middle = POINTS // 2
        own = here.losses[middle, middle], there.losses[middle, middle]
        own_loss = f"{own[0]:.2f}" if own[0] < 1000 else "above 1000"
        kept = abs(own[0] - own[1]) < 1e-3
        same = "the same function" if kept else "another function"
        mine = "with yours" if callable(self.kinds[1]) else "filter-normalised"
        return (
            f"Norm {norm}, hidden weights times {factor:g}, seen from {azimuth} "
            f"degrees: {same} (loss {own_loss} at the centre, {own[1]:.2f} at times "
            f"1). Below 0.5 lie "
            f"{shares[0][0]:.1%} of the raw map ({shares[0][1]:.1%} at times 1) and "
            f"{shares[1][0]:.1%} of the map {mine} ({shares[1][1]:.1%})."
        )

    def _surface(self, norm, seed, factor, kind):
        key = norm, seed, factor, kind
        if key not in self.known:
            self.known[key] = surface(*key)
        return self.known[key]

    def _stand(self, mesh, found, heights, azimuth):
        """Put the surface on paper, far patches first so that near ones hide them."""
        turn = space.view(azimuth, 28)
        a, b = np.meshgrid(found.a, found.b, indexing="ij")
        points = np.stack([1.05 * a, 1.05 * b, LIFT * heights - 0.95], axis=-1)
        corners = np.stack(
            [points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], axis=2
        ).reshape(-1, 4, 3)
        flat = corners.mean(1) * (1, 1, 0)
        order = np.argsort(space.nearness(flat, turn), kind="stable")
        level = (corners[:, :, 2].mean(1) + 0.95) / LIFT
        mesh.set_verts(space.on_paper(corners, turn)[order])
        mesh.set_facecolors(self.colors.to_rgba(level)[order])


def _ring(found, level=2.0):
    """Return the lines, each of shape (points, 2), on which a surface has this loss."""
    heights = np.minimum(found.losses, TOP).T
    return contour_generator(found.a, found.b, heights).lines(level)
