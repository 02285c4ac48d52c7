"""Every notebook in a real browser: in JupyterLab, and as slides.

Pictures of what was seen are left in artefacts/.
"""

import shutil
from functools import partial

import pytest
from browser import (
    ARTEFACTS,
    FLAGS,
    ROOT,
    Watch,
    find_chromium,
    shown,
    start_lab,
    start_slides,
    violations,
    wait_for_change,
    wait_until_still,
)

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)

SIZE = {"width": 1600, "height": 900}


# ---- one browser, one JupyterLab, one server of slides for all tests ----------


@pytest.fixture(scope="module")
def chromium():
    path = find_chromium()
    if path is None:
        pytest.skip(
            "no Chromium or Chrome found: install one, or set CHROMIUM to its path"
        )
    from playwright.sync_api import sync_playwright

    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium):
    # One for all: the pages share a cache, so JupyterLab is loaded only once.
    context = chromium.new_context(viewport=SIZE)
    context.set_default_timeout(180_000)  # slides come once all cells ran
    yield context
    context.close()


@pytest.fixture
def watch(context):
    watch = Watch(context)
    yield watch
    watch.end()


@pytest.fixture(scope="module")
def lab(context, tmp_path_factory):
    """A page with JupyterLab on a copy of the notebooks."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "work"
    for name in ("notebooks", "images"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
        )
    server = start_lab(folder, home)
    watch = Watch(context)
    page = context.new_page()
    page.goto(f"{server.url}/lab?token={server.token}")
    page.wait_for_selector(".jp-Launcher")
    watch.end()
    watch.assert_clean()
    yield page
    page.close()
    server.stop()


@pytest.fixture(scope="module")
def slides(chromium, tmp_path_factory):
    """The address of a server of slides."""
    server = start_slides(ROOT / "notebooks", tmp_path_factory.mktemp("slides"))
    yield server.url
    server.stop()


@pytest.fixture
def page(context):
    page = context.new_page()
    yield page
    page.close()


# ---- moving a control as a reader would, by keyboard --------------------------


def press(page, element, *keys):
    element.focus()
    for key in keys:
        page.keyboard.press(key)


# The first that works: a step up; a step down, from the upper end; then the ends of
# the range, for a step that is too small to be seen. Where the kernel cannot be asked
# whether it is done, seconds to wait after each: a figure that needs longer than the
# first is still seen to change, later.
SLIDER_KEYS = (["ArrowRight"], ["ArrowLeft", "ArrowLeft"], ["End"], ["Home"])
SECONDS = (1, 1, 3, 6)

# Returns once the kernel has done all it was asked before, and the page shows it. The
# second time, because a control holds a message back while one is under way.
KERNEL_IS_DONE = """async () => {
  const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
  for (let k = 0; k < 2; k++) {
    await session.kernel.requestKernelInfo();
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  }
}"""


def slider_moves(page, handle):
    return [lambda keys=keys: press(page, handle, *keys) for keys in SLIDER_KEYS]


def control_moves(page, control):
    """Return for each handle or button of a control the moves to try on it."""
    if handles := control.query_selector_all(".noUi-handle"):
        return [slider_moves(page, handle) for handle in handles]
    if box := control.query_selector("select"):
        other = box.evaluate("b => b.selectedIndex ? 0 : 1")
        return [[lambda: box.select_option(index=other)]]
    if box := control.query_selector("input[type=checkbox]"):
        return [[lambda: press(page, box, "Space")]]
    if control.query_selector(".widget-toggle-button"):
        buttons = control.query_selector_all(".widget-toggle-button:not(.mod-active)")
        return [[lambda b=b: press(page, b, "Enter") for b in buttons]]
    if control.evaluate("c => c.matches('button')"):
        return [[lambda: press(page, control, "Enter")]]
    if button := control.query_selector("button"):
        return [[lambda: press(page, button, "Enter")]]
    raise AssertionError(f"unknown control: {control.evaluate('c => c.outerHTML')}")


def is_play(control):
    return control.evaluate("c => c.matches('.widget-play')")


def is_disabled(control):
    return control.evaluate(
        "c => c.disabled || !!c.querySelector('[disabled], :disabled')"
    )


def kernel_is_done(page):
    """Wait for the kernel of the notebook in JupyterLab."""
    page.evaluate(KERNEL_IS_DONE)


def answers(figure, moves, settle=None):
    """Return whether picture and sentence change under the first moves that do it.

    With `settle`, which waits for the kernel, an unchanged figure is known at once.
    """
    before = shown(figure)
    for move, seconds in zip(moves, SECONDS[-len(moves) :], strict=True):
        move()
        if settle is not None:
            settle()
            seconds = 0.1
        if wait_for_change(figure, before, seconds):
            return True
        # A stub of an exercise draws nothing and says so, whatever the setting.
        if shown(figure)[1].startswith("Not drawn"):
            return True
    return False


def answers_elsewhere(page, figure, moves, others, settle=None):
    """Return the same once other controls were moved: some matter only then."""
    for other in others:
        for ways in control_moves(page, other):
            # Home, then End, which stays: at 0 steps, say, nothing else matters.
            for way in reversed(ways[-2:]):
                way()
                if settle is not None:
                    settle()
                else:
                    wait_until_still(figure)
                if answers(figure, moves[-2:], settle):
                    return True
    return False


def kind_of(control):
    return control.evaluate(
        """c => [".noUi-handle", "select", "[type=checkbox]", ".widget-toggle-button"]
            .find((part) => c.querySelector(part)) || c.className"""
    )


def check_figure(page, figure, where):
    """Move a control of each kind; that all of them do something needs no browser."""
    figure.scroll_into_view_if_needed()
    controls = figure.query_selector_all(".normlib-controls > *")
    assert controls, f"{where}: a live figure without controls"
    controls = [control for control in controls if not is_disabled(control)]
    kinds = {}
    for control in controls:
        kinds.setdefault(kind_of(control), []).append(control)
        if track := control.query_selector(".noUi-target"):
            room = track.bounding_box()["width"]
            assert room > 80, f"{where}: {control.inner_text()!r} has {room:.0f} px"

    def changes(control):
        moves = control_moves(page, control)
        found = all(answers(figure, m, partial(kernel_is_done, page)) for m in moves)
        if is_play(control):
            for pause in moves[0]:  # else the picture goes on changing by itself
                pause()
            wait_until_still(figure)
        return found

    silent = [alike[0] for alike in kinds.values() if not any(map(changes, alike))]
    for control in silent:
        # Play is no setting, and a picture that plays changes by itself.
        others = [c for c in controls if c != control and not is_play(c)]
        (moves, *_) = control_moves(page, control)
        # The second time by the clock, for work that goes on between messages.
        for settle in (partial(kernel_is_done, page), None):
            if answers_elsewhere(page, figure, moves, others, settle):
                break
            if settle is not None and answers(figure, moves):
                break
        else:
            raise AssertionError(
                f"{where}: {control.inner_text()!r} was moved, "
                "but picture and sentence did not both change"
            )


# ---- in JupyterLab --------------------------------------------------------------

OPEN_AND_RUN = """async (path) => {
  const { commands } = window.jupyterapp;
  const panel = await commands.execute("docmanager:open", { path });
  await panel.context.ready;
  await panel.sessionContext.ready;
  await commands.execute("notebook:run-all-cells");
}"""

# Errors and warnings in the outputs, and how many cells ran.
OUTPUTS = """() => {
  const wrong = [];
  let ran = 0;
  for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells) {
    if (cell.type !== "code") continue;
    if (cell.executionCount) ran += 1;
    for (const output of cell.outputs.toJSON()) {
      if (output.output_type === "error") wrong.push(output.ename + output.evalue);
      if (output.name === "stderr") wrong.push(output.text);
    }
  }
  return { wrong, ran };
}"""

CLOSE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.shutdown();
  await panel.context.save();
  panel.close();
}"""


