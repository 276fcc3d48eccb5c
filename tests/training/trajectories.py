"""Training goldens: three steps of the authors' own training, as steps of ours.

Each file holds the start, three batches, and losses, gradients and parameters in float64.
Parameters have the authors' names there, and terms of losses at times another name than ours.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from parity.cases.goldens import Golden, _generated_weights, _read_file
from restoration.arrays import Arrays
from restoration.models import continuous
from restoration.models.lmd_vit import LMDViTSpec
from restoration.models.spec import Spec
from restoration.training.settings import (
    GroupSettings,
    LossSettings,
    OptimizerSettings,
    TrainerSettings,
)
from weights_convert.checkpoints.loading import read_state
from weights_convert.published import layouts
from weights_convert.published.layout import Layout

FOLDER = Path(__file__).parents[1] / "golden" / "training"
STEPS = (1, 2, 3)
PRIMARY = "primary"


@dataclass(frozen=True)
class Recipe:
    """What a file's variant trains with. terms: their names of our terms."""

    loss: LossSettings
    optimizer: OptimizerSettings
    terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trajectory:
    """A variant of a file: where it starts, what it sees, and what came of it.

    batches: of each step, float64 or float32. specs: of each step; they differ in nothing that has
    weights. start: parameters, those of the loss too. names: their names of our parameters.
    """

    golden: Golden
    variant: str
    recipe: Recipe
    specs: Sequence[Spec]
    start: Arrays
    names: Mapping[str, str]
    batches: Callable[[type], list[Arrays]]

    @property
    def prefix(self) -> str:
        return "" if self.variant == PRIMARY else f"{self.variant}/"

    def expected(self, name: str) -> np.ndarray | None:
        """An array of this variant, if the file has it."""
        return self.golden.content.get(self.prefix + name)

    def settings(self, folder: Path) -> TrainerSettings:
        """folder: where VGG's weights can be written."""
        loss = self.recipe.loss
        rule = json.loads(self.golden.metadata.get("generated", "{}"))
        for name in ("vgg19", "vgg16"):
            if name in rule:
                generated, _ = _generated_weights(
                    {"generated": json.dumps({"tensors": rule[name]})}, where="vgg"
                )
                path = folder / f"{name}.safetensors"
                save_file(generated, path)
                loss = LossSettings(name=loss.name, settings=loss.settings, vgg=str(path))
        return TrainerSettings(loss=loss, optimizer=self.recipe.optimizer)

    @property
    def order(self) -> list[str]:
        """Their names of parameters, in the order of the summaries' rows."""
        names: list[str] = json.loads(self.golden.metadata["order"])
        return names

    def noise(self, key: str) -> Any:
        """What the authors' code in float32 is off."""
        found = json.loads(self.golden.metadata[key])
        return found[self.variant] if PRIMARY in found else found


@cache
def read(name: str) -> Golden:
    return Golden(FOLDER / f"train-{name}", *_read_file(FOLDER / f"train-{name}.safetensors"))


def trajectory(name: str, variant: str) -> Trajectory:
    """The variant of a file, "primary" or one of the others that it names."""
    golden = read(name)
    model = _MODELS.get(name, name)
    layout = layouts()[model]
    config = _flat(json.loads(golden.metadata["config"])) | {"mode": golden.metadata["mode"]}
    generated, _ = _generated_weights(golden.metadata, where=name)
    stored = golden.group("weights")
    own = {key: array for key, array in stored.items() if key.startswith("loss.")}
    state = generated | {key: array for key, array in stored.items() if key not in own}
    spec, start = read_state(layout, state, config, where=name)
    recipe = RECIPES[name, variant]
    order = json.loads(golden.metadata["order"])
    names = {str(_ours(layout, key)): key for key in order if _ours(layout, key)}
    if recipe.loss.settings.get("learned", name.startswith("phaseformer")):
        start |= {_LOSS_NAMES[key.removeprefix("loss.")]: array for key, array in own.items()}
        names |= {_LOSS_NAMES[key.removeprefix("loss.")]: key.removeprefix("loss.") for key in own}
    return Trajectory(
        golden,
        variant,
        recipe,
        [_spec_of_step(golden, spec, step) for step in STEPS],
        start,
        names,
        lambda dtype: [_BATCHES[model](golden, spec, step, dtype) for step in STEPS],
    )


