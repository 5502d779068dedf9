"""What the chapters ask: content alone, one folder each; the machinery is in ../exercises.

chapter00/  the lab and how to reset it
chapter01/  a container is a process
chapter02/  PID namespaces, init and signals
chapter03/  mount namespaces and propagation
chapter04/  from chroot to pivot_root
chapter05/  images
chapter06/  OverlayFS
chapter07/  user namespaces and capabilities
chapter08/  CPU: weight and quota
chapter09/  memory and processes
chapter10/  disk I/O
chapter11/  the network by hand: cables, bridges, NAT
chapter12/  networks of one's own: names, ports and rates
chapter13/  the life cycle: create and start, states, hooks, crashes, engines
chapter14/  light and efficient: starts, memory, calls and neighbours, measured
chapter15/  secure, measured: attacks against defences

A folder's own page says what is in it. A teacher's chapters have the same form, and lie elsewhere:
see ../exercises/catalogue.py.
"""
