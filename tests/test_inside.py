"""Which tests the lab VM runs as well: what a test's code touches decides, or its marker."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests import inside

HERE = sorted(Path(__file__).parent.glob("test_*.py"))
TEXT = '''
@pytest.mark.parametrize(
    "file",
    ["memory.max"],
)
def test_of_a_file(file: str) -> None:
    """Nothing of a cgroup.max."""
    assert file
# in "cgroup.procs"


def test_of_{kind}(kernelbox: Kernelbox) -> None:
    # A comment about cgroup.max.
    {code}
'''


@pytest.mark.parametrize(
    ("code", "joins"),
    [
        ('made = box.cgroup("x")', True),
        ('run("--memory", "64m")', True),
        ('Path("/sys/fs/cgroup/pids").exists()', True),
        ('kernelbox.ok("pause", one)', True),
        ('kernelbox.ok("pull", one)  # not in a group: cgroup.of', False),
        ('p.unshare("cgroup")', False),
        ('"pid mnt net ipc cgroup user"', False),
        ('"STOPSIGNAL SIGRTMIN+3"', False),
        ('host.run("ip link add trial type dummy")', True),
        ('"no dummy"', False),
    ],
)
def test_what_a_test_touches_stands_in_its_code(code: str, joins: bool) -> None:
    found = inside.tests(TEXT.format(kind="this", code=code))
    assert found == ({"test_of_this": True} if joins else {})


@pytest.mark.parametrize(
    ("mark", "found"),
    [
        ("@pytest.mark.alone", {"test_one": True}),
        ('@pytest.mark.outside("why")', {}),
        ("@pytest.mark.vm", {"test_one": False}),
        ('@pytest.mark.parametrize("a", [1, pytest.param(2, marks=pytest.mark.vm)])',
         {"test_one": False}),
        ('@pytest.mark.parametrize(\n    "a",\n    [1, pytest.param(2, marks=pytest.mark.vm)],\n)',
         {"test_one": False}),
    ],
)  # fmt: skip
def test_a_marker_has_the_last_word(mark: str, found: dict[str, bool]) -> None:
    assert inside.tests(f"{mark}\ndef test_one(a: int) -> None:\n    cgroup.of(a)\n") == found


def test_the_text_shows_the_tests_that_python_sees() -> None:
    for path in HERE:
        text = path.read_text(encoding="utf-8")
        defined = [
            one.name
            for one in ast.parse(text).body
            if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
        ]
        shown = [one["name"] for one in inside.TEST.finditer(text)]
        assert [name for name in shown if name in defined] == defined, path


def test_every_file_is_in_one_share_and_nobody_has_much_more_to_do() -> None:
    files = inside.files(HERE)
    shares = [inside.share(files, number, 3) for number in (1, 2, 3)]
    assert Counter(one for share in shares for one in share) == Counter(list(files))
    sums = [sum(map(inside.budget.seconds_inside, share)) for share in shares]
    assert max(sums) - min(sums) <= max(map(inside.budget.seconds_inside, files))
