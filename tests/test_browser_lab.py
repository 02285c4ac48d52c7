"""Every notebook in JupyterLab: it runs, and its controls move its figures.

A picture of a figure at which something failed is left in artefacts/.
"""

import re
import shutil

import pytest
from browser import (
    ROOT,
    Watch,
    answers,
    control_moves,
    each_notebook,
    keep_picture,
    settled,
    shown,
    start_lab,
    violations,
    wait_for_change,
)

pytestmark = pytest.mark.browser


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


# What there is to move in a figure, and whether there is room for it.
CONTROLS = """(figure) => {
  const parts = [".noUi-handle", "select", "[type=checkbox]", ".widget-toggle-button"];
  return [...figure.querySelectorAll(".normlib-controls > *")].map((control) => ({
    kind: parts.find((part) => control.querySelector(part)) || control.className,
    words: control.innerText,
    disabled: control.disabled || !!control.querySelector("[disabled], :disabled"),
    track: control.querySelector(".noUi-target")?.getBoundingClientRect().width,
  }));
}"""
PLAY = "widget-play"


def plays(figure, control):
    """Return whether a play button changes picture and sentence, by itself."""
    ((press_it,),) = control_moves(control)
    before = shown(figure)
    press_it()
    found = wait_for_change(figure, before, 20)
    press_it()  # else the picture goes on changing
    settled(figure)
    return found


def answers_elsewhere(figure, moves, others):
    """Return the same once other controls were moved: some matter only then."""
    for other in others:
        for ways in control_moves(other):
            # Home, then End, which stays: at 0 steps, say, nothing else matters.
            for way in reversed(ways[-2:]):
                way()
                settled(figure)
                if answers(figure, moves[-2:]):
                    return True
    return False


def check_figure(figure):
    """Move a control of each kind; that all of them do something needs no browser."""
    figure.scroll_into_view_if_needed()
    settled(figure)
    told = figure.evaluate(CONTROLS)
    assert told, "a live figure without controls"
    kinds = {}
    handles = figure.query_selector_all(".normlib-controls > *")
    for control, about in zip(handles, told, strict=True):
        if about["disabled"]:
            continue
        kinds.setdefault(about["kind"], []).append((control, about["words"]))
        if (room := about["track"]) is not None:
            assert room > 80, f"{about['words']!r} has {room:.0f} px"

    for kind, alike in kinds.items():
        if PLAY in kind:
            assert any(plays(figure, control) for control, _ in alike), "Play is silent"
            continue
        if any(
            all(answers(figure, moves) for moves in control_moves(control))
            for control, _ in alike
        ):
            continue
        ((silent, words), *_) = alike
        # Play is no setting, and a picture that plays changes by itself.
        others = [
            control
            for other, group in kinds.items()
            for control, _ in group
            if control != silent and PLAY not in other
        ]
        (moves, *_) = control_moves(silent)
        assert answers_elsewhere(figure, moves, others), (
            f"{words!r} was moved, but picture and sentence did not both change"
        )


def check_deck(deck):
    """Turn to the last card and back to the first by keyboard: the focus stays."""
    back, turn = deck.query_selector_all("button:not(.normlib-options button)")
    last = int(re.search(r"card 1 of (\d+)", deck.text_content())[1])
    for pressed, other, way in (
        (turn, back, range(2, last + 1)),
        (back, turn, range(last - 1, 0, -1)),
    ):
        for card in way:
            pressed.press("Enter")
            deck.wait_for_selector(f"text=card {card} of {last}")
        pressed.wait_for_element_state("disabled", timeout=20_000)
        assert other.evaluate("other => other === document.activeElement")


OPEN = """async ([path, run]) => {
  const { commands } = window.jupyterapp;
  const panel = await commands.execute("docmanager:open", { path });
  await panel.context.ready;
  await panel.sessionContext.ready;
  if (run) await commands.execute("notebook:run-all-cells");
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

# The lines of our words that hold more than 90 characters.
LONG_LINES = """(panel) => {
  const words = ["question p", "help p", "notices p", "picture > p"];
  const found = [];
  const range = document.createRange();
  for (const part of panel.querySelectorAll(words.map((w) => `.normlib-${w}`))) {
    const lines = [""];
    let bottom = 0;
    const texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    while (!part.matches(".normlib-spoken") && texts.nextNode()) {
      for (const [k, letter] of [...texts.currentNode.data].entries()) {
        range.setStart(texts.currentNode, k);
        range.setEnd(texts.currentNode, k + 1);
        const box = range.getBoundingClientRect();
        if (bottom && box.width && box.bottom > bottom + 8) lines.push("");
        if (box.width) bottom = box.bottom;
        lines[lines.length - 1] += letter;
      }
    }
    found.push(...lines.map((line) => line.trim()).filter((line) => line.length > 90));
  }
  return found;
}"""

CLOSE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.save();
  panel.sessionContext.shutdown();  // takes its time
  panel.close();
}"""


@each_notebook
def test_runs_in_jupyterlab_and_its_controls_move_its_figures(notebook, lab, watch):
    lab.evaluate(OPEN, [f"notebooks/{notebook.name}", True])
    try:
        outputs = lab.evaluate(OUTPUTS)
        assert outputs["wrong"] == []
        assert outputs["ran"] > 0
        panel = lab.query_selector(".jp-NotebookPanel:not(.lm-mod-hidden)")
        figures = panel.query_selector_all(".normlib-figure")
        told = notebook.read_text(encoding="utf-8").count("lesson.figure(")
        assert len(figures) == told, "a figure is not shown"
        with keep_picture(lab, f"{notebook.stem}_lab"):
            # Not by the mouse, as test_browser_picture.py does: each would take 0.3 s.
            panel.eval_on_selector_all(
                ".normlib-options > :first-child",
                "(firsts) => firsts.forEach((first) => first.click())",
            )
            for question in panel.query_selector_all(".normlib-options"):
                question.wait_for_selector(".mod-success")
            assert violations(lab, ".normlib-live") == []
            assert panel.evaluate(LONG_LINES) == []
            for number, figure in enumerate(figures, 1):
                try:
                    check_figure(figure)
                except AssertionError as error:
                    error.add_note(f"in figure {number}")
                    raise
            for deck in panel.query_selector_all(".normlib-deck")[:1]:
                check_deck(deck)
    finally:
        lab.evaluate(CLOSE)
    watch.assert_clean()


FORGETS_THE_MEAN = """def my_layer_norm(x, eps=1e-5):
    return x / np.sqrt(x.var(axis=-1, keepdims=True) + eps)


lesson.check("layer_norm", my_layer_norm)"""
RIGHT = FORGETS_THE_MEAN.replace("return x", "return (x - x.mean(-1, keepdims=True))")


def test_an_exercise_is_failed_then_solved_and_drives_its_figure(lab, watch):
    lab.evaluate(OPEN, ["notebooks/06_hypersphere.ipynb", False])
    try:
        panel = lab.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        cells = panel.locator(".jp-CodeCell")
        stub = cells.filter(has_text="def my_layer_norm").first
        drawn = cells.filter(has_text="your_sphere").first
        cells.first.locator(".cm-content").click()  # what all others need
        lab.keyboard.press("Shift+Enter")
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