@each_notebook
def test_runs_in_jupyterlab_and_its_controls_move_its_figures(notebook, lab, watch):
    lab.evaluate(OPEN_AND_RUN, f"notebooks/{notebook.name}")
    try:
        outputs = lab.evaluate(OUTPUTS)
        assert outputs["wrong"] == []
        assert outputs["ran"] > 0
        panel = lab.query_selector(".jp-NotebookPanel:not(.lm-mod-hidden)")
        panel.query_selector(".jp-Cell").scroll_into_view_if_needed()
        lab.screenshot(path=ARTEFACTS / f"{notebook.stem}_lab.png")
        assert violations(lab, ".normlib-live") == []
        for number, figure in enumerate(panel.query_selector_all(".normlib-figure"), 1):
            where = f"{notebook.stem}, figure {number}"
            try:
                check_figure(lab, figure, where)
            finally:
                figure.screenshot(path=ARTEFACTS / f"{notebook.stem}_lab_{number}.png")
    finally:
        lab.evaluate(CLOSE)
    watch.assert_clean()


FORGETS_THE_MEAN = """def my_layer_norm(x, eps=1e-5):
    return x / np.sqrt(x.var(axis=-1, keepdims=True) + eps)


lesson.check("layer_norm", my_layer_norm)"""
RIGHT = FORGETS_THE_MEAN.replace("return x", "return (x - x.mean(-1, keepdims=True))")


