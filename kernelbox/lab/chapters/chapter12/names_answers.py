"""Answers to the exercises of names.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

ON_ONE = """
street = box.make_network("street")
for one in ({who}):
    street.connect(one)
"""
PAIR = """
street = box.make_network("street")
asker = box.start("busybox", "sleep 1000", network="street")
pair = [
    box.start("busybox", "sleep 1000", network="street", network_alias=[{first}]),
    box.start("busybox", "sleep 1000", network="street", network_alias=[{second}]),
]
"""
KNOWN = """
found = set()
for network, there in networks.items():
    if {visible}:
        for one, aliases in there.items():
            if name == one or name in {aliases}:
                found.add(one)
return found
"""
SEEN = "network != 'bridge' and asker in there"

ANSWERS = {
    "by-name": Answers(
        again=("counter",),
        right={
            "by the command": """
                box.make_network("lane")
                for one in ("shop", "till"):
                    box.kernelbox(f"network connect lane {one}")
                """,
            "an internal one, and off the bridge": """
                lane = box.make_network("lane", internal=True)
                for one in (shop, till):
                    lane.connect(one)
                    box.kernelbox(f"network disconnect bridge {one.id}")
                """,
            "an alias": """
                lane = box.make_network("lane")
                lane.connect(shop)
                lane.connect(till, "cash", "till")
                """,
        },
        wrong={
            "a line in its hosts": Wrong(
                """
                where = till.inspect()["NetworkSettings"]["IPAddress"]
                shop.exec(["sh", "-c", f"echo {where} till >> /etc/hosts"])
                """,
                "no name server of shop's has an address for till",
            ),
            "only the one": Wrong(
                ON_ONE.format(who="till,"), "no name server of shop's has an address for till"
            ),
            "only the other": Wrong(
                ON_ONE.format(who="shop,"), "no name server of shop's has an address for till"
            ),
            "two networks": Wrong(
                """
                box.make_network("street").connect(shop)
                box.make_network("lane").connect(till)
                """,
                "no name server of shop's has an address for till",
            ),
            "everybody": Wrong(
                ON_ONE.format(who="shop, till, stranger"), "stranger finds till, too"
            ),
            "another one": Wrong(
                """
                box.make_network("street")
                shop, till = (
                    box.start("busybox", "sleep 1000", name=one, network="street")
                    for one in ("shop", "till")
                )
                """,
                "and not what the lab gave",
            ),
            "asking from outside": Wrong(
                """
                street = box.make_network("street")
                street.connect(till)
                line = f"echo nameserver {street.gateway} > /etc/resolv.conf"
                shop.exec(["sh", "-c", line])
                """,
                "and hears no answer from there",
            ),
            "the name of another": Wrong(
                ON_ONE.format(who="shop,") + "street.connect(stranger, 'till')",
                "which is no address of till's",
            ),
        },
        nothing="no name server of shop's has an address for till",
    ),
    "two-behind-one": Answers(
        again=("called",),
        right={
            "connected": """
                street = box.make_network("street")
                asker, *pair = (box.start("busybox", "sleep 1000") for _ in range(3))
                street.connect(asker)
                for one in pair:
                    street.connect(one, called)
                """,
            "a network for each": """
                streets = [box.make_network(one) for one in ("street", "lane")]
                asker = box.start("busybox", "sleep 1000", network="street")
                streets[1].connect(asker)
                pair = [
                    box.start("busybox", "sleep 1000", network=one, network_alias=[called])
                    for one in ("street", "lane")
                ]
                """,
            "one by its name": """
                box.make_network("street")
                asker = box.start("busybox", "sleep 1000", network="street")
                pair = (
                    box.start("busybox", "sleep 1000", network="street", name=called),
                    box.start(
                        "busybox", "sleep 1000", network="street", network_alias=["x", called]
                    ),
                )
                """,
        },
        wrong={
            "only the first": Wrong(
                PAIR.format(first="called", second="'other'"), "never means pair[1]"
            ),
            "only the second": Wrong(PAIR.format(first="", second="called"), "never means pair[0]"),
            "three of them": Wrong(
                PAIR.format(first="called", second="called")
                + "box.start('busybox', 'sleep 1000', network='street', network_alias=[called])",
                "which is neither of the two",
            ),
            "misspelt": Wrong(
                PAIR.format(first="called + 's'", second="called + 's'"),
                "no name server of asker's has an address for",
            ),
            "the asker elsewhere": Wrong(
                PAIR.format(first="called", second="called")
                + "asker = box.start('busybox', 'sleep 1000')",
                "no name server of asker's has an address for",
            ),
            "two networks, and the asker on one": Wrong(
                """
                for one in ("street", "lane"):
                    box.make_network(one)
                asker = box.start("busybox", "sleep 1000", network="street")
                pair = [
                    box.start("busybox", "sleep 1000", network=one, network_alias=[called])
                    for one in ("street", "lane")
                ]
                """,
                "never means pair[1]",
            ),
            "one and the same": Wrong(
                PAIR.format(first="called", second="called") + "pair = [pair[0], pair[0]]",
                "are not three containers",
            ),
            "the asker one of them": Wrong(
                PAIR.format(first="called", second="called") + "asker = pair[0]",
                "are not three containers",
            ),
            "lines in its hosts": Wrong(
                PAIR.format(first="", second="") + "for one in pair:\n"
                "    where = one.inspect()['NetworkSettings']['IPAddress']\n"
                "    asker.exec(['sh', '-c', f'echo {where} {called} >> /etc/hosts'])\n",
                "no name server of asker's has an address for",
            ),
        },
        nothing="pair is None",
    ),
    "who-knows": Answers(
        right={
            "in one go": """
                return [
                    one
                    for network, there in networks.items() if network != "bridge" and asker in there
                    for one, aliases in there.items() if name in [one, *aliases]
                ]
                """,
            "a book of names": """
                book = {}
                for network in networks.keys() - {"bridge"}:
                    for one, aliases in networks[network].items():
                        for word in {one, *aliases}:
                            book.setdefault((network, word), set()).add(one)
                mine = [network for network, there in networks.items() if asker in there]
                return set().union(*(book.get((network, name), set()) for network in mine))
                """,
        },
        wrong={
            "the default bridge, too": Wrong(
                KNOWN.format(visible="asker in there", aliases="aliases"), "your function says"
            ),
            "every network": Wrong(
                KNOWN.format(visible="network != 'bridge'", aliases="aliases"),
                "your function says",
            ),
            "no aliases": Wrong(KNOWN.format(visible=SEEN, aliases="()"), "your function says"),
            "a part of the alias": Wrong(
                KNOWN.format(visible=SEEN, aliases="' '.join(aliases)"), "your function says"
            ),
            "aliases of any network": Wrong(
                KNOWN.format(
                    visible=SEEN, aliases="sum([n.get(one, []) for n in networks.values()], [])"
                ),
                "your function says",
            ),
            "its last network": Wrong(
                "networks = {'last': [n for n in networks.values() if asker in n][-1]}\n"
                + KNOWN.format(visible="True", aliases="aliases"),
                "your function says",
            ),
            "the first that has it": Wrong(
                KNOWN.format(visible=SEEN, aliases="aliases").replace(
                    "found.add(one)", "return {one}"
                ),
                "your function says",
            ),
            "not itself": Wrong(
                KNOWN.format(visible=SEEN, aliases="aliases").replace(
                    "return found", "return found - {asker}"
                ),
                "your function says",
            ),
        },
        nothing="your function says None",
    ),
}
