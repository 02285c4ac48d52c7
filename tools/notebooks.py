"""Run the notebooks and save them in one tidy form, so that a diff shows what changed.

Usage::

    python tools/notebooks.py                 # run and tidy all of notebooks/
    python tools/notebooks.py 02              # only those whose name starts with 02
    python tools/notebooks.py --only-tidy 02  # keep the outputs, run nothing
"""

import argparse
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
CELL_SECONDS = 120

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python"}
METADATA = {
    "kernelspec": {**KERNEL, "name": "python3"},
    "language_info": {"name": "python"},
}
# A live widget without its kernel is an error message in place of the figure; the
# picture in the same output is what a reader should see.
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
        tidy(notebook)
        text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
        print(f"{path.name}: {len(notebook.cells)} cells, {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
