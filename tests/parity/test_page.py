"""The page of a saved result, in a browser: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import playwright.sync_api as playwright
import pytest

from parity.report import page, pictures
from parity.report.result import Row
from parity.report.saved import Saved
from restoration.evaluation import metrics
from tests.parity import saved_results as made

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_MISSING = (
    f"browser: expected one of {', '.join(_NAMES)} on the PATH, got none; "
    "apt-get install chromium brings it"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.fail(_MISSING, pytrace=False)
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program)
        yield opened
        opened.close()


class _Shown:
    """A page in a browser, what it asked for and what went wrong in it."""

    def __init__(self, browser: playwright.Browser, file: Path, **options: Any):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        if options.get("java_script_enabled", True):
            self.page.wait_for_selector("html[data-ready]")

    def first_cells(self, column: int) -> list[str]:
        return self.page.locator(f"#values tbody td:nth-child({column + 1})").all_inner_texts()


def _written(saved: Saved, folder: Path) -> Path:
    file = folder / "page.html"
    page.write(saved, file)
    return file


def test_five_thousand_arrays_are_small_sorted_and_searched_in_a_second(
    browser: playwright.Browser, tmp_path: Path
) -> None:
    file = _written(made.many(tmp_path, 5_000), tmp_path)
    assert file.stat().st_size < page.MAX_BYTES
    shown = _Shown(browser, file)
    assert shown.page.locator("#count").inner_text() == "5,000 of 5,000 arrays"
    seconds = shown.page.evaluate(
        """async () => {
          // The best of three: other programs may take the processor in between.
          const times = {sort: [], search: []}, search = document.getElementById("search");
          const drawn = () => new Promise((done) =>
            requestAnimationFrame(() => requestAnimationFrame(done)));
          for (let round = 0; round < 3; round++) {
            search.value = "";
            search.dispatchEvent(new Event("input"));
            await drawn();
            let start = performance.now();
            document.querySelectorAll("#values th button")[3].click();
            await drawn();
            times.sort.push((performance.now() - start) / 1000);
            start = performance.now();
            search.value = "body.12. mindspore";
            search.dispatchEvent(new Event("input"));
            await drawn();
            times.search.push((performance.now() - start) / 1000);
          }
          return [Math.min(...times.sort), Math.min(...times.search)];
        }"""
    )
    assert max(seconds) < 1, seconds
    ratios = [float(text) for text in shown.first_cells(3)]
    assert ratios == sorted(ratios, reverse=True)
    assert len(ratios) == 9
    assert all(name.startswith("body.12.") for name in shown.first_cells(2))
    assert not shown.problems


def test_a_page_asks_nobody_for_anything(browser: playwright.Browser, tmp_path: Path) -> None:
    file = _written(made.mixed(tmp_path), tmp_path)
    shown = _Shown(browser, file)
    assert shown.requests == [file.as_uri()]
    assert not shown.problems


def test_all_can_be_done_by_keyboard(browser: playwright.Browser, tmp_path: Path) -> None:
    shown = _Shown(browser, _written(made.mixed(tmp_path), tmp_path)).page
    shown.keyboard.press("/")
    shown.keyboard.type("jittor differ")
    assert shown.locator("#count").inner_text() == "1 of 14 arrays"
    shown.keyboard.press("Escape")
    assert shown.locator("#count").inner_text() == "14 of 14 arrays"
    shown.keyboard.press("Tab")
    for _ in range(3):
        shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    head = shown.locator("#values th").nth(3)
    assert head.get_attribute("aria-sort") in ("descending", "ascending")
    shown.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"


def test_it_can_be_read_without_scripts(browser: playwright.Browser, tmp_path: Path) -> None:
    file = _written(made.many(tmp_path, 1_000), tmp_path)
    shown = _Shown(browser, file, java_script_enabled=False)
    text = shown.page.inner_text("body")
    assert "Implementations differ" in text
    assert "The worst 300 of 1000 arrays" in text
    assert not shown.page.locator("#search").is_visible()
    ratios = [float(cell) for cell in shown.first_cells(3)]
    assert len(ratios) == 300
    assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_color_schemes(
    scheme: Any, browser: playwright.Browser, tmp_path: Path
) -> None:
    shown = _Shown(browser, _written(made.mixed(tmp_path), tmp_path), color_scheme=scheme).page
    colors = shown.evaluate(
        """() => ["body", ".quiet", ".mark.ok", ".mark.bad", ".mark.gap", "th"].map((name) => [
          name, getComputedStyle(document.querySelector(name)).color,
          getComputedStyle(document.body).backgroundColor])"""
    )
    for name, ink, paper in colors:
        assert _contrast(ink, paper) >= 4.5, (name, ink, paper)
    assert (_luminance(colors[0][2]) < 0.5) == (scheme == "dark")


def _contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    parts = [float(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("make", [made.mixed, made.hostile])
def test_it_fits_a_phone(make: Any, browser: playwright.Browser, tmp_path: Path) -> None:
    shown = _Shown(
        browser, _written(make(tmp_path), tmp_path), viewport={"width": 390, "height": 844}
    )
    assert shown.page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("has_scripts", [True, False])
def test_hostile_names_are_text(
    has_scripts: bool, browser: playwright.Browser, tmp_path: Path
) -> None:
    file = _written(made.hostile(tmp_path), tmp_path)
    assert file.stat().st_size < page.MAX_BYTES
    shown = _Shown(browser, file, java_script_enabled=has_scripts)
    assert shown.page.title().startswith("Implementations differ")
    assert shown.page.locator("img").count() == 0
    assert shown.page.locator("script").count() == 2
    text = shown.page.inner_text("body")
    assert "<script>document.title='owned'</script>" in text
    assert "\\u202e" in text
    assert not set(text) & {"\u202e", "\u2066", "\u200f", "\x00"}
    assert not shown.problems


def test_findings_show_lines_of_both_files_and_what_became_of_the_cause(
    browser: playwright.Browser, tmp_path: Path
) -> None:
    port = tmp_path / "<b>port.py"
    port.write_text("\nx = conv(x)\nreturn leaky(x, '<i>0.01</i>')\n")
    saved = Saved.of_comparison(made.comparison(port, "body.1"))
    shown = _Shown(browser, _written(saved, tmp_path))
    finding = shown.page.locator(".finding").inner_text()
    for text in ("slope", "0.01 for 0.2", "500 → 0.7", "<b>port.py:3", "leaky(x, '<i>0.01</i>')"):
        assert text in finding
    lines = shown.page.locator(".aligned tbody tr").all_inner_texts()
    assert [line.split("\t")[2:] for line in lines] == [["1.5", "32"], ["500", "32"], ["300", "16"]]
    assert "starts at body.1, output" in shown.page.inner_text("#row0")


def test_pictures_are_shown_with_their_measures(
    browser: playwright.Browser, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.2, 0.8, (1, 3, 48, 64))
    port = truth.copy()
    port[..., :4, :] += 0.02
    (tmp_path / "run").mkdir()
    found = pictures.compared(truth, port, "net-jittor", tmp_path / "run")
    assert found.psnr_db == pytest.approx(metrics.psnr_db(truth, port))
    assert found.changed == np.count_nonzero(np.rint(255 * truth) != np.rint(255 * port))
    border = np.ones((48, 64), bool)
    border[16:-16, 16:-16] = False
    expected = np.sqrt(np.mean((port - truth)[..., border] ** 2))
    assert found.border_error == pytest.approx(expected)
    assert found.interior_error == 0
    row = made.row("net", "jittor", [made.array("output/full", 50.0)], pictures=[found])
    saved = made.saved(tmp_path, [row], "run2")
    (tmp_path / "run" / "pictures").rename(saved.folder / "pictures")
    shown = _Shown(browser, _written(saved, tmp_path)).page
    sizes = shown.evaluate("[...document.images].map((i) => [i.naturalWidth, i.naturalHeight])")
    assert sizes == [[64, 48]] * 3
    text = shown.inner_text("dl >> nth=0")
    assert f"{found.psnr_db:.1f} dB" in text
    assert f"{found.changed:,} of 9,216" in text


def test_films_have_a_figure_for_each_frame(tmp_path: Path) -> None:
    truth = np.full((3, 3, 40, 40), 0.5)
    port = truth + np.array([0.0, 0.01, 0.1]).reshape(3, 1, 1, 1)
    found = pictures.compared(truth, port, "film", tmp_path)
    assert found.frames_db == [None, pytest.approx(40.0), pytest.approx(20.0)]


def test_training_is_shown_by_step(browser: playwright.Browser, tmp_path: Path) -> None:
    arrays = [
        made.array(f"step/{step}/{name}", 2.0 ** (step * 2) if name == "loss" else 1.0)
        for step in range(1, 12)
        for name in ("loss", "weights/stem.weight")
    ]
    row: Row = made.row("net", "jittor", arrays)
    shown = _Shown(browser, _written(made.saved(tmp_path, [row]), tmp_path)).page
    # The loss's ratios are 4, 16, 64, ...: the third is the first above the bound.
    assert "starts at step 3, loss" in shown.inner_text("#row0")
    assert shown.locator("#row0 svg circle").count() == 9
    labels = shown.locator("#row0 svg text").all_text_contents()
    assert {"loss", "weights", "step 11"} <= set(labels)


def test_a_result_that_is_too_large_leaves_out_what_agrees(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page, "MAX_BYTES", 100_000)
    text = page.text_of(made.many(tmp_path, 5_000))
    assert len(text.encode()) < page.MAX_BYTES
    assert "4,000 arrays with the lowest ratios are not in this page" in text
