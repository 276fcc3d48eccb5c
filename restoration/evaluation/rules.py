"""The protocols as data: what each paper, and its program, does before and while it compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is done to a restored image and its truth before they are compared.

    clamp: to [0, 1]. rounding: to 8 bits after clamping, "nearest" (half to even), "truncate", or
    "" for none. luma: a name of `metrics.LUMAS`, or "" for all channels together. cut_px,
    cut_scale: cut_px + cut_scale * scale pixels are cut on every side. ssim: a name of
    `similarity.FORMS`, or "" for none; ms_ssim, psnr_b: whether it has these. peak: the data range
    that the program believes. epsilon: what it adds to the mean square. equal_db: what it gives
    equal images, None for infinity. mask: how it weights by where the picture was blurred,
    "levels", "binary" or "" for not. align: "homography" or "shift" before comparing, or "".
    side_px: the height and width to which both are resized first. source: where numbers were
    computed so.

    Of what the network gets: multiple: to which the truth is cropped first. cell_floor: above which
    scale a continuous network's cell no longer shrinks, None for never. low_resolution: where the
    small pictures come from. unscored_frames: at each end of a clip. averaged: over what the
    mean is taken.
    """

    name: str
    source: str
    clamp: bool = True
    rounding: str = ""
    luma: str = ""
    cut_px: int = 0
    cut_scale: int = 0
    ssim: str = ""
    ms_ssim: bool = False
    psnr_b: bool = False
    peak: float = 1.0
    epsilon: float = 0.0
    equal_db: float | None = None
    mask: str = ""
    align: str = ""
    side_px: int | None = None
    multiple: int = 1
    cell_floor: float | None = 4.0
    low_resolution: str = ""
    unscored_frames: int = 0
    averaged: str = "images"

    @property
    def has_ssim(self) -> bool:
        """Whether it has an SSIM."""
        return bool(self.ssim)

    def describe(self) -> str:
        """The rule in words."""
        said = [
            "clamped" if self.clamp else "not clamped",
            {"": "not rounded", "nearest": "rounded to 8 bits", "truncate": "truncated to 8 bits"}[
                self.rounding
            ],
            f"luma {self.luma}" if self.luma else "all channels",
        ]
        if self.cut_px or self.cut_scale:
            parts = [str(self.cut_px)] * bool(self.cut_px) + ["scale"] * bool(self.cut_scale)
            said.append(f"{' + '.join(parts)} pixels cut")
        said += [f"truth cut to a multiple of {self.multiple}"] * (self.multiple != 1)
        said += [f"SSIM {self.ssim}"] * bool(self.ssim)
        said += [f"both at {self.side_px}x{self.side_px}"] * bool(self.side_px)
        said += [f"aligned by {self.align}"] * bool(self.align)
        said += [f"peak {self.peak:g}"] * (self.peak != 1)
        said += [f"mask {self.mask}"] * bool(self.mask)
        return ", ".join(said)


_LIIF_LOW = "the distributed bicubic ones up to x4, PIL's bicubic of the truth above"
_OWN_LOW = "PIL's bicubic of the truth"


def _continuous(set_name: str, source: str, **rule: object) -> tuple[Protocol, ...]:
    """A rule of LIIF's family, by the cell that the networks get above x4."""
    kinds = (
        ("liif", "LIIF, and LTE without eval_bsize", None, _LIIF_LOW),
        ("lte", "LTE with eval_bsize and in its demo", 4.0, _LIIF_LOW),
        ("lmf", "LMF's tests, for every model", 4.0, _OWN_LOW),
    )
    return tuple(
        Protocol(
            name=f"{kind}-{set_name}",
            source=f"{who}, on {source}; cell_floor {floor or 'none'}",
            cell_floor=floor,
            low_resolution=low,
            **rule,  # type: ignore[arg-type]
        )
        for kind, who, floor, low in kinds
    )


