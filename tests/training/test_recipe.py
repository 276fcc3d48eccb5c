"""Recipes are read whole, or refused with every fault at once."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from restoration.errors import InputError
from restoration.models.registry import MODELS
from restoration.training import cli, recipe
from restoration.training.recipe import RecipeError

RECIPES = recipe.names()


def _write(folder: Path, text: str) -> str:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return str(path)


GOOD = """
model: mimo_unet
spec: tiny
data: {kind: synthetic, crop_px: 32}
loss: {name: MultiScaleLoss}
optimizer: {learning_rate: 1e-4}
steps: 10
"""


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_of_the_suite_is_whole_and_reads_back(name: str) -> None:
    found = recipe.read(name)
    assert recipe.from_plain(recipe.to_plain(found), name) == found
    assert recipe.from_plain(yaml.safe_load(json.dumps(recipe.to_plain(found))), name) == found
    assert found.about


def test_every_model_has_a_published_recipe_and_a_demo() -> None:
    trained = {name.partition(":")[0] for name in RECIPES}
    missing = [model for model in MODELS if model not in trained]
    assert not missing
    assert all(f"{model}:demo" in RECIPES for model in trained)


def test_what_show_prints_is_the_recipe_with_help_for_every_key(tmp_path: Path) -> None:
    found = recipe.read(_write(tmp_path, GOOD))
    text = cli.described(found)
    assert recipe.read(_write(tmp_path, text)) == found
    lines = text.splitlines()
    for place, line in enumerate(lines):
        if not line.lstrip().startswith("#"):
            assert lines[place - 1].lstrip().startswith("# "), f"no help above {line!r}"


@pytest.mark.parametrize("name", RECIPES)
def test_the_schema_that_editors_use_takes_the_recipes(name: str) -> None:
    validator = jsonschema.Draft202012Validator(recipe.json_schema())
    validator.validate(json.loads(json.dumps(recipe.plain_recipe(name))))
    assert not validator.is_valid(recipe.plain_recipe(name) | {"batsch": 1})


def test_a_number_with_an_exponent_alone_is_a_number(tmp_path: Path) -> None:
    found = recipe.read(_write(tmp_path, GOOD), ["optimizer.eps=1E-9", "optimizer.clip_norm=1e+1"])
    rates = found.optimizer.learning_rate, found.optimizer.eps, found.optimizer.clip_norm
    assert rates == (1e-4, 1e-9, 10.0)


def test_overrides_are_read_as_values_and_never_evaluated(tmp_path: Path) -> None:
    path = _write(tmp_path, GOOD)
    found = recipe.read(path, ["batch=4", "optimizer.betas=[0.5, 0.9]", "settings.width=4"])
    assert (found.batch, found.optimizer.betas, found.the_spec().to_dict()["width"]) == (
        4,
        (0.5, 0.9),
        4,
    )
    with pytest.raises(RecipeError) as caught:
        recipe.read(path, ["batch=__import__('os').getpid()"])
    assert "batch: " in caught.value.lines()[0]


def test_all_faults_come_at_once_with_their_path_and_the_nearest_key(tmp_path: Path) -> None:
    text = """
model: mimo_unet
data: {kind: synthetic, crop: 3}
loss: {nme: MultiScaleLoss}
optimizer: {learning_rate: fast, name: adma, grups: 3}
schedule: {gamma: 2}
validation: {protocol: rbg}
accumulate: x
steps: 10
"""
    with pytest.raises(RecipeError) as caught:
        recipe.read(_write(tmp_path, text))
    lines = "\n".join(caught.value.lines())
    for words in (
        "data.crop: unknown key; did you mean 'crop_px'?",
        "loss.name: missing",
        "loss.nme: unknown key; did you mean 'name'?",
        "optimizer.learning_rate: ",
        "optimizer.name: ",
        "optimizer.grups: unknown key; did you mean 'groups'?",
        "schedule.gamma: expected a number in (0, 1], got 2",
        "validation.protocol: expected one of ",
        "accumulate: ",
    ):
        assert words in lines
    assert len(caught.value.lines()) == 9


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["batch=0"], "batch: expected a whole number of at least 1, got 0"),
        (["batch=3", "accumulate=2"], "accumulate: expected a divisor of batch, 3, got 2"),
        (["epochs=3"], "steps: expected a number of at least 1 for one of steps and epochs"),
        (["optimizer.betas=[0.9, 1.0]"], "optimizer.betas: expected two numbers in [0, 1)"),
        (["average.decay=1"], "average.decay: expected a number in [0, 1)"),
    ],
)
def test_impossible_values_are_faults(tmp_path: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.read(_write(tmp_path, GOOD), overrides)
    assert words in "\n".join(caught.value.lines())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("mimo_unt", "did you mean 'mimo_unet'?"),
        ("mimo_unet:dmo", "did you mean 'demo'?"),
        ("nowhere.yaml", "No such file"),
    ],
)
def test_a_recipe_that_is_not_there_is_said(source: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe.read(source)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1\n", "a: {b\n", "model: 3\n", "\x00"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        recipe.read(_write(tmp_path, text))


def test_hyper_parameters_are_those_of_the_model(tmp_path: Path) -> None:
    path = _write(tmp_path, GOOD)
    with pytest.raises(InputError, match="did you mean 'width'"):
        recipe.read(path, ["settings.widht=8"])
    with pytest.raises(InputError, match="an even number"):
        recipe.read(path, ["settings.width=3"])
