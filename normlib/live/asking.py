"""A choice that the reader commits to, and help that comes when asked for."""

import html
import re

import ipywidgets as widgets

from normlib.live.kernel import in_main_thread
from normlib.live.style import lecture_mode

COMMIT = "Commit to an answer: it stays, and then you see."
WORKS = "Computing ..."
RUN = "<p><em>Run all cells to answer.</em></p>"

LOOK = """<style>
.normlib-question p, .normlib-help p, .normlib-notices p {
  margin: 2px 0; max-width: 66ch; }
.normlib-question .widget-html-content, .normlib-notices .widget-html-content,
.normlib-help .widget-html-content { line-height: 1.4; white-space: normal; }
.normlib-question .widget-html, .normlib-help .widget-html,
.normlib-notices .widget-html { height: auto; }
.normlib-options { flex-flow: row wrap; }
.normlib-options .widget-button { height: auto; min-height: 28px; white-space: normal;
  text-align: left; line-height: 1.3; padding: 4px 10px; }
.normlib-options .widget-button:disabled { opacity: 0.85; }
.normlib-options .widget-button.mod-success { background: #2e7d32; color: #fff;
  opacity: 1; }
.normlib-options .widget-button.mod-warning { background: #a84600; color: #fff; }
.normlib-notices .widget-hbox { align-items: baseline; }
.normlib-notices .widget-button { flex: none; }
</style>"""


def rich(text):
    """Return `text` as HTML: `code`, **bold** and *stressed* words are marked up."""
    parts = re.split(r"`([^`]+)`", html.escape(text))
    for k, part in enumerate(parts):
        if k % 2:
            parts[k] = f"<code>{part}</code>"
        else:
            part = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", part)
            parts[k] = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*", r"<em>\1</em>", part)
    return "".join(parts)


def says(text, role=""):
    """Return a widget that shows one paragraph."""
    return widgets.HTML(_paragraph(text, role))


def _paragraph(text, role=""):
    words = rich(text).replace(" %", "&nbsp;%")  # no line ends between the two
    return f"<p{role and f' role={role!r}'}>{words}</p>"


def button(words):
    """Return a button as wide as its words, which wrap where the page is narrow."""
    made = in_main_thread(widgets.Button(description=words, tooltip=words))
    made.layout.width = "auto"
    return made


class Choice:
    """A question with answers, of which the reader commits to one.

    Parameters
    ----------
    text : str
        The question.
    options : sequence of str
        The answers, as they stand on the buttons.
    reply : callable
        From the chosen option to (the option that is right, what to say of it).
        It is asked only once the reader has committed.
    on_commit : callable
        Told the chosen option and whether it is right.
    computes : bool
        Whether `reply` may take some seconds, so that the reader is told to wait.
    """

    def __init__(self, text, options, reply, on_commit, computes=False):
        self.text, self.options = text, list(options)
        self.choice = None
        self._reply, self._on_commit, self._computes = reply, on_commit, computes
        self.buttons = [button(option) for option in self.options]
        for made in self.buttons:
            made.on_click(lambda pressed: self.commit(pressed.description))
        row = widgets.HBox(self.buttons)
        row.add_class("normlib-options")
        self.answer = says("" if lecture_mode() else COMMIT, "status")
        question = widgets.HTML(f"{LOOK}<p><b>{rich(text)}</b></p>")
        self.widget = widgets.VBox([question, row, self.answer])
        self.widget.add_class("normlib-question")

    def commit(self, choice):
        """Fix the reader's answer, then show what holds, and why."""
        if choice not in self.options:
            raise ValueError(f"choice must be one of {self.options}, got {choice!r}")
        if self.choice is not None:
            return
        before = self.answer.value
        if self._computes:
            self.answer.value = _paragraph(WORKS, "status")
        try:
            right, words = self._reply(choice)
        except BaseException:
            self.answer.value = before
            raise
        self.choice = choice
        for made in self.buttons:
            # The one pressed keeps the focus; pressed again, it does nothing.
            made.disabled = made.description != choice
            if made.description == right:
                made.button_style, made.icon = "success", "check"
            elif made.description == choice:
                made.button_style, made.icon = "warning", "times"
        self.answer.value = _paragraph(words, "status")
        self._on_commit(choice, choice == right)

    def static(self):
        """Return the question as HTML, without its answer."""
        options = "".join(f"<li>{rich(option)}</li>" for option in self.options)
        return f"<p><b>{rich(self.text)}</b></p><ul>{options}</ul>{RUN}"


