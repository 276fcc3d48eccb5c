"""Which module and weight of a port is which of the reference's, and how that is put right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from parity.adapters import alignment, rules
from parity.adapters.mapping import map_weights
from restoration.errors import InputError
from tests.parity.strangers import sides

BRANCHES = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.plus = nn.Conv2d(3, 3, 3, padding=1)
        self.minus = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.ReLU()
    def forward(self, x):
        return self.act(self.plus(x)) - self.minus(x)
def build():
    return Net()
"""
SWAPPED = BRANCHES.replace("plus", "one").replace("minus", "two")
SWAPPED = SWAPPED.replace(
    "return self.act(self.one(x)) - self.two(x)",
    "two = self.two(x)\n        return self.act(self.one(x)) - two",
)


@pytest.mark.frameworks("torch")
def test_modules_that_are_guessed_wrongly_are_put_right_by_a_file(tmp_path: Path) -> None:
    written = tmp_path / "alignment.json"
    guessed = sides(tmp_path, SWAPPED, BRANCHES, write_alignment=written)
    assert guessed.verdict == "DIFFER"
    rows = {row.reference: row for row in guessed.alignment}
    assert (rows["plus"].port, rows["plus"].how) == ("two", "shapes and order of calls")
    modules = json.loads(written.read_text())["modules"]
    assert ["plus", "two"] in modules
    right = [["plus", "one"], ["minus", "two"]]
    written.write_text(json.dumps({"modules": right}))
    result = sides(tmp_path, SWAPPED, BRANCHES, alignment=written)
    assert result.verdict == "AGREE"
    found = {row.reference: (row.port, row.how) for row in result.alignment}
    assert found["plus"] == ("one", "alignment")
    assert found["act"] == ("act", "values of taps")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["stem", "a"]], "module of the reference: expected one that is known, got 'stem'"),
        ([["a", "x"], ["b", "x"]], "got 'x' of the port twice"),
        ("no rows", "expected JSON as"),
    ],
)
def test_an_alignment_that_cannot_be_says_why(tmp_path: Path, rows: object, expected: str) -> None:
    path = tmp_path / "alignment.json"
    path.write_text(json.dumps({"modules": rows}))
    with pytest.raises(InputError, match=expected):
        alignment.read(path, ["", "a", "b"], ["", "x"])


@pytest.mark.parametrize("order", ["qkv", "vqk"])
def test_queries_keys_and_values_in_one_are_told_by_their_numbers(order: str) -> None:
    rng = np.random.default_rng(len(order))
    shapes = {"weight": (6, 4), "bias": (6,)}
    port = {
        f"attn.{part}.{role}": rng.standard_normal(shape)
        for part in "qkv"
        for role, shape in shapes.items()
    }
    reference = {
        f"attn.qkv.{role}": np.concatenate([port[f"attn.{part}.{role}"] for part in order])
        for role in shapes
    }
    mapped = map_weights(reference, port, {}, {}, by_values=True)
    assert mapped.reference_left == mapped.port_left == []
    listing = ", ".join(f"attn.{part}" for part in order)
    assert any(f"attn.qkv of the reference is {listing}" in text for text in mapped.assumptions)
    empty = {name: np.zeros_like(array) for name, array in port.items()}
    converted = mapped.converted(reference, empty)
    assert all(np.array_equal(converted[name], array) for name, array in port.items())


@pytest.mark.parametrize("is_split", [False, True])
def test_a_map_of_parts_is_written_and_read_as_rules(tmp_path: Path, is_split: bool) -> None:
    rng = np.random.default_rng(11)
    whole = {"a.qkv.weight": np.zeros((6, 5))}
    parts = {f"b.{part}.weight": rng.standard_normal((2, 5)) for part in "qkv"}
    sides = (whole, parts) if is_split else (parts, whole)
    path = tmp_path / "rules.json"
    rules.write(path, map_weights(*sides, {}, {}, by_values=False))
    written = json.loads(path.read_text())["rules"]
    side = "reference_rows" if is_split else "port_rows"
    assert [one[2] for one in written] == [{side: [start, start + 2]} for start in (0, 2, 4)]
    # Keys and queries are swapped by hand.
    written[0][2], written[1][2] = written[1][2], written[0][2]
    path.write_text(json.dumps({"rules": written}))
    mapped = map_weights(*sides, {}, {}, by_values=False, rules=rules.read(path))
    assert mapped.reference_left == mapped.port_left == []
    expected = np.concatenate([parts[f"b.{part}.weight"] for part in "kqv"])
    found = mapped.restored(parts, whole) if is_split else mapped.converted(parts, whole)
    assert np.array_equal(found["a.qkv.weight"], expected)


def test_three_that_are_one_in_the_port_are_joined_in_the_order_of_their_names() -> None:
    rng = np.random.default_rng(7)
    reference = {f"a.{part}.weight": rng.standard_normal((2, 5)) for part in "qkv"}
    port = {"b.qkv.weight": np.zeros((6, 5))}
    mapped = map_weights(reference, port, {}, {}, by_values=False)
    whole = mapped.converted(reference, port)["b.qkv.weight"]
    assert np.array_equal(whole, np.concatenate(list(reference.values())))
    back = mapped.restored({"b.qkv.weight": whole}, reference)
    assert all(np.array_equal(back[name], value) for name, value in reference.items())


def test_modules_that_do_not_add_up_stay_apart() -> None:
    reference = {"a.qkv.weight": np.ones((7, 5))}
    port = {f"b.{part}.weight": np.ones((2, 5)) for part in "qkv"}
    mapped = map_weights(reference, port, {}, {}, by_values=False)
    assert mapped.pairs == []
    assert len(mapped.port_left) == 3
