"""Makes the README's picture: `python docs/make_picture.py train`, then `... draw`.

`train` fits a small MIMO-UNet to photographs blurred by one camera shake (half an hour on a core)
and writes its weights. `draw` restores a photograph that was not among them, in PyTorch and in
Jittor, and draws what went in, what came out, what is still wrong, and by how much Jittor departs
from the float64 truth.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from rich.progress import track
from safetensors.numpy import load_file, save_file

from restoration import images
from restoration.data import degradations, sample_inputs
from restoration.evaluation import metrics
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.process import arrays
from restoration.process.frameworks import FRAMEWORKS
from restoration.process.launch import Process, Worker
from restoration.process.serve import Session
from restoration.training.settings import LossSettings, OptimizerSettings, TrainerSettings

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE / "pictures" / "small_mimo_unet.safetensors"
PICTURE = HERE / "pictures" / "before_after.png"
SPEC = MIMOUNetSpec(width=16, blocks=2)
TRAINED_ON = (
    "astronaut",
    "coffee",
    "rocket",
    "stereo_motorcycle",
    "retina",
    "immunohistochemistry",
)
SHOWN = "cat"
SIZE_PX = (256, 320)
CROP_PX = 96
BATCH = 4
KERNEL = degradations.motion_kernel(15, np.random.default_rng(7))  # one camera shake for all
PEAK_RATE = 6e-4
GAP_PX = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("train", "draw"))
    parser.add_argument("--steps", type=int, default=7000)
    options = parser.parse_args()
    if options.action == "train":
        train(options.steps)
    else:
        draw()


def train(steps: int) -> None:
    """Fit the small network with the suite's own trainer, the rate falling as a half cosine."""
    from torch_impl.engine import TorchEngine

    rng = np.random.default_rng(0)
    photographs = [_photograph(name) for name in TRAINED_ON]
    engine = TorchEngine()
    network = engine.build(SPEC)
    optimizer = OptimizerSettings(learning_rate=PEAK_RATE)
    settings = TrainerSettings(loss=LossSettings(name=SPEC.loss), optimizer=optimizer)
    trainer = engine.trainer(network, settings)
    losses = []
    for step in track(range(steps), "training"):
        rate = PEAK_RATE * 0.5 * (1 + np.cos(np.pi * step / steps)) + 1e-6
        losses.append(trainer.step([_batch(photographs, rng)], rate / PEAK_RATE).loss)
        if step % 250 == 249:
            print(f"step {step + 1}: loss {np.mean(losses[-250:]):.4f}", file=sys.stderr)
            save_file(engine.state(network), WEIGHTS)
    save_file(engine.state(network), WEIGHTS)


def restore(session: Session, *, out: str, **options: str) -> None:
    """Restore the shown photograph with the trained weights, in the framework of this process.

    out: where the result is written. options: of the engine.
    """
    engine = session.make_engine(**options)
    network = engine.build(SPEC)
    engine.load(network, load_file(WEIGHTS))
    arrays.write(Path(out), engine.run(network, {"image": _shown()[1]}))


def restored_in(framework: str, **options: str) -> np.ndarray:
    """The shown photograph as a framework restores it, (1, 3, h, w)."""
    worker = Worker(framework, FRAMEWORKS[framework].package, path=[str(HERE)])
    with tempfile.TemporaryDirectory() as folder, Process(worker, Path(folder)) as process:
        out = str(Path(folder) / "restored.safetensors")
        process.call("make_picture:restore", {"out": out, **options})
        return load_file(out)["full"]


def draw() -> None:
    """Restore in three ways, each in a process of its own, and draw the panels."""
    truth, torch = restored_in("torch", dtype="float64"), restored_in("torch")
    jittor = restored_in("jittor")
    sharp, blurred = _shown()
    restored = np.clip(jittor, 0, 1)
    departure = np.abs(jittor - truth)
    figures = {
        "blurred_db": round(metrics.psnr_db(sharp, blurred), 2),
        "restored_db": round(metrics.psnr_db(sharp, restored), 2),
        "largest_departure": float(departure.max()),
        "largest_departure_torch": float(np.abs(torch - truth).max()),
    }
    panels = [
        _panel(blurred[0], f"blurred: {figures['blurred_db']:.1f} dB"),
        _panel(restored[0], f"restored by Jittor: {figures['restored_db']:.1f} dB"),
        _panel(_heat(np.abs(restored - sharp).mean(1)[0], 0.05), "still wrong (white: 0.05)"),
        _panel(_heat(departure.mean(1)[0], 5e-7), "Jittor - float64 truth (white: 5e-7)"),
    ]
    gap = np.ones((3, panels[0].shape[1], GAP_PX), np.float32)
    strip = np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=2)
    images.write_image(PICTURE, images.Image(strip[None]))
    print(json.dumps(figures))


def _photograph(name: str) -> np.ndarray:
    """A photograph (1, 3, h, w) of scikit-image, by the name of its function."""
    found = getattr(skimage.data, name)()
    return images.from_array(found[0] if isinstance(found, tuple) else found).pixels


def _batch(photographs: list[np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random crops, flipped and turned at random, then blurred."""
    sharp, blurred = [], []
    margin = len(KERNEL) // 2
    for _ in range(BATCH):
        whole = photographs[rng.integers(len(photographs))]
        side = CROP_PX + 2 * margin
        top, left = (rng.integers(size - side + 1) for size in whole.shape[2:])
        crop = whole[..., top : top + side, left : left + side]
        crop = np.rot90(crop, rng.integers(4), axes=(2, 3))
        crop = crop[..., ::-1] if rng.random() < 0.5 else crop
        soft = _degrade(crop, rng)
        inner = slice(margin, margin + CROP_PX)
        sharp.append(crop[..., inner, inner])
        blurred.append(soft[..., inner, inner])
    return {"image": np.concatenate(blurred), "target": np.concatenate(sharp)}


def _degrade(sharp: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    moved = degradations.blur(sharp, KERNEL)
    return degradations.add_noise(moved, sigma=0.002, rng=rng).clip(0, 1)


def _shown() -> tuple[np.ndarray, np.ndarray]:
    """The photograph of the picture, sharp and blurred."""
    height, width = SIZE_PX
    sharp = sample_inputs.photograph(SHOWN, height_px=height, width_px=width)
    return sharp, _degrade(sharp, np.random.default_rng(7))


def _heat(error: np.ndarray, top: float) -> np.ndarray:
    """Errors (h, w) as colors (3, h, w), black at 0 and white from `top` on."""
    levels = np.rint(np.clip(error / top, 0, 1) * 255).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_HOT)
    return np.ascontiguousarray(colors[..., ::-1].transpose(2, 0, 1), np.float32) / 255


def _panel(image: np.ndarray, caption: str) -> np.ndarray:
    """An image (3, h, w) with a line of text below."""
    foot = np.full((24, image.shape[2], 3), 255, np.uint8)
    cv2.putText(foot, caption, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([image, foot.transpose(2, 0, 1).astype(np.float32) / 255], axis=1)


if __name__ == "__main__":
    main()
