"""A stepping stone: the smallest program there is, between this interpreter and a container's.

A process that becomes a container's program is, until then, this interpreter, and the interpreter's
file is the host's. Whoever makes the kernel run `/proc/self/exe` in its place, by a link exchanged
at the right moment, by a `#!` line or as an ELF file's loader, has it open, and root may write it.
So the process becomes the stone first: a file in memory that nobody can ever write. Whatever leads
to "the program that is running" leads to the stone then, and there is nothing to win.

All it does, in about twenty instructions (C, for a reader):

    int main(int argc, char **argv, char **envp) {        // argv: the path, then the arguments
        if (fcntl(FD, F_SETFD, FD_CLOEXEC) < 0)
            exit(127);                                    // who leads back here gets nowhere
        char refusal = -execve(argv[0], argv + 1, envp);
        write(FD, &refusal, 1);                           // only if there is no such program
        exit(127);
    }

A container's process with CAP_SYS_PTRACE, and no user namespace between, may look into whoever is
in its PID namespace, and change it: PR_SET_DUMPABLE hides nothing from it. Who enters such a
container is the interpreter, with all that root may do, and so it stays outside of that namespace:
only a child of the stone's is in there, which has nothing that the program will not have (`Errand`;
the flags of clone are CLONE_PARENT, CLONE_VFORK and SIGCHLD):

        if (fcntl(FD, F_SETFD, 0) < 0)
            exit(127);
        if ((pid = clone(0xc011)) != 0)                   // until the child is the program, or gone
            return write(FD, &pid, 4);                    // whoever waits is its parent
        for (each call that is left for it)               // setsid, and what else is not inherited
            if ((refusal = -call()) > 0)
                return write(FD, &refusal, 1);

Source: CVE-2019-5736, and runc's answer to it, a sealed copy of itself; CVE-2016-9962; ptrace(2),
"Ptrace access mode checking"; memfd_create(2), "File sealing"; elf(5); syscall(2), "Architecture
calling conventions".
"""

from __future__ import annotations

import fcntl
import os

from kernelbox.kernel import flags as k
from kernelbox.plumbing.light import struct
from kernelbox.plumbing.records import NamedTuple

# Machine, and code; {fd} loads the first argument's register with the descriptor.
_CODE = {
    "x86_64": (
        62,
        "{fd} be02000000 ba01000000 b848000000 0f05"  # fcntl(FD, F_SETFD, FD_CLOEXEC)
        "4885c0 7831"  # if that fails: exit
        "488b7c2408 488d742410 488b0424 488d54c410 b83b000000 0f05"  # execve
        "f7d8 50 {fd} 4889e6 ba01000000 b801000000 0f05"  # write(FD, its errno, 1)
        "bf7f000000 b83c000000 0f05",  # exit(127)
    ),
    "aarch64": (
        183,
        "{fd} 410080d2 220080d2 280380d2 010000d4"
        "c001f8b7"
        "e30340f9 e00740f9 e1430091 220c038b a81b80d2 010000d4"
        "e00300cb e00300f9 {fd} e1030091 220080d2 080880d2 010000d4"
        "e00f80d2 a80b80d2 010000d4",
    ),
    "riscv64": (
        243,
        "{fd} 93052000 13061000 93089001 73000000"
        "634e0502"
        "83360100 03358100 93050101 93963600 3386d500 9308d00d 73000000"
        "3305a040 2330a100 {fd} 93050100 13061000 93080004 73000000"
        "1305f007 9308d005 73000000",
    ),
}
_LOAD_DESCRIPTOR = {
    "x86_64": lambda fd: struct.pack("<BI", 0xBF, fd),
    "aarch64": lambda fd: struct.pack("<I", 0xD2800000 | fd << 5),
    "riscv64": lambda fd: struct.pack("<I", 0x00000513 | fd << 20),
}
# With a child, behind which lies a table: each call's number and four arguments; then -1.
_BEARING = {
    "x86_64": (
        "{fd} be02000000 31d2 b848000000 0f05"  # fcntl(FD, F_SETFD, 0)
        "4885c0 0f8898000000"  # if that fails: exit
        "bf11c00000 31f6 31d2 4531d2 4531c0 b838000000 0f05"  # clone(0xc011, 0, 0, 0, 0)
        "4885c0 7866 741e"  # if that fails: tell why; the child goes to its table
        "50 {fd} 4889e6 ba04000000 b801000000 0f05"  # write(FD, its pid, 4)
        "31ff b83c000000 0f05"  # exit(0)
        "488d1d62000000"  # the table
        "488b03 4885c0 781d"  # at its end: execve
        "488b7b08 488b7310 488b5318 4c8b5320 0f05"  # a call
        "4885c0 7820 4883c328 ebdb"  # if that fails: tell why; the next
        "488b7c2408 488d742410 488b0424 488d54c410 b83b000000 0f05"  # execve
        "f7d8 50 {fd} 4889e6 ba01000000 b801000000 0f05"  # write(FD, its errno, 1)
        "bf7f000000 b83c000000 0f05"  # exit(127)
    ),
}
_NUMBERS = {  # of the calls that it makes
    "x86_64": {
        "write": 1, "ioctl": 16, "clone": 56, "exit": 60, "fcntl": 72, "setsid": 112, "prctl": 157,
        "prlimit64": 302,
    },
}  # fmt: skip
_CLONE_FLAGS = 0x8000 | 0x4000 | 17  # CLONE_PARENT, CLONE_VFORK, SIGCHLD
_PR_SET_PDEATHSIG, _SIGKILL, _RLIMIT_NPROC = 1, 9, 6
_ADDRESS, _HEADERS = 0x400000, 64 + 56
_MFD_EXEC = 0x10  # since Linux 6.3


