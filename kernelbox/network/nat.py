"""Between the bridge and the world: which packets pass, masquerading, and keeping strangers out.

Each network has an nft table, which does it for that network alone: what is for its containers is
dropped there unless one of them has asked for it, and so networks keep out each other as they keep
out strangers. Containers may connect to the outside, and what leaves the host carries
the host's address (masquerade), but for those of an internal network. From outside, only published
ports come in. The rules for those are in the chain `publish`, which `ports.py` fills. A network
with IPv6 addresses has a second table of the same name, of the family `ip6`.

Where kernelbox had to turn on forwarding, the same table refuses to forward anything that does not
involve a kernelbox bridge: the host does not become a router for strangers because somebody started
a container. Rules of others still hold: a packet passes only if every table lets it.
"""

from __future__ import annotations

from kernelbox.kernel import nft
from kernelbox.network import forwarding
from kernelbox.network.notes import boot_id, note, noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.network.addresses import Subnet
    from kernelbox.network.link_names import Bridge

_STRANGERS = "forwarding was off before kernelbox"
_LOOPBACK = {"ip": "127.0.0.0/8", "ip6": "::1"}


def ruleset(network: Bridge, family: str = "ip", *, strangers: bool) -> str:
    """Return the text of a network's table. Applied again, it leaves the published ports alone.

    Args:
        network: Whose.
        family: `ip`, or `ip6` for what its IPv6 addresses send.
        strangers: Whether packets between other links may be forwarded.

    Source: nft(8); Docker, "Packet filtering and firewalls". For 127.0.0.0/8: CVE-2020-8558.
    """
    bridge, table, subnet = network.name, network.table, _subnet(network, family)
    loopback = _LOOPBACK[family]
    # Whoever tries ::1 first is refused at once, and then tries 127.0.0.1: see `port.address`.
    but_loopback = f"ip6 daddr != {loopback} " if family == "ip6" else ""
    refuse = f'iifname != "kernelbox*" oifname != "kernelbox*" drop comment "{_STRANGERS}"'
    way_out = f'{family} saddr {subnet} oifname != "{bridge}" counter masquerade'
    return f"""\
table {family} {table} {{
    chain publish {{ }}
    chain raw {{ type filter hook prerouting priority -300; policy accept; }}
    chain prerouting {{ type nat hook prerouting priority -100; policy accept; }}
    chain output {{ type nat hook output priority -100; policy accept; }}
    chain forward {{ type filter hook forward priority 0; policy accept; }}
    chain postrouting {{ type nat hook postrouting priority 100; policy accept; }}
}}
flush chain {family} {table} raw
flush chain {family} {table} prerouting
flush chain {family} {table} output
flush chain {family} {table} forward
flush chain {family} {table} postrouting
table {family} {table} {{
    chain raw {{
        iifname "{bridge}" {family} daddr {loopback} drop
        iifname "{bridge}" {family} saddr {loopback} drop
    }}
    chain prerouting {{
        {family} daddr != {loopback} fib daddr type local jump publish
    }}
    chain output {{
        {but_loopback}fib daddr type local jump publish
    }}
    chain forward {{
        {"" if strangers else refuse}
        oifname "{bridge}" ct state established,related accept
        iifname "{bridge}" {f'oifname "{bridge}"' if network.internal else ""} accept
        {f'iifname "{bridge}" drop' if network.internal else ""}
        oifname "{bridge}" ct status dnat accept
        oifname "{bridge}" drop
    }}
    chain postrouting {{
        {"" if network.internal else way_out}
        {"" if but_loopback else f'ip saddr {loopback} oifname "{bridge}" masquerade'}
        {family} saddr {subnet} oifname "{bridge}" ct status dnat masquerade
    }}
}}
"""


def _subnet(network: Bridge, family: str) -> Subnet | None:
    return network.subnet if family == "ip" else network.subnet6


def prepare(bridge: Bridge, record: Callable[[str, str], None]) -> bool:
    """Make the tables and turn on forwarding, or repair them. The host's lock is held.

    Returns:
        Whether somebody has changed a rule since: then the published ports may be missing, too.

    Raises:
        KernelError: EPERM; EOPNOTSUPP if the kernel has no nftables.
        KernelboxError: as `forwarding.turn_on`.
    """
    changed = _prepare(bridge, "ip", forwarding.IPV4, record)
    if bridge.subnet6:
        changed |= _prepare(bridge, "ip6", forwarding.IPV6, record)
    return changed


def _prepare(
    bridge: Bridge,
    family: str,
    switch: forwarding.Switch,
    record: Callable[[str, str], None],
) -> bool:
    ours = forwarding.is_ours(switch)
    changed = _prepare_table(bridge, family, ruleset(bridge, family, strangers=not ours), record)
    if ours:
        forwarding.turn_on(switch, record)
    return changed


def _prepare_table(
    bridge: Bridge, family: str, rules: str, record: Callable[[str, str], None]
) -> bool:
    """Make the table, or repair it, unless nobody has changed a rule since it was seen whole.

    Returns:
        Whether somebody has.
    """
    generation = nft.generation()
    seen = f"{boot_id()}{generation}\n{rules}"
    name = "rules" if family == "ip" else "rules6"
    if generation and noted(name, bridge.network) == seen:
        return False
    present = nft.list_table(bridge.table, family) or ""
    if _is_of(present, bridge, family) and (_STRANGERS in present) == (_STRANGERS in rules):
        note(name, seen, bridge.network)
    else:
        record("nft", bridge.table if family == "ip" else f"{family} {bridge.table}")
        nft.apply(rules)
    return True


def _is_of(present: str, bridge: Bridge, family: str) -> bool:
    """Whether a table's text has what a network's has to have."""
    wanted = f"{family} saddr {_subnet(bridge, family)}"
    return wanted in present and f'oifname "{bridge.name}" drop' in present


def release_nft(name: str) -> None:
    """Remove a table with everything in it; one that is gone is fine.

    `name` is as recorded: the table, behind its family and a space where that is not `ip`.
    """
    family, _, table = name.rpartition(" ")
    nft.delete_table(table, family or "ip")
