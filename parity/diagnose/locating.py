"""What the reference's process does to find where a port differs, and why: `Forced`, then `Search`.

Only PyTorch records what it computes, so only a reference in PyTorch is asked this.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.adapters import calling, serving
from parity.adapters.draws import Stream
from parity.diagnose.forced import Check, Forced, Inputs, Pairing, PortRun, PortTap
from parity.diagnose.layouts import places_of
from parity.diagnose.places import common_start
from parity.diagnose.search import Explanation, Search, places
from parity.judge.verdicts import BOUND
from parity.reproduce.scripts import MOST, transcript_script
from restoration.process import arrays
from restoration.process.serve import Session


def locate(
    session: Session,
    *,
    inputs: str,
    port: str,
    events: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, str],
    pairings: Sequence[Sequence[Any]],
    outputs: Mapping[str, str],
    weights: str,
    causes: bool = True,
    is_likely: bool = False,
    reproductions: str = "",
) -> dict[str, Any]:
    """Run the reference led by a port's taps, and explain what differs.

    port: the file of the port's recording. events: its. kinds: classes of its modules. pairings:
    (reference's module, port's, whether it is sure). outputs: the port's name of each output, by
    its number. weights: a file with the port's weights by the reference's names. is_likely:
    whether the port is expected to agree, which is then tried in float32. reproductions: a
    folder for the reference's part of each reproduction of what has no known cause.
    """
    held = serving.current()
    tapes, catalogue = session.module("tape"), session.module("mutations")
    network = serving.copy_with(weights)[0]
    with arrays.reading(Path(port)) as file:  # taps are read when they are needed
        taps = list(_taps(file, events, kinds))
        results = {int(number): _real(file[f"output/{name}"]) for number, name in outputs.items()}
        pairs = [Pairing(one, other, sure, tuple(sides)) for one, other, sure, sides in pairings]
        given = read_given(inputs, session)
        run = PortRun(taps, results, pairs)
        with held.bridge.on_this_machine():
            forced = Forced(tapes, network, given, run, is_single=True)
            if not (is_likely and forced.agrees()):
                forced = Forced(tapes, tapes.double(network), given, run)
                forced.settle(session.report)
            search = Search(forced, catalogue)
            found: list[dict[str, Any]] = []
            written = 0
            differing = forced.differing()
            for number, check in enumerate(differing):
                session.report(f"looking for causes: {number + 1} of {len(differing)}")
                explanation = search.explain(check) if causes else None
                found.append(_finding(forced, check, explanation))
                if causes and reproductions and explanation is None and written < MOST:
                    written += 1
                    transcripts = session.module("transcript")
                    folder = Path(reproductions) / str(number)
                    _write_part(forced, check, transcripts, network, folder)
                    found[-1]["reproduction"] = str(folder)
        return {
            "sites": _sites(forced) if not differing else [],
            "findings": found,
            "aligned": [
                _aligned(check, tap)
                for check in forced.checks
                if (tap := check.subject.port_tap) is not None
            ],
            "compared": sum(not check.is_repeated for check in forced.checks),
            "dropped": sorted("/".join(map(str, key)) for key in forced.dropped),
            "matched": sum(len(taps) for taps in forced.stands.values()),
            "alike": forced.alike,
            "decided": [one.in_words for one in forced.decided],
            "ratios": _worst(forced.checks),
        }


def _real(array: np.ndarray) -> np.ndarray:
    """In float64, decisions and whole numbers too."""
    return array if np.iscomplexobj(array) else np.asarray(array, np.float64)


def _worst(checks: Sequence[Check]) -> dict[str, float]:
    """The largest ratio at each module of the reference."""
    found: dict[str, float] = {}
    for check in checks:
        if check.reference and check.subject.port_tap is not None:
            found[check.reference] = max(found.get(check.reference, 0.0), check.ratio)
    return found


def read_given(path: str, session: Session) -> Inputs:
    """Inputs of a file, and how the reference is called with them."""
    named, bridge = serving.read_inputs(path), session.module("foreign")

    def call(network: Any, values: Sequence[Any]) -> Any:
        arguments, keywords = calling.bound(network, dict(zip(named, values, strict=True)))
        return network(*arguments, **keywords)

    return Inputs(
        list(named.values()),
        call,
        lambda: bridge.drawing(serving.current().network, Stream(0)),
        session.module("decisions"),
    )


def _aligned(check: Check, tap: PortTap) -> dict[str, Any]:
    """What was compared at a tap, in plain values: where it is, and how far apart it is."""
    size = check.size
    caller, frames = check.caller
    return {
        "module": check.reference or caller,
        "frame": list(frames[0][:2]) if frames else None,
        "event": tap.event,
        "side": check.subject.side,
        "ratio": check.ratio,
        "times": check.bound / BOUND,
        "error": check.error / size if size else 0.0,
        "unit": check.units.max / size if size else 0.0,
    }


def _sites(forced: Forced) -> list[dict[str, Any]]:
    """Lines and calls where a gradient may be cut, and the port's taps around each, the last
    first."""
    ends = {
        number: check.subject.port_tap.event
        for check in reversed(forced.checks)
        for number in check.history.calls
        if check.subject.port_tap is not None
    }
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for call in reversed(forced.tape.calls):
        slots = [part.slot for part in places((call.arguments, call.keywords))]
        if not call.frames or not slots:
            continue
        site = (*call.frames[0][:2], call.name)
        history = forced.tape.history(call.results[0]) if call.results else None
        sources = sorted({tap.event for slot in slots for tap in forced.stands.get(slot, [])})
        if history is not None and site not in found:
            found[site] = {
                "site": [*site, len(slots)],
                "reference": _place([call], None),
                "paired": None,
                "target": ends.get(call.number),
                "sources": sources,
            }
    return list(found.values())


def _taps(file: Any, events: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> Any:
    number = 0
    for place, event in enumerate(events):
        for leaf in event["leaves"]:
            name = f"tap/{place}/{leaf}"
            if np.issubdtype(file[name].dtype, np.floating):
                yield PortTap(
                    number,
                    place,
                    str(event["module"]),
                    int(event["call"]),
                    str(event["side"]),
                    leaf,
                    functools.partial(file.__getitem__, name),
                    kinds.get(str(event["module"]), ""),
                )
                number += 1


def _finding(forced: Forced, check: Check, explanation: Explanation | None) -> dict[str, Any]:
    """A difference as plain values: places of the reference, and the port's taps around it."""
    stretch = forced.stretch_of(check)
    groups = [[tap.event for tap in forced.stands.get(slot, [])] for slot in stretch.sources]
    sources = sorted({event for group in groups for event in group})
    inside = bool(stretch.calls) and all(check.reference in call.modules for call in stretch.calls)
    is_module = check.subject.side == "out" and inside and bool(check.reference)
    found: dict[str, Any] = {
        "kind": "module" if is_module else "code",
        "reference": _place(stretch.calls, check.reference if is_module else None)
        if stretch.calls
        else _caller(check),
        "paired": check.port if is_module else None,
        "target": None if check.subject.port_tap is None else check.subject.port_tap.event,
        "leaf": None if check.subject.port_tap is None else check.subject.port_tap.leaf,
        "output": _number_of_output(check),
        "tap": [check.reference, *check.key[2:]],
        "sources": sources,
        "groups": groups,
        "reproduction": None,
        "ratio": check.ratio,
        "times": check.bound / BOUND,
        "causes": [],
    }
    for step in explanation.steps if explanation else ():
        calls = [call for call in stretch.calls if call.number in step.calls] or stretch.calls[-1:]
        found["causes"].append(
            {
                "name": step.cause,
                "detail": step.detail,
                "ratio_before": explanation.ratio_before if explanation else 0.0,
                "ratio_after": explanation.ratio_after if explanation else 0.0,
                "reference": _place(calls, None if step.calls else check.reference),
            }
        )
    return found


