"""`python -m X_impl.evaluate`: numbers by each paper's rule, of any weights, in any framework."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from restoration import console, images
from restoration.data import npy
from restoration.errors import ExitCode, InputError, RestorationError, picture_packages
from restoration.evaluation import protocols, rules
from restoration.evaluation.pairs import Pair, find_pairs, of_data_set
from restoration.evaluation.protocols import Protocol, Score, score_by
from restoration.inference import cli, progress
from restoration.inference.pictures import windows
from restoration.inference.restorer import Restorer

_BY_MODEL = {
    "mimo_unet": "mimo_unet-gopro",
    "mimo_unet_plus": "mimo_unet-gopro",
    "lmd_vit": "lmd_vit",
    "phaseformer": "lsui",
    "spectroformer": "lsui",
    "self_blind_vsr": "self_blind_vsr",
    "edsr": "edsr-benchmark",
    "swinir": "swinir-sr",
    "liif": "liif-benchmark",
    "lte": "lte-benchmark",
    "ciaosr": "ciaosr",
    "lm_liif": "lmf-benchmark",
    "lm_lte": "lmf-benchmark",
    "lm_ciaosr": "lmf-benchmark",
}
"""The protocol of each model's paper, which is used where none is named."""

_WORST = 10
_ERROR_GAIN = 8


