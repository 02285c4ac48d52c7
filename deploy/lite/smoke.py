"""Try the lab without a kernel elsewhere: open, run all, move a slider, read.

Usage: .venv/bin/python deploy/lite/smoke.py _site   (after ``make site lite``)

Pyodide comes from its own distribution, over the network, unless --pyodide names a
folder that holds one. Exits with an error if anything goes wrong.
"""

import argparse
import functools
import http.server
import json
import math
import re
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.append(str(ROOT / "tests"))

import browser  # noqa: E402

# Printed numbers may be so far from the saved ones.
NEAR = 0.05
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
SIZE = {"width": 1440, "height": 900}
KERNEL = "@jupyterlite/pyodide-kernel-extension"
# The state of the kernel, once there is one.
STATUS = """() =>
  window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"""
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
CELLS = "() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells"
SHOW = """(k) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = k;
  return notebook.scrollToItem(k, 'start');
}"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve a folder, and a Pyodide beside it if there is one."""

    pyodide = None

    def translate_path(self, path):
        if self.pyodide and urlsplit(path).path.startswith("/pyodide/"):
            return str(self.pyodide / Path(urlsplit(path).path).name)
        return super().translate_path(path)

    def do_GET(self):
        if self.pyodide and urlsplit(self.path).path == "/lab/jupyter-lite.json":
            path = Path(self.directory, "lab", "jupyter-lite.json")
            settings = json.loads(path.read_text(encoding="utf-8"))
            plugins = settings["jupyter-config-data"]["litePluginSettings"]
            plugins[f"{KERNEL}:kernel"]["pyodideUrl"] = "/pyodide/pyodide.mjs"
            body = json.dumps(settings).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif urlsplit(self.path).path == "/favicon.ico":  # asked for by the browser
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


