"""The language of Containerfiles: text in, instructions out; nothing is carried out here.

    heredocs.py      what begins a here-document in a line
    instructions.py  lines as instructions, each with the number of its line
    words.py         variables, quotes and escapes in an instruction's words
    ignore.py        `.dockerignore`: which files no instruction sees
    run_mounts.py    `RUN --mount`: what a program is to see besides its stage
    stages.py        instructions as stages, and which of them a build needs

Carried out they are in kernelbox/build/.
"""
