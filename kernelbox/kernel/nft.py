"""Packet filter rules: requests to nftables, spoken by the program `nft`.

It takes some milliseconds to start, so what needs no rule's text is asked of the kernel directly.

A ruleset handed over at once is one transaction: all of it takes effect, or nothing does. That is
why the text goes to `nft -f -` instead of rule by rule, and one such call is recorded as one
request. The rules are those of the network namespace that the caller is in.

Which rules a container network needs is decided in `kernelbox.network`.
"""

from __future__ import annotations

import errno
import os

from kernelbox.kernel import explain
from kernelbox.kernel.door import request
from kernelbox.kernel.errors import KernelboxError, KernelError
from kernelbox.kernel.netlink import NETFILTER, NetlinkSocket, attributes, text

# The refusals that nft passes on from the kernel, as words: libc's, in the C locale.
_REFUSALS = (
    errno.EPERM,
    errno.ENOENT,
    errno.EEXIST,
    errno.EBUSY,
    errno.EOPNOTSUPP,
    errno.ENOMEM,
    errno.EINVAL,
)

_GETTABLE, _GETGEN = 10 << 8 | 1, 10 << 8 | 16
_GEN_ID = 1
_ANY_FAMILY = bytes(4)
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}


def apply(ruleset: str) -> None:
    """Apply a ruleset in one transaction.

    Args:
        ruleset: Commands as in a file for `nft -f`, one or more lines.

    Raises:
        KernelError: EEXIST, ENOENT if a name is taken or missing; EOPNOTSUPP if the kernel lacks
            a module; EINVAL, also for a mistake in the ruleset itself; EPERM without
            CAP_NET_ADMIN over the namespace.
        KernelboxError: nft is not installed.

    Source: nft(8).
    """
    lines = ruleset.strip().splitlines()
    # nft joins its arguments, so one command can stand between single quotes as it is.
    shell = f"nft '{lines[0]}'" if len(lines) == 1 else f"nft -f -  # {len(lines)} lines"
    complaint = ""  # nft's own words, for a refusal that has no better hint

    def act() -> None:
        nonlocal complaint
        status, _, complaint = _run(["-f", "-"], ruleset)
        if status:
            number = _refusal(complaint)
            raise OSError(number, os.strerror(number))

    try:
        request("nft", (lines[0],), act, shell)
    except KernelError as refusal:
        if complaint and not refusal.hint:
            refusal.hint = "nft says: " + complaint.partition("\n")[0]
        raise


def list_table(name: str, family: str = "ip") -> str | None:
    """Return a table with its rules and their handles as nft prints it; None if there is none.

    Looking changes nothing: it is not recorded.

    Raises:
        KernelboxError: nft is not installed, or may not look.

    Source: nft(8), "TABLES".
    """
    status, output, complaint = _run(["-a", "list", "table", family, name])
    if status == 0:
        return output
    if _refusal(complaint) == errno.ENOENT:
        return None
    number = _refusal(complaint)
    raise KernelboxError(
        f"cannot list the nft table {name}: {complaint.partition(chr(10))[0]}",
        explain.why("nft", number),
    )


def tables() -> list[tuple[str, str]]:
    """Return family and name of every table of the caller's network namespace.

    Raises:
        OSError: EPERM without CAP_NET_ADMIN over the namespace; EPROTONOSUPPORT, EINVAL if the
            kernel has no nftables.

    Source: linux/netfilter/nf_tables.h, NFT_MSG_GETTABLE.
    """
    with NetlinkSocket(NETFILTER) as kernel:
        messages = kernel.all(_GETTABLE, _ANY_FAMILY)
    found = ((message[0], attributes(message, 4)) for message in messages)
    return [(_FAMILIES.get(family, "?"), text(fields[1])) for family, fields in found]


def generation() -> str:
    """Return what is another one whenever a rule has changed; empty if the kernel does not say.

    It names the caller's network namespace and counts the transactions in it, until the host is
    restarted.

    Source: linux/netfilter/nf_tables.h, NFT_MSG_GETGEN; for the namespace, SO_NETNS_COOKIE, which
    came with Linux 5.14.
    """
    try:
        with NetlinkSocket(NETFILTER) as kernel:
            count = attributes(kernel.one(_GETGEN, _ANY_FAMILY), 4)[_GEN_ID]
            cookie = kernel.cookie()
    except OSError:  # no nftables, or not ours to ask
        return ""
    return f"{cookie}:{int.from_bytes(count, 'big')}" if cookie else ""


def delete_table(name: str, family: str = "ip") -> None:
    """Delete a table with everything in it; one that is missing is fine.

    Raises:
        KernelError: EPERM without CAP_NET_ADMIN over the namespace.

    Source: nft(8), "TABLES".
    """
    # Where nft was never installed, kernelbox made no table: cleaning up must not stop there.
    if program() is not None and list_table(name, family) is not None:
        apply(f"delete table {family} {name}")


def demand() -> str:
    """Return the path of the program `nft`.

    Raises:
        KernelboxError: It is not installed.
    """
    path = program()
    if path is None:
        raise KernelboxError(
            "nft is not installed", "Install it (apt-get install nftables), or use --network none"
        )
    return path


def program() -> str | None:
    """Return the path of the program `nft`; None if it is not installed."""
    # /usr/sbin is not on the PATH of everybody who may use sudo.
    for directory in (*os.get_exec_path(), "/usr/sbin", "/sbin"):
        path = os.path.join(directory, "nft")
        if os.access(path, os.X_OK):
            return path
    return None


def _refusal(complaint: str) -> int:
    for number in _REFUSALS:
        if os.strerror(number) in complaint:
            return number
    return errno.EINVAL


def _run(arguments: list[str], text: str = "") -> tuple[int, str, str]:
    """Run nft; return its exit status, its output and its complaint.

    posix_spawn and files in memory instead of subprocess and pipes: 10 ms less to import, and a
    pipe that fills up can block nobody.
    """
    path = demand()
    files = [os.memfd_create(f"nft-{name}") for name in ("stdin", "stdout", "stderr")]
    try:
        os.write(files[0], text.encode())
        os.lseek(files[0], 0, os.SEEK_SET)
        pid = os.posix_spawn(
            path,
            [path, *arguments],
            {"LC_ALL": "C"},
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)],
        )
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        output, complaint = (os.pread(fd, os.fstat(fd).st_size, 0).decode() for fd in files[1:])
        return status, output, complaint
    finally:
        for fd in files:
            os.close(fd)
