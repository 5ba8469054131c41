"""Extractive summaries: a summariser trained on your own documents, used, measured and compared.

A feature that the core does not know. It needs train/summaries.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steep.args import IntervalArgs, MachineArgs, OverwriteArgs, SaveArgs, SeedArgs
from steep.args.chosen import options_for
from steep.args.pretraining import PretrainArgs, SeedsArgs
from steep.args.table import SplitArgs, Unit
from steep.args.training import BatchArgs, EpochArgs, ModelArgs, OptimiserArgs, ScheduleArgs
from steep.options import Part, option, own_table

if TYPE_CHECKING:
    import pandas as pd

    from steep.data.readers import Source

Vectors = Literal["auto", "cls", "mean"]
Blocking = Literal["auto", "on", "off"]


@dataclass(frozen=True, kw_only=True)
class DocumentArgs(Part):
    """Documents."""

    text: str | None = option(
        None,
        "Column of documents: texts, or lists of sentences; by default 'text', or the one that the "
        "summariser was trained on.",
        common=True,
    )
    id: str | None = option(
        None, "Column that names the documents; by default 'id' where it exists."
    )
    unit: Unit = option(
        "file", "What one document of a plain text file is: the file, a paragraph or a line."
    )


@dataclass(frozen=True, kw_only=True)
class ReferenceArgs(Part):
    """Documents."""

    summary: str | None = option(
        None,
        "Column of reference summaries; by default 'summary', or the one that was trained on.",
        common=True,
    )
    sentence_labels: str | None = option(
        None,
        "Column of lists, with 1 for each sentence that belongs in the summary and 0 for others: "
        "instead of summaries.",
    )


@dataclass(frozen=True, kw_only=True)
class SizeArgs(Part):
    """Length of summaries."""

    sentences: int | None = option(
        None,
        "Sentences of a summary. Without this, words or ratio, as many as suit the validation "
        "documents.",
        least=1,
        most=100_000,
        common=True,
    )
    words: int | None = option(
        None, "Words of a summary, at most; one sentence at least.", least=1, common=True
    )
    ratio: float | None = option(
        None, "Share of a document's sentences; one at least.", least=0.0001, most=1, common=True
    )
    block_trigrams: Blocking = option(
        "auto",
        "Leave a sentence out that repeats three words of a better one; auto: as was best on the "
        "validation documents.",
    )


@dataclass(frozen=True, kw_only=True)
class ReadingArgs(Part):
    """Sentence vectors."""

    sentence_vectors: Vectors = option(
        "auto",
        "What stands for a sentence: cls (a [CLS] before each), mean (of its tokens), or auto "
        "(mean, if the checkpoint is of sentence-transformers or a small BERT; else cls).",
    )
    max_length: int | None = option(
        None,
        "Tokens of a window of whole sentences; by default 512, or the checkpoint's fewer.",
        least=8,
    )
    overlap: float = option(
        0.25, "Share of a window that the next one may have, too.", least=0, most=0.5
    )


@dataclass(frozen=True, kw_only=True)
class LookArgs(Part):
    """Position bias."""

    shuffled: bool = option(
        False, "Also score the documents with their sentences in random order.", common=True
    )


@dataclass(frozen=True, kw_only=True)
class TrainArgs:
    """How a summariser is trained."""

    reading: ReadingArgs = ReadingArgs()
    size: SizeArgs = SizeArgs()
    epochs: EpochArgs = EpochArgs(epochs=2)
    optimiser: OptimiserArgs = OptimiserArgs()
    batch: BatchArgs = BatchArgs(batch_size=8)
    schedule: ScheduleArgs = ScheduleArgs()


@dataclass(frozen=True, kw_only=True)
class SummaryFitArgs:
    """steep summarize fit: a summariser trained on documents with summaries."""

    documents: DocumentArgs = DocumentArgs()
    reference: ReferenceArgs = ReferenceArgs()
    split: SplitArgs = SplitArgs()
    start: ModelArgs = ModelArgs()
    training: TrainArgs = TrainArgs()
    intervals: IntervalArgs = IntervalArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    saving: SaveArgs = SaveArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class SummaryPredictArgs:
    """steep summarize predict: a summary of each document."""

    documents: DocumentArgs = DocumentArgs()
    size: SizeArgs = SizeArgs()
    batch: BatchArgs = BatchArgs(batch_size=16)
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class SummaryEvaluateArgs:
    """steep summarize evaluate: summaries against references."""

    documents: DocumentArgs = DocumentArgs()
    reference: ReferenceArgs = ReferenceArgs()
    size: SizeArgs = SizeArgs()
    look: LookArgs = LookArgs()
    batch: BatchArgs = BatchArgs(batch_size=16)
    intervals: IntervalArgs = IntervalArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    output: OverwriteArgs = OverwriteArgs()


@dataclass(frozen=True, kw_only=True)
class SummaryTextArgs(Part):
    """Study."""

    unlabelled: tuple[Path, ...] = option(
        (), "Files of further text for step 2 (repeatable).", common=True
    )
    smallest_effect: float = option(
        0.0, "Smallest gain in ROUGE points that would make step 2 worth it to you.", least=0
    )
    dry_run: bool = option(False, "Print what the study can find, and stop.", harmless=True)


@dataclass(frozen=True, kw_only=True)
class SummaryCompareArgs:
    """steep summarize compare: was step 2 worth it, for summaries?

    Step 2 is `adapt`, a table of its own.
    """

    documents: DocumentArgs = DocumentArgs()
    reference: ReferenceArgs = ReferenceArgs()
    split: SplitArgs = SplitArgs()
    start: ModelArgs = ModelArgs()
    study: SummaryTextArgs = SummaryTextArgs()
    seeds: SeedsArgs = SeedsArgs(seeds=5)
    training: TrainArgs = TrainArgs()
    adapt: PretrainArgs = own_table(PretrainArgs())
    intervals: IntervalArgs = IntervalArgs()
    seed: SeedArgs = SeedArgs()
    machine: MachineArgs = MachineArgs()
    saving: SaveArgs = SaveArgs()
    output: OverwriteArgs = OverwriteArgs()


def fit(
    source: "Source", model: str | Path | None = None, *, out: str | Path, **options: Any
) -> Path:
    """Train a summariser on documents with summaries; returns the folder `out`.

    `model` is a checkpoint, or a folder of `steep.adapt`. Raises SteepError for whatever is wrong.
    """
    from steep.shelf.summarize import summarise

    given = options | ({} if model is None else {"model": str(model)})
    args = options_for(SummaryFitArgs, "summarize_fit", given)
    return summarise.fit(source, out=Path(out), args=args)


def predict(
    model: str | Path,
    source: "Source | Sequence[str] | Sequence[list[str]]",
    *,
    out: str | Path | None = None,
    **options: Any,
) -> "pd.DataFrame | Path":
    """A summary of each document, in the order given: a DataFrame, or the JSON lines file `out`.

    `source` may also be a list of documents, each a text or a list of sentences.
    """
    from steep.shelf.summarize import summarise

    args = options_for(SummaryPredictArgs, "summarize_predict", options)
    return summarise.predict(Path(model), source, out=Path(out) if out else None, args=args)


def evaluate(
    model: str | Path, source: "Source", *, out: str | Path | None = None, **options: Any
) -> dict[str, Any]:
    """How good summaries are, beside lead, TextRank, random and oracle: printed, and returned."""
    from steep.shelf.summarize import summarise

    args = options_for(SummaryEvaluateArgs, "summarize_evaluate", options)
    return summarise.evaluate(Path(model), source, out=Path(out) if out else None, args=args)


def compare(
    source: "Source", model: str | Path | None = None, *, out: str | Path, **options: Any
) -> Path:
    """Was step 2 worth it, for summaries? A paired study; returns the folder `out`.

    Step 2 is configured by `adapt`, a dictionary of its options.
    """
    from steep.shelf.summarize import study

    given = options | ({} if model is None else {"model": str(model)})
    args = options_for(SummaryCompareArgs, "summarize_compare", given)
    return study.compare(source, out=Path(out), args=args)