def test_an_exercise_is_failed_then_solved_and_drives_its_figure(lab, watch):
    lab.evaluate(OPEN_AND_RUN, "notebooks/06_hypersphere.ipynb")
    try:
        panel = lab.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        cells = panel.locator(".jp-CodeCell")
        stub = cells.filter(has_text="def my_layer_norm").first
        drawn = cells.filter(has_text="your_sphere").first
        for code, verdict, seen in (
            (FORGETS_THE_MEAN, "Not yet: the mean is still in it", "leave the plane"),
            (RIGHT, "Correct", "all points are where they belong"),
        ):
            stub.locator(".cm-content").click()
            lab.keyboard.press("ControlOrMeta+a")
            lab.keyboard.insert_text(code)
            for _ in range(3):  # the stub, the text, the figure
                lab.keyboard.press("Shift+Enter")
            stub.locator(f".jp-OutputArea-output:has-text('{verdict}')").wait_for()
            drawn.locator(f".normlib-sentence:has-text('{seen}')").wait_for()
    finally:
        lab.evaluate(CLOSE)
    watch.assert_clean()


# ---- as slides ------------------------------------------------------------------

PRESENT = ".slides section.present:not(.stack)"
HASH = "() => location.hash"

# Everything on the slide that reaches beyond the page.
OUTSIDE = f"""() => {{
  const slide = document.querySelector("{PRESENT}");
  const seen = slide.querySelectorAll("p, li, pre, td, .normlib-image, .noUi-handle");
  const out = [];
  for (const part of seen) {{
    const box = part.getBoundingClientRect();
    const hidden = box.width === 0 || box.height === 0;
    if (!hidden && (box.left < -1 || box.top < -1 || box.right > innerWidth + 1
        || box.bottom > innerHeight + 1)) out.push(part.innerText || part.className);
  }}
  for (const formula of slide.querySelectorAll("mjx-container")) {{
    if (formula.scrollWidth > formula.clientWidth + 2) out.push("a formula");
  }}
  return out;
}}"""


def turn(page, key):
    """Press `key` and return the slide's address when it changed, else None."""
    before = page.evaluate(HASH)
    page.keyboard.press(key)
    try:
        page.wait_for_function("h => location.hash !== h", arg=before, timeout=1500)
    except Exception as error:
        if "Timeout" not in type(error).__name__:
            raise
        return None
    return page.evaluate(HASH)


def check_sliders_on_slide(page, figure, where):
    handles = [
        handle
        for control in figure.query_selector_all(".normlib-controls > *")
        if not is_disabled(control)
        for handle in control.query_selector_all(".noUi-handle")
    ]
    if not handles:
        return
    address = page.evaluate(HASH)
    # One is enough here: in JupyterLab each of them is moved.
    assert any(answers(figure, slider_moves(page, handle)) for handle in handles), (
        f"{where}: no slider changes both picture and sentence"
    )
    assert page.evaluate(HASH) == address, f"{where}: an arrow key turned the slide"

    handle = handles[0]
    press(page, handle, "Home")  # so that a step of PageUp would be seen
    value = handle.get_attribute("aria-valuenow")
    for key in ("PageUp", "PageDown"):
        handle.focus()
        turn(page, key)
    assert page.evaluate(HASH) == address
    assert handle.get_attribute("aria-valuenow") == value, f"{where}: moved by {key}"


@each_notebook
def test_slides_turn_and_their_sliders_work(notebook, slides, page, watch):
    page.goto(f"{slides}/voila/render/{notebook.name}")
    page.wait_for_selector(PRESENT)
    page.wait_for_load_state("networkidle")

    addresses = [page.evaluate(HASH)]
    while True:
        where = f"{notebook.stem}, slide {addresses[-1]}"
        # The slide is fitted in the next frames: figures and formulas come late.
        for _ in range(50):
            page.wait_for_timeout(150)
            long = page.query_selector(f"{PRESENT}.too-long")
            if not long and page.evaluate(OUTSIDE) == []:
                break
        name = f"{notebook.stem}_slide_{len(addresses):02}.png"
        page.screenshot(path=ARTEFACTS / name)
        assert not page.query_selector(f"{PRESENT}.too-long"), f"{where} is too long"
        assert page.evaluate(OUTSIDE) == [], f"{where}: cut off"
        for figure in page.query_selector_all(f"{PRESENT} .normlib-figure"):
            check_sliders_on_slide(page, figure, where)
        # A slider may have the focus now: both keys must work from there too.
        address = turn(page, ["PageDown", "Space"][len(addresses) % 2])
        if address is None:
            break
        addresses.append(address)

    assert len(addresses) > 1, "no second slide"
    back = [addresses[-1]]
    for _ in addresses[1:]:
        back.append(turn(page, "PageUp"))
    assert back == addresses[::-1]
    watch.assert_clean()


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