@dataclass
class Run:
    """What came of one set of weights by one protocol.

    scores: by pair, in order. failed: pairs that could not be restored or scored, and why; no mean
    is made of less than all without saying so.
    """

    weights: str
    model: str
    framework: str
    protocol: Protocol
    scale: float
    scores: dict[str, Score] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """Means over what was scored, by number."""
        found: dict[str, list[float]] = {}
        for one in self.scores.values():
            for name, value in one.numbers().items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def videos(self) -> dict[str, dict[str, float]]:
        """Means of each video, of protocols that score frames."""
        if self.protocol.averaged != "frames":
            return {}
        names = dict.fromkeys(str(Path(name).parent) for name in self.scores)
        return {
            video: Run(
                "", "", "", self.protocol, self.scale,
                {n: s for n, s in self.scores.items() if str(Path(n).parent) == video},
            ).means()
            for video in names
        }  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values; a number that is infinite is null, with a note."""
        return {
            "weights": self.weights,
            "model": self.model,
            "framework": self.framework,
            "protocol": self.protocol.name,
            "rule": self.protocol.describe(),
            "source": self.protocol.source,
            "scale": self.scale,
            "averaged_over": self.protocol.averaged,
            "mean": _plain(self.means()),
            "videos": {name: _plain(mean) for name, mean in self.videos().items()},
            "images": [
                {"name": name, **_plain(one.numbers()), "notes": list(one.notes)}
                for name, one in self.scores.items()
            ],
            "failed": self.failed,
        }


def main(framework: str, words: Sequence[str] | None = None) -> int:
    """The program of a framework; its exit code."""
    program = f"{framework}_impl.evaluate"
    given = cli.dashed(sys.argv[1:] if words is None else words)
    return console.run(program, lambda: _run(framework, _parser(program).parse_args(given)))


def score_all(
    framework: str,
    words: Sequence[str],
    *,
    limit: int = 0,
    is_graph: bool = False,
    on_restored: Callable[[Pair, np.ndarray], None] | None = None,
) -> list[Run]:
    """What the program scores by these words, for programs with a surface of their own.

    limit: how many pairs are taken, the first by name; 0 for all. is_graph: see `Settings`.
    on_restored: is told of each restored picture, (1, 3, h, w), not clamped.

    Raises:
        InputError: as the program.
    """
    options = _parser(f"{framework}_impl.evaluate").parse_args(cli.dashed(words))
    options.framework, options.on_restored = framework, on_restored
    options.is_graph = is_graph
    return list(_all_runs(_pairs(options)[: limit or None], options))


def _parser(program: str) -> argparse.ArgumentParser:
    options = console.Parser(
        prog=f"python -m {program}",
        description="Score restored pictures by the rule of a paper.",
        epilog="Exit codes: 0 all scored; 2 some failed, and are listed; 3 bad input.",
    )
    options.add_argument("data", nargs="?", type=Path, metavar="ROOT", help="a data set's folder")
    options.add_argument(
        "-i", "--input", "--input-path", "--input-dir", type=Path, help="what networks get"
    )
    options.add_argument(
        "--truth", "--gt-path", "--gt", type=Path, metavar="DIR", help="sharp or large pictures"
    )
    options.add_argument(
        "--restored", type=Path, metavar="DIR", help="score these, without a network"
    )
    options.add_argument("--template", default="{}", help="an input's name for a truth's, as {}x4")
    options.add_argument(
        "-p", "--protocol", action="append", default=[], metavar="NAME",
        help="may be given several times (default: of the model's paper); --list shows all",
    )  # fmt: skip
    options.add_argument("--list", action="store_true", help="show the protocols")
    cli.add_model(options)
    cli.add_quality(options)
    options.set_defaults(on_restored=None)
    options.add_argument("--json", type=Path, metavar="FILE", help="all numbers")
    options.add_argument("--csv", type=Path, metavar="FILE", help="a row for each picture")
    options.add_argument(
        "--worst", type=Path, metavar="DIR", help=f"the {_WORST} worst, as pictures"
    )
    options.add_argument(
        "--explain", nargs="?", const="", metavar="NUMBER",
        help="the first pair under every rule; with a number, the rules that give it",
    )  # fmt: skip
    return options


def _run(framework: str, options: argparse.Namespace) -> int:
    if options.list:
        _show_protocols()
        return ExitCode.OK
    options.framework = framework
    pairs = _pairs(options)
    if options.explain is not None:
        return _explain(pairs[0], options)
    runs = list(_all_runs(pairs, options))
    show(runs)
    if options.json:
        text = json.dumps({"runs": [run.to_json() for run in runs]}, indent=1, allow_nan=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.csv:
        _write_csv(options.csv, runs)
    return ExitCode.INCOMPLETE if any(run.failed for run in runs) else ExitCode.OK


def _pairs(options: argparse.Namespace) -> list[Pair]:
    given, truths = options.restored or options.input, options.truth
    if options.data:
        found, truth = of_data_set(options.data)
        given, truths = given or found, truths or truth
    if truths is None:
        raise InputError(
            "evaluate",
            expected="a data set's folder, or --truth with --input or --restored",
            got="no truths",
            where="command line",
            next_step="--help shows all options",
        )
    return find_pairs(given, truths, template=options.template)


def _all_runs(pairs: Sequence[Pair], options: argparse.Namespace) -> Iterator[Run]:
    if options.restored:
        for protocol in _chosen(options, ""):
            run = Run(str(options.restored), "", "", protocol, options.scale or 1.0)
            _fill([run], pairs, lambda pair: _read(pair.image), options.worst)
            yield run
        return
    nimbusr = options.nimbusr_model
    groups = [options.weights] if nimbusr else [[one] for one in options.weights] or [[]]
    for files in groups:
        options.weights = files
        with cli.open_restorer(options, warn=_say) as restorer:
            yield from _runs_of(restorer, pairs, options)


def _runs_of(
    restorer: Restorer, pairs: Sequence[Pair], options: argparse.Namespace
) -> Iterator[Run]:
    """Every protocol of one set of weights: pictures are restored once for those that feed the
    network alike."""
    known = restorer.spec.magnification
    scale = float(options.scale or known or 1)
    alike: dict[tuple[Any, ...], list[Run]] = {}
    for protocol in _chosen(options, restorer.model.name):
        run = Run(
            str(restorer.files[0]), restorer.model.name, restorer.framework.name, protocol, scale
        )
        alike.setdefault(_feeding(protocol), []).append(run)
    for runs in alike.values():
        feed = _feed(restorer, pairs, runs[0].protocol, scale)
        if options.on_restored:
            feed = _told(feed, options.on_restored)
        _fill(runs, pairs, feed, options.worst)
        yield from runs


def _told(
    feed: Callable[[Pair], np.ndarray | None], on_restored: Callable[[Pair, np.ndarray], None]
) -> Callable[[Pair], np.ndarray | None]:
    """As `feed`, and somebody is told."""

    def restored(pair: Pair) -> np.ndarray | None:
        found = feed(pair)
        if found is not None:
            on_restored(pair, found)
        return found

    return restored


def _feeding(protocol: Protocol) -> tuple[Any, ...]:
    return (
        protocol.side_px,
        protocol.multiple,
        protocol.cell_floor,
        protocol.unscored_frames,
    )


def _feed(
    restorer: Restorer, pairs: Sequence[Pair], protocol: Protocol, scale: float
) -> Callable[[Pair], np.ndarray | None]:
    """What restores the picture of a pair as a protocol feeds the network; None for frames that it
    does not score."""
    from dataclasses import replace

    free = restorer.spec.magnification is None
    restorer.settings = replace(
        restorer.settings,
        scale=scale if free else None,
        cell_floor=protocol.cell_floor,
        is_clipped=False,  # protocols clamp, or do not
    )
    videos: dict[str, list[Pair]] = {}
    for pair in pairs:
        videos.setdefault(pair.video, []).append(pair)

    def picture(pair: Pair) -> np.ndarray:
        if pair.image is None:
            return _reduced(_truth(pair, protocol), scale)
        read = _read(pair.image)
        side = protocol.side_px
        return protocols.resize_by_pillow(read, side, side).astype(np.float32) if side else read

    def feed(pair: Pair) -> np.ndarray | None:
        if restorer.clip_frames == 1:
            return restorer.restore(picture(pair))
        clip = videos[pair.video]
        all_windows = windows(
            len(clip), restorer.clip_frames, with_border=not protocol.unscored_frames
        )
        half, at = restorer.clip_frames // 2, clip.index(pair)
        window = next((one for one in all_windows if one[half] == at), None)
        if window is None:
            return None
        frames = np.stack([picture(clip[place])[0] for place in window])[None]
        return restorer.restore(frames[:, half], frames=frames)

    return feed


def _fill(
    runs: Sequence[Run],
    pairs: Sequence[Pair],
    feed: Callable[[Pair], np.ndarray | None],
    worst: Path | None,
) -> None:
    """Restore and score every pair; those that fail are kept apart."""
    is_terminal = sys.stderr.isatty()
    bar = progress.bar(len(pairs), "picture")
    for pair in pairs:
        bar.update()
        try:
            restored = feed(pair)
            if restored is None:
                continue
            for run in runs:
                run.scores[pair.name] = _scored(run.protocol, pair, restored, run.scale)
            if not is_terminal:
                _say(f"{pair.name}: {runs[0].scores[pair.name]}")
        except (RestorationError, OSError, MemoryError) as problem:
            for run in runs:
                run.scores.pop(pair.name, None)
                run.failed[pair.name] = str(problem) or type(problem).__name__
            _say(f"{pair.name}: {problem}")
    bar.close()
    if worst:
        for run in runs:
            _draw_worst(worst / run.protocol.name, run, pairs, feed)


def _scored(protocol: Protocol, pair: Pair, restored: np.ndarray, scale: float) -> Score:
    if pair.truth.is_dir():
        frames = sorted(
            path for path in pair.truth.iterdir() if path.suffix.lower() in images.files.READABLE
        )
        found = [score_by(protocol, _read(path), restored, scale=scale) for path in frames]
        return max(found, key=lambda one: one.psnr_db)
    truth = _truth(pair, protocol)
    if protocol.side_px is None and truth.shape != restored.shape:
        # LIIF and its kin compare with the part of the truth that the picture stands for.
        height, width = (
            min(ours, theirs)
            for ours, theirs in zip(truth.shape[2:], restored.shape[2:], strict=True)
        )
        if (
            max(t - r for t, r in zip(truth.shape[2:], restored.shape[2:], strict=True))
            < max(scale, 2) * 2
        ):
            truth, restored = truth[..., :height, :width], restored[..., :height, :width]
    return score_by(protocol, truth, restored, scale=scale, mask=_mask(pair))


def _truth(pair: Pair, protocol: Protocol) -> np.ndarray:
    if pair.truth.suffix.lower() == ".npy":
        sample = npy.read_sample(pair.truth)
        if "img_gt" not in sample:
            raise InputError(
                "sample",
                expected="an entry 'img_gt', the truth",
                got=", ".join(sample),
                where=str(pair.truth),
                next_step="restore it without scoring",
            )
        return images.from_array(sample["img_gt"], where=str(pair.truth)).pixels
    truth = _read(pair.truth)
    height, width = (side // protocol.multiple * protocol.multiple for side in truth.shape[2:])
    return truth[..., :height, :width]


def _mask(pair: Pair) -> np.ndarray | None:
    if pair.truth.suffix.lower() != ".npy":
        return None
    mask = npy.read_sample(pair.truth).get("blur_mask")
    return None if mask is None else np.asarray(mask, np.float64)


def _read(path: Path | None) -> np.ndarray:
    assert path is not None
    return npy.read_blurred(path).pixels


def _reduced(truth: np.ndarray, scale: float) -> np.ndarray:
    """The small picture that LMF and others make of a truth: PIL's bicubic of 8 bits."""
    with picture_packages():
        from PIL import Image
    height, width = (math.floor(side / scale + 1e-9) for side in truth.shape[2:])
    rows, columns = round(height * scale), round(width * scale)
    levels = np.rint(truth[0, :, :rows, :columns] * 255).astype(np.uint8).transpose(1, 2, 0)
    small = Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC)
    return images.from_array(np.asarray(small)).pixels