def _number_of_output(check: Check) -> int | None:
    side = check.key[2]
    return int(side.removeprefix("output")) if check.subject.port_tap is None else None


def _write_part(forced: Forced, check: Check, transcripts: Any, network: Any, folder: Path) -> None:
    """Write what a reproduction needs of the reference: a program, if its calls have a text, with
    its inputs and weights; and where the port keeps each number."""
    folder.mkdir(parents=True)
    tap, number = check.subject.port_tap, _number_of_output(check)
    raw = tap.array if tap is not None else forced.port_output(number)
    places = places_of(np.asarray(raw, np.float64), check.value)
    if places is None:
        places = np.arange(check.value.size)
    np.savez(folder / "layout.npz", places=places)
    np.save(folder / "port.npy", raw)  # as it was recorded; the port's program writes it anew
    stretch = forced.stretch_of(check)
    try:
        found = transcripts.transcribe(forced.tape, stretch, network)
        again = found.run()
    except Exception:  # a call without a text; the network's own file is run instead
        return
    if not np.allclose(again, forced.tape.play(stretch), rtol=1e-9, atol=1e-12, equal_nan=True):
        return
    where = check.reference or "the network"
    np.savez(folder / "reference_inputs.npz", **found.inputs)
    np.savez(folder / "reference_weights.npz", **found.weights)
    script = transcript_script(found.lines, found.result, f"a part of {where}")
    (folder / "reference.py").write_text(script, encoding="utf-8")


def _caller(check: Check) -> dict[str, Any]:
    """Where a tap was met that nothing was computed for: a wrong tensor was handed on."""
    module, frames = check.caller
    file, line, _ = frames[0] if frames else (None, None, "")
    return {
        "module": module,
        "file": file,
        "first_line": line,
        "last_line": line,
        "frames": [list(frame) for frame in frames[:4]],
    }


def _place(calls: Sequence[Any], module: str | None) -> dict[str, Any]:
    """Where calls are: the innermost module that runs all of them, and their lines."""
    if not calls:
        return {"module": module or "", "file": None, "first_line": None, "last_line": None}
    stacks = [list(reversed(call.modules)) for call in calls]
    if module is None:
        module = common_start(stacks)[-1]
    last = next((call.frames[0] for call in reversed(calls) if call.frames), None)
    if last is None:
        return {"module": module, "file": None, "first_line": None, "last_line": None}
    lines = [
        frame[1]
        for call in calls
        for frame in call.frames[:1]
        if frame[0] == last[0] and frame[2] == last[2]
    ]
    return {
        "module": module,
        "file": last[0],
        "first_line": min(lines),
        "last_line": max(lines),
        "frames": [list(frame) for call in calls for frame in call.frames[:4]][:24],
    }
