"""`RUN --mount=...`: what a program is to see besides its stage, and no layer holds.

    type=bind,source=src,target=/src[,from=STAGE][,rw]    files of the context, a stage or an image
    type=cache,target=/var/cache[,id=NAME][,sharing=...]   a directory that stays for later builds
    type=tmpfs,target=/tmp[,size=N]                        a file system in memory
    type=secret,id=NAME[,target=FILE][,env=NAME]           a secret of `build --secret`
    type=ssh[,id=NAME][,target=SOCKET]                     an agent of `build --ssh`

Source: Docker documentation, "Dockerfile reference", section RUN --mount.
"""

from __future__ import annotations

import csv
import posixpath
import re

from kernelbox.images.containerfile import words
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from kernelbox.images.containerfile.instructions import Instruction

_COMMON = ("type", "target", "dst", "destination")
_MODES = ("ro", "readonly", "rw", "readwrite")
_OWNER = ("mode", "uid", "gid")
# Some mean nothing where they may stand, such as the id of a bind.
_KEYS = {
    "bind": (*_COMMON, *_MODES, "source", "src", "from", "id"),
    "cache": (*_COMMON, *_MODES, *_OWNER, "id", "sharing"),
    "tmpfs": (*_COMMON, *_MODES, "size", "id"),
    "secret": (*_COMMON, *_MODES, *_OWNER, "id", "source", "src", "required", "env"),
    "ssh": (*_COMMON, *_MODES, *_OWNER, "id", "required"),
}
_OTHER_NAMES = {"dst": "target", "destination": "target", "src": "source"}
_SHARING = ("shared", "private", "locked")
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class RunMount(NamedTuple):
    """One mount of a RUN.

    Attributes:
        kind: `bind`, `cache`, `tmpfs`, `secret` or `ssh`.
        target: An absolute path, the working directory if none is said; "" of a secret that is a
            variable only.
        source: Of a bind, a path in what it is from.
        origin: Of a bind, as in COPY --from; "" for the build context.
        read_only: Whether it cannot be written to.
        id: Which cache, secret or agent.
        sharing: Of a cache, what two builds do that want it: `shared`, `private` or `locked`.
        mode: Permissions of what is made; None for what is usual.
        owner: User and group of what is made.
        required: Whether the build fails without it.
        size: Of a tmpfs, in bytes; 0 for what is usual.
        env: Of a secret, the variable that holds it.
    """

    kind: str
    target: str = ""
    source: str = "/"
    origin: str = ""
    read_only: bool = False
    id: str = ""
    sharing: str = "shared"
    mode: int | None = None
    owner: tuple[int, int] = (0, 0)
    required: bool = False
    size: int = 0
    env: str = ""


def origins(one: Instruction) -> list[str]:
    """Return the stages and images that the mounts of a RUN are from. Errors as below."""
    pairs = [_pairs(one, text) for text in one.repeated("mount")]
    return [said["from"] for said in pairs if said.get("from")]


def read(
    one: Instruction, variables: Mapping[str, str], escape: str, workdir: str
) -> list[RunMount]:
    """Return the mounts of a RUN.

    Args:
        one: The instruction.
        variables: What variables in them stand for.
        escape: The Containerfile's escape character.
        workdir: What a relative target begins with.

    Raises:
        UsageError: One is not right.
    """
    found = []
    for text in one.repeated("mount"):
        said = {
            key: words.expand(value, variables, escape) for key, value in _pairs(one, text).items()
        }
        found.append(_mount(one, said, workdir))
    return found


def _pairs(one: Instruction, text: str) -> dict[str, str]:
    """Return what is said of one mount, by key."""
    try:
        (fields,) = csv.reader([text], strict=True)
    except (ValueError, csv.Error):
        raise one.error(f"--mount={text[:60]} is no list", "Write type=cache,target=/x") from None
    found = {}
    for field in fields:
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        if not equals and key not in (*_MODES, "required"):
            raise one.error(f"{key[:40]!r} has no value in --mount", f"Write {key[:40]}=...")
        found[_OTHER_NAMES.get(key, key)] = value if equals else "true"
    kind = found["type"] = found.get("type", "bind").lower()
    if kind not in _KEYS:
        raise one.error(f"no mount is of type {kind[:40]!r}", f"There are {', '.join(_KEYS)}")
    for key in found:
        if key not in _KEYS[kind]:
            known = ", ".join(_KEYS[kind])
            raise one.error(f"a mount of type {kind} has no {key[:40]!r}", f"It has {known}")
    if "$" in found.get("from", "").rstrip("$"):
        raise one.error("its from has a variable", "Name a stage: FROM $IMAGE AS name")
    return found


def _mount(one: Instruction, said: dict[str, str], workdir: str) -> RunMount:
    kind, name, target = said["type"], said.get("id", ""), said.get("target", "")
    if kind == "secret":
        name = name or said.get("source", "") or posixpath.basename(target)
        if not name:
            raise one.error("a secret has no id", "Name it: type=secret,id=NAME")
        target = target or ("" if "env" in said else f"/run/secrets/{posixpath.basename(name)}")
    elif kind == "ssh":
        name = name or "default"
        target = target or "/run/buildkit/ssh_agent.0"
    if target or kind not in ("secret", "ssh"):
        target = posixpath.normpath("/" + posixpath.join(workdir, target).lstrip("/"))
    if target == "/":
        raise one.error("a mount would cover the root", "Mount it below /")
    sharing = said.get("sharing", "shared").lower()
    if sharing not in _SHARING:
        raise one.error(f"no sharing is {sharing[:40]!r}", f"There are {', '.join(_SHARING)}")
    writable = _flag(one, said, "rw") or _flag(one, said, "readwrite")
    closed = _flag(one, said, "ro") or _flag(one, said, "readonly")
    return RunMount(
        kind,
        target,
        said.get("source", "/") or "/",
        said.get("from", ""),
        read_only=not writable if kind == "bind" else closed,
        id=name or target,
        sharing=sharing,
        mode=_number(one, said["mode"], 8) & 0o7777 if "mode" in said else None,
        owner=(_number(one, said.get("uid", "0")), _number(one, said.get("gid", "0"))),
        required=_flag(one, said, "required"),
        size=_size(one, said["size"]) if "size" in said else 0,
        env=said.get("env", ""),
    )


def _flag(one: Instruction, said: dict[str, str], key: str) -> bool:
    value = said.get(key, "false").lower()
    if value not in ("true", "1", "false", "0"):
        raise one.error(f"{key}={value[:40]} is neither true nor false", "Write true or false")
    return value in ("true", "1")


def _number(one: Instruction, text: str, base: int = 10) -> int:
    digits = "01234567" if base == 8 else "0123456789"
    if not text or set(text) - set(digits) or len(text) > 10:
        raise one.error(f"{text[:40]!r} is no number", "Such as 1000, or 0755 for a mode")
    return min(int(text, base), 2**32 - 2)


def _size(one: Instruction, text: str) -> int:
    """Return a size in bytes. Source: github.com/docker/go-units, `RAMInBytes`."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?) ?([kmgt]?)i?b?", text.lower(), re.ASCII)
    if match is None:
        raise one.error(f"{text[:40]!r} is no size", "Such as 64m")
    return int(float(match[1]) * _SIZES[match[2]])
