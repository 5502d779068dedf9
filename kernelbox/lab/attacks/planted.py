"""What the attacks are after, put there by the lab: a file, a disk, a key, and a process."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelbox.plumbing import paths
from kernelbox.seccomp import machines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.notebook import Lab

SECRET = "this is the host's"
_DISK = 1 << 20  # bytes
_LAST = 300  # seconds that the key lasts if nobody takes it away

# Source: name_to_handle_at(2); keyctl(2), KEYCTL_LINK, KEYCTL_SET_TIMEOUT and KEYCTL_UNLINK;
# systemd.exec(5), KeyringMode=.
_PLANT = """
import ctypes, os, struct

libc = ctypes.CDLL(None, use_errno=True)

def asked(number, *arguments):
    numbers = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    answer = libc.syscall(ctypes.c_long(number), *numbers)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer

def plant(path, disk, secret, name, calls, lasting):
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secret)
    with open(disk, "r+b") as device:
        device.write(secret.encode())
    # A key's time is set by who possesses it, and under systemd no keyring leads to the user's.
    asked(calls["keyctl"], 8, -4, -2)
    key = asked(calls["add_key"], b"user", name.encode(), secret.encode(), len(secret), -4)
    asked(calls["keyctl"], 15, key, lasting)
    handle, mount = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0), 136), ctypes.c_int()
    asked(calls["name_to_handle_at"], -100, path.encode(), handle, ctypes.byref(mount), 0)
    size, kind = struct.unpack("=Ii", handle.raw[:8])
    number = os.stat(disk).st_rdev
    return {
        "handle": [kind, handle.raw[8 : 8 + size].hex()],
        "disk": [os.major(number), os.minor(number)],
        "planted": key,
    }
"""


@contextmanager
def planted(box: Lab) -> Iterator[dict[str, Any]]:
    """Plant what the attacks are after; yield what they are told of it. All of it goes again."""
    name = f"kernelbox-{os.urandom(4).hex()}"
    path = f"{paths.root()}/{name}"
    calls = machines.this().numbers
    victim, disk = box.hold(), box.disk(_DISK)
    told: dict[str, Any] = {}
    try:
        victim.python(_PLANT)
        told = victim.evaluate(
            f"plant({path!r}, {disk.path!r}, {SECRET!r}, {name!r}, {calls!r}, {_LAST})"
        )
        yield {
            **told,
            "file": path,
            "key": name,
            "victim": victim.pid,
            "calls": calls,
            "boot": Path("/proc/sys/kernel/random/boot_id").read_text(),
        }
    finally:
        if told:
            victim.python(f"asked({calls['keyctl']}, 9, {told['planted']}, -4)")
        victim.python(f"if os.path.exists({path!r}): os.unlink({path!r})")
        victim.end()
        disk.remove()
