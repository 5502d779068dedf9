"""`kernelbox ps`: which containers there are, in columns, in a form of one's own, or as JSON."""

from __future__ import annotations

import json
import time

from kernelbox.cli.each import Complaints
from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import ago, columns
from kernelbox.container import inspection
from kernelbox.container.volumes import volume_store
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.numbers import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.container.spec import Spec
    from kernelbox.container.state import State

    Pair = tuple[Spec, State]

# What these can be; Docker's, also where nothing here ever is that.
_VALUES = {
    "health": ("none", "starting", "healthy", "unhealthy"),
    "status": ("created", "restarting", "running", "removing", "paused", "exited", "dead"),
}
_TABLE = (
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
)
_TITLES = {
    "ID": "CONTAINER ID",
    "RunningFor": "CREATED",
    "CreatedAt": "CREATED AT",
}
_FILTERS = (
    "ancestor",
    "exited",
    "health",
    "id",
    "label",
    "name",
    "network",
    "status",
    "volume",
)  # fmt: skip


def command_ps(argv: list[str]) -> int:
    """List containers: those that run, or all."""
    parser = parser_for("ps", "List containers.")
    parser.add_argument("-a", "--all", action="store_true", help="those that do not run, too")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids only")
    parser.add_argument("-n", "--last", type=int, metavar="N", help="the N made last")
    parser.add_argument("-l", "--latest", action="store_true", help="the one made last")
    parser.add_argument("--no-trunc", action="store_true", help="whole commands")
    parser.add_argument(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE",
        help=f"only some; keys: {', '.join(_FILTERS)}",
    )  # fmt: skip
    parser.add_argument(
        "--format", default="table", metavar="TEMPLATE",
        help="table, json, or a template such as '{{.ID}} {{.Names}}'",
    )  # fmt: skip
    given = parser.parse_args(argv)
    filters = [_filter(text) for text in given.filter]
    last = 1 if given.latest else given.last
    wants_all = given.all or last is not None or any(key in _OF_ALL for key, _ in filters)
    complaints = Complaints()
    found = inspection.containers(complaints, every=wants_all)
    found = [pair for pair in found if _passes(pair, filters)][:last]
    if given.quiet:
        for spec, _ in found:
            print(spec.id)
    elif given.format == "json":
        for spec, its in found:
            print(json.dumps(inspection.told(spec, its)))
    else:
        usual = given.format in ("table", "")  # as for Docker, an empty template is none
        _print(found, _TABLE if usual else given.format, given.no_trunc)
    return complaints.tell()


_HEALTH = {"starting": "health: starting"}
_OF_ALL = ("exited", "status")  # who asks for these means those that do not run, too


def _print(found: list[Pair], template: str, whole: bool) -> None:
    from kernelbox.cli import template as templates  # not for who wants ids or JSON

    rows = [_row(*pair, whole) for pair in found]
    if not template.startswith("table "):
        for row in rows:
            print(templates.render(template, row))
        return
    cells = template.removeprefix("table ").replace("\\t", "\t").split("\t")
    titles = {name: _TITLES.get(name, name.upper()) for name in _FIELDS}
    lines = [[templates.render(cell, row) for cell in cells] for row in (titles, *rows)]
    print(columns(lines))


_FIELDS = (
    "ID", "Image", "Command", "CreatedAt", "RunningFor", "Status", "State", "Ports", "Names",
    "Labels", "Networks", "Mounts",
)  # fmt: skip


def _row(spec: Spec, its: State, whole: bool) -> dict[str, str]:
    """Return what Docker's `ps --format` knows of a container."""
    own, command = spec.kernelbox, " ".join(spec.process.args)
    if not whole and len(command) > 20:
        command = command[:19] + "…"
    values = (
        spec.id,
        own.image,
        f'"{command}"',
        time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(own.created)),
        f"{ago(time.time() - own.created)} ago",
        _status(spec, its),
        inspection.status(spec, its),
        ", ".join(own.ports),
        own.name,
        ",".join(f"{key}={value}" for key, value in own.labels.items()),
        ",".join([own.network, *(one["name"] for one in own.joined)]),
        ",".join(_volumes(spec)),
    )
    return dict(zip(_FIELDS, values, strict=True))


def _volumes(spec: Spec) -> list[str]:
    return [volume_store.name_of(one) or one for one in inspection.mounted(spec)]


def _status(spec: Spec, its: State) -> str:
    if its.status == "running":
        note = " (Paused)" if inspection.status(spec, its) == "paused" else ""
        if health := inspection.health_of(spec, its):
            note += f" ({_HEALTH.get(health['Status'], health['Status'])})"
        return f"Up {ago(time.time() - its.started)}{note}"
    if inspection.status(spec, its) == "restarting":
        return f"Restarting ({its.exit_code}) {ago(time.time() - its.finished)} ago"
    if inspection.status(spec, its) == "created":
        return "Created"
    killed = ", out of memory" if its.oom_killed else ""
    return f"Exited ({its.exit_code}{killed}) {ago(time.time() - its.finished)} ago"


def _filter(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or key not in _FILTERS:
        raise UsageError(
            f"{text!r:.80} is no filter of containers",
            f"Write KEY=VALUE; keys: {', '.join(_FILTERS)}",
        )
    known = _VALUES.get(key)
    if known and value not in known:
        raise UsageError(f"no container has {text!r:.80}", f"There are: {', '.join(known)}")
    if key == "exited" and natural(value) is None:
        raise UsageError(f"{text!r:.80}: that is no exit code", "Such as exited=0")
    return key, value


def _passes(pair: Pair, filters: list[tuple[str, str]]) -> bool:
    """Say whether a container passes: one filter of a kind will do, but of labels all have to."""
    for key in {key for key, _ in filters}:
        answers = [_is(pair, key, value) for name, value in filters if name == key]
        if not (all if key == "label" else any)(answers):
            return False
    return True


def _is(pair: Pair, key: str, value: str) -> bool:
    spec, its = pair
    own = spec.kernelbox
    if key == "label":
        name, equals, wanted = value.partition("=")
        return name in own.labels and (not equals or own.labels[name] == wanted)
    if key == "ancestor":
        return value in (own.image, f"{own.image}:latest", own.image_id) or (
            f"{value}:latest" == own.image
        )
    if key == "exited":
        return its.status == "exited" and str(its.exit_code) == value
    if key == "network":
        return value == own.network or value in [one["name"] for one in own.joined]
    if key == "volume":
        return value in _volumes(spec) or value in [one.destination for one in spec.brought]
    if key == "health":
        return value == str((inspection.health_of(spec, its) or {"Status": "none"})["Status"])
    if key == "id":
        return bool(value) and spec.id.startswith(value)
    if key == "name":
        return value in own.name
    return value == inspection.status(spec, its)
