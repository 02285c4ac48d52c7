"""One thread per process, an order for parallel runs, and nothing skipped in CI."""

import os

import pytest

# Before the first import of numpy: the figures and networks here are small, and
# threads of linear algebra only get in each other's way.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

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


def pytest_collection_modifyitems(items):
    """Begin with what takes longest: the browser, the later notebooks first."""
    browser = [item for item in items if item.get_closest_marker("browser")]
    chosen = set(map(id, browser))
    items[:] = browser[::-1] + [item for item in items if id(item) not in chosen]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With ``--dist loadscope`` keep together what shares a server, nothing else.

    That is the cells of a notebook, which share a kernel, and the tests of a browser
    file. A browser leaves an event loop running in its worker for as long as it is
    open; a figure tested there would work in turns, as in a page.
    """
    from xdist.scheduler import LoadScopeScheduling

    class KeepTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::")[0]
            shares = path.endswith(".ipynb") or "test_browser" in path
            return path if shares else nodeid

    return KeepTogether(config, log) if config.getvalue("dist") == "loadscope" else None
