"""A container's root: from a mounted tree to the `/` that its program sees. Chapters 03 and 04.

pivot.py        the tree becomes /, and no path leads back to the old one
targets.py      mount points below a root that may be full of traps
furnishing.py   what a bare tree lacks: /proc, /sys, /dev, the container's view of its cgroup
masks.py        hide what /proc and /sys tell of the host

All of it is done on the container side, in the order in which
`kernelbox.container.birth.init.build` lists it. The tree itself comes from overlay.py; which mounts
a container has is data in its spec.
"""
