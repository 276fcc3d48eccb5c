"""Where a port differs: the reference computes from what the port has, tap by tap.

The reference runs once in float64 on the port's weights. Wherever a tap of the port stands for
something of the reference, the reference's numbers are compared with the port's and then replaced
by them. So every stretch of code between two taps is judged alone, on equal inputs: a difference
is the stretch's own, never inherited, and all faulty stretches are found in one run. What a stretch
is follows from the data, not from the order of calls.

Which tap stands for what is told by weights (modules that hold the same ones) and by equal numbers.
A pair that only its place or kind speaks for counts where it explains what comes after it.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.adapters.lines import users_frames
from parity.diagnose.deciding import Decided, decide
from parity.diagnose.layouts import arranged, nearest
from parity.judge.errors import NOTHING, Norms, norms_between, norms_of
from parity.judge.verdicts import BOUND

ULP = 2.0**-23
"""Least error, relative to an array's norm, that a stretch is expected to have in float32."""
_SAME = BOUND * ULP
STRETCH_BOUND = 2 * BOUND
"""Largest ratio of an honest stretch. Twice that of a network's outputs: the noise of a few
operations is told from fewer roundings. Measured: honest stretches up to 19, faults from 200."""
_LEAST_SIZE = 8  # of an array whose numbers tell what it is
_SOME = 256  # numbers by which arrays of equal norms are told apart
_NOISE_RUNS = 3