def _chosen(options: argparse.Namespace, model: str) -> list[Protocol]:
    names = options.protocol or [_BY_MODEL.get(model, "rgb")]
    return [protocols.find(name) for name in names]


def _explain(pair: Pair, options: argparse.Namespace) -> int:
    """One pair under every rule; the exit code says whether any gives the number."""
    if options.restored:
        restored, scale = _read(pair.image), options.scale or 1.0
    else:
        with cli.open_restorer(options, warn=_say) as restorer:
            scale = float(options.scale or restorer.spec.magnification or 1)
            found = _feed(restorer, [pair], protocols.find("rgb"), scale)(pair)
        assert found is not None
        restored = found
    wanted = options.explain and _Wanted(options.explain)
    table = Table("protocol", "numbers", "rule", title=f"{pair.name} under every rule")
    hits = 0
    for name, protocol in rules.PROTOCOLS.items():
        try:
            numbers = _scored(protocol, pair, restored, scale).numbers()
        except RestorationError as problem:
            if not wanted:
                table.add_row(name, "-", str(problem).partition(";")[0])
            continue
        given = [key for key, value in numbers.items() if wanted and wanted.is_met_by(value)]
        if wanted and not given:
            continue
        hits += 1
        said = ", ".join(f"{key} {protocols.shown(key, value)}" for key, value in numbers.items())
        table.add_row(name, said, protocol.describe())
    if wanted and not hits:
        print(f"no rule gives {options.explain} for {pair.name}; --explain shows what each gives")
        return ExitCode.DIFFERENT
    console.results_console(160).print(table)
    return ExitCode.OK


