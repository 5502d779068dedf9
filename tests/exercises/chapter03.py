"""Wrong solutions to the exercises of chapter 03."""

from __future__ import annotations

from tests.exercises import Trial, Wrong

LODGER = """
lodger = landlord.fork()
lodger.unshare("mount")
{more}
"""

BRANCH = """
branch = landlord.fork()
branch.unshare("mount")
{more}
"""

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

HEARS = """
def tied(text, words):
    found = {{}}
    for line in text.splitlines():
        fields = line.split()
        for field in {optional}:
            word, _, group = field.partition(":")
            if word in words:
                found[fields[4]] = group
    return found

heard = set(tied(receiver, {hearing}).values())
return {{point for point, group in tied(sender, {telling}).items() if group in heard}}
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

TRIALS = {
    "who-would-hear": Trial(
        {
            "all that are shared": Wrong(
                "return {line.split()[4] for line in sender.splitlines() if ' shared:' in line}",
                "'/mnt/anew'",
            ),
            "members only": Wrong(
                HEARS.format(
                    optional="fields[6 : fields.index('-')]",
                    hearing=("shared",),
                    telling=("shared",),
                ),
                "from one to the other: ['/mnt/shared']",
            ),
            "slaves tell, too": Wrong(
                HEARS.format(
                    optional="fields[6 : fields.index('-')]",
                    hearing=("shared", "master"),
                    telling=("shared", "master"),
                ),
                "from the other to the one: ['/mnt/both'",
            ),
            "the first field only": Wrong(
                HEARS.format(
                    optional="fields[6:7]",
                    hearing=("shared", "master"),
                    telling=("shared",),
                ),
                "from one to the other: ['/mnt/shared', '/mnt/slave']",
            ),
            "nothing yet": Wrong("...", "from one to the other: None"),
        }
    ),
    "no-leak": Trial(
        {
            "unshare alone": Wrong(
                LODGER.format(more="lodger.mount('mine', '/mnt', 'tmpfs')"),
                "these are still tied to the landlord's: / ",
            ),
            "private too late": Wrong(
                LODGER.format(
                    more="lodger.mount('mine', '/mnt', 'tmpfs')\n"
                    "lodger.mount(None, '/', None, 'rprivate')"
                ),
                "the landlord's mountinfo lists a mount on /mnt",
            ),
            "the root alone": Wrong(
                LODGER.format(
                    more="lodger.mount(None, '/', None, 'private')\n"
                    "lodger.mount('mine', '/mnt', 'tmpfs')"
                ),
                "these are still tied to the landlord's: /proc",
            ),
            "slave": Wrong(
                LODGER.format(
                    more="lodger.mount(None, '/', None, 'rslave')\n"
                    "lodger.mount('mine', '/mnt', 'tmpfs')"
                ),
                "these are still tied to the landlord's: / ",
            ),
            "nothing mounted": Wrong(
                LODGER.format(more="lodger.mount(None, '/', None, 'rprivate')"),
                "the lodger has nothing mounted on /mnt",
            ),
            "no namespace": Wrong("lodger = landlord.fork()", "in the landlord's own"),
            "another world": Wrong("lodger = world('lodger')", "the root of lodger is not"),
            "nothing yet": Wrong("pass", "lodger is None"),
        },
        needs=("open", "worlds"),
        again=("landlord",),
    ),
    "one-way": Trial(
        {
            "as it was copied": Wrong(
                BRANCH.format(more=""), "what is mounted in the branch appears in the landlord's"
            ),
            "private": Wrong(
                BRANCH.format(more="branch.mount(None, '/', None, 'rprivate')"),
                "what the landlord mounts does not appear",
            ),
            "slave alone": Wrong(
                BRANCH.format(more="branch.mount(None, '/', None, 'rslave')"),
                "does not appear in a copy of it",
            ),
            "in the wrong order": Wrong(
                BRANCH.format(
                    more="branch.mount(None, '/', None, 'rshared')\n"
                    "branch.mount(None, '/', None, 'rslave')"
                ),
                "does not appear in a copy of it",
            ),
            "ended": Wrong(BRANCH.format(more="branch.end()"), "the process branch has ended"),
        },
        needs=("open", "worlds"),
        again=("landlord",),
    ),
    "truly-read-only": Trial(
        {
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
            "something else": Wrong(
                "vault.mount('mine', '/mnt/view', 'tmpfs', 'ro')", "is not what is on /mnt/data"
            ),
            "nothing yet": Wrong("pass", "nothing is mounted on /mnt/view"),
        },
        needs=("open", "worlds"),
        again=("vault",),
    ),
    "ghost": Trial(
        {
            "nothing yet": Wrong("pass", "nothing is mounted on /mnt/ghost"),
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
            "another kind": Wrong(
                GHOST.format(
                    more="one.sethostname('ghost')\n"
                    "attic.mount(f'/proc/{one.pid}/ns/net', '/mnt/ghost', None, 'bind')\n"
                    "one.end()"
                ),
                "what is mounted on /mnt/ghost is net",
            ),
        },
        needs=("open", "worlds"),
        again=("attic",),
    ),
    "who-holds-it": Trial(
        {
            "the host's alone": Wrong(
                "return {os.getpid()} if device in Path('/proc/self/mountinfo').read_text()"
                " else set()",
                "3 of its 3 holders are missing",
            ),
            "as texts": Wrong(
                HOLDERS.format(
                    condition="any(line.split()[2] == device for line in text.splitlines())",
                    what="pid",
                ),
                "3 of its 3 holders are missing",
            ),
            "everybody with a tmpfs there": Wrong(
                HOLDERS.format(condition="' / ' in text", what="int(pid)"),
                "of yours do not have it mounted",
            ),
            "one a namespace": Wrong(
                HOLDERS.format(
                    condition="any(line.split()[2] == device for line in text.splitlines()) and "
                    "text not in [Path(f'/proc/{one}/mountinfo').read_text() for one in found]",
                    what="int(pid)",
                ),
                "1 of its 3 holders are missing",
            ),
            "nothing yet": Wrong("...", "None, and no set of PIDs"),
        }
    ),
}
