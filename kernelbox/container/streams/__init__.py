"""What goes in and comes out of a container's program: to a person, to a log, or to both.

detach_keys.py  what a person types to leave its terminal
log.py          what it printed
streams.py      one direction of bytes, and what waits in between
relay.py        bytes between its streams, those of people and the log
"""
