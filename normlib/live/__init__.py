"""Live figures: the only part that imports matplotlib or ipywidgets."""

import pkgutil
from importlib import import_module

from normlib.live.figure import LiveFigure, ReaderError, call_reader
from normlib.live.style import lecture_mode

__all__ = [
    "LiveFigure",
    "ReaderError",
    "call_reader",
    "figures",
    "lecture_mode",
]


def figures():
    """Return every live figure of the collection.

    Those are what the modules of `normlib.live` name in their ``FIGURES``, one
    module a notebook.

    Returns
    -------
    dict of str to callable
        From ``"<topic>.<figure>"`` to a factory that needs no argument and
        returns a `LiveFigure`.
    """
    topics = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return {
        f"{topic}.{name}": factory
        for topic in topics
        for name, factory in getattr(
            import_module(f"{__name__}.{topic}"), "FIGURES", {}
        ).items()
    }
