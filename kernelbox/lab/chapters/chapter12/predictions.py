"""What is guessed in chapter 12 before the kernel answers."""

from __future__ import annotations

from kernelbox.lab.exercises.predictions import choice

PREDICTIONS = (
    choice("name", "on the default bridge, a neighbour is found by", "address", "name", "both"),
    choice("aaaa", "asked for an IPv6 address of db", "an address", "no such name", "no such kind"),
    choice("apart", "pings between two networks of one host", "arrive", "are dropped", "get lost"),
    choice(
        "leaving", "without its first network, its default route is", "another", "none", "the same"
    ),
    choice("next-door", "published at 127.0.0.1, asked from next door", "a page", "nothing"),
    choice("waiting", "a small question beside big downloads", "as ever", "about 60 ms", "lost"),
)
