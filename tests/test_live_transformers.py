"""What the figures of notebook 12 show, against computations of their own."""

import numpy as np
import pytest
from matplotlib.text import Text

from normlib.live import transformers as topic
from normlib.nets.transformer import PLACEMENTS
from normlib.sphere.folding import centre_writing_weights


def test_what_is_written_is_the_word_backwards_and_wrong_letters_are_crossed():
    figure = topic.Reverse()
    for word in (0, 7):
        figure.set(word=word, step=100)
        read = "".join(text.get_text() for text in figure.columns[:5])
        written = "".join(text.get_text() for text in figure.rows)
        assert written == read[::-1]
        assert f"reads {read} and writes {written}, 5 of 5" in figure.sentence
    figure.set(step=0)
    crossed = sum("✗" in text.get_text() for text in figure.rows)
    assert f"{5 - crossed} of 5" in figure.sentence
    assert crossed > 0


def test_attention_sums_to_one_and_looks_at_nothing_to_come():
    figure = topic.Reverse()
    for step in (0, 50, 100):
        figure.set(step=step, block=2)
        weights = figure.cells.get_array().reshape(5, 10)
        np.testing.assert_allclose(weights.sum(axis=1), 1)
        assert not np.triu(weights[:, 6:], 0)[:4].any()


def test_the_step_on_the_curve_can_be_dragged():
    figure = topic.Reverse()
    (touch,) = figure.touches()
    assert touch.to_values(40.0, 0.3, None) == {"step": 40.0}


def test_a_clicked_token_is_the_one_that_is_changed():
    figure = topic.Hearing()
    (touch,) = figure.touches()
    assert touch.to_values(2.3, 2.8, None) == {"place": 2, "word": 3}
    figure.set(place=2, word=3)
    moved = figure.cells.get_array().reshape(4, 10) > 0.5
    assert moved.sum() == 8 and moved[3, 2:].all()
    assert "8 of 40 outputs move, 0 of them before it" in figure.sentence


def test_no_figure_opens_on_the_answer_of_the_question_above_it():
    hearing, start, score = topic.Hearing(), topic.Start(), topic.QueryKey()
    assert hearing.values["norm"] == "layer, per token"  # asked: batch norm
    assert start.values["placement"] == "post"  # asked: a norm before each branch
    assert not any(len(line.get_xdata()) for line in start.grey[0])
    assert topic.Rates().values["start"] == "as usual"  # asked: branches at 0
    assert score.values["times"] == 1  # asked: 4 times


def test_the_first_figure_does_not_write_down_where_the_norm_stands():
    """The reader is asked for x + F(N(x)) and its like two figures later."""
    for norm in topic.Reverse.kinds:
        figure = topic.Reverse()
        figure.set(norm=norm, step=0)
        words = [text.get_text() for text in figure.figure.findobj(Text)]
        assert not any("F(" in word for word in [*words, figure.sentence])


def test_a_line_looks_like_a_line():
    figure = topic.Start()
    assert figure.panels[0].get_yscale() == "linear"
    figure.set(placement="pre")
    stream = figure.lines[0].get_ydata()
    assert stream.max() < figure.panels[0].get_ylim()[1]


def test_functions_of_one_number_stand_in_for_the_norm():
    figure = topic.Pointwise()
    for norm in ("DyT", "Derf"):
        figure.set(norm=norm, step=100)
        assert figure.sentence.startswith(f"{norm}, step 100")
        net = figure.runs[norm][0]
        kinds = {type(layer).__name__ for layer in net.walk()}
        assert norm in kinds and "LayerNorm" not in kinds


def test_the_stream_of_each_placement():
    figure = topic.Start()
    for placement in PLACEMENTS:
        figure.set(placement=placement, blocks=4, others=True)
        stream, gradient = (line.get_ydata() for line in figure.lines)
        assert len(stream) == 5 and len(gradient) == 4
        assert 1.5 < stream[0] < 2.5  # N(0, 1) for the token and for the place
        assert f"to {stream[-1]:.3g}" in figure.sentence
        grey = [line for line in figure.grey[0] if len(line.get_xdata())]
        assert len(grey) == len(PLACEMENTS) - 1


