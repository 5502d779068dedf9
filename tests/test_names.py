"""Names of containers: packets of every kind, and real clients in real containers.

The world outside has a name server of its own, which notes what it is asked.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.renderer
import dns.reversename
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kernelbox.network import endpoints
from kernelbox.network.endpoints import Endpoint
from kernelbox.network.names import answers, upstream
from kernelbox.network.names.book import Book, Known
from kernelbox.plumbing import paths
from tests import looking
from tests.scene import Inside
from tests.town import Town

FOREVER = ("busybox", "sleep", "infinity")


def end(container: str, address: str, *names: str) -> Endpoint:
    called = [*names, container]
    return Endpoint(container, address, called, "02:42:00:00:00:00")


WEB = {
    "aa11": end("aa11", "10.0.0.2", "db", "store"),
    "bb22": end("bb22", "10.0.0.3", "app", "twin"),
    "cc33": end("cc33", "10.0.0.4", "other", "twin"),
}
KNOWN = Known({"web": WEB})


def query(name: str, kind: str = "A", **more: object) -> bytes:
    return dns.message.make_query(name, kind, **more).to_wire()  # type: ignore[arg-type]


def answered(packet: bytes, known: Known = KNOWN, *, stream: bool = False) -> dns.message.Message:
    """Return what a packet is answered with, which must be an answer to that packet."""
    reply = answers.answer(packet, known, stream=stream)
    assert reply
    message = dns.message.from_wire(reply)
    assert dns.message.from_wire(packet).is_response(message)
    assert message.flags & dns.flags.RA
    return message


# --- one packet -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["db", "DB", "store", "aa11", "db.web", "Store.WEB", "db.web."])
def test_a_container_is_known_by_name_alias_and_id(name: str) -> None:
    message = answered(query(name))
    (found,) = message.answer
    assert [one.address for one in found] == ["10.0.0.2"] and found.ttl == 0
    assert message.rcode() == dns.rcode.NOERROR and message.flags & dns.flags.AA
    assert found.name == dns.name.from_text(name)  # as it was asked for


def reached(known: Known, name: str) -> list[str]:
    return [one.address for one in known.ends(name)]


@pytest.mark.parametrize(
    "name", ["d", "db.", "db.blue", "web", ".web", "example.org", "db.web.org"]
)
def test_what_no_container_is_called_is_not_ours_to_answer(name: str) -> None:
    known = Known({"web": {"aa11": end("aa11", "10.0.0.2", "data")}})
    if name != ".web":
        assert answers.answer(query(name), known) is None
    assert reached(known, name) == []


@pytest.mark.parametrize("kind", ["AAAA", "TXT", "SRV", "MX", "HTTPS", "TYPE65280"])
def test_a_container_has_an_address_and_no_other_record(kind: str) -> None:
    message = answered(query("db", kind))
    assert (message.rcode(), message.answer, message.authority) == (dns.rcode.NOERROR, [], [])


def test_an_address_leads_back_to_the_name() -> None:
    message = answered(query("2.0.0.10.in-addr.arpa", "PTR"))
    (found,) = message.answer
    assert [str(one.target) for one in found] == ["db.web."]
    for name in ("9.0.0.10.in-addr.arpa", "10.in-addr.arpa", "x.in-addr.arpa", "db.ip6.arpa"):
        assert answers.answer(query(name, "PTR"), KNOWN) is None


def test_two_of_one_alias_are_named_first_in_turn() -> None:
    firsts = []
    for turn in range(4):
        (found,) = answered(query("twin"), Known({"web": WEB}, turn)).answer
        assert {one.address for one in found} == {"10.0.0.3", "10.0.0.4"}
        firsts.append(next(iter(found)).address)
    assert firsts == ["10.0.0.3", "10.0.0.4"] * 2


def test_a_long_answer_is_cut_over_udp_and_whole_over_tcp() -> None:
    many = {f"{n:04x}": end(f"{n:04x}", f"10.0.{n // 250}.{n % 250}", "many") for n in range(300)}
    packet = query("many")
    short = answers.answer(packet, Known({"web": many})) or b""
    assert len(short) <= 512
    assert dns.message.from_wire(short).flags & dns.flags.TC
    whole = answered(packet, Known({"web": many}), stream=True)
    assert len(whole.answer[0]) == 300 and not whole.flags & dns.flags.TC
    # Who says that it takes more gets more, up to what no path has to cut.
    large = answers.answer(query("many", payload=4096), Known({"web": many})) or b""
    assert 512 < len(large) <= 1232 and dns.message.from_wire(large).edns == 0


def test_what_is_no_question_is_refused_in_the_words_of_the_protocol() -> None:
    status = dns.message.make_query("db", "A")
    status.set_opcode(dns.opcode.STATUS)
    assert answered(status.to_wire()).rcode() == dns.rcode.NOTIMP
    two = dns.renderer.Renderer(id=7)
    for name in ("db", "app"):
        two.add_question(dns.name.from_text(name), dns.rdatatype.A)
    two.write_header()
    for packet in (two.get_wire(), struct.pack("!6H", 7, 0x100, 0, 0, 0, 0)):
        reply = answers.answer(packet, KNOWN) or b""
        assert dns.message.from_wire(reply).rcode() == dns.rcode.FORMERR and reply[:2] == b"\0\7"
    assert answers.answer(query("db", rdclass="CH"), KNOWN) is None


LOOP = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1"  # a name that is itself
FORWARD = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"\xc0\x0e\xc0\x0c\0\1\0\1"


@pytest.mark.parametrize("packet", [LOOP, FORWARD, LOOP + LOOP, query("db")[:-1], query("db")[:14]])
def test_a_broken_packet_is_refused_without_its_question(packet: bytes) -> None:
    reply = dns.message.from_wire(answers.answer(packet, KNOWN) or b"")
    assert reply.rcode() == dns.rcode.FORMERR and reply.question == []


def test_an_answer_gets_no_answer_or_two_servers_would_talk_for_ever() -> None:
    reply = answers.answer(query("db"), KNOWN) or b""
    assert answers.answer(reply, KNOWN) == b""
    assert answers.answer(b"", KNOWN) == answers.answer(query("db")[:11], KNOWN) == b""


PACKETS = some.one_of(
    some.binary(max_size=80),
    some.binary(max_size=600),
    some.builds(lambda body: struct.pack("!6H", 7, 0x100, 1, 0, 0, 1) + body, some.binary()),
    some.builds(lambda body: query("db") + body, some.binary(max_size=60)),
    some.builds(
        lambda at, by: (
            query("db", payload=4096)[:at] + by + query("db", payload=4096)[at + len(by) :]
        ),
        some.integers(0, 45),
        some.binary(min_size=1, max_size=4),
    ),
)


@given(packet=PACKETS, stream=some.booleans())
def test_no_packet_breaks_the_server(packet: bytes, stream: bool) -> None:
    """Whatever comes, the answer is a packet with its number, or nothing, or not ours to give."""
    reply = answers.answer(packet, KNOWN, stream=stream)
    if reply:
        assert reply[:2] == packet[:2] and reply[2] & 0x80 and len(packet) >= 12
        assert stream or len(reply) <= 1232
        dns.message.from_wire(reply)
    if reply is None:
        assert dns.message.from_wire(packet, question_only=True).question
        dns.message.from_wire(answers.failure(packet, dns.rcode.SERVFAIL))


def test_64_kib_of_anything_are_no_question() -> None:
    for packet in (bytes(65535), b"\xff" * 65535, query("db") + bytes(60000)):
        reply = answers.answer(packet, KNOWN)
        assert reply is not None and len(reply) <= 512


def test_no_packet_needs_a_file_to_be_read() -> None:
    """In the server's process nothing can be imported: each kind of packet is tried like that."""
    program = """
import struct
import sys
from kernelbox.network.endpoints import Endpoint
from kernelbox.network.names import answers
from kernelbox.network.names.book import Known
known = Known({"web": {"aa11": Endpoint("aa11", "10.0.0.2", ["db"], "")}})
sys.path.clear()
sys.meta_path.clear()
name = b"\\2db\\0"
ptr = b"\\1" + b"2\\1" + b"0\\1" + b"0\\2" + b"10\\7in-addr\\4arpa\\0"
for kind in (*range(0, 300), 32768, 65280, 65535):
    for opcode in range(16):
        for asked in (name, ptr):
            for data in (b"", bytes(4), bytes(40)):
                head = struct.pack("!6H", 7, opcode << 11, 1, 0, 0, 1)
                more = name + struct.pack("!HHIH", kind, 1, 0, len(data)) + data
                packet = head + asked + struct.pack("!HH", 12 if asked == ptr else 1, 1) + more
                answers.answer(packet, known)
    plain = struct.pack("!6H", 7, 0, 1, 0, 0, 0) + name + struct.pack("!HH", kind, 1)
    answers.answer(plain, known)
print("done")
"""
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


