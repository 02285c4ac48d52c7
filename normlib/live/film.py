"""The moving picture of the README: a figure, touched by a pointer.

A script of gestures goes to the figure's own `press`, `drag` and `release`, as the
page sends them; what is added is the pointer, the buttons above and the sentence
below, which in JupyterLab are the page's.
"""

import io
import textwrap

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw

from normlib.live import figures, style
from normlib.live.picture import MOST_RATIO, Picture

COLORS = 256
STEP = 70  # milliseconds for a frame of a movement
# An arrow, its tip at (0, 0), in the figure's pixels.
ARROW = ((0, 0), (0, 22), (5, 17.5), (8.2, 25), (12, 23.4), (8.8, 16), (15.5, 16))
ABOVE, BELOW = 0.42, 0.5  # inches for the buttons and for the sentence
CHIP = 72  # width of a button, in the figure's pixels


class Film:
    """Frames of one figure while a pointer touches it.

    Parameters
    ----------
    figure : LiveFigure
        What is touched.
    choice : str
        Name of the control that is shown as buttons above the picture.

    Attributes
    ----------
    frames : list of PIL.Image.Image
    times : list of int
        Milliseconds for which each frame stays.
    """

    def __init__(self, figure, choice):
        self.figure, self.choice = figure, choice
        self.frames, self.times = [], []
        self.at = np.array([0.45, 0.9])  # as fractions of the picture, as in `press`
        self.size = round(figure.width * figure.dpi), round(figure.height * figure.dpi)
        self._strips = {}

    def hold(self, milliseconds):
        """Stay as it is."""
        self._take()
        self.times[-1] = milliseconds

    def go(self, left, top, count=7, drag=False):
        """Move the pointer to a place in `count` frames, dragging or not."""
        start, end = self.at, np.array([left, top])
        for k in range(1, count + 1):
            share = (1 - np.cos(np.pi * k / count)) / 2
            self.at = start + share * (end - start)
            if drag:
                self.figure.drag(*self.at)
            self._take(pressed=drag)

    def click(self, left, top):
        """Go to a place and press there."""
        self.go(left, top)
        self.figure.press(left, top)
        self._take(pressed=True)
        self.figure.release()

    def drag(self, to_left, to_top, count):
        """Press where the pointer is, and drag to another place."""
        self.figure.press(*self.at)
        self.go(to_left, to_top, count, drag=True)
        self.figure.release()

    def choose(self, option):
        """Go to one of the buttons above the picture and press it."""
        k = self.figure.controls[self.choice].options.index(option)
        width, height = self.size
        high = ABOVE * self.figure.dpi
        self.go((CHIP * (k + 1.35)) / width, -high / 2 / height, count=9)
        self.figure.set(**{self.choice: option})
        self._take(pressed=True)

    def save(self, path):
        """Write the film as an animated GIF of `COLORS` colours, without end."""
        frames = in_few_colors(self.frames)
        rest = dict(append_images=frames[1:], duration=self.times, loop=0)
        frames[0].save(path, save_all=True, optimize=False, **rest)

    def _take(self, pressed=False):
        control = self.figure.controls[self.choice]
        parts = [
            self._strip("above", (*control.options, control.value)),
            Image.open(io.BytesIO(self.figure.png)).convert("RGB"),
            self._strip("below", self.figure.sentence),
        ]
        width = parts[0].width
        frame = Image.new("RGB", (width, sum(part.height for part in parts)))
        tops = np.cumsum([0] + [part.height for part in parts])
        for part, top in zip(parts, tops, strict=False):
            frame.paste(part, (0, int(top)))
        tip = self.at * (width, parts[1].height) + (0, tops[1])
        self.frames.append(_pointed(frame, tip, width / self.size[0], pressed))
        self.times.append(STEP)

    def _strip(self, where, words):
        """Return the buttons or the sentence as a picture, each drawn once."""
        if (where, words) not in self._strips:
            high = ABOVE if where == "above" else BELOW
            with style.style(self.figure.lecture):
                fig = Figure((self.figure.width, high), self.figure.figure.dpi)
                canvas = FigureCanvasAgg(fig)
                ax = fig.add_axes((0, 0, 1, 1))
                high *= self.figure.dpi
                ax.set(xlim=(0, self.size[0]), ylim=(0, high))
                ax.axis("off")
                if where == "above":
                    _buttons(ax, words[:-1], words[-1], high)
                else:
                    said = textwrap.fill(words, 108)
                    ax.text(12, high - 4, said, va="top", linespacing=1.35)
                canvas.draw()
                drawn = np.asarray(canvas.buffer_rgba())[..., :3]
            self._strips[where, words] = Image.fromarray(drawn.copy())
        return self._strips[where, words]


