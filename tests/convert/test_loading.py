"""`load_weights`, the one door for weights: every format and layout, and what it refuses."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from restoration.errors import InputError
from restoration.models import registry
from restoration.models.liif import LIIFSpec
from restoration.models.mimo_unet import MIMOUNetSpec
from tests.convert.seeds import said
from tests.convert.test_lossless import _published, _weights
from tests.kinds import by_kind
from weights_convert import MismatchError, convert, inspect, load_weights, scan
from weights_convert.checkpoints import schemas
from weights_convert.published import authors_modules, layouts, layouts_of_parts

HERE = Path(__file__).parent
FORMATS = ("x.pth", "x.pkl", "x.ckpt", "x.safetensors", "x.npz")
Arrays = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def _no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where none is installed."""
    monkeypatch.setattr(schemas, "FRAMEWORKS", ())


def _assert_same(found: Arrays, expected: Arrays) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("model", by_kind(registry.MODELS))
def test_every_format_and_both_names_give_the_same_weights(tmp_path: Path, model: str) -> None:
    spec, weights = registry.find(model).spec("tiny"), _weights(model)
    for state, to in ((weights, "published"), (_published(model), "ours")):
        source = tmp_path / "source.npz"
        np.savez(source, **state)
        for file in FORMATS:
            target = tmp_path / file
            convert(source, target, to=to, model=said(model))
            loaded = load_weights(target, model=model)
            assert (loaded.model, loaded.spec) == (model, spec)
            _assert_same(loaded.arrays, weights)
        loaded = load_weights(source, model=said(model))  # detected, where it can be
        assert (loaded.model, loaded.spec) == (model, spec)
        _assert_same(loaded.arrays, weights)


@pytest.mark.parametrize("model", by_kind(registry.MODELS))
def test_suffixes_of_mindspore_give_the_same_weights(tmp_path: Path, model: str) -> None:
    np.savez(tmp_path / "x.npz", **_weights(model))
    for to in ("ours", "published"):
        target = tmp_path / f"{to}.ckpt"
        convert(tmp_path / "x.npz", target, to=to, model=said(model), suffixes="mindspore")
        _assert_same(load_weights(target, model=model).arrays, _weights(model))


def test_wrappers_and_containers(tmp_path: Path) -> None:
    state = {f"module.{name}": array for name, array in _published("edsr").items()}
    for key in ("model", "state_dict", "params_ema"):
        (tmp_path / "x.pkl").write_bytes(pickle.dumps({key: state, "epoch": 3}))
        _assert_same(load_weights(tmp_path / "x.pkl").arrays, _weights("edsr"))
    two = {"params": state, "params_ema": {name: 2 * array for name, array in state.items()}}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"fast": two["params"], "slow": two}))
    with pytest.raises(InputError, match="choose one with --key"):
        load_weights(tmp_path / "x.pkl")
    loaded = load_weights(tmp_path / "x.pkl", key="fast")
    _assert_same(loaded.arrays, _weights("edsr"))


def test_half_precision_is_widened_without_loss(tmp_path: Path) -> None:
    weights = _weights("mimo_unet")
    halved = {name: array.astype(np.float16) for name, array in weights.items()}
    np.savez(tmp_path / "x.npz", **halved)
    expected = {name: array.astype(np.float32) for name, array in halved.items()}
    _assert_same(load_weights(tmp_path / "x.npz").arrays, expected)
    bits = {name: (array.view(np.uint32) >> 16).astype("<u2") for name, array in weights.items()}
    np.savez(tmp_path / "x.npz", **{name: array.view("V2") for name, array in bits.items()})
    expected = {
        name: (array.astype(np.uint32) << 16).view(np.float32) for name, array in bits.items()
    }
    _assert_same(load_weights(tmp_path / "x.npz").arrays, expected)


def test_every_entry_that_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = _published("mimo_unet")
    missing = [name for name in state if name.startswith("Encoder.0")]
    for name in missing:
        del state[name]
    added = [f"spare.{number}" for number in range(7)]
    state |= {name: np.zeros(2, np.float32) for name in added}
    state["FAM1.merge.main.0.bias"] = np.zeros(3, np.float32)
    np.savez(tmp_path / "x.npz", **state)
    with pytest.raises(MismatchError) as caught:
        load_weights(tmp_path / "x.npz", model="mimo_unet")
    problem = caught.value
    assert sorted(problem.missing) == sorted(missing)
    assert problem.unexpected == tuple(added)
    assert problem.misshapen == {"FAM1.merge.main.0.bias": "shape (3,), the network's is (32,)"}
    assert f"got {len(missing)} missing" in str(problem)
    assert "7 unexpected" in str(problem)
    assert str(problem).endswith("weights-convert FILE OUT --model mimo_unet lists all of them")


@pytest.mark.parametrize(
    ("model", "other"), [("phaseformer", "spectroformer"), ("spectroformer", "phaseformer")]
)
def test_another_models_checkpoint_is_refused_by_name(
    tmp_path: Path, model: str, other: str
) -> None:
    np.savez(tmp_path / "x.npz", **{f"module.{n}": a for n, a in _published(other).items()})
    text = f"which only {other} has.*use the model '{other}'"
    with pytest.raises(InputError, match=text):
        load_weights(tmp_path / "x.npz", model=model)
    with pytest.raises(InputError, match=text):
        convert(tmp_path / "x.npz", tmp_path / "y.npz", model=model)


