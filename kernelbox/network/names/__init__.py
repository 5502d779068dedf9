"""The name server of a network that somebody made: containers by name, all else passed on.

    upstream.py    the host's own name servers, and asking them
    book.py        who may be called what by whom
    inside.py      sockets in containers, where their network has no bridge
    answers.py     one packet in, one packet out
    server.py      the process: its sockets, without privilege
    keeper.py      started, found again and ended, from outside

It listens at the gateway's address, where every container of the network can reach it. Docker's is
at 127.0.0.11 in each container instead, behind rules in each container's own network namespace:
that hides it from a firewall of the host's, and from whoever looks. Here the questions are packets
on the bridge like all others, one socket serves every container, and a container that has
CAP_NET_ADMIN can break its own network only. What it costs: a program that has taken port 53 of
every address of the host is in the way (`keeper` names it), and so is a firewall that lets nothing
in from a bridge.

A network without a bridge has no such address: there it is as with Docker, see `inside`.

The default bridge has none: there, as with Docker, containers find each other by address alone.

Source: RFC 1035; Docker, "Networking overview", "DNS services".
"""
