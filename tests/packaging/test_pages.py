"""READMEs and pages: links lead somewhere, commands print what stands there, tables are made."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from restoration import MODELS, Image, images, read_image
from restoration.data.photographs import sharp_and_blurred
from tests.backends import ROOT

READMES = ("README.md", "README.zh-CN.md")
PAGES = (
    *READMES,
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
)
SECTIONS = (
    "Start", "Use", "Models", "How parity is judged", "Limits", "The tree",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(link).exists(), link


def test_the_readmes_are_short_and_alike() -> None:
    english, chinese = ((ROOT / page).read_text() for page in READMES)
    for text in (english, chinese):
        assert len(text.splitlines()) <= 130
    assert tuple(re.findall(r"^## (.*)$", english, re.MULTILINE)) == SECTIONS
    assert len(re.findall(r"^## ", chinese, re.MULTILINE)) == len(SECTIONS)
    for pattern in (r"^```python\n.*?^```", r"^\| `[^`]+`", r"\]\(\w+_impl/\w+\.py\)"):
        flags = re.MULTILINE | re.DOTALL
        assert re.findall(pattern, english, flags) == re.findall(pattern, chinese, flags)


def test_every_model_is_in_the_table() -> None:
    linked = set(re.findall(r"\(torch_impl/(\w+)\.py\)", (ROOT / "README.md").read_text()))
    assert linked == {model.specs["tiny"].module for model in MODELS.values()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader of the README is: beside the docs, with a blurred picture."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    _, blurred = sharp_and_blurred(("cat",), height_px=90, width_px=131, seed=0)
    images.write_image(tmp_path / "blurred.png", Image(blurred))
    return tmp_path


def test_the_conversion_of_the_readme(folder: Path) -> None:
    text = (ROOT / "README.md").read_text()
    (row,) = re.findall(
        r"^\| `(weights-convert docs[^`]+)` \|.*`(small\.pth: [^`]+)` \|", text, re.M
    )
    command, printed = row
    script = str(Path(sys.executable).with_name("weights-convert"))
    finished = subprocess.run(
        [script, *command.split()[1:]], cwd=folder, capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines()[0] == printed


@pytest.mark.frameworks("torch")
def test_the_program_of_the_readme(folder: Path) -> None:
    """It restores the picture: the weights were trained for this blur, so something changes."""
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len([line for line in program.splitlines() if line and "import" not in line]) <= 8
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    before, after = (read_image(folder / f"{name}.png").pixels for name in ("blurred", "restored"))
    assert before.shape == after.shape
    assert abs(after - before).max() > 0.01


def test_tables_of_speed_are_made_from_the_kept_figures(tmp_path: Path) -> None:
    """In a copy, nothing changes; without the tables, they come back."""
    pages = ("docs/speed.md", "docs/restoring.md", *READMES)
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    (tmp_path / "docs").mkdir()
    for page in pages:
        text = (ROOT / page).read_text()
        emptied = re.sub(r"(<!-- table .*? -->\n).*?(<!-- end -->)", r"\1\2", text, flags=re.DOTALL)
        assert emptied != text
        (tmp_path / page).write_text(emptied)
    command = [sys.executable, str(tmp_path / "benchmarks" / "models.py"), "--markdown"]
    subprocess.run(command, cwd=tmp_path, check=True)
    for page in pages:
        assert (tmp_path / page).read_text() == (ROOT / page).read_text()


def test_what_demos_learn_is_as_it_was_measured() -> None:
    """Runs of recipes that have changed since are no longer in the table."""
    program = "import learning; print(learning.table(learning.current(learning.KEPT)), end='')"
    command = [sys.executable, "-c", program]
    made = subprocess.run(
        command, cwd=ROOT / "benchmarks", check=True, capture_output=True, text=True
    )
    assert made.stdout.count("\n") == len(MODELS) + 2
    assert made.stdout in (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
