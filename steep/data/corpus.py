"""What is a corpus, a task, and the data of a run? And what a run folder says of them."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import datasets
import numpy as np

from steep import runs
from steep.args.table import SplitArgs, TableArgs
from steep.data.cache_files import flattened
from steep.errors import SteepError
from steep.wording import quoted

if TYPE_CHECKING:
    from steep.data.guard import Copies
    from steep.data.splits import Splits

datasets.disable_progress_bars()

TEXT_COLUMNS = ("text", "pair")
HALF = re.compile("[\ud800-\udfff]")  # of a character: what no table holds

TaskKind = Literal["single", "multi", "regression"]


@dataclass(frozen=True)
class Task:
    """What is predicted.

    `labels` holds the class names in the order of their indices (single: sorted; multi: one per
    0/1 label, in the user's order) or the one name of the target (regression). `thresholds` are
    the lowest probabilities at which a row gets a label (multi: one for each label; single: that of
    the second of two classes); without them, 1/2 and the most probable class. `ordered` classes
    are numbers from low to high, of which some are nearer to each other than others.
    """

    kind: TaskKind
    labels: tuple[str, ...]
    thresholds: tuple[float, ...] = ()
    ordered: bool = False

    def described(self) -> dict[str, Any]:
        """What files say of it, as plain JSON; thresholds are kept elsewhere."""
        order = {"ordered": True} if self.ordered else {}
        return {"kind": self.kind, "labels": list(self.labels), **order}


@dataclass(frozen=True)
class Corpus:
    """Texts in the file's own order, each with a row number that never changes.

    `table` is a memory-mapped Arrow table with the columns

    - `row` (int64): number of the data row in its file, from 0; rows that were dropped leave gaps;
    - `id` (string): the user's own identifier, else the row number as text;
    - `text` (string), and `pair` (string) when there is a second text;
    - `label`, when there is a task: int64 class index (single), list of float32, one per label
      (multi), or float64 (regression; a list of it, one per target, where there are several);
    - `soft` (list of float32, one per label), where the labels are given as probabilities;
    - `weight` (float64), where a column says how much a row counts in training;
    - `group` (string), where a column says which rows belong together.
    """

    table: datasets.Dataset
    source: str
    task: Task | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def has_pairs(self) -> bool:
        return "pair" in self.table.column_names

    def rows(self) -> np.ndarray:
        """Row numbers, int64 (n,)."""
        return self.column("row")

    def labels(self) -> np.ndarray:
        """Class indices int64 (n,), 0/1 labels float32 (n, labels), or targets float64 (n,).

        Several targets are (n, targets).
        """
        if len(self) or self.task is None:
            return self.column("label")
        count, kind = len(self.task.labels), self.task.kind
        several = (count,) if kind == "multi" or (kind == "regression" and count > 1) else ()
        types = {"single": "int64", "multi": "float32", "regression": "float64"}
        return np.zeros((0, *several), types[kind])  # numpy knows no type of none

    def targets(self) -> np.ndarray:
        """What is trained on: probabilities float32 (n, labels) of soft labels, else `labels`.

        Of soft labels, `labels` are the most probable ones.
        """
        return self.column("soft") if "soft" in self.table.column_names else self.labels()

    def weights(self) -> np.ndarray:
        """How much each row counts in training, float64 (n,); 1 where no column says it."""
        return self.column("weight") if "weight" in self.table.column_names else np.ones(len(self))

    def groups(self) -> np.ndarray | None:
        """The group of each row, str (n,), without blanks around it; None where no column says."""
        if "group" not in self.table.column_names:
            return None
        return np.array([name.strip() for name in self.table["group"][:]], object)

    def group_codes(self) -> np.ndarray | None:
        """The group of each row, numbered from 0, int64 (n,); None where no two rows are of one."""
        if (names := self.groups()) is None:
            return None
        different, codes = np.unique(names, return_inverse=True)
        return None if len(different) == len(names) else codes.astype(np.int64)

    def column(self, name: str) -> np.ndarray:
        plain = self.table.with_format("numpy", dtype=None)  # else float64 comes as float32
        return np.asarray(plain[name][:])

    def texts(self, column: str = "text", size: int = 1000) -> Iterator[list[str]]:
        """The texts in the file's order, `size` at a time, without holding all of them."""
        for start in range(0, len(self), size):
            yield self.table[start : start + size][column]

    def whole(self) -> list[str]:
        """All texts in the file's order; both texts of a pair as one."""
        texts = list(self.table["text"])
        if not self.has_pairs:
            return texts
        return [f"{one} {two}" for one, two in zip(texts, self.table["pair"], strict=True)]

    def in_memory(self) -> "Corpus":
        """The same rows, of no file."""
        table = datasets.table.InMemoryTable(self.table.with_format("arrow")[:])
        known, info = self.table._fingerprint, self.table.info
        return replace(self, table=datasets.Dataset(table, info=info, fingerprint=known))

    def take(self, positions: np.ndarray) -> "Corpus":
        """The corpus of these positions (not row numbers), in the order given."""
        return replace(self, table=self.table.select(positions))


@dataclass(frozen=True)
class Data:
    """A corpus, split once: what every stage, arm and seed of a study shares.

    `valid` is empty where nothing is held out for validation; `task` is None without labels.
    `table` and `split` say how it was read and split, `copies` which rows of two parts are alike.
    """

    train: Corpus
    valid: Corpus
    test: Corpus | None
    task: Task | None
    splits: "Splits"
    notes: tuple[str, ...] = field(default=())
    table: TableArgs = TableArgs()
    split: SplitArgs = SplitArgs()
    copies: "Copies | None" = None

    def labelled(self) -> Task:
        """The task; SteepError where no column of labels was named."""
        if self.task is None:
            raise SteepError(f"{self.train.source}: name the column of labels with --label.")
        return self.task

    @property
    def parts(self) -> dict[str, Corpus]:
        """The parts by name, in the order train, valid, test; test only where there is one."""
        parts = {"train": self.train, "valid": self.valid}
        return parts | ({"test": self.test} if self.test is not None else {})

    def in_memory(self) -> "Data":
        """The same parts, of no file: what can be sent to another machine."""
        test = None if self.test is None else self.test.in_memory()
        return replace(self, train=self.train.in_memory(), valid=self.valid.in_memory(), test=test)


def join_corpora(corpora: Sequence[Corpus]) -> Corpus:
    """The texts of several corpora as one, without labels; second texts are documents of their own.

    Row numbers run on from corpus to corpus.
    """
    tables = []
    for corpus in corpora:
        tables.append(corpus.table.select_columns(["id", "text"]))
        if corpus.has_pairs:
            pairs = corpus.table.select_columns(["id", "pair"])
            tables.append(pairs.rename_column("pair", "text"))
    table = flattened(datasets.concatenate_datasets(tables))
    rows = datasets.Dataset.from_dict({"row": np.arange(len(table))})
    return Corpus(
        datasets.concatenate_datasets([rows, table], axis=1),
        source=", ".join(dict.fromkeys(corpus.source for corpus in corpora)),
        notes=tuple(dict.fromkeys(note for corpus in corpora for note in corpus.notes)),
    )


def corpus_of(items: Sequence[Any], pairs: bool, label: Any = None) -> Corpus:
    """Texts, pairs of texts, or rows of a corpus's table, as a corpus that lies in memory.

    With `label`, the feature of that column, labels are taken over; only rows have them. Raises
    SteepError for other items.
    """
    names = ["text", "pair"] if pairs else ["text"]
    if not items:
        raise SteepError("no items: expected texts.")
    rows = [_row(item, number, names) for number, item in enumerate(items)]
    features: dict[str, Any] = {"row": datasets.Value("int64")}
    features |= {name: datasets.Value("string") for name in ("id", *names)}
    features |= {} if label is None else {"label": label}
    for number, row in enumerate(rows):
        if label is not None and "label" not in row:
            raise SteepError(f"item {number} has no label: give rows of a corpus's table.")
    columns = {name: [row[name] for row in rows] for name in features}
    return Corpus(datasets.Dataset.from_dict(columns, datasets.Features(features)), "items")


def _row(item: Any, number: int, names: list[str]) -> dict[str, Any]:
    """An item as a row of a table; SteepError where it lacks a text."""
    if isinstance(item, dict):
        row = {"row": number, "id": str(number)} | item
    else:
        texts = item if isinstance(item, tuple | list) else (item,)
        row = {"row": number, "id": str(number)} | dict(zip(names, texts, strict=False))
        if len(texts) != len(names):
            row = {}
    if not all(_is_text(row.get(name)) for name in names):
        wanted = "a text" if len(names) == 1 else "a pair of texts"
        raise SteepError(f"item {number}: expected {wanted}, not {quoted(str(item))}.")
    return row


def _is_text(cell: Any) -> bool:
    """Whether it is a text that can be written, without half a character."""
    return isinstance(cell, str) and (cell.isascii() or not HALF.search(cell))


def record_data(run: runs.Run, data: Data, base: str) -> None:
    """Data and checkpoint in the manifest, the splits beside it, every note of the data said."""
    for note in data.notes:
        run.note(note)
    run.record(data=describe(data), base=base)
    data.splits.save(run.folder / runs.SPLITS)


def fingerprint(corpus: Corpus) -> str:
    """A hash of all that a corpus holds, in its order."""
    digest = hashlib.blake2b(corpus.rows().astype("<i8").tobytes(), digest_size=12)
    for column in ("text", "pair") if corpus.has_pairs else ("text",):
        for texts in corpus.texts(column):
            digest.update("\0".join(texts).encode())
    if corpus.task is not None:
        digest.update(repr(corpus.task).encode() + corpus.targets().tobytes())
        digest.update(corpus.weights().tobytes())
    if (names := corpus.groups()) is not None:
        digest.update("\0".join(names).encode())
    return digest.hexdigest()


def describe(data: Data) -> dict[str, Any]:
    """Files, rows, parts and label counts, as plain JSON."""
    rows = dict.fromkeys(data.splits.origins.values(), 0)  # two files may have one name
    for part, corpus in data.parts.items():
        rows[data.splits.origins[part]] += len(corpus)
    files = [{"name": o.file, "rows": n, "fingerprint": o.fingerprint} for o, n in rows.items()]
    found = {
        "files": files,
        "parts": {part: len(corpus) for part, corpus in data.parts.items()},
        "labels": {part: label_counts(corpus) for part, corpus in data.parts.items()},
    }
    if (name := data.table.groups.group) is None:
        return found
    from steep.data.groups import described  # only where it is needed

    return found | described(data.parts, name, data.splits.left_out)


def label_counts(corpus: Corpus) -> dict[str, int]:
    """Rows of each class, or rows that have each label; empty for regression and no labels."""
    if corpus.task is None or corpus.task.kind == "regression":
        return {}
    labels = corpus.labels()
    names = corpus.task.labels
    counts = np.bincount(labels, minlength=len(names)) if labels.ndim == 1 else labels.sum(0)
    return {name: int(count) for name, count in zip(names, counts, strict=True)}
