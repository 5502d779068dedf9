"""Looking at the kernel from outside: what a process is in, and what there is on this host.

Nothing here asks kernelbox. A namespace is a link in /proc, a mount a line of mountinfo, a control
group a directory, a packet filter rule an answer on a netlink socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import pty
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE = 20.0  # seconds until what must happen has happened, on the busiest of machines
KERNEL_PATIENCE = 180.0  # seconds until Jupyter's kernel answers, in a lab VM that is starved
# A program takes 10 to 30 times as long there: what is tried at every one of many places natively
# is tried at some of them.
IS_EMULATED = "QEMU TCG" in Path("/proc/cpuinfo").read_text()
# Signals 32 and 33, in a mask of /proc/PID/status, are libc's own: posix_spawn(3), and so make,
# leaves them ignored in its children, and no program may change that through libc.
OF_LIBC = 3 << 31
MARK = "KERNELBOX_TESTS"  # in the environment of every process that the tests start


def soon(condition: Callable[[], Any], seconds: float = PATIENCE) -> bool:
    """Wait until `condition` is true; False if it does not become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return bool(condition())
        time.sleep(0.003)
    return True


# --- one process ----------------------------------------------------------------------------------


def namespace(pid: int | str, kind: str) -> str:
    """Return the identity of a namespace, as in `mnt:[4026531840]`; `kind` is procfs's word."""
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def status(pid: int, proc: str | Path = "/proc") -> dict[str, str]:
    """Return the lines of /proc/PID/status, such as `{"CapEff": "00000000a80425fb", ...}`."""
    lines = Path(f"{proc}/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Whether a signal has been sent to a process and not been delivered yet."""
    try:
        found = status(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return bool(int(found["ShdPnd"], 16) >> (number - 1) & 1)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return status(pid)["State"][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> list[int]:
    """Return a process's children, and theirs, and so on. Source: proc_pid_task(5), `children`."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has ended
            children = [int(one) for one in path.read_text().split()]
            found += [one for child in children for one in (child, *descendants(child))]
    return found


def peers(pid: int) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the addresses that a process has a TCP or UDP socket to, or is reaching for.

    Source: proc_pid_net(5), `tcp`: the address is in the order of the host's bytes.
    """
    sockets: set[str] = set()
    for path in entries(Path(f"/proc/{pid}/fd")):
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(path))
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets:
                found.add(_address(fields[2].partition(":")[0]))
    return {one for one in found if not one.is_unspecified}


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    words = struct.unpack(f">{len(text) // 8}I", bytes.fromhex(text))
    found = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return getattr(found, "ipv4_mapped", None) or found


def inside(pid: int, path: str) -> Path:
    """Return a path of a container's, as the host can open it: its mounts included."""
    return Path(f"/proc/{pid}/root{path}")


def enter(pid: int, kinds: str, *command: str) -> str:
    """Run one of the host's programs in some of a process's namespaces: `kinds` as for nsenter."""
    done = subprocess.run(
        ["nsenter", "-t", str(pid), *kinds.split(), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout


class Mount(NamedTuple):
    """One line of mountinfo. Source: proc_pid_mountinfo(5)."""

    device: str
    root: str
    point: str
    options: frozenset[str]
    kind: str
    source: str
    super_options: str


def mounts(pid: int | str = "self") -> list[Mount]:
    """Return the mounts that a process sees, in the order of mounting."""
    found = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        _, _, device, root, point, options, *_ = left.split(" ")
        kind, source, super_options = right.split(" ", 2)
        words = frozenset(options.split(","))
        found.append(Mount(device, root, point, words, kind, source, super_options))
    return found


def cgroup_file(pid: int, controller: str, v1: str, v2: str) -> Path:
    """Return the path of a file of the control group that `pid` is in, in the host's version."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controller in controllers.split(","):
            return Path(_hierarchy("cgroup", controller) + group, v1)
    return Path(_hierarchy("cgroup2", "") + group, v2)  # the last line is v2's


def limit_file(pid: int, controller: str, v1: str, v2: str) -> Path:
    """Return the same of the group that limits a container's process: in v1 the one above."""
    path = cgroup_file(pid, controller, v1, v2)
    return path.parents[1] / path.name if path.parent.name == "inside" else path


def _hierarchy(kind: str, controller: str) -> str:
    for mount in mounts():
        if mount.kind == kind and (not controller or controller in mount.super_options.split(",")):
            return mount.point
    raise LookupError(f"no {kind} hierarchy {controller}")


def survey(directory: str | Path) -> dict[str, tuple[object, ...]]:
    """Return what is in a directory, precisely enough to notice any write."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [Path(directory), *sorted(Path(directory).rglob("*"))]:
        seen = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(seen.st_mode) else b""
        found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_mtime_ns, content)
    return found


# --- the host -------------------------------------------------------------------------------------


def host(roots: Mapping[str, Path]) -> set[str]:
    """Return what there is that kernelbox or a test may have made, a line each.

    Args:
        roots: Directories of kernelbox's to list, by name.
    """
    found = {f"mount {one.kind} {one.source} on {one.point}" for one in mounts()}
    found |= {f"link {name}" for _, name in socket.if_nameindex()}
    found |= {f"cgroup {path}" for path in cgroups()}
    found |= {f"table {name}" for name in tables()}
    found |= {f"published port: {rule}" for rule in published()}
    found |= {f"process {pid}: {words}" for pid, words in processes()}
    for name, root in roots.items():
        for place in ("containers", "names", "trash", "networks/bridge"):
            with_links = place == "networks/bridge"  # beside the leases it holds its own notes
            found |= {
                f"{name} {place}/{one.name}"
                for one in entries(root / place)
                if one.is_symlink() or not with_links
            }
    return found


def entries(directory: Path) -> list[Path]:
    """Return what is in a directory; nothing if there is none."""
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []


def cgroups() -> list[Path]:
    """Return every control group below a `/kernelbox`, and those themselves."""
    found = []
    for top in {f"{one.point}/kernelbox" for one in mounts() if one.kind in ("cgroup", "cgroup2")}:
        with contextlib.suppress(FileNotFoundError), os.scandir(top) as inside_it:
            found += [top, *(one.path for one in inside_it if one.is_dir())]
    return [Path(path) for path in found]


_strangers: set[str] = set()  # processes that were looked at already, and are not of the tests


def file_of(pid: int | str, name: str) -> bytes:
    """Return what a file of a process's in /proc holds: there are many, so not with `Path`."""
    with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
        return file.readall()


def processes() -> Iterator[tuple[int, str]]:
    """Yield pid and command line of every process that a test of this session started.

    A child that was forked without a new program is found by its parent, any other by its mark.
    """
    mark = f"{MARK}={os.getpid()}\0".encode()
    parent = f" {os.getpid()} ".encode()
    pids = {name for name in os.listdir("/proc") if name.isdigit()}
    _strangers.intersection_update(pids)
    for pid in pids - _strangers:
        try:
            stat = file_of(pid, "stat").rpartition(b")")[2]
            if not (stat[2:].startswith(parent) or mark in file_of(pid, "environ")):
                _strangers.add(pid)
                continue
            words = file_of(pid, "cmdline").replace(b"\0", b" ")
            zombie = "(a zombie)" if stat[1:2] == b"Z" else ""
            yield int(pid), f"{words.decode(errors='replace')}{zombie}"
        except OSError:  # it has ended, or is the kernel's: it never has an environment again
            _strangers.add(pid)


def roots_in(directory: Path) -> list[Path]:
    """Return the roots of kernelbox's in a directory of a test's."""
    # Unlike Path.glob, this does not mind that a directory goes away meanwhile.
    ledgers = [one for deep in range(4) for one in glob(f"{directory}/{'*/' * deep}host/ledger")]
    return [Path(one).parent.parent for one in ledgers]


def other_roots(ours: Path) -> set[Path]:
    """Return the roots of kernelbox's outside the directory `ours`.

    They are those that processes of others name in their environment, and those of other runs of
    these tests.
    """
    tests = "pytest-of-*/pytest-*"  # and in it a worker's directory, a test's, and the root
    places = [f"{tests}/{'*/' * deep}host/ledger" for deep in (1, 2, 3)] + ["*/host/ledger"]
    tops = (tempfile.gettempdir(), "/var/lib", "/var/tmp")
    # Unlike Path.glob, this does not mind that a directory goes away meanwhile.
    ledgers = [Path(one) for top in tops for place in places for one in glob(f"{top}/{place}")]
    found = {path.parent.parent for path in ledgers}
    mark, name = f"{MARK}={os.getpid()}".encode(), b"KERNELBOX_ROOT="
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if mark not in variables:
            roots = [one.removeprefix(name) for one in variables if one.startswith(name)]
            found |= {Path(os.fsdecode(root)) for root in roots if root}
    # `pytest-current` leads to whoever came last, and that may be we.
    theirs = {root.resolve() for root in found}
    return {root for root in theirs if not root.is_relative_to(ours.resolve())}


_NFNL_SUBSYS_NFTABLES = 10 << 8
_GET_TABLE, _GET_RULE = 1, 7
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}


def tables() -> list[str]:
    """Return the packet filter's tables, such as `ip kernelbox`."""
    return [f"{family} {attributes[1]}" for family, attributes in _nftables(_GET_TABLE)]


def published() -> list[str]:
    """Return the rules in chains called `publish`: table, chain and handle."""
    found = (attributes for _, attributes in _nftables(_GET_RULE))
    return [f"{rule[1]} rule {rule[3]}" for rule in found if rule[2] == "publish"]


def _nftables(request: int) -> Iterator[tuple[str, dict[int, str]]]:
    """Yield family and first attributes of all objects of a kind.

    `nft list` says the same, but takes as long as everything else here together.
    Source: linux/netfilter/nf_tables.h, nfnetlink.h; netlink(7).
    """
    dump = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:  # NETLINK_NETFILTER
        netlink.send(
            struct.pack("=IHHIIBBH", 20, _NFNL_SUBSYS_NFTABLES | request, dump, 0, 0, 0, 0, 0)
        )
        while True:
            data = netlink.recv(1 << 17)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind in (2, 3):  # NLMSG_ERROR, NLMSG_DONE
                    return
                yield _FAMILIES.get(data[16], "?"), dict(_attributes(data[20:length]))
                data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the attributes 1 to 3: two names, and the handle of a rule."""
    while data:
        length, number = struct.unpack_from("=HH", data)
        value = data[4:length]
        if number in (1, 2, 3):
            is_handle = number == 3 and len(value) == 8
            yield (
                number,
                str(int.from_bytes(value, "big"))
                if is_handle
                else value[:-1].decode(errors="replace"),
            )
        data = data[(length + 3) & ~3 :]


# --- a terminal -----------------------------------------------------------------------------------


class Terminal:
    """A terminal with a command in it: what a person sees, and the keys a person presses."""

    def __init__(
        self, command: list[str], environment: dict[str, str], size: tuple[int, int] = (24, 80)
    ) -> None:
        """Start the command with the terminal as its controlling one."""
        self.master, self.slave = pty.openpty()
        self.resize(*size)
        self.seen = ""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=environment,
        )

    def __enter__(self) -> Terminal:
        """Be in front of it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up; the command ends like any whose terminal is closed."""
        # Three times Ctrl-C ends every program; one at a time, or they are one to the kernel.
        for _ in range(3):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                soon(lambda: not is_pending(self.process.pid, signal.SIGINT))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)

    def modes(self) -> list[Any]:
        """Return how the terminal is set: raw or not, echo or not."""
        return termios.tcgetattr(self.slave)

    def is_raw(self) -> bool:
        """Whether every key goes to the container as it is."""
        return not self.modes()[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size; the kernel sends SIGWINCH to whoever is in the foreground."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    def read(self, pattern: str) -> re.Match[str]:
        """Wait until the pattern is on the screen; next time, look only below it."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} never came: {self.seen!r}"
            if select.select([self.master], [], [], min(left, 0.1))[0]:
                self.seen += os.read(self.master, 1 << 16).decode(errors="replace")
            elif self.process.poll() is not None and not self._more():
                raise AssertionError(f"{pattern!r} never came: {self.seen!r}")
        self.seen = self.seen[match.end() :]
        return match

    def read_until(self, pattern: str) -> str:
        """As `read`, but return all that was on the screen before the match, too."""
        match = self.read(pattern)
        return match.string[: match.end()]

    def takes_more(self) -> bool:
        """Whether a key that is pressed now goes anywhere."""
        return bool(select.select([], [self.master], [], 0)[1])

    def glance(self) -> None:
        """Read what is on the screen, or will be in a moment."""
        if select.select([self.master], [], [], 0.02)[0]:
            self.seen += os.read(self.master, 1 << 16).decode(errors="replace")

    def _more(self) -> bool:
        return bool(select.select([self.master], [], [], 0)[0])

    def end(self) -> int:
        """Read until the command has ended; return its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None or self._more():
            if self._more():
                self.seen += os.read(self.master, 1 << 16).decode(errors="replace")
            assert time.monotonic() < deadline, f"it does not end: {self.seen!r}"
            time.sleep(0.002)
        return self.process.returncode

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.type("\x03")
