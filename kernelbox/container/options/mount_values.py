"""What a person writes for a mount: `-v`, `--mount` and `--tmpfs`, checked and taken apart.

The forms are Docker's. No kernel access.
"""

from __future__ import annotations

import os
import re

from kernelbox.cgroup import limit_words
from kernelbox.container.spec import MEMORY, Mount
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths

# Options of a volume that are what it is here anyway, or mean nothing on this host: labels of
# SELinux, and how soon a virtual machine of Docker Desktop has to see a change.
_VOLUME_WORDS = ("z", "Z", "cached", "consistent", "delegated", "rbind", "private", "rprivate")

_VOLUME_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}"
# What memory is mounted with, and what else it may be. Source: moby, volume/mounts/linux_parser.go.
_USUAL = ("nosuid", "noexec")
_OPPOSITES = {"exec": "noexec", "suid": "nosuid", "rw": "ro"}
_OF_MEMORY = r"(size|nr_blocks|nr_inodes)=\d+[kmgKMG%]?|mode=[0-7]{1,4}|(uid|gid)=\d+"
# Source: Go, strconv.ParseBool
_YES, _NO = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")
_KEYS = {
    "type": "type",
    "source": "source",
    "src": "source",
    "target": "target",
    "destination": "target",
    "dst": "target",
    "readonly": "readonly",
    "ro": "readonly",
    "tmpfs-size": "tmpfs-size",
    "tmpfs-mode": "tmpfs-mode",
}


def volume(text: str) -> Mount:
    """Return the mount that `source:target[:ro|rw]`, or `target` alone, means.

    A source without a slash is the name of a volume, which is made when it is first used.

    More words may follow, as in `:ro,z`: those that Docker knows and that change nothing here.

    Whether the source exists is asked later; without one it is a volume without a name.

    Raises:
        UsageError: A part is missing, not absolute, or the mode is unknown.

    Source: Docker, "docker run --volume".
    """
    parts = text.split(":")
    if len(parts) == 1 and text.startswith("/"):
        return unnamed_volume(text)
    if len(parts) not in (2, 3) or not all(parts):
        raise UsageError(f"{text!r} is not a volume", "Write it as /on/host:/inside[:ro]")
    source, target = parts[:2]
    given = parts[2].split(",") if len(parts) == 3 else []
    for word in given:
        if word not in ("ro", "rw", *_VOLUME_WORDS) or {"ro", "rw"} <= set(given):
            raise UsageError(f"volume mode {parts[2]!r} is unknown", "Use ro or rw")
    mode = "ro" if "ro" in given else "rw"
    return _bind(source, target, mode, f"volume {text!r:.200}")


def _bind(source: str, target: str, mode: str, called: str) -> Mount:
    if re.fullmatch(_VOLUME_NAME, source, re.ASCII):
        source = paths.volume_data(source)
    if not source.startswith("/") or not target.startswith("/"):
        raise UsageError(
            f"both paths of {called} must be absolute",
            "Begin them with /; a volume's name has letters, digits, '_', '.' and '-'",
        )
    if not os.path.normpath(target).strip("/"):
        raise UsageError(f"{called} would cover the container's root", "Mount it below /")
    return Mount(target, "bind", source, ("rbind", "rprivate", mode))


def unnamed_volume(target: str) -> Mount:
    """Return the mount that a volume without a source is: an image's VOLUME, or `-v /inside`.

    Raises:
        UsageError: It is no absolute path, or the container's root.
    """
    if not target.startswith("/") or not os.path.normpath(target).strip("/") or "\0" in target:
        raise UsageError(f"{target!r:.80} can be no volume", "Name a path below /")
    return Mount(target, "overlay", target)


def tmpfs(text: str) -> Mount:
    """Return the mount that `--tmpfs /inside[:size=64m,mode=1777,...]` is.

    Raises:
        UsageError: It is at no place below the root, or an option is unknown.

    Source: Docker, "docker run --tmpfs"; tmpfs(5).
    """
    target, _, words = text.partition(":")
    return _memory(target, words.split(",") if words else [])


