"""`parity record SIDE -o FILE`: what a side gives, on the machine that has its framework."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from parity.adapters import recorded
from parity.adapters.mapping import drawn
from parity.adapters.networks import fitted, read_weights
from parity.adapters.sides import Side
from parity.compare.sides import chosen_inputs, start_side
from parity.compare.state import Options
from restoration.errors import writing_to


def record(side: Side, options: Options, output: Path, show: Callable[[str, str], None]) -> int:
    """Run a side once and write all it gives; how many arrays.

    Raises:
        InputError: the side cannot be made, the weights or inputs do not fit it, or the file cannot
            be written.
    """
    with tempfile.TemporaryDirectory(prefix="parity-record-") as scratch:
        running = start_side(
            side,
            Path(scratch),
            options.silence_s,
            lambda text: show("record", text),
            lambda text: show("record", f"warning: {text}"),
        )
        try:
            if options.weights is not None:
                running.load(fitted(read_weights(options.weights), running, options.weights))
            elif not running.has_own_weights:
                running.load(drawn(running.state(), options.seed))
            inputs, _ = chosen_inputs(running, options)
            recording = running.record(inputs, "record")
            with writing_to(output, "--output"):
                recorded.write(output, running, inputs, recording)
            return len(recording.read("tap")) + len(recording.outputs)
        finally:
            running.close()
