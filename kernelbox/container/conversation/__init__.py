"""What the processes around a container say to each other: front, monitor, and whoever comes later.

Chapter 13 kills one of them, and looks at what the others do.

    messages.py   what the processes around it say to each other
    reception.py  where its monitor hears of whoever comes later
    orders.py     what a front orders of a monitor
    front.py      the front's half of that conversation
    gate.py       asking the front before each request
"""
