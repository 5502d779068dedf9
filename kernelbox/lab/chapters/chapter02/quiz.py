"""The questions at the end of chapter 02."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "In a container `ps` lists three processes. This proves ...",
        wrong("that the container is isolated from the others", "Exercise 2 has made the list lie: "
              "`ps` reads whatever is mounted at `/proc`, and may itself be elsewhere."),
        right("which PID namespace its /proc was mounted in", "A `/proc` lists the processes of "
              "the PID namespace of whoever mounted it (section 2)."),
        wrong("that the host has hidden the others from it", "Nothing is hidden: they have no "
              "number in this namespace."),
    ),
    question(
        "In a shell from `unshare --pid sh`, without `--fork`, the second command fails: `Cannot "
        "fork`. Why?",
        wrong("the machine has too little memory for it", "The error number is ENOMEM, for want of "
              "a better one. Memory has nothing to do with it."),
        wrong("a PID namespace may hold only one process", "It may have as many as you like, as "
              "long as its first one lives."),
        right("the first command was PID 1, and has ended", "A PID namespace dies with its init, "
              "and nobody can be born in it any more (section 1)."),
    ),
    question(
        "`docker stop` takes ten seconds for your container. The likely reason is ...",
        wrong("that stopping a container takes its time", "Two of the four in section 4 were gone "
              "at once; all that took time was waiting."),
        right("that its PID 1 has no handler for TERM", "The kernel drops the signal; the runtime "
              "waits in vain, and then sends KILL (section 4)."),
        wrong("that its processes are saving their data", "With exit code 137 nobody has saved "
              "anything: it was killed."),
    ),
    question(
        "What does `--init` change?",
        right("PID 1 passes signals on, and collects orphans", "Your own program is then an "
              "ordinary process, for which TERM means what it means elsewhere."),
        wrong("PID 1 is a systemd, which starts your program", "It gets one process that starts "
              "one program: `tini`, here as with Docker."),
        wrong("your program is started before all the others", "It starts as a child of PID 1; "
              "there are no others yet."),
    ),
    question(
        "A zombie is ...",
        wrong("a process that still runs, but no longer reacts to signals", "It cannot react: it "
              "has ended, and runs no code."),
        wrong("a process whose parent has ended, and which goes on alone", "That is an orphan. A "
              "zombie has a parent, which has not asked for it."),
        right("what is kept of an ended process until its parent asks", "Its number and its exit "
              "code; KILL does nothing to it (section 5)."),
    ),
    question(
        "You kill a container's PID 1 from the host. Its other processes ...",
        wrong("go on as children of the host's init", "An orphan stays in its PID namespace, and "
              "there nobody is left to adopt it."),
        wrong("get TERM, and have time to clean up", "They get KILL; no handler runs."),
        right("are all killed by the kernel at once", "A PID namespace ends with its init, "
              "whatever the others catch or ignore (section 6)."),
    ),
)  # fmt: skip
