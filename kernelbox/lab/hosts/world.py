"""The world: a machine to be broken, made of namespaces of the lab's own.

Its root is busybox's, with a directory in memory laid over it; its process 1 is held by the lab;
its services are children of that, each with mounts of its own. Whatever is done in there, the real
machine has no part in it: no mount of the world's spreads, and no file in it is the machine's. It
ends with its process 1, and so with the lab.

Source: pid_namespaces(7), "The namespace init process"; pivot_root(2), `pivot_root(".", ".")`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError
from kernelbox.lab.hosts.eye import Eye

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab

NAME = "harbour"
_PATIENCE = 10.0  # seconds until a program that was started has come as far as it will
_DEVICES = "for name, minor in (('null', 3), ('zero', 5)):\n    _path = f'/dev/{name}'\n"
_DEVICES += "    os.mknod(_path, 0o20666, os.makedev(1, minor)); os.chmod(_path, 0o666)"


class World:
    """One machine with its services.

    Attributes:
        box: The lab it lives in.
        eye: Sees it from outside.
        machine: Its process 1.
    """

    def __init__(self, box: Lab) -> None:
        self.box = box
        self.eye = Eye(box)
        self.machine = _machine(box)

    def service(self, name: str, *kinds: str) -> Held:
        """Return the first process of a new service, with mounts of its own.

        Args:
            name: Of its directory in /srv, which is made.
            kinds: More namespaces for it alone. With `pid` it is a process 1, and /proc is still
                the machine's.
        """
        self.machine.python(f"os.makedirs('/srv/{name}', exist_ok=True)")
        process = self.machine.fork()
        process.unshare("mount", *kinds)
        if "pid" in kinds:
            process = process.fork()
        process.chdir(f"/srv/{name}")
        return process

    def whole_service(self, name: str, *kinds: str) -> Held:
        """Return the same as process 1 of its own, with a /proc that fits."""
        process = self.service(name, "pid", *kinds)
        process.mount("proc", "/proc", "proc")
        return process

    def worker(self, service: Held, script: str, fds: str = "") -> int:
        """Start a shell script beside a service that is a process 1; return its host pid.

        Args:
            service: Its parent.
            script: It may `exec` what it likes.
            fds: Python for posix_spawn(3)'s file actions, a list.
        """
        words = ["/bin/sh", "-c", script]
        actions = f", file_actions={fds}" if fds else ""
        code = f"os.posix_spawn('/bin/sh', {words!r}, {{**os.environ, 'PATH': '/bin'}}{actions})"
        inner = service.evaluate(code)
        tasks = self.eye.processes(self.eye.namespace(service.pid, "pid"))
        return next(one.pid for one in tasks if one.inner == inner)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that a worker does.

        Raises:
            LabError: It has not come about.
        """
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise LabError("the machine does not come up", "Run the cell again")
            time.sleep(0.01)

    def put(self, files: Mapping[str, bytes | str]) -> None:
        """Write files of the machine's; their directories are made."""
        for path, said in files.items():
            data = said.encode() if isinstance(said, str) else said
            self.machine.python(
                f"os.makedirs(os.path.dirname({path!r}), exist_ok=True)\n"
                f"with open({path!r}, 'wb') as _file: _file.write({data!r})"
            )

    def path(self, path: str, process: Held | None = None) -> str:
        """Return how the eye reaches a path: as the machine sees it, or one of its processes."""
        return f"/proc/{(process or self.machine).pid}/root{path}"


def _machine(box: Lab) -> Held:
    """Return process 1 of a new machine, which has nothing of the real one but the kernel."""
    lender = box.start("busybox", "sleep 1000", network="none")
    try:
        layer = lender.inspect()["GraphDriver"]["Data"]["LowerDir"]
        builder = box.hold()
        builder.unshare("mount", "uts", "ipc", "pid")
        builder.mount(None, "/", None, "rprivate")
        builder.mount("harbour", "/mnt", "tmpfs", "size=32m")
        for name in ("upper", "work", "root"):
            builder.mkdir(f"/mnt/{name}")
        layers = f"lowerdir={layer},upperdir=/mnt/upper,workdir=/mnt/work"
        builder.mount("overlay", "/mnt/root", "overlay", layers)
    finally:
        lender.remove()
    machine = builder.fork()
    machine.chdir("/mnt/root")
    machine.pivot_root(".", ".")
    machine.umount(".", lazy=True)
    machine.chdir("/")
    machine.python(
        "for _one in 'proc dev srv mnt tmp'.split(): os.makedirs('/' + _one, exist_ok=True)"
    )
    machine.mount("proc", "/proc", "proc")
    machine.mount("srv", "/srv", "tmpfs", "mode=755,size=32m")
    machine.python(_DEVICES)
    machine.sethostname(NAME)
    return machine
