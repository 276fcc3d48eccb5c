"""A process that prepares batches for `loader.py`: steps come in, batches go out, through pipes.

It ends with its input, so that nothing of a run is left when the process that trains ends, whatever
ends it; Ctrl-C is for that one to answer.
"""

from __future__ import annotations

import os
import pickle
import signal

from restoration.data import loader
from restoration.errors import InputError


def main() -> None:
    """Answer each step with its batch, or ("input" or "failed", text), until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between answers
    content = loader.read_message(source)
    if content is None:
        return
    try:
        try:
            open_task, plan = pickle.loads(content)
            task = open_task()
        except Exception as problem:
            loader.write_message(answers, pickle.dumps(_failed(problem)))
            return
        while (asked := loader.read_message(source)) is not None:
            answer: loader.Batch | tuple[str, str]
            try:
                answer = loader.make_batch(task, plan, pickle.loads(asked))
            except Exception as problem:
                answer = _failed(problem)
            loader.write_message(answers, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
    except BrokenPipeError:
        os._exit(0)  # whoever asked has ended; what is left in the pipe is nobody's


def _failed(problem: Exception) -> tuple[str, str]:
    kind = "input" if isinstance(problem, InputError) else "failed"
    return kind, str(problem) if kind == "input" else f"{type(problem).__name__}: {problem}"
