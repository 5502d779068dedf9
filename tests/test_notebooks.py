"""What the notebooks are held to beyond what nbval sees: nbval runs them, and compares outputs.

nbval passes over a cell that was never run, over pictures, over what a cell asks it to ignore, and
over prose. Here the files are read as they are stored; nothing is run.
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from kernelbox.cli import COMMANDS
from kernelbox.lab.course import timing
from kernelbox.lab.course.form import REASON, calls
from kernelbox.lab.exercises.catalogue import contents
from tests.store_notebooks import METADATA, NOTEBOOKS, OPT_OUT, TOP, patterns, sanitized

FILES = sorted(NOTEBOOKS.glob("*.ipynb"))
OTHER_MARKERS = re.compile(r"#\s*(NBVAL|PYTEST_VALIDATE)_")

# How a chapter ends, before the cell that cleans up.
ENDING = ("course.predictions()", "course.quiz()", "course.progress()")

# nbval does not compare these.
UNCOMPARED = {"image/png", "image/jpeg", "application/vnd.jupyter.widget-view+json"}

# The directories that every Linux machine has; any other absolute path is of one machine only.
EVERYWHERE = set("bin dev etc lib mnt proc sbin srv sys usr var".split())
BY_THEMSELVES = {"/home", "/root", "/run", "/tmp"}
ONE_MACHINE = (str(TOP), ".venv", "site-packages", "dist-packages", "ipykernel_", "/notebooks/")


def read(file: Path) -> NotebookNode:
    return nbformat.read(file, as_version=4)


def code_cells(file: Path) -> list[NotebookNode]:
    return [cell for cell in read(file).cells if cell.cell_type == "code"]


def texts(cell: NotebookNode) -> list[str]:
    """Return everything a cell's outputs say, in whatever form."""
    found = []
    for output in cell.outputs:
        parts: dict[str, Any] = output.get("data", {"text": output.get("text", "")})
        found += [part if isinstance(part, str) else json.dumps(part) for part in parts.values()]
    return found


def prose(file: Path) -> str:
    return "\n\n".join(cell.source for cell in read(file).cells if cell.cell_type == "markdown")


def without_further(file: Path) -> list[str]:
    """Return the code of a chapter's required path, cell by cell."""
    further, found = False, []
    for cell in read(file).cells:
        if cell.cell_type == "markdown" and (title := re.match(r"## (.+)", cell.source)):
            further = "Further: " in title[1]
        if cell.cell_type == "code" and not further:
            found.append(cell.source)
    return found


def is_compared(cell: NotebookNode) -> bool:
    """Say whether nbval compares anything that the cell puts out."""
    if OPT_OUT in cell.metadata.get("tags", []):
        return False
    kinds = {kind for output in cell.outputs for kind in output.get("data", {"text": ""})}
    return bool(kinds - UNCOMPARED)


def cited(text: str) -> set[str]:
    """Return the dotted names below `kernelbox` that stand in code in a text."""
    return {
        name
        for code in re.findall(r"`([^`\n]+)`", text)
        for name in re.findall(r"\bkernelbox(?:\.[A-Za-z_]\w*)+", code)
    }


def commands(text: str) -> set[str]:
    """Return the commands of kernelbox's that a text tells to type."""
    typed = re.findall(r"(?:`|^)(?:sudo )?(?:\S*/)?kernelbox +([a-z]\w*)", text, flags=re.MULTILINE)
    return set(typed)


def called(cells: list[NotebookNode], method: str) -> list[str]:
    """Return the first argument of each `course.METHOD("...")` in cells, in order."""
    return [name for cell in cells for name in calls(cell.source, method)]


def resolve(name: str) -> object:
    """Return what a dotted name means.

    Raises:
        AttributeError: Nothing is called so.
    """
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


def paths_of_one_machine(text: str) -> list[str]:
    """Return the absolute paths in a text that another machine would not have."""
    found = [word for word in ONE_MACHINE if word in text]
    for path in re.findall(r"(?<![\w.<:/)])/[A-Za-z][\w.+/-]*", text):
        if path.split("/")[1] not in EVERYWHERE and path not in BY_THEMSELVES:
            found.append(path)
    return found


each_notebook = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def test_there_are_notebooks() -> None:
    assert FILES


@each_notebook
def test_a_notebook_is_one_by_the_book_and_every_cell_has_an_id(file: Path) -> None:
    stored = json.loads(file.read_text(encoding="utf-8"))
    nbformat.validate(stored)
    ids = [cell["id"] for cell in stored["cells"]]
    assert len(set(ids)) == len(ids)
    assert stored["metadata"] == METADATA, "store it with python -m tests.store_notebooks"
    assert all(set(cell["metadata"]) <= {"tags"} for cell in stored["cells"])


