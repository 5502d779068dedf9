"""Load generators: small programs that use up one thing, at a stated rate, and say how they fare.

Chapters 08 to 10 and 14 let them work below limits.

    sheet.py      what a load tells while it works, in memory shared with whoever reads it
    pace.py       keeping a stated rate, without making up for what was missed
    family.py     a process that ends with the one that has forked it
    disk.py       write and read: in order or at random, through the page cache or past it
    memory.py     eat: pages that are touched, and kept
    processes.py  fork_many: children that sleep
    processor.py  burn and serve: CPU time, all there is or a little again and again
    kinds.py      all of them by name
    shell.py      the same in a shell's words, for a container that has nothing but busybox

A load is a process (or several, its workers) that does nothing else. Who starts it, and in which
control group, is the agent's business; what it may use, the group's.
"""
