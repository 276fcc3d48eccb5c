"""Pictures: files, tiles, borders, sizes. Decoders are imported when a file is read or written."""

from restoration.images.files import (
    Image,
    from_array,
    read_image,
    read_samples,
    to_array,
    write_image,
)

__all__ = ["Image", "from_array", "read_image", "read_samples", "to_array", "write_image"]
