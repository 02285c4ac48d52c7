"""Every lesson holds what it says: notices, mistakes, solutions, cards, secrets."""

import base64
import inspect
import io
import re
from functools import cache
from pathlib import Path

import ahead
import nbformat
import numpy as np
import pytest
from figure_checks import has_nan, labels_of, opened
from PIL import Image

from normlib.lessons import lessons
from normlib.lessons.checks import NotYet
from normlib.lessons.lesson import Card, seeds
from normlib.live.asking import rich, says, static_notices
from normlib.live.internal_covariate_shift import FigureOne
from normlib.live.loss_landscape import AlongTheGradient, walked
from normlib.live.when_not_batch_norm import BatchSizes

LESSONS = lessons()
FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTICES = [
    pytest.param(number, key, notice, id=f"{number}-{key}-{k}")
    for number, lesson in LESSONS.items()
    for key, shown in lesson.figures.items()
    for k, notice in enumerate(shown.notices)
]
EXERCISES = [
    pytest.param(exercise, id=f"{number}-{key}")
    for number, lesson in LESSONS.items()
    for key, exercise in lesson.exercises.items()
]
each = pytest.mark.parametrize("lesson", LESSONS.values(), ids=LESSONS)


def notebook_of(lesson):
    (path,) = FOLDER.glob(f"{lesson.number}_*.ipynb")
    return nbformat.read(path, as_version=4)


@cache
def sources(lesson):
    return "\n".join(
        c.source for c in notebook_of(lesson).cells if c.cell_type == "code"
    )


@pytest.mark.parametrize(("number", "key", "notice"), NOTICES)
def test_what_there_is_to_notice_is_there(number, key, notice):
    figure = opened(LESSONS[number].figures[key].make)
    labels, settings = labels_of(figure), [figure.values | notice.settings]
    if notice.seeds:
        stop = figure.controls["seed"].max + 1
        some = seeds(notice.text, notice.seeds, stop)
        settings = [settings[0] | {"seed": seed} for seed in some]
        ahead.train(figure, settings[0], some)
    held = []
    for at in settings:
        figure.set(**at)
        assert figure.values == at, figure.sentence
        assert not figure.sentence.startswith("Not drawn"), figure.sentence
        assert labels.problems() == [] and not has_nan(figure), at
        held.append(bool(notice.check(figure)))
    assert np.mean(held) >= notice.share, (held, figure.sentence)


@pytest.mark.parametrize(
    ("kind", "kept", "changed", "key"),
    [
        (AlongTheGradient, walked, {}, ("relu", "batch")),
        (FigureOne, FigureOne.runs, {"init": 0.1}, (1.0, 0.1)),
        (BatchSizes, BatchSizes.runs, {"epochs": 2}, ("in proportion", 2)),
    ],
)
def test_what_is_trained_ahead_is_what_the_figure_trains(kind, kept, changed, key):
    figure = opened(kind)
    kept.pop((*key, 8), None)
    figure.set(**changed, seed=8)
    alone = kept.pop((*key, 8))
    ahead.train(figure, figure.values, [3, 8])
    assert ahead.same(kept[*key, 8], alone)


OPENINGS = [
    pytest.param(lesson, key, id=f"{lesson.number}-{key}")
    for lesson in LESSONS.values()
    for key in lesson.figures
    if f'lesson.figure("{key}")' in sources(lesson)  # needs none of the reader's code
]


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float)


@pytest.mark.parametrize(("lesson", "key"), OPENINGS)
def test_the_saved_picture_is_what_the_code_draws(lesson, key):
    """The comparison of outputs leaves pictures out: an old one would stay."""
    cells = notebook_of(lesson).cells
    (cell,) = (c for c in cells if f'lesson.figure("{key}")' in c.source)
    page = next(o.data["text/html"] for o in cell.outputs if "text/html" in o.data)
    saved = pixels(base64.b64decode(re.search(r"base64,([^\"]*)", page)[1]))
    figure = opened(lesson.figures[key].make)
    drawn = pixels(figure._small_png())
    assert saved.shape == drawn.shape
    # A machine that rounds otherwise may move an edge of a letter; what was trained
    # for hundreds of steps may end a little elsewhere.
    slack = 1.5 if inspect.isgeneratorfunction(figure.move) else 0.3
    assert np.abs(saved - drawn).mean() < slack


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_solution_is_right_and_each_mistake_is_called_by_its_name(exercise):
    assert exercise.judge(exercise.solution)
    for words, wrong in exercise.mistakes.items():
        with pytest.raises(NotYet) as told:
            exercise.judge(wrong)
        assert str(told.value) == words
    for stub in (lambda *args: ..., lambda *args: None, lambda *args: 1 / 0):
        with pytest.raises(NotYet):
            exercise.judge(stub)
    assert len(exercise.hints) == 2
    assert inspect.getsource(exercise.solution).lstrip().startswith("def ")


