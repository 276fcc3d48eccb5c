"""Golden files: what they say of themselves, how they are read, and the page that tells it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from parity.cases.goldens import golden_cases
from parity.judge.measurement import ArrayKey, ArrayKind
from restoration.errors import ExitCode, InputError
from tests.parity.goldens import COMPARE, FOLDER, compared, metadata_of, names_of_cases
from tests.parity.test_parity import parity

RUNS = ("model", "pictures", "calls")
OTHERS = ("cmsr", "losses", "metrics", "operators", "pipeline")
PAGE = (FOLDER.parents[1] / "docs" / "golden-files.md").read_text()
FILES = sorted(FOLDER.glob("*.safetensors"))


def test_every_file_says_what_it_is() -> None:
    assert len(FILES) >= 72
    for path in FILES:
        metadata = metadata_of(path)
        assert metadata["kind"] in RUNS + OTHERS, path.name
        assert metadata["compare"] in COMPARE, path.name
        assert metadata["kind"] in RUNS or metadata["compare"] == "elsewhere", path.name
    assert {metadata_of(path)["kind"] for path in FILES} == {*RUNS, *OTHERS}
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*")) < 40e6


@pytest.mark.parametrize("path", [p for p in FILES if metadata_of(p)["kind"] in OTHERS], ids=str)
def test_what_is_no_run_of_a_network_is_refused(path: Path) -> None:
    kind = metadata_of(path)["kind"]
    with pytest.raises(InputError, match=f"model, pictures, calls, got kind '{kind}'"):
        golden_cases(path)


@pytest.mark.parametrize(
    "stem", ["mimo_unet", "swinir", "swinir-3conv", "lm_liif", "lm_ciaosr-tiles", "nimbusr"]
)
def test_a_file_that_does_not_say_is_read_by_its_content(tmp_path: Path, stem: str) -> None:
    path = FOLDER / f"{stem}.safetensors"
    metadata = {key: text for key, text in metadata_of(path).items() if key not in META}
    bare = tmp_path / path.name
    save_file(load_file(path), bare, metadata)
    said, unsaid = golden_cases(path), golden_cases(bare)
    assert [case.name for case in said] == [case.name for case in unsaid]
    for one, other in zip(said, unsaid, strict=True):
        assert one.spec == other.spec
        for group in ("inputs", "weights", "cotangents", "expected"):
            _same(getattr(one, group), getattr(other, group))


META = ("kind", "compare")


def _same(one: dict[Any, np.ndarray], other: dict[Any, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("path", compared("everything", "outputs", "nightly"), ids=str)
def test_names_of_cases(path: Path) -> None:
    cases = golden_cases(path)
    assert [case.name for case in cases] == names_of_cases(path)
    for case in cases:
        case.spec.check_inputs(case.inputs)
        assert {key.kind for key in case.expected} <= {
            ArrayKind.OUTPUT,
            ArrayKind.INPUT_GRADIENT,
            ArrayKind.PARAMETER_GRADIENT,
        }
        outputs = {key.name for key in case.expected if key.kind is ArrayKind.OUTPUT}
        assert outputs <= set(case.spec.outputs)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"kind": "calls"}, "expected a continuous network, which takes image, index"),
        ({"kind": "movie"}, "model, pictures, calls, got kind 'movie'"),
        ({"config": "{"}, "metadata 'config' of a golden file: expected a JSON object, got '{'"),
        ({"config": "[]"}, "expected a JSON object"),
        ({"class": "MyNet"}, "class of the authors' code"),
        ({"class": ""}, "a file without the metadata 'class', a model's name"),
    ],
)
def test_wrong_metadata_is_bad_input(tmp_path: Path, changes: dict[str, str], text: str) -> None:
    path = tmp_path / "mine.safetensors"
    metadata = metadata_of(FOLDER / "mimo_unet.safetensors") | changes
    save_file(load_file(FOLDER / "mimo_unet.safetensors"), path, metadata)
    with pytest.raises(InputError, match=re.escape(text)):
        golden_cases(path)


def test_the_page_names_every_kind_and_group() -> None:
    groups = {name.partition("/")[0] for path in FILES for name in load_file(path)}
    for word in (*RUNS, *OTHERS, *COMPARE, *META, "class", "config", "mode", "generated", *groups):
        assert f"`{word}`" in PAGE or f"`{word}/" in PAGE, word


def test_the_example_of_the_page_makes_a_file_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its network is the authors' MIMO-UNet: what it computed is in a file of ours."""
    content = load_file(FOLDER / "mimo_unet.safetensors")

    def group(prefix: str) -> dict[str, np.ndarray]:
        return {
            name.removeprefix(prefix): array
            for name, array in content.items()
            if name.startswith(prefix)
        }

    def your_network(weights: dict[str, np.ndarray], image: np.ndarray) -> dict[str, np.ndarray]:
        assert image.dtype == np.float64
        assert np.array_equal(image, content["inputs/image"])
        _same(weights, group("weights/"))
        return group("outputs/")

    monkeypatch.chdir(tmp_path)
    save_file(group("weights/"), "checkpoint.safetensors")
    np.save("image.npy", content["inputs/image"])
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {"your_network": your_network})
    (case,) = golden_cases(tmp_path / "mine.safetensors")
    _same(dict(case.expected), {ArrayKey.output(k): v for k, v in group("outputs/").items()})
    finished = parity("run", "--golden", "mine.safetensors", "--frameworks", "torch", cwd=tmp_path)
    assert finished.returncode == ExitCode.OK, finished.stdout + finished.stderr
    assert "mine, torch: 3 arrays of the authors' code" in finished.stdout