class Deck:
    """Cards one after the other: commit to one, then turn to the next.

    Parameters
    ----------
    cards : sequence of callable
        Each makes the `Choice` of one card, once it is its turn.
    """

    def __init__(self, cards):
        self._cards, self._at = list(cards), 0
        self.choice = None
        self.count = says("")
        self.next = button("Next card")
        self.next.on_click(lambda _: self.turn(1))
        self.back = button("Back")
        self.back.on_click(lambda _: self.turn(-1))
        row = widgets.HBox([self.back, self.next, self.count])
        row.layout.align_items = "center"
        self._made = {}
        self._shown = widgets.VBox([])
        self.widget = widgets.VBox([self._shown, row])
        self.widget.add_class("normlib-deck")
        self.turn(0)

    def turn(self, steps):
        """Go `steps` cards on; a card that was answered keeps its answer."""
        self._at = min(max(self._at + steps, 0), len(self._cards) - 1)
        if self._at not in self._made:
            self._made[self._at] = self._cards[self._at]()
        self.choice = self._made[self._at]
        self._shown.children = [self.choice.widget]
        last = len(self._cards) - 1
        # A button that is disabled would take the focus to the page's top.
        if steps and self._at in (0, last):
            (self.next if self._at == 0 else self.back).focus()
        self.back.disabled = self._at == 0
        self.next.disabled = self._at == last
        self.count.value = _paragraph(f"card {self._at + 1} of {len(self._cards)}")

    @staticmethod
    def static(words, claims):
        """Return the cards as HTML, without their answers."""
        items = "".join(f"<li>{rich(claim)}</li>" for claim in claims)
        items = items and f"<ul>{items}</ul>"
        return f"<p><b>{rich(words)}: true or false?</b></p>{items}{RUN}"


class Help:
    """Buttons that uncover a hint, then another, then the solution and its output.

    Parameters
    ----------
    hints : sequence of str
        From a first nudge to nearly all of it.
    solve : callable
        Returns (source of the solution, what it prints); asked for when pressed.
    on_solution : callable
        Told, without arguments, that the solution was shown.
    """

    def __init__(self, hints, solve, on_solution):
        self._hints, self._solve, self._on_solution = list(hints), solve, on_solution
        self.hint, self.solution = button("Hint"), button("Show a solution")
        self.hint.on_click(self._next_hint)
        self.solution.on_click(self._show)
        self.hint.disabled = not self._hints
        self._shown = widgets.VBox([])
        row = widgets.HBox([self.hint, self.solution])
        self.widget = widgets.VBox([widgets.HTML(LOOK), row, self._shown])
        self.widget.add_class("normlib-help")

    def _next_hint(self, _):
        if not self._hints:
            return
        self._add(says(self._hints.pop(0), "status"))
        # Not disabled: that would take the focus to the page's top.
        self.hint.description = "Another hint" if self._hints else "No more hints"

    def _show(self, _):
        if self.solution.description == "Solution shown":
            return
        self.solution.description = "Solution shown"
        source, printed = self._solve()
        code = f"<pre>{html.escape(source)}</pre>"
        self._add(widgets.HTML(code), says(printed, "status"))
        self._on_solution()

    def _add(self, *shown):
        self._shown.children = (*self._shown.children, *shown)


class Notices:
    """Things to notice under a figure: press one, and the figure goes there.

    Parameters
    ----------
    notices : sequence
        Each with `text` and `settings`.
    figure : LiveFigure
        Goes back to its opening setting, with the settings of the notice on top.
    covered : bool
        Whether they wait until the reader has committed to the question before.
    one_by_one : bool
        Whether they come one at a time, as a lecturer shows them.
    """

    def __init__(self, notices, figure, covered=False, one_by_one=False):
        self._notices, self._figure = list(notices), figure
        self._opening = figure.values
        self._at = -1
        self.buttons = []
        self.reveal = button("Show them now")
        self.reveal.on_click(lambda _: self.uncover())
        self._look = widgets.HTML(LOOK)
        self.widget = widgets.VBox([self._look])
        self.widget.add_class("normlib-notices")
        if one_by_one:
            self.next = button(f"To notice: {len(self._notices)}")
            self.next.on_click(lambda _: self._show_next())
            self._said = says("", "status")
            self.widget.children += (widgets.HBox([self.next, self._said]),)
        elif covered:
            wait = says("What to notice stands here once you have answered above.")
            self.widget.children += (widgets.HBox([wait, self.reveal]),)
        else:
            self.uncover()

    def uncover(self):
        """Show the list."""
        if self.buttons:
            return
        rows = [says("**What to notice**")]
        for notice in self._notices:
            made = button("Show")
            made.tooltip = f"Show: {notice.text}"
            made.on_click(lambda _, notice=notice: self._go(notice))
            self.buttons.append(made)
            rows.append(widgets.HBox([made, says(notice.text)]))
        self.widget.children = [self._look, *rows]

    def _go(self, notice):
        self._figure.go(**self._opening | notice.settings)

    def _show_next(self):
        self._at = (self._at + 1) % len(self._notices)
        notice = self._notices[self._at]
        self.next.description = f"{self._at + 1} of {len(self._notices)}: next"
        self._said.value = _paragraph(notice.text, "status")
        self._go(notice)


def static_notices(notices, covered):
    """Return things to notice as HTML; folded if a question comes before them."""
    items = "".join(f"<li>{rich(notice.text)}</li>" for notice in notices)
    if not items:
        return ""
    words = "What to notice"
    if covered:
        return f"<details><summary>{words}</summary><ul>{items}</ul></details>"
    return f"<p><b>{words}</b></p><ul>{items}</ul>"
