"""Specs check themselves; the registry finds models and suggests names."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from restoration.data import sample_inputs
from restoration.errors import ExitCode, InputError
from restoration.models import registry
from restoration.models.kernel_prediction import KernelPredictionSpec
from restoration.models.lmd_vit import LMDViTSpec
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.models.nimbusr import NIMBUSRSpec
from restoration.models.registry import spec_from_dict
from restoration.models.spec import Spec
from tests.conftest import example


@pytest.mark.parametrize(
    ("spec", "values", "text"),
    [
        (MIMOUNetSpec, {"width": 0}, "width: expected a whole number of at least 1, got 0"),
        (MIMOUNetSpec, {"width": 7}, "an even number"),
        (MIMOUNetSpec, {"width": 8.0}, "a whole number"),
        (MIMOUNetSpec, {"blocks": True}, "MIMOUNetSpec.blocks"),
        (MIMOUNetSpec, {"skip_dropout": 1.0}, "a probability in [0, 1), got 1.0"),
        (MIMOUNetSpec, {"resize": "bicubic"}, "'nearest' or 'asymmetric', got 'bicubic'"),
        (KernelPredictionSpec, {"kernel_size": 35}, "kernel_size: expected 33 or 65"),
        (KernelPredictionSpec, {"widths": (4, 8)}, "widths: expected"),
        (NIMBUSRSpec, {"upsample": "bicubic"}, "one of convtranspose, pixelshuffle, upconv"),
        (NIMBUSRSpec, {"scale": 2, "saturation": True}, "1 with saturation"),
        (LMDViTSpec, {"feed_forward": "conv"}, "one of leff, lefflocal, mlp, got 'conv'"),
        (LMDViTSpec, {"projection": "mlp"}, "one of linear, conv"),
        (LMDViTSpec, {"heads": (3,) * 9}, "heads: expected a divisor of width 32, got 3"),
        (LMDViTSpec, {"depths": (1, 2)}, "nine whole numbers of at least 1, one per stage"),
        (LMDViTSpec, {"pruned": (True,)}, "nine switches"),
        (LMDViTSpec, {"width": 2, "heads": (1,) * 9}, "a multiple of 4 with pruning"),
        (LMDViTSpec, {"window": 1}, "at least 2 with lefflocal"),
        (LMDViTSpec, {"drop_path": 1.0}, "at least 0 and below 1, got 1.0"),
    ],
)
def test_bad_hyper_parameters_are_explained(
    spec: type[Spec], values: dict[str, Any], text: str
) -> None:
    with pytest.raises(InputError) as caught:
        spec(**values)
    assert text in str(caught.value)
    assert caught.value.exit_code is ExitCode.BAD_INPUT


def test_inputs_of_pruning_are_checked() -> None:
    spec = LMDViTSpec(window=2, heads=(1,) * 9)
    image = np.zeros((1, 3, 32, 64), np.float32)
    # 16x32 windows at full size; first and last stage have one block, the others two that decide.
    windows = 2 * 512 + 2 * 2 * (128 + 32 + 8) + 2 * 2
    assert windows == spec.decided_windows(32, 64)
    spec.check_inputs({"image": image, "decisions": np.ones((1, windows), np.int32)})
    with pytest.raises(InputError, match=rf"'noise': expected shape \(1, {windows}, 2\)"):
        spec.check_inputs({"image": image, "noise": np.ones((1, windows))})
    with pytest.raises(InputError, match="multiples of 32, got 33x64"):
        spec.check_inputs({"image": np.zeros((1, 3, 33, 64), np.float32)})


def test_drop_path_grows_to_the_bottleneck_and_falls_after() -> None:
    rates = [rate for stage in LMDViTSpec().stages() for rate in stage.drop_path]
    assert len(rates) == sum(LMDViTSpec().depths)
    assert rates[0] == rates[-1] == 0
    assert rates[18] == rates[20] == rates[21] == pytest.approx(0.1)
    assert rates[:19] == pytest.approx(sorted(rates[:19]))
    assert rates[21:] == pytest.approx(rates[18::-1])


@pytest.mark.parametrize("size", [9, 31, 32, 34, 64, 66, 129])
def test_kernels_of_other_sizes_are_refused_early(size: int) -> None:
    """The decoder doubles from one pixel and adds one; upstream fails in the first forward pass."""
    with pytest.raises(InputError, match=rf"kernel_size: expected 33 or 65.*got {size} "):
        KernelPredictionSpec(kernel_size=size)


def test_specs_survive_json() -> None:
    for model in registry.MODELS.values():
        for spec in model.specs.values():
            assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_unknown_spec_type() -> None:
    with pytest.raises(InputError, match="did you mean 'MIMOUNetSpec'"):
        spec_from_dict({"type": "MimoUNetSpec"})


def test_wrong_skip_mask() -> None:
    inputs = {
        "image": np.zeros((2, 3, 8, 8), np.float32),
        "skip_mask1": np.zeros((2, 16, 1, 1), np.float32),
    }
    with pytest.raises(InputError, match=r"'skip_mask1': expected shape \(2, 8, 1, 1\)"):
        MIMOUNetSpec(width=8).check_inputs(inputs)


def test_unknown_model_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"got 'mimounet'.*did you mean 'mimo_unet'\?"):
        registry.find("mimounet")
    with pytest.raises(InputError, match=", ".join(sorted(registry.MODELS))):
        registry.find("zzz")


def test_unknown_spec_of_a_model() -> None:
    with pytest.raises(InputError, match="did you mean 'published'"):
        registry.find("mimo_unet").spec("publish")


def test_every_model_has_the_two_specs_and_an_example() -> None:
    for model in registry.MODELS.values():
        assert {"tiny", "published"} <= model.specs.keys()
        for spec in model.specs.values():
            inputs = example(model, spec)
            spec.check_inputs(inputs)
            for array in inputs.values():
                assert array.dtype in (np.float32, np.int32)


def test_photographs_are_blurred_but_recognisable() -> None:
    sharp, blurred = sample_inputs.sharp_and_blurred(
        ("astronaut", "cat"), height_px=96, width_px=128, seed=0
    )
    assert sharp.shape == blurred.shape == (2, 3, 96, 128)
    for one, other in zip(sharp, blurred, strict=True):
        # Less contrast between neighbors, the same picture.
        assert np.abs(np.diff(other)).mean() < 0.9 * np.abs(np.diff(one)).mean()
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.8
    _, again = sample_inputs.sharp_and_blurred(
        ("astronaut", "cat"), height_px=96, width_px=128, seed=0
    )
    assert np.array_equal(blurred, again)


def test_a_crop_larger_than_the_photograph_is_refused() -> None:
    with pytest.raises(InputError, match="expected at most 300x451, got 301x10"):
        sample_inputs.photograph("cat", height_px=301, width_px=10)
