"""Answers to the exercises of mounts.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

VIEW = """
vault.mount("/mnt/data", "/mnt/view", None, "{how}")
{more}
"""


GHOST = """
attic.shell("touch /mnt/ghost")
one = box.hold()
one.unshare("uts")
{more}
"""


HOLDERS = """
found = set()
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        text = Path(f"/proc/{{pid}}/mountinfo").read_text()
    except OSError:
        continue
    if {condition}:
        found.add({what})
return found
"""


ANSWERS = {
    "truly-read-only": Answers(
        right={
            "one bind for each": """
                for place in ("", "/deep"):
                    vault.mount(f"/mnt/data{place}", f"/mnt/view{place}", None, "bind")
                for place in ("/deep", ""):
                    vault.mount(None, f"/mnt/view{place}", None, "remount,bind,ro")
                """,
            "by mount(8)": """
                vault.shell("mount --rbind /mnt/data /mnt/view")
                vault.shell("mount -o remount,bind,ro /mnt/view/deep")
                vault.shell("mount -o remount,bind,ro /mnt/view")
                """,
            "all at once": """
                vault.mount("/mnt/data", "/mnt/view", None, "rbind")
                vault.python(
                    "tree = os.open('/mnt/view', os.O_PATH)\\n"
                    "mounts.mount_setattr(tree, attributes=flags.MOUNT_ATTR_RDONLY)"
                )
                """,
        },
        wrong={
            "in one request": Wrong(
                VIEW.format(how="rbind,ro", more=""), "the check has written to /mnt/view"
            ),
            "the upper mount alone": Wrong(
                VIEW.format(
                    how="rbind", more="vault.mount(None, '/mnt/view', None, 'remount,bind,ro')"
                ),
                "the check has written to /mnt/view/deep",
            ),
            "not recursive": Wrong(
                VIEW.format(
                    how="bind", more="vault.mount(None, '/mnt/view', None, 'remount,bind,ro')"
                ),
                "nothing is mounted on /mnt/view/deep",
            ),
            "the file system itself": Wrong(
                VIEW.format(
                    how="rbind",
                    more="vault.mount(None, '/mnt/view', None, 'remount,ro')\n"
                    "vault.mount(None, '/mnt/view/deep', None, 'remount,ro')",
                ),
                "nobody can write to /mnt/data any more",
            ),
            "in the wrong order": Wrong(
                VIEW.format(
                    how="rbind",
                    more="vault.mount(None, '/mnt/view', None, 'remount,bind,ro')\n"
                    "vault.mount('/mnt/data/deep', '/mnt/view/deep', None, 'bind')",
                ),
                "the check has written to /mnt/view/deep",
            ),
            "the originals": Wrong(
                VIEW.format(
                    how="rbind",
                    more="vault.mount(None, '/mnt/data', None, 'remount,bind,ro')\n"
                    "vault.mount(None, '/mnt/data/deep', None, 'remount,bind,ro')",
                ),
                "nobody can write to /mnt/data any more",
            ),
            "by permissions": Wrong(
                VIEW.format(how="rbind", more="vault.shell('chmod 555 /mnt/view /mnt/view/deep')"),
                "the check has written to /mnt/view",
            ),
            "a part of it": Wrong(
                "vault.mkdir('/mnt/data/part'), vault.mkdir('/mnt/data/part/deep')\n"
                "vault.mount('/mnt/data/part', '/mnt/view', None, 'bind')\n"
                "vault.mount('/mnt/data/deep', '/mnt/view/deep', None, 'bind')\n"
                "vault.mount(None, '/mnt/view', None, 'remount,bind,ro')\n"
                "vault.mount(None, '/mnt/view/deep', None, 'remount,bind,ro')",
                "what is mounted on /mnt/view is not what is on /mnt/data",
            ),
            "a vault without its data": Wrong(
                "vault.umount('/mnt/data', lazy=True)\n"
                "vault.mount('mine', '/mnt/data', 'tmpfs')\n" + VIEW.format(how="rbind", more=""),
                "`vault` has lost its mount on /mnt/data",
            ),
            "something else": Wrong(
                "vault.mount('mine', '/mnt/view', 'tmpfs', 'ro')", "is not what is on /mnt/data"
            ),
        },
        nothing="nothing is mounted on /mnt/view",
        needs=("open", "worlds"),
        again=("vault",),
    ),
    "ghost": Answers(
        right={
            "by unshare(1)": """
                attic.shell(
                    "touch /mnt/ghost; "
                    "unshare --uts=/mnt/ghost sh -c 'echo ghost > /proc/sys/kernel/hostname'"
                )
                """,
            "a child of the attic": """
                attic.shell("touch /mnt/ghost")
                child = attic.fork()
                child.unshare("uts")
                child.sethostname("ghost")
                attic.mount(f"/proc/{child.pid}/ns/uts", "/mnt/ghost", None, "bind")
                child.end()
                """,
        },
        wrong={
            "a thread is still in it": Wrong(
                """
                attic.shell("touch /mnt/ghost")
                one = box.hold()
                one.python(
                    "import socket, threading\\n"
                    "ready = threading.Event()\\n"
                    "def stay():\\n"
                    "    syscalls.unshare(flags.CLONE_NEWUTS)\\n"
                    "    socket.sethostname('ghost')\\n"
                    "    ready.set()\\n"
                    "    threading.Event().wait()\\n"
                    "thread = threading.Thread(target=stay, daemon=True)\\n"
                    "thread.start(), ready.wait()"
                )
                task = one.evaluate("thread.native_id")
                attic.mount(f"/proc/{one.pid}/task/{task}/ns/uts", "/mnt/ghost", None, "bind")
                """,
                "processes that are still in it: 1",
            ),
            "still inhabited": Wrong(
                GHOST.format(
                    more="one.sethostname('ghost')\n"
                    "attic.mount(f'/proc/{one.pid}/ns/uts', '/mnt/ghost', None, 'bind')"
                ),
                "processes that are still in it: 1",
            ),
            "the attic's own": Wrong(
                GHOST.format(more="attic.mount('/proc/self/ns/uts', '/mnt/ghost', None, 'bind')"),
                "the host's own UTS namespace",
            ),
            "without a name": Wrong(
                GHOST.format(
                    more="attic.mount(f'/proc/{one.pid}/ns/uts', '/mnt/ghost', None, 'bind')\n"
                    "one.end()"
                ),
                "the hostname in it is",
            ),
            "ended too early": Wrong(
                GHOST.format(
                    more="one.sethostname('ghost')\npid = one.pid\none.end()\n"
                    "attic.mount(f'/proc/{pid}/ns/uts', '/mnt/ghost', None, 'bind')"
                ),
                "nothing is mounted on /mnt/ghost",
            ),
            "a link to it": Wrong(
                """
                one = box.hold()
                one.unshare("uts")
                one.sethostname("ghost")
                attic.shell(f"ln -s /proc/{one.pid}/ns/uts /mnt/ghost")
                """,
                "nothing is mounted on /mnt/ghost",
            ),
            "the attic itself in it": Wrong(
                """
                attic.shell("touch /mnt/ghost")
                attic.unshare("uts")
                attic.sethostname("ghost")
                attic.mount("/proc/self/ns/uts", "/mnt/ghost", None, "bind")
                """,
                "processes that are still in it: 1",
            ),
            "another attic": Wrong(
                "attic = world('attic')\n"
                + GHOST.format(
                    more="one.sethostname('ghost')\n"
                    "attic.mount(f'/proc/{one.pid}/ns/uts', '/mnt/ghost', None, 'bind')\n"
                    "one.end()"
                ),
                "`attic` is <a process under remote control> now",
            ),
            "another kind": Wrong(
                GHOST.format(
                    more="one.sethostname('ghost')\n"
                    "attic.mount(f'/proc/{one.pid}/ns/net', '/mnt/ghost', None, 'bind')\n"
                    "one.end()"
                ),
                "what is mounted on /mnt/ghost is net",
            ),
        },
        nothing="nothing is mounted on /mnt/ghost",
        needs=("open", "worlds"),
        again=("attic",),
    ),
    "who-holds-it": Answers(
        setup="from pathlib import Path",
        right={
            "a list": """
                found = []
                for file in Path("/proc").glob("[0-9]*/mountinfo"):
                    try:
                        if f" {device} " in file.read_text():
                            found.append(int(file.parent.name))
                    except OSError:
                        pass
                return found
                """,
            "a generator": """
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    try:
                        mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
                    except OSError:
                        continue
                    if device in [line.split()[2] for line in mounts]:
                        yield int(pid)
                """,
        },
        wrong={
            "the host's alone": Wrong(
                "return {os.getpid()} if device in Path('/proc/self/mountinfo').read_text()"
                " else set()",
                " holders are missing",
            ),
            "as texts": Wrong(
                HOLDERS.format(
                    condition="any(line.split()[2] == device for line in text.splitlines())",
                    what="pid",
                ),
                "is among yours, and no whole number",
            ),
            "everybody with a tmpfs there": Wrong(
                HOLDERS.format(condition="' / ' in text", what="int(pid)"),
                "of yours do not have it mounted",
            ),
            "a number that begins so": Wrong(
                HOLDERS.format(condition="f' {device}' in text", what="int(pid)"),
                "of yours do not have it mounted",
            ),
            "anywhere in the text": Wrong(
                HOLDERS.format(condition="device in text", what="int(pid)"),
                "of yours do not have it mounted",
            ),
            "those that have it below /mnt": Wrong(
                HOLDERS.format(
                    condition="any(line.split()[2] == device and '/mnt/' in line"
                    " for line in text.splitlines()) or '/mnt ' in text",
                    what="int(pid)",
                ),
                "of yours do not have it mounted",
            ),
            "one a namespace": Wrong(
                HOLDERS.format(
                    condition="any(line.split()[2] == device for line in text.splitlines()) and "
                    "text not in [Path(f'/proc/{one}/mountinfo').read_text() for one in found]",
                    what="int(pid)",
                ),
                " holders are missing",
            ),
        },
        nothing="None, and no set of PIDs",
    ),
}