_MODELS = {"phaseformer_original": "phaseformer"}
_LOSS_NAMES = {"weights4": "loss.term_weights.logits", "weights2": "loss.level_weights.logits"}


def _ours(layout: Layout, name: str) -> str | None:
    return None if layout.table.is_constant(name) else layout.table.ours(name)


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a continuous network, all on one level but that of its parts."""
    return dict(config.get("args", config)) if "name" in config else dict(config)


def _spec_of_step(golden: Golden, spec: Spec, step: int) -> Spec:
    scales = json.loads(golden.metadata.get("sf", "[]"))
    return dataclasses.replace(spec, scale=scales[step - 1]) if scales else spec


# The batches of a step, by our names.


def _picture(golden: Golden, step: int, name: str, dtype: type) -> np.ndarray:
    array = golden.content[f"inputs/step{step}/{name}"]
    return array.astype(dtype) / dtype(255) if array.dtype == np.uint8 else array.astype(dtype)


def _mimo_unet(golden: Golden, _spec: Spec, step: int, dtype: type) -> Arrays:
    batch = {
        "image": _picture(golden, step, "blur", dtype),
        "target": _picture(golden, step, "sharp", dtype),
    }
    for number in (1, 2):
        if f"inputs/step{step}/drop{number}" in golden.content:
            batch[f"skip_mask{number}"] = _picture(golden, step, f"drop{number}", dtype)
    return batch


def _lmd_vit(golden: Golden, spec: Spec, step: int, dtype: type) -> Arrays:
    assert isinstance(spec, LMDViTSpec)
    images = 2
    noise, paths = [], []
    stages = [f"encoderlayer_{i}" for i in range(4)] + ["conv"]
    stages += [f"decoderlayer_{i}" for i in range(4)]
    scales = (1, 2, 4, 8, 16, 8, 4, 2, 1)
    for stage, depth, scale in zip(stages, spec.depths, scales, strict=True):
        windows = (64 // (spec.window * scale)) ** 2
        for block in range(depth):
            key = f"inputs/step{step}/gumbel/{stage}.blocks.{block}"
            if key in golden.content:
                noise.append(golden.content[key].reshape(images, windows, 2))
            key = f"inputs/step{step}/drop_path/{stage}.blocks.{block}"
            branches = [
                golden.content.get(f"{key}.{branch}", np.ones(images * windows))
                for branch in (0, 1)
            ]
            paths.append(np.stack([b.reshape(images, windows) for b in branches], axis=2))
    return {
        "image": _picture(golden, step, "blur", dtype),
        "target": _picture(golden, step, "sharp", dtype),
        "mask": golden.content[f"inputs/step{step}/mask"].astype(dtype),
        "noise": np.concatenate(noise, axis=1).astype(dtype),
        "paths": np.concatenate(paths, axis=1).astype(dtype),
    }


def _self_blind_vsr(golden: Golden, _spec: Spec, step: int, dtype: type) -> Arrays:
    return {"frames": _picture(golden, step, "frames", dtype)}


def _underwater(golden: Golden, _spec: Spec, step: int, dtype: type) -> Arrays:
    if golden.path.name == "train-phaseformer_original":
        return _original_phaseformer(step, dtype)
    return {
        "image": _picture(golden, step, "input", dtype),
        "target": _picture(golden, step, "gt", dtype),
    }


def _original_phaseformer(step: int, dtype: type) -> Arrays:
    """Images in [-1, 1]; the larger target is enlarged as 8-bit pictures are."""
    from PIL import Image

    images = read("phaseformer")
    truth = images.content[f"inputs/step{step}/gt"][0].transpose(1, 2, 0)
    large = Image.fromarray(truth).resize((512, 512), Image.Resampling.BILINEAR)
    high = np.asarray(large).transpose(2, 0, 1)[None].astype(dtype) / dtype(255)
    half = dtype(0.5)
    found = {
        "image": _picture(images, step, "input", dtype),
        "target": _picture(images, step, "gt", dtype),
        "target_high": high,
    }
    return {name: (array - half) / half for name, array in found.items()}


def _nimbusr(golden: Golden, _spec: Spec, step: int, dtype: type) -> Arrays:
    names = {"L": "image", "kmap": "masks", "basis": "kernels", "sigma": "sigma", "H": "target"}
    return {ours: _picture(golden, step, theirs, dtype) for theirs, ours in names.items()}


def _continuous(golden: Golden, spec: Spec, step: int, dtype: type) -> Arrays:
    assert isinstance(spec, continuous.ContinuousSpec)
    half = dtype(0.5)
    image, target = (_picture(golden, step, name, dtype) for name in ("inp", "gt"))
    coord, cell = (golden.content[f"inputs/step{step}/{name}"] for name in ("coord", "cell"))
    assert (cell == cell[:, :1]).all(), "a cell per image"
    place = continuous.lookup(spec, coord, cell[:, 0], height=8, width=8)
    place = {
        name: array.astype(dtype) if array.dtype.kind == "f" else array
        for name, array in place.items()
    }
    return {"image": (image - half) / half, "target": (target - half) / half} | place


_BATCHES: Mapping[str, Callable[[Golden, Spec, int, type], Arrays]] = {
    "mimo_unet": _mimo_unet,
    "mimo_unet_plus": _mimo_unet,
    "lmd_vit": _lmd_vit,
    "self_blind_vsr": _self_blind_vsr,
    "phaseformer": _underwater,
    "spectroformer": _underwater,
    "nimbusr": _nimbusr,
    "lm_liif": _continuous,
    "lm_lte": _continuous,
    "lm_ciaosr": _continuous,
}


# What the files were made with.


def _loss(name: str, **settings: Any) -> LossSettings:
    return LossSettings(name=name, settings=settings)


_ADAM = OptimizerSettings(learning_rate=1e-4)
_CLIPPED = OptimizerSettings(learning_rate=1e-3, betas=(0.5, 0.999), clip_norm=1.0)
_CLIPPED_FIXED = OptimizerSettings(
    learning_rate=1e-3, betas=(0.5, 0.999), clip_norm=1.0, freeze=("loss.*",)
)
_ORIGINAL = OptimizerSettings(learning_rate=3e-4, betas=(0.5, 0.999))
_ORIGINAL_FIXED = OptimizerSettings(learning_rate=3e-4, betas=(0.5, 0.999), freeze=("loss.*",))
_MIMO_TERMS = {"content": "loss_content", "spectral": "loss_fft"}
_LMD_TERMS = {"content": "loss_l1", "dissimilarity": "loss_ssim", "spectral": "loss_fft"}
_VIDEO_TERMS = {
    name: f"loss_{name}"
    for name in ("reconstruction", "cycle", "boundaries", "sparsity", "centralized")
}
_SPECTRO_TERMS = {
    "charbonnier": "charbonnier",
    "perceptual": "perceptual",
    "gradient": "gradient",
    "dissimilarity": "one_minus_ms_ssim",
}


def _two_levels(pixel: str, similarity: str) -> dict[str, str]:
    names = {pixel: pixel, "perceptual": "perceptual", "gradient": "gradient"}
    names |= {"dissimilarity": similarity}
    return {
        ours + long: theirs + short
        for long, short in (("_low", "_L"), ("_high", "_H"))
        for ours, theirs in names.items()
    } | {"low": "level_L", "high": "level_H"}


_GROUPS = ("stem", "features", "fusion", "body", "enlarge", "head?", "kernel")
_VIDEO_OPTIMIZER = OptimizerSettings(
    learning_rate=1e-4,
    groups=(
        *(GroupSettings(match=f"{name}.*", learning_rate=1e-4) for name in _GROUPS),
        GroupSettings(match="flow.*", learning_rate=1e-6),
    ),
)
_ORIGINAL_TERMS = _two_levels("smooth_l1", "ms_ssim")

RECIPES: Mapping[tuple[str, str], Recipe] = {
    ("mimo_unet", PRIMARY): Recipe(_loss("MultiScaleLoss"), _ADAM, _MIMO_TERMS),
    ("mimo_unet_plus", PRIMARY): Recipe(_loss("MultiScaleLoss"), _ADAM, _MIMO_TERMS),
    ("lmd_vit", PRIMARY): Recipe(_loss("LocalMotionLoss"), _ADAM, _LMD_TERMS),
    ("lmd_vit", "masked"): Recipe(
        _loss("LocalMotionLoss", masked=True, shift_px=0), _ADAM, _LMD_TERMS
    ),
    ("lmd_vit", "adamw"): Recipe(
        _loss("LocalMotionLoss"),
        OptimizerSettings(name="adamw", learning_rate=2e-4, weight_decay=0.02),
        _LMD_TERMS,
    ),
    ("self_blind_vsr", PRIMARY): Recipe(_loss("BlindVideoLoss"), _VIDEO_OPTIMIZER, _VIDEO_TERMS),
    ("phaseformer", PRIMARY): Recipe(
        _loss("PhaseformerLoss"), _CLIPPED, _two_levels("charbonnier", "one_minus_ms_ssim")
    ),
    ("phaseformer", "defect_weights_not_optimised"): Recipe(
        _loss("PhaseformerLoss"), _CLIPPED_FIXED, _two_levels("charbonnier", "one_minus_ms_ssim")
    ),
    ("phaseformer_original", PRIMARY): Recipe(
        _loss("PhaseformerLoss", original=True), _ORIGINAL, _ORIGINAL_TERMS
    ),
    ("phaseformer_original", "defect_as_published"): Recipe(
        _loss("PhaseformerLoss", original=True, defect_similarity_added=True),
        _ORIGINAL_FIXED,
        _ORIGINAL_TERMS,
    ),
    ("spectroformer", PRIMARY): Recipe(_loss("SpectroformerLoss"), _CLIPPED, _SPECTRO_TERMS),
    ("spectroformer", "weighted"): Recipe(
        _loss("SpectroformerLoss", learned=True), _CLIPPED, _SPECTRO_TERMS
    ),
    ("spectroformer", "defect_weights_not_optimised"): Recipe(
        _loss("SpectroformerLoss", learned=True), _CLIPPED_FIXED, _SPECTRO_TERMS
    ),
    ("nimbusr", PRIMARY): Recipe(_loss("L1Loss"), _ADAM),
    ("lm_liif", PRIMARY): Recipe(_loss("L1Loss"), _ADAM),
    ("lm_lte", PRIMARY): Recipe(_loss("L1Loss"), _ADAM),
    ("lm_ciaosr", PRIMARY): Recipe(_loss("L1Loss"), _ADAM),
    ("lm_ciaosr", "defect_no_skip"): Recipe(_loss("L1Loss", defect_no_skip=True), _ADAM),
}


def summary(array: np.ndarray, index: int) -> np.ndarray:
    """2-norm, projection on white noise, largest magnitude."""
    noise = np.random.Generator(np.random.PCG64(900_000 + index)).standard_normal(array.shape)
    flat = array.astype(np.float64)
    return np.array(
        [np.sqrt((flat**2).sum()), (flat * noise).sum() / np.sqrt(flat.size), np.abs(flat).max()]
    )
