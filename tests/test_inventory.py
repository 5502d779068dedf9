"""The concept inventory: asked before and after, recorded on its own, and what a class has gained.

The records of the class are made by answering, as students would.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib.image
import pytest

from kernelbox.lab import LabError, inventory
from kernelbox.lab.exercises import progress
from kernelbox.lab.exercises.questions import right, wrong
from kernelbox.lab.inventory.asking import Asking
from kernelbox.lab.inventory.gains import IN_ALL, Gain, gains
from kernelbox.lab.inventory.items import ITEMS, item
from kernelbox.lab.inventory.misconceptions import MISCONCEPTIONS, RIGHT
from kernelbox.lab.inventory.picture import Picture
from tests.command import Kernelbox
from tests.store_notebooks import TOP
from tests.test_asking import say
from tests.test_lab import Notebook
from tests.test_questions import A_LENGTH, A_LETTER, commonest_key, known_by_length, uneven

QUESTIONS = [one.question for one in ITEMS]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a student's progress is kept in this test."""
    file = tmp_path / "progress.json"
    monkeypatch.setenv("KERNELBOX_PROGRESS", str(file))
    return file


def letter_of(number: int, belief: str) -> str:
    """Return the letter of the answer that shows a belief."""
    one = ITEMS[number - 1]
    letters = [x for x, choice in one.question.lettered() if one.belief(choice) == belief]
    [letter] = letters
    return letter


# --- the questions --------------------------------------------------------------------------------


def test_there_are_twenty_of_four_answers_and_every_wrong_one_has_a_name() -> None:
    assert len(ITEMS) == 20 == len({one.name for one in ITEMS})
    for one in ITEMS:
        assert len(one.question.choices) == 4, one.name
        assert sorted(map(one.belief, one.question.choices)) == sorted([RIGHT, *one.believed])
    assert {name for one in ITEMS for name in one.believed} == set(MISCONCEPTIONS)


def test_their_form_gives_nothing_away() -> None:
    assert uneven(QUESTIONS) == []
    assert max(known_by_length(QUESTIONS)) <= A_LENGTH
    assert commonest_key(QUESTIONS) <= A_LETTER


def test_a_misconception_that_nobody_described_is_refused() -> None:
    with pytest.raises(ValueError, match="no misconception A-FLAT-EARTH"):
        item("earth", "It is ...", right("round", "yes"), A_FLAT_EARTH=wrong("flat", "no"))


# --- asking ---------------------------------------------------------------------------------------


def test_before_the_course_nothing_is_told_and_an_answer_can_be_changed(record: Path) -> None:
    form = Asking("before").form()
    told = {say(form, 0, place) for place in range(4)}
    assert told == {"recorded, 1 of 20"}
    assert say(form, 19, 0) == "recorded, 2 of 20"
    last = ITEMS[0].belief(ITEMS[0].question.choices[3])
    assert progress.beliefs()["before"]["boots"] == last
    assert progress.beliefs()["after"] == {} == progress.read()
    again = Asking("before").form()
    assert again.replies == {"0": "recorded earlier", "19": "recorded earlier"}


def test_no_form_of_the_questions_tells_which_is_right() -> None:
    asked = Asking("before")
    for one in ITEMS:
        for choice in one.question.choices:
            assert choice.why not in asked._repr_html_() + repr(asked)
    assert repr(asked).count("\n   d) ") == 20 == asked._repr_html_().count("<li>d) ")


def test_after_the_course_each_answer_says_why_and_the_first_counts(record: Path) -> None:
    wrong_one = letter_of(1, "LIGHT-VM")
    assert inventory.answer("after", 1, wrong_one).startswith("No. No container has a kernel")
    assert inventory.answer("after", 1, letter_of(1, RIGHT)).startswith("Right. ")
    assert progress.beliefs()["after"] == {"boots": "LIGHT-VM"}


def test_whoever_was_told_can_no_longer_change_what_was_believed_before(record: Path) -> None:
    inventory.answer("before", 1, letter_of(1, "LIGHT-VM"))
    inventory.answer("after", 1, letter_of(1, RIGHT))
    assert "stays" in inventory.answer("before", 1, letter_of(1, RIGHT))
    assert progress.beliefs()["before"] == {"boots": "LIGHT-VM"}


