"""What a notebook asks and says, as data, and what the reader answered.

A module of `normlib.lessons` makes one `Lesson`; the cells of its notebook call it
in one line each. Nothing that gives an answer away is sent to the page before the
reader has committed.
"""

import hashlib
import html
import inspect
import random
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from IPython.display import display

from normlib.lessons.checks import same, verdict
from normlib.lessons.saved import saved_rows
from normlib.live import page
from normlib.live.asking import Choice, Deck, Help, Notices, rich, static_notices
from normlib.live.style import lecture_mode

WORK = ("written", "tried", "solution shown")  # what a report says of an exercise

# JupyterLab sets tables flush right, and drops the style sheets of a notebook that it
# does not trust, such as a report handed in.
LEFT = ' style="text-align: left"'
ONE_LINE = ' style="text-align: left; white-space: nowrap"'

# JupyterLab forgets which output it is that follows, once a page is loaded again.
AGAIN = (
    "If you have loaded the page again or reopened the notebook, run this cell once "
    "more before you hand it in."
)


@dataclass(frozen=True)
class Question:
    """A prediction: for each option, what is right or wrong in it."""

    text: str
    options: dict[str, str]
    right: str

    def __post_init__(self):  # noqa: D105
        if self.right not in self.options:
            raise ValueError(
                f"right must be one of {list(self.options)}, got {self.right!r}"
            )

    def reply(self, choice):
        """Return the option that is right, and what to say to `choice`."""
        words = self.options[self.right]
        if choice == self.right:
            return self.right, f"**Right.** {words}"
        return self.right, f"**No.** {self.options[choice]} **{self.right}**: {words}"


@dataclass(frozen=True)
class Notice:
    """A thing to notice in a figure, the settings that show it, and its check.

    `check` takes the figure at those settings and says whether the text holds. With
    `seeds`, it is run at that many values of the control "seed" which nobody chose,
    and must hold in the `share` of them that the text speaks of.
    """

    text: str
    settings: dict
    check: Callable
    seeds: int = 0
    share: float = 1.0


@dataclass(frozen=True)
class Shown:
    """A live figure of the lesson.

    `make` is called with the reader's functions, if the notebook passes some. In a
    lecture nobody has written them: `solved` then names the exercises whose
    solutions stand in.
    """

    make: Callable
    notices: list[Notice] = field(default_factory=list)
    solved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exercise:
    """A function that the reader writes.

    Parameters
    ----------
    solution : callable
        Written as the reader would write it: its source is shown on request.
    inputs : callable
        Returns the list of argument tuples on which the results must agree.
    right : str
        What the reader has shown, once they do.
    hints : tuple of str
        From a first nudge to nearly all of it.
    mistakes : dict of str to callable
        A common mistake in words, and a function that makes it.
    check : callable, optional
        In place of comparing on `inputs`: takes the reader's function, returns what
        it got right or raises `NotYet`.
    """

    solution: Callable
    inputs: Callable | None = None
    right: str = ""
    hints: tuple[str, ...] = ()
    mistakes: dict[str, Callable] = field(default_factory=dict)
    check: Callable | None = None

    def judge(self, function):
        """Return what `function` got right, or raise `NotYet` with what is off."""
        if self.check is not None:
            return self.check(function)
        return same(function, self.solution, self.inputs(), self.mistakes, self.right)


@dataclass(frozen=True)
class Card:
    """A claim that someone made; `test` computes whether it holds.

    In a deck, `topic` says which cards lie together, and `back` names the notebook to
    go back to after a wrong answer.
    """

    claim: str
    test: Callable
    why: str
    topic: str = ""
    back: str = ""

    def reply(self, choice, when="just now"):
        """Return what code decides now, "True" or "False", and what to say.

        `when` tells the reader when that was, on a page without a kernel.
        """
        holds = self.test()
        if not isinstance(holds, bool | np.bool_):
            raise TypeError(f"test must return True or False, got {holds!r}")
        right = str(bool(holds))
        word = "Right" if choice == right else "No"
        back = f" See notebook {self.back}." if self.back else ""
        words = f"**{word}: computed {when}, it is {right}.** {self.why}{back}"
        return right, words


@dataclass
class Kept:
    """What the reader did with one question, card or exercise."""

    text: str
    answer: str = ""
    right: bool | None = None
    back: str = ""


