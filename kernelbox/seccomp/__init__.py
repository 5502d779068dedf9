"""Which system calls a process may make: a profile, and the filter that the kernel runs at each.

Chapter 15 reads it. A filter is a short program of the kernel's oldest machine, classic BPF: two
registers, no loops, jumps only forward. It sees the number and the arguments of a call as numbers,
never what they point to, and says what becomes of the call.

    machines.py   the machines that are known: their name for seccomp, and their calls' numbers
    profile.py    a profile in OCI's form, read and checked
    default.py    a profile for containers, without another
    docker.py     a profile as Docker writes it, turned into OCI's form
    decision.py   what a profile says of a call, and by which of its rules
    assembly.py   instructions with labels, and what becomes of jumps that are too far
    filter.py     a profile as a filter
    listing.py    a filter as a person reads it
    verdict.py    what a filter says of a call, found out by running it
    kept.py       profiles with their filters, worked out once
    recording.py  a profile narrowed to the calls that a run has made

Installing a filter is a request at the door: `kernelbox.kernel.seccomp`.

Source: seccomp(2); kernel, `Documentation/userspace-api/seccomp_filter.rst`; OCI runtime-spec,
config-linux.md, "Seccomp".
"""
