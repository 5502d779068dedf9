"""Text for people: columns that line up, sizes and durations in words."""

from __future__ import annotations

from kernelbox.kernel.errors import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return `rows` as lines whose columns line up, three spaces apart; the first row is titles.

    A process may call itself what it likes, and a file's name may be anything: neither tells the
    terminal something.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("   ".join(cells).rstrip())
    return "\n".join(lines)


def ago(seconds: float) -> str:
    """Return a duration as Docker says it: `5 seconds`, `About a minute`, `3 hours`.

    Source: docker/go-units, HumanDuration.
    """
    whole = int(seconds)
    for limit, text in (
        (1, "Less than a second"),
        (2, "1 second"),
        (60, f"{whole} seconds"),
        (120, "About a minute"),
        (3600, f"{whole // 60} minutes"),
        (7200, "About an hour"),
        (48 * 3600, f"{whole // 3600} hours"),
    ):
        if whole < limit:
            return text
    return f"{whole // 86400} days"


def size(count: float | None) -> str:
    """Return a number of bytes in binary units: `3.2MiB`; `-` if it is unknown."""
    if count is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.4g}{unit}"
        count /= 1024
    return f"{count:.4g}TiB"
