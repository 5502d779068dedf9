"""Checks of the kernel: version, system calls, namespaces, user namespaces, seccomp, pressure."""

from __future__ import annotations

import errno
import re

from kernelbox.lab.doctor.findings import Finding
from kernelbox.lab.doctor.host import Host

_OLDEST = (5, 14)  # cgroup.kill; Debian 12 has 6.1, Ubuntu 22.04 has 5.15
_MACHINES = ("x86_64", "aarch64", "riscv64")
_NEWER = "Install a newer kernel, for example that of Debian 12 or Ubuntu 22.04 and later."

# For each call: its number (the same on every machine) and arguments it must refuse.
_BAD = 0xFFFFFFFF
_CALLS: dict[str, tuple[int, tuple[int | None, ...]]] = {
    "pidfd_send_signal": (424, (-1, 0, None, _BAD)),
    "open_tree": (428, (-1, None, _BAD)),
    "move_mount": (429, (-1, None, -1, None, _BAD)),
    "fsopen": (430, (None, _BAD)),
    "fsconfig": (431, (-1, _BAD, None, None, 0)),
    "fsmount": (432, (-1, _BAD, _BAD)),
    "pidfd_open": (434, (-1, _BAD)),
    "clone3": (435, (None, 0)),
    "close_range": (436, (1, 0, _BAD)),
    "openat2": (437, (-1, None, None, 0)),
    "mount_setattr": (442, (-1, None, _BAD, None, 0)),
}
_NEEDED_KINDS = ("mnt", "pid", "net", "uts", "ipc", "cgroup")
_OTHER_KINDS = ("user", "time")
# How unshare(1) makes them; user namespaces have a check of their own.
_OPTIONS = {"mnt": "--mount", "pid": "--pid", "net": "--net", "uts": "--uts", "ipc": "--ipc"}
_OPTIONS |= {"cgroup": "--cgroup", "time": "--time"}


def kernel(host: Host) -> Finding:
    """Is the kernel new enough, and of a machine whose system calls we know?"""
    release = host.release()
    seen = f"Linux {release} on {host.machine}"
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if not numbers:
        return Finding("kernel", "warn", f"The kernel's release cannot be read ({release!r}).")
    if host.machine not in _MACHINES:
        return Finding(
            "kernel",
            "fail",
            f"{seen}: kernelbox knows the system calls of {', '.join(_MACHINES)}.",
            "Use a 64-bit system on one of these machines.",
        )
    if (int(numbers[1]), int(numbers[2])) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return Finding("kernel", "warn", f"{seen}; the labs want {oldest} or later.", _NEWER)
    return Finding("kernel", "ok", f"{seen}.")


def requests(host: Host) -> Finding:
    """Does the kernel know the newer system calls? Each is asked, in a way it must refuse.

    Source: clone3(2), pidfd_open(2), openat2(2), mount_setattr(2), fsopen(2), ...
    """
    unknown, refused = [], []
    for name, (number, arguments) in _CALLS.items():
        answer = host.request(number, *arguments)
        if answer == errno.ENOSYS:
            unknown.append(name)
        elif answer == errno.EPERM and host.capable("SYS_ADMIN"):
            refused.append(name)
    if unknown:
        return Finding(
            "requests",
            "fail",
            f"The kernel says it does not know {', '.join(unknown)}.",
            f"{_NEWER} In a container: --security-opt seccomp=unconfined.",
        )
    if refused:
        return Finding(
            "requests",
            "fail",
            f"We are forbidden to use {', '.join(refused)}: by a seccomp filter, or because we are "
            "root of a user namespace only.",
            "Run as root of the host itself, or start the container around us with --privileged.",
        )
    return Finding(
        "requests", "ok", "The kernel knows clone3, pidfds, openat2 and the new mount calls."
    )


