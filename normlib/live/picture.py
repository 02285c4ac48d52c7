"""Picture: a small widget that shows a figure's frame, sharp on every screen.

The page says how many pixels it has for one of the figure's own and where a pointer
presses; the kernel answers with a PNG and the sentence, which is also the picture's
text alternative.
"""

import struct
import zlib
from pathlib import Path

import anywidget
import numpy as np
import traitlets

try:
    from isal.isal_zlib import compress
except ImportError:  # five times slower, and the same picture
    compress = zlib.compress

HERE = Path(__file__).parent
#: Pixels for one of the figure's own, at most: more cost time and show nothing.
MOST_RATIO = 2.0
#: Frames of long work that may be on their way to the page at once.
MOST_UNDER_WAY = 2


class Picture(anywidget.AnyWidget):
    """The picture of a figure with its sentence, and what a pointer does on it.

    Parameters
    ----------
    width, height : int
        Size in the page's pixels.
    on_ratio : callable
        Called with the ratio of the screen's pixels to the figure's, 1 to 2.
    on_touch : callable
        Called with ``"press"``, ``"drag"``, ``"release"``, or ``"cancel"`` if the page
        was scrolled instead, and the place, as fractions of the picture from its left
        and its top.
    on_stop : callable
        Called when the reader stops long work.
    on_ahead : callable
        Called with the name of a control and 1 or -1: that is where the reader may go
        next.
    """

    _esm = HERE.joinpath("picture.js").read_text(encoding="utf-8")
    _css = HERE.joinpath("picture.css").read_text(encoding="utf-8")

    width = traitlets.Int().tag(sync=True)
    height = traitlets.Int().tag(sync=True)
    png = traitlets.Bytes(b"").tag(sync=True)
    sentence = traitlets.Unicode("").tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)  # counts the frames
    # State of each control in the frame, by name; empty if it shows no setting whole.
    at = traitlets.Dict().tag(sync=True)
    controls = traitlets.Dict().tag(sync=True)  # id of each control's model, by name
    handled = traitlets.Int(0).tag(sync=True)  # number of the last touch answered
    progress = traitlets.Float(-1.0).tag(sync=True)  # of long work; below 0: none
    # What can be touched: dicts of left, top, width, height (fractions of the
    # picture), cursor, hint and sideways.
    spots = traitlets.List().tag(sync=True)

    last_ratio = 1.0  # of the last page seen: the next figure starts with it

    def __init__(self, width, height, on_ratio, on_touch, on_stop, on_ahead):
        super().__init__(width=width, height=height)
        self._on_ratio, self._on_touch, self._on_stop = on_ratio, on_touch, on_stop
        self._on_ahead = on_ahead
        self._shown = None  # number of the last frame that a page has shown
        self.on_msg(self._on_message)

    def show(self, png, sentence, at):
        """Send a frame, its sentence and its setting to the page."""
        with self.hold_sync():
            self.png, self.sentence, self.at = png, sentence, at
            self.frame += 1

    def keep(self, png, sentence, at):
        """Send the same of a setting that the page may be asked to show next."""
        self.send({"kind": "ahead", "sentence": sentence, "at": at}, [png])

    def begin(self):
        """Show the bar of long work; no page has to show what was sent before."""
        if self._shown is not None:
            self._shown = self.frame
        self.progress = 0

    @property
    def is_behind(self):
        """Whether a page shows long work and has not yet shown the last frames."""
        return self._shown is not None and self.frame - self._shown >= MOST_UNDER_WAY

    def _on_message(self, widget, content, buffers):
        kind = content.get("kind")
        if kind == "page":
            ratio = float(np.clip(content["ratio"], 1.0, MOST_RATIO))
            Picture.last_ratio = ratio
            self._on_ratio(ratio)
        elif kind == "shown":
            self._shown = content["frame"]
        elif kind == "stop":
            self._on_stop()
        elif kind == "ahead":
            self._on_ahead(content["control"], content["by"])
        elif kind == "touch":
            try:
                with self.hold_sync():  # the answer comes with its frame
                    self._on_touch(content["phase"], content["x"], content["y"])
                    self.handled = content["number"]
            finally:
                self.handled = content["number"]


def encode(rgba):
    """Return pixels, uint8 of shape (H, W, 4), as a PNG without filters."""
    height, width, _ = rgba.shape
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # filter 0, then the pixels
    rows[:, 1:] = rgba.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind, data):
    """Return one chunk of a PNG: length, kind, data, checksum."""
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return b"".join(
        (struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum))
    )