_LIST = (
    Protocol(name="rgb", source="all channels together, nothing cut, float", ssim="gaussian-11"),
    Protocol(name="mimo_unet-gopro", source="MIMO-UNet on GoPro, which computes no SSIM"),
    Protocol(
        name="ssim-3d",
        source="the practice of the GoPro field: MATLAB's SSIM of RGB arrays of 8 bits; not "
        "claimed by MIMO-UNet",
        rounding="nearest",
        ssim="gaussian-3d",
    ),
    Protocol(
        name="realblur",
        source="RealBlur's program, from 8-bit files: intensity matched, ECC homography, masked",
        rounding="nearest",
        ssim="gaussian-11",
        align="homography",
    ),
    Protocol(
        name="mimo_unet-mindspore",
        source="MIMO-UNet's port to MindSpore: the output as it comes",
        clamp=False,
    ),
    Protocol(
        name="self_blind_vsr",
        source="Self-Blind-VSR on REDS4, Vid4 and SPMCS, mean over frames, not over videos; equal "
        "frames give infinity",
        rounding="nearest",
        cut_px=4,
        ssim="gaussian-11",
        averaged="frames",
    ),
    Protocol(
        name="self_blind_vsr-quick",
        source="Self-Blind-VSR's quick tests, which do not score two frames at each end of a video",
        rounding="nearest",
        cut_px=4,
        ssim="gaussian-11",
        unscored_frames=2,
        averaged="frames",
    ),
    Protocol(
        name="self_blind_vsr-validation",
        source="Self-Blind-VSR's training: unrounded and unclamped",
        clamp=False,
        cut_px=4,
        equal_db=100.0,
        averaged="frames",
    ),
    Protocol(
        name="vid4-luma",
        source="numbers that others quote for Vid4: luma, 8 pixels cut",
        rounding="nearest",
        luma="bt601",
        cut_px=8,
        ssim="gaussian-11",
        averaged="frames",
    ),
    *_continuous("benchmark", "Set5, Set14, B100 and Urban100", luma="bt601-of-256", cut_scale=1),
    *_continuous("div2k", "DIV2K", cut_px=6, cut_scale=1),
    Protocol(
        name="lmf-plain",
        source="LIIF, LTE and LMF without eval_type, as in validation",
        cell_floor=None,
        low_resolution=_OWN_LOW,
    ),
    Protocol(
        name="lmf-log",
        source="what LMF's training prints: [-1, 1] taken for [0, 1], 6.02 dB low",
        peak=0.5,
        cell_floor=None,
    ),
    Protocol(
        name="ciaosr",
        source="CiaoSR on all sets, DIV2K too; tiles of 192 with an overlap of 32 change it",
        rounding="nearest",
        luma="bt601",
        cut_scale=1,
        ssim="gaussian-11",
        multiple=12,
        cell_floor=None,
        low_resolution="bicubic of the cropped truth",
    ),
    Protocol(
        name="edsr-benchmark",
        source="EDSR on Set5, Set14, B100 and Urban100; SSIM as the field adds it",
        rounding="nearest",
        luma="bt601-of-256",
        cut_scale=1,
        ssim="gaussian-11",
    ),
    Protocol(name="edsr-div2k", source="EDSR on DIV2K", rounding="nearest", cut_px=6, cut_scale=1),
    Protocol(
        name="edsr-basicsr",
        source="EDSR as BasicSR tests it, on all sets",
        rounding="nearest",
        cut_scale=1,
        ssim="gaussian-11",
    ),
    Protocol(
        name="swinir-sr",
        source="SwinIR, classical and lightweight",
        rounding="nearest",
        luma="bt601",
        cut_scale=1,
        ssim="gaussian-11",
    ),
    Protocol(
        name="swinir-denoising",
        source="SwinIR, denoising",
        rounding="nearest",
        ssim="gaussian-11",
    ),
    Protocol(
        name="swinir-jpeg",
        source="SwinIR, JPEG of gray and color pictures",
        rounding="nearest",
        ssim="gaussian-11",
        psnr_b=True,
    ),
    Protocol(
        name="lmd_vit",
        source="LMD-ViT on ReLoBlur; weighted by the mask truncated to 8 bits",
        epsilon=1e-8,
        ssim="gaussian-11-float32",
        mask="levels",
    ),
    Protocol(
        name="reloblur-lbag",
        source="ReLoBlur's own program (LBAG): 8 bits, mask of one channel over 0",
        rounding="nearest",
        ssim="gaussian-11-float32",
        mask="binary",
    ),
    Protocol(
        name="reloblur-lbag-aligned",
        source="ReLoBlur's PSNR after alignment, by RealBlur's steps",
        rounding="nearest",
        align="homography",
    ),
    Protocol(
        name="kohler",
        source="Köhler's 4 x 12 pictures (kernel prediction, NIMBUSR): best of 198 or 199 frames "
        "by PSNR, luma of JPEG; its MSSIM is multi-scale",
        rounding="nearest",
        luma="full-range",
        ms_ssim=True,
        align="shift",
    ),
    Protocol(
        name="lsui",
        source="Phaseformer and Spectroformer on LSUI, as their users quote it: resized to 256, "
        "the keyword for channels ignored by SSIM",
        ssim="volume-3",
        side_px=256,
    ),
    Protocol(
        name="lsui-per-channel",
        source="as lsui, SSIM per channel as it was meant",
        ssim="uniform-3",
        side_px=256,
    ),
    Protocol(
        name="lsui-training",
        source="as lsui, in the training program: not clamped",
        clamp=False,
        ssim="volume-3",
        side_px=256,
    ),
    Protocol(
        name="phaseformer-imqual",
        source="the helper of Phaseformer's authors, on 8 bits, truncated",
        rounding="truncate",
        ssim="imqual",
        equal_db=100.0,
    ),
    Protocol(
        name="luma-full-range",
        source="toolboxes whose luma is that of JPEG or YIQ: 1.32 dB below MATLAB's",
        luma="full-range",
        ssim="gaussian-11",
    ),
    Protocol(
        name="rgb-8-bit-ms-ssim",
        source="all channels together on 8 bits, with MS-SSIM",
        rounding="nearest",
        ssim="gaussian-11",
        ms_ssim=True,
    ),
    Protocol(
        name="rgb-uniform-7",
        source="scikit-image's default SSIM, on 8 bits",
        rounding="nearest",
        ssim="uniform-7",
    ),
)

PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in _LIST}
"""By name."""
