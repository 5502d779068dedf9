"""Exercises: each is tried with its solution and with wrong ones, in a real Jupyter kernel.

The solution is the one that stands in the chapter's notebook; a wrong one (tests/exercises) is put
in its place, and then the notebook's own cell checks it.
"""

from __future__ import annotations

import ast
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from kernelbox.lab.exercises import registry
from kernelbox.lab.exercises.registry import Exercise
from tests.exercises import Trial
from tests.store_notebooks import NOTEBOOKS
from tests.test_lab import Cell, Notebook

EXERCISES = [
    exercise
    for number in registry.numbers()
    for exercise in registry.contents(number).exercises.values()
]
SOLUTION = re.compile(
    r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", re.MULTILINE | re.DOTALL
)


def trials(chapter: str) -> dict[str, Trial]:
    found: dict[str, Trial] = importlib.import_module(f"tests.exercises.chapter{chapter}").TRIALS
    return found


def file_of(chapter: str) -> Path:
    [found] = NOTEBOOKS.glob(f"{chapter}-*.ipynb")
    return found


def code(chapter: str) -> dict[str, str]:
    """Return the source of each code cell of a chapter's notebook by its id, in order."""
    cells = nbformat.read(file_of(chapter), as_version=4).cells
    return {cell.id: cell.source for cell in cells if cell.cell_type == "code"}


def checked(source: str) -> list[str]:
    """Return the names of the exercises that a cell checks."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic
        return []
    return [
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "course.check"
        and isinstance(node.args[0], ast.Constant)
    ]


def cells_of(exercise: Exercise) -> tuple[str, str]:
    """Return the cell that an exercise is solved in, and the one that checks it."""
    solved = ""
    for source in code(exercise.chapter).values():
        if SOLUTION.search(source):
            solved = source
        if exercise.name in checked(source):
            return solved, source
    raise AssertionError(f"{exercise.name} is not in the notebook of chapter {exercise.chapter}")


def instead(source: str, solution: str) -> str:
    """Return a cell with another solution in the place of its own."""

    def other(found: re.Match[str]) -> str:
        return textwrap.indent(textwrap.dedent(solution).strip("\n"), found[1])

    replaced, times = SOLUTION.subn(other, source)
    assert times == 1, "one solution a cell"
    return replaced


@pytest.fixture(scope="module")
def kernel(environment: dict[str, str]) -> Iterator[Notebook]:
    made = Notebook(environment)
    yield made
    made.close()


@pytest.fixture
def notebook(kernel: Notebook) -> Iterator[Notebook]:
    """A kernel whose lab is closed after the test, with whatever was made in it."""
    kernel.settle()
    yield kernel
    kernel.ok("box = lab.start(); box.reset(); box.close()")
    kernel.ok("get_ipython().run_line_magic('reset', '-f'); import os; from kernelbox import lab")
    kernel.settle()


def run(notebook: Notebook, chapter: str, ids: tuple[str, ...]) -> None:
    sources = code(chapter)
    for name in ids:
        cell = notebook.run(sources[name])
        assert not cell.failure, "\n".join(cell.failure["traceback"])


def outcome(cell: Cell) -> str:
    """Return how a check ended: its verdict as shown, whether it passed or not."""
    if cell.failure:
        assert cell.failure["ename"] == "NotYet", "\n".join(cell.failure["traceback"])
        return "\n".join(cell.failure["traceback"])
    return cell.shown["text/plain"]


@pytest.mark.parametrize(
    "exercise", EXERCISES, ids=[f"{one.chapter}-{one.name}" for one in EXERCISES]
)
def test_the_solution_passes_and_every_wrong_one_fails_with_what_was_observed(
    exercise: Exercise, notebook: Notebook
) -> None:
    solved, check = cells_of(exercise)
    trial = trials(exercise.chapter)[exercise.name]
    run(notebook, exercise.chapter, trial.needs)
    surprises = []
    for name, wrong in trial.wrong.items():
        run(notebook, exercise.chapter, trial.again)
        notebook.run(instead(solved, wrong.code))
        said = outcome(notebook.run(check))
        if not said.startswith("not yet: ") or wrong.observed not in said:
            surprises.append(f"{name}: {said}")
    assert not surprises, "\n\n".join(surprises)
    run(notebook, exercise.chapter, trial.again)
    solution = notebook.run(solved)
    assert not solution.failure, "\n".join(solution.failure["traceback"])
    said = outcome(notebook.run(check))
    assert said.startswith(f"passed: {exercise.title}"), said


@pytest.mark.parametrize("chapter", registry.numbers())
def test_every_exercise_has_three_wrong_solutions_and_three_hints(chapter: str) -> None:
    exercises = registry.contents(chapter).exercises
    assert trials(chapter).keys() == exercises.keys()
    for name, trial in trials(chapter).items():
        assert len({wrong.code for wrong in trial.wrong.values()}) >= 3, name
        assert all(wrong.observed for wrong in trial.wrong.values()), name
        assert len(set(exercises[name].hints)) == 3, name


@pytest.mark.parametrize("file", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda file: file.stem)
def test_every_solution_in_a_notebook_belongs_to_an_exercise_that_is_registered(file: Path) -> None:
    chapter = file.name[:2]
    registered = registry.contents(chapter).exercises
    sources = code(chapter).values()
    assert [name for source in sources for name in checked(source)] == list(registered)
    assert sum(bool(SOLUTION.search(source)) for source in sources) == len(registered)
