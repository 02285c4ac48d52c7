"""Run the notebooks and save them in one tidy form, so that a diff shows what changed.

The gallery in README.md and the map in notebook 00 are written from the notebooks.

Usage::

    python tools/notebooks.py                 # run and tidy all of notebooks/
    python tools/notebooks.py 02              # only those whose name starts with 02
    python tools/notebooks.py --only-tidy 02  # keep the outputs, run nothing
"""

import argparse
import sys
from pathlib import Path

import gallery
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
PICTURES = ROOT / "images" / "gallery"
CELL_SECONDS = 120

# A map stands between these two lines, in README.md and in a cell of notebook 00.
MAP_STARTS = "<!-- map: written by make notebooks -->"
MAP_ENDS = "<!-- end of map -->"

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python"}
METADATA = {
    "kernelspec": {**KERNEL, "name": "python3"},
    "language_info": {"name": "python"},
}
# A live widget without its kernel is an error message; the output before it holds
# the same as HTML.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def tidy(notebook):
    """Put a notebook in the form in which it is kept, in place."""
    notebook.metadata = nbformat.from_dict(METADATA)
    while notebook.cells and not notebook.cells[-1].source.strip():
        notebook.cells.pop()
    count = 0
    for cell in notebook.cells:
        cell.source = cell.source.rstrip()
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output["execution_count"] = count
            if "data" in output:
                output["data"].pop(WIDGET_VIEW, None)
                output["metadata"] = {}
        cell.outputs = [o for o in cell.outputs if o.get("data", True)]


def run(notebook, folder):
    """Run all cells in a new kernel; an error or a slow cell stops with its name."""
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # else a diff shows how the lines happened to arrive
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()


def between(*lines):
    """Return the lines of a map between its two marks."""
    return "\n".join([MAP_STARTS, "", *lines, "", MAP_ENDS])


def map_of(paths):
    """Return the map of the notebooks for notebook 00."""
    rows = ["| notebook | question | minutes |", "|---|---|---|"]
    for path in paths:
        cells = nbformat.read(path, as_version=4).cells
        title, minutes, _ = gallery.headline(cells, path.name)
        rows.append(f"| {path.name[:2]} | {title} | {minutes} |")
    return between(*rows)


def with_map(text, new):
    """Return `text` with the map `new` in place of the one that it holds."""
    if text.count(MAP_STARTS) != 1 or text.count(MAP_ENDS) != 1:
        sys.exit(f"one map must stand between {MAP_STARTS} and {MAP_ENDS}")
    before, rest = text.split(MAP_STARTS)
    return before + new + rest.split(MAP_ENDS)[1]


def entries():
    """Return what each notebook shows of itself, in order."""
    return [
        gallery.entry(path) for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    ]


def maps():
    """Return the text of README.md and of notebook 00's map cell, old and new."""
    start, *others = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    notebook = nbformat.read(start, as_version=4)
    (cell,) = (c for c in notebook.cells if MAP_STARTS in c.source)
    new_readme = with_map(readme, between(gallery.table(entries())))
    new_cell = with_map(cell.source, map_of(others))
    return (readme, new_readme), (cell.source, new_cell)


def write_maps():
    """Write the gallery of README.md, its pictures, and the map in notebook 00."""
    gallery.write(entries(), PICTURES)
    (readme, new_readme), (cell, new_cell) = maps()
    if new_readme != readme:
        path = ROOT / "README.md"
        path.write_text(new_readme, encoding="utf-8", newline="\n")
        print("README.md: new gallery")
    if new_cell != cell:
        start = min(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
        notebook = nbformat.read(start, as_version=4)
        for one in notebook.cells:
            if one.source == cell:
                one.source = new_cell
        save(notebook, start)
        print(f"{start.name}: new map")


def save(notebook, path):
    """Write a notebook in its tidy form and return its length."""
    tidy(notebook)
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
    return len(text)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("start", nargs="?", default="", help="start of the name")
    parser.add_argument("--only-tidy", action="store_true", help="run nothing")
    options = parser.parse_args(argv)

    paths = sorted(NOTEBOOKS.glob(f"{options.start}*.ipynb"))
    if not paths:
        sys.exit(f"no notebook in {NOTEBOOKS.name}/ starts with {options.start!r}")
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        if not options.only_tidy:
            run(notebook, path.parent)
        length = save(notebook, path)
        print(f"{path.name}: {len(notebook.cells)} cells, {length / 1000:.0f} kB")
    write_maps()


if __name__ == "__main__":
    main()
