"""The questions at the end of chapter 03."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "After `unshare(CLONE_NEWNS)` alone, a mount that the process makes ...",
        wrong("is never seen by others: the list of mounts is its own", "The list is its own, but "
              "the copies of shared mounts tell each other: on a host with systemd, / is shared "
              "(section 3)."),
        wrong("is always seen by others: they still share all mounts", "Mounts that were private "
              "stay so (section 2)."),
        right("is seen by others if the mount it is made on is shared", "The propagation of the "
              "mount *above* decides, and unshare does not change it."),
    ),
    question(
        "A new mount namespace contains ...",
        right("a copy of each mount of the old one", "The list is copied; the file systems are not "
              "(section 1)."),
        wrong("no mounts until a process makes one", "Then not even / would be there, nor the "
              "program that runs."),
        wrong("a copy of every file of the old one", "What is copied is a list. Both sides see the "
              "same files."),
    ),
    question(
        "`master:5` in mountinfo means ...",
        wrong("this mount tells group 5 what is mounted on it", "That would be `shared:5`."),
        right("this mount hears group 5, and tells it nothing", "It is a slave of the group "
              "(section 4)."),
        wrong("this mount was made before the rest of group 5", "The order of mounts has nothing "
              "to do with it."),
    ),
    question(
        "You bind `/srv` to `/mnt` and remount `/mnt` read-only. Files in `/srv` ...",
        wrong("can no longer be changed, there or in `/mnt`", "`ro` belongs to the one mount, as "
              "long as the remount says `bind` (section 6)."),
        wrong("can be changed, but `/mnt` keeps the old ones", "A bind is no copy: there is one "
              "directory, seen at two places."),
        right("can be changed, and `/mnt` shows the change", "One directory, two mounts, and only "
              "one of them refuses to write."),
    ),
    question(
        "The last process in a network namespace has ended. The namespace ...",
        wrong("is gone, whatever else may still refer to it", "Not if it is mounted somewhere, or "
              "a file descriptor is open."),
        right("lives on if its file in /proc/PID/ns was bound", "That is what `ip netns add` does "
              "(section 7)."),
        wrong("lives on until the machine is next rebooted", "Without a process, a mount or a "
              "descriptor, the kernel removes it."),
    ),
)  # fmt: skip
