"""Faults of users and rights, for after chapter 07: whose a file is, and what a program may."""

from __future__ import annotations

import json
import struct
from functools import partial
from typing import Any

from kernelbox.lab.conversation import LabError
from kernelbox.lab.hosts.fault import Fault, Finding
from kernelbox.users import capabilities

_SIZE = 65536  # ids of one tenant


class OffByOne(Fault):
    """An id map that begins one too late: its root is the neighbour of the files' owner."""

    complaint = (
        "{name} starts, as /srv/{name}/config.json says, and its root cannot read its own "
        "/srv/{name}/data/ledger. And the auditor says that it has one id in common with {other}."
    )
    hints = (
        "Who owns the file outside, and who is that inside? What does the map make of it?",
        "Where does the range of {name} begin and end, and where that of its neighbour?",
    )

    def break_(self) -> None:
        """See Fault."""
        base = 200_000 + _SIZE * self.draw.randrange(10)
        self._tenant(self.name, base, base + 1)
        self._tenant(self.other, base + _SIZE, base + _SIZE)
        data = self.world.path(f"{self.top}/data/ledger")
        self.keep(f"the ledger of {self.name} is whole", lambda: self.eye.content(data))
        self.keep("and still its owner's alone", lambda: (self.eye.facts(data) or [0])[0] & 0o7777)
        self.keep(
            f"{self.name} is started with the same program", lambda: self._config().get("process")
        )
        neighbour = self.world.path(f"/srv/{self.other}")
        self.keep(
            f"{self.other} is as it was",
            lambda: (self.eye.tree(neighbour), self.eye.owners(neighbour)),
        )

    def _tenant(self, name: str, owner: int, first: int) -> None:
        config = {
            "process": {"args": ["/bin/sh"], "cwd": "/"},
            "linux": {
                "uidMappings": [{"containerID": 0, "hostID": first, "size": _SIZE}],
                "gidMappings": [{"containerID": 0, "hostID": owner, "size": _SIZE}],
            },
        }
        ledger = f"/srv/{name}/data/ledger"
        text = json.dumps(config, indent=1)
        self.world.put({f"/srv/{name}/config.json": text, ledger: self.word()})
        self.world.machine.python(
            f"os.chmod({ledger!r}, 0o600); os.chown({ledger!r}, {owner}, {owner})"
        )

    def _config(self, name: str = "") -> dict[str, Any]:
        path = self.world.path(f"/srv/{name or self.name}/config.json")
        try:
            found = json.loads(self.eye.content(path) or b"")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def look(self) -> Finding:
        """See Fault: a process is started with the map, and looks at the file."""
        try:
            mine, theirs = (_ranges(self._config(one)) for one in (self.name, self.other))
            seen = self._owner_inside()
        except (KeyError, TypeError, ValueError, LabError) as error:
            return Finding(False, f"{self.name} cannot be started with its map: {error}"[:200])
        if seen != 0:
            return Finding(False, f"inside, the ledger of {self.name} belongs to user {seen}")
        if common := sum(len(_common(one, other)) for one in mine for other in theirs):
            return Finding(False, f"ids that {self.name} and {self.other} share: {common}")
        return Finding(True, f"inside, the ledger of {self.name} is root's; no id is shared")

    def _owner_inside(self) -> int:
        """Return whose the ledger is in a user namespace with the map of config.json."""
        witness = self.world.box.hold()
        try:
            witness.setns(self.world.machine, "mount")
            witness.unshare("user")
            for kind in ("uid", "gid"):
                rows = self._config()["linux"][f"{kind}Mappings"]
                lines = [f"{one['containerID']} {one['hostID']} {one['size']}\n" for one in rows]
                self.eye.process.write(f"/proc/{witness.pid}/{kind}_map", "".join(lines))
            return int(witness.evaluate(f"os.stat('{self.top}/data/ledger').st_uid"))
        finally:
            witness.end()


def _ranges(config: dict[str, Any]) -> list[range]:
    """Return the host ids that a configuration gives to its container."""
    rows = config["linux"]["uidMappings"]
    return [range(one["hostID"], one["hostID"] + one["size"]) for one in rows]


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))


