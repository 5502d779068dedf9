"""What nft's rules do to a ping: one packet, one hook, the verdict and the rule that gave it.

Only what can be known from a snapshot is weighed: names of links, addresses, protocol, connection
state. A rule that asks for more (a mark, a rate, the time) is taken as not matching, and named.

Source: nft(8), "PAYLOAD EXPRESSIONS", "CONNTRACK EXPRESSIONS", "VERDICT STATEMENTS".
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.observe.nftables import Chain, Ruleset


class Packet(NamedTuple):
    """An echo request on its way, or the reply.

    Attributes:
        source: Address it carries.
        destination: Likewise.
        iif: Name of the link it came in by; empty where it was made.
        oif: Name of the link it goes out by; empty if that is not decided.
        icmp: `echo-request` or `echo-reply`.
        state: What connection tracking thinks of it: `new` or `established`.
        dnat: Whether its destination was rewritten here.
        local: Whether its destination is an address of this namespace.
    """

    source: str
    destination: str
    iif: str = ""
    oif: str = ""
    icmp: str = "echo-request"
    state: str = "new"
    dnat: bool = False
    local: bool = False


class Verdict(NamedTuple):
    """What becomes of a packet: `accept`, `drop`, `masquerade`, `snat` or `dnat`.

    Attributes:
        what: One of these.
        rule: What decided it, for people; empty if no rule had anything against it.
        address: The new one, for `snat` and `dnat`.
    """

    what: str
    rule: str = ""
    address: str = ""


_PASSES = Verdict("accept")
_DEEPEST = 16  # jumps; nft allows no more either


def decide(ruleset: Ruleset, hook: str, packet: Packet, doubts: list[str]) -> Verdict:
    """Return what the chains at a hook do: every one may drop, and the first one may rewrite.

    Args:
        ruleset: Of the namespace.
        hook: `prerouting`, `input`, `forward`, `output` or `postrouting`.
        packet: As it is there.
        doubts: Gets the rules that cannot be weighed.
    """
    if ruleset.unread:
        doubts.append("rules, for want of nft")
    chains = [chain for chain in ruleset.chains if chain.hook == hook]
    rewriting = _PASSES
    for chain in sorted(chains, key=lambda one: one.priority):
        if chain.kind == "nat" and packet.state != "new":
            continue  # connection tracking does to a reply what was done to the request
        verdict = _Judge(ruleset, chain, packet, doubts).judge(chain, 0)
        if verdict is None and chain.policy == "drop":
            verdict = Verdict("drop", f"policy drop (chain {chain.name})")
        if verdict is not None and verdict.what == "drop":
            return verdict
        if verdict is not None and verdict.what != "accept" and rewriting is _PASSES:
            rewriting = verdict
    return rewriting


class _Unclear(Exception):
    """A snapshot cannot tell whether the rule matches."""


class _Judge:
    """The rules of one base chain, and what they may jump to, put to one packet."""

    def __init__(self, ruleset: Ruleset, base: Chain, packet: Packet, doubts: list[str]) -> None:
        self._chains = {one.name: one for one in ruleset.chains if one.table == base.table}
        self._sets = {
            name: one for (table, name), one in ruleset.sets.items() if table == base.table
        }
        self._packet = packet
        self._doubts = doubts

    def judge(self, chain: Chain, depth: int) -> Verdict | None:
        """Return the verdict of a chain; None if the packet comes to its end."""
        for rule in chain.rules:
            try:
                words = self._match(_Words(rule))
                if words is None:
                    continue
                what = words.next()
                if what in ("snat", "dnat"):
                    return Verdict(what, rule, words.address())
            except _Unclear:
                self._doubts.append(rule)
                continue
            if what in ("accept", "masquerade"):
                return Verdict(what)
            if what in ("drop", "reject"):
                return Verdict("drop", f"{rule} (chain {chain.name})")
            if what == "return":
                return None
            target = self._chains.get(words.next()) if what in ("jump", "goto") else None
            if target is not None and depth < _DEEPEST:
                verdict = self.judge(target, depth + 1)
                if verdict is not None or what == "goto":
                    return verdict
        return None

    def _match(self, words: _Words) -> _Words | None:
        """Return what is left of a rule whose conditions are all met: its verdict. Else None."""
        while words.peek() not in _VERDICTS:
            word = words.next()
            if word in ("counter", "log", ""):
                if not word:
                    return words
                words.skip_options()
                continue
            if word == "meta":
                word = words.next()
            values = self._values(word, words)
            if values is None:
                return None  # of another protocol
            mapped = self._ask(word, values, words)
            if mapped is None:
                return None
            if mapped:
                return _Words(mapped)
        return words

    def _values(self, word: str, words: _Words) -> tuple[str, ...] | None:
        """Return which of the packet's properties a condition asks for."""
        packet = self._packet
        if word in ("iifname", "iif"):
            return (packet.iif,)
        if word in ("oifname", "oif"):
            return (packet.oif,)
        if word == "l4proto":
            return ("icmp", "1")
        if word in ("protocol", "nfproto"):
            return ("ip", "ipv4")
        if word in ("tcp", "udp", "udplite", "sctp", "dccp", "th", "ah", "esp", "ip6", "icmpv6"):
            return None
        found = {
            ("ip", "saddr"): (packet.source,),
            ("ip", "daddr"): (packet.destination,),
            ("ip", "protocol"): ("icmp", "1"),
            ("icmp", "type"): (packet.icmp,),
            ("ct", "state"): (packet.state,),
            ("ct", "status"): ("dnat",) if packet.dnat else ("",),
        }.get((word, words.peek()))
        if found is not None:
            words.next()
            return found
        if word == "fib" and words.take("daddr", "type"):
            return ("local",) if packet.local else ("unicast",)
        raise _Unclear

    def _ask(self, word: str, values: tuple[str, ...], words: _Words) -> str | None:
        """Compare; return None for "does not match", and of a verdict map the verdict."""
        if words.peek() in ("&", ".", "and", "or"):
            raise _Unclear
        if words.take("vmap"):
            for pair in self._operands(words):
                key, _, verdict = pair.partition(" : ")
                if any(_fits(value, key) for value in values):
                    return verdict
            return None
        differs = words.take("!=")
        operands = self._operands(words)
        matches = any(_fits(value, one) for value in values for one in operands)
        return "" if matches != differs else None

    def _operands(self, words: _Words) -> list[str]:
        word = words.next()
        if word == "{":
            return words.until("}")
        if word.startswith("@"):
            if word[1:] not in self._sets:
                raise _Unclear
            return list(self._sets[word[1:]])
        if word in ("<", ">", "<=", ">=", "==", "&"):
            raise _Unclear
        return word.split(",")


