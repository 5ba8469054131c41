"""Which commands are there? One function each; whatever is heavy is imported inside it."""

from pathlib import Path
from typing import Annotated

import typer

import steep
from steep.args import (
    AdaptArgs,
    CheckArgs,
    CompareArgs,
    DemoArgs,
    EvaluateArgs,
    ExplainArgs,
    ExportArgs,
    FitArgs,
    LrFindArgs,
    MultitaskArgs,
    PredictArgs,
    SelectArgs,
)
from steep.options import command, with_errors

app = typer.Typer(
    name="steep",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Table = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV, TSV, JSON lines, Parquet or text.")
]
Tables = Annotated[
    list[Path],
    typer.Argument(metavar="FILES...", help="Tables or plain text, as many as you have."),
]
LabelledTables = Annotated[
    list[Path], typer.Argument(metavar="FILES...", help="Labelled tables, two or more.")
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder written by 'steep fit'.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A run or a study.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
OutFile = Annotated[Path, typer.Option("--out", help="CSV file to write.")]


@command(app, CheckArgs)
def check(file: Table, args: CheckArgs) -> None:
    """Look at a table: what is in it, what will go wrong, and what it will cost.

    Example: steep check reviews.csv --text review --label sentiment
    """
    from steep.stages import check as stage

    stage.check(file, args=args)


@command(app, AdaptArgs)
def adapt(files: Tables, out: Out, args: AdaptArgs) -> None:
    """Step 2: train a checkpoint further on your own text, without labels.

    Example: steep adapt reviews.csv more.txt --text review --model bert-base-uncased --out adapted
    """
    from steep.stages import adapt as stage

    typer.echo(stage.adapt(files, out=out, args=args))


@command(app, SelectArgs)
def select(pile: Tables, out: Out, args: SelectArgs) -> None:
    """Choose, from a large pile of text, what is most like your task's, for step 2 to read.

    Example: steep select news.jsonl --near reviews.csv --text review --neighbours 50 --out chosen
    """
    from steep.stages import select as stage

    typer.echo(stage.select(pile, out=out, args=args))


@command(app, FitArgs)
def fit(file: Table, out: Out, args: FitArgs) -> None:
    """Step 3: fine-tune a classifier on your labels.

    Example: steep fit reviews.csv --text review --label sentiment --encoder adapted --out model
    """
    from steep.stages import fit as stage

    typer.echo(stage.fit(file, out=out, args=args))


@command(app, LrFindArgs)
def lr_find(file: Table, args: LrFindArgs) -> None:
    """Look for a learning rate by fastai's lr_find, some times, and say whether to believe it.

    Example: steep lr-find reviews.csv --text review --label sentiment --encoder adapted
    """
    from steep.stages import lr_find as stage

    stage.lr_find(file, args=args)


@command(app, MultitaskArgs)
def multitask(files: LabelledTables, out: Out, args: MultitaskArgs) -> None:
    """Train one encoder on several labelled tables at once, for 'steep fit --model' to start from.

    Example: steep multitask a.csv b.csv --label stars --label topic --model DIR --out both
    """
    from steep.stages import multitask as stage

    typer.echo(stage.multitask(files, out=out, args=args))


@command(app, PredictArgs)
def predict(model: Model, file: Table, out: OutFile, args: PredictArgs) -> None:
    """Write a probability for every row and class, in the order of the file.

    Example: steep predict model new.csv --out predictions.csv
    """
    from steep.stages import predict as stage

    typer.echo(stage.predict(model, file, out=out, args=args))


@command(app, EvaluateArgs)
def evaluate(model: Model, file: Table, args: EvaluateArgs) -> None:
    """Measure a model on labelled rows, with intervals.

    Example: steep evaluate model test.csv
    """
    from steep.stages import evaluate as stage

    stage.evaluate(model, file, args=args)


@command(app, ExplainArgs)
def explain(model: Model, file: Table, out: Out, args: ExplainArgs) -> None:
    """Show which words speak for a model's answers to single rows, and which against them.

    Example: steep explain model reviews.csv --rows 1,5,9 --out explained
    """
    from steep.stages import explain as stage

    typer.echo(stage.explain(model, file, out=out, args=args))


@command(app, ExportArgs)
def export(model: Model, file: Table, args: ExportArgs) -> None:
    """Write a model as ONNX, checked against torch on rows of FILE; with --int8 also quantised.

    Example: steep export model reviews.csv --int8
    """
    from steep.stages import export as stage

    typer.echo(stage.export(model, file, args=args))


@command(app, CompareArgs, stopped="Finished cells of the study are kept; run it again to go on.")
def compare(file: Table, out: Out, args: CompareArgs) -> None:
    """Answer "was step 2 worth it?" on your own data, with honest statistics.

    Example: steep compare reviews.csv --text review --label sentiment --seeds 5 --out study
    """
    from steep.stages import compare as stage

    typer.echo(stage.compare(file, out=out, args=args))


@app.command()
def report(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file to write; by default in the folder.")
    ] = None,
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Whether texts of the data appear in it.")
    ] = True,
) -> None:
    """Write one self-contained HTML page about a run or a study.

    Example: steep report study
    """
    from steep.reports import page

    with_errors(lambda: typer.echo(page.write(folder, out, texts)))


@command(app, DemoArgs, stopped="What was finished is kept.")
def demo(args: DemoArgs) -> None:
    """Run all of it on real film reviews that come along, without a network.

    Example: steep demo --out demo
    """
    from steep.stages import demo as stage

    typer.echo(stage.demo(args.out, args))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(steep.__version__)
        raise typer.Exit


@app.callback()
def _steep(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Adapt a BERT to your own text, fine-tune it, and learn whether that was worth it."""


def main() -> None:
    """The command `steep`."""
    app(prog_name="steep")
