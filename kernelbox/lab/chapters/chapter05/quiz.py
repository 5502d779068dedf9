"""The questions at the end of chapter 05."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "An image is ...",
        wrong("a disk with a system on it, as a virtual machine has", "There is no file system in "
              "it, no kernel and nothing that boots: a few JSON files and some tars (sections 1 "
              "and 2)."),
        right("tars of files, and JSON: their order, and what to run", "Everything but "
              "`index.json` is named by the digest of its bytes."),
        wrong("a container that stands still, with all of its files", "A container has a writable "
              "layer and processes. An image never changes, however many containers run from it."),
    ),
    question(
        "Two images of 500 MB have a base of 450 MB in common. On disk they take ...",
        wrong("1000 MB, whoever stored them", "Their manifests name the same digest, and a blob "
              "has one file (section 4)."),
        right("550 MB, whoever stored them", "The base once, and 50 MB of each."),
        wrong("550 MB, if one user stored both", "Who stored it is nowhere written: the name of a "
              "blob is made of its bytes alone."),
    ),
    question(
        "Layer 3 adds a password, layer 4 deletes the file. The image ...",
        wrong("is smaller, and the password is gone", "Layer 3 is what it was, to the bit: its "
              "digest says so. Layer 4 adds a little."),
        wrong("is as large, and the password is gone", "It is gone from what a container sees."),
        right("is larger, and the password is in it", "Whoever has the image has layer 3 (section "
              "5). Never put a secret into a layer."),
    ),
    question(
        "An image says `EXPOSE 80`. You run it, without any option. Who answers at port 80 of the "
        "host?",
        wrong("the container, because it says so", "The word stands in the config, for people and "
              "tools to read. Nothing is opened because of it (section 6)."),
        right("nobody, as nothing has been published", "`--publish` is what makes the host's port "
              "lead into the container."),
        wrong("the container, if it listens there", "It can be reached at its own address then, "
              "with the word and without."),
    ),
    question(
        "A server pulls `shop:1.4` today, and another one in a month. They run ...",
        wrong("the same image, since the tag is the same", "A tag is a name that its owner may "
              "give to another image at any time (section 7)."),
        right("the same image, if nobody has moved the tag", "Only a digest, `shop@sha256:...`, is "
              "a promise that can be checked."),
        wrong("the same image, since registries are immutable", "Their blobs are. A tag is not a "
              "blob."),
    ),
    question(
        "DiffID and blob digest of a layer differ. Why are there two?",
        wrong("one is of the header, and one of the content", "Both are of all bytes: of the tar, "
              "and of the file that is stored."),
        right("one is of the tar, one of the compressed tar", "The config names content, however "
              "it is packed. The manifest names what is stored and sent (section 3)."),
        wrong("one is of the bytes, one of the salted bytes", "A digest is a function of the bytes "
              "and of nothing else."),
    ),
)  # fmt: skip
