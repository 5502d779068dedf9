"""The first hint follows from what the check last observed.

Some observations mean the same in every exercise: something has ended, is still the host's, or is
missing. What they mean is said before the direction that the exercise itself gives.
"""

from __future__ import annotations

import re

# An observation, as a regular expression, and what it means; the first that fits counts.
_MEANINGS = (
    (
        r"not what the lab gave|since the lab gave it",
        "The check takes only what the lab has given: run the cell that gives it once more, then "
        "your own.",
    ),
    (
        r"\bhas ended\b",
        "What has ended cannot be looked at: run the cell that makes it once more, then the check. "
        "If it ends again, ask what ends it.",
    ),
    (
        r"\bis None\b",
        "Nothing has that name yet: the cell above the check is where it is made.",
    ),
    (
        r"^\w+ is (<|'|\{|\[|\d)|, and no (function|set)",
        "That is another kind of thing than the task asks for: read its first sentences again.",
    ),
    (
        r"is not written yet",
        "In your function stands `raise NotImplementedError()` where your solution goes: put that "
        "in its place.",
    ),
    (
        r"no request has the letter|more than once there is",
        "An order consists of the letters that are shown, each once at most.",
    ),
    (
        r"\braised [A-Z]\w+",
        "An exception has stopped your function: call it in a cell of your own, and read where the "
        "exception comes from.",
    ),
    (
        r"did not return within|no answer within",
        "Something waits for what never comes: which line of yours may take for ever?",
    ),
    (
        r"would change the host itself",
        "The lab has stopped a request that would have changed this machine: in whose namespaces "
        "was the process when it made it?",
    ),
    (
        r"was refused",
        "A request was refused, and the reason stands with it: what did the process lack at that "
        "moment?",
    ),
    (
        r"namespace is the host's|in the (host's|landlord's own) \w+ namespace",
        "It still shares that namespace: which request was to give it one of its own, and which "
        "process has made it?",
    ),
    (
        r"are its own, too",
        "It has more of its own than was asked for: find where it, or who made it, got those.",
    ),
    (
        r"(processes|holders) are missing|is missing in yours|you miss",
        "Something is missing from what you have: what sets it apart from what is there?",
    ),
    (
        r"of yours (are|do) not|and nothing appears there|you name",
        "You have something too many: what tells it apart from those that belong there?",
    ),
)


def following(observed: str, hints: tuple[str, ...]) -> tuple[str, ...]:
    """Return the hints of an exercise, the first as it follows from an observation.

    Args:
        observed: By the check, in its words; empty if it has not looked yet.
        hints: Of the exercise.
    """
    direction, *others = hints
    meanings = (words for pattern, words in _MEANINGS if re.search(pattern, observed))
    meaning = next(meanings, "")
    return (f"{meaning} {direction}".strip(), *others)


def quoting(observed: str, hints: tuple[str, ...]) -> tuple[str, ...]:
    """Return the same, with the observation in front: for where it does not stand above already."""
    first, *others = following(observed, hints)
    return (f"The check last observed: {observed}. {first}" if observed else first, *others)
