"""Three steps of each model's training against the authors' own, see `trajectories.py`.

PyTorch in float64 has to agree within the tolerance of the goldens, updates rather than parameters.
The ports in float32 may be off as much as the authors' code in float32 is, or PyTorch is, times the
bound of the judge. What docs/how-parity-is-judged.md says of single numbers holds here: an error
may by chance be much smaller than the noise, so a floor goes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from parity.judge.verdicts import BOUND
from parity.measure.problem import Problem
from restoration.arrays import Arrays
from tests.backends import Backend
from tests.training.trajectories import PRIMARY, RECIPES, Trajectory, summary, trajectory

SMALL = {("mimo_unet", PRIMARY), ("lm_liif", PRIMARY)}
AMPLIFIED = ("phaseformer", "spectroformer")  # by division by small moduli; 1e-9 instead of 1e-10
ROUNDING = 1e-15  # of a gradient, of the largest one
NO_GRADIENT = 1e-12  # of the largest one: analytically zero
FAINT = 1e-6  # of the largest one: in float32 mostly rounding, of which Adam makes a step
EPS = 1e-8  # Adam's
UNIT = 2.0**-23
UPDATES = (1, 3)  # after which the authors' noise was measured
MOVED_RUNS = 3

VARIANTS = [
    pytest.param(name, variant, marks=[] if (name, variant) in SMALL else pytest.mark.goldens)
    for name, variant in RECIPES
]
Steps = tuple[list[Any], list[Arrays], list[Arrays]]


@pytest.fixture(scope="module")
def run(
    backends: Callable[[str], Backend], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Steps]:
    """Steps of a framework, in float64 if it is PyTorch and no start is given; these are kept for
    the ports."""
    kept: dict[tuple[str, str], Steps] = {}
    folder = tmp_path_factory.mktemp("vgg")

    def steps(framework: str, wanted: Trajectory, start: Arrays | None = None) -> Steps:
        key = wanted.golden.path.name, wanted.variant
        is_exact = framework == "torch" and start is None
        if is_exact and key in kept:
            return kept[key]
        found: Steps = backends(framework).call(
            "train_steps",
            wanted.specs,
            wanted.start if start is None else start,
            wanted.settings(folder),
            wanted.batches(np.float64 if is_exact else np.float32),
            "float64" if is_exact else "float32",
        )
        if is_exact:
            kept[key] = found
        return found

    return steps


@pytest.mark.frameworks("torch")
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_pytorch_in_float64_takes_the_authors_steps(
    run: Callable[..., Steps], name: str, variant: str
) -> None:
    wanted = trajectory(name, variant)
    results, gradients, states = run("torch", wanted)
    tolerance = 1e-9 if name.startswith(AMPLIFIED) else 1e-10
    for ours, theirs in {"loss": "loss", **wanted.recipe.terms}.items():
        expected = wanted.expected(f"outputs/{theirs}")
        if expected is None:
            continue
        found = np.array(
            [result.loss if ours == "loss" else result.terms[ours] for result in results]
        )
        if theirs.startswith("ms_ssim") and variant == PRIMARY:
            found = 1 - found  # similarity is what the file has
        np.testing.assert_allclose(found, expected, rtol=tolerance, err_msg=ours)
    _check_norms(wanted, results, gradients, tolerance)
    _check_gradients(wanted, gradients[0], tolerance)
    for step in (1, 3):
        _check_update(wanted, gradients[:step], states[step - 1], step, tolerance)


def _check_norms(
    wanted: Trajectory, results: list[Any], gradients: list[Arrays], tolerance: float
) -> None:
    """The norm of the network's gradients, and that of all that the optimizer sees."""
    before = wanted.expected("outputs/grad_norm_before_clip")
    if before is not None:
        found = [result.gradient_norm for result in results]
        np.testing.assert_allclose(found, before, rtol=tolerance)
    norms = [np.sqrt(sum((g**2).sum() for g in step.values())) for step in gradients]
    expected = wanted.expected("outputs/grad_norm")
    assert expected is not None
    if wanted.recipe.optimizer.freeze:
        # Theirs adds what weights that are not trained gather, step by step: told for the first.
        summaries = wanted.expected("grads1_summary")
        assert summaries is not None
        own = [summaries[row, 0] for name, row in _rows(wanted) if name.startswith("loss.")]
        norms, expected = [np.linalg.norm([norms[0], *own])], expected[:1]
    np.testing.assert_allclose(norms, expected, rtol=tolerance)


