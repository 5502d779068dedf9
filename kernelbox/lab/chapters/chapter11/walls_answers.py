"""Answers to the exercise of walls.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

COMMENTS = """
import re

lines = [line for line in router.rules("wall").splitlines() if "comment" in line]
names = [re.search('comment "(.+?)"', line)[1] for line in lines]
"""
OTHER = COMMENTS + "culprit = next(name for name, line in zip(names, lines) if {condition})\n"

ANSWERS = {
    "which-rule": Answers(
        right={
            "in a chain of its own": COMMENTS
            + """
            for name, line in zip(names, lines):
                rule = line.partition("counter")[0]
                router.nft("add table ip probe")
                router.nft("flush table ip probe")
                router.nft(
                    "add chain ip probe forward { type filter hook forward priority -10; }; "
                    f"add rule ip probe forward {rule} counter"
                )
                try:
                    with connected(home, world, "203.0.113.2", port, seconds=0.3):
                        pass
                except OSError:
                    pass
                if "packets 0" not in router.rules("probe") and "input" not in rule:
                    culprit = name
            """.replace("\n            ", "\n"),
            "by reading": COMMENTS
            + """
for name, line in zip(names, lines):
    words = ('iifname "lan" tcp', "daddr 203.0.113.2", "ct state new", "saddr 10.1.0.0/24")
    if any(word in line for word in words):
        culprit = name
""",
        },
        wrong={
            "the first": Wrong(OTHER.format(condition="True"), "has met 0 packets"),
            "the first of the chain": Wrong(COMMENTS + "culprit = names[1]", "has met 0 packets"),
            "the last": Wrong(COMMENTS + "culprit = names[-1]", "has met 0 packets"),
            "at input": Wrong(OTHER.format(condition="line is lines[0]"), "has met 0 packets"),
            "the way back": Wrong(
                OTHER.format(condition="'tcp sport' in line"), "has met 0 packets"
            ),
            "over UDP": Wrong(OTHER.format(condition="'udp dport' in line"), "has met 0 packets"),
            "from the world": Wrong(
                OTHER.format(condition="'\"wan\" tcp dport' in line and 'iifname' in line"),
                "has met 0 packets",
            ),
            "the whole line": Wrong(COMMENTS + "culprit = lines[0]", "no rule has the comment"),
            "one of my own": Wrong(
                "router.nft('insert rule ip wall forward counter drop comment \"mine\"')\n"
                "culprit = 'mine'",
                "8 rules of the table drop",
            ),
            "its number": Wrong("culprit = 4", "culprit is 4"),
        },
        nothing="culprit is None",
        again=("walled",),
    ),
}
