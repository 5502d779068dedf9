"""What `RUN --mount` brings to a program, as mounts of its container, and nothing of it in a layer.

Files of a stage or an image are a part of an overlay over their layers; those of the build context
are copied first, so that `.dockerignore`, owners and times are as for COPY. What is written to
either goes with the container. A secret is a file of its own, for as long as the program runs.

Source: Docker documentation, "Dockerfile reference", section RUN --mount.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

from kernelbox.build import scratch, sources
from kernelbox.container import spec
from kernelbox.container.volumes import volumes
from kernelbox.images import layers, nodes, trees
from kernelbox.images.entries import BENEATH
from kernelbox.kernel import lookup
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kernelbox.build.sources import Source, Tree
    from kernelbox.images.containerfile.run_mounts import RunMount

_CONTENT = "content"


class Lent(NamedTuple):
    """What the command line lends to a build.

    Attributes:
        secrets: By id, what is in each.
        agents: By id, the path of a socket.
    """

    secrets: Mapping[str, bytes] = {}
    agents: Mapping[str, str] = {}


class Files(NamedTuple):
    """What a mount of files is of: the context's, found, or the layers of a stage or an image.

    Attributes:
        found: In the context.
        lowerdirs: The topmost first.
        key: What tells them from others.
    """

    found: Source | None
    lowerdirs: list[str]
    key: str


def of_context(tree: Tree, one: RunMount) -> Files:
    """Return the files of the context that a mount is of.

    Raises:
        UsageError: There is no such thing.
    """
    found, *more = sources.gather(tree, one.source)
    if more:
        raise UsageError(f"{one.source} means several files", "Name one, or their directory")
    return Files(found, [], sources.digest([found]))


def key(one: RunMount, files: Files | None) -> tuple[object, ...]:
    """Return what a layer depends on of a mount: not what is in a cache or a secret."""
    return (*one, files.key if files else "")


def bring(
    one: RunMount, files: Files | None, lent: Lent, below: str, stack: contextlib.ExitStack
) -> tuple[list[spec.Mount], dict[str, str]]:
    """Return what a mount is to a container: mounts, and variables.

    Args:
        one: The mount.
        files: Of a bind.
        lent: Secrets and agents.
        below: A private directory.
        stack: Ends what lasts as long as the program.

    Raises:
        UsageError: A secret or an agent is required, and was not lent.
        OSError: ENOSPC.
    """
    closed = ("ro",) if one.read_only else ()
    bound = ("rbind", "rprivate", *(closed or ("rw",)))
    if files is not None:
        lowerdirs, source = files.lowerdirs, one.source
        if files.found is not None:
            lowerdirs, source = [_copied(files.found, below)], f"/{_CONTENT}"
        options = (*(f"{volumes.LAYER}{path}" for path in lowerdirs), *closed)
        return [spec.Mount(one.target, volumes.KIND, source, options)], {}
    if one.kind == "tmpfs":
        size = (f"size={one.size}",) if one.size else ()
        return [spec.Mount(one.target, "tmpfs", spec.MEMORY, ("mode=1777", *size))], {}
    if one.kind == "cache":
        path = stack.enter_context(scratch.cache(one.id, one.sharing))
        if not os.listdir(path):  # a new one
            os.chown(path, *one.owner)
            os.chmod(path, 0o755 if one.mode is None else one.mode)
        return [spec.Mount(one.target, "bind", path, bound)], {}
    if one.kind == "ssh":
        if one.id in lent.agents:
            found = spec.Mount(one.target, "bind", lent.agents[one.id], bound)
            return [found], {"SSH_AUTH_SOCK": one.target}
    elif one.id in lent.secrets:
        return _secret(one, lent.secrets[one.id], below)
    if one.required:
        flag = "--ssh" if one.kind == "ssh" else "--secret id="
        raise UsageError(f"{one.kind} {one.id!r} is required", f"Lend it: build {flag}{one.id}...")
    return [], {}


def _secret(one: RunMount, content: bytes, below: str) -> tuple[list[spec.Mount], dict[str, str]]:
    variables = {}
    if one.env:
        if b"\0" in content:
            raise UsageError(f"secret {one.id!r} has a NUL in it", "Take it as a file")
        variables[one.env] = content.decode("utf-8", "surrogateescape")
    if not one.target:
        return [], variables
    fd, path = tempfile.mkstemp(dir=below)
    with open(fd, "wb") as file:
        file.write(content)
        os.fchown(fd, *one.owner)
        os.fchmod(fd, 0o400 if one.mode is None else one.mode)
    return [spec.Mount(one.target, "bind", path, ("rbind", "rprivate", "ro"))], variables


def script(text: str, below: str) -> tuple[spec.Mount, str]:
    """Return a here-document that names its interpreter, as a program, and where that is."""
    fd, path = tempfile.mkstemp(dir=below)
    with open(fd, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        os.fchmod(fd, 0o755)
    place = "/run/kernelbox-script"
    return spec.Mount(place, "bind", path, ("rbind", "rprivate", "ro")), place


def _copied(source: Source, below: str) -> str:
    """Copy files of the context into a directory of their own; return it."""
    directory = f"{tempfile.mkdtemp(dir=below)}/tree"
    entries = [layers.Entry(_CONTENT, stat.S_IFDIR | 0o755)] if source.is_directory else []
    for piece in source.pieces:
        entry = piece.entry._replace(name="/".join((_CONTENT, *piece.path)))
        if piece.same is not None:
            entry = entry._replace(hardlink="/".join((_CONTENT, *piece.same)))
        entries.append(entry)
    with tempfile.TemporaryFile(dir=below) as tar:
        layers.pack(entries, tar)
        tar.seek(0)
        layers.unpack(f"/proc/self/fd/{tar.fileno()}", directory)
    return directory


class Stubs:
    """What a mount needs to be mounted on, and what is no change of the stage when it is empty.

    Args:
        root: The stage's files before, as a descriptor.
        targets: Of the mounts.
    """

    def __init__(self, root: int, targets: Sequence[str]) -> None:
        self._made: list[trees.Path] = []
        self._there: dict[trees.Path, tuple[int, int, int]] = {}
        for target in targets:
            real, missing = trees.resolve(root, trees.components(target))
            self._made += [(*real, *missing[:end]) for end in range(len(missing), 0, -1)]
            for end in range(len(real), 0, -1) if missing else ():
                one = trees.attributes(root, real[:end])
                self._there[real[:end]] = (one.mode, one.uid, one.gid)

    def remove(self, upper: str) -> None:
        """Remove them from what has changed, and directories that have only held them."""
        with nodes.opened(os.open(upper, nodes.DIRECTORY)) as fd:
            for path in sorted(self._made, key=len, reverse=True):
                self._remove(fd, path, None)
            for path in sorted(self._there, key=len, reverse=True):
                self._remove(fd, path, self._there[path])

    @staticmethod
    def _remove(upper: int, path: trees.Path, before: tuple[int, int, int] | None) -> None:
        """Remove one that is empty, and as it was."""
        above = os.fsencode("/".join(path[:-1]) or ".")
        with contextlib.suppress(OSError):  # not there, or not empty: then it is a change
            fd = lookup.open_below(upper, above, os.O_RDONLY | os.O_DIRECTORY, BENEATH)
            with nodes.opened(fd):
                it = os.stat(path[-1], dir_fd=fd, follow_symlinks=False)
                if stat.S_ISDIR(it.st_mode):
                    if before in (None, (it.st_mode, it.st_uid, it.st_gid)):
                        os.rmdir(path[-1], dir_fd=fd)
                elif stat.S_ISREG(it.st_mode) and it.st_size == 0:
                    os.unlink(path[-1], dir_fd=fd)
