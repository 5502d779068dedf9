"""Which tests the lab VM runs as well: those that can find something there, and nowhere else.

Two things are different inside: control groups are version 2's, and the kernel is Debian's, with
modules and AppArmor. An emulated processor takes 10 to 30 times as long for the rest of a test. So:

- A test joins by what its code touches: kernelbox's control groups, their files, the options that
  write them; a module's link; an AppArmor profile. A new one joins without being put on a list.
  What is only a word does not count: comments, docstrings, the name of a namespace.
- `@pytest.mark.outside(why)` leaves one out that touches them, and would find the same inside.
- `@pytest.mark.vm` takes one in whose code does not show it; on one case of a parametrisation it
  takes in that one alone, where the others go through the same code inside.

All of it is found in the sources' text: to load a file takes an emulated processor seconds, and a
file without such a test is not loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests import budget

OF_CGROUPS = re.compile(
    r"(?<!kernelbox)[/._-]cgroup|cgroup[._/(s2P-]|Cgroup|\"pause\"|freeze|FROZEN|\bPSI\b|\bpids.max"
    r"|\bmemory\.(?!people|taken)|--(?:memory|cpus|cpuset|cpu-quota|pids-limit)"
)
# Which the lab VM's kernel has for certain: modules, and a module of security.
OF_MODULES = re.compile(r"netem|type (?:dummy|vlan)\b|apparmor=")
# A test: its decorators, and its lines up to the next thing that begins at the margin.
TEST = re.compile(
    r"^(?P<marks>(?:@.*\n(?:[ )\]}].*\n)*)*)def (?P<name>test_\w+)"
    r"(?P<code>.*\n(?:(?!@|def |class |[A-Z]\w* *[:=]).*\n)*)",
    re.MULTILINE,
)
WORDS = re.compile(r'^    r?(?:"""(?:.|\n)*?"""$)|^ *#.*$|  # .*$', re.MULTILINE)


def tests(text: str) -> dict[str, bool]:
    """Return the tests of a file's text that run inside: whether all cases of each do.

    The others have the marker `vm` on some of their cases.
    """
    found = {}
    for test in TEST.finditer(text):
        marks, code = test["marks"], WORDS.sub("", test["name"] + test["code"])
        if "mark.outside(" in marks:
            continue
        if "mark.vm" in marks:
            found[test["name"]] = False
        elif OF_CGROUPS.search(code) or OF_MODULES.search(code):
            found[test["name"]] = True
    return found


def files(paths: Iterable[Path]) -> dict[Path, dict[str, bool]]:
    """Return the files in which there are any, with what `tests` says of each."""
    found = {path: tests(path.read_text(encoding="utf-8")) for path in paths}
    return {path: those for path, those in found.items() if those}


def share(paths: Iterable[Path], number: int, of: int) -> set[Path]:
    """Return share `number` of `of`: the longest file first, each to whoever has least to do."""
    shares: list[set[Path]] = [set() for _ in range(of)]
    seconds = [0.0] * of
    for path in sorted(paths, key=lambda path: (-budget.seconds_inside(path), path.name)):
        least = seconds.index(min(seconds))
        shares[least].add(path)
        seconds[least] += budget.seconds_inside(path)
    return shares[number - 1]
