"""Optimizers against torch 2.13's steps on given gradients, and a trainer's rules against NumPy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from restoration.engine.contract import TrainingState
from restoration.engine.execution import Execution
from restoration.errors import InputError
from restoration.models.mimo_unet import MIMOUNetSpec
from restoration.models.registry import MODELS
from restoration.training.optimizers import clip_factor, groups, next_scale, takes_part
from restoration.training.settings import (
    AverageSettings,
    GroupSettings,
    LossSettings,
    OptimizerSettings,
    TrainerSettings,
)
from tests.backends import Backend, RaisedError
from tests.training.stepping import QuietSpec

GOLDEN = Path(__file__).parents[1] / "golden" / "training" / "optimizers.safetensors"
FACTOR = 10.0  # how much more than the reference's own float32 noise a port may be off
RECIPES = (
    "adam",
    "adam_beta0.5",
    "adam_clip1",
    "adam_weight_decay0.01",
    "adamw_0.02",
    "adamw_default_decay",
    "sgd_momentum",
    "adam_lr_halved_after3",
)

SPEC = MIMOUNetSpec(width=4, blocks=1)
QUIET = QuietSpec(width=4, blocks=1)
RNG = np.random.default_rng(3)
BATCHES = [
    {
        "image": RNG.random((2, 3, 16, 16), np.float32),
        "target": RNG.random((2, 3, 16, 16), np.float32),
    }
    for _ in range(3)
]
LOSS = LossSettings(name="MultiScaleLoss")
PLAIN = TrainerSettings(loss=LOSS, optimizer=OptimizerSettings(learning_rate=1e-3))


def with_optimizer(**settings: Any) -> TrainerSettings:
    return replace(PLAIN, optimizer=replace(PLAIN.optimizer, **settings))


def run(
    backend: Backend,
    settings: TrainerSettings,
    batches: list[Any] | None = None,
    *rest: Any,
    spec: MIMOUNetSpec = SPEC,
) -> Any:
    given = BATCHES if batches is None else batches
    steps = [one if isinstance(one, list) else [one] for one in given]
    return backend.call("training.stepping.run_steps", spec, settings, steps, *rest)


def _settings(recipe: dict[str, Any]) -> OptimizerSettings:
    kind = recipe["optimizer"].lower()
    return OptimizerSettings(
        name=kind,
        learning_rate=recipe["lr"],
        betas=tuple(recipe.get("betas", (0.9, 0.999))),
        momentum=recipe.get("momentum", 0.0),
        # torch's AdamW decays by 0.01 where nothing else is said.
        weight_decay=recipe.get("weight_decay", 0.01 if kind == "adamw" else 0.0),
    )


@pytest.mark.parametrize("name", RECIPES)
def test_steps_are_those_of_torch(backend: Backend, name: str) -> None:
    dtype = np.float64 if backend.framework == "torch" else np.float32
    with safe_open(GOLDEN, "np") as golden:
        arrays = {key: golden.get_tensor(key) for key in golden.keys()}  # noqa: SIM118
        metadata = golden.metadata()
    tensors = ("dense", "tiny", "bias")
    start = {tensor: arrays[f"weights/{tensor}"].astype(dtype) for tensor in tensors}
    given = {tensor: arrays[f"inputs/gradients/{tensor}"].astype(dtype) for tensor in tensors}
    gradients = [{tensor: given[tensor][step] for tensor in tensors} for step in range(6)]
    if name == "adam_clip1":
        norms = [
            np.sqrt(sum((g.astype(float) ** 2).sum() for g in one.values())) for one in gradients
        ]
        np.testing.assert_allclose(norms, arrays[f"outputs/{name}/norm_before_clip"], rtol=1e-12)
        gradients = [
            {
                tensor: (array * clip_factor(norm, 1.0)).astype(dtype)
                for tensor, array in one.items()
            }
            for one, norm in zip(gradients, norms, strict=True)
        ]
    factors = [1.0] * 3 + [0.5 if name == "adam_lr_halved_after3" else 1.0] * 3
    settings = _settings(json.loads(metadata["recipes"])[name])
    found = backend.call("training.stepping.optimized", settings, start, gradients, factors)
    noise = json.loads(metadata["float32_noise"])[name]
    for tensor in tensors:
        truth = arrays[f"outputs/{name}/{tensor}"]
        moved = np.stack([after[tensor] for after in found])
        error = np.abs(moved - truth).max() / np.abs(truth).max()
        allowed = 1e-10 if dtype == np.float64 else FACTOR * max(noise[tensor], 2.0**-24)
        assert error < allowed, f"{tensor}: {error}"


def test_adams_first_steps_are_exact(backend: Backend) -> None:
    """From zero, where no rounding of the parameters hides that of the bias corrections."""
    settings = OptimizerSettings(learning_rate=1e-3)
    rng = np.random.default_rng(12)
    gradients = [{"bias": rng.standard_normal(100).astype(np.float32)} for _ in range(3)]
    found = backend.call(
        "training.stepping.optimized",
        settings,
        {"bias": np.zeros(100, np.float32)},
        gradients,
        [0.0, 1.0, 1.0],
    )
    value, first, second = np.zeros((3, 100))
    for step, factor in enumerate([0.0, 1.0, 1.0], start=1):
        gradient = gradients[step - 1]["bias"].astype(np.float64)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        value = value - factor * 1e-3 * first / (1 - 0.9**step) / corrected
        np.testing.assert_allclose(found[step - 1]["bias"], value, rtol=0, atol=1e-6 * 1e-3)


def test_clipping_scales_gradients_of_the_network_together(backend: Backend) -> None:
    (free, *_), states = run(backend, with_optimizer(betas=(0.0, 0.5)))
    limit = free.gradient_norm / 3
    (clipped, *_), scaled = run(backend, with_optimizer(betas=(0.0, 0.5), clip_norm=limit))
    assert clipped.gradient_norm == pytest.approx(free.gradient_norm, rel=1e-6)
    assert clipped.loss == free.loss
    firsts = {key: m for key, m in states[1].moments.items() if key.endswith(".first")}
    norm = np.sqrt(sum(float((m.astype(np.float64) ** 2).sum()) for m in firsts.values()))
    assert norm == pytest.approx(free.gradient_norm, rel=1e-5)
    for key, moment in firsts.items():
        np.testing.assert_allclose(scaled[1].moments[key], moment / 3, rtol=1e-5, atol=1e-9)


def test_parts_of_a_batch_give_the_step_of_the_whole(backend: Backend) -> None:
    (whole, *_), (_, after, *_) = run(backend, PLAIN, BATCHES[:1])
    halves = [
        {name: array[place : place + 1] for name, array in BATCHES[0].items()} for place in (0, 1)
    ]
    (parts, *_), (_, by_parts, *_) = run(backend, PLAIN, [halves])
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    assert parts.terms == pytest.approx(whole.terms, rel=1e-5)
    for key, moment in after.moments.items():
        largest = np.abs(moment).max()
        np.testing.assert_allclose(by_parts.moments[key], moment, rtol=0, atol=2e-4 * largest)


def test_groups_have_rates_of_their_own_and_frozen_parameters_stay(backend: Backend) -> None:
    settings = with_optimizer(
        groups=(GroupSettings(match="stem.*", learning_rate=1e-5),), freeze=("head*",)
    )
    _, (before, after, *_) = run(backend, settings, BATCHES[:1])
    for name, start in before.weights.items():
        # The first step of Adam is the rate, wherever the gradient is well above eps.
        moved = np.abs(after.weights[name] - start).max()
        rate = 0 if name.startswith("head") else 1e-5 if name.startswith("stem.") else 1e-3
        assert moved == pytest.approx(rate, rel=0.05), name
        assert (f"{name}.first" in after.moments) == (rate > 0)


def test_averages_follow_with_warm_up(backend: Backend) -> None:
    settings = replace(PLAIN, average=AverageSettings(decay=0.25))
    _, states = run(backend, settings)
    expected = {name: array.astype(np.float64) for name, array in states[0].weights.items()}
    for step, state in enumerate(states[1:], 1):
        kept = min(0.25, (1 + step) / (10 + step))
        for name, average in expected.items():
            expected[name] = kept * average + (1 - kept) * state.weights[name]
            np.testing.assert_allclose(state.averages[name], expected[name], rtol=2e-6, atol=1e-7)


def test_nothing_changes_where_the_loss_is_not_finite(backend: Backend) -> None:
    bad = BATCHES[1] | {"target": np.full_like(BATCHES[1]["target"], np.inf)}
    settings = replace(PLAIN, average=AverageSettings())
    results, states = run(backend, settings, [BATCHES[0], bad, BATCHES[2]])
    assert [result.updated for result in results] == [True, False, True]
    assert not np.isfinite(results[1].loss)
    assert states[2].step == 2
    _same(replace(states[2], step=1), states[1])


def test_a_run_goes_on_bit_by_bit(backend: Backend) -> None:
    settings = replace(PLAIN, average=AverageSettings())
    _, states = run(backend, settings)
    _, resumed = run(backend, settings, BATCHES[2:], states[2])
    _same(resumed[0], states[2])
    _same(resumed[1], states[3])


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_run_goes_on_in_another_framework(backends: Callable[[str], Backend], name: str) -> None:
    settings = replace(
        with_optimizer(name=name, momentum=0.9, weight_decay=0.01), average=AverageSettings()
    )
    _, straight = run(backends("torch"), settings)
    state = straight[0]
    for framework, batch in zip(("mindspore", "jittor", "torch"), BATCHES, strict=True):
        _, (given, after) = run(backends(framework), settings, [batch], state)
        _same(given, state, second_ulps=1)
        state = after
    assert state.counts == straight[3].counts
    for kind in ("weights", "averages"):
        for key, array in getattr(straight[3], kind).items():
            moved = np.abs(getattr(state, kind)[key] - array).max()
            assert moved < 0.02 * 3e-3, f"{kind} {key}: {moved}"
    for key, array in straight[3].moments.items():
        np.testing.assert_allclose(
            state.moments[key], array, rtol=0, atol=2e-3 * np.abs(array).max() + 1e-12
        )


def test_a_state_that_does_not_fit_changes_nothing(backend: Backend) -> None:
    _, (state, *_) = run(backend, PLAIN, BATCHES[:1])
    weights = dict(state.weights)
    removed = weights.pop("stem.weight")
    wrong = replace(state, weights=weights | {"stem.wait": removed})
    with pytest.raises(RaisedError) as caught:
        run(backend, PLAIN, [], wrong)
    assert "-stem.weight" in caught.value.text
    assert "+stem.wait" in caught.value.text


@pytest.mark.parametrize("spec", [SPEC, QUIET], ids=["dead for now", "may sit out"])
def test_a_parameter_that_takes_no_part_stands_still(backend: Backend, spec: MIMOUNetSpec) -> None:
    """What a layer of zeros makes of its input passes no gradient: layers before it stand still.

    If they may; others, which are behind dead units for a while, move by momentum and decay.
    """
    decayed = with_optimizer(weight_decay=0.1, name="adamw")
    _, states = run(backend, decayed, spec=spec)
    state = states[3]
    silent = dict(state.weights)
    silenced = "merge2.weight"
    silent[silenced] = np.zeros_like(silent[silenced])
    start = replace(state, weights=silent)
    _, (before, after) = run(backend, decayed, BATCHES[:1], start, spec=spec)
    still = [
        name for name in before.weights if np.array_equal(before.weights[name], after.weights[name])
    ]
    for name in still:
        assert after.counts[name] == before.counts[name] == 3
        for moment in ("first", "second"):
            key = f"{name}.{moment}"
            np.testing.assert_array_equal(after.moments[key], before.moments[key])
    assert bool(still) == (spec is QUIET)
    assert silenced not in still
    assert all(after.counts[name] == 4 for name in before.weights if name not in still)


def test_a_dynamic_loss_scale_changes_no_step(backend: Backend) -> None:
    results, states = run(backend, PLAIN)
    scaled_results, scaled = run(backend, replace(PLAIN, loss_scale="dynamic"))
    assert scaled[3].loss_scale == 2.0**16
    assert [one.loss for one in scaled_results] == pytest.approx([one.loss for one in results])
    for name, array in states[3].weights.items():
        np.testing.assert_allclose(scaled[3].weights[name], array, rtol=0, atol=3e-5)


@pytest.mark.parametrize("framework", ["torch", "mindspore"])
def test_half_precision_trains_as_single(
    backends: Callable[[str], Backend], framework: str
) -> None:
    half, scaled = Execution(precision="float16"), replace(PLAIN, loss_scale="dynamic")
    repeated = [BATCHES[0]] * 6
    exact, _ = run(backends(framework), PLAIN, repeated)
    found, _ = run(backends(framework), scaled, repeated, None, half)
    assert all(result.updated for result in found)
    assert found[-1].loss < found[0].loss
    assert [one.loss for one in found] == pytest.approx([one.loss for one in exact], rel=5e-3)
    assert found[0].gradient_norm == pytest.approx(exact[0].gradient_norm, rel=2e-2)


def test_only_parts_that_may_sit_out_do() -> None:
    """Of a block that LMD-ViT drops, all parameters stand still, with moments and counts."""
    spec = MODELS["lmd_vit"].spec("tiny")
    name = "stages.0.blocks.0.attention.query.weight"
    assert not takes_part(spec, name, is_zero=True)
    assert takes_part(spec, name, is_zero=False)
    assert takes_part(SPEC, "merge2.weight", is_zero=True)


def test_a_dynamic_scale_falls_at_overflow_and_grows_now_and_then() -> None:
    dynamic = replace(PLAIN, loss_scale="dynamic")
    assert next_scale(dynamic, 1024.0, 7, finite=False) == 512
    assert next_scale(dynamic, 1024.0, 7, finite=True) == 1024
    assert next_scale(dynamic, 1024.0, 2000, finite=True) == 2048
    assert next_scale(replace(PLAIN, loss_scale=8.0), 8.0, 2000, finite=False) == 8


@pytest.mark.parametrize("key", ["freeze", "groups"])
def test_a_pattern_that_matches_nothing_names_the_nearest(key: str) -> None:
    value = (
        ("flow_nett.*",)
        if key == "freeze"
        else (GroupSettings(match="flow_nett.*", learning_rate=1),)
    )
    with pytest.raises(InputError, match=r"'flow_nett\.\*'.*did you mean 'flow_net\.\*'"):
        groups(["stem.weight", "flow_net.conv.weight"], OptimizerSettings(**{key: value}))


def test_an_unknown_loss_is_an_error_with_the_nearest(backend: Backend) -> None:
    with pytest.raises(RaisedError) as caught:
        run(backend, replace(PLAIN, loss=LossSettings(name="MultiscaleLos")))
    assert "did you mean 'MultiScaleLoss'" in caught.value.text
    wrong = LossSettings(name="MultiScaleLoss", settings={"spectral_wait": 1})
    with pytest.raises(RaisedError) as caught:
        run(backend, replace(PLAIN, loss=wrong))
    assert "spectral_wait" in caught.value.text


def _same(one: TrainingState, other: TrainingState, *, second_ulps: int = 0) -> None:
    """Check that two states are equal in every bit.

    second_ulps: of float32, by which means of squares may differ between frameworks: MindSpore
    keeps them times a factor, see `mindspore_impl/optimizers.py`.
    """
    assert (one.counts, one.step, one.loss_scale) == (other.counts, other.step, other.loss_scale)
    for kind in ("weights", "averages", "moments"):
        first, second = getattr(one, kind), getattr(other, kind)
        assert first.keys() == second.keys()
        for key in first:
            if second_ulps and key.endswith(".second"):
                pair = first[key].astype(np.float32), second[key].astype(np.float32)
                np.testing.assert_array_max_ulp(*pair, maxulp=second_ulps)
            else:
                np.testing.assert_array_equal(first[key], second[key])
