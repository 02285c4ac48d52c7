"""A figure in JupyterLab: sharp, touched, spoken, and honest without its kernel."""

import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from browser import (
    ROOT,
    Watch,
    start_lab,
    start_slides,
    violations,
    wait_until_still,
)

pytestmark = pytest.mark.browser

SHOWN = """import os
import normlib.live.figure
normlib.live.figure.QUICK = 60  # also on a busy machine
from normlib.live.which_numbers_share_a_mean import NormTable
figure = NormTable()
figure.show(static_below="<p>What to notice</p>")"""
PLAYED = """from normlib.live.hypersphere import Affine
Affine().show()"""
TOLD = "print(os.getpid())"
STUB = """def norm(x):
    return ...

NormTable(norm).show()"""
POWERS = """from normlib.live.hypersphere import TwoFeatures
TwoFeatures().show()"""

OPEN = """async ([path, run]) => {
  const { commands } = window.jupyterapp;
  const panel = await commands.execute("docmanager:open", { path });
  await panel.context.ready;
  await panel.sessionContext.ready;
  if (run) await commands.execute("notebook:run-all-cells");
}"""
CLOSE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.save();
  await panel.sessionContext.shutdown();
  panel.close();
}"""
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"


def write(path):
    codes = SHOWN, PLAYED, POWERS, TOLD, STUB
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory):
    """A page of twice the usual pixels, with a touch screen."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "work"
    folder.mkdir()
    server = start_lab(folder, home)
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900}, device_scale_factor=2, has_touch=True
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{server.url}/lab?token={server.token}")
    page.wait_for_selector(".jp-Launcher")
    page.folder = folder
    # Another sharpness set by hand tells nobody; a test does it for the browser.
    page.evaluate("""() => {
      const ask = window.matchMedia.bind(window);
      window.asked = [];
      window.matchMedia = (query) => asked[asked.push(ask(query)) - 1];
    }""")
    yield page
    context.close()
    server.stop()


def open_and_run(page, name):
    write(page.folder / name)
    page.evaluate(OPEN, [name, True])
    page.locator(f"{PANEL} .normlib-spot").first.wait_for()


@pytest.fixture(scope="module")
def live(lab):
    """The page with a notebook that was run, and that nothing in it may trouble."""
    watch = Watch(lab.context)
    open_and_run(lab, "live.ipynb")
    yield lab
    watch.end()
    lab.evaluate(CLOSE)
    # JupyterLab's own: what an ended kernel still owed it, and its theme's curtain.
    its = ("Canceled future", "removeChild")
    watch.wrong = [text for text in watch.wrong if not any(t in text for t in its)]
    watch.assert_clean()


@pytest.fixture
def mortal(lab):
    """The page with a notebook whose kernel may be ended."""
    watch = Watch(lab.context)
    open_and_run(lab, "mortal.ipynb")
    yield lab
    lab.evaluate(CLOSE)
    watch.end()
    assert not watch.foreign


def figure(page, number=0):
    return page.locator(f"{PANEL} .normlib-figure").nth(number)


def sentence(page, number=0):
    return figure(page, number).locator(".normlib-sentence").inner_text()


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.03)
    return False


def place(page, left, top):
    """Return page coordinates of a place in the left table, from fractions of it."""
    box = figure(page).locator(".normlib-spot").first.bounding_box()
    return box["x"] + left * box["width"], box["y"] + top * box["height"]


CELL = {(n, d): ((d + 0.5) / 5, (n + 0.5) / 6) for n in range(6) for d in range(5)}


def test_the_picture_has_the_pixels_of_the_screen_and_says_the_sentence(live):
    image = figure(live).locator("img")
    assert until(lambda: image.evaluate("i => i.naturalWidth") == 1800)
    assert image.evaluate("i => i.naturalHeight") == 780
    box = image.bounding_box()
    assert (box["width"], box["height"]) == pytest.approx((900, 390), abs=1)
    assert image.get_attribute("alt") == sentence(live)
    # The saved part is hidden while the figure lives.
    static = live.locator(f"{PANEL} .normlib-static").first
    assert not static.is_visible()


