"""Building an image of a Containerfile: its instructions, carried out.

Chapter 05 makes by hand what it makes.

    sources.py    what COPY and ADD take, each file with the digest of what is in it
    view.py       a stage's layers, seen as one tree
    stack.py      its layers and its config, and layers from the cache
    run_step.py   RUN: a layer of what a container has changed
    scratch.py    directories of builds: one that ends with the build, and caches
    modes.py      --chmod: a mode in octal, or in letters
    remote.py     ADD of a URL
    placement.py  where COPY and ADD put files
    brought.py    RUN --mount: what a program sees besides the stage
    copy_step.py  COPY, ADD and WORKDIR: a layer of files
    stage.py      one stage: what each instruction makes of it
    builder.py    the whole: stages in their order, the cache, the name at the end

The language is in kernelbox/images/containerfile/, and what a layer and an image are in
kernelbox/images/.
"""
