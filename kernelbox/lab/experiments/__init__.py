"""Experiments: what is claimed of containers, measured. Chapter 14 and the tests share them.

    from kernelbox.lab.experiments import births, calls, interval, machine, memory

    interval.py    a median with what is known of it: from where to where, and how surely
    births.py      how long something takes from its start to its end; a crowd of containers
    memory.py      what processes take of the memory, each page counted once
    page_cache.py  a file in the page cache, as a container finds it
    calls.py       what a system call costs, inside and outside; a message there and back
    noise.py       how long answers take beside neighbours who want all of the CPU
    initramfs.py   a machine's first files: busybox, and a program that says who it is
    machine.py     a virtual machine, booted for comparison

They return numbers, and judge nothing.
"""