class _Wanted:
    """A number as somebody printed it, to so many places."""

    def __init__(self, text: str):
        try:
            self._value = float(text)
        except ValueError as problem:
            raise InputError(
                "--explain",
                expected="a number, as 31.73",
                got=repr(text),
                where="command line",
                next_step="leave it out to see every rule",
            ) from problem
        self._half_place = 0.5001 * 10.0 ** -len(text.partition(".")[2])

    def is_met_by(self, value: float) -> bool:
        return abs(value - self._value) <= self._half_place


def _show_protocols() -> None:
    table = Table("protocol", "rule", "where")
    for name, protocol in rules.PROTOCOLS.items():
        table.add_row(name, protocol.describe(), protocol.source)
    console.results_console(160).print(table)


def show(runs: Sequence[Run]) -> None:
    """The table, and what failed."""
    numbers = list(dict.fromkeys(name for run in runs for name in run.means()))
    table = Table("weights", "protocol", "scored", *numbers)
    for run in runs:
        means = run.means()
        shown = [protocols.shown(name, means[name]) if name in means else "" for name in numbers]
        total = len(run.scores) + len(run.failed)
        table.add_row(run.weights, run.protocol.name, f"{len(run.scores)} of {total}", *shown)
    console.results_console(160).print(table)
    for run in runs:
        for video, means in run.videos().items():
            said = ", ".join(f"AVG-{name}={protocols.shown(name, v)}" for name, v in means.items())
            print(f"# Video:{video} {said}")
        infinite = [name for name, one in run.scores.items() if math.isinf(one.psnr_db)]
        if infinite:
            _say(f"{run.protocol.name}: equal to the truth, so the mean is infinite: {infinite}")
        notes = [f"{name}: {note}" for name, one in run.scores.items() for note in one.notes]
        for line in notes[:_WORST]:
            _say(line)
        for name, reason in run.failed.items():
            _say(f"{run.protocol.name}: {name} failed, and is in no mean: {reason}")