# --- what comes back from elsewhere ---------------------------------------------------------------


def test_only_an_answer_to_the_question_is_one() -> None:
    asked = query("example.org")
    reply = dns.message.make_response(dns.message.from_wire(asked))
    good = reply.to_wire()
    assert upstream.is_answer(good, asked)
    assert upstream.is_answer(good.replace(b"example", b"EXAMPLE"), asked)
    other_number = bytes([good[0] ^ 1]) + good[1:]
    other_name = good.replace(b"example", b"exemple")
    other_type = good[:-3] + b"\x1c" + good[-2:]
    for forged in (other_number, other_name, other_type, asked, good[:11], good[:20], b""):
        assert not upstream.is_answer(forged, asked)
    reply.question = []
    assert not upstream.is_answer(reply.to_wire(), asked)  # says nothing, and of what?
    reply.set_rcode(dns.rcode.SERVFAIL)
    assert upstream.is_answer(reply.to_wire(), asked)


@given(packet=some.binary(max_size=200), flip=some.integers(0, 255))
def test_no_other_packet_is_an_answer(packet: bytes, flip: int) -> None:
    asked = query("example.org", id=7)
    if upstream.is_answer(packet, asked):
        assert packet[:2] == asked[:2] and packet[2] & 0x80
    changed = bytearray(dns.message.make_response(dns.message.from_wire(asked)).to_wire())
    at = flip % len(changed)
    changed[at] ^= 1 << flip % 5
    if upstream.is_answer(bytes(changed), asked):
        # Only flags, the counts behind the question's, or the case of a letter may differ.
        assert at in (2, 3, *range(6, 12)) or chr(changed[at]).lower() == chr(asked[at]).lower()