def _buttons(ax, options, chosen, high):
    """Draw one button an option; the chosen one is filled."""
    for k, option in enumerate(options):
        left = CHIP * (k + 0.85)
        on = option == chosen
        face = style.INK if on else style.FAINT
        ax.add_patch(Rectangle((left + 2, 7), CHIP - 4, high - 14, facecolor=face))
        ax.text(
            left + CHIP / 2,
            high / 2,
            option,
            ha="center",
            va="center_baseline",
            color="white" if on else style.INK,
        )
    ax.text(12, high / 2, "norm", va="center_baseline")


def _pointed(frame, tip, ratio, pressed):
    """Return `frame` with the pointer's tip at `tip`; a ring tells that it presses."""
    fine = 4
    side = round(60 * ratio)
    corner = np.round(tip).astype(int) - side // 3
    mask = Image.new("RGBA", (fine * side, fine * side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(mask)
    middle = (tip - corner) * fine
    if pressed:
        radius = 13 * ratio * fine
        box = [*(middle - radius), *(middle + radius)]
        pen.ellipse(box, outline=(20, 20, 20, 255), width=round(3 * ratio * fine))
    points = [tuple(middle + np.array(p) * ratio * fine) for p in ARROW]
    pen.polygon(points, fill=(255, 255, 255, 255))
    pen.polygon(points, fill=(20, 20, 20, 255))
    pen.line([*points, points[0]], (255, 255, 255, 255), round(1.5 * ratio * fine))
    small = mask.resize((side, side), Image.Resampling.LANCZOS)
    frame = frame.copy()
    frame.paste(small, tuple(int(c) for c in corner), small)
    return frame


def in_few_colors(frames):
    """Return the frames with one palette: the commonest colours, kept as they are."""
    colors, counts = np.unique(
        np.concatenate([_packed(frame) for frame in frames[::5]], axis=None),
        return_counts=True,
    )
    kept = colors[np.argsort(-counts, kind="stable")[:COLORS]]
    palette = np.stack([kept >> 16, kept >> 8 & 255, kept & 255], 1).astype(np.float32)
    # For every other colour the nearest of them, told by its first six bits. Its own
    # square is the same for all, and float32 holds the rest exactly.
    middles = 4 * np.stack(np.indices((64, 64, 64)), -1).reshape(-1, 3) + 2
    squares = (palette**2).sum(1)
    parts = np.array_split(middles.astype(np.float32), 64)
    near = [(squares - 2 * part @ palette.T).argmin(1) for part in parts]
    table = np.concatenate(near).astype(np.uint8).reshape(64, 64, 64)
    for axis in range(3):
        table = table.repeat(4, axis=axis)
    table = table.ravel()
    table[kept] = np.arange(len(kept))
    result = []
    for frame in frames:
        result.append(Image.fromarray(table[_packed(frame)], "P"))
        result[-1].putpalette(palette.astype(np.uint8).tobytes())
    return result


def _packed(frame):
    """Return the pixels of an RGB picture as whole numbers below 2**24."""
    return np.asarray(frame).astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)


def table_touched():
    """Return the film of the table of notebook 02: pick, drag, another norm."""
    before, Picture.last_ratio = Picture.last_ratio, MOST_RATIO
    try:
        film = Film(figures()["which_numbers_share_a_mean.table"](), "norm")
    finally:
        Picture.last_ratio = before
    place = film.figure.touches()[0].place
    film.hold(900)
    film.click(*place(3, 4))
    film.hold(1100)
    film.drag(*place(3, 2.2), count=14)
    film.hold(1500)
    film.choose("layer")
    film.hold(1300)
    film.go(*place(3, 4))
    film.drag(*place(3, 5.5), count=14)
    film.hold(1800)
    return film
