"""The language of Containerfiles: text in, instructions out; nothing is carried out here.

reading.py     lines to instructions: comments, continuations, here-documents, flags
words.py       variables, quotes and escapes, in the words of an instruction
stages.py      instructions to stages, and which of them a build needs
ignore.py      .dockerignore

Python's dockerfile-parse knows neither here-documents nor the modifiers of variables; the language
is small enough to be read here, line by line.
"""
