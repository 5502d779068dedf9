"""Packet filter rules of one network namespace: whether there are any, and nft's text taken apart.

nft is asked for its text only when the kernel says that the rules have changed since last time.

Source: nft(8).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kernelbox.kernel import nft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FAMILIES = ("inet", "ip")  # those that see IPv4 packets
_PRIORITIES = {
    "raw": -300,
    "mangle": -150,
    "dstnat": -100,
    "filter": 0,
    "security": 50,
    "srcnat": 100,
}


class Chain(NamedTuple):
    """A chain of rules.

    Attributes:
        table: Name of its table.
        name: Its own.
        kind: `filter`, `nat` or `route`; empty for one that is only jumped to, as the next three.
        hook: `prerouting`, `input`, `forward`, `output` or `postrouting`.
        priority: The lower comes first.
        policy: `accept` or `drop`.
        rules: As nft prints them, without counters, comments and handles.
    """

    table: str
    name: str
    kind: str
    hook: str
    priority: int
    policy: str
    rules: tuple[str, ...]


class Ruleset(NamedTuple):
    """The rules of a namespace.

    Attributes:
        chains: All of them.
        sets: The named sets and maps: from table and name to the elements.
        unread: Whether there are rules that could not be read, for want of nft.
    """

    chains: tuple[Chain, ...] = ()
    sets: dict[tuple[str, str], tuple[str, ...]] = {}  # noqa: RUF012 (nobody writes into it)
    unread: bool = False


_known: dict[str, Ruleset] = {}


def look() -> Ruleset:
    """Return the rules of the network namespace that this process is in.

    Raises:
        KernelboxError: nft may not look.
    """
    try:
        key = nft.generation()
        if key and key in _known:
            return _known[key]
        tables = [one for one in nft.tables() if one[0] in _FAMILIES]
    except OSError:  # the kernel has no nftables
        return Ruleset()
    if tables and nft.program() is None:
        return Ruleset(unread=True)
    ruleset = parse("".join(nft.list_table(name, family) or "" for family, name in tables))
    _known[key] = ruleset
    return ruleset


def forget_others(used: Iterable[Ruleset]) -> None:
    """Forget all rules but these: of namespaces that are gone, or have others now."""
    kept = {id(one) for one in used}
    for key in [key for key, one in _known.items() if id(one) not in kept]:
        del _known[key]


_TABLE = re.compile(r"table (\S+) (\S+) \{")
_BLOCK = re.compile(r"\t(chain|set|map) (\S+) \{")
_HOOK = re.compile(r"type (\S+) hook (\S+)(?: device \S+)? priority ([^;]+); policy (\S+);")
_ELEMENTS = re.compile(r"elements = \{(.*)\}", re.DOTALL)
_NOISE = re.compile(r'\bcounter packets \d+ bytes \d+| comment "[^"]*"| # handle \d+$')
_HANDLE = re.compile(r" # handle \d+$")


def parse(text: str) -> Ruleset:
    """Take apart what `nft -a list table` prints for any number of tables.

    Source: nft(8), "CHAINS", "SETS", "RULES".
    """
    chains: list[Chain] = []
    sets: dict[tuple[str, str], tuple[str, ...]] = {}
    table = ""
    lines = iter(text.splitlines())
    for line in lines:
        if heading := _TABLE.match(line):
            table = heading[2]
        elif block := _BLOCK.match(line):
            inside = _block(lines)
            if block[1] == "chain":
                chains.append(_chain(table, block[2], inside))
            elif elements := _ELEMENTS.search("\n".join(inside)):
                sets[table, block[2]] = tuple(one.strip() for one in elements[1].split(","))
    return Ruleset(tuple(chains), sets)


def _block(lines: Iterator[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if line == "\t}":
            break
        found.append(line.strip())
    return found


def _chain(table: str, name: str, lines: list[str]) -> Chain:
    kind, hook, priority, policy = "", "", 0, ""
    if lines and (base := _HOOK.match(_HANDLE.sub("", lines[0]))):
        kind, hook, policy = base[1], base[2], base[4]
        priority = _priority(base[3])
        lines = lines[1:]
    rules = tuple(" ".join(_NOISE.sub("", line).split()) for line in lines)
    return Chain(table, name, kind, hook, priority, policy, rules)


def _priority(text: str) -> int:
    """Read a priority: `-300`, `raw`, `filter + 10`."""
    name, *change = text.split()
    number = _PRIORITIES.get(name, 0) if name.isalpha() else int(name)
    return number + int("".join(change) or 0)
