"""Plumbing: what every room uses and no chapter is about. It knows nothing of the kernel.

numbers.py     numbers in what strangers write
records.py     named tuples that load quickly
light.py       what a start needs of contextlib, functools and signal, and no more
documents.py   JSON, without what `json` loads
sockets.py     sockets on one machine, and descriptors through them, without what `socket` loads
storage.py     small files of our own, read and written whole
whole.py       a file that a person names is replaced whole, or not at all
paths.py       where kernelbox keeps things on disk
channel.py     messages and descriptors between two processes
shelf.py       the rooms' bytecode in one file, for commands that start often
"""
