"""Can everybody read the page? Contrast of its colours (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from importlib import resources
from importlib.resources.abc import Traversable

import pytest

TEMPLATES = resources.files("steep.reports").joinpath("templates")
CSS = TEMPLATES.joinpath("style.css").read_text(encoding="utf-8")
LIGHT, DARK = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in CSS.split("@media")[:2])


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_letters_and_lines_stand_out(colours: dict[str, str]) -> None:
    for name in ("ink", "soft", "accent", "against"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    assert contrast(colours["faint"], colours["paper"]) >= 3
    assert contrast(colours["ink"], colours["wash"]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_numbers_on_the_darkest_cell_can_be_read(colours: dict[str, str]) -> None:
    drawn = [TEMPLATES.joinpath(f"{kind}.html.j2") for kind in ("matrices", "marked")]
    factors = re.findall(
        r"\((?:cell|word)\.share\S* \* (\d+)\)\|round\|int \}\}%", "".join(map(_read, drawn))
    )
    assert len(factors) == 2
    strongest = max(map(int, factors)) / 100
    for name in re.findall(r"color-mix\(in srgb, var\(--(\w+)\)", CSS):
        pairs = zip(_parts(colours[name]), _parts(colours["wash"]), strict=True)
        mixed = "#" + "".join(f"{round(strongest * a + (1 - strongest) * b):02x}" for a, b in pairs)
        assert contrast(colours["ink"], mixed) >= 4.5, name


def _read(path: Traversable) -> str:
    return path.read_text(encoding="utf-8")


def _parts(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
