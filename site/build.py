"""Write all notebooks as a web site that needs no kernel, and no other host.

``make site`` runs this. What a page holds comes from the notebook, its lesson and its
figures; nothing is listed here, so a new notebook has its page.
"""

import argparse
import os
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from notebook import Notebook
from pictures import draw
from words import NUMBER, Words

from normlib.lessons import lessons

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT / "tools"))

import notebooks as collection  # noqa: E402

THUMB = 640  # pixels, shown at half of it


def read():
    """Return every notebook of the collection, in order."""
    of = lessons()
    return [
        Notebook(entry, ROOT / "notebooks" / entry.name, of[entry.number])
        for entry in collection.entries()
    ]


def draw_all(notebooks, folder):
    """Return the `Pictures` of every live figure, by (number, key)."""
    jobs = [
        (notebook.number, call.key, call.solved)
        for notebook in reversed(notebooks)  # the later, the longer a figure takes
        for call in notebook.figures()
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        drawn = pool.map(draw, *zip(*jobs, strict=True), [folder] * len(jobs))
        return {job[:2]: pictures for job, pictures in zip(jobs, drawn, strict=True)}


def thumb(entry, folder):
    """Write the picture of a notebook for the gallery and return its size."""
    if entry.picture is None:
        raise SystemExit(
            f"{entry.name} shows neither a figure nor a claim: run make notebooks"
        )
    picture = entry.picture.copy()
    picture.thumbnail((THUMB, THUMB))
    picture.save(folder / f"{entry.number}.webp", quality=80)
    return picture.size


def clear(out):
    """Remove a site that stands in the folder `out`; refuse whatever else does."""
    if not out.exists():
        return
    ours = HERE.is_relative_to(out.resolve())  # what the site is made from
    empty = out.is_dir() and not any(out.iterdir())
    if ours or not (empty or (out / "assets" / "page.js").exists()):
        raise SystemExit(f"{out} holds something else than a site: name another")
    shutil.rmtree(out)


def build(out):
    """Write the site to the folder `out`."""
    clear(out)
    shutil.copytree(HERE / "assets", out / "assets")
    pictures = out / "pictures"
    pictures.mkdir()

    def image(address):
        """Bring an image of the repository along; return its address on the page."""
        source = (ROOT / "notebooks" / address).resolve()
        shutil.copy(source, pictures)
        return f"pictures/{source.name}"

    notebooks = read()
    drawn = draw_all(notebooks, pictures)
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = templates.get_template("notebook.html")
    rows = []
    for k, notebook in enumerate(notebooks):
        others = {n.number: n.page for n in notebooks if n is not notebook}
        words = Words(others, image)
        mine = {key: p for (n, key), p in drawn.items() if n == notebook.number}
        parts = list(notebook.parts(words, mine))
        text = page.render(
            notebook=notebook,
            parts=parts,
            headings=words.headings,
            before=notebooks[k - 1] if k else None,
            after=notebooks[k + 1] if k + 1 < len(notebooks) else None,
        )
        (out / notebook.page).write_text(text, encoding="utf-8")
        rows.append(
            {
                "notebook": notebook,
                "answer": words.inline(notebook.entry.answer),
                "needs": words.inline(notebook.needs(), named=NUMBER),
                "size": thumb(notebook.entry, pictures),
            }
        )
    text = templates.get_template("index.html").render(rows=rows)
    (out / "index.html").write_text(text, encoding="utf-8")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "_site")
    out = parser.parse_args(argv).out
    start = time.monotonic()
    build(out)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{out}: {len(files)} files, {size:.1f} MB, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