def image(machine: str, refusals: int) -> bytes:
    """Return the stone for a machine: an ELF file of some 200 bytes.

    Args:
        machine: As `uname -m` calls it.
        refusals: The descriptor that it tells a refusal on.
    """
    number, text = _CODE[machine]
    return elf(number, bytes.fromhex(text.format(fd=_LOAD_DESCRIPTOR[machine](refusals).hex())))


class Errand(NamedTuple):
    """What is left for the child of a stone that bears one: what no child inherits, or may have.

    It leads a session of its own.

    Attributes:
        terminal: Whether its standard input is the terminal of that.
        dies_with_parent: Whether it is killed at the end of whoever waits for it.
        processes: How many of its user's there may be, soft and hard limit (RLIMIT_NPROC): whoever
            bears it counts, too. None for as many as may be of its maker's.
    """

    terminal: bool = False
    dies_with_parent: bool = False
    processes: tuple[int, int] | None = None


def can_bear(machine: str) -> bool:
    """Whether there is a stone for a machine, by its `uname -m`, that bears a child."""
    return machine in _BEARING


def calls(machine: str, errand: Errand) -> list[tuple[int, ...]]:
    """Return what a stone that bears a child calls before execve(2): numbers with arguments.

    A filter of system calls has to let all of it pass. Descriptors and addresses are any.

    Args:
        machine: One that it can be done on.
        errand: What the child has to do.
    """
    number = _NUMBERS[machine]
    own = [(number["fcntl"], 3, fcntl.F_SETFD, 0), (number["clone"], _CLONE_FLAGS)]
    return [*own, (number["write"], 3), (number["exit"],), *_table(machine, 3, errand, 0)]


def _table(machine: str, refusals: int, errand: Errand, limits: int) -> list[tuple[int, ...]]:
    number = _NUMBERS[machine]
    found: list[tuple[int, ...]] = [
        (number["fcntl"], refusals, fcntl.F_SETFD, fcntl.FD_CLOEXEC),
        (number["setsid"],),
    ]
    if errand.dies_with_parent:
        found.append((number["prctl"], _PR_SET_PDEATHSIG, _SIGKILL))
    if errand.terminal:
        found.append((number["ioctl"], 0, k.TIOCSCTTY, 0))
    if errand.processes is not None:
        found.append((number["prlimit64"], 0, _RLIMIT_NPROC, limits, 0))
    return found


