"""Two runs of one side: what rounding may do to them, and what it may not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parity.adapters.networks import Recording
from parity.compare.repeats import first_change
from restoration.process import arrays
from tests.parity.strangers import REFERENCE, causes, sides


def _recording(path: Path, output: np.ndarray) -> Recording:
    arrays.write(path, {"output/": output})
    return Recording(path, [""], [], [], [], [])


def test_runs_that_differ_by_the_rounding_of_an_output_are_the_same(tmp_path: Path) -> None:
    """As with and without taps: a framework joins other operations then."""
    output = np.linspace(-1, 1, 100, dtype=np.float32)
    one = _recording(tmp_path / "one", output)
    other = _recording(tmp_path / "other", output + np.float32(70 * 2.0**-23))
    assert first_change(one, other, {"": 5 * 2.0**-23}) == (None, 0.0)
    place, ratio = first_change(one, other, {"": 2.0**-23})
    assert place is not None
    assert ratio == pytest.approx(70, rel=0.02)


@pytest.mark.frameworks("torch")
def test_a_fault_that_outputs_do_not_show_is_found_in_its_stretch(tmp_path: Path) -> None:
    reference = REFERENCE.replace("return x +", "return x + 1e-9 *")
    result = sides(tmp_path, reference.replace("torch.relu", "torch.tanh"), reference)
    assert result.output_ratio == 0
    assert causes(result) == ["activation"]
