"""Does a report fit a phone, in a real browser?"""

import html
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from steep.reports.page import write_report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
PHONE = 360  # CSS pixels of a small one
FRAME = """<body style="margin:0"><iframe style="width:{width}px;height:9000px;border:0"
srcdoc="{page}" onload="const d = this.contentDocument;
document.body.dataset.wide = [d.documentElement.scrollWidth, d.body.innerText.length].join()">
</iframe></body>"""

pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium is installed")


def seen(page: str, width: int, folder: Path) -> tuple[int, int]:
    """How wide the page's content is in a window of `width` pixels, and letters that are shown."""
    open_to_us = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    file = folder / "frame.html"
    file.write_text(FRAME.format(width=width, page=html.escape(open_to_us)), encoding="utf-8")
    words = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder}/own",
    ]
    words += ["--window-size=1400,9000", "--dump-dom", file.as_uri()]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout
    found = re.search(r'data-wide="(\d+),(\d+)"', shown)
    assert found, shown[:500]
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("stage", ["study", "adapt", "fit"])
def test_nothing_is_wider_than_a_phone(make: SimpleNamespace, tmp_path: Path, stage: str) -> None:
    folder = {"study": make.study, "adapt": make.adapt, "fit": make.fit}[stage](tmp_path / stage)
    page = write_report(folder).read_text(encoding="utf-8")
    wide, letters = seen(page, PHONE, tmp_path)
    assert wide <= PHONE, "tables and drawings must shrink, or scroll on their own"
    assert letters > 500


def test_the_measurement_sees_what_is_too_wide(tmp_path: Path) -> None:
    assert seen("<body><div style='width:700px'>wide</div></body>", PHONE, tmp_path)[0] >= 700
