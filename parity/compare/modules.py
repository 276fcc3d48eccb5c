"""Which module of the port was taken for which of the reference, and how far each pair is apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parity.compare.state import State
from parity.diagnose.forced import Pairing
from parity.report.comparison import Partners


def align(
    state: State,
    pairings: Sequence[Pairing],
    *,
    alike: Mapping[str, str],
    ratios: Mapping[str, float],
) -> None:
    """Fill the result's alignment: a row for each module of the reference, then one for each of the
    port that has no partner.

    alike: modules that give the same numbers. ratios: the worst at each module of the reference.
    """
    partners = {pairing.reference: pairing.port for pairing in pairings}
    rows = []
    for module in state.reference.kinds:
        partner = partners.get(module)
        how = state.mapped.hows.get(module, "the same weights")
        if module in state.aligned:
            how = "alignment"
        elif partner is None:
            partner = alike.get(module)
            how = "values of taps" if partner is not None else ""
        if module:
            rows.append(Partners(module, partner, how, ratios.get(module)))
    taken = {row.port for row in rows}
    rows += [
        Partners(None, module) for module in state.port.kinds if module and module not in taken
    ]
    state.result.alignment = rows
