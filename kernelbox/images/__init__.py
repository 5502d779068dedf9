"""Container images: content-addressed blobs, layers unpacked for overlay, and names for them.

Chapter 05 makes and reads one by hand.

    bounds.py         how much an image may be
    reference.py      how an image is named
    image.py          what the store tells of an image
    elf.py            what an executable needs of the system
    writers.py        files that count and hash what is written to them
    filecap.py        a file capability, and for whose root it counts
    layout.py         the OCI image-layout on disk: blobs, descriptors, the index
    decompression.py  gzip, zstd and others, and how much may come out
    manifests.py      from a descriptor to a manifest and its config, of the right platform
    streams.py        what a blob holds, decompressed and hashed on the way
    lock.py           one writer at a time
    cache.py          layers that builds have made before
    index.py          the names in the index
    nodes.py          one file, directory or whiteout, made in a directory that is open
    downloads.py      what pulls have fetched so far
    containerfile/    the language of Containerfiles
    entries.py        one entry of a hostile tar, made below the layer and nowhere else
    metadata.py       what an image says of how it is run: CMD, ENV and the like
    layers.py         a layer's tar: packed from a tree, unpacked into a directory
    unpacked.py       the layers as directories, one for each ChainID
    trees.py          finding files in a tree that belongs to somebody else
    changeset.py      what a container has changed, as entries of a layer
    garbage.py        blobs and layers that no image leads to
    store.py          the image store: a layout plus the unpacked layers
    assembly.py       a new image of layers and a config
    archive.py        images in one file: save, load
    embedded.py       the image that kernelbox makes itself, without any network
    registry/         images from and to registries
    import_tar.py     an image of one tar of files

What comes from elsewhere is hostile until it is unpacked. How layers are seen as one tree is
overlay.py; how an image is built is build/.

Source: OCI image-spec; `Documentation/filesystems/overlayfs.rst`.
"""
