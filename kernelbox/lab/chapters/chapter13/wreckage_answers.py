"""Answers to the exercise of wreckage.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

EACH = """
for name in wreck.names:
    if name != wreck.wanted:
        {act}
"""
BY_HAND = """
for name in set(wreck.names) - {wreck.wanted}:
    left = engine.left(name)
    for pid in left.pids:
        engine.shell(f"kill -9 {pid}")
        until(lambda: not alive(pid))
    for group in left.groups:
        engine.shell(f"rmdir {group}")
    engine.shell(f"rm -r {engine.states / name}")
"""
REMADE = """
engine.create(wreck.wanted)
engine.start(wreck.wanted)
"""

ANSWERS = {
    "wreckage": Answers(
        again=("wreck",),
        setup="from contextlib import suppress",
        right={
            "by hand": BY_HAND,
            "the verbs": """
                for name in wreck.names:
                    if engine.status(name) == "created":
                        engine.kill(name)
                    if name != wreck.wanted:
                        engine("delete", name)
                """,
            "the half-made one twice": EACH.format(
                act='engine("delete", "--force", name); engine("delete", "--force", name)'
            ),
        },
        wrong={
            "only what lets itself": Wrong(
                """
                for name in wreck.names:
                    with suppress(lab.LabError):
                        engine("delete", name)
                """,
                "a process in it",
            ),
            "all of them": Wrong(
                "for name in wreck.names:\n    engine.delete(name)", "which is wanted, is gone"
            ),
            "only the notes": Wrong(
                EACH.format(act='engine.shell(f"rm -r {engine.states / name}")'),
                "there is still: its control group",
            ),
            "only the processes": Wrong(
                EACH.format(
                    act='[engine.shell(f"kill -9 {pid}") for pid in engine.left(name).pids]'
                ),
                "there is still: its control group",
            ),
            "only the groups": Wrong(
                EACH.format(
                    act="""for group in engine.left(name).groups:
            engine.shell(f"rmdir {group} 2>&-")"""
                ),
                "the runtime's directory",
            ),
            "the wanted one anew": Wrong(
                EACH.format(act="engine.delete(name)") + REMADE, "was made anew"
            ),
            "started, the one that waited": Wrong(
                """
                for name in wreck.names:
                    if engine.status(name) == "created":
                        engine.start(name)
                    elif name != wreck.wanted:
                        engine.delete(name)
                """,
                "a process in it",
            ),
            "and the wanted one stands still": Wrong(
                EACH.format(act="engine.delete(name)") + "engine('pause', wreck.wanted)",
                "which is wanted, is paused",
            ),
        },
        nothing="there is still",
    ),
}
