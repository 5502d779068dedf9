"""Exercises of chapter 06 about copy-up: what is copied, what it breaks, how to do without."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter06.layers import OPTIONS
from kernelbox.lab.exercises import benches
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

# What each request does to a file, as Python in a process under remote control.
_REQUESTS = {
    "read": "open(name, 'rb').read()",
    "open": "os.close(os.open(name, os.O_RDWR))",
    "append": "fd = os.open(name, os.O_WRONLY | os.O_APPEND); os.write(fd, b'x'); os.close(fd)",
    "truncate": "os.close(os.open(name, os.O_WRONLY | os.O_TRUNC))",
    "chmod": "os.chmod(name, 0o640)",
    "rename": "os.rename(name, name + '.new')",
    "link": "os.link(name, name + '.new')",
    "unlink": "os.unlink(name)",
}


@exercise(
    "what-is-copied",
    title="What is copied",
    seconds=20,
    hints=(
        "The check makes each request to files of several sizes, in an overlay of its own, and "
        "observes how many bytes of files there are more in its upperdir.",
        "Which requests need a file in the upperdir at all, and which of those need its old bytes? "
        "Sections 2 and 3 have most of them. Try the others in a workbench.",
        "A second name is a change of the file: it counts its names. And one request in the table "
        "adds a byte of its own.",
    ),
)
def what_is_copied(box: Lab, cost: object) -> Verdict:
    """Make the requests, and compare."""
    process = box.hold()
    try:
        benches.bench(process)
        for name in ("lower", "upper", "work", "merged"):
            process.mkdir(name)
        sizes = (random.randint(2, 90), random.randint(4097, 9000), random.randint(70_000, 400_000))
        process.python(
            f"for name in {list(_REQUESTS)}:\n"
            f"    for size in {sizes}:\n"
            "        with open(f'lower/{name}-{size}', 'wb') as file: file.write(b'x' * size)"
        )
        directories = "lowerdir=lower,upperdir=upper,workdir=work"
        process.mount("overlay", "merged", "overlay", f"{directories},{OPTIONS}")
        for request, code in _REQUESTS.items():
            for size in sizes:
                before = process.evaluate("weight('upper')")
                process.python(f"name = 'merged/{request}-{size}'\n{code}")
                really = process.evaluate("weight('upper')") - before
                tried = attempt(cost, size, request)
                if tried.failure:
                    return failed(f"for {request}: {tried.failure}")
                if type(tried.value) is not int or tried.value != really:
                    first = (request, size) == ("read", sizes[0])
                    return failed(
                        f"for {request} of {size} bytes, your function says {tried.value!r:.40}",
                        f"{really}, says the kernel" if first else "what the kernel adds",
                    )
    finally:
        process.end()
    return passed("eight requests to files of three sizes, as the kernel does it")


_NAMES = ("ledger", "copy", "archive")


@exercise(
    "one-again",
    title="One again",
    hints=(
        "The check observes the text, the inode and the number of names of each of the three in "
        "`merged`, and the three in `lower`.",
        "After a first write there are two files: the copy with one name, and the layer's. Writing "
        "to the others makes more files, not fewer.",
        "A name can be taken away from one file and given to another, with `ln -f`. Which file "
        "should have all three?",
    ),
)
def one_again(box: Lab, office: Held) -> Verdict:
    """Look at the three names, in the merged view and in the layer."""
    if wrong_thing := benches.not_a_bench(box, office, "office"):
        return wrong_thing
    with benches.beside(box, office) as witness:
        layer = dict.fromkeys(_NAMES, "open\n")
        if changed := benches.differs(witness.evaluate("view('lower')"), layer, "in the layer"):
            return changed
        if len(_inodes(witness, "lower")) != 1:
            return failed("in the layer, the three names are several files", "one, as before")
        if wrong_mount := benches.not_the_overlay(office):
            return wrong_mount
        paid = dict.fromkeys(_NAMES, "paid\n")
        if unlike := benches.differs(witness.evaluate("view('merged')"), paid, "in merged"):
            return unlike
        found = _inodes(witness, "merged")
        if len(found) != 1:
            return failed(f"in merged, the three names are {len(found)} files", "1")
    return passed("three names and one file that says paid; the layer's says open")


def _inodes(witness: Held, top: str) -> set[int]:
    """Return the inodes that the three names lead to."""
    found: set[int] = witness.evaluate(f"{{os.lstat('{top}/' + name).st_ino for name in {_NAMES}}}")
    return found


@exercise(
    "cheap-move",
    title="A cheap move",
    points=3,
    hints=(
        "The check observes what `merged` shows and how many bytes that has, how many are in the "
        "upperdir, and that the layer still has `goods`.",
        "`mv` falls back to copying when it is refused, and says nothing. rename(2) by itself, "
        "`os.rename`, does not: so it tells whether the mount is the right one.",
        "Section 5 names the option that lets the kernel note where a directory came from. It is "
        "given when the overlay is mounted.",
    ),
)
def cheap_move(box: Lab, depot: Held) -> Verdict:
    """Look at the merged view, at the upperdir, and at the layer."""
    if wrong_thing := benches.not_a_bench(box, depot, "depot"):
        return wrong_thing
    with benches.beside(box, depot) as witness:
        if wrong_files := _not_the_house(witness, "lower", "goods", "in the layer"):
            return wrong_files
        if wrong_mount := benches.not_the_overlay(depot):
            return wrong_mount
        if wrong_files := _not_the_house(witness, "merged", "store", "in merged"):
            return wrong_files
        if copied := witness.evaluate("weight('upper')"):
            return failed(f"in the upperdir there are {copied} bytes of files", "0")
        if not witness.evaluate("os.path.isdir('upper/store')"):
            return failed("in the upperdir there is no directory store", "what a rename leaves")
    return passed("goods is store now, with all its bytes, and none of them is in the upperdir")


_MIB = 1 << 20


def _not_the_house(witness: Held, top: str, name: str, where: str) -> Verdict | None:
    """Return the verdict on a directory that has not two files of a MiB each, and nothing else."""
    found: dict[str, str] = witness.evaluate(f"view('{top}')")
    house = {f"{name}/": "", f"{name}/one": "", f"{name}/two": ""}
    if unlike := benches.differs(dict.fromkeys(found, ""), house, where):
        return unlike
    for file in ("one", "two"):
        size = witness.evaluate(f"os.lstat('{top}/{name}/{file}').st_size")
        if size != _MIB:
            return failed(f"{where} {name}/{file} has {size} bytes", f"{_MIB}")
    return None