def _check_gradients(wanted: Trajectory, gradients: Arrays, tolerance: float) -> None:
    expected = wanted.expected("grads1_summary")
    if expected is None:
        return
    frozen = "loss." if wanted.recipe.optimizer.freeze else "none"
    largest = expected[:, 2].max()
    for name, index in _rows(wanted):
        if name.startswith(frozen):
            continue
        found = summary(gradients.get(name, np.zeros_like(wanted.start[name])), index)
        size = max(expected[index].max(), ROUNDING * largest / tolerance)
        np.testing.assert_allclose(
            found, expected[index], rtol=0, atol=tolerance * size, err_msg=name
        )


def _check_update(
    wanted: Trajectory, gradients: list[Arrays], state: Arrays, step: int, tolerance: float
) -> None:
    """Updates in sum, and in full where the file has them.

    A gradient that is analytically zero is rounding, of which Adam makes a step of its size times
    the rate over eps; that much more is allowed.
    """
    expected = wanted.expected(f"update{step}_summary")
    assert expected is not None
    largest = max(np.abs(g).max() for g in gradients[0].values())
    rate = wanted.recipe.optimizer.learning_rate
    assert {wanted.order[index] for _, index in _rows(wanted)} >= {
        wanted.order[index] for index in np.flatnonzero(expected.any(axis=1))
    }
    compared = 0
    for name, index in _rows(wanted):
        update = state[name] - wanted.start[name]
        empty = sum(
            int((np.abs(g[name]) < NO_GRADIENT * largest).sum()) for g in gradients if name in g
        )
        allowed = tolerance * expected[index].max() + empty * rate * ROUNDING * largest / EPS
        if name.startswith("loss.") and wanted.recipe.optimizer.freeze:
            assert not update.any(), name
        np.testing.assert_allclose(
            summary(update, index), expected[index], rtol=0, atol=allowed, err_msg=name
        )
        after = wanted.expected(f"after{step}/{wanted.names[name]}")
        if after is not None:
            assert np.abs(update - (after.reshape(update.shape) - wanted.start[name])).max() <= (
                allowed + UNIT**2 * np.abs(after).max()
            ), name
            compared += 1
    assert compared or wanted.variant != PRIMARY


def _rows(wanted: Trajectory) -> list[tuple[str, int]]:
    """Our names of the parameters that the summaries have rows of."""
    count = len(wanted.golden.content[f"{wanted.prefix}update3_summary"])
    places = {name: place for place, name in enumerate(wanted.order)}
    return [
        (ours, places[theirs])
        for ours, theirs in wanted.names.items()
        if ours in wanted.start and places[theirs] < count
    ]


@pytest.mark.parametrize("framework", ["jittor", "mindspore"])
@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_ports_in_float32_are_off_no_more_than_the_authors_code(
    run: Callable[..., Steps], framework: str, name: str, variant: str
) -> None:
    wanted = trajectory(name, variant)
    truth = run("torch", wanted)
    found = _errors(wanted, truth, run(framework, wanted), wanted.start)
    noise = _authors_noise(wanted)
    if _leaving(wanted, truth, found, noise):
        # Near a kink, as phases have them, one run of the authors' says little: the reference's
        # float32 runs say more, as in docs/how-parity-is-judged.md.
        for seed in range(MOVED_RUNS + 1):
            start = _moved(wanted.start, seed) if seed else wanted.start
            noise = noise.or_larger(_errors(wanted, truth, run("torch", wanted, start), start))
    assert not (reason := _leaving(wanted, truth, found, noise)), reason


