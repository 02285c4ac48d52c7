"""Reports that stay in saved notebooks come back as a table."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from normlib.lessons import lessons
from normlib.lessons.lesson import Kept

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import collect_reports as tool  # noqa: E402


@pytest.fixture
def handed_in(tmp_path):
    """Return a folder with notebook 02 as two students saved it, and two odd files."""
    lesson = lessons()["02"]
    key = ("prediction", next(iter(lesson.questions)))
    before = lesson.kept[key]
    lesson.kept[key] = Kept("Is a < b & c?", "=yes, <b>", True)
    bundle = lesson._bundle()
    lesson.kept[key] = before
    cells = nbformat.read(next((ROOT / "notebooks").glob("02_*")), as_version=4).cells
    answered = nbformat.v4.new_code_cell(
        "lesson.report()", outputs=[nbformat.v4.new_output("display_data", bundle)]
    )
    for name, made in (
        ("ada/02.ipynb", [answered]),
        ("bob/02.ipynb", cells),
        ("bob/.ipynb_checkpoints/02.ipynb", cells),
        ("eve/02.ipynb", []),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    (tmp_path / "eve" / "broken.ipynb").write_text('{"cells": [')
    (tmp_path / "eve" / "other.ipynb").write_text(json.dumps({"cells": [3]}))
    return tmp_path


def table(*arguments):
    command = [sys.executable, ROOT / "tools" / "collect_reports.py", *arguments]
    run = subprocess.run(command, capture_output=True, check=True)
    return list(csv.DictReader(io.StringIO(run.stdout.decode("utf-8-sig"))))


def test_a_row_for_each_notebook(handed_in):
    ada, bob, *eve = table(handed_in)
    total = str(len(lessons()["02"].questions))
    assert (ada["student"], ada["file"], ada["notebook"]) == (
        "ada",
        "ada/02.ipynb",
        "02",
    )
    assert ada["predictions: right"] == ada["predictions: answered"] == "1"
    assert ada["predictions: of"] == bob["predictions: of"] == total
    assert (bob["student"], bob["predictions: answered"], bob["note"]) == (
        "bob",
        "0",
        "",
    )
    notes = [row["note"] for row in eve]
    assert notes[0] == "no report"
    assert all(note.startswith("cannot be read: ") for note in notes[1:])
    assert len(notes) == 3


def test_a_row_for_each_answer(handed_in):
    rows = [row for row in table("--each", handed_in) if row["student"] == "ada"]
    lesson = lessons()["02"]
    assert len(rows) == len(lesson.kept)
    assert {row["kind"] for row in rows} <= set(tool.KINDS)
    first = rows[0]
    assert (first["question"], first["answer"], first["mark"]) == (
        "Is a < b & c?",
        "'=yes, <b>",  # no formula in a spreadsheet
        "right",
    )
    assert rows[1]["answer"] == "open" and rows[1]["mark"] == ""


def test_each_kind_of_a_report_has_its_columns():
    for lesson in lessons().values():
        _, counts = tool.summary(lesson._bundle()["text/plain"])
        assert counts
        assert {name.split(":")[0] for name in counts} <= set(tool.KINDS)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(SystemExit, match="no folder"):
        tool.main([str(tmp_path / "none")])


def saved(text, page, **others):
    """Return a notebook's file with one output."""
    data = {"text/plain": text, "text/html": page}
    return json.dumps({"cells": [{"outputs": [{"data": data}]}]} | others)


REPORT = "Report of notebook 02\npredictions: 1 right, 2 of 7 answered"
ROWS = "<tr><th>predictions: 1</th></tr><tr><td>q</td><td>a</td><td>right</td></tr>"


def test_no_file_stops_the_others(tmp_path):
    """Whatever is handed in, each notebook has its row."""
    files = {
        "deep.ipynb": b"[" * 200_000,
        "huge number.ipynb": saved(REPORT.replace("1", "9" * 5000), ROWS).encode(),
        "empty.ipynb": b"",
        "not text.ipynb": b"\xff\xfe\x00",
        "nothing.ipynb": saved("Report of notebook ", "").encode(),
        "of an editor.ipynb": b"\xef\xbb\xbf" + saved(REPORT, ROWS).encode(),
        "SHOUTED.IPYNB": saved(REPORT, ROWS).encode(),
        "half a letter.ipynb": saved("Report of notebook \ud800", ROWS).encode(),
        "\u00fc\u4e2d/\u00f1.ipynb": saved(REPORT, ROWS).encode(),
        "notes.txt": b"Report of notebook 02",
    }
    for name, content in files.items():
        path = tmp_path / "eve" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "eve" / "folder.ipynb").mkdir()
    for options in ([], ["--each"]):
        rows = table(*options, tmp_path)
        notes = {row["file"].removeprefix("eve/"): row["note"] for row in rows}
        assert set(notes) == set(files) - {"notes.txt"}
        complete = {name for name, note in notes.items() if not note}
        right = {"of an editor.ipynb", "SHOUTED.IPYNB", "\u00fc\u4e2d/\u00f1.ipynb"}
        assert complete == right
        assert notes["nothing.ipynb"] == "a report without answers"
        assert notes["deep.ipynb"] == "cannot be read: RecursionError"


@pytest.mark.parametrize("start", ["=", " =", "\t=", "\r=", "@", "+", "-"])
def test_a_formula_is_taken_as_words_also_after_a_space(start):
    assert tool.harmless(f"{start}1+1") == f"'{start}1+1"
    assert tool.harmless("a = 1") == "a = 1"
