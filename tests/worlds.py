"""Made-up snapshots, as realistic as they need to be: what the views are tested with.

What the kernel really says is the business of the tests of `observe` and of the browser's.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

from kernelbox.kernel.door import Event
from kernelbox.observe.codec import from_json, to_json
from kernelbox.observe.model import (
    Entry,
    Layer,
    LayerStack,
    Link,
    Mount,
    Network,
    NetworkNamespace,
    Process,
    Snapshot,
    Usage,
)  # fmt: skip
from kernelbox.widgets.recordings import Recording

WEB, DB = "860a0997736e", "1f5c2d9b0a44"
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
HOST = {kind: 4026531835 + number for number, kind in enumerate(KINDS)}
NOON = 1_800_000_000.0
DOCKERS = 0xA80425FB


def namespaces(base: int, *kinds: str) -> dict[str, int]:
    """Return the host's namespaces, but for new ones of these kinds."""
    return {
        kind: 4026532000 + base + number if kind in kinds else HOST[kind]
        for number, kind in enumerate(KINDS)
    }


USUAL = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def process(pid: int, ppid: int, name: str, **more: object) -> Process:
    """Return a process; of the runtime side, unless more is said."""
    fields: dict[str, object] = {
        "pid": pid,
        "ppid": ppid,
        "inside_pid": pid,
        "name": name,
        "command": (name,),
        "side": "runtime",
        "container": "",
        "uid": 0,
        "cgroup": "/user.slice",
        "capabilities": 0x1FFFFFFFFFF,
        "namespaces": HOST,
    }
    return Process(**{**fields, **more})  # type: ignore[arg-type]


def contained(
    pid: int, ppid: int, inside: int, words: str, spaces: dict[str, int], where: str
) -> Process:
    """Return a process of a container."""
    command = tuple(words.split())
    return process(
        pid, ppid, command[0], inside_pid=inside, command=command, side="container",
        container=where, cgroup=f"/kernelbox/{where}", capabilities=DOCKERS, namespaces=spaces,
    )  # fmt: skip


def processes() -> tuple[Process, ...]:
    """Return an agent, a held process, and two containers one with a user namespace."""
    web = namespaces(100, *USUAL)
    db = {**namespaces(200, *USUAL, "user"), "net": web["net"]}
    return (
        process(1, 0, "systemd", side="host"),
        process(903, 1, "jupyter-lab", side="host", command=("jupyter-lab", "--no-browser")),
        process(4100, 903, "python3", command=("python3", "-I", "-m", "kernelbox.agent")),
        process(4180, 4100, "python3", container=WEB, command=("python3", "monitor", WEB)),
        contained(4182, 4180, 1, "sh -c httpd; sleep infinity", web, WEB),
        contained(4190, 4182, 7, "httpd -p 80 -h /srv/www", web, WEB),
        contained(4191, 4182, 8, "sleep infinity", web, WEB),
        process(4200, 4100, "python3", container=DB, command=("python3", "monitor", DB)),
        replace(contained(4202, 4200, 1, "redis-server *:6379", db, DB), uid=2000000999),
        process(4301, 4100, "python3", namespaces=namespaces(300, "uts")),
    )


def mount(number: int, parent: int, point: str, kind: str, source: str, **more: object) -> Mount:
    """Return a mount; private, unless more is said."""
    fields: dict[str, object] = {
        "id": number,
        "parent": parent,
        "point": point,
        "root": "/",
        "source": source,
        "kind": kind,
        "options": "rw,relatime",
        "propagation": "private",
        "hidden": False,
    }
    return Mount(**{**fields, **more})  # type: ignore[arg-type]


