"""Claims: sentences of the notebooks, each held by a test that computes it.

A test quotes the sentence that it computes, word by word::

    @claim("02", "With two samples, every result is +1 or -1.")
    def test_two_samples():
        for seed in seeds("With two samples, every result is +1 or -1."):
            ...

A quote is a sentence, a part of one that says one thing, or a row of a table. It may
hold for several notebooks: stack the decorators.
"""

from typing import NamedTuple

from normlib.lessons.lesson import seeds

__all__ = ["claim", "no_claim", "seeds"]

CLAIMS = []
WHYS = ("instruction", "question", "definition", "quotation", "counted on the page")


class Claim(NamedTuple):
    notebook: str  # its number, such as "02"
    quote: str
    held_by: str  # the test that computes it, or why nothing is to be computed


def claim(notebook, *quotes):
    """Register sentences of a notebook that the decorated test computes."""

    def register(test):
        held_by = f"{test.__module__}.{test.__name__}"
        CLAIMS.extend(Claim(notebook, quote, held_by) for quote in quotes)
        return test

    return register


def no_claim(notebook, quote, why):
    """Register a sentence with a number or a comparing word that claims nothing.

    `why` is one of `WHYS`: an instruction ("Press it twice."), a question, a
    definition, what somebody else said (the text names who), or a number that the
    reader counts on the page ("three controls"). Not for what was measured.
    """
    if why not in WHYS:
        raise ValueError(f"why must be one of {WHYS}, got {why!r}")
    if why == "question" and "?" not in quote:
        raise ValueError(f"no question: {quote!r}")
    CLAIMS.append(Claim(notebook, quote, why))
