"""Directories of data that a container has mounted, and that are none of its changes.

volumes.py       directories of data, which are none of its changes
volume_store.py  volumes with a name, which outlive containers
"""
