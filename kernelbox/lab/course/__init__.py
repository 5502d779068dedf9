"""The course as a folder for nbgrader: `kernelbox course DIR`.

notebooks.py   where the chapters' notebooks are: in a checkout, in an installed kernelbox
form.py        which cells are solved, checked and locked, and what they are worth
folder.py      the folder: source, release, configuration
"""
