"""The monitors of an agent, each at work on one container after the other.

A fork shares its parent's memory until it writes to it, and the first container that it makes pays
for each page. So a monitor that is through stays, and is given the next container. One such spare
is kept; a second one that gets free is let go, and when there is none, one is forked.
"""

from __future__ import annotations

import select

from kernelbox.container.conversation import messages
from kernelbox.container.conversation.monitor_messages import NextFront
from kernelbox.container.monitor import launch
from kernelbox.plumbing.channel import Channel
from kernelbox.plumbing.records import NamedTuple


class Member(NamedTuple):
    """One lasting monitor: the conversation with it, and its pid."""

    channel: Channel
    pid: int


class Monitors:
    """The lasting monitors of one agent, by the descriptor of the conversation with each."""

    def __init__(self) -> None:
        self._poller = select.poll()
        self._members: dict[int, Member] = {}
        self._spare: Member | None = None

    def order(self) -> tuple[Channel, int]:
        """Return a channel to a monitor that waits for its order, and its pid."""
        self.hear()
        while True:
            member = self._spare or self._hire()
            self._spare = None
            if front := _introduce(member.channel):
                return front, member.pid
            self._dismiss(member)

    def at_work(self, pids: set[int]) -> set[int]:
        """Return which of these children may end without a word to the agent."""
        return pids - ({self._spare.pid} if self._spare else set())

    def hear(self) -> None:
        """Hear which monitors are free again, and which have ended.

        What they say waits until somebody asks: to wake the agent for it would delay the notebook,
        which a monitor tells at the same moment that its program has ended.
        """
        for fd, _ in self._poller.poll(0):
            member = self._members[fd]
            if messages.receive(member.channel) is not None and self._spare is None:
                self._spare = member
            else:
                self._dismiss(member)

    def close(self) -> None:
        """Let go of all: each ends once its container has."""
        for member in list(self._members.values()):
            self._dismiss(member)

    def _hire(self) -> Member:
        member = Member(*launch.launch(lasting=True))
        self._members[member.channel.fileno()] = member
        self._poller.register(member.channel, select.POLLIN)
        return member

    def _dismiss(self, member: Member) -> None:
        self._poller.unregister(member.channel)
        del self._members[member.channel.fileno()]
        member.channel.close()
        if self._spare is member:
            self._spare = None


def _introduce(monitor: Channel) -> Channel | None:
    """Return a front's channel to a lasting monitor; None if that is dead."""
    ours, theirs = Channel.pair()
    alive = messages.send(monitor, NextFront([theirs.fileno()]))
    theirs.close()
    if alive:
        return ours
    ours.close()
    return None
