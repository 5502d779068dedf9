"""Answers to the exercises of escapes.py, right and wrong."""

from __future__ import annotations

from kernelbox.lab.exercises.answers import Answers, Wrong

PIVOTED = """
safe = room("pid")
safe.pivot_root("/mnt/root", "/mnt/root/mnt")
{more}
"""


CAGED = """
caged = room('pid')
caged.chroot('/mnt/root')
caged.chdir('/')
caged.mount('proc', '/proc', 'proc')
caged.keep_capabilities(*FEWER)
{more}
"""


ANSWERS = {
    "the-way-out": Answers(
        right={
            "step by step, until the next one leads nowhere": """
                p.chroot("/bin")
                p.python(
                    "while not os.path.samefile('.', '..'):\\n"
                    "    os.chdir('..')"
                )
                p.chroot(".")
                """,
            "a thousand requests": """
                p.chroot("/bin")
                for _ in range(1000):
                    p.chdir("..")
                p.chroot(".")
                """,
            "in Python": """
                p.python(
                    "os.mkdir('out')\\n"
                    "os.chroot('out')\\n"
                    "for _ in range(1000):\\n"
                    "    os.chdir('..')\\n"
                    "os.chroot('.')"
                )
                """,
            "by a descriptor": """
                p.python(
                    "above = os.open('/', os.O_RDONLY)\\n"
                    "os.chroot('/bin')\\n"
                    "os.fchdir(above)\\n"
                    "os.chdir('../' * 1000)\\n"
                    "os.chroot('.')\\n"
                    "os.close(above)"
                )
                """,
        },
        wrong={
            "five hundred steps": Wrong(
                "p.chroot('/bin')\np.chdir('../' * 500)\np.chroot('.')",
                "its root directory is not the host's",
            ),
            "as deep as the first jail": Wrong(
                "p.chroot('/bin')\np.chdir('../..')\np.chroot('.')",
                "its root directory is not the host's",
            ),
            "as often as in section 3": Wrong(
                "p.chroot('/bin')\np.chdir('../../../..')\np.chroot('.')",
                "its root directory is not the host's",
            ),
            "forty steps": Wrong(
                "p.chroot('/bin')\np.chdir('../' * 40)\np.chroot('.')",
                "its root directory is not the host's",
            ),
            "one step": Wrong(
                "p.chroot('/bin')\np.chdir('..')\np.chroot('.')",
                "directories deep: 1: its root directory is not the host's",
            ),
            "out, but / is still inside": Wrong(
                "p.chroot('/bin')\np.chdir('../' * 200)",
                "directories deep: 1: its root directory is not the host's",
            ),
            "walks into the second root": Wrong(
                "p.chroot('/bin')\np.chdir('/')\np.chdir('../' * 200)\np.chroot('.')",
                "directories deep: 1: its root directory is not the host's",
            ),
            "another namespace": Wrong(
                "p.setns(box.agent, 'mount')", "entered the host's mount namespace"
            ),
            "a namespace more": Wrong(
                "p.unshare('uts')\np.chroot('/bin')\np.chdir('../' * 200)\np.chroot('.')",
                "the process is in another namespace: uts",
            ),
            "another mount namespace": Wrong(
                """
                p.python("above = os.open('/', os.O_RDONLY)")
                p.unshare("mount")
                p.python("os.fchdir(above); os.chdir('../' * 200); os.chroot('.')")
                """,
                "the process is in another namespace: mnt",
            ),
            "another process": Wrong(
                "q = box.hold()\nq.unshare('mount')\np.pid = q.pid",
                "its root directory is not the host's",
            ),
            "no such directory": Wrong("p.chroot('/cellar')", "ENOENT"),
        },
        nothing="directories deep: 1: its root directory is not the host's",
        needs=("open",),
    ),
    "no-way-back": Answers(
        right={
            "one on top of the other": """
                safe = room("pid")
                safe.chdir("/mnt/root")
                safe.pivot_root(".", ".")
                safe.umount(".", lazy=True)
                safe.chdir("/")
                """,
            "who may not mount": """
                safe = room()
                safe.pivot_root("/mnt/root", "/mnt/root/mnt")
                safe.umount("/mnt", lazy=True)
                safe.python("syscalls.capset(0, 0, 0)")
                """,
            "in more namespaces": """
                safe = room("pid", "uts", "ipc", "network")
                safe.pivot_root("/mnt/root", "/mnt/root/mnt")
                safe.mount("proc", "/proc", "proc")
                safe.umount("/mnt", lazy=True)
                """,
        },
        wrong={
            "a descriptor with a number that few have": Wrong(
                """
                import resource

                safe = room("pid")
                resource.prlimit(safe.pid, resource.RLIMIT_NOFILE, (4096, 4096))
                safe.python("one = os.open('/', os.O_RDONLY); os.dup2(one, 2000), os.close(one)")
                safe.pivot_root("/mnt/root", "/mnt/root/mnt")
                safe.umount("/mnt", lazy=True)
                """,
                "gets out to the host's root by a descriptor that it has open",
            ),
            "chroot": Wrong(
                "safe = room('pid')\nsafe.chroot('/mnt/root')\nsafe.chdir('/')",
                "the host's root is among the",
            ),
            "no umount": Wrong(PIVOTED.format(more=""), "the host's root is among the"),
            "stacked, no umount": Wrong(
                "safe = room('pid')\nsafe.chdir('/mnt/root')\nsafe.pivot_root('.', '.')",
                "the host's root is among the",
            ),
            "no PID namespace": Wrong(
                """
                safe = room()
                safe.pivot_root("/mnt/root", "/mnt/root/mnt")
                safe.umount("/mnt", lazy=True)
                """,
                "gets out to the host's root by `/proc/PID/root`",
            ),
            "a descriptor is kept": Wrong(
                PIVOTED.format(
                    more="safe.python(\"kept = os.open('/mnt', os.O_RDONLY)\")\n"
                    "safe.umount('/mnt', lazy=True)"
                ),
                "gets out to the host's root by a descriptor",
            ),
            "a descriptor of a namespace is kept": Wrong(
                """
                safe = room("pid")
                safe.python(f"os.open('/proc/{box.agent}/ns/mnt', os.O_RDONLY)")
                safe.pivot_root("/mnt/root", "/mnt/root/mnt")
                safe.umount("/mnt", lazy=True)
                """,
                "gets out to the host's root by a descriptor",
            ),
            "it stands in the old root": Wrong(
                PIVOTED.format(more="safe.chdir('/mnt/etc')\nsafe.umount('/mnt', lazy=True)"),
                "gets out to the host's root by `chdir`",
            ),
            "a child stands in the old root": Wrong(
                """
                safe = room("pid")
                guard = safe.fork()
                guard.chdir("/etc")
                safe.pivot_root("/mnt/root", "/mnt/root/mnt")
                safe.umount("/mnt", lazy=True)
                """,
                "gets out to the host's root by `/proc/PID/root` of another process",
            ),
            "a directory of the host, bound": Wrong(
                """
                safe = room("pid")
                safe.mount("/etc", "/mnt/root/tmp", None, "bind")
                safe.pivot_root("/mnt/root", "/mnt/root/mnt")
                safe.umount("/mnt", lazy=True)
                """,
                "the mount on /tmp shows a file system of the host's",
            ),
            "a mount of the host, moved": Wrong(
                """
                safe = room("pid")
                safe.mount("/proc", "/mnt/root/proc", None, "move")
                safe.pivot_root("/mnt/root", "/mnt/root/mnt")
                safe.umount("/mnt", lazy=True)
                """,
                "the mount on /proc shows a file system of the host's",
            ),
            "the layer itself": Wrong(
                """
                safe = box.hold()
                safe.unshare("mount")
                safe.mount(None, "/", None, "rprivate")
                safe.mount(layer, "/mnt", None, "bind")
                safe.chdir("/mnt")
                safe.pivot_root(".", ".")
                safe.umount(".", lazy=True)
                """,
                "and no overlay of busybox's layer",
            ),
            "not even a namespace": Wrong("safe = box.hold()", "its mount namespace is the host's"),
            "ended": Wrong("safe = room()\nsafe.end()", "the process safe has ended"),
        },
        nothing="safe is None",
        needs=("open", "room"),
    ),
    "the-missing-right": Answers(
        right={
            "stands there before": """
                caged = room("pid")
                caged.chdir("/mnt/root")
                caged.chroot(".")
                caged.mount("proc", "/proc", "proc")
                caged.keep_capabilities(*FEWER)
                """,
            "in more namespaces": """
                caged = room("pid", "uts", "network")
                caged.chroot("/mnt/root")
                caged.chdir("/bin")
                caged.mount("proc", "/proc", "proc")
                caged.keep_capabilities(*FEWER)
                """,
            "by prctl, without a /proc": """
                caged = room("pid")
                caged.chroot("/mnt/root")
                caged.chdir("/")
                for name in ("SYS_CHROOT", "SYS_ADMIN"):
                    caged.python(f"syscalls.prctl(24, {capabilities.NAMES.index(name)})")
                few = capabilities.mask(FEWER)
                caged.python(f"syscalls.capset({few}, {few}, 0)")
                """,
            "a child of it": CAGED.format(more="caged = caged.fork()"),
        },
        wrong={
            "with the right": Wrong(
                "caged = room('pid')\ncaged.chroot('/mnt/root')\ncaged.chdir('/')",
                "CAP_SYS_CHROOT is in its CapEff",
            ),
            "one right alone": Wrong(
                "caged = room('pid')\ncaged.chroot('/mnt/root')\ncaged.chdir('/')\n"
                "without_chroot(caged)",
                "by a descriptor of its `/`, from before it unshared its mount namespace",
            ),
            "the host's /proc": Wrong(
                CAGED.replace("room('pid')", "room()").format(more=""),
                "`/proc/PID/root` of another process",
            ),
            "stands outside": Wrong(
                CAGED.replace("caged.chdir('/')", "").format(more=""),
                "reaches the host's root by `chdir` with nothing but `..`",
            ),
            "given up for now": Wrong(
                "caged = room('pid')\ncaged.chroot('/mnt/root')\ncaged.chdir('/')\n"
                "every = capabilities.mask([*everything_else, 'SYS_CHROOT'])\n"
                "now = capabilities.mask(FEWER)\n"
                "caged.python(f'syscalls.capset({now}, {every}, 0)')",
                "CAP_SYS_CHROOT is in its CapPrm",
            ),
            "a program gets it back": Wrong(
                "caged = room('pid')\ncaged.chroot('/mnt/root')\ncaged.chdir('/')\n"
                "now = capabilities.mask(FEWER)\n"
                "caged.python(f'syscalls.capset({now}, {now}, 0)')",
                "CAP_SYS_CHROOT is in its CapBnd",
            ),
            "a program gets the other back": Wrong(
                "caged = room('pid')\ncaged.chroot('/mnt/root')\ncaged.chdir('/')\n"
                "caged.python(f'syscalls.prctl(24, {capabilities.NAMES.index(\"SYS_CHROOT\")})')\n"
                "now = capabilities.mask(FEWER)\n"
                "caged.python(f'syscalls.capset({now}, {now}, 0)')",
                "CAP_SYS_ADMIN is in its CapBnd",
            ),
            "a descriptor leads out": Wrong(
                CAGED.replace(
                    "caged.chroot", "caged.python(\"os.open('/', 0)\")\ncaged.chroot"
                ).format(more=""),
                "reaches the host's root by a descriptor that it has open",
            ),
            "the host's root, bound": Wrong(
                CAGED.replace(
                    "caged.chroot",
                    "caged.mount('/', '/mnt/root/mnt', None, 'bind')\ncaged.chroot",
                ).format(more=""),
                "the mount on /mnt shows a file system of the host's",
            ),
            "no right at all": Wrong(
                "caged = room('pid')\ncaged.chroot('/mnt/root')\ncaged.chdir('/')\n"
                "caged.mount('proc', '/proc', 'proc')\ncaged.keep_capabilities('CHOWN')",
                "its CapEff lacks ",
            ),
            "pivot_root": Wrong(
                """
                caged = pivoted()
                without_chroot(caged)
                """,
                "the old root is absent",
            ),
            "no jail": Wrong(
                "caged = room()\nwithout_chroot(caged)", "its root directory is the host's"
            ),
        },
        nothing="caged is None",
        setup="FEWER = [name for name in everything_else if name != 'SYS_ADMIN']",
        needs=("open", "room", "mountinfo", "pivoted", "without"),
    ),
}
