"""Faults of layers, for after chapter 06: what overlays hide, and what they should."""

from __future__ import annotations

from kernelbox.lab.conversation import LabError
from kernelbox.lab.exercises import benches
from kernelbox.lab.hosts.fault import Fault, Finding


class _LayerFault(Fault):
    """What the faults of layers share: directories 1, 2 and 3, the topmost last.

    Attributes:
        wanted: The files that all of them together are to show.
    """

    wanted: dict[str, str]

    def lay(self, layers: dict[str, dict[str, str]], *, lower: tuple[str, ...]) -> None:
        """Write the layers; those that are `lower` are to stay as they are."""
        self.world.put(
            {
                f"{self.top}/layers/{layer}/{path}": said
                for layer, files in layers.items()
                for path, said in files.items()
            }
        )
        for layer in lower:
            self.keep_tree(
                f"layer {layer} of {self.name} is as it was", f"{self.top}/layers/{layer}"
            )
            self.keep_owners(f"{self.top}/layers/{layer}")

    def shown(self) -> Finding:
        """Lay the directories over each other, out of the student's sight, and compare."""
        layers = [f"{self.top}/layers/{one}" for one in ("3", "2", "1")]
        try:
            with benches.beside(self.world.box, self.world.machine) as witness:
                seen = benches.laid_over(witness, *layers)
        except LabError as error:
            return Finding(
                False, f"the layers of {self.name} cannot be laid over each other: {error}"
            )
        return self.compared({path: said for path, said in seen.items() if path[-1] != "/"})

    def compared(self, seen: dict[str, str]) -> Finding:
        """Return the finding on what a stack of layers shows."""
        there = f"in the root of {self.name}"
        for path in sorted(seen.keys() | self.wanted.keys()):
            if path not in self.wanted:
                return Finding(False, f"{there} there is {path}")
            if path not in seen:
                return Finding(False, f"{there} {path} is missing")
            if seen[path] != self.wanted[path]:
                return Finding(False, f"{there} {path} is not the right one")
        return Finding(True, f"{there} there is what there should be, and nothing else")


class MissingWhiteout(_LayerFault):
    """A layer whose file of the deletion has been lost: a secret shows."""

    complaint = (
        "The root of {name} is laid together from /srv/{name}/layers, 3 on top of 2 on top of 1. "
        "Layer 3 deletes the file that was needed to build it, {secret}. It is there. The layers "
        "below are other images', too."
    )
    hints = (
        "How does a layer say that a file of a lower one is gone?",
        "Which layer has to say it? What is in that layer now, and what not?",
    )

    def break_(self) -> None:
        """See Fault."""
        secret = self.draw.choice(("etc/keys/deploy", "srv/token", "root/password"))
        self.words["secret"] = secret
        beside = f"{secret.rpartition('/')[0]}/readme"
        words = [self.word() for _ in range(4)]
        layers = {
            "1": {secret: words[0], beside: words[1]},
            "2": {"app/run": words[2]},
            "3": {"app/notes": words[3]},
        }
        self.wanted = {beside: words[1], "app/run": words[2], "app/notes": words[3]}
        self.lay(layers, lower=("1", "2"))

    def look(self) -> Finding:
        """See Fault."""
        return self.shown()


class LostOpaque(_LayerFault):
    """A directory that was to replace a lower one, and is merged with it."""

    complaint = (
        "The root of {name} is laid together from /srv/{name}/layers, 3 on top of 2 on top of 1. "
        "Layer 3 brings a new /etc/rules.d, in place of the old. The old rules count as well. The "
        "layers below are other images', too."
    )
    hints = (
        "When are two directories of one name merged, and when does the upper one hide the lower?",
        "With what does the kernel mark the one that hides? With what else could each be hidden?",
    )

    def break_(self) -> None:
        """See Fault."""
        old = {f"etc/rules.d/{number}": self.word() for number in range(self.draw.randint(2, 4))}
        rest, new = {"etc/name": self.word()}, {"etc/rules.d/new": self.word()}
        self.lay({"1": {**old, **rest}, "2": {"app/run": "run\n"}, "3": new}, lower=("1", "2"))
        self.wanted = {**rest, **new, "app/run": "run\n"}

    def look(self) -> Finding:
        """See Fault."""
        return self.shown()


class LayerOrder(_LayerFault):
    """An overlay that is mounted with its layers in the wrong order."""

    complaint = (
        "{name} is mounted at /srv/{name}/root. It runs with settings that were replaced long ago. "
        "Its layers are in /srv/{name}/layers: 3 was made last."
    )
    hints = (
        "Several layers have the same file. Which one is seen?",
        "Where does the kernel say which directories a mount was made of, and in what order?",
    )

    def break_(self) -> None:
        """See Fault."""
        words = [self.word() for _ in range(6)]
        layers = {
            "1": {"version": words[0], "colour": words[1], "base": words[2]},
            "2": {"version": words[3], "colour": words[4]},
            "3": {"version": words[5]},
        }
        self.wanted = {"version": words[5], "colour": words[4], "base": words[2]}
        self.lay(layers, lower=("1", "2", "3"))
        wrong = self.draw.choice(("123", "132", "213", "231", "312"))
        stack = ":".join(f"{self.top}/layers/{one}" for one in wrong)
        self.world.machine.mkdir(f"{self.top}/root")
        self.world.machine.mount("overlay", f"{self.top}/root", "overlay", f"lowerdir={stack}")

    def look(self) -> Finding:
        """See Fault: the mount itself is looked at, as the harbour sees it."""
        mounts = self.eye.mounts(self.world.machine.pid)
        kinds = [one.kind for one in mounts if one.point == f"{self.top}/root"]
        if kinds[-1:] != ["overlay"]:
            return Finding(False, f"no overlay is mounted at {self.top}/root")
        seen = self.eye.tree(self.world.path(f"{self.top}/root"))
        return self.compared(
            {
                path: said.decode(errors="replace")
                for path, (_, said) in seen.items()
                if isinstance(said, bytes)
            }
        )
