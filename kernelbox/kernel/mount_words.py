"""mount(2)'s bits in the words of mount(8), and back.

A person writes `ro,nosuid,size=64k`, and so does the OCI runtime spec; the kernel takes bits, and
the rest as text. Whoever reads a trace wants the command that asks the same at a prompt. And what
the kernel lists of mounts is words between blanks, so a path's own blanks are written otherwise.
"""

from __future__ import annotations

from kernelbox.kernel import flags as k

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROPAGATION = {
    k.MS_PRIVATE: "private",
    k.MS_SLAVE: "slave",
    k.MS_SHARED: "shared",
    k.MS_UNBINDABLE: "unbindable",
}
_SETTINGS = {
    k.MS_REMOUNT: "remount",
    k.MS_BIND: "bind",
    k.MS_RDONLY: "ro",
    k.MS_NOSUID: "nosuid",
    k.MS_NODEV: "nodev",
    k.MS_NOEXEC: "noexec",
    k.MS_NOATIME: "noatime",
}
_WORDS = {
    **{word: bit for bit, word in (_SETTINGS | PROPAGATION).items()},
    **{f"r{word}": bit | k.MS_REC for bit, word in PROPAGATION.items()},
    "rbind": k.MS_BIND | k.MS_REC,
    "move": k.MS_MOVE,
}


def parse(options: Iterable[str]) -> tuple[int, str | None]:
    """Return the MS_* bits that `options` name, and the file system's own options as one text.

    Args:
        options: Words of mount(8)'s `-o`, such as `ro`, `rprivate`, `size=64k`.

    Source: mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; OCI runtime-spec, config.md, "Mounts".
    """
    bits, data = 0, []
    for option in options:
        bit = _WORDS.get(option)
        if bit is None:
            data.append(option)
        else:
            bits |= bit
    return bits, ",".join(data) or None


def unescaped(text: str) -> str:
    r"""Return a word of mountinfo as it is: of `\040` the blank, of `\134` the backslash.

    Source: proc_pid_mountinfo(5); mangle() in the kernel's fs/proc_namespace.c.
    """
    if "\\" not in text:
        return text
    first, *others = text.split("\\")
    return first + "".join(chr(int(one[:3], 8)) + one[3:] for one in others)


class Command:
    """The mount(8) command that asks the same as mount(2), spelled when somebody reads it."""

    __slots__ = ("data", "flags", "kind", "source", "target")

    def __init__(
        self, source: str | None, target: str, kind: str | None, flags: int, data: str | None
    ) -> None:
        self.source = source
        self.target = target
        self.kind = kind
        self.flags = flags
        self.data = data

    def __str__(self) -> str:
        source, target, flags = self.source, self.target, self.flags
        # In the kernel's order: of several, the first one counts. Source: path_mount() there.
        recursive = "r" if flags & k.MS_REC else ""
        if flags & k.MS_BIND and not flags & k.MS_REMOUNT:
            return f"mount --{recursive}bind {source} {target}"
        for bit, word in PROPAGATION.items():
            if flags & bit and not flags & k.MS_REMOUNT:
                return f"mount --make-{recursive}{word} {target}"
        if flags & k.MS_MOVE and not flags & k.MS_REMOUNT:
            return f"mount --move {source} {target}"
        words = [word for bit, word in _SETTINGS.items() if flags & bit]
        options = ",".join(words + ([self.data] if self.data else []))
        kind = f"-t {self.kind}" if self.kind else ""
        parts = ["mount", kind, f"-o {options}" if options else ""]
        return " ".join(part for part in [*parts, source or "", target] if part)
