"""`kernelbox inspect`: all that is known of containers and images."""

from __future__ import annotations

import json

from kernelbox.cli import template
from kernelbox.cli.each import for_each
from kernelbox.cli.parser import parser_for
from kernelbox.container import inspection, names
from kernelbox.container.lifecycle import cleanup
from kernelbox.kernel.errors import KernelboxError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def command_inspect(argv: list[str]) -> int:
    """Print everything that is known about containers or images: a JSON array, or a template."""
    parser = parser_for("inspect", "Show all about containers or images, as JSON.")
    parser.add_argument("--type", choices=["container", "image"], help="only such a one")
    parser.add_argument("names", nargs="+", metavar="CONTAINER|IMAGE")
    parser.add_argument(
        "-f", "--format", default="json", metavar="TEMPLATE",
        help="json, or a template such as '{{.State.Status}}'",
    )  # fmt: skip
    given = parser.parse_args(argv)
    cleanup.sweep()
    if given.format not in ("json", ""):  # as for Docker, an empty template is none
        return for_each(
            given.names, lambda name: template.render(given.format, _inspected(name, given.type))
        )
    print(json.dumps([_inspected(name, given.type) for name in given.names], indent=4))
    return 0


def _inspected(name: str, kind: str | None) -> dict[str, Any]:
    """Return all about a container, or about an image if no container has the name."""
    if kind != "image":
        try:
            found = names.find(name)
        except UsageError:
            if kind == "container" or not _is_image(name):
                raise
        else:
            return inspection.of(found)
    from kernelbox.container.options.image_lookup import image_store

    return image_store().inspection(name)


def _is_image(name: str) -> bool:
    from kernelbox.container.options.image_lookup import image_store  # only what is no container

    try:
        image_store().find(name)
    except KernelboxError:
        return False
    return True
