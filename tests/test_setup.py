"""The files that build the environment say the same, and the library stays light."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()


def by_name(lines):
    """Return a dict from the name of each requirement to its range of versions."""
    requirements = map(Requirement, lines)
    return {canonicalize_name(r.name): r.specifier for r in requirements}


def conda_requirements():
    text = (ROOT / "environment.yml").read_text()
    return by_name(re.findall(r"^  - (\S+)$", text.split("dependencies:")[1], re.M))


def locked():
    """Return (name, version, number of hashes) of every package in the lock."""
    entries = re.split(r"\n(?=\S)", LOCK)
    for entry in entries:
        if not entry.startswith("#"):
            name, version = re.match(r"(\S+?)==(\S+)", entry).groups()
            yield canonicalize_name(name), version, entry.count("--hash=sha256:")


def test_conda_and_pip_install_the_same():
    conda = conda_requirements()
    assert str(conda.pop("python")) == PROJECT["requires-python"]
    conda.pop("pip")
    conda.pop("flit-core")  # what builds the package, not what it needs
    assert conda == by_name(PROJECT["dependencies"])


def test_lock_pins_every_package_with_hashes():
    entries = list(locked())
    assert len(entries) > 50
    assert [name for name, _, hashes in entries if not hashes] == []
    assert "flit-core" in {name for name, _, _ in entries}


def test_lock_names_no_index():
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted"):
        assert word not in LOCK


def test_lock_holds_a_fitting_version_of_every_dependency():
    extra = PROJECT["optional-dependencies"]["test"]
    needed = by_name([*PROJECT["dependencies"], *extra])
    versions = {name: version for name, version, _ in locked()}
    for name, specifier in needed.items():
        assert versions[name] in specifier, name


def test_the_floors_are_the_versions_that_are_tested():
    """No older minor version is promised than the one that the tests run with."""
    extra = PROJECT["optional-dependencies"]
    needed = by_name([*PROJECT["dependencies"], *sum(extra.values(), [])])
    versions = {name: Version(version) for name, version, _ in locked()}
    for name, specifier in needed.items():
        (floor,) = [Version(s.version) for s in specifier if s.operator in (">=", "==")]
        assert floor.release[:2] == versions[name].release[:2], name


@pytest.mark.parametrize("absent", ["torch", "scipy", "scikit-learn", "jax"])
def test_lock_holds_no_heavy_package(absent):
    assert absent not in {name for name, _, _ in locked()}


def test_only_live_loads_plotting_and_widgets():
    files = (ROOT / "normlib").rglob("*.py")
    names = (file.relative_to(ROOT).with_suffix("").parts for file in files)
    modules = [
        ".".join(parts) for parts in names if not {"live", "lessons"} & set(parts)
    ]
    assert "normlib.norms" in modules
    code = (
        "import importlib, sys\n"
        f"for name in {modules}:\n"
        "    importlib.import_module(name.removesuffix('.__init__'))\n"
        "print([m for m in ('matplotlib', 'ipywidgets', 'IPython', 'PIL')"
        " if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_no_doctest_is_skipped():
    files = sorted((ROOT / "normlib").rglob("*.py"))
    assert [str(f) for f in files if "doctest: +SKIP" in f.read_text("utf-8")] == []


BUILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
import setup
from pathlib import Path

def build(folder):
    with open(folder / "built", "a") as file:
        file.write("begins ")
    time.sleep(0.5)
    with open(folder / "built", "a") as file:
        file.write("ends ")

setup.set_up(Path(sys.argv[2]), [Path(sys.argv[3])], build)
"""


def test_two_makes_at_once_build_the_environment_once(tmp_path):
    source = tmp_path / "source"
    source.touch()
    command = [sys.executable, "-c", BUILD, str(ROOT / "tools")]
    command += [str(tmp_path / "venv"), str(source)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert (tmp_path / "venv" / "built").read_text() == "begins ends "
    assert any(b"waiting for another make" in output for output in outputs)

    later = (tmp_path / "venv" / "ready").stat().st_mtime + 10
    os.utime(source, (later, later))
    subprocess.run(command, check=True, timeout=60)
    assert (tmp_path / "venv" / "built").read_text() == "begins ends begins ends "
