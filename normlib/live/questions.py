"""Questions to commit to: predictions before a figure and true-or-false cards."""

import html

import ipywidgets as widgets
from IPython.display import display

OPEN = "Commit to an answer: it stays, and then you see."


class Question:
    """A question with a few answers, of which the reader commits to one.

    Parameters
    ----------
    text : str
        The question.
    options : sequence of str
        The answers to choose from.
    answer : str
        The one of `options` that holds.
    because : str
        The reason, shown after the reader committed.

    Raises
    ------
    ValueError
        If `answer` is none of `options`.
    """

    def __init__(self, text, options, answer, because):
        if answer not in options:
            raise ValueError(f"answer must be one of {list(options)}, got {answer!r}")
        self.text, self.options = text, list(options)
        self.answer, self.because = answer, because
        self.choice = None
        self._buttons = [widgets.Button(description=o) for o in self.options]
        for button in self._buttons:
            button.layout.width = "auto"
            button.on_click(lambda pressed: self.commit(pressed.description))
        self._reply = widgets.HTML(f'<p role="status">{OPEN}</p>')
        row = widgets.HBox(self._buttons)
        row.layout.flex_flow = "row wrap"
        question = widgets.HTML(f"<p><b>{html.escape(text)}</b></p>")
        self.widget = widgets.VBox([question, row, self._reply])
        self.widget.add_class("normlib-question")

    def commit(self, choice):
        """Fix the reader's answer and show what holds, and why."""
        if choice not in self.options:
            raise ValueError(f"choice must be one of {self.options}, got {choice!r}")
        self.choice = choice
        for button in self._buttons:
            button.disabled = True
            if button.description == self.answer:
                button.button_style = "success"
            elif button.description == choice:
                button.button_style = "warning"
        verdict = "Right." if choice == self.answer else f"No: {self.answer}."
        self._reply.value = (
            f'<p role="status"><b>{html.escape(verdict)}</b> '
            f"{html.escape(self.because)}</p>"
        )

    def show(self):
        """Display the question."""
        display(self)

    def _repr_mimebundle_(self, include=None, exclude=None):
        # Without a kernel the answer hides behind a disclosure triangle.
        bundle = self.widget._repr_mimebundle_()
        bundle["text/html"] = (
            f"<p><b>{html.escape(self.text)}</b> "
            f"{html.escape(' / '.join(self.options))}</p>"
            f"<details><summary>Answer</summary><p><b>{html.escape(self.answer)}.</b> "
            f"{html.escape(self.because)}</p></details>"
        )
        bundle["text/plain"] = f"{self.text} [{' / '.join(self.options)}]"
        return bundle


class Card(Question):
    """A statement to call true or false; code decides, not the author.

    Parameters
    ----------
    statement : str
        What someone might claim.
    test : callable
        Computes whether the statement holds, without arguments.
    because : str
        The reason, shown after the reader committed.

    Raises
    ------
    TypeError
        If `test` gives anything but True or False.
    """

    def __init__(self, statement, test, because):
        holds = test()
        if not isinstance(holds, bool) and type(holds).__name__ != "bool":
            raise TypeError(f"test must return True or False, got {holds!r}")
        super().__init__(statement, ["True", "False"], str(bool(holds)), because)
