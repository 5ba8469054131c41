"""Which options say how a table is read and split?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.config import Options, option

Kind = Literal["auto", "single", "multi", "regression"]
Unit = Literal["auto", "file", "paragraph", "line"]


@dataclass(frozen=True, kw_only=True)
class TableArgs(Options):
    """How a table of texts is read."""

    text: str = option("text", "Column that holds the text.")
    pair: str | None = option(None, "Column of a second text, for tasks on pairs of texts.")
    label: str | None = option(None, "Column of labels; several 0/1 columns joined by commas.")
    id: str | None = option(None, "Column that names the rows; by default 'id' where it exists.")
    task: Kind = option("auto", "Kind of task; by default inferred from the labels, and printed.")
    label_delimiter: str | None = option(
        None, "What separates several labels in one column ('|' in 'toxic|insult')."
    )
    ordered: bool = option(
        False, "The classes are numbers with an order, such as stars: near misses count for less."
    )
    soft: bool = option(
        False,
        "The label columns hold probabilities: of one label, of classes (where they sum to 1 in "
        "every row), or of several labels.",
    )
    sample_weight: str | None = option(
        None, "Column that says how much a row counts in training; 0 leaves it out."
    )
    unit: Unit = option(
        "auto", "What is one document of a plain text file: the file, a paragraph or a line."
    )


@dataclass(frozen=True, kw_only=True)
class ShareArgs(Options):
    """How many rows are for training, validation and test."""

    valid_share: float = option(0.1, "Share of the rows held out for validation.")
    test_share: float = option(0.2, "Share of the rows held out for the test; 0 for none.")
    split_seed: int = option(0, "Seed of the split.")


@dataclass(frozen=True, kw_only=True)
class SplitArgs(ShareArgs):
    """Which rows are for training, validation and test."""

    valid: Path | None = option(None, "File with the validation rows, instead of a share.")
    test: Path | None = option(None, "File with the test rows, instead of a share.")
    splits: Path | None = option(None, "A splits.json of an earlier run, to split alike.")


@dataclass(frozen=True, kw_only=True)
class DataArgs(TableArgs, SplitArgs):
    """How a table is read and split."""