def host_mounts() -> tuple[Mount, ...]:
    """Return what a host has mounted."""
    return (
        mount(22, 27, "/proc", "proc", "proc", options="rw,nosuid", propagation="shared:5"),
        mount(23, 27, "/sys", "sysfs", "sysfs", options="rw,nosuid", propagation="shared:6"),
        mount(
            24,
            27,
            "/dev",
            "devtmpfs",
            "devtmpfs",
            options="rw,nosuid,size=12334460k",
            propagation="shared:2",
        ),
        mount(
            25, 24, "/dev/shm", "tmpfs", "tmpfs", options="rw,nosuid,nodev", propagation="shared:3"
        ),
        mount(
            26,
            24,
            "/dev/pts",
            "devpts",
            "devpts",
            options="rw,nosuid,gid=5,mode=620",
            propagation="shared:4",
        ),
        mount(27, 1, "/", "ext4", "/dev/vda1", propagation="shared:1"),
        mount(
            40,
            23,
            "/sys/fs/cgroup",
            "cgroup2",
            "cgroup2",
            options="rw,nsdelegate",
            propagation="shared:7",
        ),
        mount(44, 27, "/mnt/usb", "ext4", "/dev/sdb1", hidden=True, propagation="shared:8"),
        mount(45, 44, "/mnt/usb", "tmpfs", "tmpfs", options="rw,size=64k", propagation="shared:9"),
    )


def container_mounts() -> tuple[Mount, ...]:
    """Return what a container has mounted."""
    top = "/var/lib/kernelbox"
    own = f"{top}/containers/{WEB}"
    lower = f"lowerdir={top}/images/layers/e72f983482c1,upperdir={own}/upper"
    return (
        mount(610, 609, "/", "overlay", "overlay", options=f"rw,relatime,{lower}"),
        mount(611, 610, "/proc", "proc", "proc", options="rw,nosuid,nodev,noexec"),
        mount(612, 610, "/dev", "tmpfs", "tmpfs", options="rw,nosuid,size=65536k,mode=755"),
        mount(613, 612, "/dev/pts", "devpts", "devpts", options="rw,nosuid,noexec,ptmxmode=666"),
        mount(614, 612, "/dev/shm", "tmpfs", "shm", options="rw,nosuid,nodev,size=65536k"),
        mount(615, 612, "/dev/null", "devtmpfs", "devtmpfs", root="/null", options="rw,nosuid"),
        mount(616, 610, "/sys", "sysfs", "sysfs", options="ro,nosuid,nodev,noexec"),
        mount(617, 616, "/sys/fs/cgroup", "cgroup2", "cgroup", options="ro,nosuid"),
        mount(618, 610, "/etc/hosts", "ext4", "/dev/vda1", root=f"{own}/hosts"),
        mount(619, 611, "/proc/keys", "devtmpfs", "devtmpfs", root="/null", options="ro,nosuid"),
        mount(620, 610, "/srv/www", "ext4", "/dev/vda1", root="/www", propagation="slave:1"),
    )  # fmt: skip


def layers() -> LayerStack:
    """Return a container that has added, changed, deleted and hidden."""
    upper = (
        Entry("/etc", "unchanged", "directory", 0, 1),
        Entry("/etc/motd", "added", "file", 120, -1),
        Entry("/etc/passwd", "changed", "file", 1340, 1),
        Entry("/srv", "opaque", "directory", 0, 0),
        Entry("/srv/index.html", "added", "file", 48_130, -1),
        Entry("/usr", "unchanged", "directory", 0, 1),
        Entry("/usr/share/doc", "whiteout", "directory", 0, 1),
        Entry("/var/log/app.log", "added", "file", 2_310_144, -1),
    )
    merged = (
        Entry("/bin", "unchanged", "directory", 0, 1),
        Entry("/bin/busybox", "unchanged", "file", 1_970_000, 1),
        Entry("/bin/sh", "unchanged", "symlink", 7, 1),
        Entry("/etc", "unchanged", "directory", 0, 1),
        Entry("/etc/hosts", "unchanged", "file", 180, 1),
        Entry("/etc/motd", "added", "file", 120, -1),
        Entry("/etc/passwd", "changed", "file", 1340, 1),
        Entry("/srv", "opaque", "directory", 0, 0),
        Entry("/srv/index.html", "added", "file", 48_130, -1),
        Entry("/usr", "unchanged", "directory", 0, 1),
        Entry("/usr/bin/httpd", "unchanged", "file", 640_000, 0),
        Entry("/var/log/app.log", "added", "file", 2_310_144, -1),
    )
    stack = (
        Layer("RUN make install", "9b1c4d7e2f60", 12, 5_640_000),
        Layer("busybox", "e72f983482c1", 412, 2_130_000),
    )
    return LayerStack(WEB, stack, upper, 61_440, False, merged)


