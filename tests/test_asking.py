"""What chapters are made of besides their checks: guesses, charts, quizzes, puzzles, the record.

The record is read from disk; puzzles are really made, by a process under remote control.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from kernelbox import cgroup, lab
from kernelbox.lab import Lab, LabError, reading
from kernelbox.lab.exercises import clean, forms, outside, parsons, progress
from kernelbox.lab.exercises.bars import Bars
from kernelbox.lab.exercises.catalogue import contents, own_numbers
from kernelbox.lab.exercises.chapter import Chapter
from kernelbox.lab.exercises.chart import Comparison
from kernelbox.lab.exercises.curve import Curve
from kernelbox.lab.exercises.ecdf import Ecdf
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.guesses import Guess, Observation
from kernelbox.lab.exercises.predictions import choice, number, text
from kernelbox.lab.exercises.questions import question, right, wrong
from kernelbox.lab.exercises.quiz import Quiz
from kernelbox.lab.exercises.recall import recalled
from kernelbox.lab.exercises.verdict import NotYet, failed, folded_hints, passed
from kernelbox.widgets import palette
from kernelbox.widgets.form import Form
from tests.looking import is_alive
from tests.store_notebooks import sanitized

QUESTION = question(
    "A `container` is ...",
    wrong("a light <machine>", "It boots nothing."),
    right("a process", "It has a `PID`."),
)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a student's progress is kept in this test."""
    file = tmp_path / "state/progress.json"
    monkeypatch.setenv("KERNELBOX_PROGRESS", str(file))
    return file


# --- verdicts -------------------------------------------------------------------------------------


def test_a_verdict_says_what_was_observed_and_what_was_expected() -> None:
    assert repr(failed("uts is the host's", "its own")).splitlines()[1:] == [
        "observed: uts is the host's",
        "expected: its own",
    ]
    assert "expected" not in repr(passed("uts is its own"))


def test_a_verdict_says_in_words_and_with_a_sign_whether_it_is_passed() -> None:
    done, missing = passed("two")._repr_html_(), failed("one", "two")._repr_html_()
    assert "✓ passed</b>" in done and "◯ not yet</b>" in missing
    assert done.count("observed: two") == missing.count("observed: one") == 1


def test_a_failure_that_was_shown_on_the_page_is_not_said_again() -> None:
    verdict = failed("one", "two")
    assert NotYet(verdict)._render_traceback_() == repr(verdict).splitlines()
    [line] = NotYet(verdict, shown=True)._render_traceback_()
    assert "one" not in line and "two" not in line


def test_a_verdict_shows_what_a_student_made_as_text_and_not_at_any_length() -> None:
    shown = failed("<script>" + "x" * 1_000_000)._repr_html_()
    assert "&lt;script&gt;" in shown
    assert len(shown) < 2000


def test_a_hint_is_folded_within_the_one_before() -> None:
    opened = re.findall(r"Hint \d|</details>", folded_hints(("a", "`b`", "c")))
    assert opened == ["Hint 1", "Hint 2", "Hint 3", "</details>", "</details>", "</details>"]


# --- predictions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prediction", "guess", "complaint"),
    [
        (number("n", "how many"), "2", "a number is asked for"),
        (number("n", "how many"), True, "a number is asked for"),
        (number("n", "how many"), float("nan"), "finite"),
        (choice("c", "which", "this", "that"), "neither", "There are: this, that"),
        (choice("c", "which", "this", "that"), [], "There are: this, that"),
        (text("t", "who"), "  ", "empty"),
    ],
)
def test_a_guess_that_answers_another_question_is_refused(
    prediction: Any, guess: object, complaint: str
) -> None:
    with pytest.raises(LabError, match=complaint):
        prediction.fitting(guess)


def test_what_answers_a_question_is_refused_until_there_is_a_guess(record: Path) -> None:
    chapter = Chapter("01")
    for ask in (lambda: chapter.observe("pids", 2), lambda: chapter.guessed("pids")):
        with pytest.raises(LabError, match="first your guess"):
            ask()
    assert not chapter.predictions().observations
    chapter.predict("pids", 1)
    assert repr(chapter.observe("pids", 2)) == "guessed:  1\nobserved: 2"


def test_a_guess_after_the_answer_is_none(record: Path) -> None:
    chapter = Chapter("01")
    chapter.predict("pids", 1)
    chapter.observe("pids", 2)
    assert repr(chapter.predict("pids", 1)) == "my guess: 1"
    late = "my guess: 1 (2 came after the answer: too late)"
    assert repr(chapter.predict("pids", 2)) == late
    assert json.loads(record.read_text())["chapters"]["01"]["predictions"] == {"pids": 1}


