"""What a snapshot consists of: plain frozen dataclasses.

Nothing here looks at a kernel, so that a recording can be read where there is none. The readers
are the other files of this folder. Leaves JSON to codec.py, and what a view makes of a snapshot to
the view.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Process:
    """A process, seen from the runtime namespace.

    Attributes:
        pid: As the observer counts.
        ppid: Of its parent, likewise; 0 if the observer does not see the parent.
        inside_pid: As its own, innermost PID namespace counts.
        name: The command's name as the kernel keeps it, at most 15 bytes.
        command: The command line, at most 4 KiB of it; empty for a zombie, and only the program
            on the host's side.
        side: `container`: in a container's control group, or about to be, or a zombie that was.
            `runtime`: kernelbox's own (command, agent, monitor), what an agent holds, and what
            that has left behind. `host`: an ancestor of these.
        container: Id of the container it belongs to or looks after; empty without one.
        uid: Its effective user id, as the observer's user namespace counts.
        cgroup: Its control group, below the hierarchy's mount point.
        capabilities: Its effective set: bit N for capability number N.
        namespaces: From the kind, in procfs's spelling, to the inode that identifies it; a zombie
            has only some, and `pid_for_children` is left out.

    Source: proc_pid_status(5); proc_pid_cgroup(5); namespaces(7).
    """

    pid: int
    ppid: int
    inside_pid: int
    name: str
    command: tuple[str, ...]
    side: str
    container: str
    uid: int
    cgroup: str
    capabilities: int
    namespaces: dict[str, int]


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo.

    Attributes:
        id: The kernel's number of the mount.
        parent: Of the mount it is on.
        point: The mount point, as its process sees it.
        root: Which directory of the file system is mounted there.
        source: The device or whatever stands for it.
        kind: The file system's type.
        options: Of the mount, then those of the file system that it does not have.
        propagation: `private`, `shared:N`, `slave:N` (of peer group N), `shared:N slave:M`,
            `unbindable`.
        hidden: Whether another mount, on the same point or above it, lies over this one.

    Source: proc_pid_mountinfo(5); mount_namespaces(7).
    """

    id: int
    parent: int
    point: str
    root: str
    source: str
    kind: str
    options: str
    propagation: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory or other entry of an overlay.

    Attributes:
        path: From the container's root, beginning with a slash.
        what: `added`: new. `changed`: copied up, and so hiding what is below. `whiteout`: deleted.
            `opaque`: a directory that hides all of the directory below. `unchanged`: as below,
            or a directory of the upperdir that is only there for what is in it.
        kind: `file`, `directory`, `symlink` or `device` (also a FIFO or socket); of a whiteout,
            the kind of what it deletes.
        size: Bytes.
        layer: Index in `LayerStack.layers` of the topmost layer that has this path: it is what a
            changed, whiteout or opaque entry hides, and where an unchanged one comes from. -1 if
            no layer has it.

    Source: `Documentation/filesystems/overlayfs.rst`.
    """

    path: str
    what: str
    kind: str
    size: int
    layer: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One lowerdir.

    Attributes:
        name: Where it comes from, for people.
        digest: The beginning of its digest; empty if its directory's name is none.
        files: How many entries it has, whiteouts included.
        bytes: Size of its regular files; of hard links, each once.
    """

    name: str
    digest: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LayerStack:
    """A container's overlay.

    Attributes:
        container: Id of the container.
        layers: The lowerdirs, the topmost first.
        upper: What is in the upperdir, in the order of paths.
        wasted: Bytes of files in layers that something above them hides.
        truncated: Whether there was too much to look at all of it: numbers are then too low.
        merged: What the container sees, in the order of paths; empty unless asked for.
    """

    container: str
    layers: tuple[Layer, ...]
    upper: tuple[Entry, ...]
    wasted: int
    truncated: bool
    merged: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface.

    Attributes:
        name: Its name.
        index: Its number in its namespace.
        kind: `veth`, `bridge`, `loopback`, `ether`, ...
        mac: Its link-layer address.
        state: `up`, `down`, `no-carrier` (up, but nothing answers at the other end).
        mtu: Bytes.
        addresses: Such as `172.29.0.2/16`.
        peer: A veth's other end, or what a macvlan stands on: inode of its network namespace, and
            its index there; an inode of 0 is a namespace that no observed process is in. None for
            other kinds.
        master: Name of the bridge it is plugged into; empty without one.

    Source: rtnetlink(7); veth(4).
    """

    name: str
    index: int
    kind: str
    mac: str
    state: str
    mtu: int
    addresses: tuple[str, ...]
    peer: tuple[int, int] | None
    master: str


@dataclass(frozen=True, slots=True)
class NetworkNamespace:
    """A network namespace.

    Attributes:
        inode: What identifies it.
        label: For people, and unique in a snapshot: `host`, a container's name, `held 4711`.
        container: Id of the container it was made for; empty without one.
        links: In the order of their indexes.
        routes: As `ip route` writes them: `default via 172.29.0.1 dev eth0`.
    """

    inode: int
    label: str
    container: str
    links: tuple[Link, ...]
    routes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """All network namespaces, and what may pass between them.

    Attributes:
        namespaces: The host's first.
        nat: nft's rules that rewrite a source address, as nft prints them.
        ports: nft's rules that publish a port: `127.0.0.1:8080 -> 172.29.0.2:80/tcp`.
        reach: From `label -> label` to whether a ping would arrive, and why (not), computed from
            links, addresses, routes and rules as they were read.
    """

    namespaces: tuple[NetworkNamespace, ...] = ()
    nat: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    reach: dict[str, tuple[bool, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container's control group has used; None is what this host does not count.

    Attributes:
        container: Id of the container.
        time: Seconds since the epoch.
        cpu_usec: CPU time, microseconds.
        throttled: Time it was kept from running by its CPU limit, microseconds.
        memory: Bytes in use.
        memory_limit: Bytes; None also for no limit.
        pids: Processes and threads.
        pids_limit: How many there may be; None also for no limit.
        io_read: Bytes read from block devices.
        io_write: Bytes written to them.
        oom_kills: How many processes the kernel has killed for want of memory.
        pressure: From `cpu`, `memory` and `io` to the percentage of the last 10 seconds in which
            some process of the group waited for it.
        cpu_limit: Processors it may use, such as 0.5; None also for no limit.

    Source: cgroup-v2.rst; `Documentation/accounting/psi.rst`.
    """

    container: str
    time: float
    cpu_usec: int | None
    throttled: int | None
    memory: int | None
    memory_limit: int | None
    pids: int | None
    pids_limit: int | None
    io_read: int | None
    io_write: int | None
    oom_kills: int | None
    pressure: dict[str, float] | None
    cpu_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How the kernel was found at one moment; parts that nobody asked for are empty.

    Attributes:
        time: Seconds since the epoch, when the look began.
        processes: Those that matter, in the order of pids: see `processes.py`.
        mounts: One list for each mount namespace, under the lowest of the observed pids in it.
        layers: One stack for each container.
        network: Network namespaces, and what may pass between them.
        usage: One for each container that has a control group.
    """

    time: float
    processes: tuple[Process, ...] = ()
    mounts: dict[int, tuple[Mount, ...]] = field(default_factory=dict)
    layers: tuple[LayerStack, ...] = ()
    network: Network = field(default_factory=Network)
    usage: tuple[Usage, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two snapshots.

    Attributes:
        where: `process`, `mount`, `layer`, `namespace` (a network namespace), `link`, `route`,
            `nat`, `port`, `reach` or `cgroup`.
        what: `appeared`, `gone` or `changed`.
        name: What it is, for people, such as `4711 sh`.
        before: What was different, one line; empty for what appeared.
        after: Likewise; empty for what is gone.
    """

    where: str
    what: str
    name: str
    before: str
    after: str
