"""Faults of networks, for after chapter 12: two who should hear each other, and do not.

Each has a road of its own: a namespace that forwards between the service, its neighbour, and an
alley, from which nobody is to reach the service.

    the service  10.N.1.2 --- 10.N.1.1  the road  10.N.2.1 --- 10.N.2.2  the neighbour
                                        10.N.3.1 --- 10.N.3.2  the alley

Source: ip-link(8), ip-address(8), ip-route(8), ip-neighbour(8); nft(8).
"""

from __future__ import annotations

from kernelbox.lab.exercises.packets import BRIEFLY, pinged, witness
from kernelbox.lab.held import Held
from kernelbox.lab.hosts.fault import Fault, Finding

_LARGE = 1300  # bytes in a ping: what fits into one packet on any link here
_SOON = 0.4  # seconds: who hears nothing now is asked again by the next check
_HINT = "Between the two there is a road. Which of its links, routes or rules would a packet meet?"


class _RoadFault(Fault):
    """What all of them share: the road, and who is to hear whom on it."""

    def build(self) -> None:
        """Make the road and its three ends, all of it as it should be."""
        self.part = self.draw.randrange(16, 200)
        self.ends = [self.world.service(self.name, "net"), self.world.service(self.other, "net")]
        self.ends.append(self.world.service(f"{self.name}-alley", "net"))
        self.road = self.world.service(f"{self.name}-road", "net")
        net = f"10.{self.part}"
        self.words |= {"near": f"{net}.1.2", "gateway": f"{net}.1.1", "far": f"{net}.2.2"}
        self.words["road"] = str(self.road.pid)
        lines = ["ip link set lo up", "echo 1 > /proc/sys/net/ipv4/ip_forward"]
        for number, end in enumerate(self.ends, 1):
            link = f"port{number}"
            lines.append(f"ip link add {link} type veth peer name eth0 netns {end.pid}")
            lines.append(f"ip address add {net}.{number}.1/24 dev {link}")
            lines.append(f"ip link set {link} up")
        wall = f"ip saddr {net}.3.0/24 ip daddr {net}.1.0/24 drop"
        chain = "type filter hook forward priority 0; policy accept;"
        lines.append(f"nft 'table ip road {{ chain forward {{ {chain} {wall}; }}; }}'")
        self.set_up(self.road, *lines)
        for number, end in enumerate(self.ends, 1):
            self.set_up(
                end,
                "ip link set lo up",
                f"ip address add {net}.{number}.2/24 dev eth0",
                "ip link set eth0 up",
                f"ip route add default via {net}.{number}.1",
            )

    def keep_all(self) -> None:
        """Remember what is to stay as it is."""
        for name, end in zip((self.name, self.other), self.ends[:2], strict=True):
            self.serve(end, name)
        self.serve(self.road, f"{self.name}-road")
        self.keep(f"the address of {self.name}", lambda: self._addresses(1))
        self.keep(f"the address of {self.other}", lambda: self._addresses(2))
        self.keep(f"from the alley nobody reaches {self.name}", lambda: self._heard(3, 1, BRIEFLY))

    def set_up(self, end: Held, *lines: str) -> None:
        """Run shell commands of the real machine's in a namespace of the road's."""
        builder = self.world.box.hold()
        try:
            builder.setns(end, "net")
            builder.shell(" && ".join(lines))
        finally:
            builder.end()

    def look(self) -> Finding:
        """See Fault: each hears the other, small packets and large ones."""
        there, back = self._heard(1, 2), self._heard(2, 1)
        return Finding(
            there == back == "heard",
            f"{self.name} asks {self.other}: {there}; {self.other} asks {self.name}: {back}",
        )

    def _heard(self, one: int, other: int, seconds: float = _SOON) -> str:
        address = f"10.{self.part}.{other}.2"
        with witness(self.world.box, self.ends[one - 1]) as held:
            if not pinged(held, [address], seconds):
                return "no answer"
            return "heard" if pinged(held, [address], seconds, _LARGE) else "small packets only"

    def _addresses(self, number: int) -> list[str]:
        with witness(self.world.box, self.ends[number - 1]) as held:
            return list(held.evaluate("addresses()"))


class PortDown(_RoadFault):
    """A link of the road's that nobody has switched on."""

    complaint = (
        "{name} and {other} have not heard of each other since the road was swept. Both have the "
        "addresses that they always had, and their own links are up."
    )
    hints = ("A cable has two ends. What does the kernel say of each?", _HINT)

    def break_(self) -> None:
        """See Fault."""
        self.build()
        self.set_up(self.road, f"ip link set port{self.draw.choice((1, 2))} down")
        self.keep_all()