def test_name_servers_are_read_as_a_resolver_reads_them() -> None:
    text = """
    # nameserver 192.0.2.1
    nameserver 127.0.0.53
    nameserver ::1
    nameserver
    nameserver nobody.example
    nameserver fe80::1%lo   # of a link
    nameserver 192.0.2.9
    """
    lo = socket.if_nametoindex("lo")
    assert upstream.servers(text) == [("127.0.0.53", 53), ("::1", 53, 0, 0), ("fe80::1", 53, 0, lo)]


# --- the book -------------------------------------------------------------------------------------


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """An open directory of networks without anything else, in memory: that is fast."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as root:
        monkeypatch.setenv("KERNELBOX_ROOT", root)
        for name in ("web", "back", "bridge"):
            os.makedirs(f"{root}/networks/{name}")
            Path(f"{root}/networks/{name}/config.json").touch()
        fd = os.open(f"{root}/networks", os.O_RDONLY)
        yield fd
        os.close(fd)


def nothing(kind: str, name: str) -> None:
    """Do not write anything down."""


def test_a_name_is_known_at_once_and_forgotten_at_once_ten_thousand_times(shelf: int) -> None:
    book = Book(shelf, "web")
    endpoints.add("web", end("aa11", "10.0.0.2", "asks"), nothing)
    for number in range(10_000):
        endpoints.add("web", end("bb22", "10.0.0.3", f"n{number}"), nothing)
        assert reached(book.known_to("10.0.0.2"), f"n{number}") == ["10.0.0.3"]
        endpoints.release_endpoint("web=bb22")
        assert reached(book.known_to("10.0.0.2"), f"n{number}") == []
    assert len(os.listdir("/proc/self/fd")) < 60


def test_who_is_on_two_networks_knows_the_names_of_both_and_of_no_third(shelf: int) -> None:
    endpoints.add("web", end("aa11", "10.0.0.2", "asks"), nothing)
    endpoints.add("web", end("bb22", "10.0.0.3", "only"), nothing)
    endpoints.add("back", end("aa11", "10.0.1.2", "asks"), nothing)
    endpoints.add("back", end("cc33", "10.0.1.3", "db"), nothing)
    endpoints.add("bridge", end("aa11", "172.29.0.2", "asks"), nothing)
    endpoints.add("bridge", end("dd44", "172.29.0.3", "plain"), nothing)
    book = Book(shelf, "web")
    both, one, stranger = (book.known_to(f"10.0.0.{n}") for n in (2, 3, 99))
    assert reached(both, "db") == ["10.0.1.3"] and reached(both, "only") == ["10.0.0.3"]
    assert sorted(reached(both, "asks")) == ["10.0.0.2", "10.0.1.2"]
    assert reached(both, "asks.back") == ["10.0.1.2"]
    assert reached(one, "db") == reached(stranger, "db") == []
    assert reached(stranger, "only") == ["10.0.0.3"]
    assert reached(both, "plain") == []


def test_a_damaged_file_is_nobody_and_a_network_that_is_gone_is_noticed(shelf: int) -> None:
    web = Path(paths.networks(), "web")
    endpoints.add("web", end("aa11", "10.0.0.2", "asks"), nothing)
    book = Book(shelf, "web")
    assert book.exists() and reached(book.known_to("10.0.0.2"), "asks")
    (web / "endpoints.new").write_text("[1, 2")
    os.replace(web / "endpoints.new", web / "endpoints")
    assert reached(book.known_to("10.0.0.2"), "asks") == []
    os.rename(web, web.with_name("gone"))
    assert not book.exists() and reached(book.known_to("10.0.0.2"), "asks") == []


# --- in containers --------------------------------------------------------------------------------


class Outside:
    """A name server in the world outside, and what it was asked, over which protocol."""

    def __init__(self, where: Inside, address: str = "198.51.100.2") -> None:
        self.asked: list[tuple[str, str]] = []
        self.forge = False
        self._sockets = []
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            opened = where.socket(kind)
            opened.settimeout(None)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((address, 53))
            self._sockets.append(opened)
        self._sockets[1].listen()
        self._threads = [threading.Thread(target=one) for one in (self._udp, self._tcp)]
        for thread in self._threads:
            thread.start()

    def _udp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                packet, who = self._sockets[0].recvfrom(65535)
                if not packet:
                    break
                reply = self._reply(packet, "udp")
                if self.forge:  # with another number first
                    self._sockets[0].sendto(bytes([reply[0] ^ 1]) + reply[1:], who)
                    self._sockets[0].sendto(reply.replace(b"example", b"exemple"), who)
                self._sockets[0].sendto(reply, who)

    def _tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._sockets[1].accept()
                with connection:
                    (length,) = struct.unpack("!H", connection.recv(2))
                    reply = self._reply(connection.recv(length), "tcp")
                    connection.sendall(struct.pack("!H", len(reply)) + reply)

    def _reply(self, packet: bytes, protocol: str) -> bytes:
        asked = dns.message.from_wire(packet)
        name = asked.question[0].name.to_text(omit_final_dot=True)
        self.asked.append((protocol, name))
        reply = dns.message.make_response(asked)
        reply.flags |= dns.flags.RA
        if name == "long.example.org" and protocol == "udp":
            reply.flags |= dns.flags.TC
        elif name.endswith("example.org"):
            reply.answer = [
                dns.rrset.from_text(asked.question[0].name, 60, "IN", "A", "192.0.2.80")
            ]
        else:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()

    def close(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()


@pytest.fixture
def outside(host: Town) -> Iterator[Outside]:
    made = Outside(host.scene.outside)
    yield made
    made.close()


def ask(
    container: Inside, name: str, kind: str = "A", *, server: str = "10.170.0.1", tcp: bool = False
) -> dns.message.Message:
    """Ask a network's name server from a container."""
    with container.entered():
        ask = dns.query.tcp if tcp else dns.query.udp
        return ask(dns.message.make_query(name, kind), server, timeout=10)


