"""The questions at the end of chapter 11."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "In a container with `--network none`, `ping 127.0.0.1` is answered. Why?",
        wrong("it is the loopback of the host, which every process shares",
              "Each network namespace has its own `lo`, with its own 127.0.0.1 (section 1)."),
        right("its namespace has an `lo` of its own, and it was set up",
              "The kernel makes it with the namespace, down. The runtime has set it up."),
        wrong("the kernel answers such pings without any interface",
              "Without `lo` up the ping was not even sent (section 1)."),
    ),
    question(
        "You carry one end of a cable to another namespace. What does it keep?",
        right("its name, its MAC address and its other end",
              "The cable stays a cable. What it had from this namespace stays behind."),
        wrong("its IP addresses, and with them the routes",
              "These belong to the namespace: they are gone, and the link is down (section 2)."),
        wrong("nothing at all: it is deleted, and made anew there",
              "Its peer would be gone as well then."),
    ),
    question(
        "Two containers on one bridge talk to each other. Who takes one off the TTL?",
        wrong("the bridge does, like every hop on the way",
              "It looks at MAC addresses only, and leaves the packet as it is (section 3)."),
        wrong("the host, since it is their gateway",
              "A gateway is asked for other networks. They are on one."),
        right("nobody does: no router is on their way",
              "A TTL counts routers."),
    ),
    question(
        "A container's packets reach a server on the internet, but no answer comes. Likely?",
        wrong("the default route is missing in the container",
              "Then nothing would have been sent."),
        right("nobody has replaced their private address",
              "The server answers to an address that nobody there has a route to (section 4)."),
        wrong("the veth on the host has no IP address",
              "A port of a bridge needs none."),
    ),
    question(
        "`EXPOSE 80` stands in a Dockerfile. What can be called from outside?",
        wrong("port 80 of each of the host's own addresses",
              "No rule is made for it. `-p 80:80` would do that."),
        wrong("a port that was chosen by the runtime",
              "Only with `-P`, which reads what EXPOSE has noted."),
        right("nothing yet: it is a note in the image",
              "It says what the program listens on. `-P` and people read it (section 7)."),
    ),
    question(
        "`ufw deny 8080` (a rule on INPUT), and `-p 8080:80` is still open. Why?",
        right("its packets are forwarded, and never meet INPUT",
              "Their destination is another one before it is decided whose they are (section 6)."),
        wrong("Docker deletes the rules of ufw when it starts",
              "They are all there. These packets do not come by."),
        wrong("ufw only filters what comes from another host",
              "It filters what is for this host, wherever it comes from."),
    ),
)  # fmt: skip
