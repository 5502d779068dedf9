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

Source: CVE-2019-5736, and runc's answer to it, a sealed copy of itself; memfd_create(2), "File
sealing"; elf(5); syscall(2), "Architecture calling conventions".
"""

from __future__ import annotations

import fcntl
import os

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
    """

    fd: int
    refusals: int
    heard: int

    def close_taken(self) -> None:
        """Close what is only for the process that takes the step, which is another."""
        os.close(self.fd)
        os.close(self.refusals)


def lay() -> Stone:
    """Return a stone that nobody can write to. Not recorded: it is memory of this process.

    Call it where /proc is the host's.

    Raises:
        OSError: EACCES if this host lets nothing in memory be executed (vm.memfd_noexec).
    """
    heard, refusals = os.pipe()
    return Stone(in_memory(image(os.uname().machine, refusals)), refusals, heard)


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
