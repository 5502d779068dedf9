"""The ledger: what kernelbox owns, written down before it exists.

One file of JSON lines per owner (a container, or the host's shared things). A line is appended
before the thing is made, so after a crash at any moment the file names at least everything that
exists. Undoing goes through the lines backwards; every undo accepts that its thing is not there.

    {"kind": "cgroup", "name": "/sys/fs/cgroup/pids/kernelbox/4f2a..."}
    {"kind": "link", "name": "veth4f2a91c"}
"""

from __future__ import annotations

import os

from kernelbox.plumbing import documents, paths, storage
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Entry(NamedTuple):
    """One thing owned: what kind it is, and the name that finds it again."""

    kind: str
    name: str


class Ledger:
    """The ledger kept in one directory."""

    def __init__(self, directory: str, name: str = "ledger") -> None:
        self.path = f"{directory}/{name}"

    def record(self, kind: str, name: str) -> None:
        """Write down that a thing is about to be made. Saying so twice does no harm.

        Raises:
            OSError: ENOSPC, EROFS: then the thing must not be made.
        """
        line = documents.dumps({"kind": kind, "name": name}) + "\n"
        storage.write(self.path, line, os.O_APPEND)

    def entries(self) -> list[Entry]:
        """Return what was written down, oldest first, each thing once.

        A last line cut short by a crash names a thing that was never made; it is left out.
        """
        try:
            lines = storage.read(self.path).splitlines()
        except FileNotFoundError:
            return []
        found: dict[Entry, None] = {}
        for line in lines:
            try:
                fields = documents.loads(line)
                found[Entry(fields["kind"], fields["name"])] = None
            except (ValueError, KeyError, TypeError):
                continue
        return list(found)

    def clear(self) -> None:
        """Forget everything: all of it has been undone."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return


def of_network(name: str) -> Ledger:
    """Return the ledger of a network that somebody made."""
    return Ledger(f"{paths.networks()}/{name}")


def recording(network: str) -> Callable[[str, str], None]:
    """Return what writes down a network's things: in its own ledger, so that they go with it.

    The default network goes with everything else, at a reset; and so does the host's switch for
    forwarding, which all networks share.
    """
    shared = Ledger(paths.host()).record
    if network == "bridge":
        return shared
    own = of_network(network).record
    return lambda kind, name: (shared if kind == "sysctl" else own)(kind, name)
