"""Numbers in what strangers write: digits, and not too many of them.

`int` takes spaces, signs, underscores and the digits of all scripts; and more than 4,300 digits it
refuses with an error that is nobody's fault.
"""

from __future__ import annotations

MOST = 2**63 - 1


def natural(text: str, most: int = MOST) -> int | None:
    """Return the number that some digits are; None for anything else, and for a larger one.

    Args:
        text: What was written.
        most: The largest number that means something.
    """
    digits = text.lstrip("0") or text[:1]
    if not (text.isascii() and text.isdecimal()) or len(digits) > len(str(most)):
        return None
    number = int(digits)
    return number if number <= most else None
