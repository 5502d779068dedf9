"""Answers to the exercises of propagation.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

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


ANSWERS = {
    "who-would-hear": Answers(
        right={
            "a list, by regular expressions": """
                import re

                heard = set(re.findall(r" (?:shared|master):(\\d+)", receiver))
                found = []
                for line in sender.splitlines():
                    member = re.search(r" shared:(\\d+)", line)
                    if member and member[1] in heard:
                        found.append(line.split()[4])
                return found
                """,
            "a dict's keys": """
                ties = {}
                for line in receiver.splitlines():
                    for word in line.partition(" - ")[0].split()[6:]:
                        ties[word.partition(":")[2]] = True
                told = {}
                for line in sender.splitlines():
                    for word in line.partition(" - ")[0].split()[6:]:
                        if word.startswith("shared:") and word[7:] in ties:
                            told[line.split()[4]] = word
                return told.keys()
                """,
        },
        wrong={
            "a number that begins like another": Wrong(
                """
                found = set()
                for line in sender.splitlines():
                    fields = line.split()
                    for one in fields[6 : fields.index("-")]:
                        group = one.partition(":")[2]
                        tied = f"shared:{group}" in receiver or f"master:{group}" in receiver
                        if one.startswith("shared:") and tied:
                            found.add(fields[4])
                return found
                """,
                "and nothing appears there",
            ),
            "all that are shared": Wrong(
                "return {line.split()[4] for line in sender.splitlines() if ' shared:' in line}",
                ", and nothing appears there",
            ),
            "members only": Wrong(
                HEARS.format(
                    optional="fields[6 : fields.index('-')]",
                    hearing=("shared",),
                    telling=("shared",),
                ),
                ") is missing in yours",
            ),
            "slaves tell, too": Wrong(
                HEARS.format(
                    optional="fields[6 : fields.index('-')]",
                    hearing=("shared", "master"),
                    telling=("shared", "master"),
                ),
                "from the other to the one: yours has '/mnt/",
            ),
            "by the mount point": Wrong(
                """
                def groups(text, *words):
                    return {
                        (line.split()[4], field.partition(":")[2])
                        for line in text.splitlines()
                        for field in line.split()[6:]
                        if field.startswith(words)
                    }

                both = groups(sender, "shared:") & groups(receiver, "shared:", "master:")
                return {point for point, group in both}
                """,
                "/mnt/",
            ),
            "the slaves of the sender": Wrong(
                "return {line.split()[4] for line in sender.splitlines() if ' master:' in line}",
                " is missing in yours",
            ),
            "names that a verdict has shown": Wrong(
                "return {'/mnt/ant', '/mnt/bee', '/mnt/cat', '/mnt/cow'}", "from one to the other: "
            ),
            "the first field only": Wrong(
                HEARS.format(
                    optional="fields[6:7]",
                    hearing=("shared", "master"),
                    telling=("shared",),
                ),
                "(both) is missing in yours",
            ),
        },
        nothing="from one to the other: None",
    ),
    "no-leak": Answers(
        right={
            "by mount(8)": """
                lodger = box.hold()
                lodger.setns(landlord, "mount")
                lodger.unshare("mount")
                lodger.shell("mount --make-rprivate / && mount -t tmpfs mine /mnt")
                """,
            "one mount after the other": """
                lodger = landlord.fork()
                lodger.unshare("mount")
                for point in mount_points(lodger.pid):
                    lodger.mount(None, point, None, "private")
                lodger.mount("mine", "/mnt", "tmpfs")
                """,
            "groups of its own": """
                lodger = landlord.fork()
                lodger.unshare("mount")
                lodger.mount(None, "/", None, "rprivate")
                lodger.mount(None, "/", None, "rshared")
                lodger.mount("mine", "/mnt", "tmpfs")
                """,
        },
        wrong={
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
            "a landlord who shares no more": Wrong(
                LODGER.format(
                    more="landlord.mount(None, '/', None, 'rprivate')\n"
                    "lodger.mount('mine', '/mnt', 'tmpfs')"
                ),
                "is not in the group any more that it was in when the lab gave it",
            ),
            "a landlord who shares with others now": Wrong(
                LODGER.format(
                    more="landlord.mount(None, '/', None, 'rprivate')\n"
                    "landlord.mount(None, '/', None, 'rshared')\n"
                    "lodger.mount('mine', '/mnt', 'tmpfs')"
                ),
                "is not in the group any more that it was in when the lab gave it",
            ),
            "a landlord of its own": Wrong(
                "landlord = world('landlord')\n"
                + LODGER.format(more="lodger.mount('mine', '/mnt', 'tmpfs')"),
                "`landlord` is <a process under remote control> now",
            ),
            "a directory instead": Wrong(
                LODGER.format(
                    more="lodger.mount(None, '/', None, 'rprivate')\n"
                    "lodger.mount('/tmp', '/mnt', None, 'bind')"
                ),
                "the landlord has the file system that is on the lodger's /mnt, too",
            ),
            "another file system": Wrong(
                LODGER.format(
                    more="lodger.mount(None, '/', None, 'rprivate')\n"
                    "lodger.mount('proc', '/mnt', 'proc')"
                ),
                "is of type proc",
            ),
            "nothing mounted": Wrong(
                LODGER.format(more="lodger.mount(None, '/', None, 'rprivate')"),
                "the lodger has nothing mounted on /mnt",
            ),
            "no namespace": Wrong("lodger = landlord.fork()", "in the landlord's own"),
            "another world": Wrong("lodger = world('lodger')", "the root of lodger is not"),
        },
        nothing="lodger is None",
        needs=("open", "worlds"),
        again=("landlord",),
    ),
    "one-way": Answers(
        right={
            "by mount(8)": """
                branch = box.hold()
                branch.setns(landlord, "mount")
                branch.unshare("mount")
                branch.shell("mount --make-rslave / && mount --make-rshared /")
                """,
            "a copy of a slave": """
                slave = landlord.fork()
                slave.unshare("mount")
                slave.mount(None, "/", None, "rslave")
                branch = slave.fork()
                branch.unshare("mount")
                branch.mount(None, "/", None, "rshared")
                """,
            "one mount after the other": """
                branch = landlord.fork()
                branch.unshare("mount")
                for point in mount_points(branch.pid):
                    branch.mount(None, point, None, "slave")
                    branch.mount(None, point, None, "shared")
                """,
        },
        wrong={
            "as it was copied": Wrong(
                BRANCH.format(more=""), " in the branch appears in the landlord's"
            ),
            "private": Wrong(
                BRANCH.format(more="branch.mount(None, '/', None, 'rprivate')"),
                " does not appear in the branch",
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
            "the root alone": Wrong(
                BRANCH.format(
                    more="branch.mount(None, '/', None, 'slave')\n"
                    "branch.mount(None, '/', None, 'shared')"
                ),
                " in the branch appears in the landlord's",
            ),
            "private, then shared": Wrong(
                BRANCH.format(
                    more="branch.mount(None, '/', None, 'rprivate')\n"
                    "branch.mount(None, '/', None, 'rshared')"
                ),
                " does not appear in the branch",
            ),
            "a landlord who is the slave": Wrong(
                BRANCH.format(more="landlord.mount(None, '/', None, 'rslave')"),
                "is not in the group any more that it was in when the lab gave it",
            ),
            "no namespace": Wrong("branch = landlord.fork()", "in the landlord's own"),
            "ended": Wrong(BRANCH.format(more="branch.end()"), "the process branch has ended"),
        },
        nothing="branch is None",
        needs=("open", "worlds"),
        again=("landlord",),
    ),
}
