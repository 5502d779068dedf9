"""For teachers: a folder for nbgrader, what to hold in hand, what became of a class.

notebooks.py   where the chapters' notebooks are: in a checkout, in an installed kernelbox
form.py        which cells are solved, checked and locked, and what they are worth
kernel.py      a Jupyter kernel with a lab that is nobody's
folder.py      `kernelbox course DIR`: source, release, configuration
solutions.py   the cells of an exercise in a notebook, and another solution in the place of its own
timing.py      how long a chapter takes
report.py      `kernelbox course report`: attempts, hints and verdicts of a class
gain.py        `kernelbox course gain`: what a class believed before and after
trial.py       the answers to one exercise, tried one after the other
handouts.py    `kernelbox course plan`, `key` and `rubric`
repair.py      `kernelbox course repair`: grade ids that were copied or lost
check.py       `kernelbox course check FILE`: a whole chapter's
"""
