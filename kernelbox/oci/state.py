"""What is known of a container between two commands: a directory each, below the runtime's root.

    ROOT/ID/state.json   who its first process is, and what was made for it
    ROOT/ID/config.json  its bundle's, as it was when the container was created
    ROOT/ID/start        the socket at which its first process waits for `start`

What can be seen in the kernel is never stored: whether it runs, stands still, waits or is gone.

Source: OCI runtime-spec, runtime.md, "State".
"""

from __future__ import annotations

import fcntl
import os
import time

from kernelbox.kernel import process
from kernelbox.kernel.errors import UsageError
from kernelbox.oci import gate
from kernelbox.oci.document import load
from kernelbox.plumbing import documents, storage
from kernelbox.plumbing.light import contextmanager, suppress
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from kernelbox.cgroup import Cgroup
    from kernelbox.oci.config import Config
    from kernelbox.oci.document import Part

# Source: runc, validateID
_OF_AN_ID = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-")
_LONGEST_ID = 128
_LATEST = 1 << 37  # seconds since the epoch: the year 6325
_A_MOMENT = 0.01  # seconds between two looks at a lock
_TELLING = {"pid": "pid", "mount": "mnt"}  # whoever is in one of these is in the container


class State(NamedTuple):
    """What was made for a container.

    Attributes:
        ociVersion: Of its bundle.
        id: Its own.
        bundle: Where its bundle is, absolute.
        annotations: Its bundle's.
        rootfs: The path of its root file system.
        created: Seconds since the epoch.
        group: Its control group, below each mount point; empty without one.
        above: Directories that were made for that to lie in.
        pid: Of its first process, as the runtime's PID namespace counts; 0 before it is there.
        start_time: Of that, in clock ticks since boot.
        mount: The id of its root's mount, where others see that, too; else 0.
        freezer: The file that tells whether it stands still; empty if there is none.
    """

    ociVersion: str
    id: str
    bundle: str
    annotations: dict[str, str]
    rootfs: str
    created: float
    group: str
    above: list[str]
    pid: int = 0
    start_time: int = 0
    mount: int = 0
    freezer: str = ""