def test_a_window_that_is_moved_to_another_screen_gets_its_pixels(live):
    image = figure(live).locator("img")
    session = live.context.new_cdp_session(live)
    screen = {"width": 1440, "height": 900, "mobile": False}
    for sharpness, pixels in ((1, 900), (2, 1800)):
        screen["deviceScaleFactor"] = sharpness
        session.send("Emulation.setDeviceMetricsOverride", screen)
        live.evaluate("asked.forEach((q) => q.dispatchEvent(new Event('change')))")
        assert until(lambda n=pixels: image.evaluate("i => i.naturalWidth") == n)


def test_what_stands_below_keeps_its_place_when_the_sentence_gets_shorter(live):
    words = figure(live).locator(".normlib-sentence")
    before = words.inner_text()
    lower = figure(live, 1).locator("img")
    place = lower.bounding_box()["y"]
    for text, moved in (("word " * 60, True), (before, False)):
        words.evaluate("(words, text) => { words.textContent = text; }", text)
        time.sleep(0.3)
        assert (abs(lower.bounding_box()["y"] - place) > 10) is moved
        place = lower.bounding_box()["y"]


def test_a_click_picks_a_cell_and_its_control_follows(live):
    live.mouse.click(*place(live, *CELL[5, 4]))
    assert until(lambda: "x[5, 4]" in sentence(live)), sentence(live)
    handles = figure(live).locator(".noUi-handle")
    assert handles.nth(0).get_attribute("aria-valuetext") == "5"
    assert handles.nth(1).get_attribute("aria-valuetext") == "4"


def test_a_menu_that_opens_during_a_press_ends_it(live):
    live.mouse.move(*place(live, *CELL[0, 0]))
    live.mouse.down()
    live.mouse.click(*place(live, *CELL[0, 0]), button="right")
    live.locator(".lm-Menu").wait_for()
    live.keyboard.press("Escape")
    live.mouse.move(700, 5)
    live.mouse.up()  # elsewhere
    live.mouse.click(*place(live, *CELL[4, 3]))
    assert until(lambda: "x[4, 3]" in sentence(live))


def test_a_finger_picks_a_cell(live):
    live.touchscreen.tap(*place(live, *CELL[0, 3]))
    assert until(lambda: "x[0, 3]" in sentence(live)), sentence(live)


def test_two_views_of_one_figure_are_both_touched(live):
    """As after "Create New View for Output": one view may have sent more touches."""
    live.evaluate("""() => {
      window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0;
      window.jupyterapp.commands.execute("notebook:create-output-view");
    }""")
    other = live.locator(".jp-LinkedOutputView .normlib-figure")
    try:
        other.locator(".normlib-spot").first.wait_for()
        for k, view in enumerate((other, other, figure(live), other)):
            before = sentence(live)
            at = {"x": 40 + 60 * (k % 3), "y": 40}
            view.locator(".normlib-spot").first.click(position=at)
            assert until(lambda before=before: sentence(live) != before), (k, before)
    finally:
        live.evaluate("""() => [...window.jupyterapp.shell.widgets("main")]
          .find((part) => part.node.querySelector(".jp-LinkedOutputView")).close()""")


# A thousand moves at once, faster than any hand and any kernel; pictures are counted.
DRAG_FAST = """(spot, [x, y]) => {
  window.pictures = 0;
  new MutationObserver((changes) => { window.pictures += changes.length; }).observe(
    spot.closest(".normlib-figure").querySelector("img"), { attributeFilter: ["src"] });
  for (let k = 1; k <= 1000; k++) {
    const clientY = y - 4 * Math.abs((k % 20) - 10);
    spot.dispatchEvent(
      new PointerEvent("pointermove", { pointerId: 1, clientX: x, clientY }));
  }
}"""


