"""The tables of docs/speed.md and of the READMEs, from figures that were measured before.

A table stands between two comments, `<!-- table NAME -->` and `<!-- end -->`; what is between them
is replaced. Figures of models, in `figures.json`, are in units: {job: {"measured": a date,
framework: {"forward", "both", "peak_mb"}}}. Those in `efficiency.json` and `restoring.json` are
what `efficiency.py --json` and `restoring.py` write, those of training steps in `steps.json` what
`models.py --steps` writes: {title: {"measured": a date, framework: {"step_s", "bare_s",
"peak_mb"}}}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs import JOBS

from restoration.process.frameworks import FRAMEWORKS, REFERENCE

HERE = Path(__file__).resolve().parent
FIGURES, EFFICIENCY = HERE / "figures.json", HERE / "efficiency.json"
STEPS, RESTORING = HERE / "steps.json", HERE / "restoring.json"
PAGES = ("docs/speed.md", "docs/restoring.md", "README.md", "README.zh-CN.md")
SHORT = ("mimo_unet", "kernel_prediction", "nimbusr", "lmd_vit", "self_blind_vsr", "phaseformer")
"""The six rows of the READMEs."""
STEP_AIMS = {"torch": 1.05, "jittor": 1.1, "mindspore": 1.1}
"""How long a training step may take beside the bare loop of the same framework."""

Figures = Mapping[str, Mapping[str, Any]]


def write(root: Path, figures_file: Path = FIGURES) -> None:
    """Put the tables into the pages below a folder."""
    figures = json.loads(figures_file.read_text(encoding="utf-8"))
    restoring = json.loads(RESTORING.read_text(encoding="utf-8")) if RESTORING.exists() else {}
    tables = {
        "restoring": restoring_table(restoring.get("models", {})),
        "photograph": photograph_table(restoring.get("photograph", {})),
        "scales": scales_table(restoring["scales"]) if "scales" in restoring else "",
        "models": models_table(figures),
        "six models": short_table(figures),
        "efficiency": efficiency_table(json.loads(EFFICIENCY.read_text(encoding="utf-8"))),
        "steps": steps_table(json.loads(STEPS.read_text(encoding="utf-8"))),
    }
    for page in PAGES:
        text = (root / page).read_text(encoding="utf-8")
        pattern = r"(<!-- table ([\w ]+) -->\n).*?(<!-- end -->)"
        filled = re.sub(pattern, lambda m: m[1] + tables[m[2]] + m[3], text, flags=re.DOTALL)
        (root / page).write_text(filled, encoding="utf-8")


def is_met(job_name: str, framework: str, by_framework: Mapping[str, Any]) -> bool:
    """Whether a framework takes no more than the job allows; of ports, in times of PyTorch."""
    job, forward = JOBS[job_name], by_framework[framework]["forward"]
    if framework == REFERENCE:
        return not job.at_most or bool(forward <= job.at_most)
    times = forward / by_framework[REFERENCE]["forward"]
    return framework not in job.ports or bool(times <= job.ports[framework])


def cells(job_name: str, framework: str, by_framework: Mapping[str, Any]) -> list[str]:
    """A row: forward, limit, authors, at most, x PyTorch, + backward, peak MB, authors' MB."""
    job, figure = JOBS[job_name], by_framework[framework]
    times = figure["forward"] / by_framework[REFERENCE]["forward"]
    of_port = f"{job.ports[framework]}x PyTorch" if framework in job.ports else ""
    return [
        f"{figure['forward']:.2f}",
        f"{job.limit:.2f}",
        f"{job.authors:.2f}" if job.authors else "",
        str(job.at_most or "") if framework == REFERENCE else of_port,
        f"{times:.2f}",
        f"{figure['both']:.2f}" if "both" in figure else "",
        f"{figure['peak_mb']:.0f}",
        str(job.authors_mb or ""),
    ]


HEADINGS = (
    "forward", "limit", "authors", "at most", "x PyTorch", "+ backward", "peak MB", "authors' MB",
)  # fmt: skip


def models_table(figures: Figures) -> str:
    """Every job in every framework."""
    rows = []
    for name, by_framework in figures.items():
        for framework in filter(by_framework.__contains__, FRAMEWORKS):
            row = cells(name, framework, by_framework)
            if not is_met(name, framework, by_framework):
                row[0 if framework == REFERENCE else 4] += " (missed)"
            rows.append([name, framework, *row, by_framework["measured"]])
    return _table(("model", "framework", *HEADINGS, "measured"), rows, left=2)


