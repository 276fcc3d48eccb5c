"""Films: frame by frame, or window by window for networks of video."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, islice

import numpy as np

from restoration.images import video
from restoration.images.video import Frame
from restoration.inference.pictures import Job
from restoration.inference.restorer import Restorer


def restore_film(
    restorer: Restorer, job: Job, *, with_border: bool, say: Callable[[str], None]
) -> bool:
    """Restore a film into its target; True. Frames without a window are left out, as frames at both
    ends are `with_border` False."""

    def restored(frames: Iterator[Frame]) -> Iterator[tuple[Frame, np.ndarray]]:
        count, half = restorer.clip_frames, restorer.clip_frames // 2
        for number, window in enumerate(windows(frames, count, with_border=with_border)):
            center = window[half]
            clip = np.stack([frame.pixels[0] for frame in window])[None] if count > 1 else None
            found = restorer.detailed(center.pixels, frames=clip)
            say(f"> {job.source.stem}-{number:08d} total_time:{found.seconds:.3f}s")
            yield center, found.pixels

    video.restore_film(job.source, job.target, restored, warn=say)
    return True


def windows(
    frames: Iterator[Frame], count: int, *, with_border: bool
) -> Iterator[tuple[Frame, ...]]:
    """Windows of frames, as `pictures.windows` numbers them, of a film that is never held whole."""
    half = count // 2
    if with_border and half:
        frames = _bordered(frames, half)
    held: deque[Frame] = deque(maxlen=count)
    for frame in frames:
        held.append(frame)
        if len(held) == count:
            yield tuple(held)


def _bordered(frames: Iterator[Frame], half: int) -> Iterator[Frame]:
    """The first and the last frames twice, in their own order."""
    first = list(islice(frames, half))
    if not first:
        return
    padding = first + [first[-1]] * (half - len(first))
    last: deque[Frame] = deque(maxlen=half)
    for frame in chain(padding, first, frames):
        last.append(frame)
        yield frame
    ending = (
        list(last)
        if len(first) == half
        else [first[max(len(first) - half + i, 0)] for i in range(half)]
    )
    yield from ending
