"""Which commands are there? The functions behind the command line and `import steep` alike.

Here core and shelf meet: a feature has a command of its own, or gives the core values. Options are
keywords; `options_for` says whose word wins. Whatever is heavy is imported when it is needed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from steep.args import CacheArgs, CheckArgs, DataArgs, DemoArgs, FitArgs
from steep.args.chosen import options_for
from steep.launch import check_devices
from steep.openings import (
    AdaptCommand,
    CompareCommand,
    EvaluateCommand,
    FitCommand,
    IdentityArgs,
    MitigationArgs,
    Openings,
    PredictCommand,
    followers_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from fastai.callback.core import Callback
    from fastai.learner import Learner

    from steep.data.corpus import Data
    from steep.data.readers import Source, Texts

    Model = str | Path
    Config = str | Path | None


def read(source: "Source", **options: Any) -> "Data":
    """A table of texts, read and split: what every function of Steep takes.

    `source` is a file, a folder, a pandas DataFrame or a `datasets.Dataset`. Raises SteepError for
    whatever is wrong with it or the options.
    """
    from steep.data.load import load

    args = options_for(DataArgs, "read", options)
    return load(source, args.table, args.split)


def check(source: "Source | Data", *, out: "Config" = None, **options: Any) -> dict[str, Any]:
    """What is in a table, what will go wrong, and what it will cost: printed, and returned."""
    from steep.stages import check as stage

    args = options_for(CheckArgs, "check", options, source)
    return stage.check(source, args=args, out=_path(out))


def adapt(
    source: "Source | Data | Sequence[Source]",
    model: "Model | None" = None,
    *,
    out: "Model",
    unlabelled: "Sequence[Source]" = (),
    callbacks: "Sequence[Callback]" = (),
    **options: Any,
) -> Path:
    """Step 2: further pre-training of `model` on text; returns the folder `out`, a checkpoint."""
    from steep.shelf import sentence_pairs
    from steep.stages import adapt as stage

    args = options_for(AdaptCommand, "adapt", options | _given(model), source)
    check_devices(args.several)
    openings = Openings(
        callbacks=callbacks,
        followers=followers_of(args.track),
        objective=sentence_pairs.objective(args.pairs, args.core.pretrain),
        options=sentence_pairs.kept(args.pairs),
    )
    return stage.adapt(
        source, out=Path(out), args=args.core, unlabelled=unlabelled, openings=openings
    )


def select(pile: "Source | Sequence[Source]", *, out: "Model", **options: Any) -> Path:
    """Choose, from a large pile of text, what is most like your task's; returns the folder."""
    from steep.shelf.select import SelectArgs, select

    return select.select(pile, out=Path(out), args=options_for(SelectArgs, "select", options))


def fit(
    source: "Source | Data",
    model: "Model | None" = None,
    *,
    out: "Model",
    callbacks: "Sequence[Callback]" = (),
    **options: Any,
) -> Path:
    """Step 3: fine-tune a classifier; returns the folder `out`, a Hugging Face checkpoint.

    `model` is a checkpoint or a folder of `steep.adapt`, whose encoder and splits are then used.
    """
    from steep.stages import fit as stage

    args = options_for(FitCommand, "fit", options | _given(model), source)
    check_devices(args.several, args.search.tune)
    core, kept = args.core, dict[str, Any]()
    if (args.identity, args.mitigation) != (IdentityArgs(), MitigationArgs()):
        from steep.shelf.bias import mitigate

        source, core, kept = mitigate.prepared(source, core, args.identity, args.mitigation)
    openings = Openings(callbacks=callbacks, followers=followers_of(args.track), options=kept)
    if args.search.tune:
        from steep.shelf.tuning.tune import fit_tuned

        return fit_tuned(source, out=Path(out), args=core, openings=openings)
    return stage.fit(source, out=Path(out), args=core, openings=openings)


def self_train(
    source: "Source | Data",
    piles: "Source | Sequence[Source]",
    model: "Model | None" = None,
    *,
    out: "Model",
    **options: Any,
) -> Path:
    """Fit a teacher, pseudo-label unlabelled text, and fit a student on both."""
    from steep.shelf.self_training import SelfTrainCommand, self_train

    args = options_for(SelfTrainCommand, "self_train", options | _given(model), source)
    followers = followers_of(args.track)
    return self_train.self_train(source, piles, out=Path(out), args=args.core, followers=followers)


def auto(
    source: "Source | Data",
    piles: "Source | Sequence[Source]" = (),
    model: "Model | None" = None,
    *,
    out: "Model",
    **options: Any,
) -> Path:
    """The best model for your minutes: a frozen encoder, fit, step 2, self-training; the folder."""
    from steep.shelf.auto import AutoArgs, auto

    args = options_for(AutoArgs, "auto", options | _given(model), source)
    return auto.auto(source, piles, out=Path(out), args=args)


def learner(source: "Source | Data", model: "Model | None" = None, **options: Any) -> "Learner":
    """A plain fastai `Learner` that fine-tunes `model` on the data: everything of fastai works."""
    from steep.stages import fit as stage

    return stage.learner(source, options_for(FitArgs, "fit", options | _given(model), source))