@pytest.mark.parametrize(
    ("when", "number", "letter", "told"),
    [
        ("during", 1, "a", "'during' is no time to be asked"),
        ("before", 0, "a", "there is no question 0"),
        ("before", 21, "a", "there is no question 21"),
        ("after", 20, "e", "question 20 has no answer 'e'"),
    ],
)
def test_what_cannot_be_answered_is_told(
    record: Path, when: str, number: int, letter: str, told: str
) -> None:
    with pytest.raises(LabError, match=re.escape(told)):
        inventory.answer(when, number, letter)
    assert not record.exists()


def test_chapters_and_inventory_share_a_file_and_leave_each_other_alone(record: Path) -> None:
    progress.note("01", "exercises", "a", 2)
    progress.believe("before", "boots", RIGHT)
    progress.note("01", "exercises", "b", 1)
    assert progress.read()["01"]["exercises"] == {"a": 2, "b": 1}
    assert progress.beliefs() == {"before": {"boots": RIGHT}, "after": {}}
    assert list(progress.read()) == ["01"], "no chapter is called inventory"


def test_a_record_from_before_there_was_an_inventory_is_read(record: Path) -> None:
    record.write_text(json.dumps({"version": 1, "chapters": {"01": {"quiz": {"1": 1}}}}))
    assert progress.beliefs() == {"before": {}, "after": {}}
    assert progress.read()["01"]["quiz"] == {"1": 1}


# --- gain -----------------------------------------------------------------------------------------


def test_the_normalised_gain_is_the_part_of_what_was_to_gain() -> None:
    assert Gain("X", 20, 10, 3).normalised == pytest.approx(0.7)
    assert Gain("X", 20, 2, 4).worded() == "-100 %"
    assert Gain("X", 20, 0, 4).normalised is None
    assert Gain("X", 20, 0, 4).worded() == "nothing to gain"
    assert Gain("X", 20, 10, 3).percent == (50, 15)


def test_only_who_has_answered_both_times_is_counted() -> None:
    half = {"before": {"boots": "LIGHT-VM"}, "after": {"uname": RIGHT}}
    assert gains([half]) == []
    strange = {"before": {"boots": "BLOCK-COW"}, "after": {"boots": RIGHT}}
    assert gains([strange]) == [], "an answer that this question has not"
    both = {"before": {"boots": "LIGHT-VM"}, "after": {"boots": RIGHT}}
    assert gains([half, both, strange]) == [Gain(IN_ALL, 1, 1, 0), Gain("LIGHT-VM", 1, 1, 0)]


def test_a_misconception_in_several_questions_is_one_row() -> None:
    names = [one.name for one in ITEMS if "HIDDEN" in one.believed]
    assert len(names) == 2
    record = {"before": dict.fromkeys(names, "HIDDEN"), "after": {names[0]: "HIDDEN"}}
    record["after"][names[1]] = RIGHT
    assert gains([record]) == [Gain(IN_ALL, 2, 2, 1), Gain("HIDDEN", 2, 2, 1)]


def test_the_picture_tells_before_from_after_without_colour_and_has_a_table() -> None:
    picture = Picture(gains([{"before": {"boots": "LIGHT-VM"}, "after": {"boots": RIGHT}}]))
    [axes] = picture.figure().axes
    drawn = {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}
    before, after = drawn["before the course"], drawn["after it"]
    assert (before.get_marker(), before.get_markerfacecolor()) == ("D", "none")
    assert after.get_marker() == "o" and after.get_markerfacecolor() != "none"
    assert min(one.get_fontsize() for one in axes.get_yticklabels()) >= 14
    assert [one.get_text() for one in axes.texts if one.get_text()] == ["+100 %", "+100 %"]
    html = picture._repr_html_()
    assert "<img" in html and "<table>" in html
    assert all(cell in html for cell in ("LIGHT-VM", "1 of 1", "0 of 1", "+100 %"))


def test_many_misconceptions_are_drawn_as_far_as_they_can_be_read() -> None:
    many = [Gain(IN_ALL, 40, 30, 5), *(Gain(name, 2, 2, 1) for name in list(MISCONCEPTIONS)[:30])]
    picture = Picture(many)
    [axes] = picture.figure().axes
    assert len(axes.get_yticklabels()) == 13
    assert len(picture.rows()) == 31, "the table has all"


# --- in the workbook ------------------------------------------------------------------------------


