"""Which model a file belongs to: every published layout, and models that nearly coincide."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restoration.errors import InputError
from restoration.models import registry
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.models.spec import Spec
from tests.backends import Backend
from tests.convert.seeds import mean_layers, said
from tests.kinds import by_kind
from weights_convert.checkpoints import detect, schemas
from weights_convert.checkpoints.schemas import Entry
from weights_convert.files.tensors import DTYPES, Held, Tensor, from_numpy
from weights_convert.naming.tables import NameTable
from weights_convert.published import layouts
from weights_convert.published.layout import Layout

FULL = Path(__file__).parents[1] / "golden" / "full"
CONTENTS = {path.stem: json.loads(path.read_text()) for path in sorted(FULL.glob("*.json"))}
OWNERS = {
    weights.layout: model.name for model in registry.MODELS.values() for weights in model.published
}
TABLES = {
    (OWNERS.get(layout, file), layout): table
    for file, content in CONTENTS.items()
    for layout, table in content.get("configs", content).items()
}
_FILES = {
    layout: file for file, content in CONTENTS.items() for layout in content.get("configs", content)
}
PUBLISHED = {
    (model.name, weights.layout): model.specs[weights.spec]
    for model in registry.MODELS.values()
    for weights in model.published
}
_ONE_OF_EACH_KIND = (
    *("swinir-classical-s64-x4", "swinir-lightweight-x2", "swinir-real-L-x4"),
    *("swinir-denoise-gray", "swinir-jpeg-color", "edsr-official-x4", "edsr-basicsr-M-x3"),
)
DIFFERENT = [
    (model, layout)
    for model, layout in PUBLISHED
    if layout in _ONE_OF_EACH_KIND or not _FILES[layout].endswith("_official")
]
"""Without networks that differ from others in their scale or training alone."""

Tensors = dict[str, Tensor]


def _table(model: str, layout: str) -> Tensors:
    listed = TABLES[model, layout]["tensors"]
    found = {name: _tensor(shape, dtype) for name, shape, dtype, *_ in listed}
    if (model, layout) not in PUBLISHED:
        return found
    constants = layouts()[model].constants(PUBLISHED[model, layout])
    told = mean_layers(TABLES[model, layout]["config"], found)
    return found | {name: from_numpy(array) for name, array in (told | constants).items()}


def _tensor(shape: tuple[int, ...], dtype: str = "float32") -> Tensor:
    """A tensor without its bytes: nobody here looks at them."""
    return Tensor(DTYPES[dtype], tuple(shape), Held(b""))


def _without(tensors: Tensors, name: str) -> Tensors:
    return {other: tensor for other, tensor in tensors.items() if other != name}


def _sample(tensors: Tensors) -> Iterator[str]:
    """Some names, the first and the last among them."""
    names = list(tensors)
    yield from {names[place * (len(names) - 1) // 7]: None for place in range(8)}


@pytest.fixture
def _no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where none is installed."""
    monkeypatch.setattr(schemas, "FRAMEWORKS", ())


@pytest.mark.usefixtures("_no_framework")
@pytest.mark.parametrize(("model", "layout"), TABLES)
def test_every_table_is_recognized_without_a_framework(model: str, layout: str) -> None:
    tensors = _table(model, layout)
    forced = said(model) if model in layouts() else None
    found = detect.detect(tensors, TABLES[model, layout]["config"], model=forced, where="x")
    if (model, layout) in PUBLISHED:
        assert found, "python -m weights_convert.build_schemas"
        assert (found.model, found.score, found.fits) == (model, 1.0, True)
        assert found.spec == PUBLISHED[model, layout]
        assert len(found.ours) + len(found.constants) == len(tensors)
    else:
        assert found is None or found.model == model or not found.fits


@pytest.mark.usefixtures("_no_framework")
@pytest.mark.parametrize(("model", "layout"), PUBLISHED)
def test_the_suites_own_names_are_recognized(model: str, layout: str) -> None:
    published, config = _table(model, layout), TABLES[model, layout]["config"]
    names = detect.detect(published, config, model=said(model), where="x").ours
    own = {ours: published[name] for name, ours in names.items()}
    found = detect.detect(own, config, model=said(model), where="x")
    assert (found.model, found.score, found.fits) == (model, 1.0, True)
    assert found.ours == {name: name for name in own}


@pytest.mark.usefixtures("_no_framework")
@pytest.mark.parametrize(("model", "layout"), by_kind(DIFFERENT))
def test_every_fault_is_listed_by_the_name_in_the_file(model: str, layout: str) -> None:
    tensors, config = _table(model, layout), TABLES[model, layout]["config"]
    weights = detect.detect(tensors, config, where="x", model=model).ours
    for name in _sample({name: tensors[name] for name in weights}):
        found = detect.detect(_without(tensors, name), config, where="x", model=model)
        assert (found.missing, found.unexpected, found.misshapen) == ((name,), (), {})
        wrong = tensors | {name: _tensor((*tensors[name].shape, 2))}
        found = detect.detect(wrong, config, where="x", model=model)
        assert (found.missing, found.unexpected, list(found.misshapen)) == ((), (), [name])
        wrong = tensors | {name: _tensor(tensors[name].shape, "int32")}
        found = detect.detect(wrong, config, where="x", model=model)
        assert list(found.misshapen) == [name]
        assert found.score < 1
    found = detect.detect(tensors | {"extra.weight": _tensor((2,))}, config, where="x", model=model)
    assert (found.missing, found.unexpected, found.misshapen) == ((), ("extra.weight",), {})


