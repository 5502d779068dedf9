"""The course for nbgrader: made by `kernelbox course`, graded by nbgrader itself.

What a student hands in is put where nbgrader looks for it, and nbgrader's own commands are run, as
a teacher would type them. The points are read in what it exports, and the rest in the notebooks and
pages that it writes.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbformat import NotebookNode

from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.course import folder, form, notebooks
from kernelbox.lab.course.solutions import SOLUTION, code, notebook_of
from kernelbox.lab.exercises import catalogue
from kernelbox.lab.workbook.release import released
from tests.browser import Server
from tests.command import Kernelbox
from tests.store_notebooks import TOP
from tests.test_notebooks import FILES

CHAPTER = "01"
NAME = notebook_of(CHAPTER).stem
POINTS = sum(one.points for one in catalogue.contents(CHAPTER).exercises.values())
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # as in an activated environment


class Course(NamedTuple):
    """A course folder, and how nbgrader is run in it."""

    directory: Path
    environment: dict[str, str]

    def nbgrader(self, *words: str) -> str:
        """Run a command of nbgrader's that must succeed; return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *words],
            cwd=self.directory,
            env={**self.environment, "PATH": PATH},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def notebook(self, kind: str, name: str = NAME) -> NotebookNode:
        """Return the notebook that lies in `source`, `release`, `autograded/STUDENT` ..."""
        return nbformat.read(self.directory / kind / name / f"{name}.ipynb", as_version=4)

    def submit(self, student: str, notebook: NotebookNode) -> None:
        place = self.directory / "submitted" / student / NAME
        place.mkdir(parents=True)
        nbformat.write(notebook, place / f"{NAME}.ipynb")

    def page(self, student: str) -> str:
        """Return what a student gets back."""
        return (self.directory / "feedback" / student / NAME / f"{NAME}.html").read_text()


@pytest.fixture(scope="module")
def course(
    environment: dict[str, str], tests_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Course:
    """A course of all chapters that nobody has handed anything in for."""
    directory = tmp_path_factory.mktemp("course") / "kernelbox course"
    done = Kernelbox(tests_root).ok("course", directory)
    assert [line.split() for line in done.splitlines()[1:-1]] == [
        [file.stem, *map(str, exercises_and_points(file.name[:2]))] for file in FILES
    ]
    return Course(directory, environment)


def exercises_and_points(chapter: str) -> tuple[int, int]:
    exercises = catalogue.contents(chapter).exercises.values()
    return len(exercises), sum(one.points for one in exercises)


def solved(notebook: NotebookNode) -> NotebookNode:
    """Write our solutions into a student's notebook."""
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = code(CHAPTER)[cell.id]
    return notebook


def tampered(notebook: NotebookNode) -> NotebookNode:
    """Replace every check by one that everybody passes."""
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "print('passed')"
    return notebook


SLY = (
    "course.check = lambda *_, **__: print('passed')",
    "type(course).check = lambda *_, **__: print('passed')",
    "from kernelbox.lab.exercises import judge, verdict\n"
    "judge.judge = lambda *_: verdict.passed('all of it')\n"
    "from kernelbox.lab.chapters.chapter01 import exercises\n"
    "exercises.failed = lambda *_: verdict.passed('all of it')",
    "class Course:\n    def check(self, *_, **__): print('passed')\ncourse = Course()",
)


def sly(notebook: NotebookNode) -> NotebookNode:
    """Put something that everybody passes in the place of what checks, in the student's cells."""
    cells = [one for one in notebook.cells if one.metadata.get("nbgrader", {}).get("solution")]
    for number, cell in enumerate(cells):
        cell.source = f"{SLY[number % len(SLY)]}\n{cell.source}"
    assert len(cells) >= len(SLY)
    return notebook


@pytest.fixture(scope="module")
def graded(course: Course) -> Course:
    """The same, after four students have handed in their notebooks, and nbgrader has run them."""
    course.submit("solved", solved(course.notebook("release")))
    course.submit("empty", course.notebook("release"))
    course.submit("tampered", tampered(course.notebook("release")))
    course.submit("sly", sly(course.notebook("release")))
    course.nbgrader("autograde", NAME, "--create")
    course.nbgrader("generate_feedback", NAME)
    course.nbgrader("export")
    return course


def failures(notebook: NotebookNode) -> dict[str, str]:
    """Return what each cell that failed failed with, by its id."""
    return {
        cell.id: output.ename
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    }


# --- the folder -----------------------------------------------------------------------------------


def test_the_source_is_the_notebook_with_points_at_its_checks(course: Course) -> None:
    for file in FILES:
        exercises = catalogue.contents(file.name[:2]).exercises
        points = {}
        for cell in course.notebook("source", file.stem).cells:
            form_of = cell.metadata.get("nbgrader", {})
            assert bool(form_of.get("solution")) == ("### BEGIN SOLUTION" in cell.source), cell.id
            assert bool(form_of.get("locked")) == bool(
                cell.cell_type == "markdown" or form_of.get("grade")
            )
            if form_of.get("grade"):
                [name] = form.calls(cell.source, "check")
                points[name] = form_of["points"]
        assert points == {name: one.points for name, one in exercises.items()}


def test_what_students_get_has_neither_solutions_nor_guesses_nor_outputs(course: Course) -> None:
    for file in FILES:
        released = course.notebook("release", file.stem)
        ours = code(file.name[:2])
        solutions = [found[2] for text in ours.values() for found in SOLUTION.finditer(text)]
        assert solutions
        text = json.dumps(released)
        for solution in solutions:
            assert json.dumps(solution.strip())[1:-1] not in text
        for cell in released.cells:
            if cell.cell_type == "code":
                assert not cell.outputs
                assert "### " not in cell.source
                assert form.without_answer(cell.source, "predict") == cell.source
        asked = {cell.id for cell in released.cells if form.calls(cell.source, "predict")}
        assert asked == {name for name, source in ours.items() if form.calls(source, "predict")}


def test_a_course_that_is_made_again_keeps_the_teachers_configuration(
    kernelbox: Kernelbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])  # which is made longer
    told: list[str] = []
    folder.write(tmp_path, notebooks.files("00"), told.append)
    assert told == ["1 of 1: 00-start-here"]
    config = tmp_path / "nbgrader_config.py"
    config.write_text(config.read_text() + "# mine\n")
    kernelbox.ok("course", tmp_path, "--chapters", CHAPTER)
    assert config.read_text().endswith("# mine\n")
    assert len(os.listdir(tmp_path / "release")) == 2


