"""Between the bridge and the world: forwarding, masquerading, and keeping strangers out.

One nft table does it. Containers may connect to the outside, and what leaves the host carries
the host's address (masquerade). From outside, only published ports come in. The rules for those
are in the chain `publish`, which `ports.py` fills.

The kernel forwards packets only with `net.ipv4.ip_forward`. Where that was off, kernelbox turns it
on, and the same table then refuses to forward anything that does not involve a kernelbox bridge:
the host does not become a router for strangers because somebody started a container. `reset`
turns it off again. Rules of others still hold: a packet passes only if every table lets it.
"""

from __future__ import annotations

import os

from kernelbox.kernel import files, nft
from kernelbox.network.addresses import directory
from kernelbox.network.ports import release_ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_FORWARD = "/proc/sys/net/ipv4/ip_forward"
_STRANGERS = "forwarding was off before kernelbox"


def ruleset(bridge: str, table: str, subnet: str, *, strangers: bool) -> str:
    """Return the table's text. Applied again, it leaves the published ports alone.

    Args:
        bridge: Name of the bridge.
        table: Name of the table, of the family ip.
        subnet: Of the bridge, as `172.29.0.0/16`.
        strangers: Whether packets between other links may be forwarded.

    Source: nft(8); Docker, "Packet filtering and firewalls". For 127.0.0.0/8: CVE-2020-8558.
    """
    refuse = f'iifname != "kernelbox*" oifname != "kernelbox*" drop comment "{_STRANGERS}"'
    return f"""\
table ip {table} {{
    chain publish {{ }}
    chain raw {{ type filter hook prerouting priority -300; policy accept; }}
    chain prerouting {{ type nat hook prerouting priority -100; policy accept; }}
    chain output {{ type nat hook output priority -100; policy accept; }}
    chain forward {{ type filter hook forward priority 0; policy accept; }}
    chain postrouting {{ type nat hook postrouting priority 100; policy accept; }}
}}
flush chain ip {table} raw
flush chain ip {table} prerouting
flush chain ip {table} output
flush chain ip {table} forward
flush chain ip {table} postrouting
table ip {table} {{
    chain raw {{
        iifname "{bridge}" ip daddr 127.0.0.0/8 drop
        iifname "{bridge}" ip saddr 127.0.0.0/8 drop
    }}
    chain prerouting {{
        ip daddr != 127.0.0.0/8 fib daddr type local jump publish
    }}
    chain output {{
        fib daddr type local jump publish
    }}
    chain forward {{
        {"" if strangers else refuse}
        oifname "{bridge}" ct state established,related accept
        iifname "{bridge}" accept
        oifname "{bridge}" ct status dnat accept
        oifname "{bridge}" drop
    }}
    chain postrouting {{
        ip saddr {subnet} oifname != "{bridge}" counter masquerade
        ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade
        ip saddr {subnet} oifname "{bridge}" ct status dnat masquerade
    }}
}}
"""


def prepare(bridge: str, table: str, subnet: str, record: Callable[[str, str], None]) -> None:
    """Make the table and turn on forwarding, or repair them. The network's lock is held.

    Raises:
        KernelError: EPERM; EOPNOTSUPP if the kernel has no nftables.
    """
    is_off = files.read(_FORWARD).strip() == "0"
    strangers = not (is_off or _turned_on_here())
    present = nft.list_table(table)
    if present is None or subnet not in present or (_STRANGERS in present) == strangers:
        record("nft", table)
        nft.apply(ruleset(bridge, table, subnet, strangers=strangers))
    if is_off:
        record("sysctl", "net.ipv4.ip_forward=0")
        _note_turning_on()
        files.write(_FORWARD, "1")


# That forwarding was off is true of one boot only: after the next, /etc/sysctl.d has spoken again.


def _note_turning_on() -> None:
    with open(f"{directory()}/ip_forward", "w", encoding="ascii") as file:
        file.write(_boot_id())


def _turned_on_here() -> bool:
    try:
        with open(f"{directory()}/ip_forward", encoding="ascii") as file:
            return file.read() == _boot_id()
    except FileNotFoundError:
        return False


def _boot_id() -> str:
    return files.read("/proc/sys/kernel/random/boot_id")


def restore_sysctl(name: str) -> None:
    """Set a kernel setting back to what it was; `name` is as recorded, `net.ipv4.ip_forward=0`.

    After a reboot there is nothing to set back: the setting is the host's own again.
    """
    key, _, value = name.partition("=")
    path = "/proc/sys/" + key.replace(".", "/")
    if _turned_on_here():
        if files.read(path).strip() != value:
            files.write(path, value)
        os.unlink(f"{directory()}/ip_forward")


def release_nft(name: str) -> None:
    """Remove a table, or with `ports:TABLE:ID` the ports one container published; gone is fine."""
    if name.startswith("ports:"):
        _, table, container_id = name.split(":")
        release_ports(table, container_id)
    else:
        nft.delete_table(name)
