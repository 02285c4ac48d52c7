"""What a notebook shows of itself: question, minutes, short answer and a picture.

All is read from the saved notebook: its first cells, and the first live figure in its
outputs, or that of the cell with the tag "gallery". A notebook of claims alone shows
the first of them.
"""

import base64
import html
import io
import re
import textwrap
from dataclasses import dataclass

import nbformat
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

TAG = "gallery"
WIDTH = 600  # pixels, shown at half of it
COLORS = 64

FIGURE = re.compile(
    r'<figure[^>]*><div[^>]*><img alt="(?P<alt>[^"]*)"[^>]*base64,(?P<png>[^"]+)"', re.S
)
CLAIM = re.compile(r"<li>(.*?)</li>", re.S)


@dataclass(frozen=True)
class Entry:
    """A notebook in brief; `picture` is RGB, `alt` says in words what it shows."""

    name: str
    title: str
    minutes: int
    answer: str
    picture: Image.Image
    alt: str

    @property
    def number(self):
        return self.name[:2]


def headline(cells, name):
    """Return the title of a notebook and its minutes, as its first cells say."""
    text = "\n".join(cell.source for cell in cells[:3] if cell.cell_type == "markdown")
    title = re.search(r"^# (.+)$", text, re.M)
    minutes = re.search(r"^\*(\d+) minutes", text, re.M)
    answer = re.search(r"^\*\*Short answer\.\*\* (.+?)(?:\n\n|\Z)", text, re.M | re.S)
    if title is None or minutes is None:
        raise SystemExit(f'{name} must open with "# <title>" and "*<n> minutes. ...*"')
    said = " ".join(answer.group(1).split()) if answer else ""
    return title.group(1), int(minutes.group(1)), said


def entry(path):
    """Return the `Entry` of the notebook at `path`."""
    cells = nbformat.read(path, as_version=4).cells
    title, minutes, answer = headline(cells, path.name)
    picture, alt = _picture(cells)
    return Entry(path.name, title, minutes, answer, picture, alt)


def _html(cell):
    outputs = cell.get("outputs", [])
    return "\n".join(o.get("data", {}).get("text/html", "") for o in outputs)


def _picture(cells):
    """Return the picture of a notebook, and what it shows in words."""
    chosen = [cell for cell in cells if TAG in cell.metadata.get("tags", [])]
    for cell in [*chosen, *cells]:
        found = FIGURE.search(_html(cell))
        if found:
            data = base64.b64decode(found["png"])
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            return picture, html.unescape(found["alt"])
    for cell in cells:
        found = CLAIM.search(_html(cell))
        if found:
            claim = html.unescape(re.sub(r"<[^>]+>", "", found[1]))
            return _card(claim), f"A claim: {claim} True or false?"
    return None, ""


def _card(claim):
    """Return the picture of a claim with two buttons."""
    fig = Figure(figsize=(9, 3.6), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(fig)
    words = textwrap.fill(claim, 34)
    fig.text(0.06, 0.86, words, size=25, va="top", color="#222222", linespacing=1.4)
    for left, word in ((0.06, "True"), (0.27, "False")):
        box = dict(boxstyle="round,pad=0.5", facecolor="#e8e8e8", edgecolor="#7f7f7f")
        fig.text(left + 0.02, 0.17, word, size=21, color="#222222", bbox=box)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def small(picture):
    """Return the picture as it is kept: `WIDTH` pixels, few colours."""
    height = round(picture.height * WIDTH / picture.width)
    scaled = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
    return scaled.quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, kmeans=1000)


def write(entries, folder):
    """Write the picture of each entry to `folder`, drop others, return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for one in entries:
        if one.picture is not None:
            paths.append(folder / f"{one.number}.png")
            small(one.picture).save(paths[-1], optimize=True)
    for path in set(folder.glob("*.png")) - set(paths):
        path.unlink()
    return paths


def table(entries, notebooks="notebooks/", pictures="images/gallery/"):
    """Return the gallery for the README: a row a notebook, picture, words, time.

    An empty line within a cell lets GitHub read it as Markdown, formulas included.
    """
    rows = []
    for one in entries:
        link = f"{notebooks}{one.name}"
        shown = ""
        if one.picture is not None:
            alt = html.escape(one.alt)
            shown = (
                f'<a href="{link}"><img src="{pictures}{one.number}.png" '
                f'width="{WIDTH // 2}" alt="{alt}"></a>'
            )
        said = f"\n\n{one.answer}" if one.answer else ""
        rows.append(
            f'<tr><td width="{WIDTH // 2 + 20}">{shown}</td><td>\n\n'
            f"**[{one.number} {one.title}]({link})** {one.minutes} min{said}\n\n"
            "</td></tr>"
        )
    return "\n".join(["<table>", *rows, "</table>"])