def addresses(message: dns.message.Message) -> list[str]:
    return [one.address for found in message.answer for one in found if hasattr(one, "address")]


def test_containers_talk_to_each_other_by_name(town: Town) -> None:
    town.ok("network", "create", "web")
    serve = "mkdir /www && echo hello >/www/index.html && exec httpd -f -h /www"
    served = town.start("--network", "web", "--name", "server", "busybox", "sh", "-c", serve)
    client = town.start("--network", "web", *FOREVER)
    for name in ("server", "SERVER", served, "server.web"):
        assert looking.soon(lambda: not town.fails_inside(client, "wget -qO- http://server/"))
        assert town.inside(client, f"wget -qO- http://{name}/") == "hello"
    assert f"address: {town.address(served)}" in town.inside(client, "nslookup server.").lower()
    assert "server.web" in town.inside(client, f"nslookup {town.address(served)}")
    assert (
        town.inside(client, "cat /etc/resolv.conf") == "nameserver 10.170.0.1\nsearch example.org"
    )


def test_a_name_is_known_when_run_returns_and_not_when_rm_does(
    town: Town, outside: Outside
) -> None:
    town.ok("network", "create", "web")
    client = Inside(town.pid(town.start("--network", "web", *FOREVER)))
    for number in range(5):
        alias = ("--network-alias", "Store", "--network-alias", "db.internal")
        container = town.start("--network", "web", "--name", f"n{number}", *alias, *FOREVER)
        for name in (f"n{number}", "store", "db.internal"):
            assert addresses(ask(client, name)) == [town.address(container)]
        assert ask(client, container, "AAAA").rcode() == dns.rcode.NOERROR
        town.ok("rm", "-f", container)
        for name in (f"n{number}", "store", container):
            assert ask(client, name).rcode() == dns.rcode.NXDOMAIN
    assert {name for _, name in outside.asked} >= {"n0", "store"}  # what is nobody's is asked there


