"""Building an image of a Containerfile: its instructions, carried out.

building.py    the whole: stages in their order, the cache, the name at the end
stage.py       one stage: what each instruction makes of it
stacking.py    its layers and its config, and layers from the cache
copying.py     COPY, ADD and WORKDIR: a layer of files
running.py     RUN: a layer of what a container has changed
view.py        a stage's layers, seen as one tree

The language is in kernelbox/images/containerfile/, and what a layer and an image are in
kernelbox/images/.
"""