def link(name: str, index: int, kind: str, *addresses: str, **more: object) -> Link:
    """Return a link that is up, unless more is said."""
    fields: dict[str, object] = {
        "mac": f"02:42:ac:1d:00:{index:02x}",
        "state": "up",
        "mtu": 1500,
        "peer": None,
        "master": "",
    }
    return Link(name=name, index=index, kind=kind, addresses=addresses, **{**fields, **more})  # type: ignore[arg-type]


def network() -> Network:
    """Return a host with a bridge, two containers on it, and one with nothing."""
    host, web, db, lone = HOST["net"], 4026532103, 4026532203, 4026532303
    namespaces = (
        NetworkNamespace(host, "host", "", (
            link("lo", 1, "loopback", "127.0.0.1/8"),
            link("eth0", 2, "ether", "10.0.2.15/24"),
            link("docker0", 3, "bridge", "172.17.0.1/16", state="no-carrier"),
            link("kernelbox0", 5, "bridge", "172.29.0.1/16"),
            link("veth860a099", 7, "veth", peer=(web, 6), master="kernelbox0"),
            link("veth1f5c2d9", 9, "veth", peer=(db, 8), master="kernelbox0"),
        ), ("default via 10.0.2.2 dev eth0", "172.29.0.0/16 dev kernelbox0")),
        NetworkNamespace(web, "web", WEB, (
            link("lo", 1, "loopback", "127.0.0.1/8"),
            link("eth0", 6, "veth", "172.29.0.2/16", peer=(host, 7)),
        ), ("default via 172.29.0.1 dev eth0", "172.29.0.0/16 dev eth0")),
        NetworkNamespace(db, "db", DB, (
            link("lo", 1, "loopback", "127.0.0.1/8"),
            link("eth0", 8, "veth", "172.29.0.3/16", peer=(host, 9)),
        ), ("default via 172.29.0.1 dev eth0", "172.29.0.0/16 dev eth0")),
        NetworkNamespace(lone, "held 4301", "", (
            link("lo", 1, "loopback", state="down"),
        ), ()),
    )  # fmt: skip
    reach = {
        "host -> web": (True, "172.29.0.0/16 dev kernelbox0"),
        "host -> db": (True, "172.29.0.0/16 dev kernelbox0"),
        "host -> held 4301": (False, "it has no address"),
        "web -> host": (True, "default via 172.29.0.1 dev eth0"),
        "web -> db": (False, "host drops it: ip kernelbox forward: oifname kernelbox0 drop"),
        "web -> held 4301": (False, "it has no address"),
        "db -> host": (True, "default via 172.29.0.1 dev eth0"),
        "db -> web": (False, "host drops it: ip kernelbox forward: oifname kernelbox0 drop"),
        "db -> held 4301": (False, "it has no address"),
        "held 4301 -> host": (False, "no route to 172.29.0.1: lo is down"),
        "held 4301 -> web": (False, "no route to 172.29.0.2: lo is down"),
        "held 4301 -> db": (False, "no route to 172.29.0.3: lo is down"),
    }
    nat = ('ip saddr 172.29.0.0/16 oifname != "kernelbox0" masquerade',)
    return Network(namespaces, nat, ("0.0.0.0:8080 -> 172.29.0.2:80/tcp",), reach)