def test_what_is_no_models_weights_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"layer1.0.conv.weight": np.ones((2, 2), np.float32)})
    with pytest.raises(InputError, match=r"expected weights of mimo_unet.*got weights of none"):
        load_weights(tmp_path / "x.npz")
    with pytest.raises(InputError, match="expected names of its entries, got 1 others"):
        load_weights(tmp_path / "x.npz", model="edsr")
    with pytest.raises(InputError, match="did you mean 'swinir'"):
        load_weights(tmp_path / "x.npz", model="swin-ir")
    np.savez(tmp_path / "x.npz", **_weights("nimbusr"))
    with pytest.raises(InputError, match=r"--model nimbusr\|nimbusr_saturated"):
        load_weights(tmp_path / "x.npz")


def test_constants_and_checksums_are_checked(tmp_path: Path) -> None:
    state = _published("swinir")
    name = "layers.1.residual_group.blocks.0.attn.relative_position_index"
    state[name] = state[name] + 1
    np.savez(tmp_path / "x.npz", **state)
    with pytest.raises(MismatchError, match="misshapen") as caught:
        load_weights(tmp_path / "x.npz", model="swinir")
    assert caught.value.misshapen == {name: "other values than the constant has"}
    np.savez(tmp_path / "x.npz", **_weights("edsr"))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[content.index(_weights("edsr")["head.weight"].tobytes()) + 2] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match="expected CRC-32"):
        load_weights(tmp_path / "x.npz", model="edsr")


def test_what_has_no_shape_comes_from_the_file_and_stays_with_it(tmp_path: Path) -> None:
    """LIIF without a local ensemble has the same entries; only the authors' arguments tell."""
    arguments = {"encoder_spec": {"args": {"res_scale": 0.25}}, "local_ensemble": False}
    inner = {"name": "liif", "args": arguments, "sd": _published("liif")}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"model": inner, "epoch": 1}))
    loaded = load_weights(tmp_path / "x.pkl", model="liif")
    assert isinstance(loaded.spec, LIIFSpec)
    assert not loaded.spec.ensemble
    assert loaded.spec.encoder.to_dict()["residual_scale"] == 0.25
    convert(tmp_path / "x.pkl", tmp_path / "ours.safetensors", model="liif")
    again = load_weights(tmp_path / "ours.safetensors", model="liif")
    assert again.spec == loaded.spec
    assert inspect(tmp_path / "ours.safetensors").spec == loaded.spec.to_dict()
    _assert_same(again.arrays, loaded.arrays)


@pytest.mark.parametrize("value", [{}, [[]], float("nan"), "yes", np.ones(2), b"x", 10**40])
def test_a_configuration_may_hold_anything(tmp_path: Path, value: object) -> None:
    names = ("args", "local_ensemble", "encoder_spec", "encoder", "imnet_spec", "multi_scale")
    inner = dict.fromkeys(names, value) | {"sd": _published("ciaosr")}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"model": inner}))
    _assert_same(load_weights(tmp_path / "x.pkl", key="model.sd").arrays, _weights("ciaosr"))


# What older versions wrote.


def test_whole_models_of_older_versions_are_read() -> None:
    """`torch.save` of a `torch_impl.mimo_unet.MimoUnet` whose spec is of `restoration.specs`."""
    found = scan(HERE / "old_module.pth")
    assert found.is_harmless
    names = {finding.what for finding in found.findings}
    assert "name torch_impl.mimo_unet.MimoUnet" in names
    assert "name restoration.specs.MimoUnetSpec" in names
    loaded = load_weights(HERE / "old_module.pth")
    assert (loaded.model, loaded.spec) == ("mimo_unet", MIMOUNetSpec(width=8, blocks=1))
    shapes = {
        name: entry.shape for name, entry in schemas.registered("mimo_unet")[loaded.spec].items()
    }
    assert {name: array.shape for name, array in loaded.arrays.items()} == shapes


def test_specs_of_older_versions_are_read() -> None:
    old = json.loads((HERE / "old_specs.json").read_text())
    assert old["mimo_unet"]["tiny"]["type"] == "MimoUnetSpec"
    for model, specs in old.items():
        for name, values in specs.items():
            assert registry.spec_from_dict(values) == registry.find(model).spec(name)


def test_manifests_of_older_versions_are_read(tmp_path: Path) -> None:
    manifest = {
        "source": {"file": "x.npz", "format": "npz", "place": "", "prefix": ""},
        "model": "mimo_unet",
        "score": 1.0,
        "spec": {"type": "MimoUnetSpec", "width": 8, "blocks": 1, "skip_dropout": 0.0}
        | {"resize": "asymmetric"},
        "names": "ours",
    }
    path = tmp_path / "x.safetensors"
    save_file(_weights("mimo_unet"), path, metadata={"weights_convert": json.dumps(manifest)})
    loaded = load_weights(path)
    assert loaded.spec == MIMOUNetSpec(width=8, blocks=1, resize="asymmetric")
    for damaged in ("[", "[]", '{"model": 3, "spec": 7}', '{"model": "mimo_unet", "spec": {}}'):
        save_file(_weights("mimo_unet"), path, metadata={"weights_convert": damaged})
        assert load_weights(path).spec == MIMOUNetSpec(width=8, blocks=1)


def test_layouts_are_found_by_the_models_files() -> None:
    for stem in registry.STEMS:
        assert (HERE.parents[1] / "weights_convert" / "published" / f"{stem}.py").exists()
    assert layouts().keys() == registry.MODELS.keys()
    assert list(layouts_of_parts()) == ["lmd_vit_stage"]
    assert all(layout.modules for layout in layouts().values())
    assert set(authors_modules()) == {
        "models",
        "model",
        "basicsr",
        "phaseformer",
        "model_with_eca",
        "final_model_AGSSF1",
    }
