"""A JSON document from outside, read with suspicion: each value is asked for by its type.

What is not asked for is not looked at: the runtime-spec wants unknown fields ignored. `null` is as
good as nothing, as engines write it.

Source: OCI runtime-spec, config.md, "Extensibility".
"""

from __future__ import annotations

import os
import stat

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_BYTES = 8 << 20
_HINT = "See OCI runtime-spec, config.md and config-linux.md"
LARGEST_ID = 2**32 - 2  # 2^32-1 means "no change" to setresuid(2)
_INT64 = 1 << 63


def load(path: str, what: str = "", *, pipe: bool = False) -> Part:
    """Return the JSON object in a file.

    Args:
        path: Of it; no FIFO or device, which could keep us waiting or be without an end.
        what: What an error calls it; empty for its name.
        pipe: Whether it may be one of the caller's own: `/dev/fd/3`.

    Raises:
        UsageError: There is none, or it is something else.
    """
    name = what or os.path.basename(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {(error.strerror or 'it is no file').lower()}",
            "A bundle is a directory with a config.json in it",
        ) from error
    try:
        status = os.fstat(fd)
        if pipe and stat.S_ISFIFO(status.st_mode) and path.startswith("/dev/fd/"):
            return parse(_to_the_end(fd), name)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise UsageError(f"{path} is no file of at most 8 MiB", "It should be a JSON object")
        return parse(os.read(fd, _MOST_BYTES), name)
    finally:
        os.close(fd)


def _to_the_end(pipe: int) -> bytes:
    """Return what somebody writes into a pipe, as far as it can be a document."""
    os.set_blocking(pipe, True)
    text = b""
    while len(text) <= _MOST_BYTES and (more := os.read(pipe, _MOST_BYTES)):
        text += more
    return text


def parse(text: bytes, name: str) -> Part:
    """Return the JSON object in a text, called `name` in errors.

    Raises:
        UsageError: It is something else.
    """
    try:
        found: Any = documents.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is no JSON: {error!s:.100}", "Is it complete?") from None
    return Part(found, name)


class Part:
    """One object of a document.

    Attributes:
        plain: It, as JSON has it.
        name: Where it is, for errors: `config.json: process.user`.
    """

    def __init__(self, plain: object, name: str) -> None:
        if not isinstance(plain, dict):
            raise _wrong(name, "an object")
        self.plain: dict[str, Any] = plain
        self.name = name

    def has(self, key: str) -> bool:
        """Whether there is such a value, and it is neither empty nor 0."""
        return bool(self.plain.get(key))

    def text(self, key: str, default: str | None = "") -> str:
        """Return a text that can be a name or an argument; the default where there is none."""
        found = self._get(key, default)
        if not isinstance(found, str) or not _is_text(found):
            raise self.wrong(key, "a text")
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        """Return true or false."""
        found = self._get(key, default)
        if not isinstance(found, bool):
            raise self.wrong(key, "true or false")
        return found

    def number(
        self, key: str, default: int | None = 0, low: int = -_INT64, high: int = 2 * _INT64 - 1
    ) -> int:
        """Return a whole number within bounds."""
        found = self._get(key, default)
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if not isinstance(found, int) or isinstance(found, bool) or not low <= found <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}")
        return found

    def identity(self, key: str) -> int:
        """Return the number of a user or a group."""
        return self.number(key, 0, 0, LARGEST_ID)

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        found = self._list(key)
        for one in found:
            if not _is_text(one):
                raise self.wrong(key, "a list of texts")
        return found

    def numbers(self, key: str, low: int, high: int) -> list[int]:
        """Return a list of whole numbers within bounds."""
        found = self._list(key)
        for one in found:
            if not isinstance(one, int) or isinstance(one, bool) or not low <= one <= high:
                raise self.wrong(key, f"a list of whole numbers from {low} to {high}")
        return found

    def bits(self, key: str, known: dict[str, int]) -> int:
        """Return what a list of names stands for, each a bit that is known by it."""
        names = self.texts(key)
        if any(one not in known for one in names):
            raise self.wrong(key, f"a list of {', '.join(known)}")
        return sum(known[one] for one in set(names))

    def table(self, key: str) -> dict[str, str]:
        """Return an object whose values are texts."""
        found = self.part(key).plain
        if not all(_is_text(one) and _is_text(name) for name, one in found.items()):
            raise self.wrong(key, "an object of texts")
        return found

    def part(self, key: str) -> Part:
        """Return an object in this one; an empty one where there is none."""
        return Part(self._get(key, {}), self._place(key))

    def parts(self, key: str) -> list[Part]:
        """Return a list of objects."""
        return [
            Part(one, f"{self._place(key)}[{number}]") for number, one in enumerate(self._list(key))
        ]

    def chosen(self, key: str, choices: tuple[str, ...], default: str | None = "") -> str:
        """Return one of some words."""
        found = self.text(key, default)
        if found not in choices and found != default:
            raise self.wrong(key, f"one of {', '.join(choices)}")
        return found

    def wrong(self, key: str, wanted: str) -> UsageError:
        """Return the refusal of a value."""
        return _wrong(self._place(key), wanted)

    def _place(self, key: str) -> str:
        return f"{self.name}{'.' if '.json: ' in self.name else ': '}{key}"

    def _get(self, key: str, default: object) -> object:
        found = self.plain.get(key)
        return default if found is None else found

    def _list(self, key: str) -> list[Any]:
        found = self._get(key, [])
        if not isinstance(found, list):
            raise self.wrong(key, "a list")
        return found


def _is_text(found: object) -> bool:
    """Whether it is a text that the kernel can be told: no NUL, and no half of a character.

    Source: RFC 8259, section 8.2: JSON can write half a surrogate pair, UTF-8 cannot.
    """
    if not isinstance(found, str) or "\0" in found:
        return False
    return found.isascii() or not any("\ud800" <= one <= "\udfff" for one in found)


def _wrong(name: str, wanted: str) -> UsageError:
    return UsageError(f"{name} must be {wanted}", _HINT)
