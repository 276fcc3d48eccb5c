"""Files that people take for checkpoints: what each is, and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from weights_convert.errors import quoted
from weights_convert.files.mapped import MappedFile


@dataclass(frozen=True)
class Foreign:
    """What a file is instead of a checkpoint, and the next step."""

    what: str
    next_step: str


_FROM_PYTORCH = (
    "it holds a program; convert the checkpoint that it was exported from (.pth, .safetensors)"
)
_FROM_KERAS = "in Keras: np.savez(OUT, **{one.path: one.numpy() for one in model.variables})"
_FROM_TENSORFLOW = (
    "in TensorFlow: np.savez(OUT, **{name: tf.train.load_variable(CHECKPOINT, name)"
    " for name, _ in tf.train.list_variables(CHECKPOINT)})"
)
_FROM_MINDSPORE = (
    "it holds a graph; save the network's parameters instead: mindspore.save_checkpoint(net, OUT)"
)
_UNPACK = "unpack it first, and give what is in it"

_BEGINNINGS: tuple[tuple[int, bytes, Foreign], ...] = (
    (0, b"version https://git-lfs", Foreign(
        "a pointer of Git LFS instead of the file", "run git lfs pull")),
    (0, b"\x1f\x8b", Foreign("a compressed file", "unpack it first (gzip -d)")),
    (0, b"BZh", Foreign("a compressed file", "unpack it first (bzip2 -d)")),
    (0, b"\xfd7zXZ\0", Foreign("a compressed file", "unpack it first (xz -d)")),
    (0, b"\x28\xb5\x2f\xfd", Foreign("a compressed file", "unpack it first (zstd -d)")),
    (0, b"7z\xbc\xaf", Foreign("a 7z archive", _UNPACK)),
    (0, b"Rar!", Foreign("a RAR archive", _UNPACK)),
    (0, b"\x89HDF", Foreign("HDF5, as Keras writes its weights", _FROM_KERAS)),
    (0, b"GGUF", Foreign("GGUF, quantized weights of llama.cpp",
                         "get the checkpoint that it was made from")),
    (0, b"lmgg", Foreign("GGML", "get the checkpoint that it was made from")),
    (0, b"tjgg", Foreign("GGML", "get the checkpoint that it was made from")),
    (4, b"TFL3", Foreign("a TFLite model", "convert the checkpoint that it was made from")),
    (4, b"PTMF", Foreign("a mobile PyTorch program (.ptl)", _FROM_PYTORCH)),
    (4, b"ET1", Foreign("an ExecuTorch program (.pte)", _FROM_PYTORCH)),
    (4, b"MSL", Foreign("a MindSpore Lite model (.ms)", _FROM_MINDSPORE)),
    (0, b"7767517", Foreign("an ncnn graph", "convert the checkpoint that it was made from")),
    (0, b"model_checkpoint_path", Foreign(
        "a text that names a TensorFlow checkpoint", _FROM_TENSORFLOW)),
    (0, b"\x89PNG", Foreign("a picture", "name the file with the weights")),
    (0, b"\xff\xd8\xff", Foreign("a picture", "name the file with the weights")),
    (0, b"%PDF", Foreign("a PDF document", "name the file with the weights")),
)  # fmt: skip
_TENSORFLOW_END = (0xDB4775248B80FB57).to_bytes(8, "little")  # of a table, as .index files are
_ENCRYPTED = {0xD8: "AES-GCM", 0xD9: "AES-CBC", 0xDA: "SM4-CBC"}
_ENCRYPTED_MARK = b"\x5e\x3a\x7f"  # bytes 1 to 3 of each encrypted block
_MINDIR = re.compile(rb"\x0a[\x01-\x10][0-9.]+\x12.MindSpore", re.S)
_ONNX = re.compile(rb"\x08[\x01-\x20](\x12[\x00-\x40]|\x1a[\x00-\x40]|[\x3a\x42])", re.S)
_TAR_MARK = slice(257, 262)
_SHOWN = 80
_GUESSED_BYTES = 4096


def identify(file: MappedFile) -> Foreign | None:
    """What a file is that is none of the formats; None if nobody knows."""
    begin = file.read(0, 64)
    for start, mark, found in _BEGINNINGS:
        if begin[start:].startswith(mark):
            return found
    if begin[1:4] == _ENCRYPTED_MARK:
        mode = _ENCRYPTED.get(begin[0], "a mode of its own")
        return Foreign(
            f"a checkpoint that MindSpore encrypted ({mode})",
            "in MindSpore: save_checkpoint([{'name': name, 'data': value} for name, value in "
            f"load_checkpoint(FILE, dec_key=KEY, dec_mode='{mode}').items()], OUT)",
        )
    if _MINDIR.match(begin):
        return Foreign("a graph of MindSpore (MINDIR)", _FROM_MINDSPORE)
    if bytes(file.view[-8:]) == _TENSORFLOW_END:
        return Foreign("the index of a TensorFlow checkpoint", _FROM_TENSORFLOW)
    if _ONNX.match(begin):
        return Foreign(
            "an ONNX graph",
            "in Python: np.savez(OUT, **{one.name: onnx.numpy_helper.to_array(one) for one in "
            "onnx.load(FILE).graph.initializer})",
        )
    return _text(file)


def in_zip(names: Iterable[str]) -> Foreign | None:
    """What a zip is whose records have these names; None if they are of no known program."""
    leaves = {name.rpartition("/")[2] for name in names}
    if "bytecode.pkl" in leaves:
        return Foreign("a mobile PyTorch program (.ptl)", _FROM_PYTORCH)
    if "constants.pkl" in leaves:
        return Foreign(
            "a TorchScript program",
            "in PyTorch: torch.save(torch.jit.load(FILE).state_dict(), OUT)",
        )
    if "model.weights.h5" in leaves:
        return Foreign("a Keras model", _FROM_KERAS)
    if "archive_format" in leaves or "serialized_exported_program.json" in leaves:
        return Foreign(
            "an exported PyTorch program (.pt2)",
            "in PyTorch: torch.save(torch.export.load(FILE).state_dict, OUT)",
        )
    if "META-INF" in {name.split("/")[0] for name in names}:
        return Foreign("a Java archive", "name the file with the weights")
    return None


def _text(file: MappedFile) -> Foreign | None:
    """What a file of text is."""
    begin = file.read(0, _GUESSED_BYTES)
    stripped = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    if stripped.startswith(b"<"):
        return Foreign("a web page or XML instead of the file", "download the file itself")
    try:
        text = stripped.decode("utf-8") if file.size <= _GUESSED_BYTES else ""
    except UnicodeDecodeError:
        return None
    if not text or "\0" in text:
        return None
    said = quoted(" ".join(text.split())[:_SHOWN])
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        is_text = all(sign.isprintable() or sign.isspace() for sign in text)
        return Foreign(f"a text: {said}", "download the file itself") if is_text else None
    return Foreign(f"JSON: {said}", "name the file with the weights")
