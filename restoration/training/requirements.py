"""What losses require of their settings and of the batch, as errors in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from restoration.errors import InputError, unknown_name
from restoration.models.spec import Spec


def require_choice(setting: str, value: str, choices: Sequence[str]) -> None:
    """Check a setting that is one of some words.

    Raises:
        InputError: it is another one.
    """
    if value not in choices:
        raise unknown_name(setting, value, choices, where="loss.settings of the recipe")


def require_entry(name: str, batch: Mapping[str, Any], *, loss: str) -> None:
    """Check that a batch has what a loss compares with.

    Raises:
        InputError: it has not.
    """
    if name not in batch:
        raise InputError(
            f"batch for {loss}",
            expected=f"an array {name!r}, which these settings compare with",
            got=", ".join(batch),
            where="loss.settings and data of the recipe",
            next_step=f"take data that has {name!r}, or leave out the setting that needs it",
        )


def require_skip(spec: Spec) -> None:
    """Check that a network adds bilinear interpolation to its result.

    Raises:
        InputError: it does not.
    """
    if not getattr(spec, "has_skip", False):
        raise InputError(
            "argument 'defect_no_skip' of L1Loss",
            expected="a network that adds bilinear interpolation, as lm_ciaosr and lm_lte",
            got=spec.network,
            where="loss.settings of the recipe",
            next_step="leave it out",
        )
