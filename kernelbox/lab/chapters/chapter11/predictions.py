"""What is guessed in chapter 11 before the kernel answers."""

from __future__ import annotations

from kernelbox.lab.exercises.predictions import choice

PREDICTIONS = (
    choice("lo", "ping 127.0.0.1 in a new network namespace", "answered", "lost", "not even sent"),
    choice("carried", "the address of an end that is carried away", "goes along", "is gone"),
    choice("overhears", "a third on the bridge hears a ping between two others", "yes", "no"),
    choice("back", "a private source, and a router that forwards", "answered", "arrives", "stops"),
    choice("input", "the router drops all that is for itself; its published port", "open", "shut"),
    choice(
        "cost", "there and back through NAT, beside loopback", "below 5 times", "5 to 50", "over 50"
    ),
)
