"""From key press to changed pixels in JupyterLab, beside `interact` with a new figure.

Both notebooks show the same figure. The time runs from the keydown event to the first
animation frame in which the picture on the page is another one.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import browser

PRESSES = 30
TOPIC, FIGURE = "which_numbers_share_a_mean", "NormTable"

LIVE = f"from normlib.live.{TOPIC} import {FIGURE}\n{FIGURE}().show()"
USUAL = f"""%matplotlib inline
import matplotlib.pyplot as plt
from ipywidgets import interact
from normlib.live import style
from normlib.live.{TOPIC} import {FIGURE}
figure = {FIGURE}()
def redraw(**values):
    with style.style(lecture=False):
        fig = plt.figure(figsize=(figure.width, figure.height))
        figure.draw(fig)
        print(figure.move(**values))
        plt.show()
_ = interact(redraw, **{{k: c for k, c in figure.controls.items()}})"""

# The picture is the same while its bytes are; a new one has loaded when it is complete.
MEASURE = """async ([handle, key]) => {
  const area = handle.closest(".jp-OutputArea");
  const shown = () => {
    const image = area.querySelector("img");
    return image && image.complete && image.naturalWidth ? image.src : null;
  };
  const before = shown();
  handle.focus();
  return new Promise((resolve) => {
    let start = null;
    handle.addEventListener("keydown", (e) => { start = performance.now(); },
      { once: true, capture: true });
    const look = () => {
      const now = shown();
      if (start !== null && now !== null && now !== before) {
        resolve(performance.now() - start);
      } else if (start !== null && performance.now() - start > 5000) {
        resolve(NaN);
      } else requestAnimationFrame(look);
    };
    look();
    handle.dispatchEvent(new KeyboardEvent("keydown",
      { key, code: key, bubbles: true, cancelable: true }));
  });
}"""

OPEN_AND_RUN = """async (path) => {
  const { commands } = window.jupyterapp;
  const panel = await commands.execute("docmanager:open", { path });
  await panel.context.ready;
  await panel.sessionContext.ready;
  await commands.execute("notebook:run-all-cells");
}"""


def write(path, source):
    """Write a notebook of one cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    # Without a kernel's name JupyterLab asks for one and waits.
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


def measure(page, name):
    """Return the milliseconds of every press of an arrow key."""
    page.evaluate(OPEN_AND_RUN, name)
    panel = ".jp-NotebookPanel:not(.lm-mod-hidden)"
    handle = page.wait_for_selector(f"{panel} .noUi-handle", timeout=60_000)
    page.wait_for_timeout(1000)
    times = []
    for k in range(PRESSES):
        key = "ArrowRight" if k % 4 < 2 else "ArrowLeft"
        times.append(page.evaluate(MEASURE, [handle, key]))
        page.wait_for_timeout(150)
    return np.array(times[2:], dtype=float)


def main():
    """Print both medians and their ratio, or why there are none."""
    from playwright.sync_api import sync_playwright

    found = browser.find_chromium()
    if found is None:
        print("no Chromium found: skipped")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        work, home = Path(folder) / "work", Path(folder) / "home"
        work.mkdir()
        home.mkdir()
        write(work / "live.ipynb", LIVE)
        write(work / "usual.ipynb", USUAL)
        lab = browser.start_lab(work, home)
        chromium = play.chromium.launch(executable_path=found, args=list(browser.FLAGS))
        try:
            page = chromium.new_page()
            page.goto(f"{lab.url}/lab?token={lab.token}")
            page.wait_for_selector(".jp-Launcher", timeout=60_000)
            rows = {name: measure(page, f"{name}.ipynb") for name in ("live", "usual")}
        finally:
            chromium.close()
            lab.stop()
    print(f"{FIGURE}, {PRESSES} presses; milliseconds from key to pixels")
    for name, times in rows.items():
        print(
            f"{name:8} median {np.nanmedian(times):6.0f}   "
            f"95 % {np.nanpercentile(times, 95):6.0f}   "
            f"without an answer: {np.isnan(times).sum()}"
        )
    ratio = np.nanmedian(rows["usual"]) / np.nanmedian(rows["live"])
    print(f"ratio    {ratio:6.1f}")


if __name__ == "__main__":
    main()
