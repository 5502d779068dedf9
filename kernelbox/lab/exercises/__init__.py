"""Exercises whose checks look at the kernel, predictions, quizzes, and what came of them.

chapter.py      what a notebook talks to: predict, observe, check, quiz, clean
chapterNN.py    what chapter NN asks: one file a chapter
registry.py     exercises by their names
verdict.py      what a check answers
checking.py     running a check to a verdict, whatever happens in it
outside.py      what checks ask the kernel
layouts.py      image layouts to be looked at, some of them damaged
elsewhere.py    a student's function as on another machine
benches.py      directories in a held process's mount namespace
attempt.py      calling a student's function in a process of its own
limits.py       a call is over after its time
predictions.py  questions, guesses, observations
chart.py        guessed and observed, side by side
curve.py        what was measured at several sizes
quiz.py         questions at the end
parsons.py      requests to be put in order
progress.py     the record on disk
standing.py     how far somebody is
clean.py        nothing is left
forms.py        the same on a page that lives
"""
