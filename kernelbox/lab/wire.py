"""The notebook's half of a conversation: ask, and wait for the answer while output flows.

A cell may be interrupted at any moment. Every question has a ticket, and an answer to a question
nobody waits for any more is passed over.
"""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import KernelboxError

if TYPE_CHECKING:
    from kernelbox.channel import Channel

_CHUNK = 65536


class LabError(KernelboxError):
    """Something was refused. In a notebook it is shown as its one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class Pipe:
    """What a program prints, on its way into the notebook; printed there as it comes."""

    def __init__(self, stream: str, *, echo: bool = True) -> None:
        self.reader, self.writer = os.pipe()
        self.text = ""
        self._stream = stream
        self._echo = echo
        self._partial = b""

    def close_writer(self) -> None:
        """Close our copy of the end that the program writes to, once it has its own."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def take(self) -> bool:
        """Read what is there and print it; False at the end."""
        data = os.read(self.reader, _CHUNK)
        self._partial += data
        # A character may have been cut in two: hold its beginning back.
        text = self._partial.decode("utf-8", "ignore" if data else "replace")
        cut = len(self._partial) - len(text.encode("utf-8"))
        if cut > 3:
            text, cut = self._partial.decode("utf-8", "replace"), 0
        self._partial = self._partial[len(self._partial) - cut :] if cut else b""
        self.text += text
        if self._echo and text:
            print(text, end="", file=getattr(sys, self._stream), flush=True)
        return bool(data)

    def close(self) -> None:
        """Close what is still open."""
        self.close_writer()
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1


class Conversation:
    """Questions and answers over one channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._tickets = 0

    def ask(
        self, kind: str, fds: list[int] | None = None, pipes: tuple[Pipe, ...] = (), **fields: Any
    ) -> dict[str, Any]:
        """Send a question and return its answer; meanwhile print what comes through `pipes`.

        Raises:
            LabError: The answer is an error, or the other side is gone.
        """
        self._tickets += 1
        ticket = self._tickets
        if not self.channel.send(kind, fds=fds, ticket=ticket, **fields):
            raise LabError("the process is gone", "Get a new one: lab.start(), box.hold()")
        for pipe in pipes:
            pipe.close_writer()
        answer = None
        open_pipes = {pipe.reader: pipe for pipe in pipes}
        while answer is None or open_pipes:
            poller = select.poll()
            for fd in [*open_pipes, *([] if answer else [self.channel.fileno()])]:
                poller.register(fd, select.POLLIN)
            for fd, _ in poller.poll():
                if fd in open_pipes:
                    if not open_pipes[fd].take():
                        del open_pipes[fd]
                else:
                    answer = self._answer_to(ticket) or answer
        if answer.get("error") is not None:
            raise LabError(answer["error"], answer["hint"])
        if answer["kind"] == "error":
            raise LabError(answer["message"], answer["hint"], answer["code"])
        return answer

    def _answer_to(self, ticket: int) -> dict[str, Any] | None:
        """Return the next message if it answers `ticket`."""
        message = self.channel.receive()
        if message is None:
            return {"kind": "gone", "events": [], "value": None}
        if message.get("ticket") == ticket:
            return message
        for fd in message.get("fds", []):
            os.close(fd)
        return None
