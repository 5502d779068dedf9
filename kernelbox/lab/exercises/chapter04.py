"""Chapter 04, from chroot to pivot_root: what it asks."""

from __future__ import annotations

import io
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING

from kernelbox import capabilities
from kernelbox.kernel.errors import KernelboxError
from kernelbox.lab.exercises import outside, parsons
from kernelbox.lab.exercises.predictions import choice, number
from kernelbox.lab.exercises.quiz import question, right, wrong
from kernelbox.lab.exercises.registry import exercise
from kernelbox.lab.exercises.verdict import Verdict, failed, passed

if TYPE_CHECKING:
    from kernelbox.lab.client import Lab
    from kernelbox.lab.held import Held
    from kernelbox.lab.running import Container

PREDICTIONS = (
    choice("cwd", "after chroot, the working directory is", "inside", "outside"),
    choice("mounts", "after chroot, the old root's mounts are", "gone", "still there"),
    choice("descriptor", "after umount, the descriptor is", "dead", "still good"),
    number("leaks", "jails of four that do not hold"),
    choice("null", "writing to a /dev/null that nobody made", "fails", "makes a file"),
)


def _said(process: Held, source: str) -> list[str]:
    """Run Python in a held process; return the words it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        process.python(source)
    return printed.getvalue().split()


def _stat(eye: Held, pid: int, link: str) -> list[str]:
    """Return inode and device of what a link of /proc/PID leads to. Source: proc_pid_root(5)."""
    return _said(eye, f"print(*os.stat('/proc/{pid}/{link}')[1:3])")


def _all_mounts(box: Lab, process: Held) -> list[list[str]]:
    """Return the whole mountinfo of a process's mount namespace.

    Its own file shows no more than what lies below its root. A witness that enters the namespace
    gets the root of the namespace. Source: proc_pid_mountinfo(5); setns(2).
    """
    witness = box.hold()
    try:
        witness.setns(process, "mount")
        return outside.mounts(witness.pid)
    finally:
        witness.end()


def _hosts_root(box: Lab) -> list[str]:
    """Return device and directory of the file system that is the host's root."""
    return [line[2:4] for line in outside.mounts(box.agent) if line[4] == "/"][-1]


def _has_old_root(box: Lab, process: Held) -> bool:
    return any(line[2:4] == _hosts_root(box) for line in _all_mounts(box, process))


def _gets_out(box: Lab, process: Held) -> bool:
    """Let a child of a jailed process try to reach the host's root directory."""
    eye, child = box.hold(), process.fork()
    try:
        goal = _stat(eye, eye.pid, "root")
        with suppress(KernelboxError):
            child.chdir("../" * 40)
            if _stat(eye, child.pid, "cwd") == goal:
                return True
            child.chdir("/")
            child.chroot("/bin")
            child.chdir("../" * 40)
            child.chroot(".")
        return _stat(eye, child.pid, "root") == goal
    finally:
        child.end()
        eye.end()


def _jail(box: Lab, layer: str, place: str) -> Held:
    """Return a process that has changed its root to an image at `/mnt` + `place`, by chroot."""
    jail = box.hold()
    jail.unshare("mount")
    jail.mount(None, "/", None, "rprivate")
    jail.mount("tmpfs", "/mnt", "tmpfs", "nodev,size=4m")
    names = place.strip("/").split("/")
    for name in ("upper", "work", *("/".join(names[:end]) for end in range(1, len(names) + 1))):
        jail.mkdir(f"/mnt/{name}")
    layers = f"lowerdir={layer},upperdir=/mnt/upper,workdir=/mnt/work"
    jail.mount("overlay", f"/mnt{place}", "overlay", f"nodev,{layers}")
    jail.chroot(f"/mnt{place}")
    jail.chdir("/")
    return jail