def namespaces(host: Host) -> Finding:
    """Does the kernel have every kind of namespace, and does it make one of each for us?

    Source: namespaces(7), including /proc/sys/user/max_*_namespaces.
    """
    kinds = (*_NEEDED_KINDS, *_OTHER_KINDS)
    missing = [kind for kind in kinds if not host.exists(f"/proc/self/ns/{kind}")]
    closed = [k for k in _OPTIONS if host.read(f"/proc/sys/user/max_{k}_namespaces") == "0"]
    if missing:
        return Finding(
            "namespaces",
            "fail" if set(missing) & set(_NEEDED_KINDS) else "warn",
            f"This kernel has no namespaces of kind {', '.join(missing)}.",
            _NEWER,
        )
    if closed:
        return Finding(
            "namespaces",
            "fail",
            f"A limit of 0 forbids namespaces of kind {', '.join(closed)}.",
            "sudo sysctl -w " + " ".join(f"user.max_{kind}_namespaces=10000" for kind in closed),
        )
    if not host.capable("SYS_ADMIN"):
        return Finding(
            "namespaces", "note", "All eight kinds are there; none was made, which needs root."
        )
    answer = host.run(["unshare", "--fork", *_OPTIONS.values(), "true"], None)
    if answer.code != 0:
        return Finding(
            "namespaces",
            "fail",
            f"The kernel has all eight kinds but made none for us: {answer.why}",
            "If we are in a container, start it with --privileged.",
        )
    return Finding("namespaces", "ok", "All eight kinds are there, and one of each was made.")


def user_namespaces(host: Host) -> Finding:
    """May user namespaces be made, by us and by ordinary users?

    Source: user_namespaces(7); Ubuntu's "Restricted unprivileged user namespaces".
    """
    name = "user namespaces"
    if host.read("/proc/sys/user/max_user_namespaces") == "0":
        return Finding(
            name,
            "warn",
            "A limit of 0 forbids user namespaces: --userns and chapter 7 will not work.",
            "sudo sysctl -w user.max_user_namespaces=10000",
        )
    if host.read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return Finding(
            name,
            "note",
            "Root may make user namespaces, ordinary users may not (Debian's switch).",
            "Nothing to do as root. For others: sudo sysctl -w kernel.unprivileged_userns_clone=1",
        )
    if host.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return Finding(
            name,
            "note",
            "Root may make user namespaces. Those of ordinary users get no capabilities: AppArmor "
            "takes them away (Ubuntu 23.10 and later).",
            "Nothing to do as root. For others: "
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    answer = host.run(["unshare", "--user", "--map-root-user", "true"], None)
    if answer.code != 0:
        return Finding(
            name,
            "warn",
            f"No user namespace could be made: {answer.why}",
            "If we are in a container, start it with --privileged; "
            "otherwise look for a security module that forbids it (dmesg).",
        )
    return Finding(name, "ok", "A user namespace was made, with a root of its own.")


def seccomp(host: Host) -> Finding:
    """Can programs be filtered, and are we filtered ourselves?

    Source: seccomp(2); proc_pid_status(5), Seccomp.
    """
    if "errno" not in host.read("/proc/sys/kernel/seccomp/actions_avail").split():
        return Finding(
            "seccomp",
            "fail",
            "This kernel has no seccomp filters: no container starts with the default profile.",
            "Use a kernel built with CONFIG_SECCOMP_FILTER; --security-opt seccomp=unconfined goes "
            "without.",
        )
    if host.status("Seccomp") == "2":
        return Finding(
            "seccomp",
            "note",
            "Filters work; one lies on us already, as container engines do it. "
            "It may refuse what the labs ask for.",
            "Start the container around us with --security-opt seccomp=unconfined.",
        )
    return Finding("seccomp", "ok", "Filters work, and none lies on us.")


def pressure(host: Host) -> Finding:
    """Does the kernel measure pressure (PSI)?

    Source: `Documentation/accounting/psi.rst`.
    """
    if host.read("/proc/pressure/memory"):
        return Finding("pressure", "ok", "Pressure (PSI) is measured.")
    return Finding(
        "pressure",
        "note",
        "Pressure (PSI) is not measured; cells that show it say so and go on.",
        "Boot with psi=1 on the kernel's command line.",
    )
