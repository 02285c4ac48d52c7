"""Every notebook as slides in a real browser: they fit, turn, and their sliders work.

A picture of a slide on which something failed is left in artefacts/.
"""

import itertools
import json

import pytest
from browser import (
    NOTEBOOKS,
    answers,
    each_notebook,
    keep_picture,
    press,
    settled,
    slider_moves,
    start_slides,
)

pytestmark = pytest.mark.browser

PRESENT = ".slides section.present:not(.stack)"

# The slide's address, and what does not fit on it. A slide is fitted in the frame after
# it is turned to, and again when figures and formulas arrive: it is given time for it.
# With an address, first wait until that one is left; without one, until there is one.
LOOK = f"""async (left) => {{
  const frame = () => new Promise(requestAnimationFrame);
  const end = performance.now() + 8000;
  const isLate = () => performance.now() > end;
  while (!isLate() && [left, ""].includes(location.hash)) await frame();
  const misfits = () => {{
    const slide = document.querySelector("{PRESENT}");
    const out = slide.matches(".too-long") ? ["it is too long"] : [];
    const seen = "p, li, pre, td, .normlib-image, .noUi-handle";
    for (const part of slide.querySelectorAll(seen)) {{
      const box = part.getBoundingClientRect();
      const hidden = box.width === 0 || box.height === 0;
      if (!hidden && (box.left < -1 || box.top < -1 || box.right > innerWidth + 1
          || box.bottom > innerHeight + 1)) out.push(part.innerText || part.className);
    }}
    // The number stands in the margin, and on nothing.
    const number = document.querySelector(".slide-number").getBoundingClientRect();
    const text = slide.getBoundingClientRect().left + innerWidth * 40 / 1600;
    if (number.right > text) out.push("the slide's number");
    for (const formula of slide.querySelectorAll("mjx-container")) {{
      if (formula.scrollWidth > formula.clientWidth + 2) out.push("a formula");
    }}
    return out;
  }};
  do {{
    await frame();
  }} while (misfits().length && !isLate());
  return [location.hash, misfits()];
}}"""
# What LOOK tells of the last slides on the way back. Nothing arrives any more: all fit.
BACK = f"""async (slides) => {{
  const look = {LOOK};
  const seen = [];
  let left = null;
  for (let k = 0; k < slides; k++) {{
    if (k) document.body.dispatchEvent(
      new KeyboardEvent("keydown", {{ key: "PageUp", keyCode: 33, bubbles: true }}));
    seen.push(await look(left));
    left = location.hash;
  }}
  return seen;
}}"""

# Until the page has all its figures and their pictures; then formulas are there too.
IS_COMPLETE = """(figures) => {
  const images = [...document.querySelectorAll(".normlib-figure .normlib-image")];
  return images.length >= figures && images.every((i) => i.naturalWidth);
}"""
ENABLED_HANDLES = (
    ".normlib-controls > :not(:disabled, :has([disabled], :disabled)) .noUi-handle"
)
SLIDES = "() => document.querySelectorAll('.slides section:not(.stack)').length"


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """The address of a server of slides."""
    server = start_slides(NOTEBOOKS[0].parent, tmp_path_factory.mktemp("slides"))
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def window(context):
    # One for all slides: its process keeps what it compiled of Voilà.
    window = context.new_page()
    yield window
    window.close()


@pytest.fixture
def page(window):
    yield window
    # Left while nobody watches: Voilà asks to end its kernel, and is refused.
    window.goto("about:blank")


def look(page, left=None):
    """Return the slide's address once it is another than `left`, and what misfits."""
    return page.evaluate(LOOK, left)


def turn(page, key, address):
    """Press `key` on the slide at `address` and look at the one that it shows."""
    page.keyboard.press(key)
    return look(page, address)


def check_keys(page, handle, address):
    """Turn the slide and come back, from a slider: that one must not move."""
    press(handle, "Home")  # so that a step of PageUp would be seen
    value = handle.get_attribute("aria-valuenow")
    (away, _) = turn(page, "PageUp", address)
    handle.focus()
    (now, _) = turn(page, "PageDown", away)
    assert away != now == address
    assert handle.get_attribute("aria-valuenow") == value, "moved by a key that turns"