@dataclass
class PortTap:
    """An array that entered or left a module of the port. event: its number in the recording.
    read: gives the array, which stays on the disk until it is needed."""

    number: int
    event: int
    module: str
    call: int
    side: str
    leaf: str
    read: Callable[[], np.ndarray]
    kind: str
    norms: Norms = field(init=False)
    size: int = field(init=False)
    _shape: tuple[int, ...] = field(init=False)
    _some: bytes = field(init=False)

    def __post_init__(self) -> None:
        array = self.read()
        self.norms, self._shape, self.size = norms_of(array), array.shape, array.size
        self._some = array.ravel()[:: max(1, array.size // _SOME)].tobytes()

    def has_numbers_of(self, other: PortTap) -> bool:
        """Whether it holds the same array, as what leaves a module and enters the next: told by
        norms that are equal to the last digit, and by some of the numbers."""
        mine, others = ((one.norms, one._shape, one._some) for one in (self, other))
        return mine == others

    def has_layout_of(self, array: np.ndarray) -> bool:
        """Whether an array that was made of this one by a change of layout alone is as it was."""
        return array.shape == self._shape and array.flags.c_contiguous

    @property
    def array(self) -> np.ndarray:
        """The array in float64, in memory of its own."""
        return self.read().astype(np.float64)


@dataclass(frozen=True)
class _Equal:
    """A tap of the port that holds some numbers. value: they, in the layout asked for. norms: of
    the numbers that were asked for. distance: of the value from them."""

    tap: PortTap
    value: np.ndarray
    norms: Norms
    distance: Norms


@dataclass(frozen=True)
class Pairing:
    """Modules that are compared. is_strong: they hold the same weights, and nothing else does."""

    reference: str
    port: str
    is_strong: bool
    sides: tuple[str, ...] = ("in", "out")


@dataclass(frozen=True)
class Subject:
    """What is compared. key: a name for it, the same in every run. reference: the module. side: of
    it. is_strong: see `Pairing`."""

    key: tuple[str, str, str, int]
    reference: str
    port_tap: PortTap | None
    side: str
    is_strong: bool


@dataclass
class Check:
    """A comparison: what the reference computed, and what the port has, at a tap.

    tap: the number of the reference's tap that the port's numbers became, None at an output.
    computed: the reference's own, None where the port has the same but for rounding, which saves
    memory. held: the port's, in the reference's layout; None where the tap has it as it is, and it
    does not differ. is_repeated: nothing was computed since the tap before. is_led: the port's taps
    led the run; otherwise an output is judged as a whole. size: the largest value of the
    reference. error: by how much the port is off. caller: the module that ran, and the user's
    frames.
    """

    subject: Subject
    slot: int
    history: Any
    computed: np.ndarray | None
    held: np.ndarray | None
    tap: int | None
    ratio: float = 0.0
    units: Norms = NOTHING
    is_repeated: bool = False
    is_led: bool = True
    size: float = 0.0
    error: float = 0.0
    caller: tuple[str, Sequence[tuple[str, int, str]]] = ("", ())

    @property
    def value(self) -> np.ndarray:
        """What the port has, in the reference's layout."""
        if self.held is not None:
            return self.held
        assert self.subject.port_tap is not None
        return self.subject.port_tap.array

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.subject.key

    @property
    def reference(self) -> str:
        return self.subject.reference

    @property
    def port(self) -> str:
        return self.subject.key[1]

    @property
    def bound(self) -> float:
        """The largest ratio of an honest port."""
        is_output = self.subject.port_tap is None
        return BOUND if is_output and not self.is_led else STRETCH_BOUND

    @property
    def differs(self) -> bool:
        return self.ratio > self.bound


_FAMILIES = {
    "activation": (
        r"relu|gelu|sigmoid|tanh|silu|swish|elu$|mish|softplus|hswish|activation",
        r"relu|gelu|sigmoid|tanh|silu|swish|elu$|mish|softplus|relu_|clamp_min",
    ),
    "pool": (r"pool", r"pool|boolean_dispatch"),
    "resize": (r"upsample|resize|interpol", r"interpolate|upsample"),
    "shuffle": (r"shuffle|depthtospace|spacetodepth", r"pixel_(un)?shuffle"),
    "pad": (r"pad", r"^pad$"),
    "softmax": (r"softmax", r"softmax"),
}


def family_of_module(kind: str) -> str:
    """What a module without weights does, by the name of its class."""
    return _family(kind, 0)


def family_of_call(name: str) -> str:
    return _family(name, 1)


def _family(name: str, place: int) -> str:
    for family, patterns in _FAMILIES.items():
        if re.search(patterns[place], name.lower()):
            return family
    return ""


@dataclass(frozen=True)
class PortRun:
    """What a port gave. taps: in order. outputs: by the number of the reference's. pairings: of the
    reference's modules with the port's."""

    taps: Sequence[PortTap]
    outputs: Mapping[int, np.ndarray]
    pairings: Sequence[Pairing]


@dataclass(frozen=True)
class Inputs:
    """What the reference is given. call: calls a network with them, as tensors. drawing: in it,
    random numbers come from the stream that the port's came from. decisions: the module that knows
    the framework's (`torch_impl/decisions.py`)."""

    arrays: Sequence[np.ndarray]
    call: Callable[[Any, Sequence[Any]], Any]
    drawing: Callable[[], contextlib.AbstractContextManager[None]]
    decisions: Any


class Forced:
    """A run of the reference that is led by a port's taps.

    tapes: the module that records PyTorch (`torch_impl/tape.py`). is_single: in float32, by which
    a port that agrees is told in a part of the time; nothing can be judged more closely then.
    dropped: keys of pairs that turned out to mean different things.
    """

    def __init__(
        self, tapes: Any, network: Any, inputs: Inputs, port: PortRun, *, is_single: bool = False
    ):
        self.tapes, self._is_single = tapes, is_single
        self._network, self._given = network, inputs
        self._outputs, taps = port.outputs, port.taps
        self._pairings = {pairing.reference: pairing for pairing in port.pairings}
        self._by_place: dict[tuple[str, str], list[PortTap]] = defaultdict(list)
        for tap in taps:
            self._by_place[tap.module, tap.side].append(tap)
        self._by_size: dict[int, list[PortTap]] = defaultdict(list)
        for tap in taps:
            if tap.size >= _LEAST_SIZE and tap.norms.two:
                self._by_size[tap.size].append(tap)
        self.dropped: set[tuple[str, str, str, int]] = set()
        self.apart: set[tuple[str, str, str, int]] = set()  # inputs that nothing else shares
        self.checks: list[Check] = []
        self.tape: Any = None
        self.stands: dict[int, list[PortTap]] = {}
        self.decided: list[Decided] = []  # what the port decides otherwise, within rounding
        self.alike: dict[str, str] = {}  # modules that give what one of the port gives

    def run(self) -> None:
        """Run the reference once, led by the taps; fills `tape` and `checks`."""
        self.checks = []
        self.stands = defaultdict(list)  # the port's taps that have a slot's numbers
        self.alike = {}
        self.decided = []
        self._calls: dict[str, int] = {}
        self._used: set[tuple[str, int]] = set()
        self._current: list[tuple[str, int | None]] = []
        tapes = self.tapes
        single = self._is_single
        self.tape = tapes.Tape(lambda: users_frames(3)[:8], self._watch, is_single=single)
        values = [tapes.to_tensor(array, single=single) for array in self._given.arrays]
        self._values = values
        for value in values:
            self.tape.mark(value)
        with (
            tapes.recording(self.tape, self._network, self._enter, self._leave),
            self._given.drawing(),
        ):
            result = self._given.call(self._network, values)
        for number, tensor in enumerate(tapes.tensors_of(result)):
            if number in self._outputs:
                self._check_output(number, tensor)
        for check in () if single else self.checks:
            self._judge(check)

    def agrees(self) -> bool:
        """Whether every stretch is within its bound, in units of the least error that a float32
        result may have: a run in float64 would find nothing either."""
        self.run()
        return not any(check.differs for check in self.checks)

    def settle(self, report: Callable[[str], None], most_runs: int = 8) -> None:
        """Run until every pair that is left means the same on both sides."""
        for number in range(most_runs):
            report(f"comparing stretch by stretch: run {number + 1}")
            self.run()
            wrong, apart = self._meaningless()
            if not wrong and apart <= self.apart:
                return
            self.dropped |= wrong
            self.apart |= apart

    def port_output(self, number: int | None) -> np.ndarray:
        """The port's output for the reference's of a number."""
        assert number is not None
        return self._outputs[number]

    def differing(self) -> list[Check]:
        return [check for check in self.checks if check.differs]

    def units(self, stretch: Any, truth: np.ndarray) -> Norms:
        """The error, in each norm, that has the ratio 1 at the end of a stretch.

        Decisions are taken as in float64: one that rounding takes otherwise is no noise.
        """
        two = most = 0.0
        kinds = self._given.decisions
        changes = {
            call.number: kinds.enforced(
                call.name, [self.tape.tensors[slot] for slot in call.results]
            )
            for call in stretch.calls
            if kinds.is_decision(call.name) and not call.written
        }
        for seed in range(_NOISE_RUNS):
            scale = self.tapes.wobble(seed) if seed else None
            try:
                single = self.tape.play(stretch, single=True, scale=scale, changes=changes)
            except Exception:  # an operator without float32 beside float64
                continue
            if single.shape == truth.shape:
                error = norms_of(single.astype(np.float64) - truth)
                two, most = max(two, error.two), max(most, error.max)
        norms = norms_of(truth)
        return Norms(max(two, ULP * norms.two), max(most, ULP * norms.max))

    def stretch_of(self, check: Check) -> Any:
        return self.tape.stretch(check.slot, check.history)

    # What the recording asks.

    def _watch(self, call: Any, tensors: list[Any]) -> dict[int, Any] | None:
        """A call gave tensors: do they stand for something of the port?"""
        replaced: dict[int, Any] = {}
        for index, tensor in enumerate(tensors):
            if not self.tapes.is_real(tensor):
                continue
            if self._match(tensor):
                continue
            if len(tensors) == 1 and (found := self._same_place(call, tensor)):
                tap, check = found
                if check.key not in self.dropped:
                    self.checks.append(check)
                    target, check.tap = self.tape.put(tensor, check.value, anew=True)
                    replaced[index] = target
                    self.stands[self.tape.slot(target)] = [
                        tap,
                        *(one.tap for one in self._equal(check.value) if one.tap is not tap),
                    ]
        return replaced or None

    def _match(self, tensor: Any) -> bool:
        """Take the port's numbers where a tap has the same ones."""
        numbers = self.tapes.numbers(tensor)
        found = self._equal(numbers)
        if not found:
            return False
        slot = self.tape.slot(tensor)
        value = found[0].value
        history = self.tape.history(slot)
        if not history.sources and history.calls:
            return False  # a constant
        before = {
            tap.number
            for source in history.sources
            for tap in self.stands.get(self.tape.taps[source][0], [])
        }
        if all(one.tap.number in before for one in found):
            self.stands.setdefault(slot, [one.tap for one in found])
            return True  # the same numbers in another shape
        # That they are the same speaks for whatever led here.
        subject = Subject(("match", "", "", len(self.checks)), "", found[0].tap, "out", False)
        check = self._new_check(subject, tensor, value, found[0])
        target, _ = self.tape.put(tensor, value, anew=False)
        if target is tensor:
            self.stands[slot] = [one.tap for one in found]
            check.is_repeated = True
            self.checks.append(check)
        return True

    def _equal(self, numbers: np.ndarray) -> list[_Equal]:
        """The port's taps that hold these numbers, in any layout."""
        if numbers.size < _LEAST_SIZE:
            return []
        norms = norms_of(numbers)
        found: list[_Equal] = []
        for tap in self._by_size.get(numbers.size, ()):
            if abs(tap.norms.two - norms.two) > _SAME * norms.two:
                continue
            if abs(tap.norms.max - norms.max) > _SAME * norms.max:
                continue
            if (known := next((one for one in found if tap.has_numbers_of(one.tap)), None)) is None:
                known = self._laid_out(tap, numbers, norms)
            if known is not None:
                found.append(replace(known, tap=tap))
        return found

    def _array_of(self, tap: PortTap) -> np.ndarray:
        """What a tap holds: in float64, unless the run is in float32."""
        return tap.read() if self._is_single else tap.array

    def _laid_out(self, tap: PortTap, numbers: np.ndarray, norms: Norms) -> _Equal | None:
        """A tap's numbers in the layout of others, where they are the same."""
        for candidate in arranged(self._array_of(tap), numbers.shape):
            distance = norms_between(candidate, numbers)
            if _is_close(distance, norms):
                return _Equal(tap, candidate, norms, distance)
        return None

    def _same_place(self, call: Any, tensor: Any) -> tuple[PortTap, Check] | None:
        """The port's module without weights that got the same and does the same kind of thing."""
        family = family_of_call(call.name)
        if not family or not call.arguments:
            return None
        part = call.arguments[0]
        stands = self.stands.get(getattr(part, "slot", -1), [])
        numbers = self.tapes.numbers(tensor)
        for entry in stands:
            if entry.side != "in" or family_of_module(entry.kind) != family:
                continue
            if (entry.module, entry.call) in self._used:
                continue
            for tap in self._by_place[entry.module, "out"]:
                if tap.call != entry.call:
                    continue
                value = nearest(self._array_of(tap), numbers)
                if value is None:
                    continue
                module = call.modules[0] if call.modules else ""
                key = (f"{module}/{call.name}", entry.module, "out", entry.call)
                self._used.add((entry.module, entry.call))
                return tap, self._new_check(Subject(key, module, tap, "out", False), tensor, value)
        return None

    def _enter(self, module: str, args: Any, kwargs: Any) -> Any:
        call = self._calls[module] = self._calls.get(module, -1) + 1
        tensors = [one for one in self.tapes.tensors_of((args, kwargs)) if self.tapes.is_real(one)]
        for tensor in tensors:
            if self.tape.slot(tensor) not in self.stands:
                self._match(tensor)
        pairing = self._pairings.get(module)
        port_call = self._port_call(pairing, call, tensors) if pairing else None
        self._current.append((module, port_call))
        if pairing is None or port_call is None or "in" not in pairing.sides:
            return None
        others = self._compare(pairing, port_call, call, "in", tensors)
        if not others:
            return None
        return self.tapes.mapped((args, kwargs), lambda part: others.get(id(part), part))

    def _leave(self, module: str, result: Any) -> Any:
        _, port_call = self._current.pop()
        pairing = self._pairings.get(module)
        tensors = [one for one in self.tapes.tensors_of(result) if self.tapes.is_real(one)]
        if pairing is None or port_call is None or "out" not in pairing.sides:
            self._liken(module, tensors)
            return None
        others = self._compare(pairing, port_call, self._calls[module], "out", tensors)
        if not others:
            return None
        return self.tapes.mapped(result, lambda part: others.get(id(part), part))

    def _liken(self, module: str, tensors: Sequence[Any]) -> None:
        """Note which of the port's modules gives the same numbers as one without a partner."""
        taken = {pairing.port for pairing in self._pairings.values()} | set(self.alike.values())
        for tensor in tensors:
            for tap in self.stands.get(self.tape.slot(tensor), []):
                if tap.side == "out" and tap.module and tap.module not in taken and module:
                    self.alike.setdefault(module, tap.module)

    def _port_call(self, pairing: Pairing, call: int, tensors: Sequence[Any]) -> int | None:
        """Which call of the port's module this one is: that with the same input, or the next."""
        entries = self._by_place[pairing.port, "in"]
        free = [tap.call for tap in entries if (pairing.port, tap.call) not in self._used]
        if not free:
            return None
        chosen = min(free)
        for tensor in tensors:
            for tap in self.stands.get(self.tape.slot(tensor), []):
                if tap.module == pairing.port and tap.side == "in" and tap.call in free:
                    chosen = tap.call
                    break
        self._used.add((pairing.port, chosen))
        return chosen

    def _compare(
        self, pairing: Pairing, port_call: int, call: int, side: str, tensors: Sequence[Any]
    ) -> dict[int, Any]:
        """Compare what enters or leaves a module; the tensors that take the port's numbers."""
        taps = [tap for tap in self._by_place[pairing.port, side] if tap.call == port_call]
        others: dict[int, Any] = {}
        left = list(taps)
        for index, tensor in enumerate(tensors):
            numbers = self.tapes.numbers(tensor)
            if numbers.size < 1 or not left:
                continue
            tap, value = None, None
            for candidate in left:
                value = nearest(self._array_of(candidate), numbers)
                if value is not None:
                    tap = candidate
                    break
            if tap is None or value is None:
                continue
            left.remove(tap)
            key = (pairing.reference, pairing.port, f"{side}{index}", call)
            if key in self.dropped:
                continue
            check = self._new_check(
                Subject(key, pairing.reference, tap, side, pairing.is_strong), tensor, value
            )
            self.checks.append(check)
            close = check.computed is None
            if close and not check.history.calls and check.history.sources:
                check.is_repeated = True
                continue
            # Whoever else has the tensor that enters a module has the port's numbers of it, too.
            shared = side == "in" and key not in self.apart and self.tape.is_alone(tensor)
            target, check.tap = self.tape.put(tensor, value, anew=not close and not shared)
            slot = self.tape.slot(target)
            self.stands[slot] = [
                tap,
                *(one.tap for one in self._equal(value) if one.tap is not tap),
            ]
            if target is not tensor:
                others[id(tensor)] = target
        return others

    def _check_output(self, number: int, tensor: Any) -> None:
        numbers = self.tapes.numbers(tensor)
        if np.iscomplexobj(numbers):
            return
        value = nearest(self._outputs[number], np.asarray(numbers, np.float64))
        if value is None:
            return
        key = ("", "", f"output{number}", 0)
        check = self._new_check(Subject(key, "", None, "out", True), tensor, value)
        if not check.history.calls and check.history.sources:
            return
        self.checks.append(check)

    def _new_check(
        self, subject: Subject, tensor: Any, value: np.ndarray, known: _Equal | None = None
    ) -> Check:
        """A comparison. known: how far the value is from the tensor's numbers, if that is known."""
        slot = self.tape.slot(tensor)
        numbers = self.tapes.numbers(tensor)
        exact = value if self._is_single else np.asarray(value, np.float64)
        norms = known.norms if known else norms_of(numbers)
        units = Norms(ULP * norms.two, ULP * norms.max)
        distance = known.distance if known else distance_of(exact, numbers)
        ratio = in_units(distance, units)
        differs, tap = ratio > BOUND, subject.port_tap
        is_as_it_is = tap is not None and tap.has_layout_of(exact)
        return Check(
            subject,
            slot,
            self.tape.history(slot),
            np.array(numbers, np.float64) if differs else None,
            exact if differs or not is_as_it_is else None,
            None,
            ratio,
            units,
            is_led=bool(self._pairings),
            size=norms.max,
            error=distance.max if np.isfinite(distance.max) else 0.0,
            caller=(self.tape.running[-1], users_frames(3)[:8]),
        )

    # What the comparison says.

    def _judge(self, check: Check) -> None:
        if check.computed is not None:
            check.units = self.units(self.stretch_of(check), check.computed)
            check.ratio = ratio_of(check.value, check.computed, check.units)
        if check.differs:
            self._decide(check)

    def _decide(self, check: Check) -> None:
        """Judge decisions that rounding may take either way as what they are."""
        stretch = self.stretch_of(check)
        if not any(self._given.decisions.is_decision(call.name) for call in stretch.calls):
            return
        ratio, decided = decide(
            self.tape,
            stretch,
            self._given.decisions,
            check.value,
            lambda found: ratio_of(check.value, found, check.units),
        )
        before, check.ratio = check.ratio, ratio
        if check.differs:
            check.ratio = before
        else:
            self.decided += decided

    def _meaningless(self) -> tuple[set[Any], set[Any]]:
        """Pairs that differ without consequence: the port's tap stands for something else; and
        inputs of modules that differ where other users of the same tensor have what they should."""
        wrong, apart = set(), set()
        following: dict[int, list[Check]] = defaultdict(list)
        for check in self.checks:
            for source in check.history.sources:
                following[source].append(check)
        for check in self.checks:
            if not check.differs or check.tap is None or check.key in self.dropped:
                continue
            after = following[check.tap]
            for_it = against = 0
            for other in after:
                unforced = self._unforced(check, other)
                if other.differs and not unforced:
                    against += 1
                elif not other.differs and unforced:
                    for_it += 1
            if against and for_it and check.subject.side == "in" and check.key not in self.apart:
                apart.add(check.key)
            elif against > for_it or (not for_it and not check.subject.is_strong):
                wrong.add(check.key)
        return wrong, apart

    def _unforced(self, check: Check, other: Check) -> bool:
        """Whether a later comparison differs if the reference keeps its own numbers here."""
        assert check.tap is not None
        assert check.computed is not None
        slot = self.tape.taps[check.tap][0]
        try:
            found = self.tape.play(self.stretch_of(other), sources={slot: check.computed})
        except Exception:
            return True
        return ratio_of(other.value, found, other.units) > STRETCH_BOUND


def ratio_of(value: np.ndarray, truth: np.ndarray, units: Norms) -> float:
    """How far a value is from a truth, in those units."""
    return in_units(distance_of(value, truth), units)


def distance_of(value: np.ndarray, truth: np.ndarray) -> Norms:
    """How far a value is from a truth; infinitely where they cannot be compared."""
    nowhere = Norms(float("inf"), float("inf"))
    if value.shape != truth.shape:
        return nowhere
    distance = norms_between(value, truth)
    if np.isfinite(distance.two):
        return distance
    if not np.array_equal(np.isfinite(value), np.isfinite(truth)):
        return nowhere
    with np.errstate(invalid="ignore"):  # of infinities
        return norms_of(value - truth)


def in_units(distance: Norms, units: Norms) -> float:
    """The larger of two distances, each in its unit."""
    if not distance.max:
        return 0.0
    return max(
        distance.two / units.two if units.two else np.inf,
        distance.max / units.max if units.max else np.inf,
    )


def _is_close(error: Norms, norms: Norms) -> bool:
    """Whether a difference is within rounding of an array."""
    return error.max <= _SAME * norms.max and error.two <= _SAME * norms.two
