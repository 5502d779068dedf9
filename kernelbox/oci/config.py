"""A container as its bundle describes it: config.json, as records.

Names and shape are the runtime-spec's. `kernelbox.container.spec` has the part of it that `run`
makes of an image; here is all that Linux has, and what engines such as Podman and Docker ask for.
No kernel access; how a document becomes these records is in reading.py.

Source: OCI runtime-spec, config.md and config-linux.md.
"""

from __future__ import annotations

from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.users.id_maps import Mapping

HOOKS = (
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
)


class User(NamedTuple):
    """Who a program runs as, inside. `umask` is None for 0022."""

    uid: int
    gid: int
    additionalGids: tuple[int, ...] = ()
    umask: int | None = None


class Limit(NamedTuple):
    """How much a process may use of one thing: `RLIMIT_NOFILE` and its kin."""

    type: str
    soft: int
    hard: int


class Scheduler(NamedTuple):
    """How a process gets its turn: see `kernel.execution.set_scheduler`."""

    policy: int
    nice: int = 0
    priority: int = 0
    flags: int = 0
    runtime: int = 0
    deadline: int = 0
    period: int = 0


class MemoryPolicy(NamedTuple):
    """Which of the machine's memories it gets: see `kernel.execution.set_memory_policy`."""

    mode: int
    nodes: tuple[int, ...] = ()
    flags: int = 0


class Affinity(NamedTuple):
    """On which processors `exec` is: before its process is in the control group, and then.

    None for what comes of itself.
    """

    initial: tuple[int, ...] | None = None
    final: tuple[int, ...] | None = None


class Process(NamedTuple):
    """One program to run inside.

    Attributes:
        args: The program and its arguments.
        env: `NAME=value`.
        cwd: Working directory, absolute.
        user: Who it runs as.
        capabilities: By set, `bounding` to `ambient`: names that this machine knows.
        terminal: Whether it gets a terminal of its own.
        size: Rows and columns of that; None for its own default.
        rlimits: In order.
        noNewPrivileges: Whether execve(2) grants nothing that its caller has not.
        oomScoreAdj: How much it deserves an OOM kill; None for what its parent has.
        scheduler: None for what its parent has.
        ioPriority: Class and level, likewise.
        apparmor: The AppArmor profile that it becomes the program under; empty for its parent's.
        affinity: Of `exec`; None if nothing is said of it.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: User
    capabilities: dict[str, tuple[str, ...]]
    terminal: bool = False
    size: tuple[int, int] | None = None
    rlimits: tuple[Limit, ...] = ()
    noNewPrivileges: bool = False
    oomScoreAdj: int | None = None
    scheduler: Scheduler | None = None
    ioPriority: tuple[int, int] | None = None
    apparmor: str = ""
    affinity: Affinity | None = None


class Namespace(NamedTuple):
    """A namespace that the container has: a new one, or, with a path, what that leads to."""

    type: str
    path: str


class Mount(NamedTuple):
    """One mount.

    Attributes:
        destination: Where in the container.
        type: The kind of file system.
        source: What is mounted.
        options: mount(8)'s words.
        uidMappings: What owners there are shown as: an id of the source's, and what it becomes.
        gidMappings: Likewise.
    """

    destination: str
    type: str
    source: str
    options: tuple[str, ...]
    uidMappings: tuple[Mapping, ...] = ()
    gidMappings: tuple[Mapping, ...] = ()


class Device(NamedTuple):
    """A device node of the container's: `type` is b, c, u or p; `mode` its permissions."""

    path: str
    type: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


class Hook(NamedTuple):
    """A program that is run at one moment of a container's life.

    Attributes:
        path: Of it, absolute.
        args: With its name first; empty for the path alone.
        env: All that it gets.
        timeout: Seconds after which it has failed; None for ever.
    """

    path: str
    args: tuple[str, ...]
    env: tuple[str, ...]
    timeout: int | None


class Config(NamedTuple):
    """A container, as its bundle describes it.

    Attributes:
        ociVersion: Of the spec that it is written to.
        process: None for a container that is never started.
        root: Path of its root file system.
        readonly: Whether that is read-only.
        hostname: Empty for none of its own.
        domainname: Likewise.
        mounts: In order.
        hooks: By kind.
        annotations: What somebody else wants to find again.
        namespaces: A kind that is not among them is the runtime's.
        uidMappings: Of its user namespace.
        gidMappings: Likewise.
        timeOffsets: Seconds and nanoseconds, by clock.
        devices: Beside those that each container has.
        cgroupsPath: Its control group, below each hierarchy's mount point; empty for the default.
        resources: What that may use, as the document has it: see resources.py.
        sysctl: Settings of its namespaces, with dots.
        seccomp: The profile of its system calls; None for no filter.
        rootfsPropagation: `private`, `slave`, `shared` or `unbindable`, perhaps with an `r`.
        maskedPaths: Hidden.
        readonlyPaths: Seen, but not to be written to.
        personality: Of the machine, for `uname`; None for this one's.
        memoryPolicy: Of all its processes; None for what the runtime has.
        netDevices: Links of the host's that it gets, and what they are called inside.
    """

    ociVersion: str
    process: Process | None
    root: str
    readonly: bool
    hostname: str
    domainname: str
    mounts: tuple[Mount, ...]
    hooks: dict[str, tuple[Hook, ...]]
    annotations: dict[str, str]
    namespaces: tuple[Namespace, ...]
    uidMappings: tuple[Mapping, ...]
    gidMappings: tuple[Mapping, ...]
    timeOffsets: dict[str, tuple[int, int]]
    devices: tuple[Device, ...]
    cgroupsPath: str
    resources: dict[str, Any]
    sysctl: dict[str, str]
    seccomp: dict[str, Any] | None
    rootfsPropagation: str
    maskedPaths: tuple[str, ...]
    readonlyPaths: tuple[str, ...]
    personality: int | None
    memoryPolicy: MemoryPolicy | None
    netDevices: dict[str, str]

    def namespace(self, kind: str) -> Namespace | None:
        """Return the container's namespace of an OCI kind; None if it has the runtime's."""
        return next((one for one in self.namespaces if one.type == kind), None)

    def is_new(self, kind: str) -> bool:
        """Whether it gets a new namespace of an OCI kind."""
        found = self.namespace(kind)
        return found is not None and not found.path

    @property
    def has_user_namespace(self) -> bool:
        """Whether its ids are not the runtime's."""
        return self.namespace("user") is not None
