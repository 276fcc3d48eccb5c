"""Specs check themselves; the catalogue finds models and suggests names."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from restoration import catalog, examples
from restoration.errors import ExitCode, InputError
from restoration.specs import MimoUnetSpec, spec_from_dict


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"width": 0}, "MimoUnetSpec.width: expected a whole number of at least 1, got 0"),
        ({"width": 7}, "an even number"),
        ({"width": 8.0}, "a whole number"),
        ({"blocks": True}, "MimoUnetSpec.blocks"),
        ({"skip_dropout": 1.0}, "a probability in [0, 1), got 1.0"),
        ({"resize": "bicubic"}, "'nearest' or 'asymmetric', got 'bicubic'"),
    ],
)
def test_bad_hyper_parameters_are_explained(values: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        MimoUnetSpec(**values)
    assert text in str(caught.value)
    assert caught.value.exit_code is ExitCode.BAD_INPUT


def test_specs_survive_json() -> None:
    for model in catalog.MODELS.values():
        for spec in model.specs.values():
            assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_unknown_spec_type() -> None:
    with pytest.raises(InputError, match="did you mean 'MimoUnetSpec'"):
        spec_from_dict({"type": "MimoUNetSpec"})


def test_wrong_skip_mask() -> None:
    inputs = {
        "image": np.zeros((2, 3, 8, 8), np.float32),
        "skip_mask1": np.zeros((2, 16, 1, 1), np.float32),
    }
    with pytest.raises(InputError, match=r"'skip_mask1': expected shape \(2, 8, 1, 1\)"):
        MimoUnetSpec(width=8).check_inputs(inputs)


def test_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"got 'mimounet'.*did you mean 'mimo_unet'\?"):
        catalog.find("mimounet")
    with pytest.raises(InputError, match=", ".join(sorted(catalog.MODELS))):
        catalog.find("zzz")


def test_unknown_spec_of_a_model() -> None:
    with pytest.raises(InputError, match="did you mean 'published'"):
        catalog.find("mimo_unet").spec("publish")


def test_every_model_has_the_two_specs_and_an_example() -> None:
    for model in catalog.MODELS.values():
        assert {"tiny", "published"} <= model.specs.keys()
        for spec in model.specs.values():
            inputs = model.example(spec, height_px=32, width_px=48, names=("cat",), seed=0)
            spec.check_inputs(inputs)
            for array in inputs.values():
                assert array.dtype in (np.float32, np.int32)


def test_photographs_are_blurred_but_recognisable() -> None:
    sharp, blurred = examples.sharp_and_blurred(
        ("astronaut", "cat"), height_px=96, width_px=128, seed=0
    )
    assert sharp.shape == blurred.shape == (2, 3, 96, 128)
    for one, other in zip(sharp, blurred, strict=True):
        # Less contrast between neighbours, the same picture.
        assert np.abs(np.diff(other)).mean() < 0.9 * np.abs(np.diff(one)).mean()
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.8
    _, again = examples.sharp_and_blurred(("astronaut", "cat"), height_px=96, width_px=128, seed=0)
    assert np.array_equal(blurred, again)


def test_a_crop_larger_than_the_photograph_is_refused() -> None:
    with pytest.raises(InputError, match="expected at most 300x451, got 301x10"):
        examples.photograph("cat", height_px=301, width_px=10)
