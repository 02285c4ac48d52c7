"""What is wrong with a picture: labels cut off or upon one another, and NaN."""

import gc
from functools import cache

import numpy as np
from ipywidgets import Widget
from matplotlib.text import Text

from normlib import live

SLACK = 1.0  # pixels: boxes hold a little air around the ink


FIGURES = live.figures()


@cache
def _made(make, lecture):
    before = live.lecture_mode()
    live.lecture_mode(lecture)
    try:
        figure = make()
    finally:
        live.lecture_mode(before)
    return figure, figure.values


def opened(which, lecture=False):
    """Return a figure as it opens, by its name or by what makes it; tests share it."""
    figure, values = _made(FIGURES.get(which, which), lecture)
    if figure.values != values:
        figure.set(**values)
    return figure


def forget():
    """Let go of all figures: each takes 7 MB, and the page's registry holds it too."""
    _made.cache_clear()
    labels_of.cache_clear()
    Widget.close_all()
    gc.collect()


class LabelCheck:
    """Finds the labels of a LiveFigure that are cut off or cover another.

    The boxes of labels that stand still are measured once, and those of moving
    ones once for each word, since measuring a text takes a millisecond.
    """

    def __init__(self, figure):
        self.figure = figure
        self.renderer = figure.canvas.get_renderer()
        self.moving = [a for a in figure.moving if isinstance(a, Text)]
        hidden = _hidden(figure.figure) | {id(text) for text in self.moving}
        fixed = [
            text
            for text in figure.figure.findobj(Text)
            if id(text) not in hidden and text.get_visible() and text.get_text().strip()
        ]
        self.fixed = [
            (text.get_text(), text.get_window_extent(self.renderer).extents)
            for text in fixed
        ]
        self.sizes = {}

    def _box(self, text):
        anchor = np.tile(
            text.get_transform().transform(text.get_unitless_position()), 2
        )
        look = (
            text.get_text(),
            text.get_fontproperties(),
            text.get_horizontalalignment(),
            text.get_verticalalignment(),
            text.get_rotation(),
        )
        if look not in self.sizes:
            extents = text.get_window_extent(self.renderer).extents
            self.sizes[look] = extents - anchor
        return anchor + self.sizes[look]

    def problems(self):
        """Return a line for each label that is cut off or covers another."""
        shown = self.fixed + [
            (text.get_text(), self._box(text))
            for text in self.moving
            if text.get_visible() and text.get_text().strip()
        ]
        if not shown:
            return []
        words = [word for word, _ in shown]
        boxes = np.array([box for _, box in shown])
        low, high = boxes[:, :2], boxes[:, 2:]
        page = self.figure.figure.bbox
        out = (low < -SLACK).any(1) | (high > np.add(page.size, SLACK)).any(1)
        shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
        over = np.triu((shared > (SLACK, 2 * SLACK)).all(-1), k=1)
        return [f"{words[k]!r} is cut off" for k in np.flatnonzero(out)] + [
            f"{words[i]!r} and {words[j]!r} overlap" for i, j in np.argwhere(over)
        ]


@cache
def labels_of(figure):
    """Return the check of the labels of a figure as it opened."""
    return LabelCheck(figure)


def _hidden(fig):
    """Return the ids of the axis texts that are not drawn: ticks outside, axes off."""
    hidden = set()
    for axes in fig.axes:
        for axis, limits in (
            (axes.xaxis, axes.get_xlim()),
            (axes.yaxis, axes.get_ylim()),
        ):
            off = not (axes.get_visible() and axes.axison and axis.get_visible())
            if off:
                hidden.add(id(axis.label))
            low, high = sorted(limits)
            slack = 1e-9 * (high - low)
            for tick in (*axis.majorTicks, *axis.minorTicks):  # also those not in use
                if off or not low - slack <= tick.get_loc() <= high + slack:
                    hidden |= {id(tick.label1), id(tick.label2)}
    return hidden


def has_nan(figure):
    """Return whether the sentence, or an artist that moves, shows NaN or infinity."""
    words = [figure.sentence] + [
        a.get_text() for a in figure.moving if isinstance(a, Text)
    ]
    for word in " ".join(words).lower().replace(",", " ").replace(".", " ").split():
        if word.strip("()=-+:;") in ("nan", "inf"):
            return True
    for artist in figure.moving:
        for data in ("get_xydata", "get_array"):
            if hasattr(artist, data):
                values = getattr(artist, data)()
                if values is not None and np.isnan(np.ma.filled(values, 0.0)).any():
                    return True
    return False