def networks(connected: int, alone: int) -> Snapshot:
    """Return a host with so many containers on its bridge, and so many without a network."""
    host = HOST["net"]
    ends = [
        link(f"veth{number:07x}", 10 + number, "veth", peer=(5000 + number, 6), master="kernelbox0")
        for number in range(connected)
    ]
    namespaces = [
        NetworkNamespace(host, "host", "", (
            link("lo", 1, "loopback", "127.0.0.1/8"),
            link("kernelbox0", 5, "bridge", "172.29.0.1/16"),
            *ends,
        ), ()),
    ]  # fmt: skip
    for number in range(connected):
        own = link("eth0", 6, "veth", f"172.29.0.{2 + number}/16", peer=(host, 10 + number))
        lo = link("lo", 1, "loopback", "127.0.0.1/8")
        where = f"{number:012x}"
        namespaces.append(NetworkNamespace(5000 + number, f"web-{number}", where, (lo, own), ()))
    for number in range(alone):
        lo = link("lo", 1, "loopback", state="down")
        namespaces.append(NetworkNamespace(6000 + number, f"held {9000 + number}", "", (lo,), ()))
    known = [one.label for one in namespaces[: connected + 1]]
    reach = {
        f"{one} -> {other}": (True, "172.29.0.0/16")
        for one in known
        for other in known
        if one != other
    }
    return Snapshot(NOON, network=Network(tuple(namespaces), (), (), reach))


def wire() -> Snapshot:
    """Return a host with two containers on its link `wire`, as macvlans, and who they are."""
    host = HOST["net"]
    lo = link("lo", 1, "loopback", "127.0.0.1/8")
    namespaces = [
        NetworkNamespace(host, "host", "", (
            lo,
            link("eth0", 2, "ether", "192.168.77.9/24"),
            link("wire", 3, "veth", peer=(5002, 2)),
        ), ()),
        *(
            NetworkNamespace(5000 + number, f"web-{number}", f"{number:012x}", (
                lo,
                link("eth0", 4 + number, "macvlan", f"192.168.77.{2 + number}/24", peer=(host, 3)),
            ), ())
            for number in range(2)
        ),
        NetworkNamespace(5002, "far 9000", "", (
            link("port", 2, "veth", "192.168.77.1/24", peer=(host, 3)),
        ), ()),
    ]  # fmt: skip
    return Snapshot(NOON, network=Network(tuple(namespaces), (), (), {}))


def street() -> Snapshot:
    """Return three namespaces in a row, as in chapter 11: a host, a router, the outside."""
    ann = (
        link("lo", 1, "loopback", state="down"),
        link("eth0", 2, "veth", "10.1.1.1/24", peer=(7001, 3)),
    )
    switch = (
        link("lo", 1, "loopback", state="down"),
        link("bridge", 2, "bridge", "10.1.1.254/24"),
        link("port1", 3, "veth", peer=(7000, 2), master="bridge"),
        link("wan", 4, "veth", "203.0.113.1/24", peer=(7002, 2)),
    )
    beyond = (
        link("lo", 1, "loopback", state="down"),
        link("eth0", 2, "veth", "203.0.113.2/24", peer=(7001, 4)),
    )
    found = [
        NetworkNamespace(7000 + number, label, "", links, ())
        for number, (label, links) in enumerate(
            {"ann": ann, "switch": switch, "beyond": beyond}.items()
        )
    ]
    return Snapshot(NOON, network=Network(tuple(found), (), (), {}))


