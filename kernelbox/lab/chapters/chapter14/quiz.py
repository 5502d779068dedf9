"""The questions at the end of chapter 14."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "A container starts in tens of milliseconds, a virtual machine in seconds. Why?",
        wrong("a container's image is smaller, and so it is read sooner",
              "The machine's files here were fewer than a container's. It is what they do."),
        right("no kernel has to boot: the host's one runs already",
              "A container is a process with some requests before it (section 1)."),
        wrong("a container is kept asleep, and only has to be woken up",
              "It is made from nothing at each start: the trace shows every request."),
    ),
    question(
        "Memory of ten containers is added up. Which number of each may be added?",
        right("PSS: a shared page is divided among those who have it",
              "So each page is counted once in the sum (section 2)."),
        wrong("RSS: what a process has in memory, page by page",
              "A page that all ten have would be counted ten times."),
        wrong("VSZ: all that a process could reach if it wanted",
              "Most of it is nowhere: never touched, or never read."),
    ),
    question(
        "Two containers of one image read the same large file. The page cache has it ...",
        wrong("twice, since each container has a mount of its own",
              "The page cache belongs to the file below, and not to a mount (section 3)."),
        wrong("twice, unless one of them asks for it to be shared",
              "Nobody has to ask. It is one inode of one file system."),
        right("once, until one of them changes its own copy",
              "A change copies it up (chapter 06), and then there are two files."),
    ),
    question(
        "What does a container add to each system call of its program?",
        wrong("a translation: from the container's kernel to the host's",
              "There is one kernel. The same instruction leads into it (section 4)."),
        right("next to nothing: it is the same kernel, called the same way",
              "Its filter of system calls costs a tenth or so (section 4)."),
        wrong("a switch: to the runtime, which makes the call instead",
              "The runtime waits for the program's end, and sees none of its calls."),
    ),
    question(
        "A neighbour wants all of the CPU. What keeps a small service's answers quick?",
        wrong("the namespaces: each container has processors of its own",
              "Namespaces say what is seen. Who runs when is the control groups' matter."),
        wrong("nothing at all: who shares a kernel shares its queues",
              "The queue is shared, and the order in it follows the weights (section 5)."),
        right("a weight: who is small and heavy is served first",
              "And a quota for the neighbour, if there is to be an upper bound (chapter 08)."),
    ),
    question(
        "20 starts took 41 to 95 ms, with a median of 52. What may be said of the next 1000?",
        right("their median most likely lies near 52, between two ranks",
              "Ranks say from where to where, and how surely (section 1)."),
        wrong("they all will be between 41 and 95 ms, as these have been",
              "One in twenty may well be slower than all of the first twenty."),
        wrong("their median is 52 ms, since 20 are more than enough",
              "Measure twenty more, and it will be 50, or 55: without an interval it says little."),
    ),
)  # fmt: skip
