"""What every notebook keeps to, so that it reads, diffs, shows and compares well.

That its numbers are true is for ``pytest --nbval`` to say, and whether its figures
live, for tests/test_browser.py.
"""

import base64
import html
import io
import json
import re
import sys
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter, PythonExporter
from PIL import Image

from normlib.lessons import lessons

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import gallery  # noqa: E402

import notebooks as tool  # noqa: E402

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SLIDE_TYPES = {"slide", "subslide", "fragment", "notes", "skip", "-"}
# With these nbval would not run, or not compare, what a reader sees.
NBVAL_ESCAPES = re.compile(r"nbval[-_](skip|ignore|raises)|raises-exception", re.I)
# A path of the author's machine.
PLACES = re.compile(r"(?<![\w.])/(home|Users|root|tmp|work|usr|opt)/|\b[A-Z]:\\")

each = pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def texts_of(cell):
    """Return the source and every text that the cell's outputs show."""
    texts = [cell.source]
    for output in cell.get("outputs", []):
        texts.append(output.get("text", ""))
        data = output.get("data", {})
        texts += [str(data[kind]) for kind in data if kind.startswith("text/")]
    return texts


@each
def test_notebook_is_valid_and_every_cell_has_an_id(path):
    notebook = json.loads(path.read_text("utf-8"))
    nbformat.validate(notebook)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)


@each
def test_every_cell_says_what_it_is_on_a_slide(path):
    for cell in read(path).cells:
        slide_type = cell.metadata.get("slideshow", {}).get("slide_type")
        assert slide_type in SLIDE_TYPES, cell.source


@each
def test_notebook_is_saved_as_executed_from_the_top(path):
    cells = code_cells(read(path))
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1))


@each
def test_no_error_no_warning_no_address_in_memory(path):
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source
        assert not any(" at 0x" in text for text in texts_of(cell)), cell.source


@each
def test_no_cell_escapes_comparison(path):
    for cell in code_cells(read(path)):
        assert not NBVAL_ESCAPES.search(cell.source + " ".join(tags(cell)))
        # nbval shows what a semicolon hides in JupyterLab.
        assert not cell.source.rstrip().endswith(";"), cell.source


@each
def test_notebook_is_tidy(path):
    notebook = read(path)
    before = nbformat.writes(notebook)
    tool.tidy(notebook)
    assert nbformat.writes(notebook) == before, "run: make notebooks"


@each
def test_file_is_small(path):
    assert path.stat().st_size < 300_000


@each
def test_code_cells_are_short(path):
    for cell in code_cells(read(path)):
        assert len(cell.source.splitlines()) <= 20, cell.source


@pytest.mark.parametrize(
    "path", [p for p in PATHS if p.name[:2] not in ("00", "13")], ids=lambda p: p.stem
)
def test_notebook_has_the_size_of_one_sitting(path):
    notebook = read(path)
    text = " ".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert 15 <= len(notebook.cells) <= 55
    assert 600 <= len(text.split()) <= 1500


@each
def test_solutions_are_hidden(path):
    for cell in read(path).cells:
        if "solution" in tags(cell):
            assert cell.metadata.get("jupyter", {}).get("source_hidden"), cell.source


@each
def test_no_path_of_a_machine(path):
    for cell in read(path).cells:
        for text in texts_of(cell):
            assert not PLACES.search(text), text


# Notebooks that are no lesson yet: their sources tell the answers. To be empty soon.
NO_LESSON_YET = {"03", "04", "05", "07", "09"}


@cache
def exporters():
    # One for all: each compiles its templates anew.
    return HTMLExporter(template_name="lab"), PythonExporter()


def views_of(notebook):
    """Return what one can read of a saved notebook: file, exported page and script.

    JupyterLab, Notebook 7, VS Code and GitHub show no more than the file holds, the
    notebook's metadata and folded cells included.
    """
    page, script = (e.from_notebook_node(notebook)[0] for e in exporters())
    cells = "\n".join("\n".join(texts_of(cell)) for cell in notebook.cells)
    views = {"file": cells, "page": page, "page's text": re.sub(r"<[^>]+>", "", page)}
    return views | {"script": script}


def plain(text):
    """Return words alone, so that markup and line breaks hide nothing."""
    return " ".join(re.findall(r"[\w.+-]+", html.unescape(text)))


def given_away(notebook, secrets):
    """Return (view, secret) for all that a view of the notebook gives away."""
    found = []
    for name, view in views_of(notebook).items():
        found += [(name, word) for word in ("answer=", "because=") if word in view]
        words = plain(view)
        found += [(name, s) for s in secrets if plain(s) and plain(s) in words]
    return found


@each
def test_no_view_gives_an_answer_away(path):
    lesson = lessons().get(path.name[:2])
    if lesson is None:
        assert path.name[:2] in NO_LESSON_YET
    else:
        assert given_away(read(path), lesson.secrets()) == []


def test_an_answer_in_source_or_output_is_found():
    secrets = ["Its mean & spread are those of *its* column."]
    told = nbformat.v4.new_code_cell('ask("?", answer=2)')
    shown = nbformat.v4.new_code_cell("ask()", execution_count=1)
    words = "<p>Its mean &amp; spread are\nthose of <em>its</em> column.</p>"
    output = nbformat.v4.new_output("display_data", {"text/html": words})
    shown.outputs = [output]
    for cell, what in ((told, "answer="), (shown, secrets[0])):
        found = given_away(nbformat.v4.new_notebook(cells=[cell]), secrets)
        assert {secret for _, secret in found} == {what}
        assert "page" in dict(found) or "page's text" in dict(found)
    assert given_away(nbformat.v4.new_notebook(), secrets) == []


