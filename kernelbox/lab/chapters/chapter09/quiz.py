"""The questions at the end of chapter 09."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "`free` in a container with `--memory 64m` shows 16 GB. Why?",
        wrong("the limit begins when memory is touched",
              "The limit is there from the beginning. `free` does not look at it at all."),
        right("it reads `/proc/meminfo`, the machine's",
              "No namespace divides that file. What the group has, says `memory.max` (section 1)."),
        wrong("busybox's `free` knows no containers",
              "Debian's reads the same file, and shows the same 16 GB."),
    ),
    question(
        "A program asks for 1 GiB below a limit of 100 MiB, and touches none of it. What happens?",
        right("nothing: untouched pages do not count",
              "It has got addresses. A page of memory comes with the first touch (section 2)."),
        wrong("it is killed as soon as it asks for it",
              "Nothing is short yet. It would be killed at about the 100th MiB that it touches."),
        wrong("mmap(2) is refused, with ENOMEM",
              "`memory.max` is not asked when addresses are given out."),
    ),
    question(
        "`memory.current` of a group has been at its limit for hours. That means ...",
        wrong("a leak: somebody in it gives nothing back",
              "Perhaps. But a program that reads large files looks just the same."),
        wrong("that the kernel is about to kill in there",
              "Only if nothing can go. Look at `file` in `memory.stat` (section 3)."),
        right("little: page cache takes the room there is",
              "It goes when somebody needs the room. What counts is what cannot go."),
    ),
    question(
        "Memory is short in a group of three processes. Whom does the kernel kill?",
        wrong("the one that has asked for one page too many",
              "Whoever asks last may be small, and innocent (section 4)."),
        right("the largest, after what `oom_score_adj` adds",
              "One large one is enough, as a rule. The number moves the choice."),
        wrong("all three of them, since the group is limited",
              "Only if `memory.oom.group` says so, which cgroup v1 does not know."),
    ),
    question(
        "A container has ended with exit code 137. Was it the OOM killer?",
        right("if its group's `oom_kill` has risen, yes",
              "137 is 128 + 9, SIGKILL, whoever has sent it. The counter tells who."),
        wrong("yes: no one else leaves 137 behind",
              "`docker kill`, and `docker stop` after ten seconds, do as well."),
        wrong("no: that would have been ENOMEM, and 12",
              "Nobody is told that memory is short. SIGKILL comes without a word."),
    ),
    question(
        "`pids.max` is 100. One program in the group has 60 threads. There is room for ...",
        wrong("99 more processes, as a program is one",
              "`pids.current` would say 60, where the list of processes has one (section 6)."),
        right("40 more processes of a single thread each",
              "The limit counts tasks, and each thread is one."),
        wrong("100 more: the limit is of each program",
              "It is of the group, and of all groups below it."),
    ),
)  # fmt: skip
