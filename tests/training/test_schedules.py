"""Rates over whole trainings, against those of the authors' loops and of PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from restoration.training.schedules import ScheduleSettings

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "training" / "schedules.safetensors")
EXACT = 1e-12  # relative; a few roundings of float64

HALVED = {"name": "multi_step", "per": "epoch", "gamma": 0.5}
# The rate at the start, the schedule, and the first epoch that the table holds.
TABLES = {
    "mimo_unet": (1e-4, {**HALVED, "every": 500}, 0),
    "mimo_unet_port_standalone": (1e-4, {**HALVED, "every": 500}, 0),
    "mimo_unet_port_8_devices": (5e-4, {**HALVED, "every": 500}, 0),
    "phaseformer_original": (
        3e-4,
        {"name": "linear_decay", "per": "epoch", "constant": 400, "length": 400},
        0,
    ),
    "phaseformer_original_resumed_at_500": (
        3e-4,
        {"name": "linear_decay", "per": "epoch", "constant": 400, "length": 400},
        500,
    ),
    "phaseformer_original_step": (
        3e-4,
        {"name": "multi_step", "per": "epoch", "every": 500, "gamma": 0.1},
        0,
    ),
    "phaseformer_original_cosine": (3e-4, {"name": "cosine", "per": "epoch", "length": 400}, 0),
    "phaseformer_user": (
        1e-3,
        {"name": "linear_decay", "per": "epoch", "constant": 50, "length": 500},
        0,
    ),
    "spectroformer_warmup_cosine": (2e-4, {"name": "cosine", "warmup": 75}, 0),
    "self_blind_vsr": (1e-4, {**HALVED, "every": 100}, 0),
    "lmf_0.0001_1200_200-400-600-800-1000": (
        1e-4,
        {**HALVED, "milestones": (200, 400, 600, 800, 1000)},
        0,
    ),
    "lmf_0.0001_1000_200-400-600-800": (1e-4, {**HALVED, "milestones": (200, 400, 600, 800)}, 0),
    "lmf_0.0002_1000_500-800-900-950": (2e-4, {**HALVED, "milestones": (500, 800, 900, 950)}, 0),
    "lmf_tool_cosine": (
        1e-4,
        {"name": "cosine", "per": "epoch", "length": 100, "lowest": 0.01},
        0,
    ),
    "phaseformer_guide_cosine": (1e-3, {"name": "cosine", "per": "epoch", "length": 500}, 0),
    "phaseformer_guide_onecycle": (1e-3, {"name": "one_cycle", "per": "epoch"}, 0),
}
# The same by steps that the table lists.
LISTED = {
    "ciaosr_original": ("ciaosr_iteration", 0, (200_000, 400_000, 600_000, 800_000)),
    "lbag": ("lbag_update", 1, tuple(range(100_000, 600_001, 100_000))),
    # Counted from 1 and in force at that number already, so from 0 one less.
    "nimbusr": ("nimbusr_iteration", 1, (1999, 7999, 11_999, 15_999, 19_999)),
}


@pytest.mark.parametrize("name", TABLES)
def test_rates_of_a_whole_training_are_those_of_the_authors_loop(name: str) -> None:
    rate, plain, first = TABLES[name]
    schedule = ScheduleSettings(**plain)
    expected = GOLDEN[f"outputs/{name}"]
    column = expected[:, 0] if expected.ndim == 2 else expected
    count = first + len(column)
    found = [
        rate * schedule.factor(place, steps=count, steps_per_epoch=1)
        for place in range(first, count)
    ]
    np.testing.assert_allclose(found, column, rtol=EXACT, atol=rate * 1e-15)


@pytest.mark.parametrize("name", LISTED)
def test_rates_by_step_are_halved_where_the_authors_halve_them(name: str) -> None:
    places, first, milestones = LISTED[name]
    schedule = ScheduleSettings(name="multi_step", milestones=milestones)
    steps = GOLDEN[f"inputs/{places}"] - first
    found = [1e-4 * schedule.factor(int(s), steps=2_000_000, steps_per_epoch=7) for s in steps]
    np.testing.assert_allclose(found, GOLDEN[f"outputs/{name}"], rtol=EXACT)


def test_groups_keep_their_ratio() -> None:
    table = GOLDEN["outputs/self_blind_vsr"]
    schedule = ScheduleSettings(**HALVED, every=100)
    factors = [schedule.factor(e, steps=500, steps_per_epoch=1) for e in range(500)]
    rates = np.array([1e-4] * 7 + [1e-6])
    np.testing.assert_allclose(np.outer(factors, rates), table, rtol=EXACT)


def test_a_plateau_lowers_the_rate_as_the_metric_of_the_golden_says() -> None:
    schedule = ScheduleSettings(name="plateau", gamma=0.2, patience=5, threshold=0.01)
    metric = GOLDEN["inputs/plateau_metric"]
    found = [3e-4 * 0.2 ** schedule.falls(metric[:epoch]) for epoch in range(len(metric))]
    np.testing.assert_allclose(found, GOLDEN["outputs/phaseformer_original_plateau"], rtol=EXACT)


@pytest.mark.frameworks("torch")
def test_restarts_are_those_of_pytorch() -> None:
    import torch

    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    native = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, T_mult=2)
    schedule = ScheduleSettings(name="cosine", restarts=(3, 6, 12))
    for place in range(21):
        found = schedule.factor(place, steps=21, steps_per_epoch=1)
        assert found == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        native.step()


def test_a_warm_up_rises_in_a_line_and_the_schedule_begins_after_it() -> None:
    schedule = ScheduleSettings(name="linear_decay", warmup=4, warmup_from=0.2, constant=2)
    found = [schedule.factor(step, steps=10, steps_per_epoch=1) for step in range(10)]
    np.testing.assert_allclose(found[:4], [0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(found[4:], [1, 1, 1, 0.8, 0.6, 0.4])


def test_rates_by_epoch_change_between_epochs_only() -> None:
    schedule = ScheduleSettings(**HALVED, milestones=(1,))
    found = [schedule.factor(step, steps=9, steps_per_epoch=3) for step in range(9)]
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
