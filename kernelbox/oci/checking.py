"""A document beside the spec's own schemas: what a person wants to know of a config.json.

Creating a container does not need it: reading.py reads what it uses. The schemas in schema/ are the
spec's, as it publishes them, with its licence.

Source: OCI runtime-spec 1.3.0, schema/; json-schema.org, draft 4.
"""

from __future__ import annotations

import json
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SCHEMAS = Path(__file__).with_name("schema")


def problems(document: dict[str, Any], kind: str = "config") -> list[str]:
    """Return what the spec's schema finds wrong in a document, a line each.

    Args:
        document: As JSON has it.
        kind: `config`, `state` or `features`.
    """
    # A tenth of a second, for who asks.
    from jsonschema import Draft4Validator  # type: ignore[import-untyped]
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT4

    def load(name: str) -> Resource[Any]:
        return DRAFT4.create_resource(json.loads((_SCHEMAS / name).read_text(encoding="utf-8")))

    registry: Registry[Any] = Registry(retrieve=load)  # type: ignore[call-arg]
    checker = Draft4Validator({"$ref": f"{kind}-schema.json"}, registry=registry)
    errors = sorted(checker.iter_errors(document), key=lambda error: list(map(str, error.path)))
    return [f"{_place(error.absolute_path)}: {error.message}" for error in errors]


def _place(path: Any) -> str:
    words = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path)
    return words.removeprefix(".") or "the document"
