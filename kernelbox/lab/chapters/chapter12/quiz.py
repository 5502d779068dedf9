"""The questions at the end of chapter 12."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "Two containers on the default bridge. How do they find each other?",
        wrong("by their names: every bridge has a name server",
              "The default bridge has none. A network that you make has one (section 1)."),
        right("by their addresses: nobody there knows names",
              "`/etc/resolv.conf` names the host's servers, and they have never heard of them."),
        wrong("not at all: the default bridge keeps them apart",
              "They are on one bridge, and pings arrive. It is the name that nobody knows."),
    ),
    question(
        "A name server is asked for the IPv6 address of `db`, which has none. It should say ...",
        right("that the name exists, and has no such record",
              "NOERROR, and empty. Who asks for IPv6 first then goes on with IPv4 (section 2)."),
        wrong("that there is no such name: NXDOMAIN, for short",
              "Then many a program stops there, and never asks for the IPv4 address."),
        wrong("nothing: silence makes the program ask for IPv4",
              "Silence means waiting, seconds for every name, and then often an error."),
    ),
    question(
        "What keeps the containers of two networks on one host apart?",
        wrong("different subnets: no route leads from one to the other",
              "The host is the router of both, and it does forward (section 3)."),
        wrong("different bridges: no frame can leave the one that it is on",
              "Frames cannot. Packets go up to the host, and it would route them."),
        right("a rule of the host's: what comes from elsewhere is dropped",
              "`oifname kernelbox... drop`, in the table of each network, behind what it lets in."),
    ),
    question(
        "A container is on an ordinary network and on an internal one. Its default route leads ...",
        right("to the gateway of the ordinary one, whichever came first",
              "An internal network has no way out, and so offers none (section 3)."),
        wrong("to the gateway of the internal one, as that is the safer",
              "Nothing would get out there: the host drops it."),
        wrong("to both of the gateways in turn, a packet to each",
              "One route is the default one. Two would have to be asked for by hand."),
    ),
    question(
        "`-p 127.0.0.1:8080:80`. Who gets to the container's port 80 by it?",
        wrong("nobody: inside, that address means the container itself",
              "The address is the host's, where the packet comes in, and not the container's."),
        wrong("all who reach this host: an address is only a hint",
              "The rule compares the address, and next door nothing was heard (section 4)."),
        right("programs of this host: nobody else can send to that one",
              "What comes from outside for 127.0.0.0/8, the kernel and a rule of ours drop."),
    ),
    question(
        "A container is to send 10 Mbit/s at most. What does this, with cgroup v2?",
        wrong("`net.max` in its control group: ten million bits",
              "There is no such file: v2 has no controller for the network (section 5)."),
        right("a token bucket at its cable's end, set by tc",
              "A queueing discipline on the veth: the packets wait there for tokens."),
        wrong("a quota of CPU time: who runs less sends less",
              "A few per cent of a processor send gigabits. A quota says nothing about bytes."),
    ),
)  # fmt: skip
