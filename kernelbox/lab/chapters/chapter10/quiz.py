"""The questions at the end of chapter 10."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "A limit of 10 MB/s, and `dd` writes 500 MB through the cache. `dd` ...",
        wrong("waits from its first block on, and takes 50 s",
              "Its bytes go to memory, and no limit of a disk counts there (section 3)."),
        right("may be done in a second, and its bytes later",
              "A cached write ends in memory. Who writes it to the disk, waits."),
        wrong("is refused what is above the limit: an EIO",
              "A limit makes requests wait. None of them fails."),
    ),
    question(
        "When are the bytes of a program safe from a power cut?",
        wrong("when its write(2) has returned, and said so",
              "Then they are in memory, and a power cut ends that."),
        right("when its fsync(2) has returned without error",
              "That waits for the disk, and says if it has failed (section 3)."),
        wrong("when another process can read them as well",
              "That one reads the very same memory."),
    ),
    question(
        "`io.max` is written with the numbers of a partition. What follows?",
        right("the kernel refuses: it knows whole disks only",
              "ENODEV, with v1 and v2 alike (section 2)."),
        wrong("the limit holds for this partition alone then",
              "The partitions of a disk share its queue. Nothing is limited between them."),
        wrong("the limit holds for the whole disk around it",
              "You would have to ask for that: the kernel refuses instead."),
    ),
    question(
        "A file is written in a container, on its overlay. Which disk's limit counts?",
        wrong("the one of the overlay, whose numbers `stat` shows",
              "These begin with 0: there is no such disk."),
        wrong("the one of the lowest layer of the image, always",
              "Nothing is written to a lower layer."),
        right("the one that its upper directory lies on, below",
              "The first write copies it up, and there it stays (section 2, chapter 06)."),
    ),
    question(
        "`riops=100`, and a program reads blocks of 4 KiB past the cache. It gets ...",
        right("0.4 MB/s, though the disk could do much more",
              "100 requests of 4 KiB. With 64 KiB it would be 6.5 MB/s (section 5)."),
        wrong("100 MB/s, since a request has up to one MB in it",
              "A request has as many bytes as the program asks for."),
        wrong("as much as it likes: no bytes are limited",
              "Requests are, and every block is one of them."),
    ),
    question(
        "A small reader shares a group with a large one, below one limit. The small one ...",
        wrong("is served first, since its requests are small",
              "It stands in the same queue (section 6)."),
        wrong("waits as long as its own bytes take, below it",
              "It also waits for all the bytes that stand before its own."),
        right("waits for the bytes of the large one, as well",
              "A limit is one queue. A group of its own is the cure."),
    ),
)  # fmt: skip
