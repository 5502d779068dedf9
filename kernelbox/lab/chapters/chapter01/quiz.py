"""The questions at the end of chapter 01."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "A container is ...",
        wrong("a small virtual machine, with a light kernel of its own", "A virtual machine boots "
              "a kernel of its own. Section 2 found one boot id, one kernel version, one amount of "
              "memory."),
        right("a process with its own namespaces, cgroup and root", "One boot id, and eight links "
              "of which six differ (section 2)."),
        wrong("a directory that holds a kernel and the programs", "An image contains no kernel: "
              "what runs in a container calls the host's."),
    ),
    question(
        "On the host, `ps -ef` shows of a container ...",
        wrong("none of the processes in it", "The host's PID namespace is above the container's: "
              "every task in there has a number here as well (section 1)."),
        wrong("one entry for the container", "There is nothing that would be *the container* and "
              "could have an entry: the kernel knows processes, namespaces and groups."),
        right("each of the processes in it", "They are in the host's PID namespace as well, with "
              "numbers of its own."),
    ),
    question(
        "`NSpid: 4711 1` means ...",
        wrong("two processes: 4711, and PID 1, which is its child", "It is one line in the status "
              "of one task."),
        right("one process: 4711 here, and 1 in its own namespace", "One number for each PID "
              "namespace it is in, the outermost first (section 1)."),
        wrong("one process, 4711, which has one thread running in it", "That is the line "
              "`Threads`."),
    ),
    question(
        "You update the host's kernel and reboot. Which kernel do your containers run on?",
        wrong("the one inside their image", "There is none in it."),
        wrong("the one they were built on", "Building has put files into layers; nobody keeps a "
              "kernel for them."),
        right("the one the host now runs", "There is only one. This is why an image can be small, "
              "and why a hole in the kernel concerns every container."),
    ),
    question(
        "Why could the container not signal the monitor?",
        wrong("it lacks the right to do so", "That it may even have, being root; nobody got as far "
              "as asking for it."),
        right("it has no number to name it", "The monitor is not in the container's PID "
              "namespace."),
        wrong("the monitor ignores signals", "The host's `kill -0` reached it (section 3)."),
    ),
)  # fmt: skip
