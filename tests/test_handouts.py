"""What `kernelbox course` gives a teacher beside the folder: plan, key, rubric, report, repair."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from kernelbox.lab.course import handouts, report, timing
from kernelbox.lab.course.form import prepare
from kernelbox.lab.course.notebooks import files
from kernelbox.lab.course.repair import repair
from kernelbox.lab.course.solutions import notebook_of
from kernelbox.lab.exercises import catalogue, progress
from kernelbox.lab.exercises.catalogue import contents
from kernelbox.lab.workbook.release import released
from tests.command import Kernelbox
from tests.test_lab import Notebook

CHAPTER = "01"
MOST = 75  # minutes of a chapter on its path: longer, it holds two ideas


# --- to hold in hand ------------------------------------------------------------------------------


def test_a_plan_has_every_part_of_a_chapter_and_what_is_asked_there() -> None:
    [file] = files(CHAPTER)
    plan = handouts.lesson_plan([file])
    titles = re.findall(r"^## (\d+ · .+)$", _prose(file), re.MULTILINE)
    assert len(titles) > 5
    assert all(f"| {title} | " in plan for title in titles)
    asked = contents(CHAPTER)
    for name in (*asked.exercises, *asked.predictions):
        assert plan.count(f"`{name}`") == 1, name
    minutes = [float(one) for one in re.findall(r"\| (\d+) \| ", plan)]
    assert abs(sum(minutes) - timing.minutes(file)) <= 8  # rounded, and without the title's


def _prose(file: Path) -> str:
    cells = json.loads(file.read_text())["cells"]
    return "\n".join("".join(one["source"]) for one in cells if one["cell_type"] == "markdown")


@pytest.mark.parametrize("file", files(None), ids=lambda file: file.stem)
def test_a_chapter_takes_at_most_75_minutes_and_says_how_long_its_further_part_takes(
    file: Path,
) -> None:
    assert sum(one.minutes for one in timing.sections(file) if not one.further) <= MOST
    first = "".join(json.loads(file.read_text())["cells"][0]["source"])
    [(said, more)] = re.findall(
        r"\*\*You need\*\*.* about (\d+) minutes(?:, and (\d+) more for the further part)?\.", first
    )
    assert int(said) == timing.minutes(file)
    assert int(more or 0) == timing.further_minutes(file)
    assert bool(more) == bool(contents(file.name[:2]).further)
    asked = contents(file.name[:2])
    extra = sum(one.points for name, one in asked.exercises.items() if name in asked.further)
    assert (f" ({extra} of them further)" in handouts.lesson_plan([file])) == bool(extra)
    [planned] = re.findall(r"^About .+$", handouts.lesson_plan([file]), re.MULTILINE)
    assert planned == f"About {said} minutes" + (
        f", and {more} more for the further part." if more else "."
    )


def test_more_to_do_takes_more_time(tmp_path: Path) -> None:
    [file] = files(CHAPTER)
    notebook = json.loads(file.read_text())
    before = sum(one.minutes for one in timing.sections(file))
    notebook["cells"].append({"cell_type": "markdown", "source": "word " * 1300})
    notebook["cells"].append({"cell_type": "code", "source": "1"})
    longer = tmp_path / file.name
    longer.write_text(json.dumps(notebook))
    assert sum(one.minutes for one in timing.sections(longer)) == pytest.approx(before + 10.35)


def test_a_key_has_every_answer_and_the_right_one_of_every_question() -> None:
    [file] = files(CHAPTER)
    key = handouts.answer_key([file])
    chapter = contents(CHAPTER)
    for name, answers in chapter.answers.items():
        assert f"(`{name}`, " in key
        assert all(f"*{one}*" in key for one in (*answers.right, *answers.wrong))
    assert key.count("Ours:") == len(chapter.exercises)
    for question in chapter.quiz:
        [right] = [one.text for one in question.choices if one.right]
        assert f"**{right}**" in key
        assert all(f"**{one.text}**" not in key for one in question.choices if not one.right)


def test_a_rubric_adds_up() -> None:
    for number in catalogue.own_numbers():
        text = handouts.rubric(files(number))
        points = [int(one) for one in re.findall(r"^\| [^*].* \| (\d+) \| ", text, re.MULTILINE)]
        [together] = re.findall(r"\*\*together\*\* \| \*\*(\d+)\*\*", text)
        assert sum(points) == int(together) > 0


def test_the_handouts_come_from_the_command_line(kernelbox: Kernelbox) -> None:
    for word, title in (
        ("plan", "# 00 · Start here"),
        ("key", "# Chapter 00: answers"),
        ("rubric", "# Chapter 00: rubric"),
    ):
        said = kernelbox.ok("course", word, "--chapters", "00")
        assert said.startswith(title) and "Chapter 01" not in said
        assert kernelbox.ok("course", word, "00") == said
    refused = kernelbox("course", "plan", "--chapters", "99")
    assert refused.returncode != 0 and refused.stderr.startswith("kernelbox: no chapter '99'")


# --- what became of a class -----------------------------------------------------------------------


def test_a_record_of_real_attempts_becomes_a_row(
    kernelbox: Kernelbox, environment: dict[str, str], tmp_path: Path
) -> None:
    records = tmp_path / "records"
    for student, tries in (("ann", 2), ("bob", 0)):
        notebook = Notebook(
            {**environment, "KERNELBOX_PROGRESS": str(records / student / "progress.json")}
        )
        try:
            notebook.ok("from kernelbox import lab; box = lab.start(); course = lab.chapter('00')")
            notebook.run("course.hints('an-island')")
            for _ in range(tries):
                notebook.run("course.check('an-island', island=None)")
            notebook.ok("island = box.hold(); _ = island.unshare('network')")
            notebook.run("course.check('an-island', island=island)")
        finally:
            notebook.close()
    [row] = report.rows(report.read([records]))
    assert (row.chapter, row.exercise, row.begun, row.hints) == ("00", "an-island", 2, 2)
    assert (row.solved, row.attempts) == (2, 2)  # three and one
    assert row.commonest.startswith("island is None")
    said = kernelbox.ok("course", "report", records)
    assert re.search(r"^00 an-island +2 +2 +2 +2 +island is None", said, re.MULTILINE)
    assert re.search(r"^chapter 00: \d+ min, the median of 2 students$", said, re.MULTILINE)


def test_what_a_student_has_written_reaches_no_terminal_raw(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    attempts = {"an-island": {"tries": 3, "verdicts": {"\x1b[2Jgone\x07": 3}}}
    chapters = {"00": {"attempts": attempts, "time": {"seconds": float("nan")}}}
    (tmp_path / "progress.json").write_text(json.dumps({"chapters": chapters}))
    said = kernelbox.ok("course", "report", tmp_path)
    assert "?[2Jgone?" in said and "\x1b" not in said
    assert "chapter 00: 0 min, the median of 1 student\n" in said


@pytest.mark.parametrize(
    "text", ["", "[]", '{"chapters": {"00": {"attempts": {"x": 1}}}}', "{" * 9999]
)
def test_what_is_no_record_is_told_in_one_line(
    kernelbox: Kernelbox, tmp_path: Path, text: str
) -> None:
    (tmp_path / "progress.json").write_text(text)
    done = kernelbox("course", "report", tmp_path / "progress.json")
    assert done.returncode != 0
    assert re.fullmatch(r"kernelbox: \S+ is no record of a student's progress .*\n", done.stderr)


def test_a_record_that_is_not_there_is_told_by_its_name(kernelbox: Kernelbox) -> None:
    said = kernelbox.refused("course", "report", "/nonesuch/progress.json")
    assert "cannot read /nonesuch/progress.json: No such file or directory. " in said


def test_verdicts_that_never_end_are_kept_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kernelbox.lab.exercises import tries
    from kernelbox.lab.exercises.verdict import failed

    monkeypatch.setenv("KERNELBOX_PROGRESS", str(tmp_path / "progress.json"))
    for number in range(100):
        verdict = failed(f"{number} " + "x" * 1000)
        progress.change("00", "attempts", "island", lambda old, one=verdict: tries.after(old, one))
    record = progress.read()["00"]["attempts"]["island"]
    assert record["tries"] == 100
    assert len(json.dumps(record)) < 10_000


# --- mending --------------------------------------------------------------------------------------


@pytest.fixture
def handed_in() -> NotebookNode:
    """A notebook as a student has it: nbgrader's metadata, no solutions."""
    notebook = nbformat.read(notebook_of(CHAPTER), as_version=4)
    prepare(notebook, contents(CHAPTER).exercises)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = released(cell.source)
            cell.outputs = []
    return notebook


