"""The questions at the end of chapter 06."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "A container deletes 100 MB of its image, and is committed. The new image ...",
        wrong("is smaller by 100 MB", "The layer with the 100 MB is in it, and never changes "
              "(section 8)."),
        wrong("is as large as before", "Nearly: but there is a layer more, with a whiteout."),
        right("is a little larger", "A whiteout in a new layer, over a layer that stays as it is."),
    ),
    question(
        "One byte in the middle of a 1 GB file of the image is changed. What is copied?",
        wrong("the block of 4096 bytes around it", "Overlay knows files and no blocks (section 2). "
              "A file system below it may share blocks; overlay itself never does."),
        right("the whole file, with all of its bytes", "And whoever opens it for writing waits "
              "until that is done (section 4)."),
        wrong("nothing: the layer itself changes", "Nobody writes to a layer."),
    ),
    question(
        "A container writes to `/etc/passwd` of its image. Other containers of the image ...",
        wrong("see the change at once", "Each has an upperdir of its own (section 7)."),
        wrong("see it when next started", "They begin with the image's layers, which are as they "
              "were."),
        right("never see what it wrote", "The copy is in one upperdir. Only a commit makes an "
              "image of it, and that is another image."),
    ),
    question(
        "A whiteout is ...",
        right("a character device 0:0 in a layer, `.wh.NAME` in its tar", "The first is the "
              "kernel's form, the second what is sent around (sections 3 and 8)."),
        wrong("an entry that exists in tar files alone: `.wh.NAME`", "The kernel knows nothing of "
              "tar. It makes one by itself at each `rm` of what is in a layer."),
        wrong("a file whose bytes have all been replaced by zeros", "The bytes of a file stay "
              "where they are; it is the name that is hidden."),
    ),
    question(
        "`lowerdir=x:y`, and both have a file `motd`. Which one is seen?",
        right("the one from `x`", "The first one is the topmost (section 6)."),
        wrong("the one from `y`", "An image's list of layers goes from the bottom to the top; this "
              "one goes the other way round."),
        wrong("the newer file", "No time is looked at, only the order."),
    ),
    question(
        "`mv` of a directory of the image takes long, and doubles its bytes. Because ...",
        wrong("the directory is on a different disk", "EXDEV says so, and is not to be taken at "
              "its word here (section 5)."),
        right("rename(2) is refused, and `mv` copies", "Everything below is copied up, and the old "
              "place gets a whiteout."),
        wrong("a rename always copies all the data", "Not within the upperdir, and not with "
              "`redirect_dir=on`."),
    ),
)  # fmt: skip
