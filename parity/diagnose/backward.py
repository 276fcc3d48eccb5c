"""Gradients of a port whose outputs agree: whether they are right, and where one is changed.

Runs inside the reference's process. A gradient that the port loses, or counts otherwise, is found
by cutting, in the reference, one operand of one line after the other: with some of what flows back
there its gradients are the port's.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters import serving
from parity.adapters.lines import users_frames
from parity.diagnose.forced import Inputs
from parity.diagnose.locating import read_given
from parity.judge.errors import norms_of
from parity.judge.verdicts import BOUND
from restoration.process import arrays
from restoration.process.serve import Session

_ULP = 2.0**-23
_BUDGET_S = 40.0
_KINK = 2 * BOUND


@dataclass
class _Reference:
    """The reference's network in this process, and what its gradients are taken of."""

    tapes: Any
    network: Any
    bridge: Any
    state: Mapping[str, np.ndarray]
    given: Inputs
    factors: Mapping[int, np.ndarray]
    keys: Sequence[str]

    @classmethod
    def read(
        cls,
        session: Session,
        inputs: str,
        weights: str,
        cotangents: str,
        names: Sequence[Sequence[str]],
    ) -> _Reference:
        with arrays.reading(Path(cotangents)) as file:
            factors = {int(name): file[name] for name in file.names}
        network, state = serving.copy_with(weights)
        return cls(
            session.module("tape"),
            network,
            serving.current().bridge,
            state,
            read_given(inputs, session),
            factors,
            [f"{kind}/{name}" for kind, name in names],
        )

    def truth(self) -> Callable[[Any], dict[str, np.ndarray]]:
        """Gives the gradients in float64, with something cut."""
        precise = self.tapes.double(copy.deepcopy(self.network))

        def truth(cut: Any) -> dict[str, np.ndarray]:
            with self.given.drawing():
                found = self.tapes.gradients(
                    precise,
                    lambda values: self.given.call(precise, values),
                    self.given.arrays,
                    self.factors,
                    cut=cut,
                )
            return dict(zip(self.keys, found, strict=True))

        return truth

    def single(
        self, state: Mapping[str, np.ndarray], given: Sequence[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The gradients in float32."""
        serving.give(self.bridge, self.network, state.items())
        with self.given.drawing():
            found = self.tapes.gradients(
                self.network,
                lambda values: self.given.call(self.network, values),
                given,
                self.factors,
                single=True,
            )
        return dict(zip(self.keys, found, strict=True))


def measure_gradients(
    session: Session,
    *,
    inputs: str,
    weights: str,
    cotangents: str,
    names: Sequence[Sequence[str]],
    path: str,
) -> dict[str, Sequence[float]]:
    """Write the reference's gradients in float64; the error of float32 in both norms, by name.

    names: what is asked of the reference, in its order: (kind, name), which are "input/NAME" and
    "parameter/NAME".
    """
    reference = _Reference.read(session, inputs, weights, cotangents, names)
    exact = reference.truth()(None)
    arrays.write(Path(path), exact)
    return dict(_units(reference.single, reference.state, reference.given.arrays, exact))


def find_change(
    session: Session,
    *,
    inputs: str,
    weights: str,
    cotangents: str,
    names: Sequence[Sequence[str]],
    truth: str,
    units: Mapping[str, Sequence[float]],
    port: str,
    sites: Sequence[Sequence[Any]],
) -> dict[str, Any] | None:
    """Where the reference has the port's gradients if what flows back there counts otherwise: the
    site, the operand, how much it counts (0: nothing flows back), and the ratio left; or None.

    truth: the file that `measure_gradients` wrote, with what it gave in `units`. port: a file with
    the port's gradients by the reference's names. sites: (file, line, function's name, number of
    its tensors), where a gradient may be changed.
    """
    reference = _Reference.read(session, inputs, weights, cotangents, names)
    exact, theirs = _held(truth), _held(port)
    gradients_with = reference.truth()
    deadline = time.thread_time() + _BUDGET_S
    for file, line, name, count in sites:
        for operand in range(int(count)):
            if time.thread_time() > deadline:
                return None
            session.report(f"looking for a changed gradient: line {line}")
            cut = reference.tapes.Detached(
                lambda: users_frames(3)[:1], (str(file), int(line), str(name)), operand
            )
            try:
                without = gradients_with(cut)
            except Exception:
                continue
            factor, left = _factor(theirs, exact, without, units)
            if left <= BOUND:
                return {
                    "site": [file, line, name],
                    "operand": operand,
                    "factor": factor,
                    "ratio_after": left,
                }
    return None


def _held(path: str) -> dict[str, np.ndarray]:
    with arrays.reading(Path(path)) as file:
        return {name: file[name] for name in file.names}


def _factor(
    port: Mapping[str, np.ndarray],
    exact: Mapping[str, np.ndarray],
    without: Mapping[str, np.ndarray],
    units: Mapping[str, Sequence[float]],
) -> tuple[float, float]:
    """How much of what flows back at a place there is in a port's gradients, and the ratio that is
    left with it: of all gradients, each in its unit, by least squares.

    without: the reference's gradients with nothing of it.
    """
    along = across = 0.0
    for name, array in port.items():
        if name in exact and array.size == exact[name].size and units[name][0]:
            share = (exact[name] - without[name]).ravel() / units[name][0]
            rest = (array.reshape(exact[name].shape) - without[name]).ravel() / units[name][0]
            along, across = along + float(share @ rest), across + float(share @ share)
    best = along / across if across else 0.0
    least = math.inf
    for factor in (0.0, *(float(f"{best:.{digits}g}") for digits in range(1, 5))):
        found = {
            name: array + factor * (exact[name] - array) if factor else array
            for name, array in without.items()
        }
        least = max(ratios_of(port, found, units).values())
        if least <= BOUND:
            return factor, least
    return best, least


def _units(
    single: Callable[[Mapping[str, np.ndarray], Sequence[np.ndarray]], Mapping[str, np.ndarray]],
    state: Mapping[str, np.ndarray],
    given: Sequence[np.ndarray],
    exact: Mapping[str, np.ndarray],
) -> dict[str, tuple[float, float]]:
    """The error of float32, in both norms, with what lies within rounding of a kink.

    single: the gradients in float32, of weights and inputs.
    """
    keys = list(exact)
    errors: dict[str, list[tuple[float, float]]] = {key: [] for key in keys}
    for seed, ulps in enumerate((0, 1, 1, 16, 16)):
        rng = np.random.default_rng(seed)
        weights = {name: _moved(value, ulps, rng) for name, value in state.items()}
        found = single(weights, [_moved(array, ulps, rng) for array in given])
        for key, array in found.items():
            error = norms_of(array.astype(np.float64) - exact[key])
            if ulps > 1:
                usual = errors[key]
                if error.two <= _KINK * max(one[0] for one in usual) and error.max <= (
                    _KINK * max(one[1] for one in usual)
                ):
                    continue
            errors[key].append((error.two, error.max))
    norms = {key: norms_of(exact[key]) for key in keys}
    relative = [
        max(two for two, _ in errors[key]) / norms[key].two for key in keys if norms[key].two
    ]
    typical = float(np.median(relative)) if relative else _ULP
    size = float(np.median([norm.two for norm in norms.values()])) if norms else 0.0
    units = {}
    for key in keys:
        two = max(one for one, _ in errors[key])
        most = max(one for _, one in errors[key])
        norm = norms[key]
        floor = max(typical, _ULP)
        # A gradient that is zero but for rounding has no size of its own.
        scale = norm.two if norm.two > two else size
        units[key] = (max(two, floor * scale), max(most, floor * max(norm.max, most)))
        if norm.two <= two:
            units[key] = (units[key][0], units[key][0])
    return units


def _moved(array: np.ndarray, ulps: int, rng: np.random.Generator) -> np.ndarray:
    if not ulps or not np.issubdtype(array.dtype, np.floating):
        return array
    step = np.where(array == 0, 0, ulps * np.spacing(np.abs(array)))
    return (array + np.where(rng.random(array.shape) < 0.5, -step, step)).astype(array.dtype)


def ratios_of(
    port: Mapping[str, np.ndarray],
    exact: Mapping[str, np.ndarray],
    units: Mapping[str, Sequence[float]],
) -> dict[str, float]:
    """How far a port's gradients are from exact ones, by name, in units of float32's own errors."""
    ratios = {}
    for name, array in port.items():
        if name not in exact or array.size != exact[name].size:
            continue
        error = norms_of(array.reshape(exact[name].shape).astype(np.float64) - exact[name])
        two, most = units[name]
        ratios[name] = max(
            error.two / two if two else (np.inf if error.two else 0.0),
            error.max / most if most else (np.inf if error.max else 0.0),
        )
    return ratios
