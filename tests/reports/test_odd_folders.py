"""Is a folder that was edited by hand reported, or refused in one sentence that names the file?"""

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steep import runs
from steep.args.renamed import FORMAT
from steep.errors import SteepError
from steep.reports.background import with_background
from steep.reports.folder import read_folder, stage_page
from steep.reports.page import STAGES, _rendered, write_report

GONE = object()
ODD = (GONE, None, "x", [], {}, -1, 1e99, math.nan, True, [1], {"a": 1})
Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Where something stands in JSON; of lists, and of keys that share a prefix, the first alone."""
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*at, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*at, 0))


def edited(value: Any, at: Place, new: Any) -> Any:
    if not at:
        return new
    value = copy.copy(value)
    if new is GONE and len(at) == 1:
        del value[at[0]]
    else:
        value[at[0]] = edited(value[at[0]], at[1:], new)
    return value


def render(folder: Path) -> None:
    """The page, but for writing it."""
    found = read_folder(folder, STAGES)
    stage = stage_page(found.manifest, STAGES)
    page = with_background(stage.page(found, True), found, stage.options, [])
    for template in ("page.html.j2", "page.md.j2"):
        _rendered(page, template)


def shorten(folder: Path) -> Path:
    """The folder with five rows in each of its tables, for speed."""
    for path in folder.rglob("*.csv"):
        lines = path.read_text(encoding="utf-8").split("\r\n")
        path.write_text("\r\n".join(lines[:6]) + "\r\n", encoding="utf-8", newline="")
    return folder
