"""`create` and `run` of the OCI runtime: a container of a bundle."""

from __future__ import annotations

from kernelbox.cli.parser import Command, Option, read
from kernelbox.oci import creation, descriptors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.cli.oci import Surroundings

_CREATE = (
    Option(("--bundle", "-b"), "the bundle's directory", "DIRECTORY", default="."),
    Option(("--config", "-f"), "the file in it that describes the container", "FILE",
           default="config.json"),
    Option(("--console-socket",), "where its terminal is sent to", "SOCKET", default=""),
    Option(("--pid-file",), "where its pid is written to", "FILE", default=""),
    Option(("--pidfd-socket",), "where a pidfd of it is sent to", "SOCKET", default=""),
    Option(("--preserve-fds",), "descriptors that it keeps beside 0 to 2", "N", int, default=0),
    Option(("--no-pivot",), "a chroot in place of pivot_root, where / is of an initramfs",
           default=False),
    Option(("--no-new-keyring",), "let it have the caller's session keyring", default=False),
)  # fmt: skip
CREATE = Command("oci create", "Make a container of a bundle, up to its program.", _CREATE, "ID")
RUN = Command(
    "oci run",
    "Make a container of a bundle, and run its program.",
    (
        *_CREATE,
        Option(("--detach", "-d"), "do not wait for its end", default=False),
        Option(("--keep",), "do not delete it then", default=False),
        Option(("--no-subreaper",), "taken for runc's sake", default=False),
    ),
    "ID",
)


def verb_create(argv: list[str], where: Surroundings) -> int:
    """Make a container of a bundle, up to its program."""
    created = creation.create(_asked(read(CREATE, argv), where, foreground=False))
    where.warn(created.warnings)
    return 0


def _asked(given: dict[str, Any], where: Surroundings, *, foreground: bool) -> creation.Asked:
    listening = descriptors.listening()
    preserved = descriptors.reserve(given["preserve_fds"] + listening)
    return creation.Asked(
        where.root, given["id"], given["bundle"], given["config"], given["console_socket"],
        given["pid_file"], given["pidfd_socket"], preserved, listening,
        not given["no_new_keyring"], foreground, not given["no_pivot"],
        where.rootless,
    )  # fmt: skip


def verb_run(argv: list[str], where: Surroundings) -> int:
    """Make a container of a bundle and run its program; return its exit status."""
    given = read(RUN, argv)
    detached = given["detach"]
    from kernelbox.oci import ending, starting  # not for `create`

    created = creation.create(_asked(given, where, foreground=not detached))
    where.warn(created.warnings)
    box, born = created.box, created.born
    try:
        starting.start(box, created.document)
    except BaseException:
        ending.delete(where.root, box.id, force=True)
        raise
    if detached:
        return 0
    from kernelbox.oci import foreground

    status = foreground.wait(born)
    if not given["keep"]:
        where.warn(ending.delete(where.root, box.id, force=True))
    return status
