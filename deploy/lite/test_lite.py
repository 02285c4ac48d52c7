"""What `make lite` wrote, as far as that can be seen without Pyodide.

`smoke.py` tries the rest; it needs the network.
"""

import hashlib
import json
import re
import sys
import time
import tomllib
import zipfile
from email import message_from_bytes

import build
import pytest
import smoke
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = smoke.ROOT
SITE = ROOT / "_site"
LAB = SITE / "lab"
PAGE = "lab/lab/index.html?path=notebooks/02_which_numbers_share_a_mean.ipynb"
#: What Pyodide's distribution holds of what the wheels need.
PYODIDES = {"ipython", "traitlets", "typing-extensions"}

sys.path.append(str(ROOT / "tests"))

import browser  # noqa: E402
import test_in_the_page  # noqa: E402


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def locked(path):
    """Return the version of every package in a lock."""
    found = re.findall(r"^(\S+?)==(\S+)", path.read_text(encoding="utf-8"), re.M)
    return {canonicalize_name(name): version for name, version in found}


def index(folder):
    """Return what a wheel index offers: version, file and hash by name."""
    offered = {}
    for name, entry in read(folder / "all.json").items():
        for version, (file,) in entry["releases"].items():
            path = folder / file["url"].split("?")[0]
            offered.setdefault(canonicalize_name(name), {})[version] = path, file
    return offered


def offered():
    kernels = LAB / "extensions" / smoke.KERNEL / "static" / "pypi"
    return index(LAB / "pypi"), index(kernels)


def test_the_lab_lists_every_notebook():
    files = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    listed = read(LAB / "api" / "contents" / "notebooks" / "all.json")["content"]
    assert sorted(entry["name"] for entry in listed) == files


def test_notebooks_are_the_same_but_for_the_first_cell():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        first, *rest = read(LAB / "files" / "notebooks" / path.name)["cells"]
        assert "".join(first["source"]).count("piplite.install(") == 2
        assert rest == read(path)["cells"], path.name


def test_images_of_the_notebooks_are_there():
    for path in (LAB / "files" / "notebooks").glob("*.ipynb"):
        for address in re.findall(r"\.\./images/[^)\"\s]+", path.read_text("utf-8")):
            assert (path.parent / address).exists()
            assert (LAB / address.removeprefix("../")).exists()


def test_the_index_holds_each_wheel_with_its_hash():
    ours, kernels = offered()
    for releases in (*ours.values(), *kernels.values()):
        for path, file in releases.values():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert file["digests"]["sha256"] == digest, path
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(ours.pop("normlib")) == [project["version"]]
    lock = locked(smoke.HERE / "requirements.lock")
    assert ours
    for name, releases in ours.items():
        ((version, (path, _)),) = releases.items()
        assert version == lock[name]
        assert path.name.endswith("-none-any.whl")


def test_the_wheels_need_nothing_else():
    ours, kernels = offered()
    have = {*ours, *kernels, *PYODIDES}
    for name, releases in ours.items():
        if name == "normlib":  # needs a JupyterLab, on a computer
            continue
        ((path, _),) = releases.values()
        with zipfile.ZipFile(path) as wheel:
            (text,) = [n for n in wheel.namelist() if n.endswith("info/METADATA")]
            metadata = message_from_bytes(wheel.read(text))
        for line in metadata.get_all("Requires-Dist", []):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in have, (name, line)


def test_the_widgets_are_those_that_the_tests_run_with():
    lite = locked(smoke.HERE / "requirements.lock")
    tested = locked(ROOT / "requirements.lock")
    for name in {"anywidget", "comm", "ipywidgets", "jupyterlab-widgets", "psygnal"}:
        assert lite[name] == tested[name], name


def test_lock_pins_every_package_with_hashes_and_names_no_index():
    text = (smoke.HERE / "requirements.lock").read_text(encoding="utf-8")
    entries = [e for e in re.split(r"\n(?=\S)", text) if not e.startswith("#")]
    assert len(entries) > 30
    assert all("==" in e and "--hash=sha256:" in e for e in entries)
    assert "://" not in text


def test_the_page_has_the_widgets_and_asks_no_index():
    settings = read(LAB / "jupyter-lite.json")["jupyter-config-data"]
    names = {entry["name"] for entry in settings["federated_extensions"]}
    assert {"anywidget", "@jupyter-widgets/jupyterlab-manager", smoke.KERNEL} <= names
    kernel = settings["litePluginSettings"][f"{smoke.KERNEL}:kernel"]
    assert kernel["disablePyPIFallback"] is True
    assert "pyodideUrl" not in kernel


def test_the_pages_of_the_site_lead_to_the_lab(tmp_path):
    for name in ("index.html", "notebook.html"):
        page = (ROOT / "site" / "templates" / name).read_text(encoding="utf-8")
        page = page.replace("{{ notebook.entry.name }}", "02_which.ipynb")
        (tmp_path / name).write_text(page, encoding="utf-8")
    build.link(tmp_path)
    for path in tmp_path.glob("*.html"):
        address = re.findall(r'href="(lab/[^"]+)"', path.read_text(encoding="utf-8"))
        assert len(address) == 1
        assert (SITE / address[0].partition("?")[0]).is_file()


def test_the_wheel_draws(tmp_path):
    ours, _ = offered()
    ((path, _),) = ours["normlib"].values()
    with zipfile.ZipFile(path) as wheel:
        wheel.extractall(tmp_path)
    assert "table" in test_in_the_page.run(tmp_path)


@pytest.fixture
def context():
    """A browser that reaches nothing but this machine."""
    path = browser.find_chromium()
    if path is None:
        pytest.skip("no Chromium or Chrome found: install one, or set CHROMIUM")
    from playwright.sync_api import sync_playwright

    flags = [*browser.FLAGS, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium.new_context(viewport=smoke.SIZE)
        chromium.close()


def test_the_page_opens_and_asks_nobody_but_pyodide(context):
    server = smoke.serve(SITE)
    home = smoke.pyodide_home(SITE)
    watch = browser.Watch(context)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/{PAGE}")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    figure = page.locator(".normlib-static img").first  # saved, and there at once
    figure.wait_for(timeout=60_000)
    assert figure.get_attribute("alt").startswith("Batch norm:")
    end = time.monotonic() + 60
    while not watch.foreign and time.monotonic() < end:
        page.wait_for_timeout(100)
    page.wait_for_timeout(1000)  # for what else it may ask for
    browser.ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=browser.ARTEFACTS / "lite.png")
    server.shutdown()
    assert watch.foreign
    assert [url for url in watch.foreign if not url.startswith(f"{home}/")] == []
    assert [text for text in watch.wrong if home not in text] == []
