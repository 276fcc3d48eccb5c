"""`python -m mindspore_impl.export -w WEIGHTS -o FILE`: a network for other programs, proven.

With a flag of the model zoo's configuration: MIMO-UNet by that, see `model_zoo.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mindspore_impl import config, model_zoo
from restoration import console
from restoration.inference import export
from weights_convert.checkpoints.loading import load_weights

_PROGRAM = "mindspore_impl.export"
_OURS = ("model_name",)  # what our own flags have, too
_SIDE_PX = 256


def main(words: list[str] | None = None) -> int:
    """Export as the command line says; the exit code."""
    given = sys.argv[1:] if words is None else words
    if config.is_given(given, apart_from=_OURS):
        return console.run(_PROGRAM, lambda: _export_by_configuration(given))
    return export.main("mindspore", words)


def _export_by_configuration(words: Sequence[str]) -> int:
    found = model_zoo.parse(_PROGRAM, words)
    form = found.export_file_format.lower()
    if form == "onnx":
        model_zoo.say(
            "ONNX: MindSpore has no converter for the network's resizing, so PyTorch writes it "
            "from the same weights"
        )
    if found.resize == "both":
        raise model_zoo.one_resize()
    model_zoo.check_network(found, lambda path: load_weights(path).model)
    return export.main(
        "mindspore",
        [
            *("--model", model_zoo.MODELS[found.model_name]),
            *("--weights", found.ckpt_file),
            *("--device", model_zoo.device_of(found, "export_device_target")),
            *("--set", f"resize={model_zoo.RESIZE[found.resize]}"),
            *("--to", form),
            *(("--by", "torch") if form == "onnx" else ()),
            *("--size", f"{_SIDE_PX}x{_SIDE_PX}"),
            *("--batch", str(found.export_batch_size)),
            *("--output", f"{found.export_file_name}.{form}"),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
