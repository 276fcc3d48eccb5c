"""The command `restore`: pictures, folders, films, clips and samples by any model and framework."""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restoration import console
from restoration.errors import ExitCode, InputError
from restoration.inference import packaged, pictures, progress
from restoration.inference.pictures import Batch, Job, Naming
from restoration.inference.restorer import Restorer, Settings
from restoration.models.registry import MODELS
from restoration.process.frameworks import DEVICES, FRAMEWORKS, REFERENCE

SECOND_MODELS = {
    "nimbusr": "nimbusr",
    "nimbusr_saturated": "nimbusr_saturated",
    "nimbusr_sat": "nimbusr_saturated",
}
"""How J-MKPD and we call the networks that restore by predicted kernels."""
_LISTED = 20
_FLAG = re.compile(r"--[A-Za-z][A-Za-z0-9_-]*")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; the exit code says what came of it (see --help)."""
    given = list(sys.argv[1:] if words is None else words)
    return console.run(
        "restore",
        lambda: _run(parser().parse_args(dashed(given))),
        interrupted="interrupted; what is written is whole, and a second run does the rest",
    )


def dashed(words: Sequence[str]) -> list[str]:
    """Words of a command line in which "_" and "-" mean the same in every flag."""
    found = []
    for word in words:
        flag = _FLAG.match(word)
        if flag:
            word = flag.group().replace("_", "-") + word[flag.end() :]  # noqa: PLW2901
        found.append(word)
    return found


def parser() -> argparse.ArgumentParser:
    """The options of `restore`, and of what shares them."""
    options = console.Parser(
        prog="restore",
        description="Restore pictures, folders of them, films, clips and .npy samples.",
        epilog="Exit codes: 0 all is done; 2 some failed, or could not run; 3 bad input. Flags may "
        "be written with - or _ alike.",
    )
    options.add_argument("inputs", nargs="*", type=Path, metavar="INPUT", help="file or folder")
    options.add_argument(
        "-i", "--input", "--input-path", "--input-dir", dest="more", action="append", type=Path,
        default=[], metavar="INPUT", help="the same as INPUT",
    )  # fmt: skip
    options.add_argument(
        "-o", "--output", "--result-dir", "--result-path", type=Path, metavar="OUTPUT",
        help="folder, or file for one input (default: beside the input, _restored)",
    )  # fmt: skip
    add_model(options)
    add_quality(options)
    options.add_argument("--suffix", default="", help="behind the names of results")
    options.add_argument(
        "--ext", default="auto", metavar="EXT", help="of results: png, jpg, ... (default: auto)"
    )
    options.add_argument("--quality", type=int, help="1 to 100, of JPEG and WebP")
    options.add_argument("--overwrite", action="store_true", help="what is there already, too")
    options.add_argument(
        "--no-border", dest="border", action="store_false",
        help="clips: do not restore the frames at both ends, which lack neighbors",
    )  # fmt: skip
    options.add_argument("--border", action="store_true", default=True, help=argparse.SUPPRESS)
    options.add_argument("--save-image", action="store_true", help=argparse.SUPPRESS)
    options.add_argument(
        "--n-seq", type=int, metavar="N",
        help="clips: how many frames the weights must take at once, which tell it themselves",
    )  # fmt: skip
    options.add_argument(
        "--infer-flag", metavar="NAME", help="results into the folder infer_NAME of OUTPUT"
    )
    options.add_argument(
        "--dataset-name", metavar="NAME", help="the same, the folder infer_BLUR_NAME"
    )
    options.add_argument("--blur-type", metavar="BLUR", help="as Gaussian, of that folder's name")
    options.add_argument("--gt-path", type=Path, help=argparse.SUPPRESS)
    options.add_argument(
        "--explain", type=Path, metavar="DIR", help="pictures and a page of what the network did"
    )
    return options


def add_model(options: argparse.ArgumentParser) -> None:
    """Which network, from what file, in which framework."""
    options.add_argument(
        "-m", "--model", "-n", "--model-name", metavar="MODEL",
        help="found out from the weights if not given; without weights "
        f"{packaged.DEFAULT} (known: {', '.join(MODELS)})",
    )  # fmt: skip
    options.add_argument(
        "-w", "--weights", "--model-path", "--ckpt-path", "--checkpoint", action="append",
        type=Path, default=[], metavar="FILE",
        help="any file that weights-convert reads; kernel_prediction's and then NIMBUSR's restore "
        "together",
    )  # fmt: skip
    options.add_argument("-nm", "--nimbusr-model", type=Path, metavar="FILE",
                         help="the second of two weights")  # fmt: skip
    options.add_argument(
        "-nt", "--network-type", choices=SECOND_MODELS, default="nimbusr_saturated",
        help="what the second weights are of, which look alike (default: nimbusr_saturated)",
    )  # fmt: skip
    options.add_argument(
        "--kernel-count", "--kernel-K", type=int, metavar="K",
        help="how many kernels the weights must have, which tell it themselves",
    )  # fmt: skip
    options.add_argument("--kernel-size", type=int, metavar="PX", help="the same of their side")
    options.add_argument("--framework", choices=FRAMEWORKS, default=REFERENCE)
    options.add_argument("--device", choices=DEVICES, default="cpu")
    options.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="a hyper-parameter that no shape of the weights tells",
    )  # fmt: skip


def add_quality(options: argparse.ArgumentParser) -> None:
    """How a picture goes through the network."""
    options.add_argument(
        "-s", "--scale", "--outscale", type=float, help="how much larger, of continuous networks"
    )
    options.add_argument(
        "-t", "--tile", default="auto", metavar="PX",
        help="side of tiles; 0 for the whole picture; auto (default) for what memory allows",
    )  # fmt: skip
    options.add_argument(
        "--tile-pad", "--tile-overlap", type=int, metavar="PX",
        help="how far tiles overlap (default: by how far the network is measured to see)",
    )  # fmt: skip
    options.add_argument("--half", action="store_true", help="half precision, if exact enough")
    options.add_argument("--fp32", action="store_true", help="float32, which is the default")
    options.add_argument(
        "--compile", action="store_true",
        help="as machine code that PyTorch makes for each size, a minute or a few, and keeps",
    )  # fmt: skip
    options.add_argument("--per-sample", action="store_true", help="pictures one by one")
    options.add_argument("--max-size", type=int, metavar="PX", help="reduce larger pictures to it")
    options.add_argument(
        "--size-must-mode", type=int, default=1, metavar="N",
        help="cut pictures, and truths with them, to multiples of N pixels (default: 1, whole)",
    )  # fmt: skip
    options.set_defaults(is_graph=False)  # of programs that have a flag of their own for it
    options.add_argument(
        "--cell-floor", default="4", metavar="SCALE|none",
        help="the scale above which continuous networks get no smaller cells (default: 4)",
    )  # fmt: skip


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that options say.

    Raises:
        InputError: they contradict each other, or a number is none.
    """
    if options.half and options.fp32:
        raise InputError(
            "precision",
            expected="--half or --fp32",
            got="both",
            where="command line",
            next_step="leave out one of them",
        )
    _check_within("--scale", options.scale, 1, math.inf)
    _check_within("--tile-pad", options.tile_pad, 0, math.inf)
    _check_within("--max-size", options.max_size, 1, math.inf)
    _check_within("--size-must-mode", options.size_must_mode, 1, math.inf)
    return Settings(
        scale=options.scale,
        tile_px=None if options.tile == "auto" else _number(options.tile, "--tile", least=0),
        overlap_px=options.tile_pad,
        half=options.half,
        is_compiled=options.compile,
        per_sample=options.per_sample,
        max_side_px=options.max_size,
        multiple=options.size_must_mode,
        is_graph=options.is_graph,
        cell_floor=None if options.cell_floor == "none" else _cell_floor(options.cell_floor),
        second_model=SECOND_MODELS[options.network_type],
        model_settings=model_settings(options),
    )


