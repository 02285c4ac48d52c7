"""What in a text asks for a claim: its numbers and its comparing words.

Numbers are digits with their sign, decimals and percent sign, and number words from
"three" on ("one" and "two" stand in too many sentences that measure nothing). Words
are those of `WORDS`, which say how much, how often or what is ahead of what.

Left out, by rule:

- dates: years beside a name or in brackets, such as "Ba et al. 2016" or "(1968)";
- references: all from the word "References" on, arXiv and doi numbers, the numbers
  of equations, sections, figures, tables, theorems, algorithms, chapters and pages;
- numbers of notebooks ("01", "notebook 10", "02, 03 and 04") and minutes ("25
  minutes"), and what stands between the markers of a map that the tools write;
- code: blocks, and code spans that hold a letter or are a tuple, such as `x[0, 4]`,
  `momentum=0.1`, `(N, 3)`. A span that is only a number counts;
- formulas in $...$ and $$...$$, unless they hold a decimal or \\approx: then they
  state a measured number;
- definitions "1/N" and "1/(N-1)"; sizes such as "8x8"; "2-D"; the intervals [0, 1] and
  [-1, 1]; names that hold a digit, such as W2 or l1; exponents such as "e^2"; the
  numbers of a list ("1. ");
- vectors such as (1, 1, 1), "mean 0", "eps = 0", the heading "Going deeper";
- HTML tags and comments, link targets.
"""

import re

WORDS = (
    "always never none most mostly usually often rarely twice thrice half halves "
    "double doubles doubled more less fewer later sooner earlier faster slower better "
    "worse larger smaller higher lower longer shorter stronger weaker wider narrower "
    "deeper shallower rougher smoother largest smallest highest lowest longest "
    "shortest fastest slowest best worst"
).split()
# "all" and its like name a set in most sentences ("the mean of all samples"); they
# claim something where they count cases.
PHRASES = (
    r"in (?:all|every)\b",
    r"(?:all|every|each|none) (?:of|but)\b",
    r"at (?:all|no|any|every) (?:rates?|seeds?|sizes?|depths?|settings?|steps?)",
    r"(?:all|every|no) (?:runs?|seeds?|networks?|rates?|depths?)\b",
    r"(?:all|every) norms?\b",  # "no norm" is the name of a network
    r"no (?:law|rule|matter|longer)\b",
)
NUMBER_WORDS = (
    "three four five six seven eight nine ten eleven twelve fifteen sixteen twenty "
    "thirty forty fifty sixty hundred hundreds thousand thousands million billion "
    "third thirds quarter quarters fourth fifth tenth hundredth thousandth tenfold"
).split()

NUMBER = re.compile(
    r"(?<![\w.^\\/])[+-]?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?(?:\s?%)?(?![\w^])"
)
WORD = re.compile(
    rf"\b(?:{'|'.join([*WORDS, *NUMBER_WORDS])})\b|\b(?:{'|'.join(PHRASES)})", re.I
)

_NUMBERS = r"\d+(?:\.\d+)*[a-z]?(?:(?:,? (?:and|or|to) |, |-|–)\d+(?:\.\d+)*[a-z]?)*"
_PLACES = (
    r"equations?|eqs?\.|sections?|figures?|tables?|theorems?|lemmas?|definitions?"
    r"|algorithms?|appendix|chapters?|pages?|pp?\.|propositions?|corollar(?:y|ies)"
    r"|notes?|parts?"
)
_YEAR = r"(?:19|20)\d\d[a-z]?"
LEFT_OUT = [
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"<!--\s*map\b.*?<!--\s*end of map\s*-->", re.S),
        (r"<!--.*?-->", re.S),
        (r"<[a-zA-Z/][^>]*>", re.S),
        (r"(?<=\])\([^)\s]*\)", 0),
        (r"^\W*References\b.*", re.S | re.M),
        (rf"\b(?:{_PLACES})\s(?:\(?[A-Z]\.?)?{_NUMBERS}\)?", re.I),
        (r"\barXiv[:\s]\d{4}\.\d{4,5}(?:v\d+)?", re.I),
        (r"\bdoi[:\s]\S+", re.I),
        (rf"(?:& [A-Z]\w+|\bal\.),? \(?{_YEAR}\b(?:, {_YEAR}\b)*", 0),
        (rf"\b[A-Z]\w+,? \(?{_YEAR}(?=[),;.:|\]]|$)", re.M),
        (rf"\({_YEAR}\)", 0),
        (r"(?<![\w.])0\d(?!\w|\.\d)", 0),
        (rf"\bnotebooks?\s{_NUMBERS}", re.I),
        (r"\bNext:\W*\d\d\b", 0),
        (r"\b\d+(?: to \d+|-\d+)? minutes?\b", re.I),
        (r"(?<![\w.])1\s?/\s?(?:[A-Za-z]|\([A-Za-z])\w*(?:\s?-\s?1\))?", 0),
        (r"\b\d+ ?[x×] ?\d+(?: ?[x×] ?\d+)*\b", 0),
        (r"\b[123]-?D\b", 0),
        (r"\[-?[01], 1\]", 0),
        (r"^\s*\d+\.\s", re.M),
        (r"\((?:-?\d+(?:\.\d+)?, )+-?\d+(?:\.\d+)?\)", 0),
        (r"\bmean 0\b(?!\.\d)|(?<=\0) = 0(?!\.?\d)", 0),
        (r"\bGoing deeper\b", 0),
    )
]
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.S)
MEASURED = re.compile(r"\d\.\d|\\approx")
BLOCK = re.compile(r"```.*?```", re.S)
CODE_SPAN = re.compile(r"`[^`\n]+`")
HAS_A_LETTER_OR_IS_A_TUPLE = re.compile(r"[^\W\d_]|^`\(.*,.*\)`$")


def _blank(match):
    return re.sub(r"[^\n]", "\0", match.group())


def masked(text):
    """Return `text`, as long as before, with what is left out by rule blanked."""

    def formula(match):
        return match.group() if MEASURED.search(match.group()) else _blank(match)

    def code(match):
        named = HAS_A_LETTER_OR_IS_A_TUPLE.search(match.group())
        return _blank(match) if named else match.group()

    text = BLOCK.sub(_blank, text)
    text = CODE_SPAN.sub(code, text)
    text = FORMULA.sub(formula, text)
    for pattern in LEFT_OUT:
        text = pattern.sub(_blank, text)
    return text


def asking(text):
    """Return (start, end) of each number and comparing word that asks for a claim."""
    text = masked(text)
    found = [m.span() for p in (NUMBER, WORD) for m in p.finditer(text)]
    return sorted(found)


def places(quote, text):
    """Return (start, end) wherever `quote` stands in `text`, but for white space."""
    pattern = r"\s+".join(map(re.escape, quote.split()))
    return [m.span() for m in re.finditer(pattern, text)]


def sentence_around(text, start, end):
    """Return the sentence or line around a place, for a message."""
    before = [m.end() for m in re.finditer(r"[.?!:]\s+|\n", text[:start])]
    after = re.search(r"[.?!](?=\s|$)|\n|$", text[end:])
    return text[before[-1] if before else 0 : end + after.end()].strip()


def uncovered(text, quotes):
    """Return (what, sentence) for each number or word that no quote covers."""
    covered = [span for quote in quotes for span in places(quote, text)]
    return [
        (text[start:end], sentence_around(text, start, end))
        for start, end in asking(text)
        if not any(low <= start and end <= high for low, high in covered)
    ]
