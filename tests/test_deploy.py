"""What stands in deploy/ says the same in each place, as far as it can be read here.

The hub itself needs its own environment: `deploy/hub/run` starts it, and
`deploy/hub/measure.py` drives it.
"""

import ast
import os
import re
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
VALUES = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
NOTE = (DEPLOY / "README.md").read_text("utf-8")
HUB = (DEPLOY / "hub" / "jupyterhub_config.py").read_text()


class Config:
    """Takes any setting, as Jupyter's own object does."""

    def __init__(self):
        self.__dict__["kept"] = {}

    def __getattr__(self, name):
        return self.kept.setdefault(name, Config())

    def __setattr__(self, name, value):
        self.kept[name] = value


def plain(config):
    return {
        name: plain(value) if isinstance(value, Config) else value
        for name, value in config.kept.items()
    }


def student_settings():
    config = Config()
    path = DEPLOY / "hub" / "student_config.py"
    exec(compile(path.read_text(), path, "exec"), {"get_config": lambda: config})
    return plain(config)


def constant(name):
    """Return what the hub's configuration sets a name to, by reading it."""
    for node in ast.parse(HUB).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def test_both_hubs_give_a_student_the_same_server():
    (file,) = VALUES["singleuser"]["extraFiles"].values()
    assert file["data"] == student_settings()


def test_both_hubs_set_the_same_variables_and_limits():
    environment = re.search(r"c\.Spawner\.environment = (\{.*?\n\})", HUB, re.S)
    there = dict(VALUES["singleuser"]["extraEnv"])
    folder = there.pop("PYTHONPATH")
    assert there == ast.literal_eval(environment[1])
    # The connection that both name is found where both look.
    name = student_settings()["ServerApp"]["kernel_websocket_connection_class"]
    assert (DEPLOY / name.split(".")[0]).with_suffix(".py").is_file()
    assert 'c.Spawner.environment["PYTHONPATH"] = str(HERE.parent)' in HUB
    text = (DEPLOY / "kubernetes" / "values.yaml").read_text()
    (image,) = re.findall(r"--target-repo-dir (\S+)", text)
    assert folder == f"{image}/deploy"
    assert VALUES["cull"]["timeout"] == constant("IDLE_SECONDS")
    assert VALUES["singleuser"]["memory"]["guarantee"] == f"{constant('STUDENT_MB')}M"
    assert VALUES["singleuser"]["defaultUrl"] in HUB
    assert constant("STUDENT_MB") < constant("LIMIT_MB") == 1000
    assert VALUES["singleuser"]["memory"]["limit"] == "1G"


def test_the_page_that_opens_first_is_there():
    opened = VALUES["singleuser"]["defaultUrl"].removeprefix("/lab/tree/")
    assert (ROOT / opened).is_file()


def test_the_note_names_files_that_are_there():
    for name in re.findall(r"`([\w./-]+\.(?:py|yaml|yml|ipynb|csv|txt))`", NOTE):
        if not name.endswith(".csv"):
            places = ROOT / name, DEPLOY / name, DEPLOY / "hub" / name
            assert any(place.is_file() for place in places), name
    for name in re.findall(r"notebooks/[\w.]+\.ipynb", NOTE):
        assert (ROOT / name).is_file(), name


def test_what_the_hub_installs_is_pinned():
    lines = (DEPLOY / "hub" / "requirements.txt").read_text().splitlines()
    for line in filter(lambda line: not line.startswith("#"), lines):
        (specifier,) = Requirement(line).specifier
        assert specifier.operator == "=="
    assert re.search(r"configurable-http-proxy@\d+\.\d+\.\d+$", run(), re.M)


def run():
    return (DEPLOY / "hub" / "run").read_text()


def test_the_hub_starts_with_one_command():
    if os.name != "nt":  # where a file has no such mark
        assert os.access(DEPLOY / "hub" / "run", os.X_OK)
    assert run().startswith("#!/usr/bin/env bash\n")


def test_the_hub_listens_to_this_machine_alone_unless_told():
    assert "os.environ.get('HUB_IP', '127.0.0.1')" in HUB
