"""The questions at the end of chapter 08."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "`--cpus 0.5`, and two processes want to run all the time. What happens?",
        wrong("each gets a quarter of a core, steadily, without pauses",
              "The quota is one amount for a period. Two spend it twice as fast, and then both "
              "wait (section 2)."),
        right("both run, and then both stop until the next period",
              "Two processors spend 50 ms in 25, so both stand still for the other 75."),
        wrong("the two are pinned to one core, and share half of it",
              "A quota does not say where. That is a cpuset, or an affinity (section 5)."),
    ),
    question(
        "A container has `--cpu-shares 512`, and the machine is idle. It gets ...",
        right("every CPU that it can use, as if it had no weight",
              "A weight divides what several want. Alone, one has it all (section 4)."),
        wrong("half of each CPU: 512 of the 1024 that are usual",
              "That would be a limit. A weight only counts beside other weights."),
        wrong("one CPU at the most: 512 is half of a pair of them",
              "Nothing in a weight counts processors."),
    ),
    question(
        "A service uses 0.1 CPU on average, its quota is 0.2. Is it ever throttled?",
        wrong("no: its average is below its quota all the time",
              "The kernel knows no average. It counts within each period (section 3)."),
        wrong("yes, in half of the periods: 0.1 divided by 0.2",
              "How often follows from what it needs at once, and not from the averages."),
        right("perhaps: it depends on what it needs in a period",
              "30 ms at once, of 20 in a period: throttled, whatever the rest of the second is."),
    ),
    question(
        "Which numbers tell that users of a service wait because of its quota?",
        right("`nr_throttled`, and the slowest answers of a hundred",
              "The one counts the cause, the others are what the users see."),
        wrong("the CPU time that it has used, beside its quota",
              "It was far below in section 3, and the answers were slow."),
        wrong("the average time of an answer, beside its median",
              "The average hides the few that wait for long, and does not say why they do."),
    ),
    question(
        "`nproc` in a container with `--cpus 0.5` on 8 CPUs prints 8. Why?",
        wrong("the image has no file that would tell it the quota",
              "No image has. The quota stands in a file of the kernel's, `cpu.max`."),
        right("it counts where it may run, and not for how long",
              "It asks sched_getaffinity(2). A cpuset changes its answer (section 5)."),
        wrong("it is a bug of busybox: Debian's would print one",
              "Debian's asks the same question of the same kernel."),
    ),
    question(
        "Group A has weight 300, B has 100; each has a burner, each on its own CPU. A gets ...",
        wrong("three quarters of its CPU, and B gets one of its",
              "Nobody else wants A's CPU, so nothing is divided there."),
        wrong("three times the CPU time that B is given",
              "That would be on one and the same CPU (section 4)."),
        right("all of its CPU, and so does B of its own",
              "A weight counts only where two want the same CPU."),
    ),
)  # fmt: skip
