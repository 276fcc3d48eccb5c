"""Each cause that `parity compare` may name, planted: found, at its place, and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.parity import stages
from tests.parity.strangers import REFERENCE, causes, sides

ADDED = REFERENCE.replace(
    "return x + self.last(torch.relu(self.first(x)))",
    "y = self.first(x)\n        z = torch.relu(y)\n        return x + self.last(y + z)",
)
POOLED = REFERENCE.replace(
    "return x + self.last(torch.relu(self.first(x)))",
    "y = nn.functional.max_pool2d(self.first(x), 2, ceil_mode=True)\n"
    "        return nn.functional.interpolate(self.last(torch.relu(y)), size=x.shape[2:])",
)


@pytest.mark.goldens
@pytest.mark.frameworks("torch")
def test_every_stage_of_a_network_has_its_fault_named(tmp_path: Path) -> None:
    image = np.random.default_rng(0).standard_normal((1, 4, 12, 12)).astype(np.float32)
    result = sides(
        tmp_path,
        stages.network(is_port=True),
        stages.network(is_port=False),
        inputs={"x": image},
    )
    found: dict[str, set[str]] = {}
    for finding in result.findings:
        stage = ".".join(finding.reference.module.split(".")[:2])
        found.setdefault(stage, set()).add(finding.cause)
    expected = {f"stages.{n}": {stage.cause} for n, stage in enumerate(stages.STAGES)}
    assert found == expected


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(
    ("reference", "old", "new", "cause"),
    [
        pytest.param(
            REFERENCE, "torch.relu(", "nn.functional.dropout(torch.relu(", "dropout active"
        ),
        pytest.param(ADDED, "torch.relu(y)", "torch.relu_(y)", "input changed in place"),
        pytest.param(
            *(REFERENCE, "return x +", "x.mul_(2)\n        return x / 2 +"),
            "input changed in place",
        ),
        pytest.param(*(POOLED, "size=x.shape[2:]", "scale_factor=2"), "integer division of sizes"),
    ],
)
def test_what_only_a_second_look_shows_is_named(
    tmp_path: Path, reference: str, old: str, new: str, cause: str
) -> None:
    port = reference.replace(old, new)
    if cause == "dropout active":
        port = port.replace("(self.first(x)))", "(self.first(x))))")
    assert cause in causes(sides(tmp_path, port, reference))


@pytest.mark.frameworks("torch")
def test_what_is_kept_from_another_size_is_a_stale_buffer(tmp_path: Path) -> None:
    reference = REFERENCE.replace("return x +", "return torch.linspace(0, 1, x.shape[3]) * x +")
    kept = "if self.ramp is None or self.ramp.shape[0] < x.shape[3]:\n            "
    kept += "self.ramp = torch.linspace(0, 1, x.shape[3])\n        "
    kept += "return self.ramp[: x.shape[3]] * x +"
    port = REFERENCE.replace(
        "        self.first", "        self.ramp = None\n        self.first", 1
    )
    assert causes(sides(tmp_path, port.replace("return x +", kept), reference)) == ["stale buffer"]


@pytest.mark.frameworks("torch")
def test_a_bias_that_the_reference_has_not_is_named(tmp_path: Path) -> None:
    reference = REFERENCE.replace(
        "nn.Conv2d(3, width, 3, padding=1)", "nn.Conv2d(3, width, 3, padding=1, bias=False)"
    )
    port = REFERENCE.replace(
        "return Net(width)", "net = Net(width)\n    nn.init.ones_(net.first.bias)\n    return net"
    )
    result = sides(tmp_path, port.replace("ones_", "normal_"), reference)
    found = {finding.kind: finding.cause for finding in result.findings}
    assert found == {"weights": "bias extra", "module": "bias extra"}