def _changed(folder: Path, name: str = "mine.safetensors", **changes: np.ndarray) -> Path:
    """MIMO-UNet's golden file with other arrays in the place of some."""
    content = load_file(FOLDER / "mimo_unet.safetensors")
    assert changes.keys() <= content.keys()
    metadata = metadata_of(FOLDER / "mimo_unet.safetensors")
    save_file(content | changes, folder / name, metadata)
    return folder / name


def test_results_of_other_code_say_all_that_is_missing(tmp_path: Path) -> None:
    """As people save them to compare frameworks: input, output, nothing else."""
    arrays = dict.fromkeys(("input", "output"), np.zeros((1, 3, 32, 32), np.float32))
    save_file(arrays, tmp_path / "mine.safetensors")
    np.savez(tmp_path / "mine.npz", **arrays)
    for name in ("mine.safetensors", "mine.npz"):
        with pytest.raises(InputError) as caught:
            golden_cases(tmp_path / name)
        text = str(caught.value)
        assert "without arrays weights/NAME, arrays inputs/NAME, arrays outputs/NAME, the" in text
        assert "the metadata 'class', a model's name; its arrays: input, output (" in text
        assert "write the file as docs/golden-files.md describes; models: " in text
        assert "mimo_unet, " in text
    (page,) = re.findall(r"docs/\S+\.md", text)
    assert (FOLDER.parents[1] / page).read_text() == PAGE


@pytest.mark.parametrize("class_", ["MIMOUNet", "mimo_unet"])
def test_an_npz_is_the_same_file(tmp_path: Path, class_: str) -> None:
    """The model by the authors' class or by ours; texts are the metadata."""
    path = FOLDER / "mimo_unet.safetensors"
    metadata = metadata_of(path) | {"class": class_}
    np.savez(tmp_path / "mimo_unet.npz", **load_file(path), **metadata)
    (one,), (other,) = golden_cases(path), golden_cases(tmp_path / "mimo_unet.npz")
    assert one.spec == other.spec
    for group in ("inputs", "weights", "cotangents", "expected"):
        _same(getattr(one, group), getattr(other, group))


def test_weights_of_a_golden_file_may_have_our_names(tmp_path: Path) -> None:
    path = FOLDER / "mimo_unet.safetensors"
    (theirs,) = golden_cases(path)
    content = {name: array for name, array in load_file(path).items() if name[:7] != "weights"}
    content = {name: array for name, array in content.items() if not name.startswith("grads/")}
    content |= {f"weights/{name}": array for name, array in theirs.weights.items()}
    np.savez(tmp_path / "mine.npz", **content, **{"class": "mimo_unet"})
    (ours,) = golden_cases(tmp_path / "mine.npz")
    assert ours.spec == theirs.spec
    _same(ours.weights, theirs.weights)


def test_an_npz_is_read_without_pickles(tmp_path: Path) -> None:
    harmful = np.array([object()], dtype=object)
    np.savez(tmp_path / "mine.npz", **{"inputs/image": harmful})
    with pytest.raises(InputError, match="Object arrays cannot be loaded when allow_pickle=False"):
        golden_cases(tmp_path / "mine.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "mine.npz").read_bytes()[:-30])
    with pytest.raises(InputError, match=r"readable safetensors file, or an \.npz"):
        golden_cases(tmp_path / "cut.npz")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("weights/Convs.0.main.0.weight", r"got 1 NaN in \S+ \(weights\); nothing can be proven"),
        ("inputs/image", r"got 1 NaN in image \(inputs\)"),
        ("probes/full", r"got 1 NaN in full \(cotangents\)"),
    ],
)
def test_nan_in_a_golden_file_is_said(tmp_path: Path, name: str, text: str) -> None:
    array = load_file(FOLDER / "mimo_unet.safetensors")[name].copy()
    array.flat[3] = np.nan
    with pytest.raises(InputError, match=text):
        golden_cases(_changed(tmp_path, **{name: array}))


@pytest.mark.frameworks("torch")
def test_nan_in_the_authors_results_is_no_agreement(tmp_path: Path) -> None:
    """Norms leave it out: its place is compared."""
    name = next(n for n in load_file(FOLDER / "mimo_unet.safetensors") if n.startswith("outputs/"))
    array = load_file(FOLDER / "mimo_unet.safetensors")[name].copy()
    array.flat[3] = np.nan
    path = _changed(tmp_path, **{name: array})
    finished = parity("run", "--golden", str(path), "--frameworks", "torch", cwd=tmp_path)
    assert finished.returncode == ExitCode.DIFFERENT, finished.stdout
    key = name.replace("outputs/", "output/")
    assert f"{key} cannot be compared with the authors': one is missing, has another" in (
        finished.stdout
    )
