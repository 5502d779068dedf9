"""What the processes around a container say to each other: front, monitor, and whoever comes later.

Chapter 13 kills one of them, and looks at what the others do.

    messages.py   what the two sides of a birth say to each other
    monitor_messages.py  what is said to a container's monitor, and answered
    reception.py  where its monitor hears of whoever comes later
    orders.py     what a front orders of a monitor
    front.py      the front's half of that conversation
    gate.py       asking the front before each request
"""
