"""Writes the schemas of what `parity compare --json` and `parity train-compare --json` print:

python -m parity.report.build_schema
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parity.diagnose.causes import CAUSES

FILE = Path(__file__).with_name("comparison.schema.json")
TRAINING_FILE = Path(__file__).with_name("training.schema.json")
_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as plain values."""
    line = {"type": ["integer", "null"], "minimum": 1}
    ratio = {
        "type": ["number", "null"],
        "description": "In units of float32's own rounding; null where nothing can be measured.",
    }
    place = _object(
        module={"type": "string", "description": 'Dotted path; "" is the whole network.'},
        file={"type": ["string", "null"]},
        first_line=line,
        last_line=line,
        lines={
            "type": "array",
            "description": "All lines that may be meant: file, first, last.",
            "items": {"type": "array", "minItems": 3, "maxItems": 3},
        },
        entry={"type": ["string", "null"], "description": "The name of a weight."},
    )
    cause = _object(
        name={"enum": list(CAUSES)},
        detail={"type": "string"},
        ratio_before=ratio,
        ratio_after=ratio,
    )
    finding = _object(
        kind={"enum": ["module", "code", "weights", "gradient"]},
        reference={"$ref": "#/$defs/place"},
        port={"$ref": "#/$defs/place"},
        ratio=ratio,
        inherited={"type": "boolean"},
        detail={"type": "string"},
        cause={"anyOf": [{"$ref": "#/$defs/cause"}, {"type": "null"}]},
        reproduction={
            "type": ["string", "null"],
            "description": "A folder that shows it alone, where no cause is known.",
        },
    )
    aligned = _object(
        reference={
            "type": ["string", "null"],
            "description": "A module; null: none stands for it.",
        },
        port={"type": ["string", "null"]},
        how={"type": "string", "description": "What tells that they belong together."},
        ratio=ratio,
    )
    count = {"type": "integer", "minimum": 0}
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "$schema": _SCHEMA,
        "title": "Result of parity compare",
        **_object(
            verdict={"enum": ["AGREE", "DIFFER", "INCOMPLETE"]},
            reference={"type": "string"},
            port={"type": "string"},
            output_ratio=ratio,
            coverage=_object(compared=count, expected=count),
            findings={"type": "array", "items": {"$ref": "#/$defs/finding"}},
            alignment={"type": "array", "items": {"$ref": "#/$defs/aligned"}},
            assumptions=texts,
            warnings=texts,
        ),
        "$defs": {"place": place, "cause": cause, "finding": finding, "aligned": aligned},
    }


def training_schema() -> dict[str, Any]:
    """The schema of `parity train-compare` as plain values."""
    count = {"type": "integer", "minimum": 0}
    texts = {"type": "array", "items": {"type": "string"}}
    ratio = {"type": ["number", "null"], "description": "In units of the reference's own drift."}
    name = {"type": ["string", "null"], "description": "Of a weight; null for a loss."}
    departure = _object(
        step={"type": "integer", "minimum": 1},
        kind={"enum": ["loss", "entry"]},
        reference=name,
        port=name,
        ratio=ratio,
        differing=count,
    )
    cause = _object(name={"enum": list(CAUSES)}, detail={"type": "string"}, ratio_after=ratio)
    return {
        "$schema": _SCHEMA,
        "title": "Result of parity train-compare",
        **_object(
            verdict={"enum": ["AGREE", "DIFFER", "INCOMPLETE"]},
            reference={"type": "string"},
            port={"type": "string"},
            steps=count,
            ratio=ratio,
            coverage=_object(compared=count, expected=count),
            departure={"anyOf": [{"$ref": "#/$defs/departure"}, {"type": "null"}]},
            causes={"type": "array", "items": {"$ref": "#/$defs/cause"}},
            gaps=texts,
            assumptions=texts,
            warnings=texts,
        ),
        "$defs": {"departure": departure, "cause": cause},
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


if __name__ == "__main__":
    for file, described in ((FILE, schema()), (TRAINING_FILE, training_schema())):
        file.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
