"""Who a process is, inside and outside, and what it may do. Chapter 07.

id_maps.py       user namespaces: which id inside is which outside
accounts.py      names and ids, from the container's own /etc/passwd and /etc/group
capabilities.py  root's power in 41 pieces, and who has which
own_ids.py       id maps of an ordinary user
"""
