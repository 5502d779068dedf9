"""The student's workbook: what is in it, that it is kept, and that it opens."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernelbox.lab.course import notebooks
from kernelbox.lab.course.form import STUB, calls
from kernelbox.lab.course.notebooks import files
from kernelbox.lab.course.solutions import SOLUTION, code
from kernelbox.lab.exercises import catalogue, progress
from kernelbox.lab.exercises.chapter import Chapter
from kernelbox.lab.hosts import record
from kernelbox.lab.workbook import delivery
from kernelbox.lab.workbook.overview import Overview
from kernelbox.lab.workbook.release import released
from tests import looking
from tests.test_lab import Notebook

TOP = Path(__file__).resolve().parent.parent
KERNELBOX = TOP / ".venv/bin/kernelbox"
CHAPTER = "03-mount-namespaces.ipynb"
PATIENCE = 60.0  # seconds until JupyterLab answers


@pytest.fixture
def workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the workbook will be; the record of progress is as new."""
    monkeypatch.setenv("KERNELBOX_WORKBOOK", str(tmp_path / "my lab"))
    monkeypatch.setenv("KERNELBOX_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "my lab"


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the kit's chapter 03 a newer one, with another sentence in it."""
    kit = tmp_path / "kit"
    top = TOP / "notebooks"
    (kit / "pictures").mkdir(parents=True)
    for name in ("workbook", *(file.name for file in top.glob("*.ipynb"))):
        (kit / name).symlink_to(top / name)
    monkeypatch.setattr(notebooks, "directory", lambda: kit)

    def make(sentence: str) -> None:
        notebook = json.loads((top / CHAPTER).read_text())
        notebook["cells"][0]["source"].append(f"\n\n{sentence}")
        (kit / CHAPTER).unlink()
        (kit / CHAPTER).write_text(json.dumps(notebook))

    return make


def cells(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text())["cells"]
    return [{**one, "source": "".join(one["source"])} for one in found]


# --- what is in it --------------------------------------------------------------------------------


def test_it_has_every_chapter_without_solution_guess_or_output(workbook: Path) -> None:
    assert delivery.deliver() == []
    for file in files(None):
        mine = [one for one in cells(workbook / file.name) if one["cell_type"] == "code"]
        stubs = sum(bool(re.search(r"^ *# your solution$", one["source"], re.M)) for one in mine)
        assert stubs == len(catalogue.contents(file.name[:2]).exercises)
        for one in mine:
            assert not one["outputs"] and one["execution_count"] is None
            assert "SOLUTION" not in one["source"]
            assert "Not compared" not in one["source"]  # words to our tests
            fails = "# your solution" in one["source"] or bool(calls(one["source"], "check"))
            assert ("raises-exception" in one["metadata"].get("tags", ())) == fails
            for name in calls(one["source"], "predict"):
                assert re.search(rf'course\.predict\("{name}"\)', one["source"])
    hosts = [record.file(number) for number in record.NUMBERS]
    for name in ("README.ipynb", "playground.ipynb", "glossary.md", "cheat-sheet.md", *hosts):
        assert "Not compared" not in (workbook / name).read_text()
    assert not (workbook / delivery.SOLUTIONS).exists()


def test_a_solution_within_a_function_leaves_the_function_whole() -> None:
    source = (
        'def f(x):\n    """Say."""\n\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION'
    )
    stub = STUB.replace("\n", "\n    ")
    assert released(source) == f'def f(x):\n    """Say."""\n\n    {stub}'


def test_no_line_of_a_solution_is_in_it(workbook: Path) -> None:
    delivery.deliver()
    for file in files(None):
        ours = "\n".join(code(file.name[:2]).values())
        mine = "\n".join(one["source"] for one in cells(workbook / file.name))
        lines = {
            line.strip()
            for found in SOLUTION.finditer(ours)
            for line in found[2].splitlines()
            if len(line.strip()) > 20
        }
        elsewhere = SOLUTION.sub("", ours)
        assert lines
        assert not [one for one in lines if one in mine and one not in elsewhere]


def test_solutions_come_when_they_are_asked_for(workbook: Path) -> None:
    delivery.deliver(solutions=True)
    for file in files(None):
        assert (
            workbook / delivery.SOLUTIONS / f"{file.stem}-solved.ipynb"
        ).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("chapter", catalogue.own_numbers())
def test_an_untouched_chapter_stops_at_its_exercises_and_nowhere_else(
    workbook: Path, environment: dict[str, str], chapter: str
) -> None:
    """As a reader meets it: each guess made where it is asked for, and no exercise solved."""
    delivery.deliver()
    [file] = files(chapter)
    notebook = Notebook({**environment, "KERNELBOX_PROGRESS": str(workbook / "progress")})
    stopped = []
    try:
        for one in cells(workbook / file.name):
            if one["cell_type"] != "code":
                continue
            for name in calls(one["source"], "predict"):
                one["source"] += f"\ncourse.predict({name!r}, {_a_guess(chapter, name)!r})"
            ran = notebook.run(one["source"])
            if ran.failure:
                stopped.append((one["id"], ran.failure["ename"]))
    finally:
        notebook.close()
    mine = [one for one in cells(workbook / file.name) if one["cell_type"] == "code"]
    expected = []
    for one in mine:
        if f"\n{STUB}" in f"\n{one['source']}":  # one in a function is raised by the check
            expected.append((one["id"], "NotImplementedError"))
        if calls(one["source"], "check"):
            expected.append((one["id"], "NotYet"))
    assert stopped == expected


def _a_guess(chapter: str, name: str) -> object:
    asked = catalogue.contents(chapter).predictions[name]
    return asked.choices[0] if asked.choices else 1 if asked.unit is not None else "a word"


# --- it is kept -----------------------------------------------------------------------------------


def test_what_a_student_has_written_stays_and_what_is_newer_lies_beside_it(
    workbook: Path, newer: Callable[[str], None]
) -> None:
    delivery.deliver()
    mine = workbook / CHAPTER
    written = mine.read_text().replace("# your solution", "# my own solution")
    mine.write_text(written)
    assert delivery.deliver() == []  # the kit has nothing newer

    newer("More of it.")
    beside = workbook / "03-improved-mount-namespaces.ipynb"
    assert delivery.deliver() == [
        f"{CHAPTER} was improved since you began it. Yours stays; the new one is {beside.name}"
    ]
    assert mine.read_text() == written
    assert "More of it." in beside.read_text()
    assert delivery.deliver() == []

    newer("Still more of it.")
    beside.write_text(beside.read_text() + " ")
    delivery.deliver()
    assert mine.read_text() == written
    assert beside.read_text().endswith(" ")


def test_what_nobody_has_touched_is_replaced_by_what_is_newer(
    workbook: Path, newer: Callable[[str], None]
) -> None:
    delivery.deliver()
    newer("More of it.")
    assert delivery.deliver() == []
    assert "More of it." in (workbook / CHAPTER).read_text()
    assert not list(workbook.glob("*improved*"))


def test_what_was_cut_short_is_made_good(workbook: Path, newer: Callable[[str], None]) -> None:
    delivery.deliver()
    record = workbook / delivery.OWN / "delivered" / CHAPTER
    record.unlink()  # killed before it was written
    assert delivery.deliver() == [] and record.exists()
    mine = workbook / CHAPTER
    mine.write_text(mine.read_text().replace("# your solution", "# my own solution"))
    taken = workbook / "03-improved-mount-namespaces.ipynb"
    taken.write_text("the student's own")
    newer("More of it.")
    [said] = delivery.deliver()
    assert said.endswith("the new one is 03-improved-mount-namespaces-2.ipynb")
    assert taken.read_text() == "the student's own"


def test_links_and_modes_of_a_student_stay(workbook: Path, newer: Callable[[str], None]) -> None:
    delivery.deliver()
    elsewhere = workbook.parent / "elsewhere.ipynb"
    (workbook / "glossary.md").rename(elsewhere)
    (workbook / "glossary.md").symlink_to(elsewhere)
    (workbook / "cheat-sheet.md").unlink()
    (workbook / "cheat-sheet.md").symlink_to("/no/such/place")
    (workbook / CHAPTER).chmod(0o600)
    newer("More of it.")
    delivery.deliver()
    assert (workbook / "glossary.md").is_symlink() and (workbook / "cheat-sheet.md").is_symlink()
    assert (workbook / CHAPTER).stat().st_mode & 0o777 == 0o600


def test_a_file_of_the_students_own_is_not_taken_for_ours(workbook: Path) -> None:
    workbook.mkdir()
    (workbook / "glossary.md").write_text("my own words")
    delivery.deliver()
    assert (workbook / "glossary.md").read_text() == "my own words"


def test_the_map_on_the_front_page_is_drawn_anew(workbook: Path) -> None:
    delivery.deliver()
    front = workbook / delivery.FRONT
    before = front.read_text()
    assert "→ next" in before
    for name, one in catalogue.contents("00").exercises.items():
        progress.note("00", "exercises", name, one.points)
    delivery.deliver()
    assert "✓ done" not in before
    assert "✓ done" in front.read_text()
    notebook = json.loads(front.read_text())
    notebook["cells"][-1]["source"] = ["my own words"]
    front.write_text(json.dumps(notebook))
    delivery.deliver()
    assert "my own words" in front.read_text()


def test_a_place_that_cannot_be_written_to_is_told(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "file").write_text("")
    environment = {**environment, "KERNELBOX_WORKBOOK": str(tmp_path / "file/lab")}
    done = subprocess.run(
        [KERNELBOX, "workbook"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert re.fullmatch(
        r"kernelbox: the workbook cannot be written \(Not a directory: .*\)\. "
        r"Name another place: KERNELBOX_WORKBOOK=DIRECTORY\n",
        done.stderr,
    )


# --- how far it is --------------------------------------------------------------------------------


def test_the_map_counts_what_is_solved_guessed_and_spent(workbook: Path) -> None:
    assert Overview().next == "00"
    asked = catalogue.contents("00")
    for name, one in asked.exercises.items():
        progress.note("00", "exercises", name, one.points)
    guess = next(iter(asked.predictions))
    progress.note("00", "predictions", guess, "wrong, but made")
    first, second, *_ = Overview().rows
    points = sum(one.points for one in asked.exercises.values())
    assert (first.state, first.score.points, first.score.most) == (
        "done",
        points + 1,
        points + len(asked.predictions),
    )
    assert second.state == "" and Overview().next == "01"
    assert f"{points + 1} of " in Overview().summary


def test_what_is_further_comes_on_top_and_what_was_solved_stays_solved(workbook: Path) -> None:
    chapter = catalogue.contents("06")
    for name in chapter.exercises:
        progress.note("06", "exercises", name, 99)  # worth that much when it was solved
    for name in chapter.predictions:
        progress.note("06", "predictions", name, "a guess")
    worth = {name: one.points for name, one in chapter.exercises.items()}
    worth |= dict.fromkeys(chapter.predictions, 1)
    extra = sum(worth[name] for name in chapter.further)
    most = sum(worth.values()) - extra
    course = Overview()
    row = course.rows[6]
    assert (row.score.points, row.score.most, row.score.extra) == (most, most, extra)
    assert row.state == "done"
    assert f"{most} of {most} points and {extra} extra" in repr(course)
    # The chapter's own table counts by the same rule.
    standing = Chapter("06").progress()
    [cells] = standing.rows
    solved = len(chapter.exercises) - len({*chapter.exercises} & {*chapter.further})
    assert cells[1:4] == (
        f"{solved} of {solved}",
        f"{most} of {most}",
        f"{extra} of {extra}",
    )


def test_a_chapter_is_done_without_its_further_part(workbook: Path) -> None:
    chapter = catalogue.contents("06")
    for name, one in chapter.exercises.items():
        if name not in chapter.further:
            progress.note("06", "exercises", name, one.points)
    row = Overview().rows[6]
    assert row.state == "done" and row.score.extra == 0


def test_the_map_on_the_page_is_drawn_anew_when_progress_is_recorded(
    workbook: Path, environment: dict[str, str]
) -> None:
    record = str(progress.path())
    notebook = Notebook({**environment, "KERNELBOX_PROGRESS": record})
    try:
        for _ in range(2):  # run once more, it is in another place
            notebook.run("from kernelbox import lab; lab.course()")
        before = int(notebook.ok("import threading; print(threading.active_count())"))
        progress.note("00", "exercises", "an-island", 1)  # in another process than the page's
        while True:
            message = notebook.client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "update_display_data":
                break
        assert "1 of 9 points" in message["content"]["data"]["text/plain"]
        assert "<a href=" in message["content"]["data"]["text/html"]
        notebook.run("lab.course()")
        assert int(notebook.ok("print(threading.active_count())")) == before
    finally:
        notebook.close()


def test_every_box_of_the_map_is_a_link_that_says_how_far_it_is(workbook: Path) -> None:
    delivery.deliver()
    boxes = re.findall(r'<a href="([^"]+)"><img alt="([^"]+)"', Overview().map())
    assert len(boxes) == len(files(None)) + len(record.NUMBERS)
    assert all((workbook / file).exists() for file, _ in boxes)
    assert boxes[0][1] == "00 · Start here: the lab, and how to reset it: next, " + (
        "0 of 4 exercises, 0 of 9 points, 0 min"
    )
    # JupyterLab strips these of a page that trusts nobody: its setting "Allow named properties".
    assert "<svg" not in Overview().map() and "<map" not in Overview().map()


def test_a_broken_host_is_on_the_map_and_no_chapter_begins_with_it(workbook: Path) -> None:
    assert [one.state for one in Overview().challenges.values()] == [""] * len(record.NUMBERS)
    record.note("04", 7, 3)
    record.note("04", 7, 2)  # worse than before: the best one counts
    course = Overview()
    host = course.challenges["04"]
    assert (host.state, host.solved, host.file) == ("begun", 3, "broken-host-04.ipynb")
    assert {one.state for one in course.rows} == {""} and course.next == "00"
    assert "3 of 5 complaints" in course.map()
    assert '<a href="broken-host-04.ipynb">' in course._repr_html_()
    record.note("04", 8, 5)
    assert Overview().challenges["04"].state == "done"


def test_time_is_counted_but_for_pauses(workbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    for since in (0, 120, 120, 7200, 60):  # seconds; two hours are a pause
        now += since
        progress.note("00", "quiz", "1", 1)
    assert progress.read()["00"]["time"]["seconds"] == 300
    assert Overview().rows[0].minutes == 5


def test_what_was_explained_is_kept(workbook: Path, environment: dict[str, str]) -> None:
    notebook = Notebook({**environment, "KERNELBOX_PROGRESS": str(workbook / "progress")})
    try:
        notebook.ok("from kernelbox import lab; course = lab.chapter('00')")
        shown = notebook.run("course.explain('threads')").shown["text/plain"]
        assert shown == "no words of yours are kept yet"
        notebook.run("course.explain('threads', 'one of them\\n  answers the browser')")
        notebook.ok("course = lab.chapter('00')")
        shown = notebook.run("course.explain('threads')").shown["text/plain"]
        assert shown == "my words: one of them answers the browser"
    finally:
        notebook.close()


# --- its pages ------------------------------------------------------------------------------------


def test_every_symbol_on_the_cheat_sheet_is_there() -> None:
    import importlib

    text = (TOP / "notebooks/workbook/cheat-sheet.md").read_text()
    symbols = set(re.findall(r"`(kernelbox\.[a-z_.]+)`", text))
    assert len(symbols) > 10
    for symbol in symbols:
        try:
            importlib.import_module(symbol)
        except ModuleNotFoundError:
            module, _, name = symbol.rpartition(".")
            assert callable(getattr(importlib.import_module(module), name)), symbol


def test_every_link_on_the_front_page_leads_somewhere(workbook: Path) -> None:
    delivery.deliver()
    text = (workbook / delivery.FRONT).read_text()
    links = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'<a href=\\"([^"\\]+)', text)
    assert len(links) >= 3 + len(files(None))
    assert all((workbook / link).exists() for link in links)


# --- it opens -------------------------------------------------------------------------------------


def start(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [KERNELBOX, "lab", *words],
        env={**environment, "CI": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_lab_serves_the_workbook_and_its_last_words_are_the_address(
    workbook: Path, environment: dict[str, str]
) -> None:
    with start(environment | {"KERNELBOX_WORKBOOK": str(workbook)}) as process:
        assert process.stdout is not None
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("└"):
                    break
            assert said[0] == f"kernelbox: your workbook is {workbook}\n"
            address = re.fullmatch(
                r"│ (http://127\.0\.0\.1:\d+)/lab/tree/README\.ipynb\?token=(\w+) │\n", said[-2]
            )
            assert address and said[-3][0] == "┌" and "Ctrl-C" in said[-4] and len(said) == 6
            request = urllib.request.Request(
                f"{address[1]}/api/contents/README.ipynb",
                headers={"Authorization": f"token {address[2]}"},
            )
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                assert json.loads(answer.read())["type"] == "notebook"
            request.full_url = f"{address[1]}/nbconvert/html/00-start-here.ipynb"
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                exported = answer.read().decode()
            assert "data:image/svg+xml" in exported and 'src="pictures' not in exported
            assert '[data-jp-theme-light="true"] .kb-picture' in exported
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read() == ""
    assert looking.soon(lambda: not looking.descendants(process.pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_it_jupyterlab_ends_with_it(
    workbook: Path, environment: dict[str, str], number: int
) -> None:
    environment |= {"KERNELBOX_WORKBOOK": str(workbook), "http_proxy": "http://127.0.0.1:1"}
    with start(environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("└"):
                break
        served = looking.descendants(process.pid)
        assert served
        process.send_signal(number)
        process.wait(PATIENCE)
        process.stdout.read()
    assert looking.soon(lambda: not any(map(looking.is_alive, served)), PATIENCE)


@pytest.mark.parametrize(
    "shelves",
    [
        {"time": {"last": None, "seconds": "abc"}},
        {"time": {"seconds": float("nan")}},
        {"time": {"seconds": 1e400}},
        {"hints": {"an-island": "abc"}, "attempts": {"an-island": {"tries": "3", "verdicts": [1]}}},
    ],
)
def test_a_record_that_holds_anything_costs_neither_an_exercise_nor_the_workbook(
    workbook: Path, shelves: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from kernelbox.lab.exercises import tries
    from kernelbox.lab.exercises.verdict import failed

    progress.path().write_text(json.dumps({"chapters": {"00": shelves}}))
    assert delivery.deliver() == []
    progress.change("00", "attempts", "an-island", lambda old: tries.after(old, failed("no")))
    assert progress.read()["00"]["attempts"]["an-island"]["tries"] == 1
    assert capsys.readouterr().err == ""


def test_a_home_that_is_not_there_is_told(environment: dict[str, str]) -> None:
    process = start(environment | {"KERNELBOX_WORKBOOK": "~nobody-has-this-name/lab"})
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert said == (
        "kernelbox: the workbook's place is '~nobody-has-this-name/lab', and there is no such home "
        "directory. Name another place: KERNELBOX_WORKBOOK=DIRECTORY\n"
    )


def test_a_port_that_is_taken_is_told(workbook: Path, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(environment | {"KERNELBOX_WORKBOOK": str(workbook)}, "--port", str(port))
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert said.splitlines()[-1] == (
        f"kernelbox: port {port} is taken. "
        "Choose another: make lab PORT=9000, or kernelbox lab --port 9000"
    )