@exercise(
    "the-way-out",
    title="The way out",
    points=2,
    hints=(
        "The check observes what `/proc/PID/root` leads to, for two jails. The second lies ten "
        "directories deep.",
        "`..` stops at the root directory, and nowhere else. A process whose working directory is "
        "not below its root never comes past it.",
        "Section 3 has three requests. The last one is forgotten easily: without it the process "
        "stands outside, and its `/` is still inside.",
    ),
)
def the_way_out(box: Lab, way_out: object, web: Container) -> Verdict:
    """Put the function before two jails, and see from outside which root they end up with."""
    if not callable(way_out):
        return failed(f"way_out is {way_out!r:.80}", "a function")
    layer = web.inspect()["GraphDriver"]["Data"]["LowerDir"]
    eye = box.hold()
    try:
        goal = _stat(eye, eye.pid, "root")
        for name, place in (("a jail", "/root"), ("a deep jail", "/a/b/c/d/e/f/g/h/i/root")):
            jail = _jail(box, layer, place)
            try:
                way_out(jail)
                if "mnt" not in outside.own(box, jail.pid):
                    return failed(
                        f"for {name}: the process has entered the host's mount namespace",
                        "the same namespace as before, and another root",
                    )
                if _stat(eye, jail.pid, "root") != goal:
                    return failed(
                        f"for {name}: its root directory is not the host's", "the host's `/`"
                    )
            finally:
                jail.end()
    finally:
        eye.end()
    return passed("out of a jail, and out of one that is ten directories deep")


@exercise(
    "no-way-back",
    title="No way back",
    points=2,
    hints=(
        "The check looks at the mounts of the whole namespace, as section 2 did. With `chroot` it "
        "observes that the host's root is one of them.",
        "Two requests make the difference: one exchanges the roots, the other takes the old one "
        "away. Between them the old one lies somewhere.",
        "`room()` gives you a process with a root ready at `/mnt/root`. Section 4 goes on from "
        "there. What is in use can only be unmounted lazily.",
    ),
)
def no_way_back(box: Lab, safe: Held) -> Verdict:
    """Look at all mounts of its namespace, and let a child of it try to get out."""
    if wrong_thing := outside.not_held(safe, "safe"):
        return wrong_thing
    if "mnt" not in outside.own(box, safe.pid):
        return failed("its mount namespace is the host's")
    every = _all_mounts(box, safe)
    if _has_old_root(box, safe):
        return failed(
            f"the host's root is among the {len(every)} mounts of its namespace",
            "the old root absent from mountinfo",
        )
    root = next(line for line in every if line[4] == "/")
    if root[root.index("-") + 1] != "overlay" and "ro" not in root[5].split(","):
        return failed(
            "its root can be written, and is no overlay: what it writes goes into the directory "
            "that others use",
            "an overlay as `room()` makes it",
        )
    eye = box.hold()
    try:
        # The link may lead nowhere as the host sees it: that it is there is enough.
        if _said(eye, f"print(os.path.lexists('/proc/{safe.pid}/root/bin/sh'))") != ["True"]:
            return failed("there is no /bin/sh in its root", "the image's files")
    finally:
        eye.end()
    if _gets_out(box, safe):
        return failed("a child of it gets out to the host's root")
    return passed("the old root is absent from mountinfo, and the way out ends inside")


PUZZLES = (
    parsons.puzzle(
        "pivot",
        ("umount('.', lazy=True)", lambda p: p.umount(".", lazy=True)),
        ("chdir('/mnt')", lambda p: p.chdir("/mnt")),
        ("pivot_root('.', '.')", lambda p: p.pivot_root(".", ".")),
        (
            "unshare('mount') and mount(None, '/', None, 'rprivate')",
            lambda p: (p.unshare("mount"), p.mount(None, "/", None, "rprivate")),
        ),
        ("mount('tmpfs', '/mnt', 'tmpfs')", lambda p: p.mount("tmpfs", "/mnt", "tmpfs")),
    ),
)


