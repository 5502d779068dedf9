"""What a person writes for a limit, as text or number, read into the numbers that OCI has for it.

Nothing is changed, and the kernel is asked only what there is of CPUs and disks.
"""

from __future__ import annotations

from kernelbox.cgroup import disks, limit_values
from kernelbox.kernel import files
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIZE = r"(\d+(?:\.\d+)?)\s*([bkmgtBKMGT]?)(?:[iI]?[bB])?"
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_ONLINE = {
    "CPUs": "/sys/devices/system/cpu/online",
    "memory nodes": "/sys/devices/system/node/online",
}


def size(given: str | int, option: str) -> int:
    """Return the bytes that a size such as `64m`, `1.5g` or `4096` means.

    Raises:
        UsageError: It is not a size.

    Source: docker/go-units, RAMInBytes.
    """
    import re  # few starts limit anything

    text = str(given).strip()
    match = re.fullmatch(_SIZE, text, re.ASCII)
    if not match:
        raise UsageError(
            f"{given!r:.80} is not a size for {option}", "Write it like 64m, 1.5g or 4096k"
        )
    # More than any machine has counts as that: hundreds of digits are no number any more.
    return int(min(float(match[1]) * _UNITS[match[2].lower()], limit_values.MAX_MEMORY))


def size_or_all(given: str | int, option: str) -> int:
    """Return a size as `size` does, or -1, which stands for all there is.

    Raises:
        UsageError: It is neither.
    """
    return -1 if str(given).strip() == "-1" else size(given, option)


def whole(given: str | int, option: str) -> int:
    """Return a whole number.

    Raises:
        UsageError: It is none.
    """
    return int(_number(given, option, int))


def cpus(given: str | float) -> tuple[int, int]:
    """Return quota and period in microseconds that amount to so many CPUs.

    Raises:
        UsageError: It is no number, negative, or more than this host has.
    """
    return limit_values.cpu_quota(_number(given, "--cpus", float))


def _number(given: str | float, option: str, kind: type[int] | type[float]) -> Any:
    try:
        return kind(given)
    except (TypeError, ValueError, OverflowError):
        wanted, like = ("a whole number", "20") if kind is int else ("a number", "0.5")
        raise UsageError(
            f"{given!r:.80} is not {wanted} for {option}",
            f"Write it like {like}; see: kernelbox run --help",
        ) from None


def some_of(given: str | int, kind: str) -> str:
    """Return a list of CPUs or memory nodes, all of which are there.

    Args:
        given: Such as `0-2,5`.
        kind: `CPUs` or `memory nodes`.

    Raises:
        UsageError: It is no list, or names one that this host does not have.

    Source: cpuset(7), "List format"; Docker, `docker run --cpuset-cpus`.
    """
    wanted = numbers(str(given))
    try:
        online = files.read(_ONLINE[kind]).strip()
    except FileNotFoundError:  # a kernel without NUMA has one node, and no word for it
        online = "0"
    if not wanted <= numbers(online):
        raise UsageError(
            f"Requested {kind} are not available: requested {given}, available: {online}",
            "Name some of those",
        )
    return str(given).strip()


def numbers(text: str) -> set[int]:
    """Return the numbers in a list such as `0-2,5`, which the kernel calls a list format.

    Raises:
        UsageError: It is none.

    Source: cpuset(7), "List format".
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        digits = (first + last).isascii() and first.isdigit() and last.isdigit()
        if not digits or max(len(first), len(last)) > 5 or int(first) > int(last):
            raise UsageError(f"{text!r:.80} is no list of numbers", "Write it like 0-2 or 0,1")
        found.update(range(int(first), int(last) + 1))
    return found


def device_rates(given: Any, option: str, *, requests: bool) -> list[dict[str, int]]:
    """Return what each disk may do in a second, as OCI has it: `{major, minor, rate}`.

    Args:
        given: `/dev/sda:1mb`, or several of them.
        option: What to call it.
        requests: Whether it counts requests, and not bytes.

    Raises:
        UsageError: There is no such disk, or it is no rate.

    Source: OCI runtime-spec, config-linux.md, "Block IO"; Docker, `docker run --device-read-bps`.
    """
    found = []
    for text in [given] if isinstance(given, str) else list(given):
        path, colon, word = str(text).rpartition(":")
        if not colon or not path.startswith("/"):
            like = "/dev/sda:1000" if requests else "/dev/sda:1mb"
            raise UsageError(f"{text!r:.200} is no rate for {option}", f"Write it like {like}")
        number = whole(word, option) if requests else size(word, option)
        if number < 0:
            raise UsageError(f"{text!r:.200}: a rate is not negative", "0 stands for no limit")
        limit_values.rate(number)
        major, minor = disks.find(path).split(":")
        found.append({"major": int(major), "minor": int(minor), "rate": number})
    return found
