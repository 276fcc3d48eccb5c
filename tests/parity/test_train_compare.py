"""`parity train-compare`: a stranger's steps against the reference's, and why they part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from parity.adapters.sides import parse_side
from parity.commands.train_compare import TrainOptions, train_compare
from parity.commands.train_compare_cli import batches, settings_of
from parity.report.build_schema import TRAINING_FILE, training_schema
from parity.report.training import TrainingComparison
from restoration.errors import ExitCode, InputError
from tests.parity.strangers import write_sides

ADAM = "torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-2, eps=1e-6)"
SGD = "torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)"
TRAINED = f"""
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Conv2d(6, 3, 3, padding=1)
    def forward(self, x):
        return x + self.last(torch.relu(self.norm(self.first(x))))
def build():
    return Net()
def make_step(network):
    optimizer = {ADAM}
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    def step(x, target):
        optimizer.zero_grad()
        loss = ((network(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss
    return step
def loss(network, x, target):
    return ((network(x) - target) ** 2).mean()
"""
WITH_SGD = TRAINED.replace(ADAM, SGD)
QUICK = TRAINED.replace("eps=1e-6", "betas=(0.9, 0.5), eps=1e-6")
"""A mean of squares that falls where a gradient is small, as the largest so far does not."""
OWN_ADAM = """class Adam:
    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.param_groups, self.defaults, self.state = [{"lr": 1e-3}], {}, {}
        self.means = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.parameters]
        self.count = 0
    def zero_grad(self):
        for p in self.parameters:
            p.grad = None
    @torch.no_grad()
    def step(self):
        self.count += 1
        for p, (m, v) in zip(self.parameters, self.means):
            g = p.grad + 1e-2 * p
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            m1, v1 = m / (1 - 0.9**self.count), v / (1 - 0.999**self.count)
            p.sub_(self.rate() * UPDATE)
    def rate(self):
        return 1e-3 * 0.5 ** ((self.count - 1) // 2)
def build"""
GROUPS = """[
        {"params": [one for one in network.parameters() if one.ndim > 1]},
        {"params": [one for one in network.parameters() if one.ndim < 2], "weight_decay": 0.0},
    ]"""
BATCHES = batches(None, ["x=2x3x12x16", "target=2x3x12x16"], 4, 0)


def _own_adam(update: str, correction: bool = True) -> str:
    """A port with an Adam that its author wrote."""
    text = TRAINED.replace("def build", OWN_ADAM.replace("UPDATE", update))
    if not correction:
        text = text.replace(
            "m1, v1 = m / (1 - 0.9**self.count), v / (1 - 0.999**self.count)", "m1, v1 = m, v"
        )
    text = text.replace(ADAM, "Adam(network.parameters())")
    text = text.replace("    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)\n", "")
    return text.replace("        schedule.step()\n", "")


def _trained(
    folder: Path, port: str, reference: str = TRAINED, step: str = "make_step", **options: Any
) -> TrainingComparison:
    write_sides(folder, port, reference)
    sides, steps = (
        tuple(
            parse_side(f"torch:{folder / name}.py:{factory}", where=name)
            for name in ("reference", "port")
        )
        for factory in ("build", step)
    )
    chosen = TrainOptions(BATCHES, **options)
    return train_compare((sides[0], sides[1]), (steps[0], steps[1]), chosen, lambda _w, _t: None)


@pytest.mark.frameworks("torch")
def test_equal_steps_agree_whatever_the_optimizer_is_called(tmp_path: Path) -> None:
    result = _trained(tmp_path, _own_adam("m1 / (v1.sqrt() + 1e-6)"))
    assert result.verdict == "AGREE", result.in_words()
    assert result.compared == result.expected == 4 * 9
    assert result.worst < 16


NOT_SCHEDULED = "optimizer.step()\n        schedule.step()"
FAULTS = [
    (TRAINED, ADAM, ADAM.replace("Adam", "AdamW"), "weight decay form"),
    (TRAINED, ADAM, ADAM.replace("eps=", "betas=(0.9, 0.99), eps="), "betas"),
    (
        *(TRAINED, NOT_SCHEDULED, "schedule.step()\n        optimizer.step()"),
        "learning rate schedule",
    ),
    (TRAINED, "own", "m1 / (v1 + 1e-6).sqrt()", "optimizer eps place"),
    (
        *(TRAINED, "own", "m1 / (v.sqrt() + 1e-6) * (1 - 0.999**self.count) ** 0.5"),
        "optimizer eps place",
    ),
    (TRAINED, "uncorrected", "m1 / (v1.sqrt() + 1e-6)", "bias correction"),
    (WITH_SGD, "=0.9", "=0.9, dampening=0.9", "momentum dampening"),
    (WITH_SGD, "=0.9", "=0.9, nesterov=True", "momentum form"),
    (WITH_SGD, "lr=0.05", "lr=0.1", "learning rate"),
    (WITH_SGD, "optimizer.zero_grad()", "pass", "gradients not zeroed"),
    (WITH_SGD, "loss = (", "loss = 2 * (", "loss scale"),
    (TRAINED, "network.parameters(), lr", "[*network.first.parameters()], lr", "not trained"),
    (TRAINED, ADAM, ADAM.replace("eps=1e-6", "eps=1e-3"), "optimizer eps"),
    (QUICK, "eps=1e-6", "eps=1e-6, amsgrad=True", "amsgrad"),
    (TRAINED, ADAM, ADAM.replace("decay=1e-2", "decay=1e-3"), "weight decay"),
    (
        *(TRAINED, "network.parameters(), lr", f"{GROUPS}, lr"),
        "weight decay of biases and norms",
    ),
    (WITH_SGD, "=0.9", "=0.5", "optimizer momentum"),
]


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(
    ("reference", "old", "new", "cause"),
    [
        # Each starts two processes.
        pytest.param(
            *one, marks=[pytest.mark.goldens] * (number not in (0, 11)), id=f"{one[3]} {number}"
        )
        for number, one in enumerate(FAULTS)
    ],
)
def test_what_an_optimizer_does_otherwise_is_named(
    tmp_path: Path, reference: str, old: str, new: str, cause: str
) -> None:
    port = reference.replace(old, new)
    if old in ("own", "uncorrected"):
        port = _own_adam(new, correction=old == "own")
    result = _trained(tmp_path, port, reference)
    assert result.verdict == "DIFFER"
    assert [one.name for one in result.causes] == [cause], result.in_words()
    jsonschema.validate(result.to_json(), training_schema())


@pytest.mark.frameworks("torch")
def test_a_given_optimizer_moves_both_sides_by_the_gradients_of_their_losses(
    tmp_path: Path,
) -> None:
    optimizer = settings_of("adamw:learning_rate=1e-3,betas=0.9/0.99")
    assert optimizer == {"name": "adamw", "learning_rate": 1e-3, "betas": [0.9, 0.99]}
    renamed = TRAINED.replace("first", "stem")
    right = _trained(tmp_path, renamed, step="loss", optimizer=optimizer)
    assert right.verdict == "AGREE", right.in_words()
    wrong = renamed.replace("return x + self.last(", "return x.detach() + 1.5 * self.last(")
    result = _trained(tmp_path, wrong, step="loss", optimizer=optimizer)
    assert (result.verdict, list(result.causes)) == ("DIFFER", [])
    departure = result.to_json()["departure"]
    assert departure["step"] == 1
    assert "no known cause" in "\n".join(result.in_words())


@pytest.mark.goldens
@pytest.mark.frameworks("torch", "mindspore")
def test_mindspores_own_adam_is_told_by_its_eps(tmp_path: Path) -> None:
    (tmp_path / "reference.py").write_text(
        TRAINED.replace(", weight_decay=1e-2, eps=1e-6", ", eps=1e-3")
    )
    (tmp_path / "port.py").write_text("""
import mindspore as ms
from mindspore import nn, ops
class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, pad_mode="pad", padding=1, has_bias=True)
        self.norm = nn.BatchNorm2d(6, momentum=0.9)
        self.last = nn.Conv2d(6, 3, 3, pad_mode="pad", padding=1, has_bias=True)
    def construct(self, x):
        return x + self.last(ops.relu(self.norm(self.first(x))))
def build():
    return Net()
def make_step(network):
    rates = [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4]
    optimizer = nn.Adam(network.trainable_params(), learning_rate=rates, eps=1e-3)
    def forward(x, target):
        return ((network(x) - target) ** 2).mean()
    gradient = ms.value_and_grad(forward, None, optimizer.parameters)
    def step(x, target):
        loss, gradients = gradient(x, target)
        optimizer(gradients)
        return loss
    return step
""")
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "parity", "train-compare"),
            *("torch:reference.py:build", "mindspore:port.py:build", "--json", "--quiet"),
            *("--reference-step", "make_step", "--port-step", "make_step", "--steps", "4"),
            *("--batch", "x=2x3x12x16", "--batch", "target=2x3x12x16"),
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == ExitCode.DIFFERENT, finished.stdout + finished.stderr
    found = json.loads(finished.stdout)
    jsonschema.validate(found, training_schema())
    assert [one["name"] for one in found["causes"]] == ["optimizer eps place"]
    assert found["causes"][0]["detail"] == "before the bias correction"


def test_the_published_schema_of_training_is_that_of_the_program() -> None:
    assert json.loads(TRAINING_FILE.read_text()) == training_schema()


def test_batches_come_from_a_file_or_are_drawn_for_each_step(tmp_path: Path) -> None:
    drawn = batches(None, ["x=1x20:0,1"], 3, 0)
    assert len(drawn) == 3
    assert not np.array_equal(drawn[0][0], drawn[1][0])
    np.savez(tmp_path / "b.npz", x=np.ones((2, 4, 5)), y=np.arange(2))
    read = batches(tmp_path / "b.npz", [], 2, 0)
    assert [array.shape for array in read[1]] == [(4, 5), ()]
    with pytest.raises(InputError, match="at least 3 steps"):
        batches(tmp_path / "b.npz", [], 3, 0)
    with pytest.raises(InputError, match="--batches FILE or --batch"):
        batches(None, [], 3, 0)


@pytest.mark.parametrize("text", ["lion", "adam:rate=1", "sgd:learning_rate=fast"])
def test_an_optimizer_that_cannot_be_says_why(text: str) -> None:
    with pytest.raises(InputError, match="--optimizer"):
        settings_of(text)