def test_a_hostname_is_no_name_on_the_network_and_an_alias_is_of_one_network(
    town: Town, outside: Outside
) -> None:
    for name in ("web", "back"):
        town.ok("network", "create", name)
    town.start("--network", "web", "--hostname", "inner", "--network-alias", "db", *FOREVER)
    here, there = (Inside(town.pid(town.start("--network", n, *FOREVER))) for n in ("web", "back"))
    assert ask(here, "inner").rcode() == dns.rcode.NXDOMAIN
    assert addresses(ask(here, "db")) == ["10.170.0.2"]
    assert ask(there, "db", server="10.170.1.1").rcode() == dns.rcode.NXDOMAIN


def test_on_the_default_bridge_there_are_no_names(town: Town) -> None:
    town.start("--name", "plain", *FOREVER)
    other = town.start(*FOREVER)
    assert town.fails_inside(other, "ping -c 1 -W 1 plain")
    assert town.name_servers() == []
    line = town.refused("run", "--rm", "--network-alias", "db", "busybox", "true")
    assert "aliases of its choice on networks of your own only" in line


@pytest.mark.parametrize("alias", ["", "a b", "-db", "db-", "d..b", ".", "x" * 64, "grün", "a/b"])
def test_what_cannot_be_an_alias_is_refused(town: Town, alias: str) -> None:
    town.ok("network", "create", "web")
    options = ("--network", "web", "--network-alias", alias)
    assert "cannot be an alias" in town.refused("run", "--rm", *options, "busybox", "true")


