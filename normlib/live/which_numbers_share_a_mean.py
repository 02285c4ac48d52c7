"""Figures of notebook 02: the table, the cube and the feature maps."""

import numpy as np
from matplotlib.collections import PolyCollection

from normlib import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
    standardize,
)
from normlib.axes import IMAGE_READINGS, count_sets, index_sets, parameter_shape
from normlib.datasets import load_digits
from normlib.live import controls, cube, style
from normlib.live.figure import LiveFigure
from normlib.live.reader import reader_array
from normlib.live.touch import Touch, turn

TABLE_NORMS = {"batch": batch_norm, "layer": layer_norm, "rms": rms_norm}


def digits_table():
    """Return five pixels of six real digits, grey values 0 to 16, shape (6, 5)."""
    pixels, _ = load_digits()
    return 16 * pixels[[0, 1, 2, 3, 5, 6], 26:31]


def listeners(norm, x, index, step=1.0):
    """Return which outputs of `norm` change when one number of `x` changes.

    Parameters
    ----------
    norm : callable
        From an array to an array of the same shape.
    x : ndarray
        The input.
    index : tuple of int
        The entry to change by `step`.

    Returns
    -------
    ndarray of bool, as x
    """
    moved = x.copy()
    moved[index] += step
    return ~np.isclose(norm(moved), norm(x), rtol=1e-9, atol=1e-12)


def pick_cell(x, y, start):
    """Return the cell of a table that a touch began in, as values of controls."""
    return {"feature": round(start.x), "sample": round(start.y)}


