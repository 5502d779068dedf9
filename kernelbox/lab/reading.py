"""What a notebook reads in /proc, over and over: processes, mounts, capabilities.

    from kernelbox.lab.reading import alive, mountinfo, status

Each is a few lines that a chapter has you read once. They only read: everybody may.
"""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.lab.held import Held

_EXITING = 0x4  # include/linux/sched.h, PF_EXITING
_FEW = 6  # capabilities from which on a set is counted, and not listed


def status(pid: int | str) -> dict[str, str]:
    """Return what /proc/PID/status says: a dict of its lines.

    Raises:
        OSError: ENOENT, ESRCH: there is no such process.

    Source: proc_pid_status(5).
    """
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    parted = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in parted}


def alive(pid: int | str) -> bool:
    """Say whether there is such a process, and more of it than a zombie."""
    try:
        return status(pid)["State"][0] not in "ZX"
    except OSError:
        return False


def is_ending(fields: list[str], status: str) -> bool:
    """Say whether a process was killed or is on its way out, and no zombie yet.

    It gives up its files and namespaces first, and still looks as if it slept, or ran.

    Args:
        fields: Of its /proc/PID/stat, from the third on.
        status: The text of its /proc/PID/status, read before: SIGKILL is pending first.

    Source: proc_pid_stat(5), flags; proc_pid_status(5), ShdPnd; kernel/exit.c, do_exit().
    """
    pending = [int(one, 16) for one in re.findall(r"^S(?:ig|hd)Pnd:\s*(\w+)", status, re.M)]
    killed = any(one >> (signal.SIGKILL - 1) & 1 for one in pending)
    return killed or bool(int(fields[6]) & _EXITING)


def children(pid: int) -> dict[int, str]:
    """Return the children of a process: PID and state of each."""
    parent = str(pid).encode()
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # it has just ended
            # There are hundreds, and of each a line is read, not sixty.
            if Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[1] == parent:
                found[int(name)] = status(name)["State"]
    return found


def until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    """Wait until a condition holds, for so long at most; say whether it does."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def host_uid(process: Held) -> int:
    """Return the user a process is on the host: the second uid, the effective one."""
    return int(status(process.pid)["Uid"].split()[1])


def sets(process: Held, names: str = "Inh Prm Eff Bnd Amb") -> None:
    """Print the capability sets of a process: the names in each, or how many.

    Source: capabilities(7), "Thread capability sets".
    """
    from kernelbox.users import capabilities

    every = (1 << int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1) - 1
    for name in names.split():
        bits = int(status(process.pid)[f"Cap{name}"], 16)
        few = " ".join(capabilities.names(bits)) if bits.bit_count() < _FEW else bits.bit_count()
        print(f"Cap{name}  {'every one' if bits == every else few or '-'}")


def mountinfo(pid: int | str = "self") -> list[str]:
    """Return the lines of a process's mountinfo; without a PID, of this notebook's.

    Raises:
        OSError: ENOENT, ESRCH, EINVAL: there is no such process, or no more of it than a zombie.

    Source: proc_pid_mountinfo(5).
    """
    path = Path(f"/proc/{pid}/mountinfo")
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def mount_points(pid: int | str = "self") -> list[str]:
    """Return where these mounts are, in order."""
    return [line.split()[4] for line in mountinfo(pid)]


def spread(*processes: Held) -> None:
    """Print how each mount of some processes spreads, in mountinfo's words.

    Letters stand for the numbers of peer groups, which are others in every run.

    Source: mount_namespaces(7), "Shared subtrees".
    """
    letters: dict[str, str] = {}
    for process in processes:
        name = status(process.pid)["Name"]
        for line in mountinfo(process.pid):
            fields = line.split()
            words = []
            for field in fields[6 : fields.index("-")]:
                word, colon, group = field.partition(":")
                letter = letters.setdefault(group, chr(65 + len(letters))) if group else ""
                words.append(word + colon + letter)
            print(f"{name:8} {fields[4]:10} {' '.join(words) or 'private'}")
