"""What the browser tests stand on: Chromium, servers, watched pages, moved figures."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARTEFACTS = ROOT / "artefacts"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# How the reader's JupyterLab, that of `make lab`, sends what a kernel says.
(LAB_OPTION,) = re.findall(
    r"--ServerApp\.kernel_websocket_\S+", (ROOT / "Makefile").read_text()
)

each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
# Nothing here asks for the network; these keep Chromium itself from asking.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOCAL = ("127.0.0.1", "localhost")

# Text on the console that is not ours to mend: JupyterLab and Voilà bring parts of
# different ages along, and a browser reports each blocked or slow frame.
NOT_OURS = (
    "Unsatisfied version",
    "No satisfying version",
    "[ Federation Runtime ]",
)


def find_chromium():
    """Return the path of a Chromium, or None."""
    wanted = os.environ.get("CHROMIUM")
    if wanted:
        return shutil.which(wanted)
    for name in (*NAMES, *PLACES):
        if found := shutil.which(name):
            return found
    return None


# How a server says that another process took the port that it had found free.
PORT_TAKEN = "no available port could be found"
STARTS = 5


class Server:
    """A web server in a process of its own, with its log in a file.

    It picks its port itself; `find_url` then tells its address, or None as long as
    the server has none.
    """

    def __init__(self, command, log, find_url, *, cwd, env):
        self.url = None
        self.log = log
        self._find_url = find_url
        with open(log, "w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def answers(self, path, seconds=180):
        """Return whether the server answers at `path` in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            self.url = self.url or self._find_url(self.process.pid)
            if self.url and _is_answered(self.url + path):
                return True
            time.sleep(0.1)
        return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


def read_log(path):
    return path.read_text(encoding="utf-8", errors="replace")


def _is_answered(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:  # not there yet, or the server of another test
        return False
    return True


def start(command, log, find_url, path, *, cwd, env):
    """Start a server and return it once it answers at `path`.

    Jupyter's servers look for a free port, let it go and take it later. If another
    process is faster, they give up, and are started again.
    """
    for _ in range(STARTS):
        server = Server(command, log, find_url, cwd=cwd, env=env)
        if server.answers(path):
            return server
        server.stop()
        if PORT_TAKEN not in read_log(log):
            break
    raise RuntimeError(f"no server; its log ends:\n{read_log(log)[-2000:]}")


def start_lab(folder, home):
    """Start a JupyterLab on `folder` with settings of its own in `home`.

    It asks for no news, and sends what a kernel says as `make lab` does.
    """
    settings = home / "settings"
    for plugin, values in {
        "apputils-extension/notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
        },
    }.items():
        path = settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    token = secrets.token_hex(8)  # no other server answers to it
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
        LAB_OPTION,
        *(["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),
    ]
    runtime = home / "runtime"
    env = {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "deploy"), *sys.path]),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "IPYTHONDIR": str(home / "ipython"),
    }

    def find_url(pid):
        # Of the server, or of the launcher that Windows puts before it.
        for path in runtime.glob("jpserver-*.json"):
            try:
                info = json.loads(path.read_text())
            except (OSError, ValueError):  # being written
                continue
            if info["pid"] == pid or os.name == "nt":
                return info["url"].rstrip("/")
        return None

    path = f"/api/status?token={token}"
    server = start(command, home / "lab.log", find_url, path, cwd=folder, env=env)
    server.token = token
    return server


def start_slides(target, home):
    """Start `lecture/present.py` on a notebook or a folder of notebooks."""
    command = [sys.executable, str(ROOT / "lecture" / "present.py"), str(target)]
    command += ["--port", "0", "--no-browser"]
    env = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONUNBUFFERED": "1",
    }
    # Voilà tells its address once it listens there, at this level of its log.
    (home / "config").mkdir()
    (home / "config" / "voila.json").write_text('{"Voila": {"log_level": "INFO"}}')
    log = home / "slides.log"

    def find_url(pid):
        listens = re.search(r"is running at:\s*(http://[\d.:]+)", read_log(log))
        return listens and listens[1]

    path = "/voila/static/reveal.js"
    return start(command, log, find_url, path, cwd=ROOT, env=env)


class Watch:
    """Keep what the pages of a browser context asked for, and what went wrong."""

    def __init__(self, context):
        self.foreign = []
        self.wrong = []
        self._context = context
        self._listeners = {
            "request": lambda request: self._check(request.url),
            "page": lambda page: page.on("websocket", lambda ws: self._check(ws.url)),
            "console": self._on_console,
            "weberror": lambda e: self.wrong.append(f"exception: {e.error}"),
            "response": self._on_response,
        }
        for event, listener in self._listeners.items():
            context.on(event, listener)

    def end(self):
        for event, listener in self._listeners.items():
            self._context.remove_listener(event, listener)

    def _check(self, url):
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in LOCAL:
            self.foreign.append(url)

    def _on_console(self, message):
        ours = not any(text in message.text for text in NOT_OURS)
        if message.type == "error" and ours:
            self.wrong.append(f"console: {message.text}")

    def _on_response(self, response):
        if response.status >= 400:
            self.wrong.append(f"HTTP {response.status}: {response.url}")

    def assert_clean(self):
        assert not self.foreign, f"requests to other hosts: {self.foreign}"
        assert not self.wrong, f"errors on the page: {self.wrong}"


