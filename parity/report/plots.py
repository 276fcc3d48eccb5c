"""Plots of a page as SVG: errors against noise along call order, and drift by step of training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from parity.judge.measurement import ArrayKind
from parity.judge.verdicts import ArrayVerdict, Verdict
from parity.report.names import shown

WIDTH, HEIGHT = 720, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 26
_MOST_POINTS = 180
_GROUPS = ("loss", "weights", "averages", "moments")


@dataclass(frozen=True)
class Plot:
    """A plot with its heading and, in words, where it starts to differ."""

    title: str
    svg: Markup
    start: str


@dataclass(frozen=True)
class _Point:
    place: int
    error: float
    unit: float
    name: str
    differs: bool


def of_arrays(arrays: Sequence[ArrayVerdict], bound: float) -> list[Plot]:
    """Forward and gradient, each along call order; or drift by step, of training."""
    steps = [array for array in arrays if array.key.kind is ArrayKind.STEP]
    if steps:
        return [_of_steps(steps, bound)]
    forward = [one for one in arrays if one.key.kind in (ArrayKind.TAP, ArrayKind.OUTPUT)]
    gradients = [one for one in arrays if one.key.is_gradient]
    groups = (
        ("Forward, in the order of calls", forward),
        ("Gradients, from the output back", gradients),
    )
    return [_of_order(title, members, bound) for title, members in groups if members]


def _of_order(title: str, arrays: Sequence[ArrayVerdict], bound: float) -> Plot:
    has_errors = all(one.unit for one in arrays if one.ratio and math.isfinite(one.ratio))
    points = [
        _Point(
            place,
            (one.error if has_errors else one.ratio) if math.isfinite(one.ratio) else math.inf,
            one.unit if has_errors else 1.0,
            shown(one.key.in_words),
            one.verdict is not Verdict.AGREE,
        )
        for place, one in enumerate(arrays)
    ]
    first = next((point for point in points if point.differs), None)
    start = f"starts at {first.name}, {first.place + 1} of {len(points)}" if first else ""
    scale = _Scale(
        [number for one in points for number in (one.error, one.unit, bound * one.unit)],
        len(points),
    )
    kept = _thinned(points)
    units = [(scale.x(one.place), scale.y(one.unit)) for one in kept]
    limits = [(scale.x(one.place), scale.y(bound * one.unit)) for one in kept]
    parts = [
        *scale.axes("error / largest value" if has_errors else "error / noise"),
        f'<path class="band" d="{_line(limits)}L{_line(reversed(units))[1:]}Z"/>',
        f'<path class="limit" d="{_line(limits)}"/>',
        f'<path class="noise" d="{_line(units)}"/>',
        f'<path class="error" d="{_line((scale.x(p.place), scale.y(p.error)) for p in kept)}"/>',
    ]
    if first:
        x = scale.x(first.place)
        parts.append(f'<path class="start" d="M{x} {_TOP}V{HEIGHT - _BOTTOM}"/>')
    parts += [_dot(scale, one) for one in kept if one.differs]
    return Plot(title, _svg(parts, f"{title}: error of {len(points)} arrays. {start}"), start)


def _of_steps(arrays: Sequence[ArrayVerdict], bound: float) -> Plot:
    """The worst ratio of each step, for losses, weights, averaged weights and moments."""
    worst: dict[str, dict[int, ArrayVerdict]] = {}
    for one in arrays:
        number, _, rest = one.key.name.partition("/")
        step, group = int(number), rest.partition("/")[0]
        of_group = worst.setdefault(group if group in _GROUPS else "loss", {})
        if step not in of_group or one.ratio > of_group[step].ratio:
            of_group[step] = one
    last = max(max(steps) for steps in worst.values())
    numbers = [one.ratio for steps in worst.values() for one in steps.values()]
    scale = _Scale([*numbers, bound, 1.0], last, first=1)
    y = scale.y(bound)
    parts = [
        *scale.axes("error / noise"),
        f'<path class="limit" d="M{_LEFT} {y}H{WIDTH - _RIGHT}"/>',
    ]
    differing: list[tuple[int, ArrayVerdict]] = []
    for place, group in enumerate(name for name in _GROUPS if name in worst):
        steps = worst[group]
        line = _line((scale.x(step - 1), scale.y(steps[step].ratio)) for step in sorted(steps))
        parts.append(f'<path class="g{place}" d="{line}"/>')
        left = _LEFT + 8 + 90 * place
        parts.append(
            f'<path class="g{place}" d="M{left} {HEIGHT - 5}h16"/>'
            f'<text x="{left + 20}" y="{HEIGHT - 1}">{group}</text>'
        )
        differing += [item for item in steps.items() if item[1].verdict is Verdict.DIFFER]
    start = ""
    if differing:
        first, worst_there = min(differing, key=lambda item: (item[0], -item[1].ratio))
        start = f"starts at {shown(worst_there.key.in_words)}"
        x = scale.x(first - 1)
        parts.append(f'<path class="start" d="M{x} {_TOP}V{HEIGHT - _BOTTOM}"/>')
    parts += [
        _dot(scale, _Point(step - 1, one.ratio, 1.0, shown(one.key.in_words), True))
        for step, one in differing
    ]
    title = f"Drift over {last} steps"
    return Plot(title, _svg(parts, f"{title}. {start}"), start)


class _Scale:
    """Places of points: x by number, y by the logarithm. Infinite values are at the top."""

    def __init__(self, numbers: Iterable[float], count: int, first: int = 0):
        known = [number for number in numbers if 0 < number < math.inf]
        least = math.floor(math.log10(min(known, default=0.1)))
        most = math.ceil(math.log10(max(known, default=1.0)))
        self.least = max(least, most - 14)
        self.most = max(most, self.least + 1)
        self._count, self._first = count, first

    def x(self, place: int) -> float:
        span = max(self._count - 1, 1)
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * place / span, 1)

    def y(self, number: float) -> float:
        power = (
            math.log10(number) if 0 < number < math.inf else (self.most if number else self.least)
        )
        share = (min(max(power, self.least), self.most) - self.least) / (self.most - self.least)
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share, 1)

    def axes(self, unit: str) -> list[str]:
        """Lines of decades with their numbers, at most six."""
        every = math.ceil((self.most - self.least) / 5)
        parts = []
        for power in range(self.least, self.most + 1, every):
            y = self.y(10.0**power)
            parts.append(f'<path class="grid" d="M{_LEFT} {y}H{WIDTH - _RIGHT}"/>')
            number = f"{10.0**power:g}" if -3 <= power <= 4 else f"1e{power}"
            parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4}">{number}</text>')
        what = "step" if self._first else "array"
        last = self._count
        parts.append(f'<text x="{_LEFT}" y="{HEIGHT - 6}">{unit}</text>' if what == "array" else "")
        parts.append(
            f'<text class="tick" x="{WIDTH - _RIGHT}" y="{HEIGHT - 6}">{what} {last}</text>'
        )
        return parts


def _thinned(points: Sequence[_Point]) -> list[_Point]:
    """At most so many points as can be told apart: the worst of each stretch."""
    size = max(1, math.ceil(len(points) / _MOST_POINTS))
    groups = [points[place : place + size] for place in range(0, len(points), size)]
    return [
        max(group, key=lambda one: (one.differs, one.error / one.unit if one.unit else one.error))
        for group in groups
    ]


def _line(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _dot(scale: _Scale, point: _Point) -> str:
    text = escape(f"{point.name}: {point.error:.3g}")
    x, y = scale.x(point.place), scale.y(point.error)
    return f'<circle class="dot" cx="{x}" cy="{y}" r="3"><title>{text}</title></circle>'


def _svg(parts: Sequence[str], label: str) -> Markup:
    """An SVG; all text in the parts is ours or escaped."""
    body = "".join(parts)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{body}</svg>'
    )