@pytest.mark.usefixtures("_no_framework")
@pytest.mark.parametrize(("model", "layout"), by_kind(DIFFERENT))
def test_one_missing_entry_never_makes_it_another_model(model: str, layout: str) -> None:
    tensors, config = _table(model, layout), TABLES[model, layout]["config"]
    weights = detect.detect(tensors, config, model=model, where="x").ours
    for name in _sample({name: tensors[name] for name in weights}):
        try:
            found = detect.detect(_without(tensors, name), config, where="x")
        except InputError as problem:
            assert f"{model} (score" in str(problem)  # noqa: PT017
        else:
            assert found.model == model
            assert not found.fits


def test_other_sizes_are_asked_of_a_framework(backends: Callable[[str], Backend]) -> None:
    """Width 12 is in no registry, and only the depth tells MIMO-UNet from MIMO-UNet+."""
    spec = MIMOUNetSpec(width=12, blocks=3)
    shapes = backends("torch").call("shapes", spec)
    tensors = {name: _tensor(shape) for name, shape in shapes.items()}
    with pytest.raises(InputError, match=r"mimo_unet \(score 1.000\), mimo_unet_plus \(score 1"):
        detect.detect(tensors, {}, where="x")
    found = detect.detect(tensors, {}, where="x", model="mimo_unet")
    assert (found.score, found.fits, found.is_known, found.spec) == (1.0, True, True, spec)
    found = detect.detect(tensors, {}, where="x", hint="mimo_unet_plus")
    assert found.model == "mimo_unet_plus"
    found = detect.detect(_without(tensors, "head1.bias"), {}, where="x", model="mimo_unet")
    assert found.missing == ("head1.bias",)


@pytest.mark.usefixtures("_no_framework")
def test_other_sizes_without_a_framework_are_no_perfect_match() -> None:
    names = list(_table("mimo_unet", "MIMO-UNet"))
    tensors = {name: _tensor((12, 3, 3, 3) if name.endswith("weight") else (12,)) for name in names}
    found = detect.detect(tensors, {}, where="x", model="mimo_unet")
    assert not found.is_known
    assert found.spec == MIMOUNetSpec(width=12)


def test_what_would_take_too_much_memory_is_not_built() -> None:
    assert schemas.ask_schemas([MIMOUNetSpec(width=40_000)], may_take_bytes=2 << 30) == [None]


def test_weights_of_no_known_model() -> None:
    assert detect.detect({"layer1.0.conv1.weight": _tensor((3, 3))}, {}, where="x") is None
    with pytest.raises(InputError, match="expected names of its entries, got 1 others, as layer1"):
        detect.detect({"layer1.0.conv1.weight": _tensor((3, 3))}, {}, where="x", model="mimo_unet")
    with pytest.raises(InputError, match="did you mean 'mimo_unet_plus'"):
        detect.detect({}, {}, where="x", model="mimo-unet-plas")


# Two models that nearly coincide, as Phaseformer and Spectroformer do: 270 of 282 names are equal.

_SHARED = {f"shared.{number}": (8, 8, 3, 3) for number in range(270)}
_SPECS: dict[str, Spec] = {
    "first": MIMOUNetSpec(width=64),
    "second": MIMOUNetSpec(width=66),
    "reshaped": MIMOUNetSpec(width=68),
}
_NETWORKS = {
    "first": _SHARED | {f"first.{number}": (8, 8, 3, 3) for number in range(12)},
    "second": _SHARED | {f"second.{number}": (8, 8, 3, 3) for number in range(12)},
    # The names of the first, one shape differs.
    "reshaped": _SHARED
    | {f"first.{number}": (8, 8, 3, 3) for number in range(11)}
    | {"first.11": (8, 8, 1, 1)},
}


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Tensors]:
    """Files of models that nearly coincide, which are all that is known."""
    table = NameTable(
        [(f"{part}.{{n}}", f"net.{part}.{{n}}") for part in ("shared", "first", "second")]
    )
    known = {
        model: Layout((model,), table, lambda shapes, config, spec=spec: spec)
        for model, spec in _SPECS.items()
    }
    networks = {
        model: {f"{name}.weight": Entry("float32", shape) for name, shape in network.items()}
        for model, network in _NETWORKS.items()
    }
    monkeypatch.setattr(detect, "layouts", lambda: known)
    monkeypatch.setattr(detect, "registered", lambda model: {_SPECS[model]: networks[model]})
    return {
        model: {f"net.{name}": _tensor(entry.shape) for name, entry in network.items()}
        for model, network in networks.items()
    }