class Box:
    """A container's directory, open.

    Attributes:
        id: The container's.
        directory: Its path.
        fd: Of it.
        state: What was last written there.
    """

    def __init__(self, root: str, container_id: str, state: State) -> None:
        self.id = container_id
        self.directory = f"{root}/{container_id}"
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.fd = os.open(self.directory, flags)
        self.state = state

    @property
    def group(self) -> Cgroup:
        """Its control group, or what stands in for one."""
        if not self.state.group:
            from kernelbox.oci.groupless import Groupless  # for who is not root

            return Groupless(self.state.pid, self._telling()) if self.alive() else Groupless()
        from kernelbox.oci import groups  # not for `start`

        return groups.of(self.state.group)

    def _telling(self) -> list[str]:
        """Return the namespaces that tell who is in it, as /proc calls them."""
        with suppress(UsageError):  # whoever waited for its end has deleted it meanwhile
            own = self.own_namespaces()
            return [name for kind, name in _TELLING.items() if kind in own]
        return []

    def own_namespaces(self) -> list[str]:
        """Return the kinds of namespaces that were made for it, and that it has not joined.

        Raises:
            UsageError: Its config.json is damaged.
        """
        kinds = self.document().part("linux").parts("namespaces")
        return [one.text("type") for one in kinds if not one.text("path")]

    def write(self, state: State) -> None:
        """Replace what is known of it."""
        self.state = state
        replace(f"{self.directory}/state.json", documents.dumps(state._asdict()))

    def config(self) -> Config:
        """Return what its bundle's config.json describes.

        Raises:
            UsageError: It is damaged.
        """
        from kernelbox.oci import reading  # not for who only asks for its state

        return reading.config(self.document())

    def document(self) -> Part:
        """Return its bundle's config.json, as it was when the container was created.

        Raises:
            UsageError: It is damaged.
        """
        return load(f"{self.directory}/config.json")

    def alive(self) -> bool:
        """Whether its first process is there, and no zombie, and no other of the same pid."""
        pid, started = self.state.pid, self.state.start_time
        return bool(pid) and process.start_time(pid) == started and not process.has_ended(pid)

    def status(self) -> str:
        """Return `creating`, `created`, `running`, `paused` or `stopped`."""
        if not self.state.pid and self.is_being_made():
            return "creating"
        if not self.alive():
            return "stopped"
        if self.stands_still():
            return "paused"
        return "created" if gate.is_waited_at(self.fd) else "running"

    def stands_still(self) -> bool:
        """Whether every process in its control group does."""
        if not self.state.freezer:
            return bool(self.state.group) and self.group.frozen()
        try:
            text = storage.read(self.state.freezer)
        except OSError:  # ENOENT, ENODEV: with the group, nobody is there any more
            return False
        return process.stand_still(text)

    def is_being_made(self) -> bool:
        """Whether somebody holds the lock that `new` takes, or `lock`."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # many may ask at once
        except BlockingIOError:
            return True
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        return False

    def check_made(self, verb: str) -> None:
        """Refuse what has to wait for the end of `create`: a hook of it may ask, and would wait.

        Raises:
            UsageError: It is being created, or deleted.
        """
        if self.is_being_made():
            raise UsageError(
                f"cannot {verb} a container that is being created or deleted", "Wait for its end"
            )

    def lock(self, seconds: float) -> bool:
        """Be the only one who makes or removes it, from now on; False if time runs out.

        Source: flock(2).
        """
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    return False
                time.sleep(_A_MOMENT)
            else:
                return True

    def is_removed(self) -> bool:
        """Whether somebody has deleted it meanwhile; its id may be another's by now."""
        return os.fstat(self.fd).st_nlink == 0

    def told(self) -> dict[str, Any]:
        """Return its state, as the spec wants it on standard output and at a hook's input."""
        status = self.status()
        return self.as_told(status)

    def as_told(self, status: str) -> dict[str, Any]:
        """Return its state with a status that is known. Source: runtime.md, "State"."""
        state = self.state
        created = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(state.created))
        return {
            "ociVersion": state.ociVersion,
            "id": state.id,
            "pid": 0 if status == "stopped" else state.pid,
            "status": status,
            "bundle": state.bundle,
            "rootfs": state.rootfs,
            "created": f"{created}.{int(state.created % 1 * 1e9):09}Z",
            "annotations": state.annotations,
            "owner": "",
        }

    def remove(self) -> None:
        """Delete the directory: from here on there is no such container."""
        delete(self.directory)
        os.close(self.fd)


def replace(path: str, text: str) -> None:
    """Put a text in the place of a file, at once for whoever reads it.

    It is not made safe against a power cut, after which no container runs that it could be about.
    A pid file may be where others write, too: no link that somebody has laid there is followed.

    Raises:
        OSError: ENOSPC, EROFS, EACCES, ENOENT.
    """
    try:
        try:
            storage.write(f"{path}.new", text, os.O_EXCL)
        except FileExistsError:  # of somebody who was killed, or a trap
            os.unlink(f"{path}.new")
            storage.write(f"{path}.new", text, os.O_EXCL)
        os.rename(f"{path}.new", path)
    except OSError:
        with suppress(OSError):
            os.unlink(f"{path}.new")
        raise


def delete(directory: str) -> None:
    """Delete a container's directory, which holds a few files; a missing one is fine."""
    with suppress(FileNotFoundError):
        for name in os.listdir(directory):
            os.unlink(f"{directory}/{name}")
        os.rmdir(directory)


def check_id(container_id: str) -> None:
    """Refuse what cannot be the id of a container: it becomes the name of a directory.

    Raises:
        UsageError: It is empty, too long, `.` or `..`, or has other characters.
    """
    wrong = not _OF_AN_ID.issuperset(container_id) or container_id in ("", ".", "..")
    if wrong or len(container_id) > _LONGEST_ID:
        raise UsageError(
            f"{container_id!r:.150} cannot be the id of a container",
            f"At most {_LONGEST_ID} of: letters, digits, `_`, `+`, `-` and `.`",
        )