def test_a_fast_drag_queues_nothing_and_its_last_position_arrives(live):
    live.mouse.click(*place(live, *CELL[2, 1]))
    assert until(lambda: "x[2, 1]" in sentence(live))
    goal = int(re.search(r"x\[2, 1\] = (-?\d+)", sentence(live))[1]) + 4
    x, y = place(live, *CELL[2, 1])
    live.mouse.move(x, y)
    live.mouse.down()
    spot = figure(live).locator(".normlib-spot").first
    spot.evaluate(DRAG_FAST, [x, y])
    box = spot.bounding_box()
    live.mouse.move(x, y - 0.5 * box["height"] / 6)  # half a cell: plus 4
    live.mouse.up()
    assert until(lambda: f"x[2, 1] = {goal} becomes" in sentence(live)), sentence(live)
    time.sleep(0.5)
    assert f"x[2, 1] = {goal} becomes" in sentence(live)
    assert 0 < live.evaluate("window.pictures") < 20


def swipe(page, number, right, down):
    """Draw a finger over the first part of a figure that can be touched."""
    spot = figure(page, number).locator(".normlib-spot").first
    spot.evaluate("spot => spot.scrollIntoView({ block: 'center' })")
    box = spot.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    for step in range(6):
        at = {"x": x + right * step / 5, "y": y + down * step / 5}
        kind = "touchMove" if step else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    end = {"type": "touchEnd", "touchPoints": []}
    session.send("Input.dispatchTouchEvent", end)
    session.detach()


def test_a_finger_turns_what_turns_and_scrolls_the_page_over_it(live):
    outer = live.locator(f"{PANEL} .jp-WindowedPanel-outer")
    scrolled = "outer => outer.scrollTop"
    first = sentence(live, 1)
    swipe(live, 1, 120, 0)
    assert until(lambda: sentence(live, 1) != first), first
    wait_until_still(figure(live, 1).element_handle())
    turned, before = sentence(live, 1), outer.evaluate(scrolled)
    swipe(live, 1, 0, 120)
    assert until(lambda: outer.evaluate(scrolled) < before - 50)
    # Where up and down counts, one finger does not scroll.
    swipe(live, 0, 0, 30)
    before, words = outer.evaluate(scrolled), sentence(live)
    swipe(live, 0, 0, -60)
    assert until(lambda: sentence(live) != words), words
    assert outer.evaluate(scrolled) == before
    assert sentence(live, 1) == turned
    outer.evaluate("outer => outer.scrollTo(0, 0)")


def test_the_sentence_is_spoken_once_after_the_last_move(live):
    spoken = figure(live).locator(".normlib-spoken")
    assert spoken.get_attribute("aria-live") == "polite"
    spoken.evaluate("""node => {
      window.spoken = [];
      new MutationObserver(() => window.spoken.push(node.textContent))
        .observe(node, { childList: true, characterData: true, subtree: true });
    }""")
    handle = figure(live).locator(".noUi-handle").first
    handle.focus()
    before = sentence(live)
    for _ in range(3):
        live.keyboard.press("ArrowRight")
        time.sleep(0.1)
    assert until(lambda: sentence(live) != before)
    assert until(lambda: live.evaluate("window.spoken.length") > 0)
    time.sleep(0.7)
    assert live.evaluate("window.spoken") == [sentence(live)]


# The answer to what was asked before has come once this is done.
SETTLED = """() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
  .requestExecute({ code: "None" }).done"""


