"""Answers to the exercises of powers.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

KNOWN = """
known = {{
    "chown": ["CHOWN"],
    "mknod": ["MKNOD"],
    "chroot": ["SYS_CHROOT"],
    "hostname": ["SYS_ADMIN"],
    "ip link": ["NET_ADMIN"],
    "su ": ["SETUID", "SETGID"],
}}
needed = [one for word, names in known.items() if word in service for one in names]
kept = {kept}
"""


def started(more: str) -> str:
    """Return the start of a container."""
    return f'safe = box.start("busybox", "sleep 1000", {more})'


ANSWERS = {
    "least-power": Answers(
        right={
            "by knowledge": KNOWN.format(kept="needed"),
            "with CAP_, as a set": KNOWN.format(kept="{f'CAP_{one}' for one in needed}"),
            "by the keys of a dict": KNOWN.format(kept="dict.fromkeys(needed).keys()"),
            "in small letters": KNOWN.format(kept="tuple(one.lower() for one in reversed(needed))"),
        },
        wrong={
            "none": Wrong("kept = []", "does not work"),
            "all": Wrong("kept = ['ALL']", "ALL is no capability"),
            "one too few": Wrong(KNOWN.format(kept="needed[1:]"), "does not work"),
            "one too many": Wrong(
                KNOWN.format(kept="[*needed, 'AUDIT_WRITE']"),
                "without AUDIT_WRITE the service works as well",
            ),
            "Docker's": Wrong(
                KNOWN.format(
                    kept="[*needed, 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'NET_RAW']"
                ),
                "the service works as well",
            ),
            "the mightiest": Wrong("kept = ['SYS_ADMIN']", "with these 1"),
            "a number": Wrong("kept = 0xa80425fb", "kept is 2818844155"),
            "a name of one's own": Wrong(
                KNOWN.format(kept="[*needed, 'RENAME']"), "RENAME is no capability"
            ),
        },
        nothing="kept is None",
        again=("service",),
    ),
    "no-new-powers": Answers(
        right={
            "written out": started("security_opt=['no-new-privileges:true']"),
            "and nobody outside": started("security_opt=['no-new-privileges'], userns='auto'"),
            "for a user": started("security_opt=['no-new-privileges'], user='1000'"),
        },
        wrong={
            "as it comes": Wrong(started("network='none'"), "and was root"),
            "no capabilities": Wrong(started("cap_drop=['ALL']"), "and was root"),
            "a user namespace": Wrong(started("userns='auto'"), "and was root"),
            "no root at first": Wrong(started("user='1000'"), "and was root"),
            "a no": Wrong(started("security_opt=['no-new-privileges=false']"), "and was root"),
            "the filter": Wrong(started("security_opt=['seccomp=default']"), "and was root"),
            "not this one": Wrong(
                started("network='none'") + "\nsafe.exec('chmod -R u-s /bin /usr')",
                "and was root",
            ),
            "nothing can be written": Wrong(started("read_only=True"), "cannot write to the root"),
        },
        nothing="safe is None",
    ),
}