def mended(notebook: NotebookNode, tmp_path: Path) -> tuple[list[str], NotebookNode]:
    file = tmp_path / f"{CHAPTER}-handed-in.ipynb"
    nbformat.write(notebook, file)
    said = repair(file, CHAPTER)
    return said, nbformat.read(file, as_version=4)


def graded(notebook: NotebookNode) -> list[tuple[str, int]]:
    """Return grade ids and points of the cells that are graded, in order."""
    found = [one.metadata.get("nbgrader", {}) for one in notebook.cells]
    return [(one["grade_id"], one["points"]) for one in found if one.get("grade")]


def first_check(notebook: NotebookNode) -> int:
    """Return where the first cell is that is graded."""
    found = (one.metadata.get("nbgrader", {}).get("grade") for one in notebook.cells)
    return next(number for number, graded in enumerate(found) if graded)


def test_a_whole_notebook_is_left_as_it_is(handed_in: NotebookNode, tmp_path: Path) -> None:
    said, after = mended(handed_in, tmp_path)
    assert said == [] and after.cells == handed_in.cells


@pytest.mark.parametrize("chapter", catalogue.own_numbers())
def test_what_was_worked_in_is_left_as_it_is(chapter: str, tmp_path: Path) -> None:
    """With a comment put on top of each solution, as students do."""
    notebook = nbformat.read(notebook_of(chapter), as_version=4)
    prepare(notebook, contents(chapter).exercises)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = f"# mine\n{released(cell.source)}"
    file = tmp_path / f"{chapter}-handed-in.ipynb"
    nbformat.write(notebook, file)
    assert repair(file, chapter) == []


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "[" * 99_999,
        '{"cells": 1}',
        '{"cells": [1], "nbformat": 4, "nbformat_minor": 5}',
    ],
)
def test_what_is_no_notebook_is_told_in_one_line(
    kernelbox: Kernelbox, tmp_path: Path, text: str
) -> None:
    (tmp_path / "01-x.ipynb").write_text(text)
    done = kernelbox("course", "repair", tmp_path / "01-x.ipynb")
    assert done.returncode != 0
    assert re.fullmatch(r"kernelbox: \S+ is no notebook \(\w+\)\. Name an \.ipynb\n", done.stderr)
    assert (tmp_path / "01-x.ipynb").read_text() == text