def lr_find(
    source: "Source | Data", model: "Model | None" = None, *, out: "Config" = None, **options: Any
) -> dict[str, Any]:
    """Run fastai's lr_find several times; say what it suggests and whether it is reliable."""
    from steep.shelf.lr_find import LrFindArgs, lr_find

    args = options_for(LrFindArgs, "lr_find", options | _given(model), source)
    return lr_find.lr_find(source, args=args, out=_path(out))


def multitask(
    files: "Sequence[Source]", model: "Model | None" = None, *, out: "Model", **options: Any
) -> Path:
    """Train one encoder on several labelled tables; returns the folder `out`, a checkpoint."""
    from steep.shelf.multitask import MultitaskArgs, multitask

    args = options_for(MultitaskArgs, "multitask", options | _given(model))
    return multitask.multitask(files, out=Path(out), args=args)


@overload
def predict(model: "Model", source: "Source | Texts", *, out: "Model", **options: Any) -> Path: ...


@overload
def predict(
    model: "Model", source: "Source | Texts", *, out: None = None, **options: Any
) -> "pd.DataFrame": ...


def predict(
    model: "Model", source: "Source | Texts", *, out: "Config" = None, **options: Any
) -> "Path | pd.DataFrame":
    """Predictions for every row, in the order given: a DataFrame, or the CSV file `out`.

    `source` may also be a list of texts, or of pairs of texts.
    """
    from steep.shelf import export as engines
    from steep.stages import predict as stage

    args = options_for(PredictCommand, "predict", options)
    engine = engines.engine_of(Path(model), args.engine, args.core.batch.size)
    return stage.predict(model, source, out=_path(out), args=args.core, engine=engine)


def evaluate(
    model: "Model", source: "Source", *, out: "Config" = None, **options: Any
) -> dict[str, Any]:
    """How good a model is on labelled rows, with intervals: printed, and returned."""
    from steep.shelf import export as engines
    from steep.stages import evaluate as stage

    args = options_for(EvaluateCommand, "evaluate", options)
    engine = engines.engine_of(Path(model), args.engine, args.core.batch.size)
    return stage.evaluate(model, source, args=args.core, out=_path(out), engine=engine)


def bias(
    models: "Model | Sequence[Model]", source: "Source", *, out: "Config" = None, **options: Any
) -> dict[str, Any]:
    """Who pays for the mistakes of a model, or of two? By groups that texts mention: printed."""
    from steep.shelf.bias import BiasArgs, bias

    return bias.bias(models, source, out=_path(out), args=options_for(BiasArgs, "bias", options))


def explain(model: "Model", source: "Source", *, out: "Model", **options: Any) -> Path:
    """Which words speak for a model's answers to single rows; returns the folder `out`."""
    from steep.shelf.explain import ExplainArgs, explain

    args = options_for(ExplainArgs, "explain", options)
    return explain.explain(model, source, out=Path(out), args=args)


def export(model: "Model", source: "Source", **options: Any) -> Path:
    """Write a model as ONNX, checked against torch on rows of `source`."""
    from steep.shelf.export import ExportArgs, export

    return export.export(model, source, args=options_for(ExportArgs, "export", options))


def share(model: "Model", *, out: "Model", **options: Any) -> Path:
    """A copy of a model to give away, without anything of the data; returns the folder `out`."""
    from steep.shelf.share import ShareArgs, share

    return share.share(Path(model), out=Path(out), args=options_for(ShareArgs, "share", options))


def compare(
    source: "Source | Data", model: "Model | None" = None, *, out: "Model", **options: Any
) -> Path:
    """Was step 2 worth it? A paired study of several seeds; returns the folder `out`.

    Step 2 is configured by `adapt`, a dictionary of its options; others are step 3's, or its own.
    """
    from steep.shelf import ablation, awd_lstm
    from steep.shelf.bias import arms, studies
    from steep.study import compare as study

    given = options | _given(model)
    args = options_for(CompareCommand, "compare", given, source, ablation.beneath)
    further = [awd_lstm.arm(args.awd), *ablation.arms(args), *arms.arms_of(source, args)]
    folder = study.compare(source, out=Path(out), args=args.core, arms=further)
    return studies.examine(source, folder, args)


def report(
    folder: "Model", *, out: "Config" = None, texts: bool = True, overwrite: bool = False
) -> Path:
    """One self-contained HTML page about a run or a study; returns its path."""
    from steep.shelf.pages import write

    return write(Path(folder), _path(out), texts, overwrite)


def cache(**options: Any) -> dict[str, Any]:
    """What is kept of files that were read and tokenised: listed, or pruned, and returned."""
    from steep.stages import cache as stage

    return stage.cache(args=options_for(CacheArgs, "cache", options))


def demo(*, out: "Model" = "demo", **options: Any) -> Path:
    """All of it on real film reviews that come along; returns the report."""
    from steep.stages import demo as stage

    return stage.demo(Path(out), options_for(DemoArgs, "demo", options))


def _given(model: "Model | None") -> dict[str, Any]:
    return {} if model is None else {"model": str(model)}


def _path(out: "Config") -> Path | None:
    return None if out is None else Path(out)
