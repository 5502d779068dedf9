"""`kernelbox events`: what happens to containers, told as it happens."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress

from kernelbox.cgroup.events import Watch
from kernelbox.cli.parser import parser_for
from kernelbox.container import state
from kernelbox.container.events import Event, Reader
from kernelbox.container.lifecycle import cleanup
from kernelbox.kernel.errors import KernelboxError, UsageError

_LOOK_AGAIN = 0.2  # seconds between two looks
_SWEEP = 1.0  # seconds between two looks for containers whose monitor was killed
_FILTERS = ("container", "event", "image")
_NAMES = ("image", "name")
_PARTS = {"h": 3600, "m": 60, "s": 1}


def command_events(argv: list[str]) -> int:
    """Tell what happens to containers, until interrupted, or what happened until a moment."""
    parser = parser_for("events", "Tell what happens to containers, as it happens.")
    parser.add_argument("--since", metavar="TIME", help="what was before, too: 10m, or a time")
    parser.add_argument("--until", metavar="TIME", help="no longer than that")
    parser.add_argument(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE",
        help=f"only some; keys: {', '.join(_FILTERS)}",
    )  # fmt: skip
    parser.add_argument("--format", choices=["text", "json"], default="text")
    given = parser.parse_args(argv)
    since = _moment(given.since) if given.since else None
    until = _moment(given.until) if given.until else None
    wanted = [_filter(text) for text in given.filter]
    show = _as_json if given.format == "json" else _as_text
    cleanup.sweep()
    reader = Reader(from_now=since is None)
    kernel = _Kernel()
    swept = time.monotonic()
    while True:
        now = time.time()
        for event in kernel.complete(reader.read()):
            after = since is None or event.time >= since
            before = until is None or event.time <= until
            if after and before and _passes(event, wanted):
                print(show(event), flush=True)
        if until is not None and now >= until:
            return 0
        time.sleep(_LOOK_AGAIN)
        if time.monotonic() - swept > _SWEEP:
            cleanup.sweep()
            swept = time.monotonic()


class _Kernel:
    """What the kernel does to containers that run: seen in their groups, written down nowhere."""

    def __init__(self) -> None:
        self._watched: dict[str, Watch] = {}
        self._throttled: set[str] = set()  # those that were at the last look, too
        for one in state.every():
            with suppress(KernelboxError):  # a damaged one is for its owner to remove
                if state.read(one).status == "running":
                    self._watched[one] = Watch(state.group(one))

    def complete(self, written: list[Event]) -> list[Event]:
        """Return what was written down, and among that what the kernel did meanwhile."""
        told = []
        for event in written:
            if event.action == "start":
                with suppress(KernelboxError):
                    self._watched[event.id] = Watch(state.group(event.id), from_birth=True)
            elif event.action == "die":
                told += self._last(event)
            told.append(event)
        for one in list(self._watched):
            told += self._look(one)
        return told

    def _last(self, death: Event) -> list[Event]:
        """Return the OOM kills of a container's end, which nobody has seen before."""
        watch = self._watched.pop(death.id, None)
        self._throttled.discard(death.id)
        count = int(death.attributes.get("oomKills", 0)) - (watch.seen.oom if watch else 0)
        attributes = {key: death.attributes.get(key, "") for key in _NAMES}
        attributes["count"] = str(count)
        return [Event(death.time, "oom", death.id, attributes)] if count > 0 else []

    def _look(self, one: str) -> list[Event]:
        happened = self._watched[one].look()
        told = []
        if "oom" in happened:
            told.append(self._event("oom", one, happened["oom"]))
        if "throttled" not in happened:
            self._throttled.discard(one)
        elif one not in self._throttled:  # it goes on: that is told once
            self._throttled.add(one)
            told.append(self._event("throttled", one, happened["throttled"]))
        return told

    def _event(self, action: str, one: str, count: int) -> Event:
        own = {}
        with suppress(KernelboxError):
            own = state.extra(one)
        attributes = {key: str(own.get(key, "")) for key in _NAMES}
        attributes["count"] = str(count)
        return Event(time.time(), action, one, attributes)


def _as_text(event: Event) -> str:
    fraction = f"{event.time % 1:.9f}"[1:]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(event.time)) + f"{fraction}Z"
    attributes = ", ".join(f"{key}={value}" for key, value in sorted(event.attributes.items()))
    line = f"{stamp} container {event.action} {event.id} ({attributes})"
    # A command may have line feeds in it, and worse.
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in line
    )


def _as_json(event: Event) -> str:
    """Return an event as Docker has it. Source: Docker Engine API, "Monitor events"."""
    return json.dumps(
        {
            "Type": "container",
            "Action": event.action,
            "Actor": {"ID": event.id, "Attributes": event.attributes},
            "scope": "local",
            "time": int(event.time),
            "timeNano": int(event.time * 1e9),
        }
    )


def _moment(text: str) -> float:
    """Return seconds since the epoch, of such a number, of a date, or of how long ago it was.

    Source: Docker, `docker events --since`.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text, re.ASCII)
    if match and text:
        parts = zip(match.groups(), _PARTS.values(), strict=True)
        return time.time() - sum(int(number or 0) * unit for number, unit in parts)
    if re.fullmatch(r"\d{1,12}(\.\d+)?", text, re.ASCII):
        return float(text)
    from datetime import UTC, datetime  # only for whoever writes a date

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r:.80} is no time", "Write it like 10m, 1790000000 or 2026-11-29T08:00:00Z"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _filter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or key not in _FILTERS:
        raise UsageError(
            f"{text!r:.80} is no filter of events", f"Write KEY=VALUE; keys: {', '.join(_FILTERS)}"
        )
    return key, value


def _passes(event: Event, wanted: list[tuple[str, str]]) -> bool:
    """Say whether an event passes each kind of filter: one of those with the same key will do."""
    for key in {key for key, _ in wanted}:
        values = [value for name, value in wanted if name == key]
        if key == "event" and event.action.partition(":")[0] not in values:
            return False
        if key == "image" and event.attributes.get("image") not in values:
            return False
        if key == "container":
            names = (event.id, event.attributes.get("name"))
            if not any(
                value in names or (value and event.id.startswith(value)) for value in values
            ):
                return False
    return True