def test_the_table_of_rates_says_what_the_sentence_says():
    figure = topic.Rates()
    table = figure.cells.get_array().reshape(len(PLACEMENTS), -1)
    shown = [float(text.get_text()) for text in figure.numbers]
    np.testing.assert_allclose(shown, table.ravel(), atol=0.005)
    for row, placement in enumerate(PLACEMENTS):
        assert f"{placement} at {(table[row] > 0.75).sum()}" in figure.sentence


def test_keys_that_win_and_keys_that_do_not_are_all_keys():
    figure = topic.Keys()
    for norm in ("none", "RMS, in the head"):
        figure.set(norm=norm, keys=12, size=2)
        won, lost = len(figure.won.get_xdata()), len(figure.lost.get_xdata())
        assert won + lost == 12
        assert (lost == 0) == (norm != "none")
        assert figure.shares[0].get_text() == f"{won / 12:.2f}"


def test_entropy_falls_as_they_are_and_stays_with_the_norm():
    figure = topic.QueryKey()
    seen = []
    for times in (0.5, 2.0, 8.0):
        figure.set(times=times)
        seen.append([float(t.get_text().split()[-1]) for t in figure.under])
    raw, normed = np.array(seen).T
    assert (np.diff(raw) < 0).all()
    assert np.ptp(normed) == 0


def test_only_all_four_kinds_of_maps_make_it_the_same_function():
    figure = topic.Centred()
    assert figure.verdict.get_text() == "the same function"
    for name in figure.controls:
        figure.set(**{name: False})
        assert figure.verdict.get_text() == "another function"
        figure.set(**{name: True})
    assert "below 1e-12" in figure.sentence


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda w, b: (..., ...), "still returns the ... of the stub"),
        (lambda w, b: ..., "still returns the ... of the stub"),
        (lambda w, b: w, "has to return 2 arrays"),
        (lambda w, b: (w / 0 * np.nan, b), "NaN or infinite"),
        (lambda w, b: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_the_figure_waits_for_a_function_that_works(function, words):
    with np.errstate(all="ignore"):
        figure = topic.Centred(function)
    assert words in figure.sentence
    assert figure.verdict.get_text() == "waits for your function"


def test_the_readers_function_drives_the_figure():
    figure = topic.Centred(centre_writing_weights)
    assert figure.verdict.get_text() == "the same function"
    figure = topic.Centred(lambda w, b: (w, b))
    assert figure.verdict.get_text() == "another function"


@pytest.mark.parametrize("norm", ["RMS", "layer"])
@pytest.mark.parametrize("huge", [0, 10, 200])
def test_what_a_huge_entry_leaves(norm, huge):
    figure = topic.Huge()
    figure.set(huge=huge, norm=norm, size=64)
    others = np.where(np.arange(63) % 2, -1.0, 1.0)
    x = np.concatenate([[huge], others])
    scale = x.std() if norm == "layer" else np.sqrt(np.mean(x**2))
    assert figure.number.get_text() == f"{1 / scale:.3f}"
    assert f"{1 / scale:.3f} comes back" in figure.sentence
    touch = figure.touches()[0]
    assert touch.to_values(0.0, 150.0, None) == {"huge": 150.0}


def test_a_token_lies_on_a_line_and_the_curve_misses_by_what_is_said():
    figure = topic.Curves()
    x, y = figure.one.get_data()
    assert abs(np.corrcoef(x, y)[0, 1] - 1) < 1e-9
    figure.set(alpha=0.05)
    small = figure.sentence
    figure.set(alpha=1.5)
    assert float(small.split("by ")[1][:4]) < float(figure.sentence.split("by ")[1][:4])
