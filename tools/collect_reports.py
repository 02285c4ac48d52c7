"""Collect the reports at the end of saved notebooks into a table, as CSV.

Usage::

    python tools/collect_reports.py FOLDER > reports.csv           # a row a notebook
    python tools/collect_reports.py --each FOLDER > answers.csv    # a row an answer

FOLDER holds what was handed in, such as a folder a student. A notebook that cannot be
read, or has no report, has a row that says so. The report is what the notebook says
of itself: whoever can edit the file can edit the report.
"""

import argparse
import csv
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

KINDS = ("predictions", "exercises", "true or false")
COUNTS = re.compile(r"(.+): (\d+) right, (\d+) of (\d+) answered")
TITLE = "Report of notebook "
PLACE = ("student", "file", "notebook")


class Rows(HTMLParser):
    """The cells of each row of a report's table."""

    def __init__(self, text):
        super().__init__()
        self.rows, self._in_cell = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data):
        if self._in_cell:
            self.rows[-1][-1] += data


def report_of(path):
    """Return the last report in a saved notebook, as (text, HTML), or None."""
    found = None
    for cell in json.loads(path.read_text(encoding="utf-8-sig"))["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            # Lines may be kept as a list.
            text, page = (
                "".join(data.get(kind, "")) for kind in ("text/plain", "text/html")
            )
            if text.startswith(TITLE):
                found = text, page
    return found


def summary(text):
    """Return the number of the notebook and its counts, from a report's text."""
    title, *lines = text.splitlines()
    counts = {}
    for line in lines:
        found = COUNTS.fullmatch(line)
        if found:
            kind, *numbers = found.groups()
            for name, number in zip(("right", "answered", "of"), numbers, strict=True):
                counts[f"{kind}: {name}"] = int(number)
    return title.removeprefix(TITLE), counts


def answers(page):
    """Return (kind, question, answer, mark) for each row of a report's table."""
    kind, found = "", []
    for row in Rows(page).rows:
        if len(row) == 1:
            kind = row[0].split(":")[0]
        elif len(row) == 3:
            found.append((kind, *row))
    return found


def collect(folder, each=False):
    """Return the rows of the table, the names of its columns first."""
    names = [
        f"{kind}: {what}" for kind in KINDS for what in ("right", "answered", "of")
    ]
    columns = ("kind", "question", "answer", "mark") if each else names
    rows = [(*PLACE, *columns, "note")]
    for path in sorted(folder.rglob("*")):
        where = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in where.parts)
        if hidden or path.suffix.lower() != ".ipynb" or path.is_dir():
            continue
        place = where.parts[0] if len(where.parts) > 1 else "", where.as_posix()
        number, note, found = "", "", []
        try:
            report = report_of(path)
            if report is None:
                note = "no report"
            else:
                number, counts = summary(report[0])
                counted = [[counts.get(name, "") for name in names]]
                found = answers(report[1]) if each else counted
                note = "" if found and counts else "a report without answers"
        except Exception as error:  # one file, whatever it is, stops no other
            note = f"cannot be read: {type(error).__name__}"
        found = found or [[""] * len(columns)]
        rows += [(*place, number, *row, note) for row in found]
    return rows


def harmless(value):
    """Return a cell that no spreadsheet takes for a formula."""
    text = str(value).encode("utf-8", "replace").decode()  # also a broken file name
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", action="store_true", help="a row for each answer")
    options = parser.parse_args(argv)
    if not options.folder.is_dir():
        sys.exit(f"no folder {options.folder}; name the one that holds the notebooks")
    # Spreadsheets take UTF-8 for granted only with a mark at the start.
    sys.stdout.reconfigure(encoding="utf-8-sig", newline="")
    writer = csv.writer(sys.stdout)
    for row in collect(options.folder, options.each):
        writer.writerow([harmless(value) for value in row])


if __name__ == "__main__":
    main()