class NormTable(LiveFigure):
    """A table of samples x features, before and after a norm.

    Parameters
    ----------
    function : callable, optional
        The reader's own norm, from an array (6, 5) to an array (6, 5). It joins
        the choices as "yours", and the cells are marked that it makes depend on
        the picked one.
    """

    height = 3.9

    def __init__(self, function=None):
        self.function = function
        self.table = digits_table()
        super().__init__()

    def make_controls(self):
        """Return the controls: norm, sample, feature and a change of the number."""
        names = [*TABLE_NORMS] + ["yours"] * (self.function is not None)
        rows, columns = self.table.shape
        return {
            "norm": controls.choice(
                "norm", names, names[-1] if self.function else "batch"
            ),
            "sample": controls.whole("sample n", 0, rows - 1, 2),
            "feature": controls.whole("feature d", 0, columns - 1, 1),
            "change": controls.whole("add to x[n, d]", -16, 16, 0),
        }

    def draw(self, fig):
        """Draw both tables and the places of their numbers."""
        rows, columns = self.table.shape
        self.left = fig.add_axes((0.085, 0.27, 0.34, 0.60))
        self.right = fig.add_axes((0.635, 0.27, 0.34, 0.60))
        grey = dict(cmap="Greys", vmin=-16, vmax=48)
        self.left.imshow(self.table, aspect="auto", **grey)
        self.numbers = [
            self.left.text(d, n, "", ha="center", va="center")
            for n, d in np.ndindex(*self.table.shape)
        ]
        self.image = style.SignedCells(self.right, self.table.shape, 3)
        for ax in (self.left, self.right):
            ax.set_xticks(range(columns), [f"d={d}" for d in range(columns)])
            ax.set_yticks(range(rows), [f"n={n}" for n in range(rows)])
            ax.xaxis.tick_top()
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
        self.left.set_title("x: 6 digits, 5 pixels")
        self.right.text(2, rows + 0.15, style.SIGNED_KEY, ha="center", va="center")
        self.title = style.moving_title(self.right, pad=24)
        self.moved = PolyCollection([], facecolors="white", edgecolors="none")
        self.left.add_collection(self.moved)
        self.outlines = []
        for ax in (self.left, self.right):
            outline = PolyCollection([], facecolors="none", linewidths=2.5)
            outline.set_clip_on(False)
            ax.add_collection(outline)
            pick = PolyCollection([], facecolors="none", edgecolors=style.INK)
            pick.set_linewidth(3)
            pick.set_clip_on(False)
            ax.add_collection(pick)
            self.outlines.append((outline, pick))
        self.results = [
            self.right.text(0, 0, "", ha="center", va="center")
            for _ in range(self.table.size)
        ]
        below = dict(ha="center", va="center", clip_on=False)
        self.below = [
            [self.left.text(d, rows + 0.15 + k, "", **below) for d in range(columns)]
            for k in range(2)
        ]
        self.beside = [
            [self.left.text(columns + 0.05 + k, n, "", **below) for n in range(rows)]
            for k in range(2)
        ]
        self.below_names = [
            self.left.text(-0.65, rows + 0.15 + k, "", ha="right", va="center")
            for k in range(2)
        ]
        self.beside_names = [
            self.left.text(columns + 0.05 + k, -0.75, "", ha="center", va="center")
            for k in range(2)
        ]
        margins = [*self.below, *self.beside, self.below_names, self.beside_names]
        marks = [artist for pair in self.outlines for artist in pair]
        return [
            *self.image.artists,
            self.moved,
            *self.numbers,
            *self.results,
            *marks,
            self.title,
            *(text for row in margins for text in row),
        ]

    def touches(self):
        """Let a cell be picked in either table, and its number be dragged."""

        def change(x, y, start):
            picked = start.values["sample"], start.values["feature"]
            if (round(start.y), round(start.x)) != picked:
                return pick_cell(x, y, start)
            return {"change": start.values["change"] + 8 * (start.y - y)}

        return [
            Touch(
                self.left,
                change,
                "Click a number to pick it; drag the picked one up or down to change "
                "it.",
                "pointer",
            ),
            Touch(self.right, pick_cell, cursor="pointer"),
        ]

    def move(self, norm, sample, feature, change):
        """Normalize the table with one number changed."""
        x = self.table.copy()
        picked = (sample, feature)
        x[picked] += change
        # The input first: it is shown even if the reader's function then fails.
        self.moved.set_verts([_cell(*picked)])
        self.moved.set_facecolor(self.left.images[0].to_rgba(x[picked]))
        for text, value in zip(self.numbers, x.flat, strict=True):
            text.set_text(f"{value:.0f}")
        y, members, color = self._normalize(norm, x, picked)
        self.image.set_array(y, plain=members)
        self._mark(members, picked, color)
        self._write_results(y, members)
        self.title.set_text(
            "after your function" if norm == "yours" else f"after {norm} norm"
        )
        self._write_margins(norm, x, members)
        return self._sentence(norm, x, y, members, picked)

    def _normalize(self, norm, x, picked):
        if norm != "yours":
            function = TABLE_NORMS[norm]
            labels = index_sets(norm, x.shape)
            return function(x)[0], labels == labels[picked], style.NORM_COLOR[norm]
        y = self._yours(x)
        return y, listeners(self._yours, x, picked), style.AFTER

    def _yours(self, x):
        return reader_array(self.function, x, shape=x.shape)

    def _mark(self, members, picked, color):
        cells = [_cell(n, d) for n, d in np.argwhere(members)]
        for outline, pick in self.outlines:
            outline.set_verts(cells)
            outline.set_edgecolor(color)
            pick.set_verts([_cell(*picked)])

    def _write_results(self, y, members):
        for text, (index, value) in zip(self.results, np.ndenumerate(y), strict=True):
            shown = members[index]
            text.set_visible(bool(shown))
            if shown:
                color = style.SIGNED((value / self.image.limit + 1) / 2)
                text.set(
                    position=index[::-1],
                    text=f"{value:z.2f}",
                    color=style.ink_on(color),
                )

    def _write_margins(self, norm, x, members):
        """Write the statistics where they belong: under columns or beside rows."""
        _, stats = standardize(x, 0 if norm == "batch" else -1)
        mean, std = stats.mean.ravel(), np.sqrt(stats.var.ravel())
        rms = np.sqrt(np.mean(x**2, axis=-1))
        rows = {
            "batch": (self.below, self.below_names, ("mean", "std"), (mean, std)),
            "layer": (self.beside, self.beside_names, ("mean", "std"), (mean, std)),
            "rms": (self.beside, self.beside_names, ("rms", ""), (rms, None)),
        }.get(norm)
        for row in (*self.below, *self.beside, self.below_names, self.beside_names):
            for text in row:
                text.set_text("")
        if rows is None:
            return
        texts, names, words, numbers = rows
        own = members.any(axis=0 if norm == "batch" else 1)
        for k, values in enumerate(numbers):
            names[k].set_text(words[k])
            if values is not None:
                for text, value, bold in zip(texts[k], values, own, strict=True):
                    text.set(text=f"{value:.1f}", weight="bold" if bold else "normal")

    def _sentence(self, norm, x, y, members, picked):
        n, d = picked
        result = f"x[{n}, {d}] = {x[picked]:.0f} becomes {y[picked]:z.2f}"
        count = int(members.sum())
        if norm == "yours":
            return f"Your function: {result}. {count} of {x.size} results depend on it."
        group = x[members]
        if norm == "rms":
            return (
                f"RMS norm: {result}. Its row of {count} pixels shares one root mean "
                f"square, {np.sqrt(np.mean(group**2)):.2f}; no mean is subtracted."
            )
        where = (
            f"column d={d}, {count} digits"
            if norm == "batch"
            else f"row n={n}, {count} pixels"
        )
        return (
            f"{_heading(norm)}: {result}. It shares the mean {group.mean():.2f} "
            f"and the standard deviation {group.std():.2f} with its {where}."
        )


