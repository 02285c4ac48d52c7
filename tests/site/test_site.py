"""The web site that `make site` wrote, in a browser: `make test-site` runs this."""

import functools
import http.server
import re
import threading
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from browser import ARTEFACTS, FLAGS, ROOT, Watch, find_chromium

from normlib.lessons import lessons

SITE = ROOT / "_site"
PAGES = sorted(path.name for path in SITE.glob("[0-9][0-9]_*.html"))
assert PAGES, f"no pages in {SITE}: `make site` writes them, `make test-site` too"
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*"))
AXE = Path(find_spec("axe_playwright_python").origin).with_name("axe.min.js")
PHONE = {"width": 390, "height": 844}
MOST_BYTES = 30e6

each_page = pytest.mark.parametrize("name", ["index.html", *PAGES])
each_notebook = pytest.mark.parametrize("name", PAGES)


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Handler, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium or Chrome found: install one, or set CHROMIUM")
    from playwright.sync_api import sync_playwright

    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """Open pages of the site, each in a context of its own, and watch them."""
    watches = []

    def open_page(name, **options):
        context = chromium.new_context(**options)
        watches.append((context, Watch(context)))
        page = context.new_page()
        page.goto(f"{address}/{name}", wait_until="load")
        return page

    yield open_page
    for context, watch in watches:
        context.close()
        watch.assert_clean()


def load_all(page):
    """Load every picture, also those that wait to be scrolled to."""
    page.evaluate(
        """async () => {
          for (const image of document.images) {
            image.loading = "eager";
            await image.decode();
          }
        }"""
    )


def page_with(words):
    return next(n for n in PAGES if words in (SITE / n).read_text(encoding="utf-8"))


def page_of(lesson):
    (name,) = (name for name in PAGES if name.startswith(lesson.number))
    return name


def first(kind):
    """Return (page, key) of the first question or card of the collection."""
    for lesson in lessons().values():
        for key in getattr(lesson, kind):
            return page_of(lesson), key


# ---- what stands in the folder ---------------------------------------------------


def test_every_notebook_has_its_page_and_the_whole_is_small():
    assert [name.removesuffix(".html") for name in PAGES] == NOTEBOOKS
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    assert size < MOST_BYTES, f"{size / 1e6:.1f} MB"


def test_every_link_leads_to_something_in_the_folder():
    for path in SITE.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        for link in re.findall(r'(?:href|src|data-picture)="([^"]+)"', text):
            file, _, part = link.partition("#")
            target = SITE / file if file else path
            assert target.is_file(), f"{path.name}: {link}"
            if part:
                assert f'id="{part}"' in target.read_text(encoding="utf-8"), link


def test_every_figure_of_a_notebook_shows_all_there_is_to_notice():
    for name in PAGES:
        lesson = lessons()[name[:2]]
        text = (SITE / name).read_text(encoding="utf-8")
        shown = re.findall(r'<figure class="live" id="figure-(\w+)"', text)
        notices = sum(len(lesson.figures[key].notices) + 1 for key in set(shown))
        alone = sum(not lesson.figures[key].notices for key in set(shown))
        assert len(set(shown)) == len(shown)
        assert text.count("data-picture=") == notices - alone
        files = re.findall(r"pictures/(\w+_\d+\.webp)", text)
        assert len(set(files)) == notices
        for words in ("Not drawn", "Not changed", "Run All Cells: then"):
            assert words not in text


@each_notebook
def test_nothing_in_the_source_gives_an_answer_away(name):
    text = (SITE / name).read_text(encoding="utf-8")
    words = " ".join(re.sub(r"<[^>]*>", "", text).split())
    lesson = lessons()[name[:2]]
    reasons = [r for q in lesson.questions.values() for r in q.options.values()]
    for reason in [*reasons, *(card.why for card in lesson.cards.values())]:
        plain = re.sub(r"[`*]", "", reason)
        if len(plain) > 30:  # "No." may stand anywhere
            assert plain not in words


# ---- in the browser ------------------------------------------------------------------


@each_page
def test_a_phone_never_scrolls_a_page_sideways_and_every_picture_comes(visit, name):
    page = visit(name, viewport=PHONE, color_scheme="dark")
    load_all(page)
    for fold in page.locator("details").all():
        fold.evaluate("fold => fold.open = true")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"]
    page.screenshot(path=ARTEFACTS / f"site-phone-{Path(name).stem}.png")


@each_notebook
def test_a_phone_says_what_scrolls_and_breaks_no_name_in_a_table(visit, name):
    page = visit(name, viewport=PHONE)
    page.evaluate("document.fonts.ready")
    hints = page.evaluate(
        """() => [...document.querySelectorAll(".table, .formula")]
          .filter((one) => one.scrollWidth > one.clientWidth + 1)
          .map((one) => getComputedStyle(one, "::after").content)"""
    )
    assert set(hints) <= {'"Scrolls sideways."'}
    broken = page.evaluate(
        """() => [...document.querySelectorAll(".table td code")]
          .filter((name) => /^\\w+(\\.\\w+)?$/.test(name.textContent))
          .filter((name) => name.getClientRects().length > 1)
          .map((name) => name.textContent)"""
    )
    assert not broken