class Lesson:
    """Everything that one notebook asks and says.

    Parameters
    ----------
    number : str
        That of the notebook, such as "02".
    questions, figures, exercises, cards : dict
        From the key that a cell names to a `Question`, `Shown`, `Exercise`, `Card`.
    """

    def __init__(self, number, questions, figures, exercises, cards):
        self.number = number
        self.questions, self.figures = questions, figures
        self.exercises, self.cards = exercises, cards
        self.kept = {}
        for key, question in questions.items():
            self.kept["prediction", key] = Kept(question.text)
        for key in exercises:
            self.kept["exercise", key] = Kept(key.replace("_", " "))
        for key, card in cards.items():
            self.kept["card", key] = Kept(card.claim, back=card.back)
        self._recall()
        self.open = {}  # what the page shows now: choices, figures, help, by key
        self._last_question = None
        self._waiting = {}  # notices that wait for the answer to a question
        self._moving = {}  # the figures that the page shows now
        self._before = {}  # the question that stood before a figure, for a second run
        self._report = None

    # ---- what the cells of a notebook call --------------------------------

    def ask(self, key):
        """Show a question; what holds, and why, comes after the reader committed."""
        question = _find(self.questions, key, "question")
        self._last_question = key
        self._waiting.setdefault(key, [])
        choice = self._choice(
            "prediction", key, question.text, question.options, question.reply
        )
        words = f"{question.text} [{' / '.join(choice.options)}]"
        page.show(choice.widget, choice.static(), words)

    def judge(self, key):
        """Show a claim to call true or false; code decides."""
        choice = self._card(key)
        page.show(choice.widget, choice.static(), f"{choice.text} [True / False]")

    def quiz(self, topic=None):
        """Show the cards of a topic one after the other, or all in a random order."""
        keys = [k for k, card in self.cards.items() if topic in (None, card.topic)]
        if not keys:
            topics = {card.topic: None for card in self.cards.values()}
            raise ValueError(f"no card has the topic {topic!r}; there are {[*topics]}")
        drawn = keys if topic else random.sample(keys, len(keys))
        deck = self.open[topic or "all"] = Deck([partial(self._card, k) for k in drawn])
        claims = [self.cards[key].claim for key in keys] if topic else []
        words = f"{len(keys)} claims" + (
            f" on {topic}" if topic else ", drawn at random"
        )
        page.show(deck.widget, deck.static(words, claims), words)

    def figure(self, key, *functions):
        """Show a live figure, with what to notice under it.

        Parameters
        ----------
        key : str
            Its name in the lesson.
        *functions
            The reader's own functions, for a figure that is driven by them.
        """
        shown = _find(self.figures, key, "figure")
        for function in functions:
            if not callable(function):
                raise TypeError(
                    f"the figure {key!r} takes a function, got "
                    f"{type(function).__name__}; name yours, without brackets after it"
                )
        if functions and lecture_mode():
            functions = [self.exercises[name].solution for name in shown.solved]
        figure = shown.make(*functions)
        question = self._before.get(key, self._last_question)
        if question == self._last_question:
            self._last_question = None
        if question is not None:
            self._before[key] = question
        asked = question is not None and not lecture_mode()
        below = []
        if shown.notices:
            covered = asked and not self.kept["prediction", question].answer
            notices = Notices(shown.notices, figure, covered, lecture_mode())
            below.append(notices.widget)
            if covered:
                self._waiting[question].append(notices)
        if key in self._moving:  # its cell runs again
            self._moving[key].rest()
        self.open[key] = self._moving[key] = figure
        figure.show(
            below=below,
            static_below=static_notices(shown.notices, question is not None),
        )

    def check(self, key, function):
        """Try what the reader wrote, say what is off, and offer help.

        Parameters
        ----------
        key : str
            The name of the exercise.
        function : callable
            The reader's function.
        """
        exercise = _find(self.exercises, key, "exercise")
        kept = self.kept["exercise", key]
        if not lecture_mode():
            words, state = verdict(lambda: exercise.judge(function))
            print(words)
            if kept.answer != "solution shown" and not kept.right:
                kept.answer = state or kept.answer
                kept.right = state == "written"
            self._update_report()

        def solve():
            printed, _ = verdict(lambda: exercise.judge(exercise.solution))
            return textwrap.dedent(inspect.getsource(exercise.solution)), printed

        def shown():
            if not kept.right:
                kept.answer = "solution shown"
                self._update_report()

        offered = self.open[key] = Help(exercise.hints, solve, shown)
        page.show(
            offered.widget,
            "<p><em>Hints and a solution: run all cells.</em></p>",
            f"{len(exercise.hints)} hints and a solution on request",
        )

    def report(self):
        """Show what the reader answered; it follows, and stays when saved.

        In a lecture there is nobody to hand it in.
        """
        if lecture_mode():
            return
        name = f"report of notebook {self.number}"  # one: every copy of it follows
        self._report = display(self._bundle(), raw=True, display_id=name)

    # ---- what tests and other tools read ----------------------------------

    def texts(self):
        """Return every sentence that a reader meets, but for things to notice."""
        texts = []
        for question in self.questions.values():
            texts += [question.text, *question.options, *question.options.values()]
        for exercise in self.exercises.values():
            texts += [exercise.right, *exercise.hints, *exercise.mistakes]
        for card in self.cards.values():
            texts += [card.claim, card.why]
        return texts

    def statements(self):
        """Return what of its texts claims something that a test has to compute.

        Questions and hints claim nothing; notices and cards have their own checks.
        """
        statements = [card.why for card in self.cards.values()]
        for question in self.questions.values():
            statements += question.options.values()
            if len(question.right.split()) > 2:  # else its reason says it
                statements.append(question.right)
        return statements

    def secrets(self):
        """Return what no page may show before the reader has committed or asked."""
        secrets = []
        for question in self.questions.values():
            secrets += question.options.values()
        for exercise in self.exercises.values():
            secrets += [*exercise.hints, exercise.right, *exercise.mistakes]
            source = textwrap.dedent(inspect.getsource(exercise.solution))
            secrets.append(source.split("\n", 1)[1].strip())
        secrets += [card.why for card in self.cards.values()]
        return [secret for secret in secrets if secret]

    # ---- behind them ------------------------------------------------------

    def _card(self, key):
        card = _find(self.cards, key, "card")
        return self._choice("card", key, card.claim, ["True", "False"], card.reply)

    def _choice(self, kind, key, text, options, reply):
        kept = self.kept[kind, key]

        def commit(choice, right):
            if not kept.answer:  # the first answer counts
                kept.answer, kept.right = choice, right
            for notices in self._waiting.get(key, ()) if kind == "prediction" else ():
                notices.uncover()
            self._update_report()

        def say(choice):
            right, words = reply(choice)
            if kept.answer not in ("", choice) and not lecture_mode():
                words += f" The report keeps your first answer: {kept.answer}."
            return right, words

        self.open[key] = Choice(text, options, say, commit, kind == "card")
        return self.open[key]

    def _recall(self):
        """Go on with the report of an earlier kernel, where the notebook holds one."""
        rows = saved_rows(self._title)
        for (kind, key), kept in self.kept.items():
            answer, mark = rows.get(rich(kept.text), ("", ""))
            possible = {"exercise": WORK, "card": ("True", "False")}.get(kind)
            for one in possible or self.questions[key].options:
                if rich(one) == answer:
                    kept.answer, kept.right = one, mark == "right"

    @property
    def _title(self):
        return f"Report of notebook {self.number}"

    def _update_report(self):
        if self._report is not None:
            self._report.update(self._bundle(), raw=True)

    def _bundle(self):
        lines, rows = [], []
        for kind, plural in (
            ("prediction", "predictions"),
            ("exercise", "exercises"),
            ("card", "true or false"),
        ):
            mine = [kept for (what, _), kept in self.kept.items() if what == kind]
            if not mine:
                continue
            right = sum(bool(kept.right) for kept in mine)
            done = sum(bool(kept.answer) for kept in mine)
            lines.append(f"{plural}: {right} right, {done} of {len(mine)} answered")
            rows.append(f'<tr><th colspan="3"{LEFT}>{html.escape(lines[-1])}</th></tr>')
            for kept in mine:
                mark = "" if not kept.answer else "right" if kept.right else "not right"
                if mark == "not right" and kept.back:
                    mark += f": see {kept.back}"
                cells = kept.text, kept.answer or "open", mark
                looks = LEFT, LEFT, ONE_LINE if mark else LEFT
                rows.append(
                    "<tr>"
                    + "".join(
                        f"<td{look}>{rich(cell)}</td>"
                        for look, cell in zip(looks, cells, strict=True)
                    )
                    + "</tr>"
                )
        title = self._title
        return {
            "text/plain": "\n".join([title, *lines]),
            "text/html": f'<table class="normlib-report"><caption>{title}</caption>'
            f"{''.join(rows)}</table><p>{AGAIN}</p>",
        }


def seeds(sentence, n=10, stop=2**31):
    """Return `n` different seeds below `stop`, fixed by the words of `sentence`.

    Nobody chose them, and they are the same on every machine and in every version
    of numpy. Another wording gets other seeds.
    """
    if n > stop:
        raise ValueError(f"there are no {n} different seeds below {stop}")
    found, counter = [], 0
    while len(found) < n:
        words = f"{' '.join(sentence.split())}|{counter}"
        digest = hashlib.sha256(words.encode()).digest()
        seed = int.from_bytes(digest[:8], "big") % stop
        if seed not in found:
            found.append(seed)
        counter += 1
    return found


def _find(known, key, kind):
    if key not in [*known]:  # also what no dictionary can look up
        raise ValueError(f"no {kind} {key!r} in this lesson; it has {list(known)}")
    return known[key]
