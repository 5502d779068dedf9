"""Between the bridge and the world: forwarding, masquerading, and keeping strangers out.

Each network has an nft table, which does it for that network alone: what is for its containers is
dropped there unless one of them has asked for it, and so networks keep out each other as they keep
out strangers. Containers may connect to the outside, and what leaves the host carries
the host's address (masquerade), but for those of an internal network. From outside, only published
ports come in. The rules for those are in the chain `publish`, which `ports.py` fills.

The kernel forwards packets only with `net.ipv4.ip_forward`. Where that was off, kernelbox turns it
on, and the same table then refuses to forward anything that does not involve a kernelbox bridge:
the host does not become a router for strangers because somebody started a container. Several roots
may rely on it: a note says that kernelbox has turned it on, and for whom; each of them has it in
its ledger, and the `reset` of the last one turns it off. Rules of others still hold: a packet
passes only if every table lets it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from kernelbox.kernel import files, nft
from kernelbox.network.addresses import DEFAULT, directory, host_locked
from kernelbox.network.link_names import bridge_and_table
from kernelbox.plumbing import storage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kernelbox.network.link_names import Bridge

_FORWARD = "/proc/sys/net/ipv4/ip_forward"
_STRANGERS = "forwarding was off before kernelbox"


def ruleset(network: Bridge, *, strangers: bool) -> str:
    """Return the text of a network's table. Applied again, it leaves the published ports alone.

    Args:
        network: Whose.
        strangers: Whether packets between other links may be forwarded.

    Source: nft(8); Docker, "Packet filtering and firewalls". For 127.0.0.0/8: CVE-2020-8558.
    """
    bridge, table, subnet = network.name, network.table, network.subnet
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
        iifname "{bridge}" {f'oifname "{bridge}"' if network.internal else ""} accept
        {f'iifname "{bridge}" drop' if network.internal else ""}
        oifname "{bridge}" ct status dnat accept
        oifname "{bridge}" drop
    }}
    chain postrouting {{
        {"" if network.internal else f'ip saddr {subnet} oifname != "{bridge}" counter masquerade'}
        ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade
        ip saddr {subnet} oifname "{bridge}" ct status dnat masquerade
    }}
}}
"""


def prepare(bridge: Bridge, record: Callable[[str, str], None]) -> bool:
    """Make the table and turn on forwarding, or repair them. The host's lock is held.

    Returns:
        Whether somebody has changed a rule since: then the published ports may be missing, too.

    Raises:
        KernelError: EPERM; EOPNOTSUPP if the kernel has no nftables.
    """
    is_off = files.read(_FORWARD).strip() == "0"
    registered = _registered()
    ours = is_off or bool(registered)
    root = bridge_and_table()[1]
    changed = _prepare_table(bridge, ruleset(bridge, strangers=not ours), record)
    if ours and (is_off or _noted("ip_forward") != _boot_id()):
        record("sysctl", "net.ipv4.ip_forward=0")
        _note("ip_forward", _boot_id())
    if ours and root not in registered:
        _register(registered | {root})
    if is_off:
        files.write(_FORWARD, "1")
    return changed


def _prepare_table(bridge: Bridge, rules: str, record: Callable[[str, str], None]) -> bool:
    """Make the table, or repair it, unless nobody has changed a rule since it was seen whole.

    Returns:
        Whether somebody has.
    """
    generation = nft.generation()
    seen = f"{_boot_id()}{generation}\n{rules}"
    if generation and _noted("rules", bridge.network) == seen:
        return False
    present = nft.list_table(bridge.table) or ""
    if _is_of(present, bridge) and (_STRANGERS in present) == (_STRANGERS in rules):
        _note("rules", seen, bridge.network)
    else:
        record("nft", bridge.table)
        nft.apply(rules)
    return True


def _is_of(present: str, bridge: Bridge) -> bool:
    """Whether a table's text has what a network's has to have."""
    return f"ip saddr {bridge.subnet}" in present and f'oifname "{bridge.name}" drop' in present


# What is noted is true of one boot only. After the next, /etc/sysctl.d has spoken again of
# forwarding, and generations are counted anew.


def _note(name: str, text: str, network: str = DEFAULT) -> None:
    with open(f"{directory(network)}/{name}", "w", encoding="ascii") as file:
        file.write(text)


def _noted(name: str, network: str = DEFAULT) -> str:
    try:
        with open(f"{directory(network)}/{name}", encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _note_of_the_host() -> str:
    """Return the file that says who turned on forwarding: one for each network namespace."""
    return f"/run/kernelbox-forwards-{os.stat('/proc/self/ns/net').st_ino}"


def _registered() -> set[str]:
    """Return the tables of the roots that rely on forwarding having been turned on."""
    try:
        boot, *tables = storage.read(_note_of_the_host()).splitlines()
    except (FileNotFoundError, ValueError):
        return set()
    return set(tables) if boot == _boot_id().strip() else set()


def _register(tables: set[str]) -> None:
    path = _note_of_the_host()
    if tables:
        storage.write(f"{path}.new", "\n".join([_boot_id().strip(), *sorted(tables)]), mode=0o644)
        os.replace(f"{path}.new", path)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _boot_id() -> str:
    return files.read("/proc/sys/kernel/random/boot_id")


def restore_sysctl(name: str) -> None:
    """Set a kernel setting back to what it was; `name` is as recorded, `net.ipv4.ip_forward=0`.

    After a reboot there is nothing to set back: the setting is the host's own again. As long as
    another root relies on it, it stays; the last one sets it back.
    """
    key, _, value = name.partition("=")
    path = "/proc/sys/" + key.replace(".", "/")
    with host_locked():
        before = _registered()
        left = before - {bridge_and_table()[1]}
        if before and not left and files.read(path).strip() != value:
            files.write(path, value)
        _register(left)
    with suppress(FileNotFoundError):
        os.unlink(f"{directory()}/ip_forward")


def release_nft(name: str) -> None:
    """Remove a table with everything in it; one that is gone is fine."""
    nft.delete_table(name)
