"""Features of pictures that are kept: encoded once, a picture is rendered at many scales.

What is kept are the framework's own arrays; the least recently used leave when memory is full.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

_ITEM_BYTES = 4


class FeatureCache:
    """At most so many bytes of features, by picture and cell; 0 keeps nothing."""

    def __init__(self, limit_bytes: int):
        self._limit = limit_bytes
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self.bytes = self.hits = self.misses = 0

    def get(self, key: Hashable) -> Any:
        """What is kept under a key, None if nothing is; it is then the last to leave."""
        if key not in self._kept:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Hashable, features: Sequence[Any]) -> None:
        """Keep features under a key; what is larger than the limit is not kept."""
        size = sum(_ITEM_BYTES * int(np.prod(one.shape)) for one in features)
        if key in self._kept:
            self.bytes -= self._kept.pop(key)[1]
        if size > self._limit:
            return
        self._kept[key] = features, size
        self.bytes += size
        while self.bytes > self._limit:
            _, (_, freed) = self._kept.popitem(last=False)
            self.bytes -= freed


def key_of(image: np.ndarray, cell: np.ndarray) -> Hashable:
    """The key of a picture, rendered with a cell in pixels: the same for all scales above x4."""
    content = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    return content, image.shape, tuple(np.round(cell.ravel(), 6).tolist())
