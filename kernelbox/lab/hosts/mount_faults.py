"""Faults of mounts, for after chapter 04: what is mounted where, and who else sees it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kernelbox.lab.hosts.fault import Fault, Finding

if TYPE_CHECKING:
    from kernelbox.lab.held import Held


class StaleProc(Fault):
    """A process 1 whose /proc is that of the PID namespace its parent lives in."""

    complaint = (
        "{name} is alone in its PID namespace. But its own `ps` shows it the processes of the "
        "whole harbour, and the one that calls itself 1 is not {name}."
    )
    hints = (
        "Where does `ps` read what it shows? What is mounted there, and since when?",
        "A procfs shows one PID namespace, for as long as it is mounted. Which one decides that?",
    )

    def break_(self) -> None:
        """See Fault."""
        service = self.serve(self.world.service(self.name, "pid"))
        self.keep(
            f"{self.name} is in the PID namespace it was in",
            lambda: self.eye.namespace(service.pid, "pid"),
        )
        self.keep(
            "the harbour's own /proc shows the harbour",
            lambda: self.eye.namespace(1, "pid", self.world.path("/proc")),
        )

    def look(self) -> Finding:
        """See Fault."""
        service = self.processes[self.name]
        shown = self.eye.namespace(1, "pid", self.world.path("/proc", service))
        if shown is None:
            return Finding(False, f"in {self.name}, /proc shows no process 1 at all")
        own = self.eye.namespace(service.pid, "pid")
        which = "is itself" if shown == own else "is another"
        return Finding(shown == own, f"the process 1 that {self.name} sees in /proc {which}")


class LeakingMount(Fault):
    """Two mount namespaces whose copies of one mount are in one peer group."""

    complaint = (
        "Whatever {name} mounts below /srv/{name}/pool turns up at {other}, too, and the other way "
        "round. They share the files in that directory, and are meant to; nothing else."
    )
    hints = (
        "What does a line of mountinfo say about who hears of a mount? Compare the two.",
        "Which of the two must stop telling, and which must stop listening?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.pool = f"{self.top}/pool"
        first = self.world.service(self.name)
        first.mkdir(self.pool)
        first.mount("pool", self.pool, "tmpfs", "size=1m")
        first.mount(None, self.pool, None, "shared")
        first.python(f"open('{self.pool}/catalogue', 'w').write({self.word()!r})")
        second = first.fork()
        second.unshare("mount")
        self.serve(first)
        self.serve(second, self.other)
        for name, process in self.processes.items():
            self.keep_tree(f"{name} has the files of the pool", self.pool, process)
            path = self.world.path(f"{self.pool}/catalogue", process)
            self.keep(f"{name} sees them as the one file they are", partial(self._file, path))

    def _file(self, path: str) -> object:
        there = self.eye.facts(path)
        return there and (there.system, there.inode)

    def look(self) -> Finding:
        """See Fault: neither is to be a peer of the other, or to receive from it."""
        first, second = (self._groups(one.pid) for one in self.processes.values())
        both = first & second
        if not both:
            return Finding(True, "what one of the two mounts does not turn up at the other")
        return Finding(False, "what one of the two mounts turns up at the other")

    def _groups(self, pid: int) -> set[str]:
        return {peer.partition(":")[2] for one in self.eye.mounts(pid) for peer in one.peers}


class NotReadOnly(Fault):
    """A bind mount that was to be read-only: it is not, or what is mounted on it is not."""

    complaint = (
        "{name} was to read the price list in /srv/{name}/prices and below, and never to write to "
        "it. Tonight it changed a price. The harbour's office must go on writing there."
    )
    hints = (
        "How many mounts are there at that directory and below, as {name} sees them?",
        "What is read-only: a mount, or a file system? Which of the two does the office use, too?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.prices = f"{self.top}/prices"
        self.world.put({f"{self.prices}/list": self.word()})
        self.world.machine.mkdir(f"{self.prices}/today")
        self.world.machine.mount("today", f"{self.prices}/today", "tmpfs", "size=1m")
        self.world.put({f"{self.prices}/today/list": self.word()})
        service = self.serve(self.world.service(self.name))
        service.mount(self.prices, self.prices, None, "rbind")
        if self.draw.random() < 0.5:
            service.mount(None, self.prices, None, "remount,bind,ro")
        self.keep_tree(f"{self.name} reads the prices", self.prices, service)
        lists = [self.world.path(f"{self.prices}/{one}", service) for one in ("list", "today/list")]
        self.keep(f"what {self.name} reads is what the office writes", partial(self._files, lists))
        for below in ("", "/today"):
            path = self.world.path(f"{self.prices}{below}")
            self.keep(
                f"the office can write to prices{below}", partial(self.eye.is_read_only, path)
            )

    def look(self) -> Finding:
        """See Fault."""
        service = self.processes[self.name]
        places = (self.prices, f"{self.prices}/today")
        open_ = [one for one in places if not self.eye.is_read_only(self.world.path(one, service))]
        if open_:
            return Finding(False, f"{self.name} can write to {' and '.join(open_)}")
        return Finding(True, f"{self.name} can write to none of the two directories of prices")

    def _files(self, paths: list[str]) -> list[tuple[int, int] | None]:
        """Return which files these are: not only what they say."""
        found = [self.eye.facts(one) for one in paths]
        return [one and (one.system, one.inode) for one in found]


class HiddenDirectory(Fault):
    """An empty file system mounted over a directory that has files, and written to since."""

    complaint = (
        "The orders of last year are gone from /srv/{name}/orders: {name} sees only the one of "
        "today. Both are needed there."
    )
    hints = (
        "Is a file gone if its name leads to something else? Who else sees that directory?",
        "What lies on top, and what would be lost with it?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.orders = f"{self.top}/orders"
        self.wanted = {"last-year": self.word(), "today": self.word()}
        self.world.put({f"{self.orders}/last-year": self.wanted["last-year"]})
        service = self.serve(self.world.service(self.name))
        service.mount("orders", self.orders, "tmpfs", "size=1m")
        service.python(f"open('{self.orders}/today', 'w').write({self.wanted['today']!r})")
        path = self.world.path(f"{self.orders}/last-year")
        self.keep("the orders of last year are in the harbour", lambda: self.eye.content(path))

    def look(self) -> Finding:
        """See Fault."""
        service = self.processes[self.name]
        missing = [
            name
            for name, said in self.wanted.items()
            if self.eye.content(self.world.path(f"{self.orders}/{name}", service)) != said.encode()
        ]
        if missing:
            return Finding(False, f"{self.name} does not see, whole, the orders: {missing}")
        return Finding(True, f"{self.name} sees the orders of last year and of today")


class OldRoot(Fault):
    """A service with a root of its own, and the root from before still mounted below it."""

    complaint = (
        "{name} was to have nothing but a root of its own. The auditor has read the harbour's "
        "files from inside it, by an ordinary path."
    )
    hints = (
        "How many mounts does the mount namespace of {name} have, and which should it have?",
        "What became of the mount that was the top of the namespace before?",
    )

    def break_(self) -> None:
        """See Fault."""
        service = self.serve(self.world.service(self.name, "pid"))
        own_root(service)
        service.mkdir("/mnt/root/old")
        service.pivot_root("/mnt/root", "/mnt/root/old")
        furnish(service)
        self.keep(
            f"{self.name} has its root",
            lambda: self.eye.content(self.world.path("/etc/service", service)),
        )
        programs = self.world.path("/bin")
        self.keep("the harbour's programs are there", lambda: self.eye.names(programs))

    def look(self) -> Finding:
        """See Fault: which file system a mount is of says where it leads, wherever it was moved."""
        service = self.processes[self.name]
        mounts = self.eye.mounts(service.pid)
        harbours = {one.device for one in self.eye.mounts(self.world.machine.pid)}
        leading = [one.point for one in mounts if one.device in harbours]
        if not mounts:
            return Finding(False, f"{self.name} has ended: there is nothing to be seen")
        if leading:
            return Finding(False, f"ways to the harbour's files in {self.name}: {len(leading)}")
        return Finding(True, f"no path in {self.name} leads to the harbour's files")


def own_root(process: Held) -> None:
    """Make a root ready at /mnt/root: a file system in memory with a few programs."""
    process.mount("root", "/mnt", "tmpfs", "size=8m")
    process.mkdir("/mnt/root")
    process.mount("root", "/mnt/root", "tmpfs", "size=8m")
    process.shell("cp -a /bin /mnt/root/")
    process.python(
        "for _one in 'proc srv etc dev'.split(): os.mkdir('/mnt/root/' + _one)\n"
        "open('/mnt/root/etc/service', 'w').write('a root of its own\\n')\n"
        "os.mknod('/mnt/root/dev/null', 0o20666, os.makedev(1, 3))"
    )


def furnish(process: Held) -> None:
    """Go to the top of a root that was pivoted to, and mount a /proc."""
    process.chdir("/")
    process.mount("proc", "/proc", "proc")
