"""Pictures that are restored as a protocol feeds a network, and scored by it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from restoration import images
from restoration.data import npy
from restoration.errors import InputError, RestorationError, picture_packages
from restoration.evaluation import protocols
from restoration.evaluation.pairs import Pair
from restoration.evaluation.protocols import Protocol, Score, score_by
from restoration.images import tiling
from restoration.inference import progress
from restoration.inference.pictures import windows
from restoration.inference.restorer import Restorer

Feed = Callable[[Pair], np.ndarray | None]
"""What restores the picture of a pair, (1, 3, h, w); None for frames that are not scored."""


@dataclass
class Run:
    """What came of one set of weights by one protocol.

    scores: by pair, in order. failed: pairs that could not be restored or scored, and why; no mean
    is made of less than all without saying so.
    """

    weights: str
    model: str
    framework: str
    protocol: Protocol
    scale: float
    scores: dict[str, Score] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """Means over what was scored, by number."""
        found: dict[str, list[float]] = {}
        for one in self.scores.values():
            for name, value in one.numbers().items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def videos(self) -> dict[str, dict[str, float]]:
        """Means of each video, of protocols that score frames."""
        if self.protocol.averaged != "frames":
            return {}
        names = dict.fromkeys(str(Path(name).parent) for name in self.scores)
        return {
            video: Run(
                "", "", "", self.protocol, self.scale,
                {n: s for n, s in self.scores.items() if str(Path(n).parent) == video},
            ).means()
            for video in names
        }  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values; a number that is infinite is null, with a note."""
        return {
            "weights": self.weights,
            "model": self.model,
            "framework": self.framework,
            "protocol": self.protocol.name,
            "rule": self.protocol.describe(),
            "source": self.protocol.source,
            "scale": self.scale,
            "averaged_over": self.protocol.averaged,
            "mean": _plain(self.means()),
            "videos": {name: _plain(mean) for name, mean in self.videos().items()},
            "images": [
                {"name": name, **_plain(one.numbers()), "notes": list(one.notes)}
                for name, one in self.scores.items()
            ],
            "failed": self.failed,
        }


def feeding(protocol: Protocol) -> tuple[Any, ...]:
    """What of a protocol changes what the network is given."""
    return (
        protocol.side_px,
        protocol.multiple,
        protocol.cell_floor,
        protocol.unscored_frames,
    )


def feed_of(restorer: Restorer, pairs: Sequence[Pair], protocol: Protocol, scale: float) -> Feed:
    """What restores the picture of a pair as a protocol feeds the network; None for frames that it
    does not score."""
    free = restorer.spec.magnification is None
    restorer.settings = replace(
        restorer.settings,
        scale=scale if free else None,
        cell_floor=protocol.cell_floor,
        is_clipped=False,  # protocols clamp, or do not
    )
    videos: dict[str, list[Pair]] = {}
    for pair in pairs:
        videos.setdefault(pair.video, []).append(pair)

    def picture(pair: Pair) -> np.ndarray:
        if pair.image is None:
            return reduced(truth_of(pair, protocol), scale)
        pixels, side = read(pair.image), protocol.side_px
        return protocols.resize_by_pillow(pixels, side, side).astype(np.float32) if side else pixels

    def feed(pair: Pair) -> np.ndarray | None:
        if restorer.clip_frames == 1:
            return restorer.restore(picture(pair))
        clip = videos[pair.video]
        all_windows = windows(
            len(clip), restorer.clip_frames, with_border=not protocol.unscored_frames
        )
        half, at = restorer.clip_frames // 2, clip.index(pair)
        window = next((one for one in all_windows if one[half] == at), None)
        if window is None:
            return None
        frames = np.stack([picture(clip[place])[0] for place in window])[None]
        return restorer.restore(frames[:, half], frames=frames)

    return feed


def fill(runs: Sequence[Run], pairs: Sequence[Pair], feed: Feed) -> None:
    """Restore and score every pair; those that fail are kept apart."""
    is_terminal = sys.stderr.isatty()
    bar = progress.bar(len(pairs), "picture")
    for pair in pairs:
        bar.update()
        try:
            restored = feed(pair)
            if restored is None:
                continue
            for run in runs:
                run.scores[pair.name] = scored(run.protocol, pair, restored, run.scale)
            if not is_terminal:
                progress.say(f"{pair.name}: {runs[0].scores[pair.name]}")
        except (RestorationError, OSError, MemoryError) as problem:
            for run in runs:
                run.scores.pop(pair.name, None)
                run.failed[pair.name] = str(problem) or type(problem).__name__
            progress.say(f"{pair.name}: {problem}")
    bar.close()


def scored(protocol: Protocol, pair: Pair, restored: np.ndarray, scale: float) -> Score:
    """The numbers of a pair; of a folder of truths those of the best one."""
    if pair.truth.is_dir():
        frames = sorted(
            path for path in pair.truth.iterdir() if path.suffix.lower() in images.files.READABLE
        )
        found = [score_by(protocol, read(path), restored, scale=scale) for path in frames]
        return max(found, key=lambda one: one.psnr_db)
    truth = truth_of(pair, protocol)
    if protocol.side_px is None and truth.shape != restored.shape:
        # LIIF and its kin compare with the part of the truth that the picture stands for.
        height, width = (
            min(ours, theirs)
            for ours, theirs in zip(truth.shape[2:], restored.shape[2:], strict=True)
        )
        if (
            max(t - r for t, r in zip(truth.shape[2:], restored.shape[2:], strict=True))
            < max(scale, 2) * 2
        ):
            truth, restored = truth[..., :height, :width], restored[..., :height, :width]
    return score_by(protocol, truth, restored, scale=scale, mask=mask_of(pair))


def truth_of(pair: Pair, protocol: Protocol) -> np.ndarray:
    """What a pair is scored against, (1, 3, h, w), cut to the protocol's multiple."""
    if pair.truth.suffix.lower() == ".npy":
        sample = npy.read_sample(pair.truth)
        if "img_gt" not in sample:
            raise InputError(
                "sample",
                expected="an entry 'img_gt', the truth",
                got=", ".join(sample),
                where=str(pair.truth),
                next_step="restore it without scoring",
            )
        return images.from_array(sample["img_gt"], where=str(pair.truth)).pixels
    return tiling.cut_to_multiple(read(pair.truth), protocol.multiple)


def mask_of(pair: Pair) -> np.ndarray | None:
    """Where a sample is blurred, (h, w), if it says so."""
    if pair.truth.suffix.lower() != ".npy":
        return None
    mask = npy.read_sample(pair.truth).get("blur_mask")
    return None if mask is None else np.asarray(mask, np.float64)


def read(path: Path | None) -> np.ndarray:
    """The pixels of a picture or of a sample's blurred one, (1, 3, h, w)."""
    assert path is not None
    return npy.read_blurred(path).pixels


def reduced(truth: np.ndarray, scale: float) -> np.ndarray:
    """The small picture that LMF and others make of a truth: PIL's bicubic of 8 bits."""
    with picture_packages():
        from PIL import Image
    height, width = (math.floor(side / scale + 1e-9) for side in truth.shape[2:])
    rows, columns = round(height * scale), round(width * scale)
    levels = np.rint(truth[0, :, :rows, :columns] * 255).astype(np.uint8).transpose(1, 2, 0)
    small = Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC)
    return images.from_array(np.asarray(small)).pixels


def _plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}
