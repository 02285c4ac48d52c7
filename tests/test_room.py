"""The room reads the pages of the site: where, and nothing else."""

import re
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lecture"))

import present  # noqa: E402
import room  # noqa: E402

NOTEBOOK = "notebooks/02_which_numbers_share_a_mean.ipynb"
PAGE = "02_which_numbers_share_a_mean.html"


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("http://a.test/norms", f"http://a.test/norms/{PAGE}"),
        ("http://a.test/norms/", f"http://a.test/norms/{PAGE}"),
        ("10.0.0.2:8090", f"http://10.0.0.2:8090/{PAGE}"),
        ("http://a.test/other.html", "http://a.test/other.html"),
        ("a.test/other.html", "http://a.test/other.html"),
        ("https://a.test/other.html#two", "https://a.test/other.html#two"),
        (" https://a.test ", f"https://a.test/{PAGE}"),
    ],
)
def test_the_page_of_a_notebook(address, page):
    assert room.page_of(address, NOTEBOOK) == page


def test_a_folder_of_notebooks_leads_to_the_front_of_the_site():
    assert room.page_of("a.test/norms", ROOT / "notebooks") == "http://a.test/norms/"


@pytest.mark.parametrize("port", ["99999", "-1", "x", ""])
@pytest.mark.parametrize("tool", [present, room])
def test_a_port_that_is_none_is_told(tool, port, capsys):
    with pytest.raises(SystemExit):
        tool.main(["02", f"--port={port}"])
    assert "a port is a number to 65535" in capsys.readouterr().err


def test_an_address_of_another_machine_is_told():
    with pytest.raises(SystemExit, match="no address of this computer"):
        present.free_port(8866, "192.0.2.5")


def dark(drawn):
    """Return the modules of a QR code drawn in half blocks of a terminal."""
    upper = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
    rows = []
    for line in re.sub(r"\x1b\[[\d;]*m", "", drawn).splitlines():
        pairs = [upper[sign] for sign in line]
        rows += [[1 - pair[k] for pair in pairs] for k in (0, 1)]
    return rows


@pytest.mark.parametrize("colours", [False, True])
def test_the_terminal_shows_the_code_of_the_address(colours, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: colours)
    segno = pytest.importorskip("segno")  # in the lock, so never skipped in CI
    page = f"http://a.test/{PAGE}"
    first, _, drawn = room.announcement(page).partition("\n\n")
    assert first == f"For the room: {page}"
    assert ("\x1b[97;40m" in drawn) == colours
    matrix = [list(row) for row in segno.make(page, micro=False).matrix_iter(border=2)]
    assert dark(drawn)[: len(matrix)] == matrix


def test_without_the_package_the_address_is_told_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    told = room.announcement("http://a.test/x.html")
    assert "http://a.test/x.html" in told and "pip install segno" in told


def test_the_server_gives_the_pages_and_no_other_file(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / PAGE).write_text("the page")
    (tmp_path / "secret.txt").write_text("no page")
    with room.server(tmp_path / "site", "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        try:
            with urllib.request.urlopen(f"{base}/{PAGE}") as answer:
                assert answer.read() == b"the page"
            for path in ("/../secret.txt", "/%2e%2e/secret.txt"):
                with pytest.raises(urllib.error.HTTPError):
                    urllib.request.urlopen(base + path)
        finally:
            server.shutdown()
            thread.join()


def test_a_site_that_is_not_built_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "SITE", tmp_path)
    with pytest.raises(SystemExit, match="make site"):
        room.main(["02"])
