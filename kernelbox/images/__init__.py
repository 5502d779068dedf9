"""Container images: content-addressed blobs, layers unpacked for overlay, and names for them.

reference.py   how an image is named
limits.py      how much an image may be
layout.py      the OCI image-layout on disk: blobs, descriptors, the index
index.py       the names in the index
manifests.py   from a descriptor to a manifest and its config, of the right platform
layers.py      a layer's tar: packed from a tree, unpacked into a directory
streams.py     what a blob holds, decompressed and hashed on the way
entries.py     one entry of a hostile tar, made below the layer and nowhere else; nodes.py
store.py       the image store: a layout plus one unpacked directory per layer; lock.py
registry/      images from and to registries; downloads.py: what has come so far
archive.py     images in one file: save, load; importing.py: a tar of files
upper.py       what a container has changed; changes.py: instructions such as CMD
making.py      a new image of layers and a config; cache.py: layers that builds have made before
containerfile/ the language of Containerfiles
gathering.py   what COPY takes, and from where (trees.py); placing.py: where it goes
elf.py         what an executable needs of the system
embedded.py    the image that kernelbox makes itself, without any network
"""
