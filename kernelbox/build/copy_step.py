"""COPY, ADD and WORKDIR: a layer of files, put together without a container.

ADD is COPY that unpacks a tar of the build context, and one of the web if it is told to. Such a tar
is as hostile as any layer, and is unpacked like one, first into a directory of its own.

Source: Docker documentation, "Dockerfile reference", sections ADD, COPY and WORKDIR.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
import tarfile

from kernelbox.build import modes, placement, remote, sources, view
from kernelbox.build.sources import Source, Tree
from kernelbox.build.view import View
from kernelbox.images import layers, trees
from kernelbox.images.containerfile import stages, words
from kernelbox.images.containerfile.heredocs import Heredoc
from kernelbox.images.containerfile.ignore import Ignore
from kernelbox.images.nodes import DIRECTORY, opened
from kernelbox.images.streams import Tape
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kernelbox.images.containerfile.instructions import Instruction
    from kernelbox.images.layers import Entry


class Wanted(NamedTuple):
    """What a COPY or ADD says, its variables replaced.

    Attributes:
        sources: Paths, perhaps with wildcards, and here-documents.
        target: An absolute path; a directory if it ends with a slash.
        owner: Whose the files are to be; "" leaves it.
        mode: Their permissions, as modes.py has them; "" leaves them.
        is_add: Whether it is an ADD.
        unpack: Whether a tar is unpacked; "" for one of the context, if it is an ADD.
        checksum: Of the file of a URL; "" for any.
        excluded: Patterns of what is left out.
        parents: Whether the directories above a source are kept.
    """

    sources: list[str | Heredoc]
    target: str
    owner: str
    mode: str
    is_add: bool
    unpack: str = ""
    checksum: str = ""
    excluded: tuple[str, ...] = ()
    parents: bool = False

    def is_url(self, source: str) -> bool:
        """Whether a source is a file of the web; COPY takes none."""
        return self.is_add and remote.is_url(source)

    def __str__(self) -> str:
        """Say it as an image's history does."""
        flags = [f"--chown={self.owner}"] if self.owner else []
        flags += [f"--chmod={self.mode}"] if self.mode else []
        flags += [f"--checksum={self.checksum}"] if self.checksum else []
        flags += [f"--exclude={one}" for one in self.excluded]
        flags += ["--parents"] if self.parents else []
        shown = [one if isinstance(one, str) else f"<<{one.name}" for one in self.sources]
        flags += [f"--unpack={self.unpack}"] if self.unpack else []
        return " ".join(["ADD" if self.is_add else "COPY", *flags, *shown, self.target])


class Found(NamedTuple):
    """One source that was found, and whether it is a tar that is to be unpacked."""

    source: Source
    is_tar: bool


def read(one: Instruction, variables: Mapping[str, str], escape: str, workdir: str) -> Wanted:
    """Return what an instruction says.

    Raises:
        UsageError: It is not right.
    """
    *sources, last = (
        words.expand(place, variables, escape) if isinstance(place, str) else place
        for place in one.places()
    )
    stages.check_urls(one, sources)
    target = last if isinstance(last, str) else ""
    # A path of which nothing is left is the working directory, and as a source all there is.
    is_directory = posixpath.basename(target) in ("", ".", "..")
    target = posixpath.normpath("/" + posixpath.join(workdir, target).lstrip("/"))
    if is_directory:
        target = target.rstrip("/") + "/"
    mode = words.expand(one.flags.get("chmod", ""), variables, escape)
    owner = words.expand(one.flags.get("chown", ""), variables, escape)
    checksum = words.expand(one.flags.get("checksum", ""), variables, escape)
    if checksum and not stages.CHECKSUM.fullmatch(checksum):
        raise one.error(f"{checksum[:80]!r} is no checksum", "Write sha256: and 64 digits")
    return Wanted(
        sources,
        target,
        owner,
        modes.check(mode) if mode else "",
        one.name == "ADD",
        one.flags.get("unpack", ""),
        checksum,
        tuple(words.expand(each, variables, escape) for each in one.repeated("exclude")),
        one.flags.get("parents") == "true",
    )


