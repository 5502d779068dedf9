"""Broken hosts: a problem first, then five faults to be found, and repaired by any route.

The host is a world of namespaces that the lab has made: never the real machine. From the ground up:

eye.py             sees from outside what the kernel says
record.py          how far somebody is with them
world.py           a machine with services, made of namespaces
fault.py           what a fault is: broken, looked at, and what a repair must leave alone
shelf.py           image layouts, read with suspicion
pages.py           what a notebook shows
mount_faults.py    after chapter 04: mounts
image_faults.py    after chapter 07: images
layer_faults.py    after chapter 07: layers and overlays
user_faults.py     after chapter 07: users and rights
time_faults.py     after chapter 10: who runs, where, and how much
limit_faults.py    after chapter 10: memory, processes, a disk, and who is counted where
network_faults.py  after chapter 12: addresses, routes and rules
process_faults.py  after chapter 04: processes and names
parts.py           which kinds a host is drawn from
host.py            the host itself, as a notebook has it
"""
