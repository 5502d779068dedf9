"""How an image is named: `busybox` is short for `busybox:latest`.

Leaves finding the image to store.py. Registries, and the short names that imply one, are not
interpreted here: a reference is a key in the index.
"""

from __future__ import annotations

import json

from kernelbox.kernel.errors import UsageError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"


def normalise(reference: str) -> str:
    """Return a reference with its tag: `busybox` becomes `busybox:latest`.

    Args:
        reference: What a person typed. One that has a tag or a digest is returned as it is.

    Source: Docker documentation, "docker image tag", section Description.
    """
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def check(reference: str) -> str:
    """Return the normalised reference, if it may be given to an image.

    Args:
        reference: A name as a person types it, for example `lab/web:v1`.

    Raises:
        UsageError: It is not a name with a tag.

    Source: Docker documentation, "docker image tag", section Description (the grammar of names).
    """
    import re  # compiled here: only writing a name needs it, and `run` only reads one

    name = normalise(reference)
    if not re.fullmatch(f"{_HOST}{_COMPONENT}(?:/{_COMPONENT})*:{_TAG}", name):
        raise UsageError(
            f"{quoted(reference)} is not a name for an image",
            "Use lower-case letters, digits and . _ - / with an optional :tag, such as lab/web:v1",
        )
    return name


def quoted(text: str) -> str:
    """Return text in double quotes and on one line, whatever it holds."""
    return json.dumps(text, ensure_ascii=False)
