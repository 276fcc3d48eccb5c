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


def require_output(name: str, spec: Spec, *, loss: str) -> None:
    """Check that a network gives what a loss is about.

    Raises:
        InputError: it does not.
    """
    if name not in spec.outputs:
        raise InputError(
            f"network for {loss}",
            expected=f"one that gives {name!r}",
            got=f"{spec.network} that gives {', '.join(spec.outputs)}",
            where="spec and settings of the recipe",
            next_step="take the spec for training, as published-train, or settings.mode=train",
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


def require_sides(shape: Sequence[int], least_px: int, *, term: str) -> None:
    """Check that pictures (..., h, w) are as large as a term of a loss needs them.

    Raises:
        InputError: they are smaller.
    """
    height, width = shape[-2:]
    if min(height, width) < least_px:
        raise InputError(
            f"pictures for {term}",
            expected=f"sides of at least {least_px} px",
            got=f"{height}x{width}",
            where="data.crop_px of the recipe",
            next_step=f"take data.crop_px={least_px} or more, or a loss without this term",
        )