def test_a_slip_of_the_fingers_makes_no_course_folder(kernelbox: Kernelbox) -> None:
    said = kernelbox.refused("course", "plann")
    assert "no command 'course plann'. There are: check, plan, " in said and "./plann" in said
    assert not Path("plann").exists()


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ((), "the following arguments are required: DIR"),
        (("new", "--chapters", "99"), "no chapter '99'. There are: 00, 01"),
        (("new", "--chapters", "01,"), "no chapter ''"),
        (("new", "--chapters", "../01"), "no chapter '../01'"),
        (("full",), "is no course folder, and not empty"),
        (("full/file",), "cannot write the course (File exists: "),
        (("full/file/new",), "cannot write the course (Not a directory: "),
        (("/proc/new",), "cannot write the course (No such file or directory: "),
        (("broken",), "nbgrader_config.py cannot be run: name 'nonsense' is not defined"),
        (("x" * 300,), "cannot write the course (File name too long: "),
    ],
)
def test_what_cannot_become_a_course_is_refused_in_one_line(
    kernelbox: Kernelbox, tmp_path: Path, words: tuple[str, ...], cause: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/nbgrader_config.py").write_text("nonsense")
    at = [str(tmp_path / word) for word in words[:1]]
    assert cause in kernelbox.refused("course", *at, *words[1:])
    assert sorted(os.listdir(tmp_path)) == ["broken", "full"]
    assert os.listdir(tmp_path / "full") == ["file"]


@pytest.mark.parametrize(
    ("source", "without"),
    [
        ('course.predict("a", 1)  # yours', 'course.predict("a")  # yours'),
        ('x = 1\ncourse.predict(\n    "ü", "ä",\n)', 'x = 1\ncourse.predict(\n    "ü",\n)'),
        ('course.predict("a")', 'course.predict("a")'),
        ('course.predict("a", guess=2)', 'course.predict("a")'),
        (
            'course.predict("a", 1); course.predict("b", "c)")',
            'course.predict("a"); course.predict("b")',
        ),
        (
            'if x:\n    course.predict("a", 1)\ncourse.predict("b", 2)',
            'if x:\n    course.predict("a")\ncourse.predict("b")',
        ),
        ("%load_ext kernelbox.lab", "%load_ext kernelbox.lab"),
    ],
)
def test_a_guess_is_taken_out_and_nothing_else(source: str, without: str) -> None:
    assert form.without_answer(source, "predict") == without


def test_a_check_of_an_exercise_that_is_not_registered_is_refused() -> None:
    cell = nbformat.v4.new_code_cell("course.check('no-such-thing')")
    with pytest.raises(KernelboxError, match="no exercise 'no-such-thing'"):
        form.prepare(nbformat.v4.new_notebook(cells=[cell]), {})


# --- grading --------------------------------------------------------------------------------------


def test_full_marks_for_the_solutions_and_none_for_nothing(graded: Course) -> None:
    with (graded.directory / "grades.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == NAME]
    marks = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}
    nothing = {name: (0, POINTS) for name in ("empty", "tampered", "sly")}
    assert marks == {"solved": (POINTS, POINTS), **nothing}


def test_a_graded_solution_is_green_and_an_empty_one_red_at_the_exercises_alone(
    graded: Course,
) -> None:
    assert not failures(graded.notebook("autograded/solved"))
    assert_red_at_the_exercises_alone(graded.notebook("autograded/empty"))


def test_what_was_put_in_the_place_of_a_check_is_named_in_the_feedback(graded: Course) -> None:
    page = graded.page("sly")
    for what in (
        "`course.check`",
        "`Chapter.check`",
        "`kernelbox.lab.exercises.judge.judge`",
        "`kernelbox.lab.chapters.chapter01.exercises.failed`",
    ):
        assert f"kernelbox: {what} had been replaced, and is put back" in page
    assert "kernelbox: `course` had been replaced, and is put back" in page


def test_the_feedback_says_what_was_observed(graded: Course) -> None:
    assert "observed: one number for this notebook, two for web" in graded.page("solved")
    assert "observed: half is None" in graded.page("empty")
    assert f"Score: {float(POINTS)} / {float(POINTS)}" in graded.page("solved")


@pytest.mark.parametrize("chapter", catalogue.own_numbers())
def test_nbgrader_hands_out_what_the_workbook_has(course: Course, chapter: str) -> None:
    """How a chapter of the workbook runs, test_workbook.py tries; of nbgrader's, one is graded."""
    handed_out = course.notebook("release", notebook_of(chapter).stem)
    ours = {name: released(source) for name, source in code(chapter).items()}
    assert {one.id: one.source for one in handed_out.cells if one.cell_type == "code"} == ours


def assert_red_at_the_exercises_alone(notebook: NotebookNode) -> None:
    checks = [cell.id for cell in notebook.cells if form.calls(cell.source, "check")]
    stubs = [
        cell.id
        for cell in notebook.cells
        # One in a function is raised only when that is called: by the check, which tells of it.
        if "\nraise NotImplementedError()" in f"\n{cell.source}"
    ]
    assert checks
    assert failures(notebook) == {
        **dict.fromkeys(stubs, "NotImplementedError"),
        **dict.fromkeys(checks, "NotYet"),
    }


# --- installed ------------------------------------------------------------------------------------


def test_a_wheel_brings_the_notebooks(environment: dict[str, str], tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    offline = ("--no-deps", "--no-index")
    wheel = (*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", tmp_path, TOP)
    subprocess.run(wheel, check=True)
    fresh = tmp_path / "fresh"
    venv.create(fresh)
    python = fresh / "bin/python"
    [built] = tmp_path.glob("*.whl")
    subprocess.run((*pip, "--python", python, "install", *offline, built), check=True)
    # All that kernelbox stands on is the project's: a `.pth` adds it, but not what its own add.
    [packages] = fresh.glob("lib/python*/site-packages")
    (packages / "project.pth").write_text(f"{os.path.dirname(pytest.__path__[0])}\n")
    done = subprocess.run(
        [fresh / "bin/kernelbox", "course", tmp_path / "made"],
        cwd=tmp_path,
        env={**environment, "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir(tmp_path / "made/release")) == [file.stem for file in FILES]
    assert sorted(packages.glob("kernelbox/notebooks/*.ipynb")) == [
        packages / "kernelbox/notebooks" / file.name for file in FILES
    ]


# --- a student's JupyterLab -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"), environment)
    try:
        made.wait()
        yield made
    finally:
        made.close()


def test_nothing_of_nbgraders_is_on_in_a_students_jupyterlab(server: Server) -> None:
    def get(path: str) -> str:
        address = f"http://127.0.0.1:{server.port}{path}?token={server.token}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return str(answer.read().decode())

    [page] = re.findall(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', get("/lab"), re.S)
    config = json.loads(page)
    assert "@jupyter/nbgrader" in {one["name"] for one in config["federated_extensions"]}
    assert "@jupyter/nbgrader" in config["disabledExtensions"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get("/formgrader")
    assert "nbgrader" not in server.log.read_text()