# What a figure shows: its picture, whose address holds its bytes, and its sentence.
SHOWN = """(figure) => {
  const sentence = figure.querySelector(".normlib-sentence");
  const image = figure.querySelector(".normlib-image");
  // The page may still be making them.
  return sentence && image ? [image.src, sentence.textContent] : null;
}"""


def shown(figure, seconds=30):
    """Return the address of a figure's picture, and its sentence."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := figure.evaluate(SHOWN):
            return found
        time.sleep(0.02)
    raise AssertionError("a figure's picture cannot be read")


def wait_for_change(figure, before, seconds):
    """Return whether both picture and sentence differ from `before` in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = shown(figure)
        if now[0] != before[0] and now[1] != before[1]:
            return True
        time.sleep(0.03)
    return False


def wait_until_still(figure, still=0.5, seconds=20):
    """Return once picture and sentence have not changed for `still` seconds."""
    end = time.monotonic() + seconds
    last, since = shown(figure), time.monotonic()
    while time.monotonic() - since < still:
        if time.monotonic() > end:
            raise AssertionError(f"a figure still moves after {seconds} s: {last[1]}")
        time.sleep(0.05)
        if (now := shown(figure)) != last:
            last, since = now, time.monotonic()


# The same once the kernel has done all it was asked before. It is asked three times,
# because a control holds a message back while one is under way, and work that goes on
# between messages begins after the one that asked for it. Such work is left to itself
# for a moment, then stopped, as a reader may.
SETTLED = f"""async (figure) => {{
  const app = window.jupyterapp;
  const slides = app.widgetManagerPromise;
  const kernel = slides
    ? (await slides.promise).kernel
    : app.shell.currentWidget.sessionContext.session.kernel;
  const answers = async () => {{
    for (let k = 0; k < 3; k++) await kernel.requestKernelInfo();
  }};
  const work = () => figure.querySelector(".normlib-work:not([hidden])");
  await answers();
  if (work()) {{
    const end = performance.now() + 300;
    while (work() && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 30));
    work()?.querySelector("button").click();
    await answers();
    if (work()) throw new Error("a figure's long work does not stop");
  }}
  return ({SHOWN})(figure);
}}"""


def settled(figure):
    """Return what a figure shows once it has answered all that was asked of it."""
    return figure.evaluate(SETTLED) or shown(figure)


# ---- moving a control as a reader would, by keyboard --------------------------

# The first that works: a step up; a step down, from the upper end; then the ends of
# the range, for a step that is too small to be seen.
SLIDER_KEYS = (["ArrowRight"], ["ArrowLeft", "ArrowLeft"], ["End"], ["Home"])


def press(element, *keys):
    for key in keys:
        element.press(key)


def slider_moves(handle):
    return [lambda keys=keys: press(handle, *keys) for keys in SLIDER_KEYS]


def control_moves(control):
    """Return for each handle or button of a control the moves to try on it."""
    if handles := control.query_selector_all(".noUi-handle"):
        return [slider_moves(handle) for handle in handles]
    if box := control.query_selector("select"):
        other = box.evaluate("b => b.selectedIndex ? 0 : 1")
        return [[lambda: box.select_option(index=other)]]
    if box := control.query_selector("input[type=checkbox]"):
        return [[lambda: press(box, "Space")]]
    if control.query_selector(".widget-toggle-button"):
        buttons = control.query_selector_all(".widget-toggle-button:not(.mod-active)")
        return [[lambda b=b: press(b, "Enter") for b in buttons]]
    if control.evaluate("c => c.matches('button')"):
        return [[lambda: press(control, "Enter")]]
    if button := control.query_selector("button"):
        return [[lambda: press(button, "Enter")]]
    raise AssertionError(f"unknown control: {control.evaluate('c => c.outerHTML')}")


def answers(figure, moves):
    """Return whether picture and sentence of a figure at rest change under a move."""
    before = shown(figure)
    for move in moves:
        move()
        now = settled(figure)
        # Work that was stopped says how far it came, which may be as far as before.
        told = now[1] != before[1] or now[1].startswith("Stopped at")
        if now[0] != before[0] and told:
            return True
        # A stub of an exercise draws nothing and says so, whatever the setting.
        if now[1].startswith("Not drawn"):
            return True
    return False


@contextmanager
def keep_picture(page, name):
    """Leave a picture of the page in artefacts/ if an error ends the block."""
    try:
        yield
    except BaseException:
        ARTEFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTEFACTS / f"{name}.png")
        raise


# Found beside its Python package, which is not wanted: it reads whole pages.
AXE = Path(find_spec("axe_playwright_python").origin).with_name("axe.min.js")


def violations(page, selector):
    """Return what axe has to say of the parts of a page that `selector` names."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    # JupyterLab's page has no height and hides what overflows it, so axe would take all
    # in it for hidden, and measure no contrast.
    page.add_style_tag(
        content="body { height: 100vh } .jp-LabShell { overflow: visible !important }"
    )
    return page.evaluate(
        """async (selector) => {
          const { violations } = await axe.run({ include: [[selector]] });
          return violations.map(({ id, nodes }) => [id, nodes.map((n) => n.html)]);
        }""",
        selector,
    )
