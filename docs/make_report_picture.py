"""Makes docs/pictures/report.png: `python docs/make_report_picture.py`.

The denoiser of the porting guide is compared with a copy of it in which two things were changed: a
slope, and how its half-size features are enlarged. The picture is the page of that comparison, in
the system's Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from parity.adapters import inputs
from parity.adapters.sides import parse_side
from parity.commands.compare import Options, compare
from parity.report import page
from parity.report.saved import Saved

HERE = Path(__file__).resolve().parent
PICTURE = HERE / "pictures" / "report.png"
REFERENCE = HERE.parent / "examples" / "porting" / "network.py"
CHANGES = (
    ("self.head(noisy), 0.1", "self.head(noisy), 0.2"),
    ("align_corners=False", "align_corners=True"),
)
SIZE_PX = (1000, 1560)


def main() -> None:
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("browser: expected chromium on the PATH, got none; apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        page.write(compared(Path(folder)), file)
        with sync_playwright() as started:
            opened = started.chromium.launch(executable_path=browser)
            width, height = SIZE_PX
            shown = opened.new_page(viewport={"width": width, "height": height})
            shown.goto(file.as_uri())
            shown.wait_for_selector("html[data-ready]")
            shown.screenshot(path=PICTURE)
            opened.close()


def compared(folder: Path) -> Saved:
    """The comparison, from which the page is made."""
    text = REFERENCE.read_text("utf-8")
    for before, after in CHANGES:
        text = text.replace(before, after)
    port = folder / "port.py"
    port.write_text(text, "utf-8")
    result = compare(
        parse_side(f"torch:{REFERENCE}:build", where="reference"),
        parse_side(f"torch:{port}:build", where="port"),
        Options(inputs.drawn(["noisy=1x3x48x64:0,1"], 0)),
        lambda _who, _text: None,
    )
    return Saved.of_comparison(result)


if __name__ == "__main__":
    main()
