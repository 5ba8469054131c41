"""Which options say how a table is read and split?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steep.options import SEEDS, Part, option

Kind = Literal["auto", "single", "multi", "regression"]
Unit = Literal["auto", "file", "paragraph", "line"]


@dataclass(frozen=True, kw_only=True)
class ColumnArgs(Part):
    """Columns."""

    text: str | None = option(
        None, "Column of texts; by default 'text', or the one a model was trained on.", common=True
    )
    pair: str | None = option(None, "Column of a second text, for tasks on pairs of texts.")
    id: str | None = option(None, "Column that names the rows; by default 'id' where it exists.")
    unit: Unit = option(
        "auto", "What one document of a plain text file is: the file, a paragraph or a line."
    )


@dataclass(frozen=True, kw_only=True)
class TargetArgs(Part):
    """Columns."""

    label: str | None = option(
        None, "Column of labels; several 0/1 columns joined by commas.", common=True
    )


@dataclass(frozen=True, kw_only=True)
class GroupArgs(Part):
    """Columns."""

    group: str | None = option(
        None,
        "Column that says which rows belong together (the document, author, thread or template of "
        "a row): splits keep a group in one part, and intervals count groups, not rows.",
    )


@dataclass(frozen=True, kw_only=True)
class LabelArgs(Part):
    """Labels."""

    task: Kind = option(
        "auto",
        "Kind of task; by default inferred from the labels, and printed. If single or multi, "
        "labels are taken as they are written.",
    )
    label_delimiter: str | None = option(
        None, "Separator of several labels in one column ('|' in 'toxic|insult')."
    )
    ordered: bool = option(
        False, "The classes are ordinal numbers, such as stars: near misses cost less."
    )
    soft: bool = option(
        False,
        "The label columns hold probabilities: of one label, of classes (if they sum to 1 in every "
        "row), or of several labels.",
    )
    sample_weight: str | None = option(
        None, "Column of example weights in training; a row of weight 0 is ignored."
    )


@dataclass(frozen=True, kw_only=True)
class TableArgs:
    """How a table is read."""

    columns: ColumnArgs = ColumnArgs()
    target: TargetArgs = TargetArgs()
    groups: GroupArgs = GroupArgs()
    labels: LabelArgs = LabelArgs()

    @property
    def text(self) -> str:
        """The column of texts."""
        return self.columns.text or "text"


@dataclass(frozen=True, kw_only=True)
class SplitFileArgs(Part):
    """Splits."""

    valid: Path | None = option(None, "File of validation rows, instead of a share.")
    test: Path | None = option(None, "File of test rows, instead of a share.", common=True)
    splits: Path | None = option(None, "The splits.json of an earlier run, to split alike.")


@dataclass(frozen=True, kw_only=True)
class ShareArgs(Part):
    """Splits."""

    valid_share: float = option(0.1, "Share of the rows held out for validation.")
    test_share: float = option(0.2, "Share of the rows held out for the test; 0 for none.")
    split_seed: int = option(0, "Seed of the split.", **SEEDS)


@dataclass(frozen=True, kw_only=True)
class LeakArgs(Part):
    """Splits."""

    drop_leaks: bool = option(
        False,
        "Leave training rows out that copy a validation or test row; without it they are counted.",
    )


@dataclass(frozen=True, kw_only=True)
class SplitArgs:
    """Which rows are for training, validation and test."""

    files: SplitFileArgs = SplitFileArgs()
    shares: ShareArgs = ShareArgs()
    leaks: LeakArgs = LeakArgs()