def moved_slider(page, figure, address):
    """Move a slider by arrow keys and return it, None if there is none.

    One is enough here: in JupyterLab each kind of control is moved.
    """
    handles = figure.query_selector_all(ENABLED_HANDLES)
    if not handles:
        return None
    settled(figure)
    for handle in handles:
        if answers(figure, slider_moves(handle)):
            break
    else:
        raise AssertionError("no slider changes both picture and sentence")
    assert page.evaluate("location.hash") == address, "an arrow key turned the slide"
    return handle


QUESTION = ".normlib-question, .normlib-asked"


def questions_with_a_figure(notebook):
    """Return how many figures of a notebook come right after a question."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells]
    pairs = itertools.pairwise(code)
    return sum(a.startswith("lesson.ask") and "lesson.figure" in b for a, b in pairs)


@each_notebook
def test_slides_turn_and_their_sliders_work(notebook, slides, page, watch):
    figures = notebook.read_text(encoding="utf-8").count("lesson.figure(")
    page.goto(f"{slides}/voila/render/{notebook.name}")
    page.wait_for_selector(PRESENT)
    page.wait_for_function(IS_COMPLETE, arg=figures)

    assert "Run All Cells" not in page.inner_text(PRESENT), "a hall has none to run"
    way = [look(page)]
    slides = page.evaluate(SLIDES)
    seen = asked = 0
    keys_checked = False
    while True:
        (address, misfits) = way[-1]
        with keep_picture(page, f"{notebook.stem}_slide_{len(way):02}"):
            assert misfits == [], f"slide {address}"
            for figure in page.query_selector_all(f"{PRESENT} .normlib-figure"):
                seen += 1
                asked += bool(page.query_selector(f"{PRESENT} :is({QUESTION})"))
                handle = moved_slider(page, figure, address)
                if handle and not keys_checked:
                    check_keys(page, handle, address)
                    keys_checked = True
            if len(way) == slides:
                break
            # A slider may have the focus now: both keys must work from there too.
            key = ["PageDown", "Space"][len(way) % 2]
            way.append(turn(page, key, address))
            assert way[-1][0] != address, f"slide {address} is not turned by {key}"

    assert len(way) > 1, "no second slide"
    assert seen == figures, "a figure is on no slide"
    # A question and its figure share a slide, or its words stand over the figure.
    assert asked == questions_with_a_figure(notebook), "a figure without its question"
    # One deck is walked back whole; the rest of the others would show nothing new.
    back = slides if notebook == NOTEBOOKS[0] else 5
    assert page.evaluate(BACK, min(back, slides)) == way[::-1][:back]
    watch.assert_clean()


# Whether a widget was drawn, or waited for, before the states of all had come.
EARLY = """Object.defineProperty(WebSocket.prototype, "onmessage", {
  set(handle) {
    this.addEventListener("message", (event) => {
      const text = document.body.textContent;
      if ((event.data.byteLength || event.data.length) > 1e5) {
        window.early ??= /Loading widget|model not found/.test(text);
      }
      handle.call(this, event);
    });
  },
});"""


def test_nothing_is_drawn_before_the_states_of_the_widgets_came(slides, context):
    """What waits for a state longer than two seconds may be given up for good."""
    page = context.new_page()
    page.add_init_script(EARLY)
    page.goto(f"{slides}/voila/render/{NOTEBOOKS[0].name}")
    page.wait_for_function(IS_COMPLETE, arg=1)
    assert page.evaluate("window.early") is False
    page.close()


def test_speaker_notes_open_in_a_window_of_their_own(slides, page):
    page.goto(f"{slides}/voila/render/{NOTEBOOKS[0].name}")
    page.wait_for_selector(PRESENT)
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    assert "Speaker View" in popup.value.title()
    popup.value.close()


def test_a_folder_of_notebooks_is_listed(slides, page, watch):
    page.goto(slides)
    for notebook in NOTEBOOKS:
        page.wait_for_selector(f"text={notebook.name}")
    watch.assert_clean()