def _options(reading, num_groups):
    norm, options = IMAGE_READINGS[reading]
    return norm, options | ({"num_groups": num_groups} if norm == "group" else {})


class NormCube(LiveFigure):
    """The cube samples x channels x positions: one set of numbers, and all counts."""

    height = 4.4
    shape = (4, 6, 3, 2)

    def make_controls(self):
        """Return the controls: norm, number of groups, sample, channel and view."""
        n, c, _, _ = self.shape
        return {
            "norm": controls.choice("norm", list(IMAGE_READINGS), "batch"),
            "num_groups": controls.whole("groups G", 1, c, 2),
            "sample": controls.whole("sample n", 0, n - 1, 0),
            "channel": controls.whole("channel c", 0, c - 1, 4),
            "turn": controls.whole("turn", -cube.TURN, cube.TURN, cube.TURN, 5),
        }

    def draw(self, fig):
        """Draw the empty cube and the bars of the counts."""
        n, c, h, w = self.shape
        ax = self.ax = fig.add_axes((0.02, 0.02, 0.48, 0.86))
        self.cube = cube.Cube(ax, (n, c, h * w))
        self.title = style.moving_title(ax)
        self.bars = fig.add_axes((0.66, 0.16, 0.31, 0.72))
        self.bars.set_title("how many sets", x=-0.46)
        names = list(IMAGE_READINGS)
        self.bars.set(xlim=(0, n * c * 1.3), ylim=(len(names) - 0.4, -0.6))
        self.bars.set_yticks(range(len(names)), names)
        self.bars.tick_params(axis="y", length=0)
        self.bars.set_xlabel("sets with statistics of their own")
        self.rectangles = self.bars.barh(range(len(names)), [0] * len(names), 0.62)
        self.counts = [
            self.bars.text(0, k, "", va="center", ha="left") for k in range(len(names))
        ]
        return [*self.cube.artists, self.title, *self.rectangles, *self.counts]

    def touches(self):
        """Let a small cube be picked, and the whole be turned."""
        turning = turn(self.ax, "turn", degrees=2 * cube.TURN)

        def pick_or_turn(x, y, start):
            if abs(x - start.x) > 0.2:  # no click: what was picked stays
                return start.values | turning.to_values(x, y, start)
            seen = cube.entry_at(
                start.x, start.y, self.cube.shape, start.values["turn"]
            )
            picked = seen or (start.values["sample"], start.values["channel"])
            return start.values | dict(zip(("sample", "channel"), picked, strict=True))

        hint = "Click the cube to pick a sample and a channel; drag it to turn it."
        return [Touch(self.ax, pick_or_turn, hint, sideways=True)]

    def move(self, norm, num_groups, sample, channel, turn):
        """Colour the entries that share the picked entry's mean."""
        n, c, h, w = self.shape
        fits = c % num_groups == 0
        if norm == "group" and not fits:
            fitting = [g for g in range(1, c + 1) if c % g == 0]
            raise ValueError(
                f"{num_groups} groups do not divide {c} channels; choose G from "
                f"{', '.join(map(str, fitting))}. The picture shows the setting before."
            )
        name, options = _options(norm, num_groups)
        labels = index_sets(name, self.shape, **options)
        members = labels == labels[sample, channel, 0, 0]
        flat = members.reshape(n, c, h * w)
        self.cube.show(flat, style.NORM_COLOR[name], (sample, channel, 0), turn)
        shared = "root mean square" if name == "rms" else "mean"
        short = "an rms" if name == "rms" else "a mean"
        self.title.set_text(f"{norm}: {members.sum()} share {short}")
        self._set_bars(norm, num_groups)
        pairs = np.unique(labels).size
        gamma = parameter_shape(name, self.shape, **options)
        parameters = "gamma has" if name == "rms" else "gamma and beta have"
        side = "front" if turn == 0 else "right" if turn > 0 else "left"
        groups = ""
        if fits:
            sets = count_sets("group", self.shape, num_groups=num_groups)
            groups = f" Group norm with G = {num_groups} has {sets} sets."
        return (
            f"{_heading(norm)}: x[{sample}, {channel}, 0, 0] shares its "
            f"{shared} with {members.sum()} of {members.size} numbers; {pairs} such "
            f"sets; {parameters} shape {gamma}.{groups} Seen from the {side}."
        )

    def _set_bars(self, chosen, num_groups):
        for k, reading in enumerate(IMAGE_READINGS):
            name, options = _options(reading, num_groups)
            pairs = 0
            if reading != "group" or self.shape[1] % num_groups == 0:
                pairs = np.unique(index_sets(name, self.shape, **options)).size
            self.rectangles[k].set_width(pairs)
            self.rectangles[k].set_facecolor(
                style.NORM_COLOR[name] if reading == chosen else "#d5d5d5"
            )
            self.counts[k].set(
                text=f"{pairs}" if pairs else "G does not divide C",
                x=pairs + 0.5,
                weight="bold" if reading == chosen else "normal",
            )