def test_a_student_answers_in_the_notebook_before_and_after(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    stored = json.loads((TOP / "notebooks/workbook/what-do-you-believe.ipynb").read_text())
    sources = {
        cell["id"]: "".join(cell["source"])
        for cell in stored["cells"]
        if cell["cell_type"] == "code"
    }
    assert list(sources) == ["before", "after", "gain"]
    notebook = Notebook({**environment, "KERNELBOX_PROGRESS": str(tmp_path / "progress.json")})
    try:
        assert "1. What boots" in notebook.run(sources["before"]).shown["text/plain"]
        assert "Nothing to compare" in notebook.run(sources["gain"]).shown["text/plain"]
        for when, belief in (("before", "LIGHT-VM"), ("after", RIGHT)):
            notebook.run(sources[when])
            notebook.run(f"inventory.answer({when!r}, 1, {letter_of(1, belief)!r})")
        cell = notebook.run(sources["gain"])
        assert not cell.failure, cell.failure
        shown = cell.shown
        assert re.search(r"^LIGHT-VM +1 of 1 +0 of 1 +\+100 %", shown["text/plain"], re.MULTILINE)
        assert "<img" in shown["text/html"]
    finally:
        notebook.close()


# --- a class --------------------------------------------------------------------------------------


@pytest.fixture
def a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The records of three students: two have learned something, one came only once."""
    records = tmp_path / "records"
    believed = {
        "ann": {"before": "LIGHT-VM", "after": RIGHT},
        "bob": {"before": "LIGHT-VM", "after": "LIGHT-VM"},
        "eve": {"before": "KERNEL-IN-IMAGE"},
    }
    for student, times in believed.items():
        monkeypatch.setenv("KERNELBOX_PROGRESS", str(records / student / "progress.json"))
        for when, belief in times.items():
            inventory.answer(when, 1, letter_of(1, belief))
            for number in range(2, 21):
                inventory.answer(when, number, letter_of(number, RIGHT))
    return records


def test_the_gain_of_a_class_is_printed_and_drawn(
    kernelbox: Kernelbox, a_class: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "gain.png"
    said = kernelbox.ok("course", "gain", a_class, "--plot", plot)
    assert re.search(r"^all wrong answers +2 of 40 +1 of 40 +\+50 %", said, re.MULTILINE)
    assert re.search(r"^LIGHT-VM +2 of 2 +1 of 2 +\+50 % +A container is", said, re.MULTILINE)
    assert "KERNEL-IN-IMAGE" not in said, "eve came only once"
    assert said.splitlines()[-1] == (
        "2 of 3 students have answered both before the course and after it"
    )
    height, width, _ = matplotlib.image.imread(plot).shape
    assert width >= 1600 and height > 300, "pixels, enough for a projector"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", '{"inventory": 1}', '{"inventory": {"before": 3}}',
        '{"inventory": {"after": ["boots"]}}', "{" * 9999,
    ],
)  # fmt: skip
def test_a_damaged_record_is_told_in_one_line(
    kernelbox: Kernelbox, tmp_path: Path, text: str
) -> None:
    (tmp_path / "progress.json").write_text(text)
    done = kernelbox("course", "gain", tmp_path / "progress.json")
    assert done.returncode != 0
    assert re.fullmatch(r"kernelbox: \S+ is no record of a student's progress .*\n", done.stderr)


def test_a_class_that_was_asked_once_and_a_picture_that_cannot_be_written_are_told(
    kernelbox: Kernelbox, a_class: Path, tmp_path: Path
) -> None:
    done = kernelbox("course", "gain", a_class / "eve")
    assert done.returncode != 0
    assert done.stderr.startswith("kernelbox: nobody has answered the inventory both before")
    done = kernelbox("course", "gain", a_class, "--plot", tmp_path / "nowhere/gain.png")
    assert done.returncode != 0
    assert re.fullmatch(
        r"kernelbox: \S+/gain.png cannot be written \(No such file.*\)\. Name another\n",
        done.stderr,
    )


@pytest.mark.parametrize("text", ['{"chapters": {}, "inventory": {"before": 3}}'])
def test_a_students_own_damaged_record_is_put_aside(
    record: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record.write_text(text)
    assert "recorded, 1 of 20" in inventory.answer("before", 1, "a")
    assert record.with_name("progress.json.damaged").read_text() == text
    assert "was damaged" in capsys.readouterr().err