def find(
    wanted: Wanted,
    tree: Tree,
    variables: Mapping[str, str],
    created: int,
    fetched: Mapping[str, Source],
) -> list[Found]:
    """Return the sources of a copy, with the digests of what is in them.

    Args:
        wanted: What is to be copied.
        tree: Where from.
        variables: For here-documents.
        created: The time of a here-document, seconds since 1970.
        fetched: The files of URLs.

    Raises:
        UsageError: One is not there, or cannot be in a layer.
    """
    found: list[Found] = []
    unpacks = wanted.is_add and wanted.unpack != "false"
    leave_out = Ignore("\n".join(wanted.excluded)) if wanted.excluded else None
    unmatched = ""  # a wildcard that matches nothing is fine, as long as another source is there
    for one in wanted.sources:
        if isinstance(one, Heredoc):
            content = one.text if one.quoted else words.expand_document(one.text, variables)
            found.append(Found(sources.text(one.name, content, created), False))
            continue
        if one in fetched:
            is_tar = wanted.unpack == "true" and _is_tar(tree, fetched[one])
            found.append(Found(fetched[one], is_tar))
            continue
        gathered = sources.gather(tree, one)
        if wanted.parents:
            gathered = [sources.with_parents(each, one) for each in gathered]
        if leave_out is not None:
            gathered = [each for it in gathered if (each := sources.without(it, leave_out))]
        found += [Found(each, unpacks and _is_tar(tree, each)) for each in gathered]
        unmatched = unmatched or ("" if gathered else one)
    if not found:
        raise sources.missing_from(tree, unmatched)
    return found


def key(found: list[Found]) -> str:
    """Return what tells these sources from others."""
    unpacked = "".join("t" if one.is_tar else "-" for one in found)
    return f"{sources.digest(one.source for one in found)} {unpacked}"


@contextlib.contextmanager
def entries(
    over: View, wanted: Wanted, tree: Tree, found: list[Found], created: int
) -> Iterator[list[Entry]]:
    """Yield the entries of the layer; their files can be read while the block runs.

    Args:
        over: The stage's files so far.
        wanted: What is to be copied.
        tree: Where from.
        found: Its sources.
        created: The time of new directories, seconds since 1970.

    Raises:
        UsageError: The image has no such user; a file is where a directory has to be; with several
            sources there is no directory at a target that does not end with a slash.
    """
    owner = view.identity(over, wanted.owner) if wanted.owner else None
    how = placement.How(created, owner, wanted.mode)
    if len(wanted.sources) > 1 and not wanted.target.endswith("/"):
        placement.check_directory(over.fd, wanted.target)
    with contextlib.ExitStack() as stack:
        sources = [
            _unpacked(f"{over.scratch}/{number}", tree, one.source, stack) if one.is_tar
            else one.source
            for number, one in enumerate(found)
        ]  # fmt: skip
        yield placement.place(over.fd, wanted.target, sources, how)


def workdir(over: View, path: str, user: str, created: int) -> list[Entry]:
    """Return the entries that make a working directory; none if it is there."""
    owner = view.identity(over, user) if user else None
    return placement.directory(over.fd, path, placement.How(created, owner))


def _is_tar(tree: Tree, source: Source) -> bool:
    """Whether it is a single file, and that file a tar, plain or compressed."""
    if source.is_directory or not stat.S_ISREG(source.pieces[0].entry.mode):
        return False
    with _bytes_of(tree, source) as path, Tape(path, any_compression=True) as tape:
        try:
            tarfile.TarInfo.frombuf(tape.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
        except (KernelboxError, OSError):
            raise
        except Exception:  # of each way to compress its own, and of tarfile on junk
            return False
        return True


@contextlib.contextmanager
def _bytes_of(tree: Tree, source: Source) -> Iterator[str]:
    """Yield a path at which a file can be read, be it of the context or fetched."""
    content = source.pieces[0].entry.content
    if isinstance(content, str):
        yield content
        return
    with trees.opened_file(tree.fd, source.path) as fd:
        yield f"/proc/self/fd/{fd}"


def _unpacked(directory: str, tree: Tree, source: Source, stack: contextlib.ExitStack) -> Source:
    """Unpack a tar, and return what is in it as one directory."""
    with _bytes_of(tree, source) as path:
        try:
            layers.unpack(path, directory, any_compression=True)
        except UsageError as error:
            cause = error.message.partition(": ")[2]
            raise UsageError(f"the tar {source.name} is damaged or hostile: {cause}") from None
    root = stack.enter_context(opened(os.open(directory, DIRECTORY)))
    inside = Tree(root, f"the tar {source.name}", Ignore(), owned=True)
    return sources.gather(inside, "/")[0]
