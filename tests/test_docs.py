"""What README and its neighbours name is there, and the tools do what they say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import notebooks as collection  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTE = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
WRITTEN = ("_site", ".venv", "./norms", "artefacts", ".lite-venv")  # by commands
PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("deploy/*.md")])
each = pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)


@each
def test_every_command_is_one(paper):
    text = paper.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.M))
    assert named <= TARGETS
    modules = re.findall(r"python3? -m (normlib[\w.]*|benchmarks)", text)
    assert all((ROOT / name.replace(".", "/")).is_dir() for name in modules)


@each
def test_every_file_that_is_named_is_there(paper):
    text = paper.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    links += re.findall(r'(?:href|src)="([^"#:]+)"', text)
    missing = [link for link in links if not (paper.parent / link).exists()]
    quoted = re.findall(r"`([\w./-]+)`", text)
    paths = [p for p in quoted if "/" in p or re.search(r"\.(py|md|yml|cff|lock)$", p)]
    for path in paths:
        folders = ROOT, paper.parent, ROOT / "deploy" / "hub"
        known = path.startswith(WRITTEN) or "/.venv" in path or "/state" in path
        if not known and not any((folder / path).exists() for folder in folders):
            missing.append(path)
    assert not missing


def test_the_tree_in_the_readme_is_that_of_the_repository():
    tree = README.split("## How it is built")[1].split("```")[1]
    named = set(re.findall(r"(\w+)/", tree))
    for folder in (ROOT, ROOT / "normlib"):
        for path in folder.iterdir():
            if path.is_dir() and (not path.name.startswith((".", "_"))):
                listed = subprocess.run(
                    ["git", "ls-files", path], cwd=ROOT, capture_output=True, text=True
                )
                assert not listed.stdout or path.name in named, path


def test_the_plan_for_a_class_adds_up():
    class_of = int(re.search(r"A class of (\d+)", NOTE)[1])
    each_mb, all_gb = map(int, re.search(r"(\d+) MB each, (\d+) GB", NOTE).groups())
    assert each_mb * class_of == all_gb * 1000
    together = re.findall(r"\| (\d+) \((\d+)\) MB \| \d+ s", NOTE)
    assert len(together) == 3 and all(int(most) <= each_mb for _, most in together)
    cost = int(re.search(r"A picture costs (\d+) ms", NOTE)[1]) / 1000
    share = 10 * cost  # ten values a second
    assert share == pytest.approx(1 / 6, abs=0.01)  # "a sixth of one"
    for part, cores in ((0.1, 5), (0.2, 10), (1, 48)):
        assert round(class_of * part * share) == pytest.approx(cores, abs=0.5)
    start = [int(s) for s in re.findall(r"\| (\d+) s of a core", NOTE)]
    assert f"{class_of * min(start)} to {class_of * max(start)} s of a core" in NOTE
    students = yaml.safe_load((ROOT / "deploy/kubernetes/values.yaml").read_text())
    (file,) = students["singleuser"]["extraFiles"].values()
    idle = file["data"]["MappingKernelManager"]["cull_idle_timeout"]
    assert f"Kernels end after {idle // 60} idle minutes" in NOTE
    assert f"servers after {students['cull']['timeout'] // 60}" in NOTE


def site(code, *arguments):
    """Run code beside site/build.py, in a Python of its own."""
    lines = f"import sys; sys.path.insert(0, {str(ROOT / 'site')!r}); import build\n"
    command = [sys.executable, "-c", lines + code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_site_replaces_a_site_and_nothing_else(tmp_path):
    copy = tmp_path / "repository" / "site"
    shutil.copytree(ROOT / "site", copy)
    file, full, old = tmp_path / "file", tmp_path / "full", tmp_path / "old"
    file.write_text("mine")
    full.mkdir()
    (full / "mine").write_text("mine")
    (tmp_path / "empty").mkdir()
    shutil.copytree(copy / "assets", old / "assets")
    code = """
from pathlib import Path
build.HERE = Path(sys.argv[1])
for out in map(Path, sys.argv[1:]):
    try:
        build.clear(out)
        print("cleared", out.name)
    except SystemExit as told:
        print("kept", out.name, "name another" in str(told))
"""
    run = site(code, copy, copy.parent, file, full, tmp_path / "empty", old)
    assert run.stdout.split("\n")[:-1] == [
        "kept site True",
        "kept repository True",
        "kept file True",
        "kept full True",
        "cleared empty",
        "cleared old",
    ], run.stderr
    assert (copy / "build.py").exists() and file.exists() and (full / "mine").exists()
    assert not old.exists()


def test_what_an_editor_leaves_beside_a_notebook_is_no_notebook(tmp_path, monkeypatch):
    path = next((ROOT / "notebooks").glob("00_*.ipynb"))
    shutil.copy(path, tmp_path)
    (tmp_path / f"{path.name}~").write_text("old")
    (tmp_path / "00_notes.txt").write_text("notes")
    monkeypatch.setattr(collection, "NOTEBOOKS", tmp_path)
    assert [entry.name for entry in collection.entries()] == [path.name]
