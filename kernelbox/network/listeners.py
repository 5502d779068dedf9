"""Which program of the host's has a port."""

from __future__ import annotations

import os


def listener(protocol: str, port: int) -> str:
    """Name the program that has a port: the owner of the socket that /proc/net lists for it."""
    inodes = set()
    for family in ("", "6"):
        try:
            with open(f"/proc/net/{protocol}{family}", encoding="ascii") as file:
                lines = [line.split() for line in file.readlines()[1:]]
        except FileNotFoundError:
            continue
        # The second field is the local address:port in hexadecimal, the tenth is the inode.
        inodes |= {f[9] for f in lines if int(f[1].rpartition(":")[2], 16) == port}
    sockets = {f"socket:[{inode}]" for inode in inodes - {"0"}}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in sockets:
                    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                        return f"{file.read().strip()} (pid {pid})"
        except OSError:  # it ended while we looked, or is not ours to look at
            continue
    return "a program on this host"
