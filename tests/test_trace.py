"""The trace agrees with strace, call for call: nothing is made up, and nothing is hidden.

strace sees the system calls of every process, kernelbox tells which requests it made. What both
write for the same call differs in small things only; `plain` takes those away. Then the two lists
of each side must be equal: the same calls, arguments and results in the same order.
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Sides = dict[str, list[str]]

# What the door's docstring (`kernelbox.kernel.door`) says to be a request: everything that changes
# what a process is in, may do, or is called, every mount, and signals to others.
ALWAYS = """
    mount umount2 pivot_root open_tree move_mount mount_setattr fsopen fsconfig fsmount
    clone3 unshare setns sethostname capset prctl seccomp chroot chdir
    setresuid setresgid setgroups execve pidfd_send_signal keyctl
""".split()
# What a container's program finds. A monitor does some of it for itself, before it has its order.
IN_THE_CONTAINER = "setsid dup2 umask fchdir mkdirat open openat ioctl".split()
# Who owns what is made for a container.
OWNERS = "chown fchown".split()
# Where the kernel offers an interface as files, and for what overlay writes to. Elsewhere these
# calls write kernelbox's own notes.
ON_KERNEL_FILES = "write mkdir rmdir symlink mknod".split()
KERNEL_FILES = ("/sys/", "/proc/", "/dev/")
UPPER_AND_WORK = re.compile(r"/containers/[0-9a-f]{12}/(upper|work)$")
# Requests that strace shows as something else, or that change nothing.
NOT_COMPARED = re.compile("RTM_[A-Z]+|IPCTNL_[A-Z_]+|nft|openat2|close_range|pidfd_open|bpf")

TRACED = [*ALWAYS, *IN_THE_CONTAINER, *OWNERS, *ON_KERNEL_FILES, "mknodat", "symlinkat"]
STRACE = (
    *("strace", "-ff", "-qq", "-y", "-s", "99999", "-X", "verbose", "-e", "signal=none"),
    *("-e", "trace=" + ",".join(TRACED)),
)


class Call(NamedTuple):
    name: str
    text: str


def plain(call: str, result: str) -> Call:
    """Return a call as either side writes it, without the little differences."""
    name = call.partition("(")[0]
    # A file is its path (`write(5</proc/self/uid_map>, ...)`), and how long the text is, it says.
    call = re.sub(r'^write\(\d+<([^>]*)>, (".*"), \d+\)$', r'write("\1", \2)', call)
    call = re.sub(r"0x[0-9a-f]+ /\* \d+ vars? \*/", "envp", call)
    quoted = re.split(r'("(?:[^"\\]|\\.)*")', call)
    quoted[::2] = [_plain_unquoted(part) for part in quoted[::2]]
    call = re.sub(r"^(\w+)at\(AT_FDCWD, ", r"\1(", "".join(quoted))
    if name == "clone3":  # addresses in the caller's memory, and what came back through them
        call = re.sub(r", (pidfd|stack|stack_size)=\w+| => {.*?}", "", call)
    if name == "seccomp":  # where its instructions lie
        call = re.sub(r", filter=\w+", "", call)
    if name == "prctl":  # the rest is always zero
        call = re.sub(r"^(prctl\([^,]*, [^,]*)(, 0)*\)$", r"\1)", call)
    if name == "umask":
        call, result = (
            re.sub(r"\d+", lambda octal: str(int(octal[0], 8)), one)
            for one in (call, result.replace("0o", "0"))
        )
    return Call(call.partition("(")[0], f"{call} = {result}")


def _plain_unquoted(text: str) -> str:
    # strace -X verbose writes `0x2 /* MNT_DETACH */`. Sets of capabilities are shown as a number.
    text = re.sub(r"(\w+) /\* ([^*]*<<[^*]*) \*/", r"\1", text)
    text = re.sub(r"-?\w+ /\* (.*?) \*/", r"\1", text)
    text = text.replace("SUID_DUMP_DISABLE", "0").replace("MS_???", "0").replace("0o", "0")
    text = re.sub(r"<[^<>]*>", "", text)  # strace -y: what a descriptor is open on
    text = re.sub(r"\b0x[0-9a-f]+\b", lambda match: str(int(match[0], 16)), text)
    return re.sub(r"\w+(\|\w+)+", lambda match: "|".join(sorted(match[0].split("|"))), text)


def is_compared(call: str) -> bool:
    name = call.partition("(")[0]
    if "PR_CAPBSET_READ" in call:  # a look
        return False
    if name in ("ioctl", "openat"):
        return "TIOCSCTTY" in call or "O_CREAT" in call
    if name == "mkdirat" and "AT_FDCWD" not in call:
        return True
    name = name.removesuffix("at")
    if name in ON_KERNEL_FILES:
        paths = re.findall(r"^write\(\d+<([^>]*)>", call) or re.findall(r'"([^"]*)"', call)
        path = paths[-1 if name == "symlink" else 0]
        return path.startswith(KERNEL_FILES) or bool(UPPER_AND_WORK.search(path))
    return name in [*ALWAYS, *OWNERS, *IN_THE_CONTAINER]


LOOKS_UP = """
import os
from kernelbox.kernel import door, flags, lookup
door.sink = lambda event: print(event.request)
for bits in (os.O_PATH | os.O_DIRECTORY, os.O_RDWR | os.O_NOCTTY | os.O_NOFOLLOW):
    os.close(lookup.openat2(os.open("/", os.O_RDONLY), "dev/null" if bits & 2 else "dev", bits,
                            flags.RESOLVE_IN_ROOT | flags.RESOLVE_NO_MAGICLINKS))
