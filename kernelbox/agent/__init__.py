"""The agent: one small process with privilege and a single thread, that a notebook talks to.

    guard.py       what a held process may not do to the host
    whose.py       which processes are the lab's
    forking.py     a fork that is where it is to be before anybody hears of it
    disks.py       disks of a lab's own, for loads on a disk
    monitors.py    the monitors that an agent keeps
    requests.py    what a held process can be asked of the kernel
    programs.py    a shell beside it, Python in it, a program in its place
    fork_limit.py  one control group for all held processes, with an end to their forks
    groups.py      control groups that a student makes by hand
    next_door.py   another machine, at the other end of a cable
    cabling.py     links, addresses, routes and rules of a held process's own network
    networks.py    networks that a student makes in a notebook
    loading.py     a load: a process that does nothing but use something up
    remote.py      a process under remote control: one request a message
    calls.py       what the agent does itself: containers, inspect, stop, reset
    agent.py       the loop: one request in, one reply out

`python -m kernelbox.agent` is how it is started. Why it is there: a Jupyter kernel has many
threads, and a process with threads cannot change its user or mount namespace. Every chapter's
`box.hold()` and `box.run()` end here.
"""
