"""Gradients of a port whose outputs agree: whether they are right, and where one is cut off.

Runs inside the reference's process. A gradient that the port loses is found by cutting, in the
reference, one operand of one line after the other until its gradients are the port's.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters import serving
from parity.adapters.lines import users_frames
from parity.diagnose.locating import read_given
from parity.judge.errors import norms_of
from parity.judge.verdicts import BOUND
from restoration.process import arrays
from restoration.process.serve import Session

_ULP = 2.0**-23
_BUDGET_S = 40.0
_KINK = 2 * BOUND


def judge_gradients(
    session: Session,
    *,
    inputs: str,
    weights: str,
    cotangents: str,
    port: str,
    names: Sequence[Sequence[str]],
    sites: Sequence[Sequence[Any]],
) -> dict[str, Any]:
    """Compare a port's gradients with the reference's in float64.

    port: a file with the port's gradients by the reference's names, "input/NAME" and
    "parameter/NAME". names: what was asked of the reference, in its order: (kind, name). sites:
    (file, line, function's name, number of its tensors), where a gradient may be cut.

    Returns "compared", "differing" (name, ratio), and "cut": the site and operand that explains
    them, with the ratio left, or None.
    """
    held, tapes = serving.current(), session.module("tape")
    network = copy.deepcopy(held.network)
    known = held.bridge.entries(network)
    with arrays.reading(Path(weights)) as file:
        state = {name: file[name] for name in file.names}
    for name, value in state.items():
        held.bridge.assign(known[name], value)
    inputs_given = read_given(inputs, session)
    given = inputs_given.arrays
    with arrays.reading(Path(cotangents)) as file:
        factors = {int(name): file[name] for name in file.names}
    with arrays.reading(Path(port)) as file:
        theirs = {name: file[name].astype(np.float64) for name in file.names}
    keys = [f"{kind}/{name}" for kind, name in names]
    precise = tapes.double(copy.deepcopy(network))

    def truth(cut: Any = None) -> dict[str, np.ndarray]:
        with inputs_given.drawing():
            found = tapes.gradients(
                precise, lambda v: inputs_given.call(precise, v), given, factors, cut=cut
            )
        return dict(zip(keys, found, strict=True))

    exact = truth()

    def single(network: Any, state: Mapping[str, np.ndarray], inputs: Any) -> dict[str, Any]:
        entries = held.bridge.entries(network)
        for name, value in state.items():
            held.bridge.assign(entries[name], value)
        with inputs_given.drawing():
            found = tapes.gradients(
                network, lambda v: inputs_given.call(network, v), inputs, factors, single=True
            )
        return dict(zip(keys, found, strict=True))

    units = _units(lambda *numbers: single(network, *numbers), state, given, exact)
    ratios = _ratios(theirs, exact, units)
    differing = {name: ratio for name, ratio in ratios.items() if ratio > BOUND}
    result: dict[str, Any] = {
        "compared": len(ratios),
        "differing": sorted(differing.items(), key=lambda item: -item[1]),
        "cut": None,
    }
    if not differing:
        return result
    deadline = time.thread_time() + _BUDGET_S
    for file, line, name, count in sites:
        for operand in range(int(count)):
            if time.thread_time() > deadline:
                return result
            session.report(f"looking for a lost gradient: line {line}")
            cut = tapes.Detached(lambda: users_frames(3)[:1], (file, line, name), operand)
            try:
                found = truth(cut)
            except Exception:
                continue
            left = max(_ratios(theirs, found, units, floor=exact).values())
            if left <= BOUND:
                result["cut"] = {
                    "site": [file, line, name],
                    "operand": operand,
                    "ratio_after": left,
                }
                return result
    return result


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


def _ratios(
    port: Mapping[str, np.ndarray],
    exact: Mapping[str, np.ndarray],
    units: Mapping[str, tuple[float, float]],
    floor: Mapping[str, np.ndarray] | None = None,
) -> dict[str, float]:
    ratios = {}
    for name, array in port.items():
        if name not in exact or array.size != exact[name].size:
            continue
        error = norms_of(array.reshape(exact[name].shape) - exact[name])
        two, most = units[name]
        ratios[name] = max(
            error.two / two if two else (np.inf if error.two else 0.0),
            error.max / most if most else (np.inf if error.max else 0.0),
        )
    return ratios
