"""What do the tests of studies share? The commands and tables of whole commands, and a study."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stages.conftest import (  # noqa: F401
    columns,
    short_step2,
    steep,
    tables,
    tiny,
)

Steep = Callable[..., Any]
Words = tuple[Path | str, ...]


@pytest.fixture(scope="session")
def base(tables: Path, tiny_bert: Path, tiny: str, short_step2: Path) -> Words:  # noqa: F811
    """The words of a study of two seeds."""
    options = "--label label --epochs 1 --seeds 2 --learning-rate 2e-3"
    options += " --arms tfidf,base,adapted --keep-going"  # quick, and whatever base learns
    files = ("--model", tiny_bert, "--config", short_step2)
    return ("compare", tables / "single.csv", options, tiny, *files)


@pytest.fixture(scope="session")
def whole(steep: Steep, base: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A study that nobody stopped."""
    out = tmp_path_factory.mktemp("study") / "whole"
    steep(*base, "--out", out)
    return out
