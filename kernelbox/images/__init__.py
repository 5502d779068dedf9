"""Images: content-addressed blobs, layers unpacked for overlay, and the names that point at them.

reference.py   how an image is named
layout.py      the OCI image-layout on disk: blobs, descriptors, manifests, configs, the index
layers.py      a layer's tar: packed from a tree, unpacked into a directory
entries.py     one entry of a hostile tar, made below the layer's directory and nowhere else
store.py       the image store: a layout plus one unpacked directory per layer
elf.py         what an executable needs of the system
embedded.py    the image that kernelbox makes itself, without any network
"""
