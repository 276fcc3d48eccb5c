"""SwinIR and EDSR as they are published whole: recognized, converted, and back bit for bit.

Names and values come from golden files, which the authors' code wrote; the small networks are
those of situations that users met.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from parity.cases import sources
from restoration.data.photographs import photograph
from restoration.errors import InputError
from restoration.models import registry
from restoration.models.edsr import EDSRSpec
from restoration.models.swinir import SwinIRSpec
from tests.backends import Backend
from tests.convert.seeds import mean_layers
from tests.convert.test_formats import read
from tests.parity.goldens import metadata_of
from tests.reference.conv import conv2d
from weights_convert import MismatchError, convert, inspect, load_weights
from weights_convert.checkpoints import schemas
from weights_convert.checkpoints.loading import read_state
from weights_convert.cli import main
from weights_convert.published import layout_of_class

Arrays = dict[str, np.ndarray]

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = [
    path
    for path in sorted(GOLDEN.glob("*_official-*.safetensors"))
    if metadata_of(path)["kind"] in ("model", "pictures")
]
TABLES = {
    name: table
    for stem in ("swinir_official", "edsr_official")
    for name, table in json.loads((GOLDEN / "full" / f"{stem}.json").read_text())["configs"].items()
}
HEADS = {
    "": "residual",
    **{name: name for name in ("pixelshuffle", "pixelshuffledirect", "nearest+conv")},
}


@pytest.fixture(autouse=True)
def _no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where none is installed."""
    monkeypatch.setattr(schemas, "FRAMEWORKS", ())


def _weights(path: Path) -> Arrays:
    start = "weights/"
    found = {n.removeprefix(start): a for n, a in load_file(path).items() if n.startswith(start)}
    return dict(sorted(found.items()))


def _write(path: Path, content: object) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def _same(path: Path, state: Arrays) -> None:
    expected = {name: (a.dtype.name, a.shape, a.tobytes()) for name, a in state.items()}
    assert read(path) == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_form_comes_back_bit_for_bit(tmp_path: Path, path: Path) -> None:
    """Through files of three frameworks, of which two hold nothing but tensors.

    What no shape tells is said once, and then noted beside each file.
    """
    state, config = _weights(path), json.loads(metadata_of(path)["config"])
    container = "params_ema" if config.get("upsampler") == "nearest+conv" else "params"
    is_bare = metadata_of(path)["class"] == "model.edsr.EDSR"
    source = _write(tmp_path / "source.pkl", state if is_bare else {container: state})
    value_range = config.get("img_range", config.get("rgb_range"))
    settings = {"value_range": str(value_range)}
    if "res_scale" in config:
        settings["residual_scale"] = str(config["res_scale"])
    for name in ("one.pth", "two.ckpt", "three.npz", "four.safetensors"):
        source, before = tmp_path / name, source
        done = convert(before, source, settings=settings if "source" in before.name else {})
        assert (done.score, done.missing, done.unexpected, done.misshapen) == (1.0, (), (), {})
        spec = load_weights(source).spec
        assert isinstance(spec, EDSRSpec | SwinIRSpec)
        assert (spec.value_range, spec.scale) == (value_range, _scale(config))
        if isinstance(spec, EDSRSpec):
            assert spec.residual_scale == config["res_scale"]
        else:
            expected = (HEADS[config["upsampler"]], config["img_size"], config["in_chans"])
            assert (spec.head, spec.trained_px, spec.image_channels) == expected
    for name in ("back.pth", "back.ckpt", "back.safetensors"):
        convert(source, tmp_path / name, to="published")
        _same(tmp_path / name, state)
    under = inspect(tmp_path / "back.pth").key_path
    assert under == ("" if is_bare else container)


def _scale(config: dict[str, Any]) -> int:
    found = config.get("upscale", config.get("scale"))
    return int(found[0] if isinstance(found, list) else found)


@pytest.mark.parametrize(
    "name", ["swinir-lightweight-x2", "edsr-baseline-official-x4", "edsr-basicsr-M-x3"]
)
def test_files_of_the_published_size_come_back(tmp_path: Path, name: str) -> None:
    """By their key tables, with random weights; the rest are only detected, in `test_detect`."""
    table, random = TABLES[name], np.random.default_rng(0)
    state = {
        key: random.standard_normal(shape, np.float32)
        for key, shape, kind, *_ in table["tensors"]
        if kind == "float32" and not key.endswith("attn_mask")
    } | mean_layers(table["config"], [row[0] for row in table["tensors"]])
    model = "swinir" if name.startswith("swinir") else "edsr"
    done = convert(_write(tmp_path / "x.pkl", state), tmp_path / "x.pth")
    spec = load_weights(tmp_path / "x.pth").spec
    published = [row for row in registry.find(model).published if row.layout == name]
    assert (done.model, spec) == (model, registry.find(model).spec(published[0].spec))
    convert(tmp_path / "x.pth", tmp_path / "back.ckpt", to="published")
    found = read(tmp_path / "back.ckpt")
    assert {key: list(shape) for key, (_, shape, _) in found.items()} == {
        key: shape for key, shape, *_ in table["tensors"]
    }
    assert all(found[key][2] == array.tobytes() for key, array in state.items())


