"""Fast text: draw a word once, then stamp its pixels wherever it is needed.

Drawing one short text costs matplotlib over a millisecond, and a table of numbers
needs dozens in each frame. A stamp costs some twenty microseconds. A line of words is
set from stamps of single characters, so that a new number is no new stamp.
"""

from functools import lru_cache

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text


def draw(text, renderer):
    """Draw a `matplotlib.text.Text` that has no box around it.

    Parameters
    ----------
    text : matplotlib.text.Text
        Already part of a figure.
    renderer : matplotlib.backends.backend_agg.RendererAgg
        Where to draw.
    """
    words = text.get_text()
    if not text.get_visible() or not words:
        return
    x, y = text.get_transform().transform(text.get_unitless_position())
    look = _Look(text, renderer)
    if text.get_rotation() == 0 and not set("$\n") & set(words):
        start = x - look.share * look.width(words)
        for k, character in enumerate(words):
            if character != " ":
                left = start + look.width(words[:k])
                look.stamp(character, left, y, "left", renderer)
    else:
        look.stamp(words, x, y, text.get_horizontalalignment(), renderer)


class _Look:
    """How a text looks, apart from its words and its place."""

    def __init__(self, text, renderer):
        self.font = text.get_fontproperties()
        self.vertical = text.get_verticalalignment()
        self.rotation = text.get_rotation()
        self.color = text.get_color()
        self.alpha = text.get_alpha()
        self.canvas = (renderer.width, renderer.height, renderer.dpi)
        side = text.get_horizontalalignment()
        self.share = {"left": 0.0, "center": 0.5, "right": 1.0}[side]
        self.gc = renderer.new_gc()

    def width(self, words):
        return sum(_advance(c, self.font, self.canvas) for c in words)

    def stamp(self, words, x, y, horizontal, renderer):
        pixels, left, bottom = _stamp(
            words,
            self.font,
            horizontal,
            self.vertical,
            self.rotation,
            self.color,
            self.alpha,
            self.canvas,
        )
        if pixels is not None:
            renderer.draw_image(self.gc, round(x) + left, round(y) + bottom, pixels)


@lru_cache(maxsize=1024)
def _advance(character, font, canvas):
    # Ten in a row, since a single width is rounded up to whole pixels.
    row = RendererAgg(*canvas).get_text_width_height_descent(
        10 * character, font, False
    )
    return row[0] / 10


@lru_cache(maxsize=2048)
def _stamp(words, font, horizontal, vertical, rotation, color, alpha, canvas):
    """Return pixels (row 0 at the bottom) and their offset from the anchor."""
    width, height, _ = canvas
    x, y = width // 2, height // 2
    renderer = RendererAgg(*canvas)
    sample = Text(
        x,
        y,
        words,
        fontproperties=font,
        horizontalalignment=horizontal,
        verticalalignment=vertical,
        rotation=rotation,
        color=color,
        alpha=alpha,
    )
    sample.set_figure(_Paper(canvas))
    sample.draw(renderer)
    pixels = np.asarray(renderer.buffer_rgba())[::-1]
    inked = pixels[..., 3] > 0
    if not inked.any():
        return None, 0, 0
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    bottom, top, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    cut = np.ascontiguousarray(pixels[bottom:top, left:right])
    return cut, left - x, bottom - y


class _Paper:
    """The little that a Text asks of its figure."""

    def __init__(self, canvas):
        self.dpi = canvas[2]

    def get_figure(self, root=None):
        return self
