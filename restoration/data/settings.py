"""The data of a training run, as a recipe says it: the section `data`.

Plain dataclasses, as those of `restoration/training/settings.py`; the text below a field is its
help. Which keys a model and a kind of data take is checked by `tasks.open_task`; a key that changes
nothing is an error. The words of BasicSR are read as ours (`basicsr.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from restoration.data import basicsr
from restoration.training.settings import STRICT, require

Kind = Literal["synthetic", "pairs", "pictures", "list", "video", "lmdb", "npy"]
Augmentation = Literal["none", "flip", "eight"]
Degradation = Literal[
    "motion",
    "panning",
    "local_motion",
    "underwater",
    "bicubic",
    "bicubic_pil",
    "gaussian",
    "realistic",
    "noise",
    "jpeg",
    "objects",
    "none",
]


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Where the pictures of a split are; BasicSR's dataroot_gt and the like are understood."""

    __pydantic_config__: ClassVar[Any] = STRICT

    target: str = ""
    """Folder (or lmdb) of the pictures that a network should give; of videos one folder each."""
    degraded: str = ""
    """Folder (or lmdb) of the pictures that it is given; names as in `target`, see template."""
    mask: str = ""
    """Folder of masks, names as in `target`: of blurred regions, or objects by number."""
    list: str = ""
    """Text file. Kind list: per line the degraded picture and its target (and a mask), or a target
    alone, relative to the file. Else the names of `target` that count, one per line."""
    template: str = "{}"
    """A degraded picture's name without suffix, {} stands for the target's: "{}x4"."""
    limit: int | None = None
    """How many of the pictures are taken, the first ones by name; all unless given."""

    def __post_init__(self) -> None:
        require(
            self,
            template=("{}" in self.template, "a name with {} for the target's"),
            limit=(self.limit is None or self.limit >= 1, "at least 1"),
        )


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What a model is trained and scored on."""

    __pydantic_config__: ClassVar[Any] = STRICT

    kind: Kind = "synthetic"
    """synthetic: scikit-image's photographs; pairs: two folders with the same names; pictures: a
    folder of targets, degraded here; list: a text file of paths; video: a folder of frames for each
    video; lmdb: as BasicSR makes them; npy: samples of ReLoBlur, one dictionary in a file."""
    train: SplitSettings = field(default_factory=SplitSettings)
    """What is trained on."""
    valid: SplitSettings = field(default_factory=SplitSettings)
    """What is scored; nothing of it may be trained on."""
    crop_px: int = 64
    """Side of the square that the network is given in training. Where it enlarges, the target's
    side is as many times as large."""
    valid_px: int | None = None
    """Longest side of a picture that is scored, what the network is given; larger ones are cut to
    their middle. Whole pictures unless given."""
    resize_px: int | None = None
    """Both pictures are resized to this square (bilinear, 8 bits, as Pillow does) and not cut."""
    augmentation: Augmentation = "none"
    """flip: left to right in half of the samples; eight: one of the eight flips and turns."""
    samples: int | None = None
    """Samples in an epoch, made from the pictures in turn; one of each picture unless given."""
    drop_last: bool = False
    """Leave out an epoch's last batch if it is smaller than the others."""
    cache: bool = False
    """Keep decoded pictures in the memory of each process that prepares batches."""
    degradation: Degradation | None = None
    """How targets without degraded pictures are degraded; what suits the model unless given.
    motion: a shaken camera; panning: one that turns sideways, by kernel_px or down to half of that;
    local_motion: an object that moves; underwater: light lost in water;
    bicubic: reduced as MATLAB does; bicubic_pil: as Pillow does, in 8 bits; gaussian, realistic:
    the kernels of Self-Blind-VSR, then every n-th pixel; noise; jpeg; objects: a kernel for each
    object and one for what is behind."""
    kernel_px: int = 15
    """motion, panning, local_motion, objects: side of the blur kernels, odd."""
    noise: float | tuple[float, float] = 0.0
    """Standard deviation of white noise that is added to what is degraded here, as a share of
    white; two numbers: between them, drawn per sample."""
    jpeg_quality: int = 40
    """jpeg: 1 to 100."""
    blurred_share: float = 0.0
    """Local blur: in this share of the samples the crop is one with blur in it."""
    scale_range: tuple[float, float] = (1.0, 4.0)
    """Continuous networks: how many times as large the target is, drawn per sample."""
    valid_scale: float = 4.0
    """Continuous networks: the same of pictures that are scored."""
    queries: int | None = None
    """Continuous networks: places asked for per sample, all different; crop_px squared unless
    given, which networks of latent modulation need."""
    frames_per_video: int | None = None
    """Video: how many of a video's first frames are taken; all unless given."""
    objects: int = 2
    """objects: how many there are at most in a sample."""
    kernels: int = 15
    """objects: how many kernels there are to choose from."""
    illumination: float = 0.0
    """objects: brightness is multiplied by 1 plus up to this much more or less."""

    def __post_init__(self) -> None:
        least, most = self.noise_range
        small, large = self.scale_range
        counts = ("valid_px", "resize_px", "samples", "queries", "frames_per_video")
        shares = ("blurred_share", "illumination")
        require(
            self,
            crop_px=(self.crop_px >= 1, "at least 1"),
            **{
                name: ((value := getattr(self, name)) is None or value >= 1, "at least 1")
                for name in counts
            },
            kernel_px=(self.kernel_px >= 1 and self.kernel_px % 2 == 1, "an odd number"),
            noise=(0 <= least <= most, "a number of at least 0, or a range of them"),
            jpeg_quality=(1 <= self.jpeg_quality <= 100, "1 to 100"),
            **{name: (0 <= getattr(self, name) <= 1, "a share, 0 to 1") for name in shares},
            scale_range=(1 <= small <= large, "two factors of at least 1, the smaller first"),
            valid_scale=(self.valid_scale >= 1, "a factor of at least 1"),
            objects=(self.objects >= 0, "at least 0"),
            kernels=(self.kernels >= 1, "at least 1"),
        )

    @property
    def noise_range(self) -> tuple[float, float]:
        """The smallest and the largest standard deviation of noise."""
        return self.noise if isinstance(self.noise, tuple) else (self.noise, self.noise)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return basicsr.understood(handler(source))
