"""Factories of the suite's own networks, as a stranger's file has them, for `parity compare`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from restoration.models.registry import MODELS


def build(model: str, package: str, file: str = "", spec: str = "tiny") -> Any:
    """A network of a package of the suite, or of a changed copy of its file."""
    chosen = MODELS[model].spec(spec)
    name = f"{package}.{chosen.module}"
    if file:
        found = importlib.util.spec_from_file_location(f"planted_{chosen.module}", file)
        assert found
        assert found.loader
        module = importlib.util.module_from_spec(found)
        sys.modules[found.name] = module
        found.loader.exec_module(module)
    else:
        module = importlib.import_module(name)
    return getattr(module, chosen.network)(chosen)
