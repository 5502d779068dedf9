"""config.json becomes records: checked part by part, since a bundle is a stranger's.

What is against the spec is an error that names the field. What a later spec has added is ignored,
as the spec wants; what kernelbox knows and does not do is in refusals.py.

Source: OCI runtime-spec, config.md and config-linux.md.
"""

from __future__ import annotations

import posixpath
import stat

from kernelbox import namespaces
from kernelbox.kernel.errors import UsageError
from kernelbox.oci import hooks, programs
from kernelbox.oci.config import Config, Device, MemoryPolicy, Mount, Namespace
from kernelbox.oci.document import Part
from kernelbox.users.id_maps import Mapping

_DOMAINS = {"LINUX": 0, "LINUX32": 8}
_PROPAGATIONS = ("private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable",
                 "runbindable")  # fmt: skip
_KINDS = tuple(one.oci for one in namespaces.KINDS)
_LONGEST_NAME = 64  # __NEW_UTS_LEN
_LONGEST_LINK = 15  # IFNAMSIZ
_MOST_NODES = 1024  # MAX_NUMNODES
# Source: linux/mempolicy.h
MEMORY_MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
MEMORY_FLAGS = {
    "MPOL_F_NUMA_BALANCING": 1 << 13,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_STATIC_NODES": 1 << 15,
}


def config(document: Part) -> Config:
    """Return the container that a config.json describes.

    Raises:
        UsageError: It is against the spec.
    """
    _check_version(document)
    linux = document.part("linux")
    found = Config(
        ociVersion=document.text("ociVersion"),
        process=programs.read(document.part("process")) if document.has("process") else None,
        root=_root(document.part("root")),
        readonly=document.part("root").flag("readonly"),
        hostname=document.text("hostname"),
        domainname=document.text("domainname"),
        mounts=tuple(map(_mount, document.parts("mounts"))),
        hooks=hooks.read(document),
        annotations=document.table("annotations"),
        namespaces=_namespaces(linux),
        uidMappings=_mappings(linux, "uidMappings"),
        gidMappings=_mappings(linux, "gidMappings"),
        timeOffsets=_time_offsets(linux.part("timeOffsets")),
        devices=tuple(map(_device, linux.parts("devices"))),
        cgroupsPath=linux.text("cgroupsPath"),
        resources=linux.part("resources").plain,
        sysctl=linux.table("sysctl"),
        seccomp=linux.part("seccomp").plain if linux.has("seccomp") else None,
        rootfsPropagation=linux.chosen("rootfsPropagation", _PROPAGATIONS),
        maskedPaths=_absolute(linux, "maskedPaths"),
        readonlyPaths=_absolute(linux, "readonlyPaths"),
        personality=_personality(linux.part("personality")),
        memoryPolicy=_memory_policy(linux),
        netDevices=_links(linux.part("netDevices")),
    )
    _check(found)
    return found


def _check_version(document: Part) -> None:
    """Take every version with a major number of 1: the rest are additions.

    Source: OCI runtime-spec, config.md, "Specification version"; semver.org, rules 7 and 8.
    """
    version = document.text("ociVersion")
    numbers = version.partition("-")[0].partition("+")[0].split(".")
    if len(numbers) != 3 or not all(one.isdecimal() for one in numbers):
        raise document.wrong("ociVersion", "a version such as 1.2.0")
    if numbers[0] != "1":
        raise UsageError(
            f"the bundle is for version {version:.40} of the OCI runtime-spec",
            "kernelbox knows 1.0.0 to 1.3.0, and what is like them",
        )


def _root(part: Part) -> str:
    path = part.text("path")
    if not path:  # the bundle itself would be taken for it
        raise part.wrong("path", "the path of a root file system")
    return path


def _mount(part: Part) -> Mount:
    destination = part.text("destination", None)
    if not destination:
        raise part.wrong("destination", "an absolute path")
    # A relative one is against the spec, and older ones had it: it is taken below the root.
    return Mount(
        destination=posixpath.normpath(f"/{destination}").replace("//", "/"),
        type=part.text("type"),
        source=part.text("source"),
        options=tuple(part.texts("options")),
        uidMappings=_mappings(part, "uidMappings"),
        gidMappings=_mappings(part, "gidMappings"),
    )


