"""A notebook as the parts of a page: words, code, figures, questions, exercises."""

import ast
import base64
import inspect
import json
import re
import textwrap
from dataclasses import dataclass
from functools import partial

import nbformat
from words import code

from normlib.lessons.checks import verdict

# What holds only where there is a kernel.
NEEDS = re.compile(r"You need: (.+?)\.(?: |\*)")
RUN_ALL = re.compile(r" Choose Run, Run All Cells: [^.*]*\.")


@dataclass(frozen=True)
class Call:
    """One `lesson.method("key", *functions)` of a code cell."""

    method: str
    key: str | None
    solved: bool  # the reader's functions are passed


def split(source):
    """Return the code of a cell that is worth reading, and its calls of the lesson.

    Imports alone are not: they stand in the notebook for the kernel.
    """
    lines, calls, taught = source.split("\n"), [], False
    for node in ast.parse(source).body:
        call = _call(node)
        if call:
            calls.append(call)
            lines[node.lineno - 1 : node.end_lineno] = [""] * (
                node.end_lineno - node.lineno + 1
            )
        taught |= not call and not isinstance(node, ast.Import | ast.ImportFrom)
    return "\n".join(lines).strip() if taught else "", calls


def _call(node):
    match node:
        case ast.Expr(
            ast.Call(ast.Attribute(ast.Name("lesson"), method), arguments, [])
        ):
            key = arguments[0].value if arguments else None
            return Call(method, key, solved=len(arguments) > 1)
    return None


class Notebook:
    """One notebook, read from its file.

    Parameters
    ----------
    entry : gallery.Entry
        Its name, title, minutes, short answer and picture.
    path : Path
    lesson : Lesson
    """

    def __init__(self, entry, path, lesson):
        self.entry, self.lesson = entry, lesson
        self.number, self.page = entry.number, f"{path.stem}.html"
        self.cells = [
            (cell, *(split(cell.source) if cell.cell_type == "code" else ("", [])))
            for cell in nbformat.read(path, as_version=4).cells
        ]

    def needs(self):
        """Return what it builds on, in Markdown."""
        found = (NEEDS.search(cell.source) for cell, *_ in self.cells)
        return next((needs[1] for needs in found if needs), "")

    def figures(self):
        """Return the call of each live figure."""
        calls = (call for _, _, calls in self.cells for call in calls)
        return [call for call in calls if call.method == "figure"]

    def parts(self, words, pictures):
        """Yield (kind, values) for the template, in the order of the notebook.

        Parameters
        ----------
        words : Words
        pictures : dict of str to Pictures
            By the key of the figure.
        """
        question = None  # that comes before the next figure
        for cell, shown, calls in self.cells:
            if cell.cell_type == "markdown":
                text = words.markdown(RUN_ALL.sub("", cell.source))
                yield "markdown", {"text": text}
            if shown:
                yield "code", {"text": code(shown)}
                said = "".join(o.get("text", "") for o in cell.outputs)
                if said and not any(call.method == "check" for call in calls):
                    yield "output", {"text": said.rstrip()}
            for call in calls:
                key = call.key
                if call.method == "ask":
                    question = key
                    yield "question", self._question(key, words)
                elif call.method == "judge":
                    yield "question", self._card(key, words)
                elif call.method == "quiz":
                    yield "deck", self._deck(key, words)
                elif call.method == "figure":
                    yield "figure", self._figure(call, question, words, pictures[key])
                    question = None
                elif call.method == "check":
                    yield "exercise", self._exercise(key, words)
                elif call.method == "report":
                    yield "report", {"number": self.number}
                else:
                    raise ValueError(f"{self.page}: what is lesson.{call.method}?")

    def _question(self, key, words):
        asked = self.lesson.questions[key]
        options = [*asked.options]
        return self._choice("prediction", key, asked.text, options, asked.reply, words)

    def _card(self, key, words):
        card = self.lesson.cards[key]
        reply = partial(card.reply, when="when this page was made")
        made = self._choice("card", key, card.claim, ["True", "False"], reply, words)
        return made | {"back": card.back}

    def _choice(self, kind, key, text, options, reply, words):
        replies = [reply(option) for option in options]
        answer = {
            "right": options.index(replies[0][0]),
            "replies": [words.rich(said) for _, said in replies],
        }
        # Nothing is kept secret, but neither does it meet the eye in the source.
        covered = base64.b64encode(json.dumps(answer).encode()).decode()
        return {
            "kind": kind,
            "key": key,
            "text": words.rich(text),
            "options": [words.rich(option) for option in options],
            "answer": covered,
            "back": "",  # the notebook to go back to
        }

    def _deck(self, topic, words):
        cards = self.lesson.cards
        keys = [k for k, card in cards.items() if topic in (None, card.topic)]
        return {
            "title": topic or "all, in a random order",
            "shuffled": topic is None,
            "cards": [self._card(key, words) for key in keys],
        }

    def _figure(self, call, question, words, pictures):
        return {
            "key": call.key,
            "question": question,
            "solved": call.solved,
            "pictures": pictures,
            "notices": [
                words.rich(notice.text)
                for notice in self.lesson.figures[call.key].notices
            ],
        }

    def _exercise(self, key, words):
        exercise = self.lesson.exercises[key]
        said, _ = verdict(lambda: exercise.judge(exercise.solution))
        return {
            "hints": [words.rich(hint) for hint in exercise.hints],
            "solution": code(textwrap.dedent(inspect.getsource(exercise.solution))),
            "said": words.rich(said),
        }
