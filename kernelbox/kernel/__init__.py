"""The one door to the kernel: every request that changes something passes through here.

    record.py     counts, times, shows, pauses and (for tests) breaks each request
    explain.py    why the kernel says no, and what to do about it
    errors.py     the exceptions that come out of the door
    flags.py      the kernel's constants, and their names back
    syscalls.py   namespaces, mounts, capabilities: one function per system call
    process.py    clone3, pidfds, signals, execve
    files.py      writes to procfs, sysfs and cgroupfs; directories and device nodes
    netlink.py    links, addresses and routes (rtnetlink, through pyroute2)
    netdevice.py  what ioctl tells and does of links, without netlink
    nft.py        packet filter rules (nftables, through `nft`)

This is floor 0: it knows requests, not containers. `ctypes` and `pyroute2` are used nowhere else.
"""