def _edsr(mean: list[float]) -> Arrays:
    """EDSR x4 of two blocks as its authors name it, whose result is a picture of some contrast."""
    random = np.random.default_rng(0)
    layers = [("head.0", 3, 8), ("body.2", 8, 8), ("tail.0.0", 8, 32), ("tail.0.2", 8, 32)]
    layers += [(f"body.{block}.body.{i}", 8, 8) for block in (0, 1) for i in (0, 2)]
    state: Arrays = {}
    for name, inside, outside in [*layers, ("tail.1", 8, 3)]:
        kernel = random.standard_normal((outside, inside, 3, 3)) / np.sqrt(9 * inside)
        state[f"{name}.weight"] = kernel.astype(np.float32)
        state[f"{name}.bias"] = random.standard_normal(outside).astype(np.float32) * 0.1
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        state[f"{name}.weight"] = np.eye(3, dtype=np.float32)[:, :, None, None]
        state[f"{name}.bias"] = np.float32(sign) * np.array(mean, np.float32)
    return state


def _edsr_result(state: Arrays, x: np.ndarray) -> np.ndarray:
    """The arithmetic of the published network, in NumPy."""

    def conv(name: str, x: np.ndarray) -> np.ndarray:
        kernel = state[f"{name}.weight"].astype(np.float64)
        return conv2d(x, kernel, state[f"{name}.bias"], padding=kernel.shape[-1] // 2)

    x = first = conv("head.0", conv("sub_mean", x))
    for block in range(2):
        x = x + conv(f"body.{block}.body.2", conv(f"body.{block}.body.0", x).clip(0))
    x = conv("body.2", x) + first
    for step in (0, 2):
        n, c, h, w = (x := conv(f"tail.0.{step}", x)).shape
        x = x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3)
        x = x.reshape(n, c // 4, 2 * h, 2 * w)
    return conv("add_mean", conv("tail.1", x))


@pytest.mark.parametrize(("top", "mean"), [(255, (0.4488, 0.4371, 0.4040)), (1, (0.55, 0.3, 0.35))])
@pytest.mark.frameworks("torch")
def test_edsr_restores_by_the_range_and_mean_in_its_file(
    backends: Callable[[str], Backend], tmp_path: Path, top: int, mean: tuple[float, ...]
) -> None:
    state = _edsr([top * value for value in mean])
    image = photograph("astronaut", height_px=7, width_px=6)
    plain = _edsr_result(state, top * image.astype(np.float64)) / top
    for part in ("weight", "bias"):
        state[f"tail.1.{part}"] *= np.float32(0.2 / plain.std())
    plain = _edsr_result(state, top * image.astype(np.float64)) / top
    state["tail.1.bias"] += (top * (0.5 - plain.mean((0, 2, 3)))).astype(np.float32)
    expected = (_edsr_result(state, top * image.astype(np.float64)) / top).clip(0, 1)
    convert(_write(tmp_path / "x.pkl", state), tmp_path / "x.safetensors")
    loaded = load_weights(tmp_path / "x.safetensors")
    found = backends("torch").call("restore", "edsr", loaded.spec, loaded.arrays, image, {})
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.std() > 0.1


def test_a_mask_of_other_values_is_refused(tmp_path: Path) -> None:
    """With `--partial` too: no network of the suite would compute what this one does."""
    state = _weights(GOLDEN / "swinir_official-real-x4.safetensors")
    name = "layers.0.residual_group.blocks.1.attn_mask"
    state[name] = state[name] * 2
    source = _write(tmp_path / "x.pkl", {"params_ema": state})
    for options in ({}, {"partial": True}):
        with pytest.raises(MismatchError, match=r"constants of swinir.*--to kept") as caught:
            convert(source, tmp_path / "x.npz", **options)  # type: ignore[arg-type]
        assert caught.value.misshapen == {name: "other values than the constant has"}
    convert(source, tmp_path / "x.npz", to="kept")
    _same(tmp_path / "x.npz", state)


def test_an_encoder_is_no_whole_network(tmp_path: Path) -> None:
    """The keys tell: features.pth of the situations against the heads."""
    state = _weights(GOLDEN / "swinir_official-real-x4.safetensors")
    tail = ("conv_up1", "conv_up2", "conv_hr", "conv_last")
    features = {name: array for name, array in state.items() if not name.startswith(tail)}
    spec = load_weights(_write(tmp_path / "x.pkl", {"params": features})).spec
    assert isinstance(spec, SwinIRSpec)
    assert (spec.gives_features, spec.outputs, spec.intensities) == (True, ("features",), (-1, 1))


def test_what_is_taken_is_said_and_can_be_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _write(tmp_path / "x.pkl", _weights(GOLDEN / "edsr_official-basicsr-x2.safetensors"))
    target = tmp_path / "x.ckpt"
    assert main(["inspect", str(source)]) == 0
    assert "taken     value_range 255.0, residual_scale 1.0, which no" in capsys.readouterr().out
    assert main([str(source), str(target)]) == 0
    said = "taken: value_range 255.0, residual_scale 1.0, which no shape tells; --set NAME=VALUE"
    assert said in capsys.readouterr().out
    assert main([str(source), str(target), "--set", "value_range=1"]) == 0
    assert "taken: value_range 1.0, residual_scale 1.0" in capsys.readouterr().out
    spec = load_weights(target).spec
    assert isinstance(spec, EDSRSpec)
    assert (spec.value_range, spec.mean) == (1, "fixed")
    again = load_weights(target, settings={"value_range": 255}).spec
    assert isinstance(again, EDSRSpec)
    assert again.value_range == 255


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("range=1", "setting of edsr: expected one that is known, got 'range'"),
        ("width=8", "known: residual_scale, value_range"),
        ("value_range=x", "setting value_range: expected a number, got 'x'"),
        ("value_range=-1", "EDSRSpec.value_range: expected a number above 0"),
        ("value_range", "expected NAME=VALUE, got 'value_range'"),
    ],
)
def test_wrong_settings_are_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, text: str
) -> None:
    source = _write(tmp_path / "x.pkl", _weights(GOLDEN / "edsr_official-basicsr-x2.safetensors"))
    try:
        code = main([str(source), str(tmp_path / "x.npz"), "--set", setting])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 3
    assert text in capsys.readouterr().err


