"""`parity compare REFERENCE PORT`: whether a stranger's port computes what the reference does.

Where it does not, and why, is found by `parity/diagnose`.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable

from parity.adapters import alignment
from parity.adapters.networks import fitted, read_weights
from parity.adapters.sides import Side
from parity.commands.watch import files_of
from parity.compare.gradients import compare_gradients
from parity.compare.moving import brings_its_own, move_weights
from parity.compare.outputs import compare_outputs, locate
from parity.compare.plainly import compare_plainly
from parity.compare.repeats import compare_repeats, compare_sizes
from parity.compare.sides import both_started, check_finite, load_reference, with_inputs
from parity.compare.state import Options, State
from parity.compare.training import compare_moving_statistics
from parity.compare.weights import compare_all_weights, weights_of_port, write_map
from parity.report.comparison import Comparison
from restoration.errors import writing_to
from restoration.process.frameworks import REFERENCE


def compare(
    reference: Side, port: Side, options: Options, show: Callable[[str, str], None]
) -> Comparison:
    """Compare two networks.

    show: takes who works and a line of progress.

    Raises:
        InputError: a side cannot be made, or the weights do not fit the reference.
    """
    result = Comparison(reference.title, port.title, framework=port.framework)
    with both_started(
        (reference, port), options.silence_s, show, result.warnings.append, kept=options.kept
    ) as (of_reference, of_port, pool):
        _compare(State(of_reference, of_port, options, result), pool)
        result.port_files = files_of(of_port)
        if options.write_alignment is not None:
            with writing_to(options.write_alignment, "file to write"):
                alignment.write(options.write_alignment, result.alignment)
    result.conclude()
    return result


def _compare(state: State, pool: concurrent.futures.Executor) -> None:
    result = state.result
    folded, raw = load_reference(state)
    if state.options.is_training:
        for running in (state.reference, state.port):
            running.set_mode(training=True)
    state.options = options = with_inputs(state)
    inputs = options.inputs
    # Of a reference in PyTorch no taps are needed: it is led by the port's.
    of_reference = pool.submit(
        state.reference.record, inputs, "first", taps=state.reference.side.framework != REFERENCE
    )
    if options.port_weights is not None:
        weights = read_weights(options.port_weights)
        state.port.load(fitted(weights, state.port, options.port_weights))
    of_port = state.port.record(inputs, "first") if brings_its_own(state) else None
    first = of_reference.result()
    check_finite(first, state.reference.side.title)
    own = state.reference.state()
    if options.alignment is not None:
        modules = (list(side.kinds) for side in (state.reference, state.port))
        state.aligned = alignment.read(options.alignment, *modules)
    theirs, of_port = move_weights(state, of_port, own, first)
    write_map(state, own, theirs)
    result.assumptions += state.mapped.assumptions
    compare_all_weights(state, own, theirs, raw, folded)
    used = weights_of_port(state, own, theirs)
    if state.reference.side.framework != REFERENCE:
        compare_plainly(state, first, of_port)
        return
    compare_outputs(state, first, of_port, own)
    is_live = state.port.is_live
    if is_live and not compare_repeats(state, first, of_port):
        return
    answer = locate(state, first, of_port, used)
    if not is_live:
        result.assumptions.append(
            "the port was recorded: its outputs and modules are compared, no gradients, no second "
            "call and no other size"
        )
        return
    if state.port.side.framework == "onnx":
        result.assumptions.append("onnxruntime computes no gradients: none were compared")
    elif not answer["findings"] and not result.outputs_differ:
        compare_gradients(state, first, of_port, answer)
    compare_moving_statistics(state)
    if result.is_clean:
        compare_sizes(state, of_port, own)
