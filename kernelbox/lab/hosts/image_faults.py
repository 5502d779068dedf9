"""Faults of images, for after chapter 05: a layout in which something is not what it is called."""

from __future__ import annotations

import json
import stat

from kernelbox.lab.hosts.fault import Fault, Finding
from kernelbox.lab.hosts.shelf import Files, Shelf, packed, place, truth, walk


class _ShelfFault(Fault):
    """What the faults of images share: they read a layout as it is now."""

    def files(self, name: str = "") -> Files:
        """Return the layout of a service by the paths below it."""
        found = self.eye.tree(self.world.path(f"/srv/{name or self.name}"))
        return {
            path: said
            for path, (kind, said) in found.items()
            if kind == stat.S_IFREG and isinstance(said, bytes)
        }

    def store(self, shelf: Shelf, name: str = "") -> None:
        """Write a layout into the directory of a service."""
        top = f"/srv/{name or self.name}"
        self.world.put({f"{top}/{path}": said for path, said in shelf.files.items()})

    def layers(self) -> list[bytes]:
        """Return three layers that nobody has seen."""
        return [packed(f"file-{number}", self.word()) for number in range(3)]


class FlippedBit(_ShelfFault):
    """A layer in which one bit is another, under its old name."""

    complaint = (
        "{name}:1.0 cannot be pulled any more: something in /srv/{name} is not what it is called. "
        "{other}:1.0, in /srv/{other}, was built on the same layers, and can be."
    )
    hints = (
        "What is the name of a blob, and how can one see whether it is rightly called so?",
        "A digest says that a blob is damaged, and not where. Where else are these very bytes?",
    )

    def break_(self) -> None:
        """See Fault."""
        layers = self.layers()
        mine, theirs = Shelf(), Shelf()
        self.manifest = mine.add("1.0", layers)
        theirs.add("1.0", [*layers, packed("more", self.word())])
        damaged = self.draw.choice(walk(mine.files, "1.0").layers)
        data = bytearray(mine.files[place(damaged)])
        data[self.draw.randrange(20, len(data))] ^= 1 << self.draw.randrange(8)
        mine.files[place(damaged)] = bytes(data)
        self.store(mine)
        self.store(theirs, self.other)
        self.keep(f"{self.other}:1.0 is whole", lambda: walk(self.files(self.other), "1.0"))

    def look(self) -> Finding:
        """See Fault: the name must lead to the very image that it led to."""
        found = walk(self.files(), "1.0")
        if found.problem:
            return Finding(False, f"{self.name}:1.0: {found.problem}")
        if found.manifest != self.manifest:
            return Finding(False, f"{self.name}:1.0 is whole, and is another image than before")
        return Finding(True, f"{self.name}:1.0: each blob is what it is called")


class WrongTag(_ShelfFault):
    """A name in the index that leads to another version's manifest."""

    complaint = (
        "Who asks for {name}:1.0 gets what came with 2.0. All of it is undamaged. The layout is in "
        "/srv/{name}."
    )
    hints = (
        "What makes the name of an image lead to its layers? Follow it, document by document.",
        "Where does an image itself say which version it is? What does its descriptor say of it?",
    )

    def break_(self) -> None:
        """See Fault."""
        shelf = Shelf()
        layers = self.layers()
        self.first = shelf.add("1.0", layers[:2])
        second = shelf.add("2.0", layers)
        index = json.loads(shelf.files["index.json"])
        newer = index["manifests"][1]
        index["manifests"][0] |= {"digest": newer["digest"], "size": newer["size"]}
        shelf.files["index.json"] = json.dumps(index, indent=1).encode()
        self.store(shelf)
        self.keep(
            f"{self.name}:2.0 is what it was",
            lambda: walk(self.files(), "2.0").manifest == second,
        )
        self.keep_tree(f"no blob of {self.name} has changed", f"{self.top}/blobs")

    def look(self) -> Finding:
        """See Fault."""
        found = walk(self.files(), "1.0")
        if found.problem:
            return Finding(False, f"{self.name}:1.0: {found.problem}")
        right = found.manifest == self.first
        return Finding(right, f"{self.name}:1.0 leads to {'its own' if right else 'another'} image")


class WrongDiffId(_ShelfFault):
    """A configuration in which two DiffIDs have changed places."""

    complaint = (
        "{name}:1.0 can be pulled, but whoever unpacks it refuses: a layer is not what the image "
        "says of it. The layers in /srv/{name} are the builder's own, byte for byte."
    )
    hints = (
        "A layer has two digests. Of what is each, and in which document is it?",
        "If that document changes, what else has to change, all the way up to the name?",
    )

    def break_(self) -> None:
        """See Fault."""
        layers = self.layers()
        said = truth(layers)
        at = self.draw.randrange(2)
        said[at], said[at + 1] = said[at + 1], said[at]
        shelf = Shelf()
        shelf.add("1.0", layers, said)
        whole = Shelf()
        whole.add("1.0", layers)
        self.right = walk(whole.files, "1.0")
        self.store(shelf)
        blobs = [place(one) for one in self.right.layers]
        self.keep(
            f"the layers of {self.name} are the builder's",
            lambda: [self.files().get(one) for one in blobs],
        )

    def look(self) -> Finding:
        """See Fault."""
        found = walk(self.files(), "1.0")
        if found.problem:
            return Finding(False, f"{self.name}:1.0: {found.problem}")
        if found.layers != self.right.layers:
            return Finding(False, f"{self.name}:1.0 fits, but has not the layers that it had")
        if {**found.config, "rootfs": {}} != {**self.right.config, "rootfs": {}}:
            return Finding(False, f"{self.name}:1.0 fits, but is configured in another way")
        return Finding(True, f"{self.name}:1.0: the configuration says of each layer what it is")
