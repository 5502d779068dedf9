"""What an executable needs of the system it runs on: its interpreter and its shared libraries.

Only for the host's own, trusted programs: to list the libraries, their interpreter is run.
"""

from __future__ import annotations

import struct

from kernelbox.kernel.errors import UsageError

_PT_INTERP = 3


def interpreter(path: str) -> str:
    """Return the program interpreter that an ELF file asks for; "" if it is statically linked.

    Args:
        path: An executable.

    Raises:
        UsageError: It is no ELF file, for example a script.
        OSError: It cannot be read.

    Source: elf(5), sections ELF header and Program header (PT_INTERP).
    """
    with open(path, "rb") as file:
        header = file.read(64)
        if header[:4] != b"\x7fELF" or len(header) < 52:
            raise UsageError(f"{path} is not an ELF file")
        order = "<" if header[5] == 1 else ">"
        if header[4] == 2:  # 64-bit
            word, table_at, sizes_at, offset_at, length_at = "Q", 32, 54, 8, 32
        else:
            word, table_at, sizes_at, offset_at, length_at = "I", 28, 42, 4, 16
        (table,) = struct.unpack_from(order + word, header, table_at)
        size, count = struct.unpack_from(order + "HH", header, sizes_at)
        for index in range(count):
            file.seek(table + index * size)
            segment = file.read(size)
            if struct.unpack_from(order + "I", segment) == (_PT_INTERP,):
                (offset,) = struct.unpack_from(order + word, segment, offset_at)
                (length,) = struct.unpack_from(order + word, segment, length_at)
                file.seek(offset)
                return file.read(length).rstrip(b"\0").decode()
    return ""


def libraries(path: str) -> list[str]:
    """Return the files that an executable loads: its interpreter and its shared libraries.

    Args:
        path: A trusted executable of this host. Its interpreter is run with `--list`, as ldd(1)
            does.

    Raises:
        UsageError: It is no ELF file, or the interpreter cannot list what it needs.

    Source: ld.so(8), option --list; ldd(1), section Security.
    """
    import subprocess  # an image is made once; nothing else here needs to start a program

    loader = interpreter(path)
    if not loader:
        return []
    run = subprocess.run(
        [loader, "--list", path], env={}, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise UsageError(f"{loader} cannot list the libraries of {path}")
    found = {loader}
    for line in run.stdout.splitlines():
        # "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f...)"; the kernel's vdso has no path.
        found.update([word for word in line.split() if word.startswith("/")][-1:])
    return sorted(found)
