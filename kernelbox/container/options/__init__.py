"""From what a person asks for to what a container shall be: Docker's options, compiled to a spec.

Begin with run_options.py; each of the others knows one kind of them.

    setting_options.py   limits of processes, kernel settings, files of variables
    mount_values.py      what `-v`, `--mount` and `--tmpfs` mean
    health_options.py    how it is asked whether it does its work
    restarting.py        whether it lives again by itself, and how soon
    security_options.py  what `--security-opt` asks for
    host_devices.py      the host's devices, for who is privileged
    option_values.py     what a person writes, checked: names, volumes, variables
    image_lookup.py      the image that it is made of
    network_options.py   which network it is on, and what it is called there
    option_defaults.py   what `run` and `exec` take, and what holds without
    mount_options.py     what it has mounted
    process_options.py   the program that it runs, or that `exec` adds
    run_options.py       from an image and options to a spec
"""
