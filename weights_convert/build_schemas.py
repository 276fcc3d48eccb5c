"""`python -m weights_convert.build_schemas` writes `schemas.json` from the networks themselves."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from restoration import console
from restoration.errors import ExitCode, UnavailableError
from restoration.models.registry import MODELS
from restoration.process.frameworks import FRAMEWORKS
from weights_convert.checkpoints.schemas import FILE, ask_schemas, fold

_MAY_TAKE_BYTES = 16 << 30


def main() -> int:
    """Ask a framework for the schema of every registered spec, and write them."""
    return console.run("weights_convert.build_schemas", _write)


def _write() -> int:
    named = [(model.name, name) for model in MODELS.values() for name in model.specs]
    specs = [MODELS[model].specs[name] for model, name in named]
    answers = ask_schemas(specs, may_take_bytes=_MAY_TAKE_BYTES)
    table: dict[str, dict[str, Any]] = {model: {} for model in MODELS}
    for (model, name), spec, schema in zip(named, specs, answers, strict=True):
        if schema is None:
            raise UnavailableError(
                f"{model} {name}: expected a framework that builds it, got none; install one "
                "of " + ", ".join(FRAMEWORKS)
            )
        table[model][name] = {"spec": spec.to_dict(), "entries": fold(schema)}
    text = json.dumps(table, indent=1)
    # One line for each entry.
    text = re.sub(r"\[\s+([^\[\]{}]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    FILE.write_text(text + "\n", encoding="utf-8")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
