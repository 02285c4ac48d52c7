"""Every number and comparing word that a reader meets is quoted by a claim."""

import importlib
from pathlib import Path

import nbformat
import pytest
from claims import CLAIMS, claim, no_claim, seeds
from prose import asking, places, uncovered

HERE = Path(__file__).resolve().parent
PATHS = sorted((HERE.parents[1] / "notebooks").glob("*.ipynb"))

# Notebooks whose text has claims to be written still. Take yours out once it is
# covered: a notebook that is covered and still here fails.
NOT_YET = set()

each = pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)


@pytest.fixture(scope="module", autouse=True)
def claims():
    """Import every module of claims, so that all have registered."""
    for path in sorted(HERE.glob("test_*.py")):
        importlib.import_module(path.stem)
    return CLAIMS


def texts_of(path, of_lesson="texts"):
    """Return what the reader of a notebook meets, as (where, text).

    Of its lesson either all "texts", or only the "statements" that need a claim.
    """
    cells = nbformat.read(path, as_version=4).cells
    texts = [
        (f"cell {number}", cell.source)
        for number, cell in enumerate(cells)
        if cell.cell_type == "markdown"
    ]
    try:
        module = importlib.import_module(f"normlib.lessons.{path.stem[3:]}")
    except ModuleNotFoundError:
        return texts
    lesson = getattr(module, "lesson", None)
    if lesson is not None:
        texts += [("lesson", text) for text in getattr(lesson, of_lesson)()]
    return texts


def missing(path):
    """Return a line for each number or word of a notebook that no claim covers."""
    number = path.stem[:2]
    quotes = [c.quote for c in CLAIMS if c.notebook == number]
    return [
        f"{where}: {what!r} in: {sentence}"
        for where, text in texts_of(path, "statements")
        for what, sentence in uncovered(text, quotes)
    ]


@each
def test_no_number_and_no_comparison_without_a_claim(path):
    lines = missing(path)
    if path.stem[:2] in NOT_YET:
        assert lines, f"{path.stem} is covered: take it out of NOT_YET"
    else:
        assert not lines, f"{len(lines)} without a claim:\n" + "\n".join(lines)


def test_every_quote_stands_in_its_notebook(claims):
    texts = {path.stem[:2]: texts_of(path) for path in PATHS}
    for notebook, quote, held_by in claims:
        assert notebook in texts, f"{held_by}: no notebook {notebook!r}"
        found = any(places(quote, text) for _, text in texts[notebook])
        assert found, f"{held_by}: not in notebook {notebook}: {quote!r}"


def test_every_quote_says_something(claims):
    """A bare number would cover that number wherever it stands."""
    for _, quote, held_by in claims:
        assert len(quote.split()) >= 3, f"{held_by}: quote a sentence, not {quote!r}"


def test_not_yet_names_notebooks():
    assert {path.stem[:2] for path in PATHS} >= NOT_YET


# ---- the tests above can fail -------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The mean falls from 0.45 to 0.15.", ["0.45", "0.15"]),
        ("It ends at -1, at 95 % or at 95%.", ["-1", "95 %", "95%"]),
        ("At 1,024 rows and eps 1e-5.", ["1,024", "1e-5"]),
        ("Batch norm is always faster.", ["always", "faster"]),
        ("In all six seeds it wins.", ["In all", "six"]),
        ("No seed and none of the runs.", ["No seed", "none"]),
        ("Five of its six numbers are equal.", ["Five", "six"]),
        ("The loss is $L \\approx 3$ here.", ["3"]),
        ("The loss is $0.37$ here.", ["0.37"]),
        ("The output is `0.37`.", ["0.37"]),
        ("About 2000 images in 1975 steps.", ["2000", "1975"]),
        ("| batch | 0.3 |", ["0.3"]),
        ("## Ten times 30", ["Ten", "30"]),
        ("1. It is 3 times as long.", ["3"]),
        ("A mean 0.5 with `eps` = 0.1, a deeper look.", ["0.5", "0.1", "deeper"]),
    ],
)
def test_what_asks_for_a_claim_is_found(text, found):
    assert [text[a:b] for a, b in asking(text)] == found
    assert [what for what, _ in uncovered(text, [])] == found


@pytest.mark.parametrize(
    "text",
    [
        "Ioffe & Szegedy 2015, section 3.1 and algorithm 1, arXiv 1502.03167.",
        "See Wu & He (2018), figures 2 and 3, equation (B.2), p. 229.",
        "**References.**\n\n- Samuelson 1968, pp. 1522-1525, volume 63",
        "## References\n12 of them",
        "*25 minutes. You need: 01 and notebooks 10 and 11.*",
        "In a hurry: 02, 03 and 06. **Next:** 10, the rest.",
        "As (Samuelson 1968) and Page 2019, Page (2019) and Ba et al. 2016 say.",
        "Look at `x[0, 4]`, at `(N, 3)`, at `(2, 3)`, at `momentum=0.1`.",
        "`var` with 1/N, `running_var` with 1/(N-1).",
        "```python\nx = 3\n```",
        "$$\\frac{1}{2} + x^2$$ and $a_1 = 3$",
        "The 8x8 digits in 2-D, under l1, W2 and l2.",
        "1. first\n2. next",
        "<!-- map -->\n| 01 | Why? | 25 |\n<!-- end of map -->",
        "[the map](00_start_here.ipynb#step3)",
        "The mean of all samples, for one or two, and no norm.",
        "## Going deeper: along (1, -1, 0.5), with mean 0 and `eps` = 0.",
    ],
)
def test_what_the_rules_leave_out_is_left_out(text):
    assert [text[a:b] for a, b in asking(text)] == []


def test_a_quote_covers_its_own_words_and_no_others():
    text = "It falls from 0.45\nto 0.15. Later it is 0.45."
    assert uncovered(text, ["It falls from 0.45 to 0.15."]) == [
        ("Later", "Later it is 0.45."),
        ("0.45", "Later it is 0.45."),
    ]
    assert uncovered(text, [text]) == []


def test_an_uncovered_number_of_a_notebook_is_found(tmp_path):
    cell = nbformat.v4.new_markdown_cell("Batch norm wins by 12.5 %.")
    path = tmp_path / "99_new.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    assert missing(path) == ["cell 0: '12.5 %' in: Batch norm wins by 12.5 %."]


def test_claims_register_and_must_say_why_they_claim_nothing():
    before = list(CLAIMS)
    try:

        @claim("98", "three words here", "and three more")
        def holds():
            pass

        no_claim("98", "Which is larger?", "question")
        new = CLAIMS[len(before) :]
        assert [c.quote for c in new] == [
            "three words here",
            "and three more",
            "Which is larger?",
        ]
        assert new[0].held_by.endswith(".holds")
        with pytest.raises(ValueError, match="why must be one of"):
            no_claim("98", "three words here", "obvious")
        with pytest.raises(ValueError, match="no question"):
            no_claim("98", "three words here", "question")
    finally:
        CLAIMS[:] = before


def test_seeds_come_from_the_words_alone():
    assert seeds("Batch norm wins.", 3) == seeds("Batch  norm\nwins.", 3)
    assert seeds("Batch norm wins.", 3) == seeds("Batch norm wins.", 10)[:3]
    assert not set(seeds("Batch norm wins.")) & set(seeds("Batch norm loses."))
    assert sorted(seeds("all of few", n=5, stop=5)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no 6 different"):
        seeds("too few", n=6, stop=5)
