"""A teacher's chapters: found on the path, and tried by `kernelbox course check`.

The example is the one that README.md shows, taken out of it. Answers that end badly run as the
teacher would run them: by the command, which must tell of them, and leave nothing behind.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox import lab
from kernelbox.kernel.errors import UsageError
from kernelbox.lab.exercises import catalogue
from kernelbox.lab.exercises.chapter import Chapter
from tests.command import Kernelbox
from tests.store_notebooks import TOP

README = (TOP / "README.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r'^```python\n("""Chapter 90.*?)^```$', README, flags=re.M | re.S)
[SHOWN] = re.findall(
    r"^```console\n\$ kernelbox course check chapter90.py\n(.*?)^```$", README, flags=re.M | re.S
)
CHAPTERS = Path("/var/tmp")  # where roots of a check are made
RIGHT = '"two requests": '  # the first of the example's answers
SMALL = '''"""Chapter 91: what its last line says."""

from kernelbox.lab.exercises.predictions import number

PREDICTIONS = (number("one", "numbers"),)
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the path of chapters."""
    monkeypatch.setenv(catalogue.PATH, str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def no_root_of_a_check_is_left() -> Iterator[None]:
    before = set(CHAPTERS.glob("kernelbox-check-*"))
    yield
    assert set(CHAPTERS.glob("kernelbox-check-*")) <= before


def with_answer(code: str) -> str:
    """Return the example with one more right answer, which is the first to be tried."""
    return EXAMPLE.replace(RIGHT, f'"one more": {code!r},\n            {RIGHT}')


def checked(kernelbox: Kernelbox, file: Path, *options: str) -> tuple[int, str]:
    done = kernelbox("course", "check", file, *options)
    assert not done.stderr
    return done.returncode, done.stdout


# --- the path -------------------------------------------------------------------------------------


def test_the_readmes_example_is_a_chapter_in_a_notebook(place: Path) -> None:
    (place / "chapter90.py").write_text(EXAMPLE)
    assert "90" in catalogue.numbers()
    course = lab.chapter("90")
    assert repr(course.hints("renamed")).startswith("Hint 1: The check observes")
    box = lab.start()
    try:
        p = box.hold()
        with pytest.raises(lab.LabError, match="its UTS namespace is the host's"):
            course.check("renamed", p=p)
        p.unshare("uts")
        p.sethostname("mine")
        verdict = course.check("renamed", p=p)
        assert verdict and verdict.passed
    finally:
        box.close()


def test_a_folder_is_a_chapter_whose_files_import_each_other(place: Path) -> None:
    folder = place / "chapter91"
    folder.mkdir()
    (folder / "asked.py").write_text(SMALL)
    (folder / "__init__.py").write_text("from .asked import PREDICTIONS\n")
    assert list(catalogue.contents("91").predictions) == ["one"]
    (folder / "asked.py").write_text(SMALL.replace('"one"', '"another"'))
    assert list(catalogue.contents("91").predictions) == ["another"], "loaded anew each time"


def test_several_directories_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("91", "92"):
        (tmp_path / number).mkdir()
        (tmp_path / number / f"chapter{number}.py").write_text(SMALL)
    monkeypatch.setenv(catalogue.PATH, f"{tmp_path}/91:{tmp_path}/92:{tmp_path}/none")
    assert {"05", "91", "92"} <= set(catalogue.numbers())
    with pytest.raises(UsageError) as refused:
        lab.chapter("93")
    assert f"92; {tmp_path}/none (KERNELBOX_CHAPTERS) is no directory" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("x = 1\nnonsense\n", 2, "NameError: name 'nonsense' is not defined"),
        ("x = 1\n\nif:\n", 3, "SyntaxError: "),
        ("\n\nimport no_such_module\n", 3, "ModuleNotFoundError: "),
        ("raise SystemExit(3)\n", 1, "SystemExit: 3"),
        (EXAMPLE.replace('"renamed",\n', '"Re named",\n', 1), 9, "exercise 'Re named'"),
        (f"{SMALL}\nPUZZLES = [1]\n", 7, "PUZZLES: it is [1], and no tuple"),
        (f"{SMALL}\nQUIZ = (1,)\n", 7, "QUIZ: 1 in it is no Question"),
        (f'{SMALL}\nFURTHER = ("two",)\n', 7, "FURTHER: there is no exercise or prediction 'two'"),
        (f'{SMALL}\nFURTHER = "one"\n', 7, "FURTHER: it is 'one', and no tuple"),
        (f"{SMALL}PREDICTIONS *= 2\n", 5, "PREDICTIONS: two of them are called 'one'"),
        ('"""Nothing."""\n', 1, "EXERCISES: the chapter asks nothing"),
        (EXAMPLE.replace('    "renamed": A', '    "other": A'), 30, "no exercise 'other'"),
        (EXAMPLE.replace("(renamed,)", "(print,)"), 29, "in it is no Exercise"),
    ],
)
def test_a_broken_chapter_is_told_in_one_line_and_the_others_work(
    place: Path, kernelbox: Kernelbox, text: str, line: int, cause: str
) -> None:
    file = place / "chapter91.py"
    file.write_text(text)
    assert lab.chapter("05").quiz().questions
    with pytest.raises(UsageError) as refused:
        lab.chapter("91")
    told = str(refused.value)
    assert told.startswith(f"{file}, line {line}: ")
    assert cause in told
    assert "\n" not in told
    done = kernelbox("course", "check", file)
    assert (done.returncode, done.stdout, done.stderr) == (125, "", f"kernelbox: {told}\n")


def test_an_error_in_a_folders_file_is_told_with_that_file(place: Path) -> None:
    (place / "chapter91").mkdir()
    (place / "chapter91/__init__.py").write_text("\nfrom .asked import PREDICTIONS\n")
    (place / "chapter91/asked.py").write_text("\n\n1 / 0\n")
    with pytest.raises(UsageError, match=r"chapter91/asked.py, line 3: ZeroDivisionError"):
        lab.chapter("91")


def test_a_number_that_is_taken_is_told_and_the_kits_own_counts(
    place: Path, kernelbox: Kernelbox, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "chapter05.py").write_text(SMALL)
    assert "kernels" in catalogue.contents("05").predictions
    told = capsys.readouterr().err
    assert re.fullmatch(
        rf"kernelbox: chapter 05 is there twice: \S+/chapter05 counts, {place}/chapter05.py "
        "does not\n",
        told,
    )
    said = kernelbox.refused("course", "check", place / "chapter05.py")
    assert "chapter 05 is there already: " in said


# --- kernelbox course check -----------------------------------------------------------------------


def test_the_readmes_example_is_checked_as_the_readme_shows(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    file = tmp_path / "chapter90.py"
    file.write_text(EXAMPLE)
    assert checked(kernelbox, file) == (0, SHOWN)


def test_a_chapter_of_the_kits_is_checked_by_its_number(kernelbox: Kernelbox) -> None:
    said = kernelbox.ok("course", "check", "00", "--exercise", "an-island")
    assert "  ok  right: the notebook's\n" in said
    assert said.endswith("all as they should be\n")


def test_a_folder_is_checked(kernelbox: Kernelbox, tmp_path: Path) -> None:
    folder = tmp_path / "chapter90"
    folder.mkdir()
    (folder / "naming.py").write_text(EXAMPLE)
    (folder / "__init__.py").write_text("from .naming import ANSWERS, EXERCISES\n")
    assert checked(kernelbox, folder) == (0, SHOWN)


def test_a_right_answer_that_fails_is_told(kernelbox: Kernelbox, tmp_path: Path) -> None:
    file = tmp_path / "chapter90.py"
    file.write_text(with_answer("p.unshare('uts')\np.sethostname('yours')"))
    code, said = checked(kernelbox, file)
    assert code == 1
    assert (
        "  NO  right: one more\n"
        "      it does not pass\n"
        "      not yet: Renamed (2 points)\n"
        "      observed: its hostname is 'yours'\n"
        "      expected: 'mine'\n"
        "  ok  right: two requests\n"
    ) in said
    assert said.endswith("1 exercise, 7 answers: 1 surprise\n")


SURPRISES = """
def said_nothing(box, p):
    return failed("")


def given_twice(box, p, /):
    return passed("")


def another(name, check, **answers):
    EXERCISES.append(exercise(name, title=name, hints=("", "", ""))(check))
    ANSWERS[name] = Answers(**{**vars(ANSWERS["renamed"]), **answers})


EXERCISES = list(EXERCISES)
check = EXERCISES[0].check
both = "p.unshare('uts')\\np.sethostname('mine')"
another("passes", check, right={}, wrong={"both": Wrong(both, "its hostname")})
another("elsewhere", check, right={}, wrong={"no name": Wrong("p.unshare('uts')", "elsewhere")})
another("done", check, setup=f"p = box.hold()\\n{both}", right={}, wrong={})
another("nothing", check, nothing="p is no", right={}, wrong={})
another("broken-setup", check, setup="1 / 0", right={}, wrong={})
another("says-nothing", said_nothing, right={}, wrong={})
another("raises", given_twice, right={}, wrong={})
another("no-right", check, right={})
EXERCISES = tuple(EXERCISES)
"""


def test_whatever_surprises_is_told_with_what_was_said(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    file = tmp_path / "chapter90.py"
    file.write_text(EXAMPLE + SURPRISES)
    code, said = checked(kernelbox, file)
    assert code == 1
    told = dict(re.findall(r"^90 (\S+)\n((?:  .*\n)*)", said, flags=re.M))
    few = "  NO  it has no right answer\n  NO  it has {} wrong answers, not 3\n"
    none = few.format(0) + "  NO  nothing done\n      "
    done = few.format(1) + "  ok  nothing done\n"
    passes = "it passes, and must not\n      passed: "
    assert told["passes"].startswith(f"{done}  NO  wrong: both\n      {passes}passes (2 points)\n")
    assert told["elsewhere"].startswith(
        f"{done}  NO  wrong: no name\n      it was to be observed: elsewhere\n      not yet: "
    )
    assert told["done"].startswith(f"{none}{passes}done (2 points)\n")
    assert told["nothing"].startswith(f"{none}it was to be observed: p is no\n")
    assert told["broken-setup"].startswith(
        f"{none}what is run before it fails: ZeroDivisionError: division by zero\n"
    )
    assert told["says-nothing"].startswith(f"{none}the check does not say what it has observed\n")
    assert told["raises"].startswith(f"{none}the check raised TypeError: ")
    assert told["no-right"] == (
        "  NO  it has no right answer\n  ok  nothing done\n"
        "  ok  wrong: no name\n  ok  wrong: another kind\n  ok  wrong: ended\n"
    )
    assert said.endswith(" surprises\n")


def test_an_exercise_without_answers_is_told(kernelbox: Kernelbox, tmp_path: Path) -> None:
    file = tmp_path / "chapter90.py"
    file.write_text(EXAMPLE.partition("ANSWERS = ")[0])
    code, said = checked(kernelbox, file)
    assert code == 1
    assert "  NO  it has no right answer\n  NO  it has 0 wrong answers, not 3\n" in said


ENDINGS = {
    "while True: pass": "it did not end within 5 s",
    "p.shell('sleep 1000')": "it did not end within 5 s",
    "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass": (
        "it did not end within 5 s, and did not end when it was interrupted"
    ),
    "import os; os._exit(0)": "it ended its process, or was killed",
    "import os; os.kill(os.getpid(), 9)": "it ended its process, or was killed",
    "import os; os.kill(0, 9)": "it ended its process, or was killed",
    "import os; os.kill(box.agent, 9)": "it does not pass\n",
    "exit()": "",  # the kernel ends a little later: in the check, or not before the next answer
    "raise SystemExit(3)": "it raised SystemExit: 3",
    "print('x' * 10_000_000)": "it does not pass\n",
    "for _ in range(100_000): print('x' * 100)": "it does not pass\n",
    "raise RuntimeError('x' * 10_000_000)": "it raised ",
    "if": "it raised SyntaxError: ",
}


def test_an_answer_may_end_as_it_likes_and_the_others_are_tried(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    file = tmp_path / "chapter90.py"
    answers = "".join(f'"{number}": {code!r}, ' for number, code in enumerate(ENDINGS))
    file.write_text(EXAMPLE.replace(RIGHT, answers + RIGHT))
    code, said = checked(kernelbox, file, "--limit", "5")
    assert code == 1
    told = dict(re.findall(r"^  NO  right: (\d+)\n      (.*\n(?:      .*\n)*)", said, flags=re.M))
    assert told.keys() == {str(number) for number in range(len(ENDINGS))}
    for number, (answer, sentence) in enumerate(ENDINGS.items()):
        assert told[str(number)].startswith(sentence), answer
    rest = SHOWN.partition("nothing done\n")[2].partition("1 exercise")[0]
    assert said.endswith(f"{rest}1 exercise, 19 answers: 13 surprises\n")
    assert len(said) < 6000


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_ended_leaves_nothing(
    kernelbox: Kernelbox, tmp_path: Path, end: signal.Signals
) -> None:
    file = tmp_path / "chapter90.py"
    file.write_text(with_answer("p.shell('sleep 1000')"))
    command = [*kernelbox.command, "course", "check", str(file)]
    with subprocess.Popen(
        command, env=kernelbox.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines[1] == "  ok  nothing done\n"
        process.send_signal(end)
        assert process.wait(timeout=60) == 130
        assert process.stdout.read() == ""


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ((), "the following arguments are required: FILE"),
        (("none.py",), "no file none.py. Or a number: 00, 01"),
        (("99",), "no chapter '99'. There are: 00, 01"),
        (("{}/notes.py",), "notes.py is no chapter. It is a file chapterNN.py"),
        (("{}/chapter92",), "chapter92 is no chapter. It is a file chapterNN.py"),
        (("{}/chapter90.py", "--exercise", "x"), "chapter 90 has no exercise 'x'. renamed"),
        (("{}/chapter90.py", "--limit", "0"), "argument --limit: invalid"),
        (("{}/chapter90.py", "--limit", "nan"), "argument --limit: invalid"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_line(
    kernelbox: Kernelbox, tmp_path: Path, words: tuple[str, ...], cause: str
) -> None:
    (tmp_path / "notes.py").touch()
    (tmp_path / "chapter92").mkdir()
    (tmp_path / "chapter90.py").write_text(EXAMPLE)
    at = [word.format(tmp_path) for word in words]
    assert cause in kernelbox.refused("course", "check", *at)


def test_a_chapters_question_can_be_guessed(place: Path) -> None:
    (place / "chapter91.py").write_text(SMALL)
    assert repr(Chapter("91").predict("one", 3)) == "my guess: 3"


def test_what_a_killed_check_has_left_goes_with_the_next_one(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    before = set(CHAPTERS.glob("kernelbox-check-*"))
    file = tmp_path / "chapter90.py"
    kill = "c = box.start('busybox', 'sleep 100')\nimport os\nos.kill(os.getppid(), 9)"
    file.write_text(with_answer(kill))
    assert kernelbox("course", "check", file).returncode == -signal.SIGKILL
    [left] = set(CHAPTERS.glob("kernelbox-check-*")) - before
    assert list((left / "root/containers").iterdir())
    file.write_text(EXAMPLE)
    os.utime(left / "lock", (0, 0))  # a new one might be somebody's who is about to lock it
    assert checked(kernelbox, file) == (0, SHOWN)
    assert not left.exists()
