"""The rules by which published numbers were computed, by name.

    found = score("edsr-benchmark", truth, image, scale=4)
    print(found)  # "edsr-benchmark: 32.46 dB, SSIM 0.8968"

One picture scores 21 or 41 dB by the rule alone, so a number without the name of its rule says
nothing. Means over images are of the numbers of each, as all of these papers take them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from restoration.errors import InputError, unknown_name
from restoration.evaluation import metrics

_BT601 = metrics.BT601_LUMA
# What LIIF and EDSR and those that follow them take for it; 3e-6 more.
_BT601_OF_256 = (65.738 / 256, 129.057 / 256, 25.064 / 256)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is done to a restored image and its truth before they are compared.

    clamp: to [0, 1]. round_to_8_bits: half to even, after clamping. luma: weights of red, green and
    blue, or None for all channels together. cut_px, cut_scale: cut_px + cut_scale * scale pixels
    are cut on every side. has_ssim: whether it has an SSIM: Gaussian 11, sigma 1.5, valid part,
    mean of the channels. source: where numbers were computed so.
    """

    name: str
    source: str
    clamp: bool = True
    round_to_8_bits: bool = False
    luma: tuple[float, float, float] | None = None
    cut_px: int = 0
    cut_scale: int = 0
    has_ssim: bool = False

    def prepared(self, image: np.ndarray, scale: int) -> np.ndarray:
        """The part of an image that is scored, in [0, 1] if the protocol clamps."""
        image = image.astype(np.float64)
        if self.clamp or self.round_to_8_bits:
            image = image.clip(0, 1)
        if self.round_to_8_bits:
            image = np.rint(image * 255) / 255
        if self.luma:
            image = metrics.luma(image, self.luma)
        return metrics.cut(image, self.cut_px + self.cut_scale * scale)


@dataclass(frozen=True)
class Score:
    """The numbers of an image, and the protocol that they are of. ssim: None if it has none."""

    protocol: str
    psnr_db: float
    ssim: float | None = None

    def __str__(self) -> str:
        ssim = "" if self.ssim is None else f", SSIM {self.ssim:.4f}"
        return f"{self.protocol}: {self.psnr_db:.2f} dB{ssim}"


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(name="rgb", source="all channels together, nothing cut, float", has_ssim=True),
        Protocol(name="mimo_unet-gopro", source="MIMO-UNet on GoPro"),
        Protocol(
            name="mimo_unet-mindspore",
            source="MIMO-UNet's port to MindSpore: the output as it comes",
            clamp=False,
        ),
        Protocol(
            name="self_blind_vsr",
            source="Self-Blind-VSR on REDS4, Vid4 and SPMCS, mean over frames",
            round_to_8_bits=True,
            cut_px=4,
            has_ssim=True,
        ),
        Protocol(
            name="liif-benchmark",
            source="LIIF, LTE and LMF on Set5, Set14, B100 and Urban100",
            luma=_BT601_OF_256,
            cut_scale=1,
        ),
        Protocol(name="liif-div2k", source="LIIF, LTE and LMF on DIV2K", cut_px=6, cut_scale=1),
        Protocol(
            name="ciaosr",
            source="CiaoSR on all sets",
            round_to_8_bits=True,
            luma=_BT601,
            cut_scale=1,
            has_ssim=True,
        ),
        Protocol(
            name="edsr-benchmark",
            source="EDSR on Set5, Set14, B100 and Urban100; SSIM as the field adds it",
            round_to_8_bits=True,
            luma=_BT601_OF_256,
            cut_scale=1,
            has_ssim=True,
        ),
        Protocol(
            name="edsr-div2k",
            source="EDSR on DIV2K",
            round_to_8_bits=True,
            cut_px=6,
            cut_scale=1,
        ),
        Protocol(
            name="edsr-basicsr",
            source="EDSR as BasicSR tests it, on all sets",
            round_to_8_bits=True,
            cut_scale=1,
            has_ssim=True,
        ),
        Protocol(
            name="swinir-sr",
            source="SwinIR, classical and lightweight",
            round_to_8_bits=True,
            luma=_BT601,
            cut_scale=1,
            has_ssim=True,
        ),
        Protocol(
            name="swinir-denoising",
            source="SwinIR, denoising, and JPEG of color pictures",
            round_to_8_bits=True,
            has_ssim=True,
        ),
    )
}
"""By name."""


def score(name: str, truth: np.ndarray, image: np.ndarray, *, scale: int = 1) -> Score:
    """Score a restored image (c, h, w) or (1, c, h, w) in [0, 1] by a protocol.

    scale: by how much it was enlarged. truth: as the file has it; it is prepared in the same way.

    Raises:
        InputError: there is no such protocol, the shapes differ, an image is not finite, or too
            little is left of it to be scored.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS, where="restoration.evaluation.protocols")
    protocol = PROTOCOLS[name]
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
    pair = protocol.prepared(truth, scale), protocol.prepared(image, scale)
    ssim = metrics.ssim(*pair) if protocol.has_ssim else None
    return Score(name, metrics.psnr_db(*pair), ssim)
