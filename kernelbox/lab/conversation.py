"""The notebook's half of a conversation: ask, and wait for the answer while output flows.

A cell may be interrupted at any moment. Every question has a ticket, and an answer to a question
nobody waits for any more is passed over.
"""

from __future__ import annotations

import codecs
import errno
import os
import select
import sys
from threading import RLock
from typing import TYPE_CHECKING, Any

from kernelbox.kernel.errors import KernelboxError

if TYPE_CHECKING:
    from kernelbox.plumbing.channel import Channel

_CHUNK = 65536


class LabError(KernelboxError):
    """Something was refused. In a notebook it is shown as its one line, without a traceback."""

    trusted = True  # or from the agent, which has shortened its own; or from the student's code

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class Pipe:
    """What a program prints, on its way into the notebook; printed there as it comes."""

    def __init__(self, stream: str, *, echo: bool = True) -> None:
        self.reader, self.writer = os.pipe()
        self.text = ""
        self._stream = stream
        self._echo = echo
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def close_writer(self) -> None:
        """Close our copy of the end that the program writes to, once it has its own."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def take(self) -> bool:
        """Read what is there and print it; False at the end."""
        data = os.read(self.reader, _CHUNK)
        # A character may have been cut in two: the decoder holds its beginning back.
        text = self._decoder.decode(data, final=not data)
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
    """Questions and answers over one channel.

    Attributes:
        channel: To the other side.
        over: Whether the other side is known to be gone.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.over = False
        self._tickets = 0
        self._turn = RLock()  # a widget may ask from a thread of its own

    def ask(
        self,
        kind: str,
        fds: list[int] | None = None,
        pipes: tuple[Pipe, ...] = (),
        *,
        last: bool = False,
        **fields: Any,
    ) -> dict[str, Any]:
        """Send a question and return its answer; meanwhile print what comes through `pipes`.

        Args:
            kind: Of the question.
            fds: Descriptors to go with it.
            pipes: What is printed until the answer comes.
            last: Whether it may be answered by hanging up: what comes through `pipes` then is
                printed to its end.
            **fields: The rest of the question.

        Raises:
            LabError: The answer is an error, or the other side is gone.
        """
        with self._turn:
            self._tickets += 1
            self._send(kind, fds, ticket=self._tickets, **fields)
            answer = self._listen(self._tickets, pipes)
            if self.over and last:
                _print_all(pipes)
        if answer.get("error") is not None:
            raise LabError(answer["error"], answer["hint"])
        if answer["kind"] == "error":
            raise LabError(answer["message"], answer["hint"], answer["code"])
        if self.over and not last:
            raise _gone()
        return answer

    def _send(self, kind: str, fds: list[int] | None, **fields: Any) -> None:
        try:
            self.over = self.over or not self.channel.send(kind, fds=fds, **fields)
        except TypeError as error:
            raise LabError(str(error), "Only such things can be asked for") from None
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise LabError("the request is too long", "It takes 128 KiB at most") from error
            self.over = True  # EBADF: it was this side that hung up
        if self.over:
            raise _gone()

    def _listen(self, ticket: int, pipes: tuple[Pipe, ...]) -> dict[str, Any]:
        for pipe in pipes:
            pipe.close_writer()
        open_pipes = {pipe.reader: pipe for pipe in pipes}
        answer = None
        while answer is None:
            for fd in _ready([*open_pipes, self.channel.fileno()]):
                if fd not in open_pipes:
                    answer = self._answer_to(ticket)
                elif not open_pipes[fd].take():
                    del open_pipes[fd]
        # All that was printed before the answer fits into the pipes, and `take` empties one.
        # What went into the background may keep them open for ever.
        for fd in _ready([*open_pipes], wait=False):
            open_pipes[fd].take()
        return answer

    def _answer_to(self, ticket: int) -> dict[str, Any] | None:
        """Return the next message if it answers `ticket`."""
        message = self.channel.receive()
        if message is None:
            self.over = True
            return {"kind": "gone", "events": [], "value": None}
        if message.get("ticket") == ticket:
            return message
        for fd in message.get("fds", []):
            os.close(fd)
        return None


def _print_all(pipes: tuple[Pipe, ...]) -> None:
    open_pipes = {pipe.reader: pipe for pipe in pipes}
    while open_pipes:
        for fd in _ready([*open_pipes]):
            if not open_pipes[fd].take():
                del open_pipes[fd]


def _ready(fds: list[int], *, wait: bool = True) -> list[int]:
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    return [fd for fd, _ in poller.poll(None if wait else 0)]


def _gone() -> LabError:
    return LabError("the process is gone", "Get a new one: lab.start(), box.hold()")
