"""Exercises whose checks look at the kernel, predictions, quizzes, and what came of them.

This is the machinery, from the ground up. What the chapters ask lies in ../chapters.

What a check answers, and what several checks share:

verdict.py      passed or not, what was observed
time_limit.py   a call is over after its time
layouts.py      image layouts to be looked at, some of them damaged
elsewhere.py    a student's function as on another machine

What a chapter is made of, and what a notebook shows of it:

answers.py      right and wrong answers to an exercise, which its check is tried with
predictions.py  questions that are answered before the kernel answers them
progress.py     the record on disk
clean.py        nothing is left
curve.py        what was measured at several sizes
plain.py        what a student's function returned, whatever kind of it
hints.py        the first follows from what the check last observed
bars.py         what was measured in several ways
ecdf.py         the same, every run of it
grading.py      a grader's checks are the ones that were delivered
outside.py      what checks ask the kernel
packets.py      what checks send from inside a network namespace, and count there
tries.py        how often an exercise was checked, and what the check said
exercise.py     something to do, and its check
questions.py    questions of a quiz
parsons.py      requests to be put in order
loader.py       a teacher's chapter, or what is wrong with it
keeper.py       a process that ends with all that descends from it
attempt.py      calling a student's function in a process of its own
benches.py      directories in a held process's mount namespace
catalogue.py    what a chapter asks, found by its number on a path
forms.py        guesses and a quiz on a page that lives
pictures.py     what was given, as it was at the giving
given.py        what the lab gives, and takes no other for
judge.py        running a check to a verdict, whatever happens in it
guesses.py      guesses and observations
guess_first.py  a cell that observes is not run before there is a guess
quiz.py         the questions at the end
recall.py       the questions at the beginning, of earlier chapters
score.py        how far somebody is
chart.py        guessed and observed, side by side
chapter.py      what a notebook talks to: recall, predict, observe, check, quiz, clean
"""
