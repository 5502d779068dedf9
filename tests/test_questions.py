"""What gives an answer away though nobody knows it: its letter, its length, its place.

Held to account are the quizzes of all chapters, and the inventory. What is compared is what a
reader sees: backquotes are marks, and are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kernelbox.lab.exercises.catalogue import contents, own_numbers
from kernelbox.lab.exercises.questions import Question, question, right, wrong

QUIZZES = [one for number in own_numbers() for one in contents(number).quiz]
ALIKE = 1.25  # the longest answer to a question, at most, in lengths of the shortest
A_LETTER = 0.45  # of the questions may have one and the same letter as their key
A_LENGTH = 1 / 3  # of the questions may have the longest answer as their key, or the shortest


def lengths(one: Question) -> list[int]:
    """Return how long its answers are, characters; the right one's comes first."""
    choices = sorted(one.choices, key=lambda choice: not choice.right)
    return [len(choice.text.replace("`", "")) for choice in choices]


def uneven(questions: Sequence[Question]) -> list[str]:
    """Return the questions with an answer that is much longer than another."""
    return [one.text for one in questions if max(lengths(one)) > ALIKE * min(lengths(one))]


def known_by_length(questions: Sequence[Question]) -> tuple[float, float]:
    """Return in which part of questions the right answer is the longest, and the shortest.

    Where all are equally long, their length says nothing.
    """
    telling = [found for found in map(lengths, questions) if min(found) < max(found)]
    longest = sum(found[0] == max(found) for found in telling)
    shortest = sum(found[0] == min(found) for found in telling)
    return longest / len(questions), shortest / len(questions)


def commonest_key(questions: Sequence[Question]) -> float:
    """Return in which part of questions the commonest letter is the key."""
    keys = [letter for one in questions for letter, choice in one.lettered() if choice.right]
    return Counter(keys).most_common(1)[0][1] / len(questions)


def test_the_answers_to_a_question_are_about_equally_long() -> None:
    assert uneven(QUIZZES) == []


def test_the_right_answer_is_neither_the_longest_nor_the_shortest_too_often() -> None:
    longest, shortest = known_by_length(QUIZZES)
    assert longest <= A_LENGTH and shortest <= A_LENGTH


def test_no_letter_is_a_good_guess() -> None:
    assert commonest_key(QUIZZES) <= A_LETTER


def test_no_two_answers_to_a_question_say_the_same() -> None:
    for one in QUIZZES:
        assert len({choice.text for choice in one.choices}) == len(one.choices), one.text


def test_what_is_asked_shuffles_the_answers_and_nothing_else_does() -> None:
    def order(text: str, why: str) -> list[str]:
        answers = (right("one", why), wrong("two", why), wrong("three", why))
        return [choice.text for choice in question(text, *answers).choices]

    assert order("Why?", "because") == order("Why?", "therefore")
    assert len({tuple(order(f"Why {number}?", "because")) for number in range(99)}) == 6


def test_what_would_give_an_answer_away_is_noticed() -> None:
    always_first = [
        Question(str(number), (right("as long as that", "it is"), wrong("short", "it is not")))
        for number in range(3)
    ]
    assert uneven(always_first) == ["0", "1", "2"]
    assert known_by_length(always_first) == (1, 0)
    assert commonest_key(always_first) == 1