class WrongOwner(Fault):
    """A file in a container's volume that belongs to nobody the container knows."""

    complaint = (
        "User {inner} in {name} cannot write to /srv/{name}/journal, which is that user's, and "
        "nobody else's. `ls` inside says that it is nobody's."
    )
    hints = (
        "Who is {inner} inside, for the kernel? What does the map of {name} say?",
        "Who owns the file, seen from outside? Why does that one have no name inside?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.base, self.inner = 300_000 + _SIZE * self.draw.randrange(9), self.draw.randint(10, 99)
        self.words["inner"] = str(self.inner)
        journal, archive = f"{self.top}/journal", f"{self.top}/archive"
        self.world.put({journal: self.word(), archive: self.word()})
        self.world.machine.python(
            f"os.chmod({journal!r}, 0o600); os.chown({journal!r}, {self.inner}, {self.inner})\n"
            f"os.chmod({archive!r}, 0o600)"
        )
        service = self.serve(self.world.service(self.name))
        service.unshare("user")
        for kind in ("uid", "gid"):
            path = f"/proc/{service.pid}/{kind}_map"
            self.eye.process.write(path, f"0 {self.base} {_SIZE}\n")
        service.python("os.setgroups([]); os.setresgid(0, 0, 0); os.setresuid(0, 0, 0)")
        self.keep_tree(f"the files of {self.name} say what they said", self.top)
        where = self.world.path(journal)
        self.keep("the journal is its owner's alone", lambda: (self.eye.facts(where) or [0])[0])
        other = self.world.path(archive)
        self.keep("the archive is still the harbour's", lambda: (self.eye.facts(other) or [])[:3])

    def look(self) -> Finding:
        """See Fault."""
        there = self.eye.facts(self.world.path(f"{self.top}/journal"))
        if there is None:
            return Finding(False, f"{self.name} has no journal")
        inside = there.uid - self.base
        known = f"user {inside}" if 0 <= inside < _SIZE else "nobody that it knows"
        return Finding(inside == self.inner, f"in {self.name}, the journal belongs to {known}")


class ExtraCapability(Fault):
    """A program whose file gives it a capability that it has no use for."""

    complaint = (
        "/srv/{name}/bin/probe sends its packets, whoever starts it: it needs NET_RAW for that. "
        "The auditor says that it gets more than that, whoever starts it."
    )
    hints = (
        "Where can a program get capabilities from that its user does not have?",
        "What is written beside the file's content? Which of those bits does it need?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.probe = f"{self.top}/bin/probe"
        extra = self.draw.choice(("SYS_ADMIN", "SYS_PTRACE", "DAC_OVERRIDE", "SYS_MODULE"))
        bits = capabilities.mask(["NET_RAW", extra])
        # struct vfs_cap_data, revision 2, effective. Source: capabilities(7), linux/capability.h.
        granted = struct.pack("<5I", 0x02000001, bits & 0xFFFFFFFF, 0, bits >> 32, 0)
        self.world.put({self.probe: f"#!/bin/sh\n# {self.word()}\n"})
        self.world.machine.python(
            f"os.chmod({self.probe!r}, 0o755)\n"
            f"os.setxattr({self.probe!r}, 'security.capability', {granted!r})"
        )
        path = self.world.path(self.probe)
        self.keep("the program is what it was", lambda: self.eye.content(path))
        self.keep("everybody may start it", lambda: (self.eye.facts(path) or [0])[0])

    def look(self) -> Finding:
        """See Fault."""
        found = self.eye.attribute(self.world.path(self.probe), "security.capability") or b""
        words = struct.unpack(f"<{len(found) // 4}I", found[: len(found) // 4 * 4])
        low, high = words[1:5:2] if len(words) >= 5 else (0, 0)
        names = capabilities.names(low | high << 32)
        said = ", ".join(names) or "none"
        effective = bool(words and words[0] & 1)
        if names == ["NET_RAW"] and not effective:
            return Finding(False, "the file of probe permits NET_RAW, and does not make it count")
        return Finding(names == ["NET_RAW"], f"the file of probe gives it: {said}")


class SetUserId(Fault):
    """A program of root's with the set-user-ID bit, in a place that others fill."""

    complaint = (
        "Whoever has an account on the harbour can become root with what lies in "
        "/srv/{name}/tools. The tools themselves are in daily use."
    )
    hints = (
        "With whose id does a program run? Which bit of its mode changes that?",
        "Which of the tools have it? Could it be without meaning in that place?",
    )

    def break_(self) -> None:
        """See Fault."""
        names = self.draw.sample(("backup", "list", "mend", "count", "pack"), 3)
        self.tools = {f"{self.top}/tools/{one}": self.word() for one in names}
        self.world.put(dict(self.tools))
        for number, path in enumerate(self.tools):
            mode = 0o755 if number else 0o4755
            self.world.machine.python(f"os.chmod({path!r}, {mode})")
            there = self.world.path(path)
            self.keep(f"{path} can be used", partial(self._usable, there))

    def _usable(self, path: str) -> object:
        there = self.eye.facts(path)
        return there and (there.mode & 0o777, there.uid, self.eye.content(path))

    def look(self) -> Finding:
        """See Fault."""
        risky = [one for one in self.tools if self._is_risky(self.world.path(one))]
        return Finding(not risky, f"tools of {self.name} that run as root: {len(risky)}")

    def _is_risky(self, path: str) -> bool:
        there = self.eye.facts(path)
        return bool(
            there
            and there.mode & 0o4000
            and there.uid == 0
            and not self.eye.is_without_set_id(path)
        )
