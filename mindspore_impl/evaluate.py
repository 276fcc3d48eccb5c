"""`python -m mindspore_impl.evaluate DATA -w WEIGHTS...`: numbers by the rules of papers.

With a flag of the model zoo's configuration: MIMO-UNet by that, by the paper's rule and by the one
of the known port; see `model_zoo.py`.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from mindspore_impl import config, model_zoo
from restoration import console
from restoration.data import npy
from restoration.errors import ExitCode
from restoration.evaluation import evaluate, report
from restoration.evaluation.pairs import Pair
from restoration.evaluation.scoring import Run
from weights_convert.checkpoints.loading import load_weights

_PROGRAM = "mindspore_impl.evaluate"
_OURS = ("model_name",)  # what our own flags have, too


def main(words: list[str] | None = None) -> int:
    """Evaluate as the command line says; the exit code."""
    given = sys.argv[1:] if words is None else words
    if config.is_given(given, apart_from=_OURS):
        return console.run(_PROGRAM, lambda: _evaluate_by_configuration(given))
    return evaluate.main("mindspore", words)


def _evaluate_by_configuration(words: Sequence[str]) -> int:
    found = model_zoo.parse(_PROGRAM, words)
    model_zoo.check_sink(found, "eval_use_data_sink")
    model_zoo.folders_of(found.dataset_root, "test")
    model_zoo.check_network(found, lambda path: load_weights(path).model)
    ways = model_zoo.RESIZE if found.resize == "both" else [found.resize]
    runs: dict[str, list[Run]] = {way: _runs(found, way) for way in ways}
    report.show(
        [
            replace(run, weights=f"{Path(run.weights).name}, resize {way}")
            for way, of_way in runs.items()
            for run in of_way
        ]
    )
    for run in next(iter(runs.values())):
        print({run.protocol.name: {"psnr": run.means().get("PSNR")}})
    if found.resize == "both":
        means = {way: of_way[0].means().get("PSNR", float("nan")) for way, of_way in runs.items()}
        print(model_zoo.better(means))
    has_failed = any(run.failed for of_way in runs.values() for run in of_way)
    return ExitCode.INCOMPLETE if has_failed else ExitCode.OK


def _runs(found: Namespace, resize: str) -> list[Run]:
    """The numbers of one way of resizing; pictures of the first are saved, where that is asked."""
    protocols = [word for name in model_zoo.PROTOCOLS for word in ("--protocol", name)]
    numbers = count()

    def save(pair: Pair, restored: np.ndarray) -> None:
        assert pair.image is not None
        folder = Path(found.img_save_directory)
        if found.resize == "both":
            folder /= resize
        model_zoo.write_pictures(
            folder, next(numbers), npy.read_blurred(pair.image).pixels, restored
        )

    return evaluate.score_all(
        "mindspore",
        [
            str(Path(found.dataset_root) / "test"),
            *protocols,
            *("--model", model_zoo.MODELS[found.model_name]),
            *("--weights", found.ckpt_file),
            *("--device", model_zoo.device_of(found)),
            *("--set", f"resize={model_zoo.RESIZE[resize]}"),
        ],
        limit=found.slice_dataset,
        is_graph=found.mode == "graph",
        on_restored=save if found.img_save_directory else None,
    )


if __name__ == "__main__":
    sys.exit(main())
