"""An OCI runtime: containers of bundles, as Podman, Docker and containerd ask for them.

`kernelbox oci` and `kernelbox-runtime` have runc's verbs and options. There is no process that
stays: an engine is its containers' parent itself, and what a container is can be seen in the
kernel. Chapter 13 takes create and start apart. Begin with init.py.

    document.py       a JSON document from outside, read with suspicion
    checking.py       a document beside the spec's own schemas
    config.py         a container as its bundle describes it: config.json, as records
    descriptors.py    what the caller has open for the program
    log.py            where an engine reads why something failed
    mount_options.py  mount(8)'s words, and what becomes of each
    copying.py        what an image has at a place, copied into what covers it
    console.py        a terminal, and its other end sent to an engine
    gate.py           where a container's first process waits for `start`
    groups.py         the control group, wherever it is to be
    groupless.py      what stands where there is none
    agents.py         who is asked about calls that a filter leaves to others
    foreground.py     a program in the foreground: streams, terminal, signals
    unprivileged.py   what the kernel refuses who is not the host's root, and what stands in for it
    places.py         where the states of containers are
    programs.py       `process` becomes a record
    refusals.py       what a config.json may ask for and is not done, by name
    resources.py      what a container may use, written to its control group
    devices.py        device nodes
    hooks.py          programs of the bundle's at moments of a container's life
    standing.py       limits, user, capabilities; then the program
    handing.py        links of the host's, handed to a container
    attaching.py      mounts, made where nobody sees them, attached below the rootfs
    in_place.py       a root where others see its mounts, too
    joining.py        new namespaces and those of others, and the birth into them
    reading.py        config.json becomes records
    hiding.py         paths that are hidden, or not to be written to
    features.py       what this runtime can do, and a config.json to begin with
    state.py          what is known of a container between two commands
    init.py           the container side: from birth to the gate
    ending.py         `kill` and `delete`
    starting.py       `start`
    entering.py       `exec`
    telling.py        `list`, `ps`, `events`
    creation.py       the runtime side of `create`

Source: OCI runtime-spec 1.3, runtime.md, config.md and config-linux.md.
"""