# Every page in one theme; the colours are the same on all.
@pytest.mark.parametrize(
    ("name", "scheme"),
    [*((name, "light") for name in ["index.html", *PAGES])]
    + [(name, "dark") for name in ["index.html", PAGES[len(PAGES) // 2], PAGES[-1]]],
)
def test_axe_finds_nothing(visit, name, scheme):
    page = visit(name, color_scheme=scheme, viewport=PHONE)
    for fold in page.locator("details").all():
        fold.evaluate("fold => fold.open = true")
    page.evaluate("dispatchEvent(new Event('resize'))")
    for question in page.locator(".question:visible").all():
        question.locator("button").first.click()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations")
    assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found] == []


def test_pictures_of_what_to_notice_come_only_when_asked_for(visit):
    name, _ = first("questions")
    page = visit(name)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload(wait_until="networkidle")
    kinds = {re.search(r"_(\d+)\.webp", url)[1] for url in asked if "webp" in url}
    assert kinds <= {"0"}


@each_notebook
def test_every_button_swaps_picture_sentence_and_alt(visit, name):
    page = visit(name)
    for fold in page.locator("details.solved").all():
        fold.evaluate("fold => fold.open = true")
    while page.locator(".wait button").count():
        page.locator(".wait button").first.click()
    for figure in page.locator("figure.live").all():
        image, sentence = figure.locator("img"), figure.locator(".sentence")
        for button in reversed(figure.locator(".notices button").all()):
            button.click()
            figure.locator(
                f"img[src='{button.get_attribute('data-picture')}']"
            ).wait_for()
            assert image.get_attribute("alt") == sentence.inner_text()
            assert sentence.inner_text() == button.get_attribute("data-sentence")
            assert image.evaluate("image => image.naturalWidth") > 900
            pressed = figure.locator("button[aria-pressed='true']")
            assert pressed.count() == 1 and pressed.inner_text() == button.inner_text()


def test_a_question_answers_once_uncovers_what_to_notice_and_is_kept(visit):
    name, key = first("questions")
    asked = lessons()[name[:2]].questions[key]
    wrong = next(k for k, option in enumerate(asked.options) if option != asked.right)
    page = visit(name)
    other = page.context.new_page()
    other.goto(page.url)
    question = page.locator(f".question[data-kind=prediction][data-key={key}]")
    figure = page.locator(f"figure[data-question={key}]")
    assert not figure.locator(".notices").is_visible()
    question.locator("button").nth(wrong).click()
    assert question.locator(".reply").inner_text().startswith("No.")
    assert question.locator("[data-mark=right]").inner_text() == asked.right
    assert figure.locator(".notices").is_visible()
    question.locator("button").last.dispatch_event("click")  # too late
    assert question.locator(".reply").inner_text().startswith("No.")
    assert "0 right, 1 of" in page.locator(".report").inner_text()
    # A second window, open since before, keeps its answers beside this one's.
    elsewhere = other.locator(f".question:not([data-key={key}]) button").first
    elsewhere.dispatch_event("click")
    page.reload()
    assert question.locator(".reply").inner_text().startswith("No.")
    page.locator(".forget").click()
    page.wait_for_load_state()
    assert not question.locator("[data-mark]").count()


def test_a_deck_turns_counts_and_is_shuffled_where_it_says_so(visit):
    (name,) = (
        name for name in PAGES if 'class="deck"' in (SITE / name).read_text("utf-8")
    )
    lesson = lessons()[name[:2]]
    page = visit(name)
    deck = page.locator(".deck").first
    for k in range(2):
        card = deck.locator(".question:visible")
        assert card.count() == 1
        holds = lesson.cards[card.get_attribute("data-key")].test()
        card.get_by_role("button", name=str(bool(holds))).click()
        assert card.locator(".reply").inner_text().startswith("Right: computed when")
        assert f"{k + 1} right of {k + 1} answered" in deck.inner_text()
        deck.get_by_role("button", name="Next card").click()
    assert f"2 right, 2 of {len(lesson.cards)}" in page.locator(".report").inner_text()
    first_ones = set()
    for _ in range(8):
        page.reload()
        card = page.locator(".deck[data-shuffled] .question:visible")
        first_ones.add(card.get_attribute("data-key"))
    assert len(first_ones) > 1


def test_hints_and_solution_are_folded(visit):
    name, key = first("exercises")
    page = visit(name)
    exercise = page.locator(".exercise").first
    hints = lessons()[name[:2]].exercises[key].hints
    plain = [re.sub(r"[`*]", "", hint) for hint in hints]
    assert not any(hint in exercise.inner_text() for hint in plain)
    exercise.get_by_text("A hint", exact=True).click()
    assert plain[0] in exercise.inner_text() and plain[1] not in exercise.inner_text()
    exercise.get_by_text("Another hint").click()
    assert plain[1] in exercise.inner_text()
    assert "def " not in exercise.inner_text()
    exercise.get_by_text("A solution").click()
    assert "def " in exercise.inner_text() and "Correct:" in exercise.inner_text()


def test_without_javascript_everything_but_the_answers_is_there(visit):
    name, _ = first("questions")
    page = visit(name, java_script_enabled=False)
    assert page.get_by_text("Without JavaScript").is_visible()
    assert page.locator("figure.live .notices").first.is_visible()


def test_formulas_are_drawn_by_our_font(visit):
    page = visit(
        next(name for name in PAGES if "<math" in (SITE / name).read_text("utf-8"))
    )
    assert page.evaluate(
        "document.fonts.ready.then(() => document.fonts.check("
        "'16px \"STIX Two Math Subset\"', '∑'))"
    )
    assert page.locator("math mo", has_text="∑").first.bounding_box()["height"] > 20


# How many parts each of these has; a browser draws others in a row.
PARTS = {"mfrac": 2, "msub": 2, "msup": 2, "mover": 2, "munder": 2, "msubsup": 3}


def test_no_fraction_and_no_root_of_a_formula_is_lost(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "site")
    from words import formula

    found = re.compile(r"\$\$(.+?)\$\$|\$([^$]+)\$", re.DOTALL)
    checked = 0
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            text = re.sub(r"`[^`]*`", "", cell.source)
            for block, inline in found.findall(text * (cell.cell_type == "markdown")):
                tex = block or inline
                written = [len(re.findall(p, tex)) for p in (r"\\[td]?frac", r"\\sqrt")]
                made = formula(tex)
                assert [made.count("<mfrac"), made.count("<msqrt")] == written, tex
                for part in ElementTree.fromstring(made).iter():
                    kind = part.tag.rpartition("}")[2]
                    assert len(part) == PARTS.get(kind, len(part)), tex
                checked += 1
    assert checked > 200


# What stands in a root: how far it is below the bar and before the root's end, and how
# far the sign goes down below it, in its letters' size.
ROOTS = """() => [...document.querySelectorAll("msqrt")].map((root) => {
  const size = parseFloat(getComputedStyle(root).fontSize);
  const box = root.getBoundingClientRect();
  const parts = [...root.children].filter((part) => part.tagName !== "mspace");
  const inside = parts.map((part) => part.getBoundingClientRect());
  return {
    formula: root.textContent,
    gap: (Math.min(...inside.map((b) => b.top)) - box.top) / size,
    rest: (box.right - Math.max(...inside.map((b) => b.right))) / size,
    below: (box.bottom - Math.max(...inside.map((b) => b.bottom))) / size,
  };
})"""


@each_notebook
def test_what_stands_in_a_root_stands_below_its_bar(visit, name):
    page = visit(name)
    page.evaluate("document.fonts.ready")
    roots = page.evaluate(ROOTS)
    assert "msqrt" not in (SITE / name).read_text("utf-8") or roots
    for root in roots:
        assert root["gap"] > 0.12, root
        assert root["rest"] < 0.1, root
        assert root["below"] < 0.45, root


# How far apart the neighbours of a plus are, in its letters' size.
PLUSES = """() => [...document.querySelectorAll("math mo")]
  .filter((sign) => sign.textContent === "+")
  .filter((sign) => sign.previousElementSibling && sign.nextElementSibling)
  .map((sign) => ({
    formula: sign.closest("math").textContent,
    apart: (sign.nextElementSibling.getBoundingClientRect().left -
      sign.previousElementSibling.getBoundingClientRect().right) /
      parseFloat(getComputedStyle(sign).fontSize),
  }))"""


def test_a_plus_keeps_its_distance_also_between_two_texts(visit):
    page = visit(page_with("running&#x000A0;var"))
    page.evaluate("document.fonts.ready")
    pluses = page.evaluate(PLUSES)
    assert any("√" in p["formula"] or "eps" in p["formula"] for p in pluses)
    for plus in pluses:
        assert plus["apart"] > 1, plus


def test_no_line_begins_with_the_sign_behind_a_formula(visit):
    name = page_with('<span class="whole"><math')
    page = visit(name, viewport=PHONE)
    for width in range(300, 420, 6):
        page.set_viewport_size({"width": width, "height": 800})
        broken = page.evaluate(
            """() => [...document.querySelectorAll("math")]
              .filter((one) => one.nextSibling?.nodeType === Node.TEXT_NODE)
              .filter((one) => /^[.,;:?!)]/.test(one.nextSibling.data))
              .filter((one) => {
                const range = document.createRange();
                range.setStart(one.nextSibling, 0);
                range.setEnd(one.nextSibling, 1);
                const sign = range.getBoundingClientRect();
                return sign.left < one.getBoundingClientRect().right - 2;
              })
              .map((one) => one.parentElement.textContent)"""
        )
        assert not broken, (width, broken)


def test_a_page_prints_with_every_picture(visit):
    name = max(PAGES, key=lambda name: (SITE / name).read_text("utf-8").count("<img"))
    page = visit(name)
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    shown = page.locator("figure.live img:visible").count()
    path = ARTEFACTS / "site-print.pdf"
    page.pdf(path=path, format="A4")
    assert path.read_bytes().count(b"/Subtype /Image") >= shown > 3
