"""Taps side by side: what can be said where the reference is no PyTorch."""

from __future__ import annotations

from parity.adapters.networks import Recording
from parity.compare.modules import align
from parity.compare.reproductions import reproduce_taps
from parity.compare.state import State
from parity.diagnose.attributes import difference_of_attributes
from parity.diagnose.pairing import container_pairings, match_outputs
from parity.diagnose.plain import Compared, outputs_side_by_side, side_by_side
from parity.diagnose.plain import own as own_differences
from parity.measure.problem import Problem
from parity.report.comparison import Aligned, Finding, Place
from parity.reproduce.scripts import MOST

_MOVED_RUNS = 3


def compare_plainly(state: State, first: Recording, of_port: Recording) -> None:
    """Compare taps side by side: the reference is no PyTorch, so nothing is changed in it."""
    result, reference = state.result, state.reference
    result.assumptions.append(
        "the reference is not PyTorch: the bound comes from float32 runs moved by an ulp, places "
        "from taps side by side, causes from attributes alone"
    )
    moved = []
    if reference.is_live:
        plain = reference.state()
        for seed in range(_MOVED_RUNS):
            problem = Problem(state.options.inputs, weights=plain).perturbed(1, (seed,))
            reference.load(problem.weights)
            moved.append(reference.record(problem.inputs, f"moved-{seed}"))
        reference.load(plain)
    else:
        result.assumptions.append("the reference was recorded: float32 is taken to be one ulp off")
    result.outputs = match_outputs(first.read("output"), of_port.read("output"), first, of_port)
    pairings = container_pairings(state.mapped, reference.about, state.port.about, state.aligned)
    outputs = outputs_side_by_side(first, moved, of_port, result.outputs)
    compared = side_by_side(first, moved, of_port, pairings)
    ratios: dict[str, float] = {}
    for one in compared:
        ratios[one.module] = max(one.ratio, ratios.get(one.module, 0.0))
    align(state, pairings, alike={}, ratios=ratios)
    result.expected += len(first.outputs) + len(compared)
    result.compared += len(outputs) + len(compared)
    result.output_ratio = max((one.ratio for one in outputs), default=0.0)
    result.outputs_differ = any(one.differs for one in outputs)
    own = own_differences(compared) if result.outputs_differ else []
    # A tap that differs without consequence stands for something else.
    meant = [one for one in compared if not one.differs or any(one is other for other, _ in own)]
    for one in (*meant, *outputs):
        number = one.events[0]
        call = first.events[number]["call"] if number >= 0 else 0
        array = f"tap/{one.module or '(network)'}#{call}.{one.side}0"
        name = array if number >= 0 else "output/0"
        result.aligned.append(Aligned(name, *_places(one, first, of_port), one.ratio))
    written = 0
    frameworks = reference.side.framework, state.port.side.framework
    for one, inherited in own:
        cause, detail = "", ""
        if one.side == "out" and not inherited:
            attributes = reference.attributes.get(one.module, {})
            others = state.port.attributes.get(one.port, {})
            cause, detail = difference_of_attributes(attributes, others, frameworks)
        places = _places(one, first, of_port)
        shown = None
        if not cause and not inherited and state.options.reproductions and written < MOST:
            written += 1
            words = f"{places[0].in_words} / {places[1].in_words}: {one.ratio:.3g} times rounding"
            shown = reproduce_taps(state, first, of_port, one, words)
        result.findings.append(
            Finding(
                "module" if one.side == "out" else "code",
                places[0],
                places[1],
                one.ratio,
                inherited=inherited,
                cause=cause,
                detail=detail,
                ratio_before=one.ratio,
                reproduction=shown,
                times=1.0,
            )
        )


def _places(one: Compared, first: Recording, of_port: Recording) -> tuple[Place, Place]:
    """Where what was compared is, on both sides."""
    return (
        place_of_event(first, one.events[0], one.module),
        place_of_event(of_port, one.events[1], one.port),
    )


def place_of_event(recording: Recording, number: int, module: str) -> Place:
    """The line of an event; the module alone where that is not known, as of an output (-1)."""
    frames = recording.events[number]["frames"] if number >= 0 else []
    if not frames:
        return Place(module)
    return Place(module, frames[0][0], frames[0][1], frames[0][1])
