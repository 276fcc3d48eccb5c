"""Which modules and outputs of two networks belong together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.adapters.mapping import WeightMap, owner_of
from parity.diagnose.forced import Pairing


def container_pairings(
    mapped: WeightMap,
    reference: Mapping[str, Any],
    port: Mapping[str, Any],
    aligned: Mapping[str, str | None],
) -> list[Pairing]:
    """Modules that hold the same weights: surely where each holds them itself, else perhaps.

    aligned: those that were paired by hand, None for no partner.
    """
    by_hand = set(aligned.values())
    return [
        Pairing(name, other, True) for name, other in aligned.items() if name and other is not None
    ] + [
        pairing
        for pairing in _by_weights(mapped, reference, port)
        if pairing.reference not in aligned and pairing.port not in by_hand
    ]


def _by_weights(
    mapped: WeightMap, reference: Mapping[str, Any], port: Mapping[str, Any]
) -> list[Pairing]:
    partners: dict[str, set[str]] = defaultdict(set)
    for pair in mapped.pairs:
        partners[pair.reference].add(pair.port)
    ours: dict[str, frozenset[str]] = {}
    theirs: dict[str, frozenset[str]] = {module["name"]: frozenset() for module in port["modules"]}
    ours = {
        name: frozenset(
            other for one, found in partners.items() if _is_within(one, name) for other in found
        )
        for name in (module["name"] for module in reference["modules"])
    }
    taken = {pair.port for pair in mapped.pairs}
    theirs = {name: frozenset(one for one in taken if _is_within(one, name)) for name in theirs}
    found: list[Pairing] = []
    own = {module for pair in mapped.pairs for module in [owner_of(pair.reference)]}
    leaves: dict[str, str] = {}
    for name in own:
        others = {owner_of(pair.port) for pair in mapped.pairs if owner_of(pair.reference) == name}
        if len(others) == 1:
            other = next(iter(others))
            back = {
                owner_of(pair.reference) for pair in mapped.pairs if owner_of(pair.port) == other
            }
            if back == {name}:
                leaves[name] = other
    by_weights: dict[frozenset[str], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for name, held in ours.items():
        if held and name not in leaves and name:
            by_weights[held][0].append(name)
    for name, held in theirs.items():
        if held and name not in leaves.values() and name:
            by_weights[held][1].append(name)
    for name, other in leaves.items():
        if name and other and ours.get(name) == theirs.get(other):
            found.append(Pairing(name, other, True))
    for one, other_names in by_weights.values():
        if one and other_names:
            pairs = zip(one, other_names, strict=False)
            found += [Pairing(name, other, False, ("out",)) for name, other in pairs]
    return found


def _is_within(entry: str, module: str) -> bool:
    return not module or entry.startswith(module + ".")


def match_outputs(
    reference: Mapping[str, np.ndarray], port: Mapping[str, np.ndarray], first: Any, other: Any
) -> dict[int, str]:
    """The port's output for each of the reference's, by number: by names, else shape and order."""
    left = list(other.outputs)
    found: dict[int, str] = {}
    if set(first.outputs) == set(other.outputs):
        return dict(enumerate(first.outputs))
    for number, name in enumerate(first.outputs):
        same = [
            one for one in left if sorted(port[one].shape) == sorted(reference[name].shape)
        ] or [one for one in left if port[one].size == reference[name].size]
        if same:
            found[number] = same[0]
            left.remove(same[0])
    return found
