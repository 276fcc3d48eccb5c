"""The rules by which published numbers were computed, by name.

    found = score("edsr-benchmark", truth, image, scale=4)
    print(found)  # "edsr-benchmark: 32.46 dB, SSIM 0.8968"

One picture scores 21 or 41 dB by the rule alone, so a number without the name of its rule says
nothing. The rules themselves are data, in `rules.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from restoration.errors import InputError, picture_packages, unknown_name
from restoration.evaluation import alignment, metrics, similarity
from restoration.evaluation.rules import PROTOCOLS, Protocol

__all__ = ["PROTOCOLS", "Protocol", "Score", "find", "score", "score_by"]


@dataclass(frozen=True)
class Score:
    """The numbers of an image, and the protocol that they are of.

    ssim: None if the protocol has none. more: what else it has, as "MS-SSIM", "weighted PSNR" (in
    dB). notes: what a reader of the numbers must know.
    """

    protocol: str
    psnr_db: float
    ssim: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        ssim = "" if self.ssim is None else f", SSIM {self.ssim:.4f}"
        more = "".join(f", {name} {shown(name, value)}" for name, value in self.more.items())
        return f"{self.protocol}: {self.psnr_db:.2f} dB{ssim}{more}"

    def numbers(self) -> dict[str, float]:
        """All numbers by name: "PSNR" in dB, "SSIM", and what else there is."""
        ssim = {} if self.ssim is None else {"SSIM": self.ssim}
        return {"PSNR": self.psnr_db, **ssim, **self.more}


def shown(name: str, value: float) -> str:
    """A number as tables show it."""
    return f"{value:.2f} dB" if "PSNR" in name else f"{value:.4f}"


def find(name: str) -> Protocol:
    """A protocol by its name.

    Raises:
        InputError: there is none of that name; the text suggests the nearest.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS, where="restoration.evaluation.protocols")
    return PROTOCOLS[name]


def score(
    name: str,
    truth: np.ndarray,
    image: np.ndarray,
    *,
    scale: float = 1,
    mask: np.ndarray | None = None,
) -> Score:
    """Score a restored image (c, h, w) or (1, c, h, w) in [0, 1] by a protocol.

    truth: as the file has it; it is prepared in the same way. Where a protocol compares with many
    frames, it may be (f, c, h, w). scale: by how much the image was enlarged. mask: (h, w) or
    (1, h, w) in [0, 1], where it was blurred, for protocols that weight by it.

    Raises:
        InputError: there is no such protocol, the shapes differ, an image is not finite, or too
            little is left of it to be scored.
    """
    return score_by(find(name), truth, image, scale=scale, mask=mask)


def score_by(
    protocol: Protocol,
    truth: np.ndarray,
    image: np.ndarray,
    *,
    scale: float = 1,
    mask: np.ndarray | None = None,
) -> Score:
    """As `score`, by a protocol that need not have a place in the list."""
    for title, array in (("truth", truth), ("restored image", image)):
        bad = array.size - int(np.isfinite(array).sum())
        if bad:
            raise InputError(
                title,
                expected="finite numbers",
                got=f"{bad} NaN or infinite",
                where="restoration.evaluation.protocols.score",
                next_step="look for what made them so; a mean over images would hide it",
            )
    if protocol.align == "shift" and truth.ndim == 4:
        frames = [_score_one(protocol, frame, image, scale, mask) for frame in truth]
        return max(frames, key=lambda one: one.psnr_db)
    return _score_one(protocol, truth, image, scale, mask)


