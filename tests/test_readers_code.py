"""Whatever a reader writes, a check says right or not in one sentence."""

import numpy as np
import pytest

from normlib.lessons import lessons
from normlib.lessons.checks import NotAttempted, NotYet, call, compare, same, verdict
from normlib.lessons.lesson import Lesson, Shown
from normlib.live.figure import ReaderError
from normlib.live.reader import reader_array

EXERCISES = [
    pytest.param(exercise, id=f"{number}-{key}")
    for number, lesson in lessons().items()
    for key, exercise in lesson.exercises.items()
]


class Odd:
    """Neither numbers nor anything that can be shown."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no array")

    def __repr__(self):
        raise RuntimeError("no words")


def leaves(*args):
    raise SystemExit("bye")


ODD = {
    "a list in a list": lambda *args: ["batch"],
    "a dictionary": lambda *args: {"y": 1},
    "a generator": lambda *args: (k for k in "abc"),
    "rows unlike": lambda *args: [[1, 2], [3]],
    "nothing": lambda *args: np.zeros(0),
    "()": lambda *args: (),
    "infinity": lambda *args: (np.inf, np.inf),
    "text": lambda *args: np.array(["1", "2"]),
    "odd": lambda *args: Odd(),
    "exit": leaves,
    "no function": np.zeros(3),
    "None": None,
}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_nothing_that_a_reader_writes_escapes_the_check(exercise):
    for name, odd in ODD.items():
        words, _ = verdict(lambda odd=odd: exercise.judge(odd))
        assert words.startswith("Not yet: "), name
        assert len(words) < 300, name


def each(change, value):
    """Change each result of a function."""
    return tuple(map(change, value)) if isinstance(value, tuple) else change(value)


def compares(exercises):
    return [param for param in exercises if param.values[0].check is None]


@pytest.mark.parametrize("exercise", compares(EXERCISES))
def test_a_right_answer_may_come_as_lists_or_in_float32(exercise):
    def as_lists(*args):
        found = each(np.ndarray.tolist, each(np.asarray, exercise.solution(*args)))
        return list(found) if isinstance(found, tuple) else found

    def in_float32(function):
        def short(*args):
            args = [
                a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args
            ]
            return each(np.float32, function(*args))

        return short

    assert exercise.judge(as_lists)
    assert exercise.judge(in_float32(exercise.solution))
    for wrong in exercise.mistakes.values():
        with pytest.raises(NotYet):
            exercise.judge(in_float32(wrong))


@pytest.mark.parametrize("exercise", compares(EXERCISES))
@pytest.mark.filterwarnings("ignore:Casting complex")
def test_complex_numbers_and_text_are_no_answer(exercise):
    for change in (lambda a: np.asarray(a) + 1j, lambda a: np.asarray(a).astype(str)):
        with pytest.raises(NotYet, match="not an array of real numbers"):
            exercise.judge(lambda *args, c=change: each(c, exercise.solution(*args)))


def test_axes_are_whole_numbers():
    axes = lessons()["02"].exercises["axes_of"]
    with pytest.raises(NotYet, match="not a tuple of axes"):
        axes.judge(lambda norm: [a + 0.5 for a in axes.solution(norm)])


def test_axes_may_count_from_the_end():
    axes = lessons()["02"].exercises["axes_of"]
    assert axes.judge(lambda norm: tuple(a - 4 for a in axes.solution(norm)))
    with pytest.raises(NotYet, match="averaging over"):
        axes.judge(lambda norm: tuple(a - 3 for a in axes.solution(norm) if a < 3))


def test_a_difference_is_shown_with_the_digits_that_differ():
    with pytest.raises(NotYet, match=r"f is 0\.24701, expected 0\.24702"):
        compare("f", np.array(0.24701), np.array(0.24702))


def test_several_results_are_counted():
    def two(x):
        return x, x

    with pytest.raises(NotYet, match="returned 1 result, expected 2 results"):
        same(lambda x: 3.0, two, [(np.zeros(3),)], {}, "")


def test_a_result_in_place_of_a_function_is_told():
    with pytest.raises(NotYet, match="is no function; name yours, without brackets"):
        call(np.zeros(3))
    lesson = Lesson("02", {}, {"any": Shown(lambda *functions: None)}, {}, {})
    with pytest.raises(TypeError, match="'any' takes a function, got ndarray"):
        lesson.figure("any", np.zeros(3))


def test_a_key_of_any_kind_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"no question \['x'\] in this lesson"):
        lessons()["02"].ask(["x"])


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ((), "nothing"),
        ([[1, 2], [3]], "type list, not real numbers"),
        (Odd(), "type Odd, not real numbers"),
        (np.ones(3) + 1j, "type ndarray, not real numbers"),
        ("abc", "type str, not real numbers"),
    ],
)
def test_what_drives_a_figure_is_an_array_of_real_numbers(result, words):
    with pytest.raises(ReaderError, match=words):
        reader_array(lambda x: result, np.ones(3), shape=(3,))
    with pytest.raises(ReaderError, match="SystemExit"):
        reader_array(leaves, np.ones(3), shape=(3,))


def test_an_error_without_words_is_named_alone():
    def fails(x):
        raise AssertionError

    with pytest.raises(NotYet, match="^fails raised AssertionError$"):
        call(fails, 1)
    with pytest.raises(ReaderError, match=r"^your fails raised AssertionError\. Corr"):
        reader_array(fails, np.zeros(2), shape=(2,))


def test_a_stub_with_several_results_is_not_attempted():
    update = lessons()["04"].exercises["update"]
    with pytest.raises(NotAttempted, match="^my_update is not attempted"):

        def my_update(*args):
            return ..., ...

        update.judge(my_update)