@exercise(
    "pivot-order",
    title="From pivot_root to umount",
    hints=(
        "The check makes your requests in a fresh process. It tells which one the kernel or the "
        "lab refused. If none was, it counts the mounts in the namespace.",
        "A working directory is a place on one mount. What is mounted on it later covers it, and "
        "does not move whoever stands there.",
        "`umount('.')` takes away what lies on top at the working directory. Before `pivot_root` "
        "that is the new root, after it the old one.",
    ),
)
def pivot_order(box: Lab, order: object) -> Verdict:
    """Make the requests in that order, and look at the namespace they made."""
    with parsons.made(box, PUZZLES[0], order) as run:
        if run.refusal:
            return failed(run.refusal)
        if run.made < len(PUZZLES[0].pieces):
            return failed(f"{run.made} requests were made", "all five")
        mounts = _all_mounts(box, run.process)
        kinds = [line[line.index("-") + 1] for line in mounts]
        if kinds != ["tmpfs"]:
            return failed(f"there are {len(kinds)} mounts in its namespace", "one, the tmpfs")
    return passed("one mount is left in the namespace: the new root")


_SYS_CHROOT = 1 << capabilities.NAMES.index("SYS_CHROOT")


@exercise(
    "the-missing-right",
    title="The missing right",
    points=2,
    hints=(
        "The check lets a child of `caged` try to leave. It observes its root, its working "
        "directory, and the line `CapEff` in `/proc/PID/status`.",
        "`keep_capabilities` keeps what is named, and gives up the rest. Section 5 has a list with "
        "all names but one.",
        "Who gives up the right to `chroot` cannot do it any more. And `chroot` moves nobody: see "
        "section 2.",
    ),
)
def the_missing_right(box: Lab, caged: Held) -> Verdict:
    """Look at its capabilities, and let a child of it try to get out."""
    if wrong_thing := outside.not_held(caged, "caged"):
        return wrong_thing
    if not _has_old_root(box, caged):
        return failed("the old root is absent from its mount namespace", "a chroot alone")
    eye = box.hold()
    try:
        if _stat(eye, caged.pid, "root") == _stat(eye, eye.pid, "root"):
            return failed("its root directory is the host's")
        every = int(outside.status(eye.pid)["CapEff"], 16)
    finally:
        eye.end()
    status = outside.status(caged.pid)
    mine = int(status["CapEff"], 16)
    if mine & _SYS_CHROOT or int(status["CapBnd"], 16) & _SYS_CHROOT:
        return failed("it has CAP_SYS_CHROOT, or a program that it starts gets it")
    if _gets_out(box, caged):
        return failed("a child of it reaches the host's root with `chdir` alone")
    if missing := capabilities.names(every & ~mine & ~_SYS_CHROOT):
        return failed(f"{len(missing)} more capabilities are missing", "CAP_SYS_CHROOT alone")
    return passed("the old root is still there, and the way to it is refused")


@exercise(
    "the-forgotten-descriptor",
    title="The forgotten descriptor",
    hints=(
        "The check observes the directories that `leaky` has open, in `/proc/PID/fd`. One of them "
        "is the host's root.",
        "`ls -l` shows what the links in `/proc/PID/fd` lead to; run it by `host.shell`. There are "
        "sockets, and there is one directory.",
        "Only the process itself can close it: `leaky.python('os.close(...)')`.",
    ),
)
def the_forgotten_descriptor(box: Lab, leaky: Held) -> Verdict:
    """Look from outside at the directories that the process has open."""
    if wrong_thing := outside.not_held(leaky, "leaky"):
        return wrong_thing
    if _has_old_root(box, leaky):
        return failed("the host's root is among the mounts of its namespace", "it was not")
    eye = box.hold()
    try:
        goal = _stat(eye, eye.pid, "root")
        links = _said(eye, f"print(*os.listdir('/proc/{leaky.pid}/fd'))")
        found = [one for one in links if _stat(eye, leaky.pid, f"fd/{one}") == goal]
        if found:
            return failed(f"descriptor {found[0]} leads to the host's root", "none that does")
        if _stat(eye, leaky.pid, "cwd") == goal:
            return failed("its working directory is the host's root")
    finally:
        eye.end()
    return passed("no descriptor leads out of its root")