def feature_maps(images):
    """Return four maps of each image: itself, two edge maps and a blur.

    Parameters
    ----------
    images : ndarray of shape (N, 64)
        Digits with grey values 0 to 1.

    Returns
    -------
    ndarray of shape (N, 4, 8, 8)
    """
    x = images.reshape(-1, 8, 8)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    blur = sum(padded[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)) / 9
    return np.stack([x, across, down, blur], axis=1)


MAP_NORMS = {
    "none": lambda x: x,
    "batch": lambda x: batch_norm(x)[0],
    "layer (C, H, W)": lambda x: layer_norm(x, axes=(1, 2, 3))[0],
    "layer (C)": lambda x: standardize(x, 1)[0],
    "instance": lambda x: instance_norm(x)[0],
    "group, G = 2": lambda x: group_norm(x, 2)[0],
}


class FeatureMaps(LiveFigure):
    """Four feature maps of a real digit under each norm: what a shared mean keeps."""

    height = 4.6
    names = ("grey value", "edge across", "edge down", "blur")

    def __init__(self):
        pixels, self.digit = load_digits()
        self.x = feature_maps(pixels[:32])
        super().__init__()

    def make_controls(self):
        """Return the controls: norm, which digit, and a factor on it."""
        return {
            "norm": controls.choice("norm", list(MAP_NORMS), "none"),
            "sample": controls.whole("digit n", 0, 31, 5),
            "gain": controls.slider("times", 0.25, 4.0, 1.0, 0.25),
        }

    def draw(self, fig):
        """Draw the maps before and after, and mean and spread of each map."""
        self.before, self.after, self.stats = [], [], []
        for k, name in enumerate(self.names):
            left = 0.09 + 0.225 * k
            top = fig.add_axes((left, 0.575, 0.19, 0.35))
            low = fig.add_axes((left, 0.145, 0.19, 0.35))
            top.set_title(f"c={k}: {name}", fontweight="normal", loc="center")
            for ax in (top, low):
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(True)
                ax.set_aspect("equal")
            self.before.append(style.SignedCells(top, (8, 8), 3.5))
            self.after.append(style.SignedCells(low, (8, 8), 3.5))
            for ax in (top, low):  # a little wider, so that the frame stays in view
                ax.set(xlim=(-0.57, 7.57), ylim=(7.57, -0.57))
            self.stats.append(
                low.text(3.5, 8.3, "", ha="center", va="center", clip_on=False)
            )
            if k == 0:
                top.set_ylabel("x", rotation=0, labelpad=14)
                self.label = low.text(
                    -1.6, 3.5, "", rotation=90, ha="center", va="center"
                )
        fig.text(0.09, 0.03, style.SIGNED_KEY + "; one scale for all maps")
        maps = [artist for m in (*self.before, *self.after) for artist in m.artists]
        return [*maps, *self.stats, self.label]

    def move(self, norm, sample, gain):
        """Scale one digit of the batch, normalize the batch, show that digit."""
        x = self.x.copy()
        x[sample] *= gain
        y = MAP_NORMS[norm](x)
        for k in range(4):
            self.before[k].set_array(x[sample, k])
            self.after[k].set_array(y[sample, k])
            values = y[sample, k]
            mean, std = values.mean(), values.std()
            self.stats[k].set_text(f"mean {mean:z.2f}, std {std:.2f}")
        plain = norm == "none"
        words = "y" if plain else f"{norm} norm"
        self.label.set(text=words, rotation=0 if plain else 90)
        return self._sentence(norm, sample, gain, x, y)

    def _sentence(self, norm, sample, gain, x, y):
        unscaled = MAP_NORMS[norm](self.x)
        moved = np.abs(y[sample] - unscaled[sample]).max()
        others = np.abs(np.delete(y - unscaled, sample, axis=0)).max()
        stds = y[sample].std(axis=(1, 2))
        head = "No norm" if norm == "none" else _heading(norm)
        spreads = ", ".join(f"{std:.2f}" for std in stds)
        times, reach = "", ""
        if gain != 1:
            times = f" times {gain:g}"
            reach = (
                f" The factor changed its results by at most {moved:.2g}, and those "
                f"of other digits by {others:.2g}."
            )
        return (
            f"{head}, digit {sample} (a {self.digit[sample]}){times}: its maps have "
            f"spreads {spreads}.{reach}"
        )


def _heading(norm):
    """Return "Layer norm over (C, H, W)" for "layer (C, H, W)"."""
    name, _, axes = norm.partition(" (")
    over = f" over ({axes}" if axes else ""
    return f"{name[0].upper()}{name[1:]} norm{over}"


def _cell(n, d):
    return [
        (d - 0.5, n - 0.5),
        (d + 0.5, n - 0.5),
        (d + 0.5, n + 0.5),
        (d - 0.5, n + 0.5),
    ]


FIGURES = {"table": NormTable, "cube": NormCube, "feature_maps": FeatureMaps}
