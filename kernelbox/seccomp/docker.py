"""A profile as Docker writes it, turned into OCI's form.

Docker's files say more than runtimes see: rules for whoever has a capability, or only on some
machine or kernel, and machines with those whose calls theirs understand. It is settled here.

Source: moby, profiles/seccomp.
"""

from __future__ import annotations

import os
import re

from kernelbox.seccomp.profile import listed, wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from kernelbox.seccomp.machines import Machine


ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # what Go calls our machines


def resolved(
    plain: dict[str, Any], machine: Machine, capabilities: Collection[str]
) -> dict[str, Any]:
    """Return a profile in OCI's form of one that may be in Docker's.

    Args:
        plain: What is in its file.
        machine: Whose calls are to be filtered.
        capabilities: Of the container, with `CAP_`: some of Docker's rules depend on them.

    Raises:
        UsageError: It is of neither form, or for another machine.
    """
    architectures = [str(one) for one in listed(plain, "architectures")]
    mapped = listed(plain, "archMap")
    for entry in mapped:
        if not isinstance(entry, dict):
            raise wrong("an entry of archMap", entry)
        if entry.get("architecture") == machine.oci:
            architectures += [machine.oci, *map(str, listed(entry, "subArchitectures"))]
    if mapped and not architectures:
        architectures = [str(one.get("architecture")) for one in mapped]
    rules = []
    for entry in listed(plain, "syscalls"):
        if not isinstance(entry, dict):
            raise wrong("a rule", entry)
        if _applies(entry, machine, capabilities):
            kept = {key: entry[key] for key in ("action", "errnoRet", "args") if key in entry}
            names = [*listed(entry, "names"), *([entry["name"]] if entry.get("name") else [])]
            rules.append({"names": names, **kept})
    kept = {
        key: plain[key] for key in ("defaultAction", "defaultErrnoRet", "flags") if key in plain
    }
    return {**kept, "architectures": architectures, "syscalls": rules}


def _applies(entry: dict[str, Any], machine: Machine, capabilities: Collection[str]) -> bool:
    """Whether a rule holds here: Docker's `includes` and `excludes`."""
    here = {machine.name, ARCHITECTURES.get(machine.name)}
    for key, wanted in (("includes", True), ("excludes", False)):
        conditions = entry.get(key) or {}
        if not isinstance(conditions, dict):
            raise wrong(f"the {key} of a rule", conditions)
        caps = [str(one) for one in listed(conditions, "caps")]
        arches = [str(one) for one in listed(conditions, "arches")]
        newest = str(conditions.get("minKernel") or "")
        holds = [
            *([all(one in capabilities for one in caps)] if caps and wanted else []),
            *([any(one in capabilities for one in caps)] if caps and not wanted else []),
            *([bool(here & set(arches))] if arches else []),
            *([_release() >= _version(newest)] if newest else []),
        ]
        if holds and (not all(holds) if wanted else any(holds)):
            return False
    return True


def _release() -> tuple[int, int]:
    return _version(os.uname().release)


def _version(text: str) -> tuple[int, int]:
    match = re.match(r"(\d{1,6})\.(\d{1,6})", text)
    if match is None:
        raise wrong("minKernel", text)
    return int(match[1]), int(match[2])