def test_tidy_renumbers_and_drops_what_changes_from_run_to_run():
    view = {tool.WIDGET_VIEW: {"model_id": "1"}}
    widget = view | {"image/png": "", "text/plain": "a"}
    output = nbformat.v4.new_output("execute_result", widget, execution_count=7)
    outputs = [
        nbformat.v4.new_output("stream", text="printed"),
        output,
        nbformat.v4.new_output("display_data", view),
    ]
    ran = nbformat.v4.new_code_cell("1 ", execution_count=7, outputs=outputs)
    ran.metadata["execution"] = {"iopub.status.busy": "a time"}
    notebook = nbformat.v4.new_notebook(
        cells=[ran, nbformat.v4.new_markdown_cell(" ")],
        metadata={
            "widgets": {},
            "language_info": {"name": "python", "version": "3.11.7"},
        },
    )
    name = ran.id
    tool.tidy(notebook)

    (cell,) = notebook.cells
    assert (cell.id, cell.source, cell.execution_count) == (name, "1", 1)
    printed, output = cell.outputs  # nothing is left of the view alone
    assert printed.text == "printed"
    assert output.execution_count == 1
    assert set(output.data) == {"image/png", "text/plain"}
    assert cell.metadata == {}
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert "version" not in notebook.metadata["language_info"]


def test_the_maps_say_what_the_notebooks_say_of_themselves():
    for old, new in tool.maps():
        assert old == new, "run: make notebooks"


def new_notebook(tmp_path, text, *cells):
    path = tmp_path / "77_new.ipynb"
    cells = [nbformat.v4.new_markdown_cell(text), *cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_map_is_written_from_the_first_cells(tmp_path):
    path = new_notebook(tmp_path, "# Why?\n\n*12 minutes. You need: time.*")
    new = tool.map_of([path])
    assert "| 77 | Why? | 12 |" in new
    text = f"before\n{tool.MAP_STARTS}\nold\n{tool.MAP_ENDS}\nafter\n"
    assert tool.with_map(text, new) == f"before\n{new}\nafter\n"
    path = new_notebook(tmp_path, "# Why?")
    with pytest.raises(SystemExit, match="77_new.ipynb must open with"):
        tool.map_of([path])


def shows(markup, tags=()):
    """Return a cell with an output of HTML."""
    output = nbformat.v4.new_output("display_data", {"text/html": markup})
    cell = nbformat.v4.new_code_cell("show()", outputs=[output], execution_count=1)
    cell.metadata["tags"] = list(tags)
    return cell


def figure_of(color, alt):
    buffer = io.BytesIO()
    Image.new("RGB", (90, 40), color).save(buffer, "png")
    data = base64.b64encode(buffer.getvalue()).decode()
    picture = f'<img alt="{alt}" src="data:image/png;base64,{data}">'
    return f"<figure><div>{picture}</div></figure>"


FIRST = "# Why?\n\n**Short answer.** One.\nTwo.\n\n*12 minutes. You need: time.*"


def test_the_gallery_shows_the_first_figure_or_the_one_that_is_tagged(tmp_path):
    red, blue = shows(figure_of("red", "r &lt; 1")), shows(figure_of("blue", "b"))
    entry = gallery.entry(new_notebook(tmp_path, FIRST, red, blue))
    assert (entry.title, entry.minutes, entry.answer) == ("Why?", 12, "One. Two.")
    assert entry.alt == "r < 1" and entry.picture.getpixel((1, 1)) == (255, 0, 0)
    blue.metadata["tags"] = ["gallery"]
    entry = gallery.entry(new_notebook(tmp_path, FIRST, red, blue))
    assert entry.alt == "b" and entry.picture.getpixel((1, 1)) == (0, 0, 255)

    (tmp_path / "76.png").touch()  # of a notebook that is gone
    assert gallery.write([entry], tmp_path) == [tmp_path / "77.png"]
    assert not (tmp_path / "76.png").exists()
    assert Image.open(tmp_path / "77.png").width == gallery.WIDTH
    row = gallery.table([entry])
    assert "**[77 Why?](notebooks/77_new.ipynb)** 12 min\n\nOne. Two." in row
    assert 'src="images/gallery/77.png"' in row and 'alt="b"' in row


def test_a_notebook_of_claims_shows_its_first_one(tmp_path):
    cell = shows("<ul><li>Norms &amp; <code>eps</code>.</li><li>No.</li></ul>")
    entry = gallery.entry(new_notebook(tmp_path, FIRST, cell))
    assert entry.alt == "A claim: Norms & eps. True or false?"
    assert np.asarray(entry.picture).std() > 5  # something is written there


def test_the_pictures_of_the_gallery_are_those_of_the_notebooks():
    entries = tool.entries()
    assert [one.name for one in entries] == [path.name for path in PATHS]
    assert all(one.picture is not None and one.answer for one in entries)
    kept = {path.name for path in tool.PICTURES.iterdir()}
    assert kept == {f"{one.number}.png" for one in entries}
    for one in entries:
        new, old = (
            np.asarray(p.convert("L"), int)
            for p in (
                gallery.small(one.picture),
                Image.open(tool.PICTURES / f"{one.number}.png"),
            )
        )
        assert new.shape == old.shape, "run: make notebooks"
        assert (np.abs(new - old) > 40).mean() < 2e-3, "run: make notebooks"
