"""What has gone through a process's network interfaces, all but the loopback: bytes in and out."""

from __future__ import annotations

from kernelbox.kernel import files
from kernelbox.plumbing.records import NamedTuple


class Traffic(NamedTuple):
    """Bytes, counted since the interfaces came to be."""

    received: int = 0
    sent: int = 0


def traffic(pid: int) -> Traffic | None:
    """Return what the network namespace of a process has received and sent; None if it has ended.

    Source: proc_pid_net(5), /proc/PID/net/dev: of a line's numbers the first and the ninth.
    """
    try:
        table = files.read(f"/proc/{pid}/net/dev")
    except OSError:  # ENOENT, or EINVAL of one that has only just ended
        return None
    received = sent = 0
    for line in table.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        if name.strip() != "lo":
            counted = numbers.split()
            received, sent = received + int(counted[0]), sent + int(counted[8])
    return Traffic(received, sent)
