"""The judge's own test: `parity selftest`."""

from __future__ import annotations

import json
import subprocess
import sys

from parity.selftest import network, trials
from parity.selftest.faults import FAULTS


def test_the_judge_sees_every_fault_and_blames_no_honest_trial() -> None:
    result = trials.run(120, 10, lambda _text: None)
    assert set(result.killed) == set(FAULTS)
    assert (result.missed, result.alarms, result.trials) == ([], [], 120)
    assert 0.5 < result.worst < 8


def test_honest_ways_differ_from_the_plain_one_by_rounding_alone() -> None:
    problem = network.draw(3)
    plain = network.run(problem)["output/image"]
    for title, (sums, factor) in network.HONEST.items():
        other = network.run(problem, sums=sums, factor=factor)["output/image"]
        assert abs(other - plain).max() < 1e-6, title


def test_the_command_says_the_rates_and_its_time() -> None:
    words = [sys.executable, "-m", "parity", "selftest", "--trials", "20", "--json", "--quiet"]
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert found["kill_rate"] == 1
    assert found["false_alarms"] == []
    assert (found["honest_trials"], len(found["faults"])) == (20, len(FAULTS))
    assert found["seconds"] > 0
