"""Programs that the kernel runs itself: loading one that decides on devices, and attaching it.

How such a program is put together is the business of whoever has one (cgroup/devices.py).

Source: bpf(2); linux/bpf.h, `union bpf_attr`.
"""

from __future__ import annotations

from kernelbox.kernel.door import Structure, Symbol, request
from kernelbox.kernel.foreign import ctypes
from kernelbox.kernel.syscalls import by_name
from kernelbox.plumbing.light import struct

_PROG_LOAD, _PROG_ATTACH, _PROG_QUERY = 5, 8, 16
_TYPE_CGROUP_DEVICE = 15
_ATTACH_CGROUP_DEVICE = 6
_EFFECTIVE = 1
_ALLOW_MULTI = 2  # beside those of the groups above: whatever one of them forbids is forbidden
_BYTES_OF_AN_INSTRUCTION = 8


def load_device_program(program: bytes) -> int:
    """Load a program that is asked at each use of a device; return its descriptor.

    Args:
        program: Its instructions, 8 bytes each.

    Raises:
        KernelError: EINVAL if the kernel's verifier refuses it, or knows no such programs; EPERM
            without CAP_SYS_ADMIN or CAP_BPF.

    Source: bpf(2), BPF_PROG_LOAD; `Documentation/admin-guide/cgroup-v2.rst`, "Device controller".
    """
    count = len(program) // _BYTES_OF_AN_INSTRUCTION
    code, license_ = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"MIT")
    addresses = (ctypes.addressof(code), ctypes.addressof(license_))
    attributes = struct.pack("=IIQQ24x", _TYPE_CGROUP_DEVICE, count, *addresses)
    shown = Structure(
        prog_type=Symbol("BPF_PROG_TYPE_CGROUP_DEVICE"), insn_cnt=count, license="MIT"
    )
    return _bpf("BPF_PROG_LOAD", _PROG_LOAD, attributes, shown)


def attach_to_group(group: int, program: int) -> None:
    """Have a program asked for all processes in a cgroup v2, and below it.

    Args:
        group: The group's directory, open.
        program: From `load_device_program`.

    Raises:
        KernelError: EBADF if it is no directory of cgroup v2; EPERM if a group above allows none.

    Source: bpf(2), BPF_PROG_ATTACH.
    """
    attributes = struct.pack("=IIII", group, program, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI)
    shown = Structure(
        target_fd=group,
        attach_bpf_fd=program,
        attach_type=Symbol("BPF_CGROUP_DEVICE"),
        attach_flags=Symbol("BPF_F_ALLOW_MULTI"),
    )
    _bpf("BPF_PROG_ATTACH", _PROG_ATTACH, attributes, shown)


def device_programs(group: int) -> int:
    """Return how many programs decide on devices for a cgroup v2, by itself or from above.

    Looking changes nothing: it is not recorded.

    Args:
        group: The group's directory, open.

    Raises:
        OSError: EBADF if it is no directory of cgroup v2; EPERM.

    Source: linux/bpf.h, BPF_PROG_QUERY, BPF_F_QUERY_EFFECTIVE.
    """
    attributes = struct.pack("=IIIIQI12x", group, _ATTACH_CGROUP_DEVICE, _EFFECTIVE, 0, 0, 0)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    by_name("bpf", ctypes.c_int(_PROG_QUERY), buffer, ctypes.c_uint(len(attributes)))
    (count,) = struct.unpack_from("=I", buffer, 24)
    return int(count)


def _bpf(name: str, command: int, attributes: bytes, shown: Structure) -> int:
    size = len(attributes)
    buffer = ctypes.create_string_buffer(attributes, size)
    return request(
        "bpf",
        (Symbol(name), shown, size),
        lambda: by_name("bpf", ctypes.c_int(command), buffer, ctypes.c_uint(size)),
    )