def model_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The hyper-parameters that --set says."""
    return dict(_setting(word) for word in options.set)


def open_restorer(options: argparse.Namespace, **callbacks: Any) -> Restorer:
    """The restorer that options say."""
    weights = [*options.weights, *([options.nimbusr_model] if options.nimbusr_model else [])]
    return Restorer(
        options.model,
        weights,
        options.framework,
        device=options.device,
        settings=settings_of(options),
        **callbacks,
    )


def _run(options: argparse.Namespace) -> int:
    inputs = [*options.inputs, *options.more]
    if not inputs:
        raise InputError(
            "restore",
            expected="pictures, folders or films",
            got="none",
            where="command line",
            next_step="restore photo.png -o OUT; restore --help shows all options",
        )
    _check_within("--quality", options.quality, 1, 100)
    if options.gt_path is not None:
        raise InputError(
            "--gt-path",
            expected="pictures to be restored",
            got=f"a truth to compare with, {options.gt_path}",
            where="restore, which compares nothing",
            next_step="python -m torch_impl.evaluate --truth GT --input INPUT -p self_blind_vsr",
        )
    output = options.output
    run = options.infer_flag or "_".join(filter(None, (options.blur_type, options.dataset_name)))
    if run:
        output = (output or Path()) / f"infer_{run}"
    naming = Naming(output, options.suffix, options.ext)
    pictures.find_jobs(inputs, naming, are_clips=False)  # errors before a framework starts
    shown = progress.Status()
    with open_restorer(options, warn=_warn, show=shown.tell) as restorer:
        _check_kernels(restorer, options)
        _check_frames(restorer, options)
        if not options.explain or options.output is not None:
            _check_result(restorer)
        _introduce(restorer, options)
        jobs = pictures.find_jobs(inputs, naming, are_clips=restorer.clip_frames > 1)
        if options.explain:
            from restoration.inference import explain

            code = explain.explain(restorer, jobs, options.explain)
            if options.output is None or code != ExitCode.OK:
                return code
        batch = _restore(restorer, jobs, naming, options, shown)
    return _report(batch)


def _check_kernels(restorer: Restorer, options: argparse.Namespace) -> None:
    """Raise where the weights have not the kernels that were asked for; say it where they have
    none."""
    for name, wanted in (("kernels", options.kernel_count), ("kernel_size", options.kernel_size)):
        if wanted is None:
            continue
        found = getattr(restorer.spec, name, None)
        if found is None:
            _warn(
                f"{restorer.model.name} predicts no kernels: --kernel-count, --kernel-size say it"
            )
        elif found != wanted:
            raise InputError(
                f"{name} of {restorer.model.name}",
                expected=f"{wanted}, as asked for",
                got=str(found),
                where=str(restorer.files[0]),
                next_step="leave out --kernel-count and --kernel-size, or give other weights",
            )


def _check_frames(restorer: Restorer, options: argparse.Namespace) -> None:
    """Raise where the weights take not as many frames at once as were asked for."""
    if options.n_seq not in (None, restorer.clip_frames):
        raise InputError(
            f"frames of {restorer.model.name}",
            expected=f"{options.n_seq}, as asked for",
            got=str(restorer.clip_frames),
            where=str(restorer.files[0]),
            next_step="leave out --n-seq, or give other weights",
        )


def _check_result(restorer: Restorer) -> None:
    """Raise where nothing can come out of any picture: at once, not for each of them."""
    if restorer.gives_picture:
        restorer.model.result_size(restorer.spec, 1, 1, scale=restorer.settings.scale)
    elif not restorer.gives_field:
        restorer.model.check_gives_picture(restorer.spec)


def _introduce(restorer: Restorer, options: argparse.Namespace) -> None:
    """What restores, and in what; said once."""
    engine = restorer.engine
    _say(f"{restorer.model.title} in {engine['framework']} on {engine['device']}")
    if restorer.clip_frames > 1:
        _say(f"warm-up: {restorer.warm_up():.3f} s")
    if not options.weights and packaged.is_packaged(restorer.files[0]):
        name = restorer.model.name
        _say(
            f"weights that come with the suite (recipe {name}:small): small, trained for minutes "
            f"to undo {packaged.SMALL[name]}; published weights, by -w, do much better"
        )


def _restore(
    restorer: Restorer,
    jobs: Sequence[Job],
    naming: Naming,
    options: argparse.Namespace,
    shown: progress.Status,
) -> Batch:
    is_terminal = sys.stderr.isatty()
    shown.bar = bar = progress.bar(len(jobs), "file")

    def done(job: Job, reason: str) -> None:
        bar.update()
        if not is_terminal:
            _say(f"{job.source}: {reason or f'-> {job.target}'}")

    def frame_done(path: Path, seconds: float) -> None:
        _say(f"> {path.parent.name}-{path.stem} total_time:{seconds:.3f}s")

    def do(job: Job) -> bool:
        if job.kind == "film":
            from restoration.inference import films

            return films.restore_film(restorer, job, with_border=options.border, say=_say)
        if job.kind == "frames":
            return pictures.restore_frames(
                restorer,
                job,
                naming,
                with_border=options.border,
                overwrite=options.overwrite,
                done=frame_done,
            )
        if not restorer.gives_picture:
            from restoration.inference import explain

            return explain.draw_field(restorer, job)
        return pictures.restore_picture(restorer, job, quality=options.quality, warn=_warn)

    with bar:
        return pictures.restore_all(restorer, jobs, do, overwrite=options.overwrite, done=done)


def _report(batch: Batch) -> int:
    """Say what came of it; the exit code."""
    if batch.there:
        _say(f"{len(batch.there)} there already, left as they are (--overwrite restores them anew)")
    if not batch.failed:
        return ExitCode.OK
    total = len(batch.failed) + len(batch.written) + len(batch.there)
    _say(f"{len(batch.failed)} of {total} failed:")
    for path, reason in list(batch.failed.items())[:_LISTED]:
        _say(f"  {path}: {reason}")
    if len(batch.failed) > _LISTED:
        _say(f"  and {len(batch.failed) - _LISTED} more")
    none_read = batch.unread == total
    return ExitCode.BAD_INPUT if none_read else ExitCode.INCOMPLETE


def _say(text: str) -> None:
    progress.say(text)


def _warn(text: str) -> None:
    _say(f"restore: warning: {text}")


def _number(text: str, where: str, *, least: int) -> int:
    if text.isdigit() and int(text) >= least:
        return int(text)
    raise InputError(
        where,
        expected=f"a whole number of at least {least}, or auto",
        got=repr(text),
        where="command line",
        next_step="leave it out to have it chosen",
    )


def _check_within(name: str, number: float | None, least: float, most: float) -> None:
    """Raise where a number is there and is none of these; infinity and NaN never are."""
    if number is None or (least <= number <= most and math.isfinite(number)):
        return
    raise InputError(
        name,
        expected=f"{least} to {most}" if math.isfinite(most) else f"at least {least}",
        got=f"{number:g}",
        where="command line",
        next_step="leave it out to have it chosen",
    )


def _cell_floor(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 1 <= float(text) < math.inf:
            return float(text)
    raise InputError(
        "--cell-floor",
        expected="a scale of at least 1, or none",
        got=repr(text),
        where="command line",
        next_step="leave it out for 4, the largest scale that was trained",
    )


def _setting(word: str) -> tuple[str, Any]:
    name, separator, value = word.partition("=")
    if not separator:
        raise InputError(
            "--set",
            expected="NAME=VALUE",
            got=repr(word),
            where="command line",
            next_step="as --set value_range=1",
        )
    import yaml

    return name, yaml.safe_load(value)
