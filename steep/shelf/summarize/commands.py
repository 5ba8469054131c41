"""Which commands has `steep summarize`? Four: fit, predict, evaluate, compare."""

from pathlib import Path
from typing import Annotated, Any

import typer

from steep.console import result
from steep.flags import command
from steep.shelf import summarize
from steep.shelf.summarize import (
    SummaryCompareArgs,
    SummaryEvaluateArgs,
    SummaryFitArgs,
    SummaryPredictArgs,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Extractive summaries: train a summariser on your own documents, use it, and measure it.",
)

Documents = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV, JSON lines, Parquet, text, or a folder.")
]
Model = Annotated[
    Path, typer.Argument(metavar="SUMMARISER", help="Folder written by 'steep summarize fit'.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
OutFile = Annotated[Path, typer.Option("--out", help="JSON lines file to write.")]
OutRun = Annotated[Path | None, typer.Option("--out", help="Folder to write, too.")]


@command(app, SummaryFitArgs)
def fit(file: Documents, out: Out, **options: Any) -> None:
    """Train a summariser on documents with summaries, or with labels of their sentences.

    Example: steep summarize fit articles.jsonl --text article --summary highlights --model DIR
    --out summariser
    """
    result(summarize.fit(file, out=out, **options))


@command(app, SummaryPredictArgs)
def predict(model: Model, file: Documents, out: OutFile, **options: Any) -> None:
    """Write a summary of each document: its sentences, their numbers and scores.

    Example: steep summarize predict summariser new.txt --out summaries.jsonl
    """
    done = summarize.predict(model, file, out=out, **options)
    assert isinstance(done, Path)
    result(done)


@command(app, SummaryEvaluateArgs)
def evaluate(model: Model, file: Documents, out: OutRun = None, **options: Any) -> None:
    """Measure a summariser by ROUGE, beside lead, TextRank, a random choice and the oracle.

    Example: steep summarize evaluate summariser test.jsonl
    """
    summarize.evaluate(model, file, out=out, **options)


@command(
    app,
    SummaryCompareArgs,
    stopped="Finished runs of the study are kept; run it again to resume.",
)
def compare(file: Documents, out: Out, **options: Any) -> None:
    """Answer "was step 2 worth it?" for summaries, with honest statistics.

    Example: steep summarize compare articles.jsonl --text article --summary highlights --model DIR
    --out study
    """
    result(summarize.compare(file, out=out, **options))