"""


def test_a_lookup_is_shown_with_the_names_that_strace_has(tmp_path: Path) -> None:
    words = ["strace", "-qq", "-e", "trace=openat2", "-o", str(tmp_path / "seen")]
    shown = subprocess.run(
        [*words, sys.executable, "-c", LOOKS_UP], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    seen = (tmp_path / "seen").read_text().replace("O_RDONLY|", "")
    names = [
        [{*words.split("|")} for words in re.findall(r"[OR]_?[A-Z_]+(?:\|\w+)+", text)]
        for text in (shown, seen)
    ]
    assert names[0] == names[1] and len(names[0]) == 4, (shown, seen)


# --- what strace saw ----------------------------------------------------------------------------


def seen(prefix: Path) -> Sides:
    """Return the calls of each side, from the files that `strace -ff` wrote, one per process.

    Left out is only what other programs did than kernelbox: all calls of a process after an
    execve, and how the C library starts one (posix_spawn is a clone3 with CLONE_VFORK); and what a
    stepping stone does, which is a program of its own (`kernelbox.kernel.stepping_stone`).
    """
    files = sorted(prefix.parent.glob(f"{prefix.name}.*"), key=lambda path: int(path.suffix[1:]))
    first, *others = [list(calls(file)) for file in files]
    pids = [int(file.suffix[1:]) for file in files]
    made = {pids[0]: first[1:]}  # without its own execve, which strace made
    made |= {pid: _until_execve(others) for pid, others in zip(pids[1:], others, strict=True)}

    sides: Sides = {"runtime": [], "container": []}
    container = 0
    for pid, done in made.items():
        mine = [call for call in done if "CLONE_VFORK" not in call.text]
        names = [call.name for call in mine]
        if container and names[:1] == ["setsid"] and names[-1] == "execve":
            mine = mine[-1:]  # the stone's child: what comes before is done by no interpreter
            sides["container"] += [call.text for call in mine]
            continue
        if pid != container and mine and mine[-1].name == "execve":
            mine = [call for call in mine if call.name != "execve"]  # rm or nft
        births = [call for call in mine if call.name == "clone3"]
        if births:
            container = int(births[0].text.rpartition("= ")[2])
        side = "container" if pid == container else "runtime"
        mine = [call for call in mine if side == "container" or call.name not in IN_THE_CONTAINER]
        sides[side] += [call.text for call in mine]
    return sides


def calls(file: Path) -> Iterator[Call]:
    for line in file.read_text().splitlines():
        match = re.fullmatch(r"(\w+\(.*\))\s+= (-1 )?([-\w]+).*", line)
        assert match, f"strace says {line!r}"
        if is_compared(match[1]):
            yield plain(match[1], match[3])


def _until_execve(done: list[Call]) -> list[Call]:
    for place, call in enumerate(done):
        if call.name == "execve" and call.text.endswith("= 0"):
            return done[: place + 1]
    return done


# --- what the trace tells -----------------------------------------------------------------------


def told(trace: str) -> Sides:
    """Return the same from the lines of `--trace=json`."""
    sides: Sides = {"runtime": [], "container": []}
    for line in trace.splitlines():
        event: dict[str, Any] = json.loads(line)
        call = plain(event["request"], event["result"])
        if not NOT_COMPARED.fullmatch(call.name) and "SIOCSIFFLAGS" not in call.text:
            assert call.name in TRACED, f"a request that nobody compares: {line}"
            sides[event["side"]].append(call.text)
    return sides


def differences(strace: Sides, trace: Sides) -> list[str]:
    """Return what only one of the two has, `-` for strace and `+` for the trace."""
    return [
        line
        for side in strace
        for line in difflib.unified_diff(
            strace[side], trace[side], f"{side}: strace", f"{side}: trace", n=1, lineterm=""
        )
    ]


def agree(strace: Sides, trace: Sides) -> None:
    if wrong := differences(strace, trace):
        pytest.fail("\n".join(wrong), pytrace=False)


# --- the tests ----------------------------------------------------------------------------------

LIMITS = ("--memory=64m", "--cpus=0.5", "--pids-limit=50")
RUN = ("run", "--trace=json", "--rm", *LIMITS)


def both(kernelbox: Any, tmp_path: Path, *words: str) -> tuple[Sides, Sides]:
    """Run a command under strace; return what strace saw and what the trace tells."""
    kernelbox.ok("images")  # the image is unpacked: that takes a thread, and no container does
    done = kernelbox(*words, prefix=(*STRACE, "-o", str(tmp_path / "strace")))
    assert done.returncode == 0, done
    return seen(tmp_path / "strace"), told(done.stderr)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--network=none",), id="without a network"),
        pytest.param((), id="on the bridge"),
        pytest.param(("--network=none", "--userns=auto"), id="in a user namespace"),
        pytest.param(
            ("-t", "--init", "--read-only", "-u", "1000", "-v", "/usr/share:/a/b:ro", "-w", "/tmp"),
            id="with everything",
        ),
    ],
)
def test_the_trace_of_run_is_what_strace_sees(
    kernelbox: Any, tmp_path: Path, options: tuple[str, ...]
) -> None:
    strace, trace = both(kernelbox, tmp_path, *RUN, *options, "busybox", "true")
    agree(strace, trace)
    assert len(strace["runtime"]) > 10 and len(strace["container"]) > 50


def test_the_trace_of_exec_is_what_strace_sees(kernelbox: Any, tmp_path: Path) -> None:
    container = kernelbox.start("--network=none", "busybox", "sleep", "600")
    strace, trace = both(kernelbox, tmp_path, "exec", "--trace=json", container, "true")
    agree(strace, trace)
    assert any(call.startswith("setns(") for call in strace["runtime"])


def test_a_line_less_or_an_argument_changed_on_either_side_is_noticed(
    kernelbox: Any, tmp_path: Path
) -> None:
    strace, trace = both(kernelbox, tmp_path, *RUN, "--network=none", "busybox", "true")
    agree(strace, trace)
    for side in ("runtime", "container"):
        for place in range(len(strace[side])):
            for changed in ([], [strace[side][place] + "0"]):
                other = strace[side][:place] + changed + strace[side][place + 1 :]
                assert differences(strace | {side: other}, trace)
                assert differences(strace, trace | {side: other})
