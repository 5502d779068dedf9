"""What is different between two JSON documents, and how to get from one to the other.

Views send differences to the page, and recordings keep snapshots as differences. Documents are
objects whose keys identify what they hold, so that one process more is one key more. None is not
used in them: in a difference, it says that a key is gone.

Source: RFC 7396, "JSON Merge Patch".
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def difference(before: Document, after: Document) -> Document:
    """Return the merge patch that makes `after` of `before`; empty if they are equal."""
    patch: Document = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif value is not before[key] and value != before[key]:
            old = before[key]
            both = isinstance(value, dict) and isinstance(old, dict)
            patch[key] = difference(old, value) if both else value
    return patch


def merge(document: Document, patch: Document) -> Document:
    """Return the document after the patch; neither is changed, and what stays is shared."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            old = result.get(key)
            result[key] = merge(old if isinstance(old, dict) else {}, value)
        else:
            result[key] = value
    return result