class WrongPrefix(_RoadFault):
    """An address whose network is said to be larger than it is."""

    complaint = (
        "{name} asks for {other} and says that there is nobody of that address in its own street. "
        "Of course not: {other} lives in the next one."
    )
    hints = (
        "How does a machine decide whether somebody is in its own street, or has to be routed to?",
        "Which part of an address says how large the street is? Compare it at both ends.",
    )

    def break_(self) -> None:
        """See Fault."""
        self.build()
        near, wide = self.words["near"], self.draw.randrange(12, 20)
        self.words["wide"] = str(wide)
        self.set_up(
            self.ends[0],
            f"ip address del {near}/24 dev eth0",
            f"ip address add {near}/{wide} dev eth0",
            f"ip route replace default via {self.words['gateway']}",
        )
        self.keep_all()


class NoWayOut(_RoadFault):
    """A service without a default route."""

    complaint = (
        "{name} reaches whoever is in its street, and nobody beyond. {other} sends questions to "
        "it, and hears no answer."
    )
    hints = ("What is a packet for another street compared with, before it leaves?", _HINT)

    def break_(self) -> None:
        """See Fault."""
        self.build()
        self.set_up(self.ends[0], "ip route del default")
        self.keep_all()


class WrongGateway(_RoadFault):
    """A default route that leads to nobody."""

    complaint = (
        "{name} sends all that is for {other} out of the house, as it should, and nobody has ever "
        "seen any of it again."
    )
    hints = ("To whom, exactly, does it hand what is for another street? Is anybody there?", _HINT)

    def break_(self) -> None:
        """See Fault."""
        self.build()
        nobody = f"10.{self.part}.1.{self.draw.randrange(10, 250)}"
        self.words["nobody"] = nobody
        self.set_up(self.ends[0], f"ip route replace default via {nobody}")
        self.keep_all()


class NotForwarding(_RoadFault):
    """A road that keeps what is not for itself."""

    complaint = (
        "{name} reaches the near end of the road, {other} reaches the far one, and nothing gets "
        "from the one end to the other."
    )
    hints = ("Does every machine pass on what is for somebody else? What decides that?", _HINT)

    def break_(self) -> None:
        """See Fault."""
        self.build()
        self.set_up(self.road, "echo 0 > /proc/sys/net/ipv4/ip_forward")
        self.keep_all()


class DropRule(_RoadFault):
    """A rule that drops too much, beside one that is meant."""

    complaint = (
        "Somebody has hardened the road last night. Now {other} cannot get through to {name}, and "
        "{name} hears no answer from there. That the alley is kept out is meant."
    )
    hints = (
        "Which rules does a packet meet that passes through? Which of them counts as you ask?",
        "There are two rules. Which one is meant, and how is a single one named to be taken out?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.build()
        host = self.draw.choice(("saddr", "daddr"))
        self.set_up(
            self.road,
            f"nft insert rule ip road forward ip {host} 10.{self.part}.2.0/24 counter drop",
        )
        self.keep_all()


class DeadRoute(_RoadFault):
    """A route that was put there to lead nowhere."""

    complaint = (
        "{name} gets everywhere but to {other}. Whoever asks for it there is refused at once, or "
        "hears nothing, and not a single packet is seen on the cable."
    )
    hints = ("Of all routes that fit an address, which one is taken? Which ones fit here?", _HINT)

    def break_(self) -> None:
        """See Fault."""
        self.build()
        kind = self.draw.choice(("blackhole", "unreachable", "prohibit"))
        self.set_up(self.ends[0], f"ip route add {kind} 10.{self.part}.2.0/24")
        self.keep_all()


class WrongNeighbour(_RoadFault):
    """A hardware address that was written down by hand, for a machine that has another."""

    complaint = (
        "Since the road got a new card, {name} hears nothing any more, of {other} or of anybody. "
        "Its routes are right, somebody is at the gateway, and the packets do leave."
    )
    hints = (
        "On a cable there are no IP addresses. What else does a frame say of who it is for?",
        "Where does a machine keep what it knows of that, and how long does it believe it?",
    )

    def break_(self) -> None:
        """See Fault."""
        self.build()
        wrong = f"02:00:00:00:00:{self.draw.randrange(1, 255):02x}"
        self.words["wrong"] = wrong
        gateway = self.words["gateway"]
        self.set_up(
            self.ends[0], f"ip neighbour replace {gateway} lladdr {wrong} dev eth0 nud permanent"
        )
        self.keep_all()


class WrongSize(_RoadFault):
    """A link that takes smaller packets than the one who sends to it believes."""

    complaint = (
        "Short letters from {name} to {other} arrive, long ones do not. Nothing comes back to say "
        "why."
    )
    hints = (
        "How large may a packet be on a cable? Who has to know that, and do both ends agree?",
        _HINT,
    )

    def break_(self) -> None:
        """See Fault."""
        self.build()
        self.words["size"] = str(self.draw.randrange(600, 1200))
        self.set_up(self.road, f"ip link set port1 mtu {self.words['size']}")
        self.keep_all()