def usage(at: int, container: str = WEB) -> Usage:
    """Return what a container has used after `at` fifths of a second, until it is killed."""
    second = at / 5
    busy = container == WEB
    memory = min(8 + 2.9 * (second % 22), 64) if busy else 21 + (at % 9) / 3
    kills = int(second // 22) if busy else 0
    return Usage(
        container=container,
        time=NOON + second,
        cpu_usec=int(second * (480_000 if busy else 120_000)),
        throttled=int(max(second - 8, 0) * 90_000) if busy else 0,
        memory=int(memory * 2**20),
        memory_limit=64 * 2**20 if busy else None,
        pids=3 + at % 4 if busy else 5,
        pids_limit=100 if busy else None,
        io_read=at * 40_000,
        io_write=at * at * 900,
        oom_kills=kills,
        pressure={"cpu": min(3.0 * second, 60.0), "memory": 4.0, "io": 1.0},
        cpu_limit=0.5 if busy else None,
    )


def world(at: int = 0) -> Snapshot:
    """Return everything at once."""
    return Snapshot(
        time=NOON + at / 5,
        processes=processes(),
        mounts={1: host_mounts(), 4182: container_mounts()},
        layers=(layers(),),
        network=network(),
        usage=(usage(at), usage(at, DB)),
    )


def crowd(containers: int, at: int = 0) -> Snapshot:
    """Return a host with so many containers, of which one has a new process at each moment."""
    many = [process(1, 0, "systemd", side="host"), process(4100, 1, "python3")]
    for number in range(containers):
        spaces = namespaces(1000 + 10 * number, *USUAL)
        where = f"{number:012x}"
        many.append(contained(5000 + 4 * number, 4100, 1, "sh -c work", spaces, where))
        many.append(
            contained(5001 + 4 * number, 5000 + 4 * number, 2, "work --hard", spaces, where)
        )
    spaces = namespaces(1000, *USUAL)
    many.append(contained(9000 + at, 5000, 10 + at, "sleep 1", spaces, f"{0:012x}"))
    return Snapshot(time=NOON + at / 5, processes=tuple(many))


BIRTH = """
runtime|mkdir("/sys/fs/cgroup/kernelbox/860a0997736e", 0o755)|0|55|mkdir /sys/fs/cgroup/kernelbox/860a0997736e
runtime|write("/sys/fs/cgroup/kernelbox/860a0997736e/memory.max", "67108864")|8|13|echo 67108864 > memory.max
runtime|open_tree(AT_FDCWD, "/var/lib/kernelbox/containers/860a0997736e/hosts", OPEN_TREE_CLONE|AT_RECURSIVE)|10|72|
runtime|clone3({flags=CLONE_PIDFD|CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWPID|CLONE_NEWNET, exit_signal=SIGCHLD}, 88)|4182|1855|unshare --fork --mount --uts --ipc --pid --net
runtime|write("/proc/4182/uid_map", "0 2000000000 65536")|18|17|echo 0 2000000000 65536 > /proc/4182/uid_map
runtime|RTM_NEWLINK({ifname="veth860a099", kind="veth", peer={ifname="eth0", net_ns_fd=10}})|0|2198|ip link add veth860a099 type veth peer name eth0 netns 4182
runtime|RTM_NEWLINK({ifname="veth860a099", master="kernelbox0"})|0|490|ip link set veth860a099 master kernelbox0
container|prctl(PR_SET_PDEATHSIG, SIGKILL)|0|141|
container|unshare(CLONE_NEWCGROUP)|0|40|unshare --cgroup
container|sethostname("860a0997736e", 12)|0|13|hostname 860a0997736e
runtime|RTM_NEWADDR({ifname="eth0", address="172.29.0.2", prefixlen=16})|0|490|ip address add 172.29.0.2/16 dev eth0
runtime|RTM_NEWROUTE({dst="default", gateway="172.29.0.1", oif="eth0"})|EEXIST|27|ip route add default via 172.29.0.1 dev eth0
container|mount(NULL, "/", NULL, MS_REC|MS_PRIVATE, NULL)|0|14|mount --make-rprivate /
container|mount("overlay", "/", "overlay", 0, "lowerdir=...,upperdir=...,workdir=...")|0|216|mount -t overlay overlay /
container|pivot_root(".", ".")|0|73|pivot_root . .
container|mount("proc", "/proc", "proc", MS_NOSUID|MS_NODEV|MS_NOEXEC, NULL)|0|35|mount -t proc proc /proc
container|mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755,size=64m")|0|31|mount -t tmpfs tmpfs /dev
container|mkdir("/dev/pts", 0o755)|0|5|mkdir /dev/pts
container|mount("devpts", "/dev/pts", "devpts", MS_NOSUID|MS_NOEXEC, "newinstance")|0|64|mount -t devpts devpts /dev/pts
container|umount2(".", MNT_DETACH)|0|87|umount -l .
container|symlink("/proc/self/fd", "/dev/fd")|0|4|ln -s /proc/self/fd /dev/fd
container|prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN)|0|2|
container|prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT)|0|2|
container|capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {effective=0xa80425fb, permitted=0xa80425fb})|0|14|
container|execve("/bin/sh", ["sh", "-c", "httpd; sleep infinity"], envp)|0|573|exec sh -c 'httpd; sleep infinity'
"""  # noqa: E501


def events() -> tuple[Event, ...]:
    """Return the requests of a short birth."""
    counts = {side: itertools.count(1) for side in ("runtime", "container")}
    found = []
    for line in BIRTH.strip().splitlines():
        # The flags of a request contain the same sign, so the line is cut from its two ends.
        side, _, rest = line.partition("|")
        request, result, took, shell = rest.rsplit("|", 3)
        found.append(Event(side, next(counts[side]), request, result, int(took), shell))
    return tuple(found)


def birth() -> Recording:
    """Return a recording: at each request, as much of the container as there is by then."""
    every, done = events(), 0
    spaces = dict(HOST)
    mounts: tuple[Mount, ...] = ()
    snapshots = [_newborn(0, False, spaces, mounts, done)]
    for number, event in enumerate(every, 1):
        name = event.request.partition("(")[0]
        if name == "clone3":
            spaces = namespaces(100, "ipc", "mnt", "net", "pid", "uts")
            mounts = tuple(
                replace(one, id=one.id + 500, parent=one.parent + 500) for one in host_mounts()
            )
        elif name == "unshare":
            spaces = {**spaces, "cgroup": 4026532100}
        elif "MS_PRIVATE" in event.request:
            mounts = tuple(replace(one, propagation="private") for one in mounts)
        elif name == "pivot_root":
            mounts = (container_mounts()[0], *(replace(one, hidden=True) for one in mounts))
        elif name == "umount2":
            mounts = tuple(one for one in mounts if not one.hidden)
        elif name == "mount" and event.request.startswith(('mount("p', 'mount("t', 'mount("d')):
            point = event.request.split('"')[3]
            mounts += tuple(one for one in container_mounts() if one.point == point)
        done += event.side == "runtime" and name.startswith("RTM")
        snapshots.append(
            _newborn(number, number >= 4, spaces, mounts, done, ended=name == "execve")
        )
    return Recording(every, tuple(snapshots))


def _newborn(
    at: int,
    born: bool,
    spaces: dict[str, int],
    mounts: tuple[Mount, ...],
    wired: int,
    *,
    ended: bool = False,
) -> Snapshot:
    host = [one for one in processes() if one.pid < 4182]
    if born:
        words = "sh -c httpd; sleep infinity" if ended else "python3 -m kernelbox"
        host.append(contained(4182, 4180, 1, words, spaces, WEB))
    full = network().namespaces
    shown = [replace(full[0], links=tuple(one for one in full[0].links if one.kind != "veth"))]
    if born:
        shown.append(replace(full[1], links=full[1].links[:1]))
    if wired:
        shown = [replace(full[0], links=full[0].links[:5]), full[1]]
    reach = (
        {
            "host -> web": (wired > 1, "" if wired > 1 else "no address"),
            "web -> host": (wired > 2, ""),
        }
        if born
        else {}
    )
    return Snapshot(
        time=NOON + at,
        processes=tuple(host),
        mounts={1: host_mounts(), **({4182: mounts} if born else {})},
        network=Network(tuple(shown), network().nat, (), reach),
    )


def another_run(snapshot: Snapshot) -> Snapshot:
    """Return the same as it would be found another time: other pids, inodes, ids and addresses."""
    text = json.dumps(to_json(snapshot))
    for old, new in (
        (r"\b4([123]\d\d)\b", r"15\1"),  # pids
        (r"\b4026532(\d{3})\b", r"4026577\1"),  # inodes
        (r"\b6\d\d\b", lambda found: str(9999 - int(found[0]))),  # mounts, in another order
        (WEB, "c0ffee123456"),
        (DB, "0ddba11f00d5"),
        (r"veth\w+", "vethc0ffee1"),
        (r"172\.29\.0\.([23])", r"172.29.0.1\1"),
        (r"02:42:ac:1d", "02:42:ac:99"),
        ("e72f983482c1", "5ca1ab1e0000"),
    ):
        text = re.sub(old, new, text)
    return from_json(json.loads(text))  # type: ignore[no-any-return]
