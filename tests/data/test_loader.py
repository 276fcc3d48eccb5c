"""Batches of training: the same whoever prepares them, and what happens when he dies."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from restoration.data import loader as loading
from restoration.data.loader import Loader, LoaderError, Plan
from restoration.data.settings import DataSettings, SplitSettings
from restoration.errors import InputError
from restoration.models import registry

MODEL = registry.find("mimo_unet_plus")
DATA = DataSettings(crop_px=16, samples=10, augmentation="eight", noise=0.01)
# Every framework gets these NumPy arrays, so that its batches are equal by construction.
DATA_OF_A_RUN = (MODEL, MODEL.spec("tiny"), DATA)


def digests(count: int, first: int = 0, **options: int) -> list[str]:
    with Loader(*DATA_OF_A_RUN, batch=4, seed=3, **{"workers": 0, **options}) as loader:
        batches = loader.batches(first)
        return [next(batches).digest() for _ in range(count)]


def test_batches_do_not_depend_on_the_number_of_processes() -> None:
    expected = digests(7)
    assert len(set(expected)) == 7
    assert digests(7, workers=1) == expected
    assert digests(7, workers=3) == expected


def test_batches_do_not_depend_on_where_a_run_begins() -> None:
    expected = digests(7)
    assert digests(3, first=4, workers=1) == expected[4:]


def test_an_incomplete_batch_is_kept_unless_told_otherwise() -> None:
    assert Plan(10, 4).steps_per_epoch == 3
    assert [len(Plan(10, 4).parts(step)[1][0]) for step in range(4)] == [4, 4, 2, 4]
    assert Plan(10, 4, drop_last=True).steps_per_epoch == 2


def test_an_epoch_holds_every_sample_once_in_an_order_of_its_own() -> None:
    plan = Plan(10, 4, seed=5)
    epochs = [
        [index for step in range(3 * epoch, 3 * epoch + 3) for index in plan.parts(step)[1][0]]
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert epochs[0] != epochs[1]


def test_devices_share_a_batch_without_overlap() -> None:
    with Loader(*DATA_OF_A_RUN, batch=4, seed=3) as whole:
        joined = next(whole.batches(0)).parts[0]
    shares = []
    for rank in range(2):
        with Loader(*DATA_OF_A_RUN, batch=4, seed=3, rank=rank, world=2, workers=rank) as own:
            shares.append(next(own.batches(0)).parts[0])
    for name, array in joined.items():
        np.testing.assert_array_equal(np.concatenate([share[name] for share in shares]), array)


def test_accumulation_divides_a_batch_in_order() -> None:
    with (
        Loader(*DATA_OF_A_RUN, batch=4, seed=3) as whole,
        Loader(*DATA_OF_A_RUN, batch=4, seed=3, accumulate=2) as two,
    ):
        joined, batch = next(whole.batches(0)).parts[0], next(two.batches(0))
    assert len(batch.parts) == 2
    assert len(batch.files) == 4
    for name, array in joined.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in batch.parts]), array)


def test_a_batch_that_devices_cannot_share_is_refused() -> None:
    with pytest.raises(InputError, match="a multiple of 3"):
        Loader(*DATA_OF_A_RUN, batch=4, seed=3, world=3)
    with pytest.raises(InputError, match=r"data\.drop_last.*a last batch of 2 of 10"):
        Loader(*DATA_OF_A_RUN, batch=4, seed=3, world=2, accumulate=2)


def test_a_process_that_is_killed_is_one_clear_error() -> None:
    with Loader(*DATA_OF_A_RUN, batch=4, seed=3, workers=2) as loader:
        batches = loader.batches(0)
        next(batches)
        os.kill(loader._processes[1]._process.pid, signal.SIGKILL)
        with pytest.raises(LoaderError, match=r"process 1 .*killed by SIGKILL.*--resume auto"):
            list(itertools.islice(batches, 8))
        assert not loader._processes


def test_an_unreadable_file_is_the_error_of_who_asks(tmp_path: Path) -> None:
    data = DataSettings(kind="pictures", crop_px=16, train=broken(tmp_path), valid=broken(tmp_path))
    loader = Loader(MODEL, MODEL.spec("tiny"), data, batch=1, seed=3, workers=1)
    with loader, pytest.raises(InputError, match=r"broken\.png"):
        next(loader.batches(0))


def broken(folder: Path) -> SplitSettings:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    return SplitSettings(target=str(folder))


SCRIPT = """
from tests.data.test_loader import DATA_OF_A_RUN
from restoration.data.loader import Loader
with Loader(*DATA_OF_A_RUN, batch=4, seed=3, workers=2) as loader:
    batches = loader.batches(0)
    next(batches)
    print(*(process._process.pid for process in loader._processes), flush=True)
    while True:
        next(batches)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_run(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        cwd=Path(loading.__file__).parents[2],
    )
    assert process.stdout
    workers = [int(text) for text in process.stdout.readline().split()]
    assert len(workers) == 2
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, workers))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("name", ["lm_liif", "lmd_vit", "self_blind_vsr", "nimbusr", "pwc_flow"])
def test_devices_compute_what_parts_of_one_device_would(name: str) -> None:
    model = registry.find(name)
    data = DataSettings(crop_px=64 if name == "lmd_vit" else 12, samples=4)
    given = (model, model.spec("tiny"), data)
    with Loader(*given, batch=2, seed=3, accumulate=2) as whole:
        parts = next(whole.batches(0)).parts
    for rank in range(2):
        with Loader(*given, batch=2, seed=3, rank=rank, world=2) as own:
            (part,) = next(own.batches(0)).parts
        assert part.keys() == parts[rank].keys()
        for key, array in part.items():
            np.testing.assert_array_equal(array, parts[rank][key])