@pytest.mark.parametrize("model", _SPECS)
def test_near_twins_are_told_apart(twins: Mapping[str, Tensors], model: str) -> None:
    found = detect.detect(twins[model], {}, where="x")
    assert (found.model, found.fits) == (model, True)
    others = [one for one in detect.candidates(twins[model], {}) if one.model != model]
    assert all(one.score < 1 and not one.fits for one in others)


def test_a_damaged_near_twin_is_an_error_that_lists_the_candidates(
    twins: Mapping[str, Tensors],
) -> None:
    damaged = _without(twins["first"], "net.shared.7.weight")
    with pytest.raises(InputError, match=r"first \(score 0.996\), reshaped.*--model first\|resh"):
        detect.detect(damaged, {}, where="x")
    found = detect.detect(damaged, {}, where="x", model="first")
    assert found.missing == ("net.shared.7.weight",)
    common = {f"net.{name}.weight": _tensor(shape) for name, shape in _SHARED.items()}
    with pytest.raises(InputError, match=r"first.*second"):
        detect.detect(common, {}, where="x")


def test_a_near_twin_that_is_forced_lists_what_does_not_fit(
    twins: Mapping[str, Tensors],
) -> None:
    found = detect.detect(twins["second"], {}, where="x", model="first")
    assert found.missing == tuple(f"net.first.{number}.weight" for number in range(12))
    assert found.unexpected == tuple(f"net.second.{number}.weight" for number in range(12))


def test_the_listed_schemas_are_those_of_the_networks(
    backends: Callable[[str], Backend],
) -> None:
    for model in registry.MODELS.values():
        for name, spec in model.specs.items():
            listed = schemas.registered(model.name).get(spec)
            assert listed is not None, (
                f"{model.name} {name}: python -m weights_convert.build_schemas"
            )
            real = backends("torch").call("entries", spec)
            assert listed == {entry: Entry(*kind) for entry, kind in real.items()}, (
                f"{model.name} {name} has changed: python -m weights_convert.build_schemas"
            )


@pytest.mark.usefixtures("_no_framework")
def test_what_has_no_shape_is_told_by_the_configuration() -> None:
    tensors = _table("mimo_unet", "MIMO-UNet")
    found = detect.detect(tensors, {"resize": "asymmetric bilinear"}, where="x")
    assert (found.fits, found.spec) == (True, MIMOUNetSpec(resize="asymmetric"))


_PARTS = st.sampled_from(("conv", "0", "1", "2", "3", "weight", "10"))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.dictionaries(
        st.lists(_PARTS, min_size=1, max_size=4).map(".".join),
        st.builds(
            Entry,
            st.sampled_from(("float32", "int64")),
            st.lists(st.integers(0, 2), max_size=2).map(tuple),
        ),
        max_size=30,
    )
)
def test_schemas_are_folded_without_loss(listed: dict[str, Entry]) -> None:
    folded = schemas.fold(listed)
    assert schemas.unfold(json.loads(json.dumps(folded))) == listed
    assert len(folded) <= len(listed)


def test_schemas_fold_to_a_line_for_each_kind() -> None:
    listed = {f"stage.{n}.conv{k}.weight": Entry("float32", (3,)) for n in range(8) for k in "12"}
    assert schemas.fold(listed) == {
        "stage.[0-7].conv1.weight": ["float32", 3],
        "stage.[0-7].conv2.weight": ["float32", 3],
    }


def test_layouts_write_the_authors_container() -> None:
    weights = {"x": 1}
    container = layouts()["mimo_unet"].container(MIMOUNetSpec(), weights)
    assert container == {"model": weights}


@pytest.mark.usefixtures("_no_framework")
def test_constants_are_checked() -> None:
    """LMD-ViT's files hold tables of relative positions."""
    tensors = _table("lmd_vit", "LMD-ViT")
    name = "conv.blocks.0.attn.relative_position_index"
    found = detect.detect(tensors, {}, where="x")
    assert name in found.constants
    assert name not in found.ours
    assert len(found.constants) == 40
    wrong = tensors[name].to_numpy().copy()
    wrong[0, 0] += 1
    found = detect.detect(tensors | {name: from_numpy(wrong)}, {}, where="x")
    assert not found.fits
    assert found.misshapen == {name: "other values than the constant has"}


@pytest.mark.usefixtures("_no_framework")
def test_two_models_with_the_same_entries_have_to_be_told() -> None:
    """NIMBUSR and its form for saturated images differ in the algorithm, not in the weights."""
    tensors = _table("nimbusr", "NIMBUSR")
    with pytest.raises(InputError, match=r"--model nimbusr\|nimbusr_saturated"):
        detect.detect(tensors, {}, where="x")
    for model in ("nimbusr", "nimbusr_saturated"):
        assert detect.detect(tensors, {}, model=model, where="x").model == model
        assert detect.detect(tensors, {}, hint=model, where="x").model == model