def test_a_full_disk_costs_nothing_that_was_handed_in(
    handed_in: NotebookNode, tmp_path: Path, kernelbox: Kernelbox
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", small], check=True)
    try:
        file = small / f"{CHAPTER}-handed-in.ipynb"
        for cell in handed_in.cells:
            cell.metadata = {}
        nbformat.write(handed_in, file)
        before = file.read_bytes()
        with contextlib.suppress(OSError), (small / "filler").open("wb") as filler:
            filler.write(b"x" * (1 << 20))
        done = kernelbox("course", "repair", file)
        assert "cannot be mended (No space left on device), and is as it was" in done.stderr
        assert file.read_bytes() == before
        assert {one.name for one in small.iterdir()} == {file.name, "filler"}
    finally:
        subprocess.run(["umount", small], check=True)


def test_all_metadata_lost_is_found_again(handed_in: NotebookNode, tmp_path: Path) -> None:
    before = copy.deepcopy(handed_in)
    for number, cell in enumerate(handed_in.cells):
        cell.metadata = {}
        cell.id = f"other-{number}"
    _, after = mended(handed_in, tmp_path)
    assert graded(after) == graded(before) and len(graded(before)) == 4
    locked = [one.metadata.get("nbgrader", {}).get("solution") for one in after.cells]
    assert sum(map(bool, locked)) >= 3  # one solution's cell has nothing of ours to know it by


def test_a_copied_cell_is_the_students_own(handed_in: NotebookNode, tmp_path: Path) -> None:
    before = copy.deepcopy(handed_in)
    place = first_check(handed_in)
    twin = copy.deepcopy(handed_in.cells[place])
    twin.id = "a-twin"
    handed_in.cells.insert(place + 1, twin)
    said, after = mended(handed_in, tmp_path)
    assert len(said) == 1 and "was a copy of" in said[0]
    assert graded(after) == graded(before)
    assert "nbgrader" not in after.cells[place + 1].metadata


def test_a_check_that_is_missing_is_named(
    handed_in: NotebookNode, tmp_path: Path, kernelbox: Kernelbox
) -> None:
    place = first_check(handed_in)
    gone = handed_in.cells.pop(place).id
    file = tmp_path / f"{CHAPTER}-handed-in.ipynb"
    nbformat.write(handed_in, file)
    done = kernelbox("course", "repair", file)
    assert done.returncode != 0
    assert done.stderr.startswith(f"kernelbox: these checks are not in it: {gone}. ")
    (tmp_path / "01.ipynb").write_text("no notebook")
    done = kernelbox("course", "repair", tmp_path / "01.ipynb")
    assert re.fullmatch(r"kernelbox: \S+ is no notebook \(\w+\)\. Name an \.ipynb\n", done.stderr)
