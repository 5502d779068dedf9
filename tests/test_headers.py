"""Headers of frames, beside scapy's reading of the same bytes; and frames of strangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from kernelbox.observe import headers
from kernelbox.observe.headers import Icmp, Tcp, Udp, decode

addresses = some.ip_addresses(v=4).map(str)
macs = some.binary(min_size=6, max_size=6).map(lambda mac: mac.hex(":"))
ports = some.integers(0, 0xFFFF)
bytes_ = some.integers(0, 0xFF)
flags = some.lists(some.sampled_from("FSRPAU"), unique=True).map("".join)
inside = some.one_of(
    some.builds(ICMP, type=some.sampled_from([0, 8]), code=bytes_, id=ports, seq=ports),
    some.builds(UDP, sport=ports, dport=ports),
    some.builds(TCP, sport=ports, dport=ports, flags=flags),
)
ethernet = some.builds(Ether, src=macs, dst=macs)
content = some.binary(max_size=40)


@given(ethernet, addresses, addresses, bytes_, ports, inside, content)
def test_an_ip_packet_is_read_as_scapy_reads_it(
    ether: Packet, source: str, to: str, ttl: int, number: int, layer: Packet, rest: bytes
) -> None:
    frame = bytes(ether / IP(src=source, dst=to, ttl=ttl, id=number) / layer / Raw(rest))
    theirs, found = Ether(frame), decode(frame)
    assert found is not None and found.ip is not None
    assert (found.source_mac, found.destination_mac) == (theirs.src, theirs.dst)
    ip = theirs[IP]
    assert found.ip == (ip.src, ip.dst, ip.ttl, ip.proto, ip.id, ip.frag)
    assert found.transport == expected(theirs)
    assert f"{ip.src} > {ip.dst}" in str(found) and f"ttl {ip.ttl}" in str(found)


def expected(packet: Packet) -> Icmp | Udp | Tcp:
    if ICMP in packet:
        layer = packet[ICMP]
        return Icmp(layer.type, layer.code, layer.id, layer.seq)
    if UDP in packet:
        return Udp(packet[UDP].sport, packet[UDP].dport)
    names = packet[TCP].sprintf("%TCP.flags%")
    order = {"F": "FIN", "S": "SYN", "R": "RST", "P": "PSH", "A": "ACK", "U": "URG"}
    return Tcp(
        packet[TCP].sport,
        packet[TCP].dport,
        tuple(word for letter, word in order.items() if letter in names),
    )


@given(ethernet, addresses, addresses, macs, some.integers(0, 3))
def test_an_arp_frame_is_read_as_scapy_reads_it(
    ether: Packet, source: str, target: str, mac: str, operation: int
) -> None:
    frame = bytes(ether / ARP(op=operation, hwsrc=mac, psrc=source, pdst=target)) + bytes(18)
    theirs, found = Ether(frame)[ARP], decode(frame)
    assert found is not None and found.ip is None
    assert found.arp == (theirs.op, theirs.hwsrc, theirs.psrc, theirs.pdst)
    word = {1: "who has", 2: "is at"}.get(operation, "operation")
    assert word in str(found)


@given(ethernet, addresses, inside, some.integers(1, 0x1FFF))
def test_only_the_first_fragment_has_ports(
    ether: Packet, to: str, layer: Packet, offset: int
) -> None:
    found = decode(bytes(ether / IP(dst=to, frag=offset) / layer))
    assert found is not None and found.ip is not None
    assert found.ip.fragment == offset and found.transport is None


@given(ethernet, inside, content, some.data())
def test_of_a_frame_cut_short_as_much_is_told_as_is_whole(
    ether: Packet, layer: Packet, rest: bytes, data: some.DataObject
) -> None:
    frame = bytes(ether / IP(dst="192.0.2.1") / layer / Raw(rest))
    size = data.draw(some.integers(0, len(frame)))
    found = decode(frame[:size])
    needed = 14 + 20 + {ICMP: 8, UDP: 8, TCP: 20}[type(layer)]
    assert (found is not None) == (size >= 14)
    assert (found is not None and found.ip is not None) == (size >= 34)
    assert (found is not None and found.transport is not None) == (size >= needed)
    assert found is None or str(found)


@given(some.binary(max_size=120))
def test_any_bytes_are_read_without_an_exception(frame: bytes) -> None:
    for kind in (b"", b"\x08\x00", b"\x08\x06"):
        found = decode(frame[:12] + kind + frame[12:])
        assert found is None or str(found)
    headers.packet(frame)


@pytest.mark.parametrize(
    "first", [0x44, 0x65, 0x05, 0x4F], ids=["short", "version 6", "version 0", "long"]
)
def test_a_header_that_contradicts_itself_is_none(first: int) -> None:
    frame = bytearray(bytes(Ether() / IP(dst="192.0.2.1") / UDP()))
    frame[14] = first
    found = decode(bytes(frame))
    assert found is not None and found.ip is None and found.transport is None


def test_bytes_that_fill_up_a_short_frame_are_no_ports() -> None:
    packet = bytes(Ether() / IP(dst="192.0.2.1", proto=17, len=20))
    found = decode(packet + b"\x11" * 26)
    assert found is not None and found.ip is not None and found.transport is None
