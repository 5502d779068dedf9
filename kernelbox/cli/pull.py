"""Pulling with something to look at: for `pull`, and for `run` where the image is not here.

`run` comes here only when it must: urllib3 takes longer to load than a container to start.
"""

from __future__ import annotations

import sys

from kernelbox.cli.progress_bars import bars
from kernelbox.container.options.image_lookup import image_store
from kernelbox.images.index import name_of
from kernelbox.images.reference import check, quoted, remote, split
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from kernelbox.images.store import Store

_MOST = 3  # images that a person is asked about


def pull(
    reference: str,
    out: TextIO,
    *,
    platform: str = "",
    plain_http: bool = False,
    quiet: bool = False,
) -> None:
    """Fetch an image from its registry; show how far each layer is, and what came of it.

    Args:
        reference: The image.
        out: Where to print.
        platform: `linux/arm64`; this host's if empty.
        plain_http: Whether to do without TLS.
        quiet: Whether to print nothing.

    Raises:
        KernelboxError: It is not a name; the registry refuses or does not answer; it cannot be
            stored.
    """
    name, store = check(reference), image_store()
    from kernelbox.images.registry import pull as registry  # urllib3

    with bars("Pull", out, quiet=quiet) as watch:
        done = registry.pull(store, name, platform=platform, plain_http=plain_http, watch=watch)
    if not quiet:
        what = "Downloaded newer image" if done.new else "Image is up to date"
        print(f"Digest: {done.digest}\nStatus: {what} for {name}", file=out, flush=True)


def pull_to_run(reference: str, *, quiet: bool = False) -> None:
    """Fetch the image of a container to be made; what there is to show goes to standard error.

    Raises:
        UsageError: It cannot be had; the line says what was tried, and what there is instead.
    """
    name, where = check(reference), remote(reference)
    try:
        pull(reference, sys.stderr, quiet=quiet)
    except KernelboxError as error:
        joint = "@" if where.tag.startswith("sha256:") else ":"
        tried = f"{where.registry}/{where.repository}{joint}{where.tag}"
        raise UsageError(
            f"no image {quoted(name)} here, and {tried} cannot be pulled: {error.message}",
            f"{_others(image_store(), name)} {error.hint}".rstrip(),
        ) from error


def _others(store: Store, wanted: str) -> str:
    """Return a sentence on what images are here: those that are called alike, or else all."""
    import difflib

    here = sorted(filter(None, map(name_of, store.layout.read_index()["manifests"])))
    alike = difflib.get_close_matches(split(wanted)[0], [split(name)[0] for name in here])
    meant = [name for name in here if split(name)[0] in alike]
    if meant:
        return f"Did you mean {' or '.join(meant[:_MOST])}?"
    return f"Images here: {', '.join(here)}."
