"""A stage's layers and config while it grows, and the cache that has layers from before.

A layer is found in the cache by its key: the ChainID of all that is below it, the instruction with
its variables replaced, and for the files that it copies a digest of names, modes, owners and bytes,
but not of times. The same key means the same layer. If $SOURCE_DATE_EPOCH is set, nothing in a
layer is younger than that, the files of the build context are exactly as old, and so is the image;
so the variable is part of the key.

Without it, times are those of the files and of now, as with BuildKit; what is found in the cache
keeps its time, so that a build that changes nothing gives the same image.

Source: Docker documentation, "Build cache invalidation"; BuildKit documentation, SOURCE_DATE_EPOCH
with rewrite-timestamp.
"""

from __future__ import annotations

import json

from kernelbox.images import assembly, cache, layout, manifests
from kernelbox.kernel.errors import KernelboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from kernelbox.images.layers import Entry
    from kernelbox.images.layout import Descriptor
    from kernelbox.images.store import Store


class Stack:
    """What a stage is so far.

    Attributes:
        config: The whole document.
        layers: The bottom one first.
        lowerdirs: The same, unpacked, the topmost first.
        args: The ARGs that have a value; a stage has those of the stage below it, too.
    """

    def __init__(
        self, store: Store, config: dict[str, Any], layers: list[Descriptor], lowerdirs: list[str]
    ) -> None:
        self._store = store
        self.config = json.loads(json.dumps(config))  # a copy of its own
        self.layers = list(layers)
        self.lowerdirs = list(lowerdirs)
        self.args: dict[str, str] = {}

    def copy(self) -> Stack:
        """Return a copy that may be changed."""
        same = Stack(self._store, self.config, self.layers, self.lowerdirs)
        same.args = dict(self.args)
        return same

    @property
    def run(self) -> dict[str, Any]:
        """How its programs are run: Env, Cmd, User and the others."""
        found: dict[str, Any] = self.config["config"]
        return found

    @property
    def chain(self) -> str:
        """The ChainID of all layers; "" without any."""
        chain = layout.chain_ids(self.config["rootfs"]["diff_ids"])
        return chain[-1] if chain else ""

    def key(self, *what: object) -> str:
        """Return the key of a layer on top of those there are."""
        return layout.digest_of(json.dumps([self.chain, assembly.epoch(), *what]).encode())

    def note(self, created_by: str) -> None:
        """Write an instruction that makes no layer into the history."""
        step = {"created": self.config["created"], "created_by": created_by, "empty_layer": True}
        self.config.setdefault("history", []).append(step)

    def take(self, key: str, created_by: str) -> bool:
        """Put the layer that the cache has under a key on top, if it has one.

        Raises:
            UsageError: It is damaged.
            KernelError: The file system refused to unpack it.
        """
        entry = cache.find(self._store.layout, key)
        if entry is None:
            return False
        try:
            image = manifests.find(self._store.layout, entry)
        except KernelboxError:
            return False
        with self._store.lock():
            self._store.layers.unpack(image)
        self._push(image.manifest["layers"][-1], image.diff_ids[-1], created_by)
        if assembly.epoch() is None and image.config.get("created"):
            self.config["created"] = self.config["history"][-1]["created"] = image.config["created"]
        return True

    def add(self, key: str, entries: Iterable[Entry], created_by: str) -> None:
        """Put a layer of these entries on top, and remember it under its key.

        Raises:
            UsageError: A file has changed meanwhile, or a layer cannot hold it.
            KernelError: The file system refused: ENOSPC, EACCES.
        """
        store = self._store
        with store.lock():
            layer, diff_id = assembly.new_layer(store, assembly.clamped(entries))
            self._push(layer, diff_id, created_by)
            manifest = assembly.new_manifest(store, self.config, self.layers)
            store.layers.unpack(manifests.find(store.layout, manifest))
            cache.add(store.layout, key, manifest)

    def _push(self, layer: Descriptor, diff_id: str, created_by: str) -> None:
        assembly.add_step(self.config, diff_id, created_by)
        self.layers.append(layer)
        self.lowerdirs.insert(0, self._store.layers.directory(self.chain))