def test_the_next_picture_is_there_before_the_kernel_answers(live):
    """A key's picture was drawn ahead: it comes while the kernel is stopped."""
    pid = int(live.locator(f"{PANEL} .jp-OutputArea-output pre").first.inner_text())
    handle, image = figure(live).locator(".noUi-handle").nth(2), "i => i.src"
    for key in ("ArrowRight", "ArrowLeft"):
        handle.focus()
        before = sentence(live)
        live.keyboard.press(key)  # drawn when asked; then the one after it
        assert until(lambda before=before: sentence(live) != before)
        live.evaluate(SETTLED)
        before = sentence(live), figure(live).locator("img").evaluate(image)
        os.kill(pid, signal.SIGSTOP)
        try:
            live.keyboard.press(key)
            ahead = sentence(live), figure(live).locator("img").evaluate(image)
        finally:
            os.kill(pid, signal.SIGCONT)
        live.evaluate(SETTLED)
        assert ahead[0] != before[0]
        assert ahead[1] != before[1]
        assert figure(live).locator("img").get_attribute("alt") == ahead[0]
        assert (sentence(live), figure(live).locator("img").evaluate(image)) == ahead


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing_in_our_output(live, theme):
    change = (
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', theme)"
    )
    live.evaluate(change, {"theme": theme})
    until(lambda: live.locator(f"[data-jp-theme-name='{theme}']").count())
    time.sleep(0.5)
    found = violations(live, ".normlib-figure")
    live.evaluate(change, {"theme": "JupyterLab Light"})
    assert found == []


def test_every_control_has_a_name_and_toggles_say_which_is_pressed(live):
    names = [
        handle.get_attribute("aria-label")
        for handle in figure(live).locator(".noUi-handle").all()
    ]
    assert names == ["sample n", "feature d", "add to x[n, d]"]
    group = figure(live).locator(".widget-toggle-buttons")
    assert group.get_attribute("role") == "group"
    assert group.get_attribute("aria-label") == "norm"
    buttons = group.locator("button").all()
    buttons[1].click()
    assert until(lambda: "Layer norm" in sentence(live))
    pressed = [button.get_attribute("aria-pressed") for button in buttons]
    assert pressed == ["false", "true", "false"]
    play = figure(live, 1).locator(".widget-play button").all()
    assert [b.get_attribute("aria-label") for b in play][0] == "Play"
    assert all(b.get_attribute("aria-label") for b in play)


def test_a_logarithmic_slider_says_its_number_as_the_sentences_do(live):
    control = figure(live, 2).locator(".widget-inline-hbox", has_text="eps")
    handle = control.locator(".noUi-handle")
    readout, spoken = control.locator(".widget-readout"), {}
    for presses in range(11):  # from 1e-5 to 1 by half a power of ten
        handle.press("ArrowRight" if presses else "Home")
        spoken[readout.inner_text()] = handle.get_attribute("aria-valuetext")
    small, large = "1e-5 3.2e-5 0.0001 0.00032 0.001", "0.0032 0.01 0.032 0.1 0.32 1"
    assert " ".join(spoken) == f"{small} {large}"
    assert list(spoken) == list(spoken.values())


def test_notebook_7_is_told_which_keys_a_slider_takes(live):
    """It asks for this attribute before the slider sees the key."""
    handle = figure(live).locator(".noUi-handle").first
    asked = "handle => handle.hasAttribute('data-lm-suppress-shortcuts')"
    for key in ("ArrowRight", "Shift+ArrowRight", "Home"):
        handle.press(key)
        assert handle.evaluate(asked) is ("Shift" not in key)


def test_sliders_are_long_and_labels_whole_and_the_figure_fits_one_screen(live):
    cut = figure(live).evaluate("""figure => [
      ...[...figure.querySelectorAll(".widget-label, .widget-readout")]
        .filter((part) => part.scrollWidth > part.clientWidth + 1)
        .map((part) => part.textContent),
      ...[...figure.querySelectorAll(".noUi-target")]
        .map((track) => track.getBoundingClientRect().width)
        .filter((width) => width < 200),
    ]""")
    assert cut == []
    controls = figure(live).bounding_box()
    assert controls["height"] < 600