def serve(site, pyodide=None):
    """Serve `site` on a free port of this machine and return the server."""
    handler = type("Handler", (Handler,), {"pyodide": pyodide})
    handler = functools.partial(handler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def pyodide_home(site):
    """Return where the kernel takes Pyodide from, as the kernel itself has it."""
    schema = site / "lab" / "extensions" / KERNEL / "static/schema"
    text = (schema / "kernel.v0.schema.json").read_text(encoding="utf-8")
    return json.loads(text)["properties"]["pyodideUrl"]["default"].rpartition("/")[0]


def printed(cells):
    """Return what each code cell printed, and the errors, by the cell's id."""
    text, errors = {}, []
    for cell in cells:
        for output in cell.get("outputs", []):
            if output["output_type"] == "stream" and output["name"] == "stdout":
                joined = "".join(output["text"])
                text[cell["id"]] = text.get(cell["id"], "") + joined
            elif output["output_type"] == "error":
                errors.append(f"{cell['id']}: {output['ename']}: {output['evalue']}")
    return text, errors


def apart(text, other):
    """Return how far the numbers of two texts are apart at most; inf if words differ.

    Pyodide's numpy sums in another order than the one that saved the notebooks, and
    a network that is trained for long ends in other digits.
    """
    if NUMBER.sub("#", text).split() != NUMBER.sub("#", other).split():
        return math.inf
    pairs = zip(NUMBER.findall(text), NUMBER.findall(other), strict=True)
    pairs = [[float(x.replace(",", "")) for x in pair] for pair in pairs]
    return max((abs(a - b) / max(abs(a), abs(b), 1e-9) for a, b in pairs), default=0)


class Trial:
    """One notebook, in one page."""

    def __init__(self, page, url, name, patience):
        self.page, self.url, self.name = page, url, name
        self.patience = patience
        self.start = time.monotonic()

    def tell(self, what):
        seconds = time.monotonic() - self.start
        print(f"{self.name[:2]} {seconds:6.1f} s  {what}", flush=True)

    def wait(self, done, what):
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            if result := done():
                self.tell(what)
                return result
            time.sleep(0.2)
        raise AssertionError(f"not within {self.patience} s: {what}")

    def run(self):
        """Run all cells; return the indices of those that show a figure."""
        page = self.page
        page.goto(f"{self.url}/lab/lab/index.html?path=notebooks/{self.name}")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
        self.tell("the notebook is open")
        self.wait(lambda: page.evaluate(STATUS) == "idle", "the kernel is idle")
        page.evaluate(RUN_ALL)
        self.tell("all cells ran")
        cells = page.evaluate(CELLS)
        text, errors = printed(cells)
        assert not errors, errors
        path = ROOT / "notebooks" / self.name
        wanted, _ = printed(json.loads(path.read_text(encoding="utf-8"))["cells"])
        far = {k: apart(v, text.get(k, "")) for k, v in wanted.items()}
        other = [k for k in wanted if text.get(k) != wanted[k]]
        self.tell(f"no error; of {len(wanted)} prints {len(other)} are not as saved")
        for k in other:
            self.tell(f"{k}: apart by {far[k]:.1%}\n{wanted[k]}\n{text.get(k)}")
        assert max(far.values(), default=0) <= NEAR, "other numbers than saved"
        sources = ["".join(cell["source"]) for cell in cells]
        return [k for k, text in enumerate(sources) if "lesson.figure" in text]

    def move(self, index):
        """Move the first slider of a figure; return its sentences, or None."""
        self.page.evaluate(SHOW, index)
        cell = self.page.locator(f".jp-Cell[data-windowed-list-index='{index}']")
        figure = cell.locator(".normlib-figure").first
        figure.wait_for(timeout=60_000)
        handles = figure.locator(".noUi-handle")
        if not handles.count():
            return None
        figure = figure.element_handle()
        before = browser.shown(figure)
        for key in ("ArrowRight", "ArrowLeft", "End", "Home"):
            start = time.monotonic()
            handles.first.focus()
            self.page.keyboard.press(key)
            if browser.wait_for_change(figure, before, 20):
                seconds = time.monotonic() - start
                self.tell(f"{key} on a slider: new picture after {seconds:.2f} s")
                browser.wait_until_still(figure, 2, self.patience)
                return before[1], browser.shown(figure)[1]
        raise AssertionError(f"cell {index}: no slider changes picture and sentence")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--pyodide", type=Path, help="folder with a Pyodide")
    parser.add_argument("--notebook", default="02", help="number, or 'all'")
    parser.add_argument("--patience", type=float, default=300, help="seconds a step")
    parser.add_argument("--picture", type=Path, help="where to leave a screenshot")
    arguments = parser.parse_args(argv)
    from playwright.sync_api import sync_playwright

    pattern = "*" if arguments.notebook == "all" else f"{arguments.notebook}_*"
    names = [p.name for p in sorted((ROOT / "notebooks").glob(f"{pattern}.ipynb"))]
    server = serve(arguments.site.resolve(), arguments.pyodide)
    url = f"http://127.0.0.1:{server.server_port}"
    home = pyodide_home(arguments.site)
    failed = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser.find_chromium(), args=list(browser.FLAGS)
        )
        for name in names:
            context = chromium.new_context(viewport=SIZE)
            watch = browser.Watch(context)
            page = context.new_page()
            page.set_default_timeout(arguments.patience * 1000)
            trial = Trial(page, url, name, arguments.patience)
            try:
                figures = trial.run()
                if sentences := next(filter(None, map(trial.move, figures)), None):
                    trial.tell("\n    was: {}\n    now: {}".format(*sentences))
                else:
                    trial.tell("no figure has a slider")
                foreign = [u for u in watch.foreign if not u.startswith(home + "/")]
                assert not foreign, f"requests to other hosts: {foreign}"
                assert not watch.wrong, f"errors on the page: {watch.wrong}"
            except Exception as error:
                failed.append(name)
                trial.tell(f"FAILED {type(error).__name__}: {error}")
                trial.tell(f"page: {watch.wrong[:5]} {watch.foreign[:5]}")
            if arguments.picture:
                page.screenshot(path=arguments.picture.with_suffix(f".{name[:2]}.png"))
            context.close()
        chromium.close()
    server.shutdown()
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
