"""Checks of the network: nft, links, macvlan, shaping, forwarding, the port of JupyterLab."""

from __future__ import annotations

import json
import socket

from kernelbox.lab.doctor.findings import Finding
from kernelbox.lab.doctor.host import Host

# All are tried in a network namespace of their own, which takes all of it along when it ends.
_NAT = (
    "add table ip trial; "
    "add chain ip trial post { type nat hook postrouting priority 100; }; "
    "add rule ip trial post masquerade"
)
_LINKS = '"$0" link add br0 type bridge && "$0" link add veth0 type veth peer name veth1'
# What a network without a bridge stands on, by its module.
_STACKED = {
    "macvlan": "link br0 name trial0 type macvlan mode bridge",
    "dummy": "trial0 type dummy",
    "8021q": "link br0 name trial0 type vlan id 7",
}
_SHAPERS = {"tbf": "rate 1mbit burst 32kbit latency 400ms", "netem": "delay 1ms"}
JUPYTER_PORT = 8888


def nft(host: Host) -> Finding:
    """Is nft there, does the kernel answer it, and does address translation work?

    Source: nft(8).
    """
    program = host.program("nft")
    if not program:
        return Finding(
            "nft",
            "fail",
            "There is no nft, which writes the rules for NAT and published ports.",
            "sudo apt-get install nftables",
        )
    if not _may_try(host):
        return Finding("nft", "note", "nft is there; the kernel answers it only for root.")
    answer = host.run([program, "list", "tables"], None)
    if answer.code == 0:
        answer = host.run(["unshare", "--net", program, _NAT], None)
    if answer.code != 0:
        cure = "sudo modprobe -a nf_tables nft_chain_nat nft_masq; without these modules, use a "
        cure += "kernel with CONFIG_NF_TABLES and CONFIG_NFT_MASQ."
        if "not permitted" in answer.output:
            cure = "Run as root of the host itself, or in a container with --privileged."
        seen = f"nft is there, but the kernel refuses it: {answer.why}"
        return Finding("nft", "fail", seen, cure)
    return Finding("nft", "ok", "nft works, and so does masquerading.")


def links(host: Host) -> Finding:
    """Is iproute2 there, and can bridges and veth pairs be made?

    Source: ip-link(8), veth(4).
    """
    program = host.program("ip")
    if not program:
        return Finding(
            "links",
            "warn",
            "There is no ip command, with which the chapters on networks look around.",
            "sudo apt-get install iproute2",
        )
    if not _may_try(host):
        return Finding("links", "note", "iproute2 is there; making links needs root.")
    answer = host.run(["unshare", "--net", "sh", "-c", _LINKS, program], None)
    if answer.code != 0:
        return Finding(
            "links",
            "fail",
            f"The kernel makes no bridge or no veth pair: {answer.why}",
            "sudo modprobe -a bridge veth; without these, use a kernel that has both.",
        )
    return Finding("links", "ok", "iproute2 is there; a bridge and a veth pair were made.")


def macvlan(host: Host) -> Finding:
    """Can a container stand on a link of the host's (macvlan), on none (dummy), on a VLAN?

    Source: ip-link(8), types macvlan, dummy and vlan.
    """
    program = host.program("ip")
    if not program or not _may_try(host):
        return Finding("macvlan", "note", "Whether there is macvlan needs iproute2, and root.")
    missing = []
    for module, link in _STACKED.items():
        trial = f'"$0" link add br0 type bridge && "$0" link add {link}'
        if host.run(["unshare", "--net", "sh", "-c", trial, program], None).code != 0:
            missing.append(module)
    if not missing:
        return Finding("macvlan", "ok", "Networks can stand on a link, on a VLAN, or on none.")
    return Finding(
        "macvlan",
        "note",
        f"This kernel has no {' and no '.join(missing)}; `network create --driver macvlan` says so "
        "where it needs that.",
        f"sudo modprobe -a {' '.join(missing)}; the lab VM has them.",
    )


def shaping(host: Host) -> Finding:
    """Can a link be made slow (tbf) and bad (netem)?

    Source: tc(8), tc-tbf(8), tc-netem(8).
    """
    program = host.program("tc")
    if not program:
        seen = "There is no tc, with which links are made slow."
        return Finding("shaping", "warn", seen, "sudo apt-get install iproute2")
    if not _may_try(host):
        return Finding("shaping", "note", "tc is there; shaping a link needs root.")
    missing = []
    for name, options in _SHAPERS.items():
        trial = [program, "qdisc", "add", "dev", "lo", "root", name, *options.split()]
        if host.run(["unshare", "--net", *trial], None).code != 0:
            missing.append(name)
    if not missing:
        return Finding("shaping", "ok", "Links can be made slow (tbf) and bad (netem).")
    modules = " ".join(f"sch_{name}" for name in missing)
    return Finding(
        "shaping",
        "warn" if "tbf" in missing else "note",
        f"This kernel does not shape with {' and '.join(missing)}; cells that do say so.",
        f"sudo modprobe -a {modules} (Ubuntu: in linux-modules-extra); the lab VM has them.",
    )


def forwarding(host: Host) -> Finding:
    """Will packets of containers pass to the world?

    Source: `Documentation/networking/ip-sysctl.rst`, ip_forward; nft(8).
    """
    closed = _closed_chains(host)
    if closed:
        opened = "; ".join(f"chain {chain} {{ policy accept; }}" for chain in closed)
        return Finding(
            "forwarding",
            "warn",
            f"Another firewall drops what is forwarded (policy of {', '.join(closed)}), so "
            "containers may not reach beyond this host. Docker and ufw do this.",
            f"Until the next boot, for this whole host: sudo nft '{opened}'",
        )
    if host.read("/proc/sys/net/ipv4/ip_forward") == "1":
        return Finding("forwarding", "ok", "IPv4 packets are forwarded.")
    return Finding(
        "forwarding",
        "note",
        "IPv4 forwarding is off; kernelbox turns it on while it has a bridge.",
        "Nothing to do: `kernelbox reset` puts it back.",
    )


def _closed_chains(host: Host) -> list[str]:
    """Return the chains of others, as `family table chain`, that drop forwarded packets."""
    program = host.program("nft")
    if not program or not _may_try(host):
        return []
    answer = host.run([program, "--json", "list", "chains"], None)
    rows = json.loads(answer.output)["nftables"] if answer.code == 0 else []
    chains = [row["chain"] for row in rows if "chain" in row]
    return [
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in chains
        if chain.get("hook") == "forward"
        and chain.get("policy") == "drop"
        and not chain["table"].startswith("kernelbox")
    ]


def _may_try(host: Host) -> bool:
    return host.capable("NET_ADMIN", "SYS_ADMIN")


def port(host: Host, number: int = JUPYTER_PORT) -> Finding:
    """Is JupyterLab's usual port free on the loopback address?"""
    try:
        socket.create_server(("127.0.0.1", number)).close()
    except OSError as refusal:
        return Finding(
            "port",
            "note",
            f"127.0.0.1:{number} cannot be listened on: {refusal.strerror}.",
            "JupyterLab takes another port and prints it. See who has this one: "
            f"ss -ltnp 'sport = :{number}'",
        )
    return Finding("port", "ok", f"127.0.0.1:{number} is free for JupyterLab.")
