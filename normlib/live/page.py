"""Show a widget so that its page is readable without a kernel too.

A cell gets two outputs: plain HTML that stays in the saved notebook, and the live
widget. Where the widget lives, a style rule hides the HTML; where its kernel is
gone or not there yet, the rule hides what the page says of the widget instead.
"""

from IPython.display import display

VIEW = "application/vnd.jupyter.widget-view+json"
LIVE = "normlib-live"

STYLE = f"""<style>
.jp-OutputArea:has(.{LIVE}) .normlib-static {{ display: none; }}
.jp-OutputArea:has(.normlib-static)
  :is(.lm-Panel, .jupyter-widgets):not(:has(*)):not(.{LIVE} *) {{ display: none; }}
</style>"""


def show(widget, static, text):
    """Display `widget`, and `static` in its place where no kernel runs.

    Parameters
    ----------
    widget : ipywidgets.DOMWidget
        What the reader uses.
    static : str
        HTML for GitHub, exported pages and saved notebooks; empty on slides, which
        always have a kernel.
    text : str
        The same in words; nbval compares it.
    """
    widget.add_class(LIVE)
    view = {VIEW: widget._repr_mimebundle_()[VIEW]}
    if not static:
        display(view | {"text/plain": text}, raw=True)
        return
    page = f'{STYLE}<div class="normlib-static">{static}</div>'
    display({"text/html": page, "text/plain": text}, raw=True)
    display(view, raw=True)
