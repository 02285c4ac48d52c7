"""Fast text: draw a word once, then stamp its pixels wherever it is needed.

Drawing one short text costs matplotlib over a millisecond, and a table of numbers
needs dozens in each frame. A stamp costs some twenty microseconds. A line of words is
set from stamps of single characters, so that a new number is no new stamp.
"""

from functools import lru_cache

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text

#: Part of a line's width that lies left of its anchor.
SHARE = {"left": 0.0, "center": 0.5, "right": 1.0}

#: Stamps kept for one look; a text with formulas makes a new one of every wording.
MOST_STAMPS = 500

#: Pixels around the box of a text, for ink that stands out of it.
AIR = 8


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
    look = _look(
        text.get_fontproperties(),
        text.get_verticalalignment(),
        text.get_rotation(),
        text.get_color(),
        text.get_alpha(),
        renderer.dpi,
    )
    side = text.get_horizontalalignment()
    if text.get_rotation() == 0 and not set("$\n") & set(words):
        look.draw_line(words, x, y, side, renderer)
    else:
        look.stamp(words, x, y, side, renderer)


@lru_cache(maxsize=512)
def _look(font, *rest):
    # A copy: the text may change its font, and with it what is remembered here.
    return _Look(font.copy(), *rest)


class _Look:
    """How texts look, apart from their words and places, and the stamps so far."""

    def __init__(self, font, vertical, rotation, color, alpha, dpi):
        self.font = font
        self.how = {
            "verticalalignment": vertical,
            "rotation": rotation,
            "color": color,
            "alpha": alpha,
        }
        self.dpi = dpi
        self.ruler = RendererAgg(1, 1, dpi)
        self.gc = self.ruler.new_gc()
        self.advances = {}
        self.stamps = {}

    def draw_line(self, words, x, y, side, renderer):
        """Set a line from single characters."""
        places = [x]
        for character in words:
            places.append(places[-1] + self.advance(character))
        shift = SHARE[side] * (places[-1] - x)
        for character, place in zip(words, places, strict=False):
            if character != " ":
                self.stamp(character, place - shift, y, "left", renderer)

    def stamp(self, words, x, y, side, renderer):
        """Draw words in one piece."""
        if (words, side) not in self.stamps:
            if len(self.stamps) == MOST_STAMPS:
                self.stamps.clear()
            self.stamps[words, side] = self.cut(words, side)
        pixels, left, bottom = self.stamps[words, side]
        if pixels is not None:
            renderer.draw_image(self.gc, round(x) + left, round(y) + bottom, pixels)

    def advance(self, character):
        """Return the width of a character in pixels."""
        if character not in self.advances:
            # Ten in a row, since a single width is rounded up to whole pixels.
            row = self.ruler.get_text_width_height_descent(
                10 * character, self.font, False
            )
            self.advances[character] = row[0] / 10
        return self.advances[character]

    def cut(self, words, side):
        """Return pixels (row 0 at the bottom) and their offset from the anchor."""
        look = {**self.how, "fontproperties": self.font, "horizontalalignment": side}
        sample = Text(0, 0, words, **look)
        sample.set_figure(_Paper(self.dpi))
        # A piece of paper that the words just fit on, with the anchor at (x, y).
        low, high = sample.get_window_extent(self.ruler).get_points()
        x, y = np.ceil(AIR - low).astype(int)
        width, height = np.ceil(AIR + high).astype(int) + (x, y)
        renderer = RendererAgg(width, height, self.dpi)
        sample.set_position((x, y))
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

    def __init__(self, dpi):
        self.dpi = dpi

    def get_figure(self, root=None):
        return self