def _write_csv(path: Path, runs: Sequence[Run]) -> None:
    names = list(
        dict.fromkeys(n for run in runs for one in run.scores.values() for n in one.numbers())
    )
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["weights", "model", "framework", "protocol", "image", *names, "failed"])
        for run in runs:
            head = [run.weights, run.model, run.framework, run.protocol.name]
            for name, one in run.scores.items():
                numbers = one.numbers()
                writer.writerow([*head, name, *(numbers.get(key, "") for key in names), ""])
            for name, reason in run.failed.items():
                writer.writerow([*head, name, *("" for _ in names), reason])


def _draw_worst(
    folder: Path,
    run: Run,
    pairs: Sequence[Pair],
    feed: Callable[[Pair], np.ndarray | None],
) -> None:
    """The worst ten: input, restored, truth, and the error, eight times as bright, in a row."""
    folder.mkdir(parents=True, exist_ok=True)
    by_name = {pair.name: pair for pair in pairs}
    ordered = sorted(run.scores, key=lambda name: run.scores[name].psnr_db)[:_WORST]
    for place, name in enumerate(ordered, start=1):
        pair = by_name[name]
        restored = feed(pair)
        if restored is None or pair.truth.is_dir():
            continue
        truth = protocols.sized(run.protocol, _truth(pair, run.protocol))
        height, width = (
            min(a, b) for a, b in zip(truth.shape[2:], restored.shape[2:], strict=True)
        )
        truth, restored = truth[..., :height, :width], restored[..., :height, :width]
        error = (np.abs(restored - truth) * _ERROR_GAIN).clip(0, 1)
        row = [restored.clip(0, 1), truth, error]
        if pair.image is not None:
            given = _read(pair.image)
            row.insert(
                0,
                given
                if given.shape == truth.shape
                else protocols.resize_by_pillow(given, height, width),
            )
        panels = np.concatenate([one.astype(np.float32) for one in row], axis=3)
        title = f"{place:02}-{name.replace('/', '-')}-{run.scores[name].psnr_db:.2f}dB.png"
        images.write_image(folder / title, images.Image(panels))


def _plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _say(text: str) -> None:
    progress.say(text)