def test_the_picture_scrolls_rather_than_shrinks(live):
    try:
        live.set_viewport_size({"width": 800, "height": 900})
        box = figure(live).locator("img").bounding_box()
        assert until(
            lambda: figure(live).locator("img").bounding_box()["width"] < 899, 5
        )
        box = figure(live).locator("img").bounding_box()
        assert box["width"] == pytest.approx(600, abs=2)
        scroll = figure(live).locator(".normlib-scroll")
        assert scroll.evaluate("s => s.scrollWidth > s.clientWidth")
        assert scroll.get_attribute("tabindex") == "0"
        live.set_viewport_size({"width": 720, "height": 900})
        cut = """figure => {
          const edge = figure.getBoundingClientRect().right + 1;
          return [...figure.querySelectorAll(".widget-readout")]
            .filter((part) => part.getBoundingClientRect().right > edge).length;
        }"""
        assert until(lambda: figure(live).evaluate(cut) == 0, 5)
    finally:
        live.set_viewport_size({"width": 1440, "height": 900})


def test_a_figure_says_so_when_its_kernel_restarts(mortal):
    mortal.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
    )
    notice = figure(mortal).locator(".normlib-notice")
    assert until(lambda: "The kernel is gone" in notice.inner_text(), 20)
    assert figure(mortal).locator(".normlib-controls").evaluate("row => row.inert")


def test_a_figure_says_so_when_its_kernel_dies(mortal):
    pid = int(mortal.locator(f"{PANEL} .jp-OutputArea-output pre").first.inner_text())
    os.kill(pid, signal.SIGKILL)
    notice = figure(mortal).locator(".normlib-notice")
    assert until(lambda: "The kernel is gone" in notice.inner_text(), 30)
    mortal.keyboard.press("Escape")
    dialog = mortal.locator(".jp-Dialog button")
    if dialog.count():
        dialog.first.click()


def test_on_the_second_day_picture_and_sentence_are_there(mortal):
    words = sentence(mortal)
    # In the evening the reader shuts the kernel down, and is told what that means.
    mortal.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    notice = figure(mortal).locator(".normlib-notice")
    assert until(lambda: "The kernel is gone" in notice.inner_text())
    mortal.evaluate(CLOSE)
    mortal.evaluate(OPEN, ["mortal.ipynb", False])
    static = mortal.locator(f"{PANEL} .normlib-static")
    static.first.wait_for()
    assert until(lambda: static.count() == 4)
    image = static.first.locator("img")
    assert image.is_visible()
    assert image.get_attribute("alt") == words
    assert static.first.locator("figcaption").inner_text() == words
    mortal.set_viewport_size({"width": 800, "height": 900})
    narrow = until(lambda: image.bounding_box()["width"] < 899, 5)
    width = image.bounding_box()["width"]
    mortal.set_viewport_size({"width": 1440, "height": 900})
    assert narrow and width == pytest.approx(600, abs=1)
    text = mortal.locator(f"{PANEL} .jp-Notebook").inner_text()
    assert "Run all cells to bring it to life." in text
    assert "What to notice" in text
    assert "model not found" not in text.lower()
    assert "Error displaying widget" not in text
    # The stub's picture says what it waits for, and so does its sentence.
    assert "still returns the ... of the stub" in static.last.inner_text()


def test_without_a_kernel_nothing_is_said_to_load(mortal):
    mortal.evaluate(CLOSE)
    mortal.evaluate(
        """async () => {
          const { commands } = window.jupyterapp;
          const kernelPreference = { shouldStart: false, canStart: false };
          const panel = await commands.execute("docmanager:open", {
            path: "mortal.ipynb", kernelPreference });
          await panel.context.ready;
        }"""
    )
    static = mortal.locator(f"{PANEL} .normlib-static")
    assert until(lambda: static.count() == 4)
    text = mortal.locator(f"{PANEL} .jp-Notebook").inner_text()
    assert "Run all cells to bring it to life." in text
    assert "widget" not in text.lower()


