"""How a container is made, and one more program in it: two sides that work hand in hand.

The runtime side is on the host (runtime.py), the container side is on its way in (init.py).
Chapters 01 to 04 do by hand what init.py lists.

    own_files.py    its hostname, hosts and resolv.conf
    confinement.py  the filter of its system calls, made ready outside
    bearing.py      who enters stays out of its PID namespace, and bears the program there
    host_mounts.py  what of the host's it sees, opened as detached mounts
    birth.py        what its two sides say to each other while it is born
    becoming.py     steps to a program: its filter, where it is found, execve
    program.py      the end of init: all that is given up and taken on, in order
    stdio.py        its standard streams, made and connected
    init.py         the container side: a straight list of what a container has
    enter.py        the other way in: one more program (`exec`)
    runtime.py      the runtime side: create and start
"""
