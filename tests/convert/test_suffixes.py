"""MindSpore's own names: what its real layers have, and back without loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.errors import InputError
from tests.backends import Backend
from tests.convert.test_formats import read
from weights_convert import convert, diff
from weights_convert.naming.suffixes import to_mindspore, to_torch


def test_mindspores_own_layers_take_pytorchs_weights(
    backends: Callable[[str], Backend], tmp_path: Path
) -> None:
    source, target, back = (tmp_path / name for name in ("x.pth", "x.ckpt", "back.safetensors"))
    expected = backends("torch").call("convert.work.torch_layers", str(source))
    convert(source, target, to="kept", suffixes="mindspore", embeddings=["words.weight"])
    # Strict: nothing missing, nothing unexpected.
    state, left_over = backends("mindspore").call("convert.work.mindspore_layers", str(target))
    assert left_over == ([], [])
    assert state == read(target)
    assert sorted(content for _, _, content in state.values()) == sorted(
        content for _, _, content in expected.values()
    )
    assert state["norm.gamma"][2] == expected["norm.weight"][2]
    assert state["batch.moving_mean"][2] == expected["batch.running_mean"][2]
    assert diff(source, target).is_equal
    convert(target, back, to="kept", suffixes="torch")
    found = read(back)
    assert found.pop("conv1d.weight")[1] == (6, 4, 1, 3)  # only a known model tells
    del expected["conv1d.weight"]
    assert found == expected


SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
LEAVES = ("weight", "bias", "running_mean", "running_var", "gamma", "beta", "w", "embedding_table")
NAMES = st.builds(
    lambda module, leaf: f"{module}.{leaf}" if module else leaf,
    st.sampled_from(("", "a", "a.b", "norm")),
    st.sampled_from(LEAVES),
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, SHAPES, max_size=8))
def test_the_way_back_is_the_same_or_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    try:
        there = to_mindspore(shapes)
    except InputError:
        return
    names = {new.name: new.shape for new in there.values()}
    assert len(names) == len(shapes)
    back = to_torch(names, like=shapes)
    assert {back[there[name].name].name for name in shapes} == shapes.keys()
    assert all(back[there[name].name].shape == shape for name, shape in shapes.items())


def test_a_parameter_called_gamma_is_not_taken_for_a_norms() -> None:
    assert to_torch({"scale.gamma": (4,)})["scale.gamma"].name == "scale.gamma"
    with pytest.raises(InputError, match="expected names that lead back"):
        to_mindspore({"scale.gamma": (4,), "scale.beta": (4,)})


def test_an_embedding_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"got words\.weight"):
        to_mindspore({"a.weight": (3, 4)}, embeddings=["words.weight"])
