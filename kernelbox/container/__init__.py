"""One container, the whole of it: what it shall be, its birth, its monitor, its life cycle.

Chapters 01 and 02 look at one from outside, chapter 13 takes its life apart. Begin with init.py:
what `docker run` does, in the order in which it happens.

    option_types.py  what `run` and `exec` take, as types
    spec.py          what a container shall be: OCI's config.json as records
    setting_options.py  limits of processes, kernel settings, files of variables
    mount_values.py  what `-v`, `--mount` and `--tmpfs` mean
    health_options.py  how it is asked whether it does its work
    restarting.py    whether it lives again by itself, and how soon
    security_options.py  what `--security-opt` asks for
    detach_keys.py   what a person types to leave its terminal
    state.py         where it is in its life, on disk
    ledger.py        what it owns, written down before it exists
    messages.py      what the processes around it say to each other
    log.py           what it printed
    deletion.py      deleting the tree that it has filled
    volumes.py       directories of data, which are none of its changes
    own_files.py     its hostname, hosts and resolv.conf
    events.py        what has happened to containers, a line each
    volume_store.py  volumes with a name, which outlive containers
    confinement.py   the filter of its system calls, made ready outside
    recording.py     which system calls its programs make, written down
    host_devices.py  the host's devices, for who is privileged
    streams.py       one direction of bytes, and what waits in between
    reception.py     where its monitor hears of whoever comes later
    option_values.py what a person writes, checked: names, volumes, variables
    names.py         names of containers: taken, invented, found
    image_lookup.py  the image that it is made of
    host_mounts.py   what of the host's it sees, opened as detached mounts
    birth.py         what its two sides say to each other while it is born
    pause.py         a container that stands still: for a person, or for a moment
    orders.py        what a front orders of a monitor
    front.py         the front's half of that conversation
    gate.py          asking the front before each request
    relay.py         bytes between its streams, those of people and the log
    network_options.py which network it is on, and what it is called there
    option_defaults.py  what `run` and `exec` take, and what holds without
    mount_options.py what it has mounted
    process_options.py  the program that it runs, or that `exec` adds
    program.py       the end of init: giving up, finding the program, execve
    monitor_lock.py  who looks after it
    stdio.py         its standard streams, made and connected
    run_options.py   from an image and options to a spec
    init.py          the container side: a straight list of what a container has
    enter.py         the other way in: one more program (`exec`)
    cleanup.py       undoing what a ledger names, and nothing else
    dozing.py        what its monitor has to know when it wakes from a sleep
    networks.py      networks that people make, with who is on them
    lives.py         created, and started again: what goes from one life to the next
    renaming.py      another name for it
    health.py        asking it whether it does its work
    runtime.py       the runtime side: create and start
    lifecycle.py     stop, kill, wait, remove
    update.py        other limits for one that runs
    inspection.py    all that is known about it, in Docker's words
    audit.py         what holds one, as the kernel reports it
    living.py        a life of it: birth, program, rest, and perhaps the next
    monitor.py       the process that makes it and looks after it
    launch.py        starting a monitor

It puts the mechanisms together and has none of its own: those are the rooms beside this folder.

Source: OCI runtime-spec, config.md and runtime.md.
"""
