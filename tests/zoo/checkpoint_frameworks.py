"""Checkpoints that Jittor and MindSpore themselves write, each in its own process; few."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.zoo.checkpoint_base import Case, bfloat16, cut, state

NET = state()


def jittor(folder: str) -> None:
    """Writes the files of `_jittor`."""
    import jittor as jt

    place = Path(folder)
    net = {name: jt.array(array) for name, array in NET.items()}
    jt.save(net, str(place / "by_jittor.pkl"))
    jt.save({"model": net, "epoch": 3}, str(place / "by_jittor_checkpoint.pkl"))
    brain = {name: jt.array(array).bfloat16() for name, array in cut(NET).items()}
    jt.save(brain, str(place / "by_jittor_bfloat16.pkl"))


def _jittor() -> Iterator[Case]:
    yield Case("by_jittor.pkl", "jt.save", "jittor", NET)
    yield Case("by_jittor_checkpoint.pkl", "jt.save of a checkpoint", "jittor", NET,
               left_out=frozenset({"epoch"}))  # fmt: skip
    yield Case("by_jittor_bfloat16.pkl", "jt.save of bfloat16", "jittor", bfloat16(NET))


def mindspore(folder: str) -> None:
    """Writes the files of `_mindspore`."""
    from tests import work

    work._engine()  # chooses the device, which may not be chosen later
    import mindspore as ms
    import numpy as np

    place = Path(folder)
    entries = [{"name": name, "data": ms.Tensor(array)} for name, array in NET.items()]
    ms.save_checkpoint(entries, str(place / "by_mindspore.ckpt"))
    ms.save_checkpoint(entries, str(place / "by_mindspore_crc.ckpt"), crc_check=True)
    beside = {"epoch": 12, "best_psnr": 31.5, "is_best": True, "note": "run 7"}
    beside["seen"] = ms.Tensor(np.int64(48000))
    ms.save_checkpoint(entries, str(place / "by_mindspore_append.ckpt"), append_dict=beside)
    for kind, mode in (("gcm", "AES-GCM"), ("cbc", "AES-CBC")):
        path = str(place / f"by_mindspore_{kind}.ckpt")
        ms.save_checkpoint(entries, path, enc_key=b"0123456789ABCDEF", enc_mode=mode)


def _mindspore() -> Iterator[Case]:
    by = "mindspore"
    yield Case("by_mindspore.ckpt", "save_checkpoint", by, NET)
    yield Case("by_mindspore_crc.ckpt", "save_checkpoint with CRC", by, NET)
    yield Case("by_mindspore_append.ckpt", "with append_dict", by, NET,
               left_out=frozenset({"epoch", "best_psnr", "is_best", "note", "seen"}))  # fmt: skip
    for kind, mode in (("gcm", "AES-GCM"), ("cbc", "AES-CBC")):
        yield Case(f"by_mindspore_{kind}.ckpt", f"encrypted, {mode}", by,
                   error=rf"encrypted \({mode}\)")  # fmt: skip


CASES = {"jittor": _jittor, "mindspore": _mindspore}


def follow(program: str, source: str, target: str) -> None:
    """Run the line that an error advises."""
    from mindspore import load_checkpoint, save_checkpoint

    names = {"FILE": source, "OUT": target, "KEY": b"0123456789ABCDEF"}
    known = {"load_checkpoint": load_checkpoint, "save_checkpoint": save_checkpoint}
    exec(program, names | known)


def load_in_jittor(path: str, shape: tuple[int, ...]) -> Any:
    """What a network of one weight has after `load`."""
    import jittor as jt

    class Net(jt.Module):
        def __init__(self) -> None:
            self.weight = jt.zeros(shape)

    net = Net()
    net.load(path)
    return net.weight.numpy()
