"""Traces and looks, for the eye: stable text for nbval and for screen readers, tables for the page.

No colour is fixed: everything is drawn in the page's own, so that light and dark theme both work.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from kernelbox.kernel.door import Event


class Trace(list[Event]):
    """What was asked of the kernel, one event a request, in order."""

    def of(self, *names: str) -> Trace:
        """Return the events whose request is one of `names`, such as "mount"."""
        return Trace(event for event in self if event.request.partition("(")[0] in names)

    def on(self, side: str) -> Trace:
        """Return the events of one side: "runtime", "container" or "held"."""
        return Trace(event for event in self if event.side == side)

    def __repr__(self) -> str:
        """Return a line per request: what was asked, what came back, and how a shell asks it."""
        lines = []
        for event in self:
            shell = f"   # {event.shell}" if event.shell else ""
            lines.append(f"{event.side:9}  {event.request} = {event.result or '?'}{shell}")
        return "\n".join(lines) or "(no request was made)"

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{event.side}</td><td>{event.number}</td>"
            f"<td>{_code(event.request, event.result or '?')}</td>"
            f"<td>{event.microseconds}&nbsp;µs</td><td>{_code(event.shell)}</td></tr>"
            for event in self
        ]
        titles = ("side", "#", "request = result", "took", "the same in a shell")
        return _table("What the kernel was asked, in order", titles, rows)


@dataclass(frozen=True)
class Look:
    """What a process is, seen from inside and from outside at the same moment.

    Attributes:
        inside: What it says of itself: pid, ppid, hostname, uid, gid, cwd.
        pid: Its process id as the host counts.
        namespaces: From the kind to the inode that identifies its namespace.
        host: The same of the agent, which lives in the host's namespaces.
    """

    inside: dict[str, str | int]
    pid: int
    namespaces: dict[str, int]
    host: dict[str, int]

    def own(self, kind: str) -> bool:
        """Return whether its namespace of this kind is not the host's."""
        return self.namespaces[kind] != self.host[kind]

    def __repr__(self) -> str:
        """Return what does not change from run to run: the relations, not the numbers."""
        own = [kind for kind in self.namespaces if self.own(kind)]
        shared = [kind for kind in self.namespaces if not self.own(kind)]
        return "\n".join(
            [
                f"inside:   {self._inner_pid()}, uid {self.inside['uid']}, in {self.inside['cwd']}",
                f"its own:  {' '.join(own) or '-'}",
                f"shared:   {' '.join(shared) or '-'}",
            ]
        )

    def _inner_pid(self) -> str:
        pid = self.inside["pid"]
        return "the host's pid" if pid == self.pid else f"pid {pid}"

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{kind}</td><td>{kind}:[{inode}]</td>"
            f"<td>{'its own' if self.own(kind) else 'shared with the host'}</td></tr>"
            for kind, inode in self.namespaces.items()
        ]
        caption = (
            f"pid {self.pid} on the host; inside: {self._inner_pid()}, "
            f"hostname {html.escape(str(self.inside['hostname']))}, uid {self.inside['uid']}, "
            f"working directory <code>{html.escape(str(self.inside['cwd']))}</code>"
        )
        return _table(caption, ("namespace", "identity", "whose"), rows)


def _code(text: str, result: str = "") -> str:
    """Return code in HTML that breaks behind `|` and in a long path, but not within an option."""
    text = html.escape(text).replace("|", "|<wbr>")
    text = re.sub(r"(?<!\S)-\S+", r'<span style="white-space: nowrap">\g<0></span>', text)
    end = f" = <b>{result}</b>" if result else ""
    return f'<code style="overflow-wrap: anywhere">{text}{end}</code>'


def _table(caption: str, titles: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    table = (
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    # JupyterLab aligns to the right, and gives captions a colour of no theme.
    for tag in ("caption", 'th scope="col"', "td"):
        table = table.replace(f"<{tag}>", f'<{tag} style="text-align: left; color: inherit">')
    return table
