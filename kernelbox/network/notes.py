"""What was found or done since the host was started: notes beside a network's leases.

A note is true of one boot only. After the next, /etc/sysctl.d has spoken again of forwarding, and
generations of rules are counted anew; so whoever writes one writes the boot into it.
"""

from __future__ import annotations

from kernelbox.kernel import files
from kernelbox.network.addresses import DEFAULT, directory


def note(name: str, text: str, network: str = DEFAULT) -> None:
    """Write a note. Raises OSError: ENOSPC, EROFS."""
    with open(f"{directory(network)}/{name}", "w", encoding="ascii") as file:
        file.write(text)


def noted(name: str, network: str = DEFAULT) -> str:
    """Return what was noted; empty if nothing was."""
    try:
        with open(f"{directory(network)}/{name}", encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def boot_id() -> str:
    """Return what is another one after each start of the host. Source: random(4)."""
    return files.read("/proc/sys/kernel/random/boot_id")
