"""What the doctor says: findings, and the ways to show them (text, JSON, notebook table).

A level is a word before it is a colour. What was found is left to the checks.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "note", "warn", "fail"]

_MARK = {"ok": "ok", "note": "note", "warn": "warn", "fail": "FAIL"}
_COLOUR = {"ok": "\x1b[32m", "note": "\x1b[36m", "warn": "\x1b[33m", "fail": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        level: `ok`; `note` (good to know); `warn` (some chapters miss something); `fail` (the
            labs cannot run).
        observed: One plain sentence of what was seen. It stays the same from run to run on a
            host that stays the same.
        cure: A command, or a sentence; empty if there is nothing to do.
    """

    name: str
    level: Level
    observed: str
    cure: str = ""


def verdict(findings: Sequence[Finding]) -> str:
    """Return the sum of it in one line without numbers: ready, ready with gaps, or not ready."""
    failed = [finding.name for finding in findings if finding.level == "fail"]
    warned = [finding.name for finding in findings if finding.level == "warn"]
    if failed:
        return f"not ready: {', '.join(failed)}"
    if warned:
        return f"ready, with gaps: {', '.join(warned)}"
    return "ready: everything the labs need is here"


def render(findings: Sequence[Finding], color: bool = False, width: int = 100) -> str:
    """Return the findings as an aligned table, cures below, the verdict last.

    Args:
        findings: What the checks found.
        color: Whether to colour the marks for a terminal.
        width: Columns to wrap at.
    """
    indent = 6 + max((len(finding.name) for finding in findings), default=0) + 2
    lines = []
    for finding in findings:
        mark = f"{_MARK[finding.level]:<6}"
        if color:
            mark = f"{_COLOUR[finding.level]}{mark}{_PLAIN}"
        # The mark's colour has no width, so the head is put in front of a wrapped body.
        head = mark + finding.name.ljust(indent - 6)
        lines.append(head + _wrapped(finding.observed, indent, width))
        if finding.cure:
            lines.append(" " * indent + "-> " + _wrapped(finding.cure, indent + 3, width))
    return "\n".join([*lines, "", verdict(findings)])


def _wrapped(text: str, indent: int, width: int) -> str:
    # A command that is cut at a hyphen cannot be read, so only blanks are places to break.
    lines = textwrap.wrap(
        text, max(width - indent, 30), break_long_words=False, break_on_hyphens=False
    )
    return ("\n" + " " * indent).join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings for programs: `{"ready": ..., "verdict": ..., "findings": [...]}`."""
    ready = all(finding.level != "fail" for finding in findings)
    listed = [asdict(finding) for finding in findings]
    return json.dumps({"ready": ready, "verdict": verdict(findings), "findings": listed}, indent=2)


@dataclass(frozen=True, repr=False)
class Report:
    """Findings for a notebook: a table to look at, and a text that every ready host shares.

    Attributes:
        findings: What the checks found, in their order.
    """

    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether the labs can run here."""
        return all(finding.level != "fail" for finding in self.findings)

    def verdict(self) -> str:
        """Return the sum of it in one line, the same on every host that is as ready."""
        return verdict(self.findings)

    def __repr__(self) -> str:
        """Return the verdict, and what to do about each `warn` and `fail`."""
        lines = [self.verdict()]
        for finding in self.findings:
            if finding.level in ("warn", "fail"):
                lines.append(f"  {_MARK[finding.level]}  {finding.name}: {finding.cure}")
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the whole table as text."""
        return render(self.findings)

    def _repr_html_(self) -> str:
        # Lines and weights only: the text takes the theme's own colours, light or dark.
        cell = "text-align:left;vertical-align:top;padding:.2em .8em;border-top:1px solid"
        rows = "".join(
            f'<tr><td style="{cell}">{_level(finding)}</td>'
            f'<th scope="row" style="{cell};white-space:nowrap">{html.escape(finding.name)}</th>'
            f'<td style="{cell}">{html.escape(finding.observed)}'
            + (f"<br>&rarr; {html.escape(finding.cure)}" if finding.cure else "")
            + "</td></tr>"
            for finding in self.findings
        )
        caption = html.escape(self.verdict())
        return (
            '<table style="border-collapse:collapse;color:inherit;background:none">'
            f'<caption style="text-align:left;color:inherit;font-weight:bold">{caption}</caption>'
            f"<tbody>{rows}</tbody></table>"
        )


def _level(finding: Finding) -> str:
    mark = _MARK[finding.level]
    return mark if finding.level in ("ok", "note") else f"<strong>{mark}</strong>"
