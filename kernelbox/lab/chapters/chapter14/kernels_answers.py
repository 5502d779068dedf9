"""Answers to the exercise of kernels.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

ANSWERS = {
    "whose-kernel": Answers(
        right={
            "a set": "return len({one['boot_id'] for one in told.values()})",
            "one by one": """
                seen = []
                for one in told.values():
                    if one["boot_id"] not in seen:
                        seen.append(one["boot_id"])
                return len(seen)
                """,
        },
        wrong={
            "by the version": Wrong(
                "return len({one['release'] for one in told.values()})", "your function says 1"
            ),
            "by the hostname": Wrong(
                "return len({one['hostname'] for one in told.values()})", "your function says"
            ),
            "each its own": Wrong("return len(told)", "your function says"),
            "by the age": Wrong(
                "return len({round(one['uptime'], -3) for one in told.values()})",
                "your function says",
            ),
            "the version and the name": Wrong(
                "return len({(one['release'], one['hostname']) for one in told.values()})",
                "your function says",
            ),
            "always one": Wrong("return 1", "your function says 1"),
            "their identifiers": Wrong(
                "return {one['boot_id'] for one in told.values()}", "your function says {"
            ),
        },
        nothing="your function says None",
    ),
}
