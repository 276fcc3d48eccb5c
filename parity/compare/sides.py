"""Both sides made ready: started, with their weights and inputs."""

from __future__ import annotations

import concurrent.futures
import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from parity.adapters import inputs as given
from parity.adapters.live import Inline, Live, LiveSide
from parity.adapters.mapping import drawn
from parity.adapters.networks import Recording, Running, fitted, read_weights
from parity.adapters.recorded import Recorded
from parity.adapters.sides import BOTH, FILES, Side
from parity.compare.kept import KeptSide
from parity.compare.state import Options, State
from parity.judge.errors import nonfinite
from parity.measure.kept import Kept
from restoration.errors import InputError, RestorationError
from restoration.process.launch import Process


def start_side(
    side: Side,
    folder: Path,
    silence_s: float,
    show: Callable[[str], None],
    warn: Callable[[str], None],
    *,
    kept: Kept | None = None,
) -> Running:
    """The network of a side, in a process of its own; or what was recorded of it.

    kept: where its answers are kept from run to run.

    Raises:
        InputError: the side cannot be made.
        UnavailableError: its framework or interpreter is not there.
    """
    if side.framework == "arrays":
        return Recorded(side, folder)
    if isinstance(side, LiveSide):
        return Live(side, folder, show)

    def start() -> Process:
        return Process(side.worker(silence_s), show=show, warn=warn)

    running: Running | None = None
    if kept is not None and side.framework not in FILES:
        running = KeptSide.of(side, folder, kept, start)
    if running is None:
        running = Running(side, start(), folder)
    try:
        running.open()
    except BaseException:
        running.close()
        raise
    return running


@contextlib.contextmanager
def both_started(
    sides: tuple[Side, Side],
    silence_s: float,
    show: Callable[[str, str], None],
    warn: Callable[[str], None],
    *,
    kept: Kept | None = None,
) -> Iterator[tuple[Running, Running, concurrent.futures.Executor]]:
    """Both sides, the reference first, and what has them work at the same time; they end with this.

    show: takes who works and a line of progress. kept: of the reference, see `start_side`.

    Raises:
        InputError, UnavailableError: as `start_side`.
    """
    is_here = any(isinstance(side, LiveSide) for side in sides)
    with (
        tempfile.TemporaryDirectory(prefix="parity-sides-") as scratch,
        Inline() if is_here else concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):

        def start(side: Side, who: str) -> Running:
            folder = Path(scratch) / who
            folder.mkdir()
            return start_side(
                side,
                folder,
                silence_s,
                lambda text: show(who, text),
                warn,
                kept=kept if who == "reference" else None,
            )

        started = [pool.submit(start, side, who) for side, who in zip(sides, BOTH, strict=True)]
        try:
            reference, port = (future.result() for future in started)
            yield reference, port, pool
        finally:
            for future in started:
                if not future.exception():
                    future.result().close()


def load_reference(state: State) -> tuple[list[str], dict[str, np.ndarray]]:
    """Give the reference its weights; names of those that were folded, and the file's contents."""
    options, reference = state.options, state.reference
    if options.weights is not None:
        raw = read_weights(options.weights)
        reference.load(fitted(raw, reference, options.weights))
    elif reference.has_own_weights:
        raw = reference.state()
    else:
        raw = dict(drawn(reference.state(), options.seed))
        reference.load(raw)
        state.result.assumptions.append(f"weights were drawn (seed {options.seed})")
    folded = reference.ask("fold")
    if folded:
        reference.describe()
        state.result.assumptions.append(
            f"{len(folded)} weights of the reference that norms compute were folded"
        )
    return folded, raw


def with_inputs(state: State) -> Options:
    """The options with inputs: recorded, read, drawn, or found by trying.

    Raises:
        InputError: the reference takes none of those that are tried.
    """
    options = state.options
    for running in (state.port, state.reference):
        if isinstance(running, Recorded) and not options.inputs and not options.inputs_file:
            return replace(options, inputs=running.inputs)
    inputs, assumption = chosen_inputs(state.reference, options)
    state.result.assumptions += [assumption] if assumption else []
    return replace(options, inputs=inputs)


def chosen_inputs(running: Running, options: Options) -> tuple[Mapping[str, np.ndarray], str]:
    """Inputs for a side, and what was assumed, or "".

    Raises:
        InputError: it takes none of those that are tried.
    """
    names = running.about["inputs"]
    if options.inputs_file is not None:
        return given.read(options.inputs_file, names), ""
    if options.inputs:
        return options.inputs, ""
    problem = ""
    for inputs in given.tried(names, options.seed):
        try:
            running.run(inputs, "trial")
        except RestorationError as found:
            problem = str(found)
            continue
        shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
        return inputs, f"inputs were found by trying: {shapes}"
    raise InputError(
        "inputs",
        expected="some that the reference takes",
        got=f"none by trying ({problem})",
        where=running.side.title,
        next_step="give them with --inputs FILE or --input NAME=SHAPE",
    )


def check_finite(recording: Recording, title: str) -> None:
    """Raise InputError where a network overflows by itself: nothing can be judged by it."""
    for name, array in recording.read("output").items():
        if problem := nonfinite(array):
            raise InputError(
                f"outputs of {title}",
                expected="finite numbers",
                got=problem,
                where=f"output {name or 0}",
                next_step="give other weights or inputs",
            )
