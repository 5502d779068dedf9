"""What a container shall be: OCI's description of it, as plain records, and what kernelbox adds.

A `Spec` is made once, from an image's config and a person's options (run_options.py). It is stored
beside the container as `config.json`, of which only the limits ever change (`update`). Names and
shape are the OCI runtime spec's. What Docker knows of a container and OCI does not is in one more
property, `kernelbox`, which other runtimes pass over. No kernel access.

Source: OCI runtime-spec, config.md and config-linux.md; config.md, "Extensibility".
"""

from __future__ import annotations

from kernelbox.plumbing.records import NamedTuple
from kernelbox.users.id_maps import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.cgroup.limits import Resources
    from kernelbox.container.option_types import Healthcheck, Rlimit

OCI_VERSION = "1.0.2"
MEMORY = "memory"  # the source of a tmpfs that is a person's wish, wherever that is to be


class User(NamedTuple):
    """Who a program runs as.

    Attributes:
        uid: Inside the container.
        gid: Likewise.
        additionalGids: Likewise.
        username: As `--user` was given: `name`, `uid`, `name:group` or `uid:gid`. What it means is
            in the container's own /etc/passwd, so it is looked up there, and counts more than the
            numbers. Empty: the numbers are all there is.
        groups: More groups, by name or number, which are looked up there, too.
    """

    uid: int = 0
    gid: int = 0
    additionalGids: tuple[int, ...] | list[int] = ()
    username: str = ""
    groups: tuple[str, ...] | list[str] = ()


class Process(NamedTuple):
    """One program to run inside: the container's own, or one that `exec` adds.

    Attributes:
        args: The program and its arguments.
        env: `NAME=value`, complete but for HOME, which the user decides.
        cwd: Working directory inside.
        user: Who it runs as.
        capabilities: By set (`bounding`, `effective`, `permitted`, ...), names with `CAP_`.
        terminal: Whether it gets a terminal of its own (`-t`).
        oomScoreAdj: Added to how much it deserves an OOM kill; None for what its parent has.
        noNewPrivileges: Whether execve(2) grants nothing that its caller has not.
        apparmorProfile: Of AppArmor's, that it becomes the program under; empty for none.
        rlimits: What it may use for itself.
    """

    args: list[str]
    env: list[str]
    cwd: str
    user: User
    capabilities: dict[str, list[str]]
    terminal: bool = False
    oomScoreAdj: int | None = None
    noNewPrivileges: bool = False
    apparmorProfile: str = ""
    rlimits: tuple[Rlimit, ...] | list[Rlimit] = ()


class Root(NamedTuple):
    """The root file system: `path` below the bundle, and whether it is read-only."""

    path: str = "rootfs"
    readonly: bool = False


class Mount(NamedTuple):
    """One mount.

    Attributes:
        destination: Where in the container.
        type: File system type; `bind` for something of the host's.
        source: Directory or file of the host's, or any word.
        options: As mount(8) writes them, one an item.
    """

    destination: str
    type: str
    source: str
    options: tuple[str, ...] | list[str] = ()

    @property
    def read_only(self) -> bool:
        """Whether it cannot be written to."""
        return "ro" in self.options

    @property
    def is_brought(self) -> bool:
        """Whether the runtime side opens it, and the container only attaches it."""
        return self.type in ("bind", "overlay") or self.source == MEMORY


class Device(NamedTuple):
    """A device node: where, `c`haracter or `b`lock, its numbers, who may open it, and how."""

    path: str
    type: str
    major: int
    minor: int
    fileMode: int = 0o660
    access: str = "rwm"


class Namespace(NamedTuple):
    """A namespace of the container's: a new one, or with a `path` the one to join."""

    type: str
    path: str = ""


class Linux(NamedTuple):
    """What only Linux has.

    Attributes:
        namespaces: A kind that is not among them is the host's.
        uidMappings: Of its user namespace.
        gidMappings: Likewise.
        timeOffsets: `{"boottime": {"secs": N}}` in its time namespace.
        cgroupsPath: Its control group, below each hierarchy's mount point.
        resources: What that may use.
        maskedPaths: Hidden.
        readonlyPaths: Seen, but not to be written to.
        sysctl: Settings below /proc/sys of its own namespaces, with dots.
        seccomp: The profile of its system calls; None for no filter.
        devices: Nodes beside those that every container has.
    """

    namespaces: tuple[Namespace, ...]
    uidMappings: tuple[Mapping, ...]
    gidMappings: tuple[Mapping, ...]
    timeOffsets: dict[str, dict[str, int]]
    cgroupsPath: str
    resources: Resources
    maskedPaths: tuple[str, ...] | list[str]
    readonlyPaths: tuple[str, ...] | list[str]
    sysctl: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    seccomp: dict[str, Any] | None = None
    devices: tuple[Device, ...] = ()

    def namespace(self, kind: str) -> Namespace | None:
        """Return the container's namespace of an OCI kind; None if it has the host's."""
        return next((one for one in self.namespaces if one.type == kind), None)


