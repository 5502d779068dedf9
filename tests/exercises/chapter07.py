"""Wrong solutions to the exercises of chapter 07."""

from __future__ import annotations

from tests.exercises import Trial, Wrong

MINE = """
mine = box.hold()
mine.unshare("user")
for kind in {kinds}:
    host.write(f"/proc/{{mine.pid}}/{{kind}}_map", "{line}")
{more}
"""
BOTH = ("uid", "gid")

SERVER = """
server = box.hold()
server.keep_capabilities("NET_BIND_SERVICE", "SETUID", "SETGID")
server.python("syscalls.prctl(flags.PR_SET_KEEPCAPS, 1)")
server.become_user("{user}")
{more}
"""

DEEP = """
middle = box.hold()
middle.unshare("user")
for kind in ("uid", "gid"):
    host.write(f"/proc/{{middle.pid}}/{{kind}}_map", "0 2000200000 1000")
middle.become_user("root")
middle.python("syscalls.prctl(flags.PR_SET_DUMPABLE, 1)")
deep = middle.fork()
deep.unshare("user")
{more}
"""

TRIALS = {
    "root-of-nothing": Trial(
        {
            "still nobody": Wrong(
                MINE.format(kinds=BOTH, line="0 2000100000 1000", more=""),
                "on the host its uid is 0",
            ),
            "the host's root": Wrong(
                MINE.format(kinds=BOTH, line="0 0 1000", more="mine.become_user('root')"),
                "its uid_map is 0 0 1000",
            ),
            "no groups": Wrong(
                MINE.format(
                    kinds=("uid",),
                    line="0 2000100000 1000",
                    more="mine.python('syscalls.setresuid(0)')",
                ),
                "its gid_map is empty",
            ),
            "only the user": Wrong(
                MINE.format(
                    kinds=BOTH,
                    line="0 2000100000 1000",
                    more="mine.python('syscalls.setresuid(0)')",
                ),
                "on the host its gid is 0",
            ),
            "no namespace": Wrong("mine = box.hold()", "its user namespace is the host's"),
            "a container": Wrong(
                "mine = box.start('busybox', 'sleep 1000', userns='auto', network='none')",
                "mine is <a container>",
            ),
            "nothing yet": Wrong("pass", "mine is None"),
        }
    ),
    "read-the-map": Trial(
        {
            "the first line": Wrong(
                """
                inside, outside, size = map(int, uid_map.splitlines()[0].split())
                return outside + uid - inside
                """,
                "for uid 10: 2000300010",
            ),
            "no end": Wrong(
                """
                for line in reversed(uid_map.splitlines()):
                    inside, outside, size = map(int, line.split())
                    if uid >= inside:
                        return outside + uid - inside
                """,
                "for uid 30: 2000300520",
            ),
            "one too many": Wrong(
                """
                for line in uid_map.splitlines():
                    inside, outside, size = map(int, line.split())
                    if inside <= uid <= inside + size:
                        return outside + uid - inside
                """,
                "for uid 10: 2000300010",
            ),
            "the overflow uid": Wrong(
                """
                for line in uid_map.splitlines():
                    inside, outside, size = map(int, line.split())
                    if inside <= uid < inside + size:
                        return outside + uid - inside
                return 65534
                """,
                "for uid 30: 65534",
            ),
            "as a text": Wrong("return uid_map.split()[1]", "for uid 0: '2000300000'"),
            "nothing yet": Wrong("...", "for uid 0: None"),
        }
    ),
    "on-your-own": Trial(
        {
            "the groups too early": Wrong("order = 'DCAEB'", "E, write('/proc/self/gid_map'"),
            "inside too early": Wrong("order = 'CDBAE'", "D, become_user('1000:1000')"),
            "outside": Wrong("order = 'DACBE'", "A, write('/proc/self/uid_map'"),
            "still the host's root": Wrong("order = 'CBAE'", "A, write('/proc/self/uid_map'"),
            "without groups": Wrong("order = 'DCBA'", "its gid_map is empty"),
            "no letters": Wrong("order = None", "no request has the letter"),
            "nothing yet": Wrong("pass", "its user namespace is the host's"),
        }
    ),
    "one-power": Trial(
        {
            "still root": Wrong(
                "server = box.hold()\nserver.keep_capabilities('NET_BIND_SERVICE')",
                "on the host its uid is 0",
            ),
            "lost on the way": Wrong(
                "server = box.hold()\n"
                "server.keep_capabilities('NET_BIND_SERVICE', 'SETUID', 'SETGID')\n"
                "server.become_user('1000:1000')",
                "its CapPrm has nothing",
            ),
            "three powers": Wrong(
                SERVER.format(user="1000:1000", more=""),
                "its CapPrm has NET_BIND_SERVICE SETGID SETUID",
            ),
            "permitted alone": Wrong(
                SERVER.format(
                    user="1000:1000", more="server.python('syscalls.capset(0, 1 << 10, 1 << 10)')"
                ),
                "its CapEff has nothing",
            ),
            "not passed on": Wrong(
                SERVER.format(
                    user="1000:1000",
                    more="server.python('syscalls.capset(1 << 10, 1 << 10, 1 << 10)')",
                ),
                "its CapAmb has nothing",
            ),
            "group root": Wrong(
                SERVER.format(
                    user="1000:0",
                    more="server.python('syscalls.capset(1 << 10, 1 << 10, 1 << 10)')\n"
                    "server.python('syscalls.prctl(flags.PR_CAP_AMBIENT, 2, 10)')",
                ),
                "on the host its gid is 0",
            ),
            "nothing yet": Wrong("pass", "server is None"),
        }
    ),
    "two-levels-down": Trial(
        {
            "one level": Wrong(
                MINE.replace("mine", "deep").format(
                    kinds=BOTH, line="0 2000200100 10", more="deep.become_user('root')"
                ),
                "is 1 below the host's",
            ),
            "a child of the same": Wrong(
                DEEP.replace('deep.unshare("user")', "").format(more=""), "is 1 below the host's"
            ),
            "no maps": Wrong(DEEP.format(more=""), "its uid_map is empty"),
            "other users": Wrong(
                DEEP.format(
                    more="for kind in ('uid', 'gid'):\n"
                    "    middle.write(f'/proc/{deep.pid}/{kind}_map', '0 0 10')\n"
                    "deep.become_user('root')"
                ),
                "its uid_map is 0 2000200000 10",
            ),
            "still nobody": Wrong(
                DEEP.format(
                    more="for kind in ('uid', 'gid'):\n"
                    "    middle.write(f'/proc/{deep.pid}/{kind}_map', '0 100 10')"
                ),
                "on the host its uid is 2000200000",
            ),
            "no namespace": Wrong("deep = box.hold()", "is 0 below the host's"),
            "nothing yet": Wrong("pass", "deep is None"),
        }
    ),
    "exactly-two": Trial(
        {
            "the host's root": Wrong(
                "exact = box.start('busybox', 'sleep 1000', network='none', cap_drop=['ALL'], "
                "cap_add=['CHOWN', 'KILL'])",
                "its root is uid 0 on the host, too",
            ),
            "the default": Wrong(
                "exact = box.start('busybox', 'sleep 1000', network='none', userns='auto')",
                "its CapEff has 14 capabilities",
            ),
            "added to the default": Wrong(
                "exact = box.start('busybox', 'sleep 1000', network='none', userns='auto', "
                "cap_add=['CHOWN', 'KILL'])",
                "its CapEff has 14 capabilities",
            ),
            "one alone": Wrong(
                "exact = box.start('busybox', 'sleep 1000', network='none', userns='auto', "
                "cap_drop=['ALL'], cap_add=['KILL'])",
                "its CapEff has KILL",
            ),
            "another user": Wrong(
                "exact = box.start('busybox', 'sleep 1000', network='none', userns='auto', "
                "user='1000', cap_drop=['ALL'], cap_add=['CHOWN', 'KILL'])",
                "its CapEff has nothing",
            ),
            "not a container": Wrong("exact = 'busybox'", "exact is 'busybox'"),
            "nothing yet": Wrong("pass", "exact is None"),
        }
    ),
}