@dataclass(frozen=True)
class Errors:
    """How far steps are off. losses: relative, (3,). updates: of each of our parameters after each
    of some steps, relative in the 2-norm, "" being all of them together."""

    losses: np.ndarray
    updates: dict[tuple[int, str], float]

    def or_larger(self, other: Errors) -> Errors:
        updates = {key: max(own, other.updates[key]) for key, own in self.updates.items()}
        return Errors(np.maximum(self.losses, other.losses), updates)


def _authors_noise(wanted: Trajectory) -> Errors:
    """What the authors' code in float32 is off."""
    noise, by_tensor = wanted.noise("float32_noise"), wanted.noise("float32_update_relative_l2")
    updates = {}
    for step in UPDATES:
        updates[step, ""] = noise[f"update{step}_all"]
        for ours, theirs in wanted.names.items():
            if ours in wanted.start and theirs in by_tensor[f"step{step}"]:
                updates[step, ours] = by_tensor[f"step{step}"][theirs]
    return Errors(np.array(noise["loss"]), updates)


def _moved(start: Arrays, seed: int) -> Arrays:
    single = {name: array.astype(np.float32) for name, array in start.items()}
    return dict(Problem(inputs={}, weights=single).perturbed(1, (seed,)).weights)


def _errors(wanted: Trajectory, truth: Steps, found: Steps, start: Arrays) -> Errors:
    """start: where the steps that were found began."""
    exact_results, exact_gradients, exact = truth
    results, _, states = found
    losses, exact_losses = (np.array([one.loss for one in r]) for r in (results, exact_results))
    largest = _largest(truth)
    by_tensor = wanted.noise("float32_update_relative_l2")
    updates = {}
    for step in UPDATES:
        total = total_error = 0.0
        for ours, theirs in wanted.names.items():
            if ours not in wanted.start or theirs not in by_tensor[f"step{step}"]:
                continue
            update = exact[step - 1][ours] - wanted.start[ours]
            own = states[step - 1][ours].astype(np.float64) - start[ours]
            clear = np.ones(update.shape, bool)
            for gradients in exact_gradients[:step]:
                clear &= np.abs(gradients.get(ours, np.inf)) >= FAINT * largest
            size = np.linalg.norm(update)
            if not size:
                assert not own.any(), f"{ours} has no gradient, and moved"
            error = np.linalg.norm((own - update)[clear])
            total, total_error = total + size**2, total_error + error**2
            updates[step, ours] = float(error / size) if size else 0.0
        updates[step, ""] = float(np.sqrt(total_error / total))
    return Errors(np.abs(losses / exact_losses - 1), updates)


def _leaving(wanted: Trajectory, truth: Steps, found: Errors, noise: Errors) -> str:
    """Where steps are further off than the bound times the noise, in words; "" if nowhere."""
    results, gradients, _ = truth
    # Rounding of one number, whose authors' error may by chance be next to nothing.
    allowed = BOUND * np.maximum(np.maximum.accumulate(noise.losses), UNIT / 2)
    chance = _by_chance(wanted, gradients, _largest(truth))
    allowed = allowed + chance / np.abs([result.loss for result in results])
    if (found.losses > allowed).any():
        return f"losses: {found.losses} of {allowed}"
    for (step, name), error in found.updates.items():
        own = max(noise.updates[step, name], noise.updates[step, ""])
        if error > BOUND * own:
            return f"{name or 'all'} after step {step}: {error}, {error / own} times the noise"
    return ""


def _largest(truth: Steps) -> float:
    return float(max(np.abs(g).max() for g in truth[1][0].values()))


def _by_chance(wanted: Trajectory, gradients: list[Arrays], largest: float) -> np.ndarray:
    """How much losses may change by steps that Adam makes of rounding, (3,).

    Where the first gradient is analytically zero, a step of any size up to the rate.
    """
    changes = np.zeros(len(gradients))
    for name, first in gradients[0].items():
        empty = np.abs(first) < NO_GRADIENT * largest
        for step in range(1, len(gradients)):
            slope = np.abs(gradients[step].get(name, np.zeros_like(first))[empty]).sum()
            changes[step] += step * wanted.recipe.optimizer.learning_rate * slope
    return changes
