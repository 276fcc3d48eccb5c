"""What a file may ask for at most: a hostile one must not cost more memory or time than it weighs.

A file beyond one of these is refused with an error that names the limit. All are far above what
published checkpoints need.
"""

from __future__ import annotations

MB = 1 << 20

MAX_ENTRIES = 100_000
"""Tensors in a checkpoint, records in an archive."""

MAX_HEADER_BYTES = 32 * MB
"""Header of a safetensors file, table of contents of a zip."""

MAX_NAME_BYTES = 4096
"""Name of a tensor, a record, a class."""

MAX_AXES = 32
"""Axes of a tensor; what NumPy allows."""

MAX_PICKLE_OPCODES = 2_000_000
"""Operations of one pickle. A tensor takes about 30."""

MAX_PICKLE_SECONDS = 30.0
"""Time that one pickle's operations may take."""

MAX_INTEGER_BYTES = 64
"""Size of an integer in a pickle."""

MAX_DEPTH = 100
"""Containers inside containers, modules inside modules."""

MAX_EXPANSION = 16
"""Bytes of all tensors over bytes of the file: views and compression may repeat, not explode."""

FREE_EXPANSION_BYTES = 64 * MB
"""Tensors that take no more than this in all may expand as they like."""

SHA256_UP_TO_BYTES = 256 * MB
"""Larger sources are identified by their CRC-32 alone unless SHA-256 is asked for."""
