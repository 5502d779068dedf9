"""Answers to the exercises of powers.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

SERVER = """
server = box.hold()
server.keep_capabilities("NET_BIND_SERVICE", "SETUID", "SETGID")
server.python("syscalls.prctl(flags.PR_SET_KEEPCAPS, 1)")
server.become_user("{user}")
{more}
"""


MAY = """
there = {{one: capabilities.names(int(status(pid)[one], 16)) for one in ("CapPrm", "CapEff")}}
root = status(pid)["Uid"].split()[1] == "0"
hosts = open(f"/proc/{{pid}}/uid_map").read() == open("/proc/self/uid_map").read()
return {answer}
"""


ANSWERS = {
    "one-power": Answers(
        right={
            "no fixup": """
                server = box.hold()
                server.keep_capabilities("NET_BIND_SERVICE", "SETUID", "SETGID", "SETPCAP")
                server.python("syscalls.prctl(28, 1 << 2)")  # SECBIT_NO_SETUID_FIXUP
                server.become_user("1000:1000")
                server.python("syscalls.capset(1 << 10, 1 << 10, 1 << 10)")
                server.python("syscalls.prctl(flags.PR_CAP_AMBIENT, 2, 10)")
                """,
            "a child": SERVER.format(
                user="1000:1000",
                more="server.python('syscalls.capset(1 << 10, 1 << 10, 1 << 10)')\n"
                "server.python('syscalls.prctl(flags.PR_CAP_AMBIENT, 2, 10)')\n"
                "server = server.fork()",
            ),
        },
        wrong={
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
            "in a user namespace": Wrong(
                """
                server = box.hold()
                server.unshare("user")
                for kind in ("uid", "gid"):
                    host.write(f"/proc/{server.pid}/{kind}_map", "0 1000 1")
                server.become_user("0:0")
                bind = capabilities.mask(["NET_BIND_SERVICE"])
                server.python(f"syscalls.capset({bind}, {bind}, {bind})")
                server.python("syscalls.prctl(flags.PR_CAP_AMBIENT, 2, 10)")
                """,
                "it is in a user namespace of its own",
            ),
            "a group too many": Wrong(
                """
                server = box.hold()
                server.keep_capabilities("NET_BIND_SERVICE", "SETUID", "SETGID")
                server.python("syscalls.prctl(flags.PR_SET_KEEPCAPS, 1)")
                server.python("os.setgroups([0]); os.setresgid(*[1000] * 3)")
                server.python("os.setresuid(*[1000] * 3)")
                server.python("syscalls.capset(1 << 10, 1 << 10, 1 << 10)")
                server.python("syscalls.prctl(flags.PR_CAP_AMBIENT, 2, 10)")
                """,
                "on the host its list of further groups is 0",
            ),
            "another power": Wrong(
                SERVER.replace("NET_BIND_SERVICE", "NET_BROADCAST").format(
                    user="1000:1000",
                    more="server.python('syscalls.capset(1 << 11, 1 << 11, 1 << 11)')\n"
                    "server.python('syscalls.prctl(flags.PR_CAP_AMBIENT, 2, 11)')",
                ),
                "its CapPrm has NET_BROADCAST",
            ),
            "group root": Wrong(
                SERVER.format(
                    user="1000:0",
                    more="server.python('syscalls.capset(1 << 10, 1 << 10, 1 << 10)')\n"
                    "server.python('syscalls.prctl(flags.PR_CAP_AMBIENT, 2, 10)')",
                ),
                "on the host its gid is 0",
            ),
        },
        nothing="server is None",
    ),
    "exactly-two": Answers(
        right={
            "all others dropped": """
                others = (
                    "DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP"
                    " NET_BIND_SERVICE SYS_CHROOT AUDIT_WRITE"
                )
                exact = box.start("busybox", "sleep 1000", userns="auto", cap_drop=others.split())
                """,
            "by a shell that becomes it": """
                exact = box.start(
                    "busybox:latest",
                    ["sh", "-c", "exec /bin/sleep 1000"],
                    userns="auto",
                    cap_drop=["all"],
                    cap_add=["kill", "chown"],
                    network="none",
                )
                """,
            "with their whole names": """
                exact = box.start(
                    "busybox",
                    "sleep 1000",
                    userns="auto",
                    cap_drop=["ALL"],
                    cap_add=["CAP_KILL", "CAP_CHOWN"],
                    network="none",
                )
                """,
        },
        wrong={
            "busy, and not asleep": Wrong(
                "exact = box.start('busybox', ['tail', '-f', '/dev/null'], userns='auto',"
                " cap_drop=['ALL'], cap_add=['CHOWN', 'KILL'], network='none')",
                "the container runs 'tail -f /dev/null'",
            ),
            "the powers of another process": Wrong(
                """
                exact = box.start("busybox", "sleep 1000", network="none")
                other = box.hold()
                other.unshare("user")
                for kind in ("uid", "gid"):
                    host.write(f"/proc/{other.pid}/{kind}_map", "0 2000100000 1000")
                other.become_user("root")
                other.keep_capabilities("CHOWN", "KILL")
                exact.pid = other.pid
                """,
                "its `pid` is not the one of its first process",
            ),
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
            "it has ended": Wrong(
                "exact = box.start('busybox', 'true', network='none', userns='auto', "
                "cap_drop=['ALL'], cap_add=['CHOWN', 'KILL'])\nexact.wait()",
                "the container exact has ended",
            ),
            "one too many": Wrong(
                "exact = box.start('busybox', 'sleep 1000', network='none', userns='auto', "
                "cap_drop=['ALL'], cap_add=['CHOWN', 'FOWNER', 'KILL'])",
                "its CapEff has CHOWN FOWNER KILL",
            ),
            "not a container": Wrong("exact = 'busybox'", "exact is 'busybox'"),
        },
        nothing="exact is None",
    ),
    "over-the-host": Answers(
        right={
            "a bit, and the groups' map": """
                if not int(status(pid)["CapEff"], 16) & 1 << capabilities.NAMES.index(name):
                    return False
                return len({Path(f"/proc/{one}/gid_map").read_text() for one in (pid, "self")}) == 1
                """,
            "a number": """
                if open(f"/proc/{pid}/uid_map").read() != open("/proc/self/uid_map").read():
                    return 0
                return int(status(pid)["CapEff"], 16) & 1 << capabilities.NAMES.index(name)
                """,
            "with programs": """
                import subprocess
                line = subprocess.check_output(["grep", "CapEff", f"/proc/{pid}/status"])
                maps = [f"/proc/{pid}/uid_map", "/proc/self/uid_map"]
                if subprocess.run(["cmp", "-s", *maps]).returncode != 0:
                    return False
                return name in capabilities.names(int(line.split()[1], 16))
                """,
        },
        wrong={
            "wherever it counts": Wrong(
                MAY.format(answer="name in there['CapEff']"),
                "of a process in a user namespace of its own",
            ),
            "at hand": Wrong(
                MAY.format(answer="hosts and name in there['CapPrm']"),
                "of a user with one power in use and one at hand",
            ),
            "the bound": Wrong(
                "return name in capabilities.names(int(status(pid)['CapBnd'], 16))",
                "of a user and",
            ),
            "whoever has a map": Wrong(
                MAY.format(
                    answer="name in there['CapEff'] and open(f'/proc/{pid}/uid_map').read() != ''"
                ),
                "of root of a user namespace with a map",
            ),
            "whoever is root": Wrong(MAY.format(answer="hosts and root"), "of root in a container"),
            "root, and effective": Wrong(
                MAY.format(answer="hosts and root and name in there['CapEff']"),
                "of a user with one power in use and one at hand",
            ),
            "passed on": Wrong(
                "return name in capabilities.names(int(status(pid)['CapAmb'], 16))",
                "of root in a container",
            ),
            "nothing for no": Wrong(
                MAY.format(answer="True if hosts and name in there['CapEff'] else None"),
                "of root in a container, your function says None",
            ),
            "all that it has": Wrong(
                MAY.format(answer="there['CapEff']"), "of root in a container, your function says ["
            ),
            "a text is no number": Wrong(
                "return bool(status(pid)['CapEff'] >> capabilities.NAMES.index(name) & 1)",
                "raised TypeError",
            ),
        },
        nothing="of root in a container, your function says None",
    ),
}
