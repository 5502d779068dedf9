"""The notebook's end of a process under remote control: a method per request to the kernel."""

from __future__ import annotations

import ast
import os
import socket
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.door import Event
from kernelbox.kernel.process import pid_behind, wait_until_gone
from kernelbox.lab.cabling import Cabling
from kernelbox.lab.conversation import Conversation, LabError, Pipe
from kernelbox.lab.traces import Look, Trace
from kernelbox.plumbing.channel import Channel

if TYPE_CHECKING:
    from kernelbox.lab.agent_link import AgentLink


_PATIENCE = 1.0  # seconds


class Held(Cabling):
    """A process that makes one request to the kernel for each call, and then waits.

    Every method that asks the kernel something returns the trace of it, and raises LabError when
    the kernel refuses. The process ends with `end()`, or with the notebook's kernel.

    Attributes:
        pid: Its process id as the host counts.
        trace: All it has asked of the kernel so far.
    """

    def __init__(self, agent: AgentLink, end: socket.socket, pidfd: int) -> None:
        self.trace = Trace()
        self.pid = pid_behind(pidfd)
        self._agent = agent
        self._pidfd = pidfd
        self._conversation = Conversation(Channel(end))

    def unshare(self, *kinds: str) -> Trace:
        """Move it into new namespaces: `unshare("uts", "mount")`.

        A new pid or time namespace is for its next child, not for itself.

        Source: unshare(2).
        """
        return self._do("unshare", kinds=list(kinds))

    def setns(self, other: Held | int, *kinds: str) -> Trace:
        """Move it into another process's namespaces of the given kinds. Source: setns(2)."""
        pid = other.pid if isinstance(other, Held) else other
        return self._do("setns", pid=pid, kinds=list(kinds))

    def sethostname(self, name: str) -> Trace:
        """Set the hostname of its UTS namespace. Source: sethostname(2)."""
        return self._do("sethostname", name=name)

    def setdomainname(self, name: str) -> Trace:
        """Set the NIS domain name of its UTS namespace. Source: setdomainname(2)."""
        return self._do("setdomainname", name=name)

    def mount(
        self, source: str | None, target: str, kind: str | None = None, options: str = ""
    ) -> Trace:
        """Mount in its mount namespace: `mount("proc", "/proc", "proc")`.

        Args:
            source: Device, directory, or any word for a file system without a device.
            target: Where.
            kind: File system type.
            options: As mount(8) writes them: `bind`, `rprivate`, `ro,nosuid`, `size=1m`.

        Source: mount(2).
        """
        words = [word for word in options.split(",") if word]
        return self._do("mount", source=source, target=target, kind=kind, options=words)

    def umount(self, target: str, *, lazy: bool = False) -> Trace:
        """Unmount; `lazy` detaches even what is in use. Source: umount2(2)."""
        return self._do("umount", target=target, lazy=lazy)

    def pivot_root(self, new_root: str, put_old: str) -> Trace:
        """Exchange the root mount. Source: pivot_root(2)."""
        return self._do("pivot_root", new_root=new_root, put_old=put_old)

    def chroot(self, path: str) -> Trace:
        """Change where its path lookups begin. Source: chroot(2)."""
        return self._do("chroot", path=path)

    def chdir(self, path: str) -> Trace:
        """Change its working directory. Source: chdir(2)."""
        return self._do("chdir", path=path)

    def mkdir(self, path: str) -> Trace:
        """Make a directory. Source: mkdir(2)."""
        return self._do("mkdir", path=path)

    def write(self, path: str, text: str) -> Trace:
        """Write to a kernel file, such as /proc/self/uid_map. Source: write(2)."""
        return self._do("write", path=path, text=text)

    def become_user(self, user: str) -> Trace:
        """Change its user: a name or number, with `:group` if wanted. Source: setresuid(2)."""
        return self._do("become_user", user=user)

    def keep_capabilities(self, *names: str) -> Trace:
        """Give up all capabilities but these. Source: capabilities(7)."""
        return self._do("keep_capabilities", names=list(names))

    def fork(self) -> Held:
        """Make it fork; return the child, held as well. Source: clone3(2)."""
        channel, pidfd = self._ask("fork")["fds"]
        return adopt(self._agent, channel, pidfd)

    def reap(self) -> dict[int, int]:
        """Collect its children that have ended: exit code by pid. Source: waitpid(2)."""
        return dict(self._ask("reap")["value"])

    def look(self) -> Look:
        """Return what it says of itself, beside what the host says of it."""
        inside = self._ask("look")["value"]
        of = self._agent.call
        return Look(inside, self.pid, of("namespaces", pid=self.pid), of("namespaces", pid="self"))

    def shell(self, script: str) -> int:
        """Run a shell script as a child of it; print what it prints; return its exit code."""
        return int(self._with_output("shell", Pipe("stdout"), script=script)["value"])

    def python(self, source: str) -> None:
        """Run Python inside it; at hand: mmap, os, signal, syscalls, mounts, flags, files, pages.

        Raises:
            LabError: The code raised an exception.
        """
        self._python(source, Pipe("stdout"))

    def evaluate(self, expression: str) -> Any:
        """Return the value of a Python expression inside it: `evaluate("os.listdir('/')")`.

        Only plain data comes through: numbers, texts, bytes, None, and lists, tuples, sets and
        dicts of these. What `python` has defined in it can be used.

        Raises:
            LabError: The expression raised an exception, or its value is no plain data.
        """
        out = Pipe("stdout", echo=False)
        # In parentheses, or what looks like an expression could be several statements.
        self._python(f"print(ascii((\n{expression}\n)))", out)
        printed, _, value = out.text.removesuffix("\n").rpartition("\n")
        if printed:
            print(printed)
        try:
            return set() if value == "set()" else ast.literal_eval(value)
        except (ValueError, SyntaxError) as error:
            raise LabError(f"{expression!r:.80} is {value:.80}, which is no plain data") from error

    def _python(self, source: str, out: Pipe) -> None:
        failure = self._with_output("python", out, source=source)["value"]
        if failure:
            raise LabError(failure)

    def exec(self, *args: str) -> None:
        """Make it become a program; print what that prints, until it ends. Source: execve(2)."""
        self._with_output("exec", Pipe("stdout"), args=list(args), last=True)

    def end(self) -> None:
        """End it: hang up, and wait until it is gone. Twice is fine."""
        self._conversation.channel.close()
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd < 0:
            return
        try:
            if not wait_until_gone(pidfd, _PATIENCE):
                self._agent.kill(pidfd)  # it has become a program, which hears no hanging up
                wait_until_gone(pidfd, _PATIENCE)
        finally:
            os.close(pidfd)

    remove = end

    def __repr__(self) -> str:
        return "<a process under remote control>"

    def _do(self, request: str, **arguments: Any) -> Trace:
        return Trace(Event(*event) for event in self._ask(request, **arguments)["events"])

    def _with_output(self, request: str, out: Pipe, **arguments: Any) -> dict[str, Any]:
        pipes = (out, Pipe("stderr"))
        try:
            return self._ask(request, pipes=pipes, **arguments)
        finally:
            for pipe in pipes:
                pipe.close()

    def _ask(
        self, request: str, pipes: tuple[Pipe, ...] = (), *, last: bool = False, **arguments: Any
    ) -> dict[str, Any]:
        try:
            answer = self._conversation.ask(
                "do",
                fds=[pipe.writer for pipe in pipes],
                pipes=pipes,
                last=last,
                request=request,
                arguments=arguments,
            )
        except KeyboardInterrupt:
            self._agent.interrupt(self._pidfd)
            raise
        self.trace.extend(Event(*event) for event in answer["events"])
        return answer


def adopt(agent: AgentLink, channel: int, pidfd: int) -> Held:
    """Return the held process behind these descriptors; it ends with the agent."""
    held = Held(agent, socket.socket(fileno=channel), pidfd)
    agent.owned.append(held)
    return held