def test_the_rest_is_passed_on_and_forged_answers_are_not_believed(
    town: Town, outside: Outside
) -> None:
    town.ok("network", "create", "web")
    client = Inside(town.pid(town.start("--network", "web", *FOREVER)))
    outside.forge = True
    for _ in range(3):
        assert addresses(ask(client, "www.example.org")) == ["192.0.2.80"]
    assert ask(client, "nobody.invalid").rcode() == dns.rcode.NXDOMAIN
    assert ask(client, "long.example.org").flags & dns.flags.TC
    assert addresses(ask(client, "long.example.org", tcp=True)) == ["192.0.2.80"]
    assert ("tcp", "long.example.org") in outside.asked


@pytest.mark.parametrize("server", ["127.0.0.53", "::1", "fe80::abcd%lo"])
def test_name_servers_that_only_the_host_reaches_serve_containers(town: Town, server: str) -> None:
    town.ok("network", "create", "web")
    client = Inside(town.pid(town.start("--network", "web", *FOREVER)))
    plain, _, zone = server.partition("%")
    if zone:
        town.scene.host.run(f"ip address add {plain}/64 dev lo nodad")
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with town.scene.host.entered():
        listening = socket.socket(family, socket.SOCK_DGRAM)
        where = socket.getaddrinfo(server, 53, type=socket.SOCK_DGRAM)[0][4]
    with listening:
        listening.bind(where)
        listening.settimeout(20)
        town.resolv_conf.write_text(f"nameserver {server}\n")
        try:
            with client.socket(socket.SOCK_DGRAM) as asking:
                asking.connect(("10.170.0.1", 53))
                packet = query("www.example.org")
                asking.send(packet)
                question, who = listening.recvfrom(512)
                assert question[2:] == packet[2:] and question[:2] != b""
                listening.sendto(
                    dns.message.make_response(dns.message.from_wire(question)).to_wire(), who
                )
                assert asking.recv(512)[:2] == packet[:2]
        finally:
            town.resolv_conf.write_text("nameserver 198.51.100.2\nsearch example.org\n")
            if zone:
                town.scene.host.run(f"ip address del {plain}/64 dev lo")