def test_a_grader_is_not_asked_for_guesses_and_keeps_no_record(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    chapter = Chapter("01")
    assert repr(chapter.observe("pids", 2)) == "guessed:  -\nobserved: 2"
    chapter.predict("boot", "different")
    assert not record.exists()


@pytest.mark.parametrize("name", ["predict", "hints", "check", "pieces"])
def test_what_a_chapter_does_not_have_is_named_with_what_it_has(name: str, record: Path) -> None:
    with pytest.raises(LabError, match=r"has no \w+ 'nothing'. There are: "):
        getattr(Chapter("01"), name)("nothing")


# --- the chart ------------------------------------------------------------------------------------


def test_the_same_guesses_make_the_same_chart_to_the_letter() -> None:
    made = [Observation(number("n", "how many"), 1, 20), Observation(text("t", "who"), "I", "you")]
    drawn = Comparison(made)._repr_html_()
    assert drawn == Comparison(made)._repr_html_()
    assert Comparison(made).svg().count("<svg ") == 2, "the chart, in its frame"
    assert 'alt="Guessed and observed"' in drawn
    assert "kb-moving" not in drawn
    assert "how many" in repr(Comparison(made))


def test_a_chart_of_what_varies_says_so() -> None:
    one = Comparison([Observation(number("n", "how many"), 1, 67, "more than 50")])
    assert re.search("<svg [^>]*kb-moving", one.svg())
    assert "more than 50" in repr(one)
    assert "67" not in repr(one)


def test_a_chart_has_only_colours_that_know_dark_paper() -> None:
    image = Comparison([Observation(number("n", "how many"), 1, 20)]).svg()
    drawn = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", image.partition("</style>")[2]))
    assert len(drawn) > 3
    assert drawn <= {light for light, dark in palette.colors().values() if light != dark}


def test_without_numbers_there_is_a_table_and_no_chart() -> None:
    one = Comparison([Observation(text("t", "who"), "<I>", "you")])
    assert one.svg() == ""
    assert "&lt;I&gt;" in one.table()


def test_a_curve_shows_its_numbers_and_tells_only_what_is_the_same_in_every_run() -> None:
    points = {1: 0.519, 32: 29.25}
    curve = Chapter("06").curve(
        "To open <it>", points, across="size, MiB", up="time, ms", level=("again", 0.0136)
    )
    assert repr(curve) == "To open <it>\ntime, ms, for size, MiB: 1, 32; beside it: again"
    shown = curve._repr_html_()
    assert (
        shown
        == Curve(
            "To open <it>", points, across="size, MiB", up="time, ms", level=("again", 0.0136)
        )._repr_html_()
    )
    assert "To open <it>" not in shown
    for name, value in (("1", "0.519"), ("32", "29.2"), ("again", "0.0136")):
        assert re.search(rf'<th [^>]*>{name}</th><td [^>]*class="varies">{value}</td>', shown)
    other = Curve(
        "To open <it>", {1: 5, 32: 7}, across="size, MiB", up="time, ms", level=("again", 2)
    )
    assert sanitized(other._repr_html_()) == sanitized(shown), "nbval passes over what varies"


def test_percentiles_have_as_much_room_among_the_slowest_as_among_the_others() -> None:
    points = {50: 3.0, 90: 5.0, 95: 6.0, 98: 9.0}
    curve = Chapter("08").curve("Answers", points, across="percent", up="ms", percent=True)
    (axes,) = curve.figure().axes
    places = [axes.transData.transform((tick, 5))[0] for tick in axes.get_xticks()]
    assert [one.get_text() for one in axes.get_xticklabels()] == ["50", "90", "95", "98"]
    steps = [late - early for early, late in itertools.pairwise(places)]
    assert min(steps) > max(steps) / 3
    low, high = axes.get_ylim()
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 2, "within a decade, too"


@pytest.mark.parametrize(
    ("values", "ends"),
    [((87.8, 180.0), (50, 200)), ((100.0, 100.0), (100, 200)), ((0.3, 40.0), (0.2, 50))],
)
def test_a_curves_axis_begins_and_ends_with_a_number(
    values: tuple[float, float], ends: tuple[float, float]
) -> None:
    points = dict(enumerate(values, 1))
    (axes,) = Curve("Pauses", points, across="programs", up="ms").figure().axes
    assert axes.get_ylim() == pytest.approx(ends)
    assert set(ends) <= {round(tick, 9) for tick in axes.get_yticks()}


@pytest.mark.parametrize(
    "chart",
    [
        Curve("C", {1: 2, 3: 4}, across="a", up="b", level=("c", 3)),
        Bars("B", {"a": [1, 2, 3]}, up="b"),
        Ecdf("E", {"a": [1, 2, 3]}, across="b"),
    ],
    ids=lambda chart: type(chart).__name__,
)
def test_the_letters_of_a_chart_are_read_on_a_projector(chart: Curve | Bars | Ecdf) -> None:
    sizes = [float(size) for size in re.findall(r"font: ([0-9.]+)px", chart.svg())]
    assert min(sizes) >= 12


def test_a_distribution_within_a_decade_has_plain_numbers_below_it() -> None:
    (axes,) = Ecdf("E", {"a": [4.1, 6.6, 31.5], "b": [1490.4, 5, 6]}, across="b").figure().axes
    axes.figure.canvas.draw()
    labels = [one.get_text() for one in axes.get_xticklabels()]
    assert {"5", "10", "20"} <= {*labels} and not any("times" in one for one in labels)
    assert not axes.xaxis.get_minorticklocs().size


def test_a_number_in_a_table_has_no_exponent() -> None:
    shown = Ecdf("E", {"a": [0.024, 12.34, 1490.4]}, across="ms").table()
    assert re.findall(r'class="varies">([^<]+)<', shown) == ["0.024", "12.3", "1490"]


# --- the quiz -------------------------------------------------------------------------------------


def test_a_quiz_on_paper_unfolds_why_for_each_answer() -> None:
    quiz = Quiz((QUESTION,), lambda number, right: None)
    html = quiz._repr_html_()
    assert re.findall(r"<summary>(..) ", html) == ["a)", "b)"]
    assert "a light &lt;machine&gt;" in html
    assert "<b>No.</b> It boots nothing." in html
    assert "It has a" not in repr(quiz)


def say(form: Form, field: int, value: object) -> str:
    """Answer a question on a form, as its page does; return what is told."""
    form._handle_custom_msg({"do": "answer", "field": field, "value": value}, [])
    told: str = form.replies[str(field)]
    return told


def test_a_quiz_on_a_page_tells_why_and_records_the_first_answer_alone() -> None:
    told: list[tuple[int, bool]] = []
    form = forms.quiz((QUESTION,), lambda number, right: told.append((number, right)))
    places = {choice.right: place for place, choice in enumerate(QUESTION.choices)}
    assert say(form, 0, places[False]) == "<b>No.</b> It boots nothing."
    assert say(form, 0, places[True]).startswith("<b>Right.</b>")
    assert told == [(1, False)]


# --- what is brought back -------------------------------------------------------------------------


def test_a_chapter_brings_back_the_one_before_and_an_older_one() -> None:
    first, *others = own_numbers()
    assert recalled(first) == []
    asked: list[str] = []
    for place, chapter in enumerate(others, 1):
        found = recalled(chapter)
        names = [one.name.split() for one in found]
        before = own_numbers()[place - 1]
        assert len(names) == min(place, 2) and names[0][0] == before
        assert all(older < before for older, _ in names[1:])
        for (of, at), one in zip(names, found, strict=True):
            original = contents(of).quiz[int(at) - 1]
            assert one.question.text == f"Chapter {of}: {original.text}"
            assert one.question.choices == original.choices
        asked += [one.name for one in found]
    assert len(set(asked)) == len(asked), "nothing is brought back twice"
    assert [one.name for one in recalled(others[-1])] == asked[-2:], "the same each time"


def test_what_is_brought_back_is_recorded_and_no_quiz_counts_it(record: Path) -> None:
    course = Chapter("02")
    quiz = course.recall()
    before = course.progress().rows
    form = forms.quiz(quiz.questions, quiz._record)
    for place, one in enumerate(quiz.questions):
        say(form, place, [choice.right for choice in one.choices].index(True))
    names = [one.name for one in recalled("02")]
    assert progress.read()["02"]["recall"] == dict.fromkeys(names, 1)
    assert course.progress().rows == before
    assert repr(quiz).startswith("1. Chapter 01: ") and "2. Chapter 00: " in repr(quiz)


def test_nothing_comes_before_the_first_chapter() -> None:
    with pytest.raises(LabError, match="no chapter comes before 00"):
        Chapter("00").recall()


@pytest.mark.parametrize(
    "choices",
    [
        (),
        (right("a", "b"),),
        (wrong("a", "b"), wrong("c", "d")),
        (right("a", "b"), right("c", "d")),
        (right("a", "b"), wrong("c", "")),
    ],
)
def test_a_question_without_one_right_answer_and_a_reason_for_each_is_refused(choices: Any) -> None:
    with pytest.raises(ValueError, match="'why'"):
        question("why", *choices)


@pytest.mark.parametrize(
    ("prediction", "given", "recorded"),
    [
        (number("n", "how many"), 3, 3),
        (number("n", "how many"), None, ""),
        (choice("c", "which", "this", "that"), 1, "that"),
        (choice("c", "which", "this", "that"), None, ""),
        (text("t", "who"), "init", "init"),
    ],
)
def test_a_guess_on_a_page_is_recorded_as_what_was_meant(
    prediction: Any, given: Any, recorded: Any
) -> None:
    told: list[object] = []

    def record(guess: object) -> str:
        told.append(guess)
        return "<thanks>"

    assert say(forms.guess(prediction, record), 0, given) == "&lt;thanks&gt;"
    assert told == [recorded]


def test_a_guess_on_a_page_that_answers_another_question_is_told_so() -> None:
    form = forms.guess(number("n", "how many"), lambda guess: str(number("n", "").fitting(guess)))
    assert say(form, 0, None).startswith("a number is asked for")


def test_without_a_page_a_missing_guess_is_shown_as_text() -> None:
    still, _ = Guess(number("n", "how many"), None, str)._repr_mimebundle_()
    assert still["text/plain"] == "no guess yet: how many"
    assert still["text/html"] == "<p>no guess yet: how many</p>"


def test_a_guess_survives_a_restart_and_counts(record: Path) -> None:
    Chapter("01").predict("pids", 1)
    restarted = Chapter("01")
    assert repr(restarted.predict("pids")) == "my guess: 1"
    assert restarted.observe("pids", 2).guess == 1


def test_a_record_that_answers_another_question_is_no_guess(record: Path) -> None:
    progress.note("01", "predictions", "pids", "many")
    assert repr(Chapter("01").predict("pids")).startswith("no guess yet: ")


# --- the record on disk ---------------------------------------------------------------------------


def test_progress_is_kept_across_chapters(record: Path) -> None:
    progress.note("01", "exercises", "a", 2)
    progress.note("02", "quiz", "1", 1)
    assert progress.read()["01"]["exercises"] == {"a": 2}
    assert progress.read()["02"]["quiz"] == {"1": 1}
    assert os.listdir(record.parent) == [record.name]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"chapters": 3}', '{"chapters": {"01": 1}}']
)
def test_a_damaged_record_is_put_aside_and_said_so_in_a_line(
    text: str, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record.parent.mkdir()
    record.write_text(text)
    progress.note("01", "exercises", "a", 2)
    assert progress.read()["01"]["exercises"] == {"a": 2}
    assert record.with_name("progress.json.damaged").read_text() == text
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("kernelbox: ")


def test_what_was_damaged_before_is_kept_as_well(record: Path) -> None:
    record.parent.mkdir()
    written = {"damaged": "one", "damaged-2": "two", "damaged-3": "three"}
    for damage in written.values():
        record.write_text(damage)
        assert progress.read() == {}
    kept = {path.name: path.read_text() for path in record.parent.iterdir()}
    assert kept == {f"progress.json.{end}": damage for end, damage in written.items()}


def test_a_record_of_a_later_kernelbox_is_read_and_not_written(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record.parent.mkdir()
    later = {"version": 2, "chapters": {"01": {"exercises": {"a": 2}, "songs": {}}}, "more": 1}
    record.write_text(json.dumps(later))
    progress.note("01", "exercises", "b", 3)
    assert json.loads(record.read_text()) == later
    assert progress.read()["01"]["exercises"] == {"a": 2}
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("a later kernelbox has written the record")


def test_a_shelf_that_is_not_known_is_kept(record: Path) -> None:
    record.parent.mkdir()
    record.write_text(json.dumps({"chapters": {"01": {"songs": {"a": "la"}}}}))
    progress.note("01", "exercises", "b", 3)
    assert json.loads(record.read_text())["chapters"]["01"]["songs"] == {"a": "la"}


def test_a_record_that_is_a_link_stays_one(record: Path) -> None:
    record.parent.mkdir()
    elsewhere = record.with_name("elsewhere.json")
    record.symlink_to(elsewhere.name)
    progress.note("01", "exercises", "a", 2)
    assert record.is_symlink()
    assert json.loads(elsewhere.read_text())["chapters"]["01"]["exercises"] == {"a": 2}


def test_somebody_who_holds_the_record_for_ever_costs_a_line(
    record: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record.parent.mkdir()
    monkeypatch.setattr(progress, "_PATIENCE", 0.1)
    fd = os.open(record.parent, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        progress.note("01", "exercises", "a", 2)
    finally:
        os.close(fd)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("kernelbox: progress is not recorded: ")
    assert not record.exists()


def test_who_has_no_home_has_no_record_and_is_told_so(
    record: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KERNELBOX_PROGRESS")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "~nobody-has-this-name")
    assert progress.read() == {}
    progress.note("01", "exercises", "a", 2)
    assert all(
        line.startswith("kernelbox: progress ") for line in capsys.readouterr().err.splitlines()
    )


def test_a_record_that_cannot_be_written_costs_a_line_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERNELBOX_PROGRESS", str(tmp_path / "file/progress.json"))
    progress.note("01", "exercises", "a", 2)
    assert all("progress" in line for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize(
    ("state", "place"),
    [("/s", "/s/kernelbox/progress.json"), ("s", "/h/.local/state/kernelbox/progress.json")],
)
def test_the_record_is_where_the_xdg_specification_puts_it(
    state: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERNELBOX_PROGRESS")
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.setenv("XDG_STATE_HOME", state)
    assert str(progress.path()) == place


# --- exercises -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hints"), [("A name", ("a", "b", "c")), ("a-name", ("a", "b")), ("", ("a", "b", "c"))]
)
def test_an_exercise_without_a_name_or_three_hints_is_refused(
    name: str, hints: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="hints"):
        exercise(name, title="A", hints=hints)


# --- puzzles --------------------------------------------------------------------------------------

BIRTH = parsons.puzzle(
    "birth",
    ("fork()", lambda held: held.fork()),
    ("unshare('pid', 'mount')", lambda held: held.unshare("pid", "mount")),
    ("mount('proc', '/proc', 'proc')", lambda held: held.mount("proc", "/proc", "proc")),
    ("mount(None, '/', None, 'rprivate')", lambda held: held.mount(None, "/", None, "rprivate")),
)


def test_requests_in_the_right_order_are_really_made(box: Lab) -> None:
    with parsons.made(box, BIRTH, ["B", "a", "D", "C"]) as run:
        assert (run.made, run.refusal) == (4, "")
        assert reading.status(run.process.pid)["NSpid"].split()[-1] == "1"
        [*_, last] = [mount for mount in outside.mounts(run.process.pid) if mount[4] == "/proc"]
        assert last[last.index("-") + 1] == "proc"
        pid = run.process.pid
    assert not is_alive(pid)


@pytest.mark.parametrize(
    ("order", "made", "refusal"),
    [
        ("ADCB", 1, "D, mount(None, '/', None, 'rprivate'), was refused: "),
        ("B, D", 2, ""),
        ("", 0, ""),
        ("BX", 0, "no request has the letter X"),
        (None, 0, "no request has the letter"),
        (7, 0, "no request has the letter 7"),
        ("Z" * 1_000_000, 0, "no request has the letter Z"),
    ],
)
def test_requests_in_another_order_say_how_far_they_got(
    box: Lab, order: object, made: int, refusal: str
) -> None:
    with parsons.made(box, BIRTH, order) as run:
        assert run.made == made
        assert run.refusal.startswith(refusal)
        assert bool(run.refusal) == bool(refusal)


def test_a_puzzle_is_shown_with_letters() -> None:
    assert repr(BIRTH).startswith("A  fork()\nB  unshare('pid', 'mount')\n")


# --- the end of a chapter -------------------------------------------------------------------------


def test_after_the_last_cell_nothing_is_left() -> None:
    box = lab.start()
    held = box.hold()
    container = box.start("busybox", "sleep 1000")
    assert not clean.clean(box)
    assert not is_alive(box.agent) and not is_alive(held.pid) and not is_alive(container.pid)


@pytest.mark.outside("it counts a directory")
def test_what_is_left_is_counted() -> None:
    group = cgroup.of("0123456789ab")
    group.create()
    mine = clean._family(os.getpid())
    try:
        left = clean._count(mine, [], [group], ["lo", "nonesuch"])
    finally:
        group.remove()
    assert left.processes == len(mine) > 0
    assert left.groups == 1
    assert left.links == 1
    assert repr(left).startswith(f"processes left: {len(mine)}\ncontrol groups left: 1\n")