@each
def test_every_option_has_a_reason(lesson):
    for question in lesson.questions.values():
        reasons = list(question.options.values())
        assert all(reasons) and len(set(reasons)) == len(reasons)


@each
def test_no_option_holds_marks_that_a_button_would_show(lesson):
    options = [o for q in lesson.questions.values() for o in q.options]
    assert not [option for option in options if "`" in option]


@each
def test_no_words_hold_formulas_that_would_not_be_set(lesson):
    notices = [n.text for shown in lesson.figures.values() for n in shown.notices]
    assert not [text for text in lesson.texts() + notices if "$" in text]


@each
def test_a_card_is_decided_by_code(lesson):
    for card in lesson.cards.values():
        assert isinstance(card.test(), bool | np.bool_), card.claim


@each
def test_the_notebook_uses_all_of_its_lesson(lesson):
    said = sources(lesson)
    for verb, keys in (
        ("ask", lesson.questions),
        ("figure", lesson.figures),
        ("check", lesson.exercises),
        ("judge", lesson.cards),
    ):
        used = re.findall(rf'lesson\.{verb}\("(\w+)"', said)
        if verb == "judge":
            topics = re.findall(r'lesson\.quiz\("([^"]+)"\)', said)
            used += [key for key, card in keys.items() if card.topic in topics]
        assert sorted(used) == sorted(keys), verb
    assert said.count("lesson.report()") == 1


@each
def test_nothing_that_is_saved_gives_an_answer_away(lesson):
    """Neither source nor output shows a reason, a hint or a solution."""
    page = nbformat.writes(notebook_of(lesson))
    page = re.sub(r"\\n|\s+", " ", page)
    for secret in lesson.secrets():
        words = re.sub(r"\s+", " ", secret).replace('"', '\\"')
        assert words not in page, secret
    assert "answer=" not in page
    assert "because=" not in page


class Page:
    """Stands in for the page: keeps what a lesson displays."""

    def __init__(self, monkeypatch):
        self.shown = []
        monkeypatch.setattr(
            "normlib.live.page.display", lambda data, raw: self.shown.append(data)
        )

    def text(self):
        return "\n".join(str(data.get("text/html", "")) for data in self.shown)


@pytest.fixture
def page(monkeypatch):
    return Page(monkeypatch)


def fresh_lesson(number="02"):
    of = LESSONS[number]
    return type(of)(number, of.questions, of.figures, of.exercises, of.cards)


def words_of(widget):
    """Return all text of a widget and the widgets in it."""
    texts = [getattr(widget, "value", ""), getattr(widget, "description", "")]
    texts += [words_of(child) for child in getattr(widget, "children", ())]
    return " ".join(map(str, texts))


def test_the_reason_comes_after_the_answer_and_the_first_answer_is_kept(page):
    lesson = fresh_lesson()
    lesson.ask("add_16")
    choice = lesson.open["add_16"]
    assert not any(
        reason[:20] in words_of(choice.widget) + page.text()
        for reason in lesson.questions["add_16"].options.values()
    )
    choice.buttons[1].click()
    assert "but so does its distance" in choice.answer.value
    assert "<b>it stays</b>" in choice.answer.value
    choice.buttons[2].click()
    lesson.ask("add_16")
    lesson.open["add_16"].buttons[2].click()
    kept = lesson.kept["prediction", "add_16"]
    assert (kept.answer, kept.right) == ("it shrinks", False)
    told = "The report keeps your first answer: it shrinks."
    assert lesson.open["add_16"].answer.value.count(told) == 1
    assert told not in choice.answer.value


def test_notices_wait_for_the_prediction_and_go_to_their_settings(page):
    lesson = fresh_lesson()
    lesson.ask("add_16")
    lesson.figure("table")
    figure = lesson.open["table"]
    assert "form a row" not in words_of(figure.widget)
    folded = static_notices(lesson.figures["table"].notices, covered=True)
    assert "form a row" in folded[folded.index("<details>") :]
    lesson.open["add_16"].commit("it grows")
    assert "form a row" in words_of(figure.widget)
    notices = figure.widget.children[-1]
    figure.set(norm="rms", sample=4)
    notices.children[4].children[0].click()
    assert figure.values["norm"] == "layer"
    assert figure.values["sample"] == 2  # the opening value


