"""`restore --compile`: made once, the same numbers, refused where they are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from restoration.errors import ExitCode, InputError, RestorationError
from restoration.inference import cli
from restoration.inference.restorer import Restorer, Settings
from restoration.process import cache
from tests.backends import Backend
from tests.inference.conftest import MIMO

pytestmark = pytest.mark.frameworks("torch")
COMPILED = Settings(is_compiled=True)


@pytest.mark.goldens
def test_what_is_compiled_is_kept_and_gives_the_same(
    photograph: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    picture = photograph[:16, :20].transpose(2, 0, 1).astype(np.float32) / 255
    with Restorer("mimo_unet", MIMO) as restorer:
        expected = restorer.restore(picture)
    said: list[str] = []
    for _ in range(2):
        with Restorer("mimo_unet", MIMO, settings=COMPILED, show=said.append) as restorer:
            found = restorer.restore(picture)
        np.testing.assert_allclose(found, expected, atol=2e-6)
    assert said[0] == "starting"
    assert "compiling MIMOUNet for 1x3x16x20" in said[1]
    assert said[-1] == "starting"  # the second time there is nothing to be compiled
    (package,) = (tmp_path / "compiled").iterdir()
    assert package.suffix in (".pt2", ".plain")  # so small a picture may take no less time


def test_what_is_no_faster_compiled_stays_as_it_is(
    backends: Callable[[str], Backend], tmp_path: Path
) -> None:
    compiled, kept, kinds = backends("torch").call("inference.work.compile_slowly", tmp_path)
    assert compiled == 1
    assert kept == [".plain"]
    assert kinds == ["GraphModule", "GraphModule"]  # with fused layers


def test_what_computes_something_else_is_refused_and_not_compiled_again(
    backends: Callable[[str], Backend], tmp_path: Path
) -> None:
    said, compiled, told = backends("torch").call("inference.work.compile_wrongly", tmp_path)
    assert len(said) == 2
    assert said[0] == said[1]
    assert "expected at most 16 times the error of float32 itself, got" in said[0]
    assert compiled == 1
    assert told[0].startswith("compiling MIMOUNet for 1x3x16x16, which takes a minute")
    assert told[-1].endswith(" s so far")  # whoever waits knows that it goes on
    assert [path.suffix for path in tmp_path.iterdir()] == [".txt"]


def test_what_cannot_be_compiled_says_why(
    tiny_weights: Callable[..., Path],
    photograph: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How many windows LMD-ViT keeps depends on the picture."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    picture = photograph[:64, :64].transpose(2, 0, 1).astype(np.float32) / 255
    with (
        Restorer("lmd_vit", tiny_weights("lmd_vit"), settings=COMPILED) as restorer,
        pytest.raises(RestorationError, match="expected a network that PyTorch can compile") as e,
    ):
        restorer.restore(picture)
    assert "data-dependent" in str(e.value)
    assert str(e.value).endswith("; leave it out")


@pytest.mark.parametrize("framework", ["jittor", "mindspore"])
def test_frameworks_without_a_compiler_of_their_own_say_so(framework: str) -> None:
    with pytest.raises(InputError, match="--compile: expected one of torch, at float32, got"):
        Restorer("mimo_unet", MIMO, framework, settings=COMPILED)


def test_a_compiled_network_computes_at_float32(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").touch()
    words = [str(tmp_path / "a.png"), "-w", str(MIMO), "-m", "mimo_unet", "--half", "--compile"]
    assert cli.main(words) == ExitCode.BAD_INPUT
    assert "got --half" in capsys.readouterr().err