@each_notebook
def test_every_code_cell_has_been_run_once_from_top_to_bottom(file: Path) -> None:
    counts = [cell.execution_count for cell in code_cells(file)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_no_stored_output_is_an_error(file: Path) -> None:
    kinds = {output.output_type for cell in code_cells(file) for output in cell.outputs}
    assert "error" not in kinds


@each_notebook
def test_nine_of_ten_cells_with_outputs_are_really_compared(file: Path) -> None:
    # A silent cell is held to its silence by nbval, but compares nothing: it does not count.
    speaking = [cell for cell in code_cells(file) if cell.outputs]
    compared = [cell for cell in speaking if is_compared(cell)]
    assert len(compared) >= 0.9 * len(speaking)


@each_notebook
def test_a_cell_that_is_not_compared_says_why_in_its_first_line(file: Path) -> None:
    for cell in code_cells(file):
        if cell.outputs and not is_compared(cell):
            first = cell.source.splitlines()[0]
            assert first.startswith(REASON) and len(first) > len(REASON) + 10, cell.id


@each_notebook
def test_no_cell_evades_nbval_in_another_way(file: Path) -> None:
    for cell in code_cells(file):
        assert not OTHER_MARKERS.search(cell.source), cell.id
        assert set(cell.metadata.get("tags", [])) <= {OPT_OUT}, cell.id


@each_notebook
def test_no_output_holds_a_path_that_only_one_machine_has(file: Path) -> None:
    for cell in code_cells(file):
        for text in texts(cell):
            assert not [word for word in ONE_MACHINE if word in text], cell.id
            # A control group's path is none in the file system: a view marks it as varying.
            assert not paths_of_one_machine(str(sanitized(text))), cell.id


@each_notebook
def test_every_symbol_that_the_prose_cites_exists(file: Path) -> None:
    for name in cited(prose(file)):
        resolve(name)


@each_notebook
def test_every_command_that_the_prose_cites_exists(file: Path) -> None:
    assert commands(prose(file)) <= COMMANDS.keys()


@each_notebook
def test_a_solution_that_begins_also_ends(file: Path) -> None:
    for cell in code_cells(file):
        marks = re.findall(r"^ *### (BEGIN|END) SOLUTION$", cell.source, flags=re.MULTILINE)
        assert marks == ["BEGIN", "END"] * (len(marks) // 2), cell.id
        assert len(marks) // 2 == cell.source.count(" SOLUTION") // 2, cell.id


@each_notebook
def test_every_question_of_a_chapter_is_guessed_before_it_is_answered(file: Path) -> None:
    asked: list[str] = []
    answered: list[str] = []
    for cell in code_cells(file):
        known = set(asked)  # a guess in the same cell comes too late
        asked += calls(cell.source, "predict")
        found = calls(cell.source, "observe")
        answered += found
        assert {*found, *calls(cell.source, "guessed")} <= known, cell.id
    assert asked == list(contents(file.name[:2]).predictions), "in the order of the chapter's file"
    assert sorted(answered) == sorted(asked)


@each_notebook
def test_a_chapter_has_the_shape_of_a_chapter(file: Path) -> None:
    cells = code_cells(file)
    said = {method: called(cells, method) for method in ("check", "hints", "pieces")}
    asked = contents(file.name[:2])
    assert len(asked.predictions) >= 2
    assert len(said["check"]) >= (4 if file.name >= "01" else 3)
    assert said["hints"] == said["check"], "hints before each check, in the same order"
    assert said["pieces"] == list(asked.puzzles)
    assert len(asked.quiz) >= 4
    ending = [line for cell in cells for line in cell.source.splitlines() if line in ENDING]
    assert ending == list(ENDING), "each in a cell of the notebook, in this order"


@each_notebook
def test_what_is_further_comes_last_and_says_what_it_is_for_and_where_the_path_goes_on(
    file: Path,
) -> None:
    parts = timing.sections(file)
    further = [one for one in parts if one.further]
    asked = {name for one in further for name in one.asked}
    assert asked == {*contents(file.name[:2]).further}
    if not further:
        return
    first = parts.index(further[0])
    onward = parts[first + len(further)].title
    assert parts[first : first + len(further)] == further, "they stand together"
    assert onward.endswith(("What you guessed, and what it was", "Guessed and observed"))
    cells = {cell.source.splitlines()[0]: cell.source for cell in read(file).cells if cell.source}
    for one in further:
        said = cells[f"## {one.title}"]
        number = onward.partition(" ")[0]
        assert "This part is extra: " in said and "Its points come on top." in said
        assert f"If your time is up, go on at section {number}." in said
    path = "\n".join(without_further(file))
    assert re.search(r"course\.(curve|bars)\(|figure", path)
    assert len(contents(file.name[:2]).exercises) - len(further) >= 4 or file.name < "01"


@pytest.mark.parametrize("file", FILES[1:], ids=lambda file: file.stem)
def test_a_chapter_begins_with_questions_of_earlier_ones(file: Path) -> None:
    ids = [cell.id for cell in read(file).cells]
    opened = ids.index("open")
    assert ids[opened + 1 : opened + 3] == ["recall-text", "recall"]
    [recall] = [cell for cell in code_cells(file) if "course.recall()" in cell.source]
    assert recall.id == "recall" and recall.source == "course.recall()"


@each_notebook
def test_the_last_cell_of_a_chapter_proves_that_nothing_is_left(file: Path) -> None:
    [output] = code_cells(file)[-1].outputs
    text = output.get("text") or output["data"]["text/plain"]
    assert re.findall(r"^(.*) left: (\d+)$", text, flags=re.MULTILINE) == [
        (what, "0") for what in ("processes", "control groups", "mounts", "links")
    ]


def test_every_pattern_that_nbval_passes_over_is_explained() -> None:
    lines = (TOP / "tests/nbval-sanitize.cfg").read_text(encoding="utf-8").splitlines()
    for block in "\n".join(lines).split("\n\n"):
        assert block.startswith("# "), block
    assert len(patterns()) == sum(line.startswith("regex:") for line in lines)
    for regex, replacement in patterns():
        re.sub(regex, replacement, "")


@pytest.mark.parametrize("name", ["kernelbox.root.pivot.pivot", "kernelbox.lab.Held.look"])
def test_a_citation_of_what_exists_resolves(name: str) -> None:
    assert cited(f"See `{name}` and `x = {name}()`.") == {name}
    resolve(name)


@pytest.mark.parametrize(
    "name", ["kernelbox.root.furnishing.pirouette", "kernelbox.cellar", "nobody.here"]
)
def test_a_citation_of_what_does_not_exist_is_noticed(name: str) -> None:
    with pytest.raises(AttributeError):
        resolve(name)


def test_commands_are_found_where_they_are_typed() -> None:
    text = "Type `sudo kernelbox ps`, or\n\n```\nkernelbox run busybox\n```\nand kernelbox knows."
    assert commands(text) == {"ps", "run"}


@pytest.mark.parametrize(
    "text",
    [
        "/home/ann/kernelbox/x.py",
        "in /data/lab",
        '"/opt/venv/bin/python"',
        "at /root/.cache",
        "/tmp/a",
    ],
)
def test_a_path_of_one_machine_is_noticed(text: str) -> None:
    assert paths_of_one_machine(text)


@pytest.mark.parametrize(
    "text",
    ["/proc/1/ns", 'mount("proc", "/mnt/proc")', "<td>1</td>", "and/or", "http://localhost/x"],
)
def test_a_path_of_every_machine_passes(text: str) -> None:
    assert not paths_of_one_machine(text)


def numbers(text: str) -> set[int]:
    """Return the chapters that a text names: `00 to 03`, `01, 02 and 13`."""
    found: set[int] = set()
    for first, last in re.findall(r"\b(\d\d)\b(?: to (\d\d))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def rooms_of(file: Path) -> list[str]:
    """Return the rooms that the README's map gives to a chapter."""
    section = (TOP / "README.md").read_text().partition("## How it is made")[2]
    rows = re.findall(r"^\| `(\w+)(?:\.py|/)` \|[^|]*\| ([^|]*) \|$", section, re.MULTILINE)
    return [room for room, chapters in rows if int(file.name[:2]) in numbers(chapters)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_chapter_sends_its_reader_to_each_of_its_rooms(file: Path) -> None:
    rooms = rooms_of(file)
    assert rooms
    sent = {name.split(".")[1] for name in cited(prose(file)) if name.count(".") > 1}
    assert not set(rooms) - sent


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_room_of_a_chapter_says_which_chapter_asks_for_it(file: Path) -> None:
    for room in rooms_of(file):
        said = importlib.import_module(f"kernelbox.{room}").__doc__ or ""
        named = re.findall(r"[Cc]hapters? ((?:\d\d|[ ,]|and|to)+)", said)
        assert int(file.name[:2]) in numbers(" ; ".join(named)), room


@each_notebook
def test_a_chapter_begins_with_a_picture_and_a_question(file: Path) -> None:
    first = nbformat.read(file, as_version=4).cells[0].source
    [(alt, picture)] = re.findall(r"^!\[([^\]]+)\]\(([^)]+)\)$", first, re.MULTILINE)
    assert "?" in alt
    image = (file.parent / picture).read_text(encoding="utf-8")
    assert "<title>" in image and "http" not in image.replace("http://www.w3.org/2000/svg", "")


@each_notebook
def test_a_chapter_measures_something_and_draws_it(file: Path) -> None:
    sources = [one.source for one in nbformat.read(file, as_version=4).cells]
    assert any(re.search(r"course\.(curve|bars)\(|matplotlib", one) for one in sources)


def test_no_text_sends_a_reader_to_a_chapter_that_is_not_there() -> None:
    there = {file.name[:2] for file in FILES}
    texts = [
        "\n".join(one.source for one in nbformat.read(file, as_version=4).cells)
        for file in (*FILES, *(NOTEBOOKS / "workbook").glob("*.ipynb"))
    ]
    texts += [one.read_text(encoding="utf-8") for one in (NOTEBOOKS / "workbook").glob("*.md")]
    texts += [one.read_text("utf-8") for one in (TOP / "kernelbox/lab/chapters").rglob("*.py")]
    named = set()
    for text in texts:
        for words in re.findall(r"[Cc]hapters? (\d\d(?:(?:, | and | to )\d\d)*)", text):
            named.update(re.findall(r"\d\d", words))
    assert named and named <= there, named - there
