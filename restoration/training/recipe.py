"""Recipes of training: what is trained, on what, how; read from YAML and checked as a whole.

    recipe = read("mimo_unet:demo", ["steps=100", "optimizer.learning_rate=2e-4"])

A file holds one recipe, or several under their names, as those of the suite do: `published` and
`demo` (`restoration/recipes/<model>.yaml`). Sections are dataclasses; the text below a field is its
help, and `json_schema` is made of the same. pydantic checks them: every fault is found at once.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from restoration.data.settings import DataSettings
from restoration.engine.execution import Execution
from restoration.errors import InputError, UnavailableError, suggest
from restoration.evaluation.protocols import PROTOCOLS
from restoration.models import registry
from restoration.models.model import Model
from restoration.models.spec import Spec
from restoration.training.schedules import ScheduleSettings
from restoration.training.settings import (
    STRICT,
    AverageSettings,
    LossSettings,
    OptimizerSettings,
    TrainerSettings,
    require,
)

PUBLISHED = "published"
_FOLDER = "recipes"


@dataclass(frozen=True, kw_only=True)
class ValidationSettings:
    """Scoring on held-out pictures during a run."""

    __pydantic_config__: ClassVar[Any] = STRICT

    every: int = 1000
    """Steps between validations; there is always one at the end."""
    protocol: str = "rgb"
    """The rule of the numbers, one of restoration/evaluation/protocols.py."""
    averaged: bool = True
    """Score averaged weights, where a recipe keeps them."""
    pictures: int = 2
    """How many restored pictures are kept of each validation."""

    def __post_init__(self) -> None:
        require(
            self,
            every=(self.every >= 1, "a whole number of at least 1"),
            protocol=(self.protocol in PROTOCOLS, "one of " + ", ".join(PROTOCOLS)),
            pictures=(self.pictures >= 0, "a whole number of at least 0"),
        )


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """What is kept of a run to go on from."""

    __pydantic_config__: ClassVar[Any] = STRICT

    every: int = 1000
    """Steps between checkpoints; there is always one at the end and when a run is interrupted."""
    keep: int = 3
    """How many of the last ones are kept, beside the best."""

    def __post_init__(self) -> None:
        count = "a whole number of at least 1"
        require(self, every=(self.every >= 1, count), keep=(self.keep >= 1, count))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A run of training."""

    __pydantic_config__: ClassVar[Any] = STRICT

    model: str
    """A model of the suite, as mimo_unet."""
    spec: str = PUBLISHED
    """Which of its named hyper-parameters."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Hyper-parameters that differ from the named ones."""
    about: str = ""
    """What the recipe is, and where it comes from."""
    data: DataSettings
    """What it is trained and scored on."""
    loss: LossSettings
    """What is minimized."""
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    """How gradients become steps."""
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    """How the learning rate goes on."""
    average: AverageSettings | None = None
    """Averaged weights (EMA), none unless given."""
    initialization: str = ""
    """Which of the model's laws weights are drawn by; empty: its own."""
    batch: int = 1
    """Samples of a step, of all devices together."""
    accumulate: int = 1
    """Parts that a batch is computed in, to save memory; their mean gradient makes the step."""
    steps: int | None = None
    """How many steps the run takes; or epochs."""
    epochs: int | None = None
    """How many times all samples are taken; or steps."""
    seed: int = 1
    """Of everything that is random."""
    workers: int = 2
    """Processes that prepare batches; numbers do not depend on it."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of matrix products and convolutions, where the framework has it."""
    precision_whole: bool = False
    """Every operator of the network at that precision, not layers alone; MindSpore."""
    graph: bool = False
    """Compile network and loss as a whole, where the model can be; MindSpore's Graph mode."""
    loss_scale: float | Literal["dynamic"] | None = None
    """What losses are multiplied by before gradients are taken, at float16."""
    activation_checkpointing: bool = False
    """Compute activations again instead of keeping them, where the network has such blocks."""
    nonfinite: Literal["stop", "skip"] = "stop"
    """What is done at a loss that is not finite."""
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    """Scoring on held-out pictures."""
    checkpoints: CheckpointSettings = field(default_factory=CheckpointSettings)
    """What is kept."""
    log_every: int = 10
    """Steps between lines of the log."""

    def __post_init__(self) -> None:
        count = "a whole number of at least 1"
        require(
            self,
            batch=(self.batch >= 1, count),
            accumulate=(
                self.accumulate >= 1 and self.batch % max(self.accumulate, 1) == 0,
                f"a divisor of batch, {self.batch}",
            ),
            log_every=(self.log_every >= 1, count),
            workers=(self.workers >= 0, "a whole number of at least 0"),
            steps=(
                (self.steps is None) != (self.epochs is None) and (self.steps or 1) >= 1,
                "a number of at least 1 for one of steps and epochs",
            ),
            epochs=((self.epochs or 1) >= 1, count),
        )

    def the_model(self) -> Model:
        """The model that is trained."""
        return registry.find(self.model)

    def the_spec(self) -> Spec:
        """Its hyper-parameters.

        Raises:
            InputError: no such spec, or hyper-parameters that do not fit together.
        """
        named = self.the_model().spec(self.spec)
        known = [one.name for one in dataclasses.fields(named)]
        for name in self.settings:
            if name not in known:
                raise InputError(
                    f"settings.{name}",
                    expected=f"a hyper-parameter of {self.model}",
                    got=repr(name),
                    where="recipe",
                    next_step=suggest(name, known),
                )
        plain = {**named.to_dict(), **self.settings}
        return registry.spec_from_dict(plain)

    def trainer_settings(self) -> TrainerSettings:
        """What the framework's trainer is told."""
        return TrainerSettings(
            loss=self.loss,
            optimizer=self.optimizer,
            average=self.average,
            loss_scale=self.loss_scale,
        )

    def execution(self) -> Execution:
        """How the network is executed."""
        return Execution(
            precision=self.precision,
            is_whole=self.precision_whole,
            checkpointing=self.activation_checkpointing,
            is_graph=self.graph,
        )

    def total_steps(self, steps_per_epoch: int) -> int:
        """How many steps the run takes."""
        return self.steps if self.steps is not None else (self.epochs or 0) * steps_per_epoch


