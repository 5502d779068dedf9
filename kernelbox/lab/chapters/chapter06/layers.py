"""Exercises of chapter 06 about layers: how one hides what is below, and how they are stacked."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import benches, outside, parsons
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

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
    if wrong_thing := benches.not_a_bench(box, attic, "attic") or _still_mounted(attic):
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


def _still_mounted(process: Held) -> Verdict | None:
    """Return the verdict on a workbench in which something is mounted."""
    if there := benches.mounted_below(process, "/mnt"):
        return failed(f"something is mounted on {there[-1][4]}", "nothing is, any more")
    return None


@exercise(
    "whatever-is-below",
    title="Whatever is below",
    points=3,
    hints=(
        "The check lays `patch` over `base`, and then over layers of its own, whose `conf` has "
        "files and directories with other names each time. It observes what `conf` shows.",
        "A whiteout hides one name. Section 3 met something that hides a whole directory and is a "
        "directory itself.",
        "It is an extended attribute of the directory, `os.setxattr` sets it, and section 3 prints "
        "its name and its value. The kernel looks for exactly that value.",
    ),
)
def whatever_is_below(box: Lab, wing: Held) -> Verdict:
    """Lay the patch over the base, and over other layers."""
    if wrong_thing := benches.not_a_bench(box, wing, "wing") or _still_mounted(wing):
        return wrong_thing
    base = {"conf/": "", "conf/one": "", "conf/two": "", "keep": ""}
    wanted = {"conf/": "", "conf/fresh": ""}
    with benches.beside(box, wing) as witness:
        if changed := benches.differs(witness.evaluate("view('base')"), base, "in the base"):
            return changed
        seen = _names(benches.laid_over(witness, "patch", "base"))
        if unlike := benches.differs(seen, {**wanted, "keep": ""}, "over the base"):
            return unlike
        for _ in range(2):
            drawn = f"{random.randrange(10_000)}"
            other = f"/tmp/other-{drawn}"
            witness.python(f"os.makedirs('{other}/conf/{drawn}-deep/er')")
            witness.python(f"open('{other}/conf/{drawn}-later', 'w').close()")
            seen = _names(benches.laid_over(witness, "patch", other))
            if strange := sorted(seen.keys() - wanted.keys()):
                what = strange[0].replace(drawn, "NUMBER")
                return failed(f"over another layer there is {what}", "fresh alone")
    return passed("conf shows fresh and nothing else, over the base and over two other layers")


def _names(seen: dict[str, str]) -> dict[str, str]:
    """Return a view without the contents of the files: what is there, and is no whiteout."""
    return {path: text if text in ("whiteout", "special") else "" for path, text in seen.items()}


OPTIONS = "redirect_dir=off,metacopy=off,index=off"


def _make_layers(process: Held) -> None:
    """Give a process a file system with two layers, and let it work there.

    Raises:
        LabError: Others would hear of the mount.
    """
    process.mount("bench", "/mnt", "tmpfs", "size=1m")  # refused where it is the host's /mnt
    if any("shared:" in line[6] for line in outside.mounts(process.pid) if line[4] == "/"):
        raise LabError(
            "its / is shared: others would hear of the mount",
            "Chapter 03 says which request makes it private",
        )
    process.chdir("/mnt")
    for name in ("a", "b", "upper", "work", "merged"):
        process.mkdir(name)
    process.python(
        "for path, text in {'a/motd': 'from a', 'b/motd': 'from b', 'b/notes': 'from b'}.items():\n"
        "    with open(path, 'w') as file: file.write(text)"
    )


def _unshare(process: Held) -> None:
    """Unshare, as on a host whose mounts are shared: not every host's are."""
    process.unshare("mount")
    process.mount(None, "/", None, "rprivate")
    process.mount(None, "/", None, "rshared")
    process.unshare("mount")


def _overlay(process: Held, lower: str) -> None:
    directories = f"lowerdir={lower},upperdir=upper,workdir=work"
    process.mount("overlay", "merged", "overlay", f"{directories},{OPTIONS}")


# Nothing of these makes a file where it has not been told to work: on the host they find none.
PUZZLES = (
    parsons.puzzle(
        "stack",
        ("write 'mine' to merged/notes, which is there",
         lambda p: p.python("with open('merged/notes', 'r+') as file:\n"
                            "    file.truncate(0); file.write('mine')")),
        ("mount('overlay', 'merged', 'overlay', 'lowerdir=a:b,upperdir=upper,workdir=work')",
         lambda p: _overlay(p, "a:b")),
        ("unshare('mount')", _unshare),
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
            return failed(run.refusal, "each request granted")
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
