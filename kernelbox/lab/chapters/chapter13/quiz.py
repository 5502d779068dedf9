"""The questions at the end of chapter 13."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "A container is `created`. What is there of it?",
        wrong("a directory and a note: no process before start",
              "Its first process is there already, with all its namespaces (section 1)."),
        right("all but its program: a process waits at a gate",
              "Namespaces, mounts and control group are made; the runtime's code waits in there."),
        wrong("its program, which has been stopped by SIGSTOP",
              "The program has not been executed: execve is what `start` brings."),
    ),
    question(
        "Why do create and start come apart at all?",
        right("others can prepare what is made before it runs",
              "A network is plugged in, a terminal is taken, hooks look: all between the two."),
        wrong("because execve takes long for a large program",
              "It maps the file, however large. The gap is for who prepares (sections 3, 4)."),
        wrong("so that the same container can be started twice",
              "One that has stopped cannot be started by an OCI runtime (section 2)."),
    ),
    question(
        "The runtime's process has ended, the container runs. Who keeps it alive?",
        wrong("a daemon of the runtime's, which stays behind",
              "There is none: each verb is a process that ends (section 1)."),
        wrong("the container's init, which asks it to be kept",
              "Nobody has to ask. A process runs until it ends."),
        right("the kernel: it is a process like any other one",
              "Its parent is whoever adopts it: an engine's monitor, or process 1 of the host."),
    ),
    question(
        "`exec` makes one more process in a container. How?",
        right("it joins the namespaces and group that are there",
              "setns(2) for each kind, a fork, the control group; no init has a part in it."),
        wrong("it asks the container's init to fork once more",
              "Its init may be any program. Whose parent is it? Nobody's in there (section 3)."),
        wrong("it makes a container again, out of the same bundle",
              "Then it would see other processes, and nothing of these."),
    ),
    question(
        "A createRuntime hook exits with status 1. What follows?",
        wrong("a warning in the log; the container goes on",
              "That is what becomes of poststart and poststop, which come too late to stop it."),
        wrong("the hook is run again, until it has succeeded",
              "Nobody repeats it: its failure is an answer."),
        right("create fails, and what was made is taken away",
              "Whoever refuses before the program runs refuses the container (section 4)."),
    ),
    question(
        "A runtime was killed in the middle of `create`. What is certain?",
        wrong("the kernel takes back all that it had made",
              "Processes and their namespaces, yes. Control groups are directories: they stay."),
        right("directories stay until somebody removes them",
              "The note of the runtime's and the groups; `delete --force` knows both (section 5)."),
        wrong("the container can be started where it stopped",
              "Its first process has died with its maker, and nobody waits at the gate."),
    ),
)  # fmt: skip
