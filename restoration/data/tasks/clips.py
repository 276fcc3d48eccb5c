"""Clips: frames blurred by a kernel that nobody is told (Self-Blind-VSR), and moving pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from restoration.arrays import Arrays
from restoration.data import datasets, degradations, kernels, streams
from restoration.data.datasets import Pictures
from restoration.data.settings import DataSettings
from restoration.data.task import HeldOut
from restoration.data.tasks.base import HELD_OUT_SEED, PictureTask
from restoration.data.transforms import drawn_orientation, middle, oriented
from restoration.errors import InputError, picture_packages
from restoration.models.self_blind_vsr import SelfBlindVSRSpec

_SMOOTHEST = 7.0
_TRIES = 5
_FASTEST_PX = 3.0  # of a moving photograph, from frame to frame


class ClipTask(PictureTask):
    """Base of tasks whose samples are made of consecutive frames."""

    kinds: ClassVar[tuple[str, ...]] = ("synthetic", "video")
    needs_degraded: ClassVar[bool] = False
    fastest_px: ClassVar[float] = _FASTEST_PX

    @property
    def frames(self) -> int:
        """How many frames a clip has."""
        raise NotImplementedError

    @property
    def given_px(self) -> int:
        """The side of a crop of the frames as they are in the files."""
        raise NotImplementedError

    @property
    def smallest_target_px(self) -> int:
        return self.given_px

    @classmethod
    def taken_keys(cls, data: DataSettings, degradation: str) -> frozenset[str]:
        keys = super().taken_keys(data, degradation)
        return keys | {"frames_per_video"} if data.kind == "video" else keys

    def _open(self, split: str) -> Pictures:
        settings = getattr(self.data, split)
        if self.data.kind == "synthetic" or not settings.target:
            return super()._open(split)
        return datasets.open_videos(
            split, settings, frames=self.frames, frames_per_video=self.data.frames_per_video
        )

    def cropped(self, index: int, epoch: int) -> np.ndarray:
        """The frames of a sample, (t, 3, side, side) uint8: the last try, or the first with detail.

        Source: Self-Blind-VSR.
        """
        whole = self.train.read(index % len(self.train))["target"]
        rng = self.rng("crop", index, epoch)
        side = self.given_px
        for _ in range(_TRIES):
            if self.data.kind == "synthetic":
                crop = moving_window(
                    whole, self.frames, side, side, rng=rng, fastest_px=self.fastest_px
                )
            else:
                height, width = whole.shape[-2:]
                top, left = (int(rng.integers(max(length - side, 0) + 1))
                             for length in (height, width))  # fmt: skip
                crop = whole[..., top : top + side, left : left + side]
            if degradations.smoothness(crop[len(crop) // 2]) >= _SMOOTHEST:
                break
        number = drawn_orientation(self.data.augmentation, self.rng("turn", index, epoch))
        return np.ascontiguousarray(oriented(crop, number))

    def held_out_frames(self, index: int) -> np.ndarray:
        """The frames of a held-out clip, (t, 3, h, w) uint8, cut to their middle."""
        whole = self.valid.read(index)["target"]
        scale = self.spec.magnification or 1
        longest = self.data.valid_px * scale if self.data.valid_px else None
        if self.data.kind != "synthetic":
            return middle(whole, longest, scale)
        rng = streams.stream(HELD_OUT_SEED, "clip", 0, index)
        margin = _margin(self.frames, self.fastest_px)
        height, width = (
            min(side - margin, longest or side) // scale * scale for side in whole.shape[1:]
        )
        return moving_window(whole, self.frames, height, width, rng=rng, fastest_px=self.fastest_px)


class BlurredClipTask(ClipTask):
    """Self-Blind-VSR: "frames" (1, t, 3, h, w), neither rounded nor cut off, and their middle one.

    The loss compares with "target", the middle frame as it is given.
    """

    degradations: ClassVar[tuple[str, ...]] = ("gaussian", "realistic")

    spec: SelfBlindVSRSpec

    @classmethod
    def taken_keys(cls, data: DataSettings, degradation: str) -> frozenset[str]:
        return super().taken_keys(data, degradation) - {"noise"}

    @property
    def frames(self) -> int:
        return self.spec.frames

    @property
    def given_px(self) -> int:
        return self.data.crop_px * self.spec.scale

    def sample(self, index: int, epoch: int) -> Arrays:
        kernel = kernels.draw_clip_kernel(
            self.degradation, self.rng("degradation", index, epoch)
        ).astype(np.float32)
        crop = self.cropped(index, epoch)
        reduced = degradations.blur_and_reduce(crop, kernel, self.spec.scale) / 255
        frames = reduced.astype(np.float32)[None]
        return {"frames": frames, "target": np.ascontiguousarray(frames[:, self.frames // 2])}

    def hold_out(self, index: int) -> HeldOut:
        """All clips of a video share a kernel; frames are rounded to 8 bits, as in test sets."""
        sharp = self.held_out_frames(index)
        video = datasets.video_of(self.valid, index)
        rng = streams.stream(HELD_OUT_SEED, "held out", 0, video)
        kernel = kernels.draw_clip_kernel(self.degradation, rng).astype(np.float32)
        reduced = degradations.blur_and_reduce(sharp, kernel, self.spec.scale)
        frames = (np.rint(reduced.clip(0, 255)) / 255).astype(np.float32)
        truth = sharp[self.frames // 2].astype(np.float32)[None] / 255
        given = frames[self.frames // 2][None]
        return HeldOut(
            self.valid.name(index), {"frames": frames[None]}, truth, given, self.spec.scale
        )

    def picture(self, item: HeldOut, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        if "restored" not in outputs:
            raise InputError(
                "picture by Self-Blind-VSR",
                expected="the output 'restored'",
                got=", ".join(outputs),
                where=f"mode {self.spec.mode!r}",
                next_step="run the network with Spec.scored, which is mode 'infer'",
            )
        return np.asarray(outputs["restored"])


class FlowTask(ClipTask):
    """PWC-Net: "first" and "second" of two frames, and "target", the first one.

    A flow is scored by the second frame, warped by it, against the first.
    """

    fastest_px: ClassVar[float] = 6.0

    @property
    def frames(self) -> int:
        return 2

    @property
    def given_px(self) -> int:
        return self.data.crop_px

    def sample(self, index: int, epoch: int) -> Arrays:
        first, second = self.cropped(index, epoch).astype(np.float32)[:, None] / 255
        return {"first": first, "second": second, "target": first}

    def hold_out(self, index: int) -> HeldOut:
        first, second = self.held_out_frames(index).astype(np.float32)[:, None] / 255
        inputs = {"first": first, "second": second}
        return HeldOut(self.valid.name(index), inputs, first, second)

    def picture(self, item: HeldOut, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return warped(item.inputs["second"], outputs["flow"])


def warped(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """What a flow points at, (n, c, h, w) and (n, 2, h, w) -> (n, c, h, w).

    The flow is in pixels, to the right first; beyond the border lies its outer pixel.
    """
    with picture_packages():
        from scipy.ndimage import map_coordinates
    n, channels, height, width = picture.shape
    y, x = np.mgrid[:height, :width]
    result = np.empty_like(picture)
    for sample in range(n):
        places = [y + flow[sample, 1], x + flow[sample, 0]]
        for channel in range(channels):
            result[sample, channel] = map_coordinates(
                picture[sample, channel], places, order=1, mode="nearest"
            )
    return result


def moving_window(
    picture: np.ndarray,
    count: int,
    height: int,
    width: int,
    *,
    rng: np.random.Generator,
    fastest_px: float,
) -> np.ndarray:
    """A window that moves over a picture (3, h, w) uint8, not by whole pixels, (count, 3, h, w)."""
    with picture_packages():
        import cv2
    margin = _margin(count, fastest_px)
    speed = rng.uniform(-fastest_px, fastest_px, size=2)
    starts = [
        int(rng.integers(max(whole - side - margin, 0) + 1))
        for whole, side in zip(picture.shape[1:], (height, width), strict=True)
    ]
    # It moves to both sides of the middle of the margin.
    samples = picture.transpose(1, 2, 0)
    frames = []
    for time in range(count):
        y, x = (
            start + margin / 2 + (time - (count - 1) / 2) * step
            for start, step in zip(starts, speed, strict=True)
        )
        shift = np.array([[1, 0, x], [0, 1, y]])
        frame = cv2.warpAffine(
            samples, shift, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip
        frames.append(frame.transpose(2, 0, 1))
    return np.stack(frames)


def _margin(count: int, fastest_px: float) -> int:
    return int(np.ceil((count - 1) * fastest_px)) + 2