@exercise(
    "quiet-proc",
    title="A quiet /proc",
    points=2,
    hints=(
        "The check enters the mount namespace, reads `/proc/interrupts`, and asks the kernel "
        "whether files in `/proc/sys` may be written.",
        "Section 6 used two devices: something empty that lies over a file, and a directory that "
        "is mounted on itself.",
        "A bind mount is as writable as what it shows. That it is to be read-only takes a second "
        "request, `remount,bind,ro`, and it concerns that mount alone.",
    ),
)
def quiet_proc(box: Lab, quiet: Held) -> Verdict:
    """Enter its mount namespace, and read there."""
    if wrong_thing := outside.not_held(quiet, "quiet"):
        return wrong_thing
    if _has_old_root(box, quiet):
        return failed("the host's root is among the mounts of its namespace")
    witness = box.hold()
    try:
        witness.setns(quiet, "mount")
        mounts = outside.mounts(witness.pid)
        proc = [line for line in mounts if line[4] == "/proc"]
        if not proc or proc[-1][proc[-1].index("-") + 1] != "proc":
            return failed("there is no procfs on its /proc")
        if _said(witness, "print(len(open('/proc/interrupts').read()))") != ["0"]:
            return failed("/proc/interrupts tells of the machine", "an empty file")
        if "ro" in proc[-1][5].split(","):
            return failed("all of /proc is read-only", "/proc/sys alone")
        setting = "/proc/sys/kernel/hostname"
        if _said(witness, f"print(os.path.exists({setting!r}))") != ["True"]:
            return failed("/proc/sys is hidden", "settings that can be read")
        if _said(witness, f"print(os.access({setting!r}, os.W_OK))") == ["True"]:
            return failed(f"{setting} may be written", "/proc/sys read-only")
    finally:
        witness.end()
    return passed("/proc/interrupts is empty, /proc/sys can be read and not written")


QUIZ = (
    question(
        "`chroot` changes ...",
        right("where the lookup of a path that begins with `/` begins", "That, and where `..` "
              "stops. Nothing else: not the working directory, not the mounts."),
        wrong("which files a process can reach", "It got out in section 3, with three more "
              "requests. chroot(2) itself says: not intended for security."),
        wrong("the mounts", "The namespace had as many as before (section 2)."),
    ),
    question(
        "After `chroot`, `/proc/PID/mountinfo` shows one line. The other mounts are ...",
        wrong("unmounted", "Nobody asked for it. A process that entered the namespace saw them."),
        right("there, but not below this process's root", "The file shows what the process can "
              "name. Look from the namespace's own root."),
        wrong("in another mount namespace", "`chroot` makes none."),
    ),
    question(
        "Why does the way out not work after `pivot_root` and `umount`?",
        wrong("`chroot` is refused", "It is granted (section 5): the process has the right."),
        right("the new root is the top of the namespace: there is nothing above it", "All the way "
              "up leads to `/`, and `/` is the image."),
        wrong("the process is not root any more", "Its user has not changed."),
    ),
    question(
        "`umount -l` on the old root ...",
        wrong("deletes the files of the host", "It takes a mount out of a namespace. The host has "
              "its own, in another namespace."),
        right("takes it out of the namespace now; whoever has it open keeps it", "Which is why a "
              "runtime closes every descriptor that it does not need (section 4)."),
        wrong("waits until nobody uses it", "That would be EBUSY, without `-l`. Lazily it is gone "
              "from mountinfo at once."),
    ),
    question(
        "In a container, `/proc/interrupts` is empty. Why?",
        wrong("the container has interrupts of its own: none", "There is no such namespace."),
        wrong("root in the container may not read it", "It may, and reads: nothing."),
        right("`/dev/null` is mounted on it", "A mask. Whoever may unmount it sees what is below, "
              "so a runtime takes away CAP_SYS_ADMIN as well (section 8)."),
    ),
)  # fmt: skip