def bearing_image(machine: str, refusals: int, errand: Errand) -> bytes:
    """Return the stone that bears a child: an ELF file of some 500 bytes.

    Args:
        machine: One that it can be done on.
        refusals: The descriptor that it tells a refusal on.
        errand: What the child has to do.
    """
    load = _LOAD_DESCRIPTOR[machine](refusals).hex()
    code = bytes.fromhex(_BEARING[machine].format(fd=load))
    length = 40 * len(_table(machine, refusals, errand, 0)) + 8
    limits = _ADDRESS + _HEADERS + len(code) + length
    table = b"".join(
        struct.pack("<5Q", *(*call, 0, 0, 0, 0)[:5])
        for call in _table(machine, refusals, errand, limits)
    )
    behind = struct.pack("<q2Q", -1, *(errand.processes or (0, 0)))
    return elf(_CODE[machine][0], code + table + behind)


def elf(number: int, code: bytes) -> bytes:
    """Return an ELF file that is some machine code and no more. Source: elf(5).

    Args:
        number: Of the machine, EM_...
        code: It begins with its first instruction.
    """
    size = _HEADERS + len(code)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    executable, version, entry = 2, 1, _ADDRESS + _HEADERS
    head = struct.pack(
        "<HHIQQQIHHHHHH", executable, number, version, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    load, readable_executable = 1, 5
    segment = struct.pack(
        "<IIQQQQQQ", load, readable_executable, 0, _ADDRESS, _ADDRESS, size, size, 0x10000
    )
    return ident + head + segment + code


class Stone(NamedTuple):
    """A stone, and how to hear of a refusal.

    Attributes:
        fd: Of the file in memory.
        refusals: What the process that takes the step keeps: closed once there is a program.
        heard: The other end, for whoever waits: one byte, the errno, or the end of the file.
        bears: Whether a child of its is to be the program, whose pid comes then: four bytes.
    """

    fd: int
    refusals: int
    heard: int
    bears: bool = False

    def close_taken(self) -> None:
        """Close what is only for the process that takes the step, which is another."""
        os.close(self.fd)
        os.close(self.refusals)


def lay(errand: Errand | None = None) -> Stone:
    """Return a stone that nobody can write to. Not recorded: it is memory of this process.

    Call it where /proc is the host's.

    Args:
        errand: What a child of the stone's shall do; None for a stone without one.

    Raises:
        OSError: EACCES if this host lets nothing in memory be executed (vm.memfd_noexec).
    """
    heard, refusals = os.pipe()
    machine = os.uname().machine
    if errand is None:
        return Stone(in_memory(image(machine, refusals)), refusals, heard)
    program = bearing_image(machine, refusals, errand)
    return Stone(in_memory(program), refusals, heard, bears=True)


def in_memory(program: bytes) -> int:
    """Return a descriptor of a file in memory that can be executed, and never be written to.

    Raises:
        OSError: EACCES if this host lets nothing in memory be executed (vm.memfd_noexec).

    Source: memfd_create(2), "File sealing".
    """
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create("kernelbox", flags | _MFD_EXEC)
    except OSError:  # EINVAL: an older kernel, where every one may be executed
        fd = os.memfd_create("kernelbox", flags)
    try:
        os.write(fd, program)
        every = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, every)
        # What is open for writing is not executed (ETXTBSY).
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)


def take(stone: Stone, path: str, arguments: list[str], environment: dict[str, str]) -> None:
    """Become the stone, and with that the program at `path`, or nothing. Returns only by raising.

    Raises:
        OSError: E2BIG; EACCES if nothing in memory may be executed here.

    Source: execveat(2), AT_EMPTY_PATH.
    """
    os.set_inheritable(stone.refusals, True)
    os.execve(stone.fd, [path, *arguments], environment)