_VERDICTS = {
    "accept", "drop", "reject", "return", "jump", "goto", "masquerade", "snat", "dnat", "redirect",
    "queue", "continue",
}  # fmt: skip


class _Words:
    """The words of a rule, taken one after the other; empty words at its end."""

    def __init__(self, text: str) -> None:
        self._words = re.findall(r'"[^"]*"|[{}]|[^\s{}]+', text)
        self._at = 0

    def peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def next(self) -> str:
        word = self.peek()
        self._at += 1
        return word.strip('"')

    def take(self, *expected: str) -> bool:
        """Take these words if they come next."""
        comes = tuple(self._words[self._at : self._at + len(expected)]) == expected
        self._at += len(expected) * comes
        return comes

    def until(self, end: str) -> list[str]:
        """Take the elements of a set: they are separated by commas."""
        words = []
        while (word := self.peek()) not in (end, ""):
            words.append(word)
            self._at += 1
        self._at += 1
        return [one.strip().strip('"') for one in " ".join(words).split(",")]

    def skip_options(self) -> None:
        """Take the options of `log`, each a word and its value."""
        while self.peek() in ("prefix", "level", "flags", "group", "snaplen", "queue-threshold"):
            self._at += 2

    def address(self) -> str:
        """Return the address that `snat to` or `dnat to` names: of a range, the first."""
        left = self._words[self._at :]
        after = left[left.index("to") + 1] if "to" in left[:-1] else ""
        found = re.fullmatch(r"([\d.]+)(-[\d.]+)?(:[\d-]+)?", after)
        if found is None:
            raise _Unclear
        return found[1]


def _fits(value: str, operand: str) -> bool:
    """Whether a property is what the rule says: a word, a name with `*`, addresses."""
    if value == operand:
        return True
    if operand.endswith("*"):
        return value.startswith(operand[:-1])
    if "/" in operand or "-" in operand:
        try:
            return any(first <= number(value) <= last for first, last in _ranges(operand))
        except (OSError, ValueError):  # no address after all, but a word such as echo-reply
            return False
    return False


def _ranges(operand: str) -> Iterator[tuple[int, int]]:
    first, _, last = operand.partition("-")
    if last:
        yield number(first), number(last)
    else:
        address, _, prefix = operand.partition("/")
        size = 1 << (32 - int(prefix))
        start = number(address) // size * size
        yield start, start + size - 1


def number(address: str) -> int:
    """Return a dotted IPv4 address as a number. Raises OSError if it is none."""
    return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
