"""Which commands has the command line? One function each; its flags are the command's options."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import steep
from steep import commands
from steep.args import CacheArgs, CheckArgs, DemoArgs
from steep.console import result, say, tell
from steep.errors import on_signals, tell_bus_errors
from steep.flags import NOTHING_LEFT, command, with_errors
from steep.launch import here
from steep.shelf.auto import AutoArgs
from steep.shelf.bias import BiasArgs
from steep.shelf.explain import ExplainArgs
from steep.shelf.export import ExportArgs
from steep.shelf.lr_find import LrFindArgs
from steep.shelf.multitask import MultitaskArgs
from steep.shelf.select import SelectArgs
from steep.shelf.self_training import SelfTrainCommand
from steep.shelf.share import ShareArgs
from steep.shelf.summarize.commands import app as summarize

SHELF = "More, when you need it"

app = typer.Typer(
    name="steep",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(summarize, name="summarize", rich_help_panel=SHELF)

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
OutJson = Annotated[
    Path | None, typer.Option("--out", help="Write the result to this JSON file, too.")
]
OutRun = Annotated[Path | None, typer.Option("--out", help="Write the result to this folder, too.")]


@command(app, CheckArgs)
def check(file: Table, out: OutJson = None, **options: Any) -> None:
    """Look at a table: what is in it, what will go wrong, and (with --model) what it will cost.

    Example: steep check reviews.csv --text review --label sentiment --model DIR
    """
    commands.check(file, out=out, **options)


@command(app, commands.AdaptCommand)
def adapt(files: Tables, out: Out, **options: Any) -> None:
    """Step 2: further pre-training of a checkpoint on your own text, without labels.

    Example: steep adapt reviews.csv more.txt --text review --model bert-base-uncased --out adapted
    """
    result(commands.adapt(files, out=out, **options))


@command(app, SelectArgs, panel=SHELF)
def select(pile: Tables, out: Out, **options: Any) -> None:
    """Select, from a large pile of text, what is most similar to your task's, for step 2.

    Example: steep select news.jsonl --near reviews.csv --text review --neighbours 50 --out chosen
    """
    result(commands.select(pile, out=out, **options))


@command(app, commands.FitCommand)
def fit(file: Table, out: Out, **options: Any) -> None:
    """Step 3: fine-tune a classifier on your labels.

    Example: steep fit reviews.csv --text review --label sentiment --model adapted --out model
    """
    result(commands.fit(file, out=out, **options))


@command(app, SelfTrainCommand, panel=SHELF)
def self_train(
    file: Table,
    piles: Annotated[
        list[Path], typer.Argument(metavar="PILES...", help="Files of unlabelled text.")
    ],
    out: Out,
    **options: Any,
) -> None:
    """Fit a teacher on your labels, pseudo-label unlabelled text, and fit a student on both.

    Example: steep self-train reviews.csv more.txt --label sentiment --model adapted --out student
    """
    result(commands.self_train(file, piles, out=out, **options))


@command(app, AutoArgs, panel=SHELF)
def auto(
    file: Table,
    out: Out,
    piles: Annotated[
        list[Path] | None, typer.Argument(metavar="[PILES...]", help="Files of unlabelled text.")
    ] = None,
    **options: Any,
) -> None:
    """The best model for your minutes: tries a frozen encoder, fit, step 2 and self-training.

    Example: steep auto reviews.csv more.txt --label sentiment --model DIR --minutes 20 --out best
    """
    result(commands.auto(file, piles or (), out=out, **options))


@command(app, LrFindArgs, panel=SHELF)
def lr_find(file: Table, out: OutJson = None, **options: Any) -> None:
    """Run fastai's lr_find several times; say what it suggests and whether it is reliable.

    Example: steep lr-find reviews.csv --text review --label sentiment --model adapted
    """
    commands.lr_find(file, out=out, **options)


@command(app, MultitaskArgs, panel=SHELF)
def multitask(files: LabelledTables, out: Out, **options: Any) -> None:
    """Train one encoder on several labelled tables at once, for 'steep fit --model' to start from.

    Example: steep multitask a.csv b.csv --label stars --label topic --model DIR --out both
    """
    result(commands.multitask(files, out=out, **options))


@command(app, commands.PredictCommand)
def predict(model: Model, file: Table, out: OutFile, **options: Any) -> None:
    """Write a probability for every row and class, in the order of the file.

    Example: steep predict model new.csv --out predictions.csv
    """
    result(commands.predict(model, file, out=out, **options))


@command(app, commands.EvaluateCommand)
def evaluate(model: Model, file: Table, out: OutRun = None, **options: Any) -> None:
    """Measure a model on labelled rows, with intervals.

    Example: steep evaluate model test.csv
    """
    commands.evaluate(model, file, out=out, **options)


@command(app, BiasArgs, panel=SHELF)
def bias(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="A model, or two to compare; or a study."),
    ],
    file: Table,
    out: OutRun = None,
    **options: Any,
) -> None:
    """Show who pays for a model's mistakes, among the groups that texts mention.

    Example: steep bias model comments.csv --label toxic --identities female,black,muslim
    """
    commands.bias(models, file, out=out, **options)


@command(app, ExplainArgs, panel=SHELF)
def explain(model: Model, file: Table, out: Out, **options: Any) -> None:
    """Show which words count for and against single predictions (integrated gradients).

    Example: steep explain model reviews.csv --ids 1,5,9 --out explained
    """
    result(commands.explain(model, file, out=out, **options))


@command(app, ExportArgs, panel=SHELF)
def export(model: Model, file: Table, **options: Any) -> None:
    """Write a model as ONNX, checked against torch on rows of FILE; with --int8 also quantised.

    Example: steep export model reviews.csv --int8
    """
    result(commands.export(model, file, **options))


@command(app, ShareArgs, panel=SHELF)
def share(model: Model, out: Out, **options: Any) -> None:
    """Copy a model without any of its data, to give away or to upload to the hub.

    Example: steep share model --licence apache-2.0 --language en --out to-share
    """
    result(commands.share(model, out=out, **options))


@command(
    app,
    commands.CompareCommand,
    stopped="Finished cells of the study are kept; run it again to resume.",
)
def compare(file: Table, out: Out, **options: Any) -> None:
    """Answer "was step 2 worth it?" on your own data, with honest statistics.

    Example: steep compare reviews.csv --text review --label sentiment --model DIR --out study
    """
    result(commands.compare(file, out=out, **options))


@app.command()
def report(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file to write; by default in the folder.")
    ] = None,
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Whether texts of the data appear in it.")
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the report at --out if it exists.")
    ] = False,
) -> None:
    """Write one self-contained HTML page about a run or a study.

    Example: steep report study
    """
    with_errors(lambda: result(commands.report(folder, out=out, texts=texts, overwrite=overwrite)))


@command(app, CacheArgs, panel=SHELF)
def cache(**options: Any) -> None:
    """List what is kept of files that were read and tokenised, or remove some of it.

    Example: steep cache --prune --older-than 30
    """
    commands.cache(**options)


@command(app, DemoArgs, stopped="What was finished is kept.")
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the data, the runs and the report.")
    ] = Path("demo"),
    **options: Any,
) -> None:
    """Run all three steps and a small comparison on bundled film reviews.

    Example: steep demo --out demo
    """
    result(commands.demo(out=out, **options))


def _version(wanted: bool) -> None:
    if wanted:
        with_errors(lambda: tell(steep.__version__))
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
    code: Any = 2
    tell_bus_errors()
    try:
        with on_signals(_end):
            app(prog_name="steep")
    except SystemExit as ended:
        code = ended.code
    except OSError as error:  # of help, on a full disk or into a closed pipe
        say(f"Error: standard output cannot be written: {error.strerror}.")
    if here().count > 1:  # torch would wait for what it sends to a process that may be gone
        os._exit(code or 0)
    sys.exit(code)


def _end(number: int) -> None:
    """End outside of any command: while its line is read, or when it is done."""
    say(f"Stopped. {NOTHING_LEFT}")
    sys.exit(128 + number)
