"""Every checkpoint of the zoo is converted right, or refused with what it is; and each advice that
a refusal gives leads on."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parity.cases import sources
from restoration.errors import InputError
from tests.backends import Backend
from tests.zoo import checkpoints
from tests.zoo.checkpoint_base import Case, averaged, state
from weights_convert import convert, diff, inspect, load_weights
from weights_convert.checkpoints import schemas

Backends = Callable[[str], Backend]


@pytest.fixture(autouse=True)
def _no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "FRAMEWORKS", ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture(scope="module")
def zoo(folder: Path, backends: Backends) -> list[Case]:
    """Files of PyTorch and of those that need no framework."""
    return checkpoints.zoo(folder, backends, ("torch",))


def _wrong(cases: list[Case], folder: Path) -> list[str]:
    found = [(case.name, *checkpoints.read_as(case, folder)) for case in cases]
    return [f"{name}: {said}" for name, said, is_right in found if not is_right]


@pytest.mark.frameworks("torch")
def test_all_are_right(zoo: list[Case], folder: Path) -> None:
    names = [case.name for case in zoo]
    assert len(set(names)) == len(names) >= 140
    assert _wrong(zoo, folder) == []


@pytest.mark.parametrize("framework", ["jittor", "mindspore"])
def test_what_other_frameworks_write(tmp_path: Path, backends: Backends, framework: str) -> None:
    from tests.zoo import checkpoint_frameworks

    backends(framework).call(f"zoo.checkpoint_frameworks.{framework}", str(tmp_path))
    assert _wrong(list(checkpoint_frameworks.CASES[framework]()), tmp_path) == []


@pytest.mark.frameworks("torch")
def test_what_is_refused_is_refused_by_every_command(zoo: list[Case], folder: Path) -> None:
    for case in zoo:
        if not case.error:
            continue
        with pytest.raises(InputError):
            load_weights(folder / case.path, **dict(case.options))
        with contextlib.suppress(InputError):  # what only needs an option is shown as a question
            assert not case.is_model or "--" in inspect(folder / case.path).anomalies[0]


@pytest.mark.frameworks("torch")
def test_prefixes_are_found_by_every_command(zoo: list[Case], folder: Path) -> None:
    assert zoo
    plain = folder / "plain.pth"
    ours = load_weights(plain).arrays
    for name, prefix in (
        ("net_g.pth", "net_g."),
        ("module_model.pth", "module.model."),
        ("long_prefix.pth", "trainer.strategy.wrapped._orig_mod.student.network.0.1."),
        ("prefix_without_dot.pth", "G_"),
        ("numbers_and_prefix.pth", "net_g."),
        ("flop_counters.pth", ""),
    ):
        found = inspect(folder / name)
        assert (found.model, found.prefix, len(found.tensors)) == ("mimo_unet", prefix, 76)
        assert diff(plain, folder / name).is_equal
        for model in (None, "mimo_unet"):
            again = load_weights(folder / name, model=model).arrays
            assert all(np.array_equal(again[key], array) for key, array in ours.items())
        forced = convert(folder / name, folder / "out.npz", model="mimo_unet")
        assert (forced.tensors, forced.missing, forced.unexpected) == (76, (), ())
    two = folder / "generator_ema.pth"
    with pytest.raises(InputError, match="--prefix generator"):
        diff(plain, two)
    with pytest.raises(InputError, match="--prefix generator"):
        load_weights(two)
    half = load_weights(two, prefix="g_ema").arrays
    assert all(np.array_equal(half[key], array * np.float32(0.5)) for key, array in ours.items())
    with pytest.raises(InputError, match="names that begin with critic"):
        convert(two, folder / "out.npz", prefix="critic")
    assert "--prefix" in inspect(two).anomalies[0]


@pytest.mark.frameworks("torch")
def test_names_of_no_known_model_are_compared_without_their_prefixes(tmp_path: Path) -> None:
    arrays = {f"layer{n}.weight": np.full((2, 2), n, np.float32) for n in range(3)}
    np.savez(tmp_path / "a.npz", **arrays)
    np.savez(tmp_path / "b.npz", **{f"net.{name}": array for name, array in arrays.items()})
    assert diff(tmp_path / "a.npz", tmp_path / "b.npz").is_equal
    assert not diff(tmp_path / "a.npz", tmp_path / "a.npz", prefix="layer1").differing


# Each advice, followed.


def _text(path: Path, target: Path) -> str:
    with pytest.raises(InputError) as caught:
        convert(path, target)
    return str(caught.value)


def _is_the_network(path: Path, scale: float = 1.0) -> bool:
    expected = {name: array * np.float32(scale) for name, array in state().items()}
    convert(path, path.with_name("followed.npz"), to="published")
    with np.load(path.with_name("followed.npz")) as found:
        return all(np.array_equal(found[name], array) for name, array in expected.items())


@pytest.mark.frameworks("torch")
def test_keys_and_prefixes_that_are_named_are_taken(
    zoo: list[Case], folder: Path, tmp_path: Path
) -> None:
    expected = {False: state(), True: averaged(state())}
    for name in ("state_dict_ema.pth", "params_ema.pth", "net_shadow.pth", "generator_ema.pth",
                 "online_ema.pt", "flat_ema.pth", "two.safetensors"):  # fmt: skip
        options = re.findall(r"--(key|prefix) (\S+)", _text(folder / name, tmp_path / "x.npz"))
        assert len(options) == 2
        found = []
        for option, value in options:
            given = {option: value.strip("'")}
            convert(folder / name, tmp_path / "x.npz", to="published", **given)
            with np.load(tmp_path / "x.npz") as arrays:
                found.append({key: arrays[key] for key in arrays})
        assert all(
            any(all(np.array_equal(one[key], net[key]) for key in net) for one in found)
            for net in expected.values()
        )


@pytest.mark.frameworks("torch")
def test_folders_and_indexes_that_are_named_are_read(zoo: list[Case], folder: Path) -> None:
    text = _text(folder / "sharded" / "model-00001-of-00002.safetensors", folder / "x.npz")
    assert _is_the_network(Path(text.rpartition("give the index, ")[2]))
    text = _text(folder / "numbered" / "model-00001-of-00002.safetensors", folder / "x.npz")
    assert _is_the_network(Path(text.rpartition("give the folder, ")[2]))
    text = _text(folder / "two", folder / "x.npz")
    assert _is_the_network(Path(text.rpartition("name one of them, as ")[2]))


@pytest.mark.frameworks("torch")
def test_programs_that_are_named_help(zoo: list[Case], folder: Path, tmp_path: Path) -> None:
    text = _text(folder / "distributed", tmp_path / "x.npz")
    command = text.rpartition("; python ")[2].replace("OUT.pth", str(tmp_path / "out.pth"))
    subprocess.run([sys.executable, *command.split()], check=True, capture_output=True)
    assert _is_the_network(tmp_path / "out.pth")
    text = _text(folder / "script.pt", tmp_path / "x.npz")
    program = text.rpartition("in PyTorch: ")[2]
    program = program.replace("FILE", repr(str(folder / "script.pt")))
    program = program.replace("OUT", repr(str(tmp_path / "program.pth")))
    subprocess.run([sys.executable, "-c", f"import torch; {program}"], check=True)
    assert convert(tmp_path / "program.pth", tmp_path / "x.npz").tensors == 1


def test_archives_that_are_unpacked_are_read(tmp_path: Path) -> None:
    import zipfile

    np.savez(tmp_path / "a.npz", **state())
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(tmp_path / "a.npz", "a.npz")
        archive.write(tmp_path / "a.npz", "b.npz")
    assert "unpack it (unzip two.zip), and name one of them" in _text(
        tmp_path / "two.zip", tmp_path / "x.npz"
    )
    zipfile.ZipFile(tmp_path / "two.zip").extractall(tmp_path / "unpacked")
    assert _is_the_network(tmp_path / "unpacked" / "b.npz")


@pytest.mark.frameworks("mindspore")
def test_what_mindspore_encrypted_is_decrypted_as_advised(
    tmp_path: Path, backends: Backends
) -> None:
    backends("mindspore").call("zoo.checkpoint_frameworks.mindspore", str(tmp_path))
    for kind in ("gcm", "cbc"):
        text = _text(tmp_path / f"by_mindspore_{kind}.ckpt", tmp_path / "x.npz")
        program = text.rpartition("in MindSpore: ")[2]
        backends("mindspore").call(
            "zoo.checkpoint_frameworks.follow",
            program,
            str(tmp_path / f"by_mindspore_{kind}.ckpt"),
            str(tmp_path / "plain.ckpt"),
        )
        assert _is_the_network(tmp_path / "plain.ckpt")


@pytest.mark.frameworks("jittor")
def test_bfloat16_of_a_file_is_loaded_by_jittor(tmp_path: Path, backends: Backends) -> None:
    """As float32, which is said; its own bfloat16 is recognized in the zoo."""
    bits = np.array([[0x3FC0, 0xC020], [0x0001, 0x7F7F]], "<u2")
    np.savez(tmp_path / "x.npz", weight=bits.view("V2"))
    result = convert(tmp_path / "x.npz", tmp_path / "x.pkl")
    assert "1 bfloat16 tensors were widened to float32, exactly" in result.notes[-1]
    found = backends("jittor").call(
        "zoo.checkpoint_frameworks.load_in_jittor", str(tmp_path / "x.pkl"), bits.shape
    )
    assert found.dtype == np.float32
    assert np.array_equal(found, (bits.astype(np.uint32) << 16).view(np.float32))


def test_nan_is_said_where_it_comes_in(tmp_path: Path) -> None:
    weights = state()
    weights["Encoder.1.layers.0.main.0.main.0.weight"][0, 1, 2, 0] = np.nan
    np.savez(tmp_path / "nan.npz", **weights)
    said = r"1 NaN in encoder2.0.conv1.weight \(first at 0, 1, 2, 0\)"
    with pytest.warns(UserWarning, match=said):
        loaded = load_weights(tmp_path / "nan.npz")
    assert re.fullmatch(said, loaded.nonfinite)
    name = "encoder2.0.conv1.weight"
    result = convert(tmp_path / "nan.npz", tmp_path / "x.safetensors")
    assert (result.nonfinite[name].nan, result.nonfinite[name].first) == (1, 15)
    anomaly = "Encoder.1.layers.0.main.0.main.0.weight: 1 NaN, 0 infinite, first at 0, 1, 2, 0"
    assert anomaly in inspect(tmp_path / "nan.npz").anomalies


def test_parity_refuses_nan_before_anything_is_judged(tmp_path: Path) -> None:
    weights = state()
    weights["FAM1.merge.main.0.bias"][2] = np.nan
    np.savez(tmp_path / "nan.npz", **weights)
    said = r"expected finite ones, got 1 NaN in attention3\.merge\.bias \(weights\)"
    with pytest.raises(InputError, match=said):
        sources.photograph_case(
            "mimo_unet",
            spec_name="tiny",
            photographs=("astronaut",),
            size_px=(32, 32),
            gradient_size_px=(32, 32),
            seed=0,
            weights_file=tmp_path / "nan.npz",
        )
