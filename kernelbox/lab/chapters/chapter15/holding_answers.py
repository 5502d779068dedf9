"""Answers to the exercises of holding.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

LACKING = """
lines = dict(line.split(":", 1) for line in open(f"/proc/{{pid}}/status"))
status = {{name: value.split() for name, value in lines.items()}}
default = 0xA80425FB
found = set()
if {filter}:
    found.add("filter")
if {new}:
    found.add("no new privileges")
if {user}:
    found.add("user namespace")
if {capabilities}:
    found.add("capabilities")
return found
"""
RIGHT = {
    "filter": "status['Seccomp'] != ['2']",
    "new": "status['NoNewPrivs'] == ['0']",
    "user": "open(f'/proc/{pid}/uid_map').read().split() == ['0', '0', '4294967295']",
    "capabilities": "int(status['CapBnd'][0], 16) & ~default",
}


def lacking(**other: str) -> str:
    """Return the function with some tests exchanged."""
    return LACKING.format(**{**RIGHT, **other})


HELD = """
options = {{
    "cap_drop": [{dropped}],
    "pids_limit": {pids},
    "read_only": {sealed},
    **{more},
}}
"""
LOCKS = """
found = {{}}
for attack in next(iter(grid.values())):
    stopping = [defence for defence in grid if {stops}]
    if {kept}:
        found[attack] = {said}
return found
"""
STOPS = "not grid[defence][attack]"


def locks(stops: str = STOPS, kept: str = "len(stopping) == 1", said: str = "stopping[0]") -> str:
    """Return the function with a part exchanged."""
    return LOCKS.format(stops=stops, kept=kept, said=said)


def held(
    dropped: str = "'NET_RAW'", pids: str = "60", sealed: str = "True", more: str = "{}"
) -> str:
    """Return options with some exchanged."""
    return HELD.format(dropped=dropped, pids=pids, sealed=sealed, more=more)


ANSWERS = {
    "hold-it": Answers(
        right={
            "just enough": held(),
            "with nothing left": held(
                "'ALL'", "40", more="{'security_opt': ['no-new-privileges']}"
            ),
            "as a user": held(more="{'user': '1000'}"),
            "nobody outside": held(more="{'userns': 'auto', 'memory': '128m'}"),
        },
        wrong={
            "as it comes": Wrong("options = {}", "a fork bomb, raw packets, set-user-ID"),
            "no number": Wrong(held(pids="None"), "got through: a fork bomb"),
            "a large number": Wrong(held(pids="1000"), "got through: a fork bomb"),
            "too small a number": Wrong(held(pids="6"), "the service does not work"),
            "any packets": Wrong(held(dropped="'SETUID'"), "got through: raw packets"),
            "to be written to": Wrong(held(sealed="False"), "a changed program"),
            "no filter": Wrong(
                held(more="{'security_opt': ['seccomp=unconfined']}"), "a user namespace"
            ),
            "privileged": Wrong(held(more="{'privileged': True}"), "got through: a file by its"),
            "no such option": Wrong(held(more="{'safe': True}"), "no container runs with these"),
        },
        nothing="options is None",
    ),
    "what-it-lacks": Answers(
        right={
            "by the bits": lacking(),
            "by names": lacking(
                capabilities="set(capabilities.names(int(status['CapBnd'][0], 16)))"
                " - set(capabilities.DEFAULT)"
            ).replace("lines =", "from kernelbox.users import capabilities\nlines =", 1),
            "as a list": lacking(filter="int(status['Seccomp'][0]) < 2").replace(
                "return found", "return sorted(found)"
            ),
        },
        wrong={
            "the effective ones": Wrong(
                lacking(capabilities="int(status['CapEff'][0], 16) & ~default"),
                "your function says",
            ),
            "any capability": Wrong(
                lacking(capabilities="int(status['CapBnd'][0], 16)"), "your function says"
            ),
            "other than Docker's": Wrong(
                lacking(capabilities="int(status['CapBnd'][0], 16) != default"),
                "your function says",
            ),
            "more of them": Wrong(
                lacking(capabilities="int(status['CapBnd'][0], 16).bit_count() > 14"),
                "your function says",
            ),
            "a larger number": Wrong(
                lacking(capabilities="int(status['CapBnd'][0], 16) > default"),
                "your function says",
            ),
            "a filter is a lack": Wrong(
                lacking(filter="status['Seccomp'] == ['2']"), "your function says"
            ),
            "new privileges": Wrong(
                lacking(new="status['NoNewPrivs'] == ['1']"), "your function says"
            ),
            "who has a filter gains none": Wrong(
                lacking(new="status['Seccomp'] == ['2']"), "your function says"
            ),
            "root is root": Wrong(lacking(user="status['Uid'][0] == '0'"), "your function says"),
            "its own as well": Wrong(
                lacking(user="open(f'/proc/{pid}/uid_map').read().split()[0] == '0'"),
                "your function says",
            ),
            "what it has": Wrong(
                lacking().replace(
                    "return found",
                    "every = {'filter', 'no new privileges', 'user namespace', 'capabilities'}\n"
                    "return every - found",
                ),
                "your function says",
            ),
            "the usual": Wrong("return {'no new privileges', 'user namespace'}", "your function"),
            "a number": Wrong(lacking().replace("return found", "return len(found)"), "says"),
        },
        nothing="your function says None",
    ),
    "one-lock": Answers(
        right={
            "turned round": locks(),
            "counted": """
                found = {}
                for name in list(grid.values())[0]:
                    if sum(not cells[name] for cells in grid.values()) == 1:
                        [found[name]] = [one for one, cells in grid.items() if not cells[name]]
                return found
                """,
            "with a memory": """
                first, several = {}, set()
                for defence, cells in grid.items():
                    for name, through in cells.items():
                        if not through:
                            if name in first:
                                several.add(name)
                            first.setdefault(name, defence)
                return {name: one for name, one in first.items() if name not in several}
                """,
        },
        wrong={
            "any lock": Wrong(locks(kept="stopping"), "your function says"),
            "the last": Wrong(locks(kept="stopping", said="stopping[-1]"), "your function says"),
            "the only hole": Wrong(locks(stops="grid[defence][attack]"), "your function says"),
            "a list": Wrong(locks(said="stopping"), "your function says"),
            "how many": Wrong(locks(said="len(stopping)"), "your function says"),
            "none, too": Wrong(
                locks(kept="len(stopping) < 2", said="(stopping or [None])[0]"),
                "your function says",
            ),
            "the attacks alone": Wrong(
                locks().replace("return found", "return sorted(found)"), "your function says"
            ),
            "the other way round": Wrong(
                locks().replace("return found", "return {b: a for a, b in found.items()}"),
                "your function says",
            ),
        },
        nothing="your function says None",
    ),
}
