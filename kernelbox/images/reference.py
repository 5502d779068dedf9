"""How an image is named: `busybox` is short for `docker.io/library/busybox:latest`.

The store keeps the short form, as Docker shows it; a registry is asked by the long one. Leaves
finding the image to store.py.
"""

from __future__ import annotations

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"sha256:[0-9a-f]{64}"

DOCKER_HUB = "docker.io"


class Remote(NamedTuple):
    """Where an image is in the world.

    Attributes:
        registry: Host, with a port if it is not the usual one: `docker.io`, `localhost:5000`.
        repository: Path at the registry: `library/busybox`.
        tag: A tag; or a digest, which begins with `sha256:`.
    """

    registry: str
    repository: str
    tag: str


def normalise(reference: str) -> str:
    """Return a reference with its tag, as short as Docker has it: `busybox` is `busybox:latest`.

    Args:
        reference: What a person typed. One that has a tag or a digest keeps it; beside a digest a
            tag says nothing.

    Source: Docker documentation, "docker image tag", section Description.
    """
    for prefix in ("docker.io/", "index.docker.io/"):
        reference = reference.removeprefix(prefix)
    if reference.startswith("library/") and reference.count("/") == 1:
        reference = reference.removeprefix("library/")
    name, at, digest = reference.partition("@")
    above, slash, last = name.rpartition("/")
    if at:
        return f"{above}{slash}{last.partition(':')[0]}@{digest}"
    return reference if ":" in last else f"{reference}:latest"


def check(reference: str) -> str:
    """Return the normalised reference, if it may be given to an image.

    Args:
        reference: A name as a person types it, for example `lab/web:v1`.

    Raises:
        UsageError: It is not a name with a tag or a digest.

    Source: Docker documentation, "docker image tag", section Description (the grammar of names).
    """
    import re  # compiled here: only writing a name needs it, and `run` only reads one

    name = normalise(reference)
    path = f"{_HOST}{_COMPONENT}(?:/{_COMPONENT})*"
    if not re.fullmatch(f"{path}(?::{_TAG}|@{_DIGEST})", name) or len(name) > 512:
        raise UsageError(
            f"{quoted(reference)} is not a name for an image",
            "Use lower-case letters, digits and . _ - / with an optional :tag, such as lab/web:v1",
        )
    return name


def remote(reference: str) -> Remote:
    """Return which registry has an image, and what it is called there.

    The first component is a host if it has a dot or a colon or is `localhost`, as for Docker.

    Raises:
        UsageError: It is not a name.

    Source: Docker documentation, "docker image pull", section "Pull from a different registry".
    """
    name = check(reference)
    repository, at, tag = name.partition("@")
    if not at:
        repository, _, tag = name.rpartition(":")
    host, slash, path = repository.partition("/")
    if slash and (host == "localhost" or "." in host or ":" in host):
        return Remote(host, path, tag)
    return Remote(DOCKER_HUB, repository if slash else f"library/{repository}", tag)


def split(name: str) -> tuple[str, str]:
    """Return repository and tag of a normalised name, for people; `<none>` where one is missing."""
    if "@" in name:
        return name.partition("@")[0], "<none>"
    repository, _, tag = name.rpartition(":")
    return repository or "<none>", tag or "<none>"


def quoted(text: str) -> str:
    """Return text in double quotes and on one line, whatever it holds."""
    import json  # few names are told in quotes

    return json.dumps(text, ensure_ascii=False)