def test_settings_of_unknown_weights_are_refused(tmp_path: Path) -> None:
    source = _write(tmp_path / "x.pkl", {"a": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match=r"settings of weights: .* got weights of none of them"):
        convert(source, tmp_path / "x.npz", settings={"value_range": 1})


def test_parity_takes_settings(tmp_path: Path) -> None:
    source = _write(tmp_path / "x.pkl", _weights(GOLDEN / "edsr_official-x2.safetensors"))
    options: dict[str, Any] = {
        "spec_name": "tiny",
        "photographs": ["cat"],
        "size_px": (8, 8),
        "gradient_size_px": (8, 8),
        "seed": 0,
        "settings": {"residual_scale": "0.5"},
    }
    case = sources.photograph_case("edsr", weights_file=source, **options)
    assert isinstance(case.spec, EDSRSpec)
    assert (case.spec.residual_scale, case.spec.mean, case.spec.value_range) == (0.5, "layers", 255)
    assert case.inputs["image"].min() >= 0
    with pytest.raises(InputError, match=r"--set: expected a file of weights.*got no --weights"):
        sources.photograph_case("edsr", **options)


def test_a_manifest_beside_another_file_says_nothing(tmp_path: Path) -> None:
    source = _write(tmp_path / "x.pkl", _weights(GOLDEN / "edsr_official-basicsr-x2.safetensors"))
    convert(source, tmp_path / "x.ckpt", settings={"value_range": 1})
    other = _write(tmp_path / "y.pkl", _weights(GOLDEN / "edsr_official-x3.safetensors"))
    convert(other, tmp_path / "y.ckpt")
    (tmp_path / "y.ckpt").replace(tmp_path / "x.ckpt")
    spec = load_weights(tmp_path / "x.ckpt").spec
    assert isinstance(spec, EDSRSpec)
    assert (spec.value_range, spec.scale) == (255, 3)


def test_the_authors_class_tells_the_layout() -> None:
    for path in FILES:
        metadata = metadata_of(path)
        model, layout = layout_of_class(metadata["class"])
        spec, _ = read_state(layout, _weights(path), json.loads(metadata["config"]), where="x")
        assert path.name.startswith(model)
        assert isinstance(spec, EDSRSpec | SwinIRSpec)
        assert not spec.gives_features
