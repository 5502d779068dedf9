"""The items: what is asked before the course and after it, and what each wrong answer believes.

No published concept inventory for containers is known; for operating systems there is one:
Webb and Taylor, "Developing a pre- and post-course concept inventory to gauge operating systems
learning", SIGCSE 2014, doi 10.1145/2538862.2538886.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernelbox.lab.exercises.questions import question, right, wrong
from kernelbox.lab.inventory.misconceptions import MISCONCEPTIONS, RIGHT

if TYPE_CHECKING:
    from kernelbox.lab.exercises.questions import Choice, Question


@dataclass(frozen=True)
class Item:
    """A question that is asked twice.

    Attributes:
        name: In a record.
        question: With its answers, shuffled.
        believed: The wrong answers, by the misconception of each.
    """

    name: str
    question: Question
    believed: dict[str, Choice]

    def belief(self, choice: Choice) -> str:
        """Return the misconception of an answer; of the right one, RIGHT."""
        return next((name for name, one in self.believed.items() if one == choice), RIGHT)

    def why(self, belief: str) -> str:
        """Return what is told to whoever believes that, as HTML."""
        return next(one for one in self.question.choices if self.belief(one) == belief).html()


def item(name: str, asked: str, key: Choice, **believed: Choice) -> Item:
    """Return an item.

    Args:
        name: In a record.
        asked: The question.
        key: The right answer.
        **believed: The wrong answers; the name of each is its misconception's, with `_` for `-`.

    Raises:
        ValueError: There is no such misconception, or the question is none.
    """
    named = {one.replace("_", "-"): choice for one, choice in believed.items()}
    if unknown := named.keys() - MISCONCEPTIONS.keys():
        raise ValueError(f"{name}: no misconception {', '.join(sorted(unknown))}")
    return Item(name, question(asked, key, *named.values()), named)


ITEMS = (
    item(
        "boots",
        "What boots when a container starts?",
        right("nothing: a program is executed", "The kernel that runs already executes one more "
              "program: execve(2)."),
        LIGHT_VM=wrong("a light kernel, just for it", "No container has a kernel of its own. That "
                       "would be a virtual machine."),
        KERNEL_IN_IMAGE=wrong("the kernel from the image", "There is none in it: an image is files "
                              "for programs, and JSON."),
        ENGINE_RUNS_IT=wrong("Docker's engine, inside it", "The engine stays outside. It asks the "
                             "kernel for things, and starts a program."),
    ),
    item(
        "uname",
        "`uname -r` in an Alpine container on a Debian host prints ...",
        right("the release of Debian's kernel", "uname(2) is answered by the one kernel that runs, "
              "and it is the host's."),
        KERNEL_IN_IMAGE=wrong("the release of Alpine's kernel", "Alpine's image has Alpine's "
                              "files, and no kernel."),
        NO_KERNEL=wrong("nothing, as no kernel is in it", "Every program runs on a kernel. In a "
                        "container it is the host's."),
        ENGINE_RUNS_IT=wrong("the release of Docker's engine", "The engine has no part in it: the "
                             "request goes from the program to the kernel."),
    ),
    item(
        "ps-outside",
        "On the host, `ps -ef` shows a container that runs as ...",
        right("the processes that run in it", "They have numbers in the host's PID namespace as "
              "well: pid_namespaces(7)."),
        HIDDEN=wrong("nothing: they are kept hidden", "A PID namespace is seen from all above it."),
        CONTAINER_IS_AN_OBJECT=wrong("one entry for the container", "The kernel knows processes, "
                                     "namespaces and groups, and no such thing as a container."),
        ROOT_ONLY=wrong("its processes, to root alone", "Everybody sees them, unless `/proc` was "
                        "mounted with `hidepid`: proc(5)."),
    ),
    item(
        "outside",
        "A process that is in no container is in ...",
        right("the namespaces init is in", "There is no outside: each process is in one namespace "
              "of each kind, and has it from its parent."),
        NO_OUTSIDE_NAMESPACE=wrong("no namespace of any kind", "`ls -l /proc/self/ns` shows them "
                                   "for any process."),
        HOST_IS_SPECIAL=wrong("the namespace named `host`", "Namespaces have numbers and no names, "
                              "and so have the first."),
        ENGINE_RUNS_IT=wrong("namespaces made by the engine", "They were there before there was "
                             "any engine: the first processes have them."),
    ),
    item(
        "ps-inside",
        "`ps` in a container lists three processes. That proves ...",
        right("in which PID namespace its `/proc` was mounted", "`ps` reads `/proc`, which lists "
              "one PID namespace: that of whoever mounted it."),
        PS_PROVES_ISOLATION=wrong("that the container is isolated from the others", "A list "
                                  "is no wall. What is mounted at `/proc` decides what is listed."),
        HIDDEN=wrong("that the host hides all its other processes", "Nobody hides them: they have "
                     "no number in that namespace."),
        PS_COUNTS_THE_CGROUP=wrong("that three processes are in its control group", "`ps` does not "
                                   "ask about groups: those are in `/proc/PID/cgroup`."),
    ),
    item(
        "stop",
        "`docker stop` takes ten seconds. The usual reason is that ...",
        right("its PID 1 has no handler for TERM", "The kernel drops such a signal for PID 1. "
              "Docker waits ten seconds, and sends KILL."),
        STOP_IS_SLOW=wrong("a container takes time to shut down", "There is nothing to shut down. "
                           "When PID 1 ends, the others are killed at once."),
        STOP_SAVES=wrong("its data is being saved to the disk", "Nobody saves it. Who is killed "
                         "after ten seconds has lost what it had not written."),
        STOP_TEARS_DOWN=wrong("its network has to be taken down", "That takes milliseconds, and "
                              "comes after the end of PID 1."),
    ),
    item(
        "unshare-mount",
        "I have called `unshare(CLONE_NEWNS)`, and mount something. Others see it ...",
        right("if it is made on a shared mount", "The copies of shared mounts go on telling each "
              "other: mount_namespaces(7), on peer groups."),
        UNSHARE_HIDES=wrong("never: the list is mine alone now", "The list is, but a shared mount "
                            "in it still tells its peers."),
        MOUNTS_ARE_GLOBAL=wrong("always: mounts are the kernel's", "Each mount namespace has a "
                                "list of its own. On a private mount nobody else sees it."),
        NEEDS_A_REBOOT=wrong("once the host has been rebooted", "No mount outlives a reboot; it "
                             "can only be made again."),
    ),
    item(
        "chroot",
        "A process in a `chroot` is root, with all capabilities. It ...",
        right("can leave it, by ordinary requests", "One more `chroot`, and `..` leads out: "
              "chroot(2) says how."),
        CHROOT_IS_A_CONTAINER=wrong("can never leave it, like a container", "chroot(2) says that "
                                    "it is not intended to be used for any kind of security."),
        READ_ONLY_CONTAINS=wrong("can leave only if it may write there", "To leave it takes one "
                                 "directory, and any that is there will do."),
        ESCAPE_NEEDS_A_BUG=wrong("can leave by a bug in the kernel only", "It takes no bug: the "
                                 "kernel does what chroot(2) says."),
    ),
    item(
        "rm",
        "One `RUN` makes a big file, a later one removes it. The later one makes the image ...",
        right("larger, by a whiteout", "The layer with the file stays as it is, and one more comes "
              "on top."),
        RM_SHRINKS=wrong("smaller, by the file", "A layer never changes. The file is hidden, and "
                         "is sent along with the image."),
        RM_IS_FREE=wrong("neither, byte for byte", "Nearly: but to hide a file takes an entry in "
                         "a new layer."),
        PUSH_SQUASHES=wrong("smaller, once pushed", "A push sends the layers as they are, each "
                            "under its digest."),
    ),
    item(
        "expose",
        "`EXPOSE 80` in a Dockerfile ...",
        right("notes which port is meant to serve", "It goes into the image's config. Nothing is "
              "opened unless somebody publishes it."),
        EXPOSE_PUBLISHES=wrong("opens port 80 on the host as well", "That is what `--publish` "
                               "does, and nothing else."),
        EXPOSE_OPENS_FIREWALL=wrong("lets port 80 through the firewall", "A build changes no rule "
                                    "of any firewall."),
        PUBLISH_NEEDS_EXPOSE=wrong("allows `--publish` to use this port", "`--publish` takes any "
                                   "port, with this word and without."),
    ),
    item(
        "append",
        "A container appends a byte to a 1 GB file of its image. Overlay, on ext4, copies ...",
        right("the whole file, all of it", "Overlay knows files, and no blocks: at the first "
              "opening for writing the whole file is copied up."),
        BYTE_COW=wrong("the byte that is appended", "The whole file has to be in the upper "
                       "directory before a byte of it can be written."),
        BLOCK_COW=wrong("the last block, of 4096 bytes", "Some file systems share blocks. Overlay "
                        "does not, nor does ext4."),
        LAYER_IS_WRITTEN=wrong("nothing: the layer grows by it", "A layer is never written to. "
                               "Other containers run from it as well."),
    ),
    item(
        "tag",
        "One server pulls `shop:1.4` today, another next month. They run ...",
        right("perhaps two different images", "A tag can be given to another image at any time. "
              "Only a digest stays."),
        TAG_IS_IMMUTABLE=wrong("the same image, in any case", "A tag is a name that can be moved, "
                               "even if it looks like a version."),
        REGISTRY_IS_IMMUTABLE=wrong("the same, from one registry", "Blobs never change, since "
                                    "their names are digests. A registry takes a new tag any day."),
        TAG_IS_ONE_ARCH=wrong("the same, on equal processors", "The processor picks one image out "
                              "of an index. The tag may name another index by then."),
    ),
    item(
        "root",
        "With Docker's defaults, root in a container is on the host ...",
        right("uid 0, with fewer capabilities", "There is no user namespace by default. Its number "
              "is 0 everywhere; most capabilities are taken away."),
        NEVER_ROOT=wrong("nobody, with no capabilities", "That takes a user namespace, which has "
                         "to be asked for (`userns-remap`, or rootless)."),
        ALWAYS_ROOT=wrong("uid 0, with every capability", "That would be `--privileged`. By "
                          "default 14 are left."),
        DOCKER_USER=wrong("a user of the name of `docker`", "There is a group of that name: its "
                          "members may talk to the engine. Nothing runs as it."),
    ),
    item(
        "owner",
        "`uid_map` says `0 5000 1`. Root in there makes a file. Its owner on the disk is ...",
        right("user 5000, as the map has it", "The kernel translates on the way: the file system "
              "gets the number outside."),
        MAP_IS_COSMETIC=wrong("user 0, as in the process", "It is 0 for who is inside. The kernel "
                              "checks and stores 5000."),
        OVERFLOW_ON_DISK=wrong("user 65534, also called nobody", "That is shown for a number "
                               "with no place in the map, and is not what is stored."),
        INODE_IS_VIRTUAL=wrong("whoever the reader's map says", "What a reader is shown depends on "
                               "the reader's map. What is stored does not."),
    ),
    item(
        "quota",
        "`--cpus 0.5`, and two threads that compute, on an idle host with two CPUs. They ...",
        right("both run for a while, then both wait", "Together they use up their 50 ms in 25 ms, "
              "and are stopped until the 100 ms are over."),
        HALF_A_CORE=wrong("run on steadily, a quarter of a CPU each", "That is the average. In "
                          "each period they run at full speed, and then not at all."),
        QUOTA_PINS=wrong("take turns on one half of the first CPU", "The quota says how long, not "
                         "where. `--cpuset-cpus` says where."),
        QUOTA_PER_THREAD=wrong("may each use one half of a CPU's time", "The quota is the group's, "
                               "for all its threads together."),
    ),
    item(
        "shares",
        "`--cpu-shares 512`, and nobody else wants to compute. The container may use ...",
        right("all processors, all the time", "A weight counts only between those who wait for one "
              "processor. Alone, it is no limit."),
        WEIGHT_IS_LIMIT=wrong("one half of the processors' time", "It is half of what a neighbour "
                              "with the default weight gets, if there is one."),
        SHARES_ARE_TIME=wrong("512 milliseconds in a second", "A weight has no unit. Times are "
                              "what `--cpu-quota` has."),
        SHARES_OF_2048=wrong("a quarter of all processors", "There is no whole that shares would "
                             "be parts of."),
    ),
    item(
        "free",
        "In a container with `--memory 64m`, the total that `free` shows is ...",
        right("the memory of the whole host", "`free` reads `/proc/meminfo`, which knows nothing "
              "of control groups."),
        FREE_SHOWS_LIMIT=wrong("the container's limit, 64 MB", "The limit is in the group's "
                               "`memory.max`, and `free` does not read that."),
        FREE_SEES_NOTHING=wrong("nothing: 0 MB in every line", "`/proc/meminfo` can be read in a "
                                "container, and says what it says outside."),
        FREE_KNOWS_THE_GROUP=wrong("64 MB, without what is cached", "What is cached counts "
                                   "against the limit, but `free` knows neither."),
    ),
    item(
        "write-limit",
        "A container may write 10 MB a second (`--device-write-bps`). A program in it writes 50 "
        "MB, with no `fsync`. It ...",
        right("may be done at once: it wrote to memory", "Pages go to the disk later, and no limit "
              "can count before that."),
        LIMIT_BITES_AT_ONCE=wrong("waits for the disk from the first byte on", "So it would with "
                                  "O_DIRECT. An ordinary write is done when the pages are."),
        LIMIT_IS_AN_ERROR=wrong("gets the error EIO after the first 10 MB", "A limit makes "
                                "requests wait. It fails none."),
        IO_LIMIT_SLOWS_CPU=wrong("computes more slowly as long as it writes", "The limit belongs "
                                 "to one device, and no processor is that."),
    ),
    item(
        "names",
        "On Docker's default bridge, a container looks another one up by its name. It finds ...",
        right("no address: names are not served", "Docker's DNS serves the networks that a user "
              "has made. On the default one, only `--link` adds a name."),
        DEFAULT_BRIDGE_DNS=wrong("its address, by Docker's own DNS", "That answers on networks "
                                 "that a user has made, and not on this one."),
        HOSTNAME_IS_DNS=wrong("its address, if it has `--hostname`", "A hostname is what a "
                              "container calls itself. It is told to nobody."),
        EXPOSE_ANNOUNCES=wrong("its address, if there is `EXPOSE`", "That notes a port in the "
                               "config of an image, and no name anywhere."),
    ),
    item(
        "hole",
        "A hole in the kernel gives any process all privileges. What contains that?",
        right("nothing containers are made of", "Namespaces and control groups are the kernel's "
              "own doing, and images are files. Whoever commands the kernel is above them."),
        CONTAINERS_CONTAIN=wrong("a user namespace, in any case", "The kernel itself enforces its "
                                 "limits. Whoever commands the kernel lifts them."),
        READ_ONLY_CONTAINS=wrong("a root that is mounted read-only", "That it is read-only is one "
                                 "bit in the kernel's memory."),
        SMALL_IS_SAFE=wrong("an image without any shell in it", "An attacker brings along what the "
                            "image lacks: requests to the kernel are enough."),
    ),
)  # fmt: skip
