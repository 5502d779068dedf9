"""The questions at the end of chapter 15."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "A container's root has uid 0, on the host as well. Why can it not mount a disk?",
        right("it lacks a capability, and the filter says no",
              "Two locks on one door: CAP_SYS_ADMIN is dropped, and mount(2) refused (section 2)."),
        wrong("the kernel knows that it is a container's root",
              "The kernel knows no containers, only sets of bits, namespaces and filters."),
        wrong("its mount namespace cannot be changed by anybody",
              "It can, by whoever has CAP_SYS_ADMIN over it: see the first columns of the grid."),
    ),
    question(
        "A profile refuses mkdir(2), and a program makes a directory in there. How?",
        wrong("it was root, whom a filter does not concern",
              "A filter is asked for every call of whoever has it, root's included."),
        wrong("it took the filter off before it made it",
              "Nobody can: a filter stays, for the process and for all its children."),
        right("by mkdirat(2): a call of another number",
              "A filter sees numbers. What has two doors needs two locks (section 3)."),
    ),
    question(
        "Why does Docker's profile refuse keyctl(2)?",
        wrong("keys take memory that no group is charged for",
              "They have a quota for each user. That is not the point here."),
        right("keys are no namespace's: they are the user's",
              "The same uid 0 has the same keyring, in the container and outside (section 4)."),
        wrong("a key opens the disks that the host has locked",
              "Some do. But first of all: the keys are the host's (section 4)."),
    ),
    question(
        "What does `no-new-privileges` change?",
        right("execve(2) gives nobody more than he has",
              "The bits of set-user-ID programs and file capabilities count for nothing."),
        wrong("root in the container is no root any more",
              "Who is root stays root. It is about becoming it (section 5)."),
        wrong("the container's capabilities are dropped",
              "They stay as they are. What the first process has, it keeps."),
    ),
    question(
        "Added to a default container, a user namespace stops no attack more. What is it good for?",
        wrong("for nothing: the grid has measured it",
              "The grid tries what is locked. It does not ask what is behind a broken lock."),
        wrong("it makes the other defences quicker",
              "It costs a little: ids have to be mapped."),
        right("for whoever gets out: he is nobody there",
              "Root of the container is user 100000-odd outside, where nothing is his."),
    ),
    question(
        "Every attack is stopped, but for one. Is the container as safe as a virtual machine?",
        wrong("yes: what cannot be attacked cannot be broken",
              "Some hundred calls still lead into the kernel, and each may have a mistake."),
        right("no: a mistake in the kernel is one for all",
              "The line that stays open (section 8). A machine has a kernel of its own."),
        wrong("yes, once it has a user namespace as well",
              "A mistake in the kernel gives the kernel's rights, not those of a user."),
    ),
)  # fmt: skip
