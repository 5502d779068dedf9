"""Chapter 06, OverlayFS: what it asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kernelbox.lab.exercises import benches, outside, parsons
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.predictions import choice, number
from kernelbox.lab.exercises.quiz import question, right, wrong
from kernelbox.lab.exercises.registry import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.wire import LabError

if TYPE_CHECKING:
    from kernelbox.lab.client import Lab
    from kernelbox.lab.held import Held

PREDICTIONS = (
    number("append", "one byte is appended to 4096 KiB: upperdir", unit="KiB"),
    number("chmod", "4096 KiB get another mode: upperdir", unit="KiB"),
    number("latency", "32 times as large takes, times as long"),
    choice("link", "two names, one is written to: the other says", "new", "old"),
    choice("rename", "a directory of the layer is renamed", "works", "EXDEV", "EROFS"),
    choice("open", "a descriptor older than the copy reads", "new", "old"),
    number("view", "files seen through three layers"),
    choice("other", "another container sees what the first wrote", "yes", "no"),
    choice("rm", "an image after rm and commit has bytes:", "fewer", "as many", "more"),
)  # fmt: skip

_ATTIC = {
    "etc/": "", "etc/motd": "old\n", "etc/hosts": "localhost\n", "etc/secret": "xyzzy\n",
    "cache/": "", "cache/one": "", "cache/two": "",
}  # fmt: skip


@exercise(
    "layer-that-deletes",
    title="A layer that deletes",
    points=2,
    hints=(
        "The check lays `patch` over `base`, as `lowerdir=patch:base`, and observes what is seen "
        "then. It also looks at what hides the two in `patch`.",
        "What was in the upperdir in section 3, after `rm`? The kernel has made it by a request "
        "that every root can make.",
        "It needs a type and two numbers, and no mount. A directory is hidden by the same thing as "
        "a file: one is enough for all that is in it.",
    ),
)
def layer_that_deletes(box: Lab, attic: Held) -> Verdict:
    """Lay the patch over the base, and see what is left."""
    if wrong_thing := benches.not_a_bench(box, attic, "attic"):
        return wrong_thing
    with benches.beside(box, attic) as witness:
        if changed := benches.differs(witness.evaluate("view('base')"), _ATTIC, "in the base"):
            return changed
        wanted = {"etc/": "", "etc/motd": "new\n", "etc/hosts": "localhost\n"}
        if unlike := benches.differs(
            benches.laid_over(witness, "patch", "base"), wanted, "in the merged view"
        ):
            return unlike
        for path in ("etc/secret", "cache"):
            if not witness.evaluate(f"whiteout('patch/{path}')"):
                return failed(f"{path} is hidden, but by no whiteout", "a character device 0:0")
    return passed("motd is new, secret and cache are hidden by whiteouts, and the base has them")


@exercise(
    "whatever-is-below",
    title="Whatever is below",
    points=2,
    hints=(
        "The check lays `patch` over `base`, and then over a layer of its own, whose `conf` has a "
        "file that you cannot know of. It observes what `conf` shows.",
        "A whiteout hides one name. Section 3 met something that hides a whole directory and is a "
        "directory itself.",
        "It is an extended attribute of the directory, `os.setxattr` sets it, and section 3 prints "
        "its name and its value. The kernel looks for exactly that value.",
    ),
)
def whatever_is_below(box: Lab, wing: Held) -> Verdict:
    """Lay the patch over the base, and over another layer."""
    if wrong_thing := benches.not_a_bench(box, wing, "wing"):
        return wrong_thing
    base = {"conf/": "", "conf/one": "", "conf/two": "", "keep": ""}
    wanted = {"conf/": "", "conf/fresh": ""}
    with benches.beside(box, wing) as witness:
        if changed := benches.differs(witness.evaluate("view('base')"), base, "in the base"):
            return changed
        seen = benches.laid_over(witness, "patch", "base")
        if unlike := benches.differs(seen, {**wanted, "keep": ""}, "over the base"):
            return unlike
        for directory in ("/tmp/other", "/tmp/other/conf", "/tmp/other/conf/later"):
            witness.mkdir(directory)
        if unlike := benches.differs(
            benches.laid_over(witness, "patch", "/tmp/other"), wanted, "over another"
        ):
            return unlike
    return passed("conf shows fresh and nothing else, over the base and over another layer")


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
_OPTIONS = "redirect_dir=off,metacopy=off,index=off"


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
        sizes = (1, 5000, 300_000)
        process.python(
            f"for name in {list(_REQUESTS)}:\n"
            f"    for size in {sizes}:\n"
            "        with open(f'lower/{name}-{size}', 'wb') as file: file.write(b'x' * size)"
        )
        directories = "lowerdir=lower,upperdir=upper,workdir=work"
        process.mount("overlay", "merged", "overlay", f"{directories},{_OPTIONS}")
        for request, code in _REQUESTS.items():
            for size in sizes:
                before = process.evaluate("weight('upper')")
                process.python(f"name = 'merged/{request}-{size}'\n{code}")
                really = process.evaluate("weight('upper')") - before
                tried = attempt(cost, size, request)
                if tried.failure:
                    return failed(f"for {request}: {tried.failure}")
                if type(tried.value) is not int or tried.value != really:
                    return failed(
                        f"{tried.value!r:.40} bytes for {request} of {size}",
                        f"{really}, by the kernel",
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
            return failed("in the layer, the three names are no longer one file")
        if all(fields[4] != "/mnt/merged" for fields in outside.mounts(office.pid)):
            return failed("nothing is mounted on merged any more", "the overlay")
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
    hints=(
        "The check observes what `merged` shows, how many bytes of files are in the upperdir, and "
        "that the layer still has `goods`.",
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
        layer: dict[str, str] = witness.evaluate("view('lower')")
        if changed := benches.differs(dict.fromkeys(layer, ""), _house("goods"), "in the layer"):
            return changed
        if all(fields[4] != "/mnt/merged" for fields in outside.mounts(depot.pid)):
            return failed("nothing is mounted on merged", "an overlay")
        merged: dict[str, str] = witness.evaluate("view('merged')")
        if unlike := benches.differs(dict.fromkeys(merged, ""), _house("store"), "in merged"):
            return unlike
        if copied := witness.evaluate("weight('upper')"):
            return failed(f"in the upperdir there are {copied} bytes of files", "0")
        if not witness.evaluate("os.path.isdir('upper/store')"):
            return failed("in the upperdir there is no directory store")
    return passed("goods is store now, and no byte of a file was copied")


def _house(name: str) -> dict[str, str]:
    return {f"{name}/": "", f"{name}/one": "", f"{name}/two": ""}


def _make_layers(process: Held) -> None:
    """Give a process a file system with two layers, and let it work there."""
    process.mount("bench", "/mnt", "tmpfs", "size=1m")
    process.chdir("/mnt")
    for name in ("a", "b", "upper", "work", "merged"):
        process.mkdir(name)
    process.python(
        "for path, text in {'a/motd': 'from a', 'b/motd': 'from b', 'b/notes': 'from b'}.items():\n"
        "    with open(path, 'w') as file: file.write(text)"
    )


def _overlay(process: Held, lower: str) -> None:
    directories = f"lowerdir={lower},upperdir=upper,workdir=work"
    process.mount("overlay", "merged", "overlay", f"{directories},{_OPTIONS}")


# Nothing of these makes a file where it has not been told to work: on the host they find none.
PUZZLES = (
    parsons.puzzle(
        "stack",
        ("write 'mine' to merged/notes, which is there",
         lambda p: p.python("with open('merged/notes', 'r+') as file:\n"
                            "    file.truncate(0); file.write('mine')")),
        ("mount('overlay', 'merged', 'overlay', 'lowerdir=a:b,upperdir=upper,workdir=work')",
         lambda p: _overlay(p, "a:b")),
        ("unshare('mount')", lambda p: p.unshare("mount")),
        ("unlink('a/motd')", lambda p: p.python("os.unlink('a/motd')")),
        ("mount('bench', '/mnt', 'tmpfs'), work there, make the layers a and b", _make_layers),
        ("mount('overlay', 'merged', 'overlay', 'lowerdir=b:a,upperdir=upper,workdir=work')",
         lambda p: _overlay(p, "b:a")),
        ("mount(None, '/', None, 'rprivate')", lambda p: p.mount(None, "/", None, "rprivate")),
    ),
)  # fmt: skip


@exercise(
    "build-the-stack",
    title="Build the stack",
    hints=(
        "The check makes the requests in your order, and observes what is in `merged`, in `upper`, "
        "and in the two layers. Where a request is refused, it quotes the kernel.",
        "Two of the requests are not needed. One would change a layer; and of two mounts, one "
        "stacks them the wrong way round.",
        "`merged` is an empty directory until something is mounted on it. And before anything is "
        "mounted at all, chapter 03 made two requests.",
    ),
)
def build_the_stack(box: Lab, order: object) -> Verdict:
    """Make the requests in that order, and look at what was made."""
    with parsons.made(box, PUZZLES[0], order) as run:
        if run.refusal:
            return failed(run.refusal)
        if wrong_thing := benches.not_a_bench(box, run.process, "the process"):
            return wrong_thing
        with benches.beside(box, run.process) as witness:
            for directory, where, wanted in (
                ("merged", "in merged", {"motd": "from b", "notes": "mine"}),
                ("a", "in the layer a", {"motd": "from a"}),
                ("b", "in the layer b", {"motd": "from b", "notes": "from b"}),
                ("upper", "in the upperdir", {"notes": "mine"}),
            ):
                found = witness.evaluate(f"view('{directory}')")
                if unlike := benches.differs(found, wanted, where):
                    return unlike
    return passed("b lies over a, and the upperdir has the one file that was written to")


@exercise(
    "two-ways",
    title="Two ways to delete",
    points=2,
    seconds=30,
    hints=(
        "The check observes the bytes of the layers of the three images, and what each shows in "
        "`/srv`.",
        "A layer that has the cache keeps it, whatever comes on top. Which image has a layer with "
        "the cache, and which one need not?",
        "For `lean`, begin where `chapter06/app` began. The upperdir counts as it is at the moment "
        "of the commit.",
    ),
)
def two_ways(box: Lab, grown: object, lean: object) -> Verdict:
    """Compare the three images: what they store, and what they show."""
    witness = box.hold()
    try:
        benches.bench(witness)
        witness.mkdir("merged")
        found = []
        for name in ("chapter06/app", grown, lean):
            try:
                found.append(_inspected(box, name))
            except LabError:
                return failed(f"there is no image {name}")
        app, grown_one, lean_one = found
        srv = _shown(witness, app)
        wanted = {path: text for path, text in srv.items() if not path.startswith("cache/")}
        for name, image in ((grown, grown_one), (lean, lean_one)):
            if unlike := benches.differs(_shown(witness, image), wanted, f"in /srv of {name}"):
                return unlike
    finally:
        witness.end()
    sizes = [sum(_layers(one).values()) for one in (app, grown_one, lean_one)]
    if sizes[1] <= sizes[0]:
        return failed(f"{grown} has {sizes[1]} bytes, and chapter06/app {sizes[0]}", "more")
    if not _layers(app).keys() <= _layers(grown_one).keys():
        return failed(f"{grown} has grown by something else: it lacks a layer of chapter06/app")
    if sizes[2] >= sizes[0] / 2:
        return failed(f"{lean} has {sizes[2]} bytes, and chapter06/app {sizes[0]}", "half or less")
    return passed("both have the tool and no cache; one is larger than before, one is small")


def _inspected(box: Lab, name: object) -> dict[str, Any]:
    """Return what `kernelbox inspect` tells of an image.

    Raises:
        LabError: There is no such image.
    """
    found: dict[str, Any] = json.loads(box.kernelbox(["inspect", str(name)], quiet=True).stdout)[0]
    if "RootFS" not in found:
        raise LabError(f"{name} is no image")
    return found


def _layers(image: dict[str, Any]) -> dict[str, int]:
    """Return the bytes of each layer of an image by its digest."""
    return {one["digest"]: one["size"] for one in image["Manifest"]["layers"]}


def _shown(witness: Held, image: dict[str, Any]) -> dict[str, str]:
    """Return what an image has in /srv."""
    # A single layer is no overlay: an empty one goes with it.
    lower = f"{image['GraphDriver']['Data']['LowerDir']}:/mnt/empty"
    witness.shell("mkdir -p empty")
    witness.mount("overlay", "merged", "overlay", f"lowerdir={lower}")
    try:
        found: dict[str, str] = witness.evaluate("view('merged/srv')")
        return found
    finally:
        witness.umount("merged")


QUIZ = (
    question(
        "A container deletes 100 MB of its image, and is committed. The new image ...",
        wrong("is 100 MB smaller", "The layer with the 100 MB is in it, and never changes "
              "(section 8)."),
        wrong("is as large as before", "Nearly: but there is a layer more, with a whiteout."),
        right("is a little larger", "A whiteout in a new layer, over a layer that stays as it is."),
    ),
    question(
        "One byte in the middle of a 1 GB file of the image is changed. What is copied?",
        wrong("the block of 4096 bytes", "Overlay knows files and no blocks (section 2). A file "
              "system below it may share blocks; overlay itself never does."),
        right("the whole file", "And whoever opens it for writing waits until that is done "
              "(section 4)."),
        wrong("nothing, it is changed in the layer", "Nobody writes to a layer."),
    ),
    question(
        "A container writes to `/etc/passwd` of its image. Other containers of the image ...",
        wrong("see it at once", "Each has an upperdir of its own (section 7)."),
        wrong("see it when they are started anew", "They begin with the image's layers, which are "
              "as they were."),
        right("never see it", "The copy is in one upperdir. Only a commit makes an image of it, "
              "and that is another image."),
    ),
    question(
        "A whiteout is ...",
        right("a character device 0:0 in a layer, or `.wh.NAME` in a layer's tar", "The first is "
              "the kernel's form, the second what is sent around (sections 3 and 8)."),
        wrong("a special thing of tar files", "The kernel knows nothing of tar. It makes one by "
              "itself at each `rm` of what is in a layer."),
        wrong("a file of zeros", "The bytes of a file stay where they are; it is the name that is "
              "hidden."),
    ),
    question(
        "`lowerdir=x:y`, and both have a file `motd`. Which one is seen?",
        right("that of `x`", "The first one is the topmost (section 6)."),
        wrong("that of `y`", "An image's list of layers goes from the bottom to the top; this one "
              "goes the other way round."),
        wrong("the newer one", "No time is looked at, only the order."),
    ),
    question(
        "`mv` of a directory of the image takes long, and doubles its bytes. Because ...",
        wrong("the directory is on another disk", "EXDEV says so, and is not to be taken at its "
              "word here (section 5)."),
        right("rename(2) is refused, and `mv` copies", "Everything below is copied up, and the old "
              "place gets a whiteout."),
        wrong("a rename always copies the data", "Not within the upperdir, and not with "
              "`redirect_dir=on`."),
    ),
)  # fmt: skip
