"""Questions keep the reader's answer; cards let code decide."""

import pytest

from normlib.live import Card, Question


def make():
    return Question("Which?", ["a", "b", "c"], answer="b", because="Reasons <&>.")


def test_nothing_is_given_away_before_the_reader_commits():
    question = make()
    assert "Reasons" not in question._reply.value
    assert all(not button.button_style for button in question._buttons)
    assert question._repr_mimebundle_()["text/plain"] == "Which? [a / b / c]"


@pytest.mark.parametrize(("choice", "verdict"), [("b", "Right."), ("a", "No: b.")])
def test_a_click_fixes_the_answer_and_shows_the_reason(choice, verdict):
    question = make()
    question._buttons["abc".index(choice)].click()
    assert question.choice == choice
    assert verdict in question._reply.value
    assert "Reasons &lt;&amp;&gt;." in question._reply.value
    assert all(button.disabled for button in question._buttons)
    assert question._buttons[1].button_style == "success"


def test_answers_that_are_not_offered_are_refused():
    with pytest.raises(ValueError, match="answer must be one of"):
        Question("Which?", ["a", "b"], answer="z", because="")
    with pytest.raises(ValueError, match="choice must be one of"):
        make().commit("z")


@pytest.mark.parametrize("holds", [True, False])
def test_the_truth_of_a_card_is_computed(holds):
    assert Card("It holds.", test=lambda: holds, because="").answer == str(holds)


def test_a_test_that_decides_nothing_is_refused():
    with pytest.raises(TypeError, match="True or False"):
        Card("It holds.", test=lambda: 0.3, because="")


def test_the_answer_hides_without_a_kernel():
    page = make()._repr_mimebundle_()["text/html"]
    assert page.index("<details>") < page.index("Reasons")
