"""Samples of every model: what its network and loss take, and the same whoever prepares them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from restoration.arrays import Arrays
from restoration.data.loader import Loader, make_batch
from restoration.data.tasks import open_task
from restoration.data.tasks.base import PictureTask
from restoration.training import recipe as recipes
from restoration.training.recipe import Recipe
from restoration.training.session import make_loader
from tests.backends import Backend

DEMOS = [name for name in recipes.names() if name.endswith(":demo")]
# One of each way to make samples; the others differ in nothing that a process could change.
WAYS = ["lmd_vit:demo", "liif:demo", "self_blind_vsr:demo", "nimbusr:demo"]
BESIDE_INPUTS = {
    "kernel_prediction:demo": {"target", "kernels", "masks"},
    "lmd_vit:demo": {"target", "mask"},
}
"""What losses compare with, "target" unless told."""


@cache
def demo(name: str) -> Recipe:
    return recipes.read(name)


def opened(name: str) -> PictureTask:
    recipe = demo(name)
    return open_task(recipe.the_model(), recipe.the_spec(), recipe.data, seed=recipe.seed)


task_of = cache(opened)


def loader(name: str, **options: int) -> Loader:
    return make_loader(demo(name), **{"workers": 0, **options})


def digests(name: str, count: int, **options: int) -> list[str]:
    """Hashes of the first batches."""
    with loader(name, **options) as batches:
        numbers = iter(batches.batches(0))
        return [next(numbers).digest() for _ in range(count)]


def assert_equal(found: Arrays, expected: Arrays) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize("name", DEMOS)
def test_samples_are_what_the_network_takes(name: str) -> None:
    """Alone and joined: names, shapes and types; beside them only what the loss compares with."""
    task, spec = task_of(name), demo(name).the_spec()
    samples = [task.sample(index, 0) for index in range(2)]
    for given, count in ((samples[0], 1), (task.join(samples), 2)):
        spec.check_inputs({key: array for key, array in given.items() if key in spec.inputs})
        expected = BESIDE_INPUTS.get(name, {"target"})
        assert expected <= given.keys() <= expected | set(spec.inputs)
        for key, array in given.items():
            dtype = np.int32 if key == "index" else np.float32
            assert array.dtype == dtype, key
            assert array.shape[0] == count, key
            assert array.flags.c_contiguous, key
            assert np.isfinite(array).all(), key


@pytest.mark.parametrize("name", DEMOS)
def test_samples_depend_on_their_number_and_epoch_alone(name: str) -> None:
    found = opened(name).sample(3, 1)
    other = opened(name)
    other.sample(0, 0)
    assert_equal(other.sample(3, 1), found)
    for index, epoch in ((3, 2), (3 + len(other.train), 1)):  # the same picture
        assert not np.array_equal(other.sample(index, epoch)["target"], found["target"])


@pytest.mark.parametrize("name", DEMOS)
def test_degraded_pictures_are_not_their_targets(name: str) -> None:
    """Scored as it is given, a held-out picture is worse than perfect and better than noise."""
    for item in task_of(name).held_out():
        demo(name).the_spec().check_inputs(item.inputs)
        assert item.truth.shape[:2] == (1, 3)
        assert item.truth.dtype == np.float32
        assert 0 <= item.truth.min() <= item.truth.max() <= 1
        assert item.degraded is not None
        if item.degraded.shape == item.truth.shape:
            error = np.sqrt(np.mean((item.degraded - item.truth) ** 2))
            assert 0.003 < error < 0.3


@pytest.mark.parametrize("name", DEMOS)
def test_devices_have_the_batch_of_one(name: str) -> None:
    """Their parts joined are the whole; places in them are numbered from the first of the part."""
    recipe = demo(name)
    task = task_of(name)
    plans = [
        Loader(
            recipe.the_model(),
            recipe.the_spec(),
            recipe.data,
            batch=4,
            seed=1,
            rank=rank,
            world=world,
        ).plan
        for rank, world in ((0, 1), (0, 2), (1, 2))
    ]
    whole, *shares = (make_batch(task, plan, 1).parts[0] for plan in plans)
    joined = {key: np.concatenate([share[key] for share in shares]) for key in whole}
    if "index" in joined and hasattr(task, "queries"):
        joined["index"][2:] += 2 * recipe.data.crop_px**2
    assert_equal(joined, whole)


@pytest.mark.parametrize("name", WAYS)
def test_processes_make_the_batches_of_one(name: str) -> None:
    expected = digests(name, 4)
    assert len(set(expected)) == 4
    assert digests(name, 4, workers=1) == expected
    assert digests(name, 4, workers=3) == expected


def test_batches_are_the_same_in_the_process_of_every_framework(backend: Backend) -> None:
    """Whatever a framework does to NumPy, OpenCV and the environment when it is imported."""
    for name in ("mimo_unet:demo", *WAYS):
        assert backend.call("data.test_tasks.digests", name, 1) == digests(name, 1)


@pytest.mark.parametrize("name", DEMOS)
def test_the_loss_takes_a_batch(backends: Callable[[str], Backend], name: str) -> None:
    """One step in PyTorch, whose losses the ports mirror."""
    sample = task_of(name).sample(0, 0)
    result = backends("torch").call("training.stepping.first_step", demo(name), [sample])
    assert np.isfinite(result.loss)
    assert result.gradient_norm > 0
