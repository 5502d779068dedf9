"""Answers to the exercises of cables.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

LAID = """
left, right = apart(box), apart(box)
cable(left, "one", right, "two", ("{}", "{}"))
"""
SWITCHED = """
switch = apart(box)
switch.add_bridge("bridge")
{bridge}
members = [apart(box) for _ in range(3)]
for number, one in enumerate(members):
    cable(one, "eth0", switch, f"port{{number}}", ({address}, ""))
    {port}
"""
UP = 'switch.set_up("bridge")'
PORT = 'switch.set_master(f"port{number}", "bridge")'
ADDRESS = 'f"10.7.0.{number + 1}/24"'
FOUND = """
for one in links:
    if one["namespace"] == where and one["name"] == name:
        for other in links:
            if {condition}:
                return other["namespace"], other["name"]
"""

ANSWERS = {
    "a-cable": Answers(
        right={
            "31 bits": LAID.format("10.2.0.0/31", "10.2.0.1/31"),
            "made in a third": """
                left, right, third = apart(box), apart(box), apart(box)
                third.add_veth("one", "two")
                third.move_link("one", left)
                third.move_link("two", right)
                left.add_address("one", "10.2.0.5/30")
                right.add_address("two", "10.2.0.6/30")
                left.set_up("one")
                right.set_up("two")
                """,
            "beside another cable": "left, right = apart(box), apart(box)\n"
            "left.add_veth('first', 'try')\nleft.move_link('try', right)\n"
            "cable(left, 'one', right, 'two', ('10.2.0.1/30', '10.2.0.2/30'))\n",
            "two containers": """
                left, right = (box.start("busybox", "sleep 1000", network="none") for _ in "12")
                hands = [box.hold(), box.hold()]
                for hand, container in zip(hands, (left, right)):
                    hand.setns(container.pid, "network")
                cable(hands[0], "eth0", hands[1], "eth0", ("10.2.0.1/30", "10.2.0.2/30"))
                """,
        },
        wrong={
            "both ends in one": Wrong(
                """
                left, right = apart(box), apart(box)
                left.add_veth("one", "two")
                for name, address in (("one", "10.2.0.1/30"), ("two", "10.2.0.2/30")):
                    left.add_address(name, address)
                    left.set_up(name)
                """,
                "no cable has one end in left",
            ),
            "a wide network": Wrong(
                LAID.format("10.2.0.1/24", "10.2.0.2/24"), "the network of the two has 24 bits"
            ),
            "32 bits each": Wrong(
                LAID.format("10.2.0.1/32", "10.2.0.2/32"),
                "the addresses of the cable's ends are 10.2.0.1/32 and 10.2.0.2/32",
            ),
            "two networks": Wrong(
                LAID.format("10.2.0.1/30", "10.3.0.1/30"), "the addresses of the cable's ends are"
            ),
            "the same address": Wrong(
                LAID.format("10.2.0.1/30", "10.2.0.1/30"), "the addresses of the cable's ends are"
            ),
            "no addresses": Wrong(
                "left, right = apart(box), apart(box)\ncable(left, 'one', right, 'two')",
                "the addresses of the cable's ends are none and none",
            ),
            "one end is down": Wrong(
                LAID.format("10.2.0.1/30", "10.2.0.2/30") + "right.set_down('two')\n",
                "the end of the cable in right is down",
            ),
            "one namespace": Wrong(
                "left = apart(box)\nright = left.fork()", "share one network namespace"
            ),
            "none of their own": Wrong(
                "left, right = box.hold(), box.hold()", "its net namespace is the host's"
            ),
            "over a bridge": Wrong(
                """
                left, right, switch = apart(box), apart(box), apart(box)
                switch.add_bridge("bridge")
                switch.set_up("bridge")
                for number, one in enumerate((left, right), 1):
                    cable(one, "eth0", switch, f"port{number}", (f"10.2.0.{number}/30", ""))
                    switch.set_master(f"port{number}", "bridge")
                """,
                "no cable has one end in left",
            ),
        },
        nothing="left is None",
    ),
    "whose-end": Answers(
        right={
            "in a dictionary": """
                places = {(one["namespace"], one["index"]): one for one in links}
                [mine] = [one for one in links if (one["namespace"], one["name"]) == (where, name)]
                other = places.get((mine["peer_namespace"], mine["peer_index"]))
                return other and [other["namespace"], other["name"]]
                """,
            "who points at me": FOUND.format(
                condition='(other["peer_namespace"], other["peer_index"]) == (where, one["index"])'
            ),
        },
        wrong={
            "by the number alone": Wrong(
                FOUND.format(condition='other["index"] == one["peer_index"]'), "your function says"
            ),
            "itself": Wrong("return where, name", "your function says"),
            "the first of that name": Wrong(
                """
                places = {(one["namespace"], one["index"]): one for one in links}
                mine = next(one for one in links if one["name"] == name)
                other = places.get((mine["peer_namespace"], mine["peer_index"]))
                return other and (other["namespace"], other["name"])
                """,
                "your function says",
            ),
            "in another namespace only": Wrong(
                FOUND.format(
                    condition='other["namespace"] != where and '
                    '(other["namespace"], other["index"]) '
                    '== (one["peer_namespace"], one["peer_index"])'
                ),
                "in the same namespace, your function says None",
            ),
            "in the same namespace only": Wrong(
                FOUND.format(
                    condition='other["namespace"] == where and other["index"] == one["peer_index"]'
                ),
                "in another namespace, your function says",
            ),
            "the name alone": Wrong(
                FOUND.replace('other["namespace"], other["name"]', 'other["name"]').format(
                    condition='(other["namespace"], other["index"]) '
                    '== (one["peer_namespace"], one["peer_index"])'
                ),
                "your function says",
            ),
            "the first with that name": Wrong(
                """
                for one in links:
                    if one["name"][:3] == name[:3] and one["name"] != name:
                        return one["namespace"], one["name"]
                """,
                "your function says",
            ),
            "its number": Wrong(
                """
                for one in links:
                    if one["namespace"] == where and one["name"] == name:
                        return one["peer_namespace"], one["peer_index"]
                """,
                "your function says",
            ),
            "every link has one": Wrong(
                """
                [mine] = [one for one in links if (one["namespace"], one["name"]) == (where, name)]
                [other] = [
                    one for one in links
                    if (one["namespace"], one["index"])
                    == (mine["peer_namespace"], mine["peer_index"])
                ]
                return other["namespace"], other["name"]
                """,
                "raised ValueError",
            ),
        },
        nothing="your function says None",
    ),
    "a-switch": Answers(
        right={
            "in the namespace of one of them": """
                members = [apart(box) for _ in range(3)]
                members[0].add_bridge("bridge")
                members[0].set_up("bridge")
                members[0].add_address("bridge", "10.8.0.1/29")
                for number in (1, 2):
                    port, address = f"port{number}", f"10.8.0.{number + 1}/29"
                    cable(members[number], "eth0", members[0], port, (address, ""))
                    members[0].set_master(port, "bridge")
                """,
            "containers": SWITCHED.format(bridge=UP, address=ADDRESS, port=PORT)
            .replace(
                "members = [apart(box) for _ in range(3)]",
                "members = [box.start('busybox', 'sleep 1000', network='none') for _ in '123']\n"
                "hands = [box.hold() for _ in members]\n"
                "for hand, member in zip(hands, members):\n"
                "    hand.setns(member.pid, 'network')",
            )
            .replace("enumerate(members)", "enumerate(hands)"),
            "on the runtime's bridge": """
                members = [box.start("busybox", "sleep 1000") for _ in range(3)]
                """,
            "the bridge has an address, too": SWITCHED.format(
                bridge=f'{UP}\nswitch.add_address("bridge", "10.7.0.9/24")',
                address=ADDRESS,
                port=PORT,
            ),
        },
        wrong={
            "the bridge is down": Wrong(
                SWITCHED.format(bridge="", address=ADDRESS, port=PORT), "the bridge is down"
            ),
            "two of three": Wrong(
                SWITCHED.format(bridge=UP, address=ADDRESS, port=f"if number:\n        {PORT}"),
                "member 1 is on no bridge",
            ),
            "no ports": Wrong(
                SWITCHED.format(bridge=UP, address=ADDRESS, port="pass"), "member 1 is on no bridge"
            ),
            "three networks": Wrong(
                SWITCHED.format(bridge=UP, address='f"10.{number}.0.1/24"', port=PORT),
                "a ping from member",
            ),
            "one address for all": Wrong(
                SWITCHED.format(bridge=UP, address='"10.7.0.1/24"', port=PORT),
                "the addresses of the three are 10.7.0.1 10.7.0.1 10.7.0.1",
            ),
            "no addresses": Wrong(
                SWITCHED.format(bridge=UP, address='""', port=PORT), "has no address there"
            ),
            "two bridges": Wrong(
                SWITCHED.format(
                    bridge=UP + '\nswitch.add_bridge("second")\nswitch.set_up("second")',
                    address=ADDRESS,
                    port='switch.set_master(f"port{number}", "second" if number else "bridge")',
                ),
                "there is no bridge that all three are on",
            ),
            "a router": Wrong(
                """
                members, router = [apart(box) for _ in range(3)], apart(box)
                router.write("/proc/sys/net/ipv4/ip_forward", "1")
                for number, one in enumerate(members):
                    ends = f"10.{number}.0.2/24", f"10.{number}.0.1/24"
                    cable(one, "eth0", router, f"port{number}", ends)
                    one.add_route("default", via=f"10.{number}.0.1")
                """,
                "member 1 is on no bridge",
            ),
            "a router on the bridge": Wrong(
                SWITCHED.format(
                    bridge=UP + '\nswitch.write("/proc/sys/net/ipv4/ip_forward", "1")',
                    address='f"10.{number}.0.2/24"',
                    port=PORT
                    + '\n    switch.add_address("bridge", f"10.{number}.0.1/24")'
                    + '\n    one.add_route("default", via=f"10.{number}.0.1")',
                ),
                "has a TTL of 63",
            ),
            "one after the other": Wrong(
                """
                members = [apart(box) for _ in range(3)]
                cable(members[0], "next", members[1], "previous", ("10.7.0.1/24", "10.7.0.2/24"))
                cable(members[1], "next", members[2], "previous", ("10.7.0.2/24", "10.7.0.3/24"))
                """,
                "member 1 is on no bridge",
            ),
        },
        nothing="members is None",
    ),
}
