"""Each cause that `parity compare` may name, planted: found, at its place, and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parity.diagnose.causes import CAUSES
from tests.parity import corpus, planted, stages
from tests.parity import test_train_compare as training
from tests.parity.strangers import REFERENCE, causes, sides
from tests.parity.test_compare import FAULTS

ADDED = REFERENCE.replace(
    "return x + self.last(torch.relu(self.first(x)))",
    "y = self.first(x)\n        z = torch.relu(y)\n        return x + self.last(y + z)",
)
POOLED = REFERENCE.replace(
    "return x + self.last(torch.relu(self.first(x)))",
    "y = nn.functional.max_pool2d(self.first(x), 2, ceil_mode=True)\n"
    "        return nn.functional.interpolate(self.last(torch.relu(y)), size=x.shape[2:])",
)

SECOND_LOOKS = (
    (REFERENCE, "torch.relu(", "nn.functional.dropout(torch.relu(", "dropout active"),
    (ADDED, "torch.relu(y)", "torch.relu_(y)", "input changed in place"),
    (REFERENCE, "return x +", "x.mul_(2)\n        return x / 2 +", "input changed in place"),
    (POOLED, "size=x.shape[2:]", "scale_factor=2", "integer division of sizes"),
)
NORMED = (
    REFERENCE.replace(
        "        self.last", "        self.norm = nn.BatchNorm2d(width)\n        self.last"
    )
    .replace("torch.relu(", "torch.relu(self.norm(")
    .replace("(x)))", "(x))))")
)
WHOLE = "return x + self.last(torch.relu(self.first(x)))"
LAYERS = REFERENCE.replace("nn.Conv2d(width, 3, 3, padding=1)", "nn.Conv2d(width, 3, 1)").replace(
    "    def forward",
    """        self.layers = nn.Sequential(*(nn.Conv2d(8, 8, 1) for _ in range(6)))
        self.three, self.slope = nn.Conv2d(8, 24, 1), nn.PReLU(8)
        self.gain = nn.Parameter(torch.ones(8, 1, 1))
    def forward""",
)
LAYERS = LAYERS.replace(
    "torch.relu(self.first(x))",
    "self.gain * self.slope(self.three(self.layers(self.first(x)))[:, ::3])",
)
MADE_OTHERWISE = (
    (REFERENCE, WHOLE, WHOLE.replace("x +", "torch.tanh(x +") + ")", "activation extra"),
    (NORMED, "BatchNorm2d(width)", "BatchNorm2d(width, momentum=0.0)", "statistics not updated"),
    (LAYERS, "nn.Conv2d(8, 8, 1)", "nn.Conv2d(8, 8, 1, groups=2)", "groups"),
    (LAYERS, "nn.PReLU(8)", "nn.PReLU()", "PReLU shared"),
    (LAYERS, "torch.ones(8, 1, 1)", "torch.ones(1)", "weight shared"),
)
WRONG_WEIGHTS = {
    "layers.0": "weights of other layers",
    "layers.2": "weights permuted",
    "layers.3": "weights scaled",
    "layers.4": "weights rounded",
    "layers.5": "weights not loaded",
    "three": "order of queries, keys and values",
}
"""What each layer of a port of `LAYERS` has."""
OTHERS = ("stale buffer", "size baked in", "state not reset", "bias extra")
"""Those that have a test each, here or in `test_compare.py`."""


def test_every_cause_of_the_list_is_planted_somewhere() -> None:
    """In a port of the corpus, in one of ours, in a small network, or in a training."""
    corpus_faults = (fault for _, truth in corpus.ports() for fault in truth["faults"])
    planted_causes = {
        *OTHERS,
        *(corpus.WORDS.get(fault["kind"], fault["kind"]) for fault in corpus_faults),
        *(cause for fault in planted.FAULTS for cause in fault.causes[:1]),
        *(stage.cause for stage in stages.STAGES),
        *(cause for *_, cause in (*SECOND_LOOKS, *MADE_OTHERWISE, *FAULTS, *training.FAULTS)),
        *WRONG_WEIGHTS.values(),
    }
    assert planted_causes == set(CAUSES)


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
@pytest.mark.parametrize(("reference", "old", "new", "cause"), SECOND_LOOKS)
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


@pytest.mark.frameworks("torch")
def test_what_is_wrong_with_weights_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    sizes = {"first": (8, 3, 3, 3), "last": (3, 8, 1, 1), "three": (24, 8, 1, 1)}
    sizes |= {f"layers.{number}": (8, 8, 1, 1) for number in range(6)}
    weights = {f"{name}.weight": 0.3 * rng.standard_normal(size) for name, size in sizes.items()}
    weights |= {f"{name}.bias": rng.standard_normal(size[0]) for name, size in sizes.items()}
    weights["gain"] = rng.uniform(0.5, 2, (8, 1, 1))
    weights["slope.weight"] = rng.uniform(0.1, 0.4, 8)
    right = {name: array.astype(np.float32) for name, array in weights.items()}
    wrong = dict(right)
    wrong["layers.0.weight"] = right["layers.1.weight"]
    wrong["layers.2.weight"] = right["layers.2.weight"][[1, 0, *range(2, 8)]]
    wrong["layers.3.weight"] = right["layers.3.weight"] * np.float32(0.7)
    wrong["layers.4.weight"] = right["layers.4.weight"].astype(np.float16).astype(np.float32)
    wrong["layers.5.bias"] = np.zeros(8, np.float32)
    for entry in ("three.weight", "three.bias"):
        wrong[entry] = np.concatenate(np.split(right[entry], 3)[::-1])
    files = {"weights": tmp_path / "right.npz", "port_weights": tmp_path / "wrong.npz"}
    np.savez(files["weights"], **right)
    np.savez(files["port_weights"], **wrong)
    result = sides(tmp_path, LAYERS, LAYERS, **files)
    assert {one.reference.module: one.cause for one in result.findings} == WRONG_WEIGHTS
    assert {one.kind for one in result.findings} == {"weights"}


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(("reference", "old", "new", "cause"), MADE_OTHERWISE)
def test_a_layer_that_is_made_otherwise_is_named(
    tmp_path: Path, reference: str, old: str, new: str, cause: str
) -> None:
    result = sides(tmp_path, reference.replace(old, new), reference)
    assert set(causes(result)) == {cause}, [one.in_words for one in result.findings]
