"""One container, the whole of it: what it shall be, its birth, its monitor, its life cycle.

Chapters 01 and 02 look at one from outside, chapter 13 takes its life apart. Begin with
birth/init.py: what `docker run` does, in the order in which it happens.

    option_types.py  what `run` and `exec` take, as types
    ledger.py        what it owns, written down before it exists
    deletion.py      deleting the tree that it has filled
    spec.py          what a container shall be: OCI's config.json as records
    state.py         where it is in its life, on disk
    conversation/    what the processes around it say to each other
    events.py        what has happened to containers, a line each
    names.py         names of containers: taken, invented, found
    audit.py         what holds one, as the kernel reports it
    volumes/         directories of data, which are none of its changes
    streams/         what goes in and out, and what is kept of it
    monitor_lock.py  who looks after it
    options/         what a person asks for, compiled to a spec
    lifecycle/       what becomes of it: ended, paused, started again, removed
    birth/           how it is made, and how one more program gets in
    networks.py      networks that people make, with who is on them
    monitor/         the process that makes it and looks after it
    inspection.py    all that is known about it, in Docker's words

It puts the mechanisms together and has none of its own: those are the rooms beside this folder.

Source: OCI runtime-spec, config.md and runtime.md.
"""
