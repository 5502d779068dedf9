"""Exercises of chapter 12 about names: found by name, two behind one, who knows whom."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kernelbox.lab.chapters.chapter12.wire import addresses, finds, not_plugged_in
from kernelbox.lab.exercises.attempt import attempt
from kernelbox.lab.exercises.exercise import exercise
from kernelbox.lab.exercises.packets import pinged, witness
from kernelbox.lab.exercises.verdict import Verdict, failed, passed
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from kernelbox.lab.networked import Network
    from kernelbox.lab.notebook import Lab

_TIMES = 6  # that a name is asked for which several share
_WORDS = ("oak", "elm", "ash", "yew", "fir", "bay", "fig", "hop", "rye", "tea")

Layout = dict[str, dict[str, list[str]]]  # by network, its containers, and their aliases there


@exercise(
    "by-name",
    title="By name",
    seconds=30.0,
    hints=(
        "The check observes what the name servers in `/etc/resolv.conf` of each container say when "
        "they are asked for `till`, and whether a ping of that address is answered.",
        "Which networks have a name server, and whom does it answer? Who has to be on one?",
        "A running container can join one more network: a `Network` has a method for it, and so "
        "has `kernelbox network --help`.",
    ),
)
def by_name(box: Lab, shop: object, till: object, stranger: object) -> Verdict:
    """Ask the name servers that each of them has, from where it is."""
    for name, one in (("shop", shop), ("till", till), ("stranger", stranger)):
        if wrong_thing := not_plugged_in(box, one, name):
            return wrong_thing
    assert isinstance(shop, Container)
    assert isinstance(till, Container)
    assert isinstance(stranger, Container)
    [found] = finds(box, shop, "till")
    if not found:
        return failed("no name server of shop's has an address for till", "one that has")
    theirs = addresses(box, till)
    if other := [one for one in found if one not in theirs]:
        return failed(f"for shop, till is {other[0]}, which is no address of till's", "its own")
    with witness(box, shop) as inside:
        if not pinged(inside, found):
            return failed(f"shop finds till at {found[0]}, and hears no answer from there")
    if finds(box, stranger, "till") != [[]]:
        return failed("stranger finds till, too", "shop alone")
    return passed(f"shop finds till, at {len(found)} address, which answers; stranger does not")


@exercise(
    "two-behind-one",
    title="Two behind one name",
    seconds=30.0,
    hints=(
        "The check lets the name servers of `asker` be asked for the name several times, and "
        "compares what they say with the addresses of the two containers in `pair`.",
        "What else may a container be called on a network, besides its name and its id? And may "
        "two be called the same?",
        "`network_alias` of `box.start` is a list, and `connect` takes aliases, too. On which "
        "network does `asker` have to be?",
    ),
)
def two_behind_one(box: Lab, asker: object, pair: object, called: str) -> Verdict:
    """Ask for the name, and ping whoever it means."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return failed(f"pair is {pair!r:.80}", "a list of two containers")
    for name, one in (("asker", asker), ("pair[0]", pair[0]), ("pair[1]", pair[1])):
        if wrong_thing := not_plugged_in(box, one, name):
            return wrong_thing
    assert isinstance(asker, Container)
    if len({one.pid for one in (asker, *pair)}) < 3:
        return failed("asker and the two in pair are not three containers", "three")
    answers = finds(box, asker, *[called] * _TIMES)
    if not any(answers):
        return failed(f"no name server of asker's has an address for {called}", "two of them")
    whose = {address: place for place, one in enumerate(pair) for address in addresses(box, one)}
    found = {address for answer in answers for address in answer}
    if other := sorted(found - whose.keys()):
        return failed(f"{called} means {other[0]}, too, which is neither of the two", "the two")
    for place in range(2):
        own = [one for one in found if whose[one] == place]
        if not own:
            return failed(f"{called} never means pair[{place}]", "both, in turn")
        with witness(box, asker) as inside:
            if not pinged(inside, own):
                return failed(f"{called} means {own[0]}, and asker hears no answer from there")
    return passed(f"asked {_TIMES} times, the name means {len(found)} addresses, of both in pair")


@exercise(
    "who-knows",
    title="Who knows whom?",
    points=3,
    seconds=60.0,
    hints=(
        "The check makes networks and containers as drawn, asks their real name servers, and asks "
        "your function the same. Which of the networks has no name server at all?",
        "Whose names may somebody know? Think of somebody who is on two networks, and of an alias "
        "that somebody has on another network than yours.",
        "Go through the networks that the asker is on, but for one; on each of them, look who has "
        "the name, as its own or as an alias there.",
    ),
)
def who_knows(box: Lab, found_by: object) -> Verdict:
    """Compare with the name servers of networks that are drawn and made."""
    layout, asked = _drawn()
    with ExitStack() as ending:
        containers = _made(box, layout, ending)
        whose = {one: name for name, thing in containers.items() for one in addresses(box, thing)}
        known: dict[tuple[str, str], list[str]] = {}
        for asker in {asker for asker, _ in asked}:
            names = [name for one, name in asked if one == asker]
            for name, found in zip(names, finds(box, containers[asker], *names), strict=True):
                known[asker, name] = sorted(whose[one] for one in found)
        for number, (asker, name) in enumerate(asked):
            wanted = known[asker, name]
            tried = attempt(found_by, layout, asker, name)
            if tried.failure:
                return failed(tried.failure)
            if not isinstance(tried.value, set | list | tuple):
                return failed(f"your function says {tried.value!r:.80}", "a set of names")
            if sorted(map(str, set(tried.value))) != wanted:
                told = ", ".join(sorted(map(str, tried.value))) or "nobody"
                expected = ", ".join(wanted) or "nobody"
                return failed(
                    f"{asker} asks for {name}: your function says {told:.80}",
                    expected if number == 0 else "whom its name server says",
                )
    return passed(f"{len(asked)} questions, on three networks: as the name servers say")


def _drawn() -> tuple[Layout, list[tuple[str, str]]]:
    """Draw who is where and called what; and who asks for which name."""
    red, blue, plain, old, both, new, nobody = random.sample(_WORDS, 7)
    alias = f"{nobody}s"  # a name is the whole of a name
    layout: Layout = {
        "bridge": {plain: [], old: []},
        f"check-{red}": {old: [alias], both: []},
        f"check-{blue}": {both: [alias], new: [alias]},
    }
    asked = [
        (plain, old), (plain, alias), (old, plain), (old, old), (old, both), (old, alias),
        (old, new), (both, alias), (both, old), (both, nobody), (new, old), (new, alias),
    ]  # fmt: skip
    return layout, random.sample(asked, len(asked))


def _made(box: Lab, layout: Layout, ending: ExitStack) -> dict[str, Container]:
    """Make the networks and containers of a layout; they are removed at the end."""
    containers: dict[str, Container] = {}
    for network, there in layout.items():
        made: Network | None = None
        if network != "bridge":
            made = box.make_network(network)
            ending.callback(made.remove)
        for name, aliases in there.items():
            if name not in containers:
                containers[name] = box.start(
                    "busybox", "sleep 1000", name=name, network=network, network_alias=aliases
                )
                ending.callback(containers[name].remove)
            elif made is not None:
                made.connect(containers[name], *aliases)
    return containers
