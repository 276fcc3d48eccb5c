"""What latent modulation saves: LM-x beside x, at x2, x4 and x12.

`python benchmarks/efficiency.py` prints, for LIIF, LTE and CiaoSR over EDSR-baseline, multiply-adds
and CPU seconds of the plain network and of the modulated one, in PyTorch, one thread, float32, all
in one run; both networks decode in the same chunks of their specs. Multiply-adds are counted, not
quoted: those of every convolution, affine map and matrix product that PyTorch executes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from restoration import console
from restoration.models import continuous
from restoration.models.registry import MODELS
from torch_impl.engine import TorchEngine

PAIRS = (("liif", "lm_liif"), ("lte", "lm_lte"), ("ciaosr", "lm_ciaosr"))
SCALES = (2, 4, 12)


def main() -> int:
    """Measure and print the table."""
    return console.run("benchmarks/efficiency.py", _main)


def _main() -> int:
    parser = console.Parser(description=__doc__)
    parser.add_argument("--size", type=int, default=48, help="side of the small image (default 48)")
    parser.add_argument("--scales", type=int, nargs="+", default=SCALES, help="default: 2 4 12")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the figures there too; docs/speed.md is made from efficiency.json",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(header_style="bold")
    for heading in ("network", "scale", "G MAC", "LM G MAC", "fewer", "s", "LM s", "faster"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    rows = []
    for plain, modulated in PAIRS:
        for scale in options.scales:
            print(f"{plain} and {modulated} at x{scale}", file=sys.stderr)
            found = {name: measure(name, options.size, scale) for name in (plain, modulated)}
            (gmac, seconds), (lm_gmac, lm_seconds) = found[plain], found[modulated]
            title = MODELS[plain].title
            row = {"title": title, "scale": scale}
            rows.append(row | {"plain": found[plain], "modulated": found[modulated]})
            table.add_row(
                title,
                f"x{scale}",
                f"{gmac:.1f}",
                f"{lm_gmac:.1f}",
                f"{gmac / lm_gmac:.1f}x",
                f"{seconds:.2f}",
                f"{lm_seconds:.2f}",
                f"{seconds / lm_seconds:.1f}x",
            )
    console.results_console(120).print(table)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def measure(name: str, size_px: int, scale: int) -> tuple[float, float]:
    """Giga multiply-adds and the best CPU seconds of two runs after a first one."""
    engine = TorchEngine()
    spec = MODELS[name].spec("published")
    network = engine.build(spec)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, size_px, size_px)).astype(np.float32)
    inputs = continuous.enlarge(spec, image, height=size_px * scale, width=size_px * scale)
    with FlopCounterMode(display=False) as counter:
        engine.run(network, inputs)
    seconds = []
    for _ in range(2):
        before = time.process_time()
        engine.run(network, inputs)
        seconds.append(time.process_time() - before)
    return counter.get_total_flops() / 2e9, min(seconds)


if __name__ == "__main__":
    sys.exit(main())