class Extra(NamedTuple):
    """What Docker knows of a container, and the OCI runtime spec does not.

    Attributes:
        id: 12 hexadecimal digits: short, since every path in a trace holds it.
        name: Unique among the containers of this host; empty until one is invented for it.
        image: The reference as the person wrote it.
        image_id: Digest of the image's config.
        lowerdirs: Its unpacked layers, the topmost first.
        network: `bridge` or the name of one that somebody made; `none`, `host`, `container:PID`.
        joined: The networks that it was connected to later: `name`, `aliases`, `ip` and `ip6` of
            each.
        ip: The address that it wants there; empty for the next.
        ip6: The IPv6 address that it wants there, likewise.
        aliases: What it is called there, besides its name and id.
        mac: The MAC address of its link there; empty for the one that belongs to its address.
        dns: Name servers that it wants instead of the host's.
        dns_search: Domains that it wants names to be looked for in, instead of the host's.
        hosts: `NAME:ADDRESS` for its /etc/hosts; the address may be `host-gateway`.
        shape: Rate, delay and loss of its link there, as they were written; empty without a wish.
        ports: `[ip:]hostPort:containerPort[/protocol]`.
        interactive: Whether its standard input stays open (`-i`).
        init: Whether a small init is PID 1 and the program its child.
        remove: Whether it is removed when it exits (`--rm`).
        privileged: Whether no list says which devices it may use.
        restart: When it is started again by itself: `no`, `on-failure:3`, `always` ...
        health: How it is asked whether it does its work; None if it is not.
        stop_signal: Number of the signal that `stop` sends.
        stop_timeout: Seconds that `stop` then waits; None for the usual.
        labels: What whoever made it, or its image, says of it.
        created: Seconds since the epoch.
    """

    id: str
    name: str
    image: str
    image_id: str
    lowerdirs: list[str]
    network: str = "bridge"
    joined: tuple[dict[str, Any], ...] | list[dict[str, Any]] = ()
    ip: str = ""
    ip6: str = ""
    aliases: tuple[str, ...] | list[str] = ()
    mac: str = ""
    dns: tuple[str, ...] | list[str] = ()
    dns_search: tuple[str, ...] | list[str] = ()
    hosts: tuple[str, ...] | list[str] = ()
    shape: tuple[str, ...] | list[str] = ()
    ports: tuple[str, ...] | list[str] = ()
    interactive: bool = False
    init: bool = False
    remove: bool = False
    privileged: bool = False
    restart: str = "no"
    health: Healthcheck | None = None
    stop_signal: int = 15
    stop_timeout: float | None = None
    labels: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    created: float = 0.0

    @property
    def is_plugged_in(self) -> bool:
        """Whether it is on a bridge."""
        return is_bridged(self.network)


def is_bridged(mode: str) -> bool:
    """Whether a network mode is the name of a network with a bridge."""
    return mode not in ("none", "host") and ":" not in mode


class Spec(NamedTuple):
    """A container, as asked for: what is in its config.json."""

    ociVersion: str
    process: Process
    root: Root
    hostname: str
    mounts: tuple[Mount, ...]
    linux: Linux
    kernelbox: Extra

    @property
    def id(self) -> str:
        """The container's id."""
        return self.kernelbox.id

    @property
    def group(self) -> str:
        """The path of its control group below `/kernelbox`: its id, but for `--cgroup-parent`."""
        return self.linux.cgroupsPath.removeprefix("/kernelbox/")

    @property
    def has_user_namespace(self) -> bool:
        """Whether its ids are not the host's."""
        return self.linux.namespace("user") is not None

    @property
    def shift(self) -> int:
        """How far its ids lie above those inside: what is 0 there is this on the disk."""
        return self.linux.uidMappings[0].hostID if self.has_user_namespace else 0

    @property
    def brought(self) -> list[Mount]:
        """What is brought to it: the host's files, and volumes, in the order of mounting."""
        return [mount for mount in self.mounts if mount.is_brought]


def to_json(record: Any) -> Any:
    """Return a record of this file as JSON has it: records become objects.

    What is not there (None) is left out, as OCI's schema wants it.
    """
    if isinstance(record, NamedTuple):
        found = record._asdict().items()
        return {name: to_json(value) for name, value in found if value is not None}
    if isinstance(record, tuple):
        return [to_json(one) if isinstance(one, tuple) else one for one in record]
    return record


def process_from_json(plain: dict[str, Any]) -> Process:
    """Return the process that `to_json` gave."""
    return Process(**{**plain, "user": User(**plain["user"])})


def from_json(plain: dict[str, Any]) -> Spec:
    """Return the spec that `to_json` gave."""
    linux = dict(plain["linux"])
    linux["namespaces"] = tuple(Namespace(**one) for one in linux["namespaces"])
    for kind in ("uidMappings", "gidMappings"):
        linux[kind] = tuple(Mapping(**one) for one in linux[kind])
    linux["devices"] = tuple(Device(**one) for one in linux.get("devices", ()))
    return Spec(
        ociVersion=plain["ociVersion"],
        process=process_from_json(plain["process"]),
        root=Root(**plain["root"]),
        hostname=plain["hostname"],
        mounts=tuple(Mount(**one) for one in plain["mounts"]),
        linux=Linux(**linux),
        kernelbox=Extra(**plain["kernelbox"]),
    )
