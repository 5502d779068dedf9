"""What becomes of a container after its birth: it is ended, paused, started again, taken away.

Chapter 13 goes through all of it by hand.

    pause.py     a container that stands still: for a person, or for a moment
    renaming.py  another name for it
    update.py    other limits for one that runs
    cleanup.py   undoing what a ledger names, and nothing else
    lives.py     created, and started again: what goes from one life to the next
    stopping.py  stop, kill, wait, remove
"""
