"""The process that makes a container, looks after it, and outlives the command that asked for it.

recording.py  which system calls its programs make, written down
dozing.py     what its monitor has to know when it wakes from a sleep
health.py     asking it whether it does its work
living.py     a life of it: birth, program, rest, and perhaps the next
monitor.py    the process that makes it and looks after it
launch.py     starting a monitor
"""
