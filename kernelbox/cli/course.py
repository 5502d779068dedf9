"""Commands for teachers: course, and what it does beside a course folder."""

from __future__ import annotations

import sys

from kernelbox.cli.parser import parser_for
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_MORE = "Each with --help: kernelbox course check, plan, key, rubric, report, gain, repair"


def command_course(argv: list[str]) -> int:
    """Make a course folder for nbgrader out of the notebooks; or what else a teacher needs."""
    if argv and argv[0] in _OTHERS:
        return _OTHERS[argv[0]](argv[1:])
    parser = parser_for(
        "course", f"Make a course folder for nbgrader out of the notebooks. {_MORE}."
    )
    parser.add_argument("directory", metavar="DIR", help="new, empty, or made by this command")
    _add_chapters(parser)
    given = parser.parse_args(argv)
    from difflib import get_close_matches
    from pathlib import Path

    from kernelbox.cli.table import columns
    from kernelbox.lab.course import folder, notebooks

    name = given.directory
    if "/" not in name and get_close_matches(name, _OTHERS, 1, 0.8) and not Path(name).exists():
        raise UsageError(
            f"no command 'course {name}'",
            f"There are: {', '.join(_OTHERS)}. For a folder of that name: ./{name}",
        )
    files = notebooks.files(given.chapters)
    made = folder.write(Path(given.directory), files, _tell)
    rows = [(one.name, str(one.exercises), str(one.points)) for one in made]
    print(columns([("ASSIGNMENT", "EXERCISES", "POINTS"), *rows]))
    print(f"For students: {given.directory}/release")
    return 0


def _tell(line: str) -> None:
    """Say to a person at a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"kernelbox: {line}", file=sys.stderr, flush=True)


def _check(argv: list[str]) -> int:
    """Try the right and the wrong answers to the exercises of a chapter; 1 if one surprises."""
    parser = parser_for("course check", "Try the right and the wrong answers to exercises.")
    parser.add_argument("file", metavar="FILE", help="chapterNN.py, a folder chapterNN, or NN")
    parser.add_argument("--exercise", metavar="NAME", help="only this one")
    parser.add_argument(
        "--limit", metavar="SECONDS", type=_seconds, default=60.0, help="for each cell (60)"
    )
    given = parser.parse_args(argv)
    from kernelbox.lab.course.check import check

    return 0 if check(given.file, given.exercise, given.limit) else 1


def _handout(name: str, what: str) -> Callable[[list[str]], int]:
    """Return the command that prints one of the handouts, as Markdown."""

    def show(argv: list[str]) -> int:
        command = {"lesson_plan": "plan", "answer_key": "key"}.get(name, name)
        parser = parser_for(f"course {command}", f"Print {what}, as Markdown.")
        parser.add_argument("numbers", metavar="NN", nargs="*", help="only these chapters")
        _add_chapters(parser)
        given = parser.parse_args(argv)
        from kernelbox.lab.course import handouts, notebooks

        chapters = ",".join(given.numbers) or given.chapters
        print(getattr(handouts, name)(notebooks.files(chapters)), end="")
        return 0

    return show


def _report(argv: list[str]) -> int:
    """Print what became of a class: a row for each exercise."""
    parser = parser_for(
        "course report", "Print for each exercise the attempts, hints and commonest verdict."
    )
    _add_records(parser)
    given = parser.parse_args(argv)
    from pathlib import Path
    from statistics import median

    from kernelbox.cli.table import columns
    from kernelbox.lab.course import report

    records = report.read(map(Path, given.records))
    titles = ("EXERCISE", "BEGUN", "SOLVED", "ATTEMPTS", "HINTS SHOWN", "COMMONEST VERDICT")
    rows = [
        (
            f"{one.chapter} {one.exercise}",
            str(one.begun),
            str(one.solved),
            f"{one.attempts:g}",
            str(one.hints),
            one.commonest[:80],
        )
        for one in report.rows(records)
    ]
    print(columns([titles, *rows]))
    for chapter, minutes in report.minutes(records).items():
        students = "1 student" if len(minutes) == 1 else f"{len(minutes)} students"
        print(f"chapter {chapter}: {median(minutes):.0f} min, the median of {students}")
    return 0


def _gain(argv: list[str]) -> int:
    """Print what a class believed before the course and after it: a row for each misconception."""
    parser = parser_for(
        "course gain",
        "Print how often each misconception is held before the course and after it, and the "
        "normalised gain.",
    )
    _add_records(parser)
    parser.add_argument("--plot", metavar="OUT.png", help="draw it, too, into this file")
    given = parser.parse_args(argv)
    from pathlib import Path

    from kernelbox.cli.table import columns
    from kernelbox.lab.course import gain
    from kernelbox.lab.inventory.picture import TITLES

    picture, said = gain.of_class(map(Path, given.records))
    print(columns([tuple(map(str.upper, TITLES)), *picture.rows()]))
    print(said)
    if given.plot:
        gain.draw(picture, Path(given.plot))
    return 0


def _repair(argv: list[str]) -> int:
    """Mend notebooks whose grade ids were copied or lost."""
    parser = parser_for(
        "course repair",
        "Mend what students handed in: cells whose grade ids were copied or lost. "
        "Each file is mended in its place.",
    )
    parser.add_argument("files", metavar="NOTEBOOK", nargs="+")
    parser.add_argument("--chapter", metavar="NN", help="if the file's name does not begin with it")
    given = parser.parse_args(argv)
    from pathlib import Path

    from kernelbox.lab.course.repair import repair

    for file in map(Path, given.files):
        chapter = given.chapter or file.name[:2]
        if not chapter.isdecimal():
            raise UsageError(f"which chapter is {file}?", "Say it: --chapter 01")
        said = repair(file, chapter)
        print("\n".join(f"{file}: {one}" for one in said or ["nothing to mend"]))
    return 0


_OTHERS: dict[str, Callable[[list[str]], int]] = {
    "check": _check,
    "plan": _handout("lesson_plan", "what each chapter is for, and how long each part takes"),
    "key": _handout("answer_key", "the answers: right ones, wrong ones, and the quiz"),
    "rubric": _handout("rubric", "what each exercise is worth, and what its check looks at"),
    "report": _report,
    "gain": _gain,
    "repair": _repair,
}


def _add_chapters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chapters", metavar="NN,NN", help="only these, such as 00,01")


def _add_records(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "records", metavar="FILE", nargs="+", help="students' progress.json; a directory of them"
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86_400:
        raise ValueError(text)
    return seconds
