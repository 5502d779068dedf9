"""What the store tells of an image: to run it, or to list it."""

from __future__ import annotations

from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# Where programs are looked for, if an image does not say so itself. Source: moby,
# oci/defaults.go, DefaultPathEnv.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Image(NamedTuple):
    """An image, ready to be run.

    Attributes:
        reference: Its name with the tag, or its manifest's digest if it has no name.
        id: The digest of its config.
        config: What to run and how: Env, Cmd, Entrypoint, WorkingDir, User, Labels.
        lowerdirs: Its unpacked layers, topmost first, as overlay's `lowerdir` wants them.

    Source: OCI image-spec v1.1, config.md, section Properties (config, rootfs).
    """

    reference: str
    id: str
    config: dict[str, Any]
    lowerdirs: list[str]


class Summary(NamedTuple):
    """An image as a list of images shows it.

    Attributes:
        reference: Its name with the tag; "" if it has none.
        id: The digest of its config.
        created: When it was made, RFC 3339; "" if it does not say.
        size: Bytes of its blobs, layers as they are stored.
        repo_digest: What the registry that it came from calls it; "" if it was made here.
    """

    reference: str
    id: str
    created: str
    size: int
    repo_digest: str = ""
