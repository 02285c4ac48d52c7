"""Words of the notebooks as HTML: Markdown, formulas, code, links between pages."""

import re

from latex2mathml.converter import convert
from markupsafe import Markup, escape
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from normlib.live import asking

# "notebook 02", "notebooks 02, 03 and 04", "You need: 03; 05", "**Next:** 01"; not
# inside a tag
NUMBER = re.compile(r"\b\d\d\b(?![^<>]*>)")
NAMED = re.compile(
    r"(?:notebooks?|You need:|Next:</strong>) \d\d\b"
    r"(?:(?:[,;] | and | to )\d\d\b)*(?![^<>]*>)",
    re.I,
)


# What the converter writes, and what browsers draw as TeX does. The strut in a root is
# as high as a capital letter: the sign hangs from the bar, and the bar lies on what
# stands below it, so the sign of a root of n would hang far below its line. A sum of
# two texts would count as one big sign, with the spaces of its plus on the outside.
# The prime of the font is raised already.
MENDS = (
    ("<msqrt>", '<msqrt><mspace height="0.74em" depth="0.12em"></mspace>'),
    ("<mo>&#x0005E;</mo></mover>", "<mo>&#x00302;</mo></mover>"),  # a hat
    (
        "<mo>&#x0003D;</mo><mo>&#x02212;</mo>",
        '<mo>=</mo><mo form="prefix">&#x02212;</mo>',
    ),
    (
        ">(</mo><mo>&#x02212;</mo>",
        '>(</mo><mo form="prefix">&#x02212;</mo>',
    ),
    ("<mi>ln</mi><mfrac>", '<mi>ln</mi><mspace width="0.167em"></mspace><mfrac>'),
    ("mtext>", "mi>"),
    (
        "<mi>&#x02032;</mi>",
        '<mpadded voffset="-0.4em" height="0.5em"><mi mathsize="141%">&#x02032;</mi>'
        "</mpadded>",
    ),
    *(
        (f"<mo>{sign}</mo>", f'<mo lspace="0em" rspace="{after}em">{sign}</mo>')
        for sign, after in {
            "&#x0002F;": 0,  # a slash
            "&#x02202;": 0,  # a partial derivative
            "&#x02026;": 0.167,  # dots
            "min": 0.167,
            "max": 0.167,
        }.items()
    ),
)


def formula(tex, display="inline"):
    """Return a formula as MathML, which browsers draw by themselves."""
    # Bold digits as letters of their own: browsers of today know no other.
    tex = re.sub(r"\\mathbf\s*(\d|\{\d\})", lambda m: bold(m[1].strip("{}")), tex)
    made = convert(tex.strip().replace(r"\_", "_"), display=display)
    if "\\" in made or "mathvariant" in made:
        raise ValueError(f"this formula cannot be shown: {tex}")
    for written, wanted in MENDS:
        made = made.replace(written, wanted)
    return Markup(made)


# A formula and the signs behind it, between which browsers would end a line.
SIGNS = re.compile(
    r'(<math[^>]* display="inline">(?:(?!</math>).)*</math>)([.,;:?!)]+)'
)


def bold(digit):
    return chr(ord("\N{MATHEMATICAL BOLD DIGIT ZERO}") + int(digit))


def code(source):
    """Return Python code, highlighted."""
    made = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
    return Markup(f'<pre class="code scrolls"><code>{made}</code></pre>')


class Renderer(IPythonRenderer):
    """Markdown of a notebook as HTML of its page."""

    def __init__(self, image, headings):
        super().__init__(escape=False, exclude_anchor_links=True)
        self._image, self._headings = image, headings

    def heading(self, text, level, **attrs):
        """Give each section an address, and keep it for the list of contents."""
        name = re.sub(r"\W+", "-", re.sub(r"<[^>]*>", "", text)).strip("-").lower()
        if level == 2:
            self._headings.append((name, Markup(text)))
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def block_math(self, body):
        return f'<div class="formula scrolls">{formula(body, "block")}</div>'

    def inline_math(self, body):
        return formula(body)

    def block_code(self, code_, info=None):
        return code(code_)

    def image(self, text, url, title=None):
        return f'<img src="{escape(self._image(url))}" alt="{escape(text)}">'

    def table(self, text):
        return f'<div class="table scrolls"><table>{text}</table></div>'

    def table_cell(self, text, align=None, head=False):
        if head and text:
            return f'<th scope="col">{text}</th>'
        return f"<td>{text}</td>"


class Words:
    """Turns the words of one notebook into HTML.

    Parameters
    ----------
    addresses : dict of str to str
        The page of every other notebook, by its number.
    image : callable
        From the address of an image in the notebook to that on the page.
    """

    def __init__(self, addresses, image=None):
        self.headings = []  # (id, words) of each section
        self._addresses = addresses
        renderer = Renderer(image, self.headings)
        self._markdown = MarkdownWithMath(renderer)

    def markdown(self, text):
        """Return Markdown as HTML."""
        return self.linked(self._rendered(text))

    def inline(self, text, named=NAMED):
        """Return one paragraph of Markdown as HTML, without its tag."""
        made = self._rendered(text).strip()
        return self.linked(made.removeprefix("<p>").removesuffix("</p>"), named)

    def _rendered(self, text):
        return SIGNS.sub(
            r'<span class="whole">\1\2</span>', self._markdown.render(text)
        )

    def rich(self, text):
        """Return a sentence of a lesson as HTML."""
        return self.linked(asking.rich(text))

    def linked(self, made, named=NAMED):
        """Link what is said of another notebook to its page."""

        def link(number):
            address = self._addresses.get(number[0])
            return f'<a href="{address}">{number[0]}</a>' if address else number[0]

        return Markup(named.sub(lambda m: NUMBER.sub(link, m[0]), made))