def test_cells_may_run_again_and_notices_still_wait_for_their_question(page):
    lesson = fresh_lesson()
    lesson.ask("add_16")
    lesson.figure("table")
    first = lesson.open["table"]
    lesson.figure("table")
    again = lesson.open["table"]
    lesson.ask("groups")  # whose figure comes later
    lesson.figure("table")
    third = lesson.open["table"]
    lesson.figure("cube")
    figures = first, again, third, lesson.open["cube"]
    assert not any("What to notice</b>" in words_of(f.widget) for f in figures)
    lesson.ask("add_16")
    lesson.open["add_16"].commit(lesson.questions["add_16"].right)
    assert all("form a row" in words_of(f.widget) for f in figures[:3])
    assert "What to notice</b>" not in words_of(figures[3].widget)
    lesson.open["groups"].commit("instance norm")
    assert "What to notice</b>" in words_of(figures[3].widget)


def test_a_figure_rests_once_its_cell_runs_again(page):
    lesson = LESSONS["06"]
    lesson.figure("projection")
    (play,) = (w for w in lesson.open["projection"]._helpers if hasattr(w, "playing"))
    play.playing = True
    lesson.figure("affine")
    assert play.playing
    lesson.ask("three")
    lesson.figure("projection")
    assert not play.playing


def test_the_button_pressed_keeps_the_focus(page):
    """A disabled one would lose it to the page's top."""
    lesson = fresh_lesson()
    lesson.ask("add_16")
    choice = lesson.open["add_16"]
    right = lesson.questions["add_16"].right
    wrong = next(b for b in choice.buttons if b.description != right)
    wrong.click()
    assert [b for b in choice.buttons if not b.disabled] == [wrong]
    said = choice.answer.value
    wrong.click()
    assert choice.answer.value == said


def test_help_comes_in_stages_and_the_solution_with_its_output_on_request(page, capsys):
    lesson = fresh_lesson()
    lesson.check("layer_norm", lambda x: ...)
    assert capsys.readouterr().out.startswith("Not yet: <lambda> is not attempted")
    offered = lesson.open["layer_norm"]
    assert "batch_norm" not in words_of(offered.widget) + page.text()
    offered.hint.click()
    assert "turns rows into columns" in words_of(offered.widget)
    assert "transpose back" not in words_of(offered.widget)
    offered.hint.click()
    assert "transpose back" in words_of(offered.widget)
    assert offered.hint.description == "No more hints"
    assert "Correct" not in words_of(offered.widget)
    offered.solution.click()
    assert "batch_norm(x.T)" in words_of(offered.widget)
    assert "Correct: each row" in words_of(offered.widget)
    assert lesson.kept["exercise", "layer_norm"].answer == "solution shown"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("a *b* **c** `d`", "a <em>b</em> <b>c</b> <code>d</code>"),
        ("`x**2 - y**2` < *z*", "<code>x**2 - y**2</code> &lt; <em>z</em>"),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_words_are_marked_up_and_code_is_left_alone(text, marked):
    assert rich(text) == marked


def test_no_line_ends_between_a_number_and_its_percent():
    assert says("by 3 % of `x`").value == "<p>by 3&nbsp;% of <code>x</code></p>"


def test_notices_bring_their_own_style(page, monkeypatch):
    for lecture in (False, True):
        monkeypatch.setattr(
            "normlib.lessons.lesson.lecture_mode", lambda at=lecture: at
        )
        lesson = fresh_lesson()
        lesson.figure("table")  # before any question, which would bring it
        assert "<style>" in words_of(lesson.open["table"].widget.children[-1])


def test_in_a_lecture_notices_come_one_by_one(page, monkeypatch):
    monkeypatch.setattr("normlib.lessons.lesson.lecture_mode", lambda: True)
    lesson = fresh_lesson()
    lesson.figure("table")
    figure = lesson.open["table"]
    notices = lesson.figures["table"].notices
    step = figure.widget.children[-1].children[-1].children[0]
    assert notices[0].text[:20] not in words_of(figure.widget)
    for notice in (*notices, notices[0]):  # and around
        step.click()
        assert rich(notice.text) in words_of(figure.widget)
        for name, value in notice.settings.items():
            assert figure.values[name] == value


def test_a_card_says_that_it_computes_until_it_has(page):
    """Some take four seconds; an error leaves the card as it was."""
    seen = []

    def test():
        seen.append(lesson.open["slow"].answer.value)
        return 1 / (len(seen) - 1) > 0

    lesson = LESSONS["13"].__class__("13", {}, {}, {}, {"slow": Card("So.", test, "!")})
    lesson.judge("slow")
    card = lesson.open["slow"]
    before = card.answer.value
    with pytest.raises(ZeroDivisionError):
        card.commit("True")
    assert card.answer.value == before
    card.commit("True")
    assert all("Computing ..." in words for words in seen)
    assert "Right" in card.answer.value


