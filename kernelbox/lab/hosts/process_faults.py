"""Faults of processes and names, for after chapter 04: who runs, and what keeps what alive."""

from __future__ import annotations

from kernelbox.lab.hosts.fault import Fault, Finding
from kernelbox.lab.hosts.mount_faults import furnish, own_root


class Zombies(Fault):
    """A program that collects none of its children, long after it has done its work."""

    complaint = (
        "The process table of {name} fills up with entries that have no memory and no files, and "
        "that nobody can kill. The nightly report, which made them, has been done for hours."
    )
    hints = (
        "In what state are those entries, and what are they still kept for?",
        "Who would have to collect them? Who collects them if that one is not there?",
    )

    def break_(self) -> None:
        """See Fault: process 1 ignores SIGCHLD, so what comes to it is collected at once."""
        service = self.serve(self.world.whole_service(self.name))
        service.python("signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
        self.space = self.eye.namespace(service.pid, "pid")
        count = self.draw.randint(5, 12)
        self.world.worker(service, "sleep 0.01 & " * count + "exec sleep infinity")
        shop = self.world.worker(service, "exec sleep infinity")
        self.world.until(lambda: self._states().count("Z") == count)
        self.keep_running(f"the counter of {self.name}", shop)

    def look(self) -> Finding:
        """See Fault."""
        found = self._states()
        dead = found.count("Z")
        return Finding(
            bool(found) and not dead, f"entries of {self.name} that are dead, uncollected: {dead}"
        )

    def _states(self) -> list[str]:
        return [one.state for one in self.eye.processes(self.space)]


class Deaf(Fault):
    """A program that ignores SIGTERM, beside an innocent one of the same name."""

    complaint = (
        "{name} was told to end the import of last night, more than once. It holds the stock file "
        "to this minute. {other} has an import of its own, by the same name, which must go on."
    )
    hints = (
        "What does the kernel say that this process does with the signal it is sent?",
        "Which signals does nobody get to ignore? Which process, exactly, is meant?",
    )

    def break_(self) -> None:
        """See Fault."""
        service = self.serve(self.world.whole_service(self.name))
        neighbour = self.serve(self.world.whole_service(self.other), self.other)
        self.culprit = self.world.worker(service, "trap '' TERM; exec sleep infinity")
        self.born = self.eye.started(self.culprit)
        innocent = self.world.worker(neighbour, "trap '' TERM; exec sleep infinity")
        self.keep_running(f"the import of {self.other}", innocent)

    def look(self) -> Finding:
        """See Fault."""
        there = self.eye.started(self.culprit) == self.born
        return Finding(
            not there, f"the import of {self.name} {'is still there' if there else 'has ended'}"
        )


class Stopped(Fault):
    """A program that was stopped, and never continued."""

    complaint = (
        "The till of {name} answers nobody. It has not ended, and it uses no processor. What it "
        "has in memory, today's takings, is written down nowhere else."
    )
    hints = (
        "A process that does nothing may be waiting for something. What does its state say?",
        "Which signal brings that state about, and which one is its opposite?",
    )

    def break_(self) -> None:
        """See Fault."""
        service = self.serve(self.world.whole_service(self.name))
        self.till = self.world.worker(service, "kill -STOP $$; exec sleep infinity")
        self.world.until(lambda: self.eye.state(self.till) == "T")
        self.keep_running(f"the till of {self.name}", self.till)

    def look(self) -> Finding:
        """See Fault."""
        state = self.eye.state(self.till)
        return Finding(
            state in ("S", "R", "D"), f"the state of the till of {self.name}: {state or 'ended'}"
        )


class NeighboursName(Fault):
    """A service with its neighbour's hostname, in a UTS namespace of its own."""

    complaint = "Letters from {name} are signed {other}. {other} signs its own rightly."
    hints = (
        "Where does a program get the name it signs with?",
        "Do the two share that, or is it a copy? How far would a change reach?",
    )

    def break_(self) -> None:
        """See Fault."""
        for name in (self.name, self.other):
            self.serve(self.world.service(name, "uts"), name).sethostname(self.other)
        neighbour = self.processes[self.other]
        self.keep(f"{self.other} is called {self.other}", lambda: self._named(neighbour.pid))
        self.keep("the harbour is called as before", lambda: self._named(self.world.machine.pid))
        self.keep(
            "each has the UTS namespace it had",
            lambda: [self.eye.namespace(one.pid, "uts") for one in self.processes.values()],
        )

    def _named(self, pid: int) -> str | None:
        """Return the hostname in the UTS namespace of a process: a witness enters it."""
        if self.eye.started(pid) is None:
            return None
        witness = self.world.box.hold()
        try:
            witness.setns(pid, "uts")
            return str(witness.look().inside["hostname"])
        finally:
            witness.end()

    def look(self) -> Finding:
        """See Fault."""
        found = self._named(self.processes[self.name].pid)
        return Finding(found == self.name, f"the hostname of {self.name} is {found}")


class PinnedNamespace(Fault):
    """A network namespace that no process is in, kept alive by a bind mount nobody needs."""

    complaint = (
        "The count of network namespaces is one too high. Nobody works in that of {name} any more, "
        "it was given up; that of {other} is only waiting for its processes."
    )
    hints = (
        "What keeps a namespace alive when its last process has ended?",
        "Where does a file of that kind show in the harbour's list of mounts?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.world.put({f"/srv/netns/{one}": "" for one in (self.name, self.other)})
        for one in (self.name, self.other):
            helper = self.world.machine.fork()
            helper.unshare("network")
            helper.mount("/proc/self/ns/net", f"/srv/netns/{one}", None, "bind")
            helper.end()
        self.pinned = self._pins()[f"/srv/netns/{self.name}"]
        self.keep(
            f"the network namespace of {self.other} is kept",
            lambda: self._pins().get(f"/srv/netns/{self.other}"),
        )

    def _pins(self) -> dict[str, str]:
        """Return the namespaces that the harbour's mounts keep, by where they are mounted."""
        mounts = self.eye.mounts(self.world.machine.pid)
        return {one.point: one.root for one in mounts if one.kind == "nsfs"}

    def look(self) -> Finding:
        """See Fault."""
        # What a service's mounts keep, which are a copy of the harbour's, is nobody's complaint.
        there = self.pinned in self._pins().values() or self.eye.keepers(self.pinned)
        return Finding(
            not there,
            f"the network namespace of {self.name} {'is still kept' if there else 'is gone'}",
        )


class StrayDescriptor(Fault):
    """A helper left over in a service, with a descriptor of the root from before."""

    complaint = (
        "The list of mounts of {name} is as it should be. Still, the auditor got from inside it to "
        "the harbour's files, by way of something that the installer, finished last week, has left."
    )
    hints = (
        "What leads to a directory that is in no list of mounts?",
        "Which processes are in {name}, and which of them hold more than they need?",
    )

    def break_(self) -> None:
        """See Fault."""
        service = self.serve(self.world.service(self.name, "pid"))
        self.space = self.eye.namespace(service.pid, "pid")
        own_root(service)
        service.python("_old = os.open('/', os.O_RDONLY)")
        service.chdir("/mnt/root")
        service.pivot_root(".", ".")
        service.umount(".", lazy=True)
        furnish(service)
        actions = "[(os.POSIX_SPAWN_DUP2, _old, 9)]"
        self.world.worker(service, "exec sleep infinity", actions)
        service.python("os.close(_old)")
        counter = self.world.worker(service, "exec sleep infinity")
        self.keep_running(f"the counter of {self.name}", counter)

    def look(self) -> Finding:
        """See Fault."""
        harbour = self.eye.facts(self.world.path("/"))
        tasks = self.eye.processes(self.space)
        held = [one.pid for one in tasks if harbour and harbour.system in self.eye.doors(one.pid)]
        return Finding(
            bool(tasks) and not held,
            f"processes of {self.name} that have a door to the harbour's files: {len(held)}",
        )
