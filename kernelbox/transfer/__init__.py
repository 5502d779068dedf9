"""What passes between a container and the host: an image of its changes, files in and out.

Chapter 06 shows what a commit finds.

    commit.py     an image of a container; what it has changed
    endpoints.py  a path in a container or on the host, to copy from or to
    copy.py       files and directories from one end to the other (`cp`)
    tar_out.py    the same out of a container as a tar (`cp CONTAINER:PATH -`)
    tar_in.py     and a tar into one (`cp - CONTAINER:PATH`)

Whatever lies in a container may be a trap: nothing is followed out of its root.
"""
