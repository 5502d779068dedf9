"""How much an image may be: what a stranger can make this host store, unpack or parse.

Real images stay far below each of these; whatever goes beyond is refused with one line, and nothing
of it is kept. There are only constants here, so that a reader finds all of them in one place.
"""

from __future__ import annotations

MAX_JSON = 4 << 20
"""Bytes of a manifest, an index or a config. Registries take no larger manifest either."""

MAX_DEPTH_OF_INDEXES = 4
"""Indexes that point at indexes. Two are real; a circle has no end."""

MAX_LAYERS = 500
"""Layers of an image: as many as overlay can stack (OVL_MAX_STACK in the kernel)."""

MAX_ENTRIES = 1_000_000
"""Entries of one layer. The largest real ones have some 200 000."""

MAX_BYTES = 64 << 30
"""Bytes of one layer's tar, decompressed, and of one file in it, holes included."""

MAX_RATIO, ALWAYS_BYTES = 200, 4 << 30
"""How many times its own size a layer may decompress to, once it is larger than 4 GiB."""

MAX_HEADER = 1 << 20
"""Bytes of one extended header of a tar: a long name, or some extended attributes."""

MAX_DEPTH = 256
"""Directories inside each other. Real images stay below 50."""

MAX_NAME, MAX_PATH = 255, 4095
"""Bytes of one component of a name, and of a path given to the kernel at once (limits.h)."""

ZSTD_WINDOW_LOG = 27
"""A zstd frame may ask for a window of 2^27 bytes of memory; `zstd --long` stays within."""