def _namespaces(part: Part) -> tuple[Namespace, ...]:
    found = []
    for one in part.parts("namespaces"):
        kind, path = one.chosen("type", _KINDS, None), one.text("path")
        if path and not path.startswith("/"):
            raise one.wrong("path", "an absolute path")
        found.append(Namespace(kind, path))
    if len({one.type for one in found}) < len(found):
        raise part.wrong("namespaces", "a list that names each type once")
    return tuple(found)


def _mappings(part: Part, key: str) -> tuple[Mapping, ...]:
    return tuple(map(_mapping, part.parts(key)))


def _mapping(part: Part) -> Mapping:
    return Mapping(
        part.identity("containerID"), part.identity("hostID"), part.number("size", None, 1, 1 << 32)
    )


def _time_offsets(part: Part) -> dict[str, tuple[int, int]]:
    for clock in part.plain:
        if clock not in ("monotonic", "boottime"):
            raise part.wrong(clock, "monotonic or boottime")
    return {
        clock: (part.part(clock).number("secs"), part.part(clock).number("nanosecs", 0, 0, 10**9))
        for clock in part.plain
    }


def _device(part: Part) -> Device:
    path = part.text("path", None)
    if not path.startswith("/"):
        raise part.wrong("path", "an absolute path")
    kind = part.chosen("type", ("c", "b", "u", "p"), None)
    wanted = None if kind != "p" else 0
    return Device(
        path=path,
        type=kind,
        major=part.number("major", wanted, 0, 0xFFF),
        minor=part.number("minor", wanted, 0, 0xFFFFF),
        mode=stat.S_IMODE(part.number("fileMode", 0o666, 0, 0o177777)),
        uid=part.identity("uid"),
        gid=part.identity("gid"),
    )


def _absolute(part: Part, key: str) -> tuple[str, ...]:
    found = part.texts(key)
    if not all(one.startswith("/") for one in found):
        raise part.wrong(key, "a list of absolute paths")
    return tuple(found)


def _personality(part: Part) -> int | None:
    return _DOMAINS[part.chosen("domain", tuple(_DOMAINS), None)] if part.plain else None


def _memory_policy(part: Part) -> MemoryPolicy | None:
    if part.plain.get("memoryPolicy") is None:
        return None
    policy = part.part("memoryPolicy")
    flags = policy.bits("flags", MEMORY_FLAGS)
    return MemoryPolicy(
        mode=MEMORY_MODES[policy.chosen("mode", tuple(MEMORY_MODES), None)],
        nodes=programs.numbers(policy, "nodes", _MOST_NODES, "memory nodes")
        if policy.has("nodes")
        else (),
        flags=flags,
    )


def _links(part: Part) -> dict[str, str]:
    return {
        name: _link_name(part, name, part.part(name).text("name") or name) for name in part.plain
    }


def _link_name(part: Part, key: str, name: str) -> str:
    """Return the name of a link; one that ends in `%d` gets a number. Source: ip-link(8)."""
    plain = name.removesuffix("%d")
    if len(name.encode()) > _LONGEST_LINK or {*plain} & set("/:% \t\n") or name in (".", ".."):
        raise part.wrong(key, f"the name of a link, of at most {_LONGEST_LINK} bytes")
    return name


def _check(found: Config) -> None:
    """Refuse what contradicts itself.

    Source: OCI runtime-spec, config.md, "Hostname"; config-linux.md, "Namespaces", "Sysctl".
    """
    needs = {"hostname": found.hostname, "domainname": found.domainname}
    for key, value in needs.items():
        if value and found.namespace("uts") is None:
            raise UsageError(f"a {key} needs a uts namespace", "Add one, or leave it out")
        if len(value.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
            raise UsageError(f"a {key} has at most {_LONGEST_NAME} bytes", "Choose a shorter one")
    is_joined = found.has_user_namespace and not found.is_new("user")  # it has its own maps
    if not is_joined and found.is_new("user") != bool(found.uidMappings and found.gidMappings):
        raise UsageError(
            "uidMappings, gidMappings and a new user namespace belong together",
            "Give all three, or none",
        )
    if found.timeOffsets and not found.is_new("time"):
        raise UsageError("timeOffsets need a new time namespace", "Add one, or leave them out")
