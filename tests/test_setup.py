"""The files that build the environment say the same, and the library stays light."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
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
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return by_name(line for line in lines if not line.startswith("python="))


def locked():
    """Return (name, version, number of hashes) of every package in the lock."""
    entries = re.split(r"\n(?=\S)", LOCK)
    for entry in entries:
        if not entry.startswith("#"):
            name, version = re.match(r"(\S+?)==(\S+)", entry).groups()
            yield canonicalize_name(name), version, entry.count("--hash=sha256:")


def test_conda_and_pip_install_the_same():
    conda = conda_requirements()
    conda.pop("pip")
    conda.pop("flit-core")  # what builds the package, not what it needs
    assert conda == by_name(PROJECT["dependencies"])


def test_binder_finds_a_version_of_python_that_will_do():
    """A range such as python>=3.11 is not read: repo2docker then takes Python 3.10."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    found = [re.match(r"python\s*=+\s*([\d\.]*)", line) for line in lines]
    (version,) = [match.group(1) for match in found if match]
    assert re.fullmatch(r"3\.\d+", version)
    assert f"{version}.0" in SpecifierSet(PROJECT["requires-python"])


def test_post_build_is_a_script_that_installs_the_package():
    script = ROOT / "postBuild"
    assert script.read_text().startswith("#!/bin/bash\n")
    if os.name != "nt":  # where a file has no such mark
        assert os.access(script, os.X_OK)
    assert "pip install --no-deps --no-build-isolation -e ." in script.read_text()
    assert "flit-core" in conda_requirements()  # without isolation it must be there


def test_the_dev_container_runs_commands_that_exist():
    made = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    make, target = made["postCreateCommand"].split()
    assert make == "make" and target in targets
    python = re.search(r"/python:(\d+\.\d+)-", made["image"]).group(1)
    assert f"{python}.0" in SpecifierSet(PROJECT["requires-python"])
    ports = {int(port) for port in made["portsAttributes"]}
    assert ports == set(made["forwardPorts"])
    slides = (ROOT / "lecture" / "present.py").read_text("utf-8")
    assert all(str(port) in slides for port in ports - {8888})  # that of JupyterLab


def test_lock_pins_every_package_with_hashes():
    entries = list(locked())
    assert len(entries) > 50
    assert [name for name, _, hashes in entries if not hashes] == []
    assert "flit-core" in {name for name, _, _ in entries}


def test_lock_names_no_index():
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted"):
        assert word not in LOCK


def test_lock_holds_a_fitting_version_of_every_dependency():
    extra = PROJECT["optional-dependencies"]
    needed = by_name([*PROJECT["dependencies"], *extra["test"], *extra["site"]])
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
