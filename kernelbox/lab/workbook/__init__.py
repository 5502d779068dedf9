"""The student's own copy of the course: without the solutions, kept whatever becomes of the kit.

release.py   a notebook as a student gets it
living.py    what a page shows of it follows the record of progress
box.py       a chapter or a challenge on the map
overview.py  the course as a map: what is done, points and time so far, the next step
delivery.py  copying it once, and offering what was improved since

`kernelbox workbook` delivers it, and `make lab` opens it. What a teacher hands out through nbgrader
is made in ../course instead.
"""