def names() -> list[str]:
    """The recipes of the suite, as "mimo_unet" and "mimo_unet:demo"."""
    found = []
    files = importlib.resources.files("restoration").joinpath(_FOLDER).iterdir()
    for file in sorted(files, key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            model = file.name.removesuffix(".yaml")
            found += [_spelled(model, name) for name in _load(file.read_text("utf-8"), file.name)]
    return found


def read(source: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by its name or file, with keys overridden as "optimizer.learning_rate=2e-4".

    source: "mimo_unet", "mimo_unet:demo", a file, or "FILE:NAME" of a file with several.

    Raises:
        InputError: no such recipe; else all faults of it, one line each.
    """
    plain = plain_recipe(source, overrides)
    recipe: Recipe = _check(plain, source)
    recipe.the_spec()
    return recipe


def plain_recipe(source: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A recipe as plain values, unchecked, with overrides in place."""
    plain = _find(source)
    for override in overrides:
        _override(plain, override)
    return plain


def to_plain(recipe: Recipe) -> dict[str, Any]:
    """A complete recipe as plain values; `from_plain` reads them."""
    plain: dict[str, Any] = _adapter().dump_python(recipe, mode="json")
    return plain


def from_plain(plain: Mapping[str, Any], where: str) -> Recipe:
    """The inverse of `to_plain`; raises InputError with all faults."""
    return _check(dict(plain), where)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a recipe, for editors."""
    schema: dict[str, Any] = _adapter().json_schema()
    return schema


def helps() -> dict[str, str]:
    """The help of every key by its path, as "optimizer.learning_rate"; N numbers a list."""
    schema = json_schema()
    return dict(_helps(schema, schema, ""))


def _helps(
    node: Mapping[str, Any], root: Mapping[str, Any], path: str
) -> Iterable[tuple[str, str]]:
    for name, part in node.get("properties", {}).items():
        here = f"{path}{name}"
        yield here, " ".join(part.get("description", "").split())
        options = [part, *part.get("anyOf", ()), *part.get("oneOf", ())]
        listed = part.get("items", {})
        for option, below in [*((one, f"{here}.") for one in options), (listed, f"{here}.N.")]:
            reference = option.get("$ref", "")
            if reference:
                yield from _helps(root["$defs"][reference.split("/")[-1]], root, below)


def _adapter() -> Any:
    try:
        import pydantic
    except ModuleNotFoundError as problem:
        raise UnavailableError(
            "recipes: expected the package pydantic, got none; "
            "pip install 'restoration-suite[train]' brings it"
        ) from problem
    return pydantic.TypeAdapter(Recipe)


def _check(plain: dict[str, Any], where: str) -> Recipe:
    import pydantic

    adapter = _adapter()
    try:
        recipe: Recipe = adapter.validate_python(plain)
    except pydantic.ValidationError as problem:
        known = list(helps())
        faults = [fault for error in problem.errors() for fault in _faults(error, known)]
        raise RecipeError(where, faults) from None
    return recipe


class RecipeError(InputError):
    """All faults of a recipe."""

    def __init__(self, where: str, faults: Sequence[str]):
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(
            f"recipe {where}",
            expected="keys and values of a recipe",
            got=count,
            where="below, each with its path",
            next_step="train --show RECIPE prints a complete recipe with each key's help",
        )
        self._faults = list(faults)

    def lines(self) -> list[str]:
        return [f"  {fault}" for fault in self._faults]


def _faults(error: Any, known: Sequence[str]) -> list[str]:
    """What pydantic found, a line each: path, what is wrong, the nearest known key."""
    parts = [str(part) for part in error["loc"] if not _is_alternative(part)]
    path = ".".join(parts)
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        above = ".".join("N" if part.isdigit() else part for part in parts[:-1])
        below = [key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == above]
        return [f"{path}: unknown key; {suggest(parts[-1], below)}"]
    if error["type"] in ("missing", "missing_argument"):
        return [f"{path}: missing"]
    if error["type"] == "value_error":  # of `settings.require`, which names keys
        prefix = f"{path}." if path else ""
        return [prefix + line for line in str(error["ctx"]["error"]).splitlines()]
    return [f"{path or 'recipe'}: {error['msg']}, got {error.get('input')!r}"]


def _is_alternative(part: Any) -> bool:
    """Whether a part of a path is pydantic's name of one of several types, no key."""
    return isinstance(part, str) and bool(
        re.search(r"[\[\](]|^(float|int|str|none|literal)$", part)
    )


def _find(source: str) -> dict[str, Any]:
    """A recipe of the suite or of a file, as plain values."""
    path, _, name = source.rpartition(":") if ":" in source else (source, "", "")
    if Path(path).suffix in (".yaml", ".yml", ".json") or Path(path).exists():
        try:
            found = _load(Path(path).read_text("utf-8"), path)
        except (OSError, UnicodeDecodeError) as problem:
            raise _unreadable(path, str(problem)) from problem
    else:
        file = importlib.resources.files("restoration").joinpath(_FOLDER, f"{path}.yaml")
        if not re.fullmatch(r"\w+", path) or not file.is_file():
            raise InputError(
                f"recipe {source!r}",
                expected="a file, or a recipe of the suite",
                got="neither",
                where="RECIPE",
                next_step=suggest(source, names()),
            )
        found = _load(file.read_text("utf-8"), path)
    name = name or (PUBLISHED if PUBLISHED in found else next(iter(found)))
    if name not in found:
        raise InputError(
            f"recipe {source!r}",
            expected=f"a recipe of {path}",
            got=repr(name),
            where=path,
            next_step=suggest(name, found),
        )
    return found[name]


def _load(text: str, where: str) -> dict[str, dict[str, Any]]:
    """The recipes of a file by name; one alone is called "published"."""
    try:
        import yaml
    except ModuleNotFoundError as problem:
        raise UnavailableError(
            "recipes: expected the package PyYAML, got none; "
            "pip install 'restoration-suite[train]' brings it"
        ) from problem
    try:
        found = yaml.load(text, _loader(yaml))
    except yaml.YAMLError as problem:
        raise _unreadable(where, " ".join(str(problem).split())) from problem
    if not isinstance(found, dict) or not found:
        raise _unreadable(where, "no keys")
    if "model" in found:
        return {PUBLISHED: found}
    if not all(isinstance(one, dict) for one in found.values()):
        raise RecipeError(where, ["model: missing"])
    return found


def _loader(yaml: Any) -> Any:
    """YAML's safe loader, for which 1e-4 is a number, as in YAML 1.2."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$"),
        list("-+0123456789."),
    )
    return Loader


def _unreadable(path: str, problem: str) -> InputError:
    return InputError(
        f"recipe {path}",
        expected="a YAML file with keys",
        got=problem,
        where=path,
        next_step="train --show mimo_unet prints one that is",
    )


def _override(plain: dict[str, Any], override: str) -> None:
    """Put "key.sub=value" in its place; the value is read as YAML, never evaluated."""
    import yaml

    path, found, value = override.partition("=")
    if not found or not path:
        raise InputError(
            f"override {override!r}",
            expected="key.sub=value",
            got=override,
            where="command line",
            next_step="as optimizer.learning_rate=2e-4",
        )
    *above, last = path.split(".")
    place: Any = plain
    for name in above:
        if isinstance(place.get(name), Mapping):
            place[name] = dict(place[name])
        else:
            place[name] = {}
        place = place[name]
    try:
        place[last] = yaml.load(value, _loader(yaml))
    except yaml.YAMLError as problem:
        raise InputError(
            f"override {path}",
            expected="a value in YAML",
            got=repr(value),
            where="command line",
            next_step=str(problem).splitlines()[0],
        ) from problem


def _spelled(model: str, name: str) -> str:
    return model if name == PUBLISHED else f"{model}:{name}"
