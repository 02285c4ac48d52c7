"""From key press or pointer move to changed pixels in JupyterLab.

At both pixel ratios, beside the floor, one circle moved in HTML by a slider, and beside
`interact` with a new figure. The time runs from the event to the first animation frame
in which the picture on the page is another one. Every press and every move leads to a
setting that the page has not shown before. Once a key is let go the figure draws the
next picture ahead; the rows "key held down" are without that.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import browser

PRESSES = 16  # as many new settings as the slider has on one side
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

FLOOR = """import ipywidgets as widgets
slider = widgets.IntSlider(min=0, max=100, value=50)
circle = widgets.HTML()
def move(change):
    circle.value = (
        '<svg class="floor" width="900" height="390">'
        f'<circle cx="{slider.value * 9}" cy="100" r="20"></svg>'
    )
slider.observe(move, "value")
move(None)
widgets.VBox([slider, circle])"""

# The picture is the same while its bytes are; a new one has loaded when it is complete.
MEASURE = """async ([handle, let_go]) => {
  const area = handle.closest(".jp-OutputArea");
  const shown = () => {
    const floor = area.querySelector("svg.floor");
    if (floor) return floor.innerHTML;
    const image = area.querySelector("img.normlib-image") || area.querySelector("img");
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
    const send = (type) => handle.dispatchEvent(new KeyboardEvent(type,
      { key: "ArrowRight", code: "ArrowRight", bubbles: true, cancelable: true }));
    send("keydown");
    if (let_go) setTimeout(() => send("keyup"), 60);
  });
}"""

# Drag a cell's number up and down, one move at a time.
TOUCH = """async ([spot, moves]) => {
  const image = spot.parentElement.querySelector("img");
  const box = spot.getBoundingClientRect();
  const send = (type, x, y) => spot.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, button: 0, bubbles: true, cancelable: true,
    clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
  spot.setPointerCapture = () => {};
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  for (const type of ["pointerdown", "pointerup", "pointerdown"]) {  // pick, then grab
    send(type, 0.3, 0.4);
    await wait(300);
  }
  const times = [];
  for (let k = 1; k <= moves; k++) {
    const before = image.src;
    const start = performance.now();
    send("pointermove", 0.3, 0.4 + 0.0209 * k);  // one less each time
    times.push(await new Promise((resolve) => {
      const look = () => {
        const now = performance.now() - start;
        if (image.src !== before && image.complete) resolve(now);
        else if (now > 5000) resolve(NaN);
        else requestAnimationFrame(look);
      };
      look();
    }));
    await wait(150);
  }
  send("pointerup", 0.3, 0.4);
  return times;
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


def measure(page, name, let_go=True):
    """Return the milliseconds of every press of an arrow key on the last slider."""
    page.evaluate(OPEN_AND_RUN, name)
    panel = ".jp-NotebookPanel:not(.lm-mod-hidden)"
    page.wait_for_selector(f"{panel} .noUi-handle", timeout=60_000)
    page.wait_for_timeout(1000)
    handle = page.locator(f"{panel} .noUi-handle").last.element_handle()
    times = []
    for _ in range(PRESSES):
        times.append(page.evaluate(MEASURE, [handle, let_go]))
        page.wait_for_timeout(200)
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
        write(work / "held.ipynb", LIVE)
        write(work / "usual.ipynb", USUAL)
        write(work / "floor.ipynb", FLOOR)
        lab = browser.start_lab(work, home)
        chromium = play.chromium.launch(executable_path=found, args=list(browser.FLAGS))
        rows = {}
        try:
            for ratio in (1, 2):
                context = chromium.new_context(device_scale_factor=ratio)
                page = context.new_page()
                page.goto(f"{lab.url}/lab?reset&token={lab.token}")
                page.wait_for_selector(".jp-Launcher", timeout=60_000)
                rows[f"floor, ratio {ratio}"] = measure(page, "floor.ipynb")
                rows[f"key held down, ratio {ratio}"] = measure(
                    page, "held.ipynb", let_go=False
                )
                rows[f"key, ratio {ratio}"] = measure(page, "live.ipynb")
                panel = ".jp-NotebookPanel:not(.lm-mod-hidden)"
                spot = page.wait_for_selector(f"{panel} .normlib-spot")
                times = page.evaluate(TOUCH, [spot, PRESSES])
                rows[f"pointer, ratio {ratio}"] = np.array(times[2:], dtype=float)
                if ratio == 1:
                    rows["interact"] = measure(page, "usual.ipynb")
                context.close()
        finally:
            chromium.close()
            lab.stop()
    print(f"{FIGURE}, {PRESSES} times; milliseconds to changed pixels")
    for name, times in rows.items():
        floor = np.nanmedian(rows[f"floor, ratio {2 if name.endswith('2') else 1}"])
        median = np.nanmedian(times)
        print(
            f"{name:24} median {median:6.0f}   "
            f"95 % {np.nanpercentile(times, 95):6.0f}   "
            f"over the floor {median / floor:5.2f}   "
            f"without an answer: {np.isnan(times).sum()}"
        )


if __name__ == "__main__":
    main()