def test_an_exported_page_shows_picture_and_sentence(mortal):
    words = sentence(mortal)
    mortal.evaluate("window.jupyterapp.shell.currentWidget.context.save()")
    path = mortal.folder / "mortal.ipynb"
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    page = mortal.context.browser.new_page()
    # Its script and fonts stand on another host, which is not asked here.
    page.route(re.compile("^https?:"), lambda route: route.abort())
    page.goto(path.with_suffix(".html").as_uri())
    image = page.locator(".normlib-static img").first
    assert image.is_visible()
    assert image.evaluate("i => i.naturalWidth") >= 900
    assert image.get_attribute("alt") == words
    assert page.locator("figcaption").first.inner_text() == words
    # It scrolls rather than shrinks, too.
    page.set_viewport_size({"width": 500, "height": 900})
    assert image.bounding_box()["width"] == pytest.approx(600, abs=1)
    assert image.evaluate("i => i.parentNode.scrollWidth > i.parentNode.clientWidth")
    page.close()


# ---- as slides ------------------------------------------------------------------

SLIDE = ".slides section.present:not(.stack)"


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """The address of three slides, of which the second stands below the first."""
    home = tmp_path_factory.mktemp("slides")
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# One"),
        new.new_code_cell(SHOWN),
        new.new_markdown_cell("# Three"),
    ]
    for cell, kind in zip(cells, ("slide", "subslide", "slide"), strict=True):
        cell.metadata["slideshow"] = {"slide_type": kind}
    notebook = new.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    path = home / "talk.ipynb"
    nbformat.write(notebook, path)
    server = start_slides(path, home)
    yield server.url
    server.stop()


@pytest.fixture
def talk(chromium):
    page = chromium.new_page(viewport={"width": 1600, "height": 900})
    page.set_default_timeout(120_000)
    yield page
    page.close()


def test_the_right_arrow_shows_every_slide_and_hidden_ones_take_no_focus(slides, talk):
    talk.goto(slides)
    talk.wait_for_selector(SLIDE)
    talk.wait_for_load_state("networkidle")
    talk.keyboard.press("ArrowRight")
    figure = talk.locator(f"{SLIDE} .normlib-figure")
    figure.wait_for()
    assert talk.locator(".slides section:not(.stack):not([inert])").count() == 1
    before = figure.locator(".normlib-sentence").inner_text()
    assert violations(talk, ".normlib-figure") == []
    assert figure.locator(".normlib-image").get_attribute("alt") == before
    # After a click the keys go on with the slides.
    figure.locator("button:has-text('layer')").click()
    words = figure.locator(".normlib-sentence")
    assert until(lambda: words.inner_text() != before)
    figure.locator(".noUi-handle").first.focus()
    figure.locator(".normlib-spot").first.click(position={"x": 5, "y": 5})
    assert until(lambda: "x[0, 0]" in words.inner_text())
    talk.keyboard.press("ArrowRight")  # the slider's, had it kept the focus
    talk.wait_for_selector(f"{SLIDE} h1:has-text('Three')")


def test_the_handout_has_a_page_for_each_slide_with_picture_and_sentence(slides, talk):
    talk.goto(f"{slides}?print-pdf")
    talk.wait_for_selector(".pdf-page .normlib-image")
    image = talk.locator(".pdf-page .normlib-image")
    assert until(lambda: image.evaluate("i => i.complete && i.naturalWidth >= 1440"))
    assert talk.locator(".pdf-page").count() == 3
    pdf = talk.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type /Page\b(?!s)", pdf)) == 3
    assert len(re.findall(rb"/Subtype /Image", pdf)) >= 1
    page = talk.locator(".pdf-page").nth(1)
    assert image.get_attribute("alt") in page.inner_text()
    assert not talk.query_selector(".too-long")


def test_a_notebook_goes_by_its_number_with_or_without_a_zero():
    sys.path.insert(0, str(ROOT / "lecture"))
    import present

    assert present.find_notebook("7") == present.find_notebook("07")
    culling = present.voila_settings(1, False)["MappingKernelManager"]
    assert culling["cull_idle_timeout"] > 0 and not culling["cull_connected"]
