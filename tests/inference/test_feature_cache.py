"""Features that are kept: bounded memory, and the same pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from restoration.inference.feature_cache import FeatureCache
from restoration.inference.restorer import Restorer


def test_the_least_recently_used_leaves_when_memory_is_full() -> None:
    cache = FeatureCache(limit_bytes=800)
    one = [np.zeros(100, np.float32)]
    for key in "ab":
        cache.put(key, one)
    assert cache.get("a") is one
    cache.put("c", one)
    assert cache.get("b") is None
    assert cache.get("a") is one
    assert cache.bytes == 800
    cache.put("large", [np.zeros(300, np.float32)])
    assert cache.get("large") is None
    assert (cache.hits, cache.misses) == (2, 2)
    nothing = FeatureCache(0)
    nothing.put("a", one)
    assert nothing.get("a") is None


@pytest.mark.parametrize("framework", ["torch", "jittor", "mindspore"])
def test_a_picture_is_encoded_once_for_all_scales_above_4(
    framework: str, tiny_weights: Callable[..., Path], photograph: np.ndarray
) -> None:
    """In every framework; what is rendered from kept features is what the network gives."""
    picture = photograph[:24, :28].transpose(2, 0, 1)[None].astype(np.float32) / 255
    with Restorer("lm_lte", tiny_weights("lm_lte"), framework) as restorer:
        first = restorer.restore(picture, scale=4)
        again = restorer.restore(picture, scale=4)
        restorer.restore(picture, scale=6)
        restorer.restore(picture, scale=2)
        assert restorer.cache_hits == 2
    np.testing.assert_array_equal(first, again)
