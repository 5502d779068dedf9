"""How often an exercise was checked, and what the check said: a student's record, for a teacher.

{"tries": 3, "verdicts": {"half is None": 2, "passed": 1}, "last": "passed"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelbox.lab.exercises import progress

if TYPE_CHECKING:
    from kernelbox.lab.exercises.verdict import Verdict

PASSED = "passed"
_MOST = 20  # different verdicts that are kept of one exercise
_LONGEST = 200  # characters of one


def after(before: Any, verdict: Verdict) -> dict[str, Any]:
    """Return the record of one exercise after an attempt, which counts until it is solved.

    Args:
        before: The record so far; anything that is none counts as none.
        verdict: Of the attempt.
    """
    record = before if isinstance(before, dict) else {}
    said = PASSED if verdict.passed else verdict.observed[:_LONGEST]
    if PASSED in record.get("verdicts", ()):
        return {**record, "last": said}  # run once more, as all cells above are: no attempt
    kept = record.get("verdicts")
    verdicts = dict(kept) if isinstance(kept, dict) else {}
    if said in verdicts or len(verdicts) < _MOST:
        verdicts[said] = progress.number(verdicts.get(said)) + 1
    tries = progress.number(record.get("tries")) + 1
    return {"tries": tries, "verdicts": verdicts, "last": said}


def last(record: Any) -> str:
    """Return what the check observed when it last looked; empty if it passed, or never looked.

    Args:
        record: Of one exercise; anything that is none counts as none.
    """
    said = record.get("last") if isinstance(record, dict) else None
    return said[:_LONGEST] if isinstance(said, str) and said != PASSED else ""