def check_new(root: str, container_id: str) -> None:
    """Refuse an id that no new container can have.

    Raises:
        UsageError: It is none, or another container has it.
    """
    check_id(container_id)
    if os.path.lexists(f"{root}/{container_id}"):
        raise _taken(container_id)


def _taken(container_id: str) -> UsageError:
    return UsageError(
        f"container with given ID already exists: {container_id}",
        "Delete that first, or choose another id",
    )


@contextmanager
def new(root: str, state: State, config: str) -> Iterator[Box]:
    """Make the directory of a new container, and hold its lock meanwhile.

    Args:
        root: Where containers are; private, and made if it is missing.
        state: What is known of it by now.
        config: Its bundle's config.json.

    Raises:
        UsageError: There is such a container.
    """
    check_id(state.id)
    os.makedirs(root, 0o700, exist_ok=True)
    try:
        os.mkdir(f"{root}/{state.id}", 0o700)
    except FileExistsError:
        raise _taken(state.id) from None  # another was faster
    box = Box(root, state.id, state)
    fcntl.flock(box.fd, fcntl.LOCK_EX)
    try:
        box.write(state)
        replace(f"{box.directory}/config.json", config)
    except OSError:  # a full disk; nothing else has been made by now
        box.remove()
        raise
    try:
        yield box
    finally:
        with suppress(OSError):  # closed, if it has been removed
            fcntl.flock(box.fd, fcntl.LOCK_UN)


def find(root: str, container_id: str) -> Box:
    """Return a container.

    Raises:
        UsageError: There is none of this id; what is known of it is damaged, or another user's.
    """
    check_id(container_id)
    directory = f"{root}/{container_id}"
    if not is_there(directory):
        with suppress(FileNotFoundError, NotADirectoryError):
            try:
                os.lstat(directory)
            except PermissionError as error:
                raise _refused(root) from error
        raise UsageError(f"container {container_id!r} does not exist", "See: list")
    return Box(root, container_id, _read(directory))


def is_there(directory: str) -> bool:
    """Whether a directory is a container's; a link leads to what may be anybody's."""
    return os.path.isdir(directory) and not os.path.islink(directory)


def _read(directory: str) -> State:
    """Return what is known of a container.

    Raises:
        UsageError: It is not complete, something else, or another user's.
    """
    try:
        part = load(f"{directory}/state.json")
        return State(
            ociVersion=part.text("ociVersion", None),
            id=part.text("id", None),
            bundle=part.text("bundle", None),
            annotations=part.table("annotations"),
            rootfs=part.text("rootfs", None),
            created=_seconds(part),
            group=part.text("group", None),
            above=part.texts("above"),
            pid=part.number("pid", None, 0),
            start_time=part.number("start_time", None, 0),
            mount=part.number("mount", None, 0),
            freezer=part.text("freezer"),  # an older version does not know it
        )
    except UsageError as error:
        if isinstance(error.__cause__, PermissionError):
            raise _refused(directory) from error.__cause__
        raise UsageError(
            f"the state of the container in {directory} is damaged",
            "delete --force takes away what is left of it",
        ) from error


def _refused(path: str) -> UsageError:
    return UsageError(
        f"you may not look into {path}: permission denied",
        "It is another user's: ask as that, or as root; or say another --root",
    )


def _seconds(part: Part) -> float:
    found: object = part.plain.get("created")
    if not isinstance(found, int | float) or not 0 <= found < _LATEST:
        raise part.wrong("created", "seconds since the epoch")
    return found


def every(root: str) -> list[str]:
    """Return the ids of all containers, in order.

    Raises:
        UsageError: They are another user's.
    """
    with suppress(FileNotFoundError):
        try:
            return sorted(one for one in os.listdir(root) if _OF_AN_ID.issuperset(one))
        except PermissionError as error:
            raise _refused(root) from error
    return []


def directories_above(root: str) -> set[str]:
    """Return the directories that were made for the control groups of all containers to lie in."""
    found = set[str]()
    for container_id in every(root):
        with suppress(UsageError):  # gone meanwhile, or damaged
            found.update(_read(f"{root}/{container_id}").above)
    return found