def _score_one(
    protocol: Protocol,
    truth: np.ndarray,
    image: np.ndarray,
    scale: float,
    mask: np.ndarray | None,
) -> Score:
    truth, image = metrics.pair(sized(protocol, truth), sized(protocol, image))
    if protocol.align == "homography":
        return _aligned(protocol, truth, image)
    if protocol.align == "shift":
        truth, image = alignment.by_shift(truth, image)
    pair = _prepared(protocol, truth, scale), _prepared(protocol, image, scale)
    is_equal = np.array_equal(*pair)
    psnr_db = metrics.psnr_db(*pair)
    if protocol.epsilon:
        psnr_db = float(-10 * np.log10(np.mean((pair[0] - pair[1]) ** 2) + protocol.epsilon))
    psnr_db += 20 * np.log10(protocol.peak)
    notes = ["equal images: infinite, which spoils a mean"] if np.isinf(psnr_db) else []
    if is_equal and protocol.equal_db is not None:
        psnr_db, notes = protocol.equal_db, []
    ssim = similarity.FORMS[protocol.ssim](*pair) if protocol.ssim else None
    more: dict[str, float] = {}
    if protocol.psnr_b:
        more["PSNR-B"] = metrics.psnr_b_db(*pair)
        more["PSNR-B as published"] = metrics.psnr_b_db(*pair, as_published=True)
    if protocol.ms_ssim:
        if min(pair[0].shape[1:]) >= similarity.MS_SSIM_SIDE_PX:
            more["MS-SSIM"] = similarity.ms_ssim(*pair)
        else:
            notes.append(f"no MS-SSIM: a side has less than {similarity.MS_SSIM_SIDE_PX} pixels")
    if protocol.mask and mask is not None:
        weight = _MASKS[protocol.mask](mask.reshape(1, *mask.shape[-2:]))
        if weight.any():
            more["weighted PSNR"] = metrics.weighted_psnr_db(*pair, weight)
            more["weighted SSIM"] = similarity.weighted(
                *pair, weight, is_window_rounded=protocol.ssim.endswith("float32")
            )
        else:
            notes.append("its mask is empty: no weighted numbers")
    return Score(protocol.name, float(psnr_db), ssim, more, tuple(notes))


_MASKS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "levels": lambda mask: np.floor(255 * mask.clip(0, 1)) / 255,
    "binary": lambda mask: (mask > 0).astype(np.float64),
}
"""How a mask becomes weights: truncated to 8 bits, or 1 where it is not 0."""


def _aligned(protocol: Protocol, truth: np.ndarray, image: np.ndarray) -> Score:
    """Where both overlap after alignment."""
    truth, image, mask = alignment.by_homography(
        _prepared(protocol, truth, 1), _prepared(protocol, image, 1)
    )
    ssim = similarity.weighted(truth, image, mask) if protocol.ssim else None
    return Score(protocol.name, metrics.weighted_psnr_db(truth, image, mask), ssim)


def _prepared(protocol: Protocol, image: np.ndarray, scale: float) -> np.ndarray:
    """The part of an image that is scored, in [0, 1] if the protocol clamps."""
    if protocol.clamp or protocol.rounding:
        image = image.clip(0, 1)
    if protocol.rounding:
        is_truncated = protocol.rounding == "truncate"
        # A hair above, so that a level that was divided by 255 stays what it was.
        image = (np.floor(image * 255 + 1e-9) if is_truncated else np.rint(image * 255)) / 255
    if protocol.luma:
        image = metrics.luma(image, *dataclasses.astuple(metrics.LUMAS[protocol.luma]))
    return metrics.cut(image, round(protocol.cut_px + protocol.cut_scale * scale))


def sized(protocol: Protocol, image: np.ndarray) -> np.ndarray:
    """An image at the size at which the protocol compares."""
    side = protocol.side_px
    if side is None or image.shape[-2:] == (side, side):
        return image
    return resize_by_pillow(image, side, side)


def resize_by_pillow(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images (..., c, h, w) in [0, 1] at another size, as PIL resizes 8-bit files, bilinear."""
    with picture_packages():
        from PIL import Image
    levels = np.rint(image.clip(0, 1) * 255).astype(np.uint8).reshape(-1, *image.shape[-2:])
    planes = [
        np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BILINEAR))
        for one in levels
    ]
    return (np.stack(planes) / 255).reshape(*image.shape[:-2], height, width)
