"""Answers to the exercises of demands.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

MOUNT = """
order.config["mounts"].append(
    {{"destination": {place}, "type": "tmpfs", "source": "tmpfs", "options": [{options}]}}
)
"""
LIMIT = "order.config['linux']['resources'] = {'pids': {'limit': most}}\n"
BOTH = MOUNT.format(place="place", options='"noexec", f"size={size}m"') + LIMIT

SHELL = '[{{"path": "/bin/sh", "args": ["sh", "-c", {script}]}}]'
GREP = """f'grep -q "\\\\"{label}\\\\":"'"""


def hook(kind: str, script: str) -> str:
    """Return an answer with one hook, a shell script."""
    return f'hooks = {{"{kind}": {SHELL.format(script=script)}}}'


ANSWERS = {
    "demanded": Answers(
        again=("order",),
        right={
            "in bytes, and more careful": MOUNT.format(
                place="place",
                options='"nosuid", "nodev", "noexec", "mode=700", f"size={size << 20}"',
            )
            + LIMIT,
            "a new config": """
                config = json.loads(json.dumps(order.config))
                options = [f"size={size * 1024}k", "noexec"]
                mount = {"destination": place, "type": "tmpfs", "source": "x", "options": options}
                config["mounts"] = [*config["mounts"], mount]
                config["linux"].setdefault("resources", {}).update(pids={"limit": most})
                order.config = config
                """,
            "another one's place": """
                mount = order.config["mounts"][-1]
                mount.update(destination=place, options=["noexec", f"size={size}m"])
                order.config["linux"]["resources"] = {"pids": {"limit": most}}
                """,
        },
        wrong={
            "programs run there": Wrong(
                MOUNT.format(place="place", options='f"size={size}m"') + LIMIT,
                "programs can be executed",
            ),
            "as large as it likes": Wrong(
                MOUNT.format(place="place", options='"noexec"') + LIMIT, "the size of the tmpfs is"
            ),
            "bytes for MiB": Wrong(
                MOUNT.format(place="place", options='"noexec", f"size={size}"') + LIMIT,
                "the size of the tmpfs is",
            ),
            "covered": Wrong(
                BOTH
                + """
order.config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
""",
                "is covered by another mount",
            ),
            "below it": Wrong(
                MOUNT.format(place="place + '/below'", options='"noexec", f"size={size}m"') + LIMIT,
                "nothing is mounted on",
            ),
            "no limit": Wrong(
                MOUNT.format(place="place", options='"noexec", f"size={size}m"'),
                "pids.max of its control group is",
            ),
            "a limit of the user's": Wrong(
                MOUNT.format(place="place", options='"noexec", f"size={size}m"')
                + """
order.config["process"]["rlimits"] = [{"type": "RLIMIT_NPROC", "soft": most, "hard": most}]
""",
                "pids.max of its control group is",
            ),
            "a limit where none is looked for": Wrong(
                MOUNT.format(place="place", options='"noexec", f"size={size}m"')
                + "order.config['linux']['pids'] = {'limit': most}",
                "pids.max of its control group is",
            ),
            "a directory of the host's": Wrong(
                LIMIT
                + """
order.config["mounts"].append(
    {"destination": place, "type": "bind", "source": "/var", "options": ["bind", "noexec"]}
)
""",
                "there is a file system of type",
            ),
            "a text for a number": Wrong(
                BOTH + "order.config['linux']['resources']['pids']['limit'] = str(most)",
                "the runtime refuses the bundle",
            ),
        },
        nothing="nothing is mounted on",
    ),
    "refusing": Answers(
        again=("label",),
        right={
            "a word in the text": hook("createRuntime", GREP),
            "from inside": hook("createContainer", GREP),
            "as in the old days": hook("prestart", GREP),
        },
        wrong={
            "too late": Wrong(hook("poststart", GREP), "it was created"),
            "at the start": Wrong(
                hook("startContainer", "'cat >/tmp/told; false'"),
                "with the annotation it cannot run",
            ),
            "whoever says the word": Wrong(
                hook("createRuntime", "f'grep -q {label}'"), "it was created"
            ),
            "whoever says it as a value": Wrong(
                hook("createRuntime", """f'grep -q "\\\\"{label}\\\\""'"""), "it was created"
            ),
            "nobody": Wrong(hook("createRuntime", "'exit 1'"), "with the annotation it cannot run"),
            "everybody": Wrong(hook("createRuntime", "'cat'"), "it was created"),
            "whoever comes first": Wrong(
                "import tempfile\n"
                "place = tempfile.mkdtemp(prefix='kernelbox-check-', dir='/dev/shm')\n"
                + hook("createRuntime", "f'rmdir {place}'"),
                "with the annotation it cannot run",
            ),
            "whoever has a note": Wrong(
                hook("createRuntime", """'grep -q "\\\\"note\\\\":"'"""), "it was created"
            ),
            "its environment": Wrong(
                hook("createRuntime", "f'env | grep -q {label}'"),
                "with the annotation it cannot run",
            ),
            "no such program": Wrong(
                "hooks = {'createRuntime': [{'path': '/nonesuch'}]}",
                "with the annotation it cannot run",
            ),
            "complains, and agrees": Wrong(
                hook("createRuntime", GREP + " + ' || echo refused >&2'"), "it was created"
            ),
            "a list": Wrong("hooks = ['createRuntime']", "hooks is ['createRuntime']"),
        },
        nothing="hooks is None",
    ),
}
