"""Packets that checks send, and what they read of a network: from inside a namespace of it.

A witness of the check's own enters a process's network namespace, and nothing else of it: whatever
a student has made of programs and files there, it is the kernel that answers.

Source: RFC 1035, section 4; RFC 792, "Echo or Echo Reply"; proc_pid_net(5), /proc/PID/net/dev.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernelbox.lab.held import Held
    from kernelbox.lab.notebook import Lab
    from kernelbox.lab.started import Container

SOON = 2.0  # seconds that an answer may take which is to come
BRIEFLY = 0.3  # seconds after which one that is not to come has not

# What a witness is asked to evaluate. `asked`: the addresses that a name server has for a name,
# in its order; None if it says nothing. `addresses`: of this namespace, without its loopback's.
# `listening`: the ports that somebody listens at. `gateway`: where the default route leads; None
# without one. `pinged`: who of several echoes first; empty if nobody does. `connected`: what a
# server at a port says first, as text; None if nobody can be spoken with there. `counted`: bytes
# received and sent by a link. `poured`: send `rate` bytes a second to an address, for so many
# seconds; return how many a link has sent a second once it has settled, and in the best 0.15 s.
_TOOLS = """
import os, select, socket, struct, time

def asked(server, name, seconds=1.0, tries=3):
    words = b''.join(bytes([len(one)]) + one.encode() for one in name.split('.'))
    for _ in range(tries):
        number = os.urandom(2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(seconds)
            try:
                sock.connect((server, 53))
                head = number + struct.pack('!HHHHH', 0x100, 1, 0, 0, 0)
                sock.send(head + words + b'\\0\\0\\1\\0\\1')
                said = sock.recv(4096)
            except OSError:
                continue
        if said[:2] != number:
            continue
        at, found = 12 + len(words) + 5, []
        for _ in range(struct.unpack('!H', said[6:8])[0]):
            while said[at] and said[at] < 192:
                at += said[at] + 1
            at += 2 if said[at] else 1
            kind, _, _, length = struct.unpack('!HHIH', said[at:at + 10])
            if kind == 1:
                found.append(socket.inet_ntoa(said[at + 10:at + 14]))
            at += 10 + length
        return found
    return None

def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff

def pinged(addresses, seconds, size=0):
    number = os.urandom(4)
    head = struct.pack('!BBH', 8, 0, 0) + number
    echo = struct.pack('!BBH', 8, 0, checksum(head)) + number + bytes(size)
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        while (left := end - time.monotonic()) > 0:
            for one in addresses:
                try:
                    sock.sendto(echo, (one, 0))
                except OSError:
                    pass
            again = time.monotonic() + min(left, 0.2)
            while (left := again - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
                packet, (who, _) = sock.recvfrom(4096)
                inner = packet[(packet[0] & 15) * 4:]
                if inner[0] == 0 and inner[4:8] == number:
                    return who
    return ''

def connected(address, port, seconds, words=b''):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(left)
            try:
                sock.connect((address, port))
                sock.sendall(words)
                return sock.recv(4096).decode(errors='replace')
            except (TimeoutError, ConnectionRefusedError):
                return None
            except OSError:
                time.sleep(min(0.05, max(left, 0)))
    return None

def addresses():
    found, last = [], ''
    with open('/proc/thread-self/net/fib_trie') as file:
        for words in map(str.split, file):
            if words[0] == '|--':
                last = words[1]
            elif words[:3] == ['/32', 'host', 'LOCAL'] and last not in found:
                found += [last] if not last.startswith('127.') else []
    return found

def listening():
    found = set()
    for name in ('tcp', 'tcp6'):
        if os.path.exists(f'/proc/thread-self/net/{name}'):
            with open(f'/proc/thread-self/net/{name}') as file:
                lines = [line.split() for line in file][1:]
            found |= {int(one[1].rpartition(':')[2], 16) for one in lines if one[3] == '0A'}
    return sorted(found)

def gateway():
    with open('/proc/thread-self/net/route') as file:
        for words in map(str.split, file):
            if words[1] == '00000000':
                return socket.inet_ntoa(int(words[2], 16).to_bytes(4, 'little'))

def counted(link):
    with open('/proc/thread-self/net/dev') as file:
        for line in file:
            name, colon, numbers = line.partition(':')
            if name.strip() == link:
                fields = numbers.split()
                return int(fields[0]), int(fields[8])

def poured(address, rate, seconds, link, settle):
    block, sent, seen = bytes(1200), 0, []
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        while (now := time.monotonic() - began) < seconds:
            if now > settle and (not seen or now > seen[-1][0] + 0.01):
                seen.append((now, counted(link)[1]))
            if sent < now * rate:
                try:
                    sock.sendto(block, (address, 9))
                    sent += len(block)
                    continue
                except BlockingIOError:
                    pass
                except ConnectionRefusedError:
                    continue
            time.sleep(0.0005)
    seen.append((time.monotonic() - began, counted(link)[1]))
    rates = [
        (later - first) / (at - since)
        for number, (since, first) in enumerate(seen)
        for at, later in [one for one in seen[number:] if one[0] > since + 0.15][:1]
    ]
    whole = (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0]) if len(seen) > 1 else 0.0
    return whole, max(rates, default=whole)
"""


@contextmanager
def witness(box: Lab, thing: Container | Held | None = None) -> Iterator[Held]:
    """Hold a process in a container's or another's network namespace; without one, the host's."""
    held = box.hold()
    try:
        if thing is not None:
            held.setns(thing.pid, "net")
        yield taught(held)
    finally:
        held.end()


def taught(held: Held) -> Held:
    """Give a process the tools of a witness."""
    held.python(_TOOLS)
    return held


def pinged(held: Held, addresses: list[str], seconds: float = SOON, size: int = 0) -> str:
    """Return who answers a ping first, with so many bytes in it; empty if nobody does in time."""
    return str(held.evaluate(f"pinged({addresses!r}, {seconds}, {size})"))
