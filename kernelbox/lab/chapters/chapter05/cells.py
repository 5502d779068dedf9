"""Which of the notebook's cells the answers to the exercises of chapter 05 need, by their ids."""

from __future__ import annotations

OPENED = ("open", "save", "unpack", "digests", "index", "manifest", "config")
BY_HAND = (*OPENED, "layer-of", "diff-id", "predict-names", "compressed", "put")
HELLO = (*BY_HAND, "hello-config", "hello-manifest", "hello-index", "load")
