"""The rooms' bytecode in one file, for commands that start often.

Python looks for each module by itself: in a directory, for a source, for a file of bytecode beside
it. A start takes ninety rooms, and finding them is a fifth of it. From the shelf a room is one read
at a known place, and one look whether its source is still what that was made of:

    kernelbox/__pycache__/shelf.TAG    where each room's .pyc begins and how long it is; then all

`make setup` fills it, and its start scripts use it. A room whose source has changed since, or that
is not on it, is imported as ever; and so are all where there is no shelf, or one that is damaged.

Source: PEP 451; PEP 552, .pyc files; CPython, Lib/importlib/_bootstrap_external.py.
"""

from __future__ import annotations

import marshal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os as posix
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec, SourceFileLoader
    from types import CodeType, ModuleType
else:
    import posix
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import SourceFileLoader

_TOP = __file__.rpartition("/plumbing/")[0]  # the package's directory
_TAG = sys.implementation.cache_tag
_PATH = f"{_TOP}/__pycache__/shelf.{_TAG}"
_HEADER = 16  # bytes of a .pyc before its code: magic, flags, time and size of the source
_LENGTH = 8  # bytes at the beginning of the shelf: how long what says where all is
_OF_NOTEBOOKS = ("lab", "widgets")  # which no command in a hurry imports


class Shelf:
    """What `import` asks for a room before it looks anywhere else.

    Attributes:
        places: By the room's name: its source, below the package's directory; where its .pyc
            begins, counted from the first one's beginning; and its length.
    """

    def __init__(self) -> None:
        """Read where all is. Raises OSError; of a damaged one ValueError, EOFError, TypeError."""
        length = int.from_bytes(_read(0, _LENGTH), "little")
        self.places: dict[str, tuple[str, int, int]] = marshal.loads(_read(_LENGTH, length))
        self._first = _LENGTH + length

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what a room is imported from; None if the shelf does not have it as it is now."""
        if name not in self.places:
            return None
        below, begin, length = self.places[name]
        source = f"{_TOP}/{below}"
        try:
            kept, now = _read(self._first + begin, length), posix.stat(source)
        except OSError:
            return None
        if len(kept) < length or kept[8:_HEADER] != _numbers(int(now.st_mtime), now.st_size):
            return None
        # As `spec_from_file_location` does it, which would find out what is known here.
        is_package = below.endswith("__init__.py")
        spec = ModuleSpec(name, _Loader(name, source, kept), origin=source, is_package=is_package)
        spec.has_location = True
        directory, _, file = source.rpartition("/")
        spec.cached = f"{directory}/__pycache__/{file.removesuffix('py')}{_TAG}.pyc"
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(directory)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, kept: bytes) -> None:
        super().__init__(name, path)
        self._kept = kept

    def get_code(self, fullname: str) -> CodeType:
        found: CodeType = marshal.loads(memoryview(self._kept)[_HEADER:])
        return found


def _read(begin: int, length: int) -> bytes:
    # Opened each time: a process that closes what it has inherited would read something else.
    fd = posix.open(_PATH, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.pread(fd, length, begin)
    finally:
        posix.close(fd)


def _numbers(first: int, second: int) -> bytes:
    """Return two numbers as a .pyc has them, 4 bytes each."""
    return (first & 0xFFFFFFFF | (second & 0xFFFFFFFF) << 32).to_bytes(8, "little")


def use() -> None:
    """Import rooms from the shelf from here on, if there is one."""
    try:
        sys.meta_path.insert(0, Shelf())
    except (OSError, ValueError, EOFError, TypeError):
        return


def fill() -> None:
    """Put the rooms on the shelf that have bytecode beside them, but for those of notebooks.

    Raises:
        OSError: ENOSPC, EROFS, EACCES.
    """
    import os
    from importlib.util import MAGIC_NUMBER, cache_from_source

    left_out = [os.path.join(_TOP, one) for one in _OF_NOTEBOOKS]
    by_time = MAGIC_NUMBER + bytes(4)
    places, all_of_it = dict[str, tuple[str, int, int]](), bytearray()
    for directory, below, files in os.walk(_TOP):
        below[:] = [one for one in below if os.path.join(directory, one) not in left_out]
        for source in (os.path.join(directory, one) for one in files if one.endswith(".py")):
            try:
                with open(cache_from_source(source), "rb") as file:
                    kept = file.read()
            except FileNotFoundError:
                continue
            if kept.startswith(by_time):
                place = os.path.relpath(source, _TOP)
                room = place.removesuffix(".py").replace("/", ".").removesuffix("__init__")
                places[f"kernelbox.{room}".rstrip(".")] = (place, len(all_of_it), len(kept))
                all_of_it += kept
    table = marshal.dumps(places)
    # Not by way of `whole`: where the lab VM's image is made there is no /proc.
    draft = f"{_PATH}.{os.getpid()}"
    with open(draft, "wb") as new:
        new.write(len(table).to_bytes(_LENGTH, "little") + table + all_of_it)
    os.rename(draft, _PATH)


if __name__ == "__main__":
    fill()
