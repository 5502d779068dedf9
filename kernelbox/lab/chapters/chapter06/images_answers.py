"""Answers to the exercises of images.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

GROWN = """
late = box.start("chapter06/app", "sleep 1000", network="none")
late.exec(["sh", "-c", "{late}"])
commit(late, "grown")
early = box.start("{image}", "sleep 1000", network="none")
early.exec(["sh", "-c", {early}])
commit(early, "lean")
"""


ANSWERS = {
    "two-ways": Answers(
        right={
            "moved before it is removed": GROWN.format(
                late="cd /srv; mv cache gone; rm -r gone",
                image="busybox",
                early="BUILD + 'cd /srv; rm -r cache'",
            ),
            "the tool alone": GROWN.format(
                late="rm -r /srv/cache",
                image="busybox",
                early=repr("mkdir /srv; echo 'echo it works' > /srv/tool"),
            ),
        },
        wrong={
            "the cache elsewhere": Wrong(
                GROWN.format(
                    late="mv /srv/cache /var/cache",
                    image="busybox",
                    early="BUILD + 'rm -r /srv/cache'",
                ),
                "chapter06/grown shows ",
            ),
            "another app": Wrong(
                GROWN.format(
                    late="rm -r /srv/cache", image="busybox", early="BUILD + 'rm -r /srv/cache'"
                )
                + "commit(early, 'app')",
                "chapter06/app is another image now",
            ),
            "both grown": Wrong(
                GROWN.format(
                    late="rm -r /srv/cache", image="chapter06/app", early="'rm -r /srv/cache'"
                ),
                "chapter06/lean has ",
            ),
            "emptied only": Wrong(
                GROWN.format(
                    late=": > /srv/cache/pack", image="busybox", early="BUILD + 'rm -r /srv/cache'"
                ),
                "in /srv of chapter06/grown there is cache/",
            ),
            "both lean": Wrong(
                GROWN.format(late="true", image="busybox", early="BUILD + 'rm -r /srv/cache'")
                + "commit(early, 'grown')",
                "chapter06/grown has ",
            ),
            "grown by something else": Wrong(
                GROWN.format(late="true", image="busybox", early="BUILD + 'rm -r /srv/cache'")
                + "early.exec('dd if=/dev/urandom of=/more bs=1M count=5')\n"
                "commit(early, 'grown')",
                "chapter06/grown shows ",
            ),
            "no tool": Wrong(
                GROWN.format(late="rm -r /srv/cache", image="busybox", early="'mkdir /srv'"),
                "in /srv of chapter06/lean tool is missing",
            ),
            "nothing that runs the tool": Wrong(
                GROWN.format(
                    late="rm -r /srv/cache",
                    image="busybox",
                    early="BUILD + 'rm -r /srv/cache; exec /bin/busybox rm -r /bin'",
                ),
                "in chapter06/lean the tool does not run: ",
            ),
            "with the cache": Wrong(
                GROWN.format(late="rm -r /srv/cache", image="busybox", early="BUILD"),
                "in /srv of chapter06/lean there is cache/",
            ),
        },
        nothing="there is no image chapter06/grown",
        needs=("open", "images"),
        again=("app",),
    ),
}
