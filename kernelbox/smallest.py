"""The smallest container that is one: this page, and the door to the kernel. Read it first.

    python -m kernelbox.smallest DIRECTORY COMMAND [ARGUMENT ...]

runs a program in new PID, mount, UTS, IPC and network namespaces, over a tree of files that it
cannot change. Every line that begins with a module of `kernelbox.kernel` is one request to the
kernel, and prints itself. It is what `tests/floor.c` is in C. Chapter 01 makes
most of these requests one by one.

What it leaves out is the rest of kernelbox, and of the course: no image (chapter 05), no user
namespace and no fewer capabilities (07), no control group (08 to 10), no network but a loopback
that is down (11), no masks, no devices, and nobody who cleans up if this process is killed (13). So
run nothing in it that you would not run as root.
"""

from __future__ import annotations

import os
import sys
import tempfile

from kernelbox.kernel import door, lookup, mounts, process, syscalls, trace
from kernelbox.kernel import flags as k

NAMESPACES = k.CLONE_NEWPID | k.CLONE_NEWNS | k.CLONE_NEWUTS | k.CLONE_NEWIPC | k.CLONE_NEWNET


def run(tree: str, command: list[str]) -> int:
    """Run a program in a container of its own; return its exit code as a shell gives it.

    Args:
        tree: A directory with a root file system, such as an unpacked image; it stays as it is.
        command: The program by its path inside, and its arguments.

    Raises:
        KernelError: EPERM without root; whatever else the kernel refuses outside.
    """
    with tempfile.TemporaryDirectory(prefix="smallest-") as scratch:
        for name in ("upper", "work", "root"):
            os.mkdir(f"{scratch}/{name}")
        # A fork, but born into new namespaces: the child is PID 1 of its own.
        pid, _pidfd = process.clone3(NAMESPACES)
        if pid == 0:
            become_container(tree, scratch, command)
        return process.wait_exit(pid)


def become_container(tree: str, scratch: str, command: list[str]) -> None:
    """Be the first process inside, and end as the program or not at all."""
    door.become("container")
    try:
        # No mount of ours may reach the host: the new mount namespace began as a copy of its own.
        mounts.mount(None, "/", None, k.MS_REC | k.MS_PRIVATE)
        # The tree below, what is written to it above, and both seen as one.
        layers = f"lowerdir={tree},upperdir={scratch}/upper,workdir={scratch}/work"
        mounts.mount("overlay", f"{scratch}/root", "overlay", k.MS_NODEV, layers)
        # That becomes the root, and the old one, stacked on it for a moment, goes.
        lookup.chdir(f"{scratch}/root")
        mounts.pivot_root(".", ".")
        mounts.mount("proc", "/proc", "proc", k.MS_NOSUID | k.MS_NODEV | k.MS_NOEXEC)
        mounts.umount2(".", k.MNT_DETACH)
        lookup.chdir("/")
        syscalls.sethostname("smallest")
        process.execve(command[0], command, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"})
    except Exception as error:
        say(f"smallest: {error}")
    finally:
        os._exit(127)


def say(line: str) -> None:
    """Write a line in one go: two processes write here, and neither may split the other's."""
    os.write(sys.stderr.fileno(), f"{line}\n".encode())


def main() -> None:
    """Run what the command line says."""
    if len(sys.argv) < 3:
        sys.exit("usage: python -m kernelbox.smallest DIRECTORY COMMAND [ARGUMENT ...]")
    door.sink = lambda event: say(trace.line(event))
    sys.exit(run(os.path.abspath(sys.argv[1]), sys.argv[2:]))


if __name__ == "__main__":
    main()
