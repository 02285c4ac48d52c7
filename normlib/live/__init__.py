"""Live figures: the only part that imports matplotlib or ipywidgets."""

from importlib import import_module

from normlib.live.figure import LiveFigure, ReaderError, call_reader
from normlib.live.questions import Card, Question
from normlib.live.style import lecture_mode

# One module per notebook, named as the notebook; each lists its own FIGURES.
TOPICS = (
    "batch_norm_inference",
    "start_here",
    "rescale_or_standardize",
    "which_numbers_share_a_mean",
    "gradients",
    "hypersphere",
    "batch_norm_training",
    "vanishing_exploding",
    "internal_covariate_shift",
    "loss_landscape",
)

__all__ = [
    "Card",
    "LiveFigure",
    "Question",
    "ReaderError",
    "call_reader",
    "figures",
    "lecture_mode",
]


def figures():
    """Return every live figure of the collection.

    Returns
    -------
    dict of str to callable
        From ``"<topic>.<figure>"`` to a factory that needs no argument and
        returns a `LiveFigure`.
    """
    return {
        f"{topic}.{name}": factory
        for topic in TOPICS
        for name, factory in import_module(f"{__name__}.{topic}").FIGURES.items()
    }
