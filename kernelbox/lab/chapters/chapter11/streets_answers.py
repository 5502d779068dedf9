"""Answers to the exercises of streets.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

FORWARD = 'router.write("/proc/sys/net/ipv4/ip_forward", "1")\n'
SOURCE = '''router.nft("""
table ip mine {{
    chain postrouting {{
        type nat hook {hook}
        {rule}
    }}
}}
""")
'''
AFTER, BEFORE = "postrouting priority 100", "prerouting priority -100"


def _source(rule: str, hook: str = AFTER) -> str:
    return SOURCE.format(rule=rule, hook=hook)


def _destination(rule: str, hook: str = BEFORE) -> str:
    """Return a cell that publishes with this rule; it puts the number of the port into the rule."""
    return _source(rule, hook).replace('""")', '""".replace("PORT", str(port)))')


FILTER = '''router.nft("""
table ip wall {
    chain wall {
        type filter hook HOOK priority 0; policy drop;
    }
}
""")
'''

ANSWERS = {
    "to-the-world": Answers(
        right={
            "by address": FORWARD + _source('ip saddr 10.1.0.0/24 oifname "wan" masquerade'),
            "snat": FORWARD + _source('oifname "wan" snat to 203.0.113.1'),
            "whatever leaves": FORWARD + _source("masquerade"),
        },
        wrong={
            "no NAT": Wrong(FORWARD, "as one from 10.1.0.2, and the answer does not come back"),
            "no forwarding": Wrong(
                _source('oifname "wan" masquerade'), "the router does not forward"
            ),
            "at the wrong link": Wrong(
                FORWARD + _source('oifname "lan" masquerade'), "as one from 10.1.0.2"
            ),
            "at the wrong hook": Wrong(
                FORWARD + _source("ip daddr 203.0.113.0/24 dnat to 203.0.113.2", BEFORE),
                "as one from 10.1.0.2",
            ),
            "nobody's address": Wrong(
                FORWARD + _source('oifname "wan" snat to 203.0.113.9'), "as one from 203.0.113.9"
            ),
            "a route back": Wrong(
                FORWARD + 'world.add_route("10.1.0.0/24", via="203.0.113.1")',
                "world has the route 10.1.0.0/24",
            ),
            "a cable of its own": Wrong(
                FORWARD + 'cable(home, "short", world, "cut")', "past the router"
            ),
            "a public address": Wrong(
                FORWARD
                + 'home.add_address("eth0", "203.0.113.7/24")\n'
                + _source('oifname "wan" masquerade'),
                "the addresses of home are 10.1.0.2 203.0.113.7",
            ),
            "pings only": Wrong(
                FORWARD + _source('ip protocol icmp oifname "wan" masquerade'),
                "a connection from home to 203.0.113.",
            ),
            "for one address of the world": Wrong(
                FORWARD + _source("ip daddr 203.0.113.2 masquerade"),
                "a connection from home to 203.0.113.3",
            ),
            "a wall": Wrong(
                FORWARD + _source('oifname "wan" masquerade') + FILTER.replace("HOOK", "forward"),
                "a ping from home does not arrive at world",
            ),
        },
        nothing="the router does not forward",
        again=("street-new",),
    ),
    "published": Answers(
        right={
            "whatever is for the router": FORWARD
            + _destination("fib daddr type local tcp dport PORT dnat to 10.1.0.2:80"),
            "by a map": FORWARD + _destination("dnat to tcp dport map { PORT : 10.1.0.2 . 80 }"),
            "behind a wall": FORWARD
            + _destination('iifname "wan" tcp dport PORT dnat to 10.1.0.2:80')
            + FILTER.replace("HOOK", "input"),
        },
        wrong={
            "no forwarding": Wrong(
                _destination("tcp dport PORT dnat to 10.1.0.2:80"), "no connection"
            ),
            "the same port inside": Wrong(
                FORWARD + _destination("tcp dport PORT dnat to 10.1.0.2"), "no connection"
            ),
            "for what leaves": Wrong(
                FORWARD
                + _destination("tcp dport PORT dnat to 10.1.0.2:80", "output priority -100"),
                "no connection",
            ),
            "for one caller": Wrong(
                FORWARD + _destination("ip saddr 203.0.113.2 tcp dport PORT dnat to 10.1.0.2:80"),
                "called from 203.0.113.3: no connection",
            ),
            "for every port": Wrong(
                FORWARD
                + _destination(
                    'tcp dport PORT dnat to 10.1.0.2:80\n        iifname "wan" dnat to 10.1.0.2'
                ),
                "leads home, too",
            ),
            "for its neighbours": Wrong(
                FORWARD + _destination("tcp dport 8000-9100 dnat to 10.1.0.2:80"), "leads home, too"
            ),
            "for whatever port": Wrong(
                FORWARD + _destination("tcp dport != 1 dnat to 10.1.0.2:80"), "leads home, too"
            ),
            "over UDP": Wrong(
                FORWARD + _destination("udp dport PORT dnat to 10.1.0.2:80"), "no connection"
            ),
            "the router itself": Wrong(
                'server = router.socket("tcp")\nserver.bind(("0.0.0.0", port))\nserver.listen()\n',
                "somebody answers, and it is not home",
            ),
            "allowed, not published": Wrong(
                'router.nft(f"add table ip mine; add chain ip mine input '
                "{{ type filter hook input priority 0; policy accept; }}; "
                'add rule ip mine input tcp dport {port} accept")',
                "no connection",
            ),
            "forwarding is filtered": Wrong(
                FORWARD
                + _destination("tcp dport PORT dnat to 10.1.0.2:80")
                + FILTER.replace("HOOK", "forward"),
                "no connection",
            ),
            "a route into home": Wrong(
                FORWARD + 'world.add_route("10.1.0.0/24", via="203.0.113.1")',
                "world has the route 10.1.0.0/24",
            ),
        },
        nothing="no connection",
        again=("street-again",),
    ),
    "a-pod": Answers(
        right={
            "by hand": """
                one = box.start("busybox", "sleep 1000", network="none")
                parent = box.hold()
                parent.setns(one.pid, "network")
                parent.unshare("pid")
                two = parent.fork()
                """,
            "both with a third": """
                third = box.start("busybox", "sleep 1000", network="none")
                one, two = (
                    box.start("busybox", "sleep 1000", network=f"container:{third.id}")
                    for _ in "12"
                )
                """,
        },
        wrong={
            "nobody's network": Wrong(
                "one, two = (box.start('busybox', 'sleep 1000', network='none') for _ in '12')",
                "each of them has a network namespace of its own",
            ),
            "the host's": Wrong(
                "one, two = (box.start('busybox', 'sleep 1000', network='host') for _ in '12')",
                "one: its net namespace is the host's",
            ),
            "on one bridge": Wrong(
                "one, two = (box.start('busybox', 'sleep 1000') for _ in '12')",
                "each of them has a network namespace of its own",
            ),
            "one container": Wrong(
                "one = two = box.start('busybox', 'sleep 1000', network='none')",
                "they share their PID namespace, too",
            ),
            "a fork": Wrong(
                "one = apart(box)\ntwo = one.fork()", "they share their PID namespace, too"
            ),
            "no localhost": Wrong(
                """
                one = box.hold()
                one.unshare("network")
                parent = box.hold()
                parent.setns(one, "network")
                parent.unshare("pid")
                two = parent.fork()
                """,
                "a call to 127.0.0.1: ",
            ),
            "one has ended": Wrong(
                """
                one = box.start("busybox", "sleep 1000", network="none")
                two = box.start("busybox", "true", network=f"container:{one.id}", rm=False)
                two.wait()
                """,
                "two has ended",
            ),
            "names": Wrong("one, two = 'web', 'db'", "one is 'web'"),
        },
        nothing="one is None",
    ),
}