def test_an_internal_network_asks_nobody_and_can_have_a_name_server_of_its_own(
    town: Town, outside: Outside
) -> None:
    town.ok("network", "create", "--internal", "cellar")
    inner = town.start("--network", "cellar", "--name", "db", *FOREVER)
    client = Inside(town.pid(town.start("--network", "cellar", *FOREVER)))
    assert addresses(ask(client, "db")) == [town.address(inner)]
    for tcp in (False, True):
        assert ask(client, "www.example.org", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
    assert outside.asked == []
    own = Outside(Inside(town.pid(inner)), town.address(inner))
    try:
        found = ask(client, "www.example.org", server=town.address(inner))
        assert addresses(found) == ["192.0.2.80"]
    finally:
        own.close()


def test_a_hundred_of_one_alias_are_found_over_tcp(town: Town) -> None:
    town.ok("network", "create", "web")
    container = town.start("--network", "web", *FOREVER)
    client = Inside(town.pid(container))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERNELBOX_ROOT", str(town.root))
        for number in range(100):
            endpoints.add("web", end(f"{number:04x}", f"10.170.0.{number + 100}", "many"), nothing)
    assert ask(client, "many").flags & dns.flags.TC
    assert len(addresses(ask(client, "many", tcp=True))) == 100


def patiently(client: Inside, name: str) -> dns.message.Message:
    """Ask as a resolver does, again when a packet is lost. Source: resolv.conf(5), attempts."""
    for _ in range(4):
        with contextlib.suppress(dns.exception.Timeout):
            return ask(client, name)
    pytest.fail(f"nobody answers for {name}")


def test_a_hostile_neighbour_does_not_stop_the_name_server(town: Town) -> None:
    town.ok("network", "create", "--internal", "web")
    container = town.start("--network", "web", "--name", "db", *FOREVER)
    client = Inside(town.pid(container))
    where = ("10.170.0.1", 53)
    with client.socket(socket.SOCK_DGRAM) as sending:
        for number in range(200):
            for packet in (os.urandom(number), LOOP, FORWARD, query("db")[: number % 30], b""):
                sending.sendto(packet, where)
    silent = [client.socket() for _ in range(100)]  # more than it talks to at once
    try:
        for one in silent:
            one.connect(where)
            one.sendall(b"\xff\xff" + os.urandom(9))
        assert addresses(patiently(client, "db")) == [town.address(container)]
    finally:
        for one in silent:
            one.close()
    assert looking.soon(lambda: addresses(ask(client, "db", tcp=True)))
    assert (town.root / "networks/web/names.log").read_text() == ""


def test_the_name_server_is_nobody_and_can_do_nothing(town: Town) -> None:
    town.ok("network", "create", "web")
    assert looking.soon(lambda: town.name_servers())
    (pid,) = town.name_servers()
    assert looking.soon(lambda: looking.status(pid)["Uid"].split() == ["65534"] * 4)
    seen = looking.status(pid)
    assert seen["Gid"].split() == ["65534"] * 4 and seen["Groups"].strip() == ""
    assert looking.soon(lambda: looking.status(pid)["NoNewPrivs"] == "1")
    assert {int(seen[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")} == {0}
    assert len(os.listdir(f"/proc/{pid}/task")) == 1


def test_the_name_server_goes_with_its_network_and_is_started_again_when_it_is_missed(
    town: Town,
) -> None:
    town.ok("network", "create", "web")
    container = town.start("--network", "web", "--name", "db", *FOREVER)
    (first,) = town.name_servers()
    town.ok("run", "--rm", "--network", "web", "busybox", "true")
    assert town.name_servers() == [first]
    os.kill(first, signal.SIGKILL)
    assert looking.soon(lambda: not looking.is_alive(first))
    client = town.start("--network", "web", *FOREVER)
    (second,) = town.name_servers()
    assert second != first
    assert addresses(ask(Inside(town.pid(client)), "db")) == [town.address(container)]
    town.ok("rm", "-f", container, client)
    town.ok("network", "rm", "web")
    assert town.name_servers() == []


def test_a_name_server_whose_files_are_lost_ends(town: Town) -> None:
    town.ok("network", "create", "web")
    (pid,) = town.name_servers()
    os.rename(town.root / "networks/web", town.root / "networks/elsewhere")
    assert looking.soon(lambda: not looking.is_alive(pid))
    os.rename(town.root / "networks/elsewhere", town.root / "networks/web")


def test_port_53_in_use_is_one_clear_line_and_leaves_nothing(town: Town) -> None:
    town.scene.host.run("ip address add 10.170.0.1/32 dev lo")
    try:
        with town.scene.host.socket(socket.SOCK_DGRAM) as taken:
            taken.bind(("0.0.0.0", 53))
            town.scene.host.run("ip address del 10.170.0.1/32 dev lo")
            line = town.refused("network", "create", "web")
    finally:
        town.scene.host.run("ip address flush dev lo to 10.170.0.1/32")
    assert re.search(r"network web needs port 53/udp of its gateway 10.170.0.1 .*pid \d+", line)
    assert "web" not in town.ok("network", "ls", "-q").split()
