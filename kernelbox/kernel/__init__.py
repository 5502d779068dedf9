"""The one door to the kernel: every request that changes something passes through here.

    flags.py        the kernel's constants, and their names back
    errors.py       the exceptions that come out of the door
    c_types.py      C's types and functions, without all else that ctypes has
    foreign.py      ... loaded when they are needed
    explain.py      why the kernel says no, and what to do about it
    mount_words.py  mount(2)'s bits in mount(8)'s words; a path in mountinfo
    stepping_stone.py  a program in memory, between this interpreter and a container's
    door.py         counts, times, shows, pauses, forbids and (for tests) breaks each request
    sleeper.py      a program in memory that waits in place of an interpreter
    syscalls.py     namespaces, ids, capabilities: a function per system call
    session.py      sessions, terminals, streams, umask: what a program is left with
    netdevice.py    what ioctl tells and does of links, without netlink
    packets.py      sockets by name, and those that hear every frame of a link
    trace.py        what the door has seen, as text and as JSON
    bpf.py          programs that the kernel runs itself
    seccomp.py      a filter of system calls, installed
    listening.py    which calls a filter asks its listener about
    pages.py        how much of a file is in the page cache
    execution.py    limits, scheduling, personality: what survives execve
    process.py      clone3, pidfds, signals, execve
    mounts.py       mount(2) and its younger relatives
    lookup.py       root, working directory, openat2: where lookups begin and may lead
    watch.py        a file of a directory was replaced
    loop.py         a file that the kernel offers as a disk
    netlink.py      messages to the kernel's networks: attributes, errors, lists
    files.py        writes to procfs, sysfs and cgroupfs; directories, device nodes, owners
    aside.py        in another mount namespace for a while
    links.py        links, addresses and routes, as such messages describe them
    conntrack.py    flows that the kernel remembers, and how it forgets them
    nft.py          packet filter rules (nftables, through `nft`)
    announcements.py  which networks have changed
    lsm.py          what a security module holds a process by
    link_reader.py  what the kernel tells of them
    rtnetlink.py    requests for links, addresses and routes
    cabling.py      more of them, as hands ask: pairs, moves, routes
    stacking.py     links on other links: macvlan, vlan; and dummies
    qdisc.py        what a link does with packets before it sends them

It knows requests, not containers. `ctypes` and netlink's messages are found nowhere else. Each
chapter asks for some of these requests by hand, one a cell.
"""
