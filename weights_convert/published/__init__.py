"""The layouts in which the authors published their checkpoints.

A file per file of `restoration/models`, found by its name. Each has `LAYOUTS`, by the names of the
models, and may have `PARTS`: layouts of parts of models, of which golden files exist.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from restoration.errors import unknown_name
from restoration.models.registry import STEMS
from weights_convert.published.layout import Layout


@cache
def layouts() -> Mapping[str, Layout]:
    """All layouts by the model they belong to."""
    return _found("LAYOUTS")


@cache
def layouts_of_parts() -> Mapping[str, Layout]:
    """Layouts of parts of models, of which golden files exist."""
    return _found("PARTS")


def _found(table: str) -> dict[str, Layout]:
    files = [importlib.import_module(f"{__name__}.{stem}") for stem in STEMS]
    return {name: layout for file in files for name, layout in getattr(file, table, {}).items()}


def layout_of_class(name: str) -> tuple[str, Layout]:
    """The model, or part of one, and layout of one of the authors' classes, or of a model's name.

    Raises:
        InputError: no layout has a class of that name, and no model is called so.
    """
    every = {**layouts(), **layouts_of_parts()}
    known = {found: model for model, layout in every.items() for found in layout.classes}
    known |= {model: model for model in every}
    if name not in known:
        raise unknown_name(
            "class of the authors' code", name, known, where="weights_convert/published"
        )
    return known[name], every[known[name]]


def authors_modules() -> tuple[str, ...]:
    """Modules of the authors' code, as pickles of whole models name them."""
    return tuple({module: None for layout in layouts().values() for module in layout.modules})