def short_table(figures: Figures) -> str:
    """Units by framework, beside the authors' and the limit."""
    rows = []
    names = [name for name in FRAMEWORKS if all(name in figures[model] for model in SHORT)]
    for name in SHORT:
        forward = [f"{figures[name][framework]['forward']:.2f}" for framework in names]
        rows.append([name, *forward, f"{JOBS[name].authors:.2f}", f"{JOBS[name].limit:.2f}"])
    return _table(
        ("", *(FRAMEWORKS[name].title for name in names), "authors", "limit"), rows, left=1
    )


def efficiency_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """What latent modulation saves."""
    cells = []
    for row in rows:
        (gmac, seconds), (lm_gmac, lm_seconds) = row["plain"], row["modulated"]
        cells.append(
            [
                row["title"], f"x{row['scale']}", f"{gmac:.1f}", f"{lm_gmac:.1f}",
                f"{seconds:.2f}", f"{lm_seconds:.2f}", f"{seconds / lm_seconds:.1f}x",
            ]
        )  # fmt: skip
    headings = ("network", "scale", "G MAC", "LM G MAC", "CPU s", "LM CPU s", "faster")
    return _table(headings, cells, left=1)


STEP_HEADINGS = ("step s", "bare loop s", "ratio", "at most", "x PyTorch", "peak MB")


def steps_table(figures: Figures) -> str:
    """Training steps in every framework."""
    rows = []
    for title, by_framework in figures.items():
        for framework in filter(by_framework.__contains__, FRAMEWORKS):
            row = step_cells(framework, by_framework)
            if not is_step_met(framework, by_framework):
                row[2] += " (missed)"
            rows.append([title, framework, *row, by_framework["measured"]])
    return _table(("network", "framework", *STEP_HEADINGS, "measured"), rows, left=2)


def step_cells(framework: str, by_framework: Mapping[str, Any]) -> list[str]:
    """A row: seconds of a step and of the bare loop's, their ratio, at most, x PyTorch, peak MB."""
    figure = by_framework[framework]
    reference = by_framework.get(REFERENCE)
    return [
        f"{figure['step_s']:.4f}",
        f"{figure['bare_s']:.4f}",
        f"{figure['step_s'] / figure['bare_s']:.2f}",
        f"{STEP_AIMS[framework]:.2f}",
        f"{figure['step_s'] / reference['step_s']:.2f}" if reference else "",
        f"{figure['peak_mb']:.0f}",
    ]


def is_step_met(framework: str, by_framework: Mapping[str, Any]) -> bool:
    """Whether a step takes no more than it may beside the bare loop."""
    figure = by_framework[framework]
    return bool(figure["step_s"] <= STEP_AIMS[framework] * figure["bare_s"])


RESTORING_WAYS = ("torch", "torch --compile", "jittor", "mindspore")


def restoring_table(figures: Figures) -> str:
    """Each way of restoring in times of onnxruntime, on one thread and on two."""
    rows = []
    for name, found in figures.items():
        known = {way: found.get(way, {}) for way in RESTORING_WAYS}
        threads = sorted({count for by_threads in known.values() for count in by_threads})
        if "problem" in found:
            rows.append([name, "not exported", *("" for _ in known), found["measured"]])
        for count in threads:
            shown = [f"{one[count]:.2f}" if count in one else "" for one in known.values()]
            rows.append([name, count, *shown, found["measured"]])
    return _table(("model", "threads", *RESTORING_WAYS, "measured"), rows, left=1)


def scales_table(found: Mapping[str, Any]) -> str:
    """CPU seconds at several scales of a picture, encoded for each or once."""
    rows = [
        [f"x{scale:g}", f"{anew:.2f}", f"{once:.2f}", f"{anew / once:.1f}"]
        for scale, anew, once in zip(found["scales"], found["anew_s"], found["once_s"], strict=True)
    ]
    headings = (f"LM-LTE, {found['kept_mb']:.1f} MB kept", "encoded anew s", "once s", "times")
    return _table(headings, rows, left=1)


def photograph_table(figures: Figures) -> str:
    """Peak memory for a photograph of 12 megapixels."""
    rows = [
        [name, f"{found['peak_mb']:.0f}", f"{found['tile_px']:.0f}"]
        for name, found in figures.items()
    ]
    return _table(("MIMO-UNet, 4000x3000", "peak MB", "side of tiles"), rows, left=1)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """A table in Markdown; the first columns are aligned to the left."""
    marks = ["---" if column < left else "---:" for column in range(len(headings))]
    lines = [headings, marks, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