def _memory(target: str, words: list[str]) -> Mount:
    flags, options = list(_USUAL), []
    for word in words:
        if word in _OPPOSITES:
            flags = [one for one in flags if one != _OPPOSITES[word]]
        elif word in _OPPOSITES.values():
            flags.append(word)
        elif re.fullmatch(_OF_MEMORY, word, re.ASCII):
            options.append(word)
        elif word not in ("nodev", "noatime", *_VOLUME_WORDS):
            raise UsageError(
                f"{word!r:.80} is no option of a tmpfs", "Use size=64m, mode=1777, uid=, gid=, exec"
            )
    if not any(one.startswith("mode=") for one in options):
        options.append("mode=1777")
    place = unnamed_volume(target).destination
    return Mount(place, "tmpfs", MEMORY, (*dict.fromkeys(flags), *options))


def owned(mount: Mount, owner: int) -> Mount:
    """Return a mount that, if it is of memory and nobody's, belongs to `owner` as the host counts.

    An id that was asked for is one of the container's.
    """
    if mount.source != MEMORY:
        return mount
    options = {"uid": 0, "gid": 0}
    rest = []
    for word in mount.options:
        name, _, value = word.partition("=")
        if name in options:
            options[name] = int(value)
        else:
            rest.append(word)
    rest += [f"{name}={owner + number}" for name, number in options.items()]
    return mount._replace(options=tuple(rest))


def mount(text: str) -> Mount:
    """Return what `--mount type=bind,source=/on/host,target=/inside[,readonly]` means.

    Raises:
        UsageError: A key is unknown, or does not go with the type; or as for `-v`.

    Source: Docker, "docker run --mount".
    """
    given: dict[str, str] = {}
    for part in _fields(text):
        key, _, value = part.partition("=")
        if key not in _KEYS:
            known = ", ".join(dict.fromkeys(_KEYS.values()))
            raise UsageError(f"{key!r:.40} is no key of --mount", f"There are: {known}")
        given[_KEYS[key]] = value or "true"
    kind, target = given.get("type", "volume"), given.get("target", "")
    closed = given.get("readonly", "false")
    if closed not in (*_YES, *_NO):
        raise UsageError(f"readonly={closed:.40} is neither true nor false", "Write readonly")
    mode = "ro" if closed in _YES else "rw"
    if not target:
        raise UsageError(f"--mount {text!r:.80} has no target", "Add target=/inside")
    if kind == "tmpfs":
        words = [mode] if mode == "ro" else []
        if "tmpfs-size" in given:
            words.append(f"size={limit_words.size(given['tmpfs-size'], 'tmpfs-size')}")
        if "tmpfs-mode" in given:
            words.append(f"mode={given['tmpfs-mode']}")
        return _memory(target, words)
    if "tmpfs-size" in given or "tmpfs-mode" in given:
        raise UsageError(f"--mount {text!r:.80} is no tmpfs, and has no such size", "Leave it out")
    if kind not in ("bind", "volume"):
        raise UsageError(f"--mount knows no type {kind!r:.40}", "Use bind, volume or tmpfs")
    source = given.get("source", "")
    if kind == ("volume" if source.startswith("/") else "bind") and source:
        raise UsageError(
            f"{source!r:.80} is no source of a {kind}",
            "A bind's is a path of the host, a volume's is a name",
        )
    if source:
        return _bind(source, target, mode, f"--mount {text!r:.200}")
    if kind == "bind":
        raise UsageError(f"--mount {text!r:.80} has no source", "Add source=/on/host")
    found = unnamed_volume(target)
    return found._replace(options=("ro",)) if mode == "ro" else found


def _fields(text: str) -> list[str]:
    """Part what commas part; what has one in it stands in double quotes. Source: RFC 4180."""
    if '"' not in text:
        return text.split(",")
    import csv  # not for who needs none of it

    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration):
        raise UsageError(
            f"the quotes of --mount {text!r:.80} do not match", 'Write it like type=bind,"src=/a,b"'
        ) from None
