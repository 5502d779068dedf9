"""Checks of the programs that the labs and their tests use."""

from __future__ import annotations

import struct

from kernelbox.lab.doctor.findings import Finding
from kernelbox.lab.doctor.host import Host

_OLDEST_PYTHON = (3, 11)
_TINI = "/usr/bin/tini-static"  # static, since it is shown to containers without a C library


def python(host: Host) -> Finding:
    """Is the interpreter new enough?"""
    seen = ".".join(map(str, host.python))
    if host.python >= _OLDEST_PYTHON:
        return Finding("python", "ok", f"This is Python {seen}.")
    return Finding(
        "python",
        "fail",
        f"This is Python {seen}; kernelbox needs {'.'.join(map(str, _OLDEST_PYTHON))} or later.",
        "Debian 12 and Ubuntu 24.04 have it: apt-get install python3-venv. Elsewhere: uv python "
        "install 3.12",
    )


def busybox(host: Host) -> Finding:
    """Is there a static busybox, which the embedded image is made of?"""
    program = host.program("busybox")
    if program and _is_static(host.path(program)):
        return Finding("busybox", "ok", f"{program} is static: the embedded image is made of it.")
    seen = f"{program} needs shared libraries" if program else "There is no busybox"
    return Finding(
        "busybox",
        "note",
        f"{seen}; the embedded image is made of this host's own shell and tools instead.",
        "sudo apt-get install busybox-static",
    )


def _is_static(path: str) -> bool:
    """Return whether an ELF program asks for no dynamic loader (it has no PT_INTERP header).

    Source: elf(5).
    """
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":  # a script, or not a 64-bit program
            return False
        (offset,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
    interpreter = 3
    types = [struct.unpack_from("<I", table, size * row)[0] for row in range(count)]
    return interpreter not in types


def tini(host: Host) -> Finding:
    """Is there a tini for `run --init`?"""
    if host.exists(_TINI):
        return Finding("tini", "ok", f"{_TINI} is there for `run --init`.")
    return Finding(
        "tini",
        "note",
        f"There is no {_TINI}; only `run --init` wants it.",
        "sudo apt-get install tini",
    )


def comparison(host: Host) -> Finding:
    """Are the programs there that the tests compare kernelbox with?"""
    missing = [name for name in ("runc", "strace") if not host.program(name)]
    if not missing:
        return Finding("comparison", "ok", "runc and strace are there for the tests.")
    return Finding(
        "comparison",
        "note",
        f"There is no {' and no '.join(missing)}; only `make test` wants them.",
        f"sudo apt-get install {' '.join(missing)}",
    )