def test_a_deck_turns_and_keeps_answers(page):
    lesson = LESSONS["13"].__class__("13", {}, {}, {}, LESSONS["13"].cards)
    topic = next(iter(lesson.cards.values())).topic
    lesson.quiz(topic)
    deck = lesson.open[topic]
    first = deck.choice
    assert first.text in page.text()
    first.commit("True")
    deck.next.click()
    assert deck.choice.text != first.text
    deck.back.click()
    assert deck.choice is first
    assert deck.choice.choice == "True"
    assert deck.back.disabled
    lesson.quiz()
    assert f"of {len(lesson.cards)}" in lesson.open["all"].count.value
    with pytest.raises(ValueError, match="no card has the topic 'x'; there are"):
        lesson.quiz("x")


def test_an_unknown_key_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="no question 'x' in this lesson; it has"):
        fresh_lesson().ask("x")


def test_the_report_counts_what_was_answered(page, monkeypatch):
    shown, names = [], []

    class Handle:
        def update(self, data, raw):
            shown.append(data)

    def display(data, raw, display_id):
        shown.append(data)
        names.append(display_id)
        return Handle()

    monkeypatch.setattr("normlib.lessons.lesson.display", display)
    lesson = fresh_lesson()
    lesson.report()
    lesson.report()
    assert names == ["report of notebook 02"] * 2  # what updates one updates both
    assert "predictions: 0 right, 0 of 3 answered" in shown[-1]["text/plain"]
    lesson.ask("groups")
    lesson.open["groups"].commit("instance norm")
    lesson.judge("alone")
    lesson.open["alone"].commit("False")
    lesson.check("layer_norm", lesson.exercises["layer_norm"].solution)
    said = shown[-1]["text/plain"]
    assert "predictions: 1 right, 1 of 3 answered" in said
    assert "true or false: 0 right, 1 of 4 answered" in said
    assert "exercises: 1 right, 1 of 2 answered" in said
    table = shown[-1]["text/html"]
    assert 'nowrap">not right</td>' in table
    assert "run this cell once more" in table  # after a reload it follows no longer
    # A style sheet would not reach a report that is handed in.
    assert table.count('style="text-align: left') == len(re.findall("<t[dh]", table))


def save_report(lesson, path):
    """Write a notebook that holds the report of a lesson."""
    output = nbformat.v4.new_output("display_data", lesson._bundle())
    cells = [nbformat.v4.new_code_cell("lesson.report()", outputs=[output])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


@pytest.mark.parametrize("number", ["02", "05", "13"])
def test_a_new_kernel_goes_on_with_the_saved_report(number, tmp_path, monkeypatch):
    """Every question, card and exercise: half of them right, some open."""
    first = fresh_lesson(number)
    for k, ((kind, key), kept) in enumerate(first.kept.items()):
        options = {
            "card": ["True", "False"],
            "exercise": ["written", "tried", "solution shown"],
        }.get(kind) or list(first.questions[key].options)
        if k % 4:
            kept.answer, kept.right = options[k % len(options)], k % 2 == 0
    save_report(first, tmp_path / "mine.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
    assert fresh_lesson(number).kept == first.kept
    other = fresh_lesson("06" if number != "06" else "02")  # its report is not there
    assert not any(kept.answer for kept in other.kept.values())


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"cells": 3}', '{"cells": [1]}', '{"cells": [{}]}']
)
def test_a_notebook_that_cannot_be_read_holds_no_report(text, tmp_path, monkeypatch):
    (tmp_path / "odd.ipynb").write_text(text)
    for name in ("odd.ipynb", "none.ipynb", "."):
        monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / name))
        assert not any(kept.answer for kept in fresh_lesson("02").kept.values())


def test_the_answer_of_an_earlier_kernel_counts(page, tmp_path, monkeypatch):
    first = fresh_lesson("02")
    first.kept["prediction", "groups"].answer = "instance norm"
    first.kept["prediction", "groups"].right = True
    save_report(first, tmp_path / "mine.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
    lesson = fresh_lesson("02")
    assert "predictions: 1 right, 1 of 3 answered" in lesson._bundle()["text/plain"]
    lesson.ask("groups")
    lesson.open["groups"].commit("layer norm")  # the first answer counts
    assert lesson.kept["prediction", "groups"].answer == "instance norm"


def test_in_a_lecture_the_solution_drives_the_figure(page, monkeypatch, capsys):
    monkeypatch.setattr("normlib.lessons.lesson.lecture_mode", lambda: True)
    lesson = fresh_lesson()
    lesson.figure("my_table", lambda x: ...)
    assert "5 of 30 results depend on it" in lesson.open["my_table"].sentence
    lesson.check("layer_norm", lambda x: ...)
    said = capsys.readouterr().out
    assert "Not yet" not in said
    assert "Correct" not in said
