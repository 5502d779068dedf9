"""The questions at the end of chapter 07."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "Root in a container is ...",
        wrong("always the host's root, whatever its namespaces are", "With a user namespace it is "
              "some other user of the host's: 2000000000 in section 9."),
        wrong("never the host's root, whatever its namespaces are", "Without a user namespace it "
              "is uid 0, the only one there is: `plain` in section 9. It has fewer capabilities, "
              "that is all."),
        right("the host's root, or not: its user namespace decides", "Look at `Uid` in "
              "`/proc/PID/status`, on the host."),
    ),
    question(
        "`uid_map` says `0 5000 10`. Root inside makes a file. On the host it belongs to ...",
        wrong("the user with number 0", "That is its number inside."),
        right("the user with number 5000", "The file system stores the number outside (section "
              "4)."),
        wrong("the user with number 65534", "That is shown for who has *no* number where one looks "
              "from."),
    ),
    question(
        "Root inside has every capability, and cannot make a device. Why?",
        wrong("`CAP_MKNOD` is missing from its effective set", "It is there: `sets(inner)` printed "
              "every one."),
        right("it needs `CAP_MKNOD` in the host's user namespace", "`capable()` asks there, always "
              "(section 5)."),
        wrong("the directory cannot be written to by its root", "It had made a file in it in "
              "section 4."),
    ),
    question(
        "Why must `setgroups` be denied before a process maps its own group?",
        right("who leaves a group may open what is closed to the group", "Mode `0604` keeps a "
              "group out. Who drops the group is let in (section 6)."),
        wrong("a user namespace has no table of groups of its own", "It has one: `gid_map` is that "
              "table."),
        wrong("otherwise the process could join the group of root", "It could not: only what is "
              "mapped can be joined, and only its own group is."),
    ),
    question(
        "User 1000 has `CapPrm` and `CapEff` of `KILL`, and `CapAmb` of nothing. It executes a "
        "program. The program has ...",
        wrong("`KILL`, as its parent", "That is what happens with `fork`. With `execve` the sets "
              "are computed anew (section 7)."),
        right("no capability at all", "The file has no capabilities, and nothing is ambient."),
        wrong("what is in its `CapBnd`", "That is a limit. It gives nothing."),
    ),
    question(
        "A program in Go calls `unshare(CLONE_NEWUSER)` as root, and gets EINVAL. Because ...",
        wrong("it lacks a privilege that is needed", "That would be EPERM; root gets EINVAL as "
              "well."),
        wrong("the kernel has no user namespaces", "That is one meaning of EINVAL. Here a held "
              "process of one thread could make one."),
        right("it is a process with several threads", "All threads of a process are in one user "
              "namespace (section 8)."),
    ),
)  # fmt: skip
