"""Write JupyterLab with a Python that runs in the page, beside the static site.

``make lite`` runs this, in a venv of its own. The page gets Pyodide, with numpy,
matplotlib and pillow, from Pyodide's own distribution; all else lies in the folder.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flit_core.wheel import make_wheel_in

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOCK = HERE / "requirements.lock"

#: Wheels that normlib needs and Pyodide's distribution does not hold.
CARRIED = ["anywidget", "comm", "ipywidgets", "jupyterlab-widgets", "psygnal"]
#: What is brought along in the page, in this order. normlib asks for what runs on a
#: computer, such as JupyterLab, so what it needs here is named instead.
INSTALL = """\
# This Python runs in your browser. Here it fetches what the notebook computes with.
import piplite

await piplite.install(["matplotlib", "ipywidgets", "anywidget"])
await piplite.install("normlib", deps=False)"""
KERNEL = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}

#: Where the templates of the site let a page lead to the lab.
MARK = re.compile(r"<!-- lab: (\S+) -->")
LINK = (
    r' <a href="lab/lab/index.html?path=notebooks/\1">Run it in your browser</a>: '
    "it fetches a Python of some 30 MB, which starts in about a minute."
)


def pinned(name):
    """Return the lines that pin a package in the lock, with their hashes."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    (start,) = [k for k, line in enumerate(lines) if line.startswith(f"{name}==")]
    end = next(k for k in range(start, len(lines)) if not lines[k].endswith("\\"))
    return lines[start : end + 1]


def fetch(folder):
    """Bring the pure-Python wheels into `folder`."""
    listed = folder / "carried.txt"
    listed.write_text("\n".join(sum(map(pinned, CARRIED), [])), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    pip += ["--disable-pip-version-check", "--require-hashes", "-r", str(listed)]
    # No platform and no ABI: only what runs everywhere.
    pip += ["--only-binary", ":all:", "--platform", "any", "--abi", "none"]
    subprocess.run([*pip, "--dest", str(folder)], check=True)
    listed.unlink()


def adapt(notebook):
    """Let a notebook run in the page: its kernel, and a first cell that installs."""
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "install",
        "metadata": {"slideshow": {"slide_type": "skip"}},
        "outputs": [],
        "source": INSTALL.splitlines(keepends=True),
    }
    metadata = {**notebook["metadata"], "kernelspec": KERNEL}
    return {**notebook, "metadata": metadata, "cells": [cell, *notebook["cells"]]}


def write_contents(folder):
    """Write the notebooks and their images as they lie in the repository."""
    (folder / "notebooks").mkdir(parents=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = adapt(json.loads(path.read_text(encoding="utf-8")))
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        (folder / "notebooks" / path.name).write_text(text, encoding="utf-8")
        for address in re.findall(r"\(\.\./(images/[^)]+)\)", text):
            (folder / address).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / address, folder / address)


def build(out):
    """Write the lab to the folder `out` in place of what is there."""
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        lite, contents, wheels = (Path(scratch, n) for n in ("lite", "files", "pypi"))
        lite.mkdir()
        wheels.mkdir()
        shutil.copy(HERE / "jupyter-lite.json", lite)
        write_contents(contents)
        fetch(wheels)
        make_wheel_in(ROOT / "pyproject.toml", wheels)
        command = [sys.executable, "-m", "jupyterlite_core", "build", "--apps", "lab"]
        command += ["--lite-dir", lite, "--output-dir", out, "--contents", contents]
        command += ["--no-sourcemaps", "--no-unused-shared-packages"]
        for wheel in sorted(wheels.glob("*.whl")):
            command += ["--piplite-wheels", wheel]
        done = subprocess.run(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=scratch,
        )
        if done.returncode:
            sys.exit(done.stdout)
        # The page asks for an image at its bare address first, then in the contents.
        if (contents / "images").exists():
            shutil.copytree(contents / "images", out / "images")


def link(site):
    """Let the pages of the site lead to the lab, where their templates say."""
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(MARK.sub(LINK, text), encoding="utf-8")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT / "_site" / "lab"
    parser.add_argument("out", nargs="?", type=Path, default=default)
    out = parser.parse_args(argv).out.resolve()
    start = time.monotonic()
    build(out)
    if out == ROOT / "_site" / "lab":
        link(out.parent)
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{out}: {len(files)} files, {size:.1f} MB, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
