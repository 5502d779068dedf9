"""The questions at the end of chapter 04."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "`chroot` changes ...",
        right("where the lookup of absolute paths begins", "That, and where `..` stops. Nothing "
              "else: not the working directory, not the mounts."),
        wrong("which files the process will be able to reach", "It got out in section 3, with "
              "three more requests. chroot(2) itself says: not intended for security."),
        wrong("which mounts there are in the namespace", "The namespace had as many as before "
              "(section 2)."),
    ),
    question(
        "After `chroot`, `/proc/PID/mountinfo` shows one line. The other mounts are ...",
        wrong("unmounted, as none of them is needed", "Nobody asked for it. A process that entered "
              "the namespace saw them."),
        right("there, but not below this process's root", "The file shows what the process can "
              "name. Look from the namespace's own root."),
        wrong("in another mount namespace than this process", "`chroot` makes none."),
    ),
    question(
        "Why does the way out not work after `pivot_root` and `umount`?",
        wrong("the kernel now refuses the second `chroot`", "It is granted (section 5): the "
              "process has the right."),
        right("the new root is the top: nothing is above it", "All the way up leads to `/`, and "
              "`/` is the image."),
        wrong("the process is no longer root after `pivot_root`", "Its user has not changed."),
    ),
    question(
        "`umount -l` on the old root ...",
        wrong("deletes the host's files, as it is the host's root", "It takes a mount out of a "
              "namespace. The host has its own, in another namespace."),
        right("takes it away now; whoever has it open keeps it", "Which is why a runtime closes "
              "every descriptor that it does not need (section 4)."),
        wrong("waits until nobody uses it, and then unmounts it", "That would be EBUSY, without "
              "`-l`. Lazily it is gone from mountinfo at once."),
    ),
    question(
        "In a container, `/proc/interrupts` is empty. Why?",
        wrong("it shows the container's interrupts: none", "There is no such namespace."),
        wrong("the container's root may not read that file", "It may, and reads: nothing."),
        right("`/dev/null` is mounted over it, as a mask", "A mask. Whoever may unmount it sees "
              "what is below, so a runtime takes away CAP_SYS_ADMIN as well (section 8)."),
    ),
)  # fmt: skip
