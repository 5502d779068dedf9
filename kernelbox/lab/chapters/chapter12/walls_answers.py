"""Answers to the exercises of walls.py and shaped.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

TWO = """
yard, cellar = box.make_network("yard"), box.make_network("cellar"{cellar})
front = box.start("busybox", "sleep 1000", network="{front}")
back = box.start("busybox", "sleep 1000", network="{back}")
"""
WEB = """
page = box.start("busybox", "httpd -f -h /etc{inside}", {network}publish=[f"{port}"])
"""
SHAPED = """
slow = box.start("busybox", "sleep 1000", network_rate=f"{rate}")
"""
BY_HAND = """
slow = box.start("busybox", "sleep 1000")
inside, host = box.hold(), box.hold()
inside.setns(slow.pid, "net")
"""
BUCKET = "tc qdisc add dev {link} root tbf rate {{rate}}mbit burst 20kb latency 50ms"
TREE = (
    "tc qdisc add dev {link} root handle 1: htb default 1 && tc class add dev {link} parent 1: "
    "classid 1:1 htb rate {{rate}}mbit burst 10kb"
)


def _both(command: str) -> str:
    return BY_HAND + (
        f'inside.shell(f"{command.format(link="eth0")}")\n'
        f'host.shell(f"{command.format(link="veth{slow.id[:7]}")}")\n'
    )


ANSWERS = {
    "two-legs": Answers(
        right={
            "the inner one first": TWO.format(
                cellar=", internal=True", front="cellar", back="cellar"
            )
            + "yard.connect(front)\n",
            "from the default bridge": """
                cellar = box.make_network("cellar", internal=True)
                front, back = (box.start("busybox", "sleep 1000") for _ in range(2))
                for one in (front, back):
                    cellar.connect(one)
                box.kernelbox(f"network disconnect bridge {back.id}")
                """,
            "three networks": TWO.format(cellar=", internal=True", front="yard", back="cellar")
            + "cellar.connect(front)\n"
            "box.make_network('attic', internal=True).connect(back)\n",
        },
        wrong={
            "one network": Wrong(
                TWO.format(cellar="", front="yard", back="yard"),
                "back reaches the machine next door",
            ),
            "one, and internal": Wrong(
                TWO.format(cellar=", internal=True", front="cellar", back="cellar"),
                "front does not reach the machine next door",
            ),
            "apart": Wrong(
                TWO.format(cellar=", internal=True", front="yard", back="cellar"),
                "back does not answer front",
            ),
            "none is internal": Wrong(
                TWO.format(cellar="", front="yard", back="cellar") + "cellar.connect(front)\n",
                "back reaches the machine next door",
            ),
            "the wrong one on two legs": Wrong(
                TWO.format(cellar=", internal=True", front="yard", back="cellar")
                + "yard.connect(back)\n",
                "back reaches the machine next door",
            ),
            "back without a network": Wrong(
                """
                front = box.start("busybox", "sleep 1000")
                back = box.start("busybox", "sleep 1000", network="none")
                """,
                "back has no address",
            ),
            "front on the host's": Wrong(
                """
                box.make_network("cellar", internal=True)
                back = box.start("busybox", "sleep 1000", network="cellar")
                front = box.start("busybox", "sleep 1000", network="host")
                """,
                "front is on the host's network",
            ),
            "a pod": Wrong(
                """
                back = box.start("busybox", "sleep 1000")
                front = box.start("busybox", "sleep 1000", network=f"container:{back.id}")
                """,
                "back reaches the machine next door",
            ),
            "no icc": Wrong(
                """
                box.make_network("yard", options=("icc=false",))
                front, back = (box.start("busybox", "sleep 1000", network="yard") for _ in "ab")
                """,
                "back does not answer front",
            ),
        },
        nothing="front is None",
    ),
    "only-here": Answers(
        again=("port",),
        right={
            "another port inside": WEB.format(
                inside=" -p 8080", network="", port="127.0.0.1:{port}:8080"
            ),
            "on a network of its own": "box.make_network('yard')\n"
            + WEB.format(inside="", network="network='yard', ", port="127.0.0.1:{port}:80"),
            "two ports": """
                page = box.start(
                    "busybox",
                    "httpd -f -h /etc -p 81",
                    publish=[f"127.0.0.1:{port}-{port + 1}:81-82/tcp"],
                )
                """,
        },
        wrong={
            "everywhere": Wrong(
                WEB.format(inside="", network="", port="{port}:80"),
                "the machine next door gets the page at",
            ),
            "elsewhere everywhere": Wrong(
                """
                ports = [f"127.0.0.1:{port}:80", f"{port + 1}:80"]
                page = box.start("busybox", "httpd -f -h /etc", publish=ports)
                """,
                "the machine next door gets the page at",
            ),
            "not published": Wrong(
                "page = box.start('busybox', 'httpd -f -h /etc')",
                "at port",
            ),
            "exposed, and on its own address": Wrong(
                "page = box.start('busybox', f'httpd -f -h /etc -p {port}')",
                "and nobody answers",
            ),
            "on the inner loopback": Wrong(
                WEB.format(inside=" -p 127.0.0.1:80", network="", port="127.0.0.1:{port}:80"),
                "and nobody answers",
            ),
            "the numbers exchanged": Wrong(
                WEB.format(inside="", network="", port="127.0.0.1:8{port % 1000:03}:{port}"),
                "and nobody answers",
            ),
            "at the bridge's address": Wrong(
                "yard = box.make_network('yard')\n"
                + WEB.format(
                    inside="", network="network='yard', ", port="{yard.gateway}:{port}:80"
                ),
                "and nobody answers",
            ),
            "on the host's network": Wrong(
                "page = box.start('busybox', f'httpd -f -h /etc -p {port}', network='host')",
                "page is on the host's network",
            ),
            "no server": Wrong(
                WEB.format(inside="", network="", port="127.0.0.1:{port}:80").replace(
                    "httpd -f -h /etc", "sleep 1000"
                ),
                "nobody in page listens",
            ),
            "somebody else's": Wrong(
                "other = box.start('busybox', 'httpd -f -h /etc', "
                "publish=[f'127.0.0.1:{port}:80'])\n"
                "page = box.start('busybox', 'httpd -f -h /etc')",
                "is not page",
            ),
        },
        nothing="page is None",
    ),
    "narrow": Answers(
        again=("rate",),
        right={
            "in kilobits": SHAPED.format(rate="{rate * 1000}kbit"),
            "a bucket at both ends": _both(BUCKET),
            "a tree at both ends": _both(TREE),
        },
        wrong={
            "in bytes": Wrong(SHAPED.format(rate="{rate}mbps"), "slow sends"),
            "not at all": Wrong("slow = box.start('busybox', 'sleep 1000')", "slow sends"),
            "half of it": Wrong(SHAPED.format(rate="{rate * 500}kbit"), "slow sends"),
            "a tenth of it": Wrong(SHAPED.format(rate="{rate * 100}kbit"), "slow sends"),
            "a quota of CPU time": Wrong(
                "slow = box.start('busybox', 'sleep 1000', cpus=0.1)", "slow sends"
            ),
            "what it sends alone": Wrong(
                BY_HAND + f'inside.shell(f"{BUCKET.format(link="eth0")}")\n', "slow receives"
            ),
            "what it receives alone": Wrong(
                BY_HAND + f'host.shell(f"{BUCKET.format(link="veth{slow.id[:7]}")}")\n',
                "slow sends",
            ),
            "a fifth more": Wrong(SHAPED.format(rate="{rate * 1200}kbit"), "slow sends"),
            "without a network": Wrong(
                "slow = box.start('busybox', 'sleep 1000', network='none')",
                "no address but that of its loopback",
            ),
        },
        nothing="slow is None",
    ),
}
