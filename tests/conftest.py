"""One thread per process, an order for parallel runs, and nothing skipped in CI."""

import gc
import os
import re
import sys
from pathlib import Path

import pytest

# Before the first import of numpy: the figures and networks here are small, and
# threads of linear algebra only get in each other's way.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

gc.set_threshold(700, 10, 100)

# In a terminal of Jupyter's: lessons would go on with the report of that notebook.
os.environ.pop("JPY_SESSION_NAME", None)

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
# From the number of a notebook to its topic.
TOPICS = dict(path.stem.split("_", 1) for path in NOTEBOOKS.glob("??_*.ipynb"))

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")


def _may_skip(reason):
    # PyTorch is no dependency: the comparison with it runs where it is installed,
    # and the reference values that were made with it are compared everywhere.
    return "torch" in reason.lower()


def _refuse_skip(report):
    if not (IN_CI and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[-1] if report.longrepr else "")
    if not _may_skip(reason):
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped in CI, but this was: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(autouse=True)
def unpainted(request, monkeypatch):
    """Let the tests of one notebook's figures ask for data and words only.

    To paint what stands still takes most of the time that a figure needs to open. All
    figures are painted in test_figures.py; a test that asks for pixels is `painted`.
    """
    if request.path.name.startswith("test_live_") and not (
        request.node.get_closest_marker("painted")
    ):
        from normlib.live.figure import LiveFigure

        for name in ("redraw", "_frame"):
            monkeypatch.setattr(LiveFigure, name, lambda figure: None)
        monkeypatch.setattr(LiveFigure, "_encode", lambda figure: b"")


@pytest.fixture(scope="module")
def chromium():
    """A browser for the tests of one file."""
    from browser import FLAGS, find_chromium

    path = find_chromium()
    if path is None:
        pytest.skip(
            "no Chromium or Chrome found: install one, or set CHROMIUM to its path"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium):
    # One for all: the pages share a cache, so JupyterLab is loaded only once.
    context = chromium.new_context(viewport={"width": 1600, "height": 900})
    context.set_default_timeout(180_000)  # slides come once all cells ran
    yield context
    context.close()


@pytest.fixture
def watch(context):
    from browser import Watch

    watch = Watch(context)
    yield watch
    watch.end()


def pytest_collection_finish():
    # A look for garbage among all that was imported and collected takes a third of a
    # second; none of it becomes garbage.
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown(item, nextitem):
    """In a worker forget the figures of a topic after its tests; it grew to 2 GB."""
    if not hasattr(item.config, "workerinput") or nextitem is None:
        return
    here, there = (topic_of(i.nodeid) or i.path for i in (item, nextitem))
    if here != there and "figure_checks" in sys.modules:
        sys.modules["figure_checks"].forget()


def pytest_collection_modifyitems(items):
    """Begin with what takes longest: the browser, the later notebooks first."""
    browser = [item for item in items if item.get_closest_marker("browser")]
    chosen = set(map(id, browser))
    items[:] = browser[::-1] + [item for item in items if id(item) not in chosen]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With ``--dist loadscope`` keep together what shares a server or trained networks.

    That is the cells of a notebook, which share a kernel, the tests of a browser file,
    the claims of a notebook, and those of the figures of one notebook, which keep what
    they have trained. A browser leaves an event loop running in its worker for as long
    as it is open; a figure tested there would work in turns, as in a page.
    """
    from xdist.scheduler import LoadScopeScheduling

    class KeepTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            shares = path.endswith(".ipynb") or "test_browser" in path
            shares |= "tests/claims/" in path
            return path if shares else topic_of(nodeid) or nodeid

    return KeepTogether(config, log) if config.getvalue("dist") == "loadscope" else None


def topic_of(nodeid):
    """Return the topic of a test of the figures of one notebook, else None."""
    found = re.search(
        r"test_(?:figures|picture|lessons)\.py::.*\[(\w+)[].-]|test_live_(\w+)\.py",
        nodeid,
    )
    name = found and (found[1] or found[2])
    return TOPICS.get(name, name)
