"""normlib imports and computes where a page is all there is.

The Python that runs in a page has no threads, no processes and no isal
(`deploy/lite/`). Here they are refused; the rest of this Python is as it is.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# matplotlib starts a timer while it lists the fonts; Pyodide's own does not.
CODE = """
import matplotlib.font_manager
import importlib, os, pkgutil, subprocess, sys, threading

ABSENT = ["isal", "jupyterlab", "voila"]
sys.modules.update(dict.fromkeys(ABSENT))

def refuse(*args, **kwargs):
    raise RuntimeError("can't start new thread or process")

threading.Thread.start = subprocess.Popen.__init__ = os.fork = refuse

import normlib
for module in pkgutil.walk_packages(normlib.__path__, "normlib."):
    importlib.import_module(module.name)

from normlib.lessons import lessons
lesson = lessons()["02"]
for key, shown in lesson.figures.items():
    figure = shown.make(*[lesson.exercises[name].solution for name in shown.solved])
    opening = figure.values
    for notice in shown.notices:
        figure.set(**(opening | notice.settings))
        assert notice.check(figure), (key, notice.text)
    assert figure.failed is None and figure.png.startswith(b"\\x89PNG"), key
print("drawn:", *lesson.figures)
print(normlib.__file__)
"""


def run(folder):
    """Draw the figures of 02 with the normlib in `folder`; return what was drawn."""
    result = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    drawn, file = result.stdout.splitlines()
    assert Path(file).is_relative_to(folder)
    return drawn.split()[1:]


@pytest.mark.slow
def test_figures_are_drawn_without_threads_processes_and_isal():
    assert "table" in run(ROOT)
