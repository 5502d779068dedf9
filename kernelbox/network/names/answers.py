"""One packet in, one packet out: what a container is called is answered here.

A name that is a container's has its addresses and nothing else. Asked for anything but that, the
answer is that the name exists and has no such record (NOERROR, and empty): NXDOMAIN would say that
there is no such name, and a resolver that asked for an IPv6 address first would stop there.

An answer is good for no time at all (TTL 0): the next moment, the container may be gone.

Source: RFC 1035, section 4; RFC 2308, section 2; RFC 8020; RFC 6891 (EDNS).
"""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.OPT  # dnspython loads some of itself when it needs it, which is too late
import dns.rdtypes.ANY.PTR  # where no file can be read any more: see server.py
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.reversename
import dns.rrset
import dns.update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.network.names.book import Known

_HEADER = 12  # bytes
_PAYLOAD = 1232  # bytes that we take over UDP: what no path has to cut up
_PLAIN = 512  # bytes over UDP that everybody takes
_TTL = 0  # seconds
_LONGEST = 65535  # bytes over TCP


def answer(packet: bytes, known: Known, *, stream: bool = False) -> bytes | None:
    """Return the answer to a packet.

    Args:
        packet: As it came, from anybody.
        known: The names that whoever asks may know.
        stream: Whether it came over TCP: then an answer may be long.

    Returns:
        A packet; nothing (empty) for what deserves no answer; None for a question that is not ours
        to answer.
    """
    if len(packet) < _HEADER or packet[2] & 0x80:  # an answer nobody asked for
        return b""
    try:
        query = dns.message.from_wire(packet, question_only=True)
    except (dns.exception.DNSException, ValueError):
        return failure(packet, dns.rcode.FORMERR)
    if query.opcode() != dns.opcode.QUERY:
        return failure(packet, dns.rcode.NOTIMP)
    if len(query.question) != 1:
        return failure(packet, dns.rcode.FORMERR)
    (question,) = query.question
    if question.rdclass != dns.rdataclass.IN:
        return None
    name = question.name.to_text(omit_final_dot=True)
    ends = known.ends(name)
    records: list[dns.rdata.Rdata] = []
    if question.rdtype == dns.rdatatype.PTR and not ends:
        owner = known.name(_address(question.name))
        if not owner:
            return None
        records = [dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.PTR, f"{owner}.")]
    elif not ends:
        return None
    if question.rdtype in (dns.rdatatype.A, dns.rdatatype.ANY):
        records += _records(dns.rdatatype.A, [one.address for one in ends])
    if question.rdtype in (dns.rdatatype.AAAA, dns.rdatatype.ANY):
        records += _records(dns.rdatatype.AAAA, [one.address6 for one in ends])
    return _reply(packet, records, stream)


def _records(kind: dns.rdatatype.RdataType, addresses: list[str]) -> list[dns.rdata.Rdata]:
    return [dns.rdata.from_text(dns.rdataclass.IN, kind, one) for one in addresses if one]


def _address(name: dns.name.Name) -> str:
    """Return the address that a name below in-addr.arpa or ip6.arpa stands for; else empty."""
    try:
        return str(dns.reversename.to_address(name))
    except (dns.exception.DNSException, ValueError):
        return ""


def _reply(packet: bytes, records: list[dns.rdata.Rdata], stream: bool) -> bytes:
    try:
        query = dns.message.from_wire(packet, ignore_trailing=True)
        reply = dns.message.make_response(query, recursion_available=True, our_payload=_PAYLOAD)
    except (dns.exception.DNSException, ValueError):
        return failure(packet, dns.rcode.FORMERR)
    reply.flags |= dns.flags.AA
    if records:
        name = query.question[0].name
        # One by one: a set of them would be shuffled, and left out whole if it is too long.
        reply.answer = [dns.rrset.from_rdata(name, _TTL, one) for one in records]
    longest = _LONGEST if stream else max(_PLAIN, min(query.payload, _PAYLOAD))
    return reply.to_wire(max_size=longest, prefer_truncation=True)


def failure(packet: bytes, code: int) -> bytes:
    """Return a packet that says no more than that a question has failed, and how.

    It repeats the question if that can be read.
    """
    reply = bytearray(packet[:_HEADER])
    reply[2] = 0x80 | (packet[2] & 0x79)  # an answer; opcode and RD as they came
    reply[3] = 0x80 | code  # recursion is available
    reply[4:] = bytes(8)
    try:
        query = dns.message.from_wire(packet, question_only=True)
    except (dns.exception.DNSException, ValueError):
        return bytes(reply)
    if len(query.question) == 1:
        (question,) = query.question
        reply[5] = 1
        reply += question.name.to_wire() or b""
        reply += question.rdtype.to_bytes(2, "big") + question.rdclass.to_bytes(2, "big")
    return bytes(reply)
